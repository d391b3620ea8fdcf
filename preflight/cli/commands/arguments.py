"""The command line of a run, from options: the opposite of the parser."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.cli.options import Options

_ONE = ("config", "stage", "service", "fail_level", "timeout", "deadline", "wait", "ca_file", "ignore_file")
_SEVERAL = ("env_file", "only", "skip", "ignore")
PASSED_ON = frozenset({*_ONE, *_SEVERAL, "read_only", "color", "detail", "format"})
"""The options that a run has."""
_DETAIL = {-1: "-q", 1: "-v"}


def of_a_run(options: Options) -> tuple[str, ...]:
    """The flags that give a run these options. Reports for standard output are left out."""
    return tuple(_flags(options))


def _flags(options: Options) -> Iterator[str]:
    for name in _ONE:
        if (value := getattr(options, name)) != getattr(Options, name):
            yield f"{_flag(name)}={value}"
    for name in _SEVERAL:
        yield from (f"{_flag(name)}={value}" for value in getattr(options, name))
    yield from (f"--format={name}={file}" for name, file in options.format if file)
    yield from ("--read-only",) if options.read_only else ()
    yield from () if options.color else ("--no-color",)
    yield from (_DETAIL[options.detail],) if options.detail else ()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
