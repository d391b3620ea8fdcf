"""The whole line in this process, on servers that echo: from a configuration to everything that is printed of it."""

import gc
import json
import socket
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

import preflight.plan.plan
from checks.core.check import Check, Layer
from checks.core.recorder import Recorder
from preflight.cli import commands
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options
from preflight.cli.so_far import SoFar
from preflight.config.schema.keys import KEYS, VERSION, Secrecy, key_of
from preflight.formats import FORMATS, renderer
from preflight.plan.plan import Plan
from preflight.report.model import Report
from preflight.run.signals import Signals
from tests.harness import configs, echoes, echoes_http, faults, provider_override, socket_faults
from tests.harness.echoes_http import Saying
from tests.harness.run_check import planned
from tests.testbed import Authority

FAMILIES = tuple(echoes.SCENES)
RIGHT = dict.fromkeys(FAMILIES, "nothing is wrong")  # a scene that no family has
SECRET_KEYS = tuple(key.path.replace(VERSION, "1") for key in KEYS if key.secrecy is not Secrecy.NONE)
IN_ADDRESSES = ("telemetry.traces.endpoint", "telemetry.logs.endpoint")  # a secret in the query, and before the @
TOKEN = "internal_auth.shared_token.token"
DETAILS = {"-q": -1, "": 0, "-v": 1}
NOWHERE = "x" * 64 + ".test"  # no name server is asked for a label that long


@dataclass(repr=False)
class Stage:
    """Where the servers are, and what each family plays: a scene, and what it says; or it is ``hostile``."""

    ports: dict[str, int]
    docker: Path
    trusted: Path
    scenes: dict[str, str] = field(default_factory=dict)
    sayings: dict[str, Saying] = field(default_factory=dict)
    token: str = ""
    hostile: dict[str, faults.Behaviour] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "the stage"

    def play(self, scenes: Mapping[str, str], saying: Callable[[str, bytes], str], token: str) -> None:
        """In the next run; `saying` makes the words of a family from what it was sent."""
        self.scenes, self.token = dict(scenes), token
        self.sayings = {family: partial(saying, family) for family in scenes}


@contextmanager
def stage(authority: Authority) -> Iterator[Stage]:
    with ExitStack() as stack:
        enter = stack.enter_context
        here = Stage({}, Path(), Path(enter(authority.trusted())))
        for family in ("postgres", "valkey", "smtp"):
            here.ports[family] = enter(faults.serving(_playing(here, family)))
        here.ports["web"] = enter(faults.serving(_services(here)))
        here.ports["cloud"] = enter(provider_override.tls_serving(authority.leaf(), _services(here)))
        here.docker = enter(socket_faults.serving(_playing(here, "docker")))
        yield here


def _playing(here: Stage, family: str) -> faults.Behaviour:
    def play(connection: socket.socket) -> None:
        usual = getattr(echoes, family)(here.scenes[family], here.sayings[family])
        here.hostile.get(family, usual)(connection)

    return play


def _services(here: Stage) -> faults.Behaviour:
    def play(connection: socket.socket) -> None:
        echoes_http.services(here.scenes, here.sayings, here.token, here.hostile)(connection)

    return play


def values(here: Stage, secrets: Mapping[str, str]) -> dict[str, object]:
    """A configuration that names every server, with these secrets in its keys and addresses."""
    web, in_query, in_login = f"127.0.0.1:{here.ports['web']}", *(quote(secrets[key], safe="") for key in IN_ADDRESSES)
    services = {"control_plane_api": "control", "data_plane_api": "data", "data_plane_gateway": "gateway"}
    tunnel = f"ws://{web}/tunnel/sandbox"
    return {
        **configs.ALL,
        **{f"services.{name}.internal_url": f"http://{web}/{family}" for name, family in services.items()},
        "services.control_plane_api.public_url": f"http://{web}/public",
        "services.dashboard.public_url": f"http://{web}/dashboard",
        **{f"services.data_plane_gateway.sandbox_ws_{way}_url": tunnel for way in ("internal", "public")},
        "telemetry.traces.endpoint": f"http://{web}/v1/traces?key={in_query}",
        "telemetry.logs.endpoint": f"http://:{in_login}@{web}/v1/logs",
        "telemetry.metrics.endpoint": f"http://{web}/v1/metrics",
        **{f"object_store.{name}.endpoint": f"http://{web}" for name in ("assets", "sandbox_storage")},
        "email.smtp.host": "127.0.0.1",
        "email.smtp.port": here.ports["smtp"],
        "email.smtp.secure": False,
        "sandbox.publish_base_domain": NOWHERE,
        "sandbox.docker.socket_path": str(here.docker),
        **{path: _value(here, path, secret) for path, secret in secrets.items() if path in SECRET_KEYS},
    }


_URLS = {
    "postgres": ("postgres", "postgres://mistle:{secret}@127.0.0.1:{port}/mistle?sslmode=disable"),
    "kv": ("valkey", "redis://mistle:{secret}@127.0.0.1:{port}"),
}


def _value(here: Stage, path: str, secret: str) -> str:
    if not key_of(path).url:
        return secret
    family, url = _URLS[path.partition(".")[0]]
    return url.format(secret=quote(secret, safe=""), port=here.ports[family])


@dataclass(frozen=True)
class Printed:
    """A report, and every text that is printed of it, by format and detail; the tracebacks as well."""

    report: Report
    texts: Mapping[tuple[str, str], str]
    invocation: Invocation = field(repr=False)
    so_far: SoFar = field(repr=False)


def run(here: Stage, told: Mapping[str, object], variables: Collection[str] = (), timeout: float = 8.0) -> Printed:
    """Everything is checked; the keys in `variables` come from the environment and not from the file."""
    in_file = {path: _written(value) for path, value in told.items() if path not in variables and value is not None}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder, "mistle.toml")
        file.write_text(configs.toml(in_file))
        for path in variables:
            patch.setenv(key_of(path).variable, _variable(path, str(told[path])))
        patch.setattr(preflight.plan.plan, "plan", partial(_pointed, preflight.plan.plan.plan, here, told))
        options = Options(config=file, ca_file=here.trusted, timeout=timeout, detail=1)
        invocation, so_far = Invocation(options, Signals()), SoFar()
        report = commands.run(invocation, so_far)
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # anyio loses a connection that is cancelled just when it is made
    every = texts(report) | {("tracebacks", "-v"): "\n".join(report.tracebacks)}
    return Printed(report, every, invocation, so_far)


@contextmanager
def broken(places: Mapping[str, tuple[Layer, Callable[[], BaseException]]], *, at_end: bool = False) -> Iterator[None]:
    """By kind: a rung that has a bug, at its beginning or its end."""
    original = Recorder.layer

    @contextmanager
    def layer(self: Recorder, rung: Layer, goal: str, proves: tuple[str, ...] = ()) -> Iterator[None]:
        place, bug = places.get(self.check.kind, (None, Exception))
        with original(self, rung, goal, proves):
            if place is rung and not at_end:
                raise bug()
            yield
            if place is rung:
                raise bug()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "layer", layer)
        yield


def texts(report: Report) -> dict[tuple[str, str], str]:
    """The report in every format and detail."""
    by_detail = {flag: replace(report, detail=detail) for flag, detail in DETAILS.items()}
    return {(name, flag): renderer(name)(shown) for name in FORMATS for flag, shown in by_detail.items()}


def _variable(path: str, value: str) -> str:
    version = path.rpartition(".")[2]
    return json.dumps({version: value}) if version.isdigit() else value


def _written(value: object) -> object:
    """As TOML has it, where that is stricter than JSON."""
    return configs.Raw(configs.text(value).replace("\x7f", "\\u007f")) if isinstance(value, str) else value


def _pointed(
    plan: Callable[..., Plan], here: Stage, told: Mapping[str, object], *given: object, **options: object
) -> Plan:
    """What a provider's check would ask, the servers here are asked; and both providers are checked at once."""
    made = plan(*given, **options)
    docker = planned("sandbox.docker", {**told, "sandbox.provider": "docker"})
    return replace(made, checks=(*(_here(check, here) for check in made.checks), docker))


def _here(check: Check, here: Stage) -> Check:
    paths = {"e2b": "/", "archil": "/", "google": "/token"}
    if check.kind not in paths:
        return check
    return replace(check, endpoint=provider_override.https(here.ports["cloud"], paths[check.kind]))  # type: ignore[call-arg]
