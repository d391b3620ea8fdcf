"""Commands of Docker's own client, at the socket that was checked, and one that gives rights on that socket."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from pathlib import Path

from checks.core import remedy
from checks.core.remedy import Remedies

DEFAULT_SOCKET = "/var/run/docker.sock"
_MACHINE = "on the daemon's machine"
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_MEMBER = f"{_MACHINE}; log in again afterwards, and restart what runs already"
CREATE_NETWORK = remedy.line("docker", _MACHINE, "docker network create …")
PULL_HELPER = remedy.line("docker", _MACHINE, "docker pull alpine:3.20")
JOIN_GROUP = remedy.line("shell", _MEMBER, "sudo usermod -aG … …")


def create_network(socket_path: str, name: str) -> Remedies:
    """The network; nothing if no network can have this name."""
    return _docker(socket_path, _MACHINE, "network", "create", name) if _NETWORK.fullmatch(name) else ()


def pull(socket_path: str, reference: str) -> Remedies:
    """An image of Mistle's own."""
    return _docker(socket_path, f"{_MACHINE}, once it reaches Docker Hub, or is logged in there", "pull", reference)


def join_group(path: str) -> Remedies:
    """This process's user becomes a member of the group that may open the socket; never of root's."""
    try:
        status = Path(path).stat()
        group, user = grp.getgrgid(status.st_gid).gr_name, pwd.getpwuid(os.geteuid()).pw_name
    except (OSError, KeyError):
        return ()
    opens = stat.S_IRGRP | stat.S_IWGRP
    if status.st_mode & opens != opens or status.st_gid == 0 or status.st_gid in {os.getegid(), *os.getgroups()}:
        return ()
    return remedy.command("shell", _MEMBER, "sudo", "usermod", "-aG", group, "--", user)


def _docker(socket_path: str, where: str, *words: str) -> Remedies:
    at = () if socket_path == DEFAULT_SOCKET else ("-H", f"unix://{socket_path}")
    return remedy.command("docker", where, "docker", *at, *words)
