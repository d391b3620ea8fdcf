"""Coverage-guided fuzzing.

libFuzzer, through atheris, changes the bytes of valid configurations, environments and saved reports, and keeps each
input that leads to a new branch of the tool or of Python's TOML parser. The same must hold as for hostile
configurations. `scripts/reliability` tries some inputs; `scripts/fuzz` continues for as long as you ask, and keeps the
inputs that it found.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.call import call
from tests.fuzz.seeds import ROOT, SEEDS, dictionary
from tests.harness import profiles
from tests.harness.figures import Section

RUNS = {"document": 700, "environment": 200, "saved": 2_000}
BREAKS = """
import runpy, preflight.config.schema.types
preflight.config.schema.types.Boolean.accept = lambda *_: 1 / 0
runpy.run_module("tests.fuzz", run_name="__main__")
"""
needs_atheris = pytest.mark.skipif(not find_spec("atheris"), reason="atheris has no wheel for this Python or machine")


def fuzz(*arguments: str, program: tuple[str, str] = ("-m", "tests.fuzz")) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)


@profiles.long
@needs_atheris
@pytest.mark.parametrize("target", RUNS)
def test_fuzz_targets(tmp_path: Path, figures: Section, target: str):
    done = fuzz(target, str(tmp_path), f"-runs={RUNS[target]}")
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    ended = re.search(r"#(\d+)\tDONE +cov: (\d+) .* corp: (\d+)/", done.stderr)
    assert ended
    inputs, edges, kept = map(int, ended.groups())
    assert inputs >= RUNS[target]
    assert kept > len(list(SEEDS[target]()))
    figures.cell(target, "inputs", f"{inputs:,}")
    figures.cell(target, "edges covered", f"{edges:,}")
    figures.cell(target, "crashes", str(len(broken(tmp_path))))


@profiles.long
@needs_atheris
def test_fuzz_failure_is_kept_and_repeatable(tmp_path: Path):
    assert fuzz("document", str(tmp_path), "-runs=100", program=("-c", BREAKS)).returncode != 0
    (file,) = broken(tmp_path)
    again = fuzz("document", str(file), program=("-c", BREAKS))
    assert again.returncode != 0
    assert "internal.bug" in again.stdout
    assert fuzz("document", str(file)).returncode == 0


def broken(folder: Path) -> list[Path]:
    return [file for kind in ("crash", "timeout", "oom") for file in folder.glob(f"{kind}-*")]


def test_seeds_are_right(tmp_path: Path):
    file = tmp_path / "mistle.toml"
    for document in SEEDS["document"]():
        file.write_bytes(document)
        assert call("config", "--config", str(file)).code == (1 if b"[[c]]" in document else 0)
    for block in SEEDS["environment"]():
        pairs = (line.partition(b"=") for line in block.split(b"\0")[:-1])
        assert call("config", environ={name: text for name, _, text in pairs}).code == 0


def test_dictionary_is_one_that_libfuzzer_reads():
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', line) for line in dictionary().splitlines())
