"""What CI services obey in the tool's output, and the summary that they show."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight import render
from preflight.cli.delivery import write_all
from preflight.formats import FORMATS, Destination, renderer
from preflight.output import ci
from preflight.output.workspace import in_repository
from preflight.report.model import Report
from tests.harness import configs, faults
from tests.harness.format_readers import READERS, markdown, runner_command
from tests.harness.processes import EXAMPLE, preflight
from tests.harness.reports import CONFIG, DIRECT, REJECTED, REPORT, of

# The commands that GitHub's runner knows; those of Azure Pipelines and TeamCity begin with ##vso[ and ##teamcity[.
KNOWN = (
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher"),
    *("save-state", "set-env", "set-output", "stop-commands", "warning"),
)
OF_OTHERS = re.compile(r"##(vso|teamcity)\[")
COMMANDS = [
    "::stop-commands::x",
    " \t::set-output name=url::http://evil.test",
    "::ERROR file=a,line=1::x",
    "##[add-mask]e",
    "said ##[set-env name=PATH]/evil",
    "###[group]x",
    "##vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus status='SUCCESS']",
]


def deliver(report: Report, targets: list[Destination]) -> None:
    write_all(report, {target: renderer(target[0])(report) for target in targets})


def obeyed(text: str) -> list[str]:
    """The lines that a CI service would obey as a command."""
    return [line for line in re.split(r"\r\n|\r|\n", text) if runner_command(line, KNOWN) or OF_OTHERS.search(line)]


@pytest.mark.parametrize("words", COMMANDS)
def test_ci_commands_are_recognized_and_made_inert(words: str):
    assert obeyed(f"before\n{words}\nafter")
    assert obeyed(ci.inert(f"before\n{words}\nafter")) == []


@pytest.mark.parametrize(
    "text",
    ["::1 refused the connection", "at [::1]:5432", "fe80::1::2", "## Title", "a: b", "# HELP x", "##", "::x", ""],
)
def test_text_without_commands_is_unchanged(text: str):
    assert ci.inert(text) == text


PARTS = st.sampled_from([":", "::", "#", "##", "[", "]", "\n", " ", "error", "group", "vso", "x=y", "\x1b[31m"])


@given(text=st.lists(PARTS | st.text(max_size=3), max_size=12).map("".join))
def test_no_text_holds_a_ci_command(text: str):
    assert obeyed(ci.inert(text)) == []


@pytest.mark.parametrize("name", FORMATS)
def test_report_printed_by_a_later_step_is_inert(name: str, tmp_path: Path):
    """From a report file, or from a program that uses the library."""
    words = " ".join(COMMANDS)
    report = of(CONFIG, replace(DIRECT, target=words, findings=(replace(REJECTED, message="::error::x", hint=words),)))
    deliver(report, [(name, tmp_path / "file")])
    for shown in ((tmp_path / "file").read_text(), render(report, name)):
        READERS[name](shown)
        assert [line for line in obeyed(shown) if name not in ci.COMMANDS or OF_OTHERS.search(line)] == []


@pytest.mark.parametrize("name", FORMATS)
def test_report_without_commands_is_unchanged(name: str):
    assert ci.inert(render(REPORT, name)) == renderer(name)(REPORT) or name in {"github", "text"}


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("name", FORMATS)
def test_no_format_prints_a_servers_ci_command(name: str, words: str, capfd: pytest.CaptureFixture[str]):
    rejected = replace(REJECTED, message=words.strip(), hint=words.strip())
    report = of(CONFIG, replace(DIRECT, target=words.strip(), findings=(rejected,)))
    deliver(report, [(name, None)])
    shown = capfd.readouterr().out
    READERS[name](shown)
    own = {"error", "notice"} if name in ci.COMMANDS else set()
    assert {found.name for line in shown.splitlines() if (found := runner_command(line, KNOWN))} == own


@pytest.mark.parametrize("arguments", [("-v",), ("-f", "json"), ("-f", "markdown", "-v"), ("-f", "junit")])
def test_mail_servers_ci_command_is_inert(arguments: tuple[str, ...], tmp_path: Path):
    greeting = b"554 ##[set-output name=url]http://evil.test ##vso[task.complete result=Succeeded]\r\n"
    with faults.serving(lambda connection: connection.sendall(greeting)) as port:
        host = {"email.smtp.host": "127.0.0.1", "email.smtp.port": port, "email.smtp.secure": False}
        done = preflight("--config", configs.write(tmp_path, host), "--only", "smtp", *arguments)
    assert done.code == 1
    assert "set-output name=url" in done.stdout
    assert obeyed(done.stdout + done.stderr) == []


def test_usage_error_holds_no_ci_command():
    done = preflight("--stage", "##[set-output name=x]y", "-f", "json")
    assert done.code == 2
    assert "set-output name=x" in done.stderr
    assert obeyed(done.stdout + done.stderr) == []


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    return tmp_path / "step_summary"


@pytest.fixture
def delivered(summary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def test_step_summary_gets_the_markdown_report_appended(summary: Path):
    summary.write_text("<details>\nof another tool\n")
    flags = ("-f", "github", "-f", "text=/dev/null")
    done = preflight("config", "--config", EXAMPLE, *flags, env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert (done.code, done.stderr) == (0, "")
    before, report = summary.read_text().split("\n\n", 1)
    assert before == "<details>\nof another tool"
    assert report.startswith("## ✅ VALID, nothing was probed\n")
    assert ("h2",) in markdown(summary.read_text()).tags
    assert [line for line in done.stdout.splitlines() if not line.startswith("::notice ")] == []


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "github"])
def test_only_the_github_format_writes_the_step_summary(name: str, delivered: Path):
    deliver(REPORT, [(name, None)])
    assert not delivered.exists()


def test_step_summary_is_written_if_annotations_go_to_a_file(delivered: Path, tmp_path: Path):
    deliver(REPORT, [("github", tmp_path / "annotations"), ("json", None)])
    assert delivered.read_text() == renderer("markdown")(REPORT)


@pytest.mark.parametrize("value", [None, ""])
def test_no_step_summary_without_its_variable(value: str | None, tmp_path: Path):
    env = {} if value is None else {"GITHUB_STEP_SUMMARY": value}
    done = preflight("config", "--config", EXAMPLE, "-f", "github", env=env, cwd=tmp_path)
    assert (done.code, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_unwritable_step_summary_is_reported_and_the_run_is_ready(tmp_path: Path):
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "nowhere" / "summary")}
    done = preflight("config", "--config", EXAMPLE, "-f", "github", env=env)
    assert (done.code, done.stdout.count("\n")) == (0, 1)
    assert done.stderr == "mistle-preflight: the step's summary cannot be written to: No such file or directory\n"


VERSIONS = [
    "\n" + renderer("markdown")(REPORT),
    "\n" + renderer("markdown")(replace(REPORT, detail=-1)),
    "\n## ❌ NOT READY\n",
    "",
]


@pytest.mark.parametrize(("version", "spare"), [(version, spare) for version in range(3) for spare in (0, 1)])
def test_step_summary_fits_the_size_limit(version: int, spare: int, delivered: Path):
    limit = ci.SUMMARIES["github"].limit
    room = len(VERSIONS[version].encode()) - spare
    delivered.write_bytes(b"x" * (limit - room))
    deliver(REPORT, [("github", None)])
    added = delivered.read_bytes()[limit - room :].decode()
    assert added == VERSIONS[version + spare]
    assert delivered.stat().st_size <= limit == 1024 * 1024


PATHS = {
    "in the repository": ("deploy/mistle.toml", ".", "deploy/mistle.toml"),
    "from a folder of it": ("mistle.toml", "deploy", "deploy/mistle.toml"),
    "from another folder": ("../deploy/mistle.toml", "other", "deploy/mistle.toml"),
    "by an absolute path": ("{workspace}/deploy/mistle.toml", "/", "deploy/mistle.toml"),
    "through a link to a folder": ("{workspace}/link/mistle.toml", ".", "deploy/mistle.toml"),
    "a link to a file elsewhere": ("linked.toml", "deploy", "deploy/linked.toml"),
    "outside": ("{workspace}/../outside.toml", ".", "{workspace}/../outside.toml"),
    "nowhere": ("no/such/mistle.toml", ".", "no/such/mistle.toml"),
    "a loop of links": ("circle/mistle.toml", ".", "circle/mistle.toml"),
    "no name of a file": ("a\0b", ".", "a\0b"),
}


@pytest.mark.parametrize("case", PATHS)
def test_file_path_is_relative_to_the_workspace(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    workspace = tmp_path / "workspace"
    for folder in ("deploy", "other"):
        (workspace / folder).mkdir(parents=True)
    (workspace / "deploy/mistle.toml").touch()
    (workspace / "link").symlink_to("deploy")
    (workspace / "circle").symlink_to("circle")
    (workspace / "deploy/linked.toml").symlink_to(tmp_path / "outside.toml")
    given, folder, expected = PATHS[case]
    monkeypatch.chdir(workspace / folder)
    shown = in_repository(given.format(workspace=workspace), {"GITHUB_WORKSPACE": str(workspace)})
    assert shown == expected.format(workspace=workspace)


def test_file_path_is_unchanged_without_a_workspace():
    assert in_repository("deploy/mistle.toml", {}) == "deploy/mistle.toml"


def test_annotations_have_the_path_in_the_repository(tmp_path: Path):
    (tmp_path / "deploy").mkdir()
    file = configs.write(tmp_path / "deploy", {"sandbox.provider": "nobody"})
    env = {"GITHUB_WORKSPACE": str(tmp_path)}
    done = preflight("config", "--config", "mistle.toml", "-f", "github", env=env, cwd=tmp_path / "deploy")
    assert done.stdout.startswith("::error file=deploy/mistle.toml,line=")
    shown = preflight("config", "--config", file, "-f", "json", env=env)
    assert json.loads(shown.stdout)["checks"][0]["target"] == str(file)
