"""The documentation is generated from the code, and a test expects every finding in it."""

import re
from pathlib import Path

import pytest

import checks
from checks.core.finding import Cause, Layer, Status
from preflight.formats.explanation.text import paragraph
from preflight.reference import catalogue, generate, tables
from preflight.reference.catalogue import anchor, entries

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FILES = [*sorted((ROOT / "tests").rglob("test_*.py")), ROOT / "tests/incidents/scenes.py"]
TESTS = "\n".join(file.read_text() for file in FILES if file != Path(__file__))


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_up_to_date(name: str):
    written = (generate.FOLDER / name).read_text()
    assert written == generate.PAGES[name](), "run python -m preflight.reference.generate"


def test_every_table_stands_in_one_page_and_has_no_empty_cell():
    text = "\n".join(page() for name, page in generate.PAGES.items() if name.endswith(("README.md", "SECURITY.md")))
    parts = dict(re.findall(r"^<!-- table: (\w+) -->\n(.*?)<!-- end -->$", text, re.MULTILINE | re.DOTALL))
    assert parts.keys() == tables.TABLES.keys()
    assert not [line for part in parts.values() for line in part.splitlines() if line.endswith("|  |")]


@pytest.mark.parametrize("id_", entries())
def test_finding_is_expected_in_a_test(id_: str):
    assert re.search(rf"""["']{re.escape(id_)}["']""", TESTS), f"no test expects {id_}: add one to tests/kinds"


@pytest.mark.parametrize("id_", entries())
def test_finding_is_explained(id_: str):
    entry = entries()[id_]
    text = paragraph(entry)
    assert text.startswith(f"{id_}\n")
    assert "{" not in entry.hint
    assert entry.example, "run scripts/examples with the test that expects it, such as tests/kinds/test_valkey.py"
    assert f"for example\n      {entry.example}\n" in text
    assert anchor(id_) in anchors(generate.findings_page())
    assert entry.link == f"docs/findings.md#{anchor(id_)}"


@pytest.mark.parametrize("id_", entries())
def test_failure_has_a_remedy(id_: str):
    cause = entries()[id_].cause
    assert cause.hint or cause.status.name == "OK"
    assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", id_)
    assert cause.layer in Layer


def test_former_id_covers_the_ids_that_came_from_it(monkeypatch: pytest.MonkeyPatch):
    first = Cause("kind.first", Layer.AUTH, "means", former=("kind.lost", "network.refused"))
    second = Cause("kind.second", Layer.AUTH, "means", former=("kind.first",))
    made = {**entries(), **{cause.id: catalogue.Entry(cause) for cause in (first, second)}}
    monkeypatch.setattr(catalogue, "entries", lambda: made)
    assert catalogue.covered(["network.refused"]) == {"network.refused", "kind.first", "kind.second"}
    assert catalogue.covered(["kind.second"]) == {"kind.second"}
    assert catalogue.names()["kind.lost"].cause is first
    assert catalogue.names()["network.refused"].cause.id == "network.refused"
    assert "  formerly  kind.lost, network.refused\n" in paragraph(made["kind.first"])


@pytest.mark.parametrize("id_", entries())
def test_problem_says_whether_waiting_may_end_it(id_: str):
    """A cause without a value for ``heals`` was not thought about."""
    cause = entries()[id_].cause
    assert (cause.heals is not None) == (cause.status >= Status.WARN)


@pytest.mark.parametrize("kind", checks.load_all(), ids=lambda kind: kind.kind)
def test_kind_has_a_docstring(kind: type[checks.core.check.Check]):
    page = generate.checks_page()
    assert f"## {kind.kind}\n" in page
    assert kind.__doc__
    assert kind.__doc__.splitlines()[0] in page
    for word in ("Proves that", "Writes", "Needs"):
        assert re.search(rf"\b{word}\b", kind.__doc__), f"add to the docstring of {kind.__name__}: {word} …"
    for cause in kind.causes:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*", cause.id)


def anchors(page: str) -> set[str]:
    """The anchor of every heading, as Markdown sites make it."""
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-").lower() for title in titles}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_have_targets(page: Path):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        file, _, heading = link.partition("#")
        if not link.startswith("https://"):
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not heading or heading in anchors(target.read_text()), link


def test_index_names_every_page():
    index = (generate.FOLDER / "index.md").read_text()
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == {page.name for page in generate.FOLDER.glob("*.md")} - {
        "index.md"
    }


@pytest.mark.parametrize("file", sorted((ROOT / "tests/attacks").glob("test_*.py")), ids=lambda file: file.stem)
def test_reliability_page_has_every_attack_that_gives_figures(file: Path):
    text = file.read_text()
    heading = text.removeprefix('"""').partition("\n")[0].rstrip(".").removesuffix('"""').rstrip(".")
    if "figures" in text:
        assert f"\n## {heading}\n" in (generate.FOLDER / "reliability.md").read_text(), "run scripts/reliability"
