"""Are the configured master keys the ones with which the database was encrypted?"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Mapping

from checks.core.check import Diagnosis
from checks.postgres import causes


def judge(keys: Mapping[str, str], ciphertexts: Iterable[tuple[str, str]]) -> Iterator[Diagnosis]:
    """``ciphertexts``: one for every master key version in use."""
    for version, ciphertext in ciphertexts:
        blames = (f"master_keys.{version}",)
        if version not in keys:
            message = f"credentials are stored under master key version {version}, which is not configured"
            yield causes.MASTER_KEY_MISSING.diagnosis(message, blames=blames)
        elif not opens(keys[version], ciphertext):
            message = f"master key version {version} does not decrypt what is stored under it"
            yield causes.MASTER_KEY_WRONG.diagnosis(message, blames=blames)


def opens(key: str, ciphertext: str) -> bool:
    """Whether ``v1.<nonce>.<ciphertext>.<tag>`` (base64url, AES-256-GCM) opens with SHA-256 of the key.

    Of a later format nothing is known, so nothing is said against the key.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not ciphertext.startswith("v1."):
        return True
    try:
        _version, nonce, sealed, tag = ciphertext.split(".")
        AESGCM(hashlib.sha256(key.encode()).digest()).decrypt(_decode(nonce), _decode(sealed) + _decode(tag), None)
    except (InvalidTag, ValueError):
        return False
    return True


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
