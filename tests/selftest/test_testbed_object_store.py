"""The object stores of the test bed behave as their docstrings say."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from tests.harness import profiles
from tests.testbed import Authority, ObjectStore, object_store, proxy, swift_object_store
from tests.testbed.names import can_change_names, with_files
from tests.testbed.object_store import BUCKET, FOREIGN_BUCKET, MINIMAL, OWNER, READER, STRANGER, SUSPENDED, WRITER, Keys

pytestmark = profiles.long  # the tests of each kind show this too

OBJECT = {"Bucket": BUCKET, "Key": "mistle-preflight/x"}


def test_object_store_rights(store: ObjectStore) -> None:
    for keys in (OWNER, MINIMAL):
        client = store.client(keys)
        client.put_object(**OBJECT, Body=b"bytes", ChecksumAlgorithm="CRC32")
        assert client.get_object(**OBJECT)["Body"].read() == b"bytes"
        assert store.objects() == [OBJECT["Key"]]
        client.delete_object(**OBJECT)
    assert store.objects() == []


REFUSED = [
    (READER, "put_object", "AccessDenied"),
    (WRITER, "delete_object", "AccessDenied"),
    (STRANGER, "get_object", "AccessDenied"),
    (SUSPENDED, "get_object", "UserSuspended"),
    (Keys("nobody", "secret"), "get_object", "InvalidAccessKeyId"),
    (Keys(OWNER.access_key_id, "wrong"), "get_object", "SignatureDoesNotMatch"),
    (MINIMAL, "head_object", "403"),
    (OWNER, "head_object", "404"),
]


@pytest.mark.parametrize(("keys", "operation", "code"), REFUSED)
def test_object_store_refuses(store: ObjectStore, keys: Keys, operation: str, code: str) -> None:
    assert refusal(store, operation, keys, **OBJECT) == code


def test_object_store_other_buckets(store: ObjectStore) -> None:
    assert store.objects(FOREIGN_BUCKET, STRANGER) == []
    assert refusal(store, "list_objects_v2", Bucket=FOREIGN_BUCKET) == "AccessDenied"
    assert refusal(store, "list_objects_v2", Bucket="absent") == "NoSuchBucket"


def test_object_store_tls(authority: Authority) -> None:
    with object_store(certificate=authority.leaf()) as server, authority.trusted() as path:
        server.client(verify=path).put_object(**OBJECT, Body=b"bytes")
        with pytest.raises(SSLError):
            server.client(verify=True).put_object(**OBJECT, Body=b"bytes")


VIRTUAL_HOSTS = {"/etc/hosts": f"127.0.0.1 localhost {BUCKET}.localhost\n".encode()}
needs_root = pytest.mark.skipif(not can_change_names(), reason="needs root, for a name that resolves")


@needs_root
def test_object_store_virtual_host(store: ObjectStore) -> None:
    client = store.client(config=Config(s3={"addressing_style": "virtual"}))
    assert with_files(VIRTUAL_HOSTS, lambda: client.list_objects_v2(Bucket=BUCKET))["Name"] == BUCKET


@needs_root
def test_object_store_path_style_only() -> None:
    with object_store(rgw_dns_name="") as server:
        client = server.client(config=Config(s3={"addressing_style": "virtual"}))
        with pytest.raises(ClientError, match="NoSuchBucket"):
            with_files(VIRTUAL_HOSTS, lambda: client.get_object(**OBJECT))
        assert server.objects() == []


def test_store_that_refuses_checksums(store: ObjectStore) -> None:
    with proxy(store.url, "refuses_checksums") as front:
        client = store.client(endpoint_url=f"http://{front.host}:{front.port}")
        assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
        with pytest.raises(ClientError, match="NotImplemented"):
            client.put_object(**OBJECT, Body=b"bytes", ChecksumAlgorithm="CRC32")


def test_swift_accepts_only_its_region() -> None:
    with swift_object_store() as server:
        unsigned: list[int] = []
        client = server.client(region="us-east-1")
        client.meta.events.register("before-send.s3", lambda request, **_: unsigned.append(1))
        client.put_object(**OBJECT, Body=b"bytes")
        assert len(unsigned) == 2
        assert server.objects() == [OBJECT["Key"]]


def test_swift_clock() -> None:
    with swift_object_store(clock="+20m") as server:
        assert refusal(server, "list_objects_v2", Bucket=BUCKET) == "RequestTimeTooSkewed"


def refusal(server: ObjectStore, operation: str, keys: Keys | None = None, **arguments: object) -> str:
    """The code with which an operation is refused."""
    with pytest.raises(ClientError) as caught:
        getattr(server.client(keys), operation)(**arguments)
    return str(caught.value.response["Error"]["Code"])
