"""What monitors one resource each, from Debian's packages; scripts/benchmarks installs them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from preflight.config.urls import parse

if TYPE_CHECKING:
    from preflight.demo.client import Demo

PLUGINS = Path("/usr/lib/nagios/plugins")
EXPORTER = "prometheus-blackbox-exporter"
POSTGRES, MAIL, WEB = "postgres.control_plane.direct", "email.smtp", "services.control_plane_api.internal"


def are_installed() -> bool:
    """Whether this machine has them all."""
    return all(shutil.which(name) for name in (EXPORTER, "check_postgres", "curl")) and PLUGINS.is_dir()


def of_each_kind(demo: Demo, exporter: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """For each check its rivals. They prove less: that a login works, that a greeting comes, that a page is there."""
    toml = tomllib.loads(demo.config.read_text(encoding="utf-8"))
    database = parse(toml["postgres"]["control_plane"]["direct_url"])
    web = parse(toml["services"]["control_plane_api"]["internal_url"])
    mail = str(toml["email"]["smtp"]["port"])
    login = ("-l", database.username, "-p", database.password, "-d", database.path.strip("/"))
    server = (f"--host={database.host}", f"--port={database.port}", f"--dbuser={database.username}")
    return {
        POSTGRES: {
            "check_pgsql": (str(PLUGINS / "check_pgsql"), "-H", database.host, "-P", str(database.port), *login),
            "check_postgres": ("check_postgres", "--action=connection", *server, f"--dbpass={database.password}"),
        },
        MAIL: {
            "check_smtp": (str(PLUGINS / "check_smtp"), "-H", "localhost", "-p", mail),
            "check_tcp": (str(PLUGINS / "check_tcp"), "-H", "localhost", "-p", mail),
        },
        WEB: {
            "check_http": (
                *(str(PLUGINS / "check_http"), "-H", web.host, "-p", str(web.port)),
                *("-u", "/__healthz"),
            ),
            "blackbox exporter": (
                *("curl", "-fsS", "-G", f"http://{exporter}/probe", "--data-urlencode"),
                f"target=http://{web.host}:{web.port}/__healthz",
            ),
        },
    }


@contextmanager
def exporter() -> Iterator[str]:
    """A blackbox exporter; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = ("--config.file=/etc/prometheus/blackbox.yml", f"--web.listen-address={address}")
    process = subprocess.Popen([EXPORTER, *config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str) -> None:
    host, port = address.split(":")
    for _ in range(100):
        with suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens at {address}")
