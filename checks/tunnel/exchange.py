"""The exchange of a bootstrap token: a sandbox that reconnects gets new tokens for it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from checks.core.finding import Layer, StopCheck
from checks.core.recorder import Recorder
from checks.net import tokens
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, request
from checks.tunnel import exchange_responses as responses

FIELDS = ("bootstrap_secret", "bootstrap_issuer", "bootstrap_audience")
_LIFETIMES = {"bootstrapTokenTtlSeconds": tokens.LIFETIME, "exchangeTokenTtlSeconds": tokens.LIFETIME}


@dataclass(frozen=True)
class BootstrapSigning:
    """The secret and claims with which the data-plane worker signs bootstrap tokens."""

    secret: str = field(repr=False)
    issuer: str
    audience: str


async def check(record: Recorder, endpoint: Endpoint, signing: BootstrapSigning) -> None:
    """The layers auth and access. Only if the gateway refuses a wrong token, the right one is sent."""
    sandbox = tokens.invented_sandbox()
    at, claims = _route(endpoint, sandbox), tokens.claims(signing.issuer, signing.audience, sandbox) | _LIFETIMES
    try:
        wrong, right = (tokens.signed(secret, claims) for secret in (secrets.token_hex(32), signing.secret))
        with record.layer(Layer.AUTH, "the gateway accepts a bootstrap token, and none with a wrong signature", FIELDS):
            responses.require_refusal(await _exchange(record, at, wrong))
            reply = await _exchange_or_none(record, at, right)
            if reply:
                responses.require_acceptance(reply)
            else:
                record.skip(Layer.AUTH, "bootstrap tokens are not proven: there is no reply in time", FIELDS)
    except (tokens.UnusableSecret, responses.Unproven) as error:
        skip(record, f"bootstrap tokens are not proven: {error}")
    except StopCheck:
        record.skip(Layer.ACCESS, "not reached", FIELDS)
        raise
    else:
        with record.layer(Layer.ACCESS, "the gateway reads its Postgres", proves=("url",)):
            responses.require_database(reply)


def skip(record: Recorder, reason: str) -> None:
    """Record that nothing was tried."""
    for layer in (Layer.AUTH, Layer.ACCESS):
        record.skip(layer, reason, FIELDS)


def _route(endpoint: Endpoint, sandbox: str) -> Endpoint:
    """Where the sandbox exchanges its token."""
    return replace(endpoint, scheme="https" if endpoint.tls else "http").at(f"/{sandbox}/token-exchange")


async def _exchange(record: Recorder, at: Endpoint, token: str) -> Reply:
    return await request(record, "POST", at, headers={"authorization": f"Bearer {token}"})


async def _exchange_or_none(record: Recorder, at: Endpoint, token: str) -> Reply | None:
    """The reply; None if there is none in time: the gateway, which has refused the wrong token, waits for another."""
    try:
        return await _exchange(record, at, token)
    except TimeoutError:
        return None
