"""Servers that send a text of the test in the errors of their own protocol, at the step that a scene names.

Those over HTTP are in text_servers_http.
"""

import re
import socket
import struct
from collections.abc import Callable, Mapping

from tests.harness.floods import message
from tests.harness.text_servers_http import TextOf, api, inert, read

Behaviour = Callable[[socket.socket], None]

VALKEY = ("login", "wrong password", "refused", "no permission", "replica", "evicts")
SMTP = ("greeting", "EHLO", "AUTH", "MAIL", "RCPT")
POSTGRES = ("start", "password", "notice", "role", "hba", "query")
DOCKER = (
    *("GET /version", "GET /networks/", "POST /volumes", "DELETE /volumes", "GET /distribution", "GET /info"),
    *("the version", "the networks"),
)


def valkey(scene: str, text_of: TextOf) -> Behaviour:
    def serve(connection: socket.socket) -> None:
        while sent := connection.recv(65536):
            for command in re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n", sent):
                connection.sendall(_reply(scene, command.decode(), inert(text_of(sent))))

    return serve


_ERRORS = {
    ("login", "AUTH"): "ERR",
    ("wrong password", "AUTH"): "WRONGPASS",
    ("refused", "SET"): "ERR",
    ("no permission", "GET"): "NOPERM",
}


def _reply(scene: str, command: str, text: str) -> bytes:
    if (scene, command) in _ERRORS:
        return f"-{_ERRORS[scene, command]} {text}\r\n".encode(errors="surrogatepass")
    if command != "INFO":
        return b"+OK\r\n" if command in {"AUTH", "SET"} else b":1\r\n"
    info = {"replica": f"role:slave\r\nmaster_host:{text}", "evicts": f"maxmemory:1\r\nmaxmemory_policy:{text}"}
    content = info.get(scene, "role:master").encode(errors="surrogatepass")
    return b"$%d\r\n%s\r\n" % (len(content), content)


def smtp(scene: str, text_of: TextOf) -> Behaviour:
    """The scene is the command that is refused with the text, in several lines if the text has them."""
    right = {"EHLO": "250-mail.test\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 2.7.0 ok", "QUIT": "221 bye"}

    def serve(connection: socket.socket) -> None:
        received = b""
        _send(connection, "220 mail.test" if scene != "greeting" else _lines(554, text_of(received)))
        for line in connection.makefile("rb"):
            received += line
            command = line.split()[0].decode("latin-1").upper() if line.strip() else ""
            _send(connection, _lines(535, text_of(received)) if command == scene else right.get(command, "250 ok"))

    return serve


def _lines(code: int, text: str) -> str:
    *others, last = [line for line in re.split(r"[\r\n]+", text) if line] or [""]
    return "".join(f"{code}-{line}\r\n" for line in others) + f"{code} {last}"


def _send(connection: socket.socket, line: str) -> None:
    connection.sendall(line.encode(errors="surrogatepass") + b"\r\n")


def postgres(scene: str, text_of: TextOf) -> Behaviour:
    """Requests a cleartext password, unless the scene ends before."""

    def serve(connection: socket.socket) -> None:
        received = connection.recv(65536)
        if scene != "start":
            connection.sendall(_login(3))
            received += connection.recv(65536)
        if scene in {"notice", "query"}:
            about = message(b"S", b"server_version\x0017.0\0") + message(b"K", struct.pack("!II", 1, 2))
            notice = message(b"N", b"SNOTICE\0C00000\0M" + _text(text_of(received)) + b"\0")
            connection.sendall(_login(0) + about + (notice if scene == "notice" else b"") + message(b"Z", b"I"))
            received += connection.recv(65536)
        text = _text(_FORMS.get(scene, "{}").format(text_of(received)))
        connection.sendall(message(b"E", b"SFATAL\0C28P01\0M" + text + b"D" + text + b"\0"))

    return serve


_FORMS = {
    "password": 'password authentication failed for user "{}"',
    "role": 'role "{}" does not exist',
    "hba": 'no pg_hba.conf entry for host "{}", no encryption',
}


def _login(method: int) -> bytes:
    return message(b"R", struct.pack("!I", method))


def _text(text: str) -> bytes:
    return text.replace("\0", "").encode(errors="surrogatepass") + b"\0"


_VERSION = re.compile(r"^/v[\d.]+")


def docker(scene: str, text_of: TextOf) -> Behaviour:
    def serve(connection: socket.socket) -> None:
        while (request := read(connection)).method:
            call = f"{request.method} {_VERSION.sub('', request.target)}"
            connection.sendall(_engine(scene, call, text_of(request.raw)).replace(b"connection: close\r\n", b""))

    return serve


def _engine(scene: str, call: str, text: str) -> bytes:
    about = {"Version": text if scene == "the version" else "26.1", "ApiVersion": "1.45", "Os": "linux"}
    right: Mapping[str, object] = {
        "GET /version": about | {"Arch": "amd64"},
        "GET /networks/": None if scene == "the networks" else {"Name": "n", "Scope": "local"},
        "GET /networks": [{"Name": text}],
        "POST /images/create": None,
        "POST /containers": None,
        "GET /containers": None,
        "DELETE /containers": None,
        "POST /commit": None,
        "POST /volumes": {"Name": "v"},
        "GET /distribution": {"Platforms": [{"os": "linux", "architecture": "amd64"}]},
        "GET /images": {"Id": text},
        "GET /info": {"Name": text, "ID": text, "DockerRootDir": text, "CgroupVersion": "1"},
        "DELETE": {},
    }
    if call.startswith(scene):
        return api(500, {"message": text})
    answer = next(answer for start, answer in right.items() if call.startswith(start))
    return api(404, {"message": text}) if answer is None else api(200, answer)
