"""What a finding means, for a terminal and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preflight.catalogue import Entry


def explain(entry: Entry) -> str:
    """One entry: what it means, what it looked like once, and the remedy."""
    return "\n".join(_lines(entry)) + "\n"


def listing(entries: Iterable[Entry]) -> str:
    """One line each."""
    causes = [entry.cause for entry in entries]
    width = max((len(cause.id) for cause in causes), default=0)
    lines = (f"{cause.id:{width}}  {cause.layer:7}  {cause.status!s:4}  {cause.means}" for cause in causes)
    return "\n".join(lines) + "\n"


def document(entry: Entry) -> dict[str, object]:
    """One entry for machines. Additions are compatible, renames are not."""
    cause = entry.cause
    return {
        "id": cause.id,
        "layer": cause.layer,
        "status": str(cause.status),
        "means": cause.means,
        "remedy": entry.hint,
        "blames": entry.blames,
        "kinds": entry.kinds,
        "link": entry.link,
        "example": entry.example,
    }


def to_json(shown: object) -> str:
    """What ``document`` gives, or a list of that."""
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def _lines(entry: Entry) -> Iterator[str]:
    cause = entry.cause
    yield cause.id
    yield f"  {cause.means}"
    yield ""
    yield f"  rung      {entry.rung.strip('`')}"
    yield f"  verdict   {cause.status}"
    yield f"  blames    {entry.blames}"
    yield f"  found by  {', '.join(entry.kinds) or 'the run itself'}"
    if entry.example:
        yield f"\n  for example\n      {entry.example}"
    if entry.hint:
        yield f"\n  remedy\n      {entry.hint}"
    yield f"\n  more      {entry.link}"
