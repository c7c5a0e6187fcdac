"""Medical Segmentation Decathlon folders: ``imagesTr/<case>`` with channels as fourth axis, ``labelsTr/<case>``."""

from __future__ import annotations

from medseg.artifacts import Modality
from medseg.data.image import Image
from medseg.data.layouts.dataset_json import FILE, read_dataset_json
from medseg.data.layouts.files import find_classes, load_reference, pair_folders
from medseg.data.layouts.listing import Layout, Listing, Source, SourceCase
from medseg.data.layouts.names import VOLUME_ENDINGS
from medseg.data.layouts.nnunet import describe
from medseg.data.nifti import read_nifti


def recognise(source: Source) -> str | None:
    """Reason why this is such a folder."""
    volumes = [name for name in source.inside("imagesTr") if name.endswith(VOLUME_ENDINGS)]
    if not volumes or not source.inside("labelsTr"):
        return None
    return f"imagesTr/ and labelsTr/ with equal names, such as {volumes[0]}"


def read(source: Source) -> Listing:
    """List training cases, and those of ``imagesTs`` as predefined test split where they have references."""
    listing = describe(source)
    listing.warnings.extend(_promised_but_absent(source))
    pair_folders(source, "imagesTr", "labelsTr", listing, suffix=False)
    pair_folders(source, "imagesTs", "labelsTs", listing, split="test", suffix=False)
    return listing


def _promised_but_absent(source: Source) -> list[str]:
    entries = (read_dataset_json(source) or {}).get("training")
    paths = [str(entry.get("image", "")) for entry in entries or () if isinstance(entry, dict)]
    absent = [path for path in paths if path.removeprefix("./") not in source.files]
    return [f"{FILE}: {len(absent)} of its training images are absent, e.g. {absent[0]}"] if absent else []


def load_image(case: SourceCase, modality: Modality) -> Image:
    """Read one file with all channels."""
    return read_nifti(case.images[0], channels=True)


DECATHLON = Layout(
    name="decathlon",
    description="decathlon: imagesTr/CASE.nii.gz (3 or 4 axes), labelsTr/CASE.nii.gz, dataset.json [imagesTs …]",
    recognise=recognise,
    read=read,
    load_image=load_image,
    load_reference=load_reference,
    find_classes=find_classes,
)
