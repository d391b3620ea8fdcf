"""How Mistle's two Postgres clients read one URL. They differ from each other and from libpq.

Source: the code of postgres.js 3.4.8 and node-postgres 8.20.0 (pg-connection-string 2.14.1), and trials with both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from checks.net.addresses import is_address

Query = Mapping[str, str]
_SSL_MODES = ("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify")


@dataclass(frozen=True)
class Tls:
    """What a URL asks for. ``falls_back``: the client continues without TLS where the server has none."""

    enabled: bool
    verified: bool = False
    falls_back: bool = False
    roots: str = ""  # a file that replaces the trusted roots
    any_name: bool = False  # the certificate is verified, and not for which host it is
    own: tuple[str, str] = ("", "")  # the files of the certificate and the key that the client shows
    direct: bool = False  # TLS from the first byte, without Postgres' own request before it

    @property
    def needs_own_context(self) -> bool:
        """Whether the handshake differs from one with the trust of the run."""
        return bool(self.roots or self.any_name or any(self.own) or self.direct)


PLAINTEXT = Tls(enabled=False)
UNVERIFIED = Tls(enabled=True)
VERIFIED = Tls(enabled=True, verified=True)


@dataclass(frozen=True)
class Login:
    """The server that a client connects to, and the user that it logs in as.

    A ``host`` that begins with / is the folder of a Unix socket.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Dialect:
    """One client library: how it reads the TLS parameters and the names in a URL, and what it sends to the server."""

    client: str
    tls: Callable[[Query], Tls]
    parameters: Callable[[Query], dict[str, str]]
    database: Callable[[str], str]
    certificate_name: Callable[[str], str]
    ipv6: bool
    sockets: bool  # whether %2F… in place of a host is the folder of a Unix socket
    login: Callable[[Login, Query], Login]
    refusal: Callable[[Query], str]  # what it cannot work with, "" for nothing
    files: tuple[str, ...] = ()  # the parameters whose files it reads at once

    @staticmethod
    def misspelt_mode(query: Query) -> str:
        """The value of sslmode, if no client knows it; else ""."""
        mode = query.get("sslmode", "")
        return "" if mode in _SSL_MODES else mode


# postgres.js: parseOptions() and connection.js secure(). Every other value, `no-verify` too, means full verification.
_JS_MODES = {
    "": PLAINTEXT,
    "disable": PLAINTEXT,
    "false": PLAINTEXT,
    "allow": UNVERIFIED,
    "require": UNVERIFIED,
    "prefer": Tls(enabled=True, falls_back=True),
}
_JS_SESSIONS = ("", "read-write", "primary", "prefer-standby")
_JS_NOT_SENT = frozenset(
    """max ssl sslmode sslnegotiation idle_timeout connect_timeout max_lifetime max_pipeline backoff keep_alive prepare
    debug fetch_types publications target_session_attrs""".split()  # noqa: SIM905
)


def _js_tls(query: Query) -> Tls:
    mode = "verify-full" if query.get("sslrootcert") == "system" else query.get("sslmode") or query.get("ssl") or ""
    tls = _JS_MODES.get(mode, VERIFIED)
    if tls.enabled and query.get("sslnegotiation") == "direct":
        return replace(tls, direct=True, falls_back=False)
    return tls


def _js_parameters(query: Query) -> dict[str, str]:
    return {name: value for name, value in query.items() if value and name not in _JS_NOT_SENT}


def _js_certificate_name(host: str) -> str:
    # For an address, postgres.js gives tls.connect() no host and no servername; Node.js then verifies "localhost".
    return "localhost" if is_address(host) else host


# node-postgres: pg-connection-string. Every other sslmode verifies; `uselibpqcompat` changes some meanings.
_PG_MODES = {"disable": PLAINTEXT, "no-verify": UNVERIFIED}
_PG_COMPATIBLE_MODES = {"disable": PLAINTEXT, "prefer": UNVERIFIED, "require": UNVERIFIED}
_PG_NAMELESS_MODES = ("require", "verify-ca")  # where it is compatible with libpq, and there are roots
_PG_SSL_VALUES = {"": PLAINTEXT, "0": PLAINTEXT, "no-verify": UNVERIFIED}
_PG_SSL_WORDS = ("", "0", "1", "true", "no-verify")
_PG_FILES = ("sslrootcert", "sslcert", "sslkey")
_PG_SENT = ("application_name", "replication", "options")
_PG_SENT_NUMBERS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def _pg_tls(query: Query) -> Tls:
    mode, roots, *own = (query.get(name, "") for name in ("sslmode", *_PG_FILES))
    if not (mode or roots or any(own)):
        return VERIFIED if _asks_for_direct_alone(query) else _PG_SSL_VALUES.get(query.get("ssl", ""), VERIFIED)
    is_compatible = query.get("uselibpqcompat") == "true"
    any_name = is_compatible and bool(roots) and mode in _PG_NAMELESS_MODES
    tls = VERIFIED if any_name else (_PG_COMPATIBLE_MODES if is_compatible else _PG_MODES).get(mode, VERIFIED)
    shown = (own[0], own[1]) if tls.enabled and all(own) else ("", "")
    return replace(tls, roots=roots if tls.verified else "", any_name=any_name, own=shown)


def _asks_for_direct_alone(query: Query) -> bool:
    """node-postgres takes this for a wish for TLS, and sends Postgres' request for it all the same."""
    return query.get("sslnegotiation") == "direct" and "ssl" not in query


def _pg_parameters(query: Query) -> dict[str, str]:
    sent = {name: query[name] for name in _PG_SENT if query.get(name)}
    if name := query.get("fallback_application_name"):
        sent.setdefault("application_name", name)
    return sent | {name: _parse_int(query[name]) for name in _PG_SENT_NUMBERS if query.get(name)}


_PORT = re.compile(r"\s*\d{1,9}")
_ESCAPES = re.compile(r"(?:%(?!23|24|26|2B|2C|2F|3A|3B|3D|3F|40)[0-9A-F]{2})+", re.IGNORECASE)


def _pg_database(path: str) -> str:
    # decodeURI() leaves escapes of reserved characters as they are
    return _ESCAPES.sub(lambda match: unquote(match[0]), path)


def _parse_int(text: str) -> str:
    number = re.match(r"\s*([+-]?\d+)", text)
    return str(int(number[1])) if number else "NaN"


def _as_written(text: str) -> str:
    return text


def _js_login(login: Login, _query: Query) -> Login:
    return login


def _js_refusal(query: Query) -> str:
    wanted = query.get("target_session_attrs", "")
    if wanted in {"standby", "read-only"}:
        return f"target_session_attrs={wanted} asks for a server that does not write"
    if wanted not in _JS_SESSIONS:
        return f"target_session_attrs={wanted} is none that it supports"
    return ""


def _pg_login(login: Login, query: Query) -> Login:
    port = query.get("port", "")
    return Login(
        query.get("host") or login.host,
        int(_parse_int(port)) if _PORT.match(port) else login.port,
        query.get("user") or login.username,
        query.get("password") or login.password,
    )


def _pg_refusal(query: Query) -> str:
    port, ssl, mode = query.get("port", ""), query.get("ssl", ""), query.get("sslmode", "")
    if port and not (_PORT.match(port) and 0 < int(_parse_int(port)) < 65536):
        return "port= is not a number from 1 to 65535"
    if ssl not in _PG_SSL_WORDS and not any(query.get(name) for name in ("sslmode", *_PG_FILES)):
        return f"ssl={ssl} ends its process at a server with TLS: it takes only true, 1 and 0"
    if (query.get("uselibpqcompat"), mode) == ("true", "verify-ca") and not query.get("sslrootcert"):
        return "with uselibpqcompat=true, sslmode=verify-ca needs sslrootcert"
    return ""


POSTGRES_JS = Dialect(
    "postgres.js",
    _js_tls,
    _js_parameters,
    _as_written,
    _js_certificate_name,
    ipv6=False,
    sockets=False,
    login=_js_login,
    refusal=_js_refusal,
)
NODE_POSTGRES = Dialect(
    "node-postgres",
    _pg_tls,
    _pg_parameters,
    _pg_database,
    _as_written,
    ipv6=True,
    sockets=True,
    login=_pg_login,
    refusal=_pg_refusal,
    files=_PG_FILES,
)
