"""The checks that test_attack_deadlines holds up, and the servers that hold them up."""

import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

from checks.core.finding import Layer
from tests.harness import configs, faults

Values = Mapping[str, object]


@dataclass(frozen=True)
class Held:
    """A check that is held up: by what, at which layer, and the settings that point it there."""

    check: str
    where: str
    layer: Layer
    values: Values


SERVICES, GATEWAY = "services", "services.data_plane_gateway"
API = f"{SERVICES}.control_plane_api"
PLANES = ("control_plane", "data_plane")
POSTGRES = {
    "control_plane.direct": ("silence after the login", Layer.ACCESS, "postgres://u:p@{silent_postgres}/d"),
    "control_plane.pooled": ("PgBouncer, and no server behind it", Layer.AUTH, "{bouncer}"),
    "data_plane.direct": ("packets are dropped", Layer.CONNECT, "postgres://u:p@{hole}/d"),
    "data_plane.pooled": ("a login of a byte a second", Layer.AUTH, "postgres://u:p@{dripping_login}/d"),
}
ON_DOCKER = (
    *(
        Held(f"postgres.{name}", where, layer, {f"postgres.{name}_url": url})
        for name, (where, layer, url) in POSTGRES.items()
    ),
    Held("kv.data_plane", "TLS against plaintext", Layer.TLS, {"kv.data_plane.url": "rediss://{valkey}"}),
    Held("kv.control_plane", "TLS against silence", Layer.TLS, {"kv.control_plane.url": "rediss://{silent}"}),
    Held(
        "object_store.assets",
        "a reply of a byte a second",
        Layer.AUTH,
        {"object_store.assets.endpoint": "http://{dripping_reply}", "object_store.assets.force_path_style": True},
    ),
    Held(
        "email.smtp",
        "a greeting of a byte a second",
        Layer.CONNECT,
        {"email.smtp.host": "127.0.0.1", "email.smtp.port": "{dripping_greeting_port}", "email.smtp.secure": False},
    ),
    Held("sandbox.docker", "the engine waits for a registry", Layer.ACCESS, {"sandbox.docker.socket_path": "{docker}"}),
    Held(f"{API}.internal", "a chunked body without end", Layer.AUTH, {f"{API}.internal_url": "http://{endless}"}),
    Held(
        f"{API}.public",
        "a reply of a byte a second",
        Layer.AUTH,
        {f"{API}.public_url": "http://{dripping_reply}"},
    ),
    Held(
        f"{SERVICES}.data_plane_api.internal",
        "silence",
        Layer.AUTH,
        {f"{SERVICES}.data_plane_api.internal_url": "http://{silent}"},
    ),
    Held(f"{GATEWAY}.internal", "packets are dropped", Layer.CONNECT, {f"{GATEWAY}.internal_url": "http://{hole}"}),
    Held(
        f"{SERVICES}.dashboard",
        "a TLS handshake of a byte a second",
        Layer.TLS,
        {f"{SERVICES}.dashboard.public_url": "https://{dripping_hello}"},
    ),
    Held(
        f"{GATEWAY}.sandbox_ws_internal",
        "an upgrade request without a reply",
        Layer.AUTH,
        {f"{GATEWAY}.sandbox_ws_internal_url": "ws://{silent}/tunnel/sandbox"},
    ),
    Held(
        f"{GATEWAY}.sandbox_ws_public",
        "a TLS handshake without a reply",
        Layer.TLS,
        {f"{GATEWAY}.sandbox_ws_public_url": "wss://{silent}/tunnel/sandbox"},
    ),
    Held(
        "telemetry.traces",
        "a chunked body without end",
        Layer.ACCESS,
        {"telemetry.traces.endpoint": "http://{endless}"},
    ),
    Held("telemetry.logs", "packets are dropped", Layer.CONNECT, {"telemetry.logs.endpoint": "http://{hole}"}),
    Held("telemetry.metrics", "a look-up", Layer.DNS, {"telemetry.metrics.endpoint": "http://otel.stuck.test:4318"}),
    Held("sandbox.publish_base_domain", "a look-up", Layer.DNS, {"sandbox.publish_base_domain": "apps.stuck.test"}),
    Held("services.control_plane_api.auth.google", "silence after the TLS handshake", Layer.AUTH, configs.GOOGLE),
)
ON_E2B = (
    Held(
        "object_store.assets",
        "a look-up in boto3's own thread",
        Layer.AUTH,
        {
            "object_store.assets.endpoint": "http://s3.late.test:{silent_port}",
            "object_store.assets.force_path_style": True,
        },
    ),
    Held(
        "object_store.sandbox_storage",
        "silence",
        Layer.AUTH,
        {**configs.MOUNTED, "object_store.sandbox_storage.endpoint": "http://{silent}"},
    ),
    Held("sandbox.e2b", "packets are dropped", Layer.CONNECT, {"sandbox.e2b.domain": "e2b.test:{hole_port}"}),
    Held("sandbox.storage.archil", "silence after the TLS handshake", Layer.AUTH, {}),
)
BY_PROVIDER = {"on Docker": ON_DOCKER, "on E2B": ON_E2B}


@dataclass
class SilentPostgres:
    """Accepts every login, and sends nothing after that."""

    received: list[bytes]

    def __call__(self, connection: socket.socket) -> None:
        self.received.append(connection.recv(65536))
        if self.received[-1]:
            connection.sendall(struct.pack("!cii", b"R", 8, 0) + struct.pack("!cic", b"Z", 5, b"I"))
            faults.read_on(connection)


def dripping(reply: bytes) -> faults.Behaviour:
    """Sends one byte of the reply each second."""

    def drip(connection: socket.socket) -> None:
        for byte in reply:
            connection.sendall(bytes([byte]))
            time.sleep(1)
        faults.read_on(connection)

    return drip


def endless(connection: socket.socket) -> None:
    """Sends a chunked body without a last chunk."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\n \r\n")
        time.sleep(0.2)


BEHAVIOURS: Mapping[str, faults.Behaviour] = {
    "silent": faults.read_on,
    "endless": endless,
    "dripping_login": dripping(struct.pack("!cii", b"R", 8, 3)),
    "dripping_reply": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "dripping_hello": dripping(bytes.fromhex("160303007a020000760303")),
    "dripping_greeting": dripping(b"220 mail.test ESMTP\r\n"),
}
