"""Strategies for random command lines."""

import os

from hypothesis import strategies as st

from preflight.cli.options import COMMANDS, STAGES
from preflight.reference.generate import entries
from preflight.services import SERVICES

# ruff: noqa: SIM905 - long tables as words

SWITCHES = "--read-only --no-color -q -v --version -h --help -- - -fjson -qv --json ---".split()
FILES = ["", "x" * 300, *". .. - /no/such/file /dev/null /dev/full x/y right.toml right.toml/x \udcff".split()]
SECONDS = ["1", "0.5", "1e-320", "1e300", "1e9", "0", "-1", "nan", "inf", "1_0", "٣", "9" * 400, "0x1", ""]
PATTERNS = ["", "**" * 90, "*[" * 90, "?" * 300, *"* postgres* kv.* [ [! [] [z-a] [[:alpha:]] sandbox.*".split()]
VALUES = {
    "--config": FILES,
    "--ca-file": FILES,
    "--env-file": FILES,
    "--ignore-file": FILES,
    "--stage": [*STAGES, "dead"],
    "--service": [*SERVICES, "dashbord"],
    "--only": PATTERNS,
    "--skip": PATTERNS,
    "--timeout": SECONDS,
    "--deadline": SECONDS,
    "--format": ["json", "text", "xml", "=", "json=", *(f"json={file}" for file in FILES), "text=report"],
    "-f": ["json", "text", "json=-", "text=report"],
    "--ignore": [*list(entries())[:3], "network.refusd", "x" * 5000],
    "--fail-level": ["fail", "warn", "ok"],
}
# A slash could name a file outside the test's own folder.
WORDS = st.text(max_size=20).map(lambda text: text.replace("/", "").replace("\0", "")).map(str.encode)
ENDLESS = {"serve", "watch"}
BYTES = st.binary(max_size=12).map(lambda given: given.replace(b"/", b"").replace(b"\0", b""))


@st.composite
def _flag(draw: st.DrawFn) -> list[bytes]:
    name = draw(st.sampled_from(list(VALUES)))
    value = draw(st.one_of(st.sampled_from(VALUES[name]).map(os.fsencode), BYTES))
    forms = [[name.encode(), value], [name.encode() + b"=" + value], [name.encode()], [name.encode() + value], [value]]
    return draw(st.sampled_from([forms[0], forms[0], forms[0], *forms[1:]]))


def command_lines() -> st.SearchStrategy[list[bytes]]:
    """Valid and invalid arguments, in any order."""
    commands = st.sampled_from(
        [*(name for name in COMMANDS if name not in ENDLESS), "config", "plan", "explain network.refused", "confgi"]
    ).map(lambda line: [argument.encode() for argument in line.split()])
    others = st.one_of(st.sampled_from(SWITCHES).map(str.encode), WORDS, BYTES).map(lambda argument: [argument])
    parts = st.lists(st.one_of(_flag(), _flag(), commands, others), max_size=6)
    return st.builds(
        lambda first, rest: [*first, *(argument for part in rest for argument in part)], commands | st.just([]), parts
    )
