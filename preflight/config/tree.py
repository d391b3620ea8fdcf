"""A configuration as nested tables, and the paths of its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Tree = Mapping[str, object]
Path = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+|<version>")  # and the schema's own placeholder


def dotted(path: Path) -> str:
    """A path as TOML writes it."""
    return ".".join(name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in path)


def lookup(tree: Tree, path: str) -> object:
    """The value at a dotted path of bare names; None if there is none."""
    node: object = tree
    for name in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def with_value(tree: object, path: Path, value: object) -> Tree:
    """A copy with this value at this path. A value where a table is needed is replaced by a table, as in Mistle."""
    name, *below = path
    table = tree if isinstance(tree, dict) else {}
    return {**table, name: with_value(table.get(name), tuple(below), value) if below else value}
