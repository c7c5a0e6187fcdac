"""Parts cover everything once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import RecipeError
from medseg.stages.parts import Part


@given(key=st.text(), count=st.integers(1, 20))
def test_every_item_belongs_to_exactly_one_part(key: str, count: int) -> None:
    assert [Part(index, count).owns(key) for index in range(1, count + 1)].count(True) == 1


def test_a_part_is_written_as_a_fraction() -> None:
    assert Part.of("2/8") == Part(2, 8)
    assert str(Part(2, 8)) == "2/8"


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "-1/2", "a/b", "1/2/3"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="must be one of 1/n to n/n"):
        Part.of(text)
