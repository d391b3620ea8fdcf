"""Several failures with one cause.

Faults that make several checks fail are made on real servers, one after the other and in pairs. Each report must name
the one cause, what follows from it, and how sure it is; every failure and warning belongs to exactly one incident.
"""

from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

import preflight
from checks.core.finding import Status
from preflight.report.incidents.model import Incident, Problem
from preflight.report.model import Report
from tests.harness import configs, profiles
from tests.harness.figures import Section
from tests.harness.networks import can_have_own_network
from tests.harness.profiles import long
from tests.incidents.bench import Bench, Scene, Values
from tests.incidents.scenes import QUICK, SCENES, by_name
from tests.testbed.names import can_change_names

AS_PARAMETERS = [pytest.param(scene, id=scene.name, marks=() if scene.name in QUICK else long) for scene in SCENES]


def checked(scene: Scene, bench: Bench, folder: Path, *others: Scene) -> Report:
    if scene.needs_root and not (can_have_own_network() and can_change_names()):
        pytest.skip("only root on Linux may have a network and names of its own")
    values: dict[str, Values] = {}
    for each in (scene, *others):
        values |= {check: values.get(check, {}) | keys for check, keys in each.make(bench).items()}
    settings = configs.TELEMETRY | dict(chain.from_iterable(each.items() for each in values.values()))
    file = configs.write(folder, settings)
    limit = max(each.limit for each in (scene, *others))
    with bench.authority.trusted() as roots:
        trusted = roots if any(each.is_trusted for each in (scene, *others)) else None
        return scene.inside(lambda: preflight.check(file, only=values, environ={}, timeout=limit, ca_file=trusted))


def named(incident: Incident) -> tuple[str, str, frozenset[tuple[str, str]], bool]:
    of = incident.root.check if isinstance(incident.root, Problem) else ""
    return incident.root.id, of, frozenset((each.check, each.id) for each in incident.consequences), incident.is_certain


def wanted(scene: Scene) -> tuple[str, str, frozenset[tuple[str, str]], bool]:
    return scene.root, scene.of, scene.explains, scene.certain


def assert_each_problem_has_one(of: Report) -> None:
    problems = Counter((result.name, each.id) for result, each in of.pairs if each.status >= Status.WARN)
    belonging = Counter[tuple[str, str]]()
    for incident in of.incidents:
        members = (*([incident.root] if isinstance(incident.root, Problem) else []), *incident.consequences)
        belonging.update((each.check, each.id) for each in members if each.finding.status >= Status.WARN)
    assert belonging == problems


@pytest.mark.parametrize("scene", AS_PARAMETERS)
def test_cause_is_named(scene: Scene, bench: Bench, tmp_path: Path, figures: Section) -> None:
    found = checked(scene, bench, tmp_path)
    assert_each_problem_has_one(found)
    assert wanted(scene) in set(map(named, found.incidents)), [*map(named, found.incidents)]
    figures.cell(scene.name, "findings", str(sum(each.status >= Status.WARN for each in found.findings)))
    figures.cell(scene.name, "incidents", str(len(found.incidents)))
    figures.cell(scene.name, "cause", scene.root)
    figures.cell(scene.name, "how sure", "certain" if scene.certain else "likely")


PAIRS = [
    ("host refuses", "another token"),
    ("host is silent", "another connect token"),
    ("private authority", "gateway without Valkey"),
    ("changed password", "tunnel without gateway"),
    ("another connect token", "host refuses"),
    ("pooler without server", "another token"),
    ("API that is down", "gateway that lost Valkey"),
    ("one closed port", "one expired certificate"),
    ("broken key", "changed password"),
    ("misspelled key", "API without data-plane API"),
]


@pytest.mark.parametrize(("one", "other"), profiles.first(1, PAIRS))
def test_two_causes_are_told_apart(one: str, other: str, bench: Bench, tmp_path: Path, figures: Section) -> None:
    scenes = by_name(one), by_name(other)
    found = checked(scenes[0], bench, tmp_path, scenes[1])
    assert_each_problem_has_one(found)
    assert {*map(wanted, scenes)} <= {*map(named, found.incidents)}, [*map(named, found.incidents)]
    figures.cell(f"{one}, and {other}", "findings", str(sum(each.status >= Status.WARN for each in found.findings)))
    figures.cell(f"{one}, and {other}", "incidents", str(len(found.incidents)))
    figures.cell(f"{one}, and {other}", "cause", f"{scenes[0].root}, {scenes[1].root}")
    figures.cell(f"{one}, and {other}", "how sure", "each as alone")
