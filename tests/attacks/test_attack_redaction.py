"""The search for secrets.

Texts that take longest to search, and configurations of very many secrets, do not delay a run beyond its deadline. A
text that was not searched in time is withheld.
"""

import resource
import time
from dataclasses import replace
from pathlib import Path

import pytest

import preflight.cli.so_far
import preflight.redaction.redactor
from checks.core.finding import Finding, Layer, Status
from checks.core.text import MarkedText, clean, foreign, marked
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options
from preflight.cli.so_far import SoFar, report
from preflight.config.loader import load
from preflight.redaction import own_text
from preflight.redaction.redactor import MASK, WITHHELD, Redactor
from preflight.redaction.results import masked
from preflight.report.result import Result
from preflight.run.signals import Signals
from tests.harness import command, configs, in_process, profiles
from tests.harness.configs import MASTER_KEYS
from tests.harness.descriptors import SCENES
from tests.harness.figures import Section
from tests.harness.in_process import IN_ADDRESSES, SECRET_KEYS, Stage

DEADLINE = 4.0
LEEWAY = 3.0  # seconds: other tests use the machine too
WORDS = "aaaa…" * 76  # a secret may end at each …
SECRET = "Op3n-Sesame-of-all"
OWN_WORDS = ["says", "handshake", "the server reports", "accepted", "is", "mistle"]


def keys(count: int) -> list[str]:
    return [f"b{number:04}" + "a" * 55 for number in range(count)]


def busy() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_time_of_the_search_is_linear_in_the_text_and_independent_of_the_secrets(figures: Section) -> None:
    def seconds(size: int) -> float:
        begun = time.process_time()
        redact = Redactor(keys(100 * size))
        for number in range(10 * size):
            redact(f"server {number} says: {WORDS}")
        return time.process_time() - begun

    once, four_times = (min(seconds(size) for _ in range(5)) for size in (1, 4))
    assert four_times < 8 * once, "16 would be quadratic"
    figures.add("time of four times the keys and the text", f"{four_times / once:.1f} times")


def test_a_text_of_too_many_decodings_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of decodings multiplies with each nested encoding. Other texts are still searched."""
    monkeypatch.setattr(preflight.redaction.redactor, "_MIN_LIMIT", 100)
    monkeypatch.setattr(preflight.redaction.redactor, "_LIMIT_FACTOR", 1)
    redact = Redactor(["Op3n-Sesame!"])
    assert redact(" ".join(["%C3=A9%253D\\x41"] * 5)) == WITHHELD
    assert redact("no Op3n-Sesame! here") == f"no {MASK} here"


@pytest.mark.parametrize("count", profiles.first(1, [200, 1500]))
def test_a_run_of_many_keys_ends_in_time(count: int, stage: Stage, tmp_path: Path, figures: Section) -> None:
    stage.play({family: scenes[0] for family, scenes in SCENES.items()}, lambda *_: WORDS, SECRET)
    values = in_process.values(stage, dict.fromkeys((*SECRET_KEYS, *IN_ADDRESSES), SECRET))
    values |= {f"{MASTER_KEYS}.{number}": key for number, key in enumerate(keys(count), 1)}
    outside = [f"--skip={kind}" for kind in ("google", "e2b", "archil", "publish")]
    file = configs.write(tmp_path, values)
    before = busy()
    ended = command.run("--config", str(file), f"--deadline={DEADLINE}", *outside, "-f", "json")
    assert (ended.code, ended.stderr) == (1, b"")
    assert ended.seconds < DEADLINE + LEEWAY * ended.slowness
    assert b"b0001" not in ended.stdout
    assert SECRET not in ended.stdout.decode()
    figures.add(f"{count} master keys: CPU time of a run", f"{busy() - before:.1f} s")


@pytest.mark.parametrize("reason", ["deadline", "signal"])
def test_text_that_was_not_searched_in_time_is_withheld(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight.cli.so_far, "_SHARE", 0.0)
    signals = Signals()
    invocation = Invocation(Options(deadline=0.0 if reason == "deadline" else 60.0), signals)
    config = load(configs.write(tmp_path, {"email.smtp.password": "Op3n-Sesame!"}), {})
    finding = Finding("smtp.auth", Layer.AUTH, Status.FAIL, "the server reports: Op3n-Sesame!", "write Op3n-Sesame!")
    results = (Result("smtp", "smtp", "Op3n-Sesame!", ("email.smtp.password",), (finding,), facts={"x": "Op3n"}),)
    if reason == "signal":
        signals.received = 15
    made = report(invocation, SoFar(config=config, results=results, tracebacks=["Op3n-Sesame!"]))
    (result,) = made.results[1:]
    assert "Sesame" not in repr(made)
    assert {result.target, result.facts["x"], *made.tracebacks} == {WITHHELD}
    assert [(each.id, each.status, each.message, each.hint) for each in result.findings] == [
        ("smtp.auth", Status.FAIL, WITHHELD, WITHHELD)
    ]
    assert made.exit_code == (143 if reason == "signal" else 1)


@pytest.mark.parametrize("word", OWN_WORDS)
def test_text_of_this_program_is_never_masked(word: str) -> None:
    ours = f"the server reports: {foreign(f'«{word}»')}; mistle is at the handshake, which is accepted"
    assert Redactor([word])(marked(ours)) == marked(ours).replace(f"«{word}»", f"«{MASK}»")


def test_foreign_text_in_a_hint_is_masked_and_its_placeholders_stay() -> None:
    hint = marked(f"write {foreign('{url} says')} into {{url}}, it says")
    filled = marked(hint.map_own(lambda own: own.replace("{url}", "a.url (mistle.toml:3)")))
    assert filled == "write {url} says into a.url (mistle.toml:3), it says"
    assert Redactor(["says"])(filled) == f"write {{url}} {MASK} into a.url (mistle.toml:3), it says"


def test_secret_that_is_no_word_of_this_program_is_masked_outside_foreign_text() -> None:
    assert Redactor(["Op3n-Sesame!"])(marked("no user Op3n-Sesame! here")) == f"no user {MASK} here"


def test_marks_of_foreign_text_cannot_be_forged_and_are_not_shown() -> None:
    forged = foreign("a \ue001says\ue000 b")
    text = marked(f"it says: {forged} says {foreign('c')}")
    assert text == "it says: a says b says c"
    assert [text[start:end] for start, end in text.foreign] == ["a says b", "c"]
    assert marked("x" * 500 + foreign("y"), 100).foreign == ((100, 100),)
    assert isinstance(replace(Finding("a.b", Layer.DNS, Status.OK, text), fields=("x",)).message, MarkedText)


def test_text_of_this_program_in_a_result_is_never_masked() -> None:
    message = f"the connection was refused: {foreign('refused: connection')}"
    result = Result("a", "a", "", (), (Finding("a.b", Layer.DNS, Status.FAIL, message, "let the connection through"),))
    (shown,) = masked((result,), Redactor(["connection"]))[0].findings
    assert shown.message == f"the connection was refused: refused: {MASK}"
    assert shown.hint == "let the connection through"


def test_lines_of_this_program_in_a_traceback_are_never_masked(tmp_path: Path) -> None:
    so_far = SoFar(config=load(configs.write(tmp_path, {"email.smtp.password": "listener"}), {}))
    try:
        with Signals().passed_to(lambda _: None):
            raise ValueError("bad listener")
    except ValueError as error:
        so_far.note_bug(error, "a test")
    (shown,) = report(Invocation(Options()), so_far).tracebacks
    assert "ValueError: bad ***" in shown
    line = "    self._listener = listener"
    assert Redactor(["listener"])(own_text.mark_foreign_lines(f"{line}\nx = listener")) == f"{line}\nx = {MASK}"


@pytest.mark.parametrize("word", profiles.first(1, OWN_WORDS))
def test_a_report_with_a_password_that_is_a_word_of_this_program(word: str, stage: Stage) -> None:
    """If no server sends the password, no text of this program shows that its word is one."""
    stage.play({family: scenes[0] for family, scenes in SCENES.items()}, lambda *_: "calm", word)
    printed = in_process.run(stage, in_process.values(stage, dict.fromkeys((*SECRET_KEYS, *IN_ADDRESSES), word)))
    assert not [each for each in printed.report.findings if MASK in each.message + each.hint]


SEQUENCES = {
    "a colour": "\x1b[31m",
    "the end of all colours": "\x1b[0m",
    "C1": "\x9b1m",
    "a title": "\x1b]0;title\x07",
    "a link": "\x1b]8;;https://a.test\x1b\\",
    "a charset": "\x1b(B",
    "two octets": "\x1b7",
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_escape_sequence_inside_a_secret(name: str) -> None:
    secret, inside = "hunter2-secret", f"hunte{SEQUENCES[name]}r2-secret"
    for text in (inside, inside.encode("unicode_escape").decode(), repr({"password": inside})):
        shown = Redactor([secret])(clean(f"no {text}"))
        assert "hunte" not in shown
        assert "r2-secret" not in shown
    assert Redactor([inside])(clean(f"no {secret}, no {inside}")) == f"no {MASK}, no {MASK}"


def test_escape_sequence_without_its_first_byte_inside_a_secret() -> None:
    assert Redactor(["hunter2-secret"])("no hunte[31mr2-secret") == f"no {MASK}"
