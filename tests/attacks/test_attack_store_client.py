"""Object stores, as Mistle's own client finds them.

The SDK for JavaScript, as Mistle uses it, and this tool have the same configuration and the same server: real stores of
four makes, and proxies in front of one of them that change, forbid or swallow requests. Both must succeed, or both must
fail, and a refusal that the client meets must be the one in the report. One difference remains: SeaweedFS makes a
missing bucket when an administrator puts an object; the tool puts nothing there, and reports that it is missing. Both
also request an object from addresses of every form: path, host, region and the names of all signed headers must agree.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest

from checks.core.finding import Status
from checks.core.roots import Trust
from checks.object_store import ObjectStore as ObjectStoreCheck
from checks.object_store.store import Store
from checks.object_store.transport import Connections
from tests.harness import profiles, store_client
from tests.harness.figures import Section
from tests.harness.run_check import planned, run_check
from tests.harness.store_client import KEY, Outcome, StoreClient
from tests.harness.store_faults import (
    Answer,
    between,
    bucket,
    changing,
    error,
    forbidding,
    reply,
    signed_again,
    without,
)
from tests.testbed import ObjectStore, makes, swift_object_store
from tests.testbed.names import can_change_names, with_files
from tests.testbed.object_store import BUCKET, MINIMAL, OWNER, READER, SUSPENDED, SWIFT_OWNER, WRITER, Keys
from tests.testbed.other_stores import PROGRAMS, other_store

pytestmark = profiles.long

ASSETS = "object_store.assets"
NAMED = (BUCKET, "b1", "Upper_Case", "a.b", "mine.bucket", "-x", "x" * 63)
HOSTS = ("127.0.0.1", "localhost", "MinIO")
NAMES = {"/etc/hosts": " ".join(["127.0.0.1", *HOSTS[1:], *(f"{b}.{h}" for b in NAMED for h in HOSTS[1:])]).encode()}
PATHS = (
    *("", "/", f"/{BUCKET}", f"/{BUCKET}/", "/other", "/a/b", "//", "/a//b"),
    *("/%41", "/a/../b", "/./", "/a/.", "/a/%2e%2e/b/", "/a+b~c", "/a@b:c"),
)
REGIONS = ("us-east-1", "eu-central-1", "auto", "garage", "US-EAST-1", "us_east_1", "us-east-1.", "-us", "x.y", "a b")
BUCKETS = (BUCKET, "absent", "a..b", "Upper_Case", "arn:aws:s3:us-east-1:123456789012:accesspoint/x")


@dataclass(frozen=True)
class Case:
    """``changes`` to the configuration, by the last part of the key."""

    name: str
    keys: Keys
    changes: Mapping[str, object] = field(default_factory=dict)
    path: str = ""
    answer: Answer | None = None

    def values(self, url: str) -> dict[str, object]:
        login = {"access_key_id": self.keys.access_key_id, "secret_access_key": self.keys.secret_access_key}
        own = login | dict(self.changes)
        return bucket(url + self.path) | {f"{ASSETS}.{name}": value for name, value in own.items()}


def cases(keys: Keys) -> list[Case]:
    """What is tried at every store."""
    return [
        *(Case(f"path {path or 'none'}", keys, path=path) for path in PATHS),
        *(Case(f"region {region}", keys, {"region": region}) for region in REGIONS),
        *(Case(f"bucket {name}", keys, {"bucket_name": name}) for name in BUCKETS),
        *(Case(f"host {name}", keys, {"bucket_name": name, "force_path_style": False}) for name in BUCKETS[:2]),
        Case("wrong secret", Keys(keys.access_key_id, "wrong")),
        Case("unknown key", Keys("nobody", "wrong")),
        Case("temporary key", Keys("ASIA0000000000000001", "wrong")),
        Case("other characters in the key", Keys("a/b+c=", "wrong")),
    ]


def proxies(port: int) -> list[Case]:
    """Proxies in front of Ceph."""
    methods = (b"PUT", b"HEAD", b"GET", b"DELETE")
    statuses = ("400 Bad Request", "403 Forbidden", "405 Not Allowed", "413 Too Large", "501 No", "502 Bad Gateway")
    headers = b"x-amz-checksum x-amz-sdk content-type amz-sdk x-amz-user x-amz-content user-agent".split()
    codes = {
        "400 Bad Request": "InvalidToken ExpiredToken BadDigest InvalidRequest AuthorizationHeaderMalformed",
        "403 Forbidden": "AccessDenied InvalidAccessKeyId SignatureDoesNotMatch RequestTimeTooSkewed QuotaExceeded",
        "404 Not Found": "NoSuchBucket NoSuchUpload",
        "301 Moved Permanently": "PermanentRedirect",
        "503 Slow Down": "SlowDown ServiceUnavailable",
    }
    made = {
        **{f"forbids {m.decode()} with {s}": forbidding(s, m) for m in methods for s in statuses},
        **{f"drops {h.decode()} of {m.decode()}": changing(port, without(h), m) for h in headers for m in methods[::3]},
        **{
            f"{code} to {name}": _replying(error(status, code), *each)
            for status, named in codes.items()
            for code in named.split()
            for name, each in {"all": methods, "PUT": methods[:1]}.items()
        },
        "swallows PUT": _replying(reply("200 OK", headers='ETag: "x"\r\n'), b"PUT"),
        "swallows DELETE": _replying(reply("204 No Content"), b"DELETE"),
        "a page for all": _replying(reply("200 OK", "<html/>", "Content-Type: text/html\r\n"), *methods),
        "signs itself": signed_again(port),
        "slow": _slow,
    }
    return [Case(name, OWNER, answer=answer) for name, answer in made.items()]


def _replying(answer: bytes, *methods: bytes) -> Answer:
    return lambda request: answer if request.startswith(methods) else None


def _slow(_: bytes) -> None:
    time.sleep(0.3)


EXPLAINED = {
    ("SeaweedFS", "bucket absent"): "an administrator's upload makes the bucket; the tool puts nothing there",
    ("SeaweedFS", "path /other"): "the same, with the path as the bucket",
}


def shows(message: str, refusal: Outcome) -> bool:
    """Whether a message is about the refusal that the client met."""
    return refusal.code in message or re.search(rf"\b{refusal.status}\b", message) is not None


@dataclass
class Comparison:
    client: StoreClient
    compared: int = 0
    refused: int = 0
    explained: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, make: str, case: Case, url: str) -> None:
        here = run_check(ASSETS, case.values(url))  # first: the client may make a bucket
        theirs = self.client.outcome(case.values(url))
        failed = [finding.message for finding in here.findings if finding.status is Status.FAIL]
        self.compared += 1
        self.refused += bool(theirs.operation and failed)
        agree = bool(failed) is bool(theirs.operation)
        if agree and theirs.status:
            refusals = (theirs, self.client.outcome(case.values(url), ("GetObject",)))  # the tool's first operation
            agree = any(shows(message, refusal) for message in failed for refusal in refusals)
        if not agree and (make, case.name) in EXPLAINED:
            self.explained += 1
        elif not agree:
            self.differences.append(f"{make}, {case.name}: {theirs}; {failed or here.status}")


def stores(stack: ExitStack, ceph: ObjectStore) -> Iterator[tuple[str, str, Keys]]:
    """The makes, with their addresses and keys."""
    yield "Ceph", ceph.url, OWNER
    yield "Swift", stack.enter_context(swift_object_store()).url, SWIFT_OWNER
    for make, program in PROGRAMS.items():
        if reason := makes.unavailable(program):
            pytest.skip(reason)
        yield make, stack.enter_context(other_store(make)).url, OWNER


@pytest.mark.skipif(not can_change_names(), reason="needs root, for names of its own")
def test_stores_are_found_as_mistles_client_finds_them(store: ObjectStore, figures: Section) -> None:
    if reason := store_client.unavailable():
        pytest.skip(reason)

    def compare() -> Comparison:
        with ExitStack() as stack:
            comparison = Comparison(stack.enter_context(store_client.store_client()))
            for make, url, keys in stores(stack, store):
                for case in cases(keys):
                    comparison.add(make, case, url)
            for keys in (MINIMAL, READER, WRITER, SUSPENDED):
                comparison.add("Ceph", Case(f"keys of {keys.access_key_id}", keys), store.url)
            for case in proxies(store.port):
                assert case.answer
                with between(store.port, case.answer) as port:
                    comparison.add("a proxy", case, f"http://localhost:{port}")
            return comparison

    done = with_files(NAMES, compare)
    for key in store.objects():
        store.client().delete_object(Bucket=BUCKET, Key=key)
    assert not done.differences, "\n".join(done.differences)
    figures.add("configurations and servers tried by both", done.compared)
    figures.add("of these, both fail", done.refused)
    figures.add("differences that the test explains", done.explained)
    figures.add("other differences", len(done.differences))


@dataclass(frozen=True)
class Address:
    """What a request shows of how a configuration is read."""

    target: str
    host: str
    region: str
    signed: str

    @classmethod
    def of(cls, request: bytes) -> "Address":
        head = request.decode().partition("\r\n\r\n")[0]
        line, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
        scope = re.search(r"/\d{8}/([^/]*)/s3/aws4_request, SignedHeaders=([^,]*)", headers["authorization"])
        assert scope
        return cls(line, headers["host"], scope[1], scope[2])


def addresses() -> list[dict[str, object]]:
    own = [
        {"endpoint": f"http://{host}:{{}}{path}", "bucket_name": name, "force_path_style": style}
        for host in HOSTS
        for path in PATHS
        for name in NAMED
        for style in (True, False)
    ]
    regions = [{"endpoint": "http://localhost:{}", "region": region} for region in REGIONS]
    return [bucket("") | {f"{ASSETS}.{key}": value for key, value in each.items()} for each in (*own, *regions)]


@pytest.mark.skipif(not can_change_names(), reason="needs root, for names of its own")
def test_addresses_are_read_as_mistles_client_reads_them(figures: Section) -> None:
    if reason := store_client.unavailable():
        pytest.skip(reason)
    received: list[bytes] = []
    absent = error("404 Not Found", "NoSuchKey")

    def answer(request: bytes) -> bytes:
        received.append(request)
        return absent

    def here(values: Mapping[str, object]) -> None:
        subject = planned(ASSETS, values)
        assert isinstance(subject, ObjectStoreCheck)
        with suppress(Exception):  # a refusal of the configuration sends nothing
            Store(subject.bucket, Connections(Trust().web, (5.0, 5.0))).get_absent(KEY)

    def sent() -> Address | None:
        return Address.of(received.pop()) if received else None

    def compare() -> list[str]:
        differences = []
        with store_client.store_client() as client, between(1, answer) as port:
            for values in addresses():
                at_port = values | {f"{ASSETS}.endpoint": str(values[f"{ASSETS}.endpoint"]).format(port)}
                client.outcome(at_port, ("GetObject",))
                theirs = sent()
                here(at_port)
                if theirs != (own := sent()):
                    differences.append(f"{values}: {theirs}; {own}")
        return differences

    differences = with_files(NAMES, compare)
    assert not differences, "\n".join(differences)
    figures.add("addresses read by both", len(addresses()))
    figures.add("addresses read differently", len(differences))
