"""The SMTP check on real servers; a scripted server sends the replies that no real one sends on purpose."""

import base64
import hmac
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult

from checks.core.finding import Layer, Status
from checks.smtp import connect, session
from tests.harness import faults, floods, hostile_replies, profiles, text_servers
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict, answer
from tests.harness.mail_server import aiosmtpd_server
from tests.harness.networks import can_have_own_network, in_own_network
from tests.harness.recording_proxy import recording_proxies
from tests.harness.run_check import CheckRun, planned, run_check
from tests.harness.waiting import until
from tests.servers.smtp import HANG_UP, SILENCE, smtp_script
from tests.testbed import Authority, Leaf, Smtp, self_signed, smtp_server
from tests.testbed.chains import authority as root_authority
from tests.testbed.chains import issue
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

HOST, PORT, SECURE = "email.smtp.host", "email.smtp.port", "email.smtp.secure"
USERNAME, PASS, SENDER = "email.smtp.username", "email.smtp.password", "email.smtp.from_address"
NAME = "email.smtp.from_name"
ELSEWHERE = "RCPT TO:<mistle-preflight@example.com>"
ENVELOPE = [f"MAIL FROM:<{ADDRESS}>", f"RCPT TO:<{ADDRESS}>", ELSEWHERE, "RSET", "QUIT"]


def check(port: int, changes: Mapping[str, object] = {}, **options: object) -> CheckRun:
    values = {HOST: "127.0.0.1", PORT: port, SECURE: False, USERNAME: USER, PASS: PASSWORD, SENDER: ADDRESS}
    usual = {"global.env": "development", NAME: "Mistle"}
    return run_check("email.smtp", usual | values | dict(changes), **options)  # type: ignore[arg-type]


def scripted(replies: Mapping[str, str] = {}, changes: Mapping[str, object] = {}, **script: object) -> CheckRun:
    """Check a scripted server with a login and without TLS."""
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH PLAIN", **replies}, **script) as server:  # type: ignore[arg-type]
        return check(server.port, changes)


@contextmanager
def logged(smtp: Smtp, commands: str) -> Iterator[None]:
    """At the end, wait until the server's log has a session of the block with these counts of commands."""
    start = len(smtp.log())
    yield
    until(lambda: re.search(f"disconnect from .* {commands}", smtp.log()[start:]))


# Success


@profiles.quick
@pytest.mark.parametrize(
    ("role", "secure", "commands"),
    [
        ("submission", False, "ehlo=2 starttls=1 auth=1 mail=1 rcpt=2 rset=1 quit=1 commands=9"),
        ("submissions", True, "ehlo=1 auth=1 mail=1 rcpt=2 rset=1 quit=1 commands=7"),
        ("starttls", False, "ehlo=2 starttls=1 auth=1 mail=1 rcpt=2 rset=1 quit=1 commands=9"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_every_layer_passes_and_nothing_is_sent(
    smtp: Smtp, trusted: Path, role: str, secure: bool, commands: str, read_only: bool
) -> None:
    with logged(smtp, commands):
        run = check(smtp.ports[role], {SECURE: secure}, extra=trusted, read_only=read_only)
    run.passes("smtp.access", Layer.ACCESS, SENDER)
    run.passes("smtp.auth", Layer.AUTH, USERNAME, PASS)
    run.passes("smtp.tls", Layer.TLS, SECURE, HOST)
    assert {finding.layer for finding in run.findings} == {"dns", "connect", "tls", "auth", "access"}
    assert smtp.queue() == []


def test_plaintext_as_mistle_would(smtp: Smtp) -> None:
    with logged(smtp, "ehlo=1 auth=1 mail=1 rcpt=2 rset=1 quit=1 commands=7"):
        run = check(smtp.ports["plain_auth"])
    finding = run.warns("smtp.starttls-not-offered", Layer.TLS, PORT, hint="email.smtp.port (mistle.toml)")
    assert "private network" in finding.message
    assert run["smtp.auth"].status is run["smtp.access"].status is Status.OK
    assert smtp.queue() == []


def test_greeting_in_time_causes_no_further_connection(
    smtp: Smtp, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_GREETING_WAIT", 10.0)  # a busy machine greets late
    with recording_proxies({"server": ("127.0.0.1", smtp.ports["starttls"])}) as made:
        check(made["server"].port, extra=trusted, timeout=40.0).passes("smtp.access", Layer.ACCESS, SENDER)
    assert made["server"].accepted == 2, "the connection of the connect layer, and the session"


def test_the_order_of_mechanisms_is_nodemailers() -> None:
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH CRAM-MD5 LOGIN PLAIN", "AUTH": "535 no"}) as server:
        check(server.port).fails("smtp.credentials-rejected", Layer.AUTH, PASS, hint="app password")
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    assert [line for line in server.received if line.startswith("AUTH")] == [f"AUTH PLAIN {plain}"]


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_login_without_plain(password: str) -> None:
    def decide(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)  # type: ignore[attr-defined]

    options = {"auth_require_tls": False, "auth_exclude_mechanism": ["PLAIN"]}
    with aiosmtpd_server(authenticator=decide, **options) as port:
        run = check(port, {PASS: password})
    assert run["smtp.auth" if password == PASSWORD else "smtp.credentials-rejected"].layer is Layer.AUTH
    assert run.status is (Status.WARN if password == PASSWORD else Status.FAIL), run


def test_cram_md5() -> None:
    challenge = b"<1.2@mail.test>"
    proof = f"{USER} {hmac.new(PASSWORD.encode(), challenge, 'md5').hexdigest()}"
    replies = {
        "EHLO": "250-mail.test\n250 AUTH CRAM-MD5 SCRAM-SHA-256",
        "AUTH CRAM-MD5": f"334 {base64.b64encode(challenge).decode()}",
        base64.b64encode(proof.encode()).decode(): "235 ok",
    }
    assert scripted(replies)["smtp.auth"].status is Status.OK
    assert scripted(replies, {PASS: "wrong"})["smtp.credentials-rejected"].status is Status.FAIL


def test_auth_extension_with_equals_sign() -> None:
    assert scripted({"EHLO": "250-mail.test\n250 AUTH=PLAIN"})["smtp.auth"].status is Status.OK


def test_server_with_helo_only() -> None:
    with smtp_script({"EHLO": "502 5.5.1 no"}) as server:
        run = check(server.port)
    assert run["smtp.auth"].status is run["smtp.access"].status is Status.OK, run
    assert " ".join(line.split()[0] for line in server.received) == "EHLO HELO AUTH MAIL RCPT RCPT RSET QUIT"


def test_only_what_is_offered_after_starttls_counts(authority: Authority, trusted: Path) -> None:
    with smtp_script({"EHLO": "250-mail.test\n250 STARTTLS"}, leaf=authority.leaf()) as server:
        run = check(server.port, extra=trusted)
    assert run["smtp.tls"].status is Status.OK
    assert run["smtp.auth-not-offered"].status is Status.WARN
    hello = f"EHLO {session.client_name()}"
    assert server.received == [hello, "STARTTLS", hello, *ENVELOPE]


def test_late_greeting() -> None:
    assert scripted(delay=1.5)["smtp.access"].status is Status.OK


@pytest.mark.parametrize("secure", [False, True])
def test_a_greeting_that_is_worth_a_warning(
    smtp: Smtp, trusted: Path, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    monkeypatch.setattr(connect, "_LATE", 0.0)  # seconds: any is late
    run = check(smtp.ports["submissions" if secure else "submission"], {SECURE: secure}, extra=trusted)
    finding = run.warns("smtp.greeting-late", Layer.TLS if secure else Layer.CONNECT, HOST, hint="PTR record")
    assert "the greeting came after" in finding.message


@profiles.long
def test_a_greeting_after_12_seconds() -> None:
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH PLAIN"}, delay=12.0) as server:
        check(server.port, timeout=40.0).warns("smtp.greeting-late", Layer.CONNECT, HOST, hint="PTR record")


def test_a_greeting_that_is_later_than_the_check_waits() -> None:
    with smtp_script(greeting=SILENCE) as server:
        run = check(server.port, timeout=2.0)
    finding = run.fails("network.silent", Layer.CONNECT, HOST, PORT, hint="run this again with --timeout 60")
    assert re.search(r"no greeting within \S+ s; Mistle waits 30 s for it", finding.message)


def test_mistle_waits_30_seconds_for_a_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "GREETING_LIMIT", 0.5)
    with smtp_script(greeting=SILENCE) as server:
        finding = check(server.port).fails("network.silent", Layer.CONNECT, HOST, PORT, hint="--timeout 60")
    assert finding.message.endswith("no greeting within 0.5 s; Mistle gives up then")


@pytest.mark.parametrize(
    ("address", "offered", "mail"),
    [
        ("mistle@bücher.example", "HELP", "MAIL FROM:<mistle@xn--bcher-kva.example>"),
        ("müstle@mistle.test", "SMTPUTF8", "MAIL FROM:<müstle@mistle.test> SMTPUTF8"),
        ("müstle@mistle.test", "HELP", "MAIL FROM:<müstle@mistle.test>"),
        ("mistle@Straße.Example", "HELP", "MAIL FROM:<mistle@xn--strae-oqa.example>"),
        ('"mistle mail"@mistle.test', "HELP", 'MAIL FROM:<"mistle mail"@mistle.test>'),
    ],
)
def test_encoding_of_the_sender(address: str, offered: str, mail: str) -> None:
    with smtp_script({"EHLO": f"250-mail.test\n250 {offered}"}) as server:
        check(server.port, {SENDER: address})
    assert mail in server.received


# Port and secure


def test_plaintext_to_a_tls_port(smtp: Smtp) -> None:
    run = check(smtp.ports["submissions"])
    run.fails("smtp.tls-from-first-byte", Layer.TLS, SECURE, hint="set email.smtp.secure (mistle.toml) to true")


@pytest.mark.parametrize(
    ("role", "more"), [("submission", "offers STARTTLS"), ("plain", "Postfix"), ("no_clients", "554")]
)
def test_tls_to_a_plaintext_port(smtp: Smtp, role: str, more: str) -> None:
    run = check(smtp.ports[role], {SECURE: True})
    finding = run.fails("smtp.plaintext", Layer.TLS, SECURE, hint="set email.smtp.secure (mistle.toml) to false")
    assert more in finding.message


def test_tls_to_a_plaintext_port_whose_greeting_is_not_heard() -> None:
    """It answers a TLS handshake as Exim does, and greets later than the check waits."""

    def behaviour(connection: socket.socket) -> None:
        if connection.recv(4096):
            connection.sendall(b"554 SMTP synchronization error\r\n")

    with faults.serving(behaviour) as port:
        run = check(port, {SECURE: True}, timeout=3.0)
    finding = run.fails("smtp.plaintext", Layer.TLS, SECURE, hint="(mistle.toml) to false")
    assert "answers a TLS handshake without TLS: 554 SMTP synchronization error" in finding.message


def test_tls_to_a_plaintext_port_that_then_says_nothing() -> None:
    """The first connection proves that there is no TLS; nothing proves that it is no mail server."""
    earlier: list[bytes] = []

    def behaviour(connection: socket.socket) -> None:
        received = connection.recv(4096)
        if received and not earlier:
            earlier.append(received)
            connection.sendall(b"220 mail.test\r\n")

    with faults.serving(behaviour) as port:
        run = check(port, {SECURE: True}, timeout=3.0)
    run.fails("network.plaintext-on-tls", Layer.TLS, PORT, hint="TLS port")


def test_tls_to_a_plaintext_port_that_greets_late() -> None:
    with smtp_script(delay=0.5) as server:
        run = check(server.port, {SECURE: True})
    run.fails("smtp.plaintext", Layer.TLS, SECURE, hint="(mistle.toml) to false")


@pytest.mark.skipif(not can_have_own_network(), reason="a network of its own needs root on Linux")
@pytest.mark.parametrize(
    ("env", "host"), [("production", "1.1.1.1"), ("development", "1.1.1.1"), ("production", "127.0.0.1")]
)
def test_no_starttls_over_a_public_network(env: str, host: str) -> None:
    run = in_own_network("1.1.1.1", lambda: scripted({}, {"global.env": env, HOST: host}, host=host))
    agrees = run.fails if (env, host) == ("production", "1.1.1.1") else run.warns
    finding = agrees("smtp.starttls-not-offered", Layer.TLS, PORT, hint="or turn STARTTLS on")
    assert ("public" if host == "1.1.1.1" else "private") in finding.message
    assert run["smtp.auth"].message == ("not reached" if agrees == run.fails else "login accepted, as mistle")


def test_starttls_that_is_refused() -> None:
    reply = "454 4.7.0 TLS not available due to local problem"
    run = scripted({"EHLO": "250-mail.test\n250-STARTTLS\n250 AUTH PLAIN", "STARTTLS": reply})
    finding = run.fails("smtp.starttls-refused", Layer.TLS, HOST, hint="repair TLS")
    assert reply in finding.message


@pytest.mark.parametrize("secure", [False, True])
def test_silence_in_the_tls_handshake(secure: bool) -> None:
    """A path that drops large packets: short replies come, and a certificate never does."""

    def behaviour(connection: socket.socket) -> None:
        if not secure:
            for reply in (b"220 hi\r\n", b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go on\r\n"):
                connection.sendall(reply)
                connection.recv(4096)
        while connection.recv(4096):
            pass

    with faults.serving(behaviour) as port:
        run = check(port, {SECURE: secure}, timeout=3.0)
    if secure:
        finding = run.fails("network.silent", Layer.TLS, HOST, PORT, hint="drops packets (a firewall, the MTU)")
        assert "no reply to the TLS handshake" in finding.message
    else:
        finding = run.fails("tls.stalled", Layer.TLS, HOST, hint="drops large packets (MTU)")
        assert "agreed to STARTTLS" in finding.message


def test_starttls_without_tls_after_it() -> None:
    def behaviour(connection: socket.socket) -> None:
        for reply in (b"220 hi\r\n", b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go on\r\n", b"500 what?\r\n"):
            connection.sendall(reply)
            connection.recv(4096)

    with faults.serving(behaviour) as port:
        run = check(port)
    finding = run.fails("smtp.starttls-refused", Layer.TLS, HOST, hint="repair TLS")
    assert "speaks no TLS" in finding.message


def test_a_client_certificate_is_required(authority: Authority, trusted: Path) -> None:
    context = authority.leaf().context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted)
    with faults.tls_port(context) as port:
        run = check(port, {SECURE: True}, extra=trusted)
    run.fails("tls.client-certificate-required", Layer.TLS, HOST, hint="client certificates off")


@pytest.mark.parametrize(
    ("make", "finding_id", "hint"),
    [
        (lambda authority: authority.expired(), "tls.expired", "renew"),
        (lambda authority: authority.leaf("other.example"), "tls.wrong-host", "name that the certificate holds"),
        (lambda authority: Authority().leaf(), "tls.untrusted", "NODE_EXTRA_CA_CERTS"),
        (lambda authority: self_signed("127.0.0.1"), "tls.self-signed", "NODE_EXTRA_CA_CERTS"),
    ],
)
def test_certificate_that_is_refused(
    authority: Authority, trusted: Path, make: Callable[[Authority], Leaf], finding_id: str, hint: str
) -> None:
    shown = {"tls.wrong-host": "it holds other.example", "tls.untrusted": "the server sends ", "tls.expired": "ended "}
    with smtp_server(make(authority)) as server:
        for role, secure in (("submission", False), ("submissions", True)):
            run = check(server.ports[role], {SECURE: secure}, extra=trusted)
            assert shown.get(finding_id, "") in run.fails(finding_id, Layer.TLS, HOST, hint=hint).message


def test_ciphers_of_node(tmp_path: Path) -> None:
    """Node.js' own list has AES128-SHA, Python's has not."""
    root = root_authority("Test Root")
    context = issue("mail", root, bits=2048).leaf().context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")
    with aiosmtpd_server(tls_context=context) as port:
        run = check(port, extra=root.trusted(tmp_path))
    assert run["smtp.tls"].status is Status.OK, run


def test_certificate_that_expires_soon(authority: Authority, trusted: Path) -> None:
    with smtp_server(authority.soon_expiring()) as server:
        for role, secure in (("submission", False), ("submissions", True)):
            run = check(server.ports[role], {SECURE: secure}, extra=trusted)
            run.warns("tls.expires-soon", Layer.TLS, HOST, hint="renew the certificate of email.smtp.host")


def test_only_old_tls(authority: Authority, trusted: Path) -> None:
    with faults.old_tls_port(authority.leaf()) as port:
        run = check(port, {SECURE: True}, extra=trusted)
    run.fails("tls.old-protocol", Layer.TLS, HOST, hint="TLS 1.2")


# The login


@pytest.mark.parametrize(("role", "secure"), [("submission", False), ("submissions", True)])
@pytest.mark.parametrize("changes", [{PASS: "hunter2"}, {USERNAME: "nobody"}])
def test_wrong_credentials(smtp: Smtp, trusted: Path, role: str, secure: bool, changes: Mapping[str, object]) -> None:
    with logged(smtp, "auth=0/1 quit=1"):
        run = check(smtp.ports[role], {SECURE: secure, **changes}, extra=trusted)
    finding = run.fails("smtp.credentials-rejected", Layer.AUTH, PASS, hint="email.smtp.username (mistle.toml)")
    assert "535 5.7.8" in finding.message
    assert "hunter2" not in str(run)
    assert run["smtp.access"].message == "not reached"


def test_no_login_is_offered(smtp: Smtp) -> None:
    with logged(smtp, "ehlo=1 mail=1 rcpt=1/2 rset=1 quit=1 commands=5/6"):
        run = check(smtp.ports["plain"])
    run.warns("smtp.auth-not-offered", Layer.AUTH, USERNAME, hint="email.smtp.port (mistle.toml)")
    assert run["smtp.auth"].fields == (PASS,)
    assert run["smtp.access"].status is Status.OK


@pytest.mark.parametrize(
    ("replies", "finding_id", "layer", "key", "hint"),
    [
        ({"EHLO": "250-a\n250 AUTH GSSAPI", "AUTH": "504 5.5.4 no"}, "smtp.auth-mechanism", Layer.AUTH, HOST, "PLAIN"),
        ({"EHLO": "502 no", "AUTH": "502 no"}, "smtp.auth-mechanism", Layer.AUTH, HOST, "PLAIN or LOGIN"),
        ({"AUTH": "454 4.7.0 Temporary failure"}, "smtp.auth-unavailable", Layer.AUTH, HOST, "saslauthd"),
        ({"AUTH": "421 4.7.0 Too many errors"}, "smtp.auth-unavailable", Layer.AUTH, HOST, "wait"),
        ({"AUTH": "503 5.5.1 authentication not enabled"}, "smtp.auth-mechanism", Layer.AUTH, HOST, "PLAIN"),
        ({"AUTH": "535 5.7.8 credentials invalid"}, "smtp.credentials-rejected", Layer.AUTH, PASS, "app password"),
        ({"AUTH": "538 5.7.11 Encryption required"}, "smtp.tls-required", Layer.AUTH, PORT, "port with TLS"),
        (
            {"MAIL": "530 5.7.0 Must issue a STARTTLS command first"},
            "smtp.tls-required",
            Layer.ACCESS,
            PORT,
            "STARTTLS",
        ),
        ({"MAIL": "530 5.7.0 Authentication required"}, "smtp.mail-refused", Layer.ACCESS, HOST, "server behind it"),
    ],
)
def test_login_refused(replies: Mapping[str, str], finding_id: str, layer: Layer, key: str, hint: str) -> None:
    scripted(replies).fails(finding_id, layer, key, hint=hint)


@pytest.mark.parametrize(
    "replies",
    [
        {"MAIL": "530 5.7.0 Authentication required"},
        {"RCPT": "550 5.7.1 Client was not authenticated"},
        {"RCPT": "553 5.7.1 <mistle@mistle.test>: Sender address rejected: not logged in"},
    ],
)
def test_a_login_is_required_and_not_offered(replies: Mapping[str, str]) -> None:
    run = scripted({"EHLO": "250 mail.test", **replies})
    run.fails("smtp.auth-required", Layer.ACCESS, PORT, hint="port for submission")


def test_only_a_login_with_a_token_is_offered() -> None:
    """nodemailer fails then before it sends anything; the password must not be sent either."""
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH XOAUTH2 OAUTHBEARER"}) as server:
        run = check(server.port)
    finding = run.fails("smtp.auth-mechanism", Layer.AUTH, HOST, hint="Mistle has no token")
    assert "the server offers XOAUTH2, OAUTHBEARER" in finding.message
    assert not any(line.startswith("AUTH") for line in server.received)


@pytest.mark.parametrize(
    "reply",
    profiles.first(
        1,
        [
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated",
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "535 5.7.13 User disabled",
            "525 5.7.13 Your account is disabled",
            "535 5.7.8 Your account has been suspended",
        ],
    ),
)
def test_the_provider_allows_no_login_with_a_password(reply: str) -> None:
    finding = scripted({"AUTH": reply}).fails(
        "smtp.login-disabled", Layer.AUTH, USERNAME, hint="turn logins over SMTP on for the account of email.smtp.user"
    )
    assert reply in finding.message


@pytest.mark.parametrize(
    "reply", ["534-5.7.9 Application-specific password required.\n534 5.7.9 See", "534 5.7.0 use an app password"]
)
def test_an_app_password_is_required(reply: str) -> None:
    run = scripted({"AUTH": reply})
    run.fails("smtp.credentials-rejected", Layer.AUTH, PASS, hint="put an app password for email.smtp.username")


@pytest.mark.parametrize(
    ("replies", "passes"),
    [
        ({"AUTH PLAIN": "250 ok"}, True),
        ({"AUTH PLAIN": "334 more", "": "235 ok"}, True),
        ({"AUTH PLAIN": "503 5.5.1 already authenticated"}, False),
        ({"EHLO": "250-a\n250 AUTH LOGIN", "AUTH LOGIN": "235 ok"}, False),
    ],
)
def test_login_replies_as_nodemailer_reads_them(replies: Mapping[str, str], passes: bool) -> None:
    assert (scripted(replies)["smtp.access"].status is Status.OK) is passes


# The envelope


@pytest.mark.parametrize(
    ("role", "commands"),
    [("own_senders", "auth=1 mail=1 rcpt=0/1 rset=1 quit=1"), ("own_senders_at_once", "auth=1 mail=0/1 quit=1")],
)
def test_sender_that_the_login_does_not_own(smtp: Smtp, role: str, commands: str) -> None:
    with logged(smtp, commands):
        run = check(smtp.ports[role], {SENDER: "other@mistle.test"})
    finding = run.fails("smtp.sender-refused", Layer.ACCESS, SENDER, hint="email.smtp.username (mistle.toml)")
    assert "Sender address rejected: not owned by user" in finding.message
    assert smtp.queue() == []
    assert check(smtp.ports[role])["smtp.access"].status is Status.OK


@pytest.mark.parametrize(
    "replies",
    [
        {"MAIL": "501 5.1.7 Bad sender address syntax"},
        {"MAIL": "550 what else"},
        {"RCPT": "550 5.1.8 <mistle@mistle.test>: Domain not found"},
        {"RCPT": "550-Verification failed for <mistle@mistle.test>\n550 Sender verify failed"},
        {"RCPT": "553 Mail from must equal authorized user"},
        {"RCPT": "550 5.7.60 SMTP; Client does not have permissions to send as this one"},
    ],
)
def test_sender_refused_with_other_texts(replies: Mapping[str, str]) -> None:
    scripted(replies).fails("smtp.sender-refused", Layer.ACCESS, SENDER, hint="email.smtp.from_address (mistle.toml)")


def test_sender_refused_for_now() -> None:
    reply = "450 4.1.8 <mistle@mistle.test>: Sender address rejected: Domain not found"
    finding = scripted({"RCPT": reply}).warns("smtp.sender-refused", Layer.ACCESS, SENDER, hint="may send as")
    assert reply in finding.message


def test_sender_refused_without_a_reason() -> None:
    run = scripted({"RCPT": "554 5.7.1 Access denied"}, after={"MAIL FROM:<>": {"RCPT": "250 ok"}})
    finding = run.fails("smtp.sender-refused", Layer.ACCESS, SENDER, hint="may send as")
    assert finding.message.endswith("554 5.7.1 Access denied; it takes the same recipient from an empty sender")


POSTMASTER = "RCPT TO:<postmaster@mistle.test>"


@pytest.mark.parametrize("more", [{}, {"MAIL FROM:<>": "550 no bounces"}, {POSTMASTER: HANG_UP}])
def test_every_envelope_is_refused(more: Mapping[str, str]) -> None:
    run = scripted({"RCPT": "554 5.7.1 Access denied", **more})
    run.warns("smtp.mail-refused", Layer.ACCESS, SENDER, hint="in the log of the server")


@pytest.mark.parametrize("other", [ELSEWHERE, POSTMASTER])
def test_recipient_refused_without_a_reason(other: str) -> None:
    run = scripted({"RCPT": "554 5.7.1 Access denied", other: "250 ok"})
    assert run["smtp.access"].status is Status.OK


def test_recipient_alone_is_refused(smtp: Smtp) -> None:
    with logged(smtp, "mail=1 rcpt=0/2 rset=1 quit=1"):
        run = check(smtp.ports["no_recipients"])
    assert run["smtp.access"].status is Status.OK, run


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 User unknown",
        "552 5.2.2 Mailbox full",
        "550 No such user here",
        "550 Unrouteable address",
        "550 5.7.1 <mistle@mistle.test>: Recipient address rejected: no such sender or alias",
    ],
)
def test_recipient_refused_with_other_texts(reply: str) -> None:
    assert scripted({"RCPT": reply})["smtp.access"].status is Status.OK


def test_greylisting_is_not_a_fault() -> None:
    run = scripted({"RCPT": "450 4.2.0 Greylisted, see http://postgrey.example"})
    assert run["smtp.access"].status is Status.SKIP
    assert run["smtp.access"].fields == (SENDER,)
    assert "Greylisted" in run["smtp.access"].message


def test_relaying_is_denied(smtp: Smtp) -> None:
    run = check(smtp.ports["plain"], {SENDER: "mistle@elsewhere.example"})
    finding = run.fails("smtp.relay-refused", Layer.ACCESS, HOST, PORT, hint="allow it to relay")
    assert "Relay access denied" in finding.message


def test_mail_for_the_senders_domain_alone(smtp: Smtp) -> None:
    run = check(smtp.ports["plain"])
    finding = run.warns("smtp.relay-refused", Layer.ACCESS, HOST, PORT, hint="in the domains of that server, ignore")
    assert "Relay access denied, of a recipient of another domain than the sender's" in finding.message


def test_relaying_is_denied_for_the_senders_domain_alone() -> None:
    run = scripted({"RCPT": "550 relay not permitted", ELSEWHERE: "250 ok"})
    assert (
        "takes mail for another domain"
        in run.warns("smtp.relay-refused", Layer.ACCESS, HOST, PORT, hint="allow it to relay").message
    )


@pytest.mark.parametrize("reply", ["556 5.1.10 Domain does not accept mail", "450 4.1.2 not found", HANG_UP, SILENCE])
def test_refusal_of_a_recipient_elsewhere_is_no_relay_denial(reply: str) -> None:
    """A server may ask for the domain; only a refusal to relay counts."""
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH PLAIN", ELSEWHERE: reply}) as server:
        run = check(server.port, timeout=2.0)
    assert run["smtp.access"].status is Status.OK, run


def test_sender_of_the_example_domain() -> None:
    with smtp_script() as server:
        check(server.port, {SENDER: "mistle@example.com"})
    assert "RCPT TO:<mistle-preflight@example.org>" in server.received


def test_the_session_ends_at_one_recipient() -> None:
    """Dovecot replies 421 to a recipient that the server behind it refuses in some ways, and takes others."""
    run = scripted({f"RCPT TO:<{ADDRESS}>": "421 4.3.5 Internal error occurred. Refer to server log"})
    assert run["smtp.access"].status is Status.OK, run


@pytest.mark.parametrize(("size", "status"), [("511", Status.FAIL), ("20000", Status.WARN)])
def test_size_limit(size: str, status: Status) -> None:
    run = scripted({"EHLO": f"250-mail.test\n250-SIZE {size}\n250 AUTH PLAIN"})
    agrees = run.fails if status is Status.FAIL else run.warns
    finding = agrees("smtp.size-limit", Layer.ACCESS, HOST, hint="message_size_limit")
    assert f"{int(size):,} bytes" in finding.message


@pytest.mark.parametrize("size", ["SIZE 10240000", "SIZE 0", "SIZE"])
def test_no_size_limit(size: str) -> None:
    assert scripted({"EHLO": f"250-mail.test\n250-{size}\n250 AUTH PLAIN"})["smtp.access"].status is Status.OK


def test_a_message_is_too_large() -> None:
    run = scripted({"MAIL": "552 5.3.4 Message size exceeds fixed limit"})
    run.fails("smtp.size-limit", Layer.ACCESS, HOST, hint="raise the limit")


INTERNATIONAL = "müstle@mistle.test"


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ({"MAIL": "553 5.1.0 Sender address syntax error"}, Status.FAIL),
        ({"MAIL": "501 5.5.4 Invalid FROM: Invalid character in localpart"}, Status.FAIL),
        ({"MAIL": "550 5.6.7 no", "EHLO": "250-mail.test\n250 SMTPUTF8"}, Status.FAIL),
        ({}, Status.WARN),
    ],
)
def test_sender_that_needs_smtputf8(replies: Mapping[str, str], status: Status) -> None:
    run = scripted(replies, {SENDER: INTERNATIONAL})
    assert run.status is run["smtp.sender-needs-smtputf8"].status is status, run
    assert run["smtp.sender-needs-smtputf8"].fields == (SENDER,)


def test_sender_with_smtputf8() -> None:
    run = scripted({"EHLO": "250-mail.test\n250-AUTH PLAIN\n250 SMTPUTF8"}, {SENDER: INTERNATIONAL})
    assert run["smtp.access"].status is Status.OK


@pytest.mark.parametrize(
    ("replies", "finding_id"),
    [
        ({"RCPT": "554 5.7.1 <h[192.0.2.1]>: Client host rejected: Access denied"}, "smtp.client-refused"),
        ({"RCPT": "554 5.7.1 Service unavailable; blocked using zen.example"}, "smtp.client-refused"),
        ({"RCPT": "504 5.5.2 <h>: Helo command rejected: need fully-qualified hostname"}, "smtp.client-refused"),
        ({"MAIL": "452 4.3.1 Insufficient system storage"}, "smtp.unavailable"),
        ({"MAIL": "421 4.7.0 Too many messages"}, "smtp.unavailable"),
        ({"RCPT": "421 4.3.2 Shutting down"}, "smtp.unavailable"),
    ],
)
def test_mail_that_is_refused_for_another_reason(replies: Mapping[str, str], finding_id: str) -> None:
    scripted(replies).fails(finding_id, Layer.ACCESS, HOST, hint="email.smtp.host (mistle.toml)")


@pytest.mark.parametrize(
    "address", ["mistle", "Mistle <mistle@mistle.test>", "a@b.test, c@d.test", "a@b.test\nRSET", "@b"]
)
def test_sender_that_is_no_address(address: str) -> None:
    with smtp_script() as server:
        run = check(server.port, {SENDER: address})
    run.fails("smtp.sender-malformed", Layer.ACCESS, SENDER, hint="one address and nothing else")
    assert not any(line.startswith("MAIL") for line in server.received)


@pytest.mark.parametrize("name", ["Mistle <other@mistle.test>", "Mistle (prod", '"Mistle'])
def test_name_that_changes_the_sender(name: str) -> None:
    with smtp_script() as server:
        run = check(server.port, {NAME: name})
    run.fails("smtp.sender-name", Layer.ACCESS, NAME, hint="write a plain name")
    assert not any(line.startswith("MAIL") for line in server.received)


@pytest.mark.parametrize("name", ["Acme, Inc.", "Mistle (prod)", '"Mistle"', "A: B", "A > b", "Müstle", "a@b"])
def test_name_that_does_not_change_the_sender(name: str) -> None:
    assert scripted({}, {NAME: name})["smtp.access"].status is Status.OK


# The port


def test_client_refused_in_the_greeting(smtp: Smtp) -> None:
    run = check(smtp.ports["no_clients"])
    finding = run.fails("smtp.greeting-refused", Layer.ACCESS, HOST, hint="let this machine in")
    assert "Client host rejected" in finding.message
    assert run["smtp.connect"].status is Status.OK


@pytest.mark.parametrize(
    ("replies", "greeting"),
    [
        ({}, "421 4.7.0 too many connections"),
        ({"EHLO": "421 bye"}, "220 hi"),
        ({"EHLO": "550 no", "HELO": "550 no"}, "220"),
    ],
)
def test_greeting_refused_for_now(replies: Mapping[str, str], greeting: str) -> None:
    scripted(replies, greeting=greeting).fails("smtp.greeting-refused", Layer.ACCESS, HOST, hint="with 421, wait")


@pytest.mark.parametrize(
    "reply", [b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", faults.GARBAGE, b"\x4a\x00\x00\x00\x0a8.0.35\x00"]
)
def test_greeting_of_another_protocol(reply: bytes) -> None:
    with faults.garbage_port(reply) as port:
        check(port).fails("smtp.not-smtp", Layer.CONNECT, PORT, hint="587 or 465")


def test_tls_to_a_port_of_another_protocol() -> None:
    with faults.http_port() as port:
        check(port, {SECURE: True}, timeout=4.0).fails("smtp.not-smtp", Layer.TLS, PORT, hint="587 or 465")


@pytest.mark.parametrize("port", profiles.first(1, [faults.endless_port, faults.dripping_port]))
def test_endless_greeting(port: Callable[[], object]) -> None:
    with port() as number:  # type: ignore[attr-defined]
        check(number).fails("smtp.not-smtp", Layer.CONNECT, PORT, hint="587 or 465")


@pytest.mark.parametrize(
    ("fault", "finding_id"),
    [
        (faults.refused_port, "network.refused"),
        (faults.closing_port, "network.reset"),
        (faults.resetting_port, "network.reset"),
        (faults.silent_port, "network.silent"),
        (faults.black_hole, "network.timeout"),
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_no_greeting(fault: Callable[[], object], finding_id: str, secure: bool) -> None:
    with fault() as port:  # type: ignore[attr-defined]
        run = check(port, {SECURE: secure}, timeout=2.0)
    # A reset may be there before the connection is known to be made.
    layer = run[finding_id].layer
    assert layer is Layer.CONNECT or (secure and layer is Layer.TLS)
    run.fails(finding_id, layer, HOST, PORT, hint="email.smtp.host (mistle.toml) and email.smtp.port (mistle.toml)")


@pytest.mark.parametrize("command", ["EHLO", "AUTH", "MAIL", "RCPT", "RSET"])
@pytest.mark.parametrize(("reply", "finding_id"), [(SILENCE, "network.silent"), (HANG_UP, "network.reset")])
def test_no_reply_to_a_command(command: str, reply: str, finding_id: str) -> None:
    with smtp_script({"EHLO": "250-mail.test\n250 AUTH PLAIN", command: reply}) as server:
        run = check(server.port, timeout=1.0)
    assert run[finding_id].fields == (HOST, PORT)


def test_no_reply_to_quit() -> None:
    assert scripted({"QUIT": SILENCE})["smtp.access"].status is Status.OK


def test_unknown_host_blames_the_host_alone() -> None:
    run = check(25, {HOST: "mail.invalid"})
    run.fails("network.name-not-found", Layer.DNS, HOST, hint="email.smtp.host (mistle.toml)")


def test_the_password_is_in_no_text() -> None:
    values = {HOST: "m", PORT: 25, SECURE: False, USERNAME: "u", PASS: "hunter2", SENDER: ADDRESS}
    subject = planned("email.smtp", {"global.env": "production"} | values)
    assert subject.target == f"m:25 {ADDRESS}"
    assert "hunter2" not in repr(subject)


# For the attacks on all kinds


def _plain_server(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.test ESMTP\r\n")
    while received := connection.recv(65536):
        connection.sendall(b"221 bye\r\n" if received.startswith(b"QUIT") else b"250 mail.test\r\n")


def _agree_to_starttls(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.test ESMTP\r\n")
    answer(connection, b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go on\r\n")


def _row(form: str, verdicts: Mapping[str, Verdict]) -> Row:
    return Row(
        f"smtp, {form}",
        Protocol(
            Layer.CONNECT,
            reply=b"220 mail.test ESMTP\r\n",
            refusal=f"554 no service {TERMINAL}\r\n".encode(),
            greets=True,
            agree=_agree_to_starttls if form == "STARTTLS" else None,
            plain=_plain_server,
        ),
        "email.smtp",
        {
            HOST: "{host}",
            PORT: "{place}",
            SECURE: form == "secure",
            USERNAME: "mistle",
            PASS: "password",
            SENDER: "mistle@mistle.test",
            "global.env": "development",
        },
        (HOST, PORT),
        foreign=Verdict("smtp.not-smtp", keys=(PORT,)),
        refused=Verdict("smtp.greeting-refused", Layer.ACCESS, (HOST,)),
        tls=form != "plaintext",
        verdicts={
            "TLS where plaintext is expected": Verdict("smtp.tls-from-first-byte", Layer.TLS, (SECURE,)),
            **verdicts,
        },
    )


def _replies(**replies: str) -> faults.Behaviour:
    return floods.Flood(
        floods.smtp(**{name: (lambda text=text: iter([text.encode() + b"\r\n"])) for name, text in replies.items()})
    )


def _challenging(offer: bytes) -> faults.Behaviour:
    """Offers these mechanisms, and sends a challenge."""
    return floods.Flood(
        floods.smtp(
            ehlo=lambda: iter([b"250-mail.test\r\n250 AUTH " + offer]), auth=lambda: iter([b"334 PDEyMz4=\r\n"])
        )
    )


def _values(address: str) -> Mapping[str, object]:
    host, _, port = address.rpartition(":")
    return {
        HOST: host,
        PORT: int(port),
        SECURE: False,
        USERNAME: "mistle",
        PASS: "smtp-password",
        SENDER: "mistle@mistle.test",
        "global.env": "development",
    }


_STALLED = Verdict("tls.stalled", name=True)
_NOT_SMTP = Verdict("smtp.not-smtp", keys=(PORT,))
_FAMILY = Family(
    checks="email.",
    scenes=dict.fromkeys(text_servers.SMTP),
    settings={HOST: "{host}", PORT: "{port}", SECURE: False},
    server=text_servers.smtp,
    hostile={
        "sends what none sends": floods.Flood(
            floods.smtp(auth=lambda: iter([b"334 \xff\r\n"]), mail=lambda: iter([b"-1 \xff\r\n"]))
        ),
        "a little expands to a lot": floods.Flood(floods.SMTP["EHLO answered without end"]),
        "sends without end": floods.Flood(floods.SMTP["a greeting of lines without end"]),
    },
)
DESCRIPTOR = Descriptor(
    rows=(
        _row("plaintext", {}),
        _row(
            "STARTTLS",
            {
                "plaintext where TLS is expected": Verdict("smtp.starttls-refused", keys=(HOST,)),
                # After STARTTLS no second connection shows what it is that never ends a line.
                "garbage within TLS": Verdict("network.silent"),
                "one byte a second": _STALLED,
            },
        ),
        _row(
            "secure",
            {
                "plaintext where TLS is expected": Verdict("smtp.plaintext", keys=(SECURE,)),
                "one byte a second": _STALLED,
                **dict.fromkeys(("garbage", "endless garbage"), _NOT_SMTP),
            },
        ),
    ),
    targets={
        "smtp": Target(
            name="email.smtp",
            key=PORT,
            values=_values,
            is_http=False,
            servers=(
                floods.Flood(floods.smtp()),
                *map(_challenging, (b"LOGIN\r\n", b"CRAM-MD5\r\n", b"XOAUTH2\r\n")),
                *each_scene("smtp", _FAMILY),
            ),
            floods=floods.SMTP,
            short_reply=floods.smtp(),
            flood_findings=frozenset({"smtp.not-smtp"}),
            tls_values={PORT: "{}", SECURE: True},
            texts={
                "no greeting": hostile_replies.scripted(
                    lambda text: lambda _: iter([hostile_replies.line(text) + b"\r\n"])
                ),
                "a greeting that refuses": hostile_replies.smtp(greeting=b"554"),
                "a refused login": hostile_replies.smtp(auth=b"535"),
                "a refused sender": hostile_replies.smtp(mail=b"550"),
                "a refused recipient": hostile_replies.smtp(rcpt=b"550 relay"),
            },
            redirects={
                "551": lambda place: _replies(rcpt=f"551 User not local; please try <x@{place}>"),
                "251": lambda place: _replies(rcpt=f"251 User not local; will forward to <x@{place}>"),
                "421": lambda place: _replies(greeting=f"421 go to {place}"),
            },
            driver_error=DriverError(
                "aiosmtplib.smtp.parse_esmtp_extensions",
                "aiosmtplib.esmtp",
                floods.Flood(floods.smtp()),
                "smtp.unexpected-reply",
                Layer.TLS,
            ),
        )
    },
    families={"smtp": _FAMILY},
)
