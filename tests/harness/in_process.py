"""A run in this process against servers that send texts of the test: from a configuration to the printed reports."""

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
from checks.core.check import Check
from checks.core.finding import Layer
from checks.core.recorder import Recorder, Settings
from preflight.cli import commands
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options
from preflight.cli.so_far import SoFar
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import KEYS, VERSION, key_of
from preflight.formats import FORMATS, renderer
from preflight.plan.plan import Plan
from preflight.report.model import Report
from preflight.run.execution import Execution
from preflight.run.signals import Signals
from tests.harness import configs, faults, provider_override, socket_faults, text_servers_http
from tests.harness.descriptor import Family
from tests.harness.descriptors import FAMILIES, STAGE_SETTINGS
from tests.harness.run_check import planned
from tests.harness.text_servers_http import TextOf
from tests.testbed import Authority

RIGHT = dict.fromkeys(FAMILIES, "nothing is wrong")  # a scene that no family has
_WEB = {name: family for name, family in FAMILIES.items() if family.path is not None}
SECRET_KEYS = tuple(key.path.replace(VERSION, "1") for key in KEYS if key.secrecy is not Secrecy.NONE)
IN_ADDRESSES = ("telemetry.traces.endpoint", "telemetry.logs.endpoint")  # with a secret in the query, and before the @
TOKEN = "internal_auth.shared_token.token"
DETAILS = {"-q": -1, "": 0, "-v": 1}


@dataclass(repr=False)
class Stage:
    """The addresses of the servers, and what each family sends: a scene and its text, or it is ``hostile``."""

    ports: dict[str, int]
    sockets: dict[str, Path]
    trusted: Path
    scenes: dict[str, str] = field(default_factory=dict)
    texts_of: dict[str, TextOf] = field(default_factory=dict)
    token: str = ""
    hostile: dict[str, faults.Behaviour] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "the stage"

    def play(self, scenes: Mapping[str, str], text_of: Callable[[str, bytes], str], token: str) -> None:
        """Set the scenes of the next run; `text_of` makes the text of a family from what it received."""
        self.scenes, self.token = dict(scenes), token
        self.texts_of = {family: partial(text_of, family) for family in scenes}


@contextmanager
def stage(authority: Authority) -> Iterator[Stage]:
    with ExitStack() as stack:
        enter = stack.enter_context
        here = Stage({}, {}, Path(enter(authority.trusted())))
        for name, family in FAMILIES.items():
            if family.is_local:
                here.sockets[name] = enter(socket_faults.serving(_playing(here, name)))
            elif family.server:
                here.ports[name] = enter(faults.serving(_playing(here, name)))
            elif family.is_at_root:
                here.ports[name] = enter(faults.serving(_services(here, f"/{name}")))
        here.ports["web"] = enter(faults.serving(_services(here)))
        here.ports["cloud"] = enter(provider_override.tls_serving(authority.leaf(), _services(here)))
        yield here


def _playing(here: Stage, family: str) -> faults.Behaviour:
    def play(connection: socket.socket) -> None:
        server = FAMILIES[family].server
        assert server
        here.hostile.get(family, server(here.scenes[family], here.texts_of[family]))(connection)

    return play


def _services(here: Stage, prefix: str = "") -> faults.Behaviour:
    def play(connection: socket.socket) -> None:
        text_servers_http.services(_WEB, here.scenes, here.texts_of, here.token, here.hostile, prefix)(connection)

    return play


def values(here: Stage, secrets: Mapping[str, str]) -> dict[str, object]:
    """A configuration that names every server, with these secrets in its keys and addresses."""
    return {
        **configs.ALL,
        **STAGE_SETTINGS,
        **{
            key: _setting(value, _address(here, name, secrets))
            for name, family in FAMILIES.items()
            for key, value in family.settings.items()
        },
        **{path: _secret(here, path, secret) for path, secret in secrets.items() if path in SECRET_KEYS},
    }


def _address(here: Stage, name: str, secrets: Mapping[str, str]) -> dict[str, object]:
    """The address of the server of this family, and the two secrets that addresses hold."""
    port = here.ports.get(name, here.ports["web"])
    in_query, in_login = (quote(secrets[key], safe="") for key in IN_ADDRESSES)
    own = {"host": faults.LOOPBACK, "port": port, "address": f"{faults.LOOPBACK}:{port}"}
    return {**own, "socket": here.sockets.get(name), "query_secret": in_query, "login_secret": in_login}


def _setting(value: object, address: Mapping[str, object]) -> object:
    if value == "{port}":
        return address["port"]
    return value.format_map(address) if isinstance(value, str) else value


def _secret(here: Stage, path: str, secret: str) -> str:
    if not key_of(path).url:
        return secret
    name, family = _of_key(path)
    return family.secret_url.format(secret=quote(secret, safe=""), address=f"{faults.LOOPBACK}:{here.ports[name]}")


def _of_key(path: str) -> tuple[str, Family]:
    """The family whose server a key's URL leads to."""
    return next((name, each) for name, each in FAMILIES.items() if each.secret_url and path.startswith(each.checks))


@dataclass(frozen=True)
class Printed:
    """A report, and its text in every format and detail; the tracebacks as well."""

    report: Report
    texts: Mapping[tuple[str, str], str]
    invocation: Invocation = field(repr=False)
    so_far: SoFar = field(repr=False)


def run(
    here: Stage, configuration: Mapping[str, object], variables: Collection[str] = (), timeout: float = 8.0
) -> Printed:
    """Run all checks; the keys in `variables` come from the environment and not from the file."""
    in_file = {
        path: _written(value) for path, value in configuration.items() if path not in variables and value is not None
    }
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder, "mistle.toml")
        file.write_text(configs.toml(in_file))
        for path in variables:
            patch.setenv(key_of(path).variable, _variable(path, str(configuration[path])))
        patch.setattr(preflight.plan.plan, "plan", partial(_pointed, preflight.plan.plan.plan, here, configuration))
        options = Options(config=file, ca_file=here.trusted, timeout=timeout, detail=1)
        invocation, so_far = Invocation(options, Signals()), SoFar()
        report = commands.run(invocation, so_far)
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # anyio does not close a connection whose task is cancelled just when it is made
    every = texts(report) | {("tracebacks", "-v"): "\n".join(report.tracebacks)}
    return Printed(report, every, invocation, so_far)


@contextmanager
def broken(bugs: Mapping[str, tuple[Layer, Callable[[], BaseException]]], *, at_end: bool = False) -> Iterator[None]:
    """Put a bug into one layer of each of these kinds, at its beginning or its end."""
    original = Recorder.layer

    @contextmanager
    def layer(self: Recorder, each: Layer, goal: str, proves: tuple[str, ...] = ()) -> Iterator[None]:
        broken_layer, bug = bugs.get(self.check.kind, (None, Exception))
        with original(self, each, goal, proves):
            if broken_layer is each and not at_end:
                raise bug()
            yield
            if broken_layer is each:
                raise bug()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "layer", layer)
        yield


@contextmanager
def short_limit(checks: str, seconds: float) -> Iterator[None]:
    """Gives the checks whose names begin so this limit, and all others the limit of the run."""
    original = Execution.__init__

    def init(self: Execution, group: tuple[Check, ...], settings: Settings) -> None:
        concerned = group[0].name.startswith(checks)
        original(self, group, replace(settings, timeout=seconds) if concerned else settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Execution, "__init__", init)
        yield


def texts(report: Report) -> dict[tuple[str, str], str]:
    """The report in every format and detail."""
    by_detail = {flag: replace(report, detail=detail) for flag, detail in DETAILS.items()}
    return {(name, flag): renderer(name)(shown) for name in FORMATS for flag, shown in by_detail.items()}


def _variable(path: str, value: str) -> str:
    version = path.rpartition(".")[2]
    return json.dumps({version: value}) if version.isdigit() else value


def _written(value: object) -> object:
    """The value as TOML, which is stricter than JSON."""
    return configs.Raw(configs.text(value).replace("\x7f", "\\u007f")) if isinstance(value, str) else value


def _pointed(
    plan: Callable[..., Plan], here: Stage, configuration: Mapping[str, object], *given: object, **options: object
) -> Plan:
    """Point the checks of providers at the servers here; and check both sandbox providers at once."""
    made = plan(*given, **options)
    docker = planned("sandbox.docker", {**configuration, "sandbox.provider": "docker"})
    return replace(made, checks=(*(_here(check, here) for check in made.checks), docker))


def _here(check: Check, here: Stage) -> Check:
    providers = (each for each in FAMILIES.values() if each.provider_path and check.name.startswith(each.checks))
    for provider in providers:
        endpoint = provider_override.https(here.ports["cloud"], provider.provider_path)
        return replace(check, endpoint=endpoint)  # type: ignore[call-arg]
    return check
