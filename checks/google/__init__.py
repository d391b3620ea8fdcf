"""Sign-in with Google: the client that Mistle's control plane shows to Google's token endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlencode

from checks.core.check import Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.google import causes
from checks.net import network_errors
from checks.net.http import (
    IMPORTS,
    REPLY_READERS,
    Endpoint,
    NotHttp,
    NotJson,
    Reply,
    UnexpectedReply,
    reach_endpoint,
    request,
)
from checks.net.tcp import NetworkCheck

TOKEN = Endpoint("https", "oauth2.googleapis.com", 443, "/token")
_NOT_THE_SECRET = "mistle-preflight"  # noqa: S105 - that it is none is its use


class Rejected(Exception):
    """Google refuses the client, in its own words."""


@dataclass(frozen=True, kw_only=True)
class Google(NetworkCheck):
    """Proves that Google knows the OAuth client and its secret: it refuses a made-up code, and not the client.

    Writes nothing: a POST of a code that nobody was given, and a second one with a wrong secret, which must be refused
    for that: otherwise the first answer says nothing of the secret, and the client stays unproven.
    Needs HTTPS to oauth2.googleapis.com. The redirect address that the client must list is not proven.
    """

    kind = "google"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    address: ClassVar[tuple[str, ...]] = ("method",)

    client_id: str
    client_secret: str = field(repr=False)
    endpoint: Endpoint = TOKEN

    @property
    def target(self) -> str:
        """Where the client is shown."""
        return self.endpoint.address

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Google is always spoken to over TLS."""
        return (Layer.DNS, Layer.CONNECT, Layer.TLS, Layer.AUTH)

    async def run(self, record: Recorder) -> None:
        """Show the client with a made-up code: with its own secret, then with another."""
        await reach_endpoint(record, self.endpoint, self.address)
        client = ("client_id", "client_secret")
        with record.layer(Layer.AUTH, "client accepted, and not with another secret", proves=client):
            _judge(await self._ask(record, self.client_secret))
            if _is_about_the_code(await self._ask(record, _NOT_THE_SECRET)):
                record.skip(
                    Layer.AUTH, "not proven: Google refuses the made-up code before it looks at a secret", client
                )

    async def _ask(self, record: Recorder, secret: str) -> Reply:
        form = {
            "grant_type": "authorization_code",
            "code": "mistle-preflight",
            "redirect_uri": "https://example.com/",  # must be there; it is compared only with a real code's
            "client_id": self.client_id,
            "client_secret": secret,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await request(record, "POST", self.endpoint, headers=headers, content=urlencode(form).encode())

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Google's own words first; what is not Google's is the network's."""
        match error:
            case Rejected():
                words = str(error)
                return causes.CLIENT_REJECTED.diagnosis(f"Google says: {foreign(words)}", blames=causes.at_fault(words))
            case NotJson() | NotHttp():
                return causes.UNEXPECTED_REPLY.diagnosis(f"the answer is not Google's: {foreign(str(error))}")
        found = super().diagnose(error)
        if found and found.cause in network_errors.CAUSES:
            hint = f"let the control plane reach {self.endpoint.address}, or take google out of {{method}}"
            return replace(found, hint=hint)
        return found


def _judge(reply: Reply) -> None:
    if _is_about_the_code(reply):
        return
    match reply.json():
        case {"error": str(code), **rest} if code in causes.REJECTED:
            raise Rejected(f"{code}: {rest.get('error_description', '')}")
        case {"error": str(code), **rest}:
            words = f"{reply.status} {code}: {rest.get('error_description', '')}"
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"not proven: Google answers {foreign(words)}", Status.WARN)
        case _:
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"the answer is {reply.status}, without an error of OAuth")


def _is_about_the_code(reply: Reply) -> bool:
    match reply.json():
        case {"error": "invalid_grant"}:
            return True
    return False
