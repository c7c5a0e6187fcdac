"""Pictures that may carry burned-in text: which ones they are, and the blanking of known regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medseg.config import RegionConfig

# PS3.4 B.5: SOP classes whose pictures come with the patient's name in them as a rule.
SUSPECT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound",  # multi-frame, retired
    "1.2.840.10008.5.1.4.1.1.3.1": "ultrasound",
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound",  # retired
    "1.2.840.10008.5.1.4.1.1.6.1": "ultrasound",
    "1.2.840.10008.5.1.4.1.1.6.2": "ultrasound",  # enhanced volume
    "1.2.840.10008.5.1.4.1.1.6.3": "ultrasound",  # photoacoustic
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.1": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.3": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "secondary capture",
}
SUSPECT_MODALITIES = {"US": "ultrasound", "IVUS": "ultrasound", "BDUS": "ultrasound", "OPUS": "ultrasound"}


def burned_in(dataset: Dataset) -> str | None:
    """Why the pixels of a data set may show who the patient is, in words that do not say it; None where they do not.

    Ultrasound and secondary capture always may; others where BurnedInAnnotation is there and is not NO, or where
    RecognizableVisualFeatures is YES (PS3.3 C.7.6.1: enough of the face to know a person by).
    """
    kind = SUSPECT_CLASSES.get(_text(dataset, "SOPClassUID")) or SUSPECT_MODALITIES.get(_text(dataset, "Modality"))
    if kind:
        return f"{kind} may carry burned-in text"
    if "BurnedInAnnotation" in dataset and _text(dataset, "BurnedInAnnotation") != "NO":
        return "BurnedInAnnotation is there and is not NO"
    if _text(dataset, "RecognizableVisualFeatures") == "YES":
        return "RecognizableVisualFeatures is YES"
    return None


def _text(dataset: Dataset, keyword: str) -> str:
    """An attribute as upper-case text; empty where it is absent or cannot be read."""
    try:
        value = dataset.get(keyword, "")
    except Exception:  # pydicom lets whatever a damaged value raises through
        return "unreadable"
    return str(value or "").strip(" \0").upper()


def blank(frames: NDArray[Any], regions: Sequence[RegionConfig]) -> NDArray[Any]:
    """A copy with the rectangles set to the smallest value of the pixels, so that they stay within their range.

    Args:
        frames: ``(rows, columns)``, ``(frames, rows, columns)``, ``(rows, columns, samples)`` or
            ``(frames, rows, columns, samples)``. As pydicom decodes them, samples are the last axis and there are 3 or
            4; three axes that end in 3 or 4 are one colour picture, since no picture is 4 columns wide.
        regions: parts outside the picture are left out.

    Raises:
        ValueError: other numbers of axes.
    """
    if not 2 <= frames.ndim <= 4:
        raise ValueError(f"frames must have 2 to 4 axes, got shape {frames.shape}")
    blanked = frames.copy()
    colour = frames.ndim == 4 or (frames.ndim == 3 and frames.shape[-1] in (3, 4))
    pictures = blanked if colour else blanked[..., np.newaxis]
    if not blanked.size:
        return blanked
    for region in regions:
        pictures[..., slice(*region.rows), slice(*region.columns), :] = frames.min()
    return blanked
