"""Rules for values that were never filled in: placeholders, references, and texts that their key cannot hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Finding
from preflight.config import causes
from preflight.config.schema import unfilled
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import key_of
from preflight.config.schema.tables import in_use
from preflight.config.schema.types import ListOf, Text, shown

if TYPE_CHECKING:
    from preflight.config.validation.context import Context

_PLACEHOLDER = re.compile(
    r"replace[-_ ]?(with|me)|change[-_ ]?me|\$\{\w+\}|\{\{((?!\{\{).)*\}\}|(^|:)<[^<>]*>(@|$)", re.IGNORECASE
)


def never_filled(context: Context) -> Iterator[Finding]:
    """No value is a reference, a word for nothing, in quotes, or in a form of another kind of value."""
    for path, value in context.values.items():
        key = key_of(path)
        if not isinstance(key.type, Text | ListOf) or not in_use(path, context.tree):
            continue
        for number, item in enumerate(value if isinstance(value, tuple) else (value,), 1):
            if form := unfilled.form_of(key, str(item)):
                position = f"item {number} " if isinstance(value, tuple) else ""
                message = position + form.message(key, str(item))
                yield context.finding(form.cause, path, message=message, status=unfilled.status(key, form, str(item)))


def placeholders(context: Context) -> Iterator[Finding]:
    """No value is a placeholder from a sample or a template: one finding for all that are."""
    paths = [path for path, value in context.values.items() if _holds_placeholder(value)]
    paths = [path for path in paths if in_use(path, context.tree)]
    if not paths:
        return
    public = next((path for path in paths if key_of(path).secrecy is Secrecy.NONE), "")
    example = f": {shown(context.values[public])}" if public else ""
    message = f"{len(paths)} values still hold placeholders{example and f', such as {public}{example}'}"
    one = f"still holds a placeholder{example}"
    yield context.finding(causes.PLACEHOLDER, *paths, message=message if len(paths) > 1 else one)


def _holds_placeholder(value: object) -> bool:
    return any(map(is_placeholder, value if isinstance(value, tuple) else (value,)))


def is_placeholder(value: object) -> bool:
    """Whether a text is a placeholder, or holds one."""
    return isinstance(value, str) and bool(_PLACEHOLDER.search(value))
