"""Requests that make an API use its dependencies, its Postgres and the other API. They ask for what does not exist."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.core.finding import Cause, Layer
from checks.core.recorder import Recorder
from checks.http_service import causes
from checks.http_service.requests import TOKEN_HEADER
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, UnexpectedReply, request, together
from checks.net.proxies import NotJson

_BLOCKED = {401, 403}
_PROXY = {502, 503, 504}


@dataclass(frozen=True)
class DependencyProbe:
    """A request that makes the API read what it is ``about``.

    A 404 with the code ``unknown`` proves that it does; if that is "", the reply null. ``{id}`` is invented each time.
    """

    about: str
    cause: Cause
    method: str
    path: str
    body: Mapping[str, str] = field(default_factory=dict, hash=False)
    unknown: str = ""


CONTROL_PLANE_API = (
    DependencyProbe(
        "its Postgres",
        causes.CONTROL_PLANE_POSTGRES,
        "POST",
        "/internal/integration-credentials/resolve",
        {"connectionId": "{id}", "bindingId": "{id}", "secretType": "mistle-preflight"},
        "CONNECTION_NOT_FOUND",
    ),
    DependencyProbe(
        "the data plane",
        causes.DATA_PLANE_UNREACHABLE,
        "POST",
        "/internal/sandbox-runtime/get-sandbox-instance",
        {"organizationId": "{id}", "instanceId": "{id}"},
        "INSTANCE_NOT_FOUND",
    ),
)
DATA_PLANE_API = (
    DependencyProbe(
        "its Postgres",
        causes.DATA_PLANE_POSTGRES,
        "GET",
        "/internal/sandbox/instances/{id}?organizationId={id}",
    ),
)


async def check(
    record: Recorder, endpoint: Endpoint, token: str, probes: tuple[DependencyProbe, ...]
) -> Mapping[str, Reply]:
    """Note what the service cannot read. Returns the replies, by what was sent.

    Raises UnexpectedReply and what ``request`` raises, except TimeoutError.
    """
    outcomes = await together(*(_send(record, endpoint, token, probe) for probe in probes))
    for probe, outcome in zip(probes, outcomes, strict=True):
        if reason := _unproven(probe, outcome):
            record.skip(Layer.ACCESS, f"that it reads {probe.about} is not proven: {reason}")
        elif outcome is None or outcome.status >= 500:
            outcome_text = f"is answered {outcome.summary}" if outcome else "gets no reply in time"
            record.note(probe.cause.diagnosis(f"{_shown(probe)} {outcome_text}"))
    return {_shown(probe): reply for probe, reply in zip(probes, outcomes, strict=True) if reply}


async def _send(record: Recorder, endpoint: Endpoint, token: str, probe: DependencyProbe) -> Reply | None:
    """The reply; None if there is none in time: the service, which has replied before, waits for another."""
    identity = f"mistle-preflight-{secrets.token_hex(8)}"
    headers, content = {TOKEN_HEADER: token}, None
    if probe.body:
        headers["content-type"] = "application/json"
        content = json.dumps({name: value.replace("{id}", identity) for name, value in probe.body.items()}).encode()
    at = endpoint.at(probe.path.replace("{id}", identity))
    try:
        return await request(record, probe.method, at, headers=headers, content=content)
    except TimeoutError:
        return None


def _unproven(probe: DependencyProbe, reply: Reply | None) -> str:
    """Why the reply proves neither that the service has read nor that it cannot, where that is no fault."""
    if reply is None or reply.status == 500 or _is_proof(probe, reply):
        return ""
    if reply.status in _BLOCKED:
        raise UnexpectedReply(causes.INTERNAL_BLOCKED, f"{_shown(probe)} is answered {reply.summary}")
    if reply.status in _PROXY:
        raise UnexpectedReply(causes.BAD_GATEWAY, f"{_shown(probe)} is answered {reply.summary}")
    return f"{_shown(probe)} is answered {reply.summary}"


def _is_proof(probe: DependencyProbe, reply: Reply) -> bool:
    try:
        body = reply.json()
    except NotJson:
        return False
    if not probe.unknown:
        return reply.status == 200 and body is None
    return reply.status == 404 and isinstance(body, dict) and body.get("code") == probe.unknown


def _shown(probe: DependencyProbe) -> str:
    return f"{probe.method} {probe.path.partition('?')[0].replace('{id}', '…')}"
