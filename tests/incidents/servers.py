"""Faults of servers, secrets and the configuration, each made by a function."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from preflight.demo.servers.mistle import Gateway, control_plane_api, data_plane_api
from preflight.demo.servers.otlp import collector
from tests.harness import faults
from tests.incidents.bench import (
    API,
    BOOTSTRAP_TOKEN,
    CONNECT,
    DATA_API,
    DATA_DIRECT,
    DATA_POOLED,
    DIRECT,
    GATEWAY,
    KV,
    LOGS,
    POOLED,
    PUBLIC_API,
    PUBLIC_TUNNEL,
    STORE,
    TUNNEL,
    Bench,
    Values,
    closed_ports,
    otlp_at,
    postgres_at,
    service_at,
    valkey_at,
)
from tests.testbed import pgbouncer_server, swift_object_store, valkey_server
from tests.testbed.object_store import SWIFT_OWNER, SWIFT_REGION
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.web import web_server

# Certificates and the clock


def authority(bench: Bench) -> Mapping[str, Values]:
    port = bench.start(web_server(collector(), bench.authority.leaf())).port
    return otlp_at(f"https://localhost:{port}") | otlp_at(f"https://127.0.0.1:{port}", LOGS)


def clock(bench: Bench) -> Mapping[str, Values]:
    store = bench.start(swift_object_store(clock="+2h"))
    login = {"access_key_id": SWIFT_OWNER.access_key_id, "secret_access_key": SWIFT_OWNER.secret_access_key}
    place = {"endpoint": store.url, "bucket_name": "mistle", "region": SWIFT_REGION, "force_path_style": True}
    port = bench.start(web_server(collector(), bench.authority.not_yet_valid())).port
    values: Values = {f"object_store.assets.{name}": value for name, value in (place | login).items()}
    return {STORE: values} | otlp_at(f"https://localhost:{port}")


def certain_clock(bench: Bench) -> Mapping[str, Values]:
    """A second server tells the same time as the store."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)

    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    port = bench.start(faults.http_port(f"{head}\r\n{{}}".encode()))
    return dict(clock(bench)) | otlp_at(f"http://127.0.0.1:{port}", LOGS)


# Secrets


def password(bench: Bench) -> Mapping[str, Values]:
    user = f"{bench.postgres.name}:an-older-password"
    address = f"127.0.0.1:{bench.postgres.port}"
    return postgres_at(address, DIRECT, user) | postgres_at(address, DATA_POOLED, user)


def token(bench: Bench) -> Mapping[str, Values]:
    apps = {API: control_plane_api(), DATA_API: data_plane_api()}
    ports = {check: bench.start(web_server(app)).port for check, app in apps.items()}
    return {name: service_at(name, port, "another-token-of-32-characters-0")[name] for name, port in ports.items()}


def connect_token(bench: Bench) -> Mapping[str, Values]:
    """Both URLs lead to one gateway, by two names."""
    port = bench.start(web_server(Gateway().application())).port
    hosts = {TUNNEL: "127.0.0.1", PUBLIC_TUNNEL: "localhost"}
    return {check: {f"{check}_url": f"ws://{host}:{port}/tunnel/sandbox"} for check, host in hosts.items()}


# What Mistle needs


def gateway_without_valkey(bench: Bench) -> Mapping[str, Values]:
    """The gateway does not start."""
    (valkey,) = closed_ports(bench, 1)
    gateway = Gateway(valkey=f"redis://127.0.0.1:{valkey}").application()
    port = bench.start(web_server(gateway)).port
    return valkey_at(f"127.0.0.1:{valkey}") | service_at(GATEWAY, port) | healthy_postgres(bench)


def gateway_that_lost_valkey(bench: Bench) -> Mapping[str, Values]:
    with valkey_server() as server:
        gateway = Gateway(valkey=server.url()).application()
        port = bench.start(web_server(gateway)).port
        values = {KV: {"kv.data_plane.url": server.url()}} | service_at(GATEWAY, port)
    return values | healthy_postgres(bench)


def api_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    api = control_plane_api(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle")
    return postgres_at(f"127.0.0.1:{port}") | service_at(API, bench.start(web_server(api)).port)


def data_api_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    api = data_plane_api(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle")
    return postgres_at(f"127.0.0.1:{port}", DATA_DIRECT) | service_at(DATA_API, bench.start(web_server(api)).port)


def api_without_data_api(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    api = control_plane_api(data_plane=f"http://127.0.0.1:{port}")
    return service_at(DATA_API, port) | service_at(API, bench.start(web_server(api)).port)


def tunnel_without_postgres(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    gateway = Gateway(postgres=f"postgresql://u:p@127.0.0.1:{port}/mistle").application()
    url = f"ws://127.0.0.1:{bench.start(web_server(gateway)).port}/tunnel/sandbox"
    return postgres_at(f"127.0.0.1:{port}", DATA_DIRECT) | {TUNNEL: {f"{TUNNEL}_url": url} | CONNECT | BOOTSTRAP_TOKEN}


def public_api(bench: Bench) -> Mapping[str, Values]:
    internal, public = closed_ports(bench, 2)
    url = f"http://127.0.0.1:{public}"
    return service_at(API, internal) | {PUBLIC_API: {f"{PUBLIC_API}_url": url}} | healthy_postgres(bench)


def one_certificate(bench: Bench) -> Mapping[str, Values]:
    url = f"https://localhost:{bench.start(web_server(collector(), bench.authority.expired())).port}"
    return otlp_at(url) | otlp_at(url, LOGS)


def suspect_clock(bench: Bench) -> Mapping[str, Values]:
    """No server tells its time."""
    one, other = (bench.start(web_server(collector(), bench.authority.not_yet_valid())).port for _ in range(2))
    return otlp_at(f"https://localhost:{one}") | otlp_at(f"https://127.0.0.1:{other}", LOGS)


def tunnel_without_gateway(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    url = f"ws://127.0.0.1:{port}/tunnel/sandbox"
    return service_at(GATEWAY, port) | {TUNNEL: {f"{TUNNEL}_url": url}} | healthy_postgres(bench)


def pooler_without_server(bench: Bench) -> Mapping[str, Values]:
    pooler = bench.start(pgbouncer_server(NOWHERE))
    (port,) = closed_ports(bench, 1)
    pooled: Values = {f"{POOLED}_url": pooler.url()}
    return postgres_at(f"127.0.0.1:{port}") | {POOLED: pooled}


def healthy_postgres(bench: Bench) -> dict[str, Values]:
    """Something that works at 127.0.0.1: the host is up."""
    return {DATA_DIRECT: {f"{DATA_DIRECT}_url": bench.postgres.url()}}


# The configuration


def broken_key(_: Bench) -> Mapping[str, Values]:
    return {KV: {"kv.data_plane.url": "http://kv:6379"}}


def misspelled(_: Bench) -> Mapping[str, Values]:
    return {KV: {"kv.data_plane.url": None, "kv.data_plane.ulr": "redis://kv:6379"}}
