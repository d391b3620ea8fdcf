"""Values that were never filled in, and forms that a key cannot hold, for every key: file, variable, command line."""

from types import MappingProxyType

import pytest

from checks.core.finding import Layer, Status
from preflight.config.loader import load
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import key_of
from preflight.config.schema.types import ListOf, Text
from tests.harness import command, profiles
from tests.harness.configs import ALL, E2B, MASTER_KEYS, PATHS, VALID, found, line_of, write

API, AUTH = "services.control_plane_api", "services.control_plane_api.auth"
DATABASE, SOCKET, DOMAIN = (
    "postgres.control_plane.direct_url",
    "sandbox.docker.socket_path",
    "sandbox.publish_base_domain",
)
TOKEN, SMTP = "internal_auth.shared_token.token", "email.smtp"
TEXTS = [path for path in PATHS if isinstance(key_of(path).type, Text)]
SECRETS = [path for path in TEXTS if key_of(path).secrecy is not Secrecy.NONE and not key_of(path).url]
NUMBERS = [path for path in PATHS if not isinstance(key_of(path).type, Text | ListOf)]
LONG = "0123456789abcdef0123456789abcdef"


NONE = MappingProxyType({})
DOCKER = {"sandbox.provider": "docker", "sandbox.storage.backend": "docker_volume"}


def used(path):
    """The changes with which Mistle reads this key."""
    return DOCKER if path.startswith(("sandbox.docker.", "sandbox.storage.docker_volume.")) else {}


def check(tmp_path, path, value, id_, message, status=Status.FAIL, changes=NONE):
    file = write(tmp_path, {**ALL, **used(path), **changes, path: value})
    config = load(file, {})
    finding = found(config, id_)
    assert (finding.fields, finding.status, finding.layer) == ((path,), status, Layer.CONFIG)
    assert message in finding.message
    assert f"{path} in {line_of(file, path)}" in finding.hint
    assert [each.id for each in config.findings if path in each.fields] == [id_]
    assert (path in config.broken) is (status is Status.FAIL)


def check_all(tmp_path, paths, text, id_, message=""):
    """Check every key at once; ``text`` may depend on its value."""
    for only, provider in ((True, DOCKER), (False, {})):
        here = [path for path in paths if bool(used(path)) is only]
        values = {path: text(ALL[path]) if callable(text) else text for path in here}
        config = load(write(tmp_path, {**ALL, **provider, **values}), {})
        found_ = {path: finding for finding in config.findings if finding.id == id_ for path in finding.fields}
        assert sorted(found_) == sorted(here)
        assert all(message in finding.message for finding in found_.values())
        for path, finding in found_.items():
            assert (finding.status is Status.FAIL) == (path in config.broken) == (not compared(path, id_)), path
            assert [each.id for each in config.findings if path in each.fields] == [id_]


def compared(path, id_):
    """Whether Mistle works with the text: a secret that only its own services compare. No header holds a line break."""
    return key_of(path).secrecy is Secrecy.CHOSEN and (
        id_ == "config.quoted" or (id_ == "config.line-break" and path != TOKEN)
    )


def clean(tmp_path, path, value):
    config = load(write(tmp_path, {**ALL, **used(path), path: value}), {})
    assert [finding for finding in config.findings if path in finding.fields] == []


# Every key


REFERENCES = [
    "${SMTP_HOST}",
    "${SMTP_HOST:-sesame}",
    "x-${HOST}",
    "${{ secrets.HOST }}",
    "$(cat /run/secrets/x)",
    "`cat token`",
    "$SMTP_PASSWORD",
    "$env:HOST",
    "%MISTLE_HOST%",
    "#{Host}",
    "<%= ENV['X'] %>",
    "__HOST__",
    "@@HOST@@",
    "process.env.HOST",
    "os.environ/HOST",
    "env:HOST",
    "env://HOST",
    "!Ref Host",
    "op://vault/item/field",
    "vault:secret/data/mistle#token",
    "vault://secret/mistle",
    "ref+vault://secret/mistle",
    "secretref:token",
    "ssm:/mistle/token",
    "arn:aws:secretsmanager:eu-central-1:1:secret:mistle",
    "arn:aws-cn:ssm:cn-north-1:1:parameter/mistle",
    "projects/1/secrets/mistle/versions/latest",
    "https://mistle.vault.azure.net/secrets/token",
    "@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/y)",
    "ENC[AES256_GCM,data:abc,type:str]",
    "ENC(abc)",
    "vault:v1:abc",
    "$ANSIBLE_VAULT;1.1;AES256",
    "{cipher}abc",
]


@pytest.mark.parametrize("text", REFERENCES)
def test_unresolved_reference_in_every_key(tmp_path, text):
    check_all(tmp_path, TEXTS, text, "config.unresolved-reference")


@pytest.mark.parametrize(
    "text", ["/run/secrets/token", "/var/run/secrets/a/b", "/etc/secrets/x", "file:///x", "/x/y.txt"]
)
def test_path_of_a_file_instead_of_its_content(tmp_path, text):
    paths = [path for path in TEXTS if path != SOCKET]
    check_all(tmp_path, paths, text, "config.unresolved-reference", "is the path of a file")


@pytest.mark.parametrize(
    "text", ["null", "NULL", "undefined", "None", "<no value>", "<nil>", "[object Object]", '"null"']
)
def test_null_or_undefined_in_every_key(tmp_path, text):
    check_all(tmp_path, TEXTS, text, "config.no-value", "the word for a value that does not exist: ")


@pytest.mark.parametrize("quotes", ['""', "''", "“”", "„“", "\u2018\u2019", "«»"])
def test_quotes_around_every_value(tmp_path, quotes):
    paths = [path for path in TEXTS if path != "email.smtp.from_name"]  # where they are the syntax of a mail header
    check_all(
        tmp_path, paths, lambda value: f"{quotes[0]}{value}{quotes[1]}", "config.quoted", "quotes, which are part"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_break_inside_every_text(tmp_path, end):
    check_all(tmp_path, TEXTS, lambda value: f"{value}{end}{LONG}", "config.line-break", "holds a line break")
    config = load(write(tmp_path, {**ALL, **{path: f"{ALL[path]}{end}" for path in TEXTS}}), {})
    assert config.findings == ()


@profiles.covering
@pytest.mark.parametrize(
    ("text", "id_"),
    [("${PORT}", "unresolved-reference"), ("undefined", "no-value"), ("'1'", "quoted"), ('"true"', "quoted")],
)
@pytest.mark.parametrize("where", ["file", "variable"])
def test_key_of_another_type_names_the_same_cause(tmp_path, text, id_, where):
    for path in NUMBERS:
        file = write(tmp_path, {**ALL, path: text} if where == "file" else ALL)
        config = load(file, {key_of(path).variable: text} if where == "variable" else {})
        assert [finding.id for finding in config.findings if path in finding.fields] == [f"config.{id_}"], path
        assert path in config.broken


def test_reference_to_a_secret_is_not_shown(tmp_path):
    for path in SECRETS:
        config = load(write(tmp_path, {**ALL, path: "${X:-sesame}"}), {})
        assert "sesame" not in found(config, "config.unresolved-reference").message


# Parts of URLs, hosts and lists


@pytest.mark.parametrize(
    ("path", "text", "id_", "message"),
    [
        (DATABASE, "postgres://undefined:undefined@undefined:5432/undefined", "no-value", '"undefined"'),
        (DATABASE, "postgres://mistle:p@db/null", "no-value", '"null"'),
        (DATABASE, "postgres://mistle:$DB_PASSWORD@db/m", "unresolved-reference", "no shell replaced"),
        (DATABASE, "postgres://$USER:p@$HOST/m", "unresolved-reference", "no shell replaced"),
        (DATABASE, "postgres://u:p@%DB_HOST%/m", "unresolved-reference", "nothing replaced"),
        ("kv.data_plane.url", "redis://:None@valkey:6379", "no-value", '"None"'),
        (f"{API}.public_url", "https://api.undefined", "no-value", '"undefined"'),
        (f"{API}.internal_url", "http://$API_HOST:8080", "unresolved-reference", '"$API_HOST"'),
        (f"{API}.public_url", '"https://api.mistle.example', "quoted", "quote, which is part"),
        (f"{API}.public_url", "https://api.mistle.example”", "quoted", "quote, which is part"),
        (f"{SMTP}.from_address", "mistle@undefined", "no-value", '"undefined"'),
        (f"{SMTP}.host", "smtp.null", "no-value", '"null"'),
        (f"{SMTP}.host", "$HOST", "unresolved-reference", '"$HOST"'),
        (f"{SMTP}.host", "`smtp.example`", "quoted", "backticks"),
        (f"{SMTP}.host", "${spring.mail.host:localhost}", "unresolved-reference", "nothing replaced"),
        (f"{SMTP}.host", "'smtp.example", "quoted", "quote, which is part"),
        ("sandbox.default_base_image", "ghcr.io/mistlehq/sandbox-base:undefined", "no-value", '"undefined"'),
        (SOCKET, "$HOME/.docker/run/docker.sock", "unresolved-reference", "no shell replaced"),
    ],
)
def test_part_of_a_value(tmp_path, path, text, id_, message):
    check(tmp_path, path, text, f"config.{id_}", message)


@pytest.mark.parametrize(
    ("item", "id_"),
    [
        ("${ORIGIN}", "unresolved-reference"),
        ("https://$ORIGIN", "unresolved-reference"),
        ("null", "no-value"),
        ("https://undefined", "no-value"),
        ('"https://app.mistle.example"', "quoted"),
        ("https://app.mistle.example'", "quoted"),
    ],
)
def test_item_of_a_list(tmp_path, item, id_):
    path = f"{AUTH}.trusted_origins"
    check(tmp_path, path, ["https://app.mistle.example", item], f"config.{id_}", "item 2 ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        *(
            (path, text)
            for path in SECRETS
            for text in ("$ecret", "$ECRET", "/k3y+Base64/xyz=", "p{x}", "nullable", "a$(b", "50%OFF")
        ),
        *((f"{SMTP}.password", text) for text in ("a%HF+%rbHFIPp_{%R2L", "j${m<8:G}x", "x$()y", "x<%9r%>y", "`+s/Hg`")),
        (DATABASE, "postgres://u:$ecret@db/m"),
        (DATABASE, "postgres://u:p%41BC%40x@db/m"),
        (f"{SMTP}.from_name", '"Mistle, Inc."'),
        (f"{SMTP}.from_name", "Mistle's"),
        (f"{SMTP}.username", "none"),
        (f"{SMTP}.password", "none"),
        (f"{SMTP}.host", "::1"),
        (f"{SMTP}.host", "mail_relay"),
        (f"{API}.host", "::"),
        ("sandbox.docker.network_name", "none"),
        ("sandbox.e2b.domain", "e2b.example:8443"),
        (DOMAIN, "localhost"),
        (SOCKET, "/run/secrets/docker.sock"),
        ("object_store.assets.bucket_name", "arn:aws:s3:eu-central-1:1:accesspoint/mistle"),
    ],
)
def test_what_may_be_the_value_itself(tmp_path, path, text):
    clean(tmp_path, path, text if key_of(path).secrecy is not Secrecy.CHOSEN else f"{text}{LONG}")


def test_attribute_of_telemetry_without_a_value(tmp_path):
    path = "telemetry.resource_attributes"
    check(tmp_path, path, "service.name=x,deployment=undefined", "config.no-value", '"undefined"', Status.WARN)


def test_section_that_mistle_ignores(tmp_path):
    changes = {"sandbox.e2b.api_key": "${E2B_API_KEY}", "sandbox.e2b.domain": "https://e2b.app"}
    assert load(write(tmp_path, changes), {}).findings == ()
    assert found(load(write(tmp_path, {**E2B, **changes}), {}), "config.unresolved-reference")


def test_null_or_undefined_is_no_secret(tmp_path):
    config = load(write(tmp_path, {f"{SMTP}.password": "null", "kv.data_plane.url": "redis://:undefined@v"}), {})
    assert {"null", "undefined"}.isdisjoint(config.secrets)


# Hosts and paths


LISTENS = [f"services.{name}.host" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")]


@pytest.mark.parametrize(
    ("paths", "text", "message"),
    [
        ([f"{SMTP}.host", *LISTENS], "smtp.mistle.example:587", "holds a port, which has a key of its own"),
        ([f"{SMTP}.host", *LISTENS], "[::1]:587", "holds a port"),
        ([f"{SMTP}.host", *LISTENS], "[::1]", "without them"),
        ([f"{SMTP}.host", *LISTENS], "smtp.mistle.example:", "holds a port"),
        ([f"{SMTP}.host", *LISTENS, DOMAIN, "sandbox.e2b.domain"], "https://mistle.example", "holds a scheme"),
        ([f"{SMTP}.host", *LISTENS, DOMAIN, "sandbox.e2b.domain"], "mistle.example/x", "holds a path"),
        ([f"{SMTP}.host", *LISTENS, DOMAIN, "sandbox.e2b.domain"], "u@mistle.example", "holds an @"),
        ([f"{SMTP}.host", *LISTENS, DOMAIN, "sandbox.e2b.domain"], "mistle example", "holds a space"),
        ([f"{SMTP}.host", *LISTENS, DOMAIN, "sandbox.e2b.domain"], ".mistle.example", "begins with a dot"),
        (LISTENS, "*", "holds a *"),
        ([DOMAIN], "*.sandboxes.mistle.example", "begins with a wildcard"),
        ([DOMAIN], "sandboxes.mistle.example:8443", "holds a port"),
        ([DOMAIN], "10.0.0.5:8443", "holds a port"),
        ([DOMAIN], "10.0.0.5", "is an IP address"),
        ([DOMAIN], "2001:db8::1", "is an IP address"),
    ],
)
def test_not_a_host(tmp_path, paths, text, message):
    for path in paths:
        check(tmp_path, path, text, "config.not-a-host", message)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (SOCKET, "~/.colima/docker.sock", "begins with ~"),
        (SOCKET, "npipe:////./pipe/docker_engine", "named pipe of Windows"),
        (SOCKET, r"\\.\pipe\docker_engine", "named pipe of Windows"),
        (SOCKET, "//./pipe/docker_engine", "named pipe of Windows"),
        (SOCKET, r"C:\docker.sock", "path of Windows"),
        (SOCKET, "unix:///var/run/docker.sock", "is a URL"),
        (SOCKET, "tcp://docker:2375", "address of the network"),
        (SOCKET, "ssh://me@host", "address of the network"),
        ("postgres.data_plane.pooled_url", "postgres://u:p@db/m?sslmode=require&sslrootcert=~/ca.pem", "begins with ~"),
    ],
)
def test_not_a_path(tmp_path, path, text, message):
    check(tmp_path, path, text, "config.not-a-path", message)


# Environments


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (DATABASE, "postgres://u:p@db-staging.mistle.example/m"),
        ("kv.data_plane.url", "redis://valkey.stg.internal"),
        (f"{SMTP}.host", "smtp.uat.mistle.example"),
        ("object_store.assets.endpoint", "https://s3.pre-prod.mistle.example"),
        (f"{AUTH}.trusted_origins", ["https://app.mistle.example", "https://qa.mistle.example"]),
    ],
)
def test_host_of_staging_beside_production(tmp_path, path, value):
    changes = {"global.env": "production", "sandbox.sandboxd_test_faults_enabled": False}
    beside = {**changes, DOMAIN: "sandboxes.prod.mistle.example"}
    text = 'beside "sandboxes.prod.mistle.example"'
    check(tmp_path, path, value, "config.mixed-environments", text, Status.WARN, changes=beside)
    for others in (changes, {**beside, "global.env": "development"}):
        ids = [finding.id for finding in load(write(tmp_path, {**ALL, **others, path: value}), {}).findings]
        assert "config.mixed-environments" not in ids


def test_host_of_production_alone(tmp_path):
    changes = {"global.env": "production", DOMAIN: "prod.mistle.dev", f"{SMTP}.host": "smtp.products.test"}
    assert load(write(tmp_path, {**VALID, **changes}), {}).findings == ()


def test_many_values_of_one_form_are_one_finding(tmp_path):
    paths = [f"{SMTP}.{name}" for name in ("from_address", "host", "username", "password")]
    config = load(write(tmp_path, {path: f'"{VALID[path]}"' for path in paths}), {})
    (finding,) = config.findings
    assert (finding.id, finding.fields, finding.status) == ("config.quoted", tuple(paths), Status.FAIL)
    assert finding.message == (
        "4 values have quotes, which are part of the value: for example, email.smtp.from_address begins and ends with "
        r'quotes, which are part of the value: "\"mistle@mistle.example\""'
    )
    assert set(paths) <= config.broken
    few = load(write(tmp_path, dict.fromkeys(paths[:3], "${X}")), {}).findings
    assert [each.id for each in few] == ["config.unresolved-reference"] * 3


# The command line


@pytest.mark.parametrize("arguments", [("config",), ("--only", "email.smtp"), ("--only", "email.smtp", "--read-only")])
def test_offline_and_in_a_run(tmp_path, arguments):
    file = write(tmp_path, {f"{SMTP}.host": "127.0.0.1:25", f"{MASTER_KEYS}.1": "$(cat /run/secrets/sesame)"})
    env = {"MISTLE_EMAIL_SMTP_PASSWORD": "'sesame'"}
    ended = command.run(*arguments, "--config", str(file), "--format", "json", env=env)
    assert ended.code == 1
    findings = {id_["id"]: id_ for check in ended.document["checks"] for id_ in check["findings"]}
    assert findings["config.not-a-host"]["keys"] == [f"{SMTP}.host"]
    assert findings["config.not-a-host"]["hint"].endswith(f"{SMTP}.host in {line_of(file, f'{SMTP}.host')}")
    assert findings["config.quoted"]["hint"] == "remove the quotes inside MISTLE_EMAIL_SMTP_PASSWORD"
    assert findings["config.unresolved-reference"]["keys"] == [f"{MASTER_KEYS}.1"]
    assert b"sesame" not in ended.stdout + ended.stderr
