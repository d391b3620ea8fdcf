"""Saved reports.

A report that `diff` and `merge` read may come from anywhere. Each of its texts holds what some format would read as its
own markup; the printed document must have the structure that it has with harmless texts. Valid reports are changed in
random places: the command ends with 0, 1 or 2. Two reports of nearly 4 MiB, the most that is read, are compared and
merged within 300 MiB, in time that grows in proportion to their size.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.finding import Status
from preflight import formats, render
from preflight.saved.diff import diff
from preflight.saved.merge import merge
from preflight.saved.reader import read
from tests.fuzz.call import call
from tests.fuzz.contract import hold_streams
from tests.fuzz.tally import Tally, many
from tests.harness import profiles
from tests.harness.command import LEAN, run
from tests.harness.figures import Section
from tests.harness.format_readers import READERS
from tests.harness.hostile_words import WORDS
from tests.harness.reports import REPORT

FREE = {"message", "hint", "target", "origin", "key", "version", "where"}


def with_text(node: Any, text: str) -> Any:
    """The document with every free text replaced."""
    if isinstance(node, list):
        return [with_text(each, text) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: f"{text}{name}" if name in FREE and isinstance(value, str) and value else with_text(value, text)
        for name, value in node.items()
    }


def saved(folder: Path, text: str, name: str = "") -> Any:
    file = folder / "report.json"
    file.write_text(json.dumps(with_text(json.loads(render(REPORT, "json")), text)))
    return read(file, name)


PRINTED: dict[str, Callable[[Any, Any], object]] = {
    "diff": lambda before, after: diff(before, after, Status.WARN),
    "merge": lambda one, other: merge((one, other)),
}


@profiles.covering
@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("command", PRINTED)
def test_text_of_a_saved_report_changes_no_structure(tmp_path: Path, command: str, kind: str, figures: Section) -> None:
    harmless = saved(tmp_path, "harmless", "one")
    hostile = PRINTED[command](harmless, saved(tmp_path, WORDS[kind], "other"))
    reference = PRINTED[command](harmless, saved(tmp_path, "others", "other"))
    for name in formats.BY_COMMAND[command]:
        form = formats.renderer(name, formats.BY_COMMAND[command])
        if name == "json":  # only reports have a schema, and a reader for it
            assert json.loads(form(hostile))
        else:
            assert READERS[name](form(hostile)).shape == READERS[name](form(reference)).shape, name
        figures.add("documents printed", int(figures.figures.get("documents printed", 0)) + 1)


def paths(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of every value in the document, and of the document itself."""
    yield path
    if isinstance(document, dict | list):
        for step in document if isinstance(document, dict) else range(len(document)):
            yield from paths(document[step], (*path, step))


def at(document: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Sequence[str | int], value: object) -> Any:
    if not path:
        return value
    at(document, path[:-1])[path[-1]] = value
    return document


MARK = "@@"
DOCUMENT = json.loads(render(REPORT, "json"))
PATHS = list(paths(DOCUMENT))
NUMBERS = ("1e999", "-1e999", "NaN", "1e300", "-0.0", "9" * 400, "9" * 5000, "1e-999")
RAW = st.sampled_from(
    ("null", "true", '""', "[]", "{}", '"\\ud800"', '"a\\n"', '"\\u0000"', "[" * 3000 + "]" * 3000, *NUMBERS)
)
OTHERS = RAW | st.text(max_size=20).map(json.dumps) | st.floats().map(json.dumps) | st.integers().map(str)
POSITIONS = st.sampled_from(PATHS)
COPIES = POSITIONS.map(lambda path: json.dumps(at(DOCUMENT, path)))
CHANGES = st.lists(st.tuples(POSITIONS, OTHERS | COPIES), min_size=1, max_size=4)
MERGED = st.sampled_from(("text", "json", "markdown", "html"))


def changed(changes: Sequence[tuple[Sequence[str | int], str]]) -> str:
    """The report with these values replaced, if an earlier change has not removed them."""
    text = json.dumps(DOCUMENT)
    for path, other in changes:
        with suppress(LookupError, RecursionError, TypeError, ValueError):
            text = json.dumps(put(json.loads(text), path, MARK)).replace(f'"{MARK}"', other)
    return text


def test_changed_reports(tmp_path_factory: pytest.TempPathFactory, figures: Section) -> None:
    folder, tally = tmp_path_factory.mktemp("changed"), Tally()
    right, other = folder / "right.json", folder / "other.json"
    right.write_text(json.dumps(DOCUMENT))

    @many(2)
    @given(CHANGES, st.sampled_from(list(PRINTED)), MERGED)
    def holds(changes: list[tuple[Any, str]], command: str, name: str) -> None:
        other.write_bytes(changed(changes).encode(errors="replace"))
        ended = tally.note(call(command, str(right), str(other), "-f", "text" if command == "diff" else name))
        if name == "html":
            assert ended.code in (0, 1, 2), ended
        else:
            hold_streams(ended)

    holds()
    tally.write(figures, "changed reports")


SPENT = """
import os, time
def record(code, leave=os._exit):
    with open({file!r}, "w") as spent, open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
        spent.write(f"{{time.process_time()}} {{peak}}")
    leave(code)
os._exit = record
"""


def finding(id_: str, **members: object) -> dict[str, object]:
    made = {"id": id_, "layer": "dns", "status": "fail", "message": "m", "hint": "", "keys": ["a"], "seconds": 0}
    return made | members


def check(kind: str = "valkey", **members: object) -> str:
    """The checks of a report: that of the configuration, and one of this kind."""
    config = {"name": "config", "kind": "config", "target": "", "status": "ok", "seconds": 0, "keys": []}
    config |= {"findings": [finding("config.config", status="ok")]}
    other = config | {"name": "b", "kind": kind} | members
    return '"checks": ' + json.dumps([other] if kind == "config" else [config, other], separators=(",", ":"))


KEY = {"status": "fail", "evidence": "none", "origin": None, "findings": [], "checks": []}


def names(count: int) -> list[str]:
    return [f"{number:x}" for number in range(count)]


LARGE = {
    "keys and services": check(keys=names(200_000), services=names(100_000)),
    "numbers": '"checks": [' + "0," * 2_000_000 + "0]",
    "lists": '"checks": [' + "[]," * 1_300_000 + "[]]",
    "tables": '"checks": [' + '{"a":[]},' * 450_000 + "{}]",
    "names of two types": '"checks": [{"keys": [' + '"a",1,' * 600_000 + "0]}]",
    "one name many times": '"keys": [{"checks": [' + '"a",' * 1_000_000 + '"a"]}]',
    "keys": '"keys": ' + json.dumps([KEY | {"key": name} for name in names(35_000)]),
    "findings": check(findings=[finding(f"a.{n}") for n in range(35_000)]),
    "findings of no key": check(findings=[finding(f"a.{n}", keys=[]) for n in range(35_000)]),
    "findings of the configuration": check(
        "config", name="config", findings=[finding(f"a.{n}", keys=[]) for n in range(35_000)]
    ),
    "findings of many keys": check(findings=[finding("a.b", keys=names(5_000)) for n in range(90)])
    + f', "keys": {json.dumps([KEY | {"key": name} for name in names(5_000)])}',
}


@profiles.covering
@pytest.mark.parametrize("command", ["diff", "merge", "merge -f html"])
@pytest.mark.parametrize("case", profiles.first(2, LARGE))
def test_large_reports_cost_little(tmp_path: Path, case: str, command: str, figures: Section) -> None:
    text = json.dumps(DOCUMENT).removesuffix("}") + f", {LARGE[case]}}}"
    assert len(text) < 4 << 20
    (tmp_path / "large.json").write_text(text)
    other = tmp_path / "other.json"
    other.write_text(text.replace('"a.', '"b.'))
    spent = tmp_path / "spent"
    ended = run(
        *command.split(), str(other), str(tmp_path / "large.json"), code=f"{LEAN}{SPENT.format(file=str(spent))}"
    )
    assert ended.code in (0, 1, 2)
    seconds, memory = map(float, spent.read_text().split())
    figures.cell(f"{case}: {command}", "seconds of processor time", f"{seconds:.1f}")
    figures.cell(f"{case}: {command}", "memory, MiB", f"{memory / 1024:.0f}")
