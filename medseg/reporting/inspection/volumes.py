"""The voxels of a data set in the store, one case at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset, image_key, reference_key
from medseg.data.formats.nifti import read_nifti, read_nifti_reference
from medseg.errors import DataError
from medseg.storage import Store, open_store


class DatasetVolumes:
    """Reads images and references by the name of their case; holds no voxels itself."""

    def __init__(self, dataset_uri: str, dataset: Dataset) -> None:
        self._store = open_store(dataset_uri)
        self._dataset = dataset

    def channels(self, case: str) -> list[NDArray]:
        """(I, J, K) voxels of every channel.

        Raises:
            DataError, NotFoundError: a file is damaged or missing; names it.
        """
        arrays = [self._read(image_key(case, channel)) for channel in range(len(self._dataset.channel_names))]
        if len({array.shape for array in arrays}) > 1:
            raise DataError(f"images of {case}: channels have different shapes, {[a.shape for a in arrays]}")
        return arrays

    def reference(self, case: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """(I, J, K) class values on the image's grid; None unless the data set is for segmentation.

        Raises:
            DataError, NotFoundError: the file is damaged, missing, or of another shape; names it.
        """
        if self._dataset.task != "segmentation":
            return None
        key = reference_key(case)
        with _local(self._store, key) as path, _naming(key):
            array = read_nifti_reference(path).array[0]
        highest = max(self._dataset.labels.values(), default=0)
        if array.shape != shape or array.min() < 0 or array.max() > highest:
            found = f"shape {array.shape} with values {array.min()} to {array.max()}"
            raise DataError(f"{key}: reference has {found}, need {shape} with values 0 to {highest}")
        return array.astype(np.uint8)

    def _read(self, key: str) -> NDArray:
        with _local(self._store, key) as path, _naming(key):
            return read_nifti(path).array[0]


@contextmanager
def _local(store: Store, key: str) -> Iterator[Path]:
    local = store.local_path(key)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="medseg-inspect-") as folder:
        path = Path(folder, key.rsplit("/", 1)[-1])
        store.get_file(key, path)
        yield path


@contextmanager
def _naming(key: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{key}: {error}") from error
