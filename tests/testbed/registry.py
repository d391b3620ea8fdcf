"""Image registries. With a login, every request needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import answers

LOGIN = {"username": "mistle", "password": "mistle-registry"}
CONFIG = "/etc/docker/registry/config.yml"
HTPASSWD = {"REGISTRY_AUTH_HTPASSWD_REALM": "mistle", "REGISTRY_AUTH_HTPASSWD_PATH": "/etc/docker/registry/users"}

TLS = {"REGISTRY_HTTP_TLS_CERTIFICATE": "/files/server.pem", "REGISTRY_HTTP_TLS_KEY": "/files/server.key"}


@contextmanager
def image_registry(login: bool = False, certificate: Leaf | None = None) -> Iterator[Server]:
    """A registry; engines and other containers reach it at its `address`. With a `certificate`, the TLS of Go."""
    command = ["docker-registry", "serve", CONFIG]
    env = (HTPASSWD if login else {}) | (TLS if certificate else {})
    url = f"http{'s' if certificate else ''}://{LOOPBACK}:{{}}/v2/"
    files = certificate.files() if certificate else {}
    with running("registry", command, 5000, lambda port: answers(url.format(port)), files, env=env) as fields:
        yield Server(*fields)
