"""Decrypts stored credentials with the configured master keys, to prove that the keys are the right ones."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Mapping

from checks.core.finding import Diagnosis
from checks.postgres.inspection import causes


def verify(keys: Mapping[str, str], ciphertexts: Iterable[tuple[str, str]]) -> Iterator[Diagnosis]:
    """``ciphertexts``: for every master key version in use, one credential stored under it."""
    for version, ciphertext in ciphertexts:
        blames = (f"master_keys.{version}",)
        if version not in keys:
            message = f"credentials are stored under master key version {version}, which is not configured"
            yield causes.MASTER_KEY_MISSING.diagnosis(message, blames=blames)
        elif not decrypts(keys[version], ciphertext):
            message = f"master key version {version} does not decrypt what is stored under it"
            yield causes.MASTER_KEY_WRONG.diagnosis(message, blames=blames)


def decrypts(key: str, ciphertext: str) -> bool:
    """Whether SHA-256 of the key decrypts ``v1.<nonce>.<ciphertext>.<tag>`` (base64url, AES-256-GCM).

    True for a later format, which is unknown here: it does not prove that the key is wrong.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not ciphertext.startswith("v1."):
        return True
    try:
        _version, nonce, encrypted, tag = ciphertext.split(".")
        AESGCM(hashlib.sha256(key.encode()).digest()).decrypt(_decode(nonce), _decode(encrypted) + _decode(tag), None)
    except (InvalidTag, ValueError):
        return False
    return True


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
