"""Checks everything that a Mistle configuration names, and reports what it found.

``check`` is the whole tool for Python; the other names are its types. Each is imported when it is used: the command
imports this package first, and must import nothing before it has blocked the signals.
"""

TYPE_CHECKING = False  # the constant of typing would have to be imported
if TYPE_CHECKING:
    from checks.core.finding import Finding, Layer, Status
    from preflight.api import check, render
    from preflight.cli.options import UsageError
    from preflight.config.loader import ConfigError
    from preflight.formats import FORMATS
    from preflight.report.model import KeyVerdict, Report
    from preflight.report.result import Result
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

_MODULES = {
    "checks.core.finding": ("Finding", "Layer", "Status"),
    "preflight.config.loader": ("ConfigError",),
    "preflight.formats": ("FORMATS",),
    "preflight.api": ("check", "render"),
    "preflight.cli.options": ("UsageError",),
    "preflight.report.model": ("KeyVerdict", "Report"),
    "preflight.report.result": ("Result",),
    "preflight.version": ("__version__",),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
