"""A tree of DICOM files of any depth and names: volumes and pictures, with references from SEG, RTSTRUCT or NIfTI."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medseg.artifacts import Modality
from medseg.config import DatasetConfig
from medseg.data.deidentification.burned_in import blank, burned_in
from medseg.data.deidentification.deidentify import Deidentifier, identifying_values
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.deidentification.search import REMOVED
from medseg.data.dicom.cases import Cases, Images, Rejections, case_name, find_images
from medseg.data.dicom.catalog import Catalog, forget_identifying
from medseg.data.dicom.drawing import Region, draw, names_only
from medseg.data.dicom.frames import frame_stacks, volume_image
from medseg.data.dicom.header import DAMAGED, Header, class_of, is_dicom, open_header
from medseg.data.dicom.index import index_files
from medseg.data.dicom.kinds import kind_of
from medseg.data.dicom.pictures import picture_image
from medseg.data.dicom.pixels import PixelReader
from medseg.data.dicom.records import owner_of, secret_of
from medseg.data.dicom.references import match_references
from medseg.data.dicom.rtstruct import contour_regions, roi_names
from medseg.data.dicom.seg import segment_names, segment_regions
from medseg.data.dicom.series import read_series
from medseg.data.dicom.stacks import Stack, discriminator
from medseg.data.formats.nifti import read_nifti_reference
from medseg.data.image import Image
from medseg.data.labels import LARGEST_VALUE, Classes, Reference
from medseg.data.layouts.listing import Layout, Listing, Loaded, Reading, SourceCase
from medseg.data.layouts.names import VOLUME_ENDINGS, is_image
from medseg.data.source import Source
from medseg.errors import DataError, RejectedFileError
from medseg.types import Geometry

DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d|\d{1,2}\.\d{1,2}\.\d{2,4})(?!\d)")


class DicomLayout(Layout):
    """DICOM files of a hospital's archive; after ``read`` it carries what its cases are read with."""

    name = "dicom"
    description = (
        "a tree of DICOM files, any folders and names; references from DICOM SEG, RTSTRUCT or NIfTI named as the folder"
    )
    example = ("any/folder/IM0001", "any/folder/IM0002", "other/segmentation.dcm")

    def __init__(self, config: DatasetConfig) -> None:
        super().__init__(config)
        self._pseudonyms: Pseudonyms | None = None
        self._classes: tuple[str, ...] = ()

    @property
    def pseudonymous(self) -> bool:
        return True

    def told_name(self, name: str, reading: Reading) -> str:
        """Without identities and dates: what is left of the names is how an archive's files are found again."""
        return DATE.sub(REMOVED, reading.identities.redact(name))

    def recognise(self, source: Source) -> str | None:
        """The first file with DICOM's marker."""
        for name in source.glimpse:
            if not is_image(name) and _is_dicom(source, name):
                return f"DICOM files, such as {name}"
        return None

    def read(self, source: Source, reading: Reading) -> Listing:
        """Index what is new, sort all series into volumes, and match them with their references."""
        catalog = Catalog(reading.catalog, reading.scratch / "dicom-names.sqlite")
        index_files(source, catalog, reading.pseudonyms, reading.identities, reading.workers)
        images = find_images(catalog, reading.scratch / "dicom-cases.sqlite", self.config, reading.pseudonyms)
        classes = match_references(images, catalog)
        catalog.database.close()
        forget_identifying(reading.catalog, lambda text: bool(reading.identities.find(text.encode())))
        self._pseudonyms = reading.pseudonyms
        images.warnings.extend(_strangers(self.config.classes, classes, source))
        telling = {name for name in classes if reading.identities.find(name.replace("_", " ").encode())}
        classes = {name: value for name, value in classes.items() if name not in telling}
        configured = self.config.classes or classes
        self._classes = tuple(sorted(configured, key=lambda name: configured[name]))
        return _listing(images, classes)

    def load_image(self, source: Source, case: SourceCase, modality: Modality) -> Loaded:
        """Read a volume or a picture, de-identified."""
        paths = [source.path(name) for name in case.images]
        identities: set[str] = set()
        first: list[Dataset] = []

        def see(header: Header) -> None:
            identities.update(identifying_values(header.fresh))
            if not first:
                first.append(header.dataset)

        try:
            image = self._image(paths, case.case, modality, see)
            deidentifier = Deidentifier(self.config.deidentify, self._known_pseudonyms())
            removed = deidentifier.apply(first[0]).removed
            return Loaded(image, deidentifier.facts(first[0]), removed, frozenset(identities))
        except DAMAGED as error:
            reason = f"header is damaged ({type(error).__name__})"
            raise RejectedFileError("unreadable-dicom", reason, paths[0]) from None

    def _image(self, paths: Sequence[Path], case: str, modality: Modality, see: Callable[[Header], None]) -> Image:
        tolerances, regions = self.config.tolerances, self.config.deidentify.mask_regions
        if len(paths) > 1:
            return read_series(paths, tolerances, see, regions)
        (path,) = paths
        header, stored = PixelReader().read(path)
        kind = kind_of(class_of(header.dataset))
        if kind == "slice":
            return read_series(paths, tolerances, see, regions)
        see(header)
        if regions and burned_in(header.dataset):
            stored = blank(stored, regions)
        if kind == "picture":
            return picture_image(header.dataset, stored, path, rgb=modality == "rgb")
        return volume_image(header.dataset, stored, self._stack(header.dataset, path, case), path, tolerances)

    def _stack(self, dataset: Dataset, path: Path, case: str) -> Stack:
        """The volume of a multi-frame object that a case is named after."""
        pseudonyms = self._known_pseudonyms()
        owner = owner_of(dataset, pseudonyms)
        secret = partial(secret_of, pseudonyms)
        for stack in frame_stacks(dataset, path, self.config.tolerances, secret):
            parts = (owner.instance, *discriminator(stack))
            if case_name(pseudonyms, owner.patient, owner.series, parts) == case:
                return stack
        raise RejectedFileError("unreadable-dicom", "has changed since it was listed", path)

    def load_reference(self, source: Source, case: SourceCase, grid: Geometry | None) -> Reference:
        """Draw segments and contours on the grid of the image, or read a NIfTI file."""
        paths = [source.path(name) for name in case.references]
        volumes = [path for path in paths if path.name.lower().endswith(VOLUME_ENDINGS)]
        if volumes:
            return _volume_reference(volumes[0])
        try:
            if grid is None:
                return names_only([name for path in paths for name in _names(path)])
            regions = [region for path in paths for region in self._regions(path, grid)]
            wanted = [region for region in regions if region.name in self._classes]
            if len(wanted) < len(regions) and not self.config.classes:
                reason = "a segment's name holds an identifying string; rename it, or give the names in dataset.classes"
                raise RejectedFileError("identifying-class", reason, paths[0])
            return draw(wanted, grid, self._classes, self.config.overlap)
        except DAMAGED as error:
            reason = f"reference is damaged ({type(error).__name__})"
            raise RejectedFileError("unreadable-dicom", reason, paths[0]) from None

    def _regions(self, path: Path, grid: Geometry) -> list[Region]:
        if kind_of(class_of(open_header(path).dataset)) == "contours":
            return contour_regions(path, grid)
        return segment_regions(path, grid, self.config)

    def _known_pseudonyms(self) -> Pseudonyms:
        assert self._pseudonyms is not None, "cases come from read"
        return self._pseudonyms


def _strangers(wanted: Classes | None, found: Classes, source: Source) -> list[str]:
    """What is said where the recipe's classes and the names of segments differ."""
    if not wanted or not found:
        return []
    unused, missing = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    if len(missing) == len(wanted):
        raise DataError(
            f"{source}: no segment or contour is called {', '.join(missing)} as dataset.classes says; found are"
            f" {', '.join(sorted(found))}"
        )
    said = [f"segments that dataset.classes does not name are background: {', '.join(unused)}"] if unused else []
    return said + ([f"no segment is called {', '.join(missing)}"] if missing else [])


def _is_dicom(source: Source, name: str) -> bool:
    try:
        with source.open(name) as file:
            return is_dicom(file)
    except OSError:
        return False


def _names(path: Path) -> list[str]:
    dataset = open_header(path).dataset
    names = roi_names(dataset, path) if kind_of(class_of(dataset)) == "contours" else segment_names(dataset, path)
    return list(dict.fromkeys(names.values()))


def _volume_reference(path: Path) -> Reference:
    """Class values of a NIfTI file.

    Raises:
        RejectedFileError: ``read_nifti_reference``'s codes, or ``not-a-reference``: an image with the name of one.
    """
    image = read_nifti_reference(path)
    values = np.unique(image.array)
    if values[0] < 0 or len(values) > LARGEST_VALUE + 1:
        reason = f"holds {len(values)} values from {values[0]} to {values[-1]}: an image, not classes"
        raise RejectedFileError("not-a-reference", reason, path)
    return Reference(image)


def _listing(images: Images, classes: Classes) -> Listing:
    database = images.database
    (count,) = database.execute("SELECT count(*) FROM image WHERE code IS NULL").fetchone()
    has_references = database.execute("SELECT 1 FROM reference").fetchone() is not None
    found = {modality for (modality,) in database.execute("SELECT DISTINCT modality FROM image WHERE code IS NULL")}
    database.close()
    return Listing(
        cases=Cases(images.path),
        count=count,
        rejected=Rejections(images.path),
        task="segmentation" if has_references else "prediction",
        classes=classes or None,
        modality=found.pop() if len(found) == 1 else None,
        warnings=images.warnings,
    )
