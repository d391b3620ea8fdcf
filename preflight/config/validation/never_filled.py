"""The rule for values that were never filled in, or are written in a form that their key cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.config.schema import unfilled
from preflight.config.schema.keys import key_of
from preflight.config.schema.tables import in_use
from preflight.config.schema.types import ListOf, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.core.check import Finding
    from preflight.config.validation.context import Context


def never_filled(context: Context) -> Iterator[Finding]:
    """No value is a reference, a word for nothing, in quotes, or in a form of another kind of value."""
    for path, value in context.values.items():
        key = key_of(path)
        if not isinstance(key.type, Text | ListOf) or not in_use(path, context.tree):
            continue
        for number, item in enumerate(value if isinstance(value, tuple) else (value,), 1):
            if form := unfilled.of(key, str(item)):
                position = f"item {number} " if isinstance(value, tuple) else ""
                message = position + form.message(key, str(item))
                yield context.finding(form.cause, path, message=message, status=unfilled.status(key, form, str(item)))
