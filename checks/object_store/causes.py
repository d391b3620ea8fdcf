"""The causes of findings about an object store."""

from __future__ import annotations

from checks.core import remedy, unexpected
from checks.core.finding import Layer, Status, causes_in, permanent, temporary
from checks.object_store import remedies

UNKNOWN_ACCESS_KEY = permanent(
    "object-store.unknown-access-key",
    Layer.AUTH,
    "the store does not know the access key id",
    "correct {access_key_id}; a key that was rotated or deleted must be issued again",
    blames=("access_key_id",),
)
TEMPORARY_KEYS = permanent(
    "object-store.temporary-keys",
    Layer.AUTH,
    "the access key id is one of temporary credentials, which need a session token; Mistle sends none, and they expire",
    "put the key of a permanent user into {access_key_id} and {secret_access_key}: one that has no session token",
    blames=("access_key_id",),
    former=("object-store.refused", "object-store.unknown-access-key"),
)
ACCOUNT_SUSPENDED = permanent(
    "object-store.account-suspended",
    Layer.AUTH,
    "the store knows the access key id, and has disabled its user",
    "switch the user of {access_key_id} on at the store, or use the key of another one",
    blames=("access_key_id",),
)
SIGNATURE_MISMATCH = permanent(
    "object-store.signature-mismatch",
    Layer.AUTH,
    "the secret is not the one that belongs to the access key id (some stores reply the same to an unknown id)",
    "correct {secret_access_key}: it must be the one that was issued with {access_key_id}; "
    "a proxy that changes the Host header has the same effect",
    blames=("secret_access_key",),
)
SECRET_NOT_CHECKED = permanent(
    "object-store.secret-not-checked",
    Layer.AUTH,
    "the store accepts requests that are signed with a made-up secret: all who reach it can read and write",
    "make the store of {endpoint} check signatures (in most stores: by giving it at least one user with keys), "
    "or let it accept connections from Mistle alone; then check {access_key_id} and {secret_access_key} again",
    blames=("access_key_id", "secret_access_key"),
    status=Status.WARN,
)
REQUEST_ALTERED = permanent(
    "object-store.request-altered",
    Layer.ACCESS,
    "the store has accepted a request with the same keys, but the next one was changed after it was signed: "
    "a proxy in front changes headers, path or body",
    "let the proxy in front of {endpoint} forward requests unchanged, with all x-amz-*, amz-sdk-* and content-* "
    "headers, or name the store itself there; the keys are right",
    blames=("endpoint",),
    former=("object-store.signature-mismatch", "object-store.refused"),
)
WRONG_REGION = permanent(
    "object-store.wrong-region",
    Layer.AUTH,
    "the bucket is in another region than the one that requests are signed for",
    "write the bucket's own region into {region}",
    blames=("region",),
    remedies=remedy.edit("region", "…"),
)
CLOCK_SKEW = permanent(
    "object-store.clock-skew",
    Layer.AUTH,
    "this machine's clock and the store's differ by more than the store allows, usually 15 minutes",
    "set the clock that is wrong by NTP: this machine's (containers have the clock of their host), or that of the "
    "store at {endpoint}",
    blames=(),
)
REGION_INVALID = permanent(
    "object-store.region-invalid",
    Layer.CONFIG,
    "the region is not a name that a request can be signed for, or has capitals, as no store's region has",
    "correct {region}: letters, digits and hyphens, such as eu-central-1, or us-east-1 where a store has none",
    blames=("region",),
    remedies=remedy.edit("region", "…"),
)
MOVED = permanent(
    "object-store.moved",
    Layer.ACCESS,
    "the store does not serve the bucket at this endpoint, and names another one",
    "write the endpoint that the store names into {endpoint}",
    blames=("endpoint",),
    remedies=remedy.edit("endpoint", "…"),
    former=("object-store.refused",),
)
BUCKET_IN_ENDPOINT = permanent(
    "object-store.bucket-in-endpoint",
    Layer.ACCESS,
    "the endpoint holds the bucket's name as well, or a path that the store takes for a bucket or for a part of each "
    "object's name",
    "let {endpoint} be the store's address alone, without a path and without the bucket's name",
    blames=("endpoint",),
    remedies=remedy.edit("endpoint", "…"),
    former=("object-store.bucket-missing", "object-store.path-style-needed", "object-store.signature-mismatch"),
)
HOST_UNKNOWN = permanent(
    "object-store.host-unknown",
    Layer.ACCESS,
    "the store does not know the endpoint's host as its own name, and takes it for the name of a bucket",
    "add the host of {endpoint} to the store's own names (in Ceph: rgw_dns_name, or the hostnames of the zone group), "
    "or write a name that the store knows, or its IP address",
    blames=("endpoint",),
    former=("object-store.bucket-missing",),
)
BUCKET_NAME_INVALID = permanent(
    "object-store.bucket-name-invalid",
    Layer.CONFIG,
    "no bucket can have this name",
    "correct {bucket_name}: 3 to 63 lower-case letters, digits and hyphens",
    blames=("bucket_name",),
)
BUCKET_MISSING = permanent(
    "object-store.bucket-missing",
    Layer.ACCESS,
    "the store has no bucket of this name; Mistle never makes one",
    "create the bucket, or correct {bucket_name}",
    blames=("bucket_name",),
    remedies=remedies.CREATE_BUCKET,
)
ACCESS_DENIED = permanent(
    "object-store.access-denied",
    Layer.ACCESS,
    "the user lacks a permission that Mistle needs for the objects of the bucket",
    "allow s3:GetObject, s3:PutObject and s3:DeleteObject on every object of {bucket_name} to the user of "
    "{access_key_id}, in the user's or the bucket's policy",
    blames=("access_key_id",),
    remedies=remedies.ALLOW_USER,
)
PATH_STYLE_NEEDED = permanent(
    "object-store.path-style-needed",
    Layer.DNS,
    "the bucket can be reached as a part of the path, but not as a part of the host name",
    "set {force_path_style} to true; or give the store a wildcard name and certificate for its buckets",
    blames=("force_path_style",),
    remedies=remedy.edit("force_path_style", True),
)
VIRTUAL_HOST_NEEDED = permanent(
    "object-store.virtual-host-needed",
    Layer.ACCESS,
    "the bucket can be reached as a part of the host name, but not as a part of the path",
    "set {force_path_style} to false",
    blames=("force_path_style",),
    remedies=remedy.edit("force_path_style", False),
)
CHECKSUM_REFUSED = permanent(
    "object-store.checksum-refused",
    Layer.ACCESS,
    "the store refuses an upload for its CRC32 checksum, which Mistle's client always sends",
    "bring the store of {endpoint} up to date, or use one that supports x-amz-checksum-crc32",
    blames=("endpoint",),
)
NOT_READ_BACK = permanent(
    "object-store.not-read-back",
    Layer.ACCESS,
    "what was uploaded is not returned unchanged: a cache or proxy is in front of the store, or the store is damaged",
    "let {endpoint} name the store itself; no proxy in front of it may cache or change objects",
    blames=("endpoint",),
)
NOT_S3 = permanent(
    "object-store.not-s3",
    Layer.ACCESS,
    "the server that replies is not S3: it is the store's console, a web page, another API",
    "let {endpoint} name the store's S3 API, whose port is often another than its console's",
    blames=("endpoint",),
)
SERVER_ERROR = temporary(
    "object-store.server-error",
    Layer.ACCESS,
    "the store, or a proxy in front of it, has an error of its own (a 5xx status)",
    "look at the log of the store at {endpoint}",
    blames=("endpoint",),
)
REFUSED = permanent(
    "object-store.refused",
    Layer.ACCESS,
    "the store refuses one of Mistle's operations for a reason of its own, such as a quota",
    "change at the store what its code names: a quota, a lock, the encryption or a rule of {bucket_name}; "
    "the store's log has the request",
    blames=("bucket_name",),
)
LEFTOVER = permanent(
    "object-store.leftover",
    Layer.ACCESS,
    "an object that the check wrote could not be removed, or may still appear",
    "remove it, and what other runs have left, from {bucket_name}; all have a few bytes and are never read: "
    "aws s3 rm --recursive s3://BUCKET/mistle-preflight/ --endpoint-url ENDPOINT",
    blames=("bucket_name",),
    status=Status.WARN,
)
NOT_PUBLIC = permanent(
    "object-store.not-public",
    Layer.FITNESS,
    "Archil's cloud must reach the store from outside, but its name leads to addresses of a private network",
    "put an endpoint that is reachable from the internet into {endpoint}; where public name servers give another "
    "address than the name servers here do, --ignore object-store.not-public",
    blames=("endpoint",),
)
UNEXPECTED_REPLY = unexpected.cause("object-store", "an S3 store", ("endpoint",))
CAUSES = causes_in(globals())
