"""Deadlines with every driver held up.

Every driver is held up at its worst place, all of them in one run: by a server that stops replying after the login, by
a server that sends a byte each second, by a look-up in the driver's own thread, by a TLS handshake without a reply. The
run must end with a complete report, with every check and every key in it, within `--timeout` or `--deadline` and half a
second, as a clock outside the process measures it. If other processes use the machine, the half second is extended by
the time for which, according to the kernel, they kept the process waiting. A driver that holds Python's lock, blocks
the event loop or crashes changes nothing of this, and a run that is killed still cleans up.
"""

import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any

import pytest

from preflight.formats import FORMATS
from tests.harness import configs, faults, profiles
from tests.harness.command import Command, Ended, checks, keys, run
from tests.harness.figures import Section
from tests.harness.held_checks import (
    API,
    BEHAVIOURS,
    BY_PROVIDER,
    GATEWAY,
    PLANES,
    POSTGRES,
    SERVICES,
    SilentPostgres,
    Values,
)
from tests.harness.provider_override import tls_serving
from tests.harness.store_faults import between, bucket
from tests.servers.engine import changed_engine, late
from tests.testbed import Authority, Engine, ObjectStore, Valkey, pgbouncer_server
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.postgres import PASSWORD

SECONDS = {"--timeout": 4.0, "--deadline": 6.0}
LIMITS = {
    "--timeout": [f"--timeout={SECONDS['--timeout']}"],
    "--deadline": [f"--deadline={SECONDS['--deadline']}", "--timeout=60"],
}
LEEWAY = {True: 0.5, False: 3.0}
"""Seconds, by whether the machine has no other work, as for scripts/reliability; it may have some during the suite."""

COVERING = [*zip(LIMITS, BY_PROVIDER, strict=True)]
"""A part of ATTACKS in which every limit and every provider occurs."""
ATTACKS = COVERING + [pair for pair in product(LIMITS, BY_PROVIDER) if pair not in COVERING]
each_attack = pytest.mark.parametrize(("limit", "provider"), profiles.first(len(COVERING), ATTACKS))


@pytest.fixture(scope="module")
def postgres() -> SilentPostgres:
    return SilentPostgres([])


@pytest.fixture(scope="module")
def endpoints(postgres: SilentPostgres, valkey: Valkey, engine: Engine) -> Iterator[dict[str, object]]:
    """The address of each server that holds a driver up, by name; and its port."""
    with ExitStack() as stack:
        opened = {name: faults.serving(behaviour) for name, behaviour in BEHAVIOURS.items()}
        opened |= {"silent_postgres": faults.serving(postgres), "hole": faults.black_hole()}
        ports = {name: stack.enter_context(port) for name, port in opened.items()} | {"valkey": valkey.port}
        bouncer = stack.enter_context(pgbouncer_server(NOWHERE, users={"mistle": PASSWORD}))
        docker = stack.enter_context(changed_engine(engine.socket, {"GET /distribution/": late(60)}))
        numbers = {f"{name}_port": port for name, port in ports.items()}
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield {**addresses, **numbers, "bouncer": bouncer.url(), "docker": docker}


def filled(value: object, endpoints: Mapping[str, object]) -> object:
    if not isinstance(value, str):
        return value
    text = value.format_map(endpoints)
    return int(text) if text.isdecimal() else text


@dataclass(frozen=True)
class Attack:
    """The run with one provider of sandboxes, within one limit, and the plan of the same configuration."""

    planned: dict[str, Any]
    ended: Ended


@pytest.fixture(scope="module")
def attacks(
    endpoints: Mapping[str, object], authority: Authority, tmp_path_factory: pytest.TempPathFactory, is_long: bool
) -> dict[tuple[str, str], Attack]:
    """Two runs at a time."""
    with ExitStack() as stack:
        cloud = stack.enter_context(tls_serving(authority.leaf(), faults.read_on))
        roots = stack.enter_context(authority.trusted())
        commands = {}
        for provider, held in BY_PROVIDER.items():
            values = {key: filled(value, endpoints) for each in held for key, value in each.values.items()}
            extra = configs.TELEMETRY | configs.CONTROL_KV if provider == "on Docker" else {}
            file = configs.write(tmp_path_factory.mktemp("deadlines"), {**extra, **values})
            only = [f"--only={each.check}" for each in held]
            commands[provider] = ["--config", str(file), "-f", "json", "--ca-file", roots, *only]
        code = (
            "from tests.harness import blocking as b; b.load_drivers(); "
            f"b.move_providers('localhost', {cloud}); b.make_names()"
        )

        def attack(name: tuple[str, str]) -> Attack:
            limit, provider = name
            return Attack(
                run("plan", *commands[provider]).document, run(*commands[provider], *LIMITS[limit], code=code)
            )

        with ThreadPoolExecutor(2) as two:
            names = ATTACKS if is_long else COVERING
            return dict(zip(names, two.map(attack, names), strict=True))


@pytest.fixture(scope="module")
def leeway(is_long: bool) -> float:
    return LEEWAY[is_long]


# The reports


@each_attack
def test_report_at_the_deadline_has_every_check_and_key(
    attacks: dict[tuple[str, str], Attack], provider: str, limit: str
) -> None:
    attack = attacks[limit, provider]
    document = attack.ended.document
    assert (attack.ended.code, attack.ended.stderr, document["ready"]) == (1, b"", False)
    assert (checks(document), keys(document)) == (checks(attack.planned), keys(attack.planned))
    assert set(checks(document)) == {"config", *(each.check for each in BY_PROVIDER[provider])}


@each_attack
def test_process_ends_within_timeout_and_deadline(
    attacks: dict[tuple[str, str], Attack], provider: str, limit: str, leeway: float
) -> None:
    ended = attacks[limit, provider].ended
    assert overrun(ended, SECONDS[limit]) < leeway


@pytest.mark.parametrize("provider", profiles.first(1, BY_PROVIDER))
def test_each_check_ends_within_its_timeout(
    attacks: dict[tuple[str, str], Attack], provider: str, figures: Section
) -> None:
    document = attacks["--timeout", provider].ended.document
    held = {each.check: each for each in BY_PROVIDER[provider]}
    for check in document["checks"][1:]:
        assert check["status"] in {"fail", "warn"}, check
        (id_,) = (each["id"] for each in check["findings"] if each["status"] == check["status"])
        figures.cell(f"{check['name']}: {held[check['name']].where}", "finding within --timeout", id_)


@pytest.mark.parametrize("provider", profiles.first(1, reversed(BY_PROVIDER)))
def test_deadline_names_the_layer_of_each_check(
    attacks: dict[tuple[str, str], Attack], provider: str, figures: Section
) -> None:
    findings = {check["name"]: check["findings"] for check in attacks["--deadline", provider].ended.document["checks"]}
    for held in BY_PROVIDER[provider]:
        cut = [each["layer"] for each in findings[held.check] if each["id"] == "run.deadline"]
        assert cut == [held.layer], (held, findings[held.check])
        figures.cell(f"{held.check}: {held.where}", "layer at which --deadline cut it", held.layer)


def test_no_query_is_cancelled_on_another_connection(
    attacks: dict[tuple[str, str], Attack], postgres: SilentPostgres
) -> None:
    """Each check logs in once more, to try a small query."""
    assert 1 <= len([message for message in postgres.received if message]) <= 2 * len(LIMITS)
    assert not [message for message in postgres.received if struct.pack("!i", 80877102) in message]


def test_longest_time_after_timeout_and_deadline(attacks: dict[tuple[str, str], Attack], figures: Section) -> None:
    for limit, seconds in SECONDS.items():
        longest = max(overrun(attack.ended, seconds) for (name, _), attack in attacks.items() if name == limit)
        figures.add(f"longest time from {limit} {seconds:g} to the end of the process", f"{longest:.2f} s")


def test_a_slow_handshake_is_not_taken_for_plaintext(attacks: dict[tuple[str, str], Attack]) -> None:
    (dashboard,) = (
        check
        for check in attacks["--timeout", "on Docker"].ended.document["checks"]
        if check["name"] == "services.dashboard"
    )
    assert [finding["id"] for finding in dashboard["findings"] if finding["status"] == "fail"] == ["tls.stalled"]


# Look-ups that never end, of every check at once

LOOK_UPS: Values = {
    **{f"postgres.{name}_url": "postgres://u:p@{host}/d" for name in POSTGRES},
    **{f"kv.{plane}.url": "redis://{host}" for plane in PLANES},
    **{f"object_store.{name}.endpoint": "https://{host}" for name in ("assets", "sandbox_storage")},
    **{
        f"{SERVICES}.{name}.internal_url": "http://{host}"
        for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")
    },
    f"{API}.public_url": "https://{host}",
    f"{SERVICES}.dashboard.public_url": "https://{host}",
    **{f"{GATEWAY}.sandbox_ws_{side}_url": "wss://{host}/tunnel/sandbox" for side in ("internal", "public")},
    **{f"telemetry.{signal}.endpoint": "http://{host}/v1/x" for signal in ("traces", "logs", "metrics")},
    **dict.fromkeys(("email.smtp.host", "sandbox.e2b.domain", "sandbox.publish_base_domain"), "{host}"),
}


@pytest.fixture
def unknown(tmp_path: Path) -> list[str]:
    """A run in which each check looks up a name of its own, and no look-up gets a reply."""
    hosts = (f"host-{number}.stuck.test" for number in count(1))
    values = {key: str(value).format(host=next(hosts)) for key, value in LOOK_UPS.items()}
    file = configs.write(
        tmp_path, {**configs.TELEMETRY, **configs.CONTROL_KV, **configs.GOOGLE, **configs.MOUNTED, **values}
    )
    return ["--config", str(file), "-f", "json"]


@pytest.mark.parametrize("limit", profiles.first(1, LIMITS))
def test_blocking_dns_look_ups(limit: str, unknown: list[str], figures: Section, leeway: float) -> None:
    code = (
        "from tests.harness import blocking as b; b.load_drivers(); "
        "b.move_providers('provider.stuck.test', 443); b.make_names()"
    )
    ended = run(*unknown, *LIMITS[limit], code=code)
    document = ended.document
    assert (ended.code, ended.stderr) == (1, b"")
    assert overrun(ended, SECONDS[limit]) < leeway
    planned = run("plan", *unknown).document
    assert (checks(document), keys(document)) == (checks(planned), keys(planned))
    stuck = [each["id"] for check in document["checks"] for each in check["findings"] if each["layer"] == "dns"]
    assert len(stuck) >= 20
    assert set(stuck) == {"--timeout": {"network.dns-timeout"}, "--deadline": {"run.deadline"}}[limit]
    figures.add("look-ups that blocked at once", len(stuck))


# Drivers that affect the whole process


@pytest.fixture
def broken(tmp_path: Path, valkey: Valkey) -> Iterator[list[str]]:
    """A run of checks that end at once, and of one that a test breaks."""
    with faults.refused_port() as port:
        urls = {f"postgres.{name}_url": f"postgres://u:p@127.0.0.1:{port}/d" for name in POSTGRES}
        file = configs.write(tmp_path, {**urls, "kv.data_plane.url": valkey.url()})
        yield ["--config", str(file), "-f", "json", "--only=postgres", "--only=valkey"]


def breaking(fault: str, before: str = "None") -> str:
    begin = "import os; from tests.harness import blocking as b; b.load_drivers(); "
    return f"{begin}b.break_valkey(0.8, lambda: ({before}, b.{fault}()))"


def of_valkey(ended: Ended) -> dict[str, Any]:
    """The check of Valkey in the report; the other checks ended before, and are reported."""
    *others, check = ended.document["checks"]
    assert {other["findings"][1]["id"] for other in others[1:]} == {"network.refused"}
    assert check["name"] == "kv.data_plane"
    return check


@pytest.mark.parametrize(
    ("fault", "layer"), profiles.first(1, [("hold_the_interpreter", "dns"), ("block_the_loop", "auth")])
)
def test_deadline_with_driver_that_holds_the_interpreter(
    fault: str, layer: str, broken: list[str], leeway: float
) -> None:
    ended = run(*broken, "--deadline=4", "--timeout=60", code=breaking(fault))
    assert (ended.code, ended.stderr) == (1, b"")
    assert overrun(ended, 4) < leeway
    assert [each["layer"] for each in of_valkey(ended)["findings"] if each["id"] == "run.deadline"] == [layer]


@pytest.mark.parametrize("number", profiles.first(1, [SIGINT, SIGTERM]))
@pytest.mark.parametrize("fault", ["hold_the_interpreter", "block_the_loop"])
def test_signal_with_driver_that_holds_the_interpreter(
    fault: str, number: Signals, broken: list[str], leeway: float
) -> None:
    running = Command(*broken, code=breaking(fault, "os.write(2, b'broken')"))
    running.wait_for(b"broken")
    running.signal(number)
    sent = time.monotonic()
    ended = running.end()
    assert (ended.ended - sent) / ended.slowness < leeway
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert [each["status"] for each in of_valkey(ended)["findings"] if each["id"] == "run.interrupted"] == ["skip"]


@pytest.mark.parametrize(
    ("fault", "end"), profiles.first(1, [("crash", "Segmentation fault"), ("leave", "exit code 0")])
)
def test_driver_that_crashes_is_reported(fault: str, end: str, broken: list[str]) -> None:
    ended = run(*broken, code=breaking(fault))
    assert (ended.code, ended.stderr) == (3, b"")
    (bug,) = (each for each in of_valkey(ended)["findings"] if each["id"] == "internal.bug")
    assert bug["message"].endswith(end)


def test_deadline_with_import_that_never_ends(broken: list[str], tmp_path: Path, leeway: float) -> None:
    (tmp_path / "redis.py").write_text("import time; time.sleep(60)")
    ended = run(*broken, "--deadline=2", code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    assert (ended.code, ended.stderr) == (1, b"")
    assert overrun(ended, 2) < leeway
    assert {check["findings"][0]["id"] for check in ended.document["checks"][1:]} == {"run.deadline"}


@pytest.mark.parametrize(("number", "kill"), profiles.first(1, [(SIGHUP, os.killpg), (SIGKILL, os.kill)]))
def test_killed_run_removes_its_object(
    number: Signals, kill: Callable[[int, int], None], store: ObjectStore, tmp_path: Path
) -> None:
    """Even by kill -9, or with its terminal: another process holds the object, and sees that its parent has gone."""
    put, resume = threading.Event(), threading.Event()

    def answer(request: bytes) -> bytes | None:
        if put.is_set() and request.startswith(b"HEAD"):
            resume.wait(60)
        if request.startswith(b"PUT"):
            put.set()
        return None

    with between(store.port, answer) as port:
        file = configs.write(tmp_path, bucket(f"http://127.0.0.1:{port}"))
        command = ("--config", str(file), "-f", "json", "--only=object_store", "--timeout=60")
        running = Command(*command, start_new_session=True)
        assert put.wait(20)
        while not store.objects():
            time.sleep(0.05)
        kill(running.process.pid, number)
        ended = running.end(30)
        resume.set()
    assert (ended.code, ended.stdout, ended.stderr) == (-number, b"", b"")
    assert store.objects() == []


# With almost no time


@pytest.mark.parametrize("name", profiles.first(2, FORMATS))
def test_report_at_a_short_deadline_names_every_check_and_key(name: str, broken: list[str]) -> None:
    complete, cut = (run(*broken, f"-f{name}=/dev/stdout", f"--deadline={limit}") for limit in (60, 0.1))
    assert (cut.code, cut.stderr) == (1, b"")
    assert "run.deadline" in cut.stdout.decode()
    planned = run("plan", *broken).document
    for named in (*checks(planned), *keys(planned)):
        assert cut.stdout.count(named.encode()) >= min(1, complete.stdout.count(named.encode())), named


def overrun(ended: Ended, limit: float) -> float:
    """Seconds from a limit to the end of the process, as on an idle machine."""
    return (ended.seconds - limit) / ended.slowness
