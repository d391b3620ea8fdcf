"""Checks the hosts of one URL in turn: postgres.js uses the first that accepts; a primary, if the URL asks for one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import Layer, Status, StopCheck
from checks.core.recorder import Recorder
from checks.net.network_errors import ADDRESS_UNREACHABLE

if TYPE_CHECKING:
    from checks.postgres import Postgres


async def check_in_turn(check: Postgres, record: Recorder) -> None:
    """Check the hosts in turn, up to the one that the client takes, and report that one, or the last."""
    servers = ((check.host, check.port), *check.others)
    one, trial, passed_over = check, record, []
    for number, (host, port) in enumerate(servers, 1):
        one = replace(check, host=host, port=port, others=())
        trial = await _try(one, record, 1 / (len(servers) - number + 1))
        if number == len(servers) or _is_taken(check, trial):
            break
        if not _accepts(trial):
            passed_over.append(f"{host}:{port}")
    record.findings.extend(trial.findings)
    record.facts |= one.server_facts | trial.facts
    if passed_over:
        message = f"no connection to {', '.join(passed_over)}; the client then tries the next host of the URL"
        record.note(ADDRESS_UNREACHABLE.diagnosis(message, blames=("url",)))
    if any(finding.status is Status.FAIL for finding in trial.findings):
        raise StopCheck


async def _try(check: Postgres, record: Recorder, share: float) -> Recorder:
    """The record of one host, in this share of the remaining time."""
    trial = Recorder(check, replace(record.settings, timeout=record.share_of_time(share)))
    try:
        async with asyncio.timeout(trial.settings.timeout):
            await check.run(trial)
    except StopCheck:
        pass
    except TimeoutError:
        trial.out_of_time()
    return trial


def _accepts(trial: Recorder) -> bool:
    below = {Layer.DNS, Layer.CONNECT}
    return not any(finding.status is Status.FAIL and finding.layer in below for finding in trial.findings)


def _is_taken(check: Postgres, trial: Recorder) -> bool:
    """Whether the client stays: the host accepts, and it is no replica where the URL asks for a primary."""
    wants_primary = dict(check.query).get("target_session_attrs") in {"primary", "read-write"}
    return _accepts(trial) and not (wants_primary and trial.facts.get("in_recovery"))
