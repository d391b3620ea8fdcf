"""Writes reports to standard output, and to files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from preflight.formats import Destination
from preflight.formats.shared.ansi import ASCII
from preflight.output import ci
from preflight.output.destinations import PRIVATE, write_file, write_until
from preflight.output.wrapping import wrapped

_MODES = {"prometheus": 0o644}  # for node_exporter, which runs as another user; it holds no target and no server's text
_SGR = re.compile(r"\x1b\[[0-9;]*m")


def _is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


class OutputError(Exception):
    """A report could not be written; the message is one line."""


def write_texts(texts: Iterable[tuple[Destination, str]], *, color: bool = True, seconds: float = 10.0) -> None:
    """Write each text to its destination, files first; ``seconds`` is how long readers of pipes may take.

    Raises OutputError after it has tried all.
    """
    failures, end = [], time.monotonic() + seconds
    for (name, file), text in sorted(texts, key=lambda entry: entry[0][1] is None):  # a reader may be slow
        try:
            if file:
                content = ci.inert(plain(text), name).encode(errors="replace")
                write_file(file, content, mode=_MODES.get(name, PRIVATE), end=end)
            else:
                encoding = None if name == "text" else "utf-8"
                write_stdout(text, name, color=color, encoding=encoding, seconds=end - time.monotonic())
        except OSError as error:
            failures.append(f"the {name} report cannot be written to {file}: {_reason(error)}")
        except OutputError as error:
            failures.append(str(error))
    if failures:
        raise OutputError("; ".join(failures))


def plain(text: str) -> str:
    """The text without its colours."""
    return _SGR.sub("", text)


def write_stdout(
    text: str, name: str = "", *, color: bool = True, encoding: str | None = None, seconds: float = 10.0
) -> None:
    """Write the whole text; ``name`` is its format, ``seconds`` is how long a pipe's reader may take.

    A terminal gets colours, and no longer lines than it has columns, unless ``encoding``, which is for machines, is
    given. An encoding (default: the stream's) that lacks our marks gets plain ones. Raises OutputError.
    """
    try:
        terminal = sys.stdout.isatty()
        colored = color and terminal and not os.environ.get("NO_COLOR") and not _is_dumb()
        fitted = wrapped(text, _columns()) if terminal and not encoding else text
        shown = fitted if colored else plain(fitted)
        _write(sys.stdout, _encoded(ci.inert(shown, name), encoding or sys.stdout.encoding), seconds)
    except (OSError, AttributeError) as error:  # AttributeError: the process was started without standard output
        reason = getattr(error, "strerror", None) or "it is closed"
        raise OutputError(f"standard output cannot be written to: {reason}") from error


def _write(stream: TextIO, content: bytes, seconds: float) -> None:
    """A terminal has no limit: its reader may pause it (Ctrl-S). A stream without a descriptor is in memory."""
    stream.flush()
    try:
        descriptor = stream.fileno()
    except OSError:
        descriptor = None
    if descriptor is None or stream.isatty():
        stream.buffer.write(content)
        stream.flush()
    else:
        write_until(descriptor, content, time.monotonic() + seconds)


def _columns() -> int:
    return shutil.get_terminal_size().columns


def write_stderr(line: str) -> None:
    """Write one line; ignore that standard error is closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        fitted = wrapped(line, _columns()) if sys.stderr.isatty() else line
        sys.stderr.write(f"{ci.inert(fitted)}\n")
        sys.stderr.flush()


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace")


def _reason(error: OSError) -> str:
    return "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror or str(error)
