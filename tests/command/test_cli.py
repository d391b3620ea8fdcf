"""The command from outside: its output and its exit code."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path

import pytest

from preflight import __version__
from preflight.cli.main import main
from preflight.reference.catalogue import entries
from tests.fuzz.call import block, call
from tests.harness import profiles
from tests.harness.command import SCHEMA, run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mistle.toml"
PASSWORD = "Kd7-pass&word+of/postgres"
ENCODED = "Kd7-pass%26word%2Bof%2Fpostgres"
CLEAN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
DATABASES = ("--only", "postgres", "--only", "valkey")
URLS = [f"MISTLE_POSTGRES_{plane}_PLANE_{use}_URL" for plane in ("CONTROL", "DATA") for use in ("DIRECT", "POOLED")]


def pointed_at(port: int) -> dict[str, str]:
    """Every resource of the example is at this port."""
    postgres = dict.fromkeys(URLS, f"postgres://app:{ENCODED}@127.0.0.1:{port}/mistle_database")
    return {**postgres, "MISTLE_KV_DATA_PLANE_URL": f"redis://:{ENCODED}@127.0.0.1:{port}"}


@pytest.fixture
def closed() -> dict[str, str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return pointed_at(listener.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield pointed_at(listener.getsockname()[1])


def started(
    *arguments: str, env: Mapping[str, str] | None = None, code: str = "", **streams: object
) -> "subprocess.Popen[bytes]":
    """The command; ``code`` runs before it and breaks something."""
    program = ["-c", f"{code}\nfrom preflight.cli.main import entry; entry()"] if code else ["-m", "preflight.cli.main"]
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        env={**CLEAN, **(env or {})},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def ended(*arguments: str, env: Mapping[str, str] | None = None, code: str = "") -> tuple[int, str, str]:
    """Exit code, standard output, standard error. Only ``code`` needs a process of its own."""
    if not code:
        return astuple(call(*arguments, environ=block({**CLEAN, **(env or {})})))
    process = started(*arguments, env=env, code=code)
    stdout, stderr = process.communicate(timeout=30)
    return process.returncode, stdout.decode(), stderr.decode()


def document(stdout: str) -> dict:
    """The one JSON document that standard output holds."""
    found = json.loads(stdout)
    SCHEMA.validate(found)
    return found


def ids(found: dict) -> set[str]:
    return {finding["id"] for check in found["checks"] for finding in check["findings"]}


def test_right_configuration_is_valid_offline():
    code, stdout, stderr = ended("config", "--config", str(EXAMPLE))
    assert (code, stderr) == (0, "")
    assert stdout.splitlines()[-1].startswith("VALID, nothing was probed · checks: 1 ok · keys: ")
    assert stdout.splitlines()[0] == f"mistle-preflight {__version__} · config · {EXAMPLE}"


def test_configuration_with_an_error_is_not_ready():
    code, stdout, _ = ended("config", "--config", str(EXAMPLE), "-f", "json", env={"MISTLE_ENV": "prod"})
    found = document(stdout)
    assert (code, found["ready"], found["checks"][0]["status"]) == (1, False, "fail")
    (key,) = (key for key in found["keys"] if key["key"] == "global.env")
    assert (key["status"], key["evidence"], key["origin"]) == ("fail", "none", "MISTLE_ENV")


def test_plan_names_checks_and_keys_and_touches_nothing(silent: dict[str, str]):
    code, stdout, _ = ended("plan", "--config", str(EXAMPLE), "-f", "json", env=silent)
    found = document(stdout)
    assert code == 0
    assert {check["status"] for check in found["checks"][1:]} == {"skip"}
    direct = next(check for check in found["checks"] if check["name"] == "postgres.data_plane.direct")
    assert direct["keys"] == ["postgres.data_plane.direct_url"]
    assert [finding["layer"] for finding in direct["findings"]] == ["dns", "connect", "auth", "access", "fitness"]
    (key,) = (key for key in found["keys"] if key["key"] == "postgres.data_plane.direct_url")
    assert (key["status"], key["evidence"]) == ("skip", "validated")


def test_plan_for_people_lists_the_keys_of_each_check():
    _, stdout, _ = ended("plan", "--config", str(EXAMPLE))
    assert "      for postgres.data_plane.direct_url\n" in stdout


@pytest.mark.parametrize("flags", [("-f", "json"), ("-v",)])
@pytest.mark.parametrize("name", ["EMAIL_SMTP_FROM_ADDRESS", "SANDBOX_DEFAULT_BASE_IMAGE"])
def test_target_with_control_characters_is_one_printable_line(name: str, flags: tuple[str, ...]):
    _, stdout, _ = ended("plan", "--config", str(EXAMPLE), *flags, env={f"MISTLE_{name}": "a\x1b[31m\t\u202eb"})
    assert "a b" in stdout
    assert all(line.isprintable() for line in stdout.split("\n"))


def test_certificate_path_with_control_characters_is_one_printable_line():
    _, stdout, _ = ended("config", "--config", str(EXAMPLE), env={"NODE_EXTRA_CA_CERTS": "/a\x1b[31m\nb"})
    assert "/a b cannot be read: no such file or directory\n" in stdout


def test_unreachable_resources_are_not_ready(closed: dict[str, str]):
    code, stdout, stderr = ended("--config", str(EXAMPLE), env=closed)
    assert (code, stderr) == (1, "")
    assert "network.refused  (kv.data_plane, connect)\n      kv.data_plane.url  MISTLE_KV_DATA_PLANE_URL" in stdout
    assert stdout.splitlines()[-1].startswith("NOT READY · checks: ")


def test_ignored_failures_are_shown_and_not_counted(closed: dict[str, str]):
    strict = ("--fail-level", "warn", "--ignore", "network.refused")
    code, stdout, _ = ended("--config", str(EXAMPLE), "-f", "json", *DATABASES, *strict, env=closed)
    found = document(stdout)
    assert (code, found["ready"]) == (0, True)
    assert found["counts"]["checks"]["warn"] == 5


def test_selection_leaves_the_other_keys_unproven(closed: dict[str, str]):
    _, stdout, _ = ended("--config", str(EXAMPLE), "-f", "json", "--only", "valkey", env=closed)
    found = document(stdout)
    assert [check["name"] for check in found["checks"]] == ["config", "kv.data_plane"]
    (key,) = (key for key in found["keys"] if key["key"] == "postgres.data_plane.direct_url")
    assert (key["status"], key["evidence"]) == ("skip", "validated")


@pytest.mark.parametrize(
    "arguments",
    [("-q", "--config", str(EXAMPLE), "config"), ("config", "--config", str(EXAMPLE), "-q"), ("-q", "config")],
)
def test_flags_stand_before_or_after_the_command(arguments: tuple[str, ...]):
    code, stdout, _ = ended(*arguments, env={"MISTLE_CONFIG_PATH": str(EXAMPLE)})
    assert (code, stdout.count("\n")) == (0, 1)
    assert stdout.startswith("VALID, ")


MISUSE = {
    "unknown flag": (["--bogus"], "--bogus"),
    "abbreviated flag": (["--time", "3"], "--time"),
    "unknown command": (["confgi"], "'confgi'"),
    "missing argument": (["explain"], "name the finding, as in mistle-preflight explain network.refused"),
    "too many arguments": (["explain", "network.refused", "x"], "mistle-preflight explain ID"),
    "nothing to list": (["explain", "--list", "nonsense"], "no finding begins with 'nonsense'"),
    "unknown schema": (["schema", "confg"], "there is no schema of 'confg'; there are: config, report"),
    "unknown shell": (["completion", "tcsh"], "there is for bash, zsh, fish"),
    "one report to compare": (["diff", "a.json"], "mistle-preflight diff A.json B.json"),
    "no reports to merge": (["merge"], "mistle-preflight merge [NAME=]A.json ..."),
    "unknown finding": (["explain", "network.refusd"], "did you mean network.refused?"),
    "unknown finding to ignore": (["config", "--ignore", "network.refusd"], "did you mean network.refused?"),
    "unknown stage": (["--stage", "dead"], "'dead'"),
    "unknown service": (["--service", "dashbord"], "'dashbord'"),
    "unknown format": (["--format", "xml"], "'xml'"),
    "format without a file": (["--format", "text="], "'text='"),
    "file with an endless name": (["--format", f"text={'x' * 300}"], "x cannot be written"),
    "unwritable file": (["--format", "text=/no/such/folder/report"], "/no/such/folder/report"),
    "file with a name that is too long": (["--format", f"text={'long' * 100}"], "cannot be written"),
    "no time": (["--timeout", "0"], "'0'"),
    "negative time": (["--deadline=-1"], "'-1'"),
    "not a number": (["--timeout", "nan"], "'nan'"),
    "endless": (["--deadline", "inf"], "'inf'"),
    "not a time": (["--timeout", "soon"], "'soon'"),
    "longer than any clock": (["--deadline", "1e300"], "'1e300'"),
    "line break": (["--a\nb"], "--a b"),
    "pattern that matches nothing": (["--config", str(EXAMPLE), "--only", "mysql"], "'mysql'"),
    "pattern without end": (["--skip", "*?" * 200], "longer than the name of any check"),
    "certificates that are not there": (["--ca-file", "/no/such/file"], "no such file or directory"),
    "certificates without an end": (["--ca-file", "/dev/zero"], "is neither a file nor a pipe"),
    "certificates that are none": (["--ca-file", str(EXAMPLE)], "holds no PEM certificates"),
    "no such configuration": (["--config", "/no/such/file"], "/no/such/file"),
    "configuration that is a folder": (["--config", "/"], "/"),
}


@pytest.mark.parametrize("case", MISUSE)
def test_usage_error_is_one_line_and_exit_2(case: str):
    arguments, words = MISUSE[case]
    code, stdout, stderr = ended(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("mistle-preflight: ")
    assert words.lower() in stderr.lower()
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("flags", [("--format", "json"), ("--format=json",), ("-fjson",)])
@pytest.mark.parametrize("case", MISUSE)
def test_usage_error_is_reported_in_json(case: str, flags: tuple[str, ...]):
    code, stdout, stderr = ended(*MISUSE[case][0], *flags)
    found = document(stdout)
    assert (code, found["ready"], stderr.count("\n")) == (2, False, 1)
    assert ids(found) & {"run.usage", "config.unreadable"}


def test_two_reports_to_standard_output_are_a_usage_error():
    code, stdout, _ = ended("-f", "json", "-f", "text")
    assert (code, ids(document(stdout))) == (2, {"run.usage"})


CRASHES = {
    "while reading": "import preflight.cli.commands as m\ndef load(*_): raise RuntimeError(SECRET)\nm.load = load",
    "while planning": "import preflight.plan.plan as m\ndef plan(*_, **__): raise RuntimeError(SECRET)\nm.plan = plan",
    "while comparing": (
        "import preflight.run.consistency as m\ndef fail(*_): raise RuntimeError(SECRET)\nm.compare = fail"
    ),
    "while rendering": (
        "import preflight.formats.json as m\n"
        "def fail(_): m.finding_members = whole; raise RuntimeError(SECRET)\n"
        "whole, m.finding_members = m.finding_members, fail"
    ),
    "while making the verdicts": (
        "import preflight.cli.so_far as m\n"
        "def fail(keys, *_):\n"
        "    if keys: raise RuntimeError(SECRET)\n"
        "    return ()\n"
        "m.verdicts = fail"
    ),
}


@pytest.mark.parametrize("when", profiles.first(3, CRASHES))
def test_bug_is_reported_in_json_and_exit_3(when: str, closed: dict[str, str]):
    code, stdout, stderr = ended(
        "--config", str(EXAMPLE), "-f", "json", env=closed, code=f"SECRET = {PASSWORD!r}\n{CRASHES[when]}"
    )
    assert (code, stderr) == (3, "")
    (bug,) = (finding for finding in document(stdout)["checks"][0]["findings"] if finding["id"] == "internal.bug")
    assert "RuntimeError at " in bug["message"]
    assert PASSWORD not in stdout


def test_bug_after_the_checks_keeps_their_findings(closed: dict[str, str]):
    code = f"SECRET = ''\n{CRASHES['while comparing']}"
    _, stdout, _ = ended("--config", str(EXAMPLE), "-f", "json", env=closed, code=code)
    assert "network.refused" in ids(document(stdout))


def test_bug_before_the_checks_leaves_all_keys_unproven(closed: dict[str, str]):
    code = f"SECRET = ''\n{CRASHES['while planning']}"
    _, stdout, _ = ended("--config", str(EXAMPLE), "-f", "json", env=closed, code=code)
    assert {key["status"] for key in document(stdout)["keys"]} == {"skip"}


def test_traceback_is_printed_with_v_and_without_secrets(closed: dict[str, str]):
    code = f"SECRET = {PASSWORD!r}\n{CRASHES['while comparing']}"
    _, stdout, stderr = ended("--config", str(EXAMPLE), "-v", env=closed, code=code)
    assert "Traceback (most recent call last):" in stderr
    assert "RuntimeError: ***" in stderr
    assert PASSWORD not in stdout + stderr


@pytest.mark.parametrize("flags", profiles.first(1, [["-v"], ["-f", "json"], ["-q"], []]))
def test_password_is_in_no_output(flags: list[str], closed: dict[str, str]):
    _, stdout, stderr = ended("--config", str(EXAMPLE), *flags, env=closed)
    assert PASSWORD not in stdout + stderr
    assert ENCODED not in stdout + stderr


def test_report_file_is_whole_and_private_and_replaces_a_links_target(tmp_path: Path):
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "report.json").symlink_to("old.json")
    code, stdout, _ = ended("config", "--config", str(EXAMPLE), "-f", f"json={tmp_path / 'report.json'}", "-f", "text")
    assert code == 0
    assert "VALID" in stdout
    document((tmp_path / "old.json").read_text())
    assert stat.S_IMODE((tmp_path / "old.json").stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.json", "report.json"]


def test_report_in_a_file_only_leaves_standard_output_empty(tmp_path: Path):
    assert ended("config", "--config", str(EXAMPLE), "-f", f"text={tmp_path / 'report'}") == (0, "", "")
    assert "\x1b" not in (tmp_path / "report").read_text()


def test_ascii_output_has_ascii_marks():
    code, stdout, _ = ended("config", "--config", str(EXAMPLE), env={"PYTHONIOENCODING": "ascii"}, code="pass")
    assert code == 0
    assert "  + global.env " in stdout
    assert stdout.isascii()


def test_json_is_utf8_with_another_terminal_encoding():
    env = {"PYTHONIOENCODING": "ascii", "MISTLE_CONFIG_PATH": "/no/such/dätei"}
    _, stdout, _ = ended("config", "-f", "json", env=env)
    assert "dätei" in document(stdout)["checks"][0]["target"]


def test_extra_certificates_that_node_would_ignore_are_a_warning():
    env = {"NODE_EXTRA_CA_CERTS": "/no/such/file"}
    code, stdout, _ = ended("config", "--config", str(EXAMPLE), "-f", "json", env=env)
    found = document(stdout)
    assert (code, found["checks"][0]["status"]) == (0, "warn")
    assert ids(found) == {"config.extra-ca-unreadable"}


def test_extra_certificates_of_the_flag_replace_those_of_the_variable():
    import certifi

    env = {"NODE_EXTRA_CA_CERTS": "/no/such/file"}
    assert (
        ended("config", "--config", str(EXAMPLE), "-q", "--fail-level", "warn", "--ca-file", certifi.where(), env=env)[
            0
        ]
        == 0
    )


def test_explain_prints_the_entry():
    code, stdout, _ = ended("explain", "network.refused")
    assert code == 0
    assert "nothing listens on that port" in stdout
    assert "\n  for example\n      connection refused by " in stdout
    assert "\n  more      docs/findings.md#networkrefused\n" in stdout
    assert "\n  remedy\n      start the service, or correct the host and port in the blamed key\n" in stdout


def test_explain_in_json():
    found = json.loads(ended("explain", "network.refused", "-f", "json")[1])
    assert (found["id"], found["layer"], found["status"]) == ("network.refused", "connect", "fail")
    assert found["link"] == "docs/findings.md#networkrefused"
    assert found["example"].startswith("connection refused by ")


PRINTED = {
    "explanation": ("explain", "network.refused"),
    "explanation for machines": ("explain", "network.refused", "-f", "json"),
    "list for machines": ("explain", "smtp", "-f", "json"),
    "script": ("completion", "bash"),
    "schema": ("schema",),
    "schema as JSON": ("schema", "report", "-f", "json"),
}


@pytest.mark.parametrize("what", PRINTED)
def test_other_documents_can_be_written_to_files(what: str, tmp_path: Path):
    words = PRINTED[what] if "-f" in PRINTED[what] else (*PRINTED[what], "-f", "text")
    code, stdout, stderr = ended(*words[:-1], f"{words[-1]}={tmp_path / 'file'}")
    assert (code, stdout, stderr) == (0, "", "")
    assert (tmp_path / "file").read_text() == ended(*words)[1] != ""


@pytest.mark.parametrize("command", ["explain network.refused", "completion bash"])
@pytest.mark.parametrize("name", ["html", "junit", "github", "markdown", "prometheus"])
def test_format_that_a_command_does_not_have(command: str, name: str, tmp_path: Path):
    code, _, stderr = ended(*command.split(), "-f", f"{name}={tmp_path / 'file'}")
    assert (code, f"{command.split(maxsplit=1)[0]} has no format '{name}'; it has: text" in stderr) == (2, True)


def test_arguments_are_parsed_without_the_formats():
    program = "import sys, preflight.cli.parser; preflight.cli.parser.parse(['-fjson', '-fhtml=x', '-fjunit=y']); "
    program += "print({'jinja2', 'junitparser', 'preflight.formats.html'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("arguments", [("explain", "--list"), ("explain", "--list", "smtp"), ("explain", "smtp")])
def test_explain_lists_findings(arguments: tuple[str, ...]):
    code, stdout, _ = ended(*arguments)
    listed = [line.split()[:3] for line in stdout.splitlines()]
    wanted = [id_ for id_ in entries() if id_.startswith("smtp." if "smtp" in arguments else "")]
    assert (code, [id_ for id_, _, _ in listed]) == (0, wanted)
    assert ["smtp.relay-refused", "access", "fail"] in listed
    document = json.loads(ended(*arguments, "-f", "json")[1])
    assert [entry["id"] for entry in document] == wanted


def test_version():
    assert ended("--version") == (0, f"mistle-preflight {__version__}\n", "")


def test_readme_quotes_the_help(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "examples:\n" in shown
    assert f"<!-- example: help -->\n````\n{shown}````\n" in (ROOT / "README.md").read_text()


def test_check_of_a_configuration_imports_little(tmp_path: Path):
    """Imports decide how fast a command starts, and their number does not depend on the machine."""
    report = ("config", "--config", str(EXAMPLE), "-f", f"json={tmp_path / 'report.json'}")
    imported = modules("from preflight.cli.main import main; main(sys.argv[1:])", *report) - modules("")
    packages = {name.partition(".")[0] for name in imported} - {*sys.stdlib_module_names}
    assert packages <= {"checks", "preflight", "certifi", "packaging"}
    assert len(imported) < 220


def modules(code: str, *arguments: str) -> set[str]:
    """All that Python has imported when it has run this."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    command = [sys.executable, "-c", program, *arguments]
    return {*subprocess.run(command, env=CLEAN, capture_output=True, text=True, check=True).stdout.split()}


def test_explanation_in_json_has_id_layer_and_status():
    code, stdout, _ = ended("explain", "network.refused", "-f", "json")
    told = json.loads(stdout)
    assert (code, told["id"], told["layer"], told["status"]) == (0, "network.refused", "connect", "fail")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("MISTLE_SERVICES_DATA_PLANE_API_PORT", "must be a whole number from 1 to 65535, without quotes"),
        (
            "MISTLE_SERVICES_CONTROL_PLANE_WORKER_WORKFLOW_CONCURRENCY",
            "must be a whole number from 1, without quotes",
        ),
    ],
)
def test_limits_of_a_number_are_named(variable: str, words: str):
    code, stdout, _ = ended("config", "--config", str(EXAMPLE), env={variable: "x"})
    assert (code, words in stdout) == (1, True)


@pytest.mark.parametrize("named", ["-", "/dev/stdin"])
def test_configuration_comes_through_a_pipe(named: str):
    with subprocess.Popen(["cat", str(EXAMPLE)], stdout=subprocess.PIPE) as sender:
        done = run("config", "--config", named, "-f", "json", stdin=sender.stdout)
    assert (done.code, done.stderr) == (0, b"")
    name = {"-": "standard input"}.get(named, "stdin")
    assert {key["origin"] for key in done.document["keys"] if key["key"] == "global.env"} == {f"{name}:5"}
    assert done.document["checks"][0]["target"] == {"-": "standard input"}.get(named, named)


def test_standard_input_has_no_file_in_annotations():
    with subprocess.Popen(["echo", "[global]\nenv = 1"], stdout=subprocess.PIPE) as sender:
        done = run("config", "--config", "-", "-f", "github", stdin=sender.stdout)
    assert done.code == 1
    assert b"::error title=config.wrong-type" in done.stdout


def test_dash_in_the_variable_is_a_file_name(tmp_path: Path):
    done = run("config", env={"MISTLE_CONFIG_PATH": "-"}, stdin=subprocess.DEVNULL)
    assert (done.code, done.stderr) == (2, b"mistle-preflight: - cannot be read: no such file or directory\n")


WAITING = {
    "standard input": ("config", "--config", "-"),
    "first report": ("diff", "PIPE", "PIPE"),
    "configuration": ("config", "--config", "PIPE"),
    "report": ("merge", "name=PIPE"),
}


@pytest.mark.parametrize("what", profiles.first(2, WAITING))
@pytest.mark.parametrize("limit", ["--timeout", "--deadline"])
def test_file_that_never_comes_is_not_waited_for(what: str, limit: str, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    reader, writer = os.pipe()
    words = [word.replace("PIPE", str(tmp_path / "pipe")) for word in WAITING[what]]
    done = run(*words, limit, "0.5", stdin=reader)
    os.close(reader)
    os.close(writer)
    name = "standard input" if words[-1] == "-" else tmp_path / "pipe"
    assert (done.code, done.stderr.decode()) == (
        2,
        f"mistle-preflight: {name} could not be read to its end in time\n",
    )


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("pln",), "plan"),
        (("--onyl", "smtp"), "--only"),
        (("-f", "jsn"), "json"),
        (("--only", "smpt"), "smtp"),
        (("--skip", "kv.data_plan"), "kv.data_plane"),
        (("--ignore", "network.refuse"), "network.refused"),
        (("explain", "smtp.plaintxt"), "smtp.plaintext"),
    ],
    ids=["command", "flag", "format", "kind", "check", "finding", "explained finding"],
)
def test_unknown_name_is_answered_with_a_similar_one(arguments: tuple[str, ...], meant: str):
    code, _, stderr = ended(*arguments, "--config", str(EXAMPLE))
    assert (code, stderr.count("\n")) == (2, 1)
    assert stderr.endswith(f"; did you mean {meant}?\n")
