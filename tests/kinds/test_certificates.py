"""Certificates that are refused: each reason has its own words, and shows what the server sent."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from checks.core.finding import Layer, Status
from tests.harness import faults, profiles
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Leaf, Valkey
from tests.testbed.chains import Issued, authority, issue

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"


def check(port: int, trusted: Path, host: str = "localhost", timeout: float = 4.0) -> CheckRun:
    values = {URL: f"rediss://{host}:{port}", PREFIX: "mistle"}
    return run_check("kv.data_plane", values, extra=trusted, timeout=timeout)


def refused(leaf: Leaf, trusted: Path, host: str = "localhost") -> CheckRun:
    with faults.tls_port(leaf.context("ALL:@SECLEVEL=0")) as port:
        return check(port, trusted, host)


def expired_intermediate(root: Issued) -> Issued:
    return issue("valkey", authority("Old Intermediate", root, ends=-2))


def outside_the_constraints(root: Issued) -> Issued:
    return issue("valkey", authority("Narrow Authority", root, permitted="corp.example"))


def weak_key(root: Issued) -> Issued:
    return issue("valkey", root, bits=1024)


def for_clients(root: Issued) -> Issued:
    return issue("valkey", root, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)


def issued_by_a_leaf(root: Issued) -> Issued:
    return issue("valkey", issue("www.example", root))


@pytest.mark.parametrize(
    ("make", "finding_id", "words", "hint"),
    [
        (expired_intermediate, "tls.issuer-expired", "CN=Old Intermediate ended ", "replace the intermediate"),
        (outside_the_constraints, "tls.name-constraint", "permitted subtree violation", "constraints permit"),
        (weak_key, "tls.too-weak", "CN=valkey has a key of 1024 bits, signed with SHA256", "2048 bits"),
        (for_clients, "tls.wrong-purpose", "purpose", "extended key usage serverAuth"),
        (issued_by_a_leaf, "tls.issuer-not-ca", "CN=www.example issued one and is no authority", "CA:TRUE"),
    ],
)
def test_reason(make: Callable[[Issued], Issued], finding_id: str, words: str, hint: str, tmp_path: Path) -> None:
    root = authority("Test Root")
    found = refused(make(root).leaf(), root.trusted(tmp_path))
    assert words in found.fails(finding_id, Layer.TLS, URL, hint=hint).message


def test_wrong_host_names_those_of_the_certificate(tmp_path: Path) -> None:
    root = authority("Test Root")
    names = ("valkey.internal", "10.0.0.7", *(f"node{number}.internal" for number in range(9)))
    found = refused(issue("valkey", root, names=names).leaf(), root.trusted(tmp_path))
    message = found.fails("tls.wrong-host", Layer.TLS, URL, hint="name that the certificate holds").message
    assert message.endswith(
        "it holds valkey.internal, node0.internal, node1.internal, node2.internal, node3.internal, node4.internal "
        "and 5 more"
    )


def test_untrusted_names_the_chain_as_sent(tmp_path: Path) -> None:
    private, trusted = authority("Private Root"), authority("Test Root")
    found = refused(issue("valkey", authority("Private Issuing", private)).leaf(), trusted.trusted(tmp_path))
    message = found.fails("tls.untrusted", Layer.TLS, URL, hint="NODE_EXTRA_CA_CERTS").message
    assert message.endswith(
        "no trusted certificate is that of CN=Private Root; the server sends CN=valkey (issued by CN=Private Issuing), "
        "then CN=Private Issuing (issued by CN=Private Root)"
    )


def test_missing_intermediate_is_named(tmp_path: Path) -> None:
    root = authority("Test Root")
    complete = issue("valkey", authority("Intermediate", root))
    found = refused(Issued(complete.certificate, complete.key).leaf(), root.trusted(tmp_path))
    message = found.fails("tls.untrusted", Layer.TLS, URL, hint="must send its intermediate").message
    assert "no trusted certificate is that of CN=Intermediate; the server sends CN=valkey" in message


def test_expired_shows_date_and_clock(tmp_path: Path) -> None:
    root = authority("Test Root")
    found = refused(issue("valkey", root, ends=-1).leaf(), root.trusted(tmp_path))
    message = found.fails("tls.expired", Layer.TLS, URL, hint="renew the certificate").message
    assert "that of CN=valkey ended " in message
    assert "this machine's clock shows " in message


@profiles.long
def test_expired_root_is_not_the_leaf(tmp_path: Path) -> None:
    root = authority("Old Root", ends=-1)
    found = refused(issue("valkey", root).leaf(), root.trusted(tmp_path))
    message = found.fails("tls.issuer-expired", Layer.TLS, URL, hint="root in NODE_EXTRA_CA_CERTS").message
    assert "the trusted certificate of CN=Old Root, not one" in message


@profiles.long
def test_intermediate_not_yet_valid(tmp_path: Path) -> None:
    root = authority("Test Root")
    found = refused(issue("valkey", authority("Next", root, starts=3)).leaf(), root.trusted(tmp_path))
    assert "that of CN=Next begins " in found.fails("tls.not-yet-valid", Layer.TLS, URL, hint="clock").message


@profiles.long
def test_names_that_a_terminal_would_obey(tmp_path: Path) -> None:
    root = authority("Evil\x1b[2J Root")
    found = refused(issue("val\x9b31mkey", root).leaf(), authority("Test Root").trusted(tmp_path))
    message = found.fails("tls.untrusted", Layer.TLS, URL, hint="").message
    assert message.isprintable()


def test_client_certificate_is_asked_for(tmp_path: Path) -> None:
    """The alert of TLS 1.2 is the same as for a cipher that the two sides do not share."""
    root = authority("Test Root")
    context = issue("valkey", root).leaf().context()
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2
    with faults.tls_port(context) as port:
        found = check(port, root.trusted(tmp_path))
    found.fails("tls.client-certificate-required", Layer.TLS, URL, hint="client certificates off")


@pytest.mark.parametrize(
    ("alert", "hint"),
    profiles.first(
        1,
        [
            (ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, "a host name that the TLS server is configured for"),
            (ssl.ALERT_DESCRIPTION_INTERNAL_ERROR, "no certificate for the host name"),
        ],
    ),
    ids=["unrecognized name", "internal error"],
)
def test_name_that_the_server_refuses(alert: ssl.AlertDescription, hint: str, tmp_path: Path) -> None:
    root = authority("Test Root")
    context = issue("valkey", root).leaf().context()
    context.sni_callback = lambda *_: alert
    with faults.tls_port(context) as port:
        check(port, root.trusted(tmp_path)).fails("tls.handshake-failed", Layer.TLS, URL, hint=hint)


def test_weak_key_exchange_is_named(tmp_path: Path) -> None:
    root = authority("Test Root")
    context = issue("valkey", root, bits=2048).leaf().context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    parameters = tmp_path / "dh.pem"
    parameters.write_text(DH_1024)
    context.load_dh_params(parameters)
    with faults.tls_port(context) as port:
        check(port, root.trusted(tmp_path)).fails("tls.too-weak", Layer.TLS, URL, hint="2048 bits")


@pytest.mark.parametrize("cipher", profiles.first(1, ["AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES256-SHA"]))
def test_ciphers_of_node(cipher: str, tmp_path: Path) -> None:
    """Node.js' own list has them, Python's has not."""
    root = authority("Test Root")
    context = issue("valkey", root, bits=2048).leaf().context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with faults.tls_port(context) as port:
        assert check(port, root.trusted(tmp_path))["valkey.tls"].status is Status.OK


def test_plaintext_that_is_proven(valkey: Valkey, tmp_path: Path) -> None:
    found = check(valkey.port, authority("Test Root").trusted(tmp_path), "127.0.0.1")
    found.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="use the scheme without TLS")


def test_plaintext_of_another_service(tmp_path: Path) -> None:
    with faults.http_port() as port:
        found = check(port, authority("Test Root").trusted(tmp_path), "127.0.0.1")
    finding = found.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="name the server's TLS port")
    assert "without TLS" not in finding.hint


DH_1024 = """-----BEGIN X9.42 DH PARAMETERS-----
MIIBJgKBgQDamRUZOEfO3e4qa6e75IyoweAGT2atxVQkS+M5rOt5O9P1Ichak9tO
BUVw7lTxG7Img1/b3z0FxBgsGBSpvUg2TsZ90MsZMtFV7nYg3THiTgjyWgCzlze0
rfUKcvk23vIWjz/y4PPsD8O8XtQFJjs8AwP7nvDY/RljGPu+WZM74QKBgGaB1t16
3QCkzuz7QiuD1Vs7HIHi1FYT8lMMwUMx39T5YDBVuRSqrgl8u2rdhvAq3RIGiYQB
iHj69JuAozShM/1zXh9/0RwI2/62BcTYZYggu2p2DOMzOxriUhE2M2aEMZf0E4M2
fLjP0SB/R/iT+8jcQrJ1piPj670figroywdfAh0AzqYLsTe/vQtyNhxlkB6loL9l
yzY5rr0ePjxO6w==
-----END X9.42 DH PARAMETERS-----
"""


def stalled(connection: socket.socket) -> None:
    """Replies 400 to plaintext, as nginx does on a port with TLS; reads a handshake and never answers it."""
    if not connection.recv(65536).startswith(b"\x16"):
        connection.sendall(faults.HTTP_REPLY)
        return
    faults.read_on(connection)


def half_a_handshake(connection: socket.socket) -> None:
    """Sends the first record of a handshake, as on a way that drops the large ones that follow."""
    connection.recv(65536)
    connection.sendall(bytes.fromhex("160303007a020000760303") + bytes(32))
    faults.read_on(connection)


API, DASHBOARD, TRACES = "services.control_plane_api", "services.dashboard", "telemetry.traces"
OVER_TLS = [
    ("services.data_plane_api.internal", "services.data_plane_api.internal_url", "https://localhost:{}"),
    (DASHBOARD, f"{DASHBOARD}.public_url", "https://localhost:{}"),
    (TRACES, f"{TRACES}.endpoint", "https://localhost:{}/v1/traces"),
    ("object_store.assets", "object_store.assets.endpoint", "https://localhost:{}"),
    (
        "services.data_plane_gateway.sandbox_ws_internal",
        "services.data_plane_gateway.sandbox_ws_internal_url",
        "wss://localhost:{}/tunnel/sandbox",
    ),
    ("kv.data_plane", URL, "rediss://localhost:{}"),
]
STORE = {
    f"object_store.assets.{key}": value
    for key, value in {
        "bucket_name": "assets",
        "region": "us-east-1",
        "access_key_id": "a",
        "secret_access_key": "s",
        "force_path_style": True,
    }.items()
}
CONNECT = {f"sandbox.tokens.connect.{name}": name * 9 for name in ("secret", "issuer", "audience")}


@pytest.mark.parametrize(("name", "key", "url"), profiles.first(1, OVER_TLS))
@pytest.mark.parametrize("behaviour", [stalled, half_a_handshake])
def test_handshake_that_stalls(name: str, key: str, url: str, behaviour: faults.Behaviour) -> None:
    """A reply to plaintext does not show that the service speaks it: no hint says to do without TLS."""
    others = {"internal_auth.shared_token.token": "t" * 40, PREFIX: "m", "telemetry.enabled": True}
    with faults.serving(behaviour) as port:
        found = run_check(name, {**STORE, **CONNECT, **others, key: url.format(port)}, timeout=2.0)
    (finding,) = (each for each in found.findings if each.status >= Status.WARN)
    assert (finding.id, finding.layer, finding.fields) == ("tls.stalled", Layer.TLS, (key,))
    assert "without TLS" not in finding.hint


def test_postgres_agrees_to_tls_and_stalls() -> None:
    def agree(connection: socket.socket) -> None:
        connection.recv(8)
        faults.send(connection, b"S")

    name = "postgres.data_plane.pooled"
    with faults.serving(agree) as port:
        url = f"postgres://u:p@localhost:{port}/d?sslmode=require"
        found = run_check(name, {f"{name}_url": url}, timeout=2.0)
    found.fails("tls.stalled", Layer.TLS, f"{name}_url", hint="large packets (MTU)")


# Beside Node.js itself

_CONNECT = """
const [port, name] = process.argv.slice(1);
const socket = require("tls").connect({ port: +port, host: "127.0.0.1", servername: name });
socket.on("secureConnect", () => { console.log("accepted"); process.exit(); });
socket.on("error", (error) => { console.log(error.code); process.exit(); });
"""


def node(port: int, trusted: Path) -> str:
    """What Node.js says of a server: accepted, or the code of its error."""
    environment = {"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(trusted)}
    command = ["node", "-e", _CONNECT, str(port), "localhost"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def _good(root: Issued) -> Issued:
    return issue("valkey", authority("Intermediate", root), bits=2048)


def _other_names(root: Issued) -> Issued:
    return issue("localhost", root, names=("other.example",))


def _leaf_alone(root: Issued) -> Issued:
    complete = issue("valkey", authority("Intermediate", root))
    return Issued(complete.certificate, complete.key)


@profiles.long
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node on this machine")
@pytest.mark.parametrize("cipher", ["", "AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES128-SHA", "CAMELLIA128-SHA"])
def test_node_accepts_the_same_ciphers(cipher: str, tmp_path: Path) -> None:
    root = authority("Test Root")
    context = _good(root).leaf().context(f"{cipher}:@SECLEVEL=0" if cipher else "")
    if cipher:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    trusted = root.trusted(tmp_path)
    with faults.tls_port(context) as port:
        tool = {finding.id for finding in check(port, trusted).findings if finding.layer is Layer.TLS}
        assert (tool == {"valkey.tls"}) is (node(port, trusted) == "accepted"), tool


@profiles.long
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node on this machine")
@pytest.mark.parametrize(
    ("make", "code", "finding_id"),
    [
        (_good, "accepted", "valkey.tls"),
        (expired_intermediate, "CERT_HAS_EXPIRED", "tls.issuer-expired"),
        (outside_the_constraints, "UNSPECIFIED", "tls.name-constraint"),
        (for_clients, "INVALID_PURPOSE", "tls.wrong-purpose"),
        (issued_by_a_leaf, "INVALID_PURPOSE", "tls.issuer-not-ca"),
        (_leaf_alone, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls.untrusted"),
        (_other_names, "ERR_TLS_CERT_ALTNAME_INVALID", "tls.wrong-host"),
    ],
)
def test_node_refuses_the_same_certificates(
    make: Callable[[Issued], Issued], code: str, finding_id: str, tmp_path: Path
) -> None:
    root = authority("Test Root")
    trusted = root.trusted(tmp_path)
    with faults.tls_port(make(root).leaf().context()) as port:
        (found,) = (finding.id for finding in check(port, trusted).findings if finding.layer is Layer.TLS)
        assert (node(port, trusted), found) == (code, finding_id)


@profiles.long
def test_ciphers_of_node_over_https(tmp_path: Path) -> None:
    """httpx has a context of its own."""
    root = authority("Test Root")
    context = _good(root).leaf().context("AES128-SHA")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def accept(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            if secured.recv(65536):
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    with faults.serving(accept) as port:
        values = {"telemetry.enabled": True, f"{TRACES}.endpoint": f"https://localhost:{port}/v1/traces"}
        found = run_check(TRACES, values, extra=root.trusted(tmp_path))
    assert found["otlp.access"].status is Status.OK, found
