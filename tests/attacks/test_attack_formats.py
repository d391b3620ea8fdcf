"""Foreign texts and secrets in the formats.

Texts that servers send, and the name of the operator's file, are in every format. Each hostile text, and random
mixtures of them, stand in every place of a report that a foreign text can reach. Each format is then read by its own
reader (a JUnit schema, GitHub's Markdown parser, its runner's rules, Prometheus' client): the document must have the
structure that it has with harmless texts. Then servers send back, in their own protocols, every secret that they
receive, and each format is searched for each secret, complete and in parts, in any encoding.
"""

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from checks.core.finding import Status
from checks.core.remedy import Remedy
from checks.core.text import clean
from preflight.config.loader import load
from preflight.config.origin import InFile, InReport
from preflight.formats import FORMATS, renderer
from preflight.redaction.redactor import MASK
from preflight.report.model import KeyVerdict, Report
from tests.harness import configs, faults, hostile_replies, profiles
from tests.harness.echo import echo_refusal
from tests.harness.figures import Section
from tests.harness.format_readers import READERS, WITHOUT_MESSAGES
from tests.harness.hostile_words import CONTROL, MARK, MARKUP, WORDS
from tests.harness.processes import preflight
from tests.harness.reports import CONFIG, DIRECT, EVICTS, REJECTED, REPORT, of
from tests.harness.secret_encodings import leaks

RAW = tuple(name for name in FORMATS if name not in {"text", "json"})  # the formats that clean their texts themselves
MIXTURES = {True: 100, False: 5}
"""By whether the attack runs at full length."""


def holding(text: str) -> Report:
    """A report with this text in every place that a foreign text can reach."""
    at = replace(REPORT.keys[0], origin=InFile("x.toml", 42))
    remedy = Remedy("shell", text, f"echo {clean(text, 3000)}".strip())
    rejected = replace(REJECTED, message=text, hint=text, fields=(text, at.key), remedies=(remedy,))
    broken = replace(DIRECT, name=text, target=text, facts={"seen": text}, findings=(rejected,))
    warned = replace(DIRECT, findings=(replace(EVICTS, message=text, fields=()),))
    keys = (KeyVerdict(text, Status.FAIL, "probed", InReport(text), (REJECTED.id,), (text,)), at)
    return of(CONFIG, broken, warned, keys=keys, config=text, file=f"{text}/x.toml", detail=1)


def is_live(character: str) -> bool:
    """Whether a terminal or an editor obeys it instead of showing it."""
    return character not in "\n\t" and unicodedata.category(character).startswith("C")


def shape(name: str, text: str) -> list[object]:
    document = READERS[name](renderer(name)(holding(text)))
    assert not any(map(is_live, "".join(document.texts)))
    return document.shape


def mixtures(count: int) -> Iterator[str]:
    chance = random.Random(22)
    for _ in range(count):
        yield "".join(chance.choice(tuple(WORDS.values()))[:60] for _ in range(chance.randint(2, 5)))


@pytest.mark.parametrize("name", profiles.first(5, sorted(FORMATS, key=lambda name: name == "html")))
def test_no_text_changes_a_document(name: str, figures: Section, is_long: bool):
    harmless = {dotted: shape(name, text) for dotted, text in ((False, "harmless"), (True, "harm.less"))}
    texts = [*WORDS.values(), *mixtures(MIXTURES[is_long])]
    tried = [text for text in (*map(clean, texts), *(texts if name in RAW else ())) if clean(text)]
    changed = [text for text in tried if shape(name, text) != harmless["." in text]]  # a key's section ends at a dot
    figures.cell(name, "hostile texts", str(len(tried)))
    figures.cell(name, "documents that they changed", str(len(changed)))
    assert changed == []


def written(
    folder: Path, behaviour: Callable[..., None], changes: dict[str, object], *arguments: str
) -> dict[str, str]:
    """The reports, in every format, of a run against one server for all checks; and standard error."""
    with faults.serving(behaviour) as port:
        smtp = {"email.smtp.host": "127.0.0.1", "email.smtp.port": port, "email.smtp.secure": False}
        pointed = {key: value.format(port=port) if isinstance(value, str) else value for key, value in changes.items()}
        file = configs.write(folder, smtp | pointed)
        flags = (flag for name in FORMATS for flag in ("-f", f"{name}={folder / name}"))
        done = preflight("--config", file, "--timeout", "3", "-v", *arguments, *flags)
    assert done.code == 1, done
    return {name: (folder / name).read_text() for name in FORMATS} | {"standard error": done.stderr}


@profiles.long
def test_mail_server_with_hostile_text_changes_no_document(tmp_path: Path, figures: Section):
    runs, hostile = [], (" ".join((MARK, *(text[:30] for text in texts.values()))) for texts in (CONTROL, MARKUP))
    for number, text in enumerate(("harmless", *hostile)):
        folder = tmp_path / str(number)
        folder.mkdir()
        server = hostile_replies.smtp(greeting=b"554")(text[:380].replace("\ud800", ""))
        runs.append(written(folder, server, {}, "--only", "smtp"))
    harmless, *attacked = runs
    for outputs, name in product(attacked, FORMATS):
        assert name in WITHOUT_MESSAGES or MARK in outputs[name]
        assert READERS[name](outputs[name]).shape == READERS[name](harmless[name]).shape, name
        assert not any(map(is_live, outputs[name]))
    figures.add("formats written by one run against a mail server that sends them all, none changed", len(FORMATS))


AWKWARD = "a|b`c\"d\\e<f&g>h%0Ai@j,k:l'm"
URL = "a%7Cb%60c%22d%5Ce%3Cf%26g%3Eh%250Ai%40j%2Ck%3Al%27m"
SECRET: dict[str, object] = {
    "email.smtp.username": "mistle",
    "email.smtp.password": f"smtp-{AWKWARD}",
    "internal_auth.shared_token.token": f"token-{AWKWARD.replace('%', '')}-0123456789abcdef",
    "kv.data_plane.url": f"redis://:kv-{URL}@127.0.0.1:{{port}}",
    "object_store.assets.endpoint": "http://127.0.0.1:{port}",
    "object_store.assets.secret_access_key": f"store-{AWKWARD}",
    "services.control_plane_api.internal_url": "http://127.0.0.1:{port}",
    "services.data_plane_api.internal_url": "http://127.0.0.1:{port}",
    "telemetry.enabled": True,
    **{
        f"telemetry.{each}.endpoint": f"http://127.0.0.1:{{port}}/v1?key=query-{URL}"
        for each in ("traces", "logs", "metrics")
    },
}


def test_no_secret_is_in_any_format_if_servers_send_them_all(tmp_path: Path, figures: Section):
    selected = (
        flag for kind in ("smtp", "valkey", "object_store", "http_service", "otlp") for flag in ("--only", kind)
    )
    outputs = written(tmp_path, echo_refusal, SECRET, *selected)
    secrets = [secret for secret in load(tmp_path / "mistle.toml", {}).secrets if len(secret) > 8]
    assert {f"smtp-{AWKWARD}", f"kv-{AWKWARD}"} <= set(secrets)
    for name in FORMATS.keys() - WITHOUT_MESSAGES:
        assert MASK in outputs[name], f"{name} shows no message of a server: is it one of WITHOUT_MESSAGES?"
    assert leaks(outputs.values(), secrets, public="\n".join(configs.PATHS)) == []
    figures.add("secrets of which no output shows a part, in any encoding", len(secrets))
