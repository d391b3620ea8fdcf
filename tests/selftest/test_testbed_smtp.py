"""The mail server of the test bed behaves as its docstring says."""

import smtplib
import ssl

import pytest

from tests.harness import profiles
from tests.testbed import Authority, Smtp
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

pytestmark = profiles.long  # the tests of each kind show this too

OTHER = "other@mistle.test"


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


def test_smtp_submission(smtp: Smtp, authority: Authority) -> None:
    with smtplib.SMTP("localhost", smtp.ports["submission"]) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.mail(ADDRESS)[0] == 530
        client.starttls(context=trusting(authority))
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            client.login(USER, "wrong")
        client.login(USER, PASSWORD)
        assert probe(client, ADDRESS) == (250, 250)


def test_smtp_tls_from_first_byte(smtp: Smtp, authority: Authority) -> None:
    with smtplib.SMTP_SSL("localhost", smtp.ports["submissions"], context=trusting(authority)) as client:
        client.login(USER, PASSWORD)
        assert probe(client, ADDRESS) == (250, 250)


def test_smtp_auth_only_after_starttls(smtp: Smtp, authority: Authority) -> None:
    with smtplib.SMTP("localhost", smtp.ports["starttls"]) as client:
        assert probe(client, ADDRESS) == (250, 250)
        assert not client.has_extn("auth")
        client.starttls(context=trusting(authority))
        client.login(USER, PASSWORD)


def test_smtp_plain(smtp: Smtp) -> None:
    with smtplib.SMTP("localhost", smtp.ports["plain"]) as client:
        assert probe(client, ADDRESS) == (250, 250)
        assert not client.has_extn("auth")
        assert not client.has_extn("starttls")


SENDERS = [("own_senders", (250, 553)), ("own_senders_at_once", (553, 503)), ("plain_auth", (250, 250))]


@pytest.mark.parametrize(("role", "answers"), SENDERS)
def test_smtp_senders(smtp: Smtp, role: str, answers: tuple[int, int]) -> None:
    with smtplib.SMTP("localhost", smtp.ports[role]) as client:
        client.login(USER, PASSWORD)
        assert probe(client, ADDRESS) == (250, 250)
        assert probe(client, OTHER) == answers


def test_smtp_refuses_recipients_and_clients(smtp: Smtp) -> None:
    with smtplib.SMTP("localhost", smtp.ports["no_recipients"]) as client:
        assert probe(client, ADDRESS) == (250, 554)
    with pytest.raises(smtplib.SMTPConnectError, match="Client host rejected"):
        smtplib.SMTP("localhost", smtp.ports["no_clients"])


def test_smtp_queue(smtp: Smtp) -> None:
    assert smtp.queue() == []
    with smtplib.SMTP("localhost", smtp.ports["plain"]) as client:
        client.sendmail(ADDRESS, ADDRESS, "Subject: stays\n")
    assert len(smtp.queue()) == 1
    smtp.empty_queue()
    assert smtp.queue() == []


def probe(client: smtplib.SMTP, sender: str) -> tuple[int, int]:
    """The codes of the replies to MAIL FROM and RCPT TO, without a message."""
    client.ehlo_or_helo_if_needed()
    codes = client.mail(sender)[0], client.rcpt(ADDRESS)[0]
    client.rset()
    return codes
