"""The SMTP check on mail servers of other makes than Postfix: the healthy case, and the main faults."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from tests.harness import profiles
from tests.harness.run_check import CheckRun, run_check
from tests.servers.smtp import HANG_UP, smtp_script
from tests.testbed import Authority, Smtp, smtp_server
from tests.testbed.smtp import ADDRESS, OTHER_MAKES, PASSWORD, USER, mail_server

pytestmark = profiles.long

HOST, PORT, SECURE = "email.smtp.host", "email.smtp.port", "email.smtp.secure"
USERNAME, PASS, SENDER = "email.smtp.username", "email.smtp.password", "email.smtp.from_address"
RELAYING = ("exim", "opensmtpd")
"""Those that decide themselves who may send what; Dovecot leaves it to the server behind it."""


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[dict[str, Smtp]]:
    with ExitStack() as stack:
        postfix = stack.enter_context(smtp_server(authority.leaf()))
        postfix.relay_for_all()
        behind = {"dovecot": postfix.address}
        yield {
            make: stack.enter_context(mail_server(make, authority.leaf(), behind.get(make, ""))) for make in OTHER_MAKES
        }


def check(port: int, trusted: Path, **changes: object) -> CheckRun:
    values = {HOST: "127.0.0.1", PORT: port, SECURE: False, USERNAME: USER, PASS: PASSWORD, SENDER: ADDRESS}
    changed = {f"email.smtp.{name}": value for name, value in changes.items()}
    return run_check("email.smtp", {"global.env": "development"} | values | changed, extra=trusted)


@pytest.mark.parametrize("make", OTHER_MAKES)
@pytest.mark.parametrize(("role", "secure"), [("submission", False), ("submissions", True)])
def test_every_layer_passes(servers: dict[str, Smtp], trusted: Path, make: str, role: str, secure: bool) -> None:
    run = check(servers[make].ports[role], trusted, secure=secure)
    run.passes("smtp.access", Layer.ACCESS, SENDER)
    run.passes("smtp.auth", Layer.AUTH, USERNAME, PASS)


@pytest.mark.parametrize("make", OTHER_MAKES)
def test_wrong_password(servers: dict[str, Smtp], trusted: Path, make: str) -> None:
    run = check(servers[make].ports["submission"], trusted, password="hunter2")
    run.fails("smtp.credentials-rejected", Layer.AUTH, PASS, hint="correct the password")


@pytest.mark.parametrize("make", OTHER_MAKES)
def test_wrong_kind_of_tls(servers: dict[str, Smtp], trusted: Path, make: str) -> None:
    ports = servers[make].ports
    check(ports["submissions"], trusted).fails("smtp.tls-from-first-byte", Layer.TLS, SECURE, hint="to true")
    check(ports["submission"], trusted, secure=True).fails("smtp.plaintext", Layer.TLS, SECURE, hint="to false")


@pytest.mark.parametrize("make", OTHER_MAKES)
def test_certificate_of_an_unknown_authority(servers: dict[str, Smtp], make: str, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority().pem)
    run = check(servers[make].ports["submission"], other)
    run.fails("tls.untrusted", Layer.TLS, HOST, hint="NODE_EXTRA_CA_CERTS")


@pytest.mark.parametrize("make", RELAYING)
def test_sender_that_the_login_does_not_own(servers: dict[str, Smtp], trusted: Path, make: str) -> None:
    run = check(servers[make].ports["submission"], trusted, from_address="other@mistle.test")
    run.fails("smtp.sender-refused", Layer.ACCESS, SENDER, hint="may send as")


@pytest.mark.parametrize("make", RELAYING)
def test_relay_without_auth(servers: dict[str, Smtp], trusted: Path, make: str) -> None:
    """Exim refuses the sender's own address too, which has no mailbox."""
    run = check(servers[make].ports["plain"], trusted)
    assert run["smtp.relay-refused"].status is run["smtp.auth-not-offered"].status is run.status is Status.WARN, run


def test_relay_of_no_domain(servers: dict[str, Smtp], trusted: Path) -> None:
    run = check(servers["exim"].ports["plain"], trusted, from_address="mistle@elsewhere.example")
    assert "relay not permitted" in run.fails("smtp.relay-refused", Layer.ACCESS, HOST, PORT, hint="to relay").message


def test_sender_that_needs_smtputf8(servers: dict[str, Smtp], trusted: Path) -> None:
    run = check(servers["opensmtpd"].ports["submission"], trusted, from_address="müstle@mistle.test")
    run.fails("smtp.sender-needs-smtputf8", Layer.ACCESS, SENDER, hint="ASCII letters")


def test_size_limit(servers: dict[str, Smtp], trusted: Path) -> None:
    run = check(servers["exim"].ports["small"], trusted)
    assert "511 bytes" in run.fails("smtp.size-limit", Layer.ACCESS, HOST, hint="raise the limit").message


# Dovecot and the server behind it


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ({f"RCPT TO:<{ADDRESS}>": "530 5.7.0 Authentication required"}, Status.OK),
        ({f"RCPT TO:<{ADDRESS}>": "421 4.3.2 bye"}, Status.OK),
        ({f"RCPT TO:<{ADDRESS}>": HANG_UP}, Status.OK),
        ({"RCPT": "421 4.3.2 bye"}, Status.FAIL),
        ({"MAIL": "530 5.7.0 Authentication required"}, Status.FAIL),
    ],
)
def test_dovecot_when_the_server_behind_it_refuses(
    authority: Authority, trusted: Path, gateway: str, replies: dict[str, str], status: Status
) -> None:
    """Dovecot replies 421 and ends the session; that proves something only if no recipient is accepted."""
    with (
        smtp_script(replies, host=gateway) as behind,
        mail_server("dovecot", authority.leaf(), f"{gateway}:{behind.port}") as server,
    ):
        run = check(server.ports["submission"], trusted)
    assert run.status is status, run
    if status is Status.FAIL:
        run.fails("smtp.unavailable", Layer.ACCESS, HOST, hint="a server behind it")


def test_dovecot_without_a_server_behind_it(authority: Authority, trusted: Path, gateway: str) -> None:
    with smtp_script(host=gateway) as behind:
        pass  # its port is free now
    with mail_server("dovecot", authority.leaf(), f"{gateway}:{behind.port}") as server:
        run = check(server.ports["submission"], trusted)
    # It says so with a 421 and closes, perhaps before the next command.
    failed = {finding.id for finding in run.findings if finding.status is Status.FAIL}
    assert failed in ({"smtp.unavailable"}, {"network.reset"}), run


@pytest.fixture(scope="module")
def gateway(servers: dict[str, Smtp]) -> str:
    return servers["dovecot"].gateway
