"""Shells in a container, and what they complete."""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.testbed.containers import running

CHECKOUT = Path(__file__).parents[2]
LIMIT = 20.0
END = "@end@"

BASH = """
eval "$(mistle-preflight completion bash)"
for COMP_LINE in "$@"; do
  COMP_POINT=${#COMP_LINE}
  _python_argcomplete mistle-preflight
  printf '%s\\n' "${COMPREPLY[@]}" '@end@'
done
"""
FISH = """
mistle-preflight completion fish | source
for line in $argv
  complete -C $line
  echo @end@
end
"""
ZSH = "PS1='>'; autoload -U compinit; compinit -u; eval \"$(mistle-preflight completion zsh)\"; echo @e''nd@\n"


@dataclass(frozen=True)
class Shells:
    """Shells in which the command is `mistle-preflight`."""

    container: DockerContainer

    def completed(self, shell: str, lines: Sequence[str]) -> list[str]:
        """The completion, or the offers, of the shell for each of these beginnings."""
        if shell == "zsh":  # it completes at a prompt only
            return self._typed(lines)
        command = {"bash": ["bash", "-c", BASH, "bash"], "fish": ["fish", "--no-config", "-c", FISH]}[shell]
        answer = self.container.exec([*command, *lines]).output.decode()
        return answer.split(END)[: len(lines)]

    def _typed(self, lines: Sequence[str]) -> list[str]:
        client = self.container.get_wrapped_container().client.api
        identifier, environment = self.container.get_container_id(), {"TERM": "dumb"}
        made = client.exec_create(identifier, ["zsh", "-f", "-i"], stdin=True, tty=True, environment=environment)
        stream = client.exec_start(made["Id"], tty=True, socket=True)
        channel = _socket_of(stream)
        try:
            channel.sendall(ZSH.encode())
            _read(channel, f"\n{END}")
            return [_complete(channel, line) for line in lines]
        finally:
            channel.sendall(b"\x15exit\n")
            channel.close()
            stream.close()


def _socket_of(stream: Any) -> socket.socket:
    """The socket of a stream of Docker's SDK, also if checks ran in this process and wrapped it to count bytes."""
    raw: socket.socket = stream._sock if hasattr(stream, "_sock") else stream._source.raw._sock
    return raw


def _complete(channel: socket.socket, line: str) -> str:
    """The line after the tab key: an argument of echo, whose output shows the completed line."""
    channel.sendall(b"\x15" + line.encode() + b"\t")
    channel.sendall(b"\x01echo \x05@e''nd@\n")
    return _read(channel, END).rpartition("echo ")[2]


def _read(channel: socket.socket, expected: str) -> str:
    seen, ends = b"", time.monotonic() + LIMIT
    while expected not in seen.decode(errors="replace") and (left := ends - time.monotonic()) > 0:
        if not select.select([channel], [], [], left)[0] or not (part := channel.recv(65536)):
            break
        seen += part
    return seen.decode(errors="replace")


@contextmanager
def shells() -> Iterator[Shells]:
    volumes = [(str(CHECKOUT), "/checkout", "ro")]
    with running("shells", ["sleep", "infinity"], 0, lambda _port: None, {}, volumes=volumes) as (container, _, _):
        yield Shells(container)
