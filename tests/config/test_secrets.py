"""Every secret is collected in each form in which it was written, and no finding or check shows one."""

import json

import pytest

from preflight.config.loader import load
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import key_of
from preflight.plan.plan import plan
from tests.harness import profiles
from tests.harness.configs import ALL, PATHS, Raw, write

API = "services.control_plane_api"
KEYS_JSON = "MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"


TEMPLATES = ["{}", " {} ", "http://u:{}@h", "{}/#?", "http://u/x:{}@h/@x", '{{"1": 1, "x": "{}"}}', "${{X}}{}"]
SECRET_PATHS = [path for path in PATHS if key_of(path).secrecy is not Secrecy.NONE]


@profiles.covering
@pytest.mark.parametrize("path", SECRET_PATHS)
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("where", ["file", "variable"])
def test_no_secret_is_ever_shown(tmp_path, path, template, where):
    text = template.format("Op3n-Sesame!")
    file = write(tmp_path, {**ALL, "global.env": "production"} | ({path: text} if where == "file" else {}))
    config = load(file, {key_of(path).variable: text} if where == "variable" else {})
    shown = repr(config) + "".join(finding.message + finding.hint for finding in config.findings)
    assert "Sesame" not in shown
    assert any("Op3n-Sesame!" in secret for secret in config.secrets)


def test_no_secret_of_a_query_is_in_a_check(tmp_path):
    changes = {
        "postgres.data_plane.direct_url": "postgres://db/mistle?password=Op3n-Sesame!",
        "telemetry.enabled": True,
        **{f"telemetry.{name}.endpoint": "http://c/?key=Op3n-Sesame!" for name in ("traces", "logs", "metrics")},
    }
    checks = plan(load(write(tmp_path, changes), {})).checks
    assert "telemetry.traces" in {check.name for check in checks}
    assert "Sesame" not in repr(checks) + "".join(check.target for check in checks)


def test_secrets_in_every_form(tmp_path):
    changes = {
        "email.smtp.password": "  smtp sesame ",
        "kv.data_plane.url": "redis://user:k%2Fv@valkey:6379",
        "postgres.data_plane.direct_url": "postgres://mistle:p@s#s@db/m",
        "postgres.data_plane.pooled_url": "postgres://mistle@db/m?password=in%20query",
        f"{API}.auth.google.client_secret": 12345678,
    }
    secrets = load(write(tmp_path, changes), {KEYS_JSON: '{"2": "from json"}'}).secrets
    for secret in (
        "  smtp sesame ",
        "smtp sesame",
        "k%2Fv",
        "k/v",
        "p@s#s",
        "in%20query",
        "in query",
        "12345678",
        "from json",
    ):
        assert secret in secrets
    assert not {"valkey", "6379", "redis", "db", "m", "mistle", "user", ""} & set(secrets)
    assert list(secrets) == sorted(secrets, key=len, reverse=True)


@pytest.mark.parametrize(
    "address",
    [
        "http://collector:4318/v1?key=in-query",
        " HTTPS://collector/v1?a=&key=in-query#fragment",
        "http://collector/v1?in-query",
        "http://collector/v1?in-query&more=1",
        "HTTP://in-query@collector/v1",
        "http://in-query:more@collector/v1",
        "https://:in-query@collector/v1/@x",
    ],
)
@pytest.mark.parametrize("where", ["file", "variable"])
def test_token_in_a_web_address(tmp_path, address, where):
    path = "telemetry.traces.endpoint"
    file = write(tmp_path, {**ALL, path: address} if where == "file" else ALL)
    config = load(file, {key_of(path).variable: address} if where == "variable" else {})
    assert "in-query" in config.secrets
    assert not {"collector", "4318", "v1", "http"} & set(config.secrets)


@pytest.mark.parametrize("value", [Raw("0x" + "f" * 6000), True, 1.5, [["x"]], Raw("2026-11-23")])
def test_secret_of_a_wrong_type(tmp_path, value):
    config = load(write(tmp_path, {"email.smtp.password": value}), {})
    assert [finding.id for finding in config.findings] == ["config.wrong-type"]


@pytest.mark.parametrize("name", ["swapped-with-its-version", '{"1": "sesame"}'])
def test_master_key_in_the_place_of_its_version(tmp_path, name):
    config = load(write(tmp_path), {KEYS_JSON: json.dumps({name: "1"})})
    assert [finding.fields for finding in config.findings if finding.id == "config.unknown-key"] == [
        ("services.control_plane_api.integrations.master_encryption_keys.<version>",)
    ]
    assert name not in repr(config)
