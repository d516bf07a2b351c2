"""Doing a scoring run in the test's own process."""

from collections.abc import Callable

import pytest

from debtreg.actions import scores
from debtreg.models import ScoringRun


@pytest.fixture
def run(transactional_db: None) -> Callable[[], ScoringRun]:
    """Ask for a run, do it, and return its row."""

    def once() -> ScoringRun:
        row = scores.queue_run(by=None)
        assert scores.run(row.pk, "test")
        row.refresh_from_db()
        return row

    return once
