"""The certificates that are trusted besides Mozilla's: from --ca-file, or from NODE_EXTRA_CA_CERTS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis
from preflight.cli.options import Options, UsageError
from preflight.report.run_causes import EXTRA_CA_UNREADABLE

if TYPE_CHECKING:
    from checks.core.roots import Trust


def load(options: Options, environ: Mapping[str, str]) -> tuple[Trust, Diagnosis | None]:
    """Load the certificates to trust before the checks start. To read the file may take half of the deadline.

    Commands that connect to nothing only try them: to load Mozilla's too takes a fifth of their time. A bad --ca-file
    raises UsageError; a bad variable is a warning, since Node.js continues without it.
    """
    from checks.core.files import UnreadableFile
    from checks.core.roots import Trust

    variable = environ.get("NODE_EXTRA_CA_CERTS", "")
    file = options.ca_file or (Path(variable) if variable else None)
    trust = Trust(file)
    try:
        if file:
            load = trust.load if options.command == "run" else trust.try_out
            load(options.deadline / 2)
    except UnreadableFile as error:
        if options.ca_file:
            raise UsageError(f"--ca-file: {file} {error}") from error
        return Trust(), EXTRA_CA_UNREADABLE.diagnosis(f"{file} {error}")
    return trust, None
