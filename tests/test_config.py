"""What is accepted and refused, where it came from, and what is said of it: file and environment as Mistle reads them."""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.base import Finding, Layer, Status
from configs import (
    CONTROL_KV,
    E2B,
    GOOGLE,
    MASTER_KEYS,
    MOUNTED,
    TELEMETRY,
    VALID,
    Raw,
    environment,
    line_of,
    toml,
    write,
)
from preflight.config import Config, ConfigError, load
from preflight.requirements import OPTIONAL
from preflight.schema import KEYS, Secrecy, key_of
from preflight.tree import lookup
from preflight.values import Boolean, Choice, Integer, ListOf, Text, Versioned

API = "services.control_plane_api"
PORT = f"{API}.port"
TOKEN = "internal_auth.shared_token.token"
ALL: dict[str, object] = {**VALID, **MOUNTED, **GOOGLE, **TELEMETRY, **CONTROL_KV} | {
    "telemetry.resource_attributes": "a=b",
    f"{API}.auth.allow_signups": False,
    "object_store.assets.endpoint": "https://s3.mistle.example",
    "object_store.assets.force_path_style": True,
    "object_store.sandbox_storage.region": "eu-central-1",
    "object_store.sandbox_storage.force_path_style": True,
    "internal_auth.method": "shared_token",
    "sandbox.storage.archil.name_prefix": "mistle-",
    "sandbox.storage.docker_volume.name_prefix": "mistle-",
    "sandbox.docker.socket_path": "/var/run/docker.sock",
    "sandbox.docker.network_name": "sandboxes",
    "sandbox.e2b.domain": "e2b.example",
    "sandbox.e2b.cpu_count": 4,
    "sandbox.e2b.memory_mb": 8192,
    "sandbox.sandboxd_test_faults_enabled": True,
}
PATHS = [path for path, value in ALL.items() if value is not None]
ROWS = [pytest.param(key_of(path), path, id=path) for path in PATHS]


def found(config: Config, id_: str) -> Finding:
    """The one finding of this id."""
    (finding,) = (finding for finding in config.findings if finding.id == id_)
    return finding


def ids(config: Config) -> list[str]:
    return [finding.id for finding in config.findings]


# Every key


def test_all_keys_together_are_accepted(tmp_path):
    config = load(write(tmp_path, ALL), {})
    assert config.findings == ()
    assert {key_of(path) for path in config.keys} == set(KEYS)
    assert config.values == {path: _typed(ALL[path]) for path in PATHS}


def _typed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_key_has_its_line_as_origin(tmp_path, key, path):
    file = write(tmp_path, ALL)
    config = load(file, {})
    assert config.origins[path] == config.keys[path] == line_of(file, path)


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_key_is_missed_where_it_is_required(tmp_path, key, path):
    config = load(write(tmp_path, {**ALL, path: None}), {})
    optional = key.required is OPTIONAL or path == "sandbox.storage.docker_volume.name_prefix"
    blamed = {blamed for finding in config.findings if finding.id == "config.missing" for blamed in finding.fields}
    assert blamed == (set() if optional else {key.path})
    assert blamed <= config.broken


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_key_of_another_type_is_refused(tmp_path, key, path):
    for wrong in (Raw("2026-11-23"), Raw("[]") if not isinstance(key.type, ListOf) else "text", Raw("nan")):
        if isinstance(key.type, Integer) and wrong == Raw("nan"):
            continue
        file = write(tmp_path, {**ALL, path: wrong})
        finding = found(load(file, {}), "config.wrong-type")
        assert finding.fields == (path,)
        assert finding.status is Status.FAIL
        assert finding.hint == f"change the type of {path} in {line_of(file, path)}"


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if not isinstance(row.values[0].type, Versioned)])
def test_table_where_a_value_belongs_is_refused(tmp_path, key, path):
    config = load(write(tmp_path, {**ALL, path: Raw("{a = 1}")}), {})
    assert found(config, "config.wrong-type").message.startswith("is a table, must be ")
    assert path in config.broken
    assert path not in config.values


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if isinstance(row.values[0].type, Text)])
def test_blank_text_is_refused_and_other_text_is_trimmed(tmp_path, key, path):
    config = load(write(tmp_path, {**ALL, path: " \t\u00a0\ufeff "}), {})
    finding = found(config, "config.blank")
    assert (finding.fields, finding.status, finding.message) == ((path,), Status.FAIL, "is blank")
    assert finding.hint.startswith(f"give {path} in mistle.toml:")
    assert load(write(tmp_path, {**ALL, path: f"\ufeff {ALL[path]}\n"}), {}).values[path] == ALL[path]


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if isinstance(row.values[0].type, Choice)])
def test_word_that_is_not_one_of_the_few_is_refused(tmp_path, key, path):
    for wrong in (f"{ALL[path]} ", str(ALL[path]).upper(), "podman"):
        finding = found(load(write(tmp_path, {**ALL, path: wrong}), {}), "config.not-allowed")
        assert finding.fields == (path,)
        assert finding.message == f"is {json.dumps(wrong)}, must be {key.type.expects}"
        assert finding.hint == f"correct {path} in {load(write(tmp_path, ALL), {}).origins[path]}"
        assert all(word in finding.message for word in key.type.words)


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if isinstance(row.values[0].type, Integer)])
def test_integer_limits(tmp_path, key, path):
    least, most = key.type.least, key.type.most
    for good in (least, most, Raw(f"{least}.0")):
        if "active_master" not in path:
            assert load(write(tmp_path, {**ALL, path: good}), {}).findings == ()
    for bad in (least - 1, most + 1, -1, Raw("inf"), Raw("nan"), Raw("1e300"), Raw("0x" + "f" * 6000)):
        finding = found(load(write(tmp_path, {**ALL, path: bad}), {}), "config.out-of-range")
        assert (finding.fields, finding.status) == ((path,), Status.FAIL)
        assert f"must be a whole number from {least}" in finding.message
        assert len(finding.message) < 200
    for wrong in ("6", True, Raw(f"{least}.5")):
        assert found(load(write(tmp_path, {**ALL, path: wrong}), {}), "config.wrong-type").fields == (path,)


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if isinstance(row.values[0].type, Boolean)])
def test_boolean_is_not_converted(tmp_path, key, path):
    for wrong, name in (("true", "a string"), (1, "an integer"), (0.0, "a float")):
        finding = found(load(write(tmp_path, {**ALL, path: wrong}), {}), "config.wrong-type")
        assert finding.message == f"is {name}, must be true or false, without quotes"


@pytest.mark.parametrize(
    ("path", "value", "id_", "message"),
    [
        ("trusted_origins", [], "config.out-of-range", "is an empty list, must have at least 1 item"),
        ("trusted_origins", "https://a.b", "config.wrong-type", "is a string, must be a list of strings"),
        ("trusted_origins", ["https://a.b", " "], "config.blank", "item 2 is blank"),
        ("trusted_origins", [1], "config.wrong-type", "item 1 is an integer, must be a string in quotes"),
        ("enabled_methods", [], "config.out-of-range", "is an empty list, must have at least 1 item"),
        ("enabled_methods", ["otp", "saml"], "config.not-allowed", 'item 2 is "saml", must be "otp" or "google"'),
        ("enabled_methods", ["google"], "config.not-allowed", 'does not hold "otp", which Mistle requires'),
    ],
)
def test_lists(tmp_path, path, value, id_, message):
    config = load(write(tmp_path, {**ALL, f"{API}.auth.{path}": value}), {})
    assert found(config, id_).message == message
    assert found(config, id_).fields == (f"{API}.auth.{path}",)


# What is required when


@pytest.mark.parametrize(
    ("changes", "missing", "when"),
    [
        (
            {"telemetry.enabled": True},
            ["telemetry.traces.endpoint", "telemetry.logs.endpoint", "telemetry.metrics.endpoint"],
            "when telemetry.enabled is true",
        ),
        (
            {f"{API}.auth.enabled_methods": ["otp", "google"]},
            [f"{API}.auth.google.client_id", f"{API}.auth.google.client_secret"],
            'holds "google"',
        ),
        ({f"{API}.auth.google.client_id": "x"}, [f"{API}.auth.google.client_secret"], "auth.google] exists"),
        (
            {"kv.control_plane.backend": "valkey"},
            ["kv.control_plane.url", "kv.control_plane.key_prefix"],
            "when [kv.control_plane] exists",
        ),
        ({"sandbox.docker.socket_path": None}, ["sandbox.docker.socket_path"], 'when sandbox.provider is "docker"'),
        (
            {"sandbox.storage.docker_volume": None},
            ["sandbox.storage.docker_volume.name_prefix"],
            "(an empty [sandbox.storage.docker_volume] is enough)",
        ),
        ({**E2B, "sandbox.docker.network_name": "n"}, ["sandbox.docker.socket_path"], "when [sandbox.docker] exists"),
        ({**E2B, "sandbox.e2b.api_key": None}, ["sandbox.e2b.api_key"], 'when sandbox.provider is "e2b"'),
        ({"sandbox.e2b.domain": "e2b.example"}, ["sandbox.e2b.api_key"], "when [sandbox.e2b] exists"),
        ({**E2B, "sandbox.storage.archil.api_key": None}, ["sandbox.storage.archil.api_key"], 'backend is "archil"'),
        (
            {**E2B, "sandbox.storage.archil.mount_object_store": "sandbox_storage"},
            [
                f"object_store.sandbox_storage.{name}"
                for name in ("bucket_name", "endpoint", "access_key_id", "secret_access_key")
            ],
            'mount_object_store is "sandbox_storage"',
        ),
        (
            {"object_store.sandbox_storage.region": "x"},
            [f"object_store.sandbox_storage.{name}" for name in ("bucket_name", "access_key_id", "secret_access_key")],
            "exists",
        ),
        ({f"{MASTER_KEYS}.1": None}, [f"{MASTER_KEYS}.<version>"], "is missing"),
        ({f"{MASTER_KEYS}.1": None, MASTER_KEYS: Raw("{}")}, [f"{MASTER_KEYS}.<version>"], "is missing"),
    ],
)
def test_conditional_keys(tmp_path, changes, missing, when):
    config = load(write(tmp_path, changes), {})
    findings = [finding for finding in config.findings if finding.id == "config.missing"]
    assert [finding.fields[0] for finding in findings] == missing
    assert all(when in finding.message for finding in findings)
    assert all(config.keys[path] is None for path in missing)
    assert set(missing) <= config.broken
    assert not set(missing) & set(config.origins)


def test_missing_key_is_hinted_at_its_table(tmp_path):
    file = write(tmp_path, {"email.smtp.port": None})
    line = file.read_text().splitlines().index("[email.smtp]") + 1
    assert found(load(file, {}), "config.missing").hint == f"set email.smtp.port in mistle.toml:{line}"
    assert (
        found(load(None, environment({"email.smtp.port": None})), "config.missing").hint == "set MISTLE_EMAIL_SMTP_PORT"
    )


# The shape of the file


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"email.smtp.pasword": "x"}, "email.smtp.pasword", "did you mean email.smtp.password?"),
        (
            {"postgres.control_plane.directUrl": "x"},
            "postgres.control_plane.directUrl",
            "did you mean postgres.control_plane.direct_url?",
        ),
        ({"emial.smtp.port": 1}, "emial", "did you mean email?"),
        ({"email.host": "x"}, "email.host", "did you mean email.smtp.host?"),
        ({"zzz": 1}, "zzz", "is unknown to Mistle"),
        ({'"postgres.data_plane".direct_url': "x"}, '"postgres.data_plane"', "did you mean postgres.data_plane?"),
        ({f"{MASTER_KEYS}.v2": "x"}, f"{MASTER_KEYS}.v2", "whole number from 1"),
        ({f"{MASTER_KEYS}.01": "x"}, f"{MASTER_KEYS}.01", "whole number from 1"),
        ({f'{MASTER_KEYS}."<version>"': "x"}, f"{MASTER_KEYS}.<version>", "whole number from 1"),
        ({"apps.control_plane_api.port": 1}, "apps", "older Mistle: its [apps.*] are [services.*] now"),
        ({"global.telemetry.enabled": True}, "global.telemetry", "older Mistle: the section is [telemetry] now"),
        ({"billing.stripe.enabled": True}, "billing", "newer Mistle"),
        ({"gateway_relay.backend": "memory"}, "gateway_relay", "newer Mistle"),
        ({"sandbox.docker.enabled": True}, "sandbox.docker.enabled", "newer Mistle: here, sandbox.provider chooses"),
        ({**E2B, "sandbox.e2b.enabled": True}, "sandbox.e2b.enabled", "newer Mistle: here, sandbox.provider chooses"),
        ({"sandbox.tokens.egress.secret": "x"}, "sandbox.tokens.egress", "newer Mistle"),
    ],
)
def test_unknown_key(tmp_path, changes, path, said):
    config = load(write(tmp_path, changes), {})
    finding = found(config, "config.unknown-key")
    assert (finding.fields, finding.status, finding.layer) == ((path,), Status.FAIL, Layer.CONFIG)
    assert said in finding.message
    assert finding.hint.startswith(f"correct or remove {path} in mistle.toml:")
    assert config.broken == frozenset()
    assert path not in config.keys


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Raw('"x"'), "is a string, must be a table: [kv.data_plane]"),
        (Raw("[{url = 'x'}]"), "is an array of tables, must be a table: [kv.data_plane]"),
    ],
)
def test_value_where_a_table_belongs(tmp_path, value, message):
    keys = ["kv.data_plane.backend", "kv.data_plane.url", "kv.data_plane.key_prefix"]
    config = load(write(tmp_path, {**dict.fromkeys(keys), "kv.data_plane": value}), {})
    finding = found(config, "config.wrong-type")
    assert (finding.message, list(finding.fields)) == (message, keys)
    assert ids(config) == ["config.wrong-type"]
    assert set(keys) <= config.broken


def test_array_of_tables_where_a_table_belongs(tmp_path):
    file = write(tmp_path)
    file.write_text(file.read_text().replace("[email.smtp]", "[[email.smtp]]"))
    assert found(load(file, {}), "config.wrong-type").message == "is an array of tables, must be a table: [email.smtp]"


def test_lines_of_every_way_to_write_a_key(tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(
        'sandbox.tokens.connect = {secret = "a",\tissuer = "b"}\r\n'
        "# a comment\r\n\r\n"
        "[ services . 'control_plane_api' . auth ]\r\n"
        "trusted_origins = [ # over\r\n"
        '  "https://a.example", # several\r\n'
        "]\r\n"
        'secret = """\r\n'
        "port = 1\r\n"
        '"""\r\n'
        "otp.length = 5\r\n"
        "[email]\r\n"
        'smtp."port" = 25',
        newline="",
    )
    origins = load(file, {}).origins
    assert {path: int(origin.removeprefix("odd.toml:")) for path, origin in origins.items() if origin != "default"} == {
        "sandbox.tokens.connect.secret": 1,
        "sandbox.tokens.connect.issuer": 1,
        f"{API}.auth.trusted_origins": 5,
        f"{API}.auth.secret": 8,
        f"{API}.auth.otp.length": 11,
        "email.smtp.port": 13,
    }


def test_lines_of_a_monstrous_file_are_given_up_in_time(tmp_path):
    items = "".join(f'  "https://{number}.example",\n' for number in range(20000))
    config = load(write(tmp_path, {"global.zzz": Raw(f"[\n{items}]")}), {})
    assert config.origins["global.env"] == "mistle.toml:2"
    assert config.origins["email.smtp.port"] == "mistle.toml"


# Environment over file


def test_file_is_found_by_the_environment(tmp_path):
    config = load(None, {"MISTLE_CONFIG_PATH": str(write(tmp_path))})
    assert config.findings == ()
    assert config.values["global.env"] == "development"


def test_named_file_wins_over_the_environment(tmp_path):
    assert load(write(tmp_path), {"MISTLE_CONFIG_PATH": "/nowhere"}).findings == ()


def test_environment_alone():
    config = load(None, environment())
    assert config.findings == ()
    assert config.origins[TOKEN] == "MISTLE_INTERNAL_AUTH_SHARED_TOKEN"
    assert config.origins[f"{MASTER_KEYS}.1"].endswith("_MASTER_ENCRYPTION_KEYS_JSON")
    assert config.origins["sandbox.e2b.domain"] == "default"
    assert config.values["sandbox.e2b.domain"] == "e2b.app"


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_variable_wins(tmp_path, key, path):
    file = write(tmp_path, ALL)
    variables = environment(ALL)
    config = load(file, {key.variable: variables[key.variable]})
    assert config.origins[path] == config.keys[path] == key.variable
    assert config.values[path] == _typed(ALL[path])
    assert config.findings == ()


@pytest.mark.parametrize(("key", "path"), ROWS)
@pytest.mark.parametrize("blank", ["", " \t"])
def test_blank_variable_is_a_value_and_fails(tmp_path, key, path, blank):
    config = load(write(tmp_path, ALL), {key.variable: blank})
    finding = found(config, "config.blank-override")
    assert finding.fields == (key.path,)
    assert finding.status is Status.FAIL
    assert finding.hint == f"give {key.variable} a value, or unset it"
    assert key.path in config.broken
    assert key.path not in config.values


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        (PORT, "5100", 5100),
        (PORT, " 5100 ", 5100),
        (PORT, "0x10", 16),
        (PORT, "0b11", 3),
        (PORT, "0o17", 15),
        (PORT, "1e3", 1000),
        (PORT, "5100.0", 5100),
        (PORT, "+5", 5),
        (PORT, "\ufeff007\u2003", 7),
        ("email.smtp.secure", "true", True),
        ("email.smtp.secure", "false", False),
        (f"{API}.auth.enabled_methods", " otp ,,", ("otp",)),
        (
            f"{API}.auth.trusted_origins",
            "https://app.mistle.example , https://b.example",
            ("https://app.mistle.example", "https://b.example"),
        ),
        ("email.smtp.from_name", "  Mistle Mail ", "Mistle Mail"),
        (TOKEN, " " + "x" * 40, "x" * 40),
    ],
)
def test_override_is_read_as_javascript_reads_it(tmp_path, path, text, value):
    config = load(write(tmp_path), {key_of(path).variable: text})
    assert config.findings == ()
    assert config.values[path] == value
    assert type(config.values[path]) is type(value)


@pytest.mark.parametrize(
    ("path", "text", "id_"),
    [
        *(
            (PORT, text, "config.bad-override")
            for text in ("5100x", "1_000", "٣", "0x", "+0x10", "1n", "nan", "--1", "5 1")
        ),
        *(
            (PORT, text, "config.out-of-range")
            for text in ("0", "-0", "65536", "Infinity", "-1", "1e400", "0x" + "f" * 9000)
        ),
        (PORT, "5100.5", "config.wrong-type"),
        *(
            ("email.smtp.secure", text, "config.bad-override")
            for text in ("True", "1", " true", "true\n", "yes", "FALSE")
        ),
        (f"{API}.auth.trusted_origins", " , ,", "config.out-of-range"),
        (f"{API}.auth.enabled_methods", "otp,saml", "config.not-allowed"),
        ("sandbox.provider", " docker", "config.not-allowed"),
    ],
)
def test_override_that_does_not_parse(tmp_path, path, text, id_):
    config = load(write(tmp_path), {key_of(path).variable: text})
    finding = found(config, id_)
    assert (finding.fields, finding.status) == ((path,), Status.FAIL)
    assert key_of(path).variable in finding.hint
    assert path in config.broken
    assert path not in config.values
    assert len(finding.message) < 250


KEYS_JSON = "MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"


@pytest.mark.parametrize(
    "text",
    ["[]", "1", "null", '"k"', '{"1": 2}', '{"1": null}', '{"1": {"2": "3"}}', '{"1": "x"', "sesame", "[" * 100000],
)
def test_master_keys_that_are_no_object_of_strings(tmp_path, text):
    config = load(write(tmp_path), {KEYS_JSON: text})
    finding = found(config, "config.bad-override")
    assert (finding.fields, finding.status) == ((f"{MASTER_KEYS}.<version>",), Status.FAIL)
    assert finding.hint == f"correct {KEYS_JSON}, or unset it"
    assert "sesame" not in finding.message
    assert f"{MASTER_KEYS}.1" in config.values


def test_master_keys_merge_into_the_file(tmp_path):
    strong = "another-master-key-0123456789abcdef0123456789abcdef"
    file = write(tmp_path)
    config = load(file, {KEYS_JSON: json.dumps({"2": strong, "10": strong + "!"})})
    assert config.findings == ()
    assert [path for path in config.keys if MASTER_KEYS in path] == [f"{MASTER_KEYS}.{n}" for n in (1, 2, 10)]
    assert config.origins[f"{MASTER_KEYS}.1"] == line_of(file, f"{MASTER_KEYS}.1")
    assert config.origins[f"{MASTER_KEYS}.2"] == KEYS_JSON


@pytest.mark.parametrize(
    ("text", "id_", "path"),
    [
        ('{"1": " "}', "config.blank", f"{MASTER_KEYS}.1"),
        ('{"0": "x"}', "config.unknown-key", f"{MASTER_KEYS}.0"),
        ('{"1.2": "x"}', "config.unknown-key", f'{MASTER_KEYS}."1.2"'),
    ],
)
def test_master_keys_are_validated_from_the_variable_too(tmp_path, text, id_, path):
    finding = found(load(write(tmp_path), {KEYS_JSON: text}), id_)
    assert finding.fields == (path,)
    assert KEYS_JSON in finding.hint


def test_variable_makes_a_partial_section(tmp_path):
    config = load(write(tmp_path, E2B), {"MISTLE_SANDBOX_DOCKER_NETWORK_NAME": "sandboxes"})
    assert found(config, "config.missing").fields == ("sandbox.docker.socket_path",)


@pytest.mark.parametrize("path", [TOKEN, PORT, "kv.data_plane.url", f"{MASTER_KEYS}.1"])
def test_required_key_only_in_the_environment(tmp_path, path):
    variable = key_of(path).variable
    file = write(tmp_path, {path: None})
    config = load(file, {variable: environment()[variable]})
    finding = found(config, "config.only-in-environment")
    assert (finding.fields, finding.status) == ((key_of(path).path,), Status.WARN)
    assert variable in finding.message
    assert variable in finding.hint or "<version>" in finding.fields[0]
    assert ids(config) == ["config.only-in-environment"]
    assert config.broken == frozenset()
    assert config.keys[path] == variable


def test_optional_key_only_in_the_environment_is_fine(tmp_path):
    assert load(write(tmp_path), {"MISTLE_SANDBOX_DOCKER_NETWORK_NAME": "sandboxes"}).findings == ()


def test_file_is_validated_on_its_own_first(tmp_path):
    file = write(tmp_path, {PORT: "8080"})
    config = load(file, {key_of(PORT).variable: "8080"})
    finding = found(config, "config.wrong-type")
    assert finding.status is Status.FAIL
    assert finding.message.endswith("overrides it, but Mistle validates the file first)")
    assert finding.hint == f"change the type of {PORT} in {line_of(file, PORT)}"
    assert config.broken == frozenset()
    assert config.values[PORT] == 8080


def test_file_that_is_only_whole_with_the_environment_is_refused(tmp_path):
    changes = {"sandbox.docker.socket_path": None}
    switched = {key_of(path).variable: str(value) for path, value in E2B.items() if value is not None}
    config = load(write(tmp_path, changes), switched)
    finding = found(config, "config.missing")
    assert finding.fields == ("sandbox.docker.socket_path",)
    assert config.keys["sandbox.docker.socket_path"] is None
    assert "sandbox.docker.socket_path" not in config.broken


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("MISTLE_APPS_CONTROL_PLANE_API_PORT", "older Mistle; the names begin with MISTLE_SERVICES_ now, did you mean"),
        ("MISTLE_GLOBAL_ENV", "did you mean MISTLE_ENV?"),
        ("MISTLE_SERVICES_TOKENIZER_PROXY_HOST", "tokenizer proxy"),
        ("MISTLE_SANDBOX_TOKENS_EGRESS_SECRET", "egress tokens"),
        ("MISTLE_POSTGRES_CONTROL_PLANE_URL", "did you mean MISTLE_POSTGRES_CONTROL_PLANE_"),
        ("MISTLE_EMAIL_SMTP_PASWORD", "did you mean MISTLE_EMAIL_SMTP_PASSWORD?"),
        ("MISTLE_INTERNAL_AUTH_SHARED_TOKEN_TOKEN", "did you mean MISTLE_INTERNAL_AUTH_SHARED_TOKEN?"),
        (KEYS_JSON.removesuffix("_JSON"), f"did you mean {KEYS_JSON}?"),
    ],
)
def test_unknown_override(tmp_path, variable, said):
    config = load(write(tmp_path), {variable: "sesame"})
    finding = found(config, "config.unknown-override")
    assert (finding.fields, finding.status) == ((), Status.WARN)
    assert finding.message.startswith(f"Mistle ignores {variable}")
    assert said in finding.message
    assert finding.hint == "rename the variable, or unset it"


@pytest.mark.parametrize(
    "variable",
    [
        *("MISTLE_GENERATED_CONFIG_PATH", "MISTLE_PROFILE", "MISTLE_INTEGRATION_TARGETS_MANIFEST_PATH"),
        *("MISTLE_SANDBOX_E2B_TEMPLATE_LOCK_DIR", "MISTLE_COMPOSE_PROJECT_NAME", "MISTLE_DOCKER_IMAGE"),
        *("MISTLE_SANDBOX_NETWORK_NAME", "MISTLE_LOCAL_ENV_FILE", "MISTLE_VERSION", "MISTLE_DEPLOY_COLOUR", "PATH"),
    ],
)
def test_other_variables_are_none_of_our_business(tmp_path, variable):
    assert load(write(tmp_path), {variable: "x"}).findings == ()


# All at once, in order, and nothing that must not be shown


def test_everything_is_found_at_once_in_schema_order(tmp_path):
    changes = {"zzz": 1, "sandbox.provider": "podman", PORT: "1", "global.env": None, "email.smtp.port": 0, TOKEN: " "}
    config = load(write(tmp_path, changes), {"MISTLE_EMAIL_SMTP_SECURE": "yes", "MISTLE_GLOBAL_ENV": "x"})
    assert [(finding.id, *finding.fields) for finding in config.findings] == [
        ("config.missing", "global.env"),
        ("config.wrong-type", PORT),
        ("config.out-of-range", "email.smtp.port"),
        ("config.bad-override", "email.smtp.secure"),
        ("config.blank", TOKEN),
        ("config.not-allowed", "sandbox.provider"),
        ("config.unknown-key", "zzz"),
        ("config.unknown-override",),
    ]
    assert list(config.keys) == sorted(config.keys, key=lambda path: KEYS.index(key_of(path)))


def test_defaults_have_no_verdict(tmp_path):
    config = load(write(tmp_path), {})
    assert config.values[f"{API}.auth.allow_signups"] is True
    assert config.origins[f"{API}.auth.allow_signups"] == "default"
    assert f"{API}.auth.allow_signups" not in config.keys


SECRET_PATHS = [path for path in PATHS if key_of(path).secrecy is not Secrecy.NONE]


@pytest.mark.parametrize("path", SECRET_PATHS)
@pytest.mark.parametrize("template", ["{}", " {} ", "http://u:{}@h", "{}/#?", '{{"1": 1, "x": "{}"}}', "${{X}}{}"])
@pytest.mark.parametrize("where", ["file", "variable"])
def test_no_secret_is_ever_shown(tmp_path, path, template, where):
    text = template.format("Op3n-Sesame!")
    file = write(tmp_path, {**ALL, "global.env": "production"} | ({path: text} if where == "file" else {}))
    config = load(file, {key_of(path).variable: text} if where == "variable" else {})
    shown = repr(config) + "".join(finding.message + finding.hint for finding in config.findings)
    assert "Sesame" not in shown
    assert any("Op3n-Sesame!" in secret for secret in config.secrets)


def test_secrets_in_every_shape_they_were_written(tmp_path):
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


# What is no configuration at all


def write_bytes(content: bytes):
    def make(directory: Path) -> Path:
        path = directory / "mistle.toml"
        path.write_bytes(content)
        return path

    return make


def make_directory(directory: Path) -> Path:
    return directory


def make_pipe(directory: Path) -> Path:
    os.mkfifo(directory / "pipe.toml")
    return directory / "pipe.toml"


def make_huge(directory: Path) -> Path:
    path = directory / "huge.toml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    return path


def make_loop(directory: Path) -> Path:
    (directory / "loop.toml").symlink_to(directory / "loop.toml")
    return directory / "loop.toml"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (write_bytes(b"a = '\xff'"), "is not UTF-8 (at byte 5)"),
        (write_bytes("a = 1".encode("utf-16")), "is UTF-16"),
        (write_bytes(b"\xef\xbb\xbfa = 1"), "byte order mark"),
        (write_bytes(b"a = 1\nb = '\0'"), "NUL character (line 2)"),
        (write_bytes(b"a = 1\nsesame open"), "(line 2, column 8)"),
        (write_bytes(b"a = sesame"), "a value is not TOML: text needs quotes (line 1, column 5)"),
        (write_bytes(b"a = 'sesame"), "is not closed (at the end of the file)"),
        (write_bytes(b"[sesame]\n[sesame]"), "a table is given twice (line 2"),
        (write_bytes(b"sesame = 1\nsesame = 2"), "a key or table is given twice"),
        (write_bytes(b"sesame = {a = 1, a = 2}"), "a key is given twice"),
        (write_bytes(b"sesame = {a = 1}\n[sesame.b]"), "given twice (line 2"),
        (write_bytes(b"sesame = []\n[[sesame]]"), "extended after it was complete (line 2"),
        (write_bytes(b"a = 1 # \x01 sesame"), "a control character (line 1"),
        (write_bytes(b'a = "\\q sesame"'), "double it, or use single quotes"),
        (write_bytes(b"a = [1"), "a bracket is not closed"),
        (write_bytes(b"a = 2026-02-30"), "line 1"),
        (write_bytes(b"a = " + b"[" * 100000), "nested too deeply"),
        (write_bytes(b"a = " + b"9" * 5000), "thousands of digits"),
        (make_directory, "is a directory: name the TOML file in it"),
        (make_pipe, "is not a regular file"),
        (make_huge, "is larger than 1 MiB"),
        (make_loop, "cannot be read: too many levels of symbolic links"),
        (lambda directory: directory / "none.toml", "cannot be read: no such file or directory"),
        (lambda directory: directory / ("x" * 300), "cannot be read: file name too long"),
        (lambda directory: write(directory) / "x", "cannot be read: not a directory"),
        (lambda directory: Path("/dev/zero"), "is not a regular file"),
        (lambda directory: Path("a\0b"), "NUL character"),
    ],
)
def test_bad_file_is_one_clear_line(tmp_path, make, said):
    path = make(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(path)[:200]) or "NUL" in message
    assert "\n" not in message
    assert "sesame" not in message


def test_file_without_permission(tmp_path):
    path = write(tmp_path)
    path.chmod(0)
    with unprivileged(), pytest.raises(ConfigError, match="mistle.toml cannot be read: permission denied$"):
        load(path, {})


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user who may not read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0"])
def test_blank_config_path_is_an_error(blank):
    with pytest.raises(ConfigError, match="^MISTLE_CONFIG_PATH is set but blank: name the file"):
        load(None, {"MISTLE_CONFIG_PATH": blank, **environment()})


def test_nothing_at_all_is_an_error():
    with pytest.raises(ConfigError, match="^there is no configuration: name a file"):
        load(None, {"PATH": "/bin"})


def test_variable_that_is_not_utf8(tmp_path):
    config = load(write(tmp_path), {"MISTLE_EMAIL_SMTP_FROM_NAME": "caf\udce9"})
    assert config.values["email.smtp.from_name"] == "caf\ufffd"


# Examples


@pytest.mark.parametrize("variables", [False, True])
def test_example_is_without_fault(variables):
    lines = Path("examples/compose.env").read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    config = load(Path(env.pop("MISTLE_CONFIG_PATH")), env if variables else {})
    assert config.findings == ()


def test_example_names_every_key():
    lines = Path("examples/mistle.toml").read_text().splitlines()
    settings = [line.removeprefix("# ") for line in lines if re.match(r"(# )?(\[|\w+ = )", line)]
    named = tomllib.loads("\n".join(settings))
    assert [key.path for key in KEYS if lookup(named, key.path.replace("<version>", "1")) is None] == []


# Whatever comes

texts = st.text(st.characters(exclude_characters="\0"), max_size=40) | st.sampled_from(
    ["", " ", "true", "1", "{}", "[]", '{"1":"x"}']
)
variables = st.dictionaries(
    st.sampled_from([key.variable for key in KEYS] + ["MISTLE_X", "MISTLE_GLOBAL_ENV"]), texts, max_size=8
)
documents = st.binary(max_size=200) | st.builds(
    lambda changes: toml({**ALL, **changes}).encode("utf-8", "replace"),
    st.dictionaries(
        st.sampled_from([*PATHS, "sandbox", "kv.data_plane", "x"]),
        st.one_of(texts, st.integers(), st.floats(), st.booleans()),
        max_size=4,
    ),
)


@given(documents, variables)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_load_raises_nothing_but_config_error(tmp_path, document, environ):
    file = tmp_path / "any.toml"
    file.write_bytes(document)
    for path in (file, None):
        try:
            config = load(path, environ)
        except ConfigError as error:
            assert "\n" not in str(error)  # noqa: PT017 - not the only outcome
            continue
        assert set(config.broken) <= set(config.keys)
        assert not set(config.broken) & set(config.values)
        assert all(finding.fields or finding.id == "config.unknown-override" for finding in config.findings)
