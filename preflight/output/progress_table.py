"""The table that a terminal shows during a run, in no more lines than it has: a spinner, then a mark, per check."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from checks.core.finding import Status
from preflight.formats.shared.ansi import ASCII
from preflight.formats.shared.phrases import STYLES

if TYPE_CHECKING:
    from preflight.output.progress_rows import ProgressRow, ProgressRows

_PER_SECOND = 10
_COLORS = {Status.OK: "green", Status.SKIP: "dim", Status.WARN: "yellow", Status.FAIL: "red"}
_WIDE = 100  # columns: a terminal of this width has room for targets


def start(stream: TextIO, rows: ProgressRows, *, color: bool) -> Live:
    """Draw on the terminal; to stop it removes the table."""
    console = Console(file=stream, force_terminal=True, no_color=not color or None, highlight=False, emoji=False)
    live = Live(
        _LiveTable(rows),
        console=console,
        refresh_per_second=_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


class _LiveTable:
    """Renders the rows as they are at each refresh."""

    def __init__(self, rows: ProgressRows) -> None:
        self._rows = rows
        self._spinners: dict[str, Spinner] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = not options.encoding.startswith("utf")
        rows = list(self._rows.rows.values())
        shown = _fitting(rows, console.size.height - 2)
        table = Table.grid(padding=(0, 1))
        for _ in range(5):
            table.add_column(no_wrap=True, overflow="crop" if plain else "ellipsis")
        for row in shown:
            table.add_row(*self._cells(row, plain, wide=options.max_width >= _WIDE))
        yield table
        done = sum(row.seconds is not None for row in rows)
        yield Text(f"{done}/{len(rows)} checked, {self._rows.seconds:.1f} s", style="dim")

    def _cells(self, row: ProgressRow, plain: bool, *, wide: bool) -> tuple[Text | Spinner, ...]:
        target = Text(_in(row.target, plain) if wide else "", style="dim")
        if row.seconds is None:
            spinner = self._spinners.setdefault(row.name, Spinner("line" if plain else "dots"))
            return spinner, Text(row.name), target, Text(), _retried(row, plain)
        color, mark = _COLORS[row.status], STYLES[row.status].mark
        duration = Text(f"{row.seconds:.1f} s", style="dim", justify="right")
        return Text(_in(mark, plain), style=color), Text(row.name), target, duration, Text(row.finding, style=color)


def _retried(row: ProgressRow, plain: bool) -> Text:
    """The last failure of a check that is tried again."""
    return Text(_in(f"{row.finding} · trying again", plain) if row.finding else "", style="yellow")


def _fitting(rows: list[ProgressRow], height: int) -> list[ProgressRow]:
    """All rows or, on a low terminal, those of checks that run or that found a problem."""
    if len(rows) <= height:
        return rows
    return [row for row in rows if row.seconds is None or row.status >= Status.WARN][: max(height, 1)]


def _in(text: str, plain: bool) -> str:
    return text.translate(ASCII).encode("ascii", "replace").decode() if plain else text
