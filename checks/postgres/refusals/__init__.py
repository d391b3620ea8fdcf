"""Why a login or a query failed: the server's ErrorResponse, or libpq's text, and the cause that it stands for.

Postgres writes its messages in the language of lc_messages: the SQLSTATE decides, and the routine in the server's
source code that reported the error. A pooler names no routine; PgBouncer writes English, mostly with the same code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.core.finding import Cause, Diagnosis
from checks.core.text import foreign
from checks.net.network_errors import RESET
from checks.postgres import causes
from checks.postgres.refusals import hints

SERVER, LIBPQ = "the server", "libpq"
CLEARTEXT, SASL, SASL_FINAL = 3, 10, 12  # protocol.html#PROTOCOL-MESSAGE-FORMATS: authentication requests
_PROXY_ADDRESS = re.compile(r'"127\.0\.0\.1", port [0-9]+')
_PREFIX = re.compile(f"connection to server at {_PROXY_ADDRESS.pattern} failed: ")
_NO_MEMORY = re.compile("out of memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """An error of ``source``. ``requests``: the server's authentication requests before it.

    ``code`` is the SQLSTATE of a server's error. Postgres itself sends ``routine``; ``is_plain``: also the untranslated
    severity is missing, as from PgBouncer.
    """

    text: str
    source: str = LIBPQ
    code: str = ""
    routine: str = ""
    is_plain: bool = False
    requests: tuple[int, ...] = ()

    @property
    def is_of_server_behind(self) -> bool:
        """Whether a pooler forwards an error of the server behind it, after the client's own login.

        SCRAM ends with a message of its own. Other ways to log in do not, but PgBouncer's own errors have other codes.
        """
        is_pgbouncer = self.is_plain and self.code in {"28P01", "28000"} and SASL not in self.requests
        return not self.routine and (SASL_FINAL in self.requests or is_pgbouncer)


@dataclass(frozen=True)
class _Pattern:
    """Each pattern that is given must match. ``behind``: only an error of the server behind a pooler."""

    cause: Cause
    codes: str = ""
    routine: str = ""
    text: str = ""
    behind: bool = False
    hint: str | None = None

    def matches(self, refusal: Refusal) -> bool:
        return (
            (not self.codes or refusal.code in self.codes.split())
            and (not self.routine or bool(re.match(self.routine, refusal.routine)))
            and (not self.behind or refusal.is_of_server_behind)
            # some patterns take time in proportion to the square of the length
            and (not self.text or bool(re.search(self.text, refusal.text[:1000])))
        )


_AUTH_FAILED = r"(password|SASL) authentication failed|pg_hba\.conf|not permitted to log in|role \".*\" does not exist"
_LOGIN_ROWS = (
    _Pattern(causes.NOT_POSTGRES, codes="0A000", routine="ProcessStartupPacket"),
    _Pattern(causes.UNKNOWN_PARAMETER, codes="42704 22023 55P02"),
    _Pattern(causes.UNKNOWN_PARAMETER, codes="42501", routine="set_config"),
    _Pattern(causes.MAY_NOT_CONNECT, codes="42501 55000", routine="CheckMyDatabase|InitPostgres"),
    _Pattern(causes.MAY_NOT_CONNECT, codes="42501 55000", behind=True),
)
_SERVER_ROWS = (
    _Pattern(causes.POOLER_LOGIN_REFUSED, codes="28P01 28000", behind=True),
    _Pattern(causes.POOLER_LOGIN_REFUSED, codes="08P01", text=_AUTH_FAILED, behind=True),
    _Pattern(causes.PASSWORD_REJECTED, codes="28P01"),
    _Pattern(causes.NO_HBA_ENTRY, codes="28000", routine="ClientAuthentication", text=r"pg_hba\.conf"),
    _Pattern(causes.LOGIN_METHOD, codes="28000", routine="ClientAuthentication", hint=hints.CERTIFICATE),
    _Pattern(causes.LOGIN_METHOD, codes="28000", routine="auth_failed"),
    _Pattern(causes.ROLE_MISSING, codes="28000", routine="InitializeSessionUserId"),
    _Pattern(causes.DATABASE_MISSING, codes="3D000"),
    _Pattern(causes.TOO_MANY_CONNECTIONS, codes="53300"),
    _Pattern(causes.STARTING_UP, codes="57P01 57P02 57P03"),
    _Pattern(causes.SHORT_TIMEOUT, codes="25P03 25P04 57P05"),
    # Texts of poolers, and of servers that are not Postgres itself
    _Pattern(causes.STATEMENT_POOLING, text="not allowed in statement pooling mode"),
    _Pattern(causes.DATABASE_MISSING, text="^FATAL: not allowed$", hint=hints.ADMIN_CONSOLE),
    _Pattern(causes.LOGIN_REFUSED, text="bouncer config error", hint=hints.FORCED_USER),
    _Pattern(causes.UNKNOWN_PARAMETER, text="unrecognized configuration parameter|unsupported startup parameter"),
    _Pattern(causes.UNKNOWN_PARAMETER, text=r"invalid value for parameter|parameter \"\S+\" (cannot|requires)"),
    _Pattern(causes.POOL_EXHAUSTED, text="query_wait_timeout"),
    _Pattern(
        causes.POOLER_BACKEND_DOWN,
        text="client_login_timeout|server login|cannot connect to server|server down|server conn",
    ),
    _Pattern(causes.TLS_REQUIRED, text="SSL required|TLS required"),
    _Pattern(causes.TLS_REFUSED, text="does not support SSL"),
    _Pattern(causes.NO_HBA_ENTRY, text=r"pg_hba\.conf"),
    _Pattern(causes.NO_HBA_ENTRY, text="login rejected", hint=hints.POOLER_HBA),
    _Pattern(causes.PASSWORD_REJECTED, text="(password|SASL) authentication failed"),
    _Pattern(causes.ROLE_MISSING, text=r"role \".*\" does not exist|not permitted to log in|no such user"),
    _Pattern(causes.DATABASE_MISSING, text="no such database", hint=hints.POOLER_DATABASES),
    _Pattern(causes.DATABASE_MISSING, text=r"database \".*\" does not exist"),
    _Pattern(causes.MAY_NOT_CONNECT, text="does not allow connections|is disabled", hint=hints.DISABLED),
    _Pattern(causes.MAY_NOT_CONNECT, text=r"permission denied for database|database \".*\" is not currently accepting"),
    _Pattern(causes.TOO_MANY_CONNECTIONS, text="too many (clients|connections)|connection slots|no more connections"),
    _Pattern(causes.STARTING_UP, text="starting up|shutting down|recovery mode|not (yet )?accepting connections"),
    _Pattern(causes.NOT_POSTGRES, text="unsupported frontend"),
)
_LIBPQ_ROWS = (
    _Pattern(causes.PASSWORD_REJECTED, text="no password supplied"),
    _Pattern(causes.LOGIN_METHOD, text="server requested (GSSAPI|SSPI)", hint=hints.KERBEROS),
    _Pattern(causes.LOGIN_METHOD, text="server requested OAUTHBEARER|SASL authentication mechanisms", hint=hints.OAUTH),
    _Pattern(causes.NOT_POSTGRES, text="invalid response to SSL negotiation|expected authentication request"),
    _Pattern(
        RESET, text="server closed the connection|Connection reset|could not (receive|send) data|write to server fail"
    ),
)


def diagnosis_of(refusal: Refusal, default: Cause) -> Diagnosis:
    """Map a refusal to its cause; ``default`` is LOGIN_REFUSED or QUERY_FAILED."""
    is_login = default is causes.LOGIN_REFUSED
    of_server = (*(_LOGIN_ROWS if is_login else ()), *_SERVER_ROWS)
    rows = of_server if refusal.source == SERVER else _LIBPQ_ROWS
    row = next((row for row in rows if row.matches(refusal)), _Pattern(default))
    if row.cause is RESET:
        return RESET.diagnosis("the connection was closed by the server", hint=hints.CLOSED)
    hint = row.hint
    if row.cause is causes.LOGIN_METHOD and hint is None and CLEARTEXT in refusal.requests:
        hint = hints.OUTSIDE_SERVICE
    return row.cause.diagnosis(f"{refusal.source} reports: {foreign(refusal.text)}", hint=hint)


def libpq_text(text: str) -> str:
    """libpq's error text without the address of the proxy, which no operator knows.

    Raises MemoryError when libpq had no memory.
    """
    if _NO_MEMORY.search(text):
        raise MemoryError(text)
    return _PROXY_ADDRESS.sub("the server", _PREFIX.sub("", text))
