"""A server that sends every request back, as a part of its refusal."""

import base64
import json
import socket
from contextlib import suppress


def echo_refusal(connection: socket.socket) -> None:
    """A server of mail, Valkey and HTTP that refuses every request, with the request in its reply."""
    connection.settimeout(0.3)
    try:
        request = connection.recv(65536)
    except TimeoutError:
        _mail(connection)
        return
    while request:
        connection.sendall(_refusal(request))
        connection.settimeout(2)
        request = connection.recv(65536)


def _refusal(request: bytes) -> bytes:
    if request.startswith(b"*"):
        line = b" ".join(request.split(b"\r\n"))
        return b"-ERR refused: " + line + b"\r\n"
    body = json.dumps({"error": request.decode(errors="replace"), "message": request.hex()}).encode() + request
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _mail(connection: socket.socket) -> None:
    connection.sendall(b"220 mail ESMTP\r\n")
    connection.settimeout(2)
    while command := connection.recv(65536):
        if command.upper().startswith(b"EHLO"):
            connection.sendall(b"250-mail\r\n250 AUTH PLAIN\r\n")
            continue
        shown = command.strip()
        with suppress(ValueError):
            shown += b" which is " + base64.b64decode(shown.rpartition(b" ")[2]).replace(b"\0", b" ")
        connection.sendall(b"535 5.7.8 refused: " + shown + b"\r\n")
