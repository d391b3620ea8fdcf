"""A completion script, as it is."""


def render(script: str) -> str:
    """The script itself."""
    return script
