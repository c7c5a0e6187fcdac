"""What training cases look like is known without keeping them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medseg.data.fingerprint import (
    SAMPLES,
    SAMPLES_PER_CASE,
    CasePrint,
    Fingerprint,
    pack,
    print_case,
    samples_per_case,
    unpack,
)

MM = (1.0, 1.0, 1.0)


def ramp_case(samples: int = 10_000) -> CasePrint:
    """1600 foreground voxels from 0 to 100 in the first plane of 4, air of -1000 elsewhere."""
    image, reference = np.full((1, 4, 40, 40), -1000.0), np.zeros((4, 40, 40), np.uint8)
    reference[0], image[0, 0] = 1, np.linspace(0, 100, 1600).reshape(40, 40)
    return print_case(image, reference, MM, samples)


def random_case(seed: int) -> CasePrint:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 9, 3))
    return print_case(rng.normal(size=(2, *shape)), rng.integers(0, 2, shape).astype(np.uint8), (1.0, 2.0, seed), 50)


def test_ct_statistics_are_those_of_the_foreground_alone() -> None:
    (step,) = Fingerprint([ramp_case()]).normalization("ct")
    assert (step.method, round(step.low, 1), round(step.high, 1), round(step.mean)) == ("ct", 0.5, 99.5, 50)


def test_samples_are_spread_over_the_whole_foreground() -> None:
    samples = ramp_case(samples=100).intensities[0]
    assert len(samples) == 100
    assert (samples.min(), round(samples.max())) == (0, 99)


@given(st.integers(1, 10**7))
def test_all_samples_together_are_bounded(cases: int) -> None:
    each = samples_per_case(cases)
    assert 1 <= each <= SAMPLES_PER_CASE
    assert each * cases <= max(SAMPLES, cases)


def test_without_foreground_percentiles_of_each_case_take_the_place_of_ct_statistics() -> None:
    empty = print_case(np.ones((2, 3, 3, 3)), np.zeros((3, 3, 3), np.uint8), MM, 10)
    assert [step.method for step in Fingerprint([empty]).normalization("ct")] == ["percentile", "percentile"]


def test_padding_of_zeros_is_measured() -> None:
    image = np.zeros((2, 10, 10, 10))
    image[0, 2:4, :, 5:], image[1, 3:6, 1:, 5:] = 1, -1
    case = print_case(image, np.zeros((10, 10, 10), np.uint8), MM, 10)
    assert (case.shape, case.box_shape) == ((10, 10, 10), (4, 10, 5))
    assert Fingerprint([case]).box_share == 0.2


@given(st.permutations(range(4)))
def test_the_order_of_cases_changes_nothing(order: list[int]) -> None:
    one = Fingerprint([random_case(seed) for seed in range(4)])
    other = Fingerprint([random_case(seed) for seed in order])
    assert one.normalization("ct") == other.normalization("ct")
    assert one.box_share == other.box_share


def test_prints_come_back_from_their_file() -> None:
    for case, stored in zip(
        prints := [random_case(1), ramp_case_of_two_channels(), random_case(2)], unpack(pack(prints)), strict=True
    ):
        assert (stored.shape, stored.spacing_mm, stored.box_shape) == (case.shape, case.spacing_mm, case.box_shape)
        np.testing.assert_array_equal(stored.intensities, case.intensities)


def ramp_case_of_two_channels() -> CasePrint:
    return print_case(np.ones((2, 3, 3, 3)), np.zeros((3, 3, 3), np.uint8), MM, 10)
