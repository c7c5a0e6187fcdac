"""Plain pairs: ``images/`` beside ``labels/`` or ``masks/`` with equal names; NIfTI, PNG or JPEG."""

from __future__ import annotations

from medseg.data.layouts.files import find_classes, load_image, load_reference, pair_folders
from medseg.data.layouts.listing import Layout, Listing, Source
from medseg.data.layouts.names import stem
from medseg.errors import DataError

IMAGES = "images"
REFERENCES = ("labels", "masks")


def recognise(source: Source) -> str | None:
    """Reason why this is such a folder."""
    found = [folder for folder in (IMAGES, *REFERENCES) if any(stem(name) for name in source.inside(folder))]
    if IMAGES not in found or len(found) < 2:
        return None
    return f"{' and '.join(f'{folder}/' for folder in found)} with image files"


def read(source: Source) -> Listing:
    """Pair files by equal names, or by names equal but for a channel suffix on the image.

    Raises:
        DataError: both ``labels/`` and ``masks/`` hold references.
    """
    folders = [folder for folder in REFERENCES if any(stem(name) for name in source.inside(folder))]
    if len(folders) > 1:
        raise DataError(f"{source.root}: both labels/ and masks/ hold references; leave the right one beside images/")
    listing = Listing()
    pair_folders(source, IMAGES, folders[0] if folders else REFERENCES[0], listing)
    return listing


PAIRS = Layout(
    name="pairs",
    description="pairs: images/NAME and labels/NAME or masks/NAME; .nii.gz, .nii, .png, .jpg [cases.csv]",
    recognise=recognise,
    read=read,
    load_image=load_image,
    load_reference=load_reference,
    find_classes=find_classes,
)
