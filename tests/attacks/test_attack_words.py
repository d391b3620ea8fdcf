"""Hostile text.

Terminal escapes (CSI, OSC, DCS, C1 in UTF-8 and as raw bytes), bidirectional overrides, invisible characters, control
characters, markup, commands to build servers, and texts of any length stand in every member of a report that holds free
text, in every format. A server of each kind also sends them, in every place of its protocol that a report shows. No
output may hold one of their control characters, or a line that a build server obeys.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from checks.core.finding import Layer
from preflight.formats import FORMATS, renderer
from preflight.output import ci
from preflight.report import bugs
from preflight.report.model import Report
from preflight.report.result import Result
from tests.harness import answers, configs, hostile_words, profiles
from tests.harness.answers import TOKEN
from tests.harness.descriptors import TARGETS
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.format_readers import WITHOUT_MESSAGES
from tests.harness.hostile_replies import raw, text
from tests.harness.hostile_words import CONTROL, MARK, WORDS, commands, stray
from tests.harness.provider_override import tls_serving
from tests.harness.reports import of
from tests.harness.run_check import CheckRun, run_check
from tests.harness.targets import check_at_server, run_at_server
from tests.testbed import self_signed

PATH = {"PATH": os.environ["PATH"]}
EVERYTHING = "".join(CONTROL.values()) + MARK
OBEYED = {"github"}  # it consists of commands; test_attack_formats shows that all are its own
COMMANDS = f"::error::{MARK} ##[error]x ##vso[x]y \x1b[31m"


@profiles.covering
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("what", WORDS)
def test_hostile_text_in_a_report(name: str, what: str, figures: Section) -> None:
    render, hostile = renderer(name), WORDS[what]
    shown, harmless = render(hostile_words.report(hostile)), render(hostile_words.report("calm"))
    assert stray(shown) == set()
    assert name in OBEYED or commands(ci.inert(shown, name)) == []
    assert shown.count("\x1b") == harmless.count("\x1b"), "a colour that is not the format's own"
    assert name in WITHOUT_MESSAGES or (MARK in shown) == (MARK in hostile)
    assert len(shown) < len(harmless) + 24 * 2000, "too much"
    figures.add("kinds of hostile texts", len(WORDS))
    figures.add("formats", len(FORMATS))


PLACES: Mapping[tuple[str, str], Callable[[str], Behaviour]] = {
    (kind, where): place for kind, target in TARGETS.items() for where, place in target.texts.items()
}


def reported(kind: str, checked: CheckRun) -> Report:
    target = TARGETS[kind]
    result = Result(target.name, kind, "somewhere", (target.key,), checked.findings)
    return of(result, keys=(), config="mistle.toml", file=None, detail=1)


@profiles.covering
@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_hostile_text_in_replies(kind: str, where: str, figures: Section) -> None:
    for hostile in (EVERYTHING, COMMANDS):
        with check_at_server(kind, PLACES[kind, where](hostile)) as check:
            checked = run_at_server(check)
        for name in FORMATS:
            shown = renderer(name)(reported(kind, checked))
            assert name in WITHOUT_MESSAGES or MARK in shown, (
                f"the report does not show the text: see texts[{where!r}] of {kind!r} in the DESCRIPTOR"
            )
            assert stray(shown) == set()
            assert name in OBEYED or commands(ci.inert(shown, name)) == []
    figures.add("places in protocols", len(PLACES))


@pytest.mark.parametrize("name", profiles.first(1, FORMATS))
def test_hostile_text_in_a_run_of_the_command(tmp_path: Path, name: str) -> None:
    """Hostile text comes also from the configuration: its file name, unknown keys, values that are shown."""
    servers: Mapping[str, Behaviour] = {
        "postgres": answers.postgres({"row": answers.server_state(name=text(EVERYTHING), system=None)}),
        "pooled": answers.postgres({"row": answers.server_state(name=text(COMMANDS), system=None)}),
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
            for key, value in stack.enter_context(check_at_server(kind, servers[kind])).values.items()
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
    assert name in WITHOUT_MESSAGES or shown.count(MARK) > 12
    assert stray(shown) == set()
    assert name in OBEYED or commands(shown) == []


def test_hostile_text_in_a_certificate() -> None:
    leaf = self_signed(text("".join(each for each in EVERYTHING if each >= " " and each < "\ud800")[:64]))
    values = {TARGETS["api"].key: "https://localhost:{}", "internal_auth.shared_token.token": TOKEN}
    with tls_serving(leaf, lambda _: None) as port:
        checked = run_check(TARGETS["api"].name, {**values, TARGETS["api"].key: f"https://localhost:{port}"})
    checked.fails("tls.self-signed", Layer.TLS, TARGETS["api"].key, hint="NODE_EXTRA_CA_CERTS")
    for name in FORMATS:
        assert stray(renderer(name)(reported("api", checked))) == set()


def test_hostile_text_in_a_traceback() -> None:
    shown = bugs.trace("a check", RuntimeError(EVERYTHING))
    assert MARK in shown
    assert stray(shown) == set()
