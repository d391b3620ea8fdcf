"""Sign-in with Google: the client that Mistle's control plane shows to Google's token endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlencode

from checks import network
from checks.base import Cause, Diagnosis, Layer, Recorder, Status
from checks.http import Endpoint, NotHttp, NotJson, Reply, approach, request
from checks.network import NetworkCheck
from checks.words import clean

TOKEN = Endpoint("https", "oauth2.googleapis.com", 443, "/token")
_NOT_THE_SECRET = "mistle-preflight"  # noqa: S105 - that it is none is its use

CLIENT_REJECTED = Cause(
    "google.client-rejected",
    Layer.AUTH,
    "Google does not know the client, or not with this secret",
    "copy both anew from one client (type: web application) of console.cloud.google.com, APIs & Services, Credentials: "
    "{client_id}, {client_secret}",
    blames=("client_id", "client_secret"),
)
UNEXPECTED_REPLY = Cause(
    "google.unexpected-reply",
    Layer.AUTH,
    "what answers is not Google's token endpoint, or it says neither yes nor no to the client",
    "make sure that no proxy answers in Google's place, and run this again; until then {blamed} are unproven",
    blames=("client_id", "client_secret"),
)

# Errors of RFC 6749 and of Google's own that concern the client, whatever the code is worth.
_REJECTED = ("invalid_client", "unauthorized_client", "deleted_client", "disabled_client")
# Google's words say what of the client it stopped at.
_AT_FAULT = (
    ("not found", ("client_id",)),
    ("deleted", ("client_id",)),
    ("disabled", ("client_id",)),
    ("secret", ("client_secret",)),
    ("Unauthorized", ("client_secret",)),
)


class Rejected(Exception):
    """Google refuses the client, in its own words."""


class Unexpected(Exception):
    """The reply is neither Google's yes nor its no."""

    def __init__(self, words: str, status: Status = Status.FAIL) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Google(NetworkCheck):
    """Proves that Google knows the OAuth client and its secret: it refuses a made-up code, and not the client.

    Writes nothing: a POST of a code that nobody was given, and a second one with a wrong secret, which must be refused
    for that: otherwise the first answer says nothing of the secret, and the client stays unproven.
    Needs HTTPS to oauth2.googleapis.com. The redirect address that the client must list is not proven.
    """

    kind = "google"
    causes = (CLIENT_REJECTED, UNEXPECTED_REPLY)
    imports: ClassVar[tuple[str, ...]] = ("httpx",)
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
        await approach(record, self.endpoint, self.address)
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
                blamed = next((fields for word, fields in _AT_FAULT if word in words), CLIENT_REJECTED.blames)
                return CLIENT_REJECTED.found(f"Google says: {clean(words)}", blames=blamed)
            case Unexpected():
                return UNEXPECTED_REPLY.found(clean(str(error)), status=error.status)
            case NotJson() | NotHttp():
                return UNEXPECTED_REPLY.found(f"the answer is not Google's: {clean(str(error))}")
        found = super().diagnose(error)
        if found and found.cause in network.CAUSES:
            hint = f"let the control plane reach {self.endpoint.address}, or take google out of {{method}}"
            return replace(found, hint=hint)
        return found


def _judge(reply: Reply) -> None:
    if _is_about_the_code(reply):
        return
    match reply.json():
        case {"error": str(code), **rest} if code in _REJECTED:
            raise Rejected(f"{code}: {rest.get('error_description', '')}")
        case {"error": str(code), **rest}:
            words = f"{reply.status} {code}: {rest.get('error_description', '')}"
            raise Unexpected(f"not proven: Google answers {words}", Status.WARN)
        case _:
            raise Unexpected(f"the answer is {reply.status}, without an error of OAuth")


def _is_about_the_code(reply: Reply) -> bool:
    match reply.json():
        case {"error": "invalid_grant"}:
            return True
    return False
