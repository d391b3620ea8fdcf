"""The rows of the fault matrix: every kind of check, in each form in which it speaks, made from configuration."""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from checks.core.check import Check, Layer, Status
from checks.net.http import Endpoint
from tests.harness.faults import HTTP_REPLY, Behaviour
from tests.harness.run_check import planned

Place = int | Path
"""Where a server is: a port of loopback, or a Unix socket."""
TERMINAL = "\x9b31m\x1b[2J\x1b]0;owned\x07\u202eecilam\u2066"
"""What no report may hold: it colours, clears a screen, renames a window, and turns text around."""


class Stage(Enum):
    """How far a server is right, until it has its fault."""

    START = auto()  # from its first byte
    HANDSHAKE = auto()  # in its handshake; without TLS, in its first words
    INSIDE = auto()  # in its first words, within TLS where it is spoken


@dataclass(frozen=True)
class Protocol:
    """What servers of a kind say, rightly and wrongly."""

    first: Layer  # the rung on which its first words are awaited
    reply: bytes  # how a right answer begins
    refusal: bytes = b""  # in its own words, with TERMINAL among them
    greets: bool = False  # the server speaks first
    agree: Behaviour | None = None  # what is said before a handshake of TLS, where it is not the first
    plain: Behaviour = lambda connection: _answer(connection, HTTP_REPLY)  # a server without TLS that meets one


@dataclass(frozen=True)
class Row:
    """One kind in one form, by the settings that make its check; `{host}` and `{place}` in them are the server's."""

    name: str
    protocol: Protocol
    check: str
    settings: Mapping[str, object]
    keys: tuple[str, ...]  # that hold the address
    tls: bool = False
    worst: Status = Status.FAIL
    pointed: Callable[[str, Place], Mapping[str, object]] = lambda _host, _place: {}  # what no setting says

    @property
    def kind(self) -> str:
        return self.name.partition(",")[0]

    @property
    def is_local(self) -> bool:
        """Whether it is reached over a Unix socket."""
        return self.kind == "docker"

    @property
    def begins_plain(self) -> bool:
        """Whether the first byte is one of plaintext."""
        return not self.tls or self.protocol.agree is not None

    def agree(self, connection: socket.socket) -> None:
        """All that a server says before a handshake of TLS."""
        if self.protocol.agree:
            self.protocol.agree(connection)

    @property
    def greets_plain(self) -> bool:
        """Whether the server speaks first, without TLS."""
        return self.protocol.greets and self.begins_plain

    def rung(self, stage: Stage) -> Layer:
        """Where the check waits for the server's words at this stage."""
        handshake = Layer.TLS if self.tls else self.protocol.first
        rungs = {
            Stage.START: self.protocol.first if self.greets_plain else handshake,
            Stage.HANDSHAKE: handshake,
            Stage.INSIDE: max(handshake, self.protocol.first, key=list(Layer).index),
        }
        return rungs[stage]

    def at(self, host: str, place: Place) -> Check:
        """The check of a server there."""
        filled = {
            key: value.format(host=host, place=place) if isinstance(value, str) else value
            for key, value in self.settings.items()
        }
        return replace(planned(self.check, filled), **self.pointed(host, place))


def _answer(connection: socket.socket, *replies: bytes) -> None:
    for reply in replies:
        connection.recv(65536)
        connection.sendall(reply)


def _read_lines(connection: socket.socket) -> None:
    """Waits for the end of a line, which a handshake of TLS need not hold."""
    while words := connection.recv(65536):
        if b"\n" in words:
            connection.sendall(b"-ERR unknown command\r\n")


def _be_a_mail_server(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.test ESMTP\r\n")
    while words := connection.recv(65536):
        connection.sendall(b"221 bye\r\n" if words.startswith(b"QUIT") else b"250 mail.test\r\n")


def _agree_to_starttls(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.test ESMTP\r\n")
    _answer(connection, b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go on\r\n")


def _http(status: str, body: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    return head.encode("latin-1") + body.encode()


def _json(status: str, **body: object) -> bytes:
    return _http(status, json.dumps(body), "Content-Type: application/json\r\n")


def _postgres_message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


POSTGRES = Protocol(
    Layer.AUTH,
    reply=_postgres_message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
    refusal=_postgres_message(b"E", f"SFATAL\0C28P01\0Mpassword authentication failed {TERMINAL}\0\0".encode()),
    agree=lambda connection: _answer(connection, b"S"),
    plain=lambda connection: _answer(connection, b"N"),
)
VALKEY = Protocol(
    Layer.AUTH, reply=b"+OK\r\n", refusal=f"-WRONGPASS invalid {TERMINAL}\r\n".encode(), plain=_read_lines
)
SMTP = Protocol(
    Layer.CONNECT,
    reply=b"220 mail.test ESMTP\r\n",
    refusal=f"554 no service {TERMINAL}\r\n".encode(),
    greets=True,
    plain=_be_a_mail_server,
)
STARTTLS = replace(SMTP, agree=_agree_to_starttls)
_XML = TERMINAL.replace("\x1b", "").replace("\x07", "")  # which XML cannot hold
S3 = Protocol(
    Layer.AUTH,
    reply=_http("404 Not Found", "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"),
    refusal=_http("403 Forbidden", f"<Error><Code>InvalidAccessKeyId</Code><Message>{_XML}</Message></Error>"),
)
DOCKER = Protocol(Layer.CONNECT, reply=_json("200 OK", ApiVersion="1.45"), refusal=_json("500 Error", message=TERMINAL))
E2B = Protocol(Layer.AUTH, reply=_json("200 OK", public=True), refusal=_json("401 No", code=401, message=TERMINAL))
ARCHIL = Protocol(
    Layer.AUTH,
    reply=_json("200 OK", success=True, data=[]),
    refusal=_json("401 No", success=False, error=TERMINAL),
)
_ELSEWHERE = _http("302 Found", "", "Location: http://\x9b31m.test/\xad\r\n")
SERVICE = Protocol(Layer.AUTH, reply=_json("200 OK", ok=True), refusal=_ELSEWHERE)
DASHBOARD = Protocol(
    Layer.AUTH, reply=_http("200 OK", "<!doctype html>", "Content-Type: text/html\r\n"), refusal=_ELSEWHERE
)
TUNNEL = Protocol(Layer.AUTH, reply=_http("401 Unauthorized", ""), refusal=_ELSEWHERE)
OTLP = Protocol(Layer.ACCESS, reply=_json("200 OK", partialSuccess={}), refusal=_http("500 Error", TERMINAL))
GOOGLE = Protocol(
    Layer.AUTH,
    reply=_json("400 Bad Request", error="invalid_grant"),
    refusal=_json("401 No", error="invalid_client", error_description=TERMINAL),
)
PUBLISH = Protocol(Layer.TLS, reply=b"")


def _postgres(way: str, sslmode: str) -> Row:
    key = f"postgres.control_plane.{way}_url"
    url = f"postgres://mistle:password@{{host}}:{{place}}/mistle?sslmode={sslmode}"
    return Row(
        f"postgres, {way}, {sslmode}",
        POSTGRES,
        f"postgres.control_plane.{way}",
        {key: url},
        (key,),
        tls=sslmode != "disable",
    )


def _valkey(scheme: str) -> Row:
    url = "kv.data_plane.url"
    settings = {url: f"{scheme}://:password@{{host}}:{{place}}", "kv.data_plane.key_prefix": "mistle"}
    return Row(f"valkey, {scheme}", VALKEY, "kv.data_plane", settings, (url,), tls=scheme == "rediss")


def _store(section: str, scheme: str, style: str, **more: object) -> Row:
    own = {"bucket_name": "mistle-assets", "access_key_id": "key-id", "secret_access_key": "key"} | more
    settings = {f"object_store.{section}.{name}": value for name, value in own.items()}
    endpoint = f"object_store.{section}.endpoint"
    return Row(
        f"object store, {scheme}, {style}",
        S3,
        f"object_store.{section}",
        settings | {endpoint: f"{scheme}://{{host}}:{{place}}"},
        (endpoint,),
        tls=scheme == "https",
    )


def _smtp(form: str, protocol: Protocol, tls: bool) -> Row:
    own = {
        "host": "{host}",
        "port": "{place}",
        "secure": form == "secure",
        "username": "mistle",
        "password": "password",
    }
    settings = {f"email.smtp.{name}": value for name, value in own.items()}
    settings |= {"email.smtp.from_address": "mistle@mistle.test", "global.env": "development"}
    return Row(f"smtp, {form}", protocol, "email.smtp", settings, ("email.smtp.host", "email.smtp.port"), tls)


def _url(kind: str, protocol: Protocol, check: str, key: str, url: str, **more: object) -> Row:
    scheme = url.partition(":")[0]
    worst = Status.WARN if kind == "otlp" else Status.FAIL
    return Row(f"{kind}, {scheme}", protocol, check, {key: url, **more}, (key,), scheme in {"https", "wss"}, worst)


def _provider(kind: str, protocol: Protocol, check: str, settings: Mapping[str, object], key: str) -> Row:
    return Row(
        f"{kind}, https",
        protocol,
        check,
        settings,
        (key,),
        tls=True,
        pointed=lambda host, port: {"endpoint": Endpoint("https", host, port)},
    )


_DOCKER = {
    "sandbox.provider": "docker",
    "sandbox.default_base_image": "mistle/sandbox-base:latest",
    "sandbox.docker.socket_path": "{place}",
}
_TOKEN = {"internal_auth.shared_token.token": "internal-token"}
_CONNECT = {f"sandbox.tokens.connect.{name}": f"connect-{name}" for name in ("secret", "issuer", "audience")}
_E2B = {"sandbox.provider": "e2b", "sandbox.default_base_image": "mistle/sandbox-base:latest"}
_E2B |= {"sandbox.e2b.api_key": "e2b_key", "sandbox.e2b.domain": "e2b.app"}
_ARCHIL = {"sandbox.storage.backend": "archil"}
_ARCHIL |= {"sandbox.storage.archil.api_key": "key-archil", "sandbox.storage.archil.region": "aws-us-east-1"}
_AUTH = "services.control_plane_api.auth"
_GOOGLE: dict[str, object] = {f"{_AUTH}.google.client_id": "id", f"{_AUTH}.google.client_secret": "secret"}
_GOOGLE |= {f"{_AUTH}.enabled_methods": ["google"]}
_MOUNTED = {"sandbox.storage.backend": "archil", "sandbox.storage.archil.mount_object_store": "sandbox_storage"}
_DOMAIN = "sandbox.publish_base_domain"

ROWS: tuple[Row, ...] = (
    *(_postgres(way, sslmode) for way in ("direct", "pooled") for sslmode in ("disable", "verify-full")),
    *(_valkey(scheme) for scheme in ("redis", "rediss")),
    _store("assets", "http", "path style", region="eu-central-1", force_path_style=True),
    _store("assets", "https", "path style", region="eu-central-1", force_path_style=True),
    _store("assets", "https", "bucket in the host name", region="eu-central-1", force_path_style=False),
    _smtp("plaintext", SMTP, tls=False),
    _smtp("STARTTLS", STARTTLS, tls=True),
    _smtp("secure", SMTP, tls=True),
    Row("docker, Unix socket", DOCKER, "sandbox.docker", _DOCKER, ("sandbox.docker.socket_path",)),
    _provider("e2b", E2B, "sandbox.e2b", _E2B, "sandbox.e2b.domain"),
    _provider("archil", ARCHIL, "sandbox.storage.archil", _ARCHIL, "sandbox.storage.archil.region"),
    *(
        _url(
            "service",
            SERVICE,
            "services.control_plane_api.internal",
            "services.control_plane_api.internal_url",
            f"{scheme}://{{host}}:{{place}}",
            **_TOKEN,
        )
        for scheme in ("http", "https")
    ),
    *(
        _url(
            "dashboard",
            DASHBOARD,
            "services.dashboard",
            "services.dashboard.public_url",
            f"{scheme}://{{host}}:{{place}}",
        )
        for scheme in ("http", "https")
    ),
    *(
        _url(
            "tunnel",
            TUNNEL,
            "services.data_plane_gateway.sandbox_ws_internal",
            "services.data_plane_gateway.sandbox_ws_internal_url",
            f"{scheme}://{{host}}:{{place}}/tunnel/sandbox",
            **_CONNECT,
        )
        for scheme in ("ws", "wss")
    ),
    *(
        _url(
            "otlp",
            OTLP,
            "telemetry.traces",
            "telemetry.traces.endpoint",
            f"{scheme}://{{host}}:{{place}}/v1/traces",
            **{"telemetry.enabled": True},
        )
        for scheme in ("http", "https")
    ),
    Row(
        "publish, https",
        PUBLISH,
        _DOMAIN,
        {"global.env": "production", _DOMAIN: "{host}"},
        (_DOMAIN,),
        tls=True,
        pointed=lambda _host, port: {"port": port},
    ),
    _provider("google", GOOGLE, f"{_AUTH}.google", _GOOGLE, f"{_AUTH}.enabled_methods"),
)
