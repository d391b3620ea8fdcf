"""An S3 bucket, as Mistle uses it: PutObject, HeadObject, GetObject and DeleteObject, and nothing else."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from ipaddress import ip_address
from typing import ClassVar

from checks.core.finding import Diagnosed, Diagnosis, Layer, Status, StopCheck
from checks.core.loop.threads import dead_addresses, in_thread
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.endpoint import Endpoint, reach_endpoint
from checks.net.http import NotHttp, request
from checks.net.network_errors import RESET, SLOW
from checks.net.tcp import NetworkCheck, resolve
from checks.object_store import causes
from checks.object_store.addressing import StyleRefused, find_bucket, in_other_style, reply_to_made_up_secret
from checks.object_store.bucket import Bucket
from checks.object_store.corrections import accepted_mistake_in, missing_bucket, mistake_in
from checks.object_store.refusals import ABSENT, DENIED, cause_of, diagnosis_of
from checks.object_store.responses import Altered, StoreError, Unreadable
from checks.object_store.round_trip import REPLIES, RoundTrip
from checks.object_store.store import Store
from checks.object_store.transport import Connections

_OF_S3 = (b"<Error><Code>", b"//s3.amazonaws.com/doc/")  # in a body of any store
_KEY_FIELDS = ("access_key_id", "secret_access_key", "region")
_BUCKET_FIELDS = ("bucket_name", "force_path_style")


@dataclass(frozen=True, kw_only=True)
class ObjectStore(NetworkCheck):
    """Proves that objects can be stored: it puts one with a CRC32, reads its head and body, and deletes it.

    Writes one object of a few bytes, `mistle-preflight/<random>`, and removes it, also after a time-out; if the bucket
    keeps versions, it removes those too, where permitted. With --read-only it only requests an object that is absent.
    The check sends the request for an absent object again with a made-up secret: a store that replies the same does not
    check secrets, or its denial proves no keys.
    Needs what Mistle needs: s3:GetObject, s3:PutObject, s3:DeleteObject on the bucket's objects. It never lists. If the
    store replies that it lacks the object, the check sends HeadBucket too, which needs no permission to be told that
    the bucket is missing. It connects to the same host as Mistle's client: the name begins with the bucket's unless
    path style is set, the endpoint is an IP address, or the bucket's name is not valid in a host name.
    Without a region in the configuration, it finds the region and the style that work: Mistle passes neither to Archil.

    Tried with Ceph 18.2, OpenStack Swift 2.35, SeaweedFS 4.48 and rclone 1.75.
    """

    kind = "object_store"
    causes = causes.CAUSES
    over_http = True
    imports: ClassVar[tuple[str, ...]] = ("boto3", "urllib3", "boto3.s3.inject")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("boto3", "botocore", "urllib3"),
        *("checks.object_store.responses", "checks.object_store.store", "checks.object_store.transport"),
    )
    address: ClassVar[tuple[str, ...]] = ("endpoint",)

    bucket: Bucket
    public: bool = False  # Archil must reach it from the internet

    @property
    def target(self) -> str:
        address = self.bucket.endpoint.address if self.bucket.endpoint else f"AWS {self.bucket.region}"
        return f"{address}/{self.bucket.name}"

    @property
    def server_address(self) -> tuple[str, int] | None:
        """The host and port of the endpoint; None for AWS, whose host depends on the bucket."""
        return (self.bucket.endpoint.host, self.bucket.endpoint.port) if self.bucket.endpoint else None

    @property
    def layers(self) -> tuple[Layer, ...]:
        tls = () if self.bucket.endpoint and not self.bucket.endpoint.tls else (Layer.TLS,)
        fitness = (Layer.FITNESS,) if self.public else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, *fitness)

    async def run(self, record: Recorder) -> None:
        with closing(await self._open(record)) as store:
            await self._run_layers(record, store)

    async def _run_layers(self, record: Recorder, store: Store) -> None:
        key = f"mistle-preflight/{secrets.token_hex(8)}"
        await self._reach(record, store, key)
        with record.layer(Layer.AUTH, "signed requests are accepted", proves=_KEY_FIELDS):
            store, reply = await find_bucket(record, store, key)
            if reply.code == ABSENT and (missing := await missing_bucket(record, store)):
                raise Diagnosed(missing)
            if mistake := await accepted_mistake_in(record, store, key):
                record.note(mistake)
            unproven = await self._unproven(record, store, key, reply)
        if record.settings.read_only:
            self._note_read_only(record, reply)
        else:
            await self._write(record, store, key, unproven)
        if self.public:
            with record.layer(Layer.FITNESS, "its name leads to public addresses", proves=self.address):
                await _require_public(record, store.endpoint)

    async def _unproven(self, record: Recorder, store: Store, key: str, reply: StoreError) -> tuple[str, ...]:
        """The fields that a store which replies the same to a made-up secret does not prove."""
        if reply.code != DENIED and not record.has_time_for(REPLIES + 1):  # a slow store: the object matters more
            return ()
        other = await reply_to_made_up_secret(record, store, key)
        if reply.code == DENIED and cause_of(other).layer is not Layer.AUTH:
            record.skip(Layer.AUTH, "no key is proven: the store denies a made-up secret in the same way", _KEY_FIELDS)
            return _KEY_FIELDS
        if reply.code == other.code != DENIED:
            message = f"with a made-up secret, {other.summary}, as with the configured one"
            record.note(causes.SECRET_NOT_CHECKED.diagnosis(message))
        return ()

    async def _write(self, record: Recorder, store: Store, key: str, unproven: tuple[str, ...]) -> None:
        goal = f"objects of {self.bucket.name} can be put, read and deleted"
        with record.layer(Layer.ACCESS, goal, proves=_BUCKET_FIELDS + unproven):
            if record.has_time_for(REPLIES):
                await RoundTrip(record, store, key, proven=not unproven).run()
                return
            message = f"a reply took {record.slowest:.1f} s: no object was put, as there may be no time to remove it"
            record.note(SLOW.diagnosis(message, blames=self.address, status=Status.WARN))
            record.skip(Layer.ACCESS, "putting, reading and deleting are not proven", _BUCKET_FIELDS)

    async def _open(self, record: Recorder) -> Store:
        # The reply to an upload may come after this check's end; the object is then removed, if the process still runs.
        limits = record.share_of_time(0.4), 2 * record.settings.timeout
        connections = Connections(record.settings.trust.web, limits, dead_addresses(), record.replied)
        try:
            return await in_thread(partial(Store, self.bucket, connections))
        except Exception as error:
            with record.layer(Layer.CONFIG, "the client accepts these names"):
                raise error from None
            raise AssertionError("a failed layer stops the check") from error

    async def _reach(self, record: Recorder, store: Store, key: str) -> None:
        """The network layers, at the SDK's host. If only the path-style host works, blame the addressing style."""
        try:
            await reach_endpoint(record, store.endpoint, self.address, proof=_is_s3)
        except StopCheck:
            failure = record.findings[-1]
            if mistake := await mistake_in(record, store, key, failure.message):
                record.findings.remove(failure)
                record.note(mistake)
                raise
            if not self.bucket.path_style and (other := await in_other_style(record, store, key)):
                record.findings.remove(failure)
                refused = StyleRefused(f"{store.endpoint.host}: {failure.message}", other[1], in_path=True)
                record.note(causes.PATH_STYLE_NEEDED.diagnosis(str(refused)))
            raise

    def _note_read_only(self, record: Recorder, reply: StoreError) -> None:
        """What the reply for an absent object proves of the bucket."""
        with record.layer(
            Layer.ACCESS, f"the bucket {self.bucket.name} is there, and may be read", proves=_BUCKET_FIELDS
        ):
            if reply.code == DENIED:
                reason = "the store replied AccessDenied for an absent object, as it does to a user who may not list"
                record.skip(Layer.ACCESS, f"read-only: no right is proven; {reason}", _BUCKET_FIELDS)
                return
        record.skip(Layer.ACCESS, "read-only: putting and deleting are not proven", ("bucket_name",))

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Map the store's replies first; everything else is a network error."""
        from botocore.exceptions import (
            BotoCoreError,
            FlexibleChecksumError,
            InvalidRegionError,
            ParamValidationError,
        )
        from urllib3.exceptions import HTTPError, IncompleteRead

        match error:
            case StoreError():
                return diagnosis_of(error, self.bucket)
            case StyleRefused():
                cause = causes.PATH_STYLE_NEEDED if error.in_path else causes.VIRTUAL_HOST_NEEDED
                return replace(cause, layer=Layer.ACCESS).diagnosis(str(error))
            case Altered() | FlexibleChecksumError():
                return causes.NOT_READ_BACK.diagnosis(str(error) if isinstance(error, Altered) else foreign(str(error)))
            case InvalidRegionError():
                return causes.REGION_INVALID.diagnosis(f"'{foreign(self.bucket.region)}' is no region")
            case ParamValidationError():
                return causes.BUCKET_NAME_INVALID.diagnosis(f"'{foreign(self.bucket.name)}' is no name of a bucket")
            case Unreadable() if "Invalid header value" in str(error.__cause__):
                return causes.UNKNOWN_ACCESS_KEY.diagnosis("the access key id holds a line break, and cannot be sent")
            case NotHttp():
                return causes.NOT_S3.diagnosis(str(error))
        if diagnosis := super().diagnose(error):
            return diagnosis
        if isinstance(error.__cause__, IncompleteRead):
            return RESET.diagnosis("the connection was closed in the middle of a reply", blames=self.address)
        if isinstance(error, BotoCoreError | HTTPError | HTTPException | Unreadable):
            return causes.NOT_S3.diagnosis(f"the reply cannot be read as HTTP and XML ({type(error).__name__})")
        return None


async def _is_s3(record: Recorder, endpoint: Endpoint) -> bool:
    """Whether a store replies at the endpoint, which is the SDK's one without TLS. The request has no signature."""
    reply = await request(record, "GET", replace(endpoint, path="/"))
    return "x-amz-request-id" in reply.headers or any(mark in reply.body for mark in _OF_S3)


async def _require_public(record: Recorder, endpoint: Endpoint) -> None:
    addresses = await resolve(endpoint.host, endpoint.port)
    private = [address for address in addresses if not ip_address(address).is_global]
    if private:
        message = f"{endpoint.host} is {foreign(' and '.join(private))} here"
        status = Status.WARN if len(private) < len(addresses) else Status.FAIL
        record.note(causes.NOT_PUBLIC.diagnosis(message, status=status))
