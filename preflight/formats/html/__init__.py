"""One page that needs nothing else: the deployment as a map, what to mend, and every key. For people."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from checks.base import Status
from preflight.formats.html.words import breakable, duration, shown
from preflight.formats.phrases import STYLES

if TYPE_CHECKING:
    from jinja2 import Environment

    from preflight.report import Report

_FOLDER = Path(__file__).parent


def render(report: Report) -> str:
    """One HTML document. Nothing is fetched, and no script runs but the page's own."""
    from preflight.formats.html.page import Page

    style, script = _text("page.css"), _text("page.js")
    policy = (
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    template = _environment().get_template("page.html.j2")
    return template.render(page=Page(report), style=style, script=script, policy="; ".join(policy)) + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": breakable, "duration": duration, "word": _word}
    return environment


def _word(status: Status | str) -> str:
    """What a status is called in the report for the terminal."""
    return STYLES[status if isinstance(status, Status) else Status[status.upper()]].counted


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression that lets one inline text through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
