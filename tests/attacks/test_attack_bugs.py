"""Bugs in checks, in the plan and in the formats.

A bug is put into every kind of check, at each of its layers, as every kind of exception that Python has; outside the
layers, into threads and tasks, properties and diagnoses; into every family of the plan, every comparison and every
format. All that is not broken has its usual verdict, no output holds the text of the exception, and the exit code is 3.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import checks
from checks.core.check import Check, Diagnosis, Layer, Settings, Status
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from checks.core.threads import in_thread
from preflight.cli.main import main
from preflight.formats import FORMATS, renderer
from preflight.plan import plan, resources
from preflight.report.model import Report, Result
from preflight.run import consistency
from preflight.run.runner import run
from tests.harness import configs, in_process, profiles
from tests.harness.figures import Section
from tests.harness.in_process import IN_ADDRESSES, RIGHT, SECRET_KEYS, TOKEN, Printed, Stage
from tests.testbed import Authority, Postgres

URL = {"url": ("a.url",)}
RUNGS = 5  # that a kind has, at most
Captured = pytest.CaptureFixture[str]
Values, Results = Mapping[str, object], Mapping[str, Result]
SECRET = "Sesame 0pen/up%'"
SECRETS = {path: f"{path}-9f86d081884c7d65" for path in (*SECRET_KEYS, *IN_ADDRESSES)} | {"email.smtp.password": SECRET}


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError(SECRET)

    __repr__ = __str__


class OfItsOwnKind(BaseException):
    pass


def circular() -> Exception:
    first, second = KeyError(SECRET), TypeError(SECRET)
    first.__cause__, second.__cause__ = second, first
    return first


def noted() -> Exception:
    error = AssertionError(SECRET)
    error.add_note(f"see {SECRET}")
    return error


BUGS: Mapping[str, Callable[[], BaseException]] = {
    "KeyError": lambda: KeyError(SECRET),
    "TypeError": lambda: TypeError(SECRET),
    "AttributeError": lambda: AttributeError(SECRET),
    "ZeroDivisionError": lambda: ZeroDivisionError(SECRET),
    "BufferError": lambda: BufferError(SECRET),
    "with a note": noted,
    "in a circle": circular,
    "without words": Unspeakable,
    "a group": lambda: ExceptionGroup(SECRET, [KeyError(SECRET), ExceptionGroup("", [ValueError(SECRET)])]),
    "a group of the gravest": lambda: BaseExceptionGroup(SECRET, [SystemExit(SECRET), KeyboardInterrupt(SECRET)]),
    "StopIteration": lambda: StopIteration(SECRET),
    "StopAsyncIteration": lambda: StopAsyncIteration(SECRET),
    "SystemExit": lambda: SystemExit(SECRET),
    "SystemExit 0": lambda: SystemExit(0),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(SECRET),
    "GeneratorExit": lambda: GeneratorExit(SECRET),
    "CancelledError": lambda: asyncio.CancelledError(SECRET),
    "of its own kind": lambda: OfItsOwnKind(SECRET),
}


@pytest.fixture(scope="module")
def stage(authority: Authority) -> Iterator[Stage]:
    with in_process.stage(authority) as here:
        here.play(RIGHT, lambda *_: "", SECRETS[TOKEN])
        yield here


@pytest.fixture(scope="module")
def told(stage: Stage, postgres: Postgres) -> dict[str, object]:
    """A deployment in which every check reaches its highest rung."""
    ways = [f"postgres.{plane}.{way}_url" for plane in ("control_plane", "data_plane") for way in ("direct", "pooled")]
    return in_process.values(stage, SECRETS) | dict.fromkeys(ways, postgres.url())


@pytest.fixture(scope="module")
def usual(stage: Stage, told: Mapping[str, object]) -> Mapping[str, Result]:
    in_process.run(stage, told, timeout=20)  # imports take their time
    return by_name(in_process.run(stage, told).report)


def by_name(report: Report) -> dict[str, Result]:
    return {result.name: result for result in report.results}


def verdict(result: Result) -> object:
    """What is known of a check, but for the times that it took."""
    return result.status, result.keys, [(finding.id, finding.status) for finding in result.findings]


def assert_contained(printed: Printed, broken: Mapping[str, Layer], usual: Mapping[str, Result]) -> None:
    """By kind, the rung that has a bug; whatever does not climb that is as always."""
    assert printed.report.exit_code == 3
    assert [result.name for result in printed.report.results] == list(usual)
    for name, result in by_name(printed.report).items():
        if broken.get(result.kind) in rungs(usual[name]):
            assert_broken(result, broken[result.kind])
        else:
            assert verdict(result) == verdict(usual[name]), name
    assert_silent(printed)


def assert_broken(result: Result, rung: Layer) -> None:
    found = [finding for finding in result.findings if finding.id == "internal.bug"]
    assert [(bug.layer, bug.status, bug.fields) for bug in found] == [(rung, Status.FAIL, ())], result
    above = list(Layer)[list(Layer).index(rung) + 1 :]
    assert {finding.status for finding in result.findings if finding.layer in above} <= {Status.SKIP}, result


def assert_silent(printed: Printed) -> None:
    for place, text in printed.texts.items():
        assert "Sesame" not in text, place
        assert "open/up" not in text, place
    for name, flag in ((name, flag) for name, flag in printed.texts if name != "tracebacks"):
        assert "Traceback" not in printed.texts[name, flag]
    assert "Traceback (most recent call last)" in printed.texts["tracebacks", "-v"]


def rungs(result: Result, worst: Status = Status.FAIL) -> list[Layer]:
    """Those that were climbed, and were at worst so."""
    found = {layer: [each.status for each in result.findings if each.layer is layer] for layer in Layer}
    return [layer for layer, statuses in found.items() if set(statuses) - {Status.SKIP} and max(statuses) <= worst]


def rungs_of_kinds(usual: Mapping[str, Result], worst: Status) -> dict[str, list[Layer]]:
    """Of that check of the kind which climbs highest."""
    climbs = [(result.kind, rungs(result, worst)) for result in usual.values()]
    return {kind: max((layers for name, layers in climbs if name == kind), key=len) for kind in checks.ALL}


# What a bug leaves open ends with the process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@profiles.covering
@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("number", range(RUNGS))
def test_bug_at_each_rung_of_each_kind(
    number: int, odd: int, stage: Stage, told: Values, usual: Results, figures: Section
) -> None:
    """Of half of the kinds at once, at the beginning of every other rung and at the end of the rest."""
    at_end = (number + odd) % 2 == 1
    every = list(rungs_of_kinds(usual, Status.WARN if at_end else Status.FAIL).items())
    climbed = {kind: layers[number] for kind, layers in every[odd::2] if len(layers) > number}
    named = (sorted(BUGS)[(2 * n + 5 * number + odd) % len(BUGS)] for n in range(len(climbed)))
    places = {kind: (layer, BUGS[bug]) for (kind, layer), bug in zip(climbed.items(), named, strict=False)}
    with in_process.broken(places, at_end=at_end):
        assert_contained(in_process.run(stage, told), climbed, usual)
    for kind, layer in climbed.items():
        figures.cell(kind, layer, "contained")


def test_every_rung_of_every_kind_is_attacked(usual: Results) -> None:
    climbed = rungs_of_kinds(usual, Status.FAIL)
    assert set(climbed) == set(checks.ALL)
    assert max(map(len, climbed.values())) == RUNGS


# Where else a check can have a bug: small ones.


@dataclass(frozen=True, kw_only=True)
class Sound(Check):
    kind = "sound"
    bug: str = ""

    @property
    def target(self) -> str:
        return "somewhere"

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.CONNECT, Layer.AUTH)

    async def run(self, record: Recorder) -> None:
        with record.layer(Layer.CONNECT, "it accepts", proves=("url",)):
            pass
        await self.between()
        with record.layer(Layer.AUTH, "login accepted", proves=("url",)):
            await self.climb()

    async def between(self) -> None:
        pass

    async def climb(self) -> None:
        await asyncio.sleep(0.1)  # others have their bugs meanwhile

    def diagnose(self, error: Exception) -> Diagnosis | None:
        return None

    def fail(self, *_: object) -> Any:
        raise BUGS[self.bug]()


class AtTheBeginning(Sound):
    async def run(self, record: Recorder) -> None:
        self.fail()


class OutsideTheRungs(Sound):
    async def between(self) -> None:
        self.fail()


class InARung(Sound):
    async def climb(self) -> None:
        self.fail()


class InAThread(Sound):
    async def climb(self) -> None:
        await in_thread(self.fail)


class InATask(Sound):
    async def climb(self) -> None:
        await asyncio.gather(asyncio.sleep(0), self.fail_later())

    async def fail_later(self) -> None:
        await asyncio.sleep(0.01)
        self.fail()


class InADiagnosis(Sound):
    async def climb(self) -> None:
        raise OSError

    diagnose = Sound.fail


class InTheDiagnosisOfALimit(Sound):
    async def climb(self) -> None:
        await asyncio.sleep(60)

    diagnose = Sound.fail


class InItsTarget(Sound):
    target = property(Sound.fail)


class InItsLayers(Sound):
    layers = property(Sound.fail)


class InItsLayersAtItsLimit(InTheDiagnosisOfALimit):
    layers = property(Sound.fail)
    diagnose = Sound.diagnose


class InItsImports(Sound):
    @property
    def imports(self) -> tuple[str, ...]:  # type: ignore[override]
        return (f"buggy_driver_{list(BUGS).index(self.bug)}",)


class InItsHash(Sound):
    """It is probed by itself, and that is all."""

    __hash__ = Sound.fail


class InItsCleanUp(Sound):
    """Its limit has ended it by then."""

    async def climb(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            self.fail()


PLACES = [kind for kind in (*Sound.__subclasses__(), InItsLayersAtItsLimit) if not kind.__doc__]
SURVIVED = [InItsHash, InItsCleanUp]


@pytest.fixture
def drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, bug in enumerate(BUGS):
        raising = f"import test_attack_bugs\nraise test_attack_bugs.BUGS[{bug!r}]()\n"
        (tmp_path / f"buggy_driver_{number}.py").write_text(raising)


def test_bug_in_every_place_at_once(drivers: None, capfd: Captured, figures: Section) -> None:
    broken = [kind(name=f"{kind.__name__}, {bug}", sources=URL, bug=bug) for kind in PLACES for bug in BUGS]
    others = [kind(name=f"{kind.__name__}, {bug}", sources=URL, bug=bug) for kind in SURVIVED for bug in BUGS]
    sound = Sound(name="sound", sources=URL)
    done = run((*broken, *others, sound), Settings(Trust(), 1.5), deadline=20, origins={})
    results = {result.name: result for result in done.results}
    assert list(results) == [check.name for check in (*broken, *others, sound)]
    for check in broken:
        failed = [finding.id for finding in results[check.name].findings if finding.status is Status.FAIL]
        assert failed == ["internal.bug"], results[check.name]
        assert results[check.name].keys == ("a.url",)
    assert {results[check.name].status for check in others if isinstance(check, InItsHash)} == {Status.OK}
    assert results["sound"].status is Status.OK
    assert len(done.bugs) == len(broken)
    assert "Sesame" not in repr(done.results)
    assert capfd.readouterr() == ("", "")
    figures.add("places of a check with a bug in them", len(PLACES) + len(SURVIVED))
    figures.add("kinds of exceptions raised in each", len(BUGS))


# Outside the checks: offline, on nothing but a configuration.


def printed(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    return code, *capsys.readouterr()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return configs.write(tmp_path, {**configs.ALL, "email.smtp.password": SECRET})


def planned(document: str) -> dict[str, list[str]]:
    return {check["name"]: [found["id"] for found in check["findings"]] for check in json.loads(document)["checks"]}


@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("part", ["make", "applies"])
def test_bug_in_half_of_the_families(
    part: str, odd: int, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, figures: Section
) -> None:
    _, usual, _ = printed(capsys, "plan", "--config", str(file), "-f", "json")
    of_plans = [
        bug for bug in BUGS if bug != "KeyboardInterrupt"
    ]  # which is Ctrl-C in a program that calls the library
    broken = {
        resource.name: replace(resource, **{part: Sound(name="", sources={}, bug=bug).fail})
        for resource, bug in zip(resources.RESOURCES[odd::2], [*of_plans, *of_plans], strict=False)
    }
    monkeypatch.setattr(plan, "RESOURCES", tuple(broken.get(each.name, each) for each in resources.RESOURCES))
    code, document, errors = printed(capsys, "plan", "--config", str(file), "-f", "json")
    met = {name: ids for name, ids in planned(document).items() if name in broken}
    sound = {name: ids for name, ids in planned(usual).items() if name not in broken}
    assert (code, {id_ for ids in met.values() for id_ in ids}) == (3, {"internal.bug"})
    assert set(met) >= broken.keys() & planned(usual).keys()
    assert {name: ids for name, ids in planned(document).items() if name not in broken} == sound
    assert errors.count("Traceback (most recent call last)") >= len(met)
    assert "Sesame" not in document + errors
    figures.add("families of the plan with a bug in them", len(resources.RESOURCES))


@pytest.mark.parametrize("number", range(len(consistency.COMPARISONS)))
def test_bug_in_a_comparison(number: int, monkeypatch: pytest.MonkeyPatch, figures: Section) -> None:
    facts = {"system": "1", "database": 5, "database_name": "m", "started": "1", "in_recovery": False}
    planes, apis = ("control_plane", "data_plane"), ("control_plane_api.internal", "control_plane_api.public")
    ways = {f"postgres.{plane}.{way}": facts for plane in planes for way in ("direct", "pooled")}
    ways["postgres.data_plane.pooled"] = facts | {"database": 6}
    ways |= {f"services.{name}": {"release": name} for name in (*apis, "data_plane_api.internal")}
    results = tuple(Result(name, "kind", "", (f"{name}_url",), (), facts=told) for name, told in ways.items())
    usual = [finding.id for result in consistency.compare(results, {}) for finding in result.findings]
    comparisons, met = list(consistency.COMPARISONS), []
    assert len(usual) == len(comparisons)
    comparisons[number] = lambda *_: Sound(name="", sources={}, bug=sorted(BUGS)[number]).fail()
    monkeypatch.setattr(consistency, "COMPARISONS", tuple(comparisons))
    found = consistency.compare(results, {}, met.append)
    assert len([finding for result in found for finding in result.findings]) == len(usual) - 1
    assert len(met) == 1
    figures.add("comparisons with a bug in them", len(consistency.COMPARISONS))


def broken_format(monkeypatch: pytest.MonkeyPatch, name: str, bug: str, least: int) -> None:
    """It cannot show more than so many results."""
    render = renderer(name)

    def fail(report: Report) -> str:
        if len(report.findings) >= least:
            raise BUGS[bug]()
        return render(report)

    monkeypatch.setattr(f"preflight.formats.{name}.render", fail)


@profiles.covering
@pytest.mark.parametrize("bug", ["KeyError", "SystemExit 0", "GeneratorExit", "without words"])
@pytest.mark.parametrize("name", FORMATS)
def test_bug_in_a_format_is_told_in_the_others(
    name: str, bug: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    files = [each for other in FORMATS for each in ("-f", f"{other}={tmp_path / other}")]
    broken_format(monkeypatch, name, bug, least=0)
    assert printed(capsys, "config", "--config", str(file), *files) == (3, "", "")
    assert not (tmp_path / name).exists()
    for other in FORMATS.keys() - {name}:
        told = (tmp_path / other).read_text().replace("<wbr>", "")
        assert ("internal.bug" if other == "prometheus" else f"the {name} report: ") in told
        assert "Sesame" not in told


@pytest.mark.parametrize("name", FORMATS)
def test_bug_in_a_format_shows_itself_if_it_can(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    broken_format(monkeypatch, name, "KeyError", least=2)
    code, shown, errors = printed(capsys, "plan", "--config", str(file), "-f", name)
    assert (code, "internal.bug" in shown.replace("<wbr>", "")) == (3, True)
    assert "Sesame" not in shown + errors


@profiles.covering
@pytest.mark.parametrize("flags", [(), ("-v",)])
@pytest.mark.parametrize("name", FORMATS)
def test_bug_in_the_only_format_is_a_line(
    name: str, flags: tuple[str, ...], file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, figures: Section
) -> None:
    broken_format(monkeypatch, name, "with a note", least=0)
    code, shown, errors = printed(capsys, "config", "--config", str(file), "-f", name, *flags)
    figures.add("formats with a bug in them", len(FORMATS))
    assert (code, shown) == (3, "")
    assert errors.startswith(f"mistle-preflight: the {name} report: AssertionError at attacks/test_attack_bugs.py:")
    assert ("Traceback" in errors) == bool(flags)
    assert "Sesame" not in errors


STEPS = (
    "preflight.cli.execute.prepare",
    "preflight.cli.commands.ca_file.choose",
    "preflight.cli.commands.load",
    "preflight.cli.so_far.verdicts",
    "preflight.cli.so_far.masked",
    "preflight.cli.so_far.Redactor",
    "preflight.cli.so_far.allowlist.names",
    "preflight.cli.delivery.write",
    "preflight.cli.execute.Invocation",
)


@profiles.covering
@pytest.mark.parametrize("bug", ["KeyError", "a group", "SystemExit 0", "of its own kind"])
@pytest.mark.parametrize("step", STEPS)
def test_bug_in_a_step_of_the_command(
    step: str,
    bug: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    figures: Section,
) -> None:
    monkeypatch.setattr(step, Sound(name="", sources={}, bug=bug).fail)
    code, shown, errors = printed(capsys, "config", "--config", str(file), "-f", "json", "-v")
    assert code == 3
    assert ("internal.bug" in shown) or "mistle-preflight: " in errors, (shown, errors)
    assert "Sesame" not in shown + errors
    figures.add("other steps of the command with a bug in them", len(STEPS))
