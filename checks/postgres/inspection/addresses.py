"""Whether every address of the host leads to one server: clients take any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from checks.core.finding import Cause, Diagnosed, Diagnosis, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.network_errors import NoSuchName
from checks.net.tcp import resolve
from checks.postgres.causes import LOGIN_REFUSED
from checks.postgres.connections import ServerAddress
from checks.postgres.inspection.causes import SEVERAL_SERVERS
from checks.postgres.inspection.parser import parse_json
from checks.postgres.inspection.statements import Statements
from checks.postgres.refusals import SERVER, diagnosis_of
from checks.postgres.session import LoginRefused, LoginTimeout, QueryTimeout, Refused
from checks.postgres.state import ServerState

if TYPE_CHECKING:
    from checks.postgres import Postgres

_MAX_OTHERS = 2  # addresses, each of which costs a login
_NAMES = ("system", "started", "recovery")
_UNUSABLE = (OSError, Diagnosed, Refused, LoginTimeout, QueryTimeout, ValueError)


async def compare_addresses(
    check: Postgres, record: Recorder, address: ServerAddress, state: ServerState, tls: bool
) -> None:
    """Log in at further addresses of the host; note the first that leads to another server than ``address``."""
    if isinstance(address, str):
        return
    try:
        addresses = await resolve(check.host, check.port)
    except (OSError, NoSuchName):
        return
    here = {"system": state.system, "started": state.started, "recovery": state.in_recovery}
    for other in [each for each in addresses if each != address[0]][:_MAX_OTHERS]:
        try:
            there = await _identity(check, record, (other, check.port), tls)
        except LoginRefused as error:
            record.note(_refused(check, address[0], other, error))
            return
        if any(None not in (here[name], there.get(name)) and here[name] != there[name] for name in _NAMES):
            one, another = (server_text(*map(each.get, _NAMES)) for each in (here, there))
            message = (
                f"{address[0]} and {other}, both addresses of {check.host}, lead to different servers: "
                f"{one}, and {another}"
            )
            record.note(SEVERAL_SERVERS.diagnosis(message, hint=_HINT, blames=("url",)))
            return


_HINT = "let the name in {url} lead to the one primary alone: each connection may go to any of its addresses"


async def _identity(check: Postgres, record: Recorder, address: ServerAddress, tls: bool) -> Mapping[str, Any]:
    """What identifies the server at this address; empty if it cannot be queried, which is no finding here.

    Raises LoginRefused where the server refuses the login for good.
    """
    limit = record.share_of_time(0.3)
    statement = Statements(check.planes, (), 0.7 * limit).together(_NAMES)
    try:
        async with check.open_session(record, address, tls) as connection:
            await connection.login(limit)
            result = parse_json(await connection.query(statement, limit))
    except _UNUSABLE as error:
        if isinstance(error, LoginRefused) and error.refusal.source == SERVER and not _cause(error).heals:
            raise
        return {}
    return result if isinstance(result, dict) else {}


def _cause(error: LoginRefused) -> Cause:
    return diagnosis_of(error.refusal, LOGIN_REFUSED).cause


def _refused(check: Postgres, accepted: str, refused: str, error: LoginRefused) -> Diagnosis:
    message = (
        f"of the addresses of {check.host}, {accepted} accepts the login, and {refused} does not: the server reports: "
        f"{foreign(str(error))}"
    )
    return SEVERAL_SERVERS.diagnosis(message, hint=_HINT, blames=("url",), status=Status.WARN)


def server_text(system: object, started: object, in_recovery: object) -> str:
    """What tells a server from another: a replica has the identifier of its primary."""
    kind = "a replica or one in recovery" if in_recovery else "a primary"
    return f"{kind} (system identifier {foreign(str(system))}, started {foreign(str(started))} s after 1970)"
