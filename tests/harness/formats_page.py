"""What the formats and the help print in the documentation: ``python -m tests.harness.formats_page`` writes it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path

from checks.core.finding import Status
from preflight.cli.parser import parser
from preflight.formats import BY_COMMAND, FORMATS, renderer
from preflight.plan.resources import RESOURCES
from preflight.saved.diff import diff
from tests.harness.deployments import POOLER, REFUSED, REJECTED, deployment
from tests.harness.reports import CONFIG, DIRECT, REPORT, of
from tests.harness.vantages import SHAPES, TRACES, VALKEY, kept

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "formats.md"
PAGES = (PAGE, DOCS / "compare.md", DOCS.parent / "README.md")
LANGUAGES = {"json": "json", "junit": "xml", "markdown": "markdown", "sarif": "json"}
EXAMPLE = of(CONFIG, DIRECT, keys=REPORT.keys[:2])
_MARKER = re.compile(r"<!-- example: (\w+) -->\n(?:(````)\w*\n.*?\n\2\n)?", re.DOTALL)


_TABLE = re.compile(r"(<!-- formats -->\n).*?(?=<!-- end -->)", re.DOTALL)


def page(file: Path) -> str:
    """The text of a page, with the examples that the formats write now, their table, and a section for a new one."""
    text = _TABLE.sub(lambda marker: marker[1] + _table(), file.read_text())
    if file == PAGE:
        text += "".join(_section(name) for name in FORMATS if f"\n## `{name}`\n" not in text)
    return _MARKER.sub(lambda marker: f"<!-- example: {marker[1]} -->\n{_example(marker[1])}", text)


def use(name: str) -> str:
    """What a format is for: the first paragraph of its module, which begins with "For"."""
    paragraph = " ".join((import_module(FORMATS[name]).__doc__ or "").partition("\n\n")[0].split())
    assert paragraph.startswith("For "), f'begin the docstring of {FORMATS[name]} with "For " and what it is for'
    return paragraph.removeprefix("For ").rstrip(".")


def _table() -> str:
    return "".join(("| format | use |\n|---|---|\n", *(f"| `{name}` | {use(name)} |\n" for name in FORMATS)))


def _section(name: str) -> str:
    return f"\n## `{name}`\n\nUse it for {use(name)}.\n\n<!-- example: {name} -->\n"


def _example(name: str) -> str:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", EXAMPLES[name]()).replace("\t", "  ")
    return f"````{LANGUAGES.get(name, '')}\n{shown}````\n"


def _diff() -> str:
    """The collector is repaired, Valkey still fails, Postgres was upgraded, and a pooler is before it."""
    some = [TRACES, VALKEY, *(each for each in RESOURCES if each.name == "postgres.data_plane.direct")]
    monday, tuesday = (datetime(2026, 11, day, 10, tzinfo=UTC) for day in (23, 24))
    refused = replace(REFUSED, status=Status.FAIL)
    before = deployment({"telemetry.traces": refused, "kv.data_plane": REJECTED}, some, started_at=monday)
    after = deployment({"postgres.data_plane.direct": POOLER, "kv.data_plane": REJECTED}, some, started_at=tuesday)
    upgraded = tuple(
        replace(each, facts=dict(each.facts) | {"version": 180001}) if each.kind == "postgres" else each
        for each in after.results
    )
    change = diff(kept("monday.json", before), kept("tuesday.json", replace(after, results=upgraded)))
    return renderer("text", BY_COMMAND["diff"])(change)


EXAMPLES: Mapping[str, Callable[[], str]] = {
    **{name: partial(renderer(name), EXAMPLE) for name in FORMATS},
    "diff": _diff,
    "merge": lambda: renderer("text", BY_COMMAND["merge"])(SHAPES["few"]),
    "help": parser().format_help,
}

if __name__ == "__main__":
    for each in PAGES:
        each.write_text(page(each))
