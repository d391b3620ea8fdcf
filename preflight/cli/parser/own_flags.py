"""The flags that only some commands have."""

from __future__ import annotations

import argparse

from preflight.cli.options import did_you_mean
from preflight.demo.faults import FAULTS


def add(parser: argparse.ArgumentParser) -> None:
    """Add a group of flags for each of these commands."""
    _add_demo(parser.add_argument_group("with demo"))


def _add_demo(flags: argparse._ArgumentGroup) -> None:
    about = "break something first; repeatable; --list lists the faults"
    flags.add_argument("--break", dest="faults", action="append", metavar="NAME", type=_fault, help=about)
    flags.add_argument("--keep", action="store_true", help="leave the deployment running, and print how to use it")


def _fault(text: str) -> str:
    if text not in FAULTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no fault of the demo{did_you_mean(text, FAULTS, 'there are')}")
    return text
