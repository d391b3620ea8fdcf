"""What has one reason is one finding: the file of another Mistle, the single container's variables, placeholders."""

import pytest

from checks.core.finding import Status
from preflight.config.loader import ConfigError, load
from tests.harness.configs import E2B, environment, found, write

OLDER = """
[global]
env = "production"
[global.telemetry]
enabled = false
debug = false
[global.internal_auth]
service_token = "0123456789abcdef0123456789abcdef"
[global.sandbox]
provider = "docker"
[apps.control_plane_api.server]
host = "0.0.0.0"
port = 8080
"""
NEWER = {
    "gateway_relay.backend": "memory",
    "billing.stripe.enabled": False,
    "sandbox.provider": None,
    "sandbox.storage.backend": None,
    "sandbox.storage.docker_volume": None,
    "sandbox.docker.enabled": True,
    "sandbox.tokens.egress.secret": "egress-secret-0123456789abcdef0123456789",
    "services.control_plane_api.mcp.enabled": True,
    "services.control_plane_api.workflow_database_pool_max": 10,
}


# The shape of another Mistle


def test_file_of_an_older_mistle_is_one_finding(tmp_path):
    file = tmp_path / "mistle.toml"
    file.write_text(OLDER)
    config = load(file, {})
    (finding,) = config.findings
    assert (finding.id, finding.status) == ("config.other-shape", Status.FAIL)
    with_names = "with global.telemetry in mistle.toml:4, global.internal_auth, global.sandbox, apps;"
    assert f"the shape of an older Mistle, {with_names}" in finding.message
    assert "which has [services.*] in place of [apps.*]" in finding.message
    assert "this tool knows Mistle's commit 7de62c3" in finding.message
    assert "missing for the same reason" in finding.message
    assert "knows your Mistle" in finding.hint
    missing = {key for key, origin in config.keys.items() if origin is None}
    assert len(missing) > 50
    assert missing <= config.broken
    assert missing <= set(finding.fields)


def test_file_of_a_newer_mistle_is_one_finding(tmp_path):
    config = load(write(tmp_path, NEWER), {})
    (finding,) = config.findings
    assert (finding.id, finding.status) == ("config.other-shape", Status.FAIL)
    assert "the shape of a newer Mistle, with " in finding.message
    assert "and 2 more" in finding.message
    assert "2 keys are missing for the same reason" in finding.message
    assert {"sandbox.provider", "sandbox.storage.backend"} <= set(finding.fields) & config.broken
    assert "remove" not in finding.hint


@pytest.mark.parametrize(
    ("changes", "path", "age"),
    [
        ({"apps.control_plane_api.port": 1}, "apps", "an older"),
        ({"global.telemetry.enabled": True}, "global.telemetry", "an older"),
        ({"services.tokenizer_proxy.port": 1}, "services.tokenizer_proxy", "an older"),
        ({"billing.stripe.enabled": True}, "billing", "a newer"),
        ({"gateway_relay.backend": "memory"}, "gateway_relay", "a newer"),
        ({"sandbox.docker.enabled": True}, "sandbox.docker.enabled", "a newer"),
        ({**E2B, "sandbox.e2b.enabled": True}, "sandbox.e2b.enabled", "a newer"),
        ({"sandbox.tokens.egress.secret": "x"}, "sandbox.tokens.egress", "a newer"),
        ({"sandbox.tokens.pty_transport.secret": "x"}, "sandbox.tokens.pty_transport", "a newer"),
        ({"services.dashboard.posthog.enabled": False}, "services.dashboard.posthog", "a newer"),
        ({"services.control_plane_api.mcp.x": 1}, "services.control_plane_api.mcp", "a newer"),
        (
            {"services.data_plane_worker.workflow_database_pool_max": 1},
            "services.data_plane_worker.workflow_database_pool_max",
            "a newer",
        ),
    ],
)
def test_one_key_of_another_mistle(tmp_path, changes, path, age):
    config = load(write(tmp_path, changes), {})
    (finding,) = config.findings
    assert (finding.id, finding.fields) == ("config.other-shape", (path,))
    assert f"{age} Mistle, with {path} in mistle.toml:" in finding.message
    assert path in config.origins
    assert config.broken == frozenset()


def test_other_faults_of_a_newer_file_stay(tmp_path):
    changes = {**NEWER, "zzz": 1, "email.smtp.host": None, "email.smtp.port": 0, "sandbox.provder": "x"}
    ids = {finding.id: finding.fields for finding in load(write(tmp_path, changes), {}).findings}
    assert ids["config.missing"] == ("email.smtp.host",)
    assert ids["config.out-of-range"] == ("email.smtp.port",)
    assert set(ids) == {"config.other-shape", "config.missing", "config.out-of-range", "config.unknown-key"}


def test_variables_of_an_older_mistle_are_one_finding():
    variables = {"MISTLE_APPS_CONTROL_PLANE_API_PORT": "8080", "MISTLE_ENV": "production"}
    config = load(None, variables)
    finding = found(config, "config.other-shape")
    assert 'such as "MISTLE_APPS_CONTROL_PLANE_API_PORT"' in finding.message
    assert [each.id for each in config.findings] == ["config.other-shape", "config.unknown-override"]
    assert "email.smtp.host" in config.broken
    only_the_prefix = load(None, {"MISTLE_APPS_": "8080", "MISTLE_ENV": "production"})
    assert "config.other-shape" not in {each.id for each in only_the_prefix.findings}


# The single container

CONTAINER = {
    "MISTLE_DOCKER_IMAGE": "ghcr.io/mistlehq/mistle:latest",
    "MISTLE_SERVICES_DASHBOARD_PUBLIC_URL": "",
    "MISTLE_EMAIL_SMTP_HOST": "smtp.mistle.example",
}


@pytest.mark.parametrize("name", ["MISTLE_DOCKER_IMAGE", "MISTLE_COMPOSE_PROJECT_NAME", "MISTLE_GENERATED_CONFIG_PATH"])
def test_variables_of_the_single_container_are_one_finding(name):
    variables = {path: value for path, value in CONTAINER.items() if path != "MISTLE_DOCKER_IMAGE"}
    config = load(None, variables | {name: "/run/mistle/config.toml"})
    (finding,) = config.findings
    assert (finding.id, finding.status) == ("config.single-container", Status.FAIL)
    assert f"{name} is set" in finding.message
    assert finding.hint == "run this in the container, with --config /run/mistle/config.toml"
    assert {"services.dashboard.public_url", "email.smtp.port"} <= set(finding.fields) & config.broken
    assert config.values["email.smtp.host"] == "smtp.mistle.example"


def test_single_container_with_a_file_or_with_all_keys(tmp_path):
    assert load(None, environment() | {"MISTLE_DOCKER_IMAGE": "x"}).findings == ()
    config = load(write(tmp_path, {"email.smtp.host": None}), {"MISTLE_DOCKER_IMAGE": "x"})
    assert [finding.id for finding in config.findings] == ["config.missing"]


@pytest.mark.parametrize("name", ["MISTLE_GENERATED_CONFIG_PATH", "MISTLE_ENV"])
def test_file_of_the_single_container_outside_it(tmp_path, name):
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError) as raised:
        load(path, {name: str(path)})
    advice = "the single container writes this file when it starts: run this there"
    assert str(raised.value).endswith(advice) == (name == "MISTLE_GENERATED_CONFIG_PATH")


# Migration jobs


@pytest.mark.parametrize("plane", ["control_plane", "data_plane"])
def test_variables_of_a_migration_job(plane):
    url = "postgres://mistle:s3cret@postgres:5432/mistle"
    variables = {f"MISTLE_POSTGRES_{plane.upper()}_DIRECT_URL": url, "MISTLE_TELEMETRY_ENABLED": "false"}
    config = load(None, variables | {"MISTLE_TELEMETRY_DEBUG": "false"}, service=f"{plane}_migrations")
    (finding,) = config.findings
    assert (finding.id, finding.status) == ("config.missing", Status.WARN)
    assert finding.message.endswith(f" keys are not set; without a file, {plane}_migrations reads none of them")
    assert "email.smtp.host" in set(finding.fields) & config.broken
    assert config.values[f"postgres.{plane}.direct_url"] == url


def test_variables_of_a_migration_job_without_its_url():
    config = load(None, {"MISTLE_TELEMETRY_ENABLED": "false"}, service="data_plane_migrations")
    failed = [finding.fields for finding in config.findings if finding.status is Status.FAIL]
    assert failed == [("telemetry.debug",), ("postgres.data_plane.direct_url",)]


@pytest.mark.parametrize("service", [None, "data_plane_gateway"])
def test_other_services_need_every_key(service):
    config = load(None, {"MISTLE_TELEMETRY_ENABLED": "false"}, service=service)
    assert {finding.status for finding in config.findings if "email.smtp.host" in finding.fields} == {Status.FAIL}


# Placeholders

SAMPLE = {
    "services.dashboard.public_url": "https://replace-with-dashboard-public-host",
    "services.control_plane_api.public_url": "https://replace-with-control-plane-api-public-host",
    "services.control_plane_api.auth.trusted_origins": ["https://replace-with-dashboard-public-host"],
    "services.control_plane_api.auth.secret": "replace-with-control-plane-auth-secret",
    "postgres.control_plane.direct_url": "postgresql://replace-with-user:replace-with-password@replace-with-host/db",
    "postgres.control_plane.pooled_url": "postgresql://replace-with-user:replace-with-password@replace-with-host/db",
    "postgres.data_plane.direct_url": "postgresql://replace-with-user:replace-with-password@replace-with-host/db",
    "postgres.data_plane.pooled_url": "postgresql://replace-with-user:replace-with-password@replace-with-host/db",
    "kv.data_plane.url": "redis://replace-with-valkey-host:6379",
    "email.smtp.password": "replace-with-smtp-password",
    "internal_auth.shared_token.token": "replace-with-internal-service-token",
}


def test_placeholders_of_a_sample_are_one_finding(tmp_path):
    config = load(write(tmp_path, SAMPLE), {})
    (finding,) = config.findings
    assert (finding.id, set(finding.fields), config.broken) == ("config.placeholder", set(SAMPLE), set(SAMPLE))
    assert finding.message == (
        "11 values still hold placeholders, such as services.dashboard.public_url: "
        '"https://replace-with-dashboard-public-host"'
    )
    assert finding.hint.startswith("put the real value into services.dashboard.public_url in mistle.toml:")
    assert finding.hint.endswith(" and 8 more")


def test_placeholders_of_secrets_alone_are_not_shown(tmp_path):
    config = load(write(tmp_path, {path: value for path, value in SAMPLE.items() if path[0] == "p"}), {})
    assert found(config, "config.placeholder").message == "4 values still hold placeholders"


def test_a_placeholder_is_no_secret(tmp_path):
    assert not [secret for secret in load(write(tmp_path, SAMPLE), {}).secrets if "replace-with" in secret]
    for value in (
        "${SMTP_PASSWORD}",
        "<password>",
        "{{ smtp }}",
        "change-me",
        "CHANGEME",
        "replace_with_smtp_password",
    ):
        assert value not in load(write(tmp_path, {"email.smtp.password": value}), {}).secrets


@pytest.mark.parametrize("secret", ["replace-with-0123456789abcdef", "changeme8Zq1", "a${B}c", "<a>b", "${A}${B}x"])
def test_a_secret_that_holds_a_placeholder_is_masked(tmp_path, secret):
    assert secret in load(write(tmp_path, {"email.smtp.password": secret}), {}).secrets
