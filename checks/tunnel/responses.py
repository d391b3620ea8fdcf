"""Judges the reply to a request for a tunnel; each function raises UnexpectedReply for one that no gateway sends."""

from __future__ import annotations

from checks.core.finding import Diagnosed, Diagnosis
from checks.core.text import foreign
from checks.net.http import Reply, UnexpectedReply
from checks.net.proxies import proxy_of, raise_if_proxys
from checks.tunnel import causes

_NOT_UPGRADED = {400, 426}


def is_refusal(reply: Reply) -> bool:
    """Whether it is the gateway's own 401."""
    # A login page in front sends a body, or a challenge.
    return reply.status == 401 and not reply.body and "www-authenticate" not in reply.headers


def require_refusal(reply: Reply) -> None:
    """A request without a token is refused."""
    if is_refusal(reply):
        return
    if reply.status == 101:
        raise UnexpectedReply(causes.OPEN_TO_ANYONE, "a tunnel opens without a token")
    raise_if_proxys(reply, "a request for a WebSocket")
    if reply.is_redirect:
        message = f"the reply is {reply.status}, a redirect to {foreign(reply.location)}"
        hint = causes.MOVED if "/tunnel/sandbox" in reply.location else None
        raise Diagnosed(causes.REDIRECTS.diagnosis(message, hint=hint))
    if reply.status in _NOT_UPGRADED:
        raise UnexpectedReply(causes.NOT_UPGRADED, f"a request for a WebSocket is answered {reply.summary}")
    _refuse_errors(reply)
    message = f"a request for a WebSocket is answered {reply.summary}, and not the gateway's bare 401"
    raise UnexpectedReply(causes.NOT_GATEWAY, message)


def require_accepted_token(reply: Reply) -> None:
    """The token is accepted, and there is no such sandbox."""
    if is_refusal(reply):
        raise Diagnosed(_rejection(reply))
    raise_if_proxys(reply, "a connect token")
    _refuse_errors(reply)
    if reply.status != 409:
        message = f"a connect token for a sandbox that does not exist is answered {reply.summary}, and not 409"
        raise UnexpectedReply(causes.NOT_GATEWAY, message)


def _rejection(reply: Reply) -> Diagnosis:
    """The token is refused, or it did not arrive: behind a proxy, the gateway's replies to both are the same."""
    message = f"a connect token is answered {reply.summary}"
    if proxy := proxy_of(reply):
        message += f"; it came through {foreign(proxy)}, which may drop the query of the URL, and the token with it"
        blames = ("url", *(causes.TOKEN_REJECTED.blames or ()))
        return causes.TOKEN_REJECTED.diagnosis(message, hint=causes.REJECTED_BEHIND_PROXY, blames=blames)
    return causes.TOKEN_REJECTED.diagnosis(message)


def _refuse_errors(reply: Reply) -> None:
    if reply.status >= 500:
        raise UnexpectedReply(causes.BAD_GATEWAY, f"a request for a WebSocket is answered {reply.summary}")
