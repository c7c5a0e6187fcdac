"""Plots are equal for equal numbers and stand any number of cases."""

import numpy as np
import pytest

from medseg.reporting.plots import Curve, appearance, boxes_svg, curves_svg


def test_equal_numbers_give_equal_svg():
    curves = [Curve("unet", [0, 1], [2.0, 1.0])]
    assert curves_svg(curves, ["unet"], "Epoch", "Loss") == curves_svg(curves, ["unet"], "Epoch", "Loss")
    values = {"unet": np.array([0.5, 0.9, np.nan])}
    first = boxes_svg(values, ["unet"], "Dice")
    assert first == boxes_svg(values, ["unet"], "Dice")
    assert "<dc:date>" not in first


@pytest.mark.parametrize("values", [[], [np.nan], [0.7], [0.2, 0.2], list(np.linspace(0, 1, 300))])
def test_any_number_of_cases_can_be_drawn(values):
    assert boxes_svg({"unet": np.array(values, dtype=float)}, ["unet"], "Dice").startswith("<?xml")


def test_a_model_keeps_its_colour_where_others_are_absent():
    both = boxes_svg({"a": np.ones(2), "b": np.ones(2)}, ["a", "b"], "Dice")
    alone = boxes_svg({"b": np.ones(2)}, ["a", "b"], "Dice")
    assert appearance(1)[0].lower() in both
    assert appearance(1)[0].lower() in alone
    assert appearance(0)[0].lower() not in alone


def test_many_models_look_different():
    assert len({appearance(index) for index in range(28)}) == 28
