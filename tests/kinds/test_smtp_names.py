"""The name of a mail server: nodemailer asks DNS first, then the system, with its hosts file and search domains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from tests.harness import profiles
from tests.harness.run_check import CheckRun, run_check
from tests.servers.smtp import Script, smtp_script
from tests.testbed import Authority, NameServer, name_server
from tests.testbed.names import can_change_names
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

pytestmark = pytest.mark.skipif(not can_change_names(), reason="needs root on Linux, for another /etc")

HOST, PORT, SECURE = "email.smtp.host", "email.smtp.port", "email.smtp.secure"
USERNAME, PASS, SENDER = "email.smtp.username", "email.smtp.password", "email.smtp.from_address"
RIGHT, WRONG = "127.0.0.3", "127.0.0.4"
"""Where the server is, and where none is."""
NAMES = {
    "right.example": [RIGHT],
    "wrong.example": [WRONG],
    "both.example": [RIGHT, WRONG],
    "right.example.apps.test": [WRONG],
    "only.apps.test": [RIGHT],
}


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with name_server(NAMES, silent=["silent.example"]) as server:
        yield server


@pytest.fixture
def server() -> Iterator[Script]:
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH PLAIN"}, host=RIGHT) as script:
        yield script


def check(host: str, server: Script, extra: Path | None = None) -> CheckRun:
    values = {HOST: host, PORT: server.port, SECURE: False, USERNAME: USER, PASS: PASSWORD, SENDER: ADDRESS}
    return run_check("email.smtp", {"global.env": "development"} | values, extra=extra)


def test_the_hosts_file_has_another_address_than_dns(names: NameServer, server: Script) -> None:
    run = names.asked_by(lambda: check("right.example", server), hosts=f"{WRONG} x Right.Example # a comment\n")
    finding = run.warns("smtp.hosts-file-differs", Layer.DNS, HOST, hint="right address in DNS, or remove it")
    assert f"/etc/hosts has {WRONG} for right.example, and DNS has {RIGHT}" in finding.message
    assert run["smtp.access"].status is Status.OK


def test_the_address_that_dns_has_is_wrong(names: NameServer, server: Script) -> None:
    run = names.asked_by(lambda: check("wrong.example", server), hosts=f"{RIGHT} wrong.example\n")
    assert run["smtp.hosts-file-differs"].status is Status.WARN
    run.fails("network.refused", Layer.CONNECT, HOST, PORT, hint="start the service")
    assert not server.received


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("right.example", f"{RIGHT} right.example"),
        ("both.example", f"{RIGHT} both.example"),
        ("absent.example", f"{RIGHT} absent.example"),
        ("mail", f"{RIGHT} mail"),
        ("right.example", f"# {WRONG} right.example"),
        ("right.example.", "127.0.0.1 localhost"),
        (RIGHT, f"{WRONG} {RIGHT}"),
        ("a" * 70, f"{RIGHT} {'a' * 70}"),
    ],
)
def test_no_difference(names: NameServer, server: Script, host: str, hosts: str) -> None:
    run = names.asked_by(lambda: check(host, server), hosts=f"{hosts}\n")
    assert not any(finding.id == "smtp.hosts-file-differs" for finding in run.findings), run


@profiles.long
def test_dns_is_silent_and_the_hosts_file_has_the_name(names: NameServer, server: Script) -> None:
    run = names.asked_by(lambda: check("silent.example", server), hosts=f"{RIGHT} silent.example\n")
    finding = run.warns("smtp.hosts-file-differs", Layer.DNS, HOST, hint="make the name server")
    assert "DNS sends no reply" in finding.message
    assert run["smtp.access"].status is Status.OK


@pytest.mark.parametrize("host", ["right.example", "only"])
def test_search_domains_come_after_the_name_as_it_stands(names: NameServer, server: Script, host: str) -> None:
    """The system, with ndots:5 as in Kubernetes, finds right.example.apps.test first."""
    run = names.asked_by(lambda: check(host, server), options="ndots:5", search="apps.test")
    assert run["smtp.access"].status is Status.OK, run


def test_no_name_server(server: Script, names: NameServer) -> None:
    run = names.asked_by(lambda: check("nowhere.example", server), hosts="127.0.0.1 localhost\n")
    run.fails("network.name-not-found", Layer.DNS, HOST, hint="or add it to DNS")


@profiles.long
@pytest.mark.parametrize(("host", "finding_id"), [("right.example", "smtp.tls"), ("both.example", "tls.wrong-host")])
def test_the_certificate_is_for_the_name(names: NameServer, authority: Authority, host: str, finding_id: str) -> None:
    offer = {"EHLO": "250-mail.test\n250 STARTTLS"}
    with authority.trusted() as roots, smtp_script(offer, host=RIGHT, leaf=authority.leaf("right.example")) as server:
        run = names.asked_by(lambda: check(host, server, Path(roots)), hosts=f"{WRONG} {host}\n")
    assert run[finding_id].layer is Layer.TLS
