"""Mistle's four operations on a bucket."""

from __future__ import annotations

import base64
import threading
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from checks.net.http import Endpoint
from checks.object_store.client import client
from checks.object_store.responses import Altered, StoreError, Unreadable
from checks.object_store.transport import LARGEST, pools, refuse, sender

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from ssl import SSLContext

    from checks.object_store.client import Bucket


class Store:
    """The four operations of Mistle on a bucket, blocking. Raises Refused, Altered, and the errors of botocore
    and urllib3.

    ``place`` is where the SDK goes for the bucket's objects.
    """

    def __init__(
        self, bucket: Bucket, trusted: SSLContext, limits: tuple[float, float], dead: Collection[str] = ()
    ) -> None:
        """What follows the bucket is for ``sender``; whoever waits for an answer has a shorter limit of his own."""
        self.bucket, self._way = bucket, (trusted, limits, dead)
        self.is_left = threading.Event()  # nobody waits any more: what is written late is removed at once
        self._versions: list[str] = []
        self._client = client(bucket)
        names = self._client.meta.method_to_api_mapping
        self._operations = {operation: getattr(self._client, name) for name, operation in names.items()}
        self.place = self._place()
        self._pools, self._others = pools(trusted, limits), list[Store]()
        self._client.meta.events.register("before-send.s3", sender(self._pools, dead))
        self._client.meta.events.register_first("needs-retry.s3", refuse)

    def other(self, **changes: Any) -> Store:
        """The same bucket, with another way to it."""
        found = Store(replace(self.bucket, **changes), *self._way)
        self._others.append(found)
        return found

    def close(self) -> None:
        """End every connection that is not in use, also those of the others."""
        for each in self._others:
            each.close()
        self._pools.clear()

    def look(self, key: str) -> StoreError:
        """How the store refuses to show an object that is not there."""
        answer = self._refusal("HeadObject", key)  # without a body, and so without a code
        return answer if answer.status < 300 else self._refusal("GetObject", key)

    def put(self, key: str, body: bytes) -> None:
        """PutObject, with a CRC32 in a header and the body signed, as the JavaScript SDK sends a buffer."""
        digest = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": digest} if self.bucket.checksums else {}
        reply = self._ask("PutObject", key, Body=body, **checksum)
        self._keep_version(reply)
        if self.is_left.is_set():
            self.delete(key)

    def head(self, key: str, body: bytes) -> None:
        """HeadObject tells the size."""
        size = self._ask("HeadObject", key).get("ContentLength")
        if size != len(body):
            raise Altered(f"HeadObject says {size} bytes, and {len(body)} were put")

    def get(self, key: str, body: bytes) -> None:
        """GetObject returns the same bytes."""
        got = self._ask("GetObject", key)["Body"].read(LARGEST)
        if got != body:
            raise Altered(f"GetObject returned {len(got)} bytes that are not the {len(body)} that were put")

    def delete(self, key: str, _: bytes = b"") -> None:
        """DeleteObject; in a bucket that keeps versions then each of them, where that is permitted."""
        self._keep_version(self._ask("DeleteObject", key))
        with suppress(StoreError):
            while self._versions:
                self._ask("DeleteObject", key, VersionId=self._versions[-1])
                self._versions.pop()

    @property
    def keeps_versions(self) -> bool:
        """Whether versions of what was deleted stay."""
        return bool(self._versions)

    def _place(self) -> Endpoint:
        """Where the SDK goes for the bucket's objects; nothing is sent."""
        url = urlsplit(self._client.generate_presigned_url("get_object", {"Bucket": self.bucket.name, "Key": "x"}))
        return Endpoint(url.scheme, str(url.hostname), url.port or (443 if url.scheme == "https" else 80))

    def _keep_version(self, reply: Mapping[str, Any]) -> None:
        self._versions += filter(None, [reply.get("VersionId")])

    def _refusal(self, operation: str, key: str) -> StoreError:
        try:
            return StoreError(operation, self._ask(operation, key))
        except StoreError as refusal:
            return refusal

    def _ask(self, operation: str, key: str, **more: Any) -> Any:
        try:
            return self._operations[operation](Bucket=self.bucket.name, Key=key, **more)
        except (ValueError, OverflowError, RecursionError) as error:  # botocore trusts in the form of what it reads
            raise Unreadable(operation) from error
