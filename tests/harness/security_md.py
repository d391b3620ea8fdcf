"""The sections of SECURITY.md, for the tests that check its promises."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "SECURITY.md").read_text()


def section(heading: str) -> str:
    """The text from a heading to the next one."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, heading
    return match[1]


def blocks(heading: str) -> list[str]:
    """The fenced texts under a heading."""
    return re.findall(r"^```\w*\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)


def table(heading: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table under a heading, by their first cell."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]
    return {first: tuple(rest) for first, *rest in rows}
