"""Puts one object into a bucket and removes it, also after an error or a time-out."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from checks.core.check import Status
from checks.core.threads import in_thread
from checks.net.proxies import FromProxy
from checks.object_store import causes
from checks.object_store.responses import StoreError

if TYPE_CHECKING:
    from checks.core.recorder import Recorder
    from checks.object_store.store import Store

_GRACE = 0.2  # seconds: less than a cancelled check has for its clean-up
_NO_REPLY = "its upload was not answered"


class ChecksumRefused(Exception):
    """The store accepts the same object without its checksum."""


@dataclass
class RoundTrip:
    """Put, head, get and delete ``key``, which is fresh.

    Records what may remain of it: as a warning, or as OK if the bucket keeps versions.
    """

    record: Recorder
    store: Store
    key: str
    body: bytes = field(default_factory=lambda: secrets.token_hex(8).encode())
    leftover_reason: str = ""  # why the object may be in the bucket
    upload: asyncio.Future[None] | None = None  # the last one; only the store's reply ends it

    async def run(self) -> None:
        """Raises StoreError, Altered, ChecksumRefused."""
        share = 0.5
        try:
            async with asyncio.timeout(self.record.share_of_time(0.7)):
                await self._put()
                for operation in (self.store.head, self.store.get, self.store.delete):
                    await in_thread(partial(operation, self.key, self.body))
            self.leftover_reason = ""
        except asyncio.CancelledError:
            share = 0.0
            raise
        finally:
            if self.leftover_reason:
                await self._remove(max(_GRACE, self.record.share_of_time(share)))
        if self.store.keeps_versions:
            self._note_leftover("the bucket keeps versions, and this user may not delete them", Status.OK)

    async def _put(self) -> None:
        try:
            await self._put_once()
        except StoreError as refusal:
            if causes.cause_of(refusal) in {causes.REFUSED, causes.NOT_S3}:
                await self._put_without_checksum(refusal)
            raise

    async def _put_without_checksum(self, refusal: StoreError) -> None:
        self.store = await in_thread(partial(self.store.changed, checksums=False))
        try:
            await self._put_once()
        except StoreError:
            return
        raise ChecksumRefused(refusal.summary) from refusal

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
            summary = error.summary if isinstance(error, StoreError) else type(error).__name__
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
        case StoreError() as refusal if causes.cause_of(refusal) is not causes.SERVER_ERROR:
            return ""
    return _NO_REPLY
