"""Renders a page as one document, with its style and its script in it: it needs no other file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from checks.core.finding import Status
from preflight.formats.html.text import breakable, duration, shown
from preflight.formats.shared.phrases import STYLES, stage

_FOLDER = Path(__file__).parent


def render_document(template: str, page: object, *styles: str) -> str:
    """Render the template with ``page``. The document fetches nothing, and its policy allows only its own script."""
    style, script = "".join(map(_text, styles)), _text("page.js")
    policy = (
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    loaded = _environment().get_template(template)
    return loaded.render(page=page, style=style, script=script, policy="; ".join(policy)) + "\n"


def render_part(template: str, page: object) -> str:
    """Render a template that is a part of a document."""
    return _environment().get_template(template).render(page=page)


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
    environment.filters |= {"breakable": breakable, "duration": duration, "stage": stage, "status_name": _status_name}
    return environment


def _status_name(status: Status | str) -> str:
    """The name of a status, as in the report for a terminal."""
    return STYLES[status if isinstance(status, Status) else Status[status.upper()]].counted


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression of the policy that allows this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
