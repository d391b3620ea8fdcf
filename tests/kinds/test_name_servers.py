"""What a name server's answer, its error and its silence prove about a name."""

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from checks.core.finding import Layer
from tests.harness import profiles
from tests.harness.run_check import CheckRun, run_check
from tests.servers.names import Answer, answer, error, no_address, no_answer, scripted_names
from tests.testbed import name_server
from tests.testbed.names import NameServer, can_change_names, with_files

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
SERVFAIL, NXDOMAIN, NOT_IMPLEMENTED, REFUSED = 2, 3, 4, 5
PATIENT = "timeout:9 attempts:1"
"""So long that no load makes an answer look late."""
pytestmark = pytest.mark.skipif(not can_change_names(), reason="needs root, for a resolv.conf of its own")


def check(host: str, timeout: float = 8.0) -> CheckRun:
    return run_check("kv.data_plane", {URL: f"redis://{host}:6379", PREFIX: "mistle"}, timeout=timeout)


def asking(*addresses: str, options: str = PATIENT, host: str = "db.example.test", timeout: float = 8.0) -> CheckRun:
    """The check of a host, with these name servers."""
    lines = [*(f"nameserver {address}" for address in addresses), f"options {options}", ""]
    return with_files({"/etc/resolv.conf": "\n".join(lines).encode()}, lambda: check(host, timeout))


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with name_server({"known.test": ["127.0.0.1"]}, silent=["silent.test"], refused=["refused.test"]) as server:
        yield server


def ip(server: NameServer) -> str:
    return server.address.partition(":")[0]


def test_name_server_that_refuses(names: NameServer) -> None:
    finding = asking(ip(names), host="db.refused.test").fails(
        "network.dns-failed", Layer.DNS, URL, hint="log of the name server in /etc/resolv.conf"
    )
    assert "replies with an error, or nothing listens there" in finding.message


@profiles.long
@pytest.mark.parametrize("code", [SERVFAIL, NOT_IMPLEMENTED, REFUSED])
def test_error_is_not_silence(code: int) -> None:
    with scripted_names(lambda _name, _kind: error(code)) as address:
        asking(address).fails("network.dns-failed", Layer.DNS, URL, hint="log of the name server")


@profiles.long
def test_nothing_listens_at_the_name_server() -> None:
    asking("127.0.0.97").fails("network.dns-failed", Layer.DNS, URL, hint="log of the name server")


@profiles.long
def test_silent_name_server(names: NameServer) -> None:
    finding = asking(ip(names), host="silent.test", options="timeout:1 attempts:1", timeout=60.0).fails(
        "network.dns-timeout", Layer.DNS, URL, hint="/etc/resolv.conf"
    )
    assert "no reply in time" in finding.message


def test_name_that_a_second_server_does_not_know(names: NameServer) -> None:
    # The first one, which is slow, may know it.
    with scripted_names(lambda _name, _kind: no_answer()) as slow:
        finding = asking(slow, ip(names), options="timeout:1 attempts:1", timeout=60.0).fails(
            "network.dns-timeout", Layer.DNS, URL, hint="/etc/resolv.conf"
        )
    assert "proves nothing" in finding.message


def only_ipv6(bad: Answer) -> Callable[[str, str], Answer]:
    return lambda _name, kind: no_address() if kind == "AAAA" else bad


def test_error_for_ipv4_beside_no_ipv6_address() -> None:
    # The system's resolver reports that the name has no address.
    with scripted_names(only_ipv6(error(SERVFAIL))) as address:
        asking(address).fails("network.dns-failed", Layer.DNS, URL, hint="log of the name server")


@profiles.long
def test_name_without_any_address() -> None:
    with scripted_names(lambda _name, _kind: no_address()) as address:
        finding = asking(address).fails("network.name-not-found", Layer.DNS, URL, hint="host name")
    assert "has no address" in finding.message


@profiles.long
def test_late_answer_is_an_answer() -> None:
    with scripted_names(lambda _name, _kind: answer("127.0.0.1", after=3.0)) as address:
        found = asking(address, timeout=60.0)
    assert found["valkey.dns"].fields == (URL,)


@profiles.long
def test_late_denial_is_a_denial() -> None:
    with scripted_names(lambda _name, _kind: error(NXDOMAIN, after=3.0)) as address:
        asking(address, timeout=60.0).fails("network.name-not-found", Layer.DNS, URL, hint="host name")


@profiles.long
@pytest.mark.parametrize("code", [errno.EBUSY, errno.EACCES, errno.ECONNREFUSED])
def test_resolver_of_the_system_that_fails(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))  # EAI_SYSTEM

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    finding = check("db.example.test").fails("network.dns-failed", Layer.DNS, URL, hint="/etc/nsswitch.conf")
    assert os.strerror(code) in finding.message
