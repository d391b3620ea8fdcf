"""Twenty runs at once.

Twenty processes run the preflight with all its writes against one deployment of real servers. A relay before each
server counts the connections and records what they send. The contents of the servers are compared before and after, and
Postgres' own log of changes (WAL) is searched for what any transaction wrote. The connections of one run are those in
SECURITY.md.
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from checks.core.finding import Status
from tests.harness import configs, profiles, security_md
from tests.harness.descriptor import RunAt
from tests.harness.descriptors import CONNECTIONS as SERVERS
from tests.harness.figures import Section
from tests.harness.full_deployment import PATIENT, ROWS, FullDeployment, preflight
from tests.harness.recording_proxy import LOOPBACK, RecordingProxy, recording_proxies
from tests.harness.run_check import CheckRun, run_check
from tests.harness.waiting import settled
from tests.harness.web_checks import WEB_CHECKS, run_web_check
from tests.testbed import Authority, Smtp, postgres_server
from tests.testbed.smtp import ADDRESS, PASSWORD, USER
from tests.testbed.web import web_server

RUNS = {True: 20, False: 4}
"""By whether the attack runs at full length."""
CONNECTIONS = security_md.table("How many connections it makes")
WRITTEN = {
    "valkey": rb"DEL\r\n\$\d+\r\nmistle:mistle-preflight:(\w+):lease",
    "store": rb"PUT /mistle-assets\w*/mistle-preflight/(\w+)[? ]",
    "engine": rb"DELETE \S+/volumes/mistle-mistle-preflight-(\w+) ",
}
"""By relay, a pattern for the random part of each written name."""
Counts = Mapping[str, tuple[int, int]]
"""By relay: the number of connections, and of those on which the client sent anything."""


@pytest.fixture(scope="module")
def alone(deployment: FullDeployment) -> Counts:
    """The counts of one run without another; its mail server greets within the second that the check waits."""
    for _ in range(5):
        before = counted(deployment.proxies)
        code, report = ended(deployment.start("--format", "json", *PATIENT))
        assert code == 0, report
        made = grown(before, counted(deployment.proxies))
        if made["smtp"][0] == 2:
            break
    return made


def counted(made: Mapping[str, RecordingProxy]) -> Counts:
    return {name: (relay.accepted, relay.with_data) for name, relay in made.items()}


def grown(before: Counts, after: Counts) -> Counts:
    return {name: (after[name][0] - all_, after[name][1] - with_data) for name, (all_, with_data) in before.items()}


def ended(running: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
    """The exit code and the report of a run, when it has ended."""
    stdout, _ = running.communicate()
    return running.returncode, json.loads(stdout)


def findings(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [finding for check in report["checks"] for finding in check["findings"]]


@pytest.mark.parametrize("relay", ROWS)
def test_connections_of_one_run(relay: str, alone: Counts, figures: Section) -> None:
    made, with_data = alone[relay]
    assert sum(int(CONNECTIONS[row][0]) for row in ROWS[relay]) == made
    assert made - with_data == 1, "the connection that is closed at once"
    figures.cell(relay, "connections of one run", str(made))


def test_many_runs_at_once(deployment: FullDeployment, alone: Counts, figures: Section, is_long: bool) -> None:
    runs = RUNS[is_long]
    before, connected, log = deployment.contents(), counted(deployment.proxies), position(deployment)
    earlier = written_names(deployment)
    running = [deployment.start("--format", "json", *PATIENT) for _ in range(runs)]
    all_ended = [ended(each) for each in running]
    counts = Counter((finding["id"], finding["status"]) for _, report in all_ended for finding in findings(report))
    assert [code for code, _ in all_ended] == [0] * runs, counts
    starved = counts.pop(("run.starved", "warn"), 0)  # so many runs share two cores
    problems = {(id_, status) for id_, status in counts if status != "ok"}
    assert problems == {("config.sandbox-loopback", "warn")}, "all that it consists of is on loopback"
    assert not [finding for finding, times in counts.items() if times % runs], "not all runs have the same findings"
    names = Counter(written_names(deployment)) - Counter(earlier)
    assert len(names) == names.total() == runs * len(WRITTEN)
    assert settled(deployment.contents, before) == before  # the servers notice late which clients have gone
    changes = written_by_transactions(deployment, log)
    assert changes == 0
    made = grown(connected, counted(deployment.proxies))
    for relay, (one, _) in alone.items():
        # If a mail server takes more than a second to greet, the check connects twice more.
        most = one + 2 if relay == "smtp" else one
        assert runs * one <= made[relay][0] <= runs * most, relay
    figures.add("preflights at once", runs)
    figures.add("of them ready", sum(code == 0 for code, _ in all_ended))
    figures.add("of these, with a warning that they got too little of the processor", starved)
    figures.add("keys, objects and volumes that they made, each under a fresh name", len(names))
    figures.add("of these left behind", len(left(deployment)))
    figures.add("changes by transactions in Postgres' log", changes)
    figures.add("connections of one run", sum(one for one, _ in alone.values()))


def written_names(deployment: FullDeployment) -> list[bytes]:
    return [name for relay, pattern in WRITTEN.items() for name in deployment.proxies[relay].matches(pattern)]


def left(deployment: FullDeployment) -> list[str]:
    """The names of a probe, with their random part, that are left on the servers."""
    return re.findall(r"mistle-preflight\W\w{16}", str(deployment.contents()))


def position(deployment: FullDeployment) -> object:
    return deployment.servers.postgres.sql("SELECT pg_current_wal_insert_lsn()")[0][0]


def written_by_transactions(deployment: FullDeployment, since: object) -> object:
    """The server's own housekeeping belongs to no transaction, nor does the test's mark. The mark flushes the log."""
    deployment.servers.postgres.sql("SELECT pg_logical_emit_message(false, 'tests', 'end', true)")
    count = "SELECT count(*) FROM pg_get_wal_records_info(%s, pg_current_wal_insert_lsn()) WHERE xid <> 0"
    return deployment.servers.postgres.sql(count, since)[0][0]


# With TLS


def counts_with_tls(upstream: int, run_at: RunAt) -> str:
    with recording_proxies({"server": (LOOPBACK, upstream)}) as made:
        result = run_at(made["server"].port)
    assert result.status <= Status.SKIP, result
    return str(made["server"].accepted)


@pytest.mark.parametrize("row", SERVERS)
def test_connections_with_tls(row: str, authority: Authority, roots: Path) -> None:
    """A kind whose row has "-" for TLS runs without TLS."""
    with SERVERS[row](authority, roots) as (port, run_at):
        made = counts_with_tls(port, run_at)
    without, with_ = CONNECTIONS[row][:2]
    assert made == (without if with_ == "-" else with_)


@profiles.long
def test_connections_to_a_mail_server_with_tls(smtp: Smtp, roots: Path) -> None:
    values = {"host": LOOPBACK, "secure": True, "username": USER, "password": PASSWORD, "from_address": ADDRESS}

    def run_at(port: int) -> CheckRun:
        given = {f"email.smtp.{name}": value for name, value in {**values, "port": port}.items()}
        return run_check("email.smtp", given, extra=roots)

    assert CONNECTIONS["`smtp`"][1] == counts_with_tls(smtp.ports["submissions"], run_at)


@pytest.mark.parametrize("name", WEB_CHECKS)
def test_connections_of_web_checks_with_tls(name: str, authority: Authority, roots: Path) -> None:
    with web_server(WEB_CHECKS[name].app(), authority.leaf()) as web:
        made = counts_with_tls(web.port, lambda port: run_web_check(name, "https", port, extra=roots))
    assert CONNECTIONS[WEB_CHECKS[name].row][1] == made


def test_every_row_is_measured() -> None:
    measured = {*(row for rows in ROWS.values() for row in rows), *SERVERS, *(each.row for each in WEB_CHECKS.values())}
    missing = CONNECTIONS.keys() - measured
    assert not missing, (
        "no test counts the connections of these rows of SECURITY.md: add connections or web_checks to DESCRIPTOR"
    )
    assert measured == CONNECTIONS.keys()


# With few connection slots


def test_a_run_takes_one_slot_for_each_url(tmp_path: Path, figures: Section) -> None:
    with postgres_server(max_connections=12, superuser_reserved_connections=3) as server, ExitStack() as held:
        planes, routes = ("control_plane", "data_plane"), ("direct", "pooled")
        keys = [f"postgres.{plane}.{route}_url" for plane in planes for route in routes]
        urls = {key: server.url(application_name=key) for key in keys}
        for _ in range(12 - 3 - len(urls)):
            held.enter_context(psycopg.connect(server.url()))
        config = configs.write(tmp_path, urls)
        _, report = ended(
            preflight("--config", config, "--only", "postgres*", "--stage", "before-deploy", "--format", "json")
        )
        logins = [finding["status"] for finding in findings(report) if finding["layer"] == "auth"]
        assert logins == ["ok"] * len(urls), report
        failed = {finding["id"] for finding in findings(report) if finding["status"] == "fail"}
        assert failed <= {"postgres.headroom"}, report
        for _ in urls:
            held.enter_context(psycopg.connect(server.url()))
    figures.add("Postgres connection slots that a run with four distinct URLs needs", len(urls))
