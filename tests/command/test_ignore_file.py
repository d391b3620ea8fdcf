"""--ignore-file: findings that do not count until a date, and count again afterwards."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from preflight import UsageError, check
from preflight.cli.commands import run
from preflight.cli.inputs import ignore_file
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options
from preflight.cli.so_far import SoFar
from tests.harness import configs, faults
from tests.harness.processes import Ended, preflight

REFUSED = "network.refused"
LAST = "9999-12-31"


def ended(folder: Path, lines: str, *flags: str, command: str = "run") -> Ended:
    """A run in which Valkey and SMTP refuse every connection."""
    (folder / "ignore.txt").write_text(lines)
    with faults.refused_port() as port:
        changes = {"kv.data_plane.url": f"redis://127.0.0.1:{port}", "email.smtp.host": "127.0.0.1"}
        file = configs.write(folder, {**changes, "email.smtp.port": port})
        selected = ("--only", "kv.data_plane", "--only", "email.smtp")
        return preflight(command, "--config", file, *selected, "--ignore-file", folder / "ignore.txt", *flags)


def statuses(done: Ended) -> dict[tuple[str, str], str]:
    """The status of each finding that is not ok or skipped, by its check and id."""
    return {
        (result["name"], finding["id"]): finding["status"]
        for result in json.loads(done.stdout)["checks"]
        for finding in result["findings"]
        if finding["status"] in {"warn", "fail"}
    }


def test_finding_is_a_warning_and_does_not_count(tmp_path: Path):
    lines = f"# while the servers move\n\n{REFUSED} {LAST} they move in January\n"
    done = ended(tmp_path, lines, "-f", "json", "--fail-level", "warn")
    assert done.code == 0
    assert statuses(done) == {("kv.data_plane", REFUSED): "warn", ("email.smtp", REFUSED): "warn"}


def test_finding_of_one_check_alone(tmp_path: Path):
    done = ended(tmp_path, f"{REFUSED}@kv.data_plane {LAST} it moves\n", "-f", "json", "--wait", "0.1")
    assert done.code == 1
    assert statuses(done) == {("kv.data_plane", REFUSED): "warn", ("email.smtp", REFUSED): "fail"}


def test_one_check_by_the_flag_too(tmp_path: Path):
    done = ended(
        tmp_path, "", "-f", "json", "--ignore", f"{REFUSED}@email.smtp", "--ignore", f"{REFUSED}@kv.data_plane"
    )
    assert (done.code, set(statuses(done).values())) == (0, {"warn"})


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_reports_mark_the_finding_of_that_check_only(name: str, tmp_path: Path):
    done = ended(tmp_path, f"{REFUSED}@kv.data_plane {LAST} it moves\n", "-f", name, "--no-color")
    assert done.stdout.partition("<script")[0].count("ignored") == 1


def test_expired_line_counts_again_and_is_named(tmp_path: Path):
    lines = f"{REFUSED}@email.smtp {LAST} it moves\n\n{REFUSED}@kv.data_plane 2026-01-31 it moved\n"
    done = ended(tmp_path, lines, "-f", "json")
    assert done.code == 1
    expected = {("email.smtp", REFUSED): "warn", ("kv.data_plane", REFUSED): "fail"}
    assert statuses(done) == {("config", "run.ignore-expired"): "warn", **expected}
    message = f"ignore.txt:3: {REFUSED}@kv.data_plane was to be ignored until 2026-01-31, and counts again (it moved)"
    assert message in done.stdout


@pytest.mark.parametrize(("day", "ready"), [(30, True), (31, True), (1, False)])
def test_last_day_is_included(day: int, ready: bool, tmp_path: Path):
    (tmp_path / "ignore.txt").write_text(f"{REFUSED} 2026-01-31 it moves\n")
    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        options = Options(config=file, only=("kv.data_plane",), ignore_file=tmp_path / "ignore.txt")
        started = datetime(2026, 2 if day == 1 else 1, day, 23, 59, tzinfo=UTC)
        report = run(Invocation(options, environ={}, started_at=started), SoFar())
    assert report.ready is ready
    assert ("run.ignore-expired" in [finding.id for finding in report.findings]) is not ready


def test_former_id_covers_the_new_one(tmp_path: Path):
    from preflight.reference.catalogue import entries

    new, former = next((id_, entry.cause.former[0]) for id_, entry in entries().items() if entry.cause.former)
    (tmp_path / "ignore.txt").write_text(f"{former}@kv.data_plane {LAST} it moves\n")
    (entry,) = ignore_file.read(tmp_path / "ignore.txt", 5.0)
    assert f"{new}@kv.data_plane" in ignore_file.ids.covered([entry.named])


def test_configuration_alone(tmp_path: Path):
    file = configs.write(tmp_path, {"email.smtp.prot": 25})
    (tmp_path / "ignore.txt").write_text(f"config.unknown-key@config {LAST} a newer Mistle reads it\r\n")
    assert preflight("config", "--config", file).code == 1
    assert preflight("config", "--config", file, "--ignore-file", tmp_path / "ignore.txt").code == 0


BAD = {
    "network.refused": "the date is missing; a line is: ID",
    f"network.refused {LAST}": "the reason is missing; a line is: ID",
    "network.refused tomorrow it moves": "'tomorrow' is no date; a line is: ID",
    "network.refused 2026-02-30 it moves": "'2026-02-30' is no date of the calendar; a line is: ID",
    f"incident.host-down {LAST} it moves": "incident.host-down is no finding: name the findings that it explains",
    f"network.refusd {LAST} it moves": "there is no finding 'network.refusd'; did you mean network.refused?",
    f"network.refused@kv.data_plan {LAST} it moves": "there is no check 'kv.data_plan'; did you mean kv.data_plane?",
    f"network.refused@ {LAST} it moves": "there is no check ''",
    f"@kv.data_plane {LAST} it moves": "there is no finding ''",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_line_is_named(line: str, tmp_path: Path):
    (tmp_path / "ignore.txt").write_text(f"# first\n{line}\n")
    done = preflight("config", "--config", configs.write(tmp_path, {}), "--ignore-file", tmp_path / "ignore.txt")
    assert done.code == 2
    assert done.stderr.startswith(f"mistle-preflight: --ignore-file: {tmp_path}/ignore.txt:2: {BAD[line]}")


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.txt", "no such file"), ("/dev/zero", "neither a file nor a pipe"), ("odd.txt", "is not UTF-8")],
)
def test_file_that_cannot_be_read(name: str, words: str, tmp_path: Path):
    (tmp_path / "odd.txt").write_bytes(b"\xff")
    file = configs.write(tmp_path, {})
    done = preflight("config", "--config", file, "--ignore-file", tmp_path / name)
    assert (done.code, words in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    with pytest.raises(UsageError, match=words):
        check(file, environ={}, ignore_file=tmp_path / name)


def test_entry_holds_the_day():
    assert ignore_file._ignored_finding([REFUSED, "2026-01-31", "why"], "x:1").until == date(2026, 1, 31)
