"""Random configurations: whatever Mistle's loader refuses fails here, and the loader accepts what has no finding.

The loader is that of tests/harness/mistle_loader.py, which shares no rule with this program.
"""

import json
import random
import tomllib
from collections.abc import Mapping

import pytest

from checks.core.finding import Status
from preflight.config.loader import load
from tests.harness import mistle_loader, profiles
from tests.harness.configs import ALL, CONTROL_KV, E2B, GOOGLE, MASTER_KEYS, MOUNTED, TELEMETRY, VALID, Raw, toml

BASES: list[Mapping[str, object]] = [{}, E2B, MOUNTED, GOOGLE, TELEMETRY, CONTROL_KV, ALL]
KEYS_JSON = "MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"
PATHS = [*mistle_loader.TYPES, *(f"{MASTER_KEYS}.{version}" for version in ("1", "2", "01"))]
ACTIVE = "services.control_plane_api.integrations.active_master_encryption_key_version"
SECTIONS = sorted({path.rpartition(".")[0] for path in PATHS} | {"telemetry", "sandbox", "sandbox.storage", "kv"})
UNKNOWN = ["zzz", "email.x", "sandbox.docker.enabled", "sandbox.storage.archil.x", 'services."dashboard.public_url"']
TEXTS = [
    *("", "  ", "\u00a0\ufeff", "x", "true", "0", "1", "2", "-1", "1e3", "0x10", "Infinity", "5100.5", " 5100 ", "a,b"),
    *("docker", "e2b", "archil", "docker_volume", "sandbox_storage", "otp", "otp,google", "google", "production", ","),
    *("http://a", "https://a.b/c", "HTTP://A", "http:", "//a", "http://", "http://a#b", "http://a?x", "http://[::1"),
    *("redis://v", "rediss://u:p@v/0", "redis:v", "redis://", "ws://a/b", "postgres://u:p@d/m", "otel:4317", "a:1"),
    *("a=b", "=b", "abc", "k=v,x", "null", "{}", "[]", '{"1":"a"}', '{"2":"b"}', '{"0":"b"}', '{"3":" "}', '{"1":1}'),
]
LITERALS = ["nan", "inf", "2026-01-01", "{}", "{a = 1}", "[{}]", "[[]]", "5100.0", "1_000", "-0", "-0.0", "1e3", "1.5"]
VALUES = [
    *(*TEXTS, *map(Raw, LITERALS), 0, 1, 2, -1, 4, 13, 30, 65535, 65536, 2**53, True, False),
    *([], ["otp"], ["otp", "google"], ["google"], [""], [1], ["https://app.mistle.example"]),
]


class Random:
    """One random configuration: a valid one with up to three changes, in the file or by variables."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.settings = {**VALID, **self.chance.choice(BASES)}
        self.environ: dict[str, str] = {}
        for _ in range(self.chance.randint(0, 3)):
            changes = (self._set, self._set, self._remove, self._empty, self._override, self._override)
            self.chance.choice((*changes, self._move, self._add, self._change_version))()

    @property
    def text(self) -> str:
        return toml({path: value for path, value in self.settings.items() if value is not None})

    def _path(self) -> str:
        return self.chance.choice(PATHS)

    def _set(self) -> None:
        self.settings[self._path()] = self.chance.choice(VALUES)

    def _remove(self) -> None:
        self.settings.pop(self._path(), None)

    def _empty(self) -> None:
        """A table without keys, or a value in its place."""
        section = self.chance.choice(SECTIONS)
        self.settings = {path: value for path, value in self.settings.items() if not path.startswith(f"{section}.")}
        self.settings[section] = Raw(self.chance.choice(["{}", "{}", '"x"', "1"]))

    def _override(self) -> None:
        self.environ[mistle_loader.VARIABLES.get(self._path(), KEYS_JSON)] = self.chance.choice(TEXTS)

    def _move(self) -> None:
        """From the file into a variable."""
        path = self._path()
        value = self.settings.pop(path, None)
        if path in mistle_loader.VARIABLES and isinstance(value, str | int):
            self.environ[mistle_loader.VARIABLES[path]] = value if isinstance(value, str) else json.dumps(value)

    def _add(self) -> None:
        self.settings[self.chance.choice(UNKNOWN)] = 1

    def _change_version(self) -> None:
        self.settings[ACTIVE] = self.chance.choice([1, 2, 3])
        self.environ[KEYS_JSON] = self.chance.choice(['{"2":"b"}', '{"2":"b","3":"c"}'])


@pytest.mark.parametrize("changes", BASES)
def test_loader_accepts_valid_configurations(changes: Mapping[str, object]) -> None:
    settings = {path: value for path, value in {**VALID, **changes}.items() if value is not None}
    refusals = mistle_loader.refusals(tomllib.loads(toml(settings)), {})
    assert refusals == [], "does DOCUMENTED in tests/harness/documented_keys.py have the same keys as the schema?"


@profiles.long
@pytest.mark.parametrize("number", range(50))
def test_what_mistle_refuses_fails(tmp_path, number: int) -> None:
    for each in range(50):
        made = Random(f"{number}.{each}")
        try:
            tree = tomllib.loads(made.text)
        except tomllib.TOMLDecodeError:
            continue
        file = tmp_path / "mistle.toml"
        file.write_text(made.text)
        refusals = mistle_loader.refusals(tree, made.environ)
        findings = load(file, made.environ).findings
        failed = [finding for finding in findings if finding.status is Status.FAIL]
        supplied = {path for each in findings if each.id == "config.only-in-environment" for path in each.fields}
        assert failed or not _remaining(refusals, supplied), (made.environ, made.text)
        assert refusals == [] or findings


def _remaining(refusals: list[str], supplied: set[str]) -> list[str]:
    """Without what only a variable supplies: Mistle's documentation allows it, and it is a warning."""
    keys = {f"file alone: {path} is missing" for path in supplied}
    if f"{MASTER_KEYS}.<version>" in supplied:
        keys.add("file alone: no master keys")
    return [reason for reason in refusals if reason not in keys]
