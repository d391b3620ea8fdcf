"""A page as one document that needs nothing else: its template, with its style and its script in it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from checks.core.check import Status
from preflight.formats.html.text import breakable, duration, shown
from preflight.formats.shared.phrases import STYLES

_FOLDER = Path(__file__).parent


def document(template: str, page: object, *styles: str) -> str:
    """One HTML document, of what the template asks the page for. It fetches nothing and runs no script but its own."""
    style, script = "".join(map(_text, styles)), _text("page.js")
    policy = (
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    found = _environment().get_template(template)
    return found.render(page=page, style=style, script=script, policy="; ".join(policy)) + "\n"


@cache
def _environment() -> Environment:
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
