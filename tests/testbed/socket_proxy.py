"""HAProxy that filters a Docker socket by method and path, with the rules of docker-socket-proxy."""

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.testbed.containers import NotReadyError, running

_ALWAYS = ("_ping", "events", "version")
_RULES = """\
defaults
 mode http
 timeout connect 5s
 timeout client 10m
 timeout server 10m
frontend proxy
 bind unix@/proxy/docker.sock mode 666
 {methods}
 {paths}
 http-request deny
 default_backend engine
backend engine
 server docker unix@/engine/{socket}
"""


@contextmanager
def socket_proxy(upstream: Path, sections: Collection[str], *, writes: bool = True) -> Iterator[Path]:
    """The socket of a proxy that allows `sections` of the API, such as "containers"; without `writes`, only GET."""
    allowed = (f"http-request allow if {{ path_reg ^(/v[0-9.]+)?/{name} }}" for name in (*_ALWAYS, *sections))
    rules = _RULES.format(
        methods="" if writes else "http-request deny unless METH_GET",
        paths="\n ".join(allowed),
        socket=upstream.name,
    )
    with TemporaryDirectory(prefix="proxy-") as folder:
        path = Path(folder, "docker.sock")
        volumes = [(folder, "/proxy", "rw"), (str(upstream.parent), "/engine", "rw")]
        command = ["haproxy", "-f", "/files/haproxy.cfg"]
        files = {"haproxy.cfg": rules.encode()}
        with running("postgres", command, 0, lambda _: _accepts(path), files, volumes=volumes):
            yield path


def _accepts(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except FileNotFoundError as error:
            raise NotReadyError from error
