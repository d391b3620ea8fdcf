"""Coverage-guided fuzzing, which ends the process: `python -m tests.fuzz TARGET FOLDER [libFuzzer's flag ...]`.

The folder keeps the corpus, and every input that failed; `python -m tests.fuzz TARGET FILE` tries such an input again.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["preflight", "checks", "tomllib"]):
    from tests.fuzz.call import Ended, call
    from tests.fuzz.seeds import EXAMPLE, SEEDS, dictionary

    call("plan", "--config", str(EXAMPLE))  # imports what is imported only when it is used
from tests.fuzz.contract import hold_but_for_schema, hold_streams
from tests.fuzz.secrets import whole

REPORTS = ("-f", "json", "-f", "text=/dev/null")
LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1")


def document(given: bytes, folder: Path) -> tuple[Ended, set[str]]:
    """Fuzz the configuration file."""
    file = folder / "mistle.toml"
    file.write_bytes(given)
    return call("plan", "--config", str(file), *REPORTS), whole(given)


def environment(given: bytes, _: Path) -> tuple[Ended, set[str]]:
    """Fuzz the variables, in the form of /proc. The only file that they can name is the example."""
    pairs = (line.partition(b"=") for line in given.split(b"\0"))
    block = {name: text for name, _, text in pairs if name}
    if b"MISTLE_CONFIG_PATH" in block:
        block[b"MISTLE_CONFIG_PATH"] = bytes(EXAMPLE)
    return call("plan", *REPORTS, environ=block), whole(b"", block)


def saved(given: bytes, folder: Path) -> tuple[Ended, set[str]]:
    """Fuzz a saved report."""
    file = folder / "saved.json"
    file.write_bytes(given)
    return call("merge", "-f", "json", "-f", "html=/dev/null", str(file)), set()


Target = Callable[[bytes, Path], tuple[Ended, set[str]]]
TARGETS: Mapping[str, tuple[Target, Callable[..., object]]] = {
    "document": (document, hold_but_for_schema),
    "environment": (environment, hold_but_for_schema),
    "saved": (saved, hold_streams),
}
"""The targets, each with the assertion on its end."""


def main(name: str, path: Path, *flags: str) -> None:
    """Fuzz in a folder, or try a file."""
    folder = path.parent if path.is_file() else path

    target, hold = TARGETS[name]

    def test(given: bytes) -> None:
        hold(*target(given, folder))

    inputs = [str(path)] if path.is_file() else _prepared(name, folder)
    atheris.Setup([name, *inputs, *flags], test)
    atheris.Fuzz()


def _prepared(name: str, folder: Path) -> list[str]:
    """Write the first inputs into the folder, and return libFuzzer's arguments."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words.write_text(dictionary())
    return [f"-dict={words}", f"-artifact_prefix={folder}/", *LIMITS, str(corpus)]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
