"""What a Mistle configuration names, and how to say what was found.

``check`` is the whole tool for Python; the rest are its nouns. Each is imported when it is asked for: the command's
start must not pay for them, and nothing may be imported before it has held the signals back.
"""

TYPE_CHECKING = False  # typing has one too, and would have to be imported
if TYPE_CHECKING:
    from checks.core.check import Finding, Layer, Status
    from preflight.api import check, render
    from preflight.cli.options import UsageError
    from preflight.config.loader import ConfigError
    from preflight.formats import FORMATS
    from preflight.report.model import KeyVerdict, Report, Result
    from preflight.version import __version__

__all__ = [
    "FORMATS",
    "ConfigError",
    "Finding",
    "KeyVerdict",
    "Layer",
    "Report",
    "Result",
    "Status",
    "UsageError",
    "__version__",
    "check",
    "render",
]

_HOMES = {
    "checks.core.check": ("Finding", "Layer", "Status"),
    "preflight.config.loader": ("ConfigError",),
    "preflight.formats": ("FORMATS",),
    "preflight.api": ("check", "render"),
    "preflight.cli.options": ("UsageError",),
    "preflight.report.model": ("KeyVerdict", "Report", "Result"),
    "preflight.version": ("__version__",),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
