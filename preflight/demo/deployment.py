"""Starts every server of the demo and writes the configuration that names them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import trustme

from preflight.demo.configuration import configuration
from preflight.demo.faults import DIRECT, FAULTS, Fault
from preflight.demo.ports import closed_port, listeners, port
from preflight.demo.processes import Processes
from preflight.demo.servers import docker, mistle, object_store, otlp, postgres, relay, smtp, valkey, web
from preflight.demo.servers.publishing import Publishing
from preflight.demo.servers.tunnel import BOOTSTRAP, Signature

Progress = Callable[[str], None]


@dataclass
class DemoDeployment:
    """The servers that run so far, with the faults of these ``names``. ``progress`` gets the name of each part."""

    processes: Processes
    names: tuple[str, ...]
    progress: Progress
    values: dict[str, object] = field(default_factory=dict)
    _authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def folder(self) -> Path:
        """Where everything of the demo is."""
        return self.processes.folder

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the mail server's."""
        return self.folder / "ca.pem"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults to make."""
        return tuple(FAULTS[name] for name in self.names)

    @property
    def options(self) -> dict[str, Any]:
        """What the faults change in the demo's own servers."""
        return {name: value for fault in self.faults for name, value in fault.options.items()}

    async def start(self) -> Path:
        """Start all servers. Returns the configuration's file. Raises DemoError."""
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        cluster = asyncio.create_task(asyncio.to_thread(postgres.initialise, self.processes))
        cache = await asyncio.to_thread(valkey.start, self.processes)
        self.values["kv.data_plane.url"] = cache.url
        for start in (self._store, self._mail, self._engine, self._collector, self._services):
            await start()
        self.progress("Postgres")
        database = await asyncio.to_thread(postgres.start, self.processes, *await cluster)
        await self._database(database)
        for fault in self.faults:
            self._break(fault, database, cache)
        file = self.folder / "mistle.toml"
        file.write_text(configuration(self.values), encoding="utf-8")
        return file

    def _break(self, fault: Fault, database: postgres.PostgresServer, cache: valkey.ValkeyServer) -> None:
        if fault.sql:
            database.execute(fault.sql)
        for command in fault.valkey:
            cache.execute(*command)
        self.values |= fault.values

    async def _database(self, database: postgres.PostgresServer) -> None:
        direct = pooled = database.url
        if self.options.get("pooler"):
            at = listeners()
            await relay.serve(at, database.port)
            direct = direct.replace(f":{database.port}/", f":{port(at)}/")
        if password := self.options.get("postgres_password"):
            direct = direct.replace(postgres.PASSWORD, password)
        self.values |= dict.fromkeys(DIRECT, direct)
        self.values |= {f"postgres.{plane}.pooled_url": pooled for plane in ("control_plane", "data_plane")}

    async def _store(self) -> None:
        self.progress("the object store")
        ahead = timedelta(seconds=self.options.get("ahead", 0))
        number = await _serve(object_store.object_store(self.folder / "objects", ahead))
        self.values["object_store.assets.endpoint"] = f"http://localhost:{number}"

    async def _mail(self) -> None:
        self.progress("the mail server")
        at = listeners()
        await smtp.serve(at, _context(self._authority))
        number = closed_port() if self.options.get("smtp_port") else port(at)
        self.values |= {"email.smtp.host": "localhost", "email.smtp.port": number}

    async def _engine(self) -> None:
        socket = self.folder / "docker.sock"
        await web.serve(docker.engine(self.options.get("networks", (docker.NETWORK,))), path=socket)
        self.values["sandbox.docker.socket_path"] = str(socket)

    async def _collector(self) -> None:
        number = await _serve(otlp.collector())
        for signal in ("traces", "logs", "metrics"):
            self.values[f"telemetry.{signal}.endpoint"] = f"http://localhost:{number}/v1/{signal}"

    async def _services(self) -> None:
        self.progress("stand-ins for Mistle's services")
        token, release = self.options.get("token", mistle.TOKEN), self.options.get("release", mistle.RELEASE)
        called: list[str] = []
        dashboard = f"http://localhost:{await _serve(mistle.dashboard(lambda: called[0]))}"
        origins = self.options.get("trusted_origins", [dashboard])
        service = mistle.Service(token)
        data = f"http://localhost:{await _serve(mistle.data_plane_api(mistle.Service(token, release)))}"
        control = mistle.control_plane_api(service, origins, data_plane=self.options.get("data_plane", data))
        api = f"http://localhost:{await _serve(control)}"
        called.append(api)
        gateway = mistle.Gateway(
            service,
            replace(Signature(), **self.options.get("connect", {})),
            replace(BOOTSTRAP, **self.options.get("bootstrap", {})),
            Publishing(**self.options.get("publishing", {})),
            valkey=str(self.values["kv.data_plane.url"]),
        )
        tunnel = f"localhost:{await _serve(gateway.application())}"
        self.values |= {
            "services.dashboard.public_url": dashboard,
            "services.dashboard.control_plane_api_origin": api,
            "services.control_plane_api.public_url": api,
            "services.control_plane_api.internal_url": api,
            "services.control_plane_api.auth.trusted_origins": [dashboard],
            "services.data_plane_api.internal_url": data,
            "services.data_plane_gateway.internal_url": f"http://{tunnel}",
            "services.data_plane_gateway.sandbox_ws_public_url": f"ws://{tunnel}/tunnel/sandbox",
            "services.data_plane_gateway.sandbox_ws_internal_url": f"ws://{tunnel}/tunnel/sandbox",
        }


async def _serve(app: Any) -> int:
    at = listeners()
    await web.serve(app, at)
    return port(at)


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context
