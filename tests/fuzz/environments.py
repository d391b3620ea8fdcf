"""Strategies for environments with Mistle's variables, or names that are nearly theirs."""

import os

from hypothesis import strategies as st

from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.types import Versioned
from preflight.config.tree import Path
from tests.fuzz.changes import KEYS, MARKS, near
from tests.fuzz.values import TEXTS, likely
from tests.fuzz.written import variable

STEMS = [
    b"MISTLE_",
    b"MISTLE_APPS_",
    b"MISTLE_GLOBAL_",
    b"MISTLE_SANDBOX_TOKENS_EGRESS_",
    b"mistle_",
    b"MISTLE_CONFIG_PATH_",
]
ENDS = [b"", b"", b"", b"\xff", b"\xed\xa0\x80", b"\n"]
_PLAIN = """
{"1":"k"} {"1":1} {"1":null} {"1":{"2":"3"}} {"1":"\\ud800"} {"\\ud800":"x"} {"":""} {"01":"x"} {"1.2":"x"} {"٣":"x"}
{"9":"x" {"1":"a","1":"b"} {"<version>":"x"} [1,2] "x" NaN , ,,a,, https://a,https://b
0b2 0x 0x_1 Infinity -0 1e999 true True
"""
_LONG = ["{" * 3000, '{"a":' * 3000, '{"1": "' + "k" * 3000 + '"}', "1" * 5000, '{"1": ' + "9" * 5000 + "}"]
FRAGMENTS = st.sampled_from([" ", *_LONG, *_PLAIN.split()])
ROWS = [(path, key) for path, key in KEYS.items() for _ in range(8 if isinstance(key.type, Versioned) else 1)]


@st.composite
def environments(draw: st.DrawFn, most: int = 6) -> dict[bytes, bytes]:
    """Names and values in bytes, as a process may get them."""
    overrides = draw(st.lists(st.sampled_from(ROWS).flatmap(_override), max_size=most))
    return dict([*overrides, *draw(st.lists(st.tuples(_other_variables(), _bytes()), max_size=2))])


@st.composite
def _override(draw: st.DrawFn, row: tuple[Path, Key]) -> tuple[bytes, bytes]:
    path, key = row
    name = draw(st.just(key.variable) | st.just(key.variable) | near(key.variable))
    values = FRAGMENTS if isinstance(key.type, Versioned) else likely(key, MARKS[path]).map(variable)
    text = draw(st.one_of(values, values, TEXTS, FRAGMENTS)).replace("\0", "")
    lacks_mark = key.secrecy is not Secrecy.NONE and not key.url and MARKS[path] not in text
    value = text.encode() + draw(st.sampled_from(ENDS))
    return os.fsencode(name), value + MARKS[path].encode() if lacks_mark else value


def _other_variables() -> st.SearchStrategy[bytes]:
    names = st.builds(lambda stem, name: stem + name.replace(b"=", b""), st.sampled_from(STEMS), _bytes())
    return names.filter(lambda name: name != b"MISTLE_CONFIG_PATH")


def _bytes() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=30).map(lambda given: given.replace(b"\0", b""))
