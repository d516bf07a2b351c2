"""How an error budget went down within its period."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from debtreg import budgets, burn_down, readings
from debtreg.models import EVENT, SloState, StateWindow
from tests.factories import SloFactory

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def read(slo, *hours):
    """(hours ago, bad) of a thousand events in each of some hours; the state of the period."""
    batch = readings.Batch()
    for ago, bad in hours:
        batch.add(slo.pk, NOW - ago * HOUR, 3600, (1000 - bad) * EVENT, 1000 * EVENT)
    readings.store(batch, source="api")
    budgets.refresh(now=NOW)
    return SloState.objects.get(slo=slo, window=StateWindow.PERIOD)


@pytest.mark.parametrize(
    "window", [{}, {"window": "month", "window_days": None}, {"window_days": 60}]
)
def test_it_begins_full_and_ends_at_what_is_left(window):
    slo = SloFactory(objective=Decimal("0.99"), **window)
    state = read(slo, *((ago, 5 if ago % 7 else 40) for ago in range(300, 0, -1)))
    found = burn_down.of(slo, state)
    assert found.segments[0][0][1] == 1
    assert found.segments[-1][-1][1] == pytest.approx(state.remaining)
    lefts = [left for part in found.segments for _, left in part]
    assert lefts == sorted(lefts, reverse=True)


def test_slices_are_counted_as_slices():
    slo = SloFactory(
        objective=Decimal("0.9"),
        method="timeslices",
        slice_seconds=3600,
        slice_target=Decimal("0.99"),
    )
    state = read(slo, *((ago, 20 if ago == 5 else 0) for ago in range(20, 0, -1)))
    found = burn_down.of(slo, state)
    assert [float(left) for _, left in found.segments[0][-3:]] == pytest.approx([0.5, 0.5, 0.5])


def test_a_time_without_readings_is_a_break_and_no_flat_line():
    slo = SloFactory()
    state = read(slo, (9, 0), (8, 1), (3, 0), (2, 0), (1, 0))
    first, second = burn_down.of(slo, state).segments
    assert first[-1][0] == NOW - 7 * HOUR
    assert second[0][0] == NOW - 3 * HOUR
    assert first[-1][1] == second[0][1]


def test_of_a_calendar_window_the_line_falls_by_what_was_measured():
    slo = SloFactory(window="month", window_days=None, objective=Decimal("0.9"))
    found = burn_down.of(slo, read(slo, (3, 300), (2, 300), (1, 300)))
    # Three hours of 744 at three times the pace.
    (line,) = found.segments
    assert [float(left) for _, left in line] == pytest.approx([1 - 3 * n / 744 for n in range(4)])


def test_of_a_calendar_month_the_rest_of_the_month_is_ahead():
    slo = SloFactory(window="month", window_days=None)
    found = burn_down.of(slo, read(slo, (2, 0), (1, 1)))
    assert found.starts_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.ends_at == datetime(2026, 4, 1, tzinfo=UTC)


def test_an_overdrawn_budget_goes_below_zero():
    slo = SloFactory(objective=Decimal("0.99"))
    found = burn_down.of(slo, read(slo, (2, 0), (1, 50)))
    assert found.lowest == pytest.approx(-1.5)


def test_without_readings_there_is_nothing_to_draw():
    slo = SloFactory()
    assert burn_down.of(slo, read(slo)) is None


def test_an_untouched_budget_stays_full():
    slo = SloFactory()
    found = burn_down.of(slo, read(slo, (2, 0), (1, 0)))
    assert {left for part in found.segments for _, left in part} == {1}
