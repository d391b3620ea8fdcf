"""Which tests a run makes: `quick`, for the developer's loop; the `suite`; `long`, with the whole matrices as well."""

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

PROFILES = ("quick", "suite", "long")

long = pytest.mark.long
"""Left to `scripts/reliability`."""
quick = pytest.mark.quick
"""A healthy server of a kind, for `scripts/test --quick`, which else runs the files of UNIT."""

UNIT = {
    "test_completion_words",
    "test_difference",
}

LONGEST = tuple(
    f"test_{name}"
    for name in """
    attack_deadlines html_browser attack_concurrency attack_signals attack_secrets http_service object_store attack_bugs
    attack_faults smtp postgres docker attack_output line cli e2b terminal testbed compose config
    """.split()
)
"""The files that take longest: begun last, they would be waited for alone."""
GROUPS = {
    "browser": {"test_html_browser", "test_matrix_html_browser", "test_pictures"},
    "deployment": {"test_attack_concurrency", "test_attack_contacts", "test_attack_privileges"},
}
"""Files that share servers which take long to start."""


def is_in(profile: str, item: pytest.Item) -> bool:
    """Whether a run of that profile makes this test."""
    if profile == "long":
        return True
    is_suite = item.get_closest_marker("long") is None
    if profile == "suite":
        return is_suite
    return is_suite and (item.path.stem in UNIT or item.get_closest_marker("quick") is not None)


def covering(cases: Iterable[Any], names: Callable[..., Sequence[str]] = lambda *parts: parts) -> list[Any]:
    """The cases as parameters. Of a product, the suite runs few: each part of a case is in one; the rest is `long`.

    ``names`` of the parts of a case are the same in every process.
    """
    listed = [(case, names(*_parts(case))) for case in cases]
    assert " at 0x" not in str([named for _, named in listed]), "give names"
    chosen, met = set(), set()
    for number in sorted(range(len(listed)), key=lambda number: zlib.crc32(str(listed[number][1]).encode())):
        if not met.issuperset(enumerate(listed[number][1])):
            chosen.add(number)
            met.update(enumerate(listed[number][1]))
    return [pytest.param(*_parts(case), marks=_mark(number in chosen)) for number, (case, _) in enumerate(listed)]


def some(cases: Iterable[Any], *chosen: Any) -> list[Any]:
    """The cases as parameters; the suite runs the chosen ones, the rest is `long`."""
    listed = list(cases)
    assert set(chosen) <= set(listed), set(chosen) - set(listed)
    return [pytest.param(*_parts(case), marks=_mark(case in chosen)) for case in listed]


def _mark(is_chosen: bool) -> Any:
    return () if is_chosen else long


def group(nodeid: str) -> str:
    """What the tests have in common that one worker makes: their file, or those of GROUPS."""
    file = nodeid.partition("::")[0]
    return next((name for name, files in GROUPS.items() if Path(file).stem in files), file)


def arrange(items: list[pytest.Item], shuffle: int | None) -> None:
    """The files that take longest come first; or else the files, and the tests in each, come as the number says."""
    if shuffle is None:
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path.stem, len(places)))
        return
    chance, by_file = random.Random(shuffle), defaultdict(list)
    for item in items:
        by_file[item.path].append(item)
    files = list(by_file.values())
    chance.shuffle(files)
    items[:] = [item for file in files for item in chance.sample(file, len(file))]


def _parts(case: Any) -> Sequence[Any]:
    return case if isinstance(case, tuple) else (case,)


def told(left_out: Counter[str]) -> list[str]:
    """What a run says that it has left out: the number of tests by file."""
    files = ", ".join(f"{file} {count}" for file, count in sorted(left_out.items()))
    return [f"{left_out.total():,} tests are left to scripts/reliability: {files}"] if left_out else []
