"""`config FILE ...`, and the hook of .pre-commit-hooks.yaml, which runs it before a commit."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.harness import configs, profiles
from tests.harness.format_readers import sarif
from tests.harness.processes import ROOT, Ended, preflight

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
VERDICTS = {"good.toml": "VALID, ", "bad.toml": "NOT VALID, "}
UNREAD = {"ugly.toml", "missing.toml"}
"""Files that cannot be read: a line on standard error takes the place of the report."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A right file, a wrong one, and one that is not TOML."""
    for name, changes in (("good.toml", {}), ("bad.toml", {"email.smtp.port": 0})):
        configs.write(tmp_path, changes).rename(tmp_path / name)
    (tmp_path / "ugly.toml").write_text("x\n")
    return tmp_path


def ended(folder: Path, *arguments: str, env: Mapping[str, str] = {}) -> Ended:
    return preflight("config", *arguments, cwd=folder, env=env)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("good.toml", "good.toml"), 0),
        (("good.toml", "bad.toml"), 1),
        (("bad.toml", "good.toml"), 1),
        (("ugly.toml", "bad.toml", "good.toml"), 2),
        (("good.toml", "missing.toml"), 2),
    ],
)
def test_each_file_has_a_verdict_and_the_highest_exit_code_counts(names: tuple[str, ...], code: int, folder: Path):
    done = ended(folder, *names, "-q")
    assert done.code == code
    unread = [name for name in names if name in UNREAD]
    lines = done.stderr.splitlines()
    assert [line.split()[:2] for line in lines] == [["mistle-preflight:", name] for name in unread]
    names = tuple(name for name in names if name in VERDICTS)
    parts = done.stdout.split("\n\n")
    headings = [part.partition("\n")[0] for part in parts if part.partition("\n")[0] in VERDICTS]
    assert headings == list(names)
    verdicts = [line for line in done.stdout.splitlines() if "VALID, nothing was probed" in line]
    assert [line.startswith(VERDICTS[name]) for name, line in zip(names, verdicts, strict=True)] == [True] * len(names)


def test_whole_reports_begin_with_the_names_of_their_files(folder: Path):
    lines = ended(folder, "good.toml", "bad.toml").stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("mistle-preflight ")] == [
        "good.toml",
        "bad.toml",
    ]


def test_sarif_is_one_run_with_the_results_of_all_files(folder: Path):
    done = ended(folder, "bad.toml", "good.toml", "ugly.toml", "-f", "sarif=all.sarif", "-f", "text")
    assert done.code == 2
    run = sarif((folder / "all.sarif").read_text())
    assert [invocation["exitCode"] for invocation in run["invocations"]] == [1, 0, 2]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    line = int(configs.line_of(folder / "bad.toml", "email.smtp.port").partition(":")[2])
    assert [(each["artifactLocation"]["uri"], each["region"]["startLine"]) for each in places] == [
        ("bad.toml", line),
        ("ugly.toml", 1),
    ]


@pytest.mark.parametrize("name", profiles.first(2, ["json", "html", "junit", "github", "markdown", "prometheus"]))
def test_other_formats_are_of_one_file(name: str, folder: Path):
    done = ended(folder, "good.toml", "bad.toml", "-f", f"{name}=report")
    assert (done.code, f"has no format '{name}'; it has: text, sarif" in done.stderr) == (2, True)
    assert ended(folder, "good.toml", "-f", f"{name}=report").code == 0


def test_one_file_is_that_of_the_flag(folder: Path):
    found = json.loads(ended(folder, "bad.toml", "-f", "json").stdout)
    assert (found["ready"], found["checks"][0]["target"]) == (False, "bad.toml")
    done = ended(folder, "good.toml", "--config", "bad.toml")
    assert (done.code, "--config: the files of config FILE ..." in done.stderr) == (2, True)


def test_variables_win_over_each_file(folder: Path):
    assert ended(folder, "good.toml", "bad.toml", env={"MISTLE_EMAIL_SMTP_PORT": "26"}).code == 1
    origins = ended(folder, "good.toml", "good.toml", env={"MISTLE_EMAIL_SMTP_PORT": "26"}).stdout
    assert origins.count("email.smtp.port          validated  MISTLE_EMAIL_SMTP_PORT") == 2


def test_secret_of_each_file_is_masked(tmp_path: Path):
    for name in ("a", "b"):
        secret = f"hidden-{name}-0123456789"
        changes = {"email.smtp.password": secret, "sandbox.provider": secret}
        configs.write(tmp_path, changes).rename(tmp_path / f"{name}.toml")
    done = ended(tmp_path, "a.toml", "b.toml", "-v")
    assert (done.code, "hidden-" in done.stdout + done.stderr) == (1, False)


def test_bad_flag_ends_all(folder: Path):
    done = ended(folder, "good.toml", "bad.toml", "--ignore", "network.refusd")
    assert (done.code, "did you mean network.refused" in done.stderr) == (2, True)


def committed(folder: Path, *names: str) -> None:
    """A repository in which these files are staged."""
    for arguments in (("init", "-q"), ("add", *names)):
        subprocess.run(["git", *arguments], cwd=folder, check=True, env={"PATH": os.environ["PATH"]})


def pre_commit(folder: Path, *arguments: str) -> Ended:
    program = Path(sys.executable).with_name("pre-commit")
    path = f"{program.parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PRE_COMMIT_HOME": str(folder / "cache"), "PRE_COMMIT_COLOR": "never"}
    done = subprocess.run([program, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_manifest_is_valid(tmp_path: Path):
    assert pre_commit(tmp_path, "validate-manifest", str(MANIFEST)).code == 0


def test_hook_checks_the_staged_files_together(folder: Path):
    """With the program that is installed already, in place of an environment of its own."""
    names = ("mistle.toml", "deploy/mistle.production.toml")
    (folder / "deploy").mkdir()
    (folder / "good.toml").rename(folder / names[0])
    (folder / "bad.toml").rename(folder / names[1])
    committed(folder, *names, "ugly.toml")
    (hook,) = yaml.safe_load(MANIFEST.read_text())
    local = {"repos": [{"repo": "local", "hooks": [hook | {"language": "system"}]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(local))
    done = pre_commit(folder, "run", "--all-files")
    assert done.code == 1, done
    assert f"{names[1]}\nfailures\n" in done.stdout
    assert f"{names[0]}\nVALID, " in done.stdout
    assert "ugly.toml" not in done.stdout


@profiles.long
def test_hook_of_this_checkout_is_installed_and_run(folder: Path):
    (folder / "bad.toml").rename(folder / "mistle.toml")
    committed(folder, "mistle.toml")
    done = pre_commit(folder, "try-repo", str(ROOT), "mistle-preflight-config", "--all-files")
    assert (done.code, "email.smtp.port" in done.stdout) == (1, True), done
