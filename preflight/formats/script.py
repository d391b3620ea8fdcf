"""A completion script or a JSON Schema, as it is."""


def render(script: str) -> str:
    """The text itself."""
    return script
