"""A mail server in this process: aiosmtpd with STARTTLS and a login. It never delivers mail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "mistle", "mistle-local-smtp"


async def serve(listeners: Iterable[socket.socket], context: ssl.SSLContext) -> None:
    """Serve on these sockets."""

    def session() -> SMTP:
        return SMTP(
            Sink(), hostname="mail.mistle.test", tls_context=context, authenticator=_authenticate, auth_required=True
        )

    for listener in listeners:
        await asyncio.get_running_loop().create_server(session, sock=listener)


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: LoginPassword
) -> AuthResult:
    return AuthResult(success=(login.login, login.password) == (USER.encode(), PASSWORD.encode()), handled=False)
