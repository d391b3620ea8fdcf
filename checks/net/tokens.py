"""Tokens that Mistle's services sign for one another: JSON Web Tokens with a shared secret."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Mapping

LIFETIME = 60  # seconds until a token expires


class UnusableSecret(Exception):
    """The library signs nothing with this secret. The message is the reason."""


def signed(secret: str, claims: Mapping[str, object]) -> str:
    """A token (HS256) that expires soon. Raises UnusableSecret."""
    import jwt

    now = int(time.time())
    with warnings.catch_warnings(action="ignore"):  # about a short secret: the configuration's rules judge it
        try:
            return jwt.encode({**claims, "iat": now, "exp": now + LIFETIME}, secret, algorithm="HS256")
        except jwt.InvalidKeyError as error:
            raise UnusableSecret("the secret has the form of a key pair") from error


def invented_sandbox() -> str:
    """An id that no sandbox has."""
    return f"mistle-preflight-{secrets.token_hex(8)}"


def claims(issuer: str, audience: str, sandbox: str) -> dict[str, object]:
    """The claims that the tokens of a tunnel have in common."""
    return {"jti": secrets.token_hex(16), "iss": issuer, "aud": audience, "sandboxInstanceId": sandbox}
