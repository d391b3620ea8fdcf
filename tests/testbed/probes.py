"""Probes of readiness, for servers without one of their own."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request

from tests.testbed.containers import LOOPBACK, NotReadyError


def accepts(port: int) -> None:
    """Not for a published port: Docker accepts there before the server does."""
    socket.create_connection((LOOPBACK, port), timeout=1).close()


def answers(url: str) -> None:
    """Accepts any HTTP reply, also a refusal."""
    try:
        urllib.request.urlopen(url, timeout=1, context=ssl._create_unverified_context()).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError from error


def replies(port: int, request: bytes = b"") -> None:
    """Accepts any reply to this request."""
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(request)
        if not connection.recv(1):
            raise NotReadyError
