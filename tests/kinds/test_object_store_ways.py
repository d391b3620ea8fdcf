"""The way to an object store: addresses that are nearly right, and proxies in front that change or forbid requests."""

import time
from collections.abc import Callable

import pytest

from checks.core.finding import Layer, Status
from tests.harness import faults, profiles
from tests.harness.run_check import CheckRun
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
from tests.harness.store_faults import between, changing, error, forbidding, reply, signed_again, without
from tests.testbed import ObjectStore, object_store, swift_object_store
from tests.testbed.names import with_files
from tests.testbed.object_store import BUCKET, OWNER, SWIFT_OWNER, Keys


@pytest.fixture(scope="module")
def named() -> object:
    with object_store(rgw_dns_name="s3.example") as server:
        yield server


def through(store: ObjectStore, answer: Callable[[bytes], bytes | None], **options: object) -> CheckRun:
    with between(store.port, answer) as port:
        return check(f"http://localhost:{port}", **options)  # type: ignore[arg-type]


# Addresses


@pytest.mark.parametrize("path", profiles.first(1, ["/other", "/a/b"]))
def test_path_that_the_store_takes_for_a_bucket(store: ObjectStore, path: str) -> None:
    finding = check(store.url + path).fails(
        "object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path"
    )
    assert "without the path of the endpoint, the store has the bucket" in finding.message


@profiles.long
def test_path_and_a_missing_bucket(store: ObjectStore) -> None:
    result = check(f"{store.url}/other", changes={NAME: "absent"})
    finding = result.fails("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")
    assert "it looked for the bucket 'other', which is the path" in finding.message


def test_bucket_in_the_path_is_a_warning(store: ObjectStore) -> None:
    result = check(f"{store.url}/{BUCKET}")
    result.warns("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")
    assert result["object-store.access"].status is Status.OK
    assert store.objects() == []


@profiles.long
def test_path_of_two_slashes(store: ObjectStore) -> None:
    check(f"{store.url}//").fails("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")


@profiles.long
def test_path_that_a_proxy_removes(store: ObjectStore) -> None:
    def move(lines: list[bytes]) -> list[bytes]:
        return [lines[0].replace(b" /s3/", b" /"), *lines[1:]]

    with between(store.port, changing(store.port, move, b"")) as port:
        result = check(f"http://localhost:{port}/s3")
    result.fails("object-store.bucket-in-endpoint", Layer.ACCESS, ENDPOINT, hint="without a path")


@profiles.long
def test_path_with_a_wrong_secret(store: ObjectStore) -> None:
    result = check(f"{store.url}/other", Keys(OWNER.access_key_id, "wrong"))
    result.fails("object-store.signature-mismatch", Layer.AUTH, SECRET, hint="secret_access_key")


@needs_root
@profiles.long
@pytest.mark.parametrize("path_style", [True, False])
def test_bucket_in_the_host(store: ObjectStore, path_style: bool) -> None:
    url = f"http://{BUCKET}.localhost:{store.port}"
    result = with_files(VIRTUAL_HOST, lambda: check(url, changes={STYLE: path_style}))
    finding = result["object-store.bucket-in-endpoint"]
    assert (finding.status, finding.fields) == (Status.WARN if path_style else Status.FAIL, (ENDPOINT,))
    assert result.status is finding.status
    assert store.objects() == []


def test_host_that_the_store_takes_for_a_bucket(named: ObjectStore) -> None:
    finding = check(named.url).fails("object-store.host-unknown", Layer.ACCESS, ENDPOINT, hint="rgw_dns_name")
    assert "it looked for the bucket 'localhost'" in finding.message


@needs_root
@profiles.long
def test_host_that_the_store_takes_for_a_bucket_with_its_name(named: ObjectStore) -> None:
    result = with_files(VIRTUAL_HOST, lambda: check(named.url, changes={STYLE: False}))
    result.fails("object-store.host-unknown", Layer.ACCESS, ENDPOINT, hint="rgw_dns_name")


@profiles.long
def test_bucket_that_is_missing_at_a_known_host(named: ObjectStore) -> None:
    result = check(f"http://127.0.0.1:{named.port}", changes={NAME: "absent"})
    result.fails("object-store.bucket-missing", Layer.ACCESS, NAME, hint="create the bucket")


def moved(more: str = "", headers: str = "") -> bytes:
    return error("301 Moved Permanently", "PermanentRedirect", more, headers)


ELSEWHERE = f"<Endpoint>{BUCKET}.s3.eu-west-3.amazonaws.com</Endpoint><Bucket>{BUCKET}</Bucket>"


@pytest.mark.parametrize(
    "redirect",
    profiles.first(1, [moved(ELSEWHERE), moved(headers="Location: http://s3.eu-west-3.amazonaws.com/x?y\r\n")]),
    ids=["in the body", "in a header"],
)
def test_endpoint_that_the_store_names(store: ObjectStore, redirect: bytes) -> None:
    finding = through(store, lambda _: redirect).fails(
        "object-store.moved", Layer.ACCESS, ENDPOINT, hint="write http://s3.eu-west-3.amazonaws.com into"
    )
    assert "the bucket is at http://s3.eu-west-3.amazonaws.com" in finding.message


def test_region_and_endpoint_that_the_store_names(store: ObjectStore) -> None:
    result = through(store, lambda _: moved(ELSEWHERE, "x-amz-bucket-region: eu-west-3\r\n"))
    hint = 'write "eu-west-3" into object_store.assets.region (mistle.toml), and http://s3.eu-west-3.amazonaws.com into'
    result.fails("object-store.wrong-region", Layer.AUTH, REGION, ENDPOINT, hint=hint)


def test_region_in_capitals(store: ObjectStore) -> None:
    result = check(store.url, changes={REGION: "US-EAST-1"})
    finding = result["object-store.region-invalid"]
    assert (finding.status, finding.layer, finding.fields) == (Status.WARN, Layer.AUTH, (REGION,))
    assert 'write "us-east-1"' in finding.hint
    assert result["object-store.auth"].fields == (KEY_ID, SECRET)


@profiles.long
@pytest.mark.parametrize("code", ["AuthorizationHeaderMalformed", "SignatureDoesNotMatch"])
def test_region_in_capitals_that_the_store_refuses(store: ObjectStore, code: str) -> None:
    def answer(request: bytes) -> bytes | None:
        return error("400 Bad Request", code) if b"/US-EAST-1/" in request else None

    with between(store.port, answer) as port:
        result = check(f"http://localhost:{port}", changes={REGION: "US-EAST-1"})
    result.fails("object-store.wrong-region", Layer.AUTH, REGION, hint='write "us-east-1"')


@profiles.long
def test_region_in_capitals_at_swift() -> None:
    with swift_object_store() as swift:
        result = check(swift.url, SWIFT_OWNER, {REGION: "EU-CENTRAL-1"})
    result.fails("object-store.wrong-region", Layer.AUTH, REGION, hint='write "eu-central-1"')


# Keys


def test_temporary_keys(store: ObjectStore) -> None:
    result = check(store.url, Keys("ASIA0000000000000001", "secret"))
    result.fails("object-store.temporary-keys", Layer.AUTH, KEY_ID, hint="permanent user")


@profiles.long
@pytest.mark.parametrize("code", ["InvalidToken", "ExpiredToken", "InvalidTokenId", "TokenRefreshRequired"])
def test_temporary_keys_by_other_codes(store: ObjectStore, code: str) -> None:
    result = through(store, lambda _: error("400 Bad Request", code))
    result.fails("object-store.temporary-keys", Layer.AUTH, KEY_ID, hint="permanent user")


@pytest.mark.parametrize("read_only", profiles.first(1, [False, True]))
def test_store_that_checks_no_secret(store: ObjectStore, read_only: bool) -> None:
    with between(store.port, signed_again(store.port)) as port:
        result = check(f"http://localhost:{port}", Keys("any", "thing"), read_only=read_only)
    finding = result.warns("object-store.secret-not-checked", Layer.AUTH, KEY_ID, SECRET, hint="check signatures")
    assert "with a made-up secret" in finding.message
    assert result["object-store.auth"].fields == (REGION,)
    assert store.objects() == []


# Proxies that change requests or replies


DROPPED = [b"x-amz-checksum-crc32", b"x-amz-sdk-checksum", b"content-type", b"amz-sdk-request", b"x-amz-user-agent"]


@pytest.mark.parametrize("header", profiles.first(1, DROPPED), ids=bytes.decode)
def test_proxy_that_drops_a_header_of_an_upload(store: ObjectStore, header: bytes) -> None:
    result = through(store, changing(store.port, without(header), b"PUT"))
    finding = result.fails("object-store.request-altered", Layer.ACCESS, ENDPOINT, hint="forward requests unchanged")
    ends = "without its checksum it is accepted" if b"checksum" in header else "same keys was accepted before"
    assert finding.message.endswith(ends)
    assert "SignatureDoesNotMatch" in finding.message
    assert store.objects() == []


@profiles.long
@pytest.mark.parametrize("method", [b"HEAD", b"DELETE"])
def test_proxy_that_changes_other_requests(store: ObjectStore, method: bytes) -> None:
    result = through(store, changing(store.port, without(b"amz-sdk-request"), method))
    id_ = {b"HEAD": "proxy.refused", b"DELETE": "object-store.request-altered"}[method]
    result.fails(id_, Layer.ACCESS, ENDPOINT, hint="the proxy")
    for key in store.objects():
        store.client().delete_object(Bucket=BUCKET, Key=key)


@profiles.long
@pytest.mark.parametrize("code", ["BadDigest", "IncompleteBody", "MissingContentLength", "XAmzContentSHA256Mismatch"])
def test_upload_that_arrived_otherwise(store: ObjectStore, code: str) -> None:
    refusal = error("400 Bad Request", code)
    result = through(store, lambda request: refusal if request.startswith(b"PUT") else None)
    result.fails("object-store.request-altered", Layer.ACCESS, ENDPOINT, hint="forward requests unchanged")


SWALLOWED = [reply("200 OK", headers='ETag: "x"\r\n'), reply("200 OK", "<html/>", "Content-Type: text/html\r\n")]


@pytest.mark.parametrize("accepted", profiles.first(1, SWALLOWED), ids=["as a store", "with a page"])
def test_proxy_that_swallows_uploads(store: ObjectStore, accepted: bytes) -> None:
    result = through(store, lambda request: accepted if request.startswith(b"PUT") else None)
    finding = result.fails("object-store.not-read-back", Layer.ACCESS, ENDPOINT, hint="store itself")
    assert "PutObject was accepted, and then HeadObject was answered with 404" in finding.message


@profiles.long
def test_object_that_only_its_head_shows(store: ObjectStore) -> None:
    gets: list[bytes] = []

    def answer(request: bytes) -> bytes | None:
        gets.extend([request] if request.startswith(b"GET") else [])
        return error("404 Not Found", "NoSuchKey") if request.startswith(b"GET") and len(gets) > 2 else None

    result = through(store, answer)
    result.fails("object-store.not-read-back", Layer.ACCESS, ENDPOINT, hint="store itself")
    assert store.objects() == []


def test_proxy_that_swallows_deletions(store: ObjectStore) -> None:
    result = through(store, lambda request: reply("204 No Content") if request.startswith(b"DELETE") else None)
    finding = result.warns("object-store.leftover", Layer.ACCESS, NAME, hint="remove it")
    [key] = store.objects()
    store.client().delete_object(Bucket=BUCKET, Key=key)
    assert f"{BUCKET}/{key} may remain: DeleteObject was accepted, and HeadObject still finds it" in finding.message


# Proxies that forbid requests

FORBIDDEN = [
    (method, status)
    for method in (b"PUT", b"HEAD", b"DELETE")
    for status in ("405 Not Allowed", "403 Forbidden", "501 Not Implemented", "400 Bad Request")
]


@pytest.mark.parametrize(("method", "status"), profiles.first(1, FORBIDDEN))
def test_proxy_that_forbids_a_method(store: ObjectStore, method: bytes, status: str) -> None:
    result = through(store, forbidding(status, method))
    finding = result.fails("proxy.refused", Layer.ACCESS, ENDPOINT, hint="the proxy or")
    assert "nginx" in finding.message
    assert status[:3] in finding.message
    for key in store.objects():
        store.client().delete_object(Bucket=BUCKET, Key=key)
        assert key in result["object-store.leftover"].message


def test_proxy_that_limits_bodies(store: ObjectStore) -> None:
    result = through(store, forbidding("413 Request Entity Too Large", b"PUT"))
    result.fails("proxy.refused", Layer.ACCESS, ENDPOINT, hint="client_max_body_size")


@profiles.long
@pytest.mark.parametrize(
    ("code", "key", "hint"),
    [
        ("XMinioAdminBucketQuotaExceeded", NAME, "raise the quota"),
        ("KMS.DisabledException", NAME, "kms:GenerateDataKey"),
        ("InvalidStorageClass", NAME, "STANDARD"),
        ("MethodNotAllowed", ENDPOINT, "accept PUT"),
        ("SomethingElse", NAME, "what its code names"),
    ],
)
def test_refusals_of_the_store(store: ObjectStore, code: str, key: str, hint: str) -> None:
    refusal = error("400 Bad Request", code)
    result = through(store, lambda request: refusal if request.startswith(b"PUT") else None)
    result.fails("object-store.refused", Layer.ACCESS, key, hint=hint)


# Errors and time


@pytest.mark.parametrize("reason", profiles.first(1, ["Erreur interne é".encode(), b"Erreur interne \xe9"]))
def test_reason_of_an_error_is_shown(reason: bytes) -> None:
    with faults.http_port(b"HTTP/1.1 500 " + reason + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as port:
        result = check(f"http://127.0.0.1:{port}")
    finding = result.fails("object-store.server-error", Layer.ACCESS, ENDPOINT, hint="log of the store")
    assert "500 Erreur interne é" in finding.message


def delayed(seconds: float, requests: list[bytes]) -> Callable[[bytes], None]:
    def answer(request: bytes) -> None:
        requests.append(request.split()[0])
        time.sleep(seconds)

    return answer


@profiles.long
def test_slow_store_does_not_fail(store: ObjectStore) -> None:
    result = through(store, delayed(1.0, []), timeout=10.0)
    assert result.status is not Status.FAIL, result
    assert store.objects() == []


def test_nothing_is_put_into_a_store_too_slow_to_remove_it(store: ObjectStore) -> None:
    requests: list[bytes] = []
    result = through(store, delayed(1.5, requests), timeout=8.0)
    finding = result.warns("network.slow", Layer.ACCESS, ENDPOINT, hint="--timeout")
    assert "no object was put" in finding.message
    assert set(requests) == {b"GET", b"HEAD"}
