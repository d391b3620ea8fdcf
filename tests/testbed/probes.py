"""Whether a server is ready, for servers without a better way to say so."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request

from tests.testbed.containers import LOOPBACK, NotReadyError


def accepts(port: int) -> None:
    """Not for a published port: there, Docker accepts before the server does."""
    socket.create_connection((LOOPBACK, port), timeout=1).close()


def answers(url: str) -> None:
    """Any HTTP reply will do, also a refusal."""
    try:
        urllib.request.urlopen(url, timeout=1, context=ssl._create_unverified_context()).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError from error


def says(port: int, words: bytes = b"") -> None:
    """Any answer to these words will do."""
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(words)
        if not connection.recv(1):
            raise NotReadyError
