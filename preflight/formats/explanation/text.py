"""Entries of the catalogue for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preflight.reference.catalogue import Entry, Explanation


def render(explanation: Explanation) -> str:
    """One entry in full, or a list with a line for each."""
    return _listing(explanation.entries) if explanation.listed else paragraph(explanation.entries[0])


def paragraph(entry: Entry) -> str:
    """One entry: its meaning, an example and the remedy."""
    return "\n".join(_lines(entry)) + "\n"


def _listing(entries: Iterable[Entry]) -> str:
    causes = [entry.cause for entry in entries]
    width = max((len(cause.id) for cause in causes), default=0)
    lines = (f"{cause.id:{width}}  {cause.layer:7}  {cause.status!s:4}  {cause.means}" for cause in causes)
    return "\n".join(lines) + "\n"


def _lines(entry: Entry) -> Iterator[str]:
    cause = entry.cause
    yield cause.id
    yield f"  {cause.means}"
    yield ""
    yield f"  layer     {entry.layer.strip('`')}"
    yield f"  verdict   {cause.status}"
    yield f"  blames    {entry.blames}"
    yield f"  found by  {', '.join(entry.kinds) or 'the run itself'}"
    if entry.with_wait:
        yield f"  --wait    {entry.with_wait}"
    if cause.former:
        yield f"  formerly  {', '.join(cause.former)}"
    if entry.example:
        yield f"\n  for example\n      {entry.example}"
    if entry.hint:
        yield f"\n  remedy\n      {entry.hint}"
    for remedy in entry.remedies:
        yield f"\n  {'line' if remedy.tool == 'edit' else 'command'}"
        yield from (f"      {line}" for line in remedy.lines)
    yield f"\n  more      {entry.link}"
