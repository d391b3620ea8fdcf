"""A real configuration breaks each rule: id, key, status, hint."""

from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from preflight.config import causes
from preflight.config.loader import load
from preflight.config.schema.keys import key_of
from tests.harness.configs import CONTROL_KV, E2B, GOOGLE, MASTER_KEYS, MOUNTED, TELEMETRY, Raw, line_of, write

API, AUTH, GATEWAY = "services.control_plane_api", "services.control_plane_api.auth", "services.data_plane_gateway"
PRODUCTION = {"global.env": "production"}
STRONG = "0123456789abcdef0123456789abcdef"


def check(tmp_path, changes, id_, status, *keys, message="", hint="", env=None):
    """Assert the one finding of an id: status, keys, message, and the origins in its hint."""
    file = write(tmp_path, changes)
    config = load(file, env or {})
    (finding,) = (finding for finding in config.findings if finding.id == id_)
    assert (finding.status, finding.fields, finding.layer) == (status, keys, Layer.CONFIG)
    assert message in finding.message
    for key in keys:
        origin = str(config.origins[key]) if key_of(key).variable in (env or {}) else f"{key} in {line_of(file, key)}"
        assert origin in finding.hint
    assert hint in finding.hint
    return config


def clean(tmp_path, changes):
    assert load(write(tmp_path, changes), {}).findings == ()


@pytest.mark.parametrize("changes", [{}, E2B, MOUNTED, GOOGLE, TELEMETRY, CONTROL_KV])
@pytest.mark.parametrize("env", ["development", "production"])
def test_valid_configurations_pass_all_rules(tmp_path, changes, env):
    clean(tmp_path, {**changes, "global.env": env})


# URLs


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("postgres.control_plane.direct_url", "postgres:5432/mistle", "scheme and //"),
        ("postgres.control_plane.pooled_url", "postgres://u:p@/mistle", "no host"),
        ("postgres.data_plane.direct_url", "postgres://u:p@db:5432", "names no database"),
        ("postgres.data_plane.pooled_url", "postgres://u:p@db/", "names no database"),
        ("postgres.data_plane.pooled_url", "postgres://u:p/x@db/m", "%2F"),
        ("kv.data_plane.url", "redis://valkey:6379/mistle", "a database number"),
        ("kv.data_plane.url", "redis://valkey/0/1", "a database number"),
        ("kv.data_plane.url", "redis://valkey/" + "9" * 5000, "a database number"),
        ("kv.data_plane.url", "redis://one:6379,two:6379", "several hosts"),
        ("services.dashboard.public_url", "app.mistle.example", "is not a URL like http://"),
        ("services.dashboard.control_plane_api_origin", "//api.mistle.example", "scheme and //"),
        (f"{API}.public_url", "https://api.mistle.example:x", "port is not a number"),
        (f"{API}.internal_url", "http://api:80800", "1 to 65535"),
        ("services.data_plane_api.internal_url", "http//api", "scheme and //"),
        (f"{GATEWAY}.internal_url", "http://ga teway", "space"),
        (f"{GATEWAY}.sandbox_ws_public_url", "gateway", "is not a URL like ws://"),
        (f"{GATEWAY}.sandbox_ws_internal_url", "ws://", "no host"),
        ("object_store.assets.endpoint", "s3.example.com", "scheme and //"),
    ],
)
def test_malformed_url(tmp_path, path, url, expected):
    config = check(tmp_path, {path: url}, "config.malformed-url", Status.FAIL, path, message=expected, hint="correct ")
    assert config.broken == {path}
    assert path not in config.values


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("postgres.control_plane.direct_url", "mysql://u:p@db/m", "postgres:// or postgresql://"),
        ("kv.data_plane.url", "valkey://valkey:6379", "redis:// or rediss://"),
        ("kv.data_plane.url", "sentinel://valkey:6379", "redis:// or rediss://"),
        ("services.dashboard.public_url", "ws://app.mistle.example", "http:// or https://"),
        (f"{API}.internal_url", "tcp://api:8080", "http:// or https://"),
        (f"{GATEWAY}.sandbox_ws_public_url", "https://gateway.mistle.example/tunnel/sandbox", "ws:// or wss://"),
        (f"{GATEWAY}.sandbox_ws_internal_url", "http://gateway:8084/tunnel/sandbox", "ws:// or wss://"),
    ],
)
def test_wrong_scheme(tmp_path, path, url, expected):
    config = check(tmp_path, {path: url}, "config.wrong-scheme", Status.FAIL, path, message=expected, hint="correct ")
    assert config.broken == {path}


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_telemetry_endpoint_is_a_url_when_telemetry_is_enabled(tmp_path, signal):
    path = f"telemetry.{signal}.endpoint"
    check(tmp_path, {**TELEMETRY, path: "grpc://c:4317"}, "config.wrong-scheme", Status.FAIL, path)


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@pytest.mark.parametrize(
    ("endpoint", "id_", "message"),
    [
        ("collector:4317", "config.malformed-url", "scheme and //"),
        ("collector", "config.malformed-url", "scheme and //"),
        ("grpc://collector:4317", "config.wrong-scheme", "must begin with http:// or https://"),
        ("replace-with-endpoint", "config.malformed-url", "scheme and //"),
    ],
)
def test_telemetry_endpoint_is_a_url_while_telemetry_is_off(tmp_path, signal, endpoint, id_, message):
    path = f"telemetry.{signal}.endpoint"
    check(tmp_path, {path: endpoint}, id_, Status.FAIL, path, message=message)


def test_telemetry_endpoint_may_be_a_template_while_telemetry_is_off(tmp_path):
    for endpoint in ("http://${COLLECTOR}:4318/v1/traces", "https://replace-with-host/v1/traces"):
        clean(tmp_path, {"telemetry.traces.endpoint": endpoint})


@pytest.mark.parametrize(
    ("attributes", "named"),
    [("abc", "abc"), ("a=b, abc ,c=d", "abc"), ("=b", "=b"), ("service.name", "service.name")],
)
def test_resource_attributes(tmp_path, attributes, named):
    path = "telemetry.resource_attributes"
    message = f'"{named}" is no name=value'
    check(tmp_path, {**TELEMETRY, path: attributes}, "config.not-allowed", Status.FAIL, path, message=message)
    clean(tmp_path, {path: attributes})


@pytest.mark.parametrize("attributes", ["a=b", "a=", "a==b,", " , a = b,,", "a=b=c"])
def test_resource_attributes_that_mistle_takes(tmp_path, attributes):
    clean(tmp_path, {**TELEMETRY, "telemetry.resource_attributes": attributes})


@pytest.mark.parametrize("name", ["sandbox_ws_public_url", "sandbox_ws_internal_url"])
def test_fragment_of_a_tunnel_url(tmp_path, name):
    path = f"{GATEWAY}.{name}"
    url = "wss://gateway.mistle.example/tunnel/sandbox"
    check(tmp_path, {path: f"{url}#a"}, "config.malformed-url", Status.FAIL, path, message="holds a fragment")
    check(tmp_path, {path: f"{url}?x=1#a"}, "config.malformed-url", Status.FAIL, path, message="holds a fragment")
    clean(tmp_path, {path: f"{url}?region=eu"})
    clean(tmp_path, {path: f"{url}#"})


@pytest.mark.parametrize("service", ["data_plane_api", "data_plane_gateway"])
def test_path_that_mistle_drops(tmp_path, service):
    path = f"services.{service}.internal_url"
    message = 'has the path "/mistle/api"; Mistle drops it, and sends its requests to "http://proxy:8080"'
    changes = {path: "http://proxy:8080/mistle/api"}
    config = check(tmp_path, changes, "config.dropped-path", Status.FAIL, path, message=message, hint="remove the path")
    assert config.broken == frozenset()
    clean(tmp_path, {path: "http://proxy:8080/"})
    check(tmp_path, {path: "http://proxy:8080?key=a"}, "config.dropped-path", Status.FAIL, path, message="has a query;")


def test_query_of_a_valkey_url(tmp_path):
    path, message = "kv.data_plane.url", "has a query, which Mistle's client ignores: it uses database 0"
    changes = {path: "redis://valkey:6379?db=1"}
    check(tmp_path, changes, "config.ignored-query", Status.WARN, path, message=message, hint="redis://host:6379/1")
    clean(tmp_path, {path: "redis://valkey:6379/1"})


def test_path_that_mistle_keeps(tmp_path):
    clean(tmp_path, {f"{API}.internal_url": "http://proxy:8080/mistle/api"})


@pytest.mark.parametrize(
    ("path", "scheme", "who"),
    [
        (f"{API}.internal_url", "http", "Node's fetch refuses"),
        (f"{API}.public_url", "https", "browsers refuse"),
        ("services.dashboard.control_plane_api_origin", "https", "browsers refuse"),
        ("services.data_plane_api.internal_url", "http", "Node's fetch refuses"),
        (f"{GATEWAY}.internal_url", "http", "Node's fetch refuses"),
        (f"{GATEWAY}.sandbox_ws_public_url", "wss", "browsers refuse"),
    ],
)
@pytest.mark.parametrize("port", [6000, 6667, 10080])
def test_port_that_fetch_refuses(tmp_path, path, scheme, who, port):
    changes = {path: f"{scheme}://host.mistle.example:{port}"}
    message = f"names port {port}, to which {who} to connect"
    check(tmp_path, changes, "config.refused-port", Status.FAIL, path, message=message, hint="another port")


def test_port_that_fetch_refuses_and_other_clients_do_not(tmp_path):
    clean(tmp_path, {f"{GATEWAY}.sandbox_ws_internal_url": "ws://gateway:6000/tunnel/sandbox"})
    clean(tmp_path, {"object_store.assets.endpoint": "http://s3.mistle.example:6000"})


def test_sandbox_storage_endpoint_is_a_url_when_it_is_mounted(tmp_path):
    path = "object_store.sandbox_storage.endpoint"
    check(tmp_path, {**MOUNTED, path: "s3://bucket.example.com"}, "config.wrong-scheme", Status.FAIL, path)
    clean(tmp_path, {**MOUNTED, path: "s3", "sandbox.storage.archil.mount_object_store": None})


@pytest.mark.parametrize("url", ["redis://valkey", "redis://valkey/", "rediss://u:p@valkey:6380/15"])
def test_valkey_url(tmp_path, url):
    clean(tmp_path, {"kv.data_plane.url": url})


# Rules across keys


@pytest.mark.parametrize(("provider", "backend"), [("docker", "archil"), ("e2b", "docker_volume")])
def test_provider_and_storage(tmp_path, provider, backend):
    changes = {**E2B, "sandbox.storage.docker_volume": Raw("{}"), "sandbox.docker.socket_path": "/s"}
    changes |= {"sandbox.provider": provider, "sandbox.storage.backend": backend}
    check(
        tmp_path,
        changes,
        "config.provider-storage-mismatch",
        Status.WARN,
        "sandbox.storage.backend",
        message=f'is "{backend}", and sandbox.provider is "{provider}", whose persistent sandboxes work only with',
        hint="docker works with docker_volume, e2b with archil",
    )


def test_active_key(tmp_path):
    path = f"{API}.integrations.active_master_encryption_key_version"
    changes = {path: 3, f"{MASTER_KEYS}.2": f"second-{STRONG}"}
    check(
        tmp_path,
        changes,
        "config.active-key-missing",
        Status.FAIL,
        path,
        message="is 3, but the configured versions are 1, 2",
        hint="or add that key",
    )


def test_active_key_of_a_broken_key_is_one_finding(tmp_path):
    config = load(write(tmp_path, {f"{MASTER_KEYS}.1": " ", f"{MASTER_KEYS}.2": f"second-{STRONG}"}), {})
    assert [finding.id for finding in config.findings] == ["config.blank"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "gateway", "gw.internal", "[fd00::1]"])
def test_e2b_must_reach_the_gateway(tmp_path, host):
    path = f"{GATEWAY}.sandbox_ws_internal_url"
    changes = {**E2B, path: f"wss://{host}:8084/tunnel/sandbox"}
    hint = "reachable from the internet"
    config = check(tmp_path, changes, "config.not-public", Status.FAIL, path, message="E2B's cloud", hint=hint)
    assert config.broken == frozenset()
    clean(tmp_path, {path: "ws://gateway:8084/tunnel/sandbox"})


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "gw.localhost", "127.0.0.1", "[::1]", "0.0.0.0"])
def test_sandboxes_of_docker_must_reach_the_gateway(tmp_path, host):
    path = f"{GATEWAY}.sandbox_ws_internal_url"
    changes = {path: f"ws://{host}:8084/tunnel/sandbox"}
    hint, message = "host.docker.internal", "each sandbox itself"
    check(tmp_path, changes, "config.sandbox-loopback", Status.WARN, path, message=message, hint=hint)
    changes |= PRODUCTION
    check(tmp_path, changes, "config.sandbox-loopback", Status.FAIL, path, message=message, hint=hint)


@pytest.mark.parametrize("host", ["gateway", "host.docker.internal", "172.17.0.1", "localhost.example"])
def test_gateway_that_sandboxes_of_docker_may_reach(tmp_path, host):
    clean(tmp_path, {f"{GATEWAY}.sandbox_ws_internal_url": f"ws://{host}:8084/tunnel/sandbox"})


@pytest.mark.parametrize("host", ["localhost:8333", "192.168.1.4", "seaweedfs:8333", "s3.cluster.local"])
def test_archil_must_reach_the_bucket(tmp_path, host):
    path = "object_store.sandbox_storage.endpoint"
    changes = {**MOUNTED, path: f"http://{host}"}
    check(tmp_path, changes, "config.not-public", Status.FAIL, path, message="Archil's cloud")
    clean(tmp_path, {**changes, "sandbox.storage.archil.mount_object_store": None})


def test_localhost_in_a_public_url_in_production(tmp_path):
    changes = {"services.dashboard.public_url": "https://localhost", f"{AUTH}.trusted_origins": ["https://localhost"]}
    clean(tmp_path, changes)
    path = "services.dashboard.public_url"
    check(tmp_path, {**PRODUCTION, **changes}, "config.not-public", Status.WARN, path, message='"localhost"')


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("https://app.mistle.example/", 'write "https://app.mistle.example"'),
        ("https://app.mistle.example/login", 'write "https://app.mistle.example"'),
        ("https://App.mistle.example", 'write "https://app.mistle.example"'),
        ("https://app.mistle.example:443", 'write "https://app.mistle.example"'),
        ("app.mistle.example", "item 2 is not an origin"),
        ("*", "item 2 is not an origin"),
        ("https://*.mistle.example", "item 2 is not an origin"),
    ],
)
def test_origin_that_never_matches(tmp_path, entry, text):
    path = f"{AUTH}.trusted_origins"
    changes = {path: ["https://app.mistle.example", entry]}
    check(tmp_path, changes, "config.origin-never-matches", Status.FAIL, path, message=text, hint="no trailing slash")


def test_origin_not_trusted(tmp_path):
    path = f"{AUTH}.trusted_origins"
    changes = {path: ["https://other.mistle.example"]}
    expected = 'does not hold "https://app.mistle.example"'
    check(
        tmp_path,
        changes,
        "config.origin-not-trusted",
        Status.FAIL,
        path,
        message=expected,
        hint="add the dashboard's origin",
    )


@pytest.mark.parametrize(
    "origin",
    ["https://api.mistle.example", "https://app.mistle.example", "https://api.mistle.example/", "same-origin"],
)
def test_api_origin(tmp_path, origin):
    clean(tmp_path, {"services.dashboard.control_plane_api_origin": origin})


@pytest.mark.parametrize("origin", ["Same-Origin", "same_origin"])
def test_word_that_is_not_same_origin(tmp_path, origin):
    path = "services.dashboard.control_plane_api_origin"
    message = 'is not a URL like http://… or "same-origin"'
    check(tmp_path, {path: origin}, "config.malformed-url", Status.FAIL, path, message=message)


@pytest.mark.parametrize(
    "origin", ["https://api.other.example", "http://api.mistle.example", "https://api.mistle.example/v1"]
)
def test_api_origin_mismatch(tmp_path, origin):
    path = "services.dashboard.control_plane_api_origin"
    hint = f"the origin of {API}.public_url"
    check(tmp_path, {path: origin}, "config.origin-mismatch", Status.WARN, path, message="https://api.", hint=hint)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("email.smtp.password", "replace-with-smtp-password"),
        (f"{AUTH}.secret", f"REPLACE_WITH_{STRONG}"),
        (f"{MASTER_KEYS}.1", f"change-me-{STRONG}"),
        ("kv.data_plane.url", "redis://:replace-with-valkey-password@valkey:6379"),
        ("postgres.control_plane.direct_url", "postgres://mistle:<password>@db/m"),
        (f"{API}.public_url", "https://{{ .Values.host }}"),
        (f"{API}.public_url", "https://{{{{ {host} }}"),
        ("object_store.assets.bucket_name", "<your-bucket>"),
        (f"{AUTH}.trusted_origins", ["https://app.mistle.example", "https://replace-with-host"]),
    ],
)
def test_placeholder(tmp_path, path, value):
    config = check(tmp_path, {path: value}, "config.placeholder", Status.FAIL, path, hint="put the real value into")
    assert [finding.id for finding in config.findings] == ["config.placeholder"]
    assert config.broken == {path}


def test_placeholder_in_a_section_that_mistle_ignores(tmp_path):
    clean(tmp_path, {"sandbox.e2b.api_key": "replace-with-e2b-api-key"})


CHOSEN = [
    f"{AUTH}.secret",
    f"{MASTER_KEYS}.1",
    "internal_auth.shared_token.token",
    "sandbox.tokens.connect.secret",
    "sandbox.tokens.bootstrap.secret",
    "sandbox.publish.access_token.secret",
    "sandbox.publish.session.cookie_signing_secret",
]


@pytest.mark.parametrize("path", CHOSEN)
@pytest.mark.parametrize(("changes", "status"), [({}, Status.WARN), (PRODUCTION, Status.FAIL)])
def test_weak_secret(tmp_path, path, changes, status):
    changes = {**changes, path: STRONG[:31]}
    config = check(
        tmp_path, changes, "config.weak-secret", status, path, message="has 31 characters", hint="openssl rand"
    )
    assert config.broken == frozenset()
    clean(tmp_path, {**changes, path: STRONG})


@pytest.mark.parametrize("other", [f"{AUTH}.secret", "email.smtp.password", "sandbox.tokens.connect.secret"])
def test_shared_secret(tmp_path, other):
    path = "internal_auth.shared_token.token"
    names = sorted(
        [path, other], key=lambda name: (name.startswith(("internal", "sandbox")), name.startswith("sandbox"))
    )
    changes = {path: f"same-{STRONG}", other: f"same-{STRONG}"}
    expected = " and ".join(names)
    check(tmp_path, changes, "config.shared-secret", Status.WARN, *names, message=expected, hint="of its own")


def test_shared_secret_with_a_password_in_a_url(tmp_path):
    keys = ("kv.data_plane.url", "internal_auth.shared_token.token")
    changes = {keys[0]: f"redis://:same%2D{STRONG}@valkey", keys[1]: f"same-{STRONG}"}
    check(tmp_path, changes, "config.shared-secret", Status.WARN, *keys)


@pytest.mark.parametrize(
    "path",
    [
        *("services.dashboard.public_url", "services.dashboard.control_plane_api_origin", f"{API}.public_url"),
        f"{GATEWAY}.sandbox_ws_public_url",
    ],
)
def test_insecure_url(tmp_path, path):
    scheme = "ws" if "_ws_" in path else "http"
    changes = {path: f"{scheme}://app.mistle.example"}
    text = f"begins with {scheme}://"
    check(tmp_path, {**PRODUCTION, **changes}, "config.insecure-url", Status.WARN, path, message=text, hint="use https")
    assert "config.insecure-url" not in [finding.id for finding in load(write(tmp_path, changes), {}).findings]


def test_test_faults(tmp_path):
    path = "sandbox.sandboxd_test_faults_enabled"
    check(tmp_path, {**PRODUCTION, path: True}, "config.test-faults", Status.FAIL, path, hint="set ")
    clean(tmp_path, {path: True})
    clean(tmp_path, {**PRODUCTION, path: False})


@pytest.mark.parametrize(
    "url", ["redis://:valkey-password@valkey:6379", "redis://valkey/0", "rediss://other@VALKEY.:6379/"]
)
def test_prefix_collision(tmp_path, url):
    keys = ("kv.control_plane.key_prefix", "kv.data_plane.key_prefix")
    changes = {**CONTROL_KV, "kv.control_plane.key_prefix": "mistle", "kv.control_plane.url": url}
    expected = 'under "mistle" in one database at valkey:6379'
    check(tmp_path, changes, "config.prefix-collision", Status.FAIL, *keys, message=expected, hint="its own prefix")
    clean(tmp_path, {**changes, "kv.control_plane.url": "redis://valkey/1"})
    clean(tmp_path, {**changes, "kv.control_plane.key_prefix": "other"})


@pytest.mark.parametrize("methods", [None, ["otp"]])
def test_ignored_section(tmp_path, methods):
    keys = (f"{AUTH}.google.client_id", f"{AUTH}.google.client_secret")
    changes = {**GOOGLE, f"{AUTH}.enabled_methods": methods}
    check(tmp_path, changes, "config.ignored-section", Status.WARN, *keys, message="ignores it", hint="add google to")


def test_hint_names_the_variable_that_won(tmp_path):
    section = "MISTLE_SANDBOX_STORAGE"
    env = {f"{section}_BACKEND": "archil", f"{section}_ARCHIL_API_KEY": "k", f"{section}_ARCHIL_REGION": "r"}
    check(
        tmp_path,
        {},
        "config.provider-storage-mismatch",
        Status.WARN,
        "sandbox.storage.backend",
        hint="correct MISTLE_SANDBOX_STORAGE_BACKEND: docker works",
        env=env,
    )


# The catalogue


def test_every_cause_has_a_test():
    tests = "".join(
        Path(__file__).with_name(f"test_{name}.py").read_text()
        for name in ("config", "gathered", "overrides", "rules", "unfilled")
    )
    assert [cause.id for cause in causes.CAUSES if f'"{cause.id}"' not in tests] == []


def test_causes_are_documented_for_the_operator():
    assert len({cause.id for cause in causes.CAUSES}) == len(causes.CAUSES)
    for cause in causes.CAUSES:
        assert cause.layer is Layer.CONFIG
        assert cause.means
        assert cause.hint.format(blamed="x")
