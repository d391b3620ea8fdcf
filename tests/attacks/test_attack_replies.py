"""Replies that a driver cannot read.

Each server answers with what its protocol allows and no such server ever says: values of another type, headers that
contradict each other, words in no encoding, a little XML that means a lot of it. The finding is the server's, and says
so; it is never a bug of the tool, while an error in what judges a reply remains one.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import checks
from checks.core.check import Layer, Settings, Status
from checks.core.roots import Trust
from preflight.report.run_causes import EXIT_CODES
from preflight.run.runner import Run, run
from tests.fuzz import replies
from tests.harness import answers, floods, profiles
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.run_check import planned
from tests.harness.targets import TARGETS, aimed, climbed

SECONDS = 120  # of the search in the long profile; scripts/fuzz goes on for as long as it is told to


def _valkey(info: bytes) -> Behaviour:
    return floods.Flood(floods.after(65536, lambda: iter([floods.WRITTEN + info])))


def _docker(networks: str) -> Behaviour:
    missing = answers.reply("404 Not Found", json.dumps({"message": "network sandboxes not found"}))
    return answers.http("docker", {"network": missing, "networks": answers.reply("200 OK", networks)})


def _bucket(got: Callable[[bytes], bytes]) -> Behaviour:
    """A store that keeps what is put, and answers GET so."""
    kept: list[bytes] = []

    def answer(request: str) -> bytes:
        match request.split(" ", maxsplit=1)[0]:
            case "PUT":
                kept.append(request.partition("\r\n\r\n")[2].encode())
            case "GET" | "HEAD" if not kept:
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


def _refusal(body: str | bytes) -> Behaviour:
    return answers.always(answers.reply("403 Forbidden", body, "Content-Type: application/xml"))


UNREADABLE: Mapping[str, tuple[str, Behaviour, str, Layer]] = {
    "INFO is a number": ("valkey", _valkey(b":1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
    "INFO is a list": ("valkey", _valkey(b"*1\r\n:1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
    "INFO is nothing": ("valkey", _valkey(b"$-1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
    "networks are null": ("docker", _docker("null"), "docker.unexpected-reply", Layer.ACCESS),
    "networks are a number": ("docker", _docker("5"), "docker.unexpected-reply", Layer.ACCESS),
    "a redirect to no address": (
        "dashboard",
        answers.always(answers.reply("302 Found", headers="Location: http://[")),
        "http.unexpected-reply",
        Layer.AUTH,
    ),
    "a checksum that is none": (
        "object_store",
        _bucket(lambda _: answers.reply("200 OK", "", "x-amz-checksum-crc32: A")),
        "object-store.unexpected-reply",
        Layer.ACCESS,
    ),
    "a time beyond all": (
        "object_store",
        _bucket(lambda body: answers.reply("200 OK", body, "x-amz-object-lock-retain-until-date: 1e999")),
        "object-store.unexpected-reply",
        Layer.ACCESS,
    ),
    "an error's code of many": (
        "object_store",
        _refusal("<Error><Code><a/><a/></Code></Error>"),
        "object-store.unexpected-reply",
        Layer.AUTH,
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_reply_that_cannot_be_read(what: str):
    kind, behaviour, id_, layer = UNREADABLE[what]
    with aimed(kind, behaviour) as aim:
        found = climbed(aim).fails(id_, layer, TARGETS[kind].key, hint="leads to")
    assert found.message.startswith("the server's reply cannot be read: ")


NO_TEXT = floods.message(b"E", b"SERROR\0C\xff\xfe\0M\xff no\0\0")
LOGIN, QUERY = floods.at_login(lambda: iter([NO_TEXT])), floods.at_query(lambda: iter([NO_TEXT + floods.READY]))


@pytest.mark.parametrize(
    ("script", "id_", "layer"),
    [(LOGIN, "postgres.login-refused", Layer.AUTH), (QUERY, "postgres.query-failed", Layer.ACCESS)],
    ids=["login", "query"],
)
def test_words_in_no_encoding(script: floods.Script, id_: str, layer: Layer):
    with aimed("postgres", floods.Flood(script)) as aim:
        found = climbed(aim)
    assert (found[id_].layer, found[id_].message.endswith(" no")) == (layer, True)


def test_a_date_beyond_all_is_of_a_clock_that_is_right():
    skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>"
    date = "Date: Mon, 01 Jan 0001 00:00:00 +99999999999999\r\nContent-Type: application/xml"
    with aimed("object_store", answers.always(answers.reply("403 Forbidden", skewed, date))) as aim:
        climbed(aim)["object-store.clock-skew"]


def test_more_master_keys_than_anybody_has_are_a_few_findings():
    stored = "".join(f"<v>{number}</v><c>v1.x</c>" for number in range(20_000))
    with aimed("pooled", answers.postgres({"row": answers.survey(ciphertexts=stored)})) as aim:
        found = climbed(aim)
    assert len(found.findings) < 200, len(found.findings)


def _raising(module: str, error: type[Exception] = IndexError) -> Callable[..., object]:
    """A function of this module that cannot take what it is given."""
    place: dict[str, Any] = {"__name__": module, "error": error}
    exec("def fail(*_, **__): raise error", place)  # whose it is shows by its globals
    fail: Callable[..., object] = place["fail"]
    return fail


# What no reply is known to do. By kind: what is broken, whose it is, and a good server.
BROKEN: Mapping[str, tuple[str, str, Behaviour, str, Layer]] = {
    "postgres": (
        "checks.postgres.inspection._left",
        "checks.postgres.inspection",
        answers.postgres({"row": answers.survey()}),
        "postgres.unexpected-reply",
        Layer.ACCESS,
    ),
    "smtp": (
        "aiosmtplib.smtp.parse_esmtp_extensions",
        "aiosmtplib.esmtp",
        floods.Flood(floods.smtp()),
        "smtp.unexpected-reply",
        Layer.TLS,
    ),
    "tunnel": (
        "websockets.datastructures.Headers.raw_items",
        "websockets.datastructures",
        answers.always(answers.reply("401 Unauthorized")),
        "tunnel.unexpected-reply",
        Layer.AUTH,
    ),
    "otlp": (
        "httpx.Response.aiter_raw",
        "httpx._models",
        answers.http("otlp", {}),
        "otlp.unexpected-reply",
        Layer.ACCESS,
    ),
    "e2b": (
        "e2b.api.client.models.TemplateAliasResponse.from_dict",
        "e2b.api.client.models.template_alias_response",
        answers.http("e2b", {}),
        "e2b.unexpected-reply",
        Layer.AUTH,
    ),
    **{
        kind: (
            "httpx.Response.aiter_raw",
            "httpx._models",
            answers.http(kind, {}),
            f"{kind}.unexpected-reply",
            Layer.AUTH,
        )
        for kind in ("archil", "google")
    },
}


@pytest.mark.parametrize("kind", BROKEN)
def test_error_of_the_driver(kind: str, monkeypatch: pytest.MonkeyPatch):
    broken, module, behaviour, id_, layer = BROKEN[kind]
    with aimed(kind, behaviour) as aim:
        climbed(aim)  # loads the driver
        monkeypatch.setattr(broken, _raising(module))
        found = climbed(aim)
    assert found[id_].layer is layer
    assert found[id_].hint
    assert "IndexError" in found[id_].message


def test_every_kind_that_reads_replies_has_its_finding():
    covered = {case[0] for case in UNREADABLE.values()} | BROKEN.keys()
    made = [planned(target.name, target.values("h:1")) for kind, target in TARGETS.items() if kind in covered]
    assert {check.kind for check in made} == {kind.kind for kind in checks.load_all() if kind.reply_readers}
    assert {check.kind for check in made} == set(checks.ALL) - {"publish"}  # which asks for nothing


# What judges a reply, and what is no error of a reply wherever it is met.
BUGS: Mapping[str, tuple[str, str, type[Exception], str, Behaviour]] = {
    "valkey": ("checks.valkey.Valkey._check_info", "checks.valkey", KeyError, "valkey", answers.valkey(b"role:master")),
    "postgres": (
        "checks.postgres.rules._migrations",
        "checks.postgres.rules",
        KeyError,
        "postgres",
        answers.postgres({"row": answers.survey()}),
    ),
    "docker": (
        "checks.docker.unsuitable",
        "checks.docker.fitness",
        KeyError,
        "docker",
        answers.http("docker", {}),
    ),
    "a name": (
        "checks.http_service.responses.health",
        "checks.http_service.responses",
        NameError,
        "api",
        answers.http("api", {}),
    ),
}


@pytest.mark.parametrize("what", BUGS)
def test_error_of_ours_is_a_bug(what: str, monkeypatch: pytest.MonkeyPatch):
    broken, module, error, kind, behaviour = BUGS[what]
    with aimed(kind, behaviour) as aim:
        climbed(aim)
        monkeypatch.setattr(broken, _raising(module, error))
        done = run((planned(aim.name, aim.values),), Settings(Trust()), deadline=20, origins={})
    failed = [finding.id for finding in done.results[0].findings if finding.status is Status.FAIL]
    assert failed == ["internal.bug"]
    assert error.__name__ in done.bugs[0]


def test_driver_that_cannot_be_loaded_is_no_reply(monkeypatch: pytest.MonkeyPatch):
    with aimed("valkey", answers.valkey(b"role:master")) as aim:
        climbed(aim)
        load = compile("raise KeyError", "redis/late.py", "exec")
        monkeypatch.setattr("redis.asyncio.Redis.pipeline", lambda *_, **__: exec(load, {"__name__": "redis.late"}))
        done = run((planned(aim.name, aim.values),), Settings(Trust()), deadline=20, origins={})
    assert exit_code(done) == 3


def test_unreadable_reply_shows_its_traceback():
    with aimed("valkey", _valkey(b":1\r\n")) as aim:
        done = run((planned(aim.name, aim.values),), Settings(Trust()), deadline=20, origins={})
    assert exit_code(done) == 1
    assert "Traceback (most recent call last)" in done.bugs[0]
    assert "AttributeError" in done.bugs[0]


def exit_code(done: Run) -> int:
    ids = {finding.id for result in done.results for finding in result.findings if finding.status is Status.FAIL}
    return max((EXIT_CODES.get(id_, 1) for id_ in ids), default=0)


# A little that means a lot. What it costs, test_attack_memory measures.

_DTD = '<!DOCTYPE Error [<!ATTLIST a b CDATA "X">]><Error><Code>AccessDenied</Code><a/></Error>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1", "cp037"])
def test_no_document_type_is_read(encoding: str):
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'
    body = declared.encode() + _DTD.encode(encoding) if encoding == "cp037" else (declared + _DTD).encode(encoding)
    with aimed("object_store", _refusal(body)) as aim:
        found = climbed(aim)
    found.fails("object-store.not-s3", Layer.ACCESS, TARGETS["object_store"].key, hint="S3")


# Replies that somebody has been at, at random.


@profiles.long
def test_changed_replies(figures: Section):
    """In a process of its own: what the limit of a check has cut on a busy machine is closed with the process."""
    tests = Path(__file__).parent
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    command = [sys.executable, "-m", "tests.fuzz.replies", str(SECONDS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS + 120, check=False)
    told = re.search(r"^replies: (\d+) checks, 0 bad ends$", done.stdout, re.MULTILINE)
    assert told, done.stdout[-5000:] + done.stderr[-5000:]
    assert done.returncode == 0
    figures.add("servers whose replies were changed at random", f"{int(told[1]):,}")
    figures.add("bugs met at them", 0)


def test_search_finds_a_bug_and_tells_its_seed(monkeypatch: pytest.MonkeyPatch):
    results, bad = replies.search(["valkey"], range(2))
    assert (len(results), bad) == (2, [])
    monkeypatch.setattr("checks.valkey.Valkey.run", _raising("checks.valkey"))
    assert [text.partition(":")[0] for text in replies.search(["valkey"], range(2))[1]] == ["valkey 0", "valkey 1"]


def test_a_seed_says_what_is_changed():
    assert replies.changed(answers.reply("200 OK", "{}"), random.Random(5)) == replies.changed(
        answers.reply("200 OK", "{}"), random.Random(5)
    )
