"""Variables override the file: how their text is read, and which variables only look like overrides."""

import json

import pytest

from checks.core.finding import Status
from preflight.config.loader import load
from preflight.config.origin import DEFAULT, InVariable
from preflight.config.schema.keys import key_of
from tests.harness.configs import ALL, E2B, MASTER_KEYS, PATHS, environment, found, line_of, write

API = "services.control_plane_api"
PORT = f"{API}.port"
ACTIVE, STRONG = f"{API}.integrations.active_master_encryption_key_version", "0123456789abcdef0123456789abcdef"
TOKEN = "internal_auth.shared_token.token"
KEYS_JSON = "MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"
ROWS = [pytest.param(key_of(path), path, id=path) for path in PATHS]


def test_file_is_found_by_the_environment(tmp_path):
    config = load(None, {"MISTLE_CONFIG_PATH": str(write(tmp_path))})
    assert config.findings == ()
    assert config.values["global.env"] == "development"


def test_named_file_wins_over_the_environment(tmp_path):
    assert load(write(tmp_path), {"MISTLE_CONFIG_PATH": "/nowhere"}).findings == ()


def test_environment_alone():
    config = load(None, environment())
    assert config.findings == ()
    assert config.origins[TOKEN] == InVariable("MISTLE_INTERNAL_AUTH_SHARED_TOKEN")
    assert config.origins[f"{MASTER_KEYS}.1"] == InVariable(KEYS_JSON)
    assert config.origins["sandbox.e2b.domain"] == DEFAULT
    assert config.values["sandbox.e2b.domain"] == "e2b.app"


@pytest.mark.parametrize(("key", "path"), ROWS)
def test_variable_wins(tmp_path, key, path):
    file = write(tmp_path, ALL)
    variables = environment(ALL)
    config = load(file, {key.variable: variables[key.variable]})
    assert config.origins[path] == config.keys[path] == InVariable(key.variable)
    assert config.values[path] == (tuple(ALL[path]) if isinstance(ALL[path], list) else ALL[path])
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


@pytest.mark.parametrize(
    "text",
    ["[]", "1", '{"1": 2}', '{"1": null}', '{"1": {"2": "3"}}', '{"1": "x"', "sesame", "[" * 100000],
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
    assert str(config.origins[f"{MASTER_KEYS}.1"]) == line_of(file, f"{MASTER_KEYS}.1")
    assert config.origins[f"{MASTER_KEYS}.2"] == InVariable(KEYS_JSON)


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
    assert [finding.id for finding in config.findings] == ["config.only-in-environment"]
    assert config.broken == frozenset()
    assert config.keys[path] == InVariable(variable)


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


def test_file_that_is_complete_only_with_the_environment_is_refused(tmp_path):
    changes = {"sandbox.docker.socket_path": None}
    switched = {key_of(path).variable: str(value) for path, value in E2B.items() if value is not None}
    config = load(write(tmp_path, changes), switched)
    finding = found(config, "config.missing")
    assert finding.fields == ("sandbox.docker.socket_path",)
    assert config.keys["sandbox.docker.socket_path"] is None
    assert "sandbox.docker.socket_path" not in config.broken


@pytest.mark.parametrize(
    ("variable", "expected"),
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
def test_unknown_override(tmp_path, variable, expected):
    config = load(write(tmp_path), {variable: "sesame"})
    finding = found(config, "config.unknown-override")
    assert (finding.fields, finding.status) == ((), Status.WARN)
    assert finding.message.startswith(f"Mistle ignores {variable}")
    assert expected in finding.message
    assert finding.hint == "rename the variable, or unset it"


@pytest.mark.parametrize(
    "variable",
    [
        *("MISTLE_GENERATED_CONFIG_PATH", "MISTLE_PROFILE", "MISTLE_INTEGRATION_TARGETS_MANIFEST_PATH"),
        *("MISTLE_SANDBOX_E2B_TEMPLATE_LOCK_DIR", "MISTLE_COMPOSE_PROJECT_NAME", "MISTLE_DOCKER_IMAGE"),
        *("MISTLE_SANDBOX_NETWORK_NAME", "MISTLE_LOCAL_ENV_FILE", "MISTLE_VERSION", "MISTLE_DEPLOY_COLOUR", "PATH"),
    ],
)
def test_unrelated_variables_are_ignored(tmp_path, variable):
    assert load(write(tmp_path), {variable: "x"}).findings == ()


@pytest.mark.parametrize(
    ("changes", "env", "overrides"),
    [
        ({ACTIVE: 2}, {KEYS_JSON: f'{{"2": "second-{STRONG}"}}'}, KEYS_JSON),
        ({ACTIVE: 2}, {key_of(ACTIVE).variable: "1"}, key_of(ACTIVE).variable),
    ],
)
def test_active_key_that_only_a_variable_supplies(tmp_path, changes, env, overrides):
    """Mistle validates the file on its own first."""
    finding = found(load(write(tmp_path, changes), env), "config.active-key-missing")
    assert (finding.status, finding.fields) == (Status.FAIL, (ACTIVE,))
    expected = (
        f"is 2, but the configured versions are 1 ({overrides} overrides it, but Mistle validates the file first)"
    )
    assert finding.message == expected


# Without a file


@pytest.mark.parametrize(("text", "value"), [(" TRUE ", True), ("True", True), ("FALSE", False), ("\tfalse", False)])
def test_boolean_without_a_file(tmp_path, text, value):
    path, variable = "object_store.assets.force_path_style", "MISTLE_OBJECT_STORE_ASSETS_FORCE_PATH_STYLE"
    config = load(None, environment() | {variable: text})
    finding = found(config, "config.bad-override")
    assert (finding.status, finding.fields, config.values[path]) == (Status.WARN, (path,), value)
    assert "only where there is no file" in finding.message
    assert found(load(write(tmp_path), {variable: text}), "config.bad-override").status is Status.FAIL
    assert found(load(None, environment() | {variable: "yes"}), "config.bad-override").status is Status.FAIL


@pytest.mark.parametrize(
    ("changes", "id_", "path"),
    [
        (
            {"services.dashboard.control_plane_api_origin": None},
            "config.missing",
            "services.dashboard.control_plane_api_origin",
        ),
        (
            {"services.dashboard.control_plane_api_origin": "api"},
            "config.malformed-url",
            "services.dashboard.control_plane_api_origin",
        ),
        ({"kv.control_plane.backend": "redis"}, "config.not-allowed", "kv.control_plane.backend"),
        ({f"{API}.auth.enabled_methods": ["google"]}, "config.not-allowed", f"{API}.auth.enabled_methods"),
    ],
)
def test_key_that_no_service_reads_without_a_file(tmp_path, changes, id_, path):
    config = load(None, environment(changes))
    (finding,) = (finding for finding in config.findings if finding.id == id_ and finding.fields == (path,))
    assert finding.status is Status.WARN
    assert "without a file, no service reads the key" in finding.message
    assert path in config.broken
    beside = [finding.status for finding in load(write(tmp_path, changes), {}).findings if finding.fields == (path,)]
    assert beside == [Status.FAIL]
