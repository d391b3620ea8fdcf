"""What a Mistle configuration names, and how to say what was found."""

__version__ = "0.1.0"
