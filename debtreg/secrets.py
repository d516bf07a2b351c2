"""Secrets of others, sealed in the database: tokens and passwords that we must be able to use.

Fernet (AES-128-CBC with HMAC-SHA256) under a key that HKDF derives from SECRET_KEY. What was
sealed under a key of SECRET_KEY_FALLBACKS opens as well; sealing anew brings it under the present
one. A sealed text is worth nothing without the key, and an opened one is never logged.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from debtreg.errors import Conflict


class SecretLost(Conflict):
    """A secret that was sealed under a key which is not known any more."""

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be read: SECRET_KEY has changed since it was entered.",
            hint="Enter the secret again, or add the former key to SECRET_KEY_FALLBACKS.",
        )


def seal(secret: str) -> str:
    """The text to store; an empty secret is the empty text."""
    return _box().encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """What was sealed. Raises SecretLost."""
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretLost from None


def _box() -> MultiFernet:
    return MultiFernet(
        [Fernet(_derived(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derived(key: str) -> bytes:
    # 256 bits of a key that is long and random already: no salt, and no slow hash.
    found = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"debtreg secrets 1")
    return base64.urlsafe_b64encode(found.derive(key.encode()))
