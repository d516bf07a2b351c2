"""Lists for spreadsheets."""

import pytest

from debtreg.web.exports import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "-a", "@SUM", "\t=1", "\r=1", "  =1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "5 % of 30d", "a=b", "-1", "-0.25", "12"])
def test_a_plain_cell_and_a_number_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
