"""An S3 bucket, as Mistle uses it: objects are put, looked at, read and deleted, and nothing else."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar

from checks.core.check import Diagnosis, Layer, Status, StopCheck
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.core.threads import dead_addresses, in_thread
from checks.net.http import NotHttp, reach_endpoint
from checks.net.network_errors import RESET
from checks.net.tcp import NetworkCheck, resolve
from checks.object_store import causes
from checks.object_store.addressing import HIDDEN, StyleRefused, elsewhere, find, minds_keys
from checks.object_store.client import Bucket
from checks.object_store.responses import Altered, StoreError, Unreadable
from checks.object_store.round_trip import ChecksumRefused, RoundTrip
from checks.object_store.store import Store

if TYPE_CHECKING:
    from checks.net.http import Endpoint

_KEYS = ("access_key_id", "secret_access_key", "region")
_PLACE = ("bucket_name", "force_path_style")


@dataclass(frozen=True, kw_only=True)
class ObjectStore(NetworkCheck):
    """Proves that objects can be kept: one is put with a CRC32, looked at, read back and deleted.

    Writes one object of a few bytes, `mistle-preflight/<random>`, and removes it, also after a time-out; where the
    bucket keeps versions, those too, if that is permitted. With --read-only it asks for an object that is not there.
    Where the store denies that, it asks once more, with a made-up secret: a store that says the same proves no keys.
    Needs what Mistle needs: s3:GetObject, s3:PutObject, s3:DeleteObject on the bucket's objects. It never lists and
    never asks for the bucket itself. The host is the one that Mistle's client talks to: it begins with the bucket's
    name unless path style is set, the endpoint is an IP address, or the name is none for a host (short, capitals).
    Without a region, and then whatever the style, it takes the store's word for both: Mistle hands them to nobody.
    """

    kind = "object_store"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("boto3", "urllib3", "boto3.s3.inject")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("boto3", "botocore", "urllib3"),
        *("checks.object_store.responses", "checks.object_store.store", "checks.object_store.transport"),
    )
    address: ClassVar[tuple[str, ...]] = ("endpoint",)

    bucket: Bucket
    public: bool = False  # others must reach it, from outside

    @property
    def target(self) -> str:
        """The endpoint and the bucket."""
        where = self.bucket.endpoint.address if self.bucket.endpoint else f"AWS {self.bucket.region}"
        return f"{where}/{self.bucket.name}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The tls rung is there for https only, fitness where somebody else must reach the store."""
        tls = () if self.bucket.endpoint and not self.bucket.endpoint.tls else (Layer.TLS,)
        fitness = (Layer.FITNESS,) if self.public else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, *fitness)

    async def run(self, record: Recorder) -> None:
        """Ask for an object that is not there, which proves keys and place; then put one, and remove it."""
        with closing(await self._open(record)) as store:
            await self._climb(record, store)

    async def _climb(self, record: Recorder, store: Store) -> None:
        key = f"mistle-preflight/{secrets.token_hex(8)}"
        await self._approach(record, store, key)
        unproven: tuple[str, ...] = ()
        with record.layer(Layer.AUTH, "signed requests are accepted", proves=_KEYS):
            store, answer = await find(record, store, key)
            if answer.code == HIDDEN and not await minds_keys(record, store, key):
                unproven = _KEYS
                record.skip(Layer.AUTH, "no key is proven: the store denies a made-up secret in no other way", unproven)
        if record.settings.read_only:
            self._judge(record, answer)
        else:
            with record.layer(
                Layer.ACCESS, f"objects of {self.bucket.name} can be put, read and deleted", proves=_PLACE + unproven
            ):
                await RoundTrip(record, store, key).run()
        if self.public:
            with record.layer(Layer.FITNESS, "its name leads to public addresses", proves=self.address):
                await _require_public(record, store.place)

    async def _open(self, record: Recorder) -> Store:
        # An upload may be answered after this check's end; it is then removed, if the process is still there.
        limits = record.share_of_time(0.4), 2 * record.settings.timeout
        make = partial(Store, self.bucket, record.settings.trust.web, limits, dead_addresses())
        try:
            return await in_thread(make)
        except Exception as error:
            with record.layer(Layer.CONFIG, "the client accepts these names"):
                raise error from None
            raise AssertionError("a failed rung ends the climb") from error

    async def _approach(self, record: Recorder, store: Store, key: str) -> None:
        """The rungs below, at the host that the SDK talks to; a host that only the bucket's name spoils is named so."""
        try:
            await reach_endpoint(record, store.place, self.address)
        except StopCheck:
            failed = record.findings[-1]
            if not self.bucket.path_style and (found := await elsewhere(record, store, key)):
                record.findings.remove(failed)
                refused = StyleRefused(f"{store.place.host}: {failed.message}", found[1], in_path=True)
                record.note(causes.PATH_STYLE_NEEDED.diagnosis(str(refused)))
            raise

    def _judge(self, record: Recorder, answer: StoreError) -> None:
        """What an object that is not there shows of the bucket."""
        with record.layer(Layer.ACCESS, f"the bucket {self.bucket.name} is there, and may be read", proves=_PLACE):
            if answer.code == HIDDEN:
                reason = "the store said AccessDenied of an absent object, as it does to whoever may not list"
                record.skip(Layer.ACCESS, f"read-only: no right is proven; {reason}", _PLACE)
                return
        record.skip(Layer.ACCESS, "read-only: putting and deleting are not proven", ("bucket_name",))

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """The store's own code decides; what is not a store's word is the network's."""
        from botocore.exceptions import (
            BotoCoreError,
            FlexibleChecksumError,
            InvalidRegionError,
            ParamValidationError,
        )
        from urllib3.exceptions import HTTPError, IncompleteRead

        match error:
            case StoreError():
                return causes.diagnosis_of(error)
            case StyleRefused():
                cause = causes.PATH_STYLE_NEEDED if error.in_path else causes.VIRTUAL_HOST_NEEDED
                return replace(cause, layer=Layer.ACCESS).diagnosis(str(error))
            case ChecksumRefused():
                return causes.CHECKSUM_REFUSED.diagnosis(f"{error}; without its checksum it is accepted")
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
        if found := super().diagnose(error):
            return found
        if isinstance(error.__cause__, IncompleteRead):
            return RESET.diagnosis("the connection was closed in the middle of an answer", blames=self.address)
        if isinstance(error, BotoCoreError | HTTPError | HTTPException | Unreadable):
            return causes.NOT_S3.diagnosis(f"the answer cannot be read as HTTP and XML ({type(error).__name__})")
        return None


async def _require_public(record: Recorder, place: Endpoint) -> None:
    addresses = await resolve(place.host, place.port)
    private = [address for address in addresses if not ip_address(address).is_global]
    if private:
        message = f"{place.host} is {foreign(' and '.join(private))} here"
        some = Status.WARN if len(private) < len(addresses) else Status.FAIL
        record.note(causes.NOT_PUBLIC.diagnosis(message, status=some))
