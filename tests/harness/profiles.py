"""The tests of a run: `quick`, for the developer's loop; the `suite`; `long`, with the complete matrices as well."""

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

PROFILES = ("unit", "quick", "suite", "long")

long = pytest.mark.long
"""Left to `scripts/reliability`."""
covering = pytest.mark.covering
"""The suite runs few combinations of a test's parameters, with each value at least once; the rest is `long`."""
quick = pytest.mark.quick
"""A healthy server of a kind, for `scripts/test --quick`, which also runs the files of UNIT."""

UNIT = {
    "test_ci_examples",
    "test_docs",
    "test_edits",
    "test_files",
    "test_wrapping",
    "test_gathered",
    "test_format_github",
    "test_format_junit",
    "test_format_markdown",
    "test_format_prometheus",
    "test_format_sarif",
    "test_formats",
    "test_formats_page",
    "test_html",
    "test_merge_html",
    "test_overrides",
    "test_plan",
    "test_postgres_dialects",
    "test_random_configurations",
    "test_redact",
    "test_remedies",
    "test_remedies_are_tried",
    "test_report",
    "test_rules",
    "test_runner",
    "test_saved",
    "test_schema",
    "test_secrets",
    "test_toml_file",
    "test_unfilled",
    "test_urls",
}
"""Files whose tests need no server."""
LONGEST = (
    "test_attack_deadlines",
    "test_starved",
    "test_html_browser",
    "test_attack_concurrency",
    "test_attack_signals",
    "test_attack_secrets",
    "test_attack_neighbours",
    "test_http_service",
    "test_object_store",
    "test_attack_bugs",
    "test_attack_faults",
    "test_smtp",
    "test_postgres",
    "test_docker",
    "test_attack_output",
    "test_full_run",
    "test_cli",
    "test_e2b",
    "test_terminal",
    "test_compose",
)
"""The files that take longest, longest first: if they started last, the run would wait for them alone."""
GROUPS = {
    "browser": {"test_html_browser", "test_merge_html_browser", "test_pictures", "test_serve_browser"},
    "deployment": {"test_attack_concurrency", "test_attack_contacts", "test_attack_privileges"},
}
"""Files that share servers which take long to start."""


def chosen(profile: str, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests of a run of the profile, in their order."""
    if profile == "long":
        return list(items)
    rest = {id(item) for item in items if item.get_closest_marker("long")} | _not_covering(items)
    suite = [item for item in items if id(item) not in rest]
    if profile == "suite":
        return suite
    if profile == "unit":
        return [item for item in suite if item.path.stem in UNIT]
    return [item for item in suite if item.path.stem in UNIT or item.get_closest_marker("quick")]


def _not_covering(items: Iterable[pytest.Item]) -> set[int]:
    """The items of functions with this mark whose every parameter occurs in another item."""
    by_function = defaultdict(list)
    for item in items:
        if item.get_closest_marker("covering"):
            by_function[item.path, item.originalname].append(item)  # type: ignore[attr-defined]
    return {id(item) for all_ in by_function.values() for item in _superfluous(all_)}


def _superfluous(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    covered: set[tuple[str, str]] = set()
    named = [({(name, _named(value)) for name, value in item.callspec.params.items()}, item) for item in items]  # type: ignore[attr-defined]
    for parameters, item in sorted(named, key=lambda entry: zlib.crc32(str(sorted(entry[0])).encode())):
        if parameters <= covered:
            yield item
        covered |= parameters


def _named(value: object) -> str:
    """The name of a value, the same in every process."""
    name = str(getattr(value, "name", value))
    assert " at 0x" not in name, f"give it a name: {name}"
    return name


def first(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases as parameters: the first `count` are in the suite, the rest is `long`."""
    parts = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*case, marks=() if number < count else long) for number, case in enumerate(parts)]


def group(nodeid: str) -> str:
    """The group of tests that one worker runs: their file, or one of GROUPS."""
    file = nodeid.partition("::")[0]
    return next((name for name, files in GROUPS.items() if Path(file).stem in files), file)


def arrange(items: list[pytest.Item], shuffle: int | None, unit_first: bool) -> None:
    """Put the longest files first; or put the files, and the tests in each, in the order that the number gives."""
    if shuffle is None:
        first_files = dict.fromkeys(UNIT, -1) if unit_first else {}
        positions = {name: position for position, name in enumerate(LONGEST)} | first_files
        items.sort(key=lambda item: positions.get(item.path.stem, len(LONGEST)))
        return
    chance, by_file = random.Random(shuffle), defaultdict(list)
    for item in items:
        by_file[item.path].append(item)
    files = list(by_file.values())
    chance.shuffle(files)
    items[:] = [item for file in files for item in chance.sample(file, len(file))]


def summary(profile: str, left_out: Counter[str]) -> list[str]:
    """The line of a run about what it left out: the number of tests by file."""
    files = ", ".join(f"{file} {count}" for file, count in sorted(left_out.items()))
    where = "scripts/test and scripts/reliability" if profile == "quick" else "scripts/reliability"
    return [f"left to {where}, {left_out.total():,} tests: {files}"] if left_out else []
