"""How Mistle's two Postgres clients read one URL. They differ from each other, and from libpq.

Read off, and tried with, postgres.js 3.4.9 and node-postgres 8.23.1 (pg-connection-string 2.14.1).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

Query = Mapping[str, str]


@dataclass(frozen=True)
class Tls:
    """What a URL's words mean: is TLS spoken, is the certificate verified, is plaintext taken where TLS is refused."""

    spoken: bool
    verified: bool = False
    falls_back: bool = False
    roots: str = ""  # a file that replaces the trusted roots


PLAINTEXT = Tls(spoken=False)
UNVERIFIED = Tls(spoken=True)
VERIFIED = Tls(spoken=True, verified=True)


@dataclass(frozen=True)
class Dialect:
    """One client library: its TLS words, the parameters it sends to the server, how it reads names."""

    client: str
    tls: Callable[[Query], Tls]
    parameters: Callable[[Query], dict[str, str]]
    database: Callable[[str], str]
    certificate_name: Callable[[str], str]
    ipv6: bool


# postgres.js: parseOptions() and connection.js secure(). Every other word, `no-verify` too, means full verification.
_JS_WORDS = {
    "": PLAINTEXT,
    "disable": PLAINTEXT,
    "false": PLAINTEXT,
    "allow": UNVERIFIED,
    "require": UNVERIFIED,
    "prefer": Tls(spoken=True, falls_back=True),
}
_JS_OWN = frozenset(
    """max ssl sslmode sslnegotiation idle_timeout connect_timeout max_lifetime max_pipeline backoff keep_alive prepare
    debug fetch_types publications target_session_attrs""".split()  # noqa: SIM905
)


def _js_tls(query: Query) -> Tls:
    if query.get("sslrootcert") == "system":
        return VERIFIED
    return _JS_WORDS.get(query.get("sslmode") or query.get("ssl") or "", VERIFIED)


def _js_parameters(query: Query) -> dict[str, str]:
    return {name: value for name, value in query.items() if value and name not in _JS_OWN}


def _js_certificate_name(host: str) -> str:
    # tls.connect() gets neither host nor servername for an address, and then verifies "localhost".
    return "localhost" if _is_address(host) else host


# node-postgres: pg-connection-string. Any sslmode but these verifies; `uselibpqcompat` changes some meanings.
_PG_WORDS = {"disable": PLAINTEXT, "no-verify": UNVERIFIED}
_PG_COMPATIBLE_WORDS = {"disable": PLAINTEXT, "prefer": UNVERIFIED, "require": UNVERIFIED}
_PG_SSL_WORDS = {"": PLAINTEXT, "0": PLAINTEXT, "no-verify": UNVERIFIED}
_PG_SENT = ("application_name", "replication", "options")
_PG_SENT_NUMBERS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def _pg_tls(query: Query) -> Tls:
    mode, roots = query.get("sslmode", ""), query.get("sslrootcert", "")
    if not (mode or roots or query.get("sslcert") or query.get("sslkey")):
        return _PG_SSL_WORDS.get(query.get("ssl", ""), VERIFIED)
    words = _PG_COMPATIBLE_WORDS if query.get("uselibpqcompat") == "true" else _PG_WORDS
    meant = words.get(mode, VERIFIED)
    return Tls(spoken=True, verified=True, roots=roots) if meant.verified else meant


def _pg_parameters(query: Query) -> dict[str, str]:
    sent = {name: query[name] for name in _PG_SENT if query.get(name)}
    if name := query.get("fallback_application_name"):
        sent.setdefault("application_name", name)
    return sent | {name: _parse_int(query[name]) for name in _PG_SENT_NUMBERS if query.get(name)}


_ESCAPES = re.compile(r"(?:%(?!23|24|26|2B|2C|2F|3A|3B|3D|3F|40)[0-9A-F]{2})+", re.IGNORECASE)


def _pg_database(path: str) -> str:
    # decodeURI(): escapes of reserved characters stay as they are
    return _ESCAPES.sub(lambda m: unquote(m[0]), path)


def _parse_int(text: str) -> str:
    number = re.match(r"\s*([+-]?\d+)", text)
    return str(int(number[1])) if number else "NaN"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _as_written(text: str) -> str:
    return text


POSTGRES_JS = Dialect("postgres.js", _js_tls, _js_parameters, _as_written, _js_certificate_name, ipv6=False)
NODE_POSTGRES = Dialect("node-postgres", _pg_tls, _pg_parameters, _pg_database, _as_written, ipv6=True)
