"""Long lines on a narrow terminal."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from preflight.output.wrapping import wrapped

HINT = "      → start the service, or correct the host and port in email.smtp.host (mistle.toml:127)"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_short_lines_stay_as_they_are():
    assert wrapped("a b\n\n  c   d\n", 10) == "a b\n\n  c   d\n"


def test_long_line_is_broken_between_words_below_what_it_belongs_to():
    assert wrapped(HINT, 50).split("\n") == [
        "      → start the service, or correct the host and",
        "        port in email.smtp.host (mistle.toml:127)",
    ]


def test_colours_take_no_room_and_stay():
    line = "  \x1b[31m✗ network.refused  (email.smtp, connect)\x1b[0m"
    assert wrapped(line, 44) == line
    narrow = wrapped(line, 25)
    assert plain(narrow).split("\n") == ["  ✗ network.refused", "    (email.smtp, connect)"]
    assert narrow.count("\x1b[31m") == narrow.count("\x1b[0m") == 1


def test_word_that_is_too_long_is_left_to_the_terminal():
    assert wrapped("  " + "x" * 30 + " y", 20) == "  " + "x" * 30 + "\n  y"


WORDS = st.lists(st.text("abc.→✓", min_size=1, max_size=12), min_size=1, max_size=30)


@given(words=WORDS, indent=st.integers(0, 8), columns=st.integers(20, 80))
@example(words=["→", "a" * 12], indent=7, columns=20)
def test_no_word_is_lost_and_no_line_too_long(words: list[str], indent: int, columns: int):
    lines = wrapped(" " * indent + " ".join(words), columns).split("\n")
    assert " ".join(lines).split() == words
    assert all(len(line) <= columns for line in lines)
