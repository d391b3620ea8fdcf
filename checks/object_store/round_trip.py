"""Puts one object into a bucket and removes it, also after an error or a time-out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from checks.core.finding import Status
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.net.proxies import FromProxy
from checks.object_store import causes
from checks.object_store.proxy_effects import accepted_without_checksum, forbidden_by_proxy, meaning_after_proof
from checks.object_store.refusals import cause_of
from checks.object_store.responses import Altered, StoreError

if TYPE_CHECKING:
    from checks.object_store.store import Store

REPLIES = 6  # that it waits for, at most: four operations, one more look, and one more try to delete
_GRACE = 0.2  # seconds: less than a cancelled check has for its clean-up
_NO_REPLY = "its upload was not answered"
_MAY_BE_CHECKSUM = {causes.REFUSED, causes.NOT_S3, causes.SIGNATURE_MISMATCH, causes.REQUEST_ALTERED}


@dataclass
class RoundTrip:
    """Put, head, get and delete ``key``, which is fresh. ``proven``: the store has accepted these keys before.

    Records what may remain of it: as a warning, or as OK if the bucket keeps versions.
    """

    record: Recorder
    store: Store
    key: str
    proven: bool = True
    body: bytes = field(default_factory=lambda: secrets.token_hex(8).encode())
    leftover_reason: str = ""  # why the object may be in the bucket
    upload: asyncio.Future[None] | None = None  # the last one; only the store's reply ends it

    async def run(self) -> None:
        """Raises StoreError, Altered, Diagnosed, FromProxy."""
        share = 0.5
        try:
            async with asyncio.timeout(self.record.share_of_time(0.8)):
                await self._put()
                await self._head()
                await self._do(self.store.get)
                await self._do(self.store.delete)
            self.leftover_reason = ""
            await self._look_again()
        except StoreError as refusal:
            if meaning := meaning_after_proof(refusal, proven=self.proven):
                raise meaning from refusal
            raise
        except asyncio.CancelledError:
            share = 0.0
            raise
        finally:
            if self.leftover_reason:
                await self._remove(max(_GRACE, self.record.share_of_time(share)))
        if self.store.keeps_versions:
            self._note_leftover("the bucket keeps versions, and this user may not delete them", Status.OK)

    async def _do(self, operation: Callable[[str, bytes], None]) -> None:
        try:
            await in_thread(partial(operation, self.key, self.body))
        except StoreError as refusal:
            if refusal.status == 404 and refusal.is_s3:
                raise Altered(f"PutObject was accepted, and then {refusal.summary}") from refusal
            raise

    async def _head(self) -> None:
        """HeadObject, which needs the same permission as GetObject: a server that refuses it alone is not the store."""
        try:
            await self._do(self.store.head)
        except StoreError as refusal:
            if cause_of(refusal) is causes.SERVER_ERROR:
                raise
            await self._do(self.store.get)
            raise forbidden_by_proxy(refusal) from refusal

    async def _look_again(self) -> None:
        """Note an object that is still there, although the store, or a proxy in its name, accepted DeleteObject."""
        if not self.record.has_time_for(2):
            return
        try:
            async with asyncio.timeout(self.record.share_of_time(0.5)):
                await in_thread(partial(self.store.head, self.key, self.body))
        except (StoreError, Altered, TimeoutError):
            return
        self._note_leftover("DeleteObject was accepted, and HeadObject still finds it")

    async def _put(self) -> None:
        try:
            await self._put_once()
        except StoreError as refusal:
            if cause_of(refusal) in _MAY_BE_CHECKSUM:
                await self._put_without_checksum(refusal)
            raise

    async def _put_without_checksum(self, refusal: StoreError) -> None:
        self.store = await in_thread(partial(self.store.changed, checksums=False))
        try:
            await self._put_once()
        except StoreError:
            return
        raise accepted_without_checksum(refusal) from refusal

    async def _put_once(self) -> None:
        self.leftover_reason = _NO_REPLY
        self.upload = asyncio.ensure_future(in_thread(partial(self.store.put, self.key, self.body)))
        try:
            await asyncio.shield(self.upload)
        finally:
            self.leftover_reason = _leftover_reason(self.upload)

    async def _remove(self, limit: float) -> None:
        """Try once more to delete, also when the check is cancelled; first wait for the upload's reply."""
        try:
            async with asyncio.timeout(limit):
                await self._wait_for_upload(limit / 2)
                if self.leftover_reason:
                    await in_thread(partial(self.store.delete, self.key))
        except Exception as error:
            summary = error.summary if isinstance(error, StoreError) else str(error) or type(error).__name__
            self._note_leftover(f"{self.leftover_reason}, and its removal failed: {summary}", Status.WARN)
        else:
            if self.leftover_reason == _NO_REPLY:
                self._note_leftover(f"{_NO_REPLY}: removed, but a store that is still busy with it may show it later")

    async def _wait_for_upload(self, limit: float) -> None:
        if self.upload and not self.upload.done():
            await asyncio.wait({self.upload}, timeout=limit)
            self.leftover_reason = _leftover_reason(self.upload)
        self.store.is_abandoned.set()

    def _note_leftover(self, why: str, status: Status = Status.WARN) -> None:
        name = f"{self.store.bucket.name}/{self.key}"
        self.record.note(causes.LEFTOVER.diagnosis(f"{name} may remain: {why}", status=status))


def _leftover_reason(upload: asyncio.Future[None]) -> str:
    """Why the object of an upload may be in the bucket; "" if the store has refused it."""
    if not upload.done() or upload.cancelled():
        return _NO_REPLY
    match upload.exception():
        case None:
            return "it was put"
        case FromProxy():
            return ""
        case StoreError() as refusal if cause_of(refusal) is not causes.SERVER_ERROR:
            return ""
    return _NO_REPLY
