"""What a remedy may be, and how it comes from a check to the reader of a report."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from justhtml import JustHTML

from checks.core import remedy
from checks.core.finding import Cause, Finding, Layer, Status
from checks.core.remedy import Remedy
from preflight.config.origin import InFile, InVariable
from preflight.formats import renderer
from preflight.output.wrapping import wrapped
from preflight.redaction.redactor import Redactor
from preflight.redaction.results import masked
from preflight.reference.catalogue import entries
from preflight.report.attribution import attribute
from preflight.saved.diff import diff
from preflight.saved.merge import merge
from preflight.saved.reader import SavedReport, SavedReportError, read
from tests.harness.hostile_words import WORDS
from tests.harness.reports import EVICTS, REPORT, SET_POLICY
from tests.harness.run_check import planned

NOT_LINES = ["", "a\nb", "a\rb", "a\x1b[2Jb", "a\x00b", "a\u202eb", "a\u2028b", "a\ud800", "a  b", " a", "x" * 4001]


@pytest.mark.parametrize("text", NOT_LINES)
def test_command_is_one_line_that_is_shown_as_it_is(text: str) -> None:
    assert remedy.line("shell", "here", text) == ()
    with pytest.raises(ValueError, match="no line"):
        Remedy("shell", "here", text)


@pytest.mark.parametrize("kind", WORDS)
def test_word_of_a_server_is_one_word_of_the_command(kind: str, tmp_path: Path) -> None:
    for made in remedy.command("shell", WORDS[kind], "printf", "%s", WORDS[kind]):
        assert subprocess.check_output(["bash", "-c", made.command], text=True, cwd=tmp_path) == WORDS[kind]
        assert "\n" not in made.where
    assert not list(tmp_path.iterdir())


def smtp_findings(origin: InFile | InVariable) -> tuple[Finding, ...]:
    values = {"email.smtp.host": "mail", "email.smtp.port": 465, "email.smtp.secure": False}
    rest = {"username": "mistle", "password": "secret", "from_address": "a@b.example", "from_name": "Mistle"}
    check = planned("email.smtp", values | {f"email.smtp.{name}": value for name, value in rest.items()})
    cause = next(each for each in check.causes if each.id == "smtp.tls-from-first-byte")
    found = cause.diagnosis("no greeting")
    finding = Finding(cause.id, cause.layer, cause.status, found.message, fields=("secure",), remedies=found.remedies)
    return attribute(check, (check,), (finding,), {"email.smtp.secure": origin})


def test_edit_becomes_the_line_of_the_key() -> None:
    (in_file,) = smtp_findings(InFile("mistle.toml", 128, "smtp.secure"))
    assert in_file.remedies == (Remedy("edit", "mistle.toml:128", "smtp.secure = true"),)
    (in_env_file,) = smtp_findings(InVariable("MISTLE_EMAIL_SMTP_SECURE", "conf/prod.env", 3))
    assert in_env_file.remedies == (Remedy("edit", "prod.env:3", "MISTLE_EMAIL_SMTP_SECURE=true"),)


def test_no_edit_of_a_line_that_holds_more() -> None:
    (finding,) = smtp_findings(InFile("mistle.toml", 128))
    assert finding.remedies == ()


def test_remedy_with_a_secret_is_left_out() -> None:
    results = masked(REPORT.results, Redactor(["noeviction-password"]))
    assert results[3].findings[0].remedies == (SET_POLICY,)
    leaking = replace(EVICTS, remedies=(Remedy("shell", "x", "login --password correct-horse-battery"), SET_POLICY))
    result = replace(REPORT.results[3], findings=(leaking,))
    (shown,) = masked((result,), Redactor(["correct-horse-battery"]))
    assert shown.findings[0].remedies == (SET_POLICY,)


def test_command_is_not_wrapped() -> None:
    text = renderer("text")(REPORT)
    narrow = wrapped(text, 30)
    assert f"      $ {SET_POLICY.command}\n" in narrow
    assert max(map(len, narrow.split("\n"))) > 30


def test_page_has_the_command_to_copy() -> None:
    page = JustHTML(renderer("html")(REPORT), sanitize=False)
    (remedy_,) = page.query(".remedy")
    assert [each.to_text() for each in page.query(".remedy code")] == [SET_POLICY.command]
    assert [each.name for each in remedy_.query("button.copy")] == ["button"]


def saved(tmp_path: Path, **changes: object) -> SavedReport:
    document = json.loads(renderer("json")(REPORT))
    (written,) = document["checks"][3]["findings"][0]["remedies"]
    written.update(changes)
    file = tmp_path / "saved.json"
    file.write_text(json.dumps(document))
    return read(file)


def test_saved_report_keeps_its_remedies(tmp_path: Path) -> None:
    report = saved(tmp_path)
    assert report.results[3].findings[0].remedies == (SET_POLICY,)
    assert report.results[1].findings[1].remedies == ()
    (problem,) = (each for each in merge((report,), Status.WARN).problems if each.finding.id == EVICTS.id)
    assert problem.finding.remedies == (SET_POLICY,)
    before = replace(report, results=report.results[:1])
    (new,) = (each for each in diff(before, report, Status.WARN).new if each.finding.id == EVICTS.id)
    assert new.finding.remedies == (SET_POLICY,)


@pytest.mark.parametrize("text", NOT_LINES)
def test_saved_command_that_is_no_line_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SavedReportError, match="is not a report"):
        saved(tmp_path, command=text)


def test_saved_remedy_of_an_unknown_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SavedReportError, match=r"remedies\[0\]\.tool"):
        saved(tmp_path, tool="curl")


def test_form_of_a_remedy_is_none_itself() -> None:
    form = Cause("a.b", Layer.AUTH, "x", remedies=(Remedy("psql", "there", "psql -c 'GRANT … TO …'"),))
    assert form.diagnosis("y").remedies == ()
    literal = Cause("a.b", Layer.AUTH, "x", remedies=(SET_POLICY,))
    assert literal.diagnosis("y").remedies == (SET_POLICY,)


def test_catalogue_shows_no_field() -> None:
    for entry in entries().values():
        assert not [each for each in entry.remedies if "{" in each.where]
