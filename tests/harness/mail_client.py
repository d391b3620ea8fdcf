"""Mistle's own mail client, nodemailer from npm: what comes of the mails that it sends."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness import npm

PACKAGE = "nodemailer@8.0.3"
"""The version of Mistle."""
_SCRIPT = Path(__file__).with_suffix(".js")
_NAME = "mail-client"
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
    return npm.unavailable(_NAME, (PACKAGE,))


def send(roots: Path, recipients: Sequence[str], **settings: object) -> list[Sent]:
    """Send one mail to each recipient. An error that ends the process, which is Mistle's worker, is the login's."""
    environment = npm.environment(_NAME) | {"NODE_EXTRA_CA_CERTS": str(roots)}
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
