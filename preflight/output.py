"""Reports on their way out: to standard output, or to files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from preflight import ci
from preflight.folding import folded
from preflight.formats.marks import ASCII
from preflight.options import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.options import Target

_SGR = re.compile(r"\x1b\[[0-9;]*m")


def _is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


class OutputError(Exception):
    """A report could not be written; the message is one line."""


def deliver(texts: Iterable[tuple[Target, str]], *, color: bool = True) -> None:
    """Write each text to its place, files first. Raises OutputError, after trying them all."""
    failures = []
    for (name, file), text in sorted(texts, key=lambda entry: entry[0][1] is None):  # a reader may keep us waiting
        try:
            if file:
                _write_file(file, plain(text).encode(errors="replace"))
            else:
                encoding = None if name == "text" else "utf-8"
                write_stdout(text, color=color, encoding=encoding, commands=name in ci.COMMANDS)
        except OSError as error:
            failures.append(f"the {name} report cannot be written to {file}: {_reason(error)}")
        except OutputError as error:
            failures.append(str(error))
    if failures:
        raise OutputError("; ".join(failures))


def plain(text: str) -> str:
    """The text without its colours."""
    return _SGR.sub("", text)


def write_stdout(text: str, *, color: bool = True, encoding: str | None = None, commands: bool = False) -> None:
    """All at once; colours only to a terminal, and no longer lines than it has, except in ``encoding``, which is for
    machines; plain marks where the encoding (default: its own) has no others.


    ``commands`` says that the text is meant for a CI service. Raises OutputError.
    """
    try:
        terminal = sys.stdout.isatty()
        colored = color and terminal and not os.environ.get("NO_COLOR") and not _is_dumb()
        fitted = folded(text, _columns()) if terminal and not encoding else text
        shown = fitted if colored else plain(fitted)
        safe = shown if commands else ci.inert(shown)
        sys.stdout.buffer.write(_encoded(safe, encoding or sys.stdout.encoding))
        sys.stdout.flush()
    except (OSError, AttributeError) as error:  # AttributeError: the process was started without standard output
        reason = getattr(error, "strerror", None) or "it is closed"
        raise OutputError(f"standard output cannot be written to: {reason}") from error


def _columns() -> int:
    return shutil.get_terminal_size().columns


def write_stderr(line: str) -> None:
    """One line, to whoever watches."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody does
        fitted = folded(line, _columns()) if sys.stderr.isatty() else line
        sys.stderr.write(f"{ci.inert(fitted)}\n")
        sys.stderr.flush()


def prepare(targets: Iterable[Target]) -> None:
    """Raises UsageError for a file that could not be written, before anything is checked."""
    for _, file in targets:
        if not is_writable(file):
            raise UsageError(f"--format: {file} cannot be written")


def is_writable(file: Path | None) -> bool:
    """Whether a report could be put there, as far as can be told before."""
    try:
        if file is None or (file.exists() and not file.is_file() and not file.is_dir()):
            return True
        return not file.is_dir() and file.parent.is_dir() and os.access(file.parent, os.W_OK)
    except (OSError, ValueError):  # a name that is too long or none at all, a directory that may not be searched
        return False


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace")


def _write_file(file: Path, content: bytes) -> None:
    """A regular file is replaced as a whole, mode 0600; a device or a pipe is written to."""
    import tempfile

    if file.exists() and not file.is_file():
        _pour(file, content)
        return
    place = file.resolve()
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:99]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _pour(file: Path, content: bytes) -> None:
    """Into a device or a pipe. To open a pipe that nobody reads would wait for ever: that is an error."""
    descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "wb") as stream:
        os.set_blocking(descriptor, True)
        stream.write(content)


def _reason(error: OSError) -> str:
    return "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror or str(error)
