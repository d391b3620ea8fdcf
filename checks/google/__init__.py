"""Sign-in with Google: the OAuth client that Mistle's control plane sends to Google's token endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlencode

from checks.core.finding import Diagnosed, Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.google import causes
from checks.net import network_errors
from checks.net.endpoint import Endpoint, reach_endpoint
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp, Reply, UnexpectedReply, request
from checks.net.proxies import NotJson, json_or_proxys, raise_if_proxys
from checks.net.tcp import NetworkCheck

TOKEN = Endpoint("https", "oauth2.googleapis.com", 443, "/token")
_WRONG_SECRET = "mistle-preflight"  # noqa: S105 - not a secret: no client has it


@dataclass(frozen=True, kw_only=True)
class Google(NetworkCheck):
    """Proves that Google accepts the OAuth client and its secret: it refuses an invented code, and not the client.

    Writes nothing: one POST of an invented authorization code, and a second one with a wrong secret. Google must refuse
    the wrong secret as such; if it does not, the first reply proves nothing of the secret, and the client is unproven.
    Needs HTTPS to oauth2.googleapis.com. It does not prove that the client lists Mistle's redirect address.
    """

    kind = "google"
    causes = causes.CAUSES
    over_http = True
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    address: ClassVar[tuple[str, ...]] = ("method",)

    client_id: str
    client_secret: str = field(repr=False)
    endpoint: Endpoint = TOKEN

    @property
    def target(self) -> str:
        return self.endpoint.address

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.DNS, Layer.CONNECT, Layer.TLS, Layer.AUTH)

    async def run(self, record: Recorder) -> None:
        await reach_endpoint(record, self.endpoint, self.address)
        client = ("client_id", "client_secret")
        with record.layer(Layer.AUTH, "client accepted, and not with another secret", proves=client):
            _raise_refusal(await self._request_token(record, self.client_secret))
            if _is_about_code(await self._request_token(record, _WRONG_SECRET)):
                record.skip(
                    Layer.AUTH, "not proven: Google refuses the made-up code before it looks at a secret", client
                )

    async def _request_token(self, record: Recorder, secret: str) -> Reply:
        form = {
            "grant_type": "authorization_code",
            "code": "mistle-preflight",
            "redirect_uri": "https://example.com/",  # required; Google compares it only for a real code
            "client_id": self.client_id,
            "client_secret": secret,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await request(record, "POST", self.endpoint, headers=headers, content=urlencode(form).encode())

    def diagnose(self, error: Exception) -> Diagnosis | None:
        if isinstance(error, NotJson | NotHttp):
            return causes.UNEXPECTED_REPLY.diagnosis(f"the reply is not Google's: {foreign(str(error))}")
        diagnosis = super().diagnose(error)
        if diagnosis and diagnosis.cause in network_errors.CAUSES:
            hint = f"let the control plane reach {self.endpoint.address}, or take google out of {{method}}"
            return replace(diagnosis, hint=hint)
        return diagnosis


def _raise_refusal(reply: Reply) -> None:
    body = json_or_proxys(reply, "the request")
    if _is_about_code(reply):
        return
    match body:
        case {"error": str(code), **rest} if code in causes.REJECTED:
            text = f"{code}: {rest.get('error_description', '')}"
            message, blames = f"Google reports: {foreign(text)}", causes.fields_at_fault(text)
            raise Diagnosed(causes.CLIENT_REJECTED.diagnosis(message, blames=blames))
        case {"error": str(code), **rest}:
            text = f"{reply.status} {code}: {rest.get('error_description', '')}"
            message = f"not proven: Google answers {foreign(text)}"
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, message, Status.WARN)
        case _:
            raise_if_proxys(reply, "the request")
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"the reply is {reply.status}, without an error of OAuth")


def _is_about_code(reply: Reply) -> bool:
    match reply.json():
        case {"error": "invalid_grant"}:
            return True
    return False
