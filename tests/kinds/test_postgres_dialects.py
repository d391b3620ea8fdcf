"""How Mistle's two Postgres clients read a URL, compared with their observed behaviour."""

import pytest

from checks.postgres.dialects import NODE_POSTGRES, PLAINTEXT, POSTGRES_JS, UNVERIFIED, VERIFIED, Tls
from checks.postgres.session import conninfo

FALLS_BACK = Tls(enabled=True, falls_back=True)


@pytest.mark.parametrize(
    ("query", "js", "node"),
    [
        ({}, PLAINTEXT, PLAINTEXT),
        ({"sslmode": ""}, PLAINTEXT, PLAINTEXT),
        ({"sslmode": "disable"}, PLAINTEXT, PLAINTEXT),
        ({"sslmode": "allow"}, UNVERIFIED, VERIFIED),
        ({"sslmode": "prefer"}, FALLS_BACK, VERIFIED),
        ({"sslmode": "require"}, UNVERIFIED, VERIFIED),
        ({"sslmode": "verify-ca"}, VERIFIED, VERIFIED),
        ({"sslmode": "verify-full"}, VERIFIED, VERIFIED),
        ({"sslmode": "no-verify"}, VERIFIED, UNVERIFIED),
        ({"sslmode": "DISABLE"}, VERIFIED, VERIFIED),
        ({"ssl": "true"}, VERIFIED, VERIFIED),
        ({"ssl": "0"}, VERIFIED, PLAINTEXT),
        ({"ssl": "false"}, PLAINTEXT, VERIFIED),
        ({"ssl": "no-verify"}, VERIFIED, UNVERIFIED),
        ({"ssl": "require"}, UNVERIFIED, VERIFIED),
        ({"sslmode": "disable", "ssl": "true"}, PLAINTEXT, PLAINTEXT),
        ({"sslmode": "require", "uselibpqcompat": "true"}, UNVERIFIED, UNVERIFIED),
        ({"sslmode": "no-verify", "uselibpqcompat": "true"}, VERIFIED, VERIFIED),
        ({"sslrootcert": "system"}, VERIFIED, Tls(enabled=True, verified=True, roots="system")),
        ({"sslrootcert": "/ca"}, PLAINTEXT, Tls(enabled=True, verified=True, roots="/ca")),
        ({"sslmode": "disable", "sslrootcert": "/ca"}, PLAINTEXT, PLAINTEXT),
        ({"sslcert": "/cert"}, PLAINTEXT, VERIFIED),
    ],
)
def test_tls(query: dict[str, str], js: Tls, node: Tls) -> None:
    assert POSTGRES_JS.tls(query) == js
    assert NODE_POSTGRES.tls(query) == node


@pytest.mark.parametrize(
    ("query", "js", "node"),
    [
        ({"application_name": "a b"}, {"application_name": "a b"}, {"application_name": "a b"}),
        ({"fallback_application_name": "a"}, {"fallback_application_name": "a"}, {"application_name": "a"}),
        ({"statement_timeout": "5s"}, {"statement_timeout": "5s"}, {"statement_timeout": "5"}),
        ({"lock_timeout": "x"}, {"lock_timeout": "x"}, {"lock_timeout": "NaN"}),
        ({"search_path": "a"}, {"search_path": "a"}, {}),
        ({"schema": ""}, {}, {}),
        ({"connect_timeout": "5", "sslmode": "require", "max": "3", "target_session_attrs": "primary"}, {}, {}),
        ({"sslrootcert": "/ca", "pgbouncer": "true"}, {"sslrootcert": "/ca", "pgbouncer": "true"}, {}),
    ],
)
def test_parameters_that_go_to_the_server(query: dict[str, str], js: dict[str, str], node: dict[str, str]) -> None:
    assert POSTGRES_JS.parameters(query) == js
    assert NODE_POSTGRES.parameters(query) == node


def test_names_of_databases() -> None:
    assert POSTGRES_JS.database("d%20b") == "d%20b"
    assert NODE_POSTGRES.database("d%20b%2Fc%C3%A9") == "d b%2Fcé"


def test_name_that_the_certificate_must_hold() -> None:
    assert POSTGRES_JS.certificate_name("127.0.0.1") == "localhost"
    assert POSTGRES_JS.certificate_name("db.example") == "db.example"
    assert NODE_POSTGRES.certificate_name("127.0.0.1") == "127.0.0.1"


def test_parameters_that_are_no_libpq_keyword_go_into_options() -> None:
    text = conninfo({"options": "-c a=1", "search_path": r"x, \y", "application_name": "z"}, host="h")
    assert r"application_name=z" in text
    assert r"-c a=1 -c search_path=x,\\ \\\\y" in text
    assert "passfile=/dev/null" in text
