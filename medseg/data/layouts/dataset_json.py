"""``dataset.json`` of nnU-Net and the Medical Segmentation Decathlon: classes, channels and modality."""

from __future__ import annotations

import json
from typing import Any

from medseg.artifacts import Modality
from medseg.data.labels import Classes, checked_classes
from medseg.data.layouts.listing import Listing
from medseg.data.layouts.table import has_file
from medseg.data.source import Source
from medseg.errors import DataError

FILE = "dataset.json"

_MODALITIES: dict[str, Modality] = {
    **dict.fromkeys(("ct", "cta", "cect", "ncct"), "ct"),
    **dict.fromkeys(("mr", "mri", "t1", "t1w", "t1c", "t1ce", "t1gd", "t2", "t2w", "flair", "adc", "dwi"), "mr"),
    **dict.fromkeys(("x-ray", "xray", "cr", "dx", "rx"), "xray"),
    **dict.fromkeys(("us", "ultrasound"), "ultrasound"),
    **dict.fromkeys(("r", "g", "b", "red", "green", "blue", "rgb"), "rgb"),
}


def read_dataset_json(source: Source) -> dict[str, Any] | None:
    """The file's content; None where the source has none.

    Raises:
        DataError: it is not a JSON object.
    """
    if not has_file(source, FILE):
        return None
    path = source.path(FILE)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: must hold a JSON object with labels and channel names, got {type(content).__name__}")
    return content


def classes_of(content: dict[str, Any], where: str) -> Classes | None:
    """Class name to value, from nnU-Net's ``{name: value}`` or the Decathlon's ``{value: name}``.

    Raises:
        DataError: regions (several values for one name), an ignore label, or values that are no numbers.
    """
    labels = content.get("labels")
    if labels is None:
        return None
    if not isinstance(labels, dict):
        raise DataError(f"{where}: labels must map names to values, got {labels!r}")
    pairs = [_pair(name, value, where) for name, value in labels.items()]
    return checked_classes({name: value for name, value in pairs if value != 0}, f"{where}: labels")


def _pair(name: str, value: Any, where: str) -> tuple[str, int]:
    if isinstance(value, list):
        raise DataError(
            f"{where}: label {name!r} is a region of values {value}; regions are not trained on yet. "
            "Give dataset.classes in the recipe with one value per class"
        )
    if name.lower() == "ignore":
        raise DataError(f"{where}: an ignore label is not handled yet; leave cases with unlabelled voxels out")
    if isinstance(value, str) and name.isdigit():
        name, value = value, name
    try:
        return name, int(value)
    except (TypeError, ValueError):
        raise DataError(f"{where}: label {name!r} = {value!r} must be a whole number") from None


def channels_of(content: dict[str, Any]) -> tuple[str, ...] | None:
    """Channel names in their order: ``channel_names`` of nnU-Net v2 or ``modality`` of older sets."""
    names = content.get("channel_names", content.get("modality"))
    if not isinstance(names, dict) or not names:
        return None
    ordered = sorted(names.items(), key=lambda item: int(item[0]) if str(item[0]).isdigit() else 0)
    return tuple(str(name) for _, name in ordered)


def modality_of(channel_names: tuple[str, ...] | None) -> Modality | None:
    """The modality that all channels share; None where they do not say."""
    found = {_MODALITIES.get(name.strip().lower()) for name in channel_names or ()}
    return found.pop() if len(found) == 1 else None


def describe(source: Source) -> Listing:
    """An empty listing with what ``dataset.json`` says.

    Raises:
        DataError: as ``read_dataset_json`` and ``classes_of``.
    """
    content = read_dataset_json(source)
    if content is None:
        return Listing(warnings=[f"{FILE} is missing: classes are the values found in the references"])
    names = channels_of(content)
    listing = Listing(metadata=[FILE], channel_names=names, modality=modality_of(names))
    listing.classes = classes_of(content, str(source.path(FILE)))
    listing.warnings.extend(_promised_but_absent(source, content))
    return listing


def _promised_but_absent(source: Source, content: dict[str, Any]) -> list[str]:
    entries = content.get("training")
    listed = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    promised = {str(entry.get("image", "")).removeprefix("./") for entry in listed}
    absent = promised - {name for name in source.names() if name in promised}
    return [f"{FILE}: {len(absent)} of its {len(promised)} training images are absent"] if absent else []
