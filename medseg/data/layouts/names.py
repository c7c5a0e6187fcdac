"""File names of images: endings, stems, and the case names made from them."""

from __future__ import annotations

import re
import unicodedata

VOLUME_ENDINGS = (".nii.gz", ".nii")
ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
ENDINGS = VOLUME_ENDINGS + ITK_ENDINGS + PICTURE_ENDINGS

DETACHED_HEADERS = (".nhdr", ".mhd")  # their voxels lie in a second file
DETACHED_VOXELS = (".raw.gz", ".raw", ".zraw")


def stem(name: str) -> str | None:
    """File name without folders and image ending; None where the ending is not one of an image."""
    last = name.rsplit("/", 1)[-1]
    ending = next((ending for ending in ENDINGS if last.lower().endswith(ending)), None)
    return last[: -len(ending)] if ending and len(last) > len(ending) else None


def is_image(name: str) -> bool:
    """Whether a name ends as one of an image and is not hidden, as the files are that macOS leaves beside others."""
    return stem(name) is not None and not name.rsplit("/", 1)[-1].startswith(".")


def voxel_file(name: str) -> tuple[str, ...]:
    """Names under which the voxels of a header such as ``scan.mhd`` may lie beside it; none for other files."""
    header = next((ending for ending in DETACHED_HEADERS if name.lower().endswith(ending)), None)
    return tuple(name[: -len(header)] + ending for ending in DETACHED_VOXELS) if header else ()


def case_name(text: str) -> str:
    """The text with everything but letters of any script, digits, dot, hyphen and underscore made an underscore."""
    return re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", text)).lstrip(".-") or "case"
