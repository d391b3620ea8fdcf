"""OpenTelemetry collectors, to which Mistle's services export: OTLP over HTTP, in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import ClassVar

from checks.core import unexpected
from checks.core.finding import Diagnosis, Layer, Status, causes_in, permanent
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.endpoint import Endpoint, EndpointCheck, reach_endpoint
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp, Reply, UnexpectedReply, request
from checks.net.proxies import Http2Only, NotJson, raise_if_proxys

NOT_FOUND = permanent(
    "otlp.not-found",
    Layer.ACCESS,
    "the collector replies, but has nothing at that path",
    "write the whole path into {url}: it ends in /v1/traces, /v1/logs or /v1/metrics",
    status=Status.WARN,
)
GRPC_PORT = permanent(
    "otlp.grpc-port",
    Layer.ACCESS,
    "the port speaks HTTP/2 only, as a collector's gRPC port (4317) does; Mistle exports over HTTP/1.1",
    "name the collector's HTTP port (4318) in {url}",
    status=Status.WARN,
)
REFUSED = permanent(
    "otlp.refused",
    Layer.ACCESS,
    "the collector refuses an empty export",
    "act on the collector's message; Mistle sends no login, so the collector at {url} must not require one",
    status=Status.WARN,
)
NOT_OTLP = permanent(
    "otlp.not-otlp",
    Layer.ACCESS,
    "the server that replies is not an OTLP receiver",
    "correct the host and port in {url}",
    status=Status.WARN,
)
UNEXPECTED_REPLY = unexpected.cause("otlp", "a collector", ("url",), Status.WARN)
_EMPTY = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}
_NO_SUCH_PATH = {404, 405}
_EMPTY_REFUSED = {400, 422}  # Loki replies 422 to an empty export
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, kw_only=True)
class Otlp(EndpointCheck):
    """Proves that a collector accepts Mistle's exports: it accepts an empty one at exactly the configured endpoint.

    Writes nothing: the export holds no spans, no logs and no metrics.
    Needs what Mistle needs: HTTP without a login. Mistle works without a collector, so every finding is a warning.
    """

    kind = "otlp"
    causes = causes_in(globals())
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    above = (Layer.ACCESS,)

    signal: str

    async def run(self, record: Recorder) -> None:
        await reach_endpoint(record, self.endpoint, proof=self._is_accepted_at)
        with record.layer(Layer.ACCESS, f"an empty export of {self.signal} is accepted", proves=("url",)):
            reply = await self._export(record, self.endpoint)
            if unproven := self._judge(reply):
                record.skip(Layer.ACCESS, unproven, ("url",))

    async def _export(self, record: Recorder, endpoint: Endpoint) -> Reply:
        content = json.dumps({_EMPTY[self.signal]: []}).encode()
        return await request(record, "POST", endpoint, headers={"content-type": "application/json"}, content=content)

    async def _is_accepted_at(self, record: Recorder, endpoint: Endpoint) -> bool:
        """Whether a collector accepts the export at the endpoint, which is the configured one without TLS."""
        return not self._judge(await self._export(record, endpoint))

    def _judge(self, reply: Reply) -> str:
        """Raise UnexpectedReply for a refusal. Returns why the reply proves nothing, "" if it is an acceptance."""
        body = reply.body.decode(errors="replace")
        message = f"the reply is {reply.status}" + (f": {foreign(body, 200)}" if body.strip() else "")
        if reply.status in _NO_SUCH_PATH:
            is_full_path = self.endpoint.shown.endswith(f"/v1/{self.signal}")
            raise UnexpectedReply(NOT_OTLP if is_full_path else NOT_FOUND, message)
        if reply.status not in {401, 403}:  # a collector may send these too: Mistle sends no login
            raise_if_proxys(reply, f"an empty export of {self.signal}", Status.WARN)
        if reply.status in _REDIRECTS or reply.is_html:
            raise UnexpectedReply(NOT_OTLP, f"the reply is {reply.status}, {_not_otlp_text(reply)}")
        if reply.status in _EMPTY_REFUSED:
            return f"not proven, because the collector accepts no empty export: {message}"
        if not 200 <= reply.status < 300:
            raise UnexpectedReply(REFUSED, message)
        if reply.body and not _is_response(reply):
            raise UnexpectedReply(NOT_OTLP, f"the reply is {reply.status}, and not an OTLP response in JSON")
        for other in _EMPTY.keys() - {self.signal}:  # a receiver accepts an empty export of any signal
            if self.endpoint.shown.endswith(f"/v1/{other}"):
                raise UnexpectedReply(NOT_FOUND, f"the path is that of {other}, which refuses {self.signal}")
        return ""

    def diagnose(self, error: Exception) -> Diagnosis | None:
        match error:
            case NotHttp():
                return NOT_OTLP.diagnosis(str(error))
            case Http2Only():
                return GRPC_PORT.diagnosis(str(error), blames=self.address)
        diagnosis = super().diagnose(error)
        return diagnosis and replace(diagnosis, status=Status.WARN)


def _not_otlp_text(reply: Reply) -> str:
    return f"a redirect to {foreign(reply.location)}" if reply.is_redirect else "a page for people"


def _is_response(reply: Reply) -> bool:
    try:
        response = reply.json()
    except NotJson:
        return False
    return isinstance(response, dict) and response.keys() <= {"partialSuccess"}
