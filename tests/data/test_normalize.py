"""Intensities of every channel end in one range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.artifacts import Normalization
from medseg.data.normalize import method_for, normalize

RAMP = np.arange(1000).reshape(1, 10, 10, 10).astype(np.int16)


def test_modalities_have_their_own_methods() -> None:
    assert [method_for(modality) for modality in ("ct", "mr", "xray", "rgb")] == [
        "ct", "zscore", "percentile", "percentile",
    ]  # fmt: skip


def test_ct_is_clipped_and_scaled_by_the_statistics_of_training() -> None:
    scaled = normalize(RAMP, [Normalization(method="ct", low=100, high=300, mean=200, std=50)])
    assert (scaled.min(), scaled.max(), scaled.ravel()[250]) == (-2, 2, 1)


@given(st.integers(-1000, 1000), st.integers(1, 1000))
def test_z_scores_have_mean_0_and_deviation_1_wherever_the_case_began(offset: int, scale: int) -> None:
    scaled = normalize(RAMP.astype(np.float32) * scale + offset, [Normalization(method="zscore")])
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-4)


def test_percentile_scaling_ends_at_0_and_1() -> None:
    scaled = normalize(RAMP, [Normalization(method="percentile")])
    assert (scaled.min(), scaled.max()) == pytest.approx((0, 1), abs=1e-6)


@pytest.mark.parametrize("method", ["ct", "zscore", "percentile"])
def test_a_constant_channel_becomes_0(method: Any) -> None:
    scaled = normalize(np.full((1, 2, 2, 2), 7), [Normalization(method=method, low=7, high=7, mean=7, std=0)])
    np.testing.assert_array_equal(scaled, 0)


def test_channels_are_scaled_each_by_itself_and_the_image_stays() -> None:
    image = np.concatenate([RAMP, RAMP * 2])
    scaled = normalize(image, [Normalization(method="zscore")] * 2)
    np.testing.assert_allclose(scaled[0], scaled[1], atol=1e-5)
    assert image.max() == 1998
    with pytest.raises(ValueError, match="image has 2 channels, the plan 1"):
        normalize(image, [Normalization(method="zscore")])
