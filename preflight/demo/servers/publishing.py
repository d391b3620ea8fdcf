"""The gateway's publishing routes: what a sandbox serves at p-<port>--<id in base32>.<base domain>."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import jwt
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from preflight.demo.servers.tunnel import Signature

BOOTSTRAP_PATH = "/_mistle/access/bootstrap"
COOKIE = "mistle_port_access_session"
_TARGET = ["sandboxInstanceId", "port", "host"]
_BEFORE = ("/__healthz", BOOTSTRAP_PATH)  # paths that are served at every host
T = TypeVar("T")

ACCESS = Signature("local-publish-secret-b82d6f0e94c7a351")
"""As [sandbox.publish.access_token] has it."""


@dataclass(frozen=True)
class Publishing:
    """As [sandbox.publish] and sandbox.publish_base_domain have it. No sandbox is connected. Nothing is written."""

    access: Signature = ACCESS
    cookie_secret: str = "local-cookie-secret-4d09e6b1f7c3a528"
    base_domain: str = "sandboxes.localhost"
    checks: bool = True

    def open(self, request: Request) -> Response:
        """A browser exchanges the token of a link for a session's cookie."""
        token = request.query_params.get("token", "")
        if not token:
            return PlainTextResponse("Port Access bootstrap token query parameter is required.", 400)
        claims = _valid(lambda: self.access.claims(token, ["iss", "aud", "iat", "exp", *_TARGET]))
        if claims is None and self.checks:
            return PlainTextResponse("Invalid or expired Port Access bootstrap token.", 401)
        if claims is not None and not self._fits(request, claims):
            return PlainTextResponse("Port Access host does not match bootstrap token.", 403)
        return PlainTextResponse("Port Access authorization failed.", 502)

    def serve(self, request: Request) -> Response | None:
        """The reply to a request at a published host; None at any other."""
        if request.url.path in _BEFORE or not self._target(request):
            return None
        claims = _valid(lambda: self._session(request.cookies.get(COOKIE, "")))
        if self.checks and (claims is None or not self._fits(request, claims)):
            return PlainTextResponse("Invalid or expired Port Access session.", 401)
        return PlainTextResponse("Port Access upstream request failed.", 502)

    def _session(self, cookie: str) -> Mapping[str, object]:
        return jwt.decode(cookie, self.cookie_secret, algorithms=["HS256"], options={"require": _TARGET})

    def _fits(self, request: Request, claims: Mapping[str, object]) -> bool:
        return self._target(request) == {name: claims[name] for name in _TARGET}

    def _target(self, request: Request) -> Mapping[str, object]:
        """What the request's Host names, as the claims of a token for it; empty for any other host."""
        domain = re.escape(self.base_domain.lower())
        host = re.fullmatch(rf"((p-(\d+)--([a-z2-7]+))\.{domain})(:\d+)?", request.headers.get("host", "").lower())
        if not host:
            return {}
        sandbox = base64.b32decode(host[4].upper() + "=" * (-len(host[4]) % 8)).decode()
        return {"sandboxInstanceId": sandbox, "port": int(host[3]), "host": host[1]}


def _valid(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except jwt.InvalidTokenError:
        return None
