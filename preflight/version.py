"""The version of mistle-preflight."""

__version__ = "0.1.0"
KNOWN_MISTLE = "commit 7de62c3"  # whose configuration this version knows
