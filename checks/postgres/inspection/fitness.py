"""What a server's state means for Mistle, as rules: pure functions from the check and the state to diagnoses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis, Status
from checks.core.text import foreign
from checks.postgres import remedies
from checks.postgres.causes import SHORT_TIMEOUT
from checks.postgres.inspection import causes, master_keys

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.state import ServerState


_SHORTEST = {  # in milliseconds
    "transaction_timeout": 60_000,
    "lock_timeout": 1_000,
    "idle_in_transaction_session_timeout": 10_000,
    "idle_session_timeout": 30_000,
}


def is_direct(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Migrations and workflows need a session of the server itself."""
    if state.pooled:
        yield causes.POOLER_ON_DIRECT_URL.diagnosis("a pooler answers: the session is not the server process's own")
    elif state.relayed:
        yield causes.RELAYED.diagnosis(
            f"the server sees port {state.client_port}, this end has port {state.local_port}"
        )


def is_pooled(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Without a pooler, each process of Mistle holds ten connections to the server."""
    if not state.pooled:
        status = Status.WARN if check.production else Status.OK
        yield causes.DIRECT_ON_POOLED_URL.diagnosis("no pooler: the server itself answers", status=status)


def is_recent(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle needs Postgres 11."""
    if state.version < 110_000:
        yield causes.TOO_OLD.diagnosis(f"the server is Postgres {state.version // 10_000}")


def is_writable(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle writes."""
    if state.in_recovery:
        yield causes.READ_ONLY.diagnosis(
            "the server is a replica or in recovery (pg_is_in_recovery)", hint="name the primary in {url}"
        )
    elif state.read_only:
        yield causes.READ_ONLY.diagnosis(
            f"default_transaction_read_only is on for role {foreign(state.role)} or database {foreign(state.name)}",
            hint="unset default_transaction_read_only there, or name in {url} a role that may write",
            remedies=remedies.make_writable(check, state),
        )


def is_utf8(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle stores any text."""
    if state.encoding not in {"UTF8", None}:
        yield causes.NOT_UTF8.diagnosis(f"the encoding of database {foreign(state.name)} is {foreign(state.encoding)}")


def has_time(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Time-outs that end statements, transactions or idle sessions of Mistle."""
    shortest = _SHORTEST | {"statement_timeout": check.use.longest_statement}
    for name, milliseconds in state.timeouts.items():
        if 0 < milliseconds < shortest.get(name, 0):
            is_too_short = name in {"statement_timeout", "transaction_timeout"} and milliseconds < 1000
            yield SHORT_TIMEOUT.diagnosis(
                f"{name} is {milliseconds} ms for role {foreign(state.role)} in database {foreign(state.name)}; "
                f"Mistle needs {shortest[name] // 1000} s",
                status=Status.FAIL if is_too_short else Status.WARN,
            )


def takes_ddl(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Migrations create and alter tables."""
    if state.event_triggers:
        yield causes.EVENT_TRIGGER.diagnosis(
            f"event trigger {foreign(', '.join(state.event_triggers[:3]))} raises exceptions when tables are changed"
        )


def has_headroom(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Without a pooler, which shares connections, each process of Mistle opens ten."""
    own = state.own if check.deployed else 0  # sessions of a running Mistle do not count against it
    if state.pooled or state.left is None or state.left >= check.connections - own:
        return
    yield causes.HEADROOM.diagnosis(
        f"{max(state.left, 0)} connections are left, and Mistle's processes open up to {check.connections}",
        status=Status.FAIL if state.left <= 0 else Status.WARN,
        remedies=remedies.raise_limits(check, state, check.connections - own),
    )


def opens_credentials(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """A configured master key decrypts each stored credential."""
    if isinstance(state.ciphertexts, tuple):
        usable = [row for row in state.ciphertexts if row[0] not in check.unusable_master_keys]
        yield from master_keys.verify(dict(check.master_keys), usable)
