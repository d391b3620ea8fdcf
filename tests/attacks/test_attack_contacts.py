"""Servers that it contacts, and files that it touches.

One run against a complete deployment is in a network of its own. The kernel counts every connection that begins there,
also those of libraries in C. Another run is under Python's own audit, which reports every file, process and address.
All that each server received is searched for every secret of the configuration, in several encodings. SECURITY.md says
which server may receive which secret.
"""

import base64
import ctypes
import json
import os
import re
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

import checks
from preflight.config.secrets import collect
from tests.harness import configs, security_md
from tests.harness.figures import Section
from tests.harness.full_deployment import PATIENT, ROOT, ROWS, FullDeployment, Servers, full_deployment
from tests.harness.networks import can_have_own_network, own_network
from tests.harness.recording_proxy import listener, recording_proxies
from tests.harness.run_check import run_check
from tests.harness.web_checks import WEB_CHECKS, WEB_SETTINGS, run_web_check
from tests.testbed import Authority, postgres_server
from tests.testbed.web import web_server

CONTACTS = security_md.table("Servers that it contacts")
NEVER = re.split(r"^- ", security_md.section("What it never does"), flags=re.MULTILINE)[1:]
HIDDEN_BY_TLS = {"smtp"}
"""Relays whose connections change to TLS, through STARTTLS."""
COUNTERS = ("Tcp ActiveOpens", "Udp OutDatagrams", "Ip OutNoRoutes", "Ip6OutNoRoutes", "Udp6OutDatagrams")
POSTGRES_LOGIN = rb"\0\x03\0\0user\0"
PR_CAPBSET_DROP = 24
Result = TypeVar("Result")
Inside = Callable[[Callable[[], Result]], Result]
"""Runs a function in the network of the deployment."""
needs_root = pytest.mark.skipif(not can_have_own_network(), reason="needs root, for a network of its own")


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside[Any]]:
    """Runs in a network of its own, if this process may have one."""
    if not can_have_own_network():
        yield lambda function: function()
        return
    with own_network("192.0.2.1") as submit:
        submit(leave_no_capability).result()
        yield lambda function: submit(function).result()


@pytest.fixture(scope="module")
def deployment(
    inside: Inside[Any], servers: Servers, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FullDeployment]:
    folder = tmp_path_factory.mktemp("whole")
    with full_deployment(
        servers, authority.pem, folder, lambda address: inside(lambda: listener(address, folder))
    ) as made:
        yield made


def leave_no_capability() -> None:
    """Take all capabilities from the programs that this thread starts, also as root."""
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@dataclass(frozen=True)
class Run:
    """A run that has ended: its capabilities, the growth of the kernel's counters, its connections.

    ``accepted`` are those to servers; ``to_itself`` are those from libpq to the proxy in the same process.
    """

    capabilities: str
    grown: Mapping[str, int]
    accepted: int
    to_itself: int


@pytest.fixture(scope="module")
def ran(inside: Inside[Any], deployment: FullDeployment) -> Run:
    before, made = inside(counters), connections(deployment)
    running = inside(lambda: deployment.start(*PATIENT))
    status = Path(f"/proc/{running.pid}/status")
    while running.poll() is None and "preflight.cli.main" not in status.with_name("cmdline").read_text():
        time.sleep(0.005)
    (capabilities,) = re.findall(r"^CapEff:\s*(\w+)$", status.read_text(), re.MULTILINE)
    finish(running)
    after = inside(counters)
    grown = {name: after[name] - before[name] for name in COUNTERS}
    accepted, logins = (now - earlier for now, earlier in zip(connections(deployment), made, strict=True))
    return Run(capabilities, grown, accepted, logins)


def connections(deployment: FullDeployment) -> tuple[int, int]:
    """Those that the servers have accepted so far, and those of them that are logins to Postgres."""
    accepted = sum(proxy.accepted for name, proxy in deployment.proxies.items() if name != "engine")
    return accepted, sum(len(deployment.proxies[name].matches(POSTGRES_LOGIN)) for name in ("postgres", "pgbouncer"))


def finish(running: "subprocess.Popen[str]") -> None:
    stdout, stderr = running.communicate()
    assert (running.returncode, stderr) == (0, ""), stdout


def counters() -> dict[str, int]:
    """The kernel's counters for the network of this thread."""
    lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    counts = {
        f"{name} {field}": int(value)
        for names, values in pairs
        for name in [names.partition(":")[0]]
        for field, value in zip(names.split()[1:], values.split()[1:], strict=True)
    }
    sixth = Path("/proc/thread-self/net/snmp6")
    lines = sixth.read_text().splitlines() if sixth.exists() else []
    counts |= {name: int(value) for name, value in map(str.split, lines)}
    return {name: counts.get(name, 0) for name in COUNTERS}


@needs_root
def test_connections_only_to_configured_servers(ran: Run, figures: Section) -> None:
    begun, *elsewhere = (ran.grown[name] for name in COUNTERS)
    assert ran.to_itself > 0
    assert begun - ran.to_itself == ran.accepted > 40
    assert elsewhere == [0, 0, 0, 0]
    figures.add("connections that the kernel saw begin in one run", begun)
    figures.add("of them, from libpq to the proxy of the same process", ran.to_itself)
    figures.add("of them, accepted by servers that the configuration names", ran.accepted)
    figures.add("packets to any other address", sum(elsewhere))


@needs_root
def test_run_without_linux_capabilities(ran: Run) -> None:
    assert int(ran.capabilities, 16) == 0


# Which server receives which secret


def secrets_by_key(values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Every secret of a configuration, by its key, in every form in which the redactor searches for it."""
    by_key = {key: collect(tomllib.loads(configs.toml({key: value})), {}) for key, value in values.items()}
    return {key: secrets for key, secrets in by_key.items() if secrets}


def forms(secret: str) -> set[bytes]:
    plain = secret.encode()
    return {plain, quote(secret, safe="").encode(), base64.b64encode(plain).rstrip(b"="), plain.hex().encode()}


def keys_shown(sent: bytes, secrets: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The keys whose secrets are in what was sent."""
    return {key for key, values in secrets.items() if any(form in sent for value in values for form in forms(value))}


def may_be_shown(row: str, secrets: Mapping[str, tuple[str, ...]]) -> set[str]:
    patterns = re.findall(r"`([\w.*]+)`", CONTACTS[row][1])
    return {key for key in secrets if any(fnmatchcase(key, pattern) for pattern in patterns)}


def test_each_server_receives_only_its_own_secrets(ran: Run, deployment: FullDeployment, figures: Section) -> None:
    secrets = secrets_by_key(configs.valid(deployment.values))
    assert len(secrets) > 10
    received = {name: keys_shown(b"".join(relay.received), secrets) for name, relay in deployment.proxies.items()}
    allowed = {name: {key for row in ROWS[name] for key in may_be_shown(row, secrets)} for name in received}
    assert received == {name: set() if name in HIDDEN_BY_TLS else keys for name, keys in allowed.items()}
    figures.add("keys whose secrets were searched for in all that any server received", len(secrets))
    wrong = sum(len(received[name] - allowed[name]) for name in received)
    figures.add("of them, received by a server that may not receive them", wrong)


@pytest.mark.parametrize("name", WEB_CHECKS)
def test_each_web_application_receives_only_its_own_secrets(name: str, authority: Authority, roots: Path) -> None:
    secrets = secrets_by_key(
        {key: list(value) if isinstance(value, tuple) else value for key, value in WEB_SETTINGS.items()}
    )
    with web_server(WEB_CHECKS[name].app(), authority.leaf()) as web:
        run_web_check(name, "https", web.port, extra=roots)
    sent = json.dumps([[each.target, each.headers, each.body.decode()] for each in web.requests]).encode()
    assert web.requests
    assert keys_shown(sent, secrets) == may_be_shown(WEB_CHECKS[name].row, secrets)


def test_postgres_cleartext_password_is_sent_to_its_server() -> None:
    name = "postgres.control_plane.direct"
    with (
        postgres_server(hba="host all all all password") as server,
        recording_proxies({"server": (server.host, server.port)}) as made,
    ):
        values = {f"{name}_url": replace(server, port=made["server"].port).url()}
        run_check(name, values)
    assert keys_shown(b"".join(made["server"].received), secrets_by_key(values)) == {f"{name}_url"}


def test_every_kind_is_in_both_tables_of_security_md() -> None:
    kinds = set(checks.ALL)
    for rows in (CONTACTS, security_md.table("How many connections it makes")):
        assert {kind for row in rows for kind in re.findall(r"^`(\w+)`", row)} == kinds


# This machine

PROCESSES = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.forkpty",
    "pty.spawn",
)
CHANGES = ("os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
INSTALLED = (
    sys.prefix,
    sys.base_prefix,
    str(ROOT / "preflight"),
    str(ROOT / "checks"),
    str(ROOT / "tests/harness/audited"),
)
OWN_USE = re.compile(r"/proc/(self|\d+)/task/\d+/schedstat")  # of its own threads
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def test_files_processes_and_addresses_of_a_run(
    inside: Inside[Any], deployment: FullDeployment, tmp_path: Path, figures: Section
) -> None:
    log, home, report = tmp_path / "audit", tmp_path / "home", tmp_path / "report.json"
    log.touch()
    home.mkdir()
    path = f"{ROOT / 'tests/harness/audited'}:{ROOT}"
    environ = {"AUDIT": str(log), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(home)}
    finish(inside(lambda: deployment.start(*PATIENT, "-f", f"json={report}", **environ)))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    started = [event for event in events if event[0] in PROCESSES]
    assert started == []
    assert sum(event[0] == "os.fork" for event in events) == 1  # once, for the process in which the checks run
    assert not [event for event in events if event[0] in (*CHANGES, "socket.sendto")]
    unpickled = {event[1] for event in events if event[0] == "pickle.find_class"}  # what that process sends to this one
    assert {module.partition(".")[0] for module in unpickled} <= {"checks", "preflight"}
    opened = [event for event in events if event[0] == "open" and not isinstance(event[1], int)]
    written = {name for _, name, _, flags in opened if flags & WRITING}
    read = {name for _, name, _, flags in opened if not flags & WRITING and not name.startswith(INSTALLED)}
    read = {name for name in read if not OWN_USE.fullmatch(name)}
    assert read == {str(deployment.config), str(deployment.roots)}
    ((_, temporary, final, *_),) = (event for event in events if event[0] == "os.rename")
    assert (written, final) == ({temporary}, str(report))
    assert Path(temporary).parent == report.parent
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["audit", "home", "report.json"]
    assert not list(home.iterdir())
    assert not keys_shown(report.read_bytes(), secrets_by_key(configs.valid(deployment.values)))
    addresses = {event[2] for event in events if event[0] == "socket.connect"}
    assert addresses <= {str(proxy.listener.getsockname()) for proxy in deployment.proxies.values()}
    assert {event[1] for event in events if event[0] == "socket.getaddrinfo"} == {"127.0.0.1"}
    figures.add("files that it wrote, the report being asked for", len(written))
    figures.add("files that it read, besides what is installed: the configuration and the certificates", len(read))
    figures.add("other programs that it started", len(started))


@pytest.mark.parametrize("promise", NEVER, ids=lambda promise: promise.partition(":")[0])
def test_every_never_of_security_md_has_a_test(promise: str) -> None:
    tests = re.findall(r"`tests/([\w/]+\.py)::(\w+)`", promise)
    assert tests, promise
    for file, name in tests:
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), name
