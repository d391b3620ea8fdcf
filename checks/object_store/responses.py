"""A store's replies other than success: the parts that the check uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from checks.core import clock_skew
from checks.core.text import foreign

_EXPECTED_REGION = re.compile(r"expecting '([A-Za-z0-9-]{1,63})'")
_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_MOVED = {"PermanentRedirect", "TemporaryRedirect"}


class Altered(Exception):
    """The store did not return the object as it was put."""


class Unreadable(Exception):
    """The reply is not in the form of S3."""


class StoreError(Exception):
    """The reply to one operation. ``code`` is that of S3, "" if the reply is not from S3; ``text`` is the message.

    ``bucket`` is the bucket that the store looked for, ``elsewhere`` the host at which it serves the bucket; both "" if
    the reply names none. The reply to HEAD has no body: its code is derived from the status.
    """

    def __init__(self, operation: str, parsed: Mapping[str, Any], reason: str = "") -> None:
        """``reason`` is that of the status line."""
        reply, error = parsed.get("ResponseMetadata", {}), parsed.get("Error", {})
        self.operation = operation
        self.status: int = reply.get("HTTPStatusCode", 0)
        self.headers: Mapping[str, str] = reply.get("HTTPHeaders", {})
        self.code = _code(operation, self.status, str(error.get("Code", "")))
        self.text = str(error.get("Message") or "")
        self.region = _region(error, self.headers)
        self.bucket = str(error.get("BucketName") or "")
        self.elsewhere = _elsewhere(self.code, str(error.get("Endpoint") or ""), self.headers.get("location", ""))
        self._reason = reason
        super().__init__(f"{operation}: {self.status} {self.code}")

    @property
    def is_s3(self) -> bool:
        """Whether the reply is from an S3 store."""
        return bool(self.code)

    @property
    def summary(self) -> str:
        """The reply in one line."""
        text = f" ({foreign(self.text)})" if self.text and self.code else ""
        code = foreign(self.code) if self.code else self._content_text
        return f"{self.operation} was answered with {self.status} {code}{text}"

    @property
    def clock_behind(self) -> float | None:
        """Seconds by which this machine's clock is behind the store's; negative when it is ahead, None if unknown."""
        return clock_skew.seconds_behind(self.headers.get("date", ""))

    @property
    def _content_text(self) -> str:
        if location := self.headers.get("location"):
            return f"and sent on to {foreign(location.partition('?')[0])}"  # its query may hold a signature
        if kind := self.headers.get("content-type"):
            return f"and {foreign(kind)}"
        return foreign(self._reason) if self._reason else "and no content type"


def _code(operation: str, status: int, code: str) -> str:
    if operation == "HeadObject":
        return {403: "AccessDenied", 404: "NoSuchKey"}.get(status, "")
    return "" if code.isdigit() or status < 300 else code


def _elsewhere(code: str, endpoint: str, location: str) -> str:
    """The host of a redirect as S3 sends it."""
    if code not in _MOVED:
        return ""
    host = endpoint or location.partition("://")[2].partition("/")[0]
    return host if _HOST.fullmatch(host) else ""


def _region(error: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The region that the store requires, from any part of the reply that names it."""
    match = _EXPECTED_REGION.search(str(error.get("Message", "")))
    region = headers.get("x-amz-bucket-region") or error.get("Region") or (match[1] if match else "")
    return region if _REGION.fullmatch(str(region)) else ""
