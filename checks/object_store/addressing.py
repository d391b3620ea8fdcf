"""How a bucket is addressed: its name in the host name or in the path, and its region."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from checks.core import clock_skew
from checks.core.finding import Diagnosed, Layer
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.net.http import raise_if_http2, raise_if_not_http, raise_if_tls
from checks.object_store.causes import WRONG_REGION
from checks.object_store.corrections import host_taken_for_bucket, mistake_in
from checks.object_store.refusals import ABSENT, DENIED, bucket_exists, cause_of

if TYPE_CHECKING:
    from checks.object_store.responses import StoreError
    from checks.object_store.store import Store


class StyleRefused(Exception):
    """The bucket is reached in the other addressing style only: in the path, or else in the host name."""

    def __init__(self, failure: str, reply: StoreError, *, in_path: bool) -> None:
        style = "in path style" if in_path else "with the bucket in the host name"
        super().__init__(f"{failure}; {style}, {reply.summary}")
        self.in_path = in_path


async def find_bucket(record: Recorder, store: Store, key: str) -> tuple[Store, StoreError]:
    """The store that has the bucket, and its reply for ``key``, which is absent.

    If the bucket's region is unknown, tries other regions and styles. Raises StoreError, StyleRefused, Diagnosed.
    """
    is_unknown = not store.bucket.region
    reply = await _get_absent(record, store, key)
    if is_unknown and cause_of(reply) is WRONG_REGION:
        store = await in_thread(partial(store.changed, region=reply.region))
        reply = await _get_absent(record, store, key)
    if not bucket_exists(reply) and (mistake := await mistake_in(record, store, key, reply.summary)):
        raise Diagnosed(mistake)
    if not bucket_exists(reply) and cause_of(reply).layer is not Layer.AUTH:
        other = await in_other_style(record, store, key, reply.code)
        if other and not is_unknown:
            raise StyleRefused(reply.summary, other[1], in_path=other[0].bucket.path_style)
        store, reply = other or (store, reply)
    if not bucket_exists(reply):
        if mistake := host_taken_for_bucket(store, reply):
            raise Diagnosed(mistake)
        raise reply
    return store, reply


async def reply_to_made_up_secret(record: Recorder, store: Store, key: str) -> StoreError:
    """The store's reply for ``key``, which is absent, if a random secret signs the request."""
    return await _get_absent(record, store, key, secrets.token_hex(20))


async def in_other_style(record: Recorder, store: Store, key: str, code: str = "") -> tuple[Store, StoreError] | None:
    """The store in the other style, and its reply, if its host differs and has the bucket (without ``code``: is S3)."""
    with suppress(Exception):  # the other style is not configured: its errors do not matter
        other = await in_thread(partial(store.changed, path_style=not store.bucket.path_style))
        if other.endpoint.host == store.endpoint.host:
            return None
        async with asyncio.timeout(record.share_of_time(0.5)):
            reply = await in_thread(partial(other.get_absent, key))
            if reply.code in {ABSENT, DENIED} or (reply.is_s3 and not code):
                return other, reply
    return None


async def _get_absent(record: Recorder, store: Store, key: str, secret: str = "") -> StoreError:
    from urllib3.exceptions import HTTPError

    try:
        async with asyncio.timeout(record.share_of_time(0.7)):
            reply = await in_thread(partial(store.get_absent, key, secret))
    except HTTPError as error:
        await raise_if_tls(record, store.endpoint, error)
        await raise_if_http2(record, store.endpoint, error)
        raise
    except TimeoutError as error:
        await raise_if_not_http(record, store.endpoint, error)
        raise
    record.facts |= clock_skew.skew_fact(reply.headers.get("date", ""))
    if reply.status == 400 and not reply.is_s3:
        await raise_if_tls(record, store.endpoint)
    return reply
