"""The command line: its flags, their defaults, and what is wrong with them."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from preflight import formats
from preflight.formats import FORMATS, Target
from preflight.services import SERVICES
from preflight.version import __version__

_DAY = 86_400.0  # seconds: far beyond, no clock of the system takes a limit
_LONGEST = 200  # characters of a pattern: an endless one would be compiled without end

STAGES = ("before-deploy", "live")


class Command(NamedTuple):
    """What it does, how the words that follow it are written, and how many they are at least and at most."""

    about: str
    words: str = ""
    minimum: int = 0
    maximum: int = 0


COMMANDS: Mapping[str, Command] = {
    "run": Command("check the configuration, then everything it names (the default)"),
    "config": Command("check the configuration alone, offline"),
    "plan": Command("list what a run would check, and for which keys, offline"),
    "explain": Command("say what a finding means and what to do about it; --list: which there are", "ID", 0, 1),
    "diff": Command("say what changed between two reports; 1 when the second is worse", "A.json B.json", 2, 2),
    "merge": Command("one verdict for every key from the reports of several vantages", "[NAME=]A.json ...", 1, 1000),
    "completion": Command("what bash, zsh or fish must read to complete all of this", "SHELL", 1, 1),
}

DESCRIPTION = "\n".join(
    (
        "Prove every resource that a Mistle configuration names, before the deployment needs it.",
        "",
        "commands:",
        *(f"  {f'{name} {command.words}':23} {command.about}" for name, command in COMMANDS.items()),
    )
)
EXAMPLES = """\
exit codes: 0 ready, 1 not ready, 2 could not start, 3 a bug in this tool, 130 and 143 interrupted

examples:
  mistle-preflight --config mistle.toml                    everything, as the last step of a deployment
  mistle-preflight --stage before-deploy                   before the migrations: Mistle itself is not up yet
  mistle-preflight --service data_plane_worker             only what this service uses, from where it runs
  mistle-preflight --only 'postgres*' --skip '*.pooled'    some checks
  mistle-preflight -f text -f json=report.json             a report to read and one to keep
  mistle-preflight config --config mistle.toml -q          is the file right?
  mistle-preflight explain network.refused                 what does this finding mean?
  mistle-preflight explain --list postgres                 what can be found of Postgres?
  mistle-preflight diff yesterday.json today.json          what is worse than it was?
  mistle-preflight merge api.json node-a=gateway.json      one verdict from where each service runs
  eval "$(mistle-preflight completion bash)"               the tab key, for this shell
"""


class UsageError(Exception):
    """The command line cannot be understood; the message is one line."""


class HelpPrinted(Exception):
    """What was asked for was --help or --version, and is printed."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Every flag, with its default. Times are in seconds; ``format`` holds (name, file or None)."""

    command: str = "run"
    arguments: tuple[str, ...] = ()
    config: Path | None = None
    stage: str = "live"
    service: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_level: str = "fail"
    timeout: float = 10.0
    deadline: float = 60.0
    read_only: bool = False
    ca_file: Path | None = None
    format: tuple[Target, ...] = (("text", None),)
    color: bool = True
    detail: int = 0
    list: bool = False


def parse(arguments: list[str]) -> Options:
    """The options that the arguments give, flags before or after the command. Raises UsageError, Shown."""
    given = vars(parser().parse_intermixed_args(arguments))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    command, *rest = given.pop("words", ()) or (Options.command,)
    options = Options(**given, command=command, arguments=tuple(rest))
    _raise_on_misuse(options)
    return options


def _raise_on_misuse(options: Options) -> None:
    expected = COMMANDS.get(options.command)
    if expected is None:
        raise UsageError(f"there is no command {options.command!r}; there are: {', '.join(COMMANDS)}")
    if not expected.minimum <= len(options.arguments) <= expected.maximum:
        raise UsageError(f"the command is: mistle-preflight {options.command} {expected.words}".rstrip())
    for name, _ in options.format:
        if name not in (known := formats.of(options.command)):
            raise UsageError(f"--format: {options.command} has no format {name!r}; it has: {', '.join(known)}")
    places = [file for _, file in options.format]
    if len(set(places)) < len(places):
        raise UsageError("--format: two reports for one place; give one a file, as in --format json=report.json")


def targets(arguments: list[str]) -> tuple[Target, ...]:
    """Where a command line that is wrong elsewhere wants its reports, so that the error can be told there too."""
    parser = _Parser(formatter_class=_Help, add_help=False, allow_abbrev=False)
    parser.add_argument("-f", "--format", action="append", nargs="?", default=[])
    wanted: dict[Path | None, Target] = {}
    with contextlib.suppress(UsageError):
        for text in parser.parse_known_args(arguments)[0].format:
            with contextlib.suppress(argparse.ArgumentTypeError):
                name, file = _format(text or "")
                wanted.setdefault(file, (name, file))
    return tuple(wanted.values())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002 - argparse's signature
        raise HelpPrinted


class _Help(argparse.RawDescriptionHelpFormatter):
    """One width and one way to write flags, whatever the terminal and the version of Python."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        metavar = f" {action.metavar}" if action.metavar else ""
        return ", ".join(action.option_strings) + metavar


def parser() -> argparse.ArgumentParser:
    """Of every flag; the command and what follows it are its words."""
    made = _Parser(
        prog="mistle-preflight",
        usage="mistle-preflight [COMMAND] [FLAG ...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=_Help,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    made.color = False  # type: ignore[attr-defined]  # Python 3.14 would colour the help
    made.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    _add_selection(made.add_argument_group("what is checked"))
    _add_limits(made.add_argument_group("how"))
    _add_output(made.add_argument_group("what is reported"))
    return made


def _add_selection(flags: argparse._ArgumentGroup) -> None:
    flags.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="else $MISTLE_CONFIG_PATH, else the environment alone; MISTLE_* variables override it; -: standard input",
    )
    flags.add_argument(
        "--stage",
        metavar="STAGE",
        choices=STAGES,
        help="before-deploy: Mistle itself is not up yet, its own URLs are only resolved; live (default)",
    )
    flags.add_argument(
        "--service", metavar="NAME", choices=SERVICES, help="only what this service uses: " + ", ".join(SERVICES)
    )
    for flag, word in (("--only", "only"), ("--skip", "no")):
        about = f"{word} checks whose name, kind or key matches; repeatable"
        flags.add_argument(flag, action="append", metavar="PATTERN", type=_pattern, help=about)


def _add_limits(flags: argparse._ArgumentGroup) -> None:
    flags.add_argument("--timeout", metavar="S", type=_seconds, help="seconds for one check (default 10)")
    flags.add_argument("--deadline", metavar="S", type=_seconds, help="seconds for the whole run (default 60)")
    flags.add_argument("--read-only", action="store_true", help="no probe writes anything, anywhere")
    flags.add_argument(
        "--ca-file",
        metavar="FILE",
        type=Path,
        help="more trusted certificates; default $NODE_EXTRA_CA_CERTS, as for Mistle",
    )


def _add_output(flags: argparse._ArgumentGroup) -> None:
    _add_format(flags)
    flags.add_argument(
        "--ignore",
        action="append",
        metavar="ID",
        help="show this finding as a warning and do not count it; repeatable",
    )
    flags.add_argument(
        "--fail-level",
        metavar="LEVEL",
        choices=("fail", "warn"),
        help="what makes the run not ready: fail (default) or warn",
    )
    flags.add_argument("--no-color", dest="color", action="store_false", help="as NO_COLOR=1")
    flags.add_argument("-q", dest="detail", action="store_const", const=-1, help="failures and the verdict only")
    flags.add_argument("-v", dest="detail", action="store_const", const=1, help="every rung with its time")
    flags.add_argument("--list", action="store_true", help="with explain: all ids")
    flags.add_argument("--version", action="version", version=f"mistle-preflight {__version__}")
    flags.add_argument("-h", "--help", action="help", help="this text")


def _add_format(flags: argparse._ActionsContainer) -> None:
    flags.add_argument(
        "-f",
        "--format",
        action="append",
        metavar="NAME[=FILE]",
        type=_format,
        help=f"{', '.join(FORMATS)} (default {next(iter(FORMATS))}); to standard output or to FILE; repeatable",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _DAY:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above zero, and of at most a day")
    return seconds


def _pattern(text: str) -> str:
    if len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r}… is longer than the name of any check, kind or key")
    return text


def _format(text: str) -> Target:
    name, equals, file = text.partition("=")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"{name!r} is not a format; there are: {', '.join(FORMATS)}")
    if equals and not file:
        raise argparse.ArgumentTypeError(f"{text!r} names no file")
    return name, None if file in {"", "-"} else Path(file)
