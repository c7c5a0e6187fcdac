"""Multi-frame objects: frames become volumes by their own places and rescales, parted by stack, echo and time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.data.dicom.scenes import enhanced, item, listed, save


def test_frames_become_a_volume_rescaled_frame_by_frame(tmp_path: Path) -> None:
    save(enhanced(), tmp_path / "in/a.dcm")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    image = found.load().image
    assert found.listing.modality == "mr"
    assert image.array.shape == (1, 3, 2, 4)
    assert image.array[0, 0, 0].tolist() == [0, 20, 40, 60]
    assert image.geometry.spacing_mm == (2, 3, 5)
    assert np.allclose(image.affine[:3, 3], (-(10 + 2 * 2), -(20 + 3), 0))


def test_frames_in_any_order_lie_where_they_say(tmp_path: Path) -> None:
    save(enhanced(4, z=[10, 0, 15, 5]), tmp_path / "in/a.dcm")
    assert listed(tmp_path / "in", tmp_path / "scratch").load().image.array[0, 0, 0].tolist() == [20, 60, 0, 40]


@pytest.mark.parametrize("what", [{"time": [1, 1, 2, 2]}, {"echo": [10.0, 10.0, 20.0, 20.0]}])
def test_times_and_echoes_are_volumes_of_their_own(tmp_path: Path, what: dict[str, list[float]]) -> None:
    save(enhanced(4, z=[0, 5, 0, 5], **what), tmp_path / "in/a.dcm")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    values = sorted(found.load(case).image.array[0, 0, 0].tolist() for case in found.cases)
    assert values == [[0, 20], [40, 60]]
    assert len({case.case for case in found.cases}) == 2


def test_a_volume_beside_an_incomplete_one_is_kept_and_said(tmp_path: Path) -> None:
    heights = [0, 5, 10, 15, 0, 5, 10, 25]
    save(enhanced(8, z=heights, echo=[10.0] * 4 + [20.0] * 4), tmp_path / "in/a.dcm")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.load().image.array[0, 0, 0].tolist() == [0, 20, 40, 60]
    assert found.rejected == {}
    assert any("15.00 mm between 10.00 and 25.00" in warning for warning in found.listing.warnings)


def test_frames_without_a_place_are_refused(tmp_path: Path) -> None:
    loose = enhanced()
    del loose.PerFrameFunctionalGroupsSequence
    save(loose, tmp_path / "in/loose.dcm")
    short = enhanced()
    short.NumberOfFrames = 2
    short.PixelData = short.PixelData[:24]
    save(short, tmp_path / "in/short.dcm")
    flat = enhanced()
    flat.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[item(PixelSpacing=[1, 1])])]
    save(flat, tmp_path / "in/flat.dcm")
    expected = {"loose.dcm": "multi-frame", "short.dcm": "unreadable-dicom", "flat.dcm": "missing-position"}
    assert listed(tmp_path / "in", tmp_path / "scratch").rejected == expected


def test_the_same_object_twice_is_one_case(tmp_path: Path) -> None:
    dataset = enhanced()
    save(dataset, tmp_path / "in/a.dcm")
    save(dataset, tmp_path / "in/copy/b.dcm")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.case.images == ("a.dcm",)
    assert found.rejected == {"copy/b.dcm": "duplicate-instance"}
