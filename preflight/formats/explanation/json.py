"""Entries of the catalogue as JSON: one, or a list. A new version may add members, and renames none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.shared.documents import to_json

if TYPE_CHECKING:
    from preflight.reference.catalogue import Entry, Explanation


def render(explanation: Explanation) -> str:
    """One JSON document."""
    documents = [_document(entry) for entry in explanation.entries]
    return to_json(documents if explanation.listed else documents[0])


def _document(entry: Entry) -> dict[str, object]:
    cause = entry.cause
    return {
        "id": cause.id,
        "layer": cause.layer,
        "status": str(cause.status),
        "means": cause.means,
        "remedy": entry.hint,
        "remedies": [vars(remedy) for remedy in entry.remedies],
        "blames": entry.blames,
        "kinds": entry.kinds,
        "with_wait": entry.with_wait,
        "former": cause.former,
        "link": entry.link,
        "example": entry.example,
    }
