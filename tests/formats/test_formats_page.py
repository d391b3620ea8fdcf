"""docs/formats.md describes every format, with an example that the format itself made."""

import re
from pathlib import Path

import pytest

from preflight.formats import BY_COMMAND, FORMATS
from preflight.formats.prometheus import METRICS
from tests.harness.formats_page import DOCS, PAGE, PAGES, page, use


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_examples_are_fresh(file: Path):
    assert file.read_text() == page(file), "run python -m tests.harness.formats_page"


def test_every_command_that_compares_has_an_example_and_names_its_formats():
    text = (DOCS / "compare.md").read_text()
    for command in ("diff", "merge"):
        known = BY_COMMAND[command]
        assert f"<!-- example: {command} -->" in text
        (line,) = (each for each in text.splitlines() if each.startswith(f"| `{command}` | "))
        assert re.findall(r"`(\w+)`", line)[1:] == list(known)


def test_every_module_is_a_format():
    listed = {module.split(".")[2] for formats in (FORMATS, *BY_COMMAND.values()) for module in formats.values()}
    written = {file.stem for file in (DOCS.parent / "preflight/formats").glob("[a-z]*") if file.suffix in {"", ".py"}}
    assert written - {"shared"} == listed, "add the row of the module to FORMATS in preflight/formats/__init__.py"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_section_and_a_line_in_the_readme(name: str):
    readme = (DOCS.parent / "README.md").read_text()
    assert f"\n## `{name}`\n" in PAGE.read_text(), "run python -m tests.harness.formats_page"
    assert f"\n| `{name}` | {use(name)} |\n" in readme, "run python -m tests.harness.formats_page"


@pytest.mark.parametrize("name", [metric.name for metric in METRICS])
def test_every_metric_is_described(name: str):
    described = re.search(r"\| metric \|.*?\n\n", PAGE.read_text(), re.DOTALL)
    assert described
    assert re.search(rf"`(mistle_preflight|…)_{name}[`{{]", described[0])


def test_alert_rules_name_existing_metrics():
    rules = PAGE.read_text().split("<!-- rules -->")[1].split("```")[1]
    named = set(re.findall(r"mistle_preflight_(\w+)", rules))
    assert len(named) == rules.count("expr:")
    assert named <= {metric.name for metric in METRICS}
