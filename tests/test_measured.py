"""What SLOs have measured goes into the costs and priorities of the debts that point to them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

import scoring
from debtreg import frames, measured
from debtreg.actions import scores
from debtreg.models import (
    Cause,
    JobState,
    Priority,
    ScoreChange,
    SliKind,
    SloState,
    StateWindow,
)
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    PriceFactory,
    ScoringPolicyFactory,
    ScoringRunFactory,
    SloFactory,
    measured_days,
    stated,
)

YEAR = 365


@pytest.fixture(autouse=True)
def _policy(db):
    ScoringPolicyFactory()


SECONDS = {"1h": 3_600, "1d": 86_400, "3d": 259_200, "period": 2_592_000}


def burns(slo, window=StateWindow.DAYS_1, rate="7", ago=timedelta(minutes=5), **columns):
    end = timezone.now() - ago
    SloState.objects.create(
        slo=slo,
        window=window,
        starts_at=end,
        ends_at=end,
        burn_rate=Decimal(rate),
        **{"measured_seconds": SECONDS[window], **columns},
    )


def cost(item):
    return scores.score_items([item.pk]).iloc[0]["annual_cost"]


def test_the_kinds_of_slos_stand_where_scoring_expects_them():
    assert tuple(SliKind.values) == scoring.SLO_KINDS


def test_a_latency_impact_takes_requests_and_share_from_its_slo():
    slo = SloFactory(kind=SliKind.LATENCY, threshold_ms=300)
    measured_days(slo, days=10, total=1_000, bad=20)
    impact = {"kind": "latency", "slo": slo, "slo_part": 0.5}
    for name, value in (("magnitude", 100), ("unit_price", Decimal("0.01"))):
        impact |= {f"{name}_{point}": value for point in ("low", "likely", "high")}
    item = DebtItemFactory(service=slo.service, impacts=[impact])
    assert cost(item) == pytest.approx(1_000 * YEAR * 0.02 * 0.5 * 100 * 0.01)

    (part,) = scores.explain(pk=item.pk)["impacts"]
    assert part["factors"]["frequency"]["source"] == "measured"
    assert part["grade"] == "measured"
    yesterday = timezone.now().date() - timedelta(days=1)
    assert part["measured"] == {
        "slo": slo.name,
        "first_day": yesterday - timedelta(days=9),
        "last_day": yesterday,
        "age_days": 1,
    }


def test_failures_are_those_that_the_slo_has_counted():
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(3))
    measured_days(slo, days=30, total=5_000, bad=10)
    item = DebtItemFactory(service=slo.service, impacts=[{"kind": "errors", "slo": slo}])
    assert cost(item) == pytest.approx(10 * YEAR * 3)


def test_downtime_is_the_bad_part_of_a_years_minutes_unless_the_debt_says_otherwise():
    slo = SloFactory()
    PriceFactory(kind="downtime", price=Decimal(2))
    measured_days(slo, days=30, total=1_000, bad=1)
    item = DebtItemFactory(service=slo.service, impacts=[{"kind": "downtime", "slo": slo}])
    assert cost(item) == pytest.approx(525_600 * 0.001 * 2)
    points = {f"magnitude_{point}": 30 for point in ("low", "likely", "high")}
    said = DebtItemFactory(impacts=[{"kind": "downtime", "slo": slo, **points}])
    assert scores.score_items([said.pk]).iloc[0]["state"] == "unpriced"


def test_what_the_debt_says_itself_goes_before_the_measurement():
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=30, total=1_000, bad=1)
    said = {f"frequency_{point}": 100 for point in ("low", "likely", "high")}
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo, **said}])
    assert cost(item) == pytest.approx(100)


@pytest.mark.parametrize("days", [0, 6])
def test_less_than_a_week_of_readings_is_unknown_and_not_zero(days):
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=days, total=1_000, bad=0)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    assert scores.score_items([item.pk]).iloc[0]["state"] == "unpriced"


def test_an_slo_of_another_kind_measures_nothing():
    slo = SloFactory(kind=SliKind.LATENCY, threshold_ms=300)
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=30, total=1_000, bad=1)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    assert scores.score_items([item.pk]).iloc[0]["state"] == "unpriced"


def test_the_budget_share_goes_by_the_slo_that_the_impact_points_to():
    slo = SloFactory(objective=Decimal("0.99"))
    PriceFactory(kind="errors", price=Decimal("0.001"))
    measured_days(slo, days=30, total=1_000, bad=2)
    guarantee = GuaranteeFactory(metric="availability", target_text="≥99.999%")
    impact = {"kind": "errors", "slo": slo, "guarantee": guarantee}
    item = DebtItemFactory(impacts=[impact])
    found = scores.score_items([item.pk]).iloc[0]
    assert found["budget_share"] == pytest.approx(0.2)
    assert (found["priority"], found["priority_reason"]) == (Priority.P1, "budget")


def test_a_new_day_of_readings_moves_the_score_and_is_named_as_its_cause(time_machine):
    time_machine.move_to(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False)
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=10, total=1_000, bad=1)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    first = cost(item)
    time_machine.move_to(datetime(2026, 3, 3, 9, tzinfo=UTC), tick=False)
    slo.days.all().delete()
    measured_days(slo, days=11, total=1_000, bad=2)
    assert cost(item) == pytest.approx(2 * first)
    assert ScoreChange.objects.get(item=item).cause == Cause.MEASURED


def test_within_a_day_a_score_does_not_follow_every_reading():
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=10, total=1_000, bad=1)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    first = cost(item)
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    slo.days.create(at=today, good=0, total=10**9, seconds=3_600)
    assert cost(item) == first


# --- Burning budgets ------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["slo", "guarantee"])
def test_a_budget_that_lost_a_week_in_a_day_raises_the_priority_by_one_and_says_so(window):
    guarantee = GuaranteeFactory(metric="availability", target_text="≥99.9%")
    slo = SloFactory(guarantee=guarantee)
    tied = {"slo": slo} if window == "slo" else {"guarantee": guarantee}
    ScoringRunFactory(state=JobState.DONE, annual_cost=10**6)
    item = DebtItemFactory(impacts=[stated(1_000, **tied)])
    other = DebtItemFactory(impacts=[stated(1_000)])
    pks = [item.pk, other.pk]
    assert scores.score_items(pks)["priority"].tolist() == [Priority.P2, Priority.P2]
    burns(slo)
    found = scores.score_items(pks)
    assert found["priority"].tolist() == [Priority.P1, Priority.P2]
    assert found["priority_reason"].tolist() == ["burn", "priced"]
    change = ScoreChange.objects.get()
    assert (change.item_id, change.cause, change.old_priority, change.new_priority) == (
        item.pk,
        Cause.BURN,
        Priority.P2,
        Priority.P1,
    )
    SloState.objects.all().delete()
    assert scores.score_items(pks)["priority"].tolist() == [Priority.P2, Priority.P2]
    assert ScoreChange.objects.filter(cause=Cause.BURN).count() == 2


def test_a_burn_is_named_though_what_it_costs_was_measured_with_it(time_machine):
    time_machine.move_to(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False)
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=10, total=1_000, bad=0)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo, "slo_part": 0.01}])
    ScoringRunFactory(state=JobState.DONE, annual_cost=10**6)
    scores.score_items([item.pk])

    def measure(bad):
        slo.days.all().delete()
        measured_days(slo, days=11, total=1_000, bad=bad)
        scores.score_items([item.pk])

    time_machine.shift(timedelta(days=1))
    burns(slo)
    measure(bad=1)
    time_machine.shift(timedelta(days=2))
    measure(bad=0)

    changes = list(ScoreChange.objects.order_by("pk"))
    assert [each.cause for each in changes] == [Cause.BURN, Cause.BURN]
    assert all(each.old_annual_cost != each.new_annual_cost for each in changes)
    assert [(each.old_priority, each.new_priority) for each in changes] == [
        (Priority.P3, Priority.P2),
        (Priority.P2, Priority.P3),
    ]


def test_a_burn_that_leaves_the_priority_where_it_was_is_not_its_cause(time_machine):
    time_machine.move_to(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False)
    slo = SloFactory()
    PriceFactory(kind="errors", price=Decimal(1))
    measured_days(slo, days=10, total=1_000, bad=1)
    item = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    scores.score_items([item.pk])
    burns(slo)
    slo.days.all().delete()
    measured_days(slo, days=10, total=1_000, bad=2)
    scores.score_items([item.pk])
    change = ScoreChange.objects.get()
    assert (change.old_priority, change.new_priority) == (Priority.P0, Priority.P0)
    assert change.cause == Cause.MEASURED


@pytest.mark.parametrize(
    ("window", "rate", "is_burning"),
    [
        (StateWindow.DAYS_1, "6.99", False),
        (StateWindow.DAYS_3, "2.34", True),
        (StateWindow.DAYS_3, "2.33", False),
        (StateWindow.HOURS_1, "168", True),
        (StateWindow.HOURS_1, "14.4", False),
        (StateWindow.PERIOD, "9", False),
    ],
)
def test_what_counts_is_how_much_of_the_budget_went(window, rate, is_burning):
    slo = SloFactory()
    burns(slo, window, rate)
    assert measured.read().burning.tolist() == ([slo.pk] if is_burning else [])


def test_a_bad_reading_of_five_minutes_is_no_bad_week():
    slo = SloFactory()
    burns(slo, rate="100", measured_seconds=300)
    burns(slo, StateWindow.DAYS_3, rate="100", measured_seconds=300)
    assert not len(measured.read().burning)


def test_one_bad_event_of_a_few_raises_nothing():
    burns(SloFactory(), rate="100", is_few=True)
    assert not len(measured.read().burning)


def test_without_a_measured_second_nothing_burns():
    burns(SloFactory(), rate="100", measured_seconds=0)
    assert not len(measured.read().burning)


def test_what_burned_yesterday_does_not_burn_today():
    burns(SloFactory(), ago=timedelta(days=1, minutes=1))
    assert not len(measured.read().burning)


def test_a_portfolio_takes_two_queries_for_all_its_slos(django_assert_num_queries):
    for _ in range(3):
        slo = SloFactory()
        measured_days(slo, days=8, total=10, bad=1)
        DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    with django_assert_num_queries(2):
        measured.read()
    assert len(frames.Catalog.read().measured.slos) == 3
