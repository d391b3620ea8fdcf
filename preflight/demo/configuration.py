"""The demo's configuration: the text of examples/mistle.toml with other values, so that line numbers are its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_SECTION = re.compile(r"\[([\w.]+)\]")
_LINE = re.compile(r"(?P<name>\w+) = (?P<value>\"[^\"]*\"|\[[^]]*\]|[^ ]+)(?P<rest>.*)")
_PLACES = (Path(__file__).with_name("mistle.toml"), Path(__file__).parents[2] / "examples/mistle.toml")


def example() -> str:
    """The example's text: a wheel has it beside this module."""
    return next(place for place in _PLACES if place.exists()).read_text(encoding="utf-8")


def configuration(values: Mapping[str, object]) -> str:
    """The example with these values, by key path. Raises KeyError for a path that it does not set."""
    left = dict(values)
    text = "".join(f"{line}\n" for line in _lines(left))
    if left:
        raise KeyError(*left)
    return text


def _lines(left: dict[str, object]) -> Iterator[str]:
    section = ""
    for line in example().splitlines():
        if head := _SECTION.fullmatch(line):
            section = head[1]
        found = _LINE.fullmatch(line)
        path = f"{section}.{found['name']}" if found else ""
        # JSON's strings, numbers, booleans and lists of strings are TOML's.
        yield f"{found['name']} = {json.dumps(left.pop(path))}{found['rest']}" if found and path in left else line
