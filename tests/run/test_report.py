"""The verdict of each key, and the exit code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from checks.core.check import Check
from checks.core.finding import Finding, Layer, Status
from preflight.config.origin import DEFAULT, InFile, InVariable
from preflight.formats.shared.documents import to_json
from preflight.report.attribution import attribute
from preflight.report.model import Report, ignoring
from preflight.report.result import Result, fact
from preflight.report.verdicts import verdicts

ORIGINS = {"a.url": InFile("mistle.toml", 42), "b.url": InVariable("MISTLE_B_URL"), "a.key": DEFAULT}


@dataclass(frozen=True, kw_only=True)
class Toy(Check):
    kind = "toy"
    host: str = "db"


def toy(name: str = "toy.a", **sources: tuple[str, ...]) -> Toy:
    return Toy(name=name, sources=sources or {"url": ("a.url",)})


def finding(
    status: Status = Status.FAIL, fields: tuple[str, ...] = (), *, layer: Layer = Layer.AUTH, id_: str = "toy.cause"
) -> Finding:
    return Finding(id_, layer, status, "seen", "", fields)


def result(*findings: Finding, keys: tuple[str, ...] = ("a.url",), name: str = "toy.a") -> Result:
    return Result(name, "toy", "db:1", keys, findings)


def report(*findings: Finding, **about: object) -> Report:
    base = Report(
        version="1",
        command="run",
        config=None,
        stage="live",
        service=None,
        started_at=datetime.now(UTC),
        seconds=0.1,
        results=(result(*findings),),
    )
    return replace(base, **about)  # type: ignore[arg-type]


def attributed(check: Check, *found: Finding, siblings: tuple[Check, ...] = ()) -> tuple[Finding, ...]:
    return attribute(check, siblings or (check,), found, ORIGINS)


def verdict(key: str, *results: Result, listed: tuple[str, ...] = ("a.url",), unproven: frozenset[str] = frozenset()):
    return next(each for each in verdicts(listed, results, ORIGINS, unproven) if each.key == key)


def test_fields_become_the_keys_they_came_from():
    (found,) = attributed(toy(url=("a.url",), key=("a.key", "b.key")), finding(fields=("key",)))
    assert found.fields == ("a.key", "b.key")


@pytest.mark.parametrize(
    ("hint", "filled"),
    [
        ("correct {url}", "correct a.url (mistle.toml:42)"),
        ("correct {blamed}", "correct b.url (MISTLE_B_URL) and c.key"),
        ("keep {unknown} and {}", "keep {unknown} and {}"),
        ('say {"json": 1}', 'say {"json": 1}'),
    ],
)
def test_hint_names_the_origins_of_keys(hint: str, filled: str):
    check = toy(url=("a.url",), other=("b.url", "c.key"))
    (found,) = attributed(check, replace(finding(fields=("other",)), hint=hint))
    assert found.hint == filled


def test_finding_about_a_siblings_key_is_the_siblings():
    direct, pooled = toy("direct", direct=("a.url",)), toy("pooled", pooled=("b.url",))
    found = finding(fields=("pooled",))
    assert attributed(direct, found, siblings=(direct, pooled)) == ()
    assert attributed(pooled, found, siblings=(direct, pooled))[0].fields == ("b.url",)


def test_failure_of_unmapped_fields_blames_every_key_of_the_check():
    (found,) = attributed(toy(url=("a.url",), key=("a.key",)), finding(fields=("port",)))
    assert found.fields == ("a.url", "a.key")


def test_passed_layer_of_unmapped_fields_proves_nothing():
    (found,) = attributed(toy(), finding(Status.OK, ("port",)))
    assert found.fields == ()


def test_finding_without_fields_stays():
    assert attributed(toy(), finding(Status.SKIP))[0].fields == ()


def test_key_proven_by_a_passed_layer_is_ok_and_probed():
    shown = verdict("a.url", result(finding(Status.OK, ("a.url",), layer=Layer.DNS)))
    assert (shown.status, shown.evidence, shown.origin) == (Status.OK, "probed", InFile("mistle.toml", 42))
    assert (shown.checks, shown.findings) == (("toy.a",), ())


def test_key_that_a_probe_blames_has_the_worst_of_its_findings():
    passed, warned = finding(Status.OK, ("a.url",), layer=Layer.DNS), finding(Status.WARN, ("a.url",), id_="toy.old")
    shown = verdict("a.url", result(passed, warned), result(finding(fields=("a.url",)), name="toy.b"))
    assert (shown.status, shown.evidence) == (Status.FAIL, "probed")
    assert (shown.findings, shown.checks) == (("toy.old", "toy.cause"), ("toy.a", "toy.b"))


def test_key_with_nothing_to_probe_is_ok_and_only_validated():
    shown = verdict("a.key", result(finding(Status.OK, ("a.url",))), listed=("a.key",))
    assert (shown.status, shown.evidence, shown.checks) == (Status.OK, "validated", ())


def test_key_of_an_unreached_layer_is_skipped():
    refused = finding(fields=("a.url",), layer=Layer.CONNECT)
    shown = verdict("a.key", result(refused, finding(Status.SKIP), keys=("a.url", "a.key")), listed=("a.key",))
    assert (shown.status, shown.evidence) == (Status.SKIP, "validated")


def test_key_that_was_not_selected_is_skipped_unless_another_check_proves_it():
    assert verdict("a.url", unproven=frozenset({"a.url"})).status is Status.SKIP
    proven = result(finding(Status.OK, ("a.url",)))
    assert verdict("a.url", proven, unproven=frozenset({"a.url"})).status is Status.OK


def test_key_that_is_broken_fails_without_evidence():
    broken = Result("config", "config", "", ("a.url",), (finding(fields=("a.url",), layer=Layer.CONFIG),))
    blocked = result(finding(Status.SKIP, ("a.url", "b.url"), layer=Layer.CONFIG), keys=("a.url", "b.url"))
    shown = verdict("a.url", broken, blocked)
    assert (shown.status, shown.evidence, shown.checks) == (Status.FAIL, "none", ("config", "toy.a"))
    assert verdict("b.url", broken, blocked, listed=("b.url",)).status is Status.SKIP


@pytest.mark.parametrize("id_", ["run.interrupted", "internal.bug"])
def test_key_of_an_aborted_check_is_not_proven_by_its_lower_layers(id_: str):
    cut = result(finding(Status.OK, ("a.url",), layer=Layer.DNS), finding(Status.SKIP, id_=id_))
    assert verdict("a.url", cut).status is Status.SKIP


def test_key_that_is_blamed_but_not_listed_gets_a_verdict_after_the_others():
    shown = verdicts(("a.url",), (result(finding(fields=("a.nonsense",))),), ORIGINS)
    assert [(each.key, each.status, each.origin) for each in shown] == [
        ("a.url", Status.SKIP, InFile("mistle.toml", 42)),
        ("a.nonsense", Status.FAIL, None),
    ]
    assert shown[1].checks == ("toy.a",)


@pytest.mark.parametrize(
    ("findings", "about", "code"),
    [
        ((finding(Status.OK),), {}, 0),
        ((finding(Status.SKIP),), {}, 0),
        ((finding(Status.WARN),), {}, 0),
        ((finding(Status.WARN),), {"fail_level": Status.WARN}, 1),
        ((finding(),), {}, 1),
        ((finding(id_="run.usage"),), {}, 2),
        ((finding(id_="config.unreadable"),), {"ignored": frozenset({"config.unreadable"})}, 2),
        ((finding(id_="internal.bug"), finding()), {}, 3),
        ((finding(),), {"signal": 2}, 130),
        ((finding(Status.OK),), {"signal": 15}, 143),
    ],
)
def test_exit_code(findings: tuple[Finding, ...], about: Mapping[str, object], code: int):
    shown = report(*findings, **about)
    assert (shown.exit_code, shown.ready) == (code, code == 0)


def test_ignored_failure_is_a_warning_that_is_not_counted():
    (shown,) = ignoring((result(finding(fields=("a.url",))),), frozenset({"toy.cause"}))
    assert shown.status is Status.WARN
    strict = report(*shown.findings, ignored=frozenset({"toy.cause"}), fail_level=Status.WARN)
    assert strict.exit_code == 0


class Odd:
    def __str__(self) -> str:
        return "odd\x1b[31m\nwords" + "x" * 1000


FACTS = {
    "nothing": (None, None),
    "truth": (True, True),
    "number": (7, 7),
    "fraction": (0.5, 0.5),
    "infinity": (float("inf"), "inf"),
    "no number": (float("nan"), "nan"),
    "number beyond all": (-(10**400), "-1" + "0" * 297 + "…"),
    "anything": (Odd(), "odd words" + "x" * 290 + "…"),
}


@pytest.mark.parametrize("case", FACTS)
def test_fact_fits_every_format(case: str) -> None:
    seen, kept = FACTS[case]
    assert fact(seen) == kept
    assert type(fact(seen)) is type(kept)
    assert json.loads(to_json(fact(seen)), parse_constant=pytest.fail) == kept


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_number_outside_json_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"number": number})
