"""Judges the reply to an exchange of a bootstrap token; each function raises UnexpectedReply for one that no gateway
sends.
"""

from __future__ import annotations

from checks.core.finding import Diagnosed
from checks.core.text import foreign
from checks.net.http import Reply, UnexpectedReply
from checks.net.proxies import raise_if_proxys
from checks.tunnel import causes

_ASKED = "the exchange of a bootstrap token"
_NO_ROUTE = {404, 405, 501}  # of a gateway that does not know the exchange
_PROXY = {502, 503, 504}
_UNKNOWN_SANDBOX = b"Sandbox instance was not found"
_ABOUT_CLAIMS = "claim validation failed"  # the gateway's text when the signature is right


class Unproven(Exception):
    """A reply that proves nothing, and is no fault. The message names it."""


def require_refusal(reply: Reply) -> None:
    """A wrong token is refused. Raises Unproven for a gateway that does not know the exchange."""
    if reply.status == 401 and _is_gateways(reply):
        return
    _refuse_others(reply)
    if reply.status == 404 and _UNKNOWN_SANDBOX in reply.body:
        message = f"{_ASKED} with a wrong signature is answered {reply.summary}, and not 401"
        raise UnexpectedReply(causes.BOOTSTRAP_NOT_CHECKED, message)
    if reply.status in _NO_ROUTE:
        raise Unproven(f"this gateway knows no token exchange, it answers {reply.summary}")
    if reply.status >= 500:
        raise UnexpectedReply(causes.BAD_GATEWAY, f"{_ASKED} is answered {reply.summary}")
    raise UnexpectedReply(causes.NOT_GATEWAY, f"{_ASKED} is answered {reply.summary}, and not the gateway's 401")


def require_acceptance(reply: Reply) -> None:
    """The right token is accepted: the gateway verifies it before it reads. Raises Unproven."""
    if reply.status == 401 and _is_gateways(reply):
        raise _rejected(reply)
    _refuse_others(reply)
    is_read = reply.status == 404 and (_UNKNOWN_SANDBOX in reply.body or _is_error(reply))
    if not (is_read or reply.status == 500):
        raise Unproven(f"answered {reply.summary}")


def require_database(reply: Reply | None) -> None:
    """The gateway has looked for the sandbox in its Postgres."""
    if reply is None or reply.status == 500:
        outcome = f"is answered {reply.summary}" if reply else "gets no reply in time"
        raise UnexpectedReply(causes.POSTGRES_UNREACHABLE, f"{_ASKED} {outcome}")


def _rejected(reply: Reply) -> Diagnosed:
    words = str(reply.object.get("error", ""))
    message = f"{_ASKED} is answered {reply.summary}" + (f": {foreign(words, 120)}" if words else "")
    blames = ("bootstrap_issuer", "bootstrap_audience") if _ABOUT_CLAIMS in words else None
    return Diagnosed(causes.BOOTSTRAP_REJECTED.diagnosis(message, blames=blames))


def _refuse_others(reply: Reply) -> None:
    raise_if_proxys(reply, _ASKED)
    if reply.is_redirect:
        message = f"the reply is {reply.status}, a redirect to {foreign(reply.location)}"
        hint = causes.MOVED if reply.location.endswith("/token-exchange") else None
        raise Diagnosed(causes.REDIRECTS.diagnosis(message, hint=hint))
    if reply.status in _PROXY:
        raise UnexpectedReply(causes.BAD_GATEWAY, f"{_ASKED} is answered {reply.summary}")


def _is_gateways(reply: Reply) -> bool:
    """Whether a refusal may be the gateway's: that of a login in front has a page, a challenge or other JSON."""
    is_foreign = reply.is_html or "www-authenticate" in reply.headers or (reply.object and not _is_error(reply))
    return not is_foreign


def _is_error(reply: Reply) -> bool:
    """Whether it is an error of Mistle in JSON."""
    body = reply.object
    return isinstance(body.get("error"), str) or isinstance(body.get("code"), str)
