"""Small raw inputs on disk: volumes, pictures and DICOM series that a test can predict."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
from numpy.typing import ArrayLike
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (6, 5, 4)
AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def volume(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def reference(*values: int) -> np.ndarray:
    """Background, with one voxel of each value along I."""
    drawn = np.zeros(SHAPE, dtype=np.uint8)
    drawn[: len(values), 0, 0] = values
    return drawn


def write_volume(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def write_picture(path: Path, pixels: ArrayLike, mode: str | None = None, **options: object) -> Path:
    """Pixels are (rows, columns[, channels])."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(np.asarray(pixels))
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def write_pair(root: Path, name: str = "a", drawn: np.ndarray | None = None, seed: int = 0) -> None:
    """One NIfTI pair in the layout ``pairs``."""
    write_volume(root / "images" / f"{name}.nii.gz", volume(seed))
    write_volume(root / "labels" / f"{name}.nii.gz", reference(1, 2) if drawn is None else drawn)


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def slice_dataset(index: int, pixels: np.ndarray, series: str = "series") -> Dataset:
    """A CT slice of 2 mm columns, 3 mm rows, at z = 5 * index; pixels are (rows, columns) uint16."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "MRN-1", "Doe^Jane"
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [10, 20, 5 * index]
    dataset.PixelSpacing, dataset.SliceThickness = [3, 2], 5
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = pixels.astype("<u2").tobytes()
    return dataset


def series_datasets(slices: int = 4) -> list[Dataset]:
    """Slice ``k`` holds ``100 * k`` plus the position of the pixel, in rows of 3."""
    return [slice_dataset(k, 100 * k + np.arange(6, dtype=np.uint16).reshape(2, 3)) for k in range(slices)]


def write_series(folder: Path, datasets: list[Dataset]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.dcm" for number in range(len(datasets))]
    for path, dataset in zip(paths, datasets, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    return paths
