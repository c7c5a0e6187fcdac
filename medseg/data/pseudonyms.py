"""Pseudonyms under a secret key: the same name for the same person in every run, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac


class Pseudonyms:
    """HMAC-SHA256 pseudonyms.

    Args:
        key: the secret; never stored.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, *parts: str, length: int = 16) -> str:
        """``length`` hexadecimal digits, equal for equal parts."""
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (p.encode("utf-8", "replace") for p in parts))
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:length]

    def patient(self, identity: str) -> str:
        return f"patient-{self.digest('patient', identity, length=10)}"
