"""Valid and invalid values of every key, required and unknown keys, and findings about all of them together."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.core.finding import Layer, Status
from preflight.config.loader import ConfigError, load
from preflight.config.origin import DEFAULT
from preflight.config.schema.conditions import ALWAYS, OPTIONAL
from preflight.config.schema.key import Key
from preflight.config.schema.keys import KEYS, VERSION, key_of
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Versioned
from preflight.config.tree import lookup
from preflight.reference import example
from tests.harness.configs import ALL, E2B, MASTER_KEYS, PATHS, Raw, environment, found, line_of, toml, write

API = "services.control_plane_api"
PORT = f"{API}.port"
TOKEN = "internal_auth.shared_token.token"
ROWS = [pytest.param(key_of(path), path, id=path) for path in PATHS]


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
    assert config.origins[path] == config.keys[path]
    assert str(config.origins[path]) == line_of(file, path)


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_missing_key_is_reported_where_it_is_required(tmp_path, key, path):
    section = path.rpartition(".")[0]
    is_alone = not any(other.startswith(f"{section}.") for other in PATHS if other != path)
    config = load(write(tmp_path, {**ALL, path: None, **({section: Raw("{}")} if is_alone else {})}), {})
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
def test_value_that_is_not_allowed(tmp_path, key, path):
    for wrong in (f"{ALL[path]} ", str(ALL[path]).upper(), "podman"):
        finding = found(load(write(tmp_path, {**ALL, path: wrong}), {}), "config.not-allowed")
        assert finding.fields == (path,)
        assert finding.message == f"is {json.dumps(wrong)}, must be {key.type.expects}"
        assert finding.hint == f"correct {path} in {load(write(tmp_path, ALL), {}).origins[path]}"
        assert all(word in finding.message for word in key.type.allowed)


def test_integer_limits_are_named():
    assert Integer(1, 65535).expects == "a whole number from 1 to 65535, without quotes"
    assert Integer(30).expects == "a whole number from 30, without quotes"


@pytest.mark.parametrize(("key", "path"), [row for row in ROWS if isinstance(row.values[0].type, Integer)])
def test_integer_limits(tmp_path, key, path):
    least, most = key.type.minimum, key.type.maximum
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
    assert [finding.hint for finding in findings] == [f"set {path} in {config.missing[path]}" for path in missing]


def test_hint_of_a_missing_key_names_the_line_of_its_table(tmp_path):
    file = write(tmp_path, {"email.smtp.port": None})
    line = file.read_text().splitlines().index("[email.smtp]") + 1
    assert found(load(file, {}), "config.missing").hint == f"set email.smtp.port in mistle.toml:{line}"
    assert (
        found(load(None, environment({"email.smtp.port": None})), "config.missing").hint == "set MISTLE_EMAIL_SMTP_PORT"
    )


# Names that are not Mistle's, tables and values


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
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
        ({"email.smtp.tls_server_name": "x"}, "email.smtp.tls_server_name", "is unknown to Mistle"),
        ({"services.control_plane_api.auth.otp.otp": 1}, "services.control_plane_api.auth.otp.otp", "is unknown"),
        ({'"postgres.data_plane".direct_url': "x"}, '"postgres.data_plane"', "did you mean postgres.data_plane?"),
        ({f"{MASTER_KEYS}.v2": "x"}, f"{MASTER_KEYS}.v2", "whole number from 1"),
        ({f"{MASTER_KEYS}.01": "x"}, f"{MASTER_KEYS}.01", "whole number from 1"),
        ({f'{MASTER_KEYS}."<version>"': "x"}, f"{MASTER_KEYS}.<version>", "whole number from 1"),
    ],
)
def test_unknown_key(tmp_path, changes, path, expected):
    config = load(write(tmp_path, changes), {})
    finding = found(config, "config.unknown-key")
    assert (finding.fields, finding.status, finding.layer) == ((path,), Status.FAIL, Layer.CONFIG)
    assert expected in finding.message
    assert finding.hint.startswith(f"correct or remove {path} in mistle.toml:")
    assert config.broken == frozenset()
    assert path not in config.keys
    assert str(config.origins[path]) in finding.hint


@pytest.mark.parametrize("above", sorted({key.section for key in KEYS}))
def test_unknown_key_whose_own_table_is_not_suggested(tmp_path, above):
    for name in ("x", "name", "limits"):
        path = f"{above}.{name}"
        changes = {path: "x", "sandbox.storage.docker_volume": None}
        message = found(load(write(tmp_path, changes), {}), "config.unknown-key").message
        suggested = message.partition("did you mean ")[2].rstrip("?")
        assert not suggested or not f"{path}.".startswith(f"{suggested}."), message


def test_long_name_leaves_room_for_its_line(tmp_path):
    path = f'"{"x" * 300} y"'
    file = write(tmp_path, {path: 1})
    hint = found(load(file, {}), "config.unknown-key").hint
    assert hint.endswith(f"… in {line_of(file, path)}")
    assert len(hint) < 300


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
    assert [finding.id for finding in config.findings] == ["config.wrong-type"]
    assert set(keys) <= config.broken


def test_array_of_tables_where_a_table_belongs(tmp_path):
    file = write(tmp_path)
    file.write_text(file.read_text().replace("[email.smtp]", "[[email.smtp]]"))
    assert found(load(file, {}), "config.wrong-type").message == "is an array of tables, must be a table: [email.smtp]"


# All together


def test_all_findings_in_schema_order(tmp_path):
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
    assert config.origins[f"{API}.auth.allow_signups"] == DEFAULT
    assert f"{API}.auth.allow_signups" not in config.keys


@pytest.mark.parametrize("variables", [False, True])
def test_example_is_valid(variables):
    lines = Path("examples/compose.env").read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    config = load(Path(env.pop("MISTLE_CONFIG_PATH")), env if variables else {})
    # The stack of the tests has a gateway on loopback, and starts no sandbox.
    expected = ["config.sandbox-loopback"] * variables
    assert [finding.id for finding in config.findings] == expected, (
        "write a value into examples/mistle.toml that is right for the servers of docker-compose.test.yml"
    )


def with_comments(text: str) -> dict[str, object]:
    """The settings of an example, with those in comments."""
    settings = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"(# )?(\[|\w+ = )", line)]
    return tomllib.loads("\n".join(settings))


def test_example_names_every_key():
    named = with_comments(Path("examples/mistle.toml").read_text())
    missing = [key.path for key in KEYS if lookup(named, key.path.replace("<version>", "1")) is None]
    assert not missing, "run python -m preflight.reference.generate"


ONE_OF_EACH_TABLE = {key.section: key for key in KEYS if VERSION not in key.path}


@pytest.mark.parametrize("key", ONE_OF_EACH_TABLE.values(), ids=lambda key: key.path)
def test_example_gets_a_line_for_a_key_that_it_lacks(key: Key):
    """In its table; where the whole table is missing, also with the table."""
    text, name = example.complete(Path("examples/mistle.toml").read_text()), key.path.rpartition(".")[2]
    table = re.search(rf"^(# )?\[{re.escape(key.section)}\]\n(.+\n)*", text, re.MULTILINE)
    assert table
    without_key = re.sub(rf"(?m)^(# )?{name} = .*\n", "", table[0])
    for rest in (without_key, ""):
        completed = example.complete(text.replace(table[0], rest))
        assert lookup(with_comments(completed), key.path) is not None
        is_set = lookup(tomllib.loads(completed), key.path) is not None
        assert is_set == (key.required is ALWAYS)


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
