"""The script as it is."""


def render(script: str) -> str:
    """The same."""
    return script
