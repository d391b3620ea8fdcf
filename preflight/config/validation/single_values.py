"""Rules for single values that Mistle's own schema accepts: placeholders, and malformed URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.core.text import foreign
from preflight.config import causes
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import HTTP, KEYS, WEBSOCKET, key_of
from preflight.config.schema.tables import in_use
from preflight.config.schema.types import InvalidValue, Text, shown
from preflight.config.urls import BadUrl, Url, parse
from preflight.config.validation.never_filled import never_filled
from preflight.config.validation.web_urls import ROOTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.core.check import Finding
    from preflight.config.validation.context import Context, Rule

_PLACEHOLDER = re.compile(
    r"replace[-_ ]?(with|me)|change[-_ ]?me|\$\{\w+\}|\{\{((?!\{\{).)*\}\}|(^|:)<[^<>]*>(@|$)", re.IGNORECASE
)
_SAME = {"http": "ws", "https": "wss", "ws": "http", "wss": "https", "valkey": "redis", "valkeys": "rediss"}
_DATABASE_NUMBER = re.compile(r"/?|/[0-9]{1,9}")


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


def urls(context: Context) -> Iterator[Finding]:
    """Each value that Mistle uses as a URL is one, with a scheme that its client supports."""
    for key in KEYS:
        text = context.values.text(key.path)
        if not isinstance(key.type, Text) or not key.url or text in ("", key.type.word):
            continue
        invalid = _invalid(key, text, key.type) if _is_read(key, text, context) else None
        if invalid:
            yield context.finding(invalid.cause, key.path, message=invalid.message, corrected=invalid.corrected)


SYNTAX: tuple[Rule, ...] = (never_filled, placeholders, urls)


def _holds_placeholder(value: object) -> bool:
    return any(map(_is_placeholder, value if isinstance(value, tuple) else (value,)))


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and bool(_PLACEHOLDER.search(value))


def _is_read(key: Key, text: str, context: Context) -> bool:
    """Whether Mistle parses the URL, telemetry's also while that is off; and it is no placeholder, found as such."""
    if in_use(key.path, context.tree):
        return not _is_placeholder(text)
    is_template = _is_placeholder(text) and text.lower().startswith(tuple(f"{scheme}://" for scheme in HTTP.schemes))
    return key.path.startswith("telemetry.") and not is_template


def _invalid(key: Key, text: str, expected: Text) -> InvalidValue | None:
    or_word = f' or "{expected.word}"' if expected.word else ""
    try:
        url = parse(text)
    except BadUrl as error:
        return InvalidValue(
            causes.MALFORMED_URL, f"is not a URL like {expected.schemes[0]}://…{or_word}: {error.reason}"
        )
    if url.scheme not in expected.schemes:
        prefixes = " or ".join(f"{scheme}://" for scheme in expected.schemes)
        message = f"begins with {foreign(url.scheme, 20)}://, must begin with {prefixes}"
        meant = _SAME.get(url.scheme, "")
        corrected = meant + text[len(url.scheme) :] if meant in expected.schemes else None
        return InvalidValue(causes.WRONG_SCHEME, message, corrected)
    message = _misses(key, url) or (_exceeds(key, url) if key.path.startswith("services.") else "")
    return InvalidValue(causes.MALFORMED_URL, message) if message else None


def _exceeds(key: Key, url: Url) -> str:
    """A service's URL holds a part that it may not hold: Mistle appends a path, and its client refuses a user name."""
    if url.username or url.password:
        return "holds a user name or password, which Mistle's client refuses in a URL"
    if key.type == WEBSOCKET:
        return "holds a fragment (# and what follows), which no WebSocket's URL may have" if url.fragment else ""
    return "holds a query, and Mistle appends paths of its own" if url.query and key.path not in ROOTED else ""


def _misses(key: Key, url: Url) -> str:
    """What the URL lacks for the client of its scheme: a host that it reads, a database."""
    if not url.host and not key.path.endswith("pooled_url"):
        return "names no host before the /, and Mistle's client of this URL reads none behind ?"
    if url.others and key.path.endswith("pooled_url"):
        return "names several hosts, which node-postgres does not support: write one"
    if url.scheme.startswith("postgres") and url.path in ("", "/"):
        return "names no database: append / and the database's name"
    if url.scheme.startswith("redis") and not _DATABASE_NUMBER.fullmatch(url.path):
        return "what follows the host must be empty, or / and a database number"
    return ""
