"""Each remedy of the object store's check, applied as it is printed: its finding is gone, and nothing else is found.

The AWS CLI makes of its arguments what boto3 sends: here boto3 sends it.
"""

import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from checks.core.finding import Finding, Status
from checks.core.remedy import Remedy
from preflight import check as preflight_check
from preflight.report.model import Report
from tests.harness import profiles
from tests.harness.configs import write
from tests.harness.remedies import edit, has_form, printed
from tests.harness.store_faults import between, error
from tests.kinds.test_object_store import REGION, STYLE, VIRTUAL_HOST, check, needs_root, values
from tests.testbed import ObjectStore, swift_object_store
from tests.testbed.names import with_files
from tests.testbed.object_store import BUCKET, OWNER, SWIFT_OWNER, boto3_client

MISSING, DENIED = "object-store.bucket-missing", "object-store.access-denied"


def options(remedy: Remedy) -> dict[str, str]:
    """The options of a command of the AWS CLI, by name; its two first words are under ``""``."""
    program, service, operation, *rest = shlex.split(remedy.command)
    assert program == "aws"
    words = [part for word in rest for part in word.split("=", 1 if word.startswith("--") else 0)]
    assert all(name.startswith("--") for name in words[::2])
    return dict(zip((name[2:] for name in words[::2]), words[1::2], strict=True)) | {"": f"{service} {operation}"}


def problems(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.id for finding in findings if finding.status >= Status.WARN}


def test_missing_bucket(store: ObjectStore) -> None:
    name = f"{BUCKET}-absent"
    client = store.client()
    changes = {"bucket_name": name}
    remedy = printed(check(store.url, changes=changes)[MISSING], "aws")
    assert has_form(remedy, MISSING)
    given = options(remedy)
    assert given == {"": "s3api create-bucket", "bucket": name, "region": "us-east-1", "endpoint-url": store.url}
    made = boto3_client(given["endpoint-url"], OWNER, given["region"])
    try:
        made.create_bucket(Bucket=given["bucket"])
        assert problems(check(store.url, changes=changes).findings) == set()
    finally:
        client.delete_bucket(Bucket=name)


def refusing(store: ObjectStore, text: str) -> AbstractContextManager[int]:
    """The store, whose denial of an upload has the words of AWS."""
    denied = error("403 Forbidden", "AccessDenied", message=text)
    return between(store.port, lambda request: denied if request.startswith(b"PUT") else None)


AWS_SAYS = (
    "User: arn:aws:iam::123456789012:user/{user} is not authorized to perform: s3:PutObject on resource: "
    "&quot;arn:aws:s3:::{bucket}/mistle-preflight/x&quot; because {why}"
)
ALLOWS = "no identity-based policy allows the s3:PutObject action"


@pytest.mark.parametrize("user", profiles.first(1, ["mistle", "team/prod/mistle+a=b,c.d@e-f", "--debug"]))
def test_denial_that_names_the_user(store: ObjectStore, user: str) -> None:
    with refusing(store, AWS_SAYS.format(user=user, bucket=BUCKET, why=ALLOWS)) as port:
        finding = check(f"http://localhost:{port}")[DENIED]
    remedy = printed(finding, "aws")
    assert has_form(remedy, DENIED)
    given = options(remedy)
    assert (given[""], given["user-name"]) == ("iam put-user-policy", user.rpartition("/")[2])
    assert json.loads(given["policy-document"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
    ]


WITHOUT = {
    "an explicit denial": AWS_SAYS.format(user="mistle", bucket="x", why="with an explicit deny"),
    "a role": AWS_SAYS.format(user="mistle", bucket="x", why=ALLOWS).replace(":iam:", ":sts:"),
    "a shell's words": AWS_SAYS.format(user="$(touch owned)", bucket="x", why=ALLOWS),
    "other stores": "Access Denied.",
}


@profiles.long
@pytest.mark.parametrize("case", WITHOUT)
def test_denial_without_a_remedy(store: ObjectStore, case: str) -> None:
    with refusing(store, WITHOUT[case]) as port:
        assert check(f"http://localhost:{port}")[DENIED].remedies == ()


# Edits


def closes(folder: Path, given: dict[str, object], id_: str, count: int = 1) -> None:
    """The fault is in a file; each printed line takes the place of its own; the fault is gone."""
    file = write(folder, {"global.env": "development"} | given)

    def run() -> Report:
        return preflight_check(file, environ={}, only=["object_store.assets"])

    before = run()
    assert id_ in problems(before.findings), before.findings
    made = [remedy for finding in before.findings if finding.id == id_ for remedy in finding.remedies]
    assert len(made) == count
    for remedy in made:
        assert has_form(remedy, id_)
        edit(remedy, file)
    assert problems(run().findings) == set()


EDITS: dict[str, tuple[str, Callable[[ObjectStore], dict[str, object]]]] = {
    "style": ("object-store.path-style-needed", lambda store: values(store.url) | {STYLE: False}),
    "a path": ("object-store.bucket-in-endpoint", lambda store: values(f"{store.url}/{BUCKET}")),
    "capitals": ("object-store.region-invalid", lambda store: values(store.url) | {REGION: "US-EAST-1"}),
}


@profiles.long
@pytest.mark.parametrize("case", EDITS)
def test_edit(tmp_path: Path, store: ObjectStore, case: str) -> None:
    id_, given = EDITS[case]
    closes(tmp_path, given(store), id_)


@profiles.long
def test_edit_of_a_wrong_region(tmp_path: Path) -> None:
    with swift_object_store() as store:
        closes(tmp_path, values(store.url, SWIFT_OWNER) | {REGION: "us-east-1"}, "object-store.wrong-region")


HOSTILE = ("--endpoint-url=http://evil.test", "x$(touch owned)", "a b", "a\nb", "..")


@profiles.long
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_of_a_bucket_has_no_command(store: ObjectStore, name: str) -> None:
    findings = check(store.url, changes={"bucket_name": name}).findings
    assert not [remedy for finding in findings for remedy in finding.remedies if remedy.tool == "aws"]


@profiles.long
def test_edit_of_an_endpoint_that_the_store_names(tmp_path: Path, store: ObjectStore) -> None:
    place = f"<Endpoint>{BUCKET}.localhost:{store.port}</Endpoint><Bucket>{BUCKET}</Bucket>"
    redirect = error("301 Moved Permanently", "PermanentRedirect", place)
    with between(store.port, lambda _: redirect) as port:
        closes(tmp_path, values(f"http://localhost:{port}"), "object-store.moved")


@needs_root
@profiles.long
def test_edit_of_the_style_of_a_store_that_wants_the_bucket_in_the_name(tmp_path: Path, store: ObjectStore) -> None:
    only = error("403 Forbidden", "SecondLevelDomainForbidden")  # Alibaba's code

    def answer(request: bytes) -> bytes | None:
        return None if f"\r\nhost: {BUCKET}.".encode() in request.lower() else only

    def cure(given: dict[str, object]) -> None:
        closes(tmp_path, given, "object-store.virtual-host-needed")

    with between(store.port, answer) as port:
        with_files(VIRTUAL_HOST, lambda: cure(values(f"http://localhost:{port}")))
