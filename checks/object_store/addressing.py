"""Which way leads to a bucket: its name as a part of the host or of the path, and its region."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from checks.core.check import Layer
from checks.core.threads import in_thread
from checks.net.http import raise_if_not_http, raise_if_tls
from checks.object_store.causes import ACCESS_DENIED, WRONG_REGION, by_answer
from checks.object_store.responses import StoreError

if TYPE_CHECKING:
    from checks.core.recorder import Recorder
    from checks.object_store.store import Store

ABSENT, HIDDEN = "NoSuchKey", "AccessDenied"  # how a bucket answers for an object that is not there


class StyleRefused(Exception):
    """The bucket is where the other addressing style looks for it: in the path, or else in the host name."""

    def __init__(self, failure: str, answer: StoreError, *, in_path: bool) -> None:
        style = "in path style" if in_path else "with the bucket in the host name"
        super().__init__(f"{failure}; {style}, {answer.said}")
        self.in_path = in_path


async def find(record: Recorder, store: Store, key: str) -> tuple[Store, StoreError]:
    """The store that answers for the bucket, and how it refuses ``key``, which is not there.

    Where the bucket's region is unknown, region and style are the ones that work. Raises Refused, StyleRefused.
    """
    is_open = not store.bucket.region
    answer = await _ask(record, store, key)
    if is_open and by_answer(answer) is WRONG_REGION:
        store = await in_thread(partial(store.other, region=answer.region))
        answer = await _ask(record, store, key)
    if not _is_there(answer) and by_answer(answer).layer is not Layer.AUTH:
        found = await elsewhere(record, store, key, answer.code)
        if found and not is_open:
            raise StyleRefused(answer.said, found[1], in_path=found[0].bucket.path_style)
        store, answer = found or (store, answer)
    if not _is_there(answer):
        raise answer
    return store, answer


async def minds_keys(record: Recorder, store: Store, key: str) -> bool:
    """Whether a made-up secret is told that it is wrong; else AccessDenied says nothing of the given one."""
    other = await in_thread(partial(store.other, secret_access_key=secrets.token_hex(20)))
    return by_answer(await _ask(record, other, key)).layer is Layer.AUTH


async def elsewhere(record: Recorder, store: Store, key: str, code: str = "") -> tuple[Store, StoreError] | None:
    """The same in the other style, if that leads elsewhere, and to the bucket; or to S3 where ``code`` is not S3's."""
    other = await in_thread(partial(store.other, path_style=not store.bucket.path_style))
    if other.place.host == store.place.host:
        return None
    with suppress(Exception):  # whatever is wrong with the other way, it is not the one to mend
        async with asyncio.timeout(record.share_of_time(0.5)):
            answer = await in_thread(partial(other.look, key))
            if answer.code in {ABSENT, HIDDEN} or (answer.is_s3 and not code):
                return other, answer
    return None


def _is_there(answer: StoreError) -> bool:
    """Whether a bucket answers so for an object that is not there, as far as its words tell."""
    return answer.code == ABSENT or (answer.code == HIDDEN and by_answer(answer) is ACCESS_DENIED)


async def _ask(record: Recorder, store: Store, key: str) -> StoreError:
    from urllib3.exceptions import HTTPError

    try:
        async with asyncio.timeout(record.share_of_time(0.5)):
            answer = await in_thread(partial(store.look, key))
    except HTTPError as error:
        await raise_if_tls(record, store.place, error)
        raise
    except TimeoutError as error:
        await raise_if_not_http(record, store.place, error)
        raise
    if answer.status == 400 and not answer.is_s3:
        await raise_if_tls(record, store.place)
    return answer
