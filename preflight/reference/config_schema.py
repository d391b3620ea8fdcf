"""The JSON Schema of mistle.toml, for editors: made from the table of keys.

It has every key's type, limits and default. What depends on other keys is in the descriptions alone: an editor must not
mark a file that Mistle accepts. Draft 7 is what editors of TOML read.
"""

from __future__ import annotations

import json
from typing import Any

from preflight.config.schema.conditions import ALWAYS, OPTIONAL
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.schema.tables import ABOUT
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Type

Node = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_NOT_BLANK = r"\S"
_VERSION = "^[1-9][0-9]*$"


def text() -> str:
    """The schema as JSON."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


def document() -> Node:
    """The schema of a whole file."""
    root = _table("", "The configuration of a Mistle deployment.")
    for key in KEYS:
        _add(root, key)
    return {"$schema": DRAFT, "title": "mistle.toml", **root}


def _table(path: str, description: str = "") -> Node:
    about = ABOUT.get(path, description)
    described = {"description": about} if about else {}
    return {**described, "type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _add(root: Node, key: Key) -> None:
    *tables, name = key.path.split(".")
    node, path = root, ""
    for table in tables:
        path = f"{path}.{table}".lstrip(".")
        if key.required is ALWAYS and table not in node["required"]:
            node["required"].append(table)
        node = node["properties"].setdefault(table, _table(path))
    if name == VERSION:
        node |= {"patternProperties": {_VERSION: _property(key)}, "minProperties": 1}
        return
    node["properties"][name] = _property(key)
    if key.required is ALWAYS:
        node["required"].append(name)


def _property(key: Key) -> Node:
    default = {} if key.default is None else {"default": key.default}
    return {"description": _described(key), **_typed(key.type), **default}


def _described(key: Key) -> str:
    parts = [key.about]
    if isinstance(key.type, Text) and key.url:
        word = f', or is "{key.type.word}"' if key.type.word else ""
        parts.append(f"Begins with {' or '.join(f'{scheme}://' for scheme in key.type.schemes)}{word}.")
    if key.required is not ALWAYS and key.required is not OPTIONAL:
        parts.append(f"Required {key.required.text}.")
    if key.secrecy is not Secrecy.NONE:
        parts.append("A secret.")
    return " ".join((*parts, f"Variable: {key.variable}"))


def _typed(of: Type) -> Node:
    match of:
        case Boolean():
            return {"type": "boolean"}
        case Choice():
            return {"type": "string", "enum": list(of.allowed)}
        case Integer():
            return {"type": "integer", "minimum": of.minimum, "maximum": of.maximum}
        case ListOf():
            contains = {"contains": {"const": of.must_contain}} if of.must_contain else {}
            return {"type": "array", "items": _typed(of.item), "minItems": 1, **contains}
        case Text():
            return {"type": "string", "pattern": _NOT_BLANK}
