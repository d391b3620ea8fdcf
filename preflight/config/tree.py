"""Configurations as TOML reads them, tables within tables, and the paths of what is in them."""

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
    """What stands at a dotted path of bare names; None when nothing does."""
    node: object = tree
    for name in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def put(tree: object, path: Path, value: object) -> Tree:
    """A copy with this value at this path. What stands in the way of a table gives way, as it does in Mistle."""
    name, *below = path
    table = tree if isinstance(tree, dict) else {}
    return {**table, name: put(table.get(name), tuple(below), value) if below else value}
