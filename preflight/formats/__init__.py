"""One module for each format: ``render(report) -> str``, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats import json, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preflight.report import Report

FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json.render,
}
