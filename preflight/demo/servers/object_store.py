"""An S3-compatible store in this process: nanio, which checks access key, secret and bucket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from nanio.app import build_app  # type: ignore[import-untyped]
from nanio.auth import sigv4  # type: ignore[import-untyped]
from nanio.auth.credentials import StaticCredentialResolver  # type: ignore[import-untyped]
from nanio.config import Settings  # type: ignore[import-untyped]
from starlette.types import ASGIApp

BUCKET, ACCESS_KEY, SECRET = "mistle-assets", "mistle-local", "mistle-local-object-store"


def object_store(folder: Path, ahead: timedelta = timedelta()) -> ASGIApp:
    """A store with one bucket, below ``folder``. Its clock is ``ahead`` of this machine's."""
    (folder / BUCKET).mkdir(parents=True)
    if ahead:
        _set_clock(ahead)
    app: ASGIApp = build_app(Settings(data_dir=folder, credentials=StaticCredentialResolver({ACCESS_KEY: SECRET})))
    return app


def _set_clock(ahead: timedelta) -> None:
    """The package compares a request's date with the clock in one function: give it another time of the clock."""
    check = sigv4.check_clock_skew

    def late(amz_date: datetime, **options: object) -> None:
        check(amz_date, **options | {"now": datetime.now(UTC) + ahead})

    sigv4.check_clock_skew = late
