"""Texts that are never masked, even if a secret has the same value: key names, file positions, check targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preflight.config.hints import with_origin
from preflight.config.origin import DEFAULT, Origin
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import KEYS, key_of
from preflight.config.urls import parse_or_none

_WEB = ("http", "ws")  # a path of these schemes may contain an @, and before it a part of a password


def names(origins: Mapping[str, Origin]) -> frozenset[str]:
    """The names of Mistle's keys and variables, and the origins of this configuration: not masked in any text."""
    texts = (text for key, origin in origins.items() for text in (key, str(origin), with_origin(key, origins)))
    return frozenset((*(key.path for key in KEYS), *(key.variable for key in KEYS), *texts)) - {str(DEFAULT)}


def targets(values: Mapping[str, object]) -> frozenset[str]:
    """The values of keys that are no secrets, and the addresses in URLs: not masked in the target of a check."""
    return frozenset(text for path, value in values.items() for text in _shown(key_of(path), value))


def _shown(key: Key, value: object) -> Iterator[str]:
    if key.url:
        yield from _parts(str(value))
    elif key.secrecy is Secrecy.NONE:
        yield from map(str, value if isinstance(value, tuple) else (value,))


def _parts(text: str) -> Iterator[str]:
    url = parse_or_none(text)
    if not url:
        return
    yield from (url.host, url.address, f"{url.scheme}://{url.address}")
    if not url.scheme.startswith(_WEB):
        yield url.address + url.path
