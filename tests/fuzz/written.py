"""Trees as TOML, and operations on a tree."""

import json
from collections.abc import Iterator

from preflight.config.tree import Path, Tree
from tests.harness.configs import Raw


def toml(tree: Tree) -> str:
    """A section for each table that holds a value or is empty."""
    return "\n".join(line for path, table in _tables(tree, ()) for line in _section(path, table))


def at(tree: object, path: Path) -> object:
    """The value at a path; an empty table if there is none."""
    for name in path:
        tree = tree.get(name, {}) if isinstance(tree, dict) else {}
    return tree


def without(tree: object, path: Path) -> Tree:
    name, *below = path
    if not isinstance(tree, dict) or name not in tree:
        return tree if isinstance(tree, dict) else {}
    rest = {other: value for other, value in tree.items() if other != name}
    return {**rest, name: without(tree[name], tuple(below))} if below else rest


def variable(value: object) -> str:
    """A value as the text of a variable."""
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def _tables(tree: Tree, path: Path) -> Iterator[tuple[Path, Tree]]:
    yield path, tree
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _tables(value, (*path, name))


def _section(path: Path, table: Tree) -> Iterator[str]:
    values = {name: value for name, value in table.items() if not isinstance(value, dict)}
    if path and (values or not table):
        yield f"[{'.'.join(map(_quoted, path))}]"
    yield from (f"{_quoted(name)} = {_text(value)}" for name, value in values.items())


def _text(value: object) -> str:
    match value:
        case Raw():
            return value.text
        case list():
            return f"[{', '.join(map(_text, value))}]"
        case dict():
            return f"{{{', '.join(f'{_quoted(name)} = {_text(item)}' for name, item in value.items())}}}"
        case str() | bool():
            return _quoted(value)
    return str(value)


def _quoted(value: str | bool) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
