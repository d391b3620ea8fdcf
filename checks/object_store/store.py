"""Mistle's operations on a bucket, by boto3."""

from __future__ import annotations

import base64
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from checks.net.endpoint import Endpoint
from checks.object_store.client import client, path_before
from checks.object_store.responses import Altered, StoreError, Unreadable
from checks.object_store.transport import MAX_BODY, as_javascript, raise_refusal

if TYPE_CHECKING:
    from checks.object_store.bucket import Bucket
    from checks.object_store.transport import Connections


_OTHER_SECRET: ContextVar[str] = ContextVar("secret", default="")


class Store:
    """The four operations that Mistle uses. They block, and raise StoreError, Altered, botocore's errors and urllib3's.

    ``endpoint`` is the address to which the SDK sends requests for the bucket's objects.
    """

    def __init__(self, bucket: Bucket, connections: Connections) -> None:
        """The caller has a shorter limit of its own than the ``connections`` have."""
        from botocore.handlers import add_retry_headers

        self.bucket, self._connections = bucket, connections
        # Set when the caller has given up: an object that is put after that is removed at once.
        self.is_abandoned = threading.Event()
        self._versions: list[str] = []
        self._client = client(bucket)
        names = self._client.meta.method_to_api_mapping
        self._operations = {operation: getattr(self._client, name) for name, operation in names.items()}
        self.endpoint = self._sdk_endpoint()
        events = self._client.meta.events
        events.unregister("request-created", add_retry_headers)
        events.register("before-sign.s3", as_javascript(path_before(bucket)))
        events.register("before-sign.s3", self._use_other_secret)
        events.register("before-send.s3", connections.send)
        events.register_first("needs-retry.s3", raise_refusal)

    def changed(self, **changes: Any) -> Store:
        """The same bucket with other settings, through the same connections."""
        return Store(replace(self.bucket, **changes), self._connections)

    def close(self) -> None:
        """Close every connection that is not in use, also those of the changed stores."""
        self._connections.pools.clear()

    def get_absent(self, key: str, secret: str = "") -> StoreError:
        """The store's reply for an object that is absent; ``secret`` signs the request in place of the bucket's."""
        _OTHER_SECRET.set(secret)
        try:
            return StoreError("GetObject", self._call("GetObject", key))
        except StoreError as refusal:
            return refusal
        finally:
            _OTHER_SECRET.set("")

    def lacks_bucket(self) -> bool:
        """Whether HeadBucket finds no bucket. A user without the permission gets another status."""
        try:
            self._operations["HeadBucket"](Bucket=self.bucket.name)
        except StoreError as refusal:
            return refusal.status == 404 and "html" not in refusal.headers.get("content-type", "")
        return False

    def put(self, key: str, body: bytes) -> None:
        """PutObject, with a CRC32 in a header and the body signed, as the JavaScript SDK sends a buffer."""
        digest = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": digest} if self.bucket.checksums else {}
        reply = self._call("PutObject", key, Body=body, ContentType="application/octet-stream", **checksum)
        self._keep_version(reply)
        if self.is_abandoned.is_set():
            self.delete(key)

    def head(self, key: str, body: bytes) -> None:
        """HeadObject, which must return the size."""
        size = self._call("HeadObject", key).get("ContentLength")
        if size != len(body):
            raise Altered(f"HeadObject reports {size} bytes, and {len(body)} were put")

    def get(self, key: str, body: bytes) -> None:
        """GetObject, which must return the same bytes."""
        content = self._call("GetObject", key)["Body"].read(MAX_BODY)
        if content != body:
            raise Altered(f"GetObject returned {len(content)} bytes that are not the {len(body)} that were put")

    def delete(self, key: str, _: bytes = b"") -> None:
        """DeleteObject; if the bucket keeps versions, also for each version, where permitted."""
        self._keep_version(self._call("DeleteObject", key))
        with suppress(StoreError):
            while self._versions:
                self._call("DeleteObject", key, VersionId=self._versions[-1])
                self._versions.pop()

    @property
    def keeps_versions(self) -> bool:
        """Whether versions of the deleted object remain."""
        return bool(self._versions)

    def _sdk_endpoint(self) -> Endpoint:
        """The address to which the SDK sends requests for the bucket's objects; nothing is sent here."""
        url = urlsplit(self._client.generate_presigned_url("get_object", {"Bucket": self.bucket.name, "Key": "x"}))
        return Endpoint(url.scheme, str(url.hostname), url.port or (443 if url.scheme == "https" else 80))

    def _use_other_secret(self, request: Any, **_: object) -> None:
        """A ``before-sign`` handler. Another client for this would take 20 ms of CPU."""
        from botocore.credentials import Credentials

        if secret := _OTHER_SECRET.get():
            other = Credentials(self.bucket.access_key_id, secret)
            request.context.setdefault("signing", {})["request_credentials"] = other

    def _keep_version(self, reply: Mapping[str, Any]) -> None:
        self._versions += filter(None, [reply.get("VersionId")])

    def _call(self, operation: str, key: str, **more: Any) -> Any:
        try:
            return self._operations[operation](Bucket=self.bucket.name, Key=key, **more)
        except (ValueError, OverflowError, RecursionError) as error:  # botocore does not check the form of a reply
            raise Unreadable(operation) from error
