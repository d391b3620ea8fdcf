"""``python -m preflight``: the command."""

from preflight.cli.main import entry

entry()
