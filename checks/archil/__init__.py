"""Archil, the service that stores the sandboxes' disks: its control plane accepts the API key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from checks.archil import causes
from checks.core.finding import Diagnosed, Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net import network_errors
from checks.net.endpoint import Endpoint, reach_endpoint
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp, Reply, UnexpectedReply, request
from checks.net.proxies import NotJson, json_or_proxys, raise_if_proxys
from checks.net.tcp import NetworkCheck


@dataclass(frozen=True, kw_only=True)
class Archil(NetworkCheck):
    """Proves that the region exists and that its control plane accepts the API key.

    Writes nothing: one GET of the list of disks, limited to one disk. Needs an API key and HTTPS to the region.
    Only persistent sandboxes use Archil, and Mistle works without them, so every finding is a warning.
    """

    kind = "archil"
    causes = causes.CAUSES
    over_http = True
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    address: ClassVar[tuple[str, ...]] = ("region",)

    region: str
    endpoint: Endpoint | None
    api_key: str = field(repr=False)

    @property
    def target(self) -> str:
        return self.region if self.endpoint is None else f"{self.endpoint.address} ({self.region})"

    @property
    def layers(self) -> tuple[Layer, ...]:
        # config: the region is in the SDK's table
        return (Layer.CONFIG, Layer.DNS, Layer.CONNECT, Layer.TLS, Layer.AUTH)

    async def run(self, record: Recorder) -> None:
        with record.layer(Layer.CONFIG, f"Archil's SDK knows {self.region}"):
            endpoint = self._endpoint_of_region()
        await reach_endpoint(record, endpoint, self.address)
        with record.layer(Layer.AUTH, "API key accepted", proves=("api_key", "region")):
            headers = {"authorization": f"key-{self.api_key.removeprefix('key-')}"}
            _raise_refusal(await request(record, "GET", endpoint.at("/api/disks?limit=1"), headers=headers))

    def _endpoint_of_region(self) -> Endpoint:
        if self.endpoint is None:
            message = f"{foreign(self.region, 80)} is none of the regions of Archil's SDK"
            raise Diagnosed(causes.UNKNOWN_REGION.diagnosis(message))
        return self.endpoint

    def diagnose(self, error: Exception) -> Diagnosis | None:
        from httpx import LocalProtocolError

        match error:
            case LocalProtocolError() | UnicodeEncodeError():
                return causes.KEY_REJECTED.diagnosis("the key holds characters that an HTTP header cannot carry")
            case NotJson() | NotHttp():
                return causes.UNEXPECTED_REPLY.diagnosis(f"the reply is not Archil's: {foreign(str(error))}")
        diagnosis = super().diagnose(error)
        if diagnosis and diagnosis.cause in network_errors.CAUSES:
            target = "it" if self.endpoint is None else self.endpoint.address
            hint = f"let the data plane's worker reach {target}, the control plane of {{region}}"
            diagnosis = replace(diagnosis, hint=f"{hint}, for persistent sandboxes")
        return diagnosis and replace(diagnosis, status=Status.WARN)


def _raise_refusal(reply: Reply) -> None:
    match reply.status, json_or_proxys(reply, "the request"):
        case 200, {"success": True, "data": _}:
            return
        case 401 | 403, {"success": False, "error": text}:
            raise UnexpectedReply(causes.KEY_REJECTED, f"Archil reports: {foreign(str(text))}")
        case 429, {"success": False, "error": text}:
            message = f"not proven: Archil answers 429: {foreign(str(text))}"
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, message, Status.WARN)
        case status, {"success": False, "error": text}:
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"Archil answers {status}: {foreign(str(text))}")
        case status, _:
            raise_if_proxys(reply, "the request")
            raise UnexpectedReply(causes.UNEXPECTED_REPLY, f"the reply is {status}, without Archil's envelope")
