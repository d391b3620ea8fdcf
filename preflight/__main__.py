"""``python -m preflight``: the command."""

from preflight.cli import entry

entry()
