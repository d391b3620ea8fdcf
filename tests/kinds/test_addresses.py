"""Every error of a connect, from the real system where a test can cause it; and names with many addresses."""

import asyncio
import errno
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from checks.core.finding import Layer
from checks.core.loop.threads import Loop
from checks.net.addresses import AT_ONCE, ConnectFailed, connect, faulty
from checks.net.network_errors import diagnose
from tests.harness import faults
from tests.harness.networks import can_have_own_network, own_network
from tests.harness.run_check import CheckRun, run_check

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
AWAY = "198.51.100.7"
Inside = Callable[[Callable[[], CheckRun]], "Future[CheckRun]"]


def check(host: str, port: int = 6379, timeout: float = 4.0) -> CheckRun:
    return run_check("kv.data_plane", {URL: f"redis://{host}:{port}", PREFIX: "mistle"}, timeout=timeout)


@pytest.fixture
def inside() -> Iterator[Inside]:
    """A thread with a network of its own, without a route to any other."""
    if not (can_have_own_network() and shutil.which("ip")):
        pytest.skip("needs root and iproute2, for a network of its own")
    with own_network("192.0.2.1") as submit:
        yield submit


@pytest.mark.parametrize(
    ("route", "finding_id", "hint"),
    [
        ("prohibit", "network.not-permitted", "allow outgoing connections to the address"),
        ("blackhole", "network.unreachable", "connect this machine"),
        ("unreachable", "network.unreachable", "connect this machine"),
        ("throw", "network.unreachable", "connect this machine"),
    ],
)
def test_no_route(inside: Inside, route: str, finding_id: str, hint: str) -> None:
    def run() -> CheckRun:
        subprocess.run(["ip", "route", "add", route, AWAY], check=True)
        return check(AWAY)

    finding = inside(run).result().fails(finding_id, Layer.CONNECT, URL, hint=hint)
    assert f"{AWAY}:6379" in finding.message


def test_no_local_port_is_free(inside: Inside) -> None:
    def run() -> CheckRun:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("50000 50000")
        with socket.create_server(("192.0.2.1", 40000)) as server, socket.create_connection(server.getsockname()):
            return check(*server.getsockname())

    finding = inside(run).result().fails("network.no-local-port", Layer.CONNECT, hint="ip_local_port_range")
    assert "Cannot assign requested address" in finding.message


@pytest.mark.parametrize(
    "names",
    [
        "EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN ECONNREFUSED ENETUNREACH EPERM EPROTOTYPE ETIMEDOUT",
        "EACCES EAFNOSUPPORT EINVAL ENOBUFS EPFNOSUPPORT EPROTONOSUPPORT ESOCKTNOSUPPORT",
        "EHOSTDOWN EHOSTUNREACH EMSGSIZE ENETDOWN ENETRESET ENODEV ENONET ENOPROTOOPT ENOSR EOPNOTSUPP EPROTO",
        "ECONNABORTED ECONNRESET EPIPE",
    ],
    ids=["connect(2)", "socket(2)", "ip(7) and ICMP", "after the connection"],
)
def test_every_error_of_connecting_has_a_finding(names: str) -> None:
    for code in (getattr(errno, name) for name in names.split() if hasattr(errno, name)):
        failed = ConnectFailed("192.0.2.7", 5)
        failed.__cause__ = OSError(code, os.strerror(code))
        found = diagnose(failed)
        assert found, errno.errorcode[code]
        assert found.cause.id.startswith("network.")
        assert found.cause.layer is Layer.CONNECT


@pytest.mark.parametrize("name", ["EHOSTDOWN", "ENETDOWN", "EPERM", "ENOBUFS", "EADDRNOTAVAIL", "ENETRESET"])
def test_error_of_a_drivers_own_connection_has_a_finding(name: str) -> None:
    assert diagnose(OSError(getattr(errno, name), "x"))


@pytest.mark.parametrize(
    ("code", "finding_id"),
    [
        (getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME), "network.name-not-found"),
        (socket.EAI_FAIL, "network.dns-failed"),
    ],
)
def test_name_without_a_usable_address(code: int, finding_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_options: object) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    check("name.test").fails(finding_id, Layer.DNS, URL, hint="host name")


def test_connection_aborted_here_is_not_closed_by_the_server() -> None:
    found = diagnose(ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds"))
    assert found
    assert (found.cause.id, found.message) == ("network.reset", "the connection was aborted")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "x"),
        OSError(errno.ENFILE, "x"),
        OSError(errno.ENOMEM, "x"),
        PermissionError(errno.EACCES, "x", "/etc/roots.pem"),
        OSError(errno.EBADF, "x"),
    ],
    ids=["descriptors", "descriptors of all", "memory", "a file", "a bug"],
)
def test_error_that_is_not_of_the_network_has_no_diagnosis(error: OSError) -> None:
    assert diagnose(error) is None


def test_driver_that_fails_at_several_addresses(resolve_to: Callable[..., None]) -> None:
    async def connect() -> None:
        await asyncio.open_connection("several.test", port)

    resolve_to(*["::1", "127.0.0.1"])
    with (
        faults.refused_port() as port,
        asyncio.Runner(loop_factory=Loop) as runner,
        pytest.raises(OSError, match="Multiple exceptions") as raised,
    ):
        runner.run(connect())
    found = diagnose(raised.value)
    assert found
    assert found.cause.id == "network.refused"


def many(count: int) -> list[str]:
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]


@contextmanager
def descriptors(free: int) -> Iterator[None]:
    """This process may open ``free`` more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.dup(0) for _ in range(free + 1)]
    for each in opened:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_is_not_the_fault_of_an_address() -> None:
    async def run() -> None:
        with descriptors(0):
            await connect("127.0.0.1", 9, 4.0)

    with asyncio.Runner(loop_factory=Loop) as runner, pytest.raises(OSError, match="Too many open files"):
        runner.run(run())


@pytest.mark.parametrize(
    ("codes", "at_fault"),
    [
        ({"::1": errno.EAFNOSUPPORT, "::2": errno.ENETUNREACH, "127.0.0.1": None}, []),
        ({"::1": errno.EAFNOSUPPORT, "::2": errno.ECONNREFUSED, "127.0.0.1": None}, ["::1", "::2"]),
        ({"::1": errno.EHOSTUNREACH, "127.0.0.1": None}, ["::1"]),
        ({"10.0.0.1": errno.ENETUNREACH, "::1": None}, []),
        ({"10.0.0.1": errno.EADDRNOTAVAIL, "::1": None}, ["10.0.0.1"]),
        ({"10.0.0.1": errno.ENETUNREACH, "10.0.0.2": None}, ["10.0.0.1"]),
    ],
    ids=["no IPv6", "some IPv6", "no route to the host", "no IPv4", "no free port", "a dead address"],
)
def test_which_addresses_are_at_fault(codes: dict[str, int | None], at_fault: list[str]) -> None:
    def failed(address: str, code: int | None) -> ConnectFailed | None:
        failure = ConnectFailed(address, 5)
        failure.__cause__ = OSError(code, "x")
        return failure if code else None

    tries = {address: failed(address, code) for address, code in codes.items()}
    assert [failure.host for failure in faulty(tries)] == at_fault


def test_name_with_two_thousand_addresses(resolve_to: Callable[..., None]) -> None:
    with descriptors(3 * AT_ONCE), faults.http_port(b"-NOAUTH no\r\n") as port:
        resolve_to(*[*many(1999), "127.0.0.1"])
        found = check("many.test", port, timeout=60.0)
    dead = found["network.address-unreachable"]
    assert dead.message.startswith(
        f"1999 of many.test's 2000 addresses do not work: connection refused by 127.1.0.1:{port}, "
    )
    assert dead.message.endswith(", and 1996 more; 127.0.0.1 works")
    assert len(found["valkey.password-required"].message) < 100


def test_many_silent_addresses_share_one_time_limit(resolve_to: Callable[..., None]) -> None:
    addresses = many(3 * AT_ONCE)
    with ExitStack() as holes:
        port = holes.enter_context(faults.black_hole(addresses[0]))
        for address in addresses[1:]:
            holes.enter_context(faults.black_hole(address, port))
        resolve_to(*addresses)
        finding = check("silent.test", port, timeout=1.0).fails("network.timeout", Layer.CONNECT, URL, hint="firewall")
    assert finding.seconds < 10, "three rounds of the limit would end in the check's own"
    assert "packets are dropped" in finding.message


def test_address_of_a_missing_family_is_not_at_fault(inside: Inside, resolve_to: Callable[..., None]) -> None:
    def run() -> CheckRun:
        resolve_to(*["2001:db8::1", "2001:db8::2", "::1", "127.0.0.1"])
        with faults.http_port(b"-NOAUTH no\r\n") as port:
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
            return check("both.test", port)

    found = inside(run).result()
    assert "network.address-unreachable" not in {finding.id for finding in found.findings}
    assert found["valkey.connect"].fields == (URL,)


def test_address_without_a_route_is_at_fault_beside_one_of_its_family(
    inside: Inside, resolve_to: Callable[..., None]
) -> None:
    def run() -> CheckRun:
        resolve_to(*["203.0.113.1", "127.0.0.1"])
        with faults.http_port(b"-NOAUTH no\r\n") as port:
            return check("both.test", port)

    assert "203.0.113.1" in inside(run).result()["network.address-unreachable"].message


def test_fault_of_a_reachable_address_comes_first(inside: Inside, resolve_to: Callable[..., None]) -> None:
    def run() -> CheckRun:
        resolve_to(*["2001:db8::1", "127.0.0.1"])
        return check("both.test", 9)

    inside(run).result().fails("network.refused", Layer.CONNECT, URL, hint="start the service")


class DriverError(Exception):
    """An error of a driver."""


def handled(error: Exception) -> Exception:
    """The error, raised while a refused connection is handled, without ``from``."""
    try:
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError:
            raise error  # noqa: B904 - as drivers do
    except Exception as raised:
        return raised


@pytest.mark.parametrize("error", [NameError("x"), TypeError(), KeyError(), AssertionError(), ValueError()], ids=repr)
def test_bug_in_an_error_handler_stays_a_bug(error: Exception) -> None:
    assert diagnose(handled(error)) is None


@pytest.mark.parametrize(
    "error",
    [handled(DriverError()), handled(OSError("x")), ExceptionGroup("x", [DriverError(), ConnectionRefusedError()])],
    ids=["translated", "translated into the system's", "in a group"],
)
def test_error_that_a_driver_replaced_is_diagnosed(error: Exception) -> None:
    found = diagnose(error)
    assert found
    assert found.cause.id == "network.refused"


def test_error_that_a_driver_suppressed_is_not_diagnosed() -> None:
    hidden = handled(DriverError())
    hidden.__suppress_context__ = True
    assert diagnose(hidden) is None
