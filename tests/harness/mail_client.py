"""Mistle's own mail client, nodemailer from npm: what comes of the mails that it sends."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs

PACKAGE = "nodemailer@8.0.3"
"""The version of Mistle."""
_SCRIPT = Path(__file__).with_suffix(".js")
_FOLDER = runs.STATE / "mail-client"
_STEPS = {
    "EDNS": "dns",
    "STARTTLS": "tls",
    "ETLS": "tls",
    "EAUTH": "auth",
    "MAIL FROM": "access",
    "RCPT TO": "access",
    "DATA": "data",
    "CONN": "connect",
    "EHLO": "connect",
    "HELO": "connect",
    "API": "access",
}


@dataclass(frozen=True)
class Sent:
    """What came of one mail: the step that failed, "" if none; ``text`` is the error, or the server's last reply."""

    step: str
    text: str


def unavailable() -> str:
    """Why the client cannot run here; "" if it can."""
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        return f"there is no {missing[0]} on this machine"
    runs.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{_FOLDER}.lock"):
        if (_FOLDER / "complete").exists():
            return ""
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_FOLDER), PACKAGE]
        if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
            return "npm cannot install the client"
        (_FOLDER / "complete").touch()
    return ""


def send(roots: Path, recipients: Sequence[str], **settings: object) -> list[Sent]:
    """Send one mail to each recipient. An error that ends the process, which is Mistle's worker, is the login's."""
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_PATH": str(_FOLDER / "node_modules"),
        "NODE_EXTRA_CA_CERTS": str(roots),
    }
    done = subprocess.run(
        ["node", str(_SCRIPT)],
        input=json.dumps({**settings, "recipients": recipients}),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        return [Sent("crash", done.stderr)] * len(recipients)
    return [_read(result) for result in json.loads(done.stdout)]


def _read(result: dict[str, str]) -> Sent:
    if "response" in result:
        return Sent("", result["response"])
    named = (result.get(name) or "" for name in ("code", "command"))
    return Sent(next((_STEPS[name] for name in named if name in _STEPS), "connect"), result["error"])
