"""Postfix, with a port for each configuration; accepted mail would stay in its queue. Servers of other makes."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.testbed.certificates import Leaf, self_signed
from tests.testbed.containers import LOOPBACK, NotReadyError, Server, running

USER, PASSWORD, ADDRESS = "mistle", "mistle-local-smtp", "mistle@mistle.test"
PORTS = {
    "plain": 25,  # neither TLS nor AUTH
    "submission": 587,  # nothing before STARTTLS, then AUTH
    "submissions": 465,  # TLS from the first byte, AUTH
    "starttls": 2525,  # AUTH only after STARTTLS, other commands also without
    "plain_auth": 1025,  # AUTH, and no TLS
    "own_senders": 1026,  # refuses senders but ADDRESS, as by default: at RCPT TO
    "own_senders_at_once": 1027,  # the same, at MAIL FROM
    "no_recipients": 1028,  # refuses every recipient
    "no_clients": 1029,  # refuses in its greeting
}
OTHER_MAKES = {
    "exim": {"plain": 25, "small": 26, "submission": 587, "submissions": 465},  # small: messages of 511 bytes
    "opensmtpd": {"plain": 25, "submission": 587, "submissions": 465},
    "dovecot": {"submission": 587, "submissions": 465},
}
"""The ports of each; plain has no AUTH, the others have it within TLS."""
QUEUES = [f"/var/spool/postfix/{name}" for name in ("maildrop", "incoming", "active", "deferred", "hold")]


@dataclass(frozen=True)
class Smtp(Server):
    ports: Mapping[str, int] = field(default_factory=dict)

    def queue(self) -> list[str]:
        """The files of all mail that was accepted, or is being received."""
        return self.container.exec(["find", *QUEUES, "-type", "f"]).output.decode().split()

    def empty_queue(self) -> None:
        self.container.exec(["postsuper", "-d", "ALL"])

    def relay_for_all(self) -> None:
        """Let every client send to every domain."""
        settings = "mynetworks=0.0.0.0/0", "smtpd_relay_restrictions=permit_mynetworks, reject"
        for command in (["postconf", "-e", *settings], ["postfix", "reload"]):
            status, output = self.container.exec(command)
            assert status == 0, output.decode()

    def log(self) -> str:
        """The outcome of every session, such as `disconnect from …: ehlo=1 mail=1 rset=1 quit=1`."""
        return self.container.get_logs()[0].decode()


@contextmanager
def smtp_server(certificate: Leaf | None = None, kept: str = "") -> Iterator[Smtp]:
    """Postfix on every one of PORTS; its certificate is self-signed unless one is given."""
    files = (certificate or self_signed()).files()
    ports = list(PORTS.values())
    with running("postfix", ["postfix-server"], 25, _greets, files, more_ports=ports, kept=kept) as fields:
        published = {name: fields[0].get_exposed_port(inner_port) for name, inner_port in PORTS.items()}
        yield Smtp(*fields, ports=published)


@contextmanager
def mail_server(make: str, certificate: Leaf, behind: str = "") -> Iterator[Smtp]:
    """A server of OTHER_MAKES; Dovecot hands its mail to the server at the address `behind`."""
    command, ports = [f"{make}-server", *filter(None, behind.split(":"))], OTHER_MAKES[make]
    with running(make, command, 587, _greets, certificate.files(), more_ports=list(ports.values())) as fields:
        yield Smtp(*fields, ports={name: fields[0].get_exposed_port(inner) for name, inner in ports.items()})


def _greets(port: int) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        if connection.recv(4) != b"220 ":
            raise NotReadyError
        connection.sendall(b"QUIT\r\n")
