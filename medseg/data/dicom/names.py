"""Class names from the labels of segments and regions of interest."""

from __future__ import annotations

import hashlib
import unicodedata

from medseg.data.labels import slug


def class_name(label: str) -> str:
    """A slug; where letters of other scripts are lost, a digest of the label keeps different labels apart."""
    letters = unicodedata.normalize("NFKD", label)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    lost = any(letter.isalnum() and not letter.isascii() for letter in plain)
    return f"{slug(plain)}_{hashlib.sha256(label.encode('utf-8', 'replace')).hexdigest()[:6]}" if lost else slug(plain)
