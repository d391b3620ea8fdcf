"""Collects every secret of a configuration, in each form in which it was written, so that every text can be masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from preflight.config.javascript import SAFE_INTEGER, trim
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.schema.unfilled import is_word_for_nothing
from preflight.config.tree import Tree, lookup

_PASSWORDS = (
    re.compile(r"://[^:@/?#]*:([^/?#]*)@"),
    re.compile(r"[?&](?:ssl)?password=([^&#]*)"),
)
_USER = re.compile(r"://[^:@]*:")
_TOKENS = (  # of http and ws URLs: each may be an API key
    re.compile(r"[?&][^?=&#]*=([^&#]*)"),
    re.compile(r"[?&]([^?=&#]+)(?=[&#]|$)"),
    re.compile(r"://([^:@/?#]*)(?::[^/?#]*)?@"),
)

_PLACEHOLDER = re.compile(  # public words: to mask them would hide parts of other words
    r"(replace[-_ ]?(with|me)|change[-_ ]?me)([-_ ][a-z]+)*|\$\{\w+\}|\{\{[\w .-]*\}\}|<[a-z][a-z _-]*>", re.IGNORECASE
)


def collect(tree: Tree, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets of a file's tree and of the overriding variables, longest first. A placeholder alone is none."""
    secrets = {
        form
        for key in KEYS
        for text in _texts(key, tree, environ)
        for secret in _secrets(key, text)
        for form in (secret, trim(secret))
        if form and not _PLACEHOLDER.fullmatch(form) and not is_word_for_nothing(form)
    }
    return tuple(sorted(secrets, key=lambda secret: (-len(secret), secret)))


def _texts(key: Key, tree: Tree, environ: Mapping[str, str]) -> Iterator[str]:
    if key.secrecy is Secrecy.NONE and not key.url:
        return
    value = lookup(tree, key.section if key.path.endswith(VERSION) else key.path)
    yield from _strings(value)
    if key.variable in environ:
        yield environ[key.variable]
        yield from _json_strings(key, environ[key.variable])


def _strings(value: object) -> Iterator[str]:
    """The text of a value. If it is a number, list or table where a string belongs, every text in it."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case list() as items:
                pending.extend(items)
            case dict() as table:
                pending.extend(table.values())
            case int() as number if abs(number) <= SAFE_INTEGER:
                yield str(number)


def _json_strings(key: Key, text: str) -> Iterator[str]:
    """The master keys of the one variable that holds all versions."""
    if key.path.endswith(VERSION):
        try:
            yield from _strings(json.loads(text))
        except (ValueError, RecursionError):
            return


def _is_web(text: str) -> bool:
    return trim(text).lower().startswith(("http", "ws"))


def _secrets(key: Key, text: str) -> Iterator[str]:
    if not key.url or (key.secrecy is not Secrecy.NONE and "://" not in text):
        yield text
        return
    patterns = (*_PASSWORDS, *_TOKENS) if _is_web(text) else _PASSWORDS
    for password in {*(part for pattern in patterns for part in pattern.findall(text)), _longest(text)}:
        yield from (password, unquote(password), quote(unquote(password), safe=""))


def _longest(text: str) -> str:
    """The text up to the last @: in a malformed URL, any @ may end the password."""
    user = _USER.search(text)
    return text[user.end() :].rpartition("@")[0] if user else ""
