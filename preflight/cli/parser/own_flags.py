"""The flags that only some commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from preflight.cli.options import did_you_mean, seconds
from preflight.demo.faults import FAULTS

MIN_INTERVAL = 30.0  # seconds: each run logs in everywhere


def add(parser: argparse.ArgumentParser) -> None:
    """Add a group of flags for each of these commands."""
    _add_demo(parser.add_argument_group("with demo"))
    _add_repeated(parser.add_argument_group("with serve and watch"))


def _add_demo(flags: argparse._ArgumentGroup) -> None:
    about = "break something first; repeatable; --list lists the faults"
    flags.add_argument("--break", dest="faults", action="append", metavar="NAME", type=_fault, help=about)
    flags.add_argument("--keep", action="store_true", help="leave the deployment running, and print how to use it")


def _add_repeated(flags: argparse._ArgumentGroup) -> None:
    about = "seconds from one run to the next, more or less (default 300, at least 30)"
    flags.add_argument("--every", metavar="S", type=_interval, help=about)
    flags.add_argument("--write", action="store_true", help="let the probes write; else the runs are --read-only")
    about = "where serve listens (default 127.0.0.1:9470); if that is not loopback, a token is needed"
    flags.add_argument("--listen", metavar="HOST:PORT", help=about)
    about = "the token that clients of serve must send; else $MISTLE_PREFLIGHT_TOKEN, if it is set"
    flags.add_argument("--token-file", metavar="FILE", type=Path, help=about)
    about = "end watch at the first change, with the exit code of that run"
    flags.add_argument("--exit-on-change", action="store_true", help=about)


def _interval(text: str) -> float:
    number = seconds(text)
    if number < MIN_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text} s is too short; it is at least {MIN_INTERVAL:g} s")
    return number


def _fault(text: str) -> str:
    if text not in FAULTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no fault of the demo{did_you_mean(text, FAULTS, 'there are')}")
    return text
