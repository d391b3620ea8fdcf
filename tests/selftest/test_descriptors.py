"""Every kind of check is complete. A failure names what a kind lacks, and its file; CONTRIBUTING.md has the list."""

from pathlib import Path

import pytest

import checks
from preflight.plan.resources import RESOURCES
from tests.harness import security_md
from tests.harness.descriptors import DESCRIPTORS, KINDS

ROOT = Path(__file__).parents[2]
NOT_KINDS = {"core", "net"}


def written(folder: str) -> set[str]:
    """The names of the modules and packages of a folder."""
    return {file.stem for file in (ROOT / folder).glob("[a-z]*") if file.suffix in {"", ".py"}}


@pytest.mark.parametrize("kind", sorted(written("checks") - NOT_KINDS))
def test_kind_is_listed(kind: str) -> None:
    assert kind in KINDS, f"add the row of checks/{kind} to ALL in checks/__init__.py"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_planned(kind: str) -> None:
    module = f"preflight/plan/resources/{kind}.py"
    assert (ROOT / module).exists(), f"write {module}: its RESOURCES say which keys make this check, and who uses it"
    planned = {resource.kind for resource in RESOURCES}
    assert kind in planned, f"add *{kind}.RESOURCES to preflight/plan/resources/__init__.py"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_tested(kind: str) -> None:
    assert (ROOT / f"tests/kinds/test_{kind}.py").exists(), f"write tests/kinds/test_{kind}.py: each cause for real"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_has_a_descriptor(kind: str) -> None:
    where = f"tests/kinds/test_{kind}.py"
    assert kind in DESCRIPTORS, f"add DESCRIPTOR to {where}, for the attacks: tests/harness/descriptor.py"
    descriptor = DESCRIPTORS[kind]
    of_kind = {type(row.at("host.test", 1)) for row in descriptor.rows}
    made = checks.load(kind)
    assert of_kind == {made}, f"add rows to DESCRIPTOR in {where}: a Row for each form of its protocol (plain, TLS)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "heading", ["Servers that it contacts", "How many connections it makes"], ids=["contacts", "connections"]
)
def test_kind_is_in_security_md(kind: str, heading: str) -> None:
    rows = [row for row in security_md.table(heading) if row.startswith(f"`{kind}`")]
    assert rows, f"add a row that begins with `{kind}` to the table '{heading}' of SECURITY.md"
