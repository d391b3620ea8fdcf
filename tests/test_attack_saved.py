"""Reports that were kept.

A report that is read back by `diff` and `merge` may come from anywhere. Each of its texts is made of words that some
format would take for its own; the structure of what is then printed is the one that harmless words give.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import profiles
from checks.base import Status
from figures import Section
from format_attacks import WORDS
from format_readers import READERS
from preflight import formats, render
from preflight.difference import diff
from preflight.matrix import merge
from preflight.saved import read
from reports import REPORT

FREE = {"message", "hint", "target", "origin", "key", "version"}


def with_words(node: Any, words: str) -> Any:
    """The document with every text that nothing prescribes replaced."""
    if isinstance(node, list):
        return [with_words(each, words) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: f"{words}{name}" if name in FREE and isinstance(value, str) and value else with_words(value, words)
        for name, value in node.items()
    }


def saved(folder: Path, words: str, name: str = "") -> Any:
    file = folder / "report.json"
    file.write_text(json.dumps(with_words(json.loads(render(REPORT, "json")), words)))
    return read(file, name)


PRINTED: dict[str, Callable[[Any, Any], object]] = {
    "diff": lambda before, after: diff(before, after, Status.WARN),
    "merge": lambda one, other: merge((one, other)),
}


@profiles.covering
@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("command", PRINTED)
def test_words_of_a_kept_report_change_no_structure(tmp_path: Path, command: str, kind: str, figures: Section) -> None:
    harmless = saved(tmp_path, "words", "one")
    hostile = PRINTED[command](harmless, saved(tmp_path, WORDS[kind], "other"))
    like = PRINTED[command](harmless, saved(tmp_path, "others", "other"))
    for name, form in formats.BY_COMMAND[command].items():
        if name == "json":  # only reports have a schema, and a parser that knows it
            assert json.loads(form(hostile))
        else:
            assert READERS[name](form(hostile)).shape == READERS[name](form(like)).shape, name
        figures.add("documents printed", int(figures.figures.get("documents printed", 0)) + 1)
