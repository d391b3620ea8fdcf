"""Applies a remedy as it is printed: a command by its own client, an edit at its line."""

import re
import shlex
import subprocess
from pathlib import Path

from checks.core.finding import Finding, Status
from checks.core.remedy import Remedy
from preflight.reference.catalogue import entries
from tests.harness.run_check import CheckRun
from tests.testbed.containers import Server


def printed(finding: Finding, tool: str) -> Remedy:
    """The one remedy of this tool."""
    remedies = [each for each in finding.remedies if each.tool == tool]
    assert len(remedies) == 1, finding
    return remedies[0]


def problems(run: CheckRun) -> set[str]:
    """The ids of its failures and warnings."""
    return {finding.id for finding in run.findings if finding.status >= Status.WARN}


def edit(remedy: Remedy, file: Path) -> None:
    """Replace the line that the remedy names."""
    name, number = remedy.where.rsplit(":", 1)
    assert name == file.name
    lines = file.read_text().split("\n")
    lines[int(number) - 1] = remedy.command
    file.write_text("\n".join(lines))


def run_in_shell(remedy: Remedy, folder: Path) -> None:
    """Run a command of this machine."""
    subprocess.run(["sh", "-c", remedy.command], cwd=folder, check=True, timeout=60)


def run_in(server: Server, remedy: Remedy, **environment: str) -> str:
    """Run a command by the client that the server's container has, in a shell, as an operator would."""
    container = server.container.get_wrapped_container()
    assert shlex.split(remedy.command)[0] == remedy.tool
    code, output = container.exec_run(["sh", "-c", remedy.command], environment=environment)
    assert code == 0, (remedy, output)
    return str(output.decode())


def has_form(remedy: Remedy, id_: str) -> bool:
    """Whether the catalogue shows the form of such a command at this id."""
    forms = (each for each in entries()[id_].remedies if each.tool == remedy.tool)
    command = re.sub(r"^docker -H ('.*?'|\S+) ", "docker ", remedy.command)  # where the socket is not the usual one
    return any(re.fullmatch(_pattern(form.command), command) for form in forms)


def _pattern(form: str) -> str:
    """Each ``…`` stands for any text, and quotes of the shell are left to the names in it."""
    return r".+".join(map(re.escape, form.replace("'", "…").split("…")))
