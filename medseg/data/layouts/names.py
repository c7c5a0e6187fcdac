"""File names of images: endings, stems, channel suffixes, and the case names made from them."""

from __future__ import annotations

import re

VOLUME_ENDINGS = (".nii.gz", ".nii")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
ENDINGS = VOLUME_ENDINGS + PICTURE_ENDINGS

_CHANNEL = re.compile(r"^(?P<stem>.+)_(?P<channel>\d{4})$")


def stem(name: str) -> str | None:
    """File name without folders and image ending; None where the ending is not one of an image."""
    last = name.rsplit("/", 1)[-1]
    ending = next((ending for ending in ENDINGS if last.lower().endswith(ending)), None)
    return last[: -len(ending)] if ending and len(last) > len(ending) else None


def channel(image_stem: str) -> tuple[str, int] | None:
    """``("liver_3", 0)`` for ``liver_3_0000``; None without such a suffix."""
    found = _CHANNEL.match(image_stem)
    return (found["stem"], int(found["channel"])) if found else None


def case_name(image_stem: str) -> str:
    """The stem with everything but letters, digits, dot, hyphen and underscore made an underscore."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", image_stem).lstrip(".-") or "case"
