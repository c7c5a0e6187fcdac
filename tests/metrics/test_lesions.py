"""Lesions found, invented and missed, on scenes that can be counted by eye."""

import math

import numpy as np
import pytest

from medseg.metrics.lesions import Lesions, count_lesions


def picture(*rows):
    return np.array([[character != "." for character in row] for row in rows])


def test_one_found_one_invented_two_missed():
    reference = picture("##...#", "##....", "...#..")
    prediction = picture("##....", "#.....", "#....#")
    assert count_lesions(prediction, reference, 0.5) == Lesions(found=1, invented=1, missed=2)


def test_lesions_that_touch_by_a_corner_are_one():
    assert count_lesions(picture("#.", ".#"), picture("##", "##"), 0.5) == Lesions(1, 0, 0)
    corners = np.zeros((2, 2, 2), bool)
    corners[0, 0, 0] = corners[1, 1, 1] = True
    assert count_lesions(corners, corners, 0.1) == Lesions(1, 0, 0)


def test_a_lesion_that_covers_two_finds_one():
    assert count_lesions(picture("#####"), picture("##.##"), 0.1) == Lesions(found=1, invented=0, missed=1)


def test_the_smallest_iou_is_enough_and_less_is_not():
    reference, prediction = picture("##########"), picture(".........#")
    assert count_lesions(prediction, reference, 0.1) == Lesions(1, 0, 0)
    assert count_lesions(prediction, reference, 0.11) == Lesions(0, 1, 1)


def test_as_many_as_possible_are_matched_not_the_likest_first():
    reference = picture("####", "....", "#...")
    prediction = picture("##.#", "#...", "#...")  # the left one is most like the upper, the right one only like that
    assert count_lesions(prediction, reference, 0.2) == Lesions(found=2, invented=0, missed=0)


@pytest.mark.parametrize(("predicted", "expected"), [(0, 0), (0, 1), (1, 0)])
def test_empty_masks(predicted, expected):
    lesions = count_lesions(np.full((3, 3), bool(predicted)), np.full((3, 3), bool(expected)), 0.1)
    assert lesions == Lesions(0, predicted, expected)


def test_ratios_of_one_found_one_invented_two_missed():
    lesions = Lesions(found=1, invented=1, missed=2)
    assert (lesions.sensitivity, lesions.precision, lesions.f1) == (1 / 3, 1 / 2, 2 / 5)
    assert all(math.isnan(ratio) for ratio in (Lesions(0, 0, 0).sensitivity, Lesions(0, 0, 0).f1))


def test_tens_of_thousands_of_specks():
    specks = np.zeros((400, 400), bool)  # a table of all pairs would hold 1.6 billion
    specks[::2, ::2] = True
    assert count_lesions(specks[:, :200], specks[:, :200], 0.1) == Lesions(20000, 0, 0)
    assert count_lesions(specks, np.roll(specks, 1, axis=0), 0.1) == Lesions(0, 40000, 40000)
