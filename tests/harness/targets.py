"""Every kind of check that talks to a server, pointed at one of the tests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.net.http import Endpoint
from tests.harness import faults, provider_override, socket_faults
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Authority

TOKEN = "internal-token-0123456789abcdef"
CONNECT = "sandbox.tokens.connect"


@dataclass(frozen=True)
class Target:
    """A check by its name, the configuration that points it at an address, and the key that this address stands in."""

    name: str
    key: str
    values: Callable[[str], Mapping[str, object]]
    transport: str = "tcp"


@dataclass(frozen=True)
class Aim:
    """What a check is called with, and the one place that it then may talk to."""

    name: str
    values: Mapping[str, object]
    options: Mapping[str, Any]
    place: object


def _url(key: str, form: str, **more: object) -> Callable[[str], Mapping[str, object]]:
    return lambda place: {key: form.format(place)} | more


def _smtp(place: str) -> Mapping[str, object]:
    host, _, port = place.rpartition(":")
    values = {"host": host, "port": int(port), "secure": False, "username": "mistle", "password": "smtp-password"}
    return {f"email.smtp.{name}": value for name, value in values.items()} | {
        "email.smtp.from_address": "mistle@mistle.test",
        "global.env": "development",
    }


def _object_store(place: str) -> Mapping[str, object]:
    values = {
        "bucket_name": "assets",
        "region": "eu-central-1",
        "endpoint": f"http://{place}",
        "force_path_style": True,
    }
    keys = {"access_key_id": "assets-access-key", "secret_access_key": "assets-secret-key"}
    return {f"object_store.assets.{name}": value for name, value in (values | keys).items()}


def _docker(place: str) -> Mapping[str, object]:
    return {
        "sandbox.provider": "docker",
        "sandbox.docker.socket_path": place,
        "sandbox.docker.network_name": "sandboxes",
        "sandbox.default_base_image": "registry.test/mistle/sandbox-base:1",
        "sandbox.storage.docker_volume.name_prefix": "mistle-",
    }


def _service(name: str) -> Target:
    key = f"services.{name}.internal_url"
    values = _url(key, "http://{}", **{"internal_auth.shared_token.token": TOKEN})
    return Target(f"services.{name}.internal", key, values)


_POSTGRES, _POOLED, _VALKEY = "postgres.control_plane.direct", "postgres.control_plane.pooled", "kv.data_plane"
_TUNNEL = "services.data_plane_gateway.sandbox_ws_internal"
_GOOGLE, _ARCHIL = "services.control_plane_api.auth", "sandbox.storage.archil"

TARGETS: Mapping[str, Target] = {
    "postgres": Target(_POSTGRES, f"{_POSTGRES}_url", _url(f"{_POSTGRES}_url", "postgres://u:postgres-password@{}/d")),
    "pooled": Target(_POOLED, f"{_POOLED}_url", _url(f"{_POOLED}_url", "postgres://u:postgres-password@{}/d")),
    "valkey": Target(
        _VALKEY, f"{_VALKEY}.url", _url(f"{_VALKEY}.url", "redis://{}", **{f"{_VALKEY}.key_prefix": "mistle"})
    ),
    "object_store": Target("object_store.assets", "object_store.assets.endpoint", _object_store),
    "smtp": Target("email.smtp", "email.smtp.port", _smtp),
    "docker": Target("sandbox.docker", "sandbox.docker.socket_path", _docker, "unix"),
    "api": _service("control_plane_api"),
    "gateway": _service("data_plane_gateway"),
    "dashboard": Target(
        "services.dashboard", "services.dashboard.public_url", _url("services.dashboard.public_url", "http://{}")
    ),
    "tunnel": Target(
        _TUNNEL,
        f"{_TUNNEL}_url",
        _url(
            f"{_TUNNEL}_url",
            "ws://{}/tunnel/sandbox",
            **{f"{CONNECT}.secret": "s" * 40, f"{CONNECT}.issuer": "i", f"{CONNECT}.audience": "a"},
        ),
    ),
    "otlp": Target(
        "telemetry.traces",
        "telemetry.traces.endpoint",
        _url("telemetry.traces.endpoint", "http://{}/v1/traces", **{"telemetry.enabled": True}),
    ),
    "e2b": Target(
        "sandbox.e2b",
        "sandbox.e2b.domain",
        lambda _: {
            "sandbox.provider": "e2b",
            "sandbox.default_base_image": "ghcr.io/mistlehq/sandbox-base:latest",
            "sandbox.e2b.api_key": "e2b-api-key",
            "sandbox.e2b.domain": "e2b.app",
        },
        "tls",
    ),
    "archil": Target(
        _ARCHIL,
        f"{_ARCHIL}.region",
        lambda _: {
            "sandbox.storage.backend": "archil",
            f"{_ARCHIL}.api_key": "archil-api-key",
            f"{_ARCHIL}.region": "aws-us-east-1",
        },
        "tls",
    ),
    "google": Target(
        f"{_GOOGLE}.google",
        f"{_GOOGLE}.google.client_id",
        lambda _: {
            f"{_GOOGLE}.enabled_methods": ["google"],
            f"{_GOOGLE}.google.client_id": "google-client-id",
            f"{_GOOGLE}.google.client_secret": "google-client-secret",
        },
        "tls",
    ),
}
HTTP = tuple(kind for kind in TARGETS if kind not in {"postgres", "pooled", "valkey", "smtp"})


@contextmanager
def aimed(kind: str, behaviour: faults.Behaviour, authority: Authority | None = None) -> Iterator[Aim]:
    """The check of this kind, and a server with this behaviour where it goes.

    Where there is no ``authority``, what always speaks TLS does not.
    """
    target = TARGETS[kind]
    if target.transport == "unix":
        with socket_faults.serving(behaviour) as path:
            yield Aim(target.name, target.values(str(path)), {}, str(path))
    elif target.transport == "tcp" or not authority:
        with faults.serving(behaviour) as port:
            options = {"endpoint": Endpoint("http", faults.LOOPBACK, port)} if target.transport == "tls" else {}
            yield Aim(target.name, target.values(f"{faults.LOOPBACK}:{port}"), options, (faults.LOOPBACK, port))
    else:
        with authority.trusted() as trusted, provider_override.tls_serving(authority.leaf(), behaviour) as port:
            secured = {"endpoint": Endpoint("https", "localhost", port), "extra": Path(trusted)}
            yield Aim(target.name, target.values(""), secured, (faults.LOOPBACK, port))


def climbed(aim: Aim, **more: Any) -> CheckRun:
    """One run of it."""
    options = {**aim.options, **more}
    if endpoint := options.pop("endpoint", None):
        return provider_override.run_check_at(endpoint, aim.name, aim.values, **options)
    return run_check(aim.name, aim.values, **options)
