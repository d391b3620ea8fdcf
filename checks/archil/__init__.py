"""Archil, which keeps the sandboxes' disks: its control plane takes the key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from checks.archil import causes
from checks.core.check import Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
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


class UnknownRegion(Exception):
    """A region that is not in the SDK's table."""


class Rejected(Exception):
    """Archil refuses the key, in its own words."""


@dataclass(frozen=True, kw_only=True)
class Archil(NetworkCheck):
    """Proves that the region exists and that its control plane takes the API key.

    Writes nothing: one GET of the list of disks, of which it wants one. Needs an API key and HTTPS to the region.
    """

    kind = "archil"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    address: ClassVar[tuple[str, ...]] = ("region",)

    region: str
    endpoint: Endpoint | None
    api_key: str = field(repr=False)

    @property
    def target(self) -> str:
        """The region, and where it is."""
        return self.region if self.endpoint is None else f"{self.endpoint.address} ({self.region})"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The config rung is the SDK's own table of regions."""
        return (Layer.CONFIG, Layer.DNS, Layer.CONNECT, Layer.TLS, Layer.AUTH)

    async def run(self, record: Recorder) -> None:
        """Look the region up, then ask it for a disk."""
        with record.layer(Layer.CONFIG, f"Archil's SDK knows {self.region}"):
            place = self._known()
        await reach_endpoint(record, place, self.address)
        with record.layer(Layer.AUTH, "API key accepted", proves=("api_key", "region")):
            headers = {"authorization": f"key-{self.api_key.removeprefix('key-')}"}
            _raise_refusal(await request(record, "GET", place.at("/api/disks?limit=1"), headers=headers))

    def _known(self) -> Endpoint:
        if self.endpoint is None:
            raise UnknownRegion(self.region)
        return self.endpoint

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Archil's own words first; what is not Archil's is the network's."""
        from httpx import LocalProtocolError

        match error:
            case UnknownRegion():
                return causes.UNKNOWN_REGION.diagnosis(
                    f"{foreign(str(error), 80)} is none of the regions of Archil's SDK"
                )
            case Rejected():
                return causes.KEY_REJECTED.diagnosis(f"Archil says: {foreign(str(error))}")
            case LocalProtocolError() | UnicodeEncodeError():
                return causes.KEY_REJECTED.diagnosis("the key holds characters that an HTTP header cannot carry")
            case NotJson() | NotHttp():
                return causes.UNEXPECTED_REPLY.diagnosis(f"the answer is not Archil's: {foreign(str(error))}")
        found = super().diagnose(error)
        if found and found.cause in network_errors.CAUSES:
            where = "it" if self.endpoint is None else self.endpoint.address
            return replace(found, hint=f"let the data plane's worker reach {where}, the control plane of {{region}}")
        return found


def _raise_refusal(reply: Reply) -> None:
    match reply.status, reply.json():
        case 200, {"success": True, "data": _}:
            return
        case 401 | 403, {"success": False, "error": words}:
            raise Rejected(str(words))
        case 429, {"success": False, "error": words}:
            raise UnexpectedReply(
                causes.UNEXPECTED_REPLY, f"not proven: Archil answers 429: {foreign(str(words))}", Status.WARN
            )
        case status, {"success": False, "error": words}:
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"Archil answers {status}: {foreign(str(words))}")
        case status, _:
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"the answer is {status}, without Archil's envelope")
