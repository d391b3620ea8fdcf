"""The tls layer: certificates of every kind, from real servers to real checks; and which roots are trusted."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from checks.core.files import UnreadableFile
from checks.core.finding import Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.run.runner import run
from tests.harness import configs, faults, profiles
from tests.harness.command import run as command
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority, Leaf, Valkey, postgres_server, self_signed, valkey_server

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
DIRECT, POOLED = "postgres.data_plane.direct", "postgres.data_plane.pooled"


def check(port: int, authority: Authority, host: str = "127.0.0.1", timeout: float = 2.0) -> CheckRun:
    with authority.trusted() as path:
        values = {URL: f"rediss://{host}:{port}", PREFIX: "mistle"}
        return run_check("kv.data_plane", values, extra=Path(path), timeout=timeout)


@pytest.mark.parametrize(
    ("make", "finding_id", "hint"),
    [
        (lambda authority: authority.expired(), "tls.expired", "renew"),
        (lambda authority: authority.not_yet_valid(), "tls.not-yet-valid", "clock"),
        (lambda authority: authority.leaf("other.example"), "tls.wrong-host", "name that the certificate holds"),
        (lambda authority: Authority().leaf(), "tls.untrusted", "NODE_EXTRA_CA_CERTS"),
        (lambda authority: self_signed("127.0.0.1"), "tls.self-signed", "NODE_EXTRA_CA_CERTS"),
    ],
)
def test_certificate_that_is_refused(
    authority: Authority, make: Callable[[Authority], Leaf], finding_id: str, hint: str
) -> None:
    with faults.tls_port(make(authority).context()) as port:
        check(port, authority).fails(finding_id, Layer.TLS, URL, hint=hint)


@pytest.mark.parametrize(("starts", "ends"), [(-60, 20), (-800, 20.9), (-21, 9), (-5, 2)])
def test_certificate_that_expires_soon(authority: Authority, starts: float, ends: float) -> None:
    with faults.tls_port(authority.leaf("127.0.0.1", starts=starts, ends=ends).context()) as port:
        found = check(port, authority)
    finding = found["tls.expires-soon"]
    assert (finding.status, finding.layer, finding.fields) == (Status.WARN, Layer.TLS, (URL,))
    assert "days" in finding.message
    assert "renew" in finding.hint


@pytest.mark.parametrize(("starts", "ends"), [(-60, 40), (-800, 22), (-19, 11), (-3, 3)])
def test_certificate_that_is_renewed_in_time(authority: Authority, starts: float, ends: float) -> None:
    with faults.tls_port(authority.leaf("127.0.0.1", starts=starts, ends=ends).context()) as port:
        found = check(port, authority)
    assert found["valkey.tls"].fields == (URL,)
    assert "tls.expires-soon" not in {finding.id for finding in found.findings}


def test_expiry_of_a_certificate_is_a_fact(authority: Authority) -> None:
    leaf = authority.leaf("127.0.0.1")
    with valkey_server(certificate=leaf) as server:
        facts = check(server.port, authority).facts
    ends = x509.load_pem_x509_certificate(leaf.chain).not_valid_after_utc
    assert facts["certificate_expires"] == ends.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_only_old_tls(authority: Authority) -> None:
    with faults.old_tls_port(authority.leaf()) as port:
        check(port, authority).fails("tls.old-protocol", Layer.TLS, URL, hint="TLS 1.2")


def test_no_cipher_in_common(authority: Authority) -> None:
    context = authority.leaf().context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES128-SHA")
    with faults.tls_port(context) as port:
        check(port, authority).fails("tls.handshake-failed", Layer.TLS, URL, hint="turn on a current cipher")


@pytest.mark.parametrize("query", ["", "?application_name=x"])
def test_tls_server_where_plaintext_is_configured(authority: Authority, query: str) -> None:
    with faults.tls_port(authority.leaf().context()) as port:
        found = run_check(POOLED, {f"{POOLED}_url": f"postgres://u:p@127.0.0.1:{port}/d{query}"})
    found.fails("network.tls-on-plaintext", Layer.AUTH, f"{POOLED}_url", hint="Postgres itself listens")


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[Callable[..., str]]:
    """A server with an untrusted certificate: node-postgres verifies where postgres.js does not, and the reverse."""
    with postgres_server(certificate=authority.leaf("localhost")) as server:
        yield lambda **query: server.url(**query).replace("127.0.0.1", "localhost")


@pytest.mark.parametrize(
    ("sslmode", "direct", "pooled"),
    [
        ("disable", None, None),
        ("allow", False, True),
        ("prefer", False, True),
        ("require", False, True),
        ("verify-ca", True, True),
        ("verify-full", True, True),
        ("no-verify", True, False),
        ("nonsense", True, True),
    ],
)
def test_sslmode_of_a_postgres_url(
    url: Callable[..., str], sslmode: str, direct: bool | None, pooled: bool | None
) -> None:
    for name, verified in ((DIRECT, direct), (POOLED, pooled)):
        found = run_check(name, {f"{name}_url": url(sslmode=sslmode)}, stage="before-deploy")
        tls = [finding for finding in found.findings if finding.layer is Layer.TLS]
        assert bool(tls) is (verified is not None), found
        if verified:
            hint = "is no word that" if sslmode == "nonsense" else "NODE_EXTRA_CA_CERTS"
            found.fails("tls.untrusted", Layer.TLS, f"{name}_url", hint=hint)
        else:
            assert found["postgres.auth"].status is Status.OK, found


def test_postgres_behind_a_trusted_certificate(url: Callable[..., str], authority: Authority) -> None:
    with authority.trusted() as path:
        found = run_check(
            DIRECT, {f"{DIRECT}_url": url(sslmode="verify-full")}, stage="before-deploy", extra=Path(path)
        )
    assert found["postgres.tls"].status is Status.OK
    assert found["postgres.fitness"].status is Status.OK


def test_node_postgres_reads_sslrootcert(url: Callable[..., str], authority: Authority) -> None:
    with authority.trusted() as path:
        found = run_check(POOLED, {f"{POOLED}_url": url(sslrootcert=path)})
    assert found["postgres.tls"].status is Status.OK
    assert found["postgres.auth"].status is Status.OK


@pytest.mark.parametrize("path", ["/nowhere/ca.pem", "/etc", "/etc/hostname"])
def test_sslrootcert_that_holds_no_certificates(url: Callable[..., str], path: str) -> None:
    found = run_check(POOLED, {f"{POOLED}_url": url(sslrootcert=path)})
    found.fails("postgres.roots-unreadable", Layer.TLS, f"{POOLED}_url", hint="sslrootcert")


def test_postgres_js_verifies_localhost_for_an_address(url: Callable[..., str], authority: Authority) -> None:
    address = url(sslmode="verify-full").replace("localhost", "127.0.0.1")
    with authority.trusted() as path:
        values = {f"{DIRECT}_url": address, f"{POOLED}_url": address}
        direct = run_check(DIRECT, values, stage="before-deploy", extra=Path(path))
        pooled = run_check(POOLED, values, extra=Path(path))
    assert direct["postgres.tls"].status is Status.OK
    pooled.fails("tls.wrong-host", Layer.TLS, f"{POOLED}_url", hint="name that the certificate holds")


def test_alpn_offers_http_to_http_servers_only(authority: Authority) -> None:
    context, offered = authority.leaf().context(), []
    context.set_alpn_protocols(["http/1.1"])

    def note(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            offered.append(secured.selected_alpn_protocol())

    settings = {"services.dashboard.public_url": "https://127.0.0.1:{}", URL: "rediss://127.0.0.1:{}", PREFIX: "mistle"}
    with authority.trusted() as path, faults.serving(note) as port:
        values = {key: value.format(port) for key, value in settings.items()}
        trust, seen = Trust(Path(path)), []
        for name in ("services.dashboard", "kv.data_plane"):
            run((planned(name, values),), Settings(trust, 4.0), deadline=8.0, origins={})
            seen.append({*offered})
            offered.clear()
    assert seen == [{None, "http/1.1"}, {None}]


# The trusted certificates


def trusted(context: ssl.SSLContext) -> set[bytes]:
    return set(context.get_ca_certs(binary_form=True))


def test_roots_are_mozillas_and_the_operators_not_the_systems(tmp_path: Path, authority: Authority) -> None:
    extra = tmp_path / "extra.pem"
    extra.write_bytes("# Főtanúsítvány\n".encode() + authority.pem)
    mozillas, own = (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2))
    mozillas.load_verify_locations(certifi.where())
    own.load_verify_locations(cadata=authority.pem.decode())
    for context in (Trust(extra).verified, Trust(extra).web):
        assert trusted(context) == trusted(mozillas) | trusted(own)


def test_no_file_stays_open(authority: Authority) -> None:
    with authority.trusted() as path:
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(5):
            Trust(Path(path)).load(10)
        assert len(list(Path("/dev/fd").iterdir())) == before


def test_sslrootcert_pipe_does_not_delay_other_checks(url: Callable[..., str], tmp_path: Path, valkey: Valkey) -> None:
    """The other check passes within its own time limit."""
    pipe = tmp_path / "roots.pem"
    os.mkfifo(pipe)
    made = (
        planned(POOLED, {f"{POOLED}_url": url(sslrootcert=pipe)}),
        planned("kv.data_plane", {URL: valkey.url(), PREFIX: "m"}),
    )
    blocked, healthy = run(made, Settings(Trust(), 2.0), deadline=20.0, origins={}).results
    assert [finding.id for finding in blocked.findings if finding.status is Status.FAIL] == [
        "postgres.roots-unreadable"
    ]
    assert healthy.status is Status.OK


@pytest.mark.parametrize("flag", ["--ca-file", "NODE_EXTRA_CA_CERTS"])
def test_certificates_from_a_pipe_without_a_writer(flag: str, tmp_path: Path) -> None:
    pipe = tmp_path / "roots.pem"
    os.mkfifo(pipe)
    file = configs.write(tmp_path, {})
    given = {"env": {flag: str(pipe)}} if flag.isupper() else {}
    arguments = () if given else (flag, str(pipe))
    ended = command("config", "--config", str(file), *arguments, "--deadline=2", "-f", "json", **given)
    found = {each["id"]: each["message"] for check in ended.document["checks"] for each in check["findings"]}
    id_ = "config.extra-ca-unreadable" if given else "run.usage"
    assert "could not be read to its end in time" in found[id_]
    assert ended.code == (0 if given else 2)
    assert ended.seconds < 15


def test_certificates_have_a_time_limit() -> None:
    with pytest.raises(UnreadableFile, match="200 certificates, which take too long"):
        Trust()._verifying(("",) * 200, ends=0.0)


@profiles.long
def test_ten_thousand_certificates_do_not_delay_healthy_checks(
    tmp_path: Path, authority: Authority, valkey: Valkey
) -> None:
    """They are read once, before the first check starts, or are reported and not used."""
    many = tmp_path / "many.pem"
    many.write_bytes(b"".join(self_signed(f"authority-{number}").chain for number in range(10_000)) + authority.pem)
    file = configs.write(tmp_path, {URL: valkey.url()})
    ended = command("--config", str(file), "--only=valkey", "-f", "json", env={"NODE_EXTRA_CA_CERTS": str(many)})
    assert ended.code == 0
    assert ended.document["checks"][1]["status"] == "ok"
