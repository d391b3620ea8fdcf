"""Image registries. With a login, every request needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import answers

LOGIN = {"username": "mistle", "password": "mistle-registry"}
CONFIG = "/etc/docker/registry/config.yml"
HTPASSWD = {"REGISTRY_AUTH_HTPASSWD_REALM": "mistle", "REGISTRY_AUTH_HTPASSWD_PATH": "/etc/docker/registry/users"}


@contextmanager
def image_registry(login: bool = False) -> Iterator[Server]:
    """A registry; engines and other containers reach it at its `address`."""
    command = ["docker-registry", "serve", CONFIG]
    env = HTPASSWD if login else {}
    with running(
        "registry", command, 5000, lambda port: answers(f"http://{LOOPBACK}:{port}/v2/"), {}, env=env
    ) as fields:
        yield Server(*fields)
