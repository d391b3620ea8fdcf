"""Secrets in every output.

Random secrets stand in every secret key of the schema, and in the queries and logins of addresses. Every kind of check
connects to servers that send one of them, or all that they received, in their protocol's own errors: encoded once or
twice, wrapped, cut off; a bug holds one too. Every output, in every format, in tracebacks and on standard error, is
then read as an attacker would read it. A secret that is also a host, a prefix or the name of a key hides no key, no
position and no address. Not protected are secrets in the names of files, in keys that are not for secrets, and in the
paths of URLs. A secret that is a word of this program, or shorter than five characters, is masked only in foreign text,
and only where it stands by itself.
"""

import base64
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import checks
from checks.core.finding import Layer
from checks.core.text import clean
from preflight.cli import commands
from preflight.cli.invocation import Invocation
from preflight.cli.main import main
from preflight.cli.options import Options
from preflight.cli.so_far import SoFar, report
from preflight.formats import FORMATS, renderer
from preflight.redaction.redactor import MASK, Redactor
from preflight.report.model import Report
from preflight.run.signals import Signals
from tests.harness import configs, in_process, profiles
from tests.harness.command import SCHEMA
from tests.harness.descriptors import SCENES
from tests.harness.figures import Section
from tests.harness.in_process import FAMILIES, IN_ADDRESSES, SECRET_KEYS, TOKEN, Stage
from tests.harness.secret_encodings import ENCODINGS, core, leaks, windows

MANY = settings.default.max_examples if settings.default else 100
BOUNDED = settings(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
PLACES = (*SECRET_KEYS, *IN_ADDRESSES)

NASTY = "'\"\\%&<>@:/?#+=;$`{}[]|^~ \n\r\t*….-_"
SCRIPTS = "öéßñ𝔘𝔫𝔦😀👩‍🔬שלוםعربيпароль密码\u0301\u0308\u202e\ufeff"
ANY = st.characters(exclude_categories=("Cs",), exclude_characters="\0")


class Long(str):
    """From 100 to 4,000 characters; many are longer than what is shown of a foreign text."""

    __slots__ = ("seed",)
    seed: int

    def __new__(cls, seed: int) -> "Long":
        dice, letters = random.Random(seed), "abcdefghijkLMNOPQ0123456789" + SCRIPTS + NASTY
        made = super().__new__(cls, "".join(dice.choices(letters, k=dice.choice([100, 398, 400, 4000]))))
        made.seed = seed
        return made

    def __repr__(self) -> str:
        return f"Long({self.seed})"


SECRETS = st.one_of(
    st.text(ANY, min_size=8, max_size=60),
    st.text("abcdefgh0123456789" + NASTY, min_size=8, max_size=60),
    st.text("abcdefgh0123456789" + SCRIPTS, min_size=8, max_size=60),
    st.binary(min_size=8, max_size=32).map(bytes.hex),
    st.binary(min_size=8, max_size=32).map(lambda octets: ENCODINGS["base64"](octets.decode("latin-1"))),
    st.builds(Long, st.integers(0, 1000)),
).filter(lambda text: len(text.strip()) >= 8 and len(set(core(text))) >= 6)  # nothing that may occur by chance


@dataclass(frozen=True)
class Wording:
    """How a server sends a text: with two encodings, after other text, and cut off."""

    encodings: tuple[str, ...]
    before: str
    length: int

    def __call__(self, text: str) -> str:
        text = "".join(["", text])  # a plain str
        for name in self.encodings:
            text = ENCODINGS[name](text)
        return f"{self.before} «{text[: self.length]}»"


WORDINGS = st.builds(
    Wording,
    st.tuples(st.sampled_from(sorted(ENCODINGS)), st.sampled_from(sorted(ENCODINGS.keys() - {"short lines"}))),
    st.integers(0, 130).map(lambda count: "no " * count),
    st.one_of(st.just(100_000), st.integers(4, 200)),
)


NEUTRAL = {path: f"neutral-{number:02}-qzjxwvkpy" for number, path in enumerate(PLACES)}


class Vocabulary(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "all that is printed with any secrets"


@pytest.fixture(scope="module")
def vocabulary(stage: Stage) -> Vocabulary:
    """Text that is printed with any secrets, and the source of the program: both show no secret."""
    stage.play({family: scenes[0] for family, scenes in SCENES.items()}, lambda *_: "words", NEUTRAL[TOKEN])
    printed = in_process.run(stage, in_process.values(stage, NEUTRAL))
    root = Path(__file__).parents[2]
    sources = (file.read_text() for room in ("checks", "preflight") for file in sorted((root / room).rglob("*.py")))
    return Vocabulary("\n".join((*printed.texts.values(), *sources)))


def test_every_secret_key_is_attacked() -> None:
    assert len(SECRET_KEYS) >= 17
    sections = {path.split(".")[0] for path in SECRET_KEYS}
    assert sections >= {"postgres", "kv", "object_store", "email", "internal_auth", "sandbox", "services"}


@BOUNDED
@given(secret=SECRETS, wording=WORDINGS)
def test_no_secret_is_left_in_any_encoding(secret: str, wording: Wording) -> None:
    shown = Redactor([secret])(clean(wording(secret)))
    assert not leaks([shown], [secret], wording(""))


@dataclass(frozen=True)
class Play:
    """The parts of one run: the secrets by key, and the keys that come from the environment; for each family its scene,
    the key of the secret that it sends ("sent": all that it received), and the wording; and the place of a bug with a
    secret.
    """

    secrets: dict[str, str]
    variables: frozenset[str]
    scenes: dict[str, str]
    subjects: dict[str, str]
    wordings: dict[str, Wording]
    bug: tuple[str, Layer]

    def text_of(self, family: str, sent: bytes) -> str:
        subject = self.secrets.get(self.subjects[family], sent.decode(errors="replace"))
        return self.wordings[family](subject)

    def error(self) -> Exception:
        text = self.text_of("docker", b"")
        return ExceptionGroup(text, [KeyError(text), ValueError(text)])


@st.composite
def plays(draw: st.DrawFn) -> Play:
    secrets = dict(zip(PLACES, draw(st.lists(SECRETS, min_size=len(PLACES), max_size=len(PLACES))), strict=True))
    if draw(st.booleans()):  # one secret is a part of another
        inner, outer = draw(st.lists(st.sampled_from(PLACES), min_size=2, max_size=2, unique=True))
        secrets[outer] = secrets[inner] + secrets[outer]
    return Play(
        secrets,
        frozenset(draw(st.sets(st.sampled_from(PLACES)))),
        {family: draw(st.sampled_from(SCENES[family])) for family in FAMILIES},
        {family: draw(st.sampled_from([*PLACES, "sent"])) for family in FAMILIES},
        {family: draw(WORDINGS) for family in FAMILIES},
        draw(st.tuples(st.sampled_from(list(checks.ALL)), st.sampled_from(Layer))),
    )


@profiles.long
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(BOUNDED, max_examples=max(1, MANY // 20))
@given(play=plays())
def test_secrets_are_masked_in_every_format(
    stage: Stage, vocabulary: str, play: Play, capfd: pytest.CaptureFixture[str], tried: Counter[str]
) -> None:
    stage.play(play.scenes, play.text_of, play.secrets[TOKEN])
    kind, layer = play.bug
    with in_process.broken({kind: (layer, play.error)}):
        printed = in_process.run(stage, in_process.values(stage, play.secrets), play.variables)
    texts, streams = [*printed.texts.values()], [*capfd.readouterr()]
    secrets = {secret.strip() for secret in play.secrets.values()}
    assert {result.kind for result in printed.report.results} == {"config", *checks.ALL}
    assert not leaks([*texts, *streams], secrets, vocabulary)
    tried.update(runs=1, secrets=len(secrets), texts=len(texts) + len(streams))


@pytest.fixture(scope="module")
def tried(figures: Section) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    figures.add("complete runs", counts["runs"])
    figures.add("secrets in them", counts["secrets"])
    figures.add("secret keys, and addresses that hold one", len(PLACES))
    figures.add("cases in which servers send a secret", sum(map(len, SCENES.values())))
    figures.add("encodings, also one in the other", len(ENCODINGS))
    figures.add("outputs searched", counts["texts"])
    figures.add("leaks", 0)


# Secrets that are also something else: a host, a user, a prefix, a name in a message, a digit.

COINCIDENCES = ["127.0.0.1", "mistle", "mistle-assets", "password", "sandboxes", "a", "1"]
OFFLINE = [*COINCIDENCES, "localhost", "postgres", "db", "test", "mistle.toml", "email.smtp.password", "MISTLE_ENV"]


class Unmasked(Redactor):
    """A redactor that masks nothing."""

    def __call__(self, text: str, public: frozenset[str] = frozenset()) -> str:
        return text


def skeleton(report: Report) -> object:
    """The document without the texts that may be foreign, and without the time that the report itself took."""
    document = json.loads(renderer("json")(report))
    SCHEMA.validate(document)
    for finding in (finding for check in document["checks"] for finding in check["findings"]):
        del finding["message"], finding["hint"]
        finding.pop("remedies", None)
    for incident in document["incidents"]:
        del incident["why"], incident["hint"], incident["remedies"]
    for check in document["checks"]:
        check["facts"] = sorted(check["facts"])
    return document | {"seconds": 0}


def unmasked(invocation: Invocation, so_far: SoFar) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preflight.cli.so_far.Redactor", lambda *_: Unmasked())
        return report(invocation, so_far)


@pytest.mark.parametrize("word", profiles.first(1, COINCIDENCES))
def test_a_secret_that_is_also_something_else(word: str, stage: Stage) -> None:
    """It is masked in foreign text; the rest of the report is the same, and names every host."""
    scenes = {family: scenes[COINCIDENCES.index(word) % len(scenes)] for family, scenes in SCENES.items()}
    stage.play(scenes, lambda *_: f"is it «{word}»?", word)
    printed = in_process.run(stage, in_process.values(stage, dict.fromkeys(PLACES, word)))
    assert f"«{MASK}»" in printed.texts["text", "-v"]
    assert not [place for place, text in printed.texts.items() if f"«{word}»" in text]
    assert f"«{word}»" in str(unmasked(printed.invocation, printed.so_far).findings)
    assert skeleton(printed.report) == skeleton(unmasked(printed.invocation, printed.so_far))


@profiles.covering
@pytest.mark.parametrize("word", OFFLINE)
@pytest.mark.parametrize("command", ["plan", "config"])
def test_masked_report_stays_readable(command: str, word: str, tmp_path: Path) -> None:
    """Host, user, database, bucket, prefix and password are one word. No server sends it: the command is offline."""
    host = re.sub("[^a-z0-9.]", "-", word.lower())
    changes = {path: _everywhere(path, word, host) for path in (*SECRET_KEYS, "object_store.assets.bucket_name")}
    more: dict[str, object] = {"email.smtp.host": host, "kv.data_plane.key_prefix": word}
    file = configs.write(tmp_path, {**configs.ALL, **changes, **more})
    invocation, so_far = Invocation(Options(config=file, detail=1), Signals()), SoFar()
    made = commands.COMMANDS[command](invocation, so_far)
    assert isinstance(made, Report)
    assert skeleton(made) == skeleton(unmasked(invocation, so_far))
    text = renderer("text")(made)
    for path in configs.PATHS:
        assert path in text
        assert "." not in path or configs.line_of(file, path) in text
    assert f"{host}:5432/{word}" in text or command == "config"


def _everywhere(path: str, word: str, host: str) -> str:
    schemes = {"postgres": f"postgres://{word}:{word}@{host}:5432/{word}", "kv": f"redis://{word}:{word}@{host}:6379"}
    return schemes.get(path.partition(".")[0], word)


# Texts that are made with a secret, and give the same access.

MADE = re.compile(
    rb"connect_token=(\S+)|Signature=(\w+)|AUTH PLAIN (\S+)|ion: (key-[^\r]+)|(?:-key|-token): ([^\r]+)|secret=([^&]+)"
    rb"|Bearer ([^\r]+)"
)
MADE_IN = {"tunnel": "the member refused", "store": "SignatureDoesNotMatch", "smtp": "AUTH", "e2b": "status 401"} | {
    "archil": "status 401",
    "google": "invalid_client",
    "gateway": "the member refused",
}


@profiles.long
@pytest.mark.parametrize("tunnel", profiles.first(1, ["the member refused", "an exchange refused"]))
def test_nothing_made_with_a_secret_is_printed(tunnel: str, stage: Stage, vocabulary: str, figures: Section) -> None:
    made: dict[str, str] = {}

    def echo(family: str, sent: bytes) -> str:
        tokens = ["".join(map(bytes.decode, groups)) for groups in MADE.findall(sent)]
        made.update(dict.fromkeys(tokens, family))
        return " ".join(tokens) or "nothing"

    stage.play(in_process.RIGHT | MADE_IN | {"tunnel": tunnel}, echo, NEUTRAL[TOKEN])
    printed = in_process.run(stage, in_process.values(stage, NEUTRAL))
    assert set(made.values()) >= MADE_IN.keys()
    assert any(token.startswith("eyJ") for token in made)
    assert not leaks(printed.texts.values(), made, vocabulary)
    assert "eyJ" not in "".join(printed.texts.values())
    figures.add("tokens, signatures and logins made with a secret, which servers sent back", len(made))


# The whole command, as a process.

CRASH = """
import logging, threading, warnings
from checks.core.recorder import Recorder
from preflight.cli.main import entry
layer = Recorder.layer
def fail(record, each, goal, proves=()):
    logging.getLogger("driver").warning("sent %s", SECRET)
    threading.Thread(target=lambda: int(SECRET)).start()
    if record.check.kind == "smtp":
        raise KeyError(SECRET)
    return layer(record, each, goal, proves)
Recorder.layer = fail
entry()
"""


@pytest.mark.parametrize("flags", profiles.first(1, [["-v"], ["-q"], []]))
def test_no_secret_is_printed_by_the_command(flags: list[str], stage: Stage, vocabulary: str, tmp_path: Path) -> None:
    """With a bug, a driver that logs what it sends, and a thread whose exception holds a secret."""
    secrets = {place: f'{place} "öpen" %-{number}' for number, place in enumerate(PLACES)}
    scenes = {family: scenes[0] for family, scenes in SCENES.items()}
    stage.play(scenes, lambda _, sent: f"{sent!r} {secrets}", secrets[TOKEN])
    settings_ = in_process.values(stage, secrets) | {
        "sandbox.provider": "docker",
        "sandbox.storage.backend": "docker_volume",
    }
    file = configs.write(tmp_path, settings_)
    code = f"SECRET = {secrets['email.smtp.password']!r}{CRASH}"
    formats = [each for name in FORMATS for each in ("-f", f"{name}={tmp_path / name}.report")]
    skipped = ("--skip", "google", "--timeout", "5", "--config", str(file))
    done = subprocess.run(
        [sys.executable, "-c", code, *skipped, *flags, "-f", "text", *formats],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    texts = [done.stdout, done.stderr, *(file.read_text() for file in tmp_path.glob("*.report"))]
    assert len(texts) == 2 + len(FORMATS)
    assert ("Traceback" in done.stderr) == (flags == ["-v"])
    assert not leaks(texts, secrets.values(), vocabulary)


# Other places of a secret.


def test_certificates_file_is_never_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that holds a key, or anything else, instead of certificates; its name is shown."""
    file, config = tmp_path / "roots.pem", configs.write(tmp_path)
    body = base64.b64encode(b"a private key" * 30).decode()
    for text in (f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n", body, "\0" + body):
        file.write_text(text)
        assert main(["config", "--config", str(config), "--ca-file", str(file), "-v", "-f", "json"]) == 2
        shown = capsys.readouterr()
        assert str(file) in shown.err
        assert not windows(body) & windows(shown.out + shown.err)
