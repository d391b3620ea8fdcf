"""How a store's replies map to causes."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from checks.core import remedy
from checks.core.finding import Cause, Diagnosis
from checks.core.text import foreign
from checks.object_store import causes, remedies

if TYPE_CHECKING:
    from checks.object_store.bucket import Bucket
    from checks.object_store.responses import StoreError

ABSENT, DENIED = "NoSuchKey", "AccessDenied"  # the codes of a bucket's reply for an absent object

_DAY = 86_400.0
_KEY = "/mistle-preflight/"  # of every request's path: a redirect that keeps it leads to the store's new address
_TEMPORARY = "ASIA"  # the ids of AWS's temporary keys begin with it
_BY_CODE = {
    "InvalidAccessKeyId": causes.UNKNOWN_ACCESS_KEY,
    "Unauthorized": causes.UNKNOWN_ACCESS_KEY,
    "AuthorizationHeaderMalformed": causes.UNKNOWN_ACCESS_KEY,
    "InvalidToken": causes.TEMPORARY_KEYS,
    "InvalidTokenId": causes.TEMPORARY_KEYS,
    "InvalidClientTokenId": causes.TEMPORARY_KEYS,
    "ExpiredToken": causes.TEMPORARY_KEYS,
    "TokenRefreshRequired": causes.TEMPORARY_KEYS,
    "UserSuspended": causes.ACCOUNT_SUSPENDED,
    "AccountProblem": causes.ACCOUNT_SUSPENDED,
    "SignatureDoesNotMatch": causes.SIGNATURE_MISMATCH,
    "BadDigest": causes.REQUEST_ALTERED,
    "IncompleteBody": causes.REQUEST_ALTERED,
    "InvalidDigest": causes.REQUEST_ALTERED,
    "MissingContentLength": causes.REQUEST_ALTERED,
    "XAmzContentChecksumMismatch": causes.REQUEST_ALTERED,
    "XAmzContentSHA256Mismatch": causes.REQUEST_ALTERED,
    "RequestTimeTooSkewed": causes.CLOCK_SKEW,
    "RequestExpired": causes.CLOCK_SKEW,
    "InvalidRegionName": causes.WRONG_REGION,
    "NoSuchBucket": causes.BUCKET_MISSING,
    "InvalidBucketName": causes.BUCKET_NAME_INVALID,
    "AllAccessDisabled": causes.ACCESS_DENIED,
}
# Garage has one code for all refusals, and AWS one for headers that a proxy adds: the texts tell them apart.
_BY_DENIAL = {
    "no such key": causes.UNKNOWN_ACCESS_KEY,
    "invalid signature": causes.SIGNATURE_MISMATCH,
    "headers present in the request which were not signed": causes.REQUEST_ALTERED,
}
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
}
# What to change, and the field at fault, by a part of the code of a refusal.
_HINTS = {
    "quota": ("raise the quota of {bucket_name} or of its owner at the store, or remove objects", "bucket_name"),
    "kms": (
        "let the user of {access_key_id} use the key that encrypts {bucket_name} (kms:GenerateDataKey, kms:Decrypt)",
        "bucket_name",
    ),
    "encryption": ("correct the encryption that {bucket_name} has by default; Mistle asks for none", "bucket_name"),
    "lock": ("remove the object lock of {bucket_name}: Mistle deletes objects", "bucket_name"),
    "storageclass": ("let {bucket_name} accept objects of the class STANDARD, which Mistle uses", "bucket_name"),
    "methodnotallowed": ("let the store of {endpoint} accept PUT, HEAD, GET and DELETE of objects", "endpoint"),
    "toomany": ("raise the limit of requests at the store of {endpoint}, or run this again later", "endpoint"),
}


def cause_of(refusal: StoreError) -> Cause:
    """The cause that a reply shows."""
    if refusal.code in _OTHER_REGION and refusal.region:
        return causes.WRONG_REGION
    if refusal.elsewhere:
        return causes.MOVED
    if refusal.code == "InvalidArgument" and refusal.operation == "GetObject":
        return causes.UNKNOWN_ACCESS_KEY  # only the key id in such a request can be malformed
    if refusal.code == DENIED:
        denial = refusal.text.lower()
        return next((cause for text, cause in _BY_DENIAL.items() if text in denial), causes.ACCESS_DENIED)
    if refusal.code in _BY_CODE:
        return _BY_CODE[refusal.code]
    if refusal.status >= 500 and refusal.status != 501:
        return causes.SERVER_ERROR
    return causes.REFUSED if refusal.is_s3 else causes.NOT_S3


def bucket_exists(reply: StoreError) -> bool:
    """Whether this is a bucket's reply for an absent object, as far as the message shows."""
    return reply.code == ABSENT or (reply.code == DENIED and cause_of(reply) is causes.ACCESS_DENIED)


def diagnosis_of(refusal: StoreError, bucket: Bucket) -> Diagnosis:
    """The cause, with what was observed, and a hint as exact as the reply allows."""
    cause = cause_of(refusal)
    if cause is causes.UNKNOWN_ACCESS_KEY and bucket.access_key_id.startswith(_TEMPORARY):
        return causes.TEMPORARY_KEYS.diagnosis(f"{refusal.summary}; the key id begins with {_TEMPORARY}")
    if cause is causes.CLOCK_SKEW:
        return cause.diagnosis(f"{refusal.summary}: {_clock_text(refusal)}")
    if cause is causes.WRONG_REGION and refusal.region:
        return _in_other_region(refusal, bucket)
    if cause is causes.MOVED:
        place = foreign(_endpoint(refusal, bucket))
        message = f"{refusal.summary}: the bucket is at {place}"
        edit = remedy.edit("endpoint", _endpoint(refusal, bucket))
        return cause.diagnosis(message, hint=f"write {place} into {{endpoint}}", remedies=edit)
    if cause is causes.REFUSED:
        known = (hint for part, hint in _HINTS.items() if part in refusal.code.lower())
        hint, field = next(known, (None, "bucket_name"))
        return cause.diagnosis(refusal.summary, hint=hint, blames=(field,))
    if cause is causes.NOT_S3 and _KEY in refusal.headers.get("location", "").partition("?")[0]:
        return cause.diagnosis(refusal.summary, hint="write the address that it sends on to into {endpoint}")
    if cause is causes.ACCESS_DENIED:
        return cause.diagnosis(refusal.summary, remedies=remedies.allow_user(refusal, bucket))
    if cause is causes.BUCKET_MISSING:
        return cause.diagnosis(refusal.summary, remedies=remedies.create_bucket(bucket))
    return cause.diagnosis(refusal.summary)


def _in_other_region(refusal: StoreError, bucket: Bucket) -> Diagnosis:
    """If the configuration has an endpoint, and the store names another, both must change."""
    region, edit = foreign(refusal.region), remedy.edit("region", refusal.region)
    message, hint = f'{refusal.summary}: the bucket is in "{region}"', f'write "{region}" into {{region}}'
    if not (refusal.elsewhere and bucket.endpoint):
        return causes.WRONG_REGION.diagnosis(message, hint=hint, remedies=edit)
    place, other = foreign(_endpoint(refusal, bucket)), remedy.edit("endpoint", _endpoint(refusal, bucket))
    return causes.WRONG_REGION.diagnosis(
        f"{message}, at {place}",
        hint=f"{hint}, and {place} into {{endpoint}}",
        blames=("region", "endpoint"),
        remedies=(*edit, *other),
    )


def _endpoint(refusal: StoreError, bucket: Bucket) -> str:
    """The URL of the endpoint that the store names, without the bucket's name."""
    scheme = bucket.endpoint.scheme if bucket.endpoint else "https"
    return f"{scheme}://{refusal.elsewhere.removeprefix(f'{bucket.name}.')}"


def _clock_text(refusal: StoreError) -> str:
    """By how much the clocks differ, and what each of them shows."""
    behind = refusal.clock_behind
    if behind is None:
        return "this machine's clock is not the store's, whose Date cannot be read"
    span = f"{abs(behind):.0f} s" if abs(behind) < 2 * _DAY else f"{abs(behind) / _DAY:.0f} days"
    here = format_datetime(datetime.now(UTC), usegmt=True)
    return (
        f"this machine's clock is {span} {'behind' if behind > 0 else 'ahead of'} the store's "
        f"(here {here}, there {foreign(refusal.headers.get('date', ''))})"
    )
