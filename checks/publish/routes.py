"""The gateway's publishing routes: a link with a token gives a browser a session, whose cookie opens the sandbox.

The invented sandbox of a request is not connected: the gateway replies 502 once it accepts a token or a cookie.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from checks.core.recorder import Recorder
from checks.net import tokens
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, request, together

_LINK, _COOKIE, _PORT = "/_mistle/access/bootstrap", "mistle_port_access_session", 3000


@dataclass(frozen=True)
class PublishSigning:
    """The secrets and claims with which the control plane's API and the gateway sign."""

    secret: str = field(repr=False)
    issuer: str
    audience: str
    cookie_secret: str = field(repr=False)


@dataclass(frozen=True)
class RouteReplies:
    """The replies to a link and to a cookie with a wrong signature; then, if it refuses one of them, to a link below
    another domain, to the right link and to the right cookie.
    """

    wrong_link: Reply
    wrong_cookie: Reply
    elsewhere: Reply | None = None
    link: Reply | None = None
    cookie: Reply | None = None


@dataclass(frozen=True)
class _Browser:
    """Requests at the host that an invented sandbox has below a domain."""

    gateway: Endpoint
    signing: PublishSigning
    sandbox: str
    domain: str

    @property
    def claims(self) -> dict[str, object]:
        """The claims that a link and a cookie have in common."""
        name = base64.b32encode(self.sandbox.encode()).decode().rstrip("=")
        host = f"p-{_PORT}--{name}.{self.domain}".lower()
        return {"sandboxInstanceId": self.sandbox, "port": _PORT, "host": host}

    async def opens_link(self, record: Recorder, secret: str) -> Reply:
        issued = {"iss": self.signing.issuer, "aud": self.signing.audience}
        token = tokens.signed(secret, {**issued, **self.claims})
        return await self._get(record, f"{_LINK}?{urlencode({'token': token})}", {})

    async def shows_cookie(self, record: Recorder, secret: str) -> Reply:
        # Newer releases also have the protocol of the server in the sandbox.
        session = tokens.signed(secret, {**self.claims, "upstreamProtocol": "http"})
        return await self._get(record, "/mistle-preflight", {"cookie": f"{_COOKIE}={session}"})

    async def _get(self, record: Recorder, path: str, headers: dict[str, str]) -> Reply:
        at = replace(self.gateway, path=path)  # the services, too, leave out a path of the internal URL
        return await request(record, "GET", at, headers={"host": str(self.claims["host"]), **headers})


async def request_all(record: Recorder, gateway: Endpoint, domain: str, signing: PublishSigning) -> RouteReplies:
    """Send wrong tokens, and the right ones if the gateway refuses a wrong one.

    Raises tokens.UnusableSecret, and what ``request`` raises.
    """
    browser = _Browser(gateway, signing, tokens.invented_sandbox(), domain)
    elsewhere = replace(browser, domain=f"{browser.sandbox}.invalid")
    wrong = secrets.token_hex(32)
    first = RouteReplies(*await together(browser.opens_link(record, wrong), browser.shows_cookie(record, wrong)))
    if not (refuses(first.wrong_link) or refuses(first.wrong_cookie)):
        return first
    right = await together(
        elsewhere.opens_link(record, signing.secret),
        browser.opens_link(record, signing.secret),
        browser.shows_cookie(record, signing.cookie_secret),
    )
    return RouteReplies(first.wrong_link, first.wrong_cookie, *right)


def refuses(reply: Reply | None) -> bool:
    """Whether the gateway refuses a token or a cookie. A login in front has a page or a challenge."""
    return bool(reply and reply.status == 401 and not reply.is_html and "www-authenticate" not in reply.headers)
