"""What a terminal shows: a live table that disappears, then a report that fits. A terminal emulator reads it."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import configs, faults, profiles, terminal
from tests.testbed import Valkey

BRAILLE = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
SELECTED = ("--only", "kv.*", "--only", "smtp", "--only", "*.direct", "--timeout", "1.5")


@pytest.fixture
def mixed(tmp_path: Path, valkey: Valkey) -> Iterator[Path]:
    """Valkey answers, SMTP is refused, and both databases are silent until their limit."""
    with ExitStack() as stack:
        closed, silent = (stack.enter_context(fault()) for fault in (faults.refused_port, faults.silent_port))
        changes: dict[str, object] = {
            f"postgres.{plane}.direct_url": f"postgres://u:p@127.0.0.1:{silent}/{plane}"
            for plane in ("control_plane", "data_plane")
        }
        changes |= {"kv.data_plane.url": valkey.url(), "email.smtp.host": "127.0.0.1", "email.smtp.port": closed}
        yield configs.write(tmp_path, changes)


def picture(seen: terminal.Terminal, *words: str) -> list[str]:
    """The first screen that shows all of these texts."""
    return next(lines for lines in seen.pictures if all(any(word in line for line in lines) for word in words))


def test_spinners_turn_into_marks_and_the_table_goes(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED)
    live = picture(seen, "/4 checked", "✓ kv.data_plane", "✗ email.smtp")
    (waiting,) = (line for line in live if "postgres.data_plane.direct" in line)
    assert waiting[0] in BRAILLE
    (failed,) = (line for line in live if "email.smtp" in line)
    assert failed.endswith("network.refused")
    assert "127.0.0.1" in failed
    assert not any(" checked, " in line for line in seen.text)
    assert seen.text[0].startswith("mistle-preflight ")
    assert seen.code == 1


def test_spinners_spin_and_nothing_flickers(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED)
    marks = {line[0] for lines in seen.pictures for line in lines if "postgres.data_plane.direct  " in line}
    assert len(marks & BRAILLE) > 3
    assert b"\x1b[2J" not in seen.drawn  # the screen is never cleared, only lines are drawn over
    assert b"\x1b[?1049h" not in seen.drawn
    tables = [lines for lines in seen.pictures if any("checked, " in line for line in lines)]
    assert max(sum(map(bool, lines)) for lines in tables) == 5  # never taller than its rows and its count


def test_check_that_is_tried_again_shows_its_last_finding(mixed: Path) -> None:
    flags = ("--only", "email.smtp", "--only", "kv.*", "--wait", "3")
    seen = terminal.run("--config", str(mixed), *flags)
    live = picture(seen, "✓ kv.data_plane", "network.refused · trying again")
    (waiting,) = (line for line in live if "email.smtp" in line)
    assert waiting[0] in BRAILLE
    assert not any("trying again" in line for line in seen.text)


@pytest.mark.parametrize("number", profiles.first(1, [signal.SIGINT, signal.SIGTERM]))
def test_signal_leaves_the_terminal_in_order(mixed: Path, number: int) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, signal=number)
    assert seen.code == 128 + number
    assert not seen.screen.cursor.hidden
    assert not any(" checked, " in line for line in seen.text)
    assert any("interrupted" in line for line in seen.text)


@profiles.long
def test_end_leaves_the_terminal_in_order(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED)
    assert b"\x1b[?25l" in seen.drawn
    assert not seen.screen.cursor.hidden


def test_offline_command_shows_no_table(tmp_path: Path, valkey: Valkey) -> None:
    file = configs.write(tmp_path, {"kv.data_plane.url": valkey.url()})
    seen = terminal.run("config", "--config", str(file))
    assert b"checked" not in seen.drawn
    assert b"\x1b[?25l" not in seen.drawn


@pytest.mark.parametrize("columns", profiles.first(1, [40, 60, 80]))
def test_narrow_terminal_loses_no_word(mixed: Path, columns: int) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, "-q", columns=columns)
    live = picture(seen, "/4 checked")
    assert sum("postgres." in line for line in live) == 2  # one line each, cut where there is no room
    words = " ".join(line.strip() for line in seen.text)
    assert "→ start the service, or correct the host and port in email.smtp.host" in words
    assert not any(line.startswith(("or ", "the ", "and ")) for line in seen.text)  # indented as the hint is


def test_low_terminal_shows_what_is_waited_for_and_what_is_wrong(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, lines=5)
    live = picture(seen, "2/4 checked", "email.smtp")
    assert not any("kv.data_plane" in line for line in live)
    assert any("postgres.data_plane.direct" in line for line in live)


@pytest.mark.parametrize(("flags", "env"), profiles.first(1, [(("--no-color",), {}), ((), {"NO_COLOR": "1"})]))
def test_colours_can_be_turned_off(mixed: Path, flags: tuple[str, ...], env: dict[str, str]) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, *flags, env=env)
    assert picture(seen, "/4 checked")
    colors = [code for code in range(30, 108) if f"\x1b[{code}m".encode() in seen.drawn]
    assert colors == []
    offline = terminal.run("config", "--config", str(mixed), *flags, env=env)
    assert b"\x1b" not in offline.drawn


@profiles.long
def test_colours_are_there(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED)
    assert b"\x1b[1;31mNOT READY\x1b[0m" in seen.drawn
    assert b"\x1b[31m" in seen.drawn


def test_terminal_without_unicode(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, env={"PYTHONIOENCODING": "ascii"})
    assert seen.drawn.isascii()
    live = picture(seen, "/4 checked", "+ kv.data_plane", "x email.smtp")
    (waiting,) = (line for line in live if "postgres.data_plane.direct" in line)
    assert waiting[0] in "-\\|/"


@profiles.long
def test_dumb_terminal_gets_the_report_alone(mixed: Path) -> None:
    seen = terminal.run("--config", str(mixed), *SELECTED, env={"TERM": "dumb"})
    assert b"\x1b" not in seen.drawn
    assert b"/4 checked" not in seen.drawn
    assert any(line.startswith("NOT READY") for line in seen.text)


def test_quiet_ready_run_is_one_line(tmp_path: Path, valkey: Valkey) -> None:
    file = configs.write(tmp_path, {"kv.data_plane.url": valkey.url()})
    seen = terminal.run("--config", str(file), "--only", "kv.*", "-q")
    assert [line.split(" · ")[0] for line in seen.text if line] == ["READY"]
