"""The command in this process, as fast as it goes: arguments and an environment in, code and streams out."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import MappingProxyType

from preflight.cli.main import main

Block = Mapping[bytes, bytes]
EMPTY: Block = MappingProxyType({})


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


def call(*arguments: str, environ: Block = EMPTY) -> Ended:
    """What the console script does with these, in an environment that holds nothing else."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    with environment(environ), redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return Ended(code, *(_text(stream) for stream in (out, err)))


@contextmanager
def environment(block: Block) -> Iterator[None]:
    """These variables, byte for byte, and no others."""
    before = dict(os.environb)
    _become(block)
    try:
        yield
    finally:
        _become(before)


def block(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """As the process would be given them; what a variable cannot hold is left out."""
    return {os.fsencode(name): os.fsencode(text.replace("\0", "")) for name, text in variables.items()}


def arguments(given: Sequence[bytes]) -> list[str]:
    """As Python reads them, whatever their encoding."""
    return [os.fsdecode(word) for word in given]


def _become(wanted: Block) -> None:
    for name in os.environb.keys() - wanted.keys():
        del os.environb[name]
    os.environb.update(wanted)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
