"""nnU-Net v2 raw folders: ``imagesTr/<case>_0000``, ``labelsTr/<case>``, ``dataset.json``, and a test split."""

from __future__ import annotations

from medseg.data.layouts.dataset_json import FILE, channels_of, classes_of, modality_of, read_dataset_json
from medseg.data.layouts.files import find_classes, load_image, load_reference, pair_folders
from medseg.data.layouts.listing import Layout, Listing, Source
from medseg.data.layouts.names import channel, stem


def recognise(source: Source) -> str | None:
    """Reason why this is such a folder."""
    stems = [stem(name) for name in source.inside("imagesTr")]
    numbered = [found for found in stems if found and channel(found)]
    if not numbered or not source.inside("labelsTr"):
        return None
    return f"imagesTr/ and labelsTr/ with channel numbers in the names, such as {numbered[0]}"


def read(source: Source) -> Listing:
    """List training cases, and those of ``imagesTs`` as predefined test split."""
    listing = describe(source)
    pair_folders(source, "imagesTr", "labelsTr", listing, suffix=True)
    pair_folders(source, "imagesTs", "labelsTs", listing, split="test", suffix=True)
    return listing


def describe(source: Source) -> Listing:
    """An empty listing with what ``dataset.json`` says."""
    content = read_dataset_json(source)
    if content is None:
        return Listing(warnings=[f"{FILE} is missing: classes are the values found in the references"])
    names = channels_of(content)
    classes = classes_of(content, str(source.path(FILE)))
    return Listing(metadata=[FILE], classes=classes, channel_names=names, modality=modality_of(names))


NNUNET = Layout(
    name="nnunet",
    description="nnunet (v2): imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, dataset.json [imagesTs, labelsTs]",
    recognise=recognise,
    read=read,
    load_image=load_image,
    load_reference=load_reference,
    find_classes=find_classes,
)
