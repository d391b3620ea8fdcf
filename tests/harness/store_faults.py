"""Faults that no real object store can be made to have: a proxy before a real one, which answers some requests."""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from typing import TypeVar

from tests.harness import faults
from tests.harness.answers import read_request
from tests.harness.fault_rows import http as reply
from tests.harness.networks import own_network
from tests.testbed.object_store import BUCKET, OWNER, Keys

Answer = Callable[[bytes], bytes | None]
"""The reply to a request; None for the reply of the store."""
Result = TypeVar("Result")

PUBLIC = "203.0.114.1"


def between(port: int, answer: Answer) -> AbstractContextManager[int]:
    """A port in front of a store without TLS, that leaves Host and signatures as they are."""
    return faults.serving(lambda connection: _mediate(connection, port, answer))


def bucket(url: str) -> dict[str, object]:
    """The configuration of a deployment whose assets are in the store at that address."""
    login = {"access_key_id": OWNER.access_key_id, "secret_access_key": OWNER.secret_access_key}
    address = {"endpoint": url, "bucket_name": BUCKET, "region": "us-east-1", "force_path_style": True}
    return {f"object_store.assets.{name}": value for name, value in (address | login).items()}


def forbidding(status: str, *methods: bytes) -> Answer:
    """A proxy that lets no such requests pass."""
    page = reply(status, "<html><body>No.</body></html>", "Content-Type: text/html\r\nServer: nginx\r\n")

    def answer(request: bytes) -> bytes | None:
        if not request.startswith(methods):
            return None
        return page.partition(b"<html>")[0] if request.startswith(b"HEAD") else page

    return answer


def changing(port: int, change: Callable[[list[bytes]], list[bytes]], *methods: bytes) -> Answer:
    """A proxy that changes the lines of the head of such requests."""

    def answer(request: bytes) -> bytes | None:
        if not request.startswith(methods):
            return None
        head, _, body = request.partition(b"\r\n\r\n")
        return ask(port, b"\r\n".join(change(head.split(b"\r\n"))) + b"\r\n\r\n" + body)

    return answer


def without(name: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Drops the headers whose names begin with `name`."""
    return lambda lines: [line for line in lines if not line.lower().startswith(name)]


def signed_again(port: int, keys: Keys = OWNER) -> Answer:
    """A proxy that signs every request with keys of its own, and so accepts any."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        method, target, version = line.split()
        host = next(each.split(": ")[1] for each in lines if each.lower().startswith("host: "))
        signed = AWSRequest(method, f"http://{host}{target}", {"Content-Length": str(len(body))}, body)
        S3SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "s3", "us-east-1").add_auth(signed)
        headers = [f"{name}: {value}" for name, value in {"Host": host, **signed.headers}.items()]
        return ask(port, "\r\n".join([f"{method} {target} {version}", *headers, "", ""]).encode() + body)

    return answer


def error(status: str, code: str, more: str = "", headers: str = "", message: str = "Not here") -> bytes:
    """A refusal as S3 sends it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return reply(status, body, f"Content-Type: application/xml\r\n{headers}")


def from_outside(port: int, function: Callable[[int], Result]) -> Result:
    """Call `function` in a thread whose network has one public address, with a port that leads to `port`."""
    # A socket belongs to the network in which it was made; this thread belongs to that of the machine.
    with (
        own_network(PUBLIC) as inside,
        inside(lambda: socket.create_server((PUBLIC, 0))).result() as listener,
        faults.accepting(listener, lambda client: _mediate(client, port, lambda _: None)),
    ):
        return inside(lambda: function(listener.getsockname()[1])).result()


def _mediate(connection: socket.socket, port: int, answer: Answer) -> None:
    with suppress(OSError), closing(connection):
        while request := read_request(connection):
            own = answer(request)
            connection.sendall(ask(port, request) if own is None else own)
            if own is None or b"Connection: close" in own:
                return


def ask(port: int, request: bytes) -> bytes:
    """The reply of the store, which ends when the store closes the connection."""
    head, _, body = request.partition(b"\r\n\r\n")
    with socket.create_connection((faults.LOOPBACK, port)) as upstream:
        upstream.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
        return b"".join(iter(lambda: upstream.recv(65536), b""))
