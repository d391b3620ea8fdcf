"""The documentation is the code's own, and everything in it was once met in a test."""

import re
from pathlib import Path

import pytest

import checks
from checks.base import Layer
from preflight import docs
from preflight.catalogue import entries

TESTS = "\n".join(
    file.read_text() for file in sorted(Path(__file__).parent.glob("test_*.py")) if file != Path(__file__)
)


@pytest.mark.parametrize("name", docs.PAGES)
def test_page_is_fresh(name: str):
    written = (docs.FOLDER / name).read_text()
    assert written == docs.PAGES[name](), "run python -m preflight.docs"


@pytest.mark.parametrize("id_", entries())
def test_finding_is_expected_in_a_test(id_: str):
    assert re.search(rf"""["']{re.escape(id_)}["']""", TESTS), f"no test expects {id_}"


@pytest.mark.parametrize("id_", entries())
def test_finding_is_explained(id_: str):
    text = docs.explain(entries()[id_])
    assert text.startswith(f"{id_}\n")
    assert "{" not in text


@pytest.mark.parametrize("id_", entries())
def test_failure_has_a_remedy(id_: str):
    cause = entries()[id_].cause
    assert cause.hint or cause.status.name == "OK"
    assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", id_)
    assert cause.layer in Layer


@pytest.mark.parametrize("kind", checks.ALL, ids=lambda kind: kind.kind)
def test_kind_has_a_manual(kind: type[checks.base.Check]):
    page = docs.checks_page()
    assert f"## {kind.kind}\n" in page
    assert kind.__doc__
    assert kind.__doc__.splitlines()[0] in page
    assert re.search(r"\bWrites\b", kind.__doc__), "what it writes"
    assert re.search(r"\bNeeds\b", kind.__doc__), "what it needs"
    for cause in kind.causes:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*", cause.id)


def test_links_lead_to_entries():
    page = docs.findings_page()
    anchors = {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.M)}
    assert set(re.findall(r"findings\.md#([\w-]+)", docs.checks_page())) <= anchors
