"""Commands of the AWS CLI that cure a finding, and edits of the address of a bucket."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core import remedy
from checks.core.remedy import Remedies

if TYPE_CHECKING:
    from checks.object_store.bucket import Bucket
    from checks.object_store.responses import StoreError

ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,63}")
# The text with which AWS reports that no policy forbids it to the user, and none allows it.
_USER = re.compile(r"User: arn:(aws[a-z-]{0,9}):iam::[0-9]{12}:user/(?:[!-~]*/)?([\w+=,.@-]{1,64}) is not authorized")
_NOTHING_ALLOWS = "no identity-based policy allows"
_CREATOR = "with the keys of Mistle's own user, or of another user, who then gives it access"
_ADMINISTRATOR = "as an administrator of the account"
CREATE_BUCKET = remedy.line("aws", _CREATOR, "aws s3api create-bucket --bucket … --region …")
ALLOW_USER = remedy.line(
    "aws",
    _ADMINISTRATOR,
    "aws iam put-user-policy --user-name=… --policy-name mistle-… --policy-document …",
)


def create_bucket(bucket: Bucket) -> Remedies:
    """A bucket of this name at the same store."""
    if not _NAME.fullmatch(bucket.name) or not _REGION.fullmatch(bucket.region):
        return ()
    endpoint = ("--endpoint-url", endpoint_text(bucket)) if bucket.endpoint else ()
    is_elsewhere = not bucket.endpoint and bucket.region != "us-east-1"
    place = ("--create-bucket-configuration", f"LocationConstraint={bucket.region}") if is_elsewhere else ()
    words = ("aws", "s3api", "create-bucket", "--bucket", bucket.name, "--region", bucket.region)
    return remedy.command("aws", _CREATOR, *words, *endpoint, *place)


def allow_user(refusal: StoreError, bucket: Bucket) -> Remedies:
    """One more policy for the user that AWS's refusal names: it allows what Mistle does with objects."""
    user = _USER.search(refusal.text[:1000])
    if not user or _NOTHING_ALLOWS not in refusal.text or not _NAME.fullmatch(bucket.name):
        return ()
    partition, name = user.groups()
    resource = f"arn:{partition}:s3:::{bucket.name}/*"
    statement = {"Effect": "Allow", "Action": ACTIONS, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    words = ("aws", "iam", "put-user-policy", f"--user-name={name}", "--policy-name", f"mistle-{bucket.name}")
    return remedy.command("aws", _ADMINISTRATOR, *words, "--policy-document", document)


def endpoint_text(bucket: Bucket) -> str:
    """The endpoint as it is usually written: without a path, and without the default port."""
    endpoint = bucket.endpoint
    if endpoint is None:
        return ""
    is_default = endpoint.port == {"http": 80, "https": 443}.get(endpoint.scheme)
    text = str(replace(endpoint, path=""))
    return text.removesuffix(f":{endpoint.port}") if is_default else text


def correct(bucket: Bucket, corrected: Bucket) -> Remedies:
    """An edit of each part of the address that differs."""
    region = remedy.edit("region", corrected.region) if corrected.region != bucket.region else ()
    moved = corrected.endpoint and corrected.endpoint != bucket.endpoint
    return (*region, *(remedy.edit("endpoint", endpoint_text(corrected)) if moved else ()))
