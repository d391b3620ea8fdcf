"""Object stores of other makes, which check signatures: the healthy case, and the main faults."""

from collections.abc import Iterator

import pytest

from checks.core.finding import Layer, Status
from checks.object_store import ObjectStore
from tests.harness import profiles
from tests.harness.store_check import (
    ENDPOINT,
    KEY_ID,
    NAME,
    REGION,
    SECRET,
    STYLE,
    VIRTUAL_HOST,
    check,
    needs_root,
)
from tests.testbed import makes
from tests.testbed.names import with_files
from tests.testbed.object_store import BUCKET, OWNER, READER, STRANGER, WRITER, Keys
from tests.testbed.other_stores import PROGRAMS, OtherStore, other_store

pytestmark = profiles.long


@pytest.fixture(scope="module", params=PROGRAMS)
def other(request: pytest.FixtureRequest) -> Iterator[OtherStore]:
    if reason := makes.unavailable(PROGRAMS[request.param]):
        pytest.skip(reason)
    with other_store(request.param) as store:
        yield store


@pytest.fixture(scope="module")
def seaweedfs() -> Iterator[OtherStore]:
    if reason := makes.unavailable("weed"):
        pytest.skip(reason)
    with other_store("SeaweedFS") as store:
        yield store


def test_versions_are_documented() -> None:
    for requirement in makes.requirements():
        name, _, version = requirement.partition("-bin==")
        tried = f"{name} {version.rpartition('.')[0] if version.count('.') > 1 else version}"
        assert tried in (ObjectStore.__doc__ or "").lower()


@pytest.mark.parametrize("read_only", [False, True])
def test_healthy_store(other: OtherStore, read_only: bool) -> None:
    result = check(other.url, read_only=read_only)
    assert result.status is (Status.SKIP if read_only else Status.OK), result
    assert result["object-store.auth"].fields == (KEY_ID, SECRET, REGION)
    assert other.objects() == []


def test_wrong_secret(other: OtherStore) -> None:
    result = check(other.url, Keys(OWNER.access_key_id, "wrong"))
    result.fails("object-store.signature-mismatch", Layer.AUTH, SECRET, hint="secret_access_key")


@pytest.mark.parametrize("key_id", ["nobody", "ASIA0000000000000001"])
def test_unknown_access_key(other: OtherStore, key_id: str) -> None:
    cause = "temporary-keys" if key_id.startswith("ASIA") else "unknown-access-key"
    check(other.url, Keys(key_id, "wrong")).fails(f"object-store.{cause}", Layer.AUTH, KEY_ID, hint="access_key_id")


@pytest.mark.parametrize("read_only", [False, True])
def test_missing_bucket(other: OtherStore, read_only: bool) -> None:
    before = other.buckets()
    result = check(other.url, changes={NAME: "absent"}, read_only=read_only)
    result.fails("object-store.bucket-missing", Layer.ACCESS, NAME, hint="create the bucket")
    assert other.buckets() == before


def test_bucket_in_the_path(other: OtherStore) -> None:
    result = check(f"{other.url}/{BUCKET}")
    result.warns("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")
    assert other.objects() == []


def test_another_path(other: OtherStore) -> None:
    before = other.buckets()
    result = check(f"{other.url}/other")
    result.fails("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")
    assert other.buckets() == before


def test_path_style_needed(other: OtherStore) -> None:
    result = check(other.url, changes={STYLE: False})
    result.fails("object-store.path-style-needed", Layer.DNS, STYLE, hint="to true")


def test_region_in_capitals(other: OtherStore) -> None:
    result = check(other.url, changes={REGION: "US-EAST-1"})
    result.warns("object-store.region-invalid", Layer.AUTH, REGION, hint='"us-east-1"')


@needs_root
def test_virtual_host_style(seaweedfs: OtherStore) -> None:
    result = with_files(VIRTUAL_HOST, lambda: check(seaweedfs.url, changes={STYLE: False}))
    result.passes("object-store.access", Layer.ACCESS, NAME, STYLE)


@pytest.mark.parametrize(("keys", "operation"), [(READER, "PutObject"), (STRANGER, "PutObject")])
def test_user_without_a_right(seaweedfs: OtherStore, keys: Keys, operation: str) -> None:
    finding = check(seaweedfs.url, keys).fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:PutObject")
    assert operation in finding.message


def test_user_who_may_write(seaweedfs: OtherStore) -> None:
    check(seaweedfs.url, WRITER).passes("object-store.access", Layer.ACCESS, NAME, STYLE)


def test_missing_bucket_for_a_user_who_is_no_administrator(seaweedfs: OtherStore) -> None:
    result = check(seaweedfs.url, WRITER, {NAME: "absent"})
    result.fails("object-store.bucket-missing", Layer.ACCESS, NAME, hint="create the bucket")
