"""Rules for single values that Mistle's own schema accepts: placeholders, and malformed URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.core.text import foreign
from preflight.config import causes
from preflight.config.schema.keys import KEYS, Key, Secrecy, in_use, key_of
from preflight.config.schema.types import InvalidValue, Text, shown
from preflight.config.urls import BadUrl, Url, parse
from preflight.config.validation.never_filled import never_filled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.core.check import Finding
    from preflight.config.validation.context import Context, Rule

_PLACEHOLDER = re.compile(
    r"replace[-_ ]?(with|me)|change[-_ ]?me|\$\{\w+\}|\{\{((?!\{\{).)*\}\}|(^|:)<[^<>]*>(@|$)", re.IGNORECASE
)
_DATABASE_NUMBER = re.compile(r"/?|/[0-9]{1,9}")


def placeholders(context: Context) -> Iterator[Finding]:
    """No value is a placeholder from a sample or a template."""
    for path, value in context.values.items():
        items = value if isinstance(value, tuple) else (value,)
        if in_use(path, context.tree) and any(map(_is_placeholder, items)):
            secret = key_of(path).secrecy is not Secrecy.NONE
            message = "still holds a placeholder" if secret else f"still holds a placeholder: {shown(value)}"
            yield context.finding(causes.PLACEHOLDER, path, message=message)


def urls(context: Context) -> Iterator[Finding]:
    """Each value that Mistle uses as a URL is one, with a scheme that its client supports."""
    for key in KEYS:
        text = context.values.text(key.path)
        if isinstance(key.type, Text) and key.url and text and in_use(key.path, context.tree):
            invalid = None if _is_placeholder(text) else _invalid(key, text, key.type.schemes)
            if invalid:
                yield context.finding(invalid.cause, key.path, message=invalid.message)


SYNTAX: tuple[Rule, ...] = (never_filled, placeholders, urls)


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and bool(_PLACEHOLDER.search(value))


def _invalid(key: Key, text: str, schemes: tuple[str, ...]) -> InvalidValue | None:
    try:
        url = parse(text)
    except BadUrl as error:
        return InvalidValue(causes.MALFORMED_URL, f"is not a URL like {schemes[0]}://…: {error.reason}")
    if url.scheme not in schemes:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        return InvalidValue(
            causes.WRONG_SCHEME, f"begins with {foreign(url.scheme, 20)}://, must begin with {expected}"
        )
    message = _misses(url) or (_exceeds(url) if key.path.startswith("services.") else "")
    return InvalidValue(causes.MALFORMED_URL, message) if message else None


def _exceeds(url: Url) -> str:
    """A service's URL holds a part that it may not hold: Mistle appends a path, and its client refuses a user name."""
    if url.username or url.password:
        return "holds a user name or password, which Mistle's client refuses in a URL"
    return "holds a query, and Mistle appends paths of its own" if url.query else ""


def _misses(url: Url) -> str:
    """The URL has no database, or an invalid one, for the client of its scheme."""
    if url.scheme.startswith("postgres") and url.path in ("", "/"):
        return "names no database: append / and the database's name"
    if url.scheme.startswith("redis") and not _DATABASE_NUMBER.fullmatch(url.path):
        return "what follows the host must be empty, or / and a database number"
    return ""
