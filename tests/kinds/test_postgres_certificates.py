"""Client certificates, files and the beginning of TLS, as the URL names them, at real servers."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from tests.harness import faults, profiles
from tests.harness.postgres_check import DIRECT_KEY, POOLED_KEY, direct, pooled
from tests.harness.relays import relay
from tests.testbed import Authority, Postgres, pgbouncer_server, postgres_server

BY_CERTIFICATE = "hostssl all all all cert"
WITH_BOTH = "hostssl all all all scram-sha-256 clientcert=verify-full"


@pytest.fixture(scope="module")
def files(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of the role `mistle`, its key, the key of another, and the authority."""
    folder = tmp_path_factory.mktemp("certificates")
    leaf = authority.leaf("mistle.client", common_name="mistle")
    contents = {"mistle.pem": leaf.chain, "mistle.key": leaf.key, "other.key": authority.leaf().key}
    for name, content in (contents | {"roots.pem": authority.pem, "text.pem": b"no PEM"}).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def by_certificate(authority: Authority) -> Iterator[Postgres]:
    with certificate_server(authority, BY_CERTIFICATE) as server:
        yield server


def certificate_server(authority: Authority, hba: str) -> AbstractContextManager[Postgres]:
    roots = {"ssl_ca_file": "/files/roots.pem"}
    return postgres_server(hba, authority.leaf(), files={"roots.pem": authority.pem}, **roots)


def shown(files: Path, certificate: str = "mistle.pem", key: str = "mistle.key") -> dict[str, str]:
    return {"sslcert": str(files / certificate), "sslkey": str(files / key)}


def test_client_certificate_of_the_pooled_url(by_certificate: Postgres, files: Path) -> None:
    run = pooled(by_certificate.url(sslmode="no-verify", **shown(files)))
    assert run.status is Status.OK, run


@profiles.long
def test_client_certificate_beside_the_password(authority: Authority, files: Path) -> None:
    with certificate_server(authority, WITH_BOTH) as server:
        assert pooled(server.url(sslrootcert=str(files / "roots.pem"), **shown(files))).status is Status.OK
        run = pooled(server.url("mistle", sslmode="no-verify"))
        run.fails("postgres.login-method", Layer.AUTH, POOLED_KEY, hint="asks for a client certificate")


@profiles.long
def test_no_client_certificate(by_certificate: Postgres) -> None:
    run = pooled(by_certificate.url(sslmode="no-verify"))
    run.fails("postgres.login-method", Layer.AUTH, POOLED_KEY, hint="asks for a client certificate")
    run = direct(by_certificate.url(sslmode="require"))
    run.fails("postgres.login-method", Layer.AUTH, DIRECT_KEY, hint="asks for a client certificate")


@profiles.long
def test_client_certificate_of_another_role(by_certificate: Postgres, files: Path) -> None:
    run = pooled(by_certificate.url(by_certificate.role(), sslmode="no-verify", **shown(files)))
    run.fails("postgres.login-method", Layer.AUTH, POOLED_KEY, hint="correct the user name in")


@profiles.long
@pytest.mark.parametrize(("certificate", "key"), [("mistle.pem", "other.key"), ("text.pem", "mistle.key")])
def test_files_that_hold_no_certificate_and_its_key(
    by_certificate: Postgres, files: Path, certificate: str, key: str
) -> None:
    run = pooled(by_certificate.url(sslmode="no-verify", **shown(files, certificate, key)))
    finding = run.fails("postgres.roots-unreadable", Layer.TLS, POOLED_KEY, hint="correct sslrootcert, sslcert")
    assert finding.message == "sslcert and sslkey: the file holds no certificate, or not its key"


@profiles.long
@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert", "sslkey"])
def test_file_is_read_also_without_tls(postgres: Postgres, parameter: str) -> None:
    run = pooled(postgres.url(sslmode="disable", **{parameter: "/nowhere/file.pem"}))
    finding = run.fails("postgres.roots-unreadable", Layer.TLS, POOLED_KEY, hint="correct sslrootcert, sslcert")
    assert finding.message.startswith(f"{parameter}: the file")


@profiles.long
def test_files_that_are_not_used(postgres: Postgres, files: Path) -> None:
    run = pooled(postgres.url(sslmode="disable", sslrootcert=str(files / "roots.pem"), **shown(files)))
    assert run.status is Status.OK, run


@profiles.long
@pytest.mark.parametrize("sslmode", ["require", "verify-ca"])
def test_name_is_not_compared_where_node_postgres_is_compatible_with_libpq(
    authority: Authority, files: Path, sslmode: str
) -> None:
    with postgres_server(certificate=authority.leaf("elsewhere.test")) as server:
        query = {"uselibpqcompat": "true", "sslmode": sslmode}
        assert pooled(server.url(sslrootcert=str(files / "roots.pem"), **query)).status is Status.OK
        run = pooled(server.url(sslrootcert=str(files / "mistle.pem"), **query))
        run.fails("tls.untrusted", Layer.TLS, POOLED_KEY, hint="")


# sslnegotiation


@profiles.long
def test_tls_from_the_first_byte(postgres_with_tls: Postgres) -> None:
    """Without a request before it, and with ALPN, which Postgres wants then."""
    run = direct(postgres_with_tls.url(sslmode="require", sslnegotiation="direct"))
    assert run.status is Status.OK, run


@profiles.long
def test_tls_from_the_first_byte_where_the_server_has_none(postgres: Postgres) -> None:
    run = direct(postgres.url(sslmode="prefer", sslnegotiation="direct"))
    run.fails("postgres.tls-refused", Layer.AUTH, DIRECT_KEY, hint="turn TLS on")


@profiles.long
def test_node_postgres_takes_direct_for_a_wish_for_tls(postgres_with_tls: Postgres, postgres: Postgres) -> None:
    pooled(postgres_with_tls.url(sslnegotiation="direct")).fails("tls.untrusted", Layer.TLS, POOLED_KEY, hint="")
    pooled(postgres.url(sslnegotiation="direct")).fails("postgres.tls-refused", Layer.AUTH, POOLED_KEY, hint="TLS")


@profiles.long
def test_server_that_takes_no_tls_from_the_first_byte(postgres: Postgres, authority: Authority) -> None:
    with pgbouncer_server(postgres.address, certificate=authority.leaf()) as pooler:
        run = direct(pooler.url(sslmode="require", sslnegotiation="direct"))
    finding = run.fails("postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove sslnegotiation")
    assert finding.message.endswith("closes a connection that begins with TLS")


@profiles.long
def test_proxy_that_ends_tls_itself(postgres: Postgres, authority: Authority) -> None:
    """postgres.js reaches the server behind it with sslnegotiation=direct alone."""
    context = authority.leaf().context()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as client:
            relay(client, postgres.port)

    with faults.serving(serve) as port:
        url = postgres.url(sslmode="require").replace(f":{postgres.port}/", f":{port}/")
        run = direct(f"{url}&sslnegotiation=direct")
        assert run.status is Status.OK, run
        direct(url).fails("network.tls-on-plaintext", Layer.TLS, DIRECT_KEY, hint="")
