"""The command line: its flags, its help, and how arguments become options."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import NoReturn

from preflight.cli.options import (
    COMMANDS,
    FAIL_LEVELS,
    STAGES,
    Options,
    UsageError,
    did_you_mean,
    pattern,
    raise_on_misuse,
    seconds,
)
from preflight.cli.parser import own_flags
from preflight.formats import FORMATS, Destination
from preflight.services import SERVICES
from preflight.version import __version__

DESCRIPTION = "\n".join(
    (
        "Check every resource that a Mistle configuration names, before the deployment needs it.",
        "",
        "commands:",
        *(f"  {f'{name} {command.arguments}':23} {command.about}" for name, command in COMMANDS.items()),
    )
)
EXAMPLES = """\
exit codes: 0 ready, 1 not ready, 2 could not start, 3 a bug in this tool, 130 and 143 interrupted

examples:
  mistle-preflight --config mistle.toml                    everything, as the last step of a deployment
  mistle-preflight --env-file prod.env                     the variables that Compose gives to a service
  mistle-preflight --stage before-deploy                   before the migrations: Mistle is not running yet
  mistle-preflight --wait 60 -f text=/dev/stderr -- node migrate.js    once all is ready, become this program
  mistle-preflight --service data_plane_worker             only what this service uses, from where it runs
  mistle-preflight --only 'postgres*' --skip '*.pooled'    some checks
  mistle-preflight -f text -f json=report.json             a report to read and one to keep
  mistle-preflight config -q deploy/*.toml                 are these files right?
  mistle-preflight explain network.refused                 what does this finding mean?
  mistle-preflight explain --list postgres                 which findings are there for Postgres?
  mistle-preflight demo --break pooler                     what does a fault look like?
  mistle-preflight diff yesterday.json today.json          what got worse since yesterday?
  mistle-preflight merge api.json node-a=gateway.json      one verdict from several machines
  mistle-preflight serve --every 60                        a page and metrics that follow the deployment
  mistle-preflight watch --only 'kv*' --every 30           what changes while you repair it?
  mistle-preflight schema > mistle.schema.json             for #:schema mistle.schema.json in mistle.toml
  eval "$(mistle-preflight completion bash)"               tab completion in this shell
"""


class HelpPrinted(Exception):
    """The output of --help or --version is printed."""


def parse(arguments: list[str]) -> Options:
    """The options of these arguments; flags may stand before or after the command. Raises UsageError, HelpPrinted."""
    flags, program = _split(arguments)
    given = vars(parser().parse_intermixed_args(flags))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    command, *rest = given.pop("positionals", ()) or (Options.command,)
    options = Options(**given, command=command, arguments=tuple(rest), program=program)
    raise_on_misuse(options)
    return options.with_one_file()


def prints_help(arguments: list[str]) -> bool:
    """Whether these arguments print the help or the version, and have done so. The command reports what is wrong."""
    try:
        parse(arguments)
    except HelpPrinted:
        return True
    except Exception:  # the command parses again, and reports it
        return False
    return False


def _split(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The arguments before ``--``, and those after it."""
    if "--" not in arguments:
        return arguments, ()
    position = arguments.index("--")
    if position == len(arguments) - 1:
        raise UsageError("-- PROGRAM: name the program that replaces a run that is ready")
    return arguments[:position], tuple(arguments[position + 1 :])


def format_destinations(arguments: list[str]) -> tuple[Destination, ...]:
    """The values of --format in a command line that has an error elsewhere: the error is reported there too."""
    parser = _Parser(formatter_class=_Help, add_help=False, allow_abbrev=False)
    parser.add_argument("-f", "--format", action="append", nargs="?", default=[])
    wanted: dict[Path | None, Destination] = {}
    with contextlib.suppress(UsageError):
        for text in parser.parse_known_args(arguments)[0].format:
            with contextlib.suppress(argparse.ArgumentTypeError):
                name, file = _format(text or "")
                wanted.setdefault(file, (name, file))
    return tuple(wanted.values())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _, is_unknown, flags = message.partition("unrecognized arguments: ")
        flag = flags.split("=")[0].split(" ")[0]
        raise UsageError(message + (did_you_mean(flag, self._option_string_actions) if is_unknown else ""))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002 - argparse's signature
        raise HelpPrinted


class _Help(argparse.RawDescriptionHelpFormatter):
    """The same width and the same form of flags on every terminal and in every version of Python."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        metavar = f" {action.metavar}" if action.metavar else ""
        return ", ".join(action.option_strings) + metavar


def parser() -> argparse.ArgumentParser:
    """The parser of every flag; the command and its arguments are positional."""
    made = _Parser(
        prog="mistle-preflight",
        usage="mistle-preflight [COMMAND] [FLAG ...] [-- PROGRAM ...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=_Help,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    made.color = False  # type: ignore[attr-defined]  # Python 3.14 would colour the help
    made.add_argument("positionals", nargs="*", help=argparse.SUPPRESS)
    _add_selection(made.add_argument_group("what is checked"))
    _add_limits(made.add_argument_group("how"))
    _add_output(made.add_argument_group("what is reported"))
    own_flags.add(made)
    return made


def _add_selection(flags: argparse._ArgumentGroup) -> None:
    flags.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="default: $MISTLE_CONFIG_PATH, else only MISTLE_* variables; they override the file; -: standard input",
    )
    flags.add_argument(
        "--env-file",
        action="append",
        metavar="FILE",
        type=Path,
        help="variables as Docker Compose reads its env_file; those of the process win; repeatable, the last one wins",
    )
    flags.add_argument(
        "--stage",
        metavar="STAGE",
        choices=STAGES,
        help="before-deploy: Mistle is not running yet, its own URLs are only resolved; live (default)",
    )
    flags.add_argument(
        "--service", metavar="NAME", choices=SERVICES, help="only what this service uses: " + ", ".join(SERVICES)
    )
    for flag, word in (("--only", "only"), ("--skip", "no")):
        about = f"{word} checks whose name, kind or key matches; repeatable"
        flags.add_argument(flag, action="append", metavar="PATTERN", type=pattern, help=about)


def _add_limits(flags: argparse._ArgumentGroup) -> None:
    flags.add_argument("--timeout", metavar="S", type=seconds, help="seconds for one check (default 10)")
    flags.add_argument("--deadline", metavar="S", type=seconds, help="seconds for the whole run (default 60)")
    about = "try failed checks again for S seconds, while all that fails may still come up; added to --deadline"
    flags.add_argument("--wait", metavar="S", type=seconds, help=about)
    flags.add_argument("--read-only", action="store_true", help="no probe writes anything, anywhere")
    flags.add_argument(
        "--ca-file",
        metavar="FILE",
        type=Path,
        help="trust these certificates too; default: $NODE_EXTRA_CA_CERTS, as in Mistle",
    )


def _add_output(flags: argparse._ArgumentGroup) -> None:
    _add_format(flags)
    flags.add_argument(
        "--ignore",
        action="append",
        metavar="ID[@CHECK]",
        help="show this finding, perhaps of one check, as a warning and do not count it; repeatable",
    )
    flags.add_argument(
        "--ignore-file",
        metavar="FILE",
        type=Path,
        help="the same from a file: a line is ID[@CHECK], the last day (YYYY-MM-DD, UTC), the reason",
    )
    flags.add_argument(
        "--fail-level",
        metavar="LEVEL",
        choices=FAIL_LEVELS,
        help="what makes the run not ready: fail (default) or warn",
    )
    flags.add_argument("--no-color", dest="color", action="store_false", help="print no colors, as with NO_COLOR=1")
    flags.add_argument("-q", dest="detail", action="store_const", const=-1, help="print failures and the verdict only")
    flags.add_argument("-v", dest="detail", action="store_const", const=1, help="print every layer with its time")
    flags.add_argument("--list", action="store_true", help="with explain: list all findings; with demo: all faults")
    flags.add_argument(
        "--version", action="version", version=f"mistle-preflight {__version__}", help="print the version"
    )
    flags.add_argument("-h", "--help", action="help", help="print this help")


def _add_format(flags: argparse._ActionsContainer) -> None:
    flags.add_argument(
        "-f",
        "--format",
        action="append",
        metavar="NAME[=FILE]",
        type=_format,
        help=f"{', '.join(FORMATS)} (default {next(iter(FORMATS))}); to standard output or to FILE; repeatable",
    )


def _format(text: str) -> Destination:
    name, equals, file = text.partition("=")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"{name!r} is not a format{did_you_mean(name, FORMATS, 'there are')}")
    if equals and not file:
        raise argparse.ArgumentTypeError(f"{text!r} names no file")
    return name, None if file in {"", "-"} else Path(file)
