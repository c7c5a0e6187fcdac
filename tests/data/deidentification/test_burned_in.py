"""Pictures that may show a name are known by their headers, and regions of them can be blanked."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage, UltrasoundImageStorage

from medseg.config import RegionConfig
from medseg.data.deidentification.burned_in import blank, burned_in


def header(**attributes: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "US"},
        {"SOPClassUID": UltrasoundImageStorage},
        {"SOPClassUID": SecondaryCaptureImageStorage, "BurnedInAnnotation": "NO"},
        {"BurnedInAnnotation": "YES"},
        {"BurnedInAnnotation": ""},
        {"BurnedInAnnotation": "maybe"},
        {"RecognizableVisualFeatures": "YES"},
    ],
)
def test_pictures_that_may_show_a_name_have_a_reason(attributes: dict[str, str]):
    assert burned_in(header(**attributes))


@pytest.mark.parametrize("attributes", [{}, {"Modality": "CT"}, {"BurnedInAnnotation": "NO"}])
def test_others_have_none(attributes: dict[str, str]):
    assert burned_in(header(**attributes)) is None


def test_the_reason_repeats_no_value():
    assert "Müller" not in str(burned_in(header(BurnedInAnnotation="MÜLLER")))


@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6), (4, 6, 3), (2, 4, 6, 3), (1, 4, 6, 4)])
def test_a_region_is_blanked_in_every_frame_and_sample(shape: tuple[int, ...]):
    frames = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    blanked = blank(frames, [RegionConfig(rows=(0, 1), columns=(2, 4))])
    changed = blanked != frames
    assert (blanked[changed] == 1).all()
    rows_columns = changed.reshape(-1, 4, 6, 1 if len(shape) == 2 or shape[-1] > 4 else shape[-1])
    expected = np.zeros((4, 6), dtype=bool)
    expected[0, 2:4] = True
    expected = np.broadcast_to(expected[None, :, :, None], rows_columns.shape).copy()
    expected[frames.reshape(rows_columns.shape) == 1] = False  # is the smallest value already
    np.testing.assert_array_equal(rows_columns, expected)


def test_regions_are_clipped_to_the_picture_and_the_original_stays():
    frames = np.ones((4, 6), dtype=np.int16)
    frames[3, 5] = -7
    blanked = blank(frames, [RegionConfig(rows=(2, 99), columns=(0, 99)), RegionConfig(rows=(50, 60), columns=(0, 1))])
    assert (blanked[2:] == -7).all()
    assert (blanked[:2] == 1).all()
    assert frames[3, 0] == 1
    assert blanked.dtype == np.int16
