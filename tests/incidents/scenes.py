"""Deployments with one fault each, on real servers; and the incident that the report must name."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from preflight.demo.servers.mistle import TOKEN, Gateway, control_plane_api, data_plane_api
from preflight.demo.servers.otlp import collector
from preflight.demo.servers.tunnel import BOOTSTRAP, Signature
from tests.harness import faults
from tests.harness.networks import in_own_network
from tests.testbed import Authority, Postgres, Valkey, pgbouncer_server, swift_object_store, valkey_server
from tests.testbed.names import name_server, with_files
from tests.testbed.object_store import SWIFT_OWNER, SWIFT_REGION
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.web import web_server

SIGNED = ("secret", "issuer", "audience")
DIRECT, POOLED = "postgres.control_plane.direct", "postgres.control_plane.pooled"
DATA_DIRECT, DATA_POOLED = "postgres.data_plane.direct", "postgres.data_plane.pooled"
KV, SMTP, STORE = "kv.data_plane", "email.smtp", "object_store.assets"
API, DATA_API = "services.control_plane_api.internal", "services.data_plane_api.internal"
GATEWAY = "services.data_plane_gateway.internal"
TUNNEL, PUBLIC_TUNNEL = (f"services.data_plane_gateway.sandbox_ws_{way}" for way in ("internal", "public"))
TRACES, LOGS = "telemetry.traces", "telemetry.logs"
PUBLIC_API = "services.control_plane_api.public"
CONNECT: dict[str, object] = {f"sandbox.tokens.connect.{name}": getattr(Signature(), name) for name in SIGNED}
BOOTSTRAP_TOKEN: dict[str, object] = {f"sandbox.tokens.bootstrap.{name}": getattr(BOOTSTRAP, name) for name in SIGNED}
OTHER_HOST = "127.0.0.9"
HOMES = "198.51.100.1", "198.51.100.2"
Values = dict[str, object]
Inside = Callable[[Callable[[], Any]], Any]
Make = Callable[["Bench"], Mapping[str, Values]]


@dataclass
class Bench:
    """The servers that a scene may use; what it starts ends with ``stack``."""

    postgres: Postgres
    valkey: Valkey
    authority: Authority
    stack: ExitStack

    def start(self, manager: Any) -> Any:
        """Start a server for the time of the scene."""
        return self.stack.enter_context(manager)


def directly(function: Callable[[], Any]) -> Any:
    """Call it here."""
    return function()


@dataclass(frozen=True)
class Scene:
    """``make`` makes the fault, and returns the keys' values, by the name of the check. ``root``: the cause's id;
    ``of``: its check, where it is a finding. ``explains``: what follows.
    """

    name: str
    make: Make
    root: str
    explains: frozenset[tuple[str, str]]
    certain: bool = False
    of: str = ""
    inside: Inside = directly
    needs_root: bool = False
    is_quick: bool = True
    also: frozenset[str] = frozenset()  # ids of other incidents that the same fault has
    limit: float = 5.0
    is_trusted: bool = False  # the authority of the certificates


def both(check: str, *others: str, id_: str) -> frozenset[tuple[str, str]]:
    """These checks, each with this finding."""
    return frozenset((name, id_) for name in (check, *others))


def postgres_at(address: str, check: str = DIRECT, user: str = "u:p") -> dict[str, Values]:
    return {check: {f"{check}_url": f"postgresql://{user}@{address}/mistle"}}


def valkey_at(address: str) -> dict[str, Values]:
    return {KV: {"kv.data_plane.url": f"redis://{address}"}}


def smtp_at(host: str, port: int) -> dict[str, Values]:
    return {SMTP: {"email.smtp.host": host, "email.smtp.port": port, "email.smtp.secure": False}}


def otlp_at(url: str, check: str = TRACES) -> dict[str, Values]:
    return {check: {"telemetry.enabled": True, f"{check}.endpoint": f"{url}/v1/{check.rpartition('.')[2]}"}}


def service_at(check: str, port: int, token: str = TOKEN) -> dict[str, Values]:
    url = f"http://127.0.0.1:{port}"
    return {check: {f"{check}_url": url, "internal_auth.shared_token.token": token}}


def _ports(bench: Bench, count: int) -> list[int]:
    return [bench.start(faults.refused_port()) for _ in range(count)]


# The network


def _host_refuses(bench: Bench) -> Mapping[str, Values]:
    first, second = _ports(bench, 2)
    return postgres_at(f"{OTHER_HOST}:{first}") | valkey_at(f"{OTHER_HOST}:{second}")


def _host_silent(bench: Bench) -> Mapping[str, Values]:
    first, second = (bench.start(faults.black_hole(OTHER_HOST)) for _ in range(2))
    return postgres_at(f"{OTHER_HOST}:{first}") | valkey_at(f"{OTHER_HOST}:{second}")


def _no_route(_: Bench) -> Mapping[str, Values]:
    return postgres_at(f"{HOMES[0]}:5432") | valkey_at(f"{HOMES[1]}:6379") | smtp_at(HOMES[1], 587)


def _names_of_two_domains(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.one.test:5432") | valkey_at("kv.two.test:6379")


def _names_of_one_domain(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.zone.test:5432") | valkey_at("kv.zone.test:6379")


def _names_without_domain(_: Bench) -> Mapping[str, Values]:
    return postgres_at("mistle-db:5432") | valkey_at("mistle-kv:6379")


def _one_name(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.zone.test:5432") | valkey_at("db.zone.test:6379")


def no_name_server(function: Callable[[], Any]) -> Any:
    """Nothing listens at the address of the name server."""
    conf = b"nameserver 127.0.0.9\noptions timeout:1 attempts:1\n"
    return with_files({"/etc/resolv.conf": conf}, function)


def name_server_without_zone(function: Callable[[], Any]) -> Any:
    """A name server that knows no name of the tests."""
    with name_server({"known.other": ["127.0.0.1"]}) as server:
        return server.asked_by(function)


def no_route(function: Callable[[], Any]) -> Any:
    """A network that leads nowhere."""
    return in_own_network("192.0.2.7", function)


def _one_port(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    address = f"{OTHER_HOST}:{port}"
    return postgres_at(address) | postgres_at(address, DATA_DIRECT)


# Certificates and the clock


def _authority(bench: Bench) -> Mapping[str, Values]:
    port = bench.start(web_server(collector(), bench.authority.leaf())).port
    return otlp_at(f"https://localhost:{port}") | otlp_at(f"https://127.0.0.1:{port}", LOGS)


def _clock(bench: Bench) -> Mapping[str, Values]:
    store = bench.start(swift_object_store(clock="+2h"))
    login = {"access_key_id": SWIFT_OWNER.access_key_id, "secret_access_key": SWIFT_OWNER.secret_access_key}
    place = {"endpoint": store.url, "bucket_name": "mistle", "region": SWIFT_REGION, "force_path_style": True}
    port = bench.start(web_server(collector(), bench.authority.not_yet_valid())).port
    values: Values = {f"object_store.assets.{name}": value for name, value in (place | login).items()}
    return {STORE: values} | otlp_at(f"https://localhost:{port}")


# Secrets


def _password(bench: Bench) -> Mapping[str, Values]:
    user = f"{bench.postgres.name}:an-older-password"
    address = f"127.0.0.1:{bench.postgres.port}"
    return postgres_at(address, DIRECT, user) | postgres_at(address, DATA_POOLED, user)


def _token(bench: Bench) -> Mapping[str, Values]:
    apps = {API: control_plane_api(), DATA_API: data_plane_api()}
    ports = {check: bench.start(web_server(app)).port for check, app in apps.items()}
    return {name: service_at(name, port, "another-token-of-32-characters-0")[name] for name, port in ports.items()}


def _connect_token(bench: Bench) -> Mapping[str, Values]:
    port = bench.start(web_server(Gateway().application())).port
    url = f"ws://127.0.0.1:{port}/tunnel/sandbox"
    return {check: {f"{check}_url": url} for check in (TUNNEL, PUBLIC_TUNNEL)}


# What Mistle needs


def _gateway_without_valkey(bench: Bench) -> Mapping[str, Values]:
    """The gateway does not start."""
    (valkey,) = _ports(bench, 1)
    gateway = Gateway(valkey=f"redis://127.0.0.1:{valkey}").application()
    port = bench.start(web_server(gateway)).port
    return valkey_at(f"127.0.0.1:{valkey}") | service_at(GATEWAY, port) | _healthy_postgres(bench)


def _gateway_that_lost_valkey(bench: Bench) -> Mapping[str, Values]:
    with valkey_server() as server:
        gateway = Gateway(valkey=server.url()).application()
        port = bench.start(web_server(gateway)).port
        values = {KV: {"kv.data_plane.url": server.url()}} | service_at(GATEWAY, port)
    return values | _healthy_postgres(bench)


def _api_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    api = control_plane_api(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle")
    return postgres_at(f"127.0.0.1:{port}") | service_at(API, bench.start(web_server(api)).port)


def _data_api_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    api = data_plane_api(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle")
    return postgres_at(f"127.0.0.1:{port}", DATA_DIRECT) | service_at(DATA_API, bench.start(web_server(api)).port)


def _api_without_data_api(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    api = control_plane_api(data_plane=f"http://127.0.0.1:{port}")
    return service_at(DATA_API, port) | service_at(API, bench.start(web_server(api)).port)


def _tunnel_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    gateway = Gateway(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle").application()
    url = f"ws://127.0.0.1:{bench.start(web_server(gateway)).port}/tunnel/sandbox"
    return postgres_at(f"127.0.0.1:{port}", DATA_DIRECT) | {TUNNEL: {f"{TUNNEL}_url": url} | CONNECT | BOOTSTRAP_TOKEN}


def _public_api(bench: Bench) -> Mapping[str, Values]:
    internal, public = _ports(bench, 2)
    url = f"http://127.0.0.1:{public}"
    return service_at(API, internal) | {PUBLIC_API: {f"{PUBLIC_API}_url": url}} | _healthy_postgres(bench)


def _one_certificate(bench: Bench) -> Mapping[str, Values]:
    url = f"https://localhost:{bench.start(web_server(collector(), bench.authority.expired())).port}"
    return otlp_at(url) | otlp_at(url, LOGS)


def _suspect_clock(bench: Bench) -> Mapping[str, Values]:
    """No server tells its time."""
    one, other = (bench.start(web_server(collector(), bench.authority.not_yet_valid())).port for _ in range(2))
    return otlp_at(f"https://localhost:{one}") | otlp_at(f"https://127.0.0.1:{other}", LOGS)


def _tunnel_without_gateway(bench: Bench) -> Mapping[str, Values]:
    (port,) = _ports(bench, 1)
    url = f"ws://127.0.0.1:{port}/tunnel/sandbox"
    return service_at(GATEWAY, port) | {TUNNEL: {f"{TUNNEL}_url": url}} | _healthy_postgres(bench)


def _pooler_without_server(bench: Bench) -> Mapping[str, Values]:
    pooler = bench.start(pgbouncer_server(NOWHERE))
    (port,) = _ports(bench, 1)
    pooled: Values = {f"{POOLED}_url": pooler.url()}
    return postgres_at(f"127.0.0.1:{port}") | {POOLED: pooled}


def _healthy_postgres(bench: Bench) -> dict[str, Values]:
    """Something that works at 127.0.0.1: the host is up."""
    return {DATA_DIRECT: {f"{DATA_DIRECT}_url": bench.postgres.url()}}


# The configuration


def _broken_key(_: Bench) -> Mapping[str, Values]:
    return {KV: {"kv.data_plane.url": "http://kv:6379"}}


def _misspelled(_: Bench) -> Mapping[str, Values]:
    return {KV: {"kv.data_plane.url": None, "kv.data_plane.ulr": "redis://kv:6379"}}


SCENES = (
    Scene("host refuses", _host_refuses, "incident.host-down", both(DIRECT, KV, id_="network.refused")),
    Scene(
        "host is silent",
        _host_silent,
        "incident.host-down",
        both(DIRECT, KV, id_="network.timeout"),
        certain=True,
        limit=2,
    ),
    Scene(
        "no route",
        _no_route,
        "incident.no-network",
        both(DIRECT, KV, SMTP, id_="network.unreachable"),
        certain=True,
        inside=no_route,
        needs_root=True,
    ),
    Scene(
        "no name server",
        _names_of_two_domains,
        "incident.name-server",
        both(DIRECT, KV, id_="network.dns-failed"),
        certain=True,
        inside=no_name_server,
        needs_root=True,
    ),
    Scene(
        "no name server, one domain",
        _names_of_one_domain,
        "incident.name-server",
        both(DIRECT, KV, id_="network.dns-failed"),
        inside=no_name_server,
        needs_root=True,
        is_quick=False,
    ),
    Scene(
        "no zone",
        _names_of_one_domain,
        "incident.zone",
        both(DIRECT, KV, id_="network.name-not-found"),
        inside=name_server_without_zone,
        needs_root=True,
    ),
    Scene(
        "names of another network",
        _names_without_domain,
        "incident.zone",
        both(DIRECT, KV, id_="network.name-not-found"),
        inside=name_server_without_zone,
        needs_root=True,
        is_quick=False,
    ),
    Scene(
        "one unknown name",
        _one_name,
        "network.name-not-found",
        both(KV, id_="network.name-not-found"),
        certain=True,
        of=DIRECT,
        inside=name_server_without_zone,
        needs_root=True,
    ),
    Scene(
        "one closed port",
        _one_port,
        "network.refused",
        both(DATA_DIRECT, id_="network.refused"),
        certain=True,
        of=DIRECT,
    ),
    Scene("private authority", _authority, "incident.private-authority", both(TRACES, LOGS, id_="tls.untrusted")),
    Scene(
        "wrong clock",
        _clock,
        "incident.clock",
        frozenset({(STORE, "object-store.clock-skew"), (TRACES, "tls.not-yet-valid")}),
        is_trusted=True,
        is_quick=False,
    ),
    Scene(
        "changed password",
        _password,
        "incident.password-changed",
        both(DIRECT, DATA_POOLED, id_="postgres.password-rejected"),
    ),
    Scene("another token", _token, "incident.token-wrong-here", both(API, DATA_API, id_="http.token-rejected")),
    Scene(
        "another connect token",
        _connect_token,
        "tunnel.token-rejected",
        both(PUBLIC_TUNNEL, id_="tunnel.token-rejected"),
        certain=True,
        of=TUNNEL,
    ),
    Scene(
        "gateway without Valkey",
        _gateway_without_valkey,
        "network.refused",
        both(GATEWAY, id_="network.refused"),
        of=KV,
    ),
    Scene(
        "tunnel without gateway",
        _tunnel_without_gateway,
        "network.refused",
        both(TUNNEL, id_="network.refused"),
        certain=True,
        of=GATEWAY,
    ),
    Scene(
        "pooler without server",
        _pooler_without_server,
        "network.refused",
        both(POOLED, id_="postgres.pooler-backend-down"),
        certain=True,
        of=DIRECT,
    ),
    Scene(
        "gateway that lost Valkey",
        _gateway_that_lost_valkey,
        "network.refused",
        both(GATEWAY, id_="gateway.valkey-unreachable"),
        of=KV,
        is_quick=False,
        limit=10,
    ),
    Scene(
        "API without Postgres",
        _api_without_postgres,
        "network.refused",
        both(API, id_="control-plane-api.postgres-unreachable"),
        of=DIRECT,
    ),
    Scene(
        "data-plane API without Postgres",
        _data_api_without_postgres,
        "network.refused",
        both(DATA_API, id_="data-plane-api.postgres-unreachable"),
        of=DATA_DIRECT,
        is_quick=False,
    ),
    Scene(
        "API without data-plane API",
        _api_without_data_api,
        "network.refused",
        both(API, id_="control-plane-api.data-plane-unreachable"),
        of=DATA_API,
        is_quick=False,
    ),
    Scene(
        "tunnel without Postgres",
        _tunnel_without_postgres,
        "network.refused",
        both(TUNNEL, id_="gateway.postgres-unreachable"),
        of=DATA_DIRECT,
        is_quick=False,
    ),
    Scene(
        "API that is down",
        _public_api,
        "network.refused",
        both(PUBLIC_API, id_="network.refused"),
        of=API,
        is_quick=False,
    ),
    Scene(
        "one expired certificate",
        _one_certificate,
        "tls.expired",
        both(LOGS, id_="tls.expired"),
        certain=True,
        is_trusted=True,
        of=TRACES,
        is_quick=False,
    ),
    Scene(
        "suspect clock",
        _suspect_clock,
        "tls.clock-suspect",
        both(TRACES, LOGS, id_="tls.not-yet-valid"),
        is_trusted=True,
        of=TRACES,
    ),
    Scene("broken key", _broken_key, "config.wrong-scheme", both(KV, id_="valkey.config"), certain=True, of="config"),
    Scene(
        "misspelled key",
        _misspelled,
        "config.unknown-key",
        frozenset({("config", "config.missing"), (KV, "valkey.config")}),
        of="config",
    ),
)


def by_name(name: str) -> Scene:
    """The scene of this name."""
    return next(scene for scene in SCENES if scene.name == name)
