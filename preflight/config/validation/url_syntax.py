"""The rule for URLs: each is well formed, and has a scheme that its client supports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Finding
from checks.core.text import foreign
from preflight.config import causes
from preflight.config.schema.key import Key
from preflight.config.schema.keys import HTTP, KEYS, WEBSOCKET
from preflight.config.schema.tables import in_use
from preflight.config.schema.types import InvalidValue, Text
from preflight.config.urls import Url, parse
from preflight.config.validation.never_filled import is_placeholder, never_filled, placeholders
from preflight.config.validation.web_urls import ROOTED
from preflight.config.web_hosts import BadUrl

if TYPE_CHECKING:
    from preflight.config.validation.context import Context, Rule

_SAME = {"http": "ws", "https": "wss", "ws": "http", "wss": "https", "valkey": "redis", "valkeys": "rediss"}
_DATABASE_NUMBER = re.compile(r"/?|/[0-9]{1,9}")


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


def _is_read(key: Key, text: str, context: Context) -> bool:
    """Whether Mistle parses the URL (telemetry's also while telemetry is off), and it is no placeholder."""
    if in_use(key.path, context.tree):
        return not is_placeholder(text)
    is_template = is_placeholder(text) and text.lower().startswith(tuple(f"{scheme}://" for scheme in HTTP.schemes))
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
    return "holds a query, but Mistle appends paths of its own" if url.query and key.path not in ROOTED else ""


def _misses(key: Key, url: Url) -> str:
    """What the URL lacks for the client of its scheme: a host that it reads, a database."""
    if not url.host and not key.path.endswith("pooled_url"):
        return "names no host before the /, and Mistle's client of this URL reads none after the ?"
    if url.others and key.path.endswith("pooled_url"):
        return "names several hosts, which node-postgres does not support: write one"
    if url.scheme.startswith("postgres") and url.path in ("", "/"):
        return "names no database: append / and the database's name"
    if url.scheme.startswith("redis") and not _DATABASE_NUMBER.fullmatch(url.path):
        return "what follows the host must be empty, or / and a database number"
    return ""
