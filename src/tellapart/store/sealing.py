"""Encrypt what the database holds for later, with a key that it does not hold.

AES-256-GCM: nobody reads it, and nobody changes it or moves it to another place unnoticed.
"""

from __future__ import annotations

import secrets

from tellapart.settings import Settings
from tellapart.store.keys import Keys

_NONCE = 12


def seal(settings: Settings, purpose: str, data: bytes, place: str) -> bytes:
    """`data` encrypted under the server's key for `purpose`; opens only at the same `place`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE)
    key = Keys(settings).derive(purpose)[0]
    return nonce + AESGCM(key).encrypt(nonce, data, place.encode())


def unseal(settings: Settings, purpose: str, sealed: bytes, place: str) -> bytes | None:
    """What was sealed; None where none of the server's keys opens it at this `place`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    for key in Keys(settings).derive(purpose):
        try:
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            continue
    return None
