"""Mail servers, met by Mistle's own client.

nodemailer, in the version that Mistle uses, sends two mails to each server, one to the sender's own address and one to
another domain; the tool checks the same server, and sends no mail. The servers are real ones of four makes, with right
and wrong settings, and a scripted one whose reply to one command differs. Where nodemailer delivers neither mail, the
check fails, at the same step; where it delivers one, the check does not fail. It warns that the server does not relay
where only the mail to another domain is refused, and where the sender's own mailbox is missing as well: the server may
have others.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checks.core.finding import Status
from checks.smtp.envelope import changes_sender
from tests.harness import faults, mail_client, profiles
from tests.harness.figures import Section
from tests.harness.mail_client import Sent
from tests.harness.run_check import CheckRun, run_check
from tests.servers.smtp import HANG_UP, smtp_script
from tests.testbed import Authority, NameServer, Smtp, name_server, self_signed, smtp_server
from tests.testbed.names import can_change_names
from tests.testbed.smtp import ADDRESS, OTHER_MAKES, PASSWORD, PORTS, USER, mail_server

pytestmark = profiles.long

ELSEWHERE = "user@example.com"
AUTH = "250-mail.test\n250 AUTH PLAIN"
SENDER_NAMES = (
    *("Mistle", "Acme, Inc.", "Acme; Co", "A (team)", "A @ B", "a@b.c", "A: B", '"Q" x', "O'Neil", "A <x", "A > b"),
    *("A <x@y.z>", '"Acme', "Mistle (prod", "a, b@c.d", "Group: x@y.z;", "A )", "(a) (b", "<>", "A <b> c", '"a" "b'),
    *("Ünï", "- x"),
)
RIGHT, WRONG = "127.0.0.3", "127.0.0.4"
"""The addresses of a server, and of none."""

OFFERS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "PLAIN LOGIN", "LOGIN PLAIN", "XOAUTH2 PLAIN", "XOAUTH2 LOGIN"),
    *("GSSAPI", "NTLM GSSAPI", "SCRAM-SHA-256", "OAUTHBEARER XOAUTH2", "DIGEST-MD5 CRAM-MD5", "plain", "", "EXTERNAL"),
)
LOGINS = (
    *("235 ok", "250 ok", "200 ok", "334 ", "535 5.7.8 no", "534 5.7.9 Application-specific password required"),
    *("535 5.7.139 SmtpClientAuthentication is disabled", "454 4.7.0 later", "421 4.7.0 bye", "503 5.5.1 no"),
    *("538 5.7.11 Encryption required", "530 Must issue a STARTTLS command first", "502 what", "432 4.7.12 transition"),
)
SENDERS = (
    *("250 ok", "251 ok", "200 ok", "550 5.7.1 no", "553 5.1.8 no", "501 5.1.7 bad", "530 5.7.0 login first"),
    *("421 4.7.0 bye", "451 4.3.0 later", "452 4.3.1 full", "552 5.3.4 too large", "354 go on", "530 Sender rejected"),
)
BOTH_RECIPIENTS = (
    *("250 ok", "251 ok", "252 ok", "550 5.7.1 Relay access denied", "550 relay not permitted", "553 5.7.1 sender"),
    *("554 5.7.1 Client host rejected", "421 4.3.2 bye", "553 5.7.1 Sender address rejected: not owned"),
    "530 5.7.0 no",
)
ONE_RECIPIENT = (
    *("550 5.1.1 User unknown", "450 4.2.0 Greylisted", "550 Unrouteable address", "552 5.2.2 full", "550 no"),
    *("421 4.3.5 Internal error", "554 5.7.1 Recipient address rejected: Access denied", "550 relay not permitted"),
)
GREETINGS = (
    *("220 mail", "220-mail\n220 more", "220", "554 no", "421 later", "250 ok", "200 ok", "hello", "SSH-2.0-x"),
    *("220 mail ESMTP AUTH PLAIN",),
)
HELLOS = (
    *("250 a", "250-a\n250 HELP", "502 no", "421 bye", "554 no", "250-a\n250 AUTH=PLAIN"),
    *("250-a AUTH\n250 HELP", "250-a\n250 AUTHENTICATE", "250-a\n250 XSIZE 10", "250-a\n250 8BITMIME"),
)


@dataclass(frozen=True)
class Case:
    """One server, with Mistle's settings for it."""

    name: str
    server: Callable[[], AbstractContextManager[int]]
    settings: Mapping[str, object] = field(default_factory=dict)
    host: str = "127.0.0.1"
    inside: Callable[[Callable[[], Any]], Any] = lambda function: function()  # calls it with another /etc


@contextmanager
def scripted(replies: Mapping[str, str], **options: object) -> Iterator[int]:
    with smtp_script({"EHLO": AUTH, **replies}, **options) as server:  # type: ignore[arg-type]
        yield server.port


def _script(name: str, replies: Mapping[str, str], **options: object) -> Case:
    return Case(name, lambda: scripted(replies, **options))


def _scripts() -> Iterator[Case]:
    yield from (_script(f"offers AUTH {each}", {"EHLO": f"250-a\n250 AUTH {each}"}) for each in OFFERS)
    yield from (_script(f"AUTH PLAIN → {each}", {"AUTH": each}) for each in LOGINS)
    login = "250-a\n250 AUTH LOGIN"
    yield from (_script(f"AUTH LOGIN → {each}", {"EHLO": login, "AUTH": each}) for each in LOGINS)
    last = {"EHLO": login, "AUTH": "334 VXNlcm5hbWU6", "bWlzdGxl": "334 UGFzc3dvcmQ6"}
    yield from (_script(f"password → {each}", {**last, "bWlzdGxlLWxvY2FsLXNtdHA=": each}) for each in LOGINS)
    yield from (_script(f"MAIL → {each}", {"MAIL": each}) for each in SENDERS)
    yield from (_script(f"MAIL without login → {each}", {"EHLO": "250 a", "MAIL": each}) for each in SENDERS)
    yield from (_script(f"RCPT → {each}", {"RCPT": each}) for each in BOTH_RECIPIENTS)
    yield from (_script(f"RCPT without login → {each}", {"EHLO": "250 a", "RCPT": each}) for each in BOTH_RECIPIENTS)
    yield from (_script(f"own RCPT → {each}", {f"RCPT TO:<{ADDRESS}>": each}) for each in ONE_RECIPIENT)
    yield from (_script(f"greeting {each}", {}, greeting=each) for each in GREETINGS)
    yield from (_script(f"EHLO → {each}", {"EHLO": each}) for each in HELLOS)
    yield from (_script(f"HELO → {each}", {"EHLO": "502 no", "HELO": each}) for each in ("250 a", "421 bye", "550 no"))
    yield from (_script(f"{each} → hang up", {each: HANG_UP}) for each in ("EHLO", "AUTH", "MAIL", "RCPT"))
    starttls = {"EHLO": "250-a\n250-STARTTLS\n250 AUTH PLAIN"}
    yield from (_script(f"STARTTLS → {each}", starttls | {"STARTTLS": each}) for each in ("454 no", "220 go", "502 no"))
    yield _script("SIZE 10", {"EHLO": "250-a\n250-SIZE 10\n250 AUTH PLAIN", ".": "552 5.3.4 too large"})


def _senders() -> Iterator[Case]:
    for sender in ("müstle@mistle.test", "mistle@bücher.example", "MISTLE@Mistle.Test", "a+b@mistle.test", "a.b@c.d.e"):
        for offer in (AUTH, "250-a\n250-SMTPUTF8\n250 AUTH PLAIN"):
            yield Case(f"sender {sender}, {offer!r}", lambda offer=offer: scripted({"EHLO": offer}), {"sender": sender})  # type: ignore[misc]


def _faults() -> Iterator[Case]:
    for fault in (faults.refused_port, faults.closing_port, faults.resetting_port, faults.http_port):
        for secure in (False, True):
            if (fault, secure) != (faults.http_port, False):  # nodemailer waits half a minute for its greeting
                yield Case(f"{fault.__name__}, {secure=}", fault, {"secure": secure})


def _certificates(authority: Authority) -> Iterator[Case]:
    leaves = {
        "right": authority.leaf(),
        "expired": authority.expired(),
        "for another host": authority.leaf("other.example"),
        "of an unknown authority": Authority().leaf(),
        "self-signed": self_signed("127.0.0.1"),
    }
    for name, leaf in leaves.items():
        yield _script(f"certificate {name}", {"EHLO": "250-a\n250-STARTTLS\n250 AUTH PLAIN"}, leaf=leaf)


def _names(dns: NameServer) -> Iterator[Case]:
    search = {"options": "ndots:5", "search": "apps.test"}
    for name, options in {
        "right.example": {"hosts": f"{WRONG} right.example\n"},
        "wrong.example": {"hosts": f"{RIGHT} wrong.example\n"},
        "absent.example": {"hosts": f"{RIGHT} absent.example\n"},
        "mail": {"hosts": f"{RIGHT} mail\n"},
        "nowhere.example": {},
        "only": search,
        "searched.example": search,
    }.items():
        server = partial(scripted, {}, host=RIGHT)
        yield Case(f"name {name}", server, host=name, inside=partial(dns.asked_by, **options))


SETTINGS: tuple[Mapping[str, object], ...] = (
    {},
    {"secure": True},
    {"password": "wrong"},
    {"username": "nobody"},
    {"sender": "other@mistle.test"},
    {"sender": "mistle@elsewhere.example"},
    {"sender": "müstle@mistle.test"},
    {"secure": True, "password": "wrong"},
)


def _real(servers: Mapping[str, Smtp]) -> Iterator[Case]:
    for make, server in servers.items():
        for role in server.ports:
            for settings in SETTINGS:
                if not (role == "submissions" and not settings.get("secure")):  # it waits half a minute
                    yield Case(f"{make} {role} {dict(settings)}", lambda port=server.ports[role]: _at(port), settings)  # type: ignore[misc]


@contextmanager
def _at(port: int) -> Iterator[int]:
    yield port


@pytest.fixture(scope="module")
def roots(authority: Authority) -> Iterator[Path]:
    if reason := mail_client.unavailable():
        pytest.skip(reason)
    with authority.trusted() as path:
        yield Path(path)


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[Mapping[str, Smtp]]:
    with ExitStack() as stack:
        postfix = stack.enter_context(smtp_server(authority.leaf()))
        relay = stack.enter_context(smtp_server(authority.leaf()))
        relay.relay_for_all()
        others = {
            make: stack.enter_context(mail_server(make, authority.leaf(), relay.address if make == "dovecot" else ""))
            for make in OTHER_MAKES
        }
        assert set(postfix.ports) == set(PORTS)
        yield {"postfix": postfix, **others}


def check(port: int, roots: Path, host: str, settings: Mapping[str, object]) -> CheckRun:
    given = {"secure": False, "username": USER, "password": PASSWORD, "sender": ADDRESS, **settings}
    values = {f"email.smtp.{'from_address' if key == 'sender' else key}": value for key, value in given.items()}
    address = {"email.smtp.host": host, "email.smtp.port": port, "global.env": "development"}
    return run_check("email.smtp", {**address, **values}, extra=roots)


def met(port: int, roots: Path, host: str, settings: Mapping[str, object]) -> list[Sent]:
    given = {"secure": False, "username": USER, "password": PASSWORD, "name": "Mistle", "sender": ADDRESS, **settings}
    return mail_client.send(roots, (str(given["sender"]), ELSEWHERE), host=host, port=port, **given)


STEPS = {
    "dns": {"dns"},
    "connect": {"connect", "tls", "auth", "access"},  # the greeting, TLS and a connection that ends, at any time
    "tls": {"tls", "connect"},
    "auth": {"auth"},
    "crash": {"auth"},
    "access": {"access"},
    "data": {"access"},
}
"""For each step of nodemailer, the layers at which the check may fail."""


def difference(run: CheckRun, sent: list[Sent]) -> str:
    """What the check and nodemailer do not agree on; "" if nothing."""
    failed = [finding for finding in run.findings if finding.status is Status.FAIL]
    warns = any(finding.id == "smtp.relay-refused" for finding in run.findings)
    if any(not each.step for each in sent):
        if failed:
            return f"false alarm: {failed[0].id}"
        return "no warning, and no mail is relayed" if sent[1].step == "access" and not warns else ""
    if not failed and warns and {each.step for each in sent} == {"access"}:
        return ""
    if not failed:
        return f"false ok, where nodemailer fails: {sent[0].text}"
    steps = set().union(*(STEPS[each.step] for each in sent))
    return "" if failed[0].layer in steps else f"{failed[0].id} at {failed[0].layer}, nodemailer at {sent[0].step}"


def compare(cases: list[Case], roots: Path, figures: Section, what: str) -> None:
    differences, delivered = [], 0
    for case in cases:
        with case.server() as port:
            run = case.inside(partial(check, port, roots, case.host, case.settings))
        with case.server() as port:
            sent = case.inside(partial(met, port, roots, case.host, case.settings))
        delivered += any(not each.step for each in sent)
        if found := difference(run, sent):
            shown = [f"{each.id} {each.status}: {each.message}" for each in run.findings if each.status > Status.SKIP]
            differences.append(f"{case.name}: {found}\n  {shown}\n  {sent}")
    assert not differences, "\n\n".join(differences)
    figures.cell(what, "servers and settings", str(len(cases)))
    figures.cell(what, "of these, nodemailer delivers a mail", str(delivered))
    figures.cell(what, "differences", "0")


def test_scripted_replies(roots: Path, figures: Section) -> None:
    compare([*_scripts(), *_senders()], roots, figures, "one reply that differs")


def test_names_of_the_sender(roots: Path, figures: Section) -> None:
    """nodemailer reads the sender's address from `name <address>`."""
    differences = []
    for name in SENDER_NAMES:
        with smtp_script({"EHLO": AUTH}) as server:
            met(server.port, roots, "127.0.0.1", {"name": name})
        is_changed = not any(line.startswith(f"MAIL FROM:<{ADDRESS}>") for line in server.received)
        if is_changed != changes_sender(name):
            differences.append((name, server.received))
    assert not differences, differences
    figures.cell("names of the sender", "servers and settings", str(len(SENDER_NAMES)))
    figures.cell("names of the sender", "differences", "0")


@pytest.mark.skipif(not can_change_names(), reason="needs root on Linux, for another /etc")
def test_names(roots: Path, figures: Section) -> None:
    known = {"right.example": RIGHT, "wrong.example": WRONG, "only.apps.test": RIGHT, "searched.example": RIGHT}
    known["searched.example.apps.test"] = WRONG
    with name_server({name: [address] for name, address in known.items()}) as dns:
        compare(list(_names(dns)), roots, figures, "names in DNS and in the hosts file")


def test_network_and_certificates(roots: Path, figures: Section, authority: Authority) -> None:
    compare([*_faults(), *_certificates(authority)], roots, figures, "faults of the network, certificates")


@pytest.mark.parametrize("make", ["postfix", *OTHER_MAKES])
def test_real_servers(servers: Mapping[str, Smtp], roots: Path, figures: Section, make: str) -> None:
    compare(list(_real({make: servers[make]})), roots, figures, make)
