"""URLs as Mistle's two Postgres clients read them, at real servers."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from checks.core.finding import Layer, Status
from tests.harness import faults, profiles
from tests.harness.postgres_check import DIRECT_KEY, POOLED_KEY, direct, pooled
from tests.harness.relays import relay
from tests.testbed import Postgres
from tests.testbed.postgres import PASSWORD


def test_parameters_that_replace_parts_of_the_pooled_url(postgres: Postgres) -> None:
    parts = f"host={postgres.host}&port={postgres.port}&user={postgres.name}&password={quote(PASSWORD, safe='')}"
    run = pooled(f"postgres://nobody:wrong@nowhere.invalid:1/{postgres.name}?{parts}")
    assert run.status is Status.OK, run
    assert run["postgres.auth"].message == f"login accepted, as {postgres.name}"


@profiles.long
def test_such_parameters_go_to_the_server_of_the_direct_url(postgres: Postgres) -> None:
    finding = direct(postgres.url(host="elsewhere")).fails(
        "postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove the parameter"
    )
    assert '"host"' in finding.message


@contextmanager
def unix_socket(folder: Path, port: int) -> Iterator[None]:
    """The Unix socket of a server, in this folder."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / ".s.PGSQL.5432"))
        listener.listen()
        with faults.accepting(listener, lambda client: relay(client, port)):
            yield


@pytest.mark.parametrize("host", ["", pytest.param("ignored", marks=profiles.long)])
def test_unix_socket_of_the_pooled_url(postgres: Postgres, tmp_path: Path, host: str) -> None:
    login = f"{postgres.name}:{quote(PASSWORD, safe='')}@{host}"
    with unix_socket(tmp_path, postgres.port):
        run = pooled(f"postgres://{login}/{postgres.name}?host={quote(str(tmp_path), safe='')}")
    assert run.status is Status.OK, run
    assert run["postgres.connect"].message.endswith(".s.PGSQL.5432 accepts connections")


@profiles.long
def test_unix_socket_in_place_of_a_host(postgres: Postgres, tmp_path: Path) -> None:
    """node-postgres takes %2F… for its folder, and postgres.js for the name of a host."""
    with unix_socket(tmp_path, postgres.port):
        host = quote(str(tmp_path), safe="")
        url = f"postgres://{postgres.name}:{quote(PASSWORD, safe='')}@{host}/{postgres.name}"
        assert pooled(url).status is Status.OK
        run = direct(url)
    finding = run.fails("network.name-not-found", Layer.DNS, DIRECT_KEY, hint="write a host name")
    assert f"takes {host} for the name of a host" in finding.message


def test_unix_socket_that_is_not_here(tmp_path: Path) -> None:
    run = pooled(f"postgres://u:p@/d?host={tmp_path}")
    finding = run.fails("network.refused", Layer.CONNECT, POOLED_KEY, hint="where the socket is mounted")
    assert "No such file or directory" in finding.message


REFUSED = {
    "ssl=require": (pooled, POOLED_KEY, "ends its process"),
    "target_session_attrs=any": (direct, DIRECT_KEY, "none that it supports"),
    "target_session_attrs=standby": (direct, DIRECT_KEY, "does not write"),
    "ssl=false": (pooled, POOLED_KEY, "ends its process"),
    "port=abc": (pooled, POOLED_KEY, "not a number"),
    "uselibpqcompat=true&sslmode=verify-ca": (pooled, POOLED_KEY, "needs sslrootcert"),
}


@pytest.mark.parametrize("query", profiles.first(2, list(REFUSED)))
def test_parameter_that_the_client_itself_refuses(postgres: Postgres, query: str) -> None:
    check, key, message = REFUSED[query]
    finding = check(f"{postgres.url()}?{query}").fails(
        "postgres.unknown-parameter", Layer.AUTH, key, hint="correct its value"
    )
    assert message in finding.message


@profiles.long
@pytest.mark.parametrize("wanted", ["read-write", "primary", "prefer-standby"])
def test_session_that_a_primary_gives(postgres: Postgres, wanted: str) -> None:
    assert direct(postgres.url(target_session_attrs=wanted)).status is Status.OK


def test_sslmode_that_no_client_knows(postgres_with_tls: Postgres) -> None:
    run = direct(postgres_with_tls.url(sslmode="required"))
    assert [finding.id for finding in run.findings if finding.status is Status.FAIL] == ["tls.untrusted"], run
    assert "sslmode=required is no word that postgres.js knows" in run["tls.untrusted"].hint
    assert "certificate: write disable" in run["tls.untrusted"].hint


@profiles.long
def test_sslmode_that_no_client_knows_without_tls(postgres: Postgres) -> None:
    finding = pooled(postgres.url(sslmode="off")).fails(
        "postgres.tls-refused", Layer.AUTH, POOLED_KEY, hint="sslmode=off is no word"
    )
    assert finding.message


@profiles.long
@pytest.mark.parametrize("parameter", ["sslcert", "sslkey"])
def test_file_that_node_postgres_cannot_read(postgres_with_tls: Postgres, parameter: str) -> None:
    run = pooled(postgres_with_tls.url(sslmode="no-verify", **{parameter: "/nowhere/file.pem"}))
    finding = run.fails(
        "postgres.roots-unreadable", Layer.TLS, POOLED_KEY, hint="correct sslrootcert, sslcert or sslkey"
    )
    assert finding.message.startswith(f"{parameter}: the file")


# Several hosts


def test_first_host_of_several_is_down(postgres: Postgres) -> None:
    with faults.refused_port() as closed:
        run = direct(postgres.url().replace("@", f"@{faults.LOOPBACK}:{closed},"))
    run.warns("network.address-unreachable", Layer.CONNECT, DIRECT_KEY, hint="dead address")
    assert run["postgres.fitness"].status is Status.OK
    assert (run.facts["host"], run.facts["port"]) == (postgres.host, postgres.port)


@profiles.long
def test_first_host_of_several_is_a_replica(postgres: Postgres, replica: Postgres) -> None:
    several = postgres.url().replace("@", f"@{replica.host}:{replica.port},")
    assert direct(f"{several}?target_session_attrs=primary").status is Status.OK
    direct(several).fails("postgres.read-only", Layer.FITNESS, DIRECT_KEY, hint="name the primary")


def test_no_host_of_several_accepts() -> None:
    with faults.refused_port() as closed, faults.refused_port() as other:
        run = direct(f"postgres://u:p@{faults.LOOPBACK}:{closed},{faults.LOOPBACK}:{other}/d")
    refused = run["network.refused"]
    assert (refused.layer, refused.status, refused.fields) == (Layer.CONNECT, Status.FAIL, (DIRECT_KEY,))
