"""Small changes that the suite must notice.

A hundred small changes, the same ones each time, are spread over the modules: a comparison is inverted, a condition
negated, a number or a returned value changed. For each change, the test files nearest to its module run as in
`scripts/test`; if none of them fails, the tests of complete runs follow. A change that none of them notices either has
no visible effect, or needs a test.
"""

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from tests.harness.figures import Figures, Section
from tests.reliability.state import PAGE, ROOT, Notes

COUNT, SEED = 100, 10
LIMIT = 240.0  # seconds for the tests of one change: one that hangs is noticed
_WHOLE = {f"test_{name}.py" for name in ("config", "overrides", "plan", "cli", "full_run", "attack_output")}
WHOLE = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name in _WHOLE]
ROOMS = ("checks", "preflight")
INVERTED = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
Edit = tuple[ast.expr, str]


@dataclass(frozen=True)
class Mutant:
    """In a file of the checkout, the text from ``start`` to ``end``, in bytes, becomes ``new``."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} `{_short(self.old)}` → `{_short(self.new)}`"


def mutants(file: Path) -> Iterator[Mutant]:
    """All mutants of a module."""
    content = file.read_bytes()
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(content)):
        for part, new in _edits(node):
            start = starts[part.lineno - 1] + part.col_offset
            end = starts[(part.end_lineno or 0) - 1] + (part.end_col_offset or 0)
            old = content[start:end].decode()
            yield Mutant(str(file.relative_to(ROOT)), part.lineno, start, end, old, new.replace("@", old))


def _edits(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            yield node, f"{ast.unparse(left)} {INVERTED[type(operator)]} {ast.unparse(right)}"
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if ast.unparse(test) != "TYPE_CHECKING":
            yield test, "(not (@))"
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            yield node, "(@ + 1)"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield value, "None"


def sample() -> list[Mutant]:
    """COUNT mutants: one of each module in turn."""
    chance = random.Random(SEED)
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    piles = [sorted(mutants(file), key=astuple) for file in chance.sample(files, len(files))]
    for pile in piles:
        chance.shuffle(pile)
    turns = (pile[turn] for turn in range(COUNT) for pile in piles if len(pile) > turn)
    return [mutant for mutant, _ in zip(turns, range(COUNT), strict=False)]


def nearest(file: str) -> list[str]:
    """The test files with the name of the module or its package, or that import it; else those of its importers."""
    module = _module(Path(file))
    files = {str(path.relative_to(ROOT)) for part in module.split(".")[1:] for path in _named(part)}
    modules, visited = {module}, {module}
    while True:
        files |= {each for name in modules for each in _importers()[name]}
        modules = {name for name, imported in _sources().items() if imported & modules} - visited
        visited |= modules
        if files or not modules:
            return sorted(files)


def _named(part: str) -> Iterator[Path]:
    for path in (ROOT / "tests").rglob("test_*.py"):
        name = path.stem.removeprefix("test_")
        if not name.startswith("attack_") and (f"{part}_".startswith(f"{name}_") or f"_{part}_" in f"_{name}_"):
            yield path


@cache
def _sources() -> dict[str, set[str]]:
    """By module of the tool, the modules that it imports."""
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {_module(path.relative_to(ROOT)): _imports(path) for path in files}


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def _importers() -> dict[str, set[str]]:
    """By module, the test files that import it, without the attacks."""
    importers = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        if not path.stem.startswith("test_attack_"):
            for module in _imports(path):
                importers[module].add(str(path.relative_to(ROOT)))
    return importers


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names


def notices(mutant: Mutant, checkout: Path, arguments: list[str]) -> bool:
    """Whether a test of this copy of the checkout fails."""
    file = checkout / mutant.file
    content = file.read_bytes()
    file.write_bytes(content[: mutant.start] + mutant.new.encode() + content[mutant.end :])
    try:
        return any(_fails(checkout, [*arguments, *files]) for files in (nearest(mutant.file), WHOLE))
    finally:
        file.write_bytes(content)


def _fails(checkout: Path, arguments: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
    try:
        done = subprocess.run(command, cwd=checkout, env=_environment(checkout), capture_output=True, timeout=LIMIT)  # noqa: PLW1510
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def _environment(checkout: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(checkout)}


def main(arguments: list[str]) -> int:
    """Test two mutants at a time, each in its own copy of the checkout."""
    notes = Notes("mutants")
    noticed_before = {entry["mutant"]: entry["noticed"] for entry in notes}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as two:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(2):
            copies.put(_copy(Path(folder, str(number))))

        def judge(mutant: Mutant) -> tuple[Mutant, bool]:
            if str(mutant) not in noticed_before:
                checkout = copies.get()
                noticed_before[str(mutant)] = notices(mutant, checkout, arguments)
                copies.put(checkout)
                notes.add({"mutant": str(mutant), "noticed": noticed_before[str(mutant)]})
                print("noticed" if noticed_before[str(mutant)] else "MISSED", mutant, flush=True)  # noqa: T201
            return mutant, noticed_before[str(mutant)]

        judged = list(two.map(judge, sample()))
    _write(judged)
    return 0


def _copy(folder: Path) -> Path:
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".reliability", ".fuzz", ".hypothesis")
    return Path(shutil.copytree(ROOT, folder, ignore=ignored))


def _write(judged: list[tuple[Mutant, bool]]) -> None:
    section = Section(__doc__ or "")
    section.add("changes", len(judged))
    section.add("noticed", sum(noticed for _, noticed in judged))
    for mutant, noticed in judged:
        if not noticed:
            section.cell(str(mutant).replace("|", "\\|"), "noticed", "no")
    Figures(mutants=section).write(PAGE)


def _short(text: str) -> str:
    return " ".join(text.split())[:50]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
