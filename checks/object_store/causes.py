"""The causes of findings about an object store, and how the store's replies map to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core import unexpected
from checks.core.check import Cause, Diagnosis, Layer, Status, causes_in
from checks.core.text import foreign

if TYPE_CHECKING:
    from checks.object_store.responses import StoreError

UNKNOWN_ACCESS_KEY = Cause(
    "object-store.unknown-access-key",
    Layer.AUTH,
    "the store does not know the access key id",
    "correct {access_key_id}; a key that was rotated or deleted must be issued again",
    blames=("access_key_id",),
)
ACCOUNT_SUSPENDED = Cause(
    "object-store.account-suspended",
    Layer.AUTH,
    "the store knows the access key id, and has disabled its user",
    "switch the user of {access_key_id} on at the store, or use the key of another one",
    blames=("access_key_id",),
)
SIGNATURE_MISMATCH = Cause(
    "object-store.signature-mismatch",
    Layer.AUTH,
    "the secret is not the one that belongs to the access key id (some stores reply the same to an unknown id)",
    "correct {secret_access_key}: it must be the one that was issued with {access_key_id}; "
    "a proxy that changes the Host header has the same effect",
    blames=("secret_access_key",),
)
WRONG_REGION = Cause(
    "object-store.wrong-region",
    Layer.AUTH,
    "the bucket is in another region than the one that requests are signed for",
    "write the bucket's own region into {region}",
    blames=("region",),
)
CLOCK_SKEW = Cause(
    "object-store.clock-skew",
    Layer.AUTH,
    "this machine's clock and the store's differ by more than the store allows, usually 15 minutes",
    "set both clocks by NTP; containers have the clock of their host",
    blames=(),
)
REGION_INVALID = Cause(
    "object-store.region-invalid",
    Layer.CONFIG,
    "the region is not a name that a request can be signed for",
    "correct {region}: letters, digits and hyphens, such as eu-central-1, or us-east-1 where a store has none",
    blames=("region",),
)
BUCKET_NAME_INVALID = Cause(
    "object-store.bucket-name-invalid",
    Layer.CONFIG,
    "no bucket can have this name",
    "correct {bucket_name}: 3 to 63 lower-case letters, digits and hyphens",
    blames=("bucket_name",),
)
BUCKET_MISSING = Cause(
    "object-store.bucket-missing",
    Layer.ACCESS,
    "the store has no bucket of this name; Mistle never makes one",
    "create the bucket, or correct {bucket_name}",
    blames=("bucket_name",),
)
ACCESS_DENIED = Cause(
    "object-store.access-denied",
    Layer.ACCESS,
    "the user lacks a permission that Mistle needs for the objects of the bucket",
    "allow s3:GetObject, s3:PutObject and s3:DeleteObject on every object of {bucket_name} to the user of "
    "{access_key_id}, in the user's or the bucket's policy",
    blames=("access_key_id",),
)
PATH_STYLE_NEEDED = Cause(
    "object-store.path-style-needed",
    Layer.DNS,
    "the bucket cannot be reached as a part of the host name, and can as a part of the path",
    "set {force_path_style} to true; or give the store a wildcard name and certificate for its buckets",
    blames=("force_path_style",),
)
VIRTUAL_HOST_NEEDED = Cause(
    "object-store.virtual-host-needed",
    Layer.ACCESS,
    "the bucket cannot be reached as a part of the path, and can as a part of the host name",
    "set {force_path_style} to false",
    blames=("force_path_style",),
)
CHECKSUM_REFUSED = Cause(
    "object-store.checksum-refused",
    Layer.ACCESS,
    "the store refuses an upload for its CRC32 checksum, which Mistle's client always sends",
    "bring the store of {endpoint} up to date, or use one that supports x-amz-checksum-crc32",
    blames=("endpoint",),
)
NOT_READ_BACK = Cause(
    "object-store.not-read-back",
    Layer.ACCESS,
    "what was uploaded is not returned unchanged: a cache or proxy is in front of the store, or the store is damaged",
    "let {endpoint} name the store itself; no proxy in front of it may cache or change objects",
    blames=("endpoint",),
)
NOT_S3 = Cause(
    "object-store.not-s3",
    Layer.ACCESS,
    "the server that replies is not S3: it is the store's console, a web page, another API",
    "let {endpoint} name the store's S3 API, whose port is often another than its console's",
    blames=("endpoint",),
)
SERVER_ERROR = Cause(
    "object-store.server-error",
    Layer.ACCESS,
    "the store, or a proxy in front of it, has an error of its own (a 5xx status)",
    "look at the log of the store at {endpoint}",
    blames=("endpoint",),
    heals=True,
)
REFUSED = Cause(
    "object-store.refused",
    Layer.ACCESS,
    "the store refuses one of Mistle's operations for a reason of its own, such as a quota",
    "act on the store's message; the request was for {bucket_name}",
    blames=("bucket_name",),
)
LEFTOVER = Cause(
    "object-store.leftover",
    Layer.ACCESS,
    "an object that the check wrote could not be removed, or may still appear",
    "remove it from {bucket_name}; it has a few bytes and is never read",
    blames=("bucket_name",),
    status=Status.WARN,
)
NOT_PUBLIC = Cause(
    "object-store.not-public",
    Layer.FITNESS,
    "Archil's cloud must reach the store from outside, and its name leads to addresses of a private network",
    "put an endpoint that is reachable from the internet into {endpoint}; where public name servers give another "
    "answer than the ones here, --ignore object-store.not-public",
    blames=("endpoint",),
)
UNEXPECTED_REPLY = unexpected.cause("object-store", "an S3 store", ("endpoint",))
CAUSES = causes_in(globals())

_DAY = 86_400.0
_KEY = "/mistle-preflight/"  # of every request's path: a redirect that keeps it leads to the store's new address
_BY_CODE = {
    "InvalidAccessKeyId": UNKNOWN_ACCESS_KEY,
    "Unauthorized": UNKNOWN_ACCESS_KEY,
    "AuthorizationHeaderMalformed": UNKNOWN_ACCESS_KEY,
    "UserSuspended": ACCOUNT_SUSPENDED,
    "AccountProblem": ACCOUNT_SUSPENDED,
    "SignatureDoesNotMatch": SIGNATURE_MISMATCH,
    "RequestTimeTooSkewed": CLOCK_SKEW,
    "InvalidRegionName": WRONG_REGION,
    "NoSuchBucket": BUCKET_MISSING,
    "InvalidBucketName": BUCKET_NAME_INVALID,
    "AllAccessDisabled": ACCESS_DENIED,
}
# Garage has one code for all refusals: its texts tell them apart.
_BY_DENIAL = {"no such key": UNKNOWN_ACCESS_KEY, "invalid signature": SIGNATURE_MISMATCH}
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
}


def cause_of(refusal: StoreError) -> Cause:
    """The cause that a reply shows."""
    if refusal.code in _OTHER_REGION and refusal.region:
        return WRONG_REGION
    if refusal.code == "InvalidArgument" and refusal.operation == "GetObject":
        return UNKNOWN_ACCESS_KEY  # only the key id in such a request can be malformed
    if refusal.code == "AccessDenied":
        return next((cause for text, cause in _BY_DENIAL.items() if text in refusal.text.lower()), ACCESS_DENIED)
    if refusal.code in _BY_CODE:
        return _BY_CODE[refusal.code]
    if refusal.status >= 500 and refusal.status != 501:
        return SERVER_ERROR
    return REFUSED if refusal.is_s3 else NOT_S3


def diagnosis_of(refusal: StoreError) -> Diagnosis:
    """The cause, with what was observed, and a hint as exact as the reply allows."""
    cause = cause_of(refusal)
    if cause is CLOCK_SKEW:
        return cause.diagnosis(f"{refusal.summary}: {_clock_text(refusal.clock_behind)}")
    if cause is WRONG_REGION and refusal.region:
        return cause.diagnosis(
            f'{refusal.summary}: the bucket is in "{foreign(refusal.region)}"',
            hint=f'write "{foreign(refusal.region)}" into {{region}}',
        )
    if cause is NOT_S3 and _KEY in refusal.headers.get("location", "").partition("?")[0]:
        return cause.diagnosis(refusal.summary, hint="write the address that it sends on to into {endpoint}")
    return cause.diagnosis(refusal.summary)


def _clock_text(clock_behind: float | None) -> str:
    """``clock_behind`` in seconds, in text."""
    if clock_behind is None:
        return "this machine's clock is not the store's, whose Date cannot be read"
    span = f"{abs(clock_behind):.0f} s" if abs(clock_behind) < 2 * _DAY else f"{abs(clock_behind) / _DAY:.0f} days"
    return f"this machine's clock is {span} {'behind' if clock_behind > 0 else 'ahead of'} the store's"
