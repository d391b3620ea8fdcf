"""Mistakes in the address of a bucket. Each is corrected alone; a request then shows if the store has the bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from checks.core.finding import Cause, Diagnosis, Status
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.core.remedy import Remedies
from checks.core.text import foreign
from checks.object_store import causes, remedies
from checks.object_store.client import path_before, uses_path_style
from checks.object_store.refusals import bucket_exists

if TYPE_CHECKING:
    from checks.object_store.bucket import Bucket
    from checks.object_store.responses import StoreError
    from checks.object_store.store import Store


@dataclass(frozen=True)
class Correction:
    """``corrected`` returns the bucket with its corrected address; None where there is nothing to correct.

    In a message, "the store has the bucket" follows ``without``. ``accepted``: the effect of the mistake if the store
    accepts it, "" if it has none.
    """

    cause: Cause
    corrected: Callable[[Bucket], Bucket | None]
    without: str
    hint: Callable[[Bucket], str | None] = lambda _: None
    accepted: str = ""
    accepted_cause: Cause | None = None

    def remedies(self, bucket: Bucket) -> Remedies:
        """The edits that correct it."""
        return remedies.correct(bucket, self.corrected(bucket) or bucket)


def _lower_region(bucket: Bucket) -> Bucket | None:
    lower = bucket.region.lower()
    return replace(bucket, region=lower) if lower != bucket.region else None


def _without_path(bucket: Bucket) -> Bucket | None:
    endpoint = bucket.endpoint
    return replace(bucket, endpoint=replace(endpoint, path="/")) if endpoint and path_before(bucket) else None


def _without_bucket(bucket: Bucket) -> Bucket | None:
    endpoint, prefix = bucket.endpoint, f"{bucket.name}."
    if not endpoint or not endpoint.host.startswith(prefix):
        return None
    return replace(bucket, endpoint=replace(endpoint, host=endpoint.host.removeprefix(prefix)))


def _without_dot(bucket: Bucket) -> Bucket | None:
    endpoint = bucket.endpoint
    if not endpoint or not endpoint.host.endswith("."):
        return None
    return replace(bucket, endpoint=replace(endpoint, host=endpoint.host.rstrip(".")))


_IN_NAMES = "is accepted, and becomes a part of every object's name, or names another bucket"
CORRECTIONS = (
    Correction(
        causes.WRONG_REGION,
        _lower_region,
        "with the region in lower case",
        lambda bucket: f'write "{foreign(bucket.region.lower())}" into {{region}}',
        "the region is accepted in capitals here, and no store that checks regions accepts it",
        causes.REGION_INVALID,
    ),
    Correction(
        causes.BUCKET_IN_ENDPOINT,
        _without_path,
        "without the path of the endpoint",
        accepted=f"the path of the endpoint {_IN_NAMES}",
    ),
    Correction(
        causes.BUCKET_IN_ENDPOINT,
        _without_bucket,
        "without the bucket's name in the host of the endpoint",
        accepted=f"the bucket's name in the host of the endpoint is one too many: the one in the path {_IN_NAMES}",
    ),
    Correction(
        replace(causes.BUCKET_MISSING, blames=("endpoint",)),
        _without_dot,
        "without the dot at the end of the host",
        lambda _: "remove the dot at the end of the host in {endpoint}",
    ),
)


async def mistake_in(record: Recorder, store: Store, key: str, observed: str) -> Diagnosis | None:
    """The mistake without which the store has the bucket, which it lacks as it is configured."""
    if found := await _found(record, store, key):
        message = f"{observed}; {found.without}, the store has the bucket"
        return found.cause.diagnosis(message, hint=found.hint(store.bucket), remedies=found.remedies(store.bucket))
    return None


async def accepted_mistake_in(record: Recorder, store: Store, key: str) -> Diagnosis | None:
    """A warning of a mistake that the store accepts; None if the store has the bucket only as it is configured."""
    if (found := await _found(record, store, key)) and found.accepted:
        cause = found.accepted_cause or found.cause
        message = f"{found.accepted}; {found.without}, the store has the bucket as well"
        edits = found.remedies(store.bucket)
        return cause.diagnosis(message, hint=found.hint(store.bucket), status=Status.WARN, remedies=edits)
    return None


def host_taken_for_bucket(store: Store, reply: StoreError) -> Diagnosis | None:
    """What a reply shows of an endpoint, or of its path, that the store took for the name of a bucket."""
    endpoint, taken = store.bucket.endpoint, reply.bucket.lower()
    if not endpoint or not taken or taken == store.bucket.name.lower():
        return None
    message = f"{reply.summary}: it looked for the bucket '{foreign(reply.bucket)}'"
    if taken in {endpoint.host.lower(), store.endpoint.host.lower()}:
        return causes.HOST_UNKNOWN.diagnosis(f"{message}, which is the host of the endpoint")
    if taken == _first_part(store.bucket).lower():
        return causes.BUCKET_IN_ENDPOINT.diagnosis(f"{message}, which is the path of the endpoint")
    return None


async def missing_bucket(record: Recorder, store: Store) -> Diagnosis | None:
    """The bucket is missing, although the store replied that it lacks an object of it.

    SeaweedFS replies so, and makes the bucket when an administrator puts an object: nothing may be put.
    """
    if _without_bucket(store.bucket):  # the host names the bucket: the path is an object's
        return None
    taken, root = _first_part(store.bucket), _without_path(store.bucket)
    asked = await in_thread(partial(store.changed, endpoint=root.endpoint, name=taken)) if taken and root else store
    async with asyncio.timeout(record.share_of_time(0.3)):
        if not await in_thread(asked.lacks_bucket):
            return None
    if taken:
        message = f"the store takes the path of the endpoint for the bucket '{foreign(taken)}', which it does not have"
        return causes.BUCKET_IN_ENDPOINT.diagnosis(message)
    name = foreign(store.bucket.name)
    message = f"HeadBucket was answered with 404: there is no bucket '{name}'"
    return causes.BUCKET_MISSING.diagnosis(message, remedies=remedies.create_bucket(store.bucket))


def _first_part(bucket: Bucket) -> str:
    """What a store takes for the bucket if the endpoint has a path; "" if it has none, or the host names the bucket."""
    return unquote(path_before(bucket).strip("/").partition("/")[0]) if uses_path_style(bucket) else ""


async def _found(record: Recorder, store: Store, key: str) -> Correction | None:
    for each in CORRECTIONS:
        if (bucket := each.corrected(store.bucket)) and await _has_bucket(record, store, bucket, key):
            return each
    return None


async def _has_bucket(record: Recorder, store: Store, bucket: Bucket, key: str) -> bool:
    with suppress(Exception):  # this address is not configured: its errors do not matter
        async with asyncio.timeout(record.share_of_time(0.3)):
            other = await in_thread(partial(store.changed, **vars(bucket)))
            return bucket_exists(await in_thread(partial(other.get_absent, key)))
    return False
