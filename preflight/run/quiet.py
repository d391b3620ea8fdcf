"""What a process of the command prints of errors that reach no boundary: nothing."""

import sys
import threading


def print_no_errors() -> None:
    """An error in an abandoned thread or object is not printed: its message may hold a secret."""
    sys.unraisablehook = threading.excepthook = _print_nothing


def _print_nothing(_: object) -> None:
    pass
