"""Strategies for valid configurations with random changes."""

from collections.abc import Callable, Mapping
from functools import reduce

from hypothesis import strategies as st

from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import key_of
from preflight.config.tree import Path, Tree, with_value
from tests.fuzz.secrets import mark
from tests.fuzz.values import TEXTS, VALUES, WORDS, Values, likely
from tests.fuzz.written import at, toml, without
from tests.harness.configs import ALL, E2B, GOOGLE, MOUNTED, TELEMETRY, VALID

Change = Callable[[Tree], Tree]
Changes = st.SearchStrategy[Change]

KEYS: Mapping[Path, Key] = {
    tuple(path.split(".")): key_of(path) for path in ALL if path != "sandbox.storage.docker_volume"
}
MARKS = {path: mark(number) for number, path in enumerate(KEYS)}
PLACES = sorted({path[:depth] for path in KEYS for depth in range(1, len(path) + 1)})
KINDS = ["set", "set", "set", "likely", "likely", "remove", "copy", "move", "rename", "below"]


def marked(settings: Mapping[str, object]) -> Tree:
    """A tree in which every secret is the mark of its path."""
    tree: Tree = {}
    for path, value in settings.items():
        parts = tuple(path.split("."))
        if value is not None:
            tree = with_value(tree, parts, _marked(parts, value) if parts in KEYS else value)
    return tree


def _marked(path: Path, value: object) -> object:
    if KEYS[path].url:
        login, at_sign, server = str(value).rpartition("@")
        return f"{login.rpartition(':')[0]}:{MARKS[path]}@{server}" if at_sign else value
    return value if KEYS[path].secrecy is Secrecy.NONE else f"{value}-{MARKS[path]}"


BASES = [marked(base) for base in (VALID, {**VALID, **E2B}, {**VALID, **MOUNTED, **GOOGLE, **TELEMETRY}, ALL)]


@st.composite
def likely_changes(draw: st.DrawFn) -> Change:
    """Another value of the right type."""
    path = draw(st.sampled_from(list(KEYS)))
    value = draw(likely(KEYS[path], MARKS[path]))
    return lambda tree: with_value(tree, path, value)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any change of one place in a tree."""
    kind, path = draw(st.sampled_from(KINDS)), draw(st.sampled_from(PLACES))
    match kind:
        case "likely":
            return draw(likely_changes())
        case "remove":
            return lambda tree: without(tree, path)
        case "copy" | "move":
            goal = draw(st.sampled_from(PLACES))
            return lambda tree: with_value(tree if kind == "copy" else without(tree, path), goal, at(tree, path))
        case "rename":
            name = draw(near(path[-1]))
            return lambda tree: with_value(without(tree, path), (*path[:-1], name), at(tree, path))
        case "below":
            path = (*path, draw(WORDS))
    value = draw(_values(path))
    return lambda tree: with_value(tree, path, value)


def _values(path: Path) -> Values:
    """The values for a path; for that of a secret, a secret with its mark."""
    if path in KEYS and (KEYS[path].url or KEYS[path].secrecy is not Secrecy.NONE):
        return likely(KEYS[path], MARKS[path])
    return VALUES


def near(name: str) -> st.SearchStrategy[str]:
    """A name with a spelling error."""
    spots = st.integers(0, len(name) - 1)
    return st.one_of(
        st.builds(lambda spot: name[:spot] + name[spot + 1 :], spots),
        st.builds(lambda spot, sign: name[:spot] + sign + name[spot:], spots, st.sampled_from('_-. eE0é"\n')),
        st.sampled_from([name.upper(), name.title(), f"{name}s", name.replace("_", "-"), f"{name}.{name}"]),
    )


@st.composite
def texts(draw: st.DrawFn, each: Changes, most: int) -> str:
    """A valid configuration after up to ``most`` changes, as text."""
    changed = reduce(
        lambda tree, change: change(tree), draw(st.lists(each, max_size=most)), draw(st.sampled_from(BASES))
    )
    return toml(changed)


def documents(most: int = 5) -> st.SearchStrategy[str]:
    """Such texts; a quarter of them has random edits of lines too."""
    changed = texts(changes(), most)
    return st.one_of(changed, changed, changed, changed.flatmap(_edited))


@st.composite
def _edited(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    here, there = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    edits: dict[str, Callable[[], object]] = {
        "double": lambda: lines.insert(there, lines[here]),
        "drop": lambda: lines.pop(here),
        "insert": lambda: lines.insert(here, draw(TEXTS)),
        "cut": lambda: lines.__setitem__(here, lines[here][: draw(st.integers(0, 40))]),
        "leave": lambda: None,
    }
    edits[draw(st.sampled_from(list(edits)))]()
    first, ending = draw(st.sampled_from(["", "", "\ufeff", "\0"])), draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    return first + ending.join(lines)
