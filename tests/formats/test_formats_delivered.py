"""How every format is written: the same exit code, complete and private files, and no module that is not used."""

import ast
import re
import stat
import sys
from pathlib import Path

import pytest

from preflight.formats import FORMATS
from tests.harness import configs, profiles
from tests.harness.format_readers import READERS
from tests.harness.processes import EXAMPLE, ROOT, Ended, preflight

WRONG = {"MISTLE_ENV": "prod"}
CRASH = "import preflight.cli.commands as m\ndef load(*_): raise RuntimeError\nm.load = load"
KILLED = (
    "import preflight.cli.commands as m, os, signal, time\n"
    "def load(*_): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n"
    "m.load = load"
)
RUNS = {
    "ready": (0, ("--config", EXAMPLE), {}),
    "not ready": (1, ("--config", EXAMPLE), {"env": WRONG}),
    "misuse": (2, ("--config", EXAMPLE, "--only", "mysql", "--bogus"), {}),
    "unreadable": (2, ("--config", "/no/such/file"), {}),
    "bug": (3, ("--config", EXAMPLE), {"before": CRASH}),
    "interrupted": (143, ("--config", EXAMPLE), {"before": KILLED}),
}


def ran(ending: str, *flags: object) -> Ended:
    _, arguments, how = RUNS[ending]
    return preflight("config", *arguments, *flags, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=RUNS)
def all_formats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Ended, Path]:
    """A run that writes every format to a file, in place of an older file that every user can read."""
    folder = tmp_path_factory.mktemp("reports")
    for name in FORMATS:
        (folder / name).write_text("older")
        (folder / name).chmod(0o644)
    flags = (flag for name in FORMATS for flag in ("-f", f"{name}={folder / name}"))
    return request.param, ran(request.param, *flags, "-f", "json"), folder


def test_exit_code_is_that_of_the_run(all_formats: tuple[str, Ended, Path]):
    ending, done, _ = all_formats
    assert done.code == RUNS[ending][0]
    READERS["json"](done.stdout)


def test_files_are_complete_and_private_and_alone(all_formats: tuple[str, Ended, Path]):
    _, done, folder = all_formats
    written = [
        name for name in FORMATS if name != "text" or done.code != 2
    ]  # with exit code 2 the message is on standard error
    for name in written:
        READERS[name]((folder / name).read_text())
        assert stat.S_IMODE((folder / name).stat().st_mode) == (0o644 if name == "prometheus" else 0o600)
    assert sorted(file.name for file in folder.iterdir()) == sorted(FORMATS)


@profiles.covering
@pytest.mark.parametrize("ending", ["not ready", "interrupted"])
@pytest.mark.parametrize("name", FORMATS)
def test_exit_code_is_the_same_in_every_format_on_standard_output(name: str, ending: str):
    done = ran(ending, "-f", name)
    assert done.code == RUNS[ending][0]
    READERS[name](done.stdout)


def test_files_that_cannot_be_replaced_are_unchanged(tmp_path: Path):
    for name in FORMATS:
        (tmp_path / name).write_text("older")
    full = "import os\ndef fail(*_): raise OSError(28, 'No space left on device')\nos.fsync = fail"
    flags = (flag for name in FORMATS for flag in ("-f", f"{name}={tmp_path / name}"))
    done = preflight("config", "--config", EXAMPLE, *flags, before=full)
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    for name in FORMATS:
        assert f"the {name} report cannot be written to {tmp_path / name}: No space left on device" in done.stderr
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(FORMATS, "older")


def libraries(name: str) -> set[str]:
    """The packages of others that the modules of a format import."""
    path = ROOT / FORMATS[name].replace(".", "/")
    files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    imported = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    imported += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"checks", "preflight"}


LIBRARIES = {name: libraries(name) for name in FORMATS}
TELL_MODULES = (
    "import os, sys\n"
    "leave = os._exit\n"
    "os._exit = lambda code: leave(code if sys.stderr.write('\\n'.join(sys.modules)) else 9)"
)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_loads_its_own_libraries_and_no_other(name: str):
    done = preflight("config", "--config", EXAMPLE, "-f", name, before=TELL_MODULES)
    loaded = done.stderr.splitlines()
    assert {module for module in loaded if "." not in module} & set.union(*LIBRARIES.values()) == LIBRARIES[name]
    assert {module for module in FORMATS if f"preflight.formats.{module}" in loaded} == {name}


def test_metrics_leave_the_callers_multiprocess_folder_alone(tmp_path: Path):
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = preflight("config", "--config", EXAMPLE, "-f", "prometheus", env=env)
    assert (done.code, list(tmp_path.iterdir())) == (0, [])
    assert 'mistle_preflight_ready{service="",stage="live"} 1.0\n' in done.stdout


def test_quiet_markdown_is_the_verdict():
    done = preflight("config", "--config", EXAMPLE, "-f", "markdown", "-q")
    assert re.fullmatch(r"## ✅ VALID, nothing was probed\n\n[^\n]+\n\nmistle-preflight [^\n]+\n", done.stdout)


def test_annotation_is_on_the_line_of_the_wrong_key(tmp_path: Path):
    file = configs.write(tmp_path, {"sandbox.provider": "nobody"})
    done = preflight("config", "--config", file, "-f", "github")
    _, line = configs.line_of(file, "sandbox.provider").split(":")
    assert f"::error file={file},line={line},title=config.not-allowed (config)::" in done.stdout
