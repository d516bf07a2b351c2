"""Scoring of the portfolio and of single items: the numbers, their history, no change for nothing."""

import pytest

from debtreg.models import Score, ScoreChange
from tests import portfolio


def test_a_run_publishes_the_numbers_of_every_rule(run):
    portfolio.build()
    row = run()
    assert portfolio.published() == portfolio.expected()
    assert (row.state, row.items, row.changed, row.error) == ("done", 22, 22, "")
