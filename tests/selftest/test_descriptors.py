"""Every kind of check is complete. A failure names what a kind lacks, and its file; CONTRIBUTING.md has the list."""

from pathlib import Path

import pytest

import checks
from checks.core import unexpected
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import KEYS
from preflight.plan.resources import RESOURCES
from tests.harness import security_md
from tests.harness.descriptors import DESCRIPTORS, FAMILIES, KINDS
from tests.harness.run_check import planned

ROOT = Path(__file__).parents[2]
NOT_KINDS = {"core", "net"}
AT_OTHERS = {"publish"}
"""The kinds whose server is that of another kind: here the gateway."""


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
def test_keys_of_a_kind_are_in_the_schema(kind: str) -> None:
    keys = {key for resource in RESOURCES if resource.kind == kind for key in resource.all_keys if "*" not in key}
    missing = sorted(keys - {key.path for key in KEYS})
    assert not missing, f"add a row of {', '.join(missing)} to KEYS in preflight/config/schema/keys.py"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_names_what_reads_replies(kind: str) -> None:
    made = checks.load(kind)
    where = f"the class in {made.__module__.replace('.', '/')}"
    assert made.reply_readers, f"add reply_readers to {where}: its driver, and its modules that read replies"
    ids = {cause.id for cause in made.causes}
    assert f"{made.prefix}.{unexpected.NAME}" in ids, f"add unexpected.cause(…) to the causes of {where}"


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
    targets = descriptor.targets.values()
    assert {type(planned(target.name, target.values("h:1"))) for target in targets} == {made}, (
        f"add a target to DESCRIPTOR in {where}: the check, pointed at one server"
    )
    assert descriptor.families or kind in AT_OTHERS, f"add a family to DESCRIPTOR in {where}: its server, among others"


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_complete(name: str) -> None:
    family = FAMILIES[name]
    assert family.scenes, f"add scenes to the family {name!r} in its DESCRIPTOR: where the server sends a text"
    assert family.server or family.right, f"add server, or right over HTTP, to the family {name!r} in its DESCRIPTOR"


@pytest.mark.parametrize("key", [key.path for key in KEYS if key.url and key.secrecy is not Secrecy.NONE])
def test_secret_url_has_a_form(key: str) -> None:
    families = [family for family in FAMILIES.values() if family.secret_url and key.startswith(family.checks)]
    assert families, f"add secret_url to the family of {key} in its kind's DESCRIPTOR"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "heading", ["Servers that it contacts", "How many connections it makes"], ids=["contacts", "connections"]
)
def test_kind_is_in_security_md(kind: str, heading: str) -> None:
    rows = [row for row in security_md.table(heading) if row.startswith(f"`{kind}`")]
    assert rows, f"add a row that begins with `{kind}` to the table '{heading}' of SECURITY.md"
