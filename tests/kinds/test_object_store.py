"""Object stores on real servers, each fault for real."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from checks.net.endpoint import Endpoint
from checks.object_store.bucket import Bucket
from checks.object_store.client import client
from checks.object_store.store import Store
from checks.object_store.transport import Connections
from preflight.config.loader import Config
from preflight.config.values import Values
from preflight.plan.plan import plan
from preflight.run.isolation import isolated
from preflight.run.runner import run
from tests.harness import answers, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.descriptor import Descriptor, Family, RunAt, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict
from tests.harness.run_check import CheckRun, planned, run_check
from tests.harness.store_faults import PUBLIC, ask, between, error, from_outside, reply
from tests.harness.waiting import until
from tests.testbed import Authority, ObjectStore, object_store, proxy, swift_object_store
from tests.testbed.names import can_change_names, name_server, with_files
from tests.testbed.object_store import (
    BUCKET,
    FOREIGN_BUCKET,
    IMAGES_BUCKET,
    MINIMAL,
    OWNER,
    READER,
    STRANGER,
    SUSPENDED,
    SWIFT_OWNER,
    SWIFT_REGION,
    WRITER,
    Keys,
)

ASSETS, STORAGE = "object_store.assets", "object_store.sandbox_storage"
ENDPOINT, NAME, REGION, STYLE, KEY_ID, SECRET = (
    f"{ASSETS}.{name}"
    for name in ("endpoint", "bucket_name", "region", "force_path_style", "access_key_id", "secret_access_key")
)
SIGNED = (
    *(b"host", b"content-length", b"content-type", b"amz-sdk-invocation-id", b"amz-sdk-request"),
    *(b"x-amz-checksum-crc32", b"x-amz-content-sha256", b"x-amz-date", b"x-amz-sdk-checksum-algorithm"),
    b"x-amz-user-agent",
)
"""What the SDK for JavaScript signs of an upload."""
VIRTUAL_HOST = {"/etc/hosts": f"127.0.0.1 localhost {BUCKET}.localhost\n".encode()}
needs_root = pytest.mark.skipif(not can_change_names(), reason="needs root, for names and networks of its own")


def values(url: str, keys: Keys = OWNER, **changes: object) -> dict[str, object]:
    given = {ENDPOINT: url, NAME: BUCKET, REGION: "us-east-1", STYLE: True}
    given |= {KEY_ID: keys.access_key_id, SECRET: keys.secret_access_key}
    given |= {f"{ASSETS}.{name}": value for name, value in changes.items()}
    return {key: value for key, value in given.items() if value is not None}


def mounted(url: str, keys: Keys = OWNER) -> dict[str, object]:
    return {
        f"{STORAGE}.endpoint": url,
        f"{STORAGE}.bucket_name": BUCKET,
        f"{STORAGE}.access_key_id": keys.access_key_id,
        f"{STORAGE}.secret_access_key": keys.secret_access_key,
        "sandbox.storage.backend": "archil",
        "sandbox.storage.archil.mount_object_store": "sandbox_storage",
    }


def check(url: str, keys: Keys = OWNER, changes: dict[str, object] | None = None, **options: object) -> CheckRun:
    return run_check(ASSETS, values(url, keys, **changes or {}), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tls(authority: Authority) -> Iterator[ObjectStore]:
    with object_store(certificate=authority.leaf("localhost")) as server:
        yield server


@pytest.fixture(scope="module")
def swift() -> Iterator[ObjectStore]:
    with swift_object_store() as server:
        yield server


# What passes


@profiles.quick
@pytest.mark.parametrize("keys", [OWNER, MINIMAL])
def test_every_layer_passes_and_nothing_remains(store: ObjectStore, keys: Keys) -> None:
    result = check(store.url, keys)
    result.passes("object-store.access", Layer.ACCESS, NAME, STYLE)
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "auth", "access"]
    assert result["object-store.connect"].fields == (ENDPOINT,)
    assert result["object-store.auth"].fields == (KEY_ID, SECRET, REGION)
    assert store.objects() == []


def test_check_builds_one_client(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs 20 ms of CPU."""
    built: list[Bucket] = []

    def counted(bucket: Bucket) -> object:
        built.append(bucket)
        return client(bucket)

    monkeypatch.setattr("checks.object_store.store.client", counted)
    check(store.url).passes("object-store.access", Layer.ACCESS, NAME, STYLE)
    assert len(built) == 1


def test_requests_are_those_of_mistle(store: ObjectStore) -> None:
    requests: list[bytes] = []
    with between(store.port, requests.append) as port:
        check(f"http://localhost:{port}").passes("object-store.access", Layer.ACCESS, NAME, STYLE)
    assert [request.split()[0] for request in requests] == [
        *(b"GET", b"HEAD", b"GET"),  # an absent object, the bucket, the object with a made-up secret
        *(b"PUT", b"HEAD", b"GET", b"DELETE", b"HEAD"),
    ]
    asked = requests.pop(1)
    assert asked.split()[1] == f"/{BUCKET}".encode()
    paths = {request.split()[1].partition(b"?")[0] for request in requests}
    [path] = paths
    assert path.startswith(f"/{BUCKET}/mistle-preflight/".encode())
    put = requests[2].lower()
    assert path + b"?x-id=PutObject " in requests[2]
    signed = put.partition(b"signedheaders=")[2].partition(b",")[0].split(b";")
    assert signed == sorted(SIGNED)
    assert b"x-amz-checksum-crc32: " in put
    assert b"x-amz-sdk-checksum-algorithm: crc32" in put
    assert b"trailer" not in put
    assert b"\r\nexpect:" not in put
    assert b"unsigned" not in put


def test_tls(tls: ObjectStore, authority: Authority) -> None:
    with authority.trusted() as path:
        result = check(tls.url, extra=Path(path))
        assert "Contents" not in tls.client(verify=path).list_objects_v2(Bucket=BUCKET)
    result.passes("object-store.tls", Layer.TLS, ENDPOINT)
    assert result["object-store.access"].status is Status.OK


@needs_root
def test_virtual_host_style(store: ObjectStore) -> None:
    result = with_files(VIRTUAL_HOST, lambda: check(store.url, changes={"force_path_style": None}))
    result.passes("object-store.access", Layer.ACCESS, NAME, STYLE)
    assert result["object-store.dns"].message == f"{BUCKET}.localhost resolves"


def test_ip_address_takes_path_style(store: ObjectStore) -> None:
    result = check(f"http://127.0.0.1:{store.port}", changes={"force_path_style": False})
    result.passes("object-store.access", Layer.ACCESS, NAME, STYLE)


def test_swift_passes(swift: ObjectStore) -> None:
    result = check(swift.url, SWIFT_OWNER, {"region": SWIFT_REGION})
    result.passes("object-store.auth", Layer.AUTH, KEY_ID, SECRET, REGION)
    assert swift.objects() == []


def test_versions_are_removed() -> None:
    with object_store() as server:
        client = server.client()
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        check(server.url).passes("object-store.access", Layer.ACCESS, NAME, STYLE)
        assert not {"Versions", "DeleteMarkers"} & client.list_object_versions(Bucket=BUCKET).keys()
        finding = check(server.url, MINIMAL).passes("object-store.leftover", Layer.ACCESS, NAME)
        [version] = client.list_object_versions(Bucket=BUCKET)["Versions"]
    assert version["Key"] in finding.message
    assert "may not delete" in finding.message


# The endpoints that @aws-sdk/client-s3 3.1173 was seen to use with the same configuration.
ENDPOINTS = [
    ("http://127.0.0.1:9000", IMAGES_BUCKET, "us-east-1", False, "http://127.0.0.1:9000/"),
    ("http://[::1]:9000", IMAGES_BUCKET, "us-east-1", False, "http://[::1]:9000/"),
    ("http://minio:9000", IMAGES_BUCKET, "us-east-1", False, f"http://{IMAGES_BUCKET}.minio:9000/"),
    ("http://minio:9000", IMAGES_BUCKET, "us-east-1", True, "http://minio:9000/"),
    ("http://minio:9000", "b1", "us-east-1", False, "http://minio:9000/"),
    ("http://minio:9000", "Capital", "us-east-1", False, "http://minio:9000/"),
    ("http://minio:9000", "mine.bucket", "us-east-1", False, "http://mine.bucket.minio:9000/"),
    ("https://s3.example", "mine.bucket", "us-east-1", False, "https://s3.example:443/"),
    ("https://s3.example/base", IMAGES_BUCKET, "us-east-1", False, f"https://{IMAGES_BUCKET}.s3.example:443/"),
    ("", IMAGES_BUCKET, "us-east-1", False, f"https://{IMAGES_BUCKET}.s3.us-east-1.amazonaws.com:443/"),
    ("", IMAGES_BUCKET, "us-east-1", True, "https://s3.us-east-1.amazonaws.com:443/"),
    ("", IMAGES_BUCKET, "eu-central-1", False, f"https://{IMAGES_BUCKET}.s3.eu-central-1.amazonaws.com:443/"),
    ("", IMAGES_BUCKET, "cn-north-1", True, "https://s3.cn-north-1.amazonaws.com.cn:443/"),
    ("", "mine.bucket", "eu-west-1", False, "https://s3.eu-west-1.amazonaws.com:443/"),
]


@pytest.mark.parametrize(("url", "bucket", "region", "path_style", "endpoint"), ENDPOINTS)
def test_endpoint_is_that_of_the_javascript_sdk(
    url: str, bucket: str, region: str, path_style: bool, endpoint: str
) -> None:
    subject = planned(ASSETS, values(url or None, bucket_name=bucket, region=region, force_path_style=path_style))  # type: ignore[arg-type]
    assert str(Store(subject.bucket, Connections(Trust().web, (1.0, 1.0))).endpoint) == endpoint  # type: ignore[attr-defined]


# Keys, region, clock


@pytest.mark.parametrize("key_id", ["nobody", "mistle/local", f"{OWNER.access_key_id}\n"])
def test_unknown_access_key(store: ObjectStore, key_id: str) -> None:
    result = check(store.url, Keys(key_id, OWNER.secret_access_key))
    result.fails("object-store.unknown-access-key", Layer.AUTH, KEY_ID, hint="object_store.assets.access_key_id")
    assert result["object-store.access"].message == "not reached"


def test_wrong_secret(store: ObjectStore) -> None:
    result = check(store.url, Keys(OWNER.access_key_id, "wrong"))
    result.fails("object-store.signature-mismatch", Layer.AUTH, SECRET, hint="secret_access_key (mistle.toml)")
    assert "wrong" not in str(result)


@pytest.mark.parametrize("code", ["Unauthorized", "AuthorizationHeaderMalformed"])
def test_unknown_access_key_by_other_codes(code: str) -> None:
    with faults.http_port(error("401 Unauthorized", code)) as port:
        result = check(f"http://127.0.0.1:{port}")
    result.fails("object-store.unknown-access-key", Layer.AUTH, KEY_ID, hint="access_key_id")


def denying(store: ObjectStore, texts: dict[bytes, str]) -> AbstractContextManager[int]:
    """The store, with one code for wrong keys and for missing permissions; ``texts`` by the store's own code."""

    def answer(request: bytes) -> bytes:
        reply = ask(store.port, request)
        text = next((text for code, text in texts.items() if b"<Code>" + code in reply), None)
        return reply if text is None else error("403 Forbidden", "AccessDenied", message=text)

    return between(store.port, answer)


GARAGE = {
    b"InvalidAccessKeyId": "Forbidden: No such key: GK1",
    b"SignatureDoesNotMatch": "Forbidden: Invalid signature",
}
SAME_TEXT = dict.fromkeys(GARAGE, "Access Denied.")
WRONG_KEYS = [Keys("nobody", "wrong"), Keys(OWNER.access_key_id, "wrong")]


@pytest.mark.parametrize("read_only", [False, True])
def test_wrong_keys_as_garage_replies(store: ObjectStore, read_only: bool) -> None:
    with denying(store, GARAGE) as port:
        unknown, wrong = (check(f"http://localhost:{port}", keys, read_only=read_only) for keys in WRONG_KEYS)
        minimal = check(f"http://localhost:{port}", MINIMAL, read_only=True)
    unknown.fails("object-store.unknown-access-key", Layer.AUTH, KEY_ID, hint="access_key_id")
    wrong.fails("object-store.signature-mismatch", Layer.AUTH, SECRET, hint="secret_access_key")
    assert minimal["object-store.auth"].status is Status.OK


@pytest.mark.parametrize("keys", [*WRONG_KEYS, MINIMAL])
def test_denial_for_any_secret_proves_no_keys(store: ObjectStore, keys: Keys) -> None:
    with denying(store, SAME_TEXT) as port:
        result = check(f"http://localhost:{port}", keys, read_only=True)
    skipped = result["object-store.auth"]
    assert (skipped.status, skipped.fields) == (Status.SKIP, (KEY_ID, SECRET, REGION))
    assert "made-up secret" in skipped.message
    proven = {key for finding in result.findings if finding.status is Status.OK for key in finding.fields}
    assert not {KEY_ID, SECRET, REGION} & proven


def test_upload_proves_keys_that_a_denial_did_not(store: ObjectStore) -> None:
    with denying(store, SAME_TEXT) as port:
        result, wrong = (check(f"http://localhost:{port}", keys) for keys in (MINIMAL, WRONG_KEYS[1]))
    assert result["object-store.auth"].status is Status.SKIP
    proven = result["object-store.access"]
    assert (proven.status, proven.fields) == (Status.OK, (NAME, STYLE, KEY_ID, SECRET, REGION))
    wrong.fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:PutObject")
    assert store.objects() == []


@needs_root
def test_wrong_keys_with_unknown_style() -> None:
    """For a bucket without a region, the check tries both styles; the second reply about the keys counts."""
    refused = error("403 Forbidden", "InvalidAccessKeyId")

    def answer(request: bytes) -> bytes:
        return refused if f"\r\nhost: {BUCKET}.".encode() in request.lower() else reply("404 Not Found")

    with between(1, answer) as port:
        result = with_files(
            VIRTUAL_HOST, lambda: run_check(STORAGE, mounted(f"http://localhost:{port}"), read_only=True)
        )
    result.fails("object-store.unknown-access-key", Layer.AUTH, f"{STORAGE}.access_key_id", hint="access_key_id")


def test_suspended_user(store: ObjectStore) -> None:
    result = check(store.url, SUSPENDED)
    result.fails("object-store.account-suspended", Layer.AUTH, KEY_ID, hint="switch the user")


def test_wrong_region(swift: ObjectStore) -> None:
    result = check(swift.url, SWIFT_OWNER)
    hint = f'write "{SWIFT_REGION}" into object_store.assets.region'
    finding = result.fails("object-store.wrong-region", Layer.AUTH, REGION, hint=hint)
    assert SWIFT_REGION in finding.message


def test_wrong_region_as_aws_replies(store: ObjectStore) -> None:
    moved = error("301 Moved", "PermanentRedirect", headers="x-amz-bucket-region: eu-west-3\r\n")
    with between(store.port, lambda _: moved) as port:
        result = check(f"http://localhost:{port}")
    result.fails("object-store.wrong-region", Layer.AUTH, REGION, hint='write "eu-west-3"')


@pytest.mark.parametrize(
    ("date", "pattern"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", r"clock is 29\d{5} days behind the store's"),
        ("Fri, 31 Dec 9999 23:59:59 -0000", r"clock is 29\d{5} days behind the store's"),
        ("Fri, 31 Dec 9999 23:59:59 -2359", r"clock is 29\d{5} days behind the store's"),
        ("Mon, 01 Jan 0101 00:00:00 +2359", r"clock is 7\d{5} days ahead of the store's"),
        ("Fri, 31 Dec 2026 23:59:59 +99999999999999", "whose Date cannot be read"),
        ("soon", "whose Date cannot be read"),
    ],
    ids=["the last day", "without a zone", "past the last day", "the first day", "a long zone", "no date"],
)
def test_extreme_and_malformed_dates(store: ObjectStore, date: str, pattern: str) -> None:
    skewed = error("403 Forbidden", "RequestTimeTooSkewed", headers=f"Date: {date}\r\n")
    with between(store.port, lambda _: skewed) as port:
        finding = check(f"http://localhost:{port}").fails("object-store.clock-skew", Layer.AUTH, hint="NTP")
    assert re.search(pattern, finding.message), finding.message


@pytest.mark.parametrize(("clock", "seconds", "direction"), [("+20m", 1200, "behind"), ("-2h", 7200, "ahead of")])
def test_clock_skew(clock: str, seconds: int, direction: str) -> None:
    with swift_object_store(clock=clock) as server:
        result = check(server.url, SWIFT_OWNER, {"region": SWIFT_REGION})
    finding = result.fails("object-store.clock-skew", Layer.AUTH, hint="NTP")
    observed = int(finding.message.split("clock is ")[1].split(" s ")[0])
    assert abs(observed - seconds) <= 3
    assert direction in finding.message
    assert re.search(r"\(here .* GMT, there .* GMT\)", finding.message)
    assert "endpoint (mistle.toml)" in finding.hint


@pytest.mark.parametrize(
    ("change", "finding_id", "key"),
    [
        ({"region": "EU west"}, "object-store.region-invalid", REGION),
        ({"bucket_name": "a bucket"}, "object-store.bucket-name-invalid", NAME),
        ({"bucket_name": "arn:aws:s3:us-east-1:1:accesspoint/x"}, "object-store.bucket-name-invalid", NAME),
    ],
)
def test_invalid_region_and_bucket_name(change: dict[str, object], finding_id: str, key: str) -> None:
    result = check("http://localhost:1", changes=change)
    hint = "the bucket's own name" if "arn:" in str(change) else "letters, digits and hyphens"
    result.fails(finding_id, Layer.CONFIG, key, hint=hint)
    assert result["object-store.dns"].message == "not reached"


@pytest.mark.parametrize("changes", [{}, {"force_path_style": False}])
def test_name_with_dots_before_an_ip_address(store: ObjectStore, changes: dict[str, object]) -> None:
    result = check(f"http://127.0.0.1:{store.port}", changes={"bucket_name": "mine.bucket", **changes})
    if changes:
        result.fails("object-store.path-style-needed", Layer.DNS, STYLE, hint="to true")
    else:
        result.fails("object-store.bucket-missing", Layer.ACCESS, NAME, hint="create the bucket")


# Bucket and permissions


@pytest.mark.parametrize("read_only", [False, True])
def test_missing_bucket(store: ObjectStore, read_only: bool) -> None:
    result = check(store.url, changes={"bucket_name": "absent"}, read_only=read_only)
    result.fails("object-store.bucket-missing", Layer.ACCESS, NAME, hint="create the bucket")
    assert result["object-store.auth"].message == "not proven"


def test_bucket_of_another_user(store: ObjectStore) -> None:
    result = check(store.url, changes={"bucket_name": FOREIGN_BUCKET})
    finding = result.fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:PutObject")
    assert "PutObject" in finding.message
    assert store.objects(FOREIGN_BUCKET, STRANGER) == []


def test_may_not_put(store: ObjectStore) -> None:
    finding = check(store.url, READER).fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:PutObject")
    assert "PutObject was answered with 403 AccessDenied" in finding.message


def test_may_not_delete(store: ObjectStore) -> None:
    result = check(store.url, WRITER)
    finding = result.fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:DeleteObject")
    assert "DeleteObject" in finding.message
    [leftover_key] = store.objects()
    store.client().delete_object(Bucket=BUCKET, Key=leftover_key)
    leftover = result["object-store.leftover"]
    assert leftover.status is Status.WARN
    assert leftover.fields == (NAME,)
    assert f"{BUCKET}/{leftover_key}" in leftover.message


@pytest.mark.parametrize("methods", [(b"HEAD", b"GET"), (b"GET",)])
def test_may_not_read(store: ObjectStore, methods: tuple[bytes, ...]) -> None:
    denied = error("403 Forbidden", "AccessDenied")
    with between(store.port, lambda request: denied if request.startswith(methods) else None) as port:
        result = check(f"http://localhost:{port}")
    finding = result.fails("object-store.access-denied", Layer.ACCESS, KEY_ID, hint="s3:GetObject")
    assert "GetObject was answered with 403" in finding.message
    assert store.objects() == []


def test_quota_exceeded() -> None:
    full = error("403 Forbidden", "QuotaExceeded")
    with (
        object_store() as server,
        between(server.port, lambda request: full if request.startswith(b"PUT") else None) as port,
    ):
        result = check(f"http://localhost:{port}")
        assert server.objects() == []
    finding = result.fails("object-store.refused", Layer.ACCESS, NAME, hint="raise the quota")
    assert "PutObject was answered with 403 QuotaExceeded (Not here)" in finding.message


# Style


def test_path_style_needed_as_the_name_does_not_resolve(store: ObjectStore) -> None:
    result = check(store.url, changes={"force_path_style": None})
    finding = result.fails("object-store.path-style-needed", Layer.DNS, STYLE, hint="to true")
    assert f"{BUCKET}.localhost" in finding.message
    assert result["object-store.connect"].message == "not reached"


def test_path_style_needed_with_wrong_keys(store: ObjectStore) -> None:
    result = check(store.url, Keys("nobody", "secret"), {"force_path_style": False})
    result.fails("object-store.path-style-needed", Layer.DNS, STYLE, hint="to true")


def test_name_that_resolves_in_neither_style(store: ObjectStore) -> None:
    result = check("http://absent.invalid", changes={"force_path_style": False})
    result.fails("network.name-not-found", Layer.DNS, ENDPOINT, hint="host name")


def test_malformed_reply_in_the_other_style() -> None:
    with faults.http_port(reply("200 OK", "x", "Last-Modified: yesterday\r\n")) as port:
        result = check(f"http://localhost:{port}", changes={"force_path_style": False})
    result.fails("network.name-not-found", Layer.DNS, ENDPOINT, hint="host name")


@needs_root
def test_path_style_needed_as_the_name_is_another_host(store: ObjectStore) -> None:
    hosts = {"/etc/hosts": f"127.0.0.1 localhost\n127.0.0.2 {BUCKET}.localhost\n".encode()}
    result = with_files(hosts, lambda: check(store.url, changes={"force_path_style": False}))
    finding = result.fails("object-store.path-style-needed", Layer.CONNECT, STYLE, hint="to true")
    assert "connection refused by 127.0.0.2" in finding.message


@needs_root
def test_path_style_needed_by_the_store() -> None:
    with object_store(rgw_dns_name="") as server:
        result = with_files(VIRTUAL_HOST, lambda: check(server.url, changes={"force_path_style": False}))
        assert server.objects() == []
    finding = result.fails("object-store.path-style-needed", Layer.ACCESS, STYLE, hint="to true")
    assert "NoSuchBucket; in path style" in finding.message


@needs_root
def test_path_style_needed_by_the_certificate(tls: ObjectStore, authority: Authority) -> None:
    with authority.trusted() as path:
        options = {"changes": {"force_path_style": False}, "extra": Path(path)}
        result = with_files(VIRTUAL_HOST, lambda: check(tls.url, **options))  # type: ignore[arg-type]
    result.fails("object-store.path-style-needed", Layer.TLS, STYLE, hint="wildcard name and certificate")


@needs_root
def test_virtual_host_needed(store: ObjectStore) -> None:
    only = error("403 Forbidden", "SecondLevelDomainForbidden")  # Alibaba's code

    def answer(request: bytes) -> bytes | None:
        return None if f"\r\nhost: {BUCKET}.".encode() in request.lower() else only

    with between(store.port, answer) as port:
        result = with_files(VIRTUAL_HOST, lambda: check(f"http://localhost:{port}"))
    finding = result.fails("object-store.virtual-host-needed", Layer.ACCESS, STYLE, hint="to false")
    assert "SecondLevelDomainForbidden" in finding.message


# Faulty stores and other servers


def test_checksum_refused(store: ObjectStore) -> None:
    refusal = error("501 Not Implemented", "NotImplemented")
    with between(store.port, lambda request: refusal if b"x-amz-checksum-crc32" in request.lower() else None) as port:
        result = check(f"http://localhost:{port}")
    finding = result.fails("object-store.checksum-refused", Layer.ACCESS, ENDPOINT, hint="x-amz-checksum-crc32")
    assert "without its checksum it is accepted" in finding.message
    assert store.objects() == []


@pytest.mark.parametrize("behaviour", ["page", "redirects"])
def test_not_s3(store: ObjectStore, behaviour: str) -> None:
    with proxy(store.url, behaviour) as server:
        result = check(f"http://127.0.0.1:{server.port}")
    hint = {"page": "its console's", "redirects": "sends on to"}[behaviour]
    result.fails("object-store.not-s3", Layer.ACCESS, ENDPOINT, hint=hint)


def test_redirect_is_shown_without_its_query() -> None:
    moved = reply("302 Found", headers="Location: https://login.example/start?X-Amz-Signature=hunter2\r\n")
    with faults.http_port(moved) as port:
        result = check(f"http://127.0.0.1:{port}")
    finding = result.fails("proxy.login-required", Layer.AUTH, ENDPOINT, hint="without its login")
    assert finding.message.endswith("302, a redirect to https://login.example/start")
    assert "hunter2" not in str(result)


@pytest.mark.parametrize(
    "answer",
    [
        faults.HTTP_REPLY,
        reply("404 Not Found", "<html><body>no</body></html>", "Content-Type: text/html\r\n"),
        reply("404 Not Found", '{"detail": "Not Found"}', "Content-Type: application/json\r\n"),
        reply("404 Not Found", "<Error>" + "<a>" * 30000 + "</a>" * 30000 + "</Error>"),
        reply("200 OK", "x", "Last-Modified: yesterday\r\nx-amz-expiration: \r\n"),
        reply("200 OK", "x", "x-amz-meta-a: \xff\r\nx-amz-checksum-crc32: AAAAAA==\r\n"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        faults.GARBAGE + b"\r\n",
    ],
)
def test_malformed_replies(answer: bytes) -> None:
    with faults.http_port(answer) as port:
        result = check(f"http://127.0.0.1:{port}", timeout=4.0)
    result.fails("object-store.not-s3", Layer.ACCESS, ENDPOINT, hint="S3 API")


def test_body_that_breaks_off() -> None:
    with faults.http_port(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") as port:
        result = check(f"http://127.0.0.1:{port}", timeout=2.0)
    # The check may see the closed connection before the bad chunk.
    assert {finding.id for finding in result.findings if finding.status is Status.FAIL} <= {
        "object-store.not-s3",
        "network.reset",
    }
    assert result.status is Status.FAIL


def test_nothing_is_written_to_another_server() -> None:
    requests: list[bytes] = []

    def accept_all(request: bytes) -> bytes:
        requests.append(request)
        return reply("200 OK")

    with between(1, accept_all) as port:
        check(f"http://127.0.0.1:{port}").fails("object-store.not-s3", Layer.ACCESS, ENDPOINT, hint="S3 API")
    assert {request.split()[0] for request in requests} <= {b"GET", b"HEAD"}


def test_proxy_without_its_store() -> None:
    with proxy("http://127.0.0.1:1") as server:
        result = check(f"http://127.0.0.1:{server.port}")
    finding = result.fails("object-store.server-error", Layer.ACCESS, ENDPOINT, hint="log of the store")
    assert "502" in finding.message


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 404 Not Found\r\n\r\n"])
def test_endless_reply(start: bytes) -> None:
    def send_endless(connection: object) -> None:
        connection.recv(65536)  # type: ignore[attr-defined]
        connection.sendall(start)  # type: ignore[attr-defined]
        while True:
            connection.sendall(b"<p>" * 4096)  # type: ignore[attr-defined]

    with faults.serving(send_endless) as port:
        result = check(f"http://127.0.0.1:{port}")
    result.fails("object-store.not-s3", Layer.ACCESS, ENDPOINT, hint="S3 API")


def test_not_read_back(store: ObjectStore) -> None:
    requests: list[bytes] = []

    def answer(request: bytes) -> bytes | None:
        requests.append(request.split()[0])
        is_second = requests.count(b"GET") == 3 and requests[-1] == b"GET"
        return reply("200 OK", "something else", 'ETag: "x"\r\n') if is_second else None

    with between(store.port, answer) as port:
        result = check(f"http://localhost:{port}")
    result.fails("object-store.not-read-back", Layer.ACCESS, ENDPOINT, hint="cache")
    assert store.objects() == []


# Below S3


def test_http_to_a_tls_port(tls: ObjectStore) -> None:
    result = check(tls.url.replace("https", "http"))
    result.fails("network.tls-on-plaintext", Layer.AUTH, ENDPOINT, hint="scheme with TLS")


def test_https_to_a_plaintext_port(store: ObjectStore) -> None:
    result = check(store.url.replace("http", "https"))
    result.fails("network.plaintext-on-tls", Layer.TLS, ENDPOINT, hint="without TLS")


def test_untrusted_certificate(tls: ObjectStore) -> None:
    check(tls.url).fails("tls.untrusted", Layer.TLS, ENDPOINT, hint="NODE_EXTRA_CA_CERTS")


def test_refused() -> None:
    with faults.refused_port() as port:
        check(f"http://127.0.0.1:{port}").fails("network.refused", Layer.CONNECT, ENDPOINT, hint="start the service")


@pytest.mark.parametrize(
    ("fault", "finding_id"),
    [
        (faults.silent_port, "network.silent"),
        (partial(faults.dripping_port, b"H"), "network.silent"),  # still a possible start of HTTP
        (faults.closing_port, "network.reset"),
        (faults.resetting_port, "network.reset"),
    ],
)
def test_silent_and_closing_ports(fault: Callable[[], object], finding_id: str) -> None:
    began = time.monotonic()
    with fault() as port:  # type: ignore[attr-defined]
        result = check(f"http://127.0.0.1:{port}", timeout=2.0)
    # The reset may come before the connect call returns.
    layer = result[finding_id].layer if fault is faults.resetting_port else Layer.AUTH
    result.fails(finding_id, layer, ENDPOINT, hint="object_store.assets.endpoint")
    assert time.monotonic() - began < 20


@needs_root
def test_region_is_blamed_without_an_endpoint() -> None:
    with name_server({}) as names:
        result = names.asked_by(lambda: check(None, changes={"region": "nowhere-9"}))  # type: ignore[arg-type]
    result.fails("network.name-not-found", Layer.DNS, REGION, hint="object_store.assets.region")


# --read-only


def test_read_only_writes_nothing(store: ObjectStore) -> None:
    requests: list[bytes] = []
    with between(store.port, requests.append) as port:
        result = check(f"http://localhost:{port}", read_only=True)
    assert {request.split()[0] for request in requests} == {b"GET", b"HEAD"}
    proven, unproven = (finding for finding in result.findings if finding.layer is Layer.ACCESS)
    assert (proven.status, proven.fields) == (Status.OK, (NAME, STYLE))
    assert (unproven.status, unproven.message) == (Status.SKIP, "read-only: putting and deleting are not proven")


def test_read_only_of_a_user_who_may_not_list(store: ObjectStore) -> None:
    result = check(store.url, MINIMAL, read_only=True)
    assert result.status is Status.SKIP
    assert result["object-store.auth"].status is Status.OK
    assert "AccessDenied for an absent object" in result["object-store.access"].message
    assert result["object-store.access"].fields == (NAME, STYLE)


# Interrupted uploads


@contextmanager
def hanging(store: ObjectStore) -> Iterator[int]:
    """The store behind a proxy that replies to neither PUT nor DELETE."""
    ended = threading.Event()

    def answer(request: bytes) -> bytes | None:
        if request.startswith((b"PUT", b"DELETE")):
            ended.wait(30)
            return b""
        return None

    with between(store.port, answer) as port:
        try:
            yield port
        finally:
            ended.set()


def test_upload_longer_than_the_timeout_is_removed(store: ObjectStore) -> None:
    requests: list[bytes] = []
    given_up = threading.Event()

    def answer(request: bytes) -> None:
        requests.append(request.split()[0])
        if requests[-1] == b"PUT":
            given_up.wait(20)
        elif requests[-1] == b"DELETE":
            given_up.set()

    with between(store.port, answer) as port:
        subject = planned(ASSETS, values(f"http://localhost:{port}"))
        outcome = run((subject,), Settings(Trust(), timeout=3.0), deadline=20.0, origins={})
        # The store may put the object between the two removals.
        until(lambda: requests.count(b"DELETE") == 2 and not store.objects())
    assert not outcome.bugs
    [result] = outcome.results
    noted = {finding.id: finding for finding in result.findings if finding.status >= Status.WARN}
    late = noted.keys() - {"object-store.leftover"}
    assert late in ({"network.silent"}, {"network.slow"}), noted  # the store itself may be slow on a busy machine
    assert "object-store.leftover" in noted
    assert f"{BUCKET}/mistle-preflight/" in noted["object-store.leftover"].message


def test_upload_interrupted_by_the_deadline_is_removed(store: ObjectStore) -> None:
    """After the run's deadline a check has only the short time of a cancelled check for its clean-up."""
    requests: list[bytes] = []
    ended = threading.Event()

    def answer(request: bytes) -> bytes | None:
        requests.append(request.split()[0])
        if requests[-1] != b"DELETE" and b"PUT" in requests[:-1]:
            ended.wait(30)
            return b""
        return None

    with between(store.port, answer) as port:
        subject = planned(ASSETS, values(f"http://localhost:{port}"))
        outcome = run((subject,), Settings(Trust(), timeout=20.0), deadline=4.0, origins={})
        ended.set()
        until(lambda: not store.objects())
    assert not outcome.bugs
    [result] = outcome.results
    assert "run.deadline" in [finding.id for finding in result.findings]


def test_leftover_of_an_interrupted_upload_is_reported(store: ObjectStore) -> None:
    with hanging(store) as port:
        subject = planned(ASSETS, values(f"http://localhost:{port}"))
        [result] = run((subject,), Settings(Trust(), timeout=20.0), deadline=4.0, origins={}).results
    noted = {finding.id: finding for finding in result.findings if finding.status >= Status.WARN}
    assert noted.keys() == {"run.deadline", "object-store.leftover"}
    assert f"{BUCKET}/mistle-preflight/" in noted["object-store.leftover"].message


def test_store_that_hangs_during_the_upload(store: ObjectStore) -> None:
    began = time.monotonic()
    with hanging(store) as port:
        result = check(f"http://localhost:{port}", timeout=3.0)
        assert time.monotonic() - began < 20
    result.fails("network.silent", Layer.ACCESS, ENDPOINT, hint="not hung")
    assert "its upload was not answered, and its removal failed" in result["object-store.leftover"].message


def test_removal_fails(store: ObjectStore) -> None:
    broken = error("500 Internal Server Error", "InternalError")
    with between(store.port, lambda request: broken if request.startswith(b"DELETE") else None) as port:
        result = check(f"http://localhost:{port}")
    finding = result.fails("object-store.server-error", Layer.ACCESS, ENDPOINT, hint="log of the store")
    assert "DeleteObject was answered with 500 InternalError" in finding.message
    [leftover_key] = store.objects()
    store.client().delete_object(Bucket=BUCKET, Key=leftover_key)
    assert leftover_key in result["object-store.leftover"].message


# sandbox_storage


def test_not_public(store: ObjectStore) -> None:
    result = run_check(STORAGE, mounted(store.url))
    finding = result.fails("object-store.not-public", Layer.FITNESS, f"{STORAGE}.endpoint", hint="from the internet")
    assert "127.0.0.1" in finding.message
    assert result["object-store.access"].fields == (f"{STORAGE}.bucket_name", f"{STORAGE}.endpoint")
    assert store.objects() == []


@needs_root
def test_public_address(store: ObjectStore) -> None:
    result = from_outside(store.port, lambda port: run_check(STORAGE, mounted(f"http://{PUBLIC}:{port}")))
    result.passes("object-store.fitness", Layer.FITNESS, f"{STORAGE}.endpoint")


@needs_root
def test_partly_public_is_a_warning() -> None:
    addresses = {"s3.example": ["127.0.0.1", PUBLIC]}
    with object_store(rgw_dns_name="s3.example") as store, name_server(addresses) as names:
        result = names.asked_by(lambda: run_check(STORAGE, mounted(f"http://s3.example:{store.port}"), timeout=3.0))
    result.warns("object-store.not-public", Layer.FITNESS, f"{STORAGE}.endpoint", hint="from the internet")


def test_region_of_a_mounted_bucket_is_found(swift: ObjectStore) -> None:
    result = run_check(STORAGE, mounted(swift.url, SWIFT_OWNER))
    result.fails("object-store.not-public", Layer.FITNESS, f"{STORAGE}.endpoint", hint="internet")
    assert result["object-store.access"].status is Status.OK
    assert swift.objects() == []


@pytest.mark.parametrize(
    ("changes", "service", "names"),
    [
        ({}, None, [ASSETS, STORAGE]),
        ({}, "control_plane_api", [ASSETS]),
        ({}, "data_plane_worker", [STORAGE]),
        ({"sandbox.storage.backend": "docker_volume"}, None, [ASSETS]),
        ({"sandbox.storage.archil.mount_object_store": ""}, None, [ASSETS]),
    ],
)
def test_services_that_use_each_store(changes: dict[str, object], service: str | None, names: list[str]) -> None:
    both = values("http://s3.example") | mounted("http://s3.example") | changes
    config = Config(values=Values(both), origins={}, findings=(), broken=frozenset(), keys={}, secrets=())
    assert [check.name for check in plan(config, service=service).checks] == names


# The caller's settings, and secrets


SETTINGS = """[default]
region = nowhere
endpoint_url = http://127.0.0.1:1
ca_bundle = /absent
use_fips_endpoint = true
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
"""


@pytest.mark.parametrize("settings", [SETTINGS, "[default\nnonsense"])
def test_aws_settings_change_nothing(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str
) -> None:
    model = tmp_path / ".aws/models/s3/2030-01-01/service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text("nonsense")
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_text(settings)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("botocore.loaders.Loader.CUSTOMER_DATA_PATH", str(tmp_path / ".aws/models"))
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with isolated():
        check(store.url).passes("object-store.access", Layer.ACCESS, NAME, STYLE)


def test_secret_is_in_no_text(store: ObjectStore) -> None:
    subject = planned(ASSETS, values("http://s3.example:8333", Keys("id", "hunter2")))
    assert subject.target == f"s3.example:8333/{BUCKET}"
    assert "hunter2" not in repr(subject)
    assert planned(ASSETS, values(None)).target == f"AWS us-east-1/{BUCKET}"  # type: ignore[arg-type]
    bucket = Bucket("b", Endpoint("http", "h", 1), "r", True, "id", "hunter2")
    assert "hunter2" not in repr(bucket)


# For the attacks on all kinds

_TEXT = TERMINAL.replace("\x1b", "").replace("\x07", "")  # XML cannot hold these two
_PROTOCOL = Protocol(
    Layer.AUTH,
    reply=reply("404 Not Found", "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"),
    refusal=reply("403 Forbidden", f"<Error><Code>InvalidAccessKeyId</Code><Message>{_TEXT}</Message></Error>"),
)


def _row(scheme: str, style: str, path_style: bool) -> Row:
    own = {"bucket_name": "mistle-assets", "access_key_id": "key-id", "secret_access_key": "key"}
    own |= {"endpoint": f"{scheme}://{{host}}:{{place}}", "region": "eu-central-1"}
    return Row(
        f"object store, {scheme}, {style}",
        _PROTOCOL,
        ASSETS,
        {f"{ASSETS}.{name}": value for name, value in own.items()} | {f"{ASSETS}.force_path_style": path_style},
        (f"{ASSETS}.endpoint",),
        foreign=Verdict("object-store.not-s3", Layer.ACCESS),
        refused=Verdict("object-store.unknown-access-key", keys=(f"{ASSETS}.access_key_id",)),
        tls=scheme == "https",
    )


def _values(address: str) -> dict[str, object]:
    own = {"bucket_name": "assets", "region": "eu-central-1", "endpoint": f"http://{address}", "force_path_style": True}
    keys = {"access_key_id": "assets-access-key", "secret_access_key": "assets-secret-key"}
    return {f"{ASSETS}.{name}": value for name, value in (own | keys).items()}


def _bucket(got: Callable[[bytes], bytes]) -> faults.Behaviour:
    """A store that keeps the object, and gives this reply to GET."""
    kept: list[bytes] = []

    def answer(request: str) -> bytes:
        match request.split(" ", maxsplit=1)[0]:
            case "PUT":
                kept.append(request.partition("\r\n\r\n")[2].encode())
            case "HEAD" if not kept:  # the bucket
                return answers.reply("200 OK", "")
            case "GET" if not kept:
                return answers.reply("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>")
            case "GET":
                return got(kept[0])
            case "HEAD":
                return answers.reply("200 OK", kept[0])
        return answers.reply("200 OK")

    def serve(connection: socket.socket) -> None:
        while request := answers.request_from(connection):
            connection.sendall(answers.to(request, answer(request)))

    return serve


def _refusing(code: str, message: str = "", more: str = "", status: str = "403 Forbidden") -> faults.Behaviour:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return answers.always(answers.reply(status, body, "Content-Type: application/xml"))


def _redirect(code: str, place: str) -> faults.Behaviour:
    more = f"<Endpoint>{place}</Endpoint><Bucket>assets</Bucket><Region>{place}/x</Region>"
    return _refusing(code, "Go elsewhere", more, "301 Moved Permanently")


def _code_and_message(text: str) -> faults.Behaviour:
    inside = hostile_replies.xml(text)
    return _refusing(f"X{inside}", inside)


_UNREADABLE = "object-store.unexpected-reply"
_CODES = answers.reply("403 Forbidden", "<Error><Code><a/><a/></Code></Error>", "Content-Type: application/xml")
_FAMILY = Family(
    checks="object_store.",
    scenes=text_servers_http.STORE,
    settings={f"{name}.endpoint": "http://{address}" for name in (ASSETS, STORAGE)},
    path="",
    right=text_servers_http.bucket,
    hostile={
        "sends what none sends": answers.always(_CODES),
        "a little expands to a lot": floods.Flood(floods.http(floods.S3["30,000 attributes of 120 KB, by default"])),
    },
)


@contextmanager
def _with_tls(authority: Authority, roots: Path) -> Iterator[tuple[int, RunAt]]:
    keys = {"access_key_id": MINIMAL.access_key_id, "secret_access_key": MINIMAL.secret_access_key}
    with object_store(certificate=authority.leaf()) as server:

        def run_at(port: int) -> CheckRun:
            own = {"endpoint": replace(server, port=port).url, "bucket_name": BUCKET, "region": "us-east-1"}
            values = own | keys | {"force_path_style": True}
            return run_check(ASSETS, {f"{ASSETS}.{name}": value for name, value in values.items()}, extra=roots)

        yield server.port, run_at


DESCRIPTOR = Descriptor(
    rows=(
        _row("http", "path style", True),
        _row("https", "path style", True),
        _row("https", "bucket in the host name", False),
    ),
    targets={
        "object_store": Target(
            name=ASSETS,
            key=f"{ASSETS}.endpoint",
            values=_values,
            servers=each_scene("store", _FAMILY),
            floods=floods.OVER_HTTP | {what: floods.http(reply) for what, reply in floods.S3.items()},
            flood_findings=frozenset({"object-store.not-s3", "object-store.server-error", "proxy.refused"}),
            tls_values={f"{ASSETS}.endpoint": "https://localhost:{}"},
            texts={
                "code and message": _code_and_message,
                "the content's type": hostile_replies.served(hostile_replies.content_type),
                "a redirect": hostile_replies.served(hostile_replies.redirect),
            },
            redirects={
                code: partial(_redirect, code)
                for code in ("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed")
            },
            unreadable={
                "a checksum that is none": (
                    _bucket(lambda _: answers.reply("200 OK", "", "x-amz-checksum-crc32: A")),
                    _UNREADABLE,
                    Layer.ACCESS,
                ),
                "a time beyond all": (
                    _bucket(lambda body: answers.reply("200 OK", body, "x-amz-object-lock-retain-until-date: 1e999")),
                    _UNREADABLE,
                    Layer.ACCESS,
                ),
                "an error's code of many": (answers.always(_CODES), _UNREADABLE, Layer.AUTH),
            },
        )
    },
    families={"store": _FAMILY},
    connections={"`object_store`": _with_tls},
)
