"""The command in this process, for speed: from arguments and an environment to an exit code and streams."""

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
    """Run the console script with these arguments, in an environment with these variables only."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    with environment(environ), redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return Ended(code, *(_text(stream) for stream in (out, err)))


@contextmanager
def environment(block: Block) -> Iterator[None]:
    """Set these variables, byte for byte, and no others."""
    before = dict(os.environb)
    _set(block)
    try:
        yield
    finally:
        _set(before)


def block(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """The variables as a process gets them, without NUL, which a variable cannot hold."""
    return {os.fsencode(name): os.fsencode(text.replace("\0", "")) for name, text in variables.items()}


def arguments(given: Sequence[bytes]) -> list[str]:
    """The arguments as Python decodes them."""
    return [os.fsdecode(argument) for argument in given]


def _set(wanted: Block) -> None:
    for name in os.environb.keys() - wanted.keys():
        del os.environb[name]
    os.environb.update(wanted)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
