"""The first inputs of a fuzzer: valid configurations, and the words that they consist of."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from preflight.config.schema.keys import KEYS
from preflight.config.schema.types import Choice, ListOf, Text, Type
from tests.fuzz.call import call
from tests.fuzz.changes import BASES
from tests.fuzz.written import toml
from tests.harness import configs

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/mistle.toml"
_SIGNS = {
    "true",
    "false",
    "inf",
    "nan",
    '"""',
    "[[",
    "]]",
    " = {",
    "\\u00e9",
    "2026-11-23T10:00:00Z",
    "07:32:00",
    "0x1",
}


def documents() -> Iterator[bytes]:
    """Configurations as files."""
    yield EXAMPLE.read_bytes()
    yield from (toml(base).encode() for base in BASES)
    yield b"a.b = [1, 2.5, nan, 0x1]\r\n[[c]]\nd = '''x'''\n'e f' = {g = \"\\u00e9\"}\n"


def environments() -> Iterator[bytes]:
    """Environments as /proc has them: NAME=text, each followed by a NUL."""
    yield _block(re.findall(r"(?m)^MISTLE_.*$", (ROOT / "examples/compose.env").read_text()))
    for changes in ({}, configs.E2B, configs.MOUNTED, {**configs.GOOGLE, **configs.TELEMETRY, **configs.CONTROL_KV}):
        yield _block(f"{name}={text}" for name, text in configs.environment(changes).items())


def saved() -> Iterator[bytes]:
    """Saved reports."""
    for only in ("kv.*", "postgres.*"):
        document = json.loads(call("plan", "--config", str(EXAMPLE), "--only", only, "-f", "json").stdout)
        yield json.dumps(document | {"keys": document["keys"][:5]}, separators=(",", ":")).encode()


SEEDS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "document": documents,
    "environment": environments,
    "saved": saved,
}


def dictionary() -> str:
    """The words, in the format of libFuzzer."""
    names = {name for key in KEYS for name in (*key.path.split("."), key.section, key.path, key.variable)}
    words = names | {word for key in KEYS for word in _words(key.type)} | _SIGNS
    return "".join(f'"{_escaped(word)}"\n' for word in sorted(words))


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def _words(type_: Type) -> Iterator[str]:
    match type_:
        case Text(schemes=schemes):
            yield from (f"{scheme}://" for scheme in schemes)
        case Choice(allowed=words):
            yield from words
        case ListOf(item=item):
            yield from _words(item)


def _block(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\0" for line in lines).encode()
