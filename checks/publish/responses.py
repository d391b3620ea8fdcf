"""Judges the gateway's replies about published sandboxes: each function returns what is wrong, or why nothing is
proven, or "" if the value is right. A right value counts only if a wrong one was refused.
"""

from __future__ import annotations

from checks.core.finding import Diagnosis
from checks.net.http import Reply
from checks.publish import causes
from checks.publish.routes import RouteReplies, refuses

_NO_ROUTE = {404, 405, 501}


def access_token(replies: RouteReplies) -> Diagnosis | str:
    """The gateway verifies the token before it compares the domain."""
    if not refuses(replies.wrong_link):
        return _not_refused("a link with a wrong signature", replies.wrong_link)
    if refuses(replies.link) and refuses(replies.elsewhere):
        return causes.ACCESS_TOKEN_REJECTED.diagnosis(f"an access token is answered {_summary(replies.link)}")
    return "" if _opens(replies.link) or _is_at_another_host(replies.link) else _unclear("a link", replies.link)


def cookie(replies: RouteReplies) -> Diagnosis | str:
    """The gateway asks for a cookie at every host below its domain."""
    if not refuses(replies.wrong_cookie):
        return _not_refused("a cookie with a wrong signature", replies.wrong_cookie)
    if refuses(replies.cookie):
        return causes.COOKIE_REJECTED.diagnosis(f"a session's cookie is answered {_summary(replies.cookie)}")
    return "" if _opens(replies.cookie) else _unclear("a session's cookie", replies.cookie)


def domain(replies: RouteReplies) -> Diagnosis | str:
    """The gateway accepts a link below this domain, and none below another; or a cookie below it."""
    by_link = _opens(replies.link) and _is_at_another_host(replies.elsewhere)
    if by_link or (_opens(replies.cookie) and refuses(replies.wrong_cookie)):
        return ""
    if _is_at_another_host(replies.link) and not refuses(replies.wrong_cookie):
        return causes.DOMAIN_DIFFERS.diagnosis(
            f"a link below this domain is answered {_summary(replies.link)}, as one below a made-up domain is"
        )
    return _unclear("a link below this domain", replies.link or replies.wrong_link)


def _opens(reply: Reply | None) -> bool:
    """Whether the gateway looks for the sandbox. A proxy that cannot reach the gateway has a page."""
    return bool(reply and reply.status == 502 and not reply.is_html)


def _is_at_another_host(reply: Reply | None) -> bool:
    return bool(reply and reply.status == 403 and not reply.is_html)


def _not_refused(what: str, reply: Reply) -> str:
    if reply.status in _NO_ROUTE:
        return f"this gateway knows no such route or domain: {what} is answered {reply.summary}"
    return f"{what} is answered {reply.summary}, and not 401"


def _unclear(what: str, reply: Reply | None) -> str:
    return f"{what} is answered {_summary(reply)}"


def _summary(reply: Reply | None) -> str:
    return reply.summary if reply else "nothing"
