"""A complete deployment of real servers, each URL of its configuration behind a proxy; and their contents."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from preflight.demo.servers.mistle import TOKEN, Gateway, control_plane_api, dashboard, data_plane_api
from preflight.demo.servers.otlp import collector
from preflight.demo.servers.publishing import Publishing
from preflight.demo.servers.tunnel import BOOTSTRAP, Signature
from tests.harness import configs
from tests.harness.recording_proxy import LOOPBACK, Address, Listen, RecordingProxy, recording_proxies
from tests.testbed import (
    Engine,
    ObjectStore,
    PgBouncer,
    Postgres,
    Smtp,
    Valkey,
    image_registry,
    pgbouncer_server,
    postgres_server,
    valkey_server,
)
from tests.testbed.containers import Server
from tests.testbed.object_store import BUCKET, MINIMAL
from tests.testbed.pgbouncer import SUPERUSER, SUPERUSER_PASSWORD
from tests.testbed.smtp import ADDRESS, PASSWORD, USER
from tests.testbed.web import web_server

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path(__file__).parents[2] / "preflight/demo/migrations.sql"
MASTER_KEY = "local-master-key-1-e0b4a97d36c1582f"
"""The key that encrypts the credential of the migrations."""
VALKEY_PASSWORD = "s3cret-of-valkey"
NETWORK, IMAGE, HELPER = "mistle-sandboxes", "mistle/sandbox-base:latest", "alpine:3.20"
SIGNALS = ("traces", "logs", "metrics")
ROWS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("postgres", "pgbouncer"), ("`postgres`",)),
    "valkey": ("`valkey`",),
    "store": ("`object_store`",),
    "smtp": ("`smtp`",),
    "engine": ("`docker`",),
    "control_plane_api": ("`http_service`, control-plane API",),
    "data_plane_api": ("`http_service`, data-plane API",),
    "gateway": ("`http_service`, gateway", "`publish`, gateway"),
    **dict.fromkeys(("public API", "dashboard"), ("`http_service`, public",)),
    "tunnel": ("`tunnel`",),
    **dict.fromkeys(SIGNALS, ("`otlp`",)),
}
"""The first cells of SECURITY.md for the server behind each proxy."""
PATIENT = ("--timeout", "200", "--deadline", "300")
"""Flags for runs that share one machine with all the servers, and with each other."""


@dataclass(frozen=True)
class Servers:
    """The servers of a deployment. Postgres runs no autovacuum: only its clients write in it."""

    postgres: Postgres
    pgbouncer: PgBouncer
    valkey: Valkey
    registry: Server
    store: ObjectStore
    smtp: Smtp
    engine: Engine


@contextmanager
def servers(store: ObjectStore, smtp: Smtp, engine: Engine) -> Iterator[Servers]:
    """The servers: those of the suite that can be shared, and new ones."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(autovacuum="off"))
        postgres.sql("CREATE EXTENSION pg_walinspect")
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(MIGRATIONS.read_bytes())
        pooler = stack.enter_context(pgbouncer_server(postgres.address, admin_users=SUPERUSER))
        valkey = stack.enter_context(valkey_server(requirepass=VALKEY_PASSWORD))
        registry = stack.enter_context(image_registry())
        engine.make_image(HELPER)
        engine.push(f"{registry.address}/{IMAGE}")
        yield Servers(postgres, pooler, valkey, registry, store, smtp, engine)


@dataclass(frozen=True)
class FullDeployment:
    """``proxies`` by the name of the server behind each."""

    servers: Servers
    proxies: Mapping[str, RecordingProxy]
    gateway: Gateway
    values: Mapping[str, object]
    config: Path
    roots: Path

    def start(self, *arguments: object, **environ: str) -> "subprocess.Popen[str]":
        """Start a preflight of this deployment."""
        return preflight("--config", self.config, "--ca-file", self.roots, *arguments, **environ)

    def contents(self) -> dict[str, object]:
        """The contents of all servers, and their clients."""
        return {name: look(self) for name, look in CONTENTS.items()}


def preflight(*arguments: object, **environ: str) -> "subprocess.Popen[str]":
    """Start the command as an operator does."""
    return subprocess.Popen(
        [sys.executable, "-m", "preflight.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def full_deployment(
    servers: Servers, authority: bytes, folder: Path, listen: Listen | None = None
) -> Iterator[FullDeployment]:
    """`folder` is for the configuration and the `authority`'s certificate; `listen` as for `recording_proxies`."""
    with ExitStack() as stack:
        gateway, origins = Gateway(valkey=servers.valkey.url(VALKEY_PASSWORD), patience=60.0), list[str]()
        apps = {
            "dashboard": dashboard(lambda: _url(made["public API"])),
            "control_plane_api": control_plane_api(trusted_origins=origins),
            "data_plane_api": data_plane_api(),
            "gateway": gateway.application(),
            "collector": collector(),
        }
        webs = {name: stack.enter_context(web_server(app)).port for name, app in apps.items()}
        made = stack.enter_context(recording_proxies(_upstreams(servers, webs), listen))
        origins.append(_url(made["dashboard"]))
        client = stack.enter_context(closing(servers.engine.client()))
        network = client.networks.create(NETWORK, internal=True, options={"com.docker.network.bridge.name": "whole"})
        stack.callback(network.remove)
        stack.enter_context(_existing_data(servers))
        values = _values(servers, made)
        roots = folder / "roots.pem"
        roots.write_bytes(authority)
        yield FullDeployment(servers, made, gateway, values, configs.write(folder, values), roots)


@contextmanager
def _existing_data(servers: Servers) -> Iterator[None]:
    """A key, an object and a volume, each where a preflight writes its own."""
    store = servers.store.client()
    with servers.valkey.client(VALKEY_PASSWORD) as client, closing(servers.engine.client()) as engine:
        client.set("mistle:lease", "held")
        store.put_object(Bucket=BUCKET, Key="mistle-preflight/kept", Body=b"kept")
        volume = engine.volumes.create("mistle-kept")
        yield
        volume.remove()
        store.delete_object(Bucket=BUCKET, Key="mistle-preflight/kept")


def _upstreams(servers: Servers, webs: Mapping[str, int]) -> dict[str, Address]:
    ports = {
        "postgres": servers.postgres.port,
        "pgbouncer": servers.pgbouncer.port,
        "valkey": servers.valkey.port,
        "store": servers.store.port,
        "smtp": servers.smtp.ports["starttls"],
        **webs,
        "public API": webs["control_plane_api"],
        "tunnel": webs["gateway"],
        **dict.fromkeys(SIGNALS, webs["collector"]),
    }
    del ports["collector"]
    return {name: (LOOPBACK, port) for name, port in ports.items()} | {"engine": servers.engine.socket}


def _url(proxy: RecordingProxy, scheme: str = "http") -> str:
    return f"{scheme}://{LOOPBACK}:{proxy.port}"


def _values(servers: Servers, made: Mapping[str, RecordingProxy]) -> dict[str, object]:
    def through(proxy: str, url: str) -> str:
        server: Server = getattr(servers, proxy)
        return url.replace(f":{server.port}/", f":{made[proxy].port}/")

    direct, pooled = (through(name, getattr(servers, name).url()) for name in ("postgres", "pgbouncer"))
    tunnel = f"{_url(made['tunnel'], 'ws')}/tunnel/sandbox"
    publishing = Publishing()
    return {
        "telemetry.enabled": True,
        **{f"telemetry.{signal}.endpoint": f"{_url(made[signal])}/v1/{signal}" for signal in SIGNALS},
        "services.dashboard.public_url": _url(made["dashboard"]),
        "services.dashboard.control_plane_api_origin": _url(made["public API"]),
        "services.control_plane_api.public_url": _url(made["public API"]),
        "services.control_plane_api.internal_url": _url(made["control_plane_api"]),
        "services.control_plane_api.auth.trusted_origins": [_url(made["dashboard"])],
        f"{configs.MASTER_KEYS}.1": MASTER_KEY,
        "services.data_plane_api.internal_url": _url(made["data_plane_api"]),
        "services.data_plane_gateway.internal_url": _url(made["gateway"]),
        "services.data_plane_gateway.sandbox_ws_public_url": tunnel,
        "services.data_plane_gateway.sandbox_ws_internal_url": tunnel,
        **{f"postgres.{plane}.direct_url": direct for plane in ("control_plane", "data_plane")},
        **{f"postgres.{plane}.pooled_url": pooled for plane in ("control_plane", "data_plane")},
        "kv.data_plane.url": through("valkey", servers.valkey.url(VALKEY_PASSWORD)),
        "object_store.assets.bucket_name": BUCKET,
        "object_store.assets.region": "us-east-1",
        "object_store.assets.endpoint": _url(made["store"]),
        "object_store.assets.force_path_style": True,
        "object_store.assets.access_key_id": MINIMAL.access_key_id,
        "object_store.assets.secret_access_key": MINIMAL.secret_access_key,
        "email.smtp.from_address": ADDRESS,
        "email.smtp.host": LOOPBACK,
        "email.smtp.port": made["smtp"].port,
        "email.smtp.secure": False,
        "email.smtp.username": USER,
        "email.smtp.password": PASSWORD,
        "internal_auth.shared_token.token": TOKEN,
        "sandbox.default_base_image": f"{servers.registry.address}/{IMAGE}",
        "sandbox.publish_base_domain": publishing.base_domain,
        "sandbox.docker.socket_path": made["engine"].path,
        "sandbox.docker.network_name": NETWORK,
        "sandbox.storage.docker_volume": None,
        "sandbox.storage.docker_volume.name_prefix": "mistle-",
        **_signing("sandbox.tokens.connect", Signature()),
        **_signing("sandbox.tokens.bootstrap", BOOTSTRAP),
        **_signing("sandbox.publish.access_token", publishing.access),
        "sandbox.publish.session.cookie_signing_secret": publishing.cookie_secret,
    }


def _signing(section: str, signature: Signature) -> dict[str, object]:
    return {f"{section}.{name}": getattr(signature, name) for name in ("secret", "issuer", "audience")}


# Rows are not compared: a client that writes one needs a transaction id.
_RELATIONS = "SELECT count(*), max(oid::bigint), pg_snapshot_xmax(pg_current_snapshot())::text FROM pg_class GROUP BY 3"
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'mistle' AND client_addr <> %s::inet"


def _relations(of: FullDeployment) -> object:
    return of.servers.postgres.sql(_RELATIONS, database="mistle")


def _sessions(of: FullDeployment) -> object:
    """Without those of the pooler, which stay longer than their clients."""
    pooler, _, _ = of.servers.pgbouncer.address.partition(":")
    return of.servers.postgres.sql(_SESSIONS, pooler)


def _clients(of: FullDeployment) -> object:
    url = of.servers.pgbouncer.url(SUPERUSER, SUPERUSER_PASSWORD, "pgbouncer")
    with psycopg.connect(url, autocommit=True) as connection:
        return len(connection.execute("SHOW CLIENTS").fetchall())


def _keys(of: FullDeployment) -> object:
    """Also the number of keys that the server itself has removed, because they expired, and of connected clients."""
    with of.servers.valkey.client(VALKEY_PASSWORD) as client:
        keys = {key: (client.get(key), client.pttl(key)) for key in client.scan_iter()}
        return keys, client.info("stats")["expired_keys"], client.info("clients")["connected_clients"]


def _objects(of: FullDeployment) -> object:
    listing = of.servers.store.client().list_object_versions(Bucket=BUCKET)
    versions = [(each["Key"], each["ETag"], each["LastModified"]) for each in listing["Versions"]]
    return versions, listing.get("DeleteMarkers")


def _engine(of: FullDeployment) -> object:
    with closing(of.servers.engine.client()) as client:
        return of.servers.engine.contents(), sorted(image.id for image in client.images.list())


CONTENTS: Mapping[str, Callable[[FullDeployment], object]] = {
    "relations and transactions": _relations,
    "sessions": _sessions,
    "clients of the pooler": _clients,
    "keys": _keys,
    "objects": _objects,
    "volumes, containers, networks and images": _engine,
    "mail": lambda of: of.servers.smtp.queue(),
    "writes of the gateway": lambda of: list(of.gateway.writes),
}
