"""Writes docs/checks.md, docs/findings.md and the tables of README.md and SECURITY.md from the code.

Run ``python -m preflight.reference.generate``.
"""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import checks
from checks.core.check import Check, Layer
from checks.net import tcp
from preflight.reference.catalogue import Entry, anchor, causes_of, entries, sentence
from preflight.reference.tables import with_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDER = Path(__file__).parents[2] / "docs"
_GENERATED = "<!-- Made by python -m preflight.reference.generate; change the code instead. -->"


def findings_page() -> str:
    """docs/findings.md."""
    groups: dict[str, list[Entry]] = {}
    for id_, entry in entries().items():
        groups.setdefault(id_.partition(".")[0], []).append(entry)
    sections = (line for prefix, group in groups.items() for line in (f"## {prefix}", *map(_finding, group)))
    return _page(
        "# Findings",
        "Each id is stable: `--ignore` takes it, `mistle-preflight explain` prints its entry. "
        "A rung that passed has the id `<kind>.<rung>`.",
        *sections,
    )


def checks_page() -> str:
    """docs/checks.md."""
    return _page(
        "# Checks",
        "A check climbs its rungs, lowest first; the first that fails ends the climb. What each finding means is in "
        "[findings.md](findings.md).",
        *(part for kind in checks.load_all() for part in _kind(kind)),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "checks.md": checks_page,
    "findings.md": findings_page,
    **{f"../{name}": partial(with_tables, name) for name in ("README.md", "SECURITY.md")},
}


def _finding(entry: Entry) -> str:
    cause, found_by = entry.cause, ", ".join(f"`{kind}`" for kind in entry.kinds) or "the run itself"
    about = (
        f"### `{cause.id}`",
        f"{sentence(cause.means)}",
        f"- rung {entry.rung}, verdict `{cause.status}`, found by {found_by}\n- blames {entry.blames}",
        _block(entry.example) if entry.example else "",
        f"**Remedy:** {sentence(entry.hint)}" if entry.hint else "",
    )
    return "\n\n".join(filter(None, about))


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def _kind(kind: type[Check]) -> Iterator[str]:
    found = {cause.layer for cause in causes_of(kind)}
    yield f"## {kind.kind}"
    yield inspect.getdoc(kind) or ""
    yield "Rungs: " + ", ".join(f"`{layer}`" for layer in Layer if layer in found) + "."
    yield "\n".join(f"- {_link(cause.id)}: {cause.means}" for cause in kind.causes)
    if issubclass(kind, tcp.NetworkCheck):
        yield "And what every check of the network can find: [network](findings.md#network), [tls](findings.md#tls)."


def _link(id_: str) -> str:
    return f"[`{id_}`](findings.md#{anchor(id_)})"


def _page(*parts: str) -> str:
    return "\n\n".join((parts[0], _GENERATED, *parts[1:])) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page(), encoding="utf-8")
