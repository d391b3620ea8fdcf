"""The version of mistle-preflight."""

__version__ = "0.1.0"
