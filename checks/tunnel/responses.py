"""Judges the reply to a request for a tunnel; each function raises UnexpectedReply for one that no gateway sends."""

from __future__ import annotations

from checks.core.text import foreign
from checks.net.http import Reply, UnexpectedReply
from checks.tunnel import causes

_REFUSED = {401, 403}
_NOT_UPGRADED = {400, 426}


def is_refusal(reply: Reply) -> bool:
    """Whether it is the gateway's own 401."""
    return reply.status == 401 and _is_bare(reply)


def require_refusal(reply: Reply) -> None:
    """A request without a token is refused."""
    if is_refusal(reply):
        return
    if reply.status == 101:
        raise UnexpectedReply(causes.OPEN_TO_ANYONE, "a tunnel opens without a token")
    if reply.is_redirect:
        raise UnexpectedReply(
            causes.REDIRECTS, f"the answer is {reply.status}, a redirect to {foreign(reply.location)}"
        )
    if reply.status in _NOT_UPGRADED:
        raise UnexpectedReply(causes.NOT_UPGRADED, f"a request for a WebSocket is answered {reply.summary}")
    _refuse_errors(reply)
    message = f"a request for a WebSocket is answered {reply.summary}, and not the gateway's bare 401"
    raise UnexpectedReply(causes.NOT_GATEWAY, message)


def require_accepted_token(reply: Reply) -> None:
    """The token is accepted, and there is no such sandbox."""
    if reply.status in _REFUSED and _is_bare(reply):
        raise UnexpectedReply(causes.TOKEN_REJECTED, f"a connect token is answered {reply.summary}")
    _refuse_errors(reply)
    if reply.status != 409:
        message = f"a connect token for a sandbox that does not exist is answered {reply.summary}, and not 409"
        raise UnexpectedReply(causes.NOT_GATEWAY, message)


def _is_bare(reply: Reply) -> bool:
    """Whether it is like the gateway's refusal. A login page in front sends a body, or a WWW-Authenticate header."""
    return not reply.body and "www-authenticate" not in reply.headers


def _refuse_errors(reply: Reply) -> None:
    if reply.status >= 500:
        raise UnexpectedReply(causes.BAD_GATEWAY, f"a request for a WebSocket is answered {reply.summary}")
