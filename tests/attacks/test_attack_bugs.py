"""Bugs in checks, in the plan and in the formats.

A bug is put into every kind of check, at each of its layers, as every kind of exception that Python has; outside the
layers, into threads and tasks, properties and diagnoses; into every family of the plan, every comparison and every
format. All that is not broken has its usual verdict, no output holds the text of the exception, and the exit code is 3.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import checks
from checks.core.check import Check
from checks.core.finding import Diagnosis, Finding, Layer, Status
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from preflight.cli.main import main
from preflight.formats import FORMATS, renderer
from preflight.plan import plan, resources
from preflight.report.model import Report
from preflight.report.result import Result
from preflight.run import consistency
from preflight.run.runner import run
from tests.harness import configs, in_process, profiles
from tests.harness.figures import Section
from tests.harness.format_readers import WITHOUT_MESSAGES
from tests.harness.in_process import IN_ADDRESSES, RIGHT, SECRET_KEYS, TOKEN, Printed, Stage
from tests.testbed import Postgres

URL = {"url": ("a.url",)}
MOST_LAYERS = 5  # that a kind has
Captured = pytest.CaptureFixture[str]
Values, Results = Mapping[str, object], Mapping[str, Result]
SECRET = "Sesame 0pen/up%'"
SECRETS = {path: f"{path}-9f86d081884c7d65" for path in (*SECRET_KEYS, *IN_ADDRESSES)} | {"email.smtp.password": SECRET}


class Unprintable(Exception):
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
    "without a message": Unprintable,
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
def stage(stage: Stage) -> Stage:
    stage.play(RIGHT, lambda *_: "", SECRETS[TOKEN])
    return stage


@pytest.fixture(scope="module")
def configuration(stage: Stage, postgres: Postgres) -> dict[str, object]:
    """A deployment in which every check reaches its highest layer."""
    planes, routes = ("control_plane", "data_plane"), ("direct", "pooled")
    urls = [f"postgres.{plane}.{route}_url" for plane in planes for route in routes]
    return in_process.values(stage, SECRETS) | dict.fromkeys(urls, postgres.url())


@pytest.fixture(scope="module")
def expected(stage: Stage, configuration: Mapping[str, object]) -> Mapping[str, Result]:
    return by_name(in_process.run(stage, configuration, timeout=20).report)  # the first run also imports the drivers


def by_name(report: Report) -> dict[str, Result]:
    return {result.name: result for result in report.results}


def verdict(result: Result) -> object:
    """The verdict of a check, without its times."""
    return result.status, result.keys, [(finding.id, finding.status) for finding in result.findings]


def assert_contained(printed: Printed, broken: Mapping[str, Layer], expected: Mapping[str, Result]) -> None:
    """`broken` has the layer with a bug, by kind. A check that does not run that layer has its expected verdict."""
    assert printed.report.exit_code == 3
    assert [result.name for result in printed.report.results] == list(expected)
    for name, result in by_name(printed.report).items():
        if broken.get(result.kind) in layers_run(expected[name]):
            assert_broken(result, broken[result.kind])
        else:
            assert verdict(result) == verdict(expected[name]), name
    assert_silent(printed)


def assert_broken(result: Result, layer: Layer) -> None:
    bugs = [finding for finding in result.findings if finding.id == "internal.bug"]
    assert [(bug.layer, bug.status, bug.fields) for bug in bugs] == [(layer, Status.FAIL, ())], result
    above = list(Layer)[list(Layer).index(layer) + 1 :]
    assert {finding.status for finding in result.findings if finding.layer in above} <= {Status.SKIP}, result


def assert_silent(printed: Printed) -> None:
    for output, text in printed.texts.items():
        assert "Sesame" not in text, output
        assert "open/up" not in text, output
    for name, flag in ((name, flag) for name, flag in printed.texts if name != "tracebacks"):
        assert "Traceback" not in printed.texts[name, flag]
    assert "Traceback (most recent call last)" in printed.texts["tracebacks", "-v"]


def layers_run(result: Result, worst: Status = Status.FAIL) -> list[Layer]:
    """The layers that ran, and whose status is at most `worst`.

    A failure that is noted on a layer above the open one leaves this one "not proven": the layer above never ran.
    """
    by_layer = {layer: [each.status for each in result.findings if each.layer is layer] for layer in Layer}
    ran = [layer for layer, statuses in by_layer.items() if set(statuses) - {Status.SKIP} and max(statuses) <= worst]
    failed = [each.layer for each in result.findings if each.message == "not proven"][:1]
    below = [layer for layer in ran if not failed or list(Layer).index(layer) < list(Layer).index(failed[0])]
    return below + (failed if worst is Status.FAIL else [])


def layers_of_kinds(expected: Mapping[str, Result], worst: Status) -> dict[str, list[Layer]]:
    """The layers of each kind, taken from its check that ran most layers."""
    runs = [(result.kind, layers_run(result, worst)) for result in expected.values()]
    return {kind: max((layers for name, layers in runs if name == kind), key=len) for kind in checks.ALL}


# What a bug leaves open is closed with the process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@profiles.covering
@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("number", range(MOST_LAYERS))
def test_bug_at_each_layer_of_each_kind(
    number: int, odd: int, stage: Stage, configuration: Values, expected: Results, figures: Section
) -> None:
    """Half of the kinds have a bug at once: at the beginning of every other layer, at the end of the rest."""
    at_end = (number + odd) % 2 == 1
    kinds = list(layers_of_kinds(expected, Status.WARN if at_end else Status.FAIL).items())
    attacked = {kind: layers[number] for kind, layers in kinds[odd::2] if len(layers) > number}
    names = (sorted(BUGS)[(2 * n + 5 * number + odd) % len(BUGS)] for n in range(len(attacked)))
    places = {kind: (layer, BUGS[bug]) for (kind, layer), bug in zip(attacked.items(), names, strict=False)}
    with in_process.broken(places, at_end=at_end):
        assert_contained(in_process.run(stage, configuration), attacked, expected)
    for kind, layer in attacked.items():
        figures.cell(kind, layer, "contained")


def test_every_layer_of_every_kind_is_attacked(expected: Results) -> None:
    attacked = layers_of_kinds(expected, Status.FAIL)
    assert set(attacked) == set(checks.ALL)
    assert max(map(len, attacked.values())) == MOST_LAYERS


# Small checks, each with a bug in another place.


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
            await self.probe()

    async def between(self) -> None:
        pass

    async def probe(self) -> None:
        await asyncio.sleep(0.1)  # time for the bugs of the other checks

    def diagnose(self, error: Exception) -> Diagnosis | None:
        return None

    def fail(self, *_: object) -> Any:
        raise BUGS[self.bug]()


class AtTheBeginning(Sound):
    async def run(self, record: Recorder) -> None:
        self.fail()


class OutsideTheLayers(Sound):
    async def between(self) -> None:
        self.fail()


class InALayer(Sound):
    async def probe(self) -> None:
        self.fail()


class InAThread(Sound):
    async def probe(self) -> None:
        await in_thread(self.fail)


class InATask(Sound):
    async def probe(self) -> None:
        await asyncio.gather(asyncio.sleep(0), self.fail_later())

    async def fail_later(self) -> None:
        await asyncio.sleep(0.01)
        self.fail()


class InADiagnosis(Sound):
    async def probe(self) -> None:
        raise OSError

    diagnose = Sound.fail


class InTheDiagnosisOfALimit(Sound):
    async def probe(self) -> None:
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
    """The runner probes it alone; this is the only effect."""

    __hash__ = Sound.fail


class InItsCleanUp(Sound):
    """Its limit has ended the check before."""

    async def probe(self) -> None:
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
        raising = f"from tests.attacks.test_attack_bugs import BUGS\nraise BUGS[{bug!r}]()\n"
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


# Bugs outside the checks: offline, with a configuration and nothing else.


def printed(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    return code, *capsys.readouterr()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return configs.write(tmp_path, {**configs.ALL, "email.smtp.password": SECRET})


def planned(document: str) -> dict[str, list[str]]:
    return {check["name"]: [finding["id"] for finding in check["findings"]] for check in json.loads(document)["checks"]}


@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("part", ["make", "applies"])
def test_bug_in_half_of_the_families(
    part: str, odd: int, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, figures: Section
) -> None:
    _, expected, _ = printed(capsys, "plan", "--config", str(file), "-f", "json")
    bugs = [bug for bug in BUGS if bug != "KeyboardInterrupt"]  # that is Ctrl-C in a program that calls the library
    broken = {
        resource.name: replace(resource, **{part: Sound(name="", sources={}, bug=bug).fail})
        for resource, bug in zip(resources.RESOURCES[odd::2], [*bugs, *bugs], strict=False)
    }
    monkeypatch.setattr(plan, "RESOURCES", tuple(broken.get(each.name, each) for each in resources.RESOURCES))
    code, document, errors = printed(capsys, "plan", "--config", str(file), "-f", "json")
    failed = {name: ids for name, ids in planned(document).items() if name in broken}
    # The public way of the tunnel asks what the internal one does, if both are made and have one URL.
    others = planned(expected).keys() - broken.keys() - {"services.data_plane_gateway.sandbox_ws_public"}
    assert (code, {id_ for ids in failed.values() for id_ in ids}) == (3, {"internal.bug"})
    assert set(failed) >= broken.keys() & planned(expected).keys()
    assert {name: planned(document)[name] for name in others} == {name: planned(expected)[name] for name in others}
    assert errors.count("Traceback (most recent call last)") >= len(failed)
    assert "Sesame" not in document + errors
    figures.add("families of the plan with a bug in them", len(resources.RESOURCES))


@pytest.mark.parametrize("number", range(len(consistency.COMPARISONS)))
def test_bug_in_a_comparison(number: int, monkeypatch: pytest.MonkeyPatch, figures: Section) -> None:
    facts = {"system": "1", "database": 5, "database_name": "m", "started": "1", "in_recovery": False}
    planes, apis = ("control_plane", "data_plane"), ("control_plane_api.internal", "control_plane_api.public")
    by_check = {f"postgres.{plane}.{route}": facts for plane in planes for route in ("direct", "pooled")}
    by_check["postgres.control_plane.direct"] = facts | {"pooled": True}
    by_check["postgres.control_plane.pooled"] = facts | {"pooled": False}
    by_check["postgres.data_plane.pooled"] = facts | {"database": 6, "started": "2"}
    # The pooled URLs have one address, which leads to two servers.
    targets = {f"postgres.{plane}.direct": f"postgres.{plane}.direct" for plane in planes}
    by_check |= {f"services.{name}": {"release": name} for name in (*apis, "data_plane_api.internal")}
    tunnel, fail, auth = "services.data_plane_gateway.sandbox_ws", Status.FAIL, Layer.AUTH
    found = {
        "kv.control_plane": Finding("tls.expired", Layer.TLS, fail, "expired"),
        "kv.data_plane": Finding("tls.not-yet-valid", Layer.TLS, fail, "not yet"),
        f"{tunnel}_public": Finding("tunnel.token-rejected", auth, fail, "401"),
        f"{tunnel}_internal": Finding("tunnel.auth", auth, Status.OK, "accepted"),
    }
    results = tuple(
        Result(name, "kind", targets.get(name, ""), (f"{name}_url",), (), facts=each) for name, each in by_check.items()
    )
    results += tuple(
        Result(name, "kind", f"host/{name}", (f"{name}_url",), (each,), facts={"run_id": name})
        for name, each in found.items()
    )
    given = {each.id for each in found.values()}

    def added(*on_bug: Callable[[BaseException], object]) -> list[str]:
        compared = consistency.compare(results, {}, *on_bug)
        return [each.id for result in compared for each in result.findings if each.id not in given]

    expected = added()
    comparisons, bugs = list(consistency.COMPARISONS), []
    assert len(expected) == len(comparisons)
    bug = sorted(BUGS.keys() - {"KeyboardInterrupt"})[number]
    comparisons[number] = lambda *_: Sound(name="", sources={}, bug=bug).fail()
    monkeypatch.setattr(consistency, "COMPARISONS", tuple(comparisons))
    assert len(added(bugs.append)) == len(expected) - 1
    assert len(bugs) == 1
    figures.add("comparisons with a bug in them", len(consistency.COMPARISONS))


def broken_format(monkeypatch: pytest.MonkeyPatch, name: str, bug: str, least: int) -> None:
    """Make the format fail for reports with at least so many findings."""
    render = renderer(name)

    def fail(report: Report) -> str:
        if len(report.findings) >= least:
            raise BUGS[bug]()
        return render(report)

    monkeypatch.setattr(f"preflight.formats.{name}.render", fail)


@profiles.covering
@pytest.mark.parametrize("bug", ["KeyError", "SystemExit 0", "GeneratorExit", "without a message"])
@pytest.mark.parametrize("name", FORMATS)
def test_bug_in_a_format_is_reported_in_the_others(
    name: str, bug: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    files = [each for other in FORMATS for each in ("-f", f"{other}={tmp_path / other}")]
    broken_format(monkeypatch, name, bug, least=0)
    assert printed(capsys, "config", "--config", str(file), *files) == (3, "", "")
    assert not (tmp_path / name).exists()
    for other in FORMATS.keys() - {name}:
        text = (tmp_path / other).read_text().replace("<wbr>", "")
        expected = "internal.bug" if other in WITHOUT_MESSAGES else f"the {name} report: "
        assert expected in text, f"{other} does not show it; a format without messages is one of WITHOUT_MESSAGES"
        assert "Sesame" not in text


@pytest.mark.parametrize("name", FORMATS)
def test_bug_in_a_format_is_in_its_own_report_if_possible(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    broken_format(monkeypatch, name, "KeyError", least=2)
    code, shown, errors = printed(capsys, "plan", "--config", str(file), "-f", name)
    assert code == 3
    assert "internal.bug" in shown.replace("<wbr>", ""), f"{name} does not show a finding that blames no key"
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
    "preflight.cli.execute.require_writable",
    "preflight.cli.commands.ca_file.load",
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
