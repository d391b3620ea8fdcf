"""One object's way into a bucket and out again, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from checks.core.check import Status
from checks.core.threads import in_thread
from checks.object_store import causes
from checks.object_store.responses import StoreError

if TYPE_CHECKING:
    from checks.core.recorder import Recorder
    from checks.object_store.store import Store

_GRACE = 0.2  # seconds: less than a cancelled check is given to clean up
_UNANSWERED = "its upload was not answered"


class ChecksumRefused(Exception):
    """The store takes the same object without its checksum."""


@dataclass
class RoundTrip:
    """Put, head, get and delete ``key``, which is fresh.

    What may remain of it is recorded: as a warning, or as no fault where the bucket keeps versions.
    """

    record: Recorder
    store: Store
    key: str
    body: bytes = field(default_factory=lambda: secrets.token_hex(8).encode())
    remains: str = ""  # why the object may be in the bucket
    upload: asyncio.Future[None] | None = None  # the last one, which nothing ends but its answer

    async def run(self) -> None:
        """Raises Refused, Altered, ChecksumRefused."""
        share = 0.5
        try:
            async with asyncio.timeout(self.record.share_of_time(0.7)):
                await self._put()
                for operation in (self.store.head, self.store.get, self.store.delete):
                    await in_thread(partial(operation, self.key, self.body))
            self.remains = ""
        except asyncio.CancelledError:
            share = 0.0
            raise
        finally:
            if self.remains:
                await self._remove(max(_GRACE, self.record.share_of_time(share)))
        if self.store.keeps_versions:
            self._leave("the bucket keeps versions, and this user may not delete them", Status.OK)

    async def _put(self) -> None:
        try:
            await self._put_once()
        except StoreError as refusal:
            if causes.by_answer(refusal) in {causes.REFUSED, causes.NOT_S3}:
                await self._put_without_checksum(refusal)
            raise

    async def _put_without_checksum(self, refusal: StoreError) -> None:
        self.store = await in_thread(partial(self.store.other, checksums=False))
        try:
            await self._put_once()
        except StoreError:
            return
        raise ChecksumRefused(refusal.said) from refusal

    async def _put_once(self) -> None:
        self.remains = _UNANSWERED
        self.upload = asyncio.ensure_future(in_thread(partial(self.store.put, self.key, self.body)))
        try:
            await asyncio.shield(self.upload)
        finally:
            self.remains = _remains(self.upload)

    async def _remove(self, limit: float) -> None:
        """A last, short try, also while the climb is being cancelled: after the upload's answer, if it still comes."""
        try:
            async with asyncio.timeout(limit):
                await self._wait_for_upload(limit / 2)
                if self.remains:
                    await in_thread(partial(self.store.delete, self.key))
        except Exception as error:
            said = getattr(error, "said", None) or type(error).__name__
            self._leave(f"{self.remains}, and its removal failed: {said}", Status.WARN)
        else:
            if self.remains == _UNANSWERED:
                self._leave(f"{_UNANSWERED}: removed, but a store that is still busy with it may show it later")

    async def _wait_for_upload(self, limit: float) -> None:
        if self.upload and not self.upload.done():
            await asyncio.wait({self.upload}, timeout=limit)
            self.remains = _remains(self.upload)
        self.store.is_left.set()

    def _leave(self, why: str, status: Status = Status.WARN) -> None:
        name = f"{self.store.bucket.name}/{self.key}"
        self.record.note(causes.LEFTOVER.diagnosis(f"{name} may remain: {why}", status=status))


def _remains(upload: asyncio.Future[None]) -> str:
    """Why the object of an upload may be in the bucket; nothing where the store has refused it."""
    if not upload.done() or upload.cancelled():
        return _UNANSWERED
    match upload.exception():
        case None:
            return "it was put"
        case StoreError() as refusal if causes.by_answer(refusal) is not causes.SERVER_ERROR:
            return ""
    return _UNANSWERED
