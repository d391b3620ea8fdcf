"""The certificates that are trusted besides Mozilla's: --ca-file, or what NODE_EXTRA_CA_CERTS names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preflight.endings import EXTRA_CA_UNREADABLE
from preflight.options import Options, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checks.base import Diagnosis


def choose(options: Options, environ: Mapping[str, str]) -> tuple[Path | None, Diagnosis | None]:
    """The file, if any. A bad --ca-file raises UsageError; a bad variable is a warning: Node.js goes on without it."""
    variable = environ.get("NODE_EXTRA_CA_CERTS", "")
    file = options.ca_file or (Path(variable) if variable else None)
    reason = _unreadable(file) if file else ""
    if not reason:
        return file, None
    if options.ca_file:
        raise UsageError(f"--ca-file: {file} {reason}")
    return None, EXTRA_CA_UNREADABLE.found(f"{file} {reason}")


def _unreadable(file: Path) -> str:
    import ssl

    try:
        if file.exists() and not file.is_file():  # to read a pipe may wait for ever
            return "is not a regular file"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return "holds no PEM certificates"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return ""
