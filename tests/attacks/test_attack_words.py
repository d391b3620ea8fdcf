"""Words that are more than words.

Terminal escapes (CSI, OSC, DCS, C1 in UTF-8 and as raw bytes), bidirectional overrides, invisible characters, control
characters, markup, commands to build servers, and words of any length: in every member of a report that holds free
text, through every format; and from the mouth of a server of each kind, in every place of its protocol that a report
shows. No output may hold a control character of theirs, or a line that a build server obeys.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.core.check import Layer
from preflight.formats import FORMATS, renderer
from preflight.output import ci
from preflight.report import bugs
from preflight.report.model import Report, Result
from tests.harness import answers, configs, floods, hostile_words, profiles
from tests.harness.answers import reply
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.hostile_words import CONTROL, MARK, WORDS, commands, stray
from tests.harness.provider_override import tls_serving
from tests.harness.run_check import CheckRun, run_check
from tests.harness.targets import TARGETS, TOKEN, aimed, climbed
from tests.testbed import self_signed

PATH = {"PATH": os.environ["PATH"]}
EVERYTHING = "".join(CONTROL.values()) + MARK
WORDLESS = {"prometheus"}  # numbers of things that have names
OBEYED = {"github"}  # made of commands: that they are its own alone, the attack on all formats shows
COMMANDS = f"::error::{MARK} ##[error]x ##vso[x]y \x1b[31m"
Place = Callable[[str], Behaviour]
"""From the words to a server that says them in one place."""


@profiles.covering
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("what", WORDS)
def test_a_report_of_hostile_words(name: str, what: str, figures: Section) -> None:
    render, word = renderer(name), WORDS[what]
    shown, calm = render(hostile_words.report(word)), render(hostile_words.report("calm"))
    assert stray(shown) == set()
    assert name in OBEYED or commands(ci.inert(shown, name)) == []
    assert shown.count("\x1b") == calm.count("\x1b"), "a colour that is not the format's own"
    assert name in WORDLESS or (MARK in shown) == (MARK in word)
    assert len(shown) < len(calm) + 24 * 2000, "too much"
    figures.add("kinds of hostile words", len(WORDS))
    figures.add("formats", len(FORMATS))


def raw(words: str, but: str = "") -> bytes:
    """As bytes, without these characters, which would end the place that they stand in."""
    return words.translate(dict.fromkeys(map(ord, but))).encode(errors="surrogateescape")


def header(words: str) -> bytes:
    """What clients let through in a header: C1 and what is invisible, no C0."""
    return raw(words, "".join(map(chr, range(32))) + "\x7f")


def line(words: str) -> bytes:
    return raw(words, "\r\n")


def text(words: str) -> str:
    """As JSON holds them; what is no character at all it cannot."""
    return words.encode(errors="replace").decode()


def xml(words: str) -> str:
    """What XML 1.0 may hold of them, C1 and what is invisible included."""
    return "".join(
        f"&#{ord(each)};"
        for each in words
        if each >= " " and not "\ud800" <= each < "\ue000" and each not in "\uffff\ufffe"
    )


def error(words: str) -> bytes:
    fields = b"".join(field + raw(words, "\0") + b"\0" for field in (b"SFATAL\0M", b"D", b"H", b"W"))
    return floods.message(b"E", fields + b"C28000\0\0")


def s3(**headers: bytes) -> bytes:
    lines = b"".join(b"\r\n%s: %s" % (name.replace("_", "-").encode(), value) for name, value in headers.items())
    return reply("403 Forbidden", "", b"X: x" + lines)


def said(kind: str, name: str, status: str, document: Callable[[str], object]) -> Place:
    """A JSON document in the place of a good server's."""
    return lambda words: answers.http(kind, {name: (status, document(text(words)))})


def scripted(script: Callable[[str], floods.Script]) -> Place:
    return lambda words: floods.Flood(script(words))


def served(answer: Callable[[str], bytes]) -> Place:
    return lambda words: answers.always(answer(words))


def row(**changes: Callable[[str], object]) -> Place:
    return lambda words: answers.postgres(
        {"row": answers.survey(**{name: say(text(words)) for name, say in changes.items()})}
    )


def smtp(**replies: bytes) -> Place:
    """These words of the server begin with a code, and end with the hostile ones."""

    def place(words: str) -> Behaviour:
        says = {name: (lambda code=code: iter([code + b" " + line(words) + b"\r\n"])) for name, code in replies.items()}
        return floods.Flood(floods.smtp(**says))

    return place


def kind_of_content(words: str) -> bytes:
    return reply("404 Not Found", "x", b"Content-Type: text/" + header(words) + b"\r\nServer: " + header(words))


def location(words: str) -> bytes:
    return reply("302 Found", "", b"Location: https://evil.test/" + header(words))


PLACES: Mapping[tuple[str, str], Place] = {
    ("postgres", "a refusal"): scripted(lambda words: floods.at_login(lambda: iter([error(words)]))),
    ("postgres", "an error"): scripted(lambda words: floods.at_query(lambda: iter([error(words)]))),
    ("postgres", "the database's name"): row(name=str, may_create=lambda _: False),
    ("postgres", "the role's name"): row(role=str, may_create=lambda _: False),
    ("postgres", "a table's name"): row(unusable=lambda words: [["control_plane_meta", words]]),
    ("valkey", "an error"): lambda words: answers.valkey(b"", (b"-ERR " + line(words) + b"\r\n") * 9),
    ("valkey", "no protocol at all"): scripted(
        lambda words: floods.after(4096, lambda: iter([b"?" + line(words) + b"\r\n"]))
    ),
    ("valkey", "the primary's name"): lambda words: answers.valkey(b"role:slave\r\nmaster_host:" + line(words)),
    ("valkey", "the policy"): lambda words: answers.valkey(b"maxmemory:1\r\nmaxmemory_policy:" + line(words)),
    ("smtp", "no greeting"): scripted(lambda words: lambda _: iter([line(words) + b"\r\n"])),
    ("smtp", "a greeting that refuses"): smtp(greeting=b"554"),
    ("smtp", "a refused login"): smtp(auth=b"535"),
    ("smtp", "a refused sender"): smtp(mail=b"550"),
    ("smtp", "a refused recipient"): smtp(rcpt=b"550 relay"),
    ("object_store", "code and message"): served(
        lambda words: reply(
            "403 Forbidden",
            f"<Error><Code>X{xml(words)}</Code><Message>{xml(words)}</Message></Error>",
            "Content-Type: application/xml",
        )
    ),
    ("object_store", "the content's type"): served(kind_of_content),
    ("object_store", "a redirect"): served(location),
    ("docker", "an error"): said("docker", "network", "500 Oops", lambda words: {"message": words}),
    ("docker", "its version"): said(
        "docker",
        "version",
        "200 OK",
        lambda words: {"Version": words, "ApiVersion": "1.45", "Os": words, "Arch": words},
    ),
    ("docker", "a plain refusal"): served(lambda words: reply("500 Oops", raw(words), "Content-Type: text/plain")),
    ("docker", "no HTTP at all"): served(lambda words: line(words) + b"\r\n\r\n"),
    ("docker", "a registry's words"): said("docker", "distribution", "500 Oops", lambda words: {"message": words}),
    ("docker", "a platform"): said(
        "docker", "distribution", "200 OK", lambda words: {"Platforms": [{"os": words, "architecture": words}]}
    ),
    ("api", "the content's type"): served(kind_of_content),
    ("api", "a redirect"): served(location),
    ("api", "its title"): said("api", "document", "200 OK", lambda words: {"info": {"title": words, "version": words}}),
    ("dashboard", "the content's type"): served(kind_of_content),
    ("dashboard", "a redirect"): served(location),
    ("tunnel", "the content's type"): served(kind_of_content),
    ("tunnel", "a redirect"): served(location),
    ("otlp", "a refusal"): served(lambda words: reply("403 Forbidden", raw(words), "Content-Type: text/plain")),
    ("otlp", "a redirect"): served(location),
    ("e2b", "a refusal"): said("e2b", "template", "401 No", lambda words: {"code": 401, "message": words}),
    ("archil", "a refusal"): said("archil", "disks", "401 No", lambda words: {"success": False, "error": words}),
    ("archil", "the content's type"): served(kind_of_content),
    ("google", "a refusal"): said(
        "google", "token", "401 No", lambda words: {"error": "invalid_client", "error_description": words}
    ),
}


def reported(kind: str, found: CheckRun) -> Report:
    target = TARGETS[kind]
    result = Result(target.name, kind, "somewhere", (target.key,), found.findings)
    return Report(
        version="1.2.3",
        command="run",
        config="mistle.toml",
        stage="live",
        service=None,
        started_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
        seconds=0.5,
        results=(result,),
        detail=1,
    )


@profiles.covering
@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_a_server_of_hostile_words(kind: str, where: str, figures: Section) -> None:
    for words in (EVERYTHING, COMMANDS):
        with aimed(kind, PLACES[kind, where](words)) as aim:
            found = climbed(aim)
        for name in FORMATS:
            shown = renderer(name)(reported(kind, found))
            assert name in WORDLESS or MARK in shown, "the words are not where they were thought to be"
            assert stray(shown) == set()
            assert name in OBEYED or commands(ci.inert(shown, name)) == []
    figures.add("places of protocols", len(PLACES))


@pytest.mark.parametrize("name", profiles.first(1, FORMATS))
def test_everything_at_once_on_the_command_line(tmp_path: Path, name: str) -> None:
    """Also from the configuration: its own name, keys that nobody knows, values that are shown."""
    servers: Mapping[str, Behaviour] = {
        "postgres": answers.postgres({"row": answers.survey(name=text(EVERYTHING), system=None)}),
        "pooled": answers.postgres({"row": answers.survey(name=text(COMMANDS), system=None)}),
        "api": PLACES["api", "its title"](EVERYTHING),
        **{kind: PLACES[kind, "a redirect"](EVERYTHING) for kind in ("dashboard", "tunnel", "otlp", "object_store")},
        "valkey": PLACES["valkey", "an error"](EVERYTHING),
        "smtp": PLACES["smtp", "a refused login"](EVERYTHING),
        "docker": PLACES["docker", "its version"](EVERYTHING),
    }
    with ExitStack() as stack:
        values = {
            key: value
            for kind in servers
            for key, value in stack.enter_context(aimed(kind, servers[kind])).values.items()
        }
        values |= {
            "object_store.assets.bucket_name": text(EVERYTHING).replace("\x7f", ""),
            "kv.data_plane.key_prefix": text(COMMANDS),
            "sandbox.storage.docker_volume": None,
        }
        file = configs.write(tmp_path, values)
        hostile = file.rename(tmp_path / raw(f"\x1b[31m\u202e{MARK}\n::error::x.toml", "/").decode())
        hostile.write_text(f'"{MARK}\\u001b[2J\\u202e\\n::error::x" = 1\n' + hostile.read_text())
        command = [sys.executable, "-m", "preflight.cli.main", "--config", str(hostile), "-v", "--format", name]
        done = subprocess.run(command, capture_output=True, env=PATH, timeout=60, check=False)
    shown = done.stdout.decode().replace("<wbr>", "") + done.stderr.decode()
    assert done.returncode == 1, shown
    assert {"postgres.different-databases", "http.wrong-service", "config.unknown-key"} <= set(
        re.findall(r"[a-z-]+\.[a-z-]+", shown)
    )
    assert name in WORDLESS or shown.count(MARK) > 12
    assert stray(shown) == set()
    assert name in OBEYED or commands(shown) == []


def test_a_certificate_of_hostile_names() -> None:
    leaf = self_signed(text("".join(each for each in EVERYTHING if each >= " " and each < "\ud800")[:64]))
    values = {TARGETS["api"].key: "https://localhost:{}", "internal_auth.shared_token.token": TOKEN}
    with tls_serving(leaf, lambda _: None) as port:
        found = run_check(TARGETS["api"].name, {**values, TARGETS["api"].key: f"https://localhost:{port}"})
    found.fails("tls.self-signed", Layer.TLS, TARGETS["api"].key, hint="NODE_EXTRA_CA_CERTS")
    for name in FORMATS:
        assert stray(renderer(name)(reported("api", found))) == set()


def test_a_traceback_of_hostile_words() -> None:
    shown = bugs.trace("a check", RuntimeError(EVERYTHING))
    assert MARK in shown
    assert stray(shown) == set()
