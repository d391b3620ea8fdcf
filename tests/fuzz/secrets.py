"""Marks in secrets, by which a test finds a secret that leaks."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator

from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.tree import lookup
from tests.fuzz.call import EMPTY, Block

_MARK = re.compile(r"Op3n-Sesame-[0-9]{3}")
_OPEN = tuple(key for key in KEYS if key.secrecy is Secrecy.NONE and not key.url)
_SECRET = tuple(key for key in KEYS if key.secrecy is not Secrecy.NONE or key.url)


def mark(number: int) -> str:
    return f"Op3n-Sesame-{number:03}"


def hidden(document: str, environ: Block = EMPTY) -> set[str]:
    """The marks in a configuration of ``fuzz.changes``, except those in values that are not secret."""
    variables = {os.fsdecode(name): os.fsdecode(text) for name, text in environ.items()}
    all_ = set(_MARK.findall("\n".join((document, *variables.values()))))
    try:
        tree = tomllib.loads(document)
    except (ValueError, RecursionError):
        return all_
    return _marks(_SECRET, tree, variables) | all_ - _marks(_OPEN, tree, variables)


def whole(document: bytes, environ: Block = EMPTY) -> set[str]:
    """The complete secret values in a configuration of which any byte may have changed."""
    variables = {os.fsdecode(name): os.fsdecode(text) for name, text in environ.items()}
    try:
        tree = tomllib.loads(document.decode())
    except (ValueError, RecursionError):
        tree = {}
    texts = {text for key in _SECRET if not key.url for text in _written(key, tree, variables) if _MARK.search(text)}
    names = {*_names(tree), *variables}
    return {text for text in texts if not any(text in name for name in names)}


def public(document: str) -> set[str]:
    """The marks that are not secret: in a value that is no secret, or in a name."""
    tree = tomllib.loads(document)
    return _marks(_OPEN, tree, {}) | {mark for name in _names(tree) for mark in _MARK.findall(name)}


def _marks(keys: Iterable[Key], tree: dict[str, object], variables: dict[str, str]) -> set[str]:
    return {mark for key in keys for text in _written(key, tree, variables) for mark in _MARK.findall(text)}


def _written(key: Key, tree: dict[str, object], variables: dict[str, str]) -> Iterator[str]:
    path = key.path.removesuffix(f".{VERSION}")
    yield from _texts(lookup(tree, path))
    yield variables.get(key.variable, "")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for item in value:
                yield from _texts(item)


def _names(tree: dict[str, object]) -> Iterator[str]:
    for name, value in tree.items():
        yield name
        if isinstance(value, dict):
            yield from _names(value)
