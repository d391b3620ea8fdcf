"""JSON replies with one wrong value.

Servers reply as healthy ones do, in JSON, except for one value: each value, list and object in turn is replaced by
something of another type, by numbers beyond all limits, by lists that are nested deeper than Python can read, or is
left out. No reply may cause a bug of the tool: each check ends with a verdict.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from preflight.report import bugs
from tests.harness import answers
from tests.harness.descriptors import TARGETS
from tests.harness.figures import Section
from tests.harness.targets import CheckAtServer, check_at_server, run_at_server

MARK = "@@"
MISSING = "missing"
ODD = (
    *("null", "true", "-1", "1.5", "1e999", "9" * 4300, "9" * 5000, '""', '"x\\u0000"'),
    *("[]", "{}", '[["x", "y", "z"]]', "[" * 100_000 + "]" * 100_000, MISSING),
)
Path = tuple[str | int, ...]
HTTP = {kind: target.replies for kind, target in TARGETS.items() if target.replies}


def paths(document: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of every value in the document, and of the document itself."""
    yield path
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in steps:
        yield from paths(value, (*path, step))


def altered(document: Any, is_long: bool) -> Iterator[str]:
    """The document as text, each time with one value replaced: by each odd value, or else by one of them in turn."""
    for number, path in enumerate(paths(document)):
        for odd in ODD if is_long else (ODD[number % len(ODD)],):
            changed = json.dumps(_put(document, path, MARK)).replace(f'"{MARK}"', odd)
            yield json.dumps(_put(document, path, None)) if odd == MISSING else changed


def _put(document: Any, path: Path, value: object) -> Any:
    """A copy with this value at the path; for None, without anything there."""
    if not path:
        return value
    step, *rest = path
    copy = document.copy()
    copy[step] = _put(document[step], tuple(rest), value)
    if not rest and value is None:
        del copy[step]
    return copy


@dataclass
class Tried:
    replies: int = 0
    bugs: list[str] = field(default_factory=list)

    def __call__(self, check: CheckAtServer, text: str) -> None:
        self.replies += 1
        try:
            run_at_server(check)
        except Exception as error:  # the runner would report it as internal.bug
            self.bugs.append(f"{text[:200]}: {bugs.trace(error)}")


@pytest.fixture(scope="module")
def tried(figures: Section) -> Iterator[dict[str, Tried]]:
    """By kind."""
    tried = {kind: Tried() for kind in (*HTTP, "postgres", "pooled")}
    yield tried
    for kind, all_ in tried.items():
        figures.cell(kind, "replies", str(all_.replies))
        figures.cell(kind, "bugs", str(len(all_.bugs)))


# The gateway's other replies are those of the API.
CASES = [
    (kind, name) for kind, replies in HTTP.items() for name in replies.good if kind != "gateway" or name == "member"
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_json_document_with_any_value(kind: str, name: str, tried: dict[str, Tried], is_long: bool) -> None:
    status, document = HTTP[kind].good[name]
    changes: dict[str, answers.Answer | bytes] = {}
    with check_at_server(kind, answers.http(HTTP[kind], changes)) as check:
        for text in altered(document, is_long):
            changes[name] = answers.reply(status, text)
            tried[kind](check, text)
    assert tried[kind].replies
    assert not tried[kind].bugs


# A row with rights, locks and stored credentials.
ROW = {
    **answers.SURVEY,
    "unusable": [["control_plane", "thing"], ["control_plane_meta", "thing"]],
    "locked": [["control_plane_meta", 42]],
    "ciphertexts": ["1:0:x", "1:1:y", "2:0:z"],
}


@pytest.mark.parametrize("kind", ["postgres", "pooled"])
def test_postgres_row_with_any_value(kind: str, tried: dict[str, Tried], is_long: bool) -> None:
    changes: dict[str, str] = {}
    with check_at_server(kind, answers.postgres(changes)) as check:
        for text in altered(ROW, is_long):
            changes["row"] = text
            tried[kind](check, text)
    assert tried[kind].replies
    assert not tried[kind].bugs
