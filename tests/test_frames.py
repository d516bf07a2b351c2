"""The bridge to scoring: what is read, what a score is recognised by, what a snapshot sees."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring
from debtreg import bulk, frames
from debtreg.actions import scores
from debtreg.errors import DebtregError
from debtreg.models import (
    Confidence,
    DebtItem,
    EffortUnit,
    Grade,
    ImpactKind,
    Price,
    Score,
    ScoreState,
    Service,
)
from tests import portfolio
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    PriceFactory,
    ScoringPolicyFactory,
    ServiceFactory,
    TeamFactory,
    stated,
    toil,
)


def scored(*pks):
    """The scored frame of these items, with its fingerprints, unpublished."""
    catalog = frames.Catalog.read()
    condition, params = bulk.among("d.id", pks)
    items = frames.read_items(condition, params)
    condition, params = bulk.among("i.item_id", pks)
    frame = frames.score(items, frames.read_impacts(condition, params), catalog)
    frames.add_priority(frame, catalog, portfolio_cost=1e6)
    frames.add_fingerprint(frame)
    return frame


# --- Words and codes ------------------------------------------------------------------------------


def test_words_of_the_models_stand_where_scoring_expects_them():
    assert tuple(ImpactKind.values) == scoring.KINDS
    assert tuple(Grade.values) == scoring.GRADES
    assert tuple(EffortUnit.values) == scoring.EFFORT_UNITS
    assert tuple(Confidence.values) == scoring.CONFIDENCES
    assert set(ScoreState.values) == set(scoring.STATES)


@pytest.mark.parametrize("kind", ImpactKind.values)
def test_every_kind_is_read_as_itself(db, kind):
    item = DebtItemFactory(impacts=[{"kind": kind, "grade": "default"}])
    impact = frames.read_impacts("i.item_id = %s", [item.pk]).iloc[0]
    assert scoring.KINDS[int(impact["kind"])] == kind
    assert scoring.GRADES[int(impact["grade"])] == "default"


# --- Reading --------------------------------------------------------------------------------------


def test_an_item_is_read_with_all_that_scoring_and_promotion_want(db):
    item = DebtItemFactory(
        effort_low=1.5,
        effort_likely=None,
        effort_high=4,
        effort_unit="story_point",
        cash=Decimal("12.34"),
        confidence="low",
        status="doing",
        pinned=True,
        revision=7,
    )
    row = frames.read_items("d.id = %s", [item.pk]).iloc[0]
    assert (row["item_id"], row["service_id"], row["team_id"]) == (
        item.pk,
        item.service_id,
        item.team_id,
    )
    assert (row["effort_low"], row["effort_high"], row["cash"]) == (1.5, 4.0, 12.34)
    assert np.isnan(row["effort_likely"])
    assert scoring.EFFORT_UNITS[int(row["effort_unit"])] == "story_point"
    assert scoring.CONFIDENCES[int(row["confidence"])] == "low"
    assert (row["pinned"], row["revision"]) == (True, 7)
    assert (row["old_fingerprint"], row["old_revision"], row["old_policy_version"]) == (0, 0, 0)


def test_an_impact_is_read_with_all_its_factors(db):
    guarantee = GuaranteeFactory()
    item = DebtItemFactory(
        impacts=[
            {
                **portfolio.impact("errors", frequency=10.5, share=0.25, magnitude=1.0),
                "unit_price_likely": Decimal("0.0000000001"),
                "effectiveness": 0.5,
                "guarantee": guarantee,
                "currency": "EUR",
            },
            toil(1),
        ]
    )
    first, second = frames.read_impacts("i.item_id = %s", [item.pk]).to_dict("records")
    assert (first["frequency_low"], first["share_high"], first["magnitude_likely"]) == (
        10.5,
        0.25,
        1.0,
    )
    assert np.isnan(first["unit_price_low"])
    assert (first["unit_price_likely"], first["effectiveness"]) == (1e-10, 0.5)
    assert (first["guarantee_id"], first["foreign"]) == (guarantee.pk, True)
    assert (second["guarantee_id"], second["foreign"]) == (frames.NO_KEY, False)


@pytest.mark.parametrize("count", [0, 1, 5000, 120_000])
def test_items_are_picked_from_a_list_of_any_length(db, count):
    items = [DebtItemFactory(service=None, team=None) for _ in range(3)]
    others = range(10**9, 10**9 + count)
    for keys in ([items[2].pk, items[0].pk, *others], [*others]):
        condition, params = bulk.among("d.id", keys)
        found = frames.read_items(condition, params)["item_id"].tolist()
        assert found == sorted(set(keys) & {item.pk for item in items})


def test_keys_in_a_row_pick_no_other(db):
    pks = [DebtItemFactory(service=None, team=None).pk for _ in range(4)]
    keys = [*range(pks[1], pks[1] + 1500)]
    condition, params = bulk.among("d.id", keys)
    assert frames.read_items(condition, params)["item_id"].tolist() == pks[1:]


@pytest.mark.parametrize(
    ("zone", "held"), [("Asia/Shanghai", False), ("UTC", True), ("America/New_York", True)]
)
def test_a_veto_ends_with_the_day_where_the_installation_is(db, settings, time_machine, zone, held):
    """At ten in the evening in Greenwich it is tomorrow already in Shanghai."""
    settings.TIME_ZONE = zone
    time_machine.move_to(datetime(2026, 6, 30, 22, 0, tzinfo=UTC), tick=False)
    until = date(2026, 6, 30)
    item = DebtItemFactory(veto_reason="x", veto_until=until, status="accepted", accept_until=until)
    row = scored(item.pk).iloc[0]
    assert bool(row["vetoed"]) is held
    assert bool(row["accepted"]) is held


# --- The catalog ----------------------------------------------------------------------------------


def test_a_day_rate_is_the_teams_or_the_installations(db):
    PriceFactory(kind="day_rate", low=1000, likely=1200, high=2000)
    own = TeamFactory(day_rate=1600)
    none = TeamFactory(day_rate=None)
    items = [
        DebtItemFactory(service=None, team=team, effort=1, impacts=[stated(1)])
        for team in (own, none, None)
    ]
    assert scored(*(item.pk for item in items))["repair_cost"].tolist() == [1600, 1300, 1300]


def test_a_service_may_have_a_day_rate_of_its_own_which_its_team_overrides(db):
    PriceFactory(kind="day_rate", price=1000)
    service = ServiceFactory()
    PriceFactory(kind="day_rate", service=service, price=1500)
    items = [
        DebtItemFactory(service=service, team=team, effort=1, impacts=[stated(1)])
        for team in (None, TeamFactory(day_rate=None), TeamFactory(day_rate=1600))
    ]
    assert scored(*(item.pk for item in items))["repair_cost"].tolist() == [1500, 1500, 1600]


def test_how_far_a_day_rate_is_known_moves_the_percentiles(db):
    price = PriceFactory(kind="day_rate", price=1200)
    item = DebtItemFactory(service=None, team=None, effort=1, impacts=[stated(3600)])
    sure = scored(item.pk).iloc[0]
    assert sure["roi_p5"] == sure["roi_p95"] == 3
    price.low, price.high = 800, 1600
    price.save()
    unsure = scored(item.pk).iloc[0]
    assert unsure["roi"] == sure["roi"]
    assert unsure["roi_p5"] < 3 < unsure["roi_p95"]
    assert unsure["price_fingerprint"] != sure["price_fingerprint"]


def test_without_any_day_rate_a_repair_costs_nobody_knows_what(db):
    item = DebtItemFactory(team=TeamFactory(day_rate=None), impacts=[stated(1)])
    assert scored(item.pk)["state"].tolist() == ["needs_estimate"]


def test_a_price_is_the_services_or_the_installations(db):
    own, other = ServiceFactory(), ServiceFactory()
    PriceFactory(price=200)
    PriceFactory(service=own, price=500)
    items = [DebtItemFactory(service=service, impacts=[toil(1)]) for service in (own, other)]
    assert scored(*(item.pk for item in items))["annual_cost"].tolist() == [500, 200]
    Price.objects.filter(service=None).delete()
    assert scored(items[1].pk)["state"].tolist() == ["unpriced"]


def test_keys_far_apart_find_their_own_row_of_the_catalog(db):
    """Between two teams that are there lies one that is not asked for."""
    teams = [TeamFactory(day_rate=rate) for rate in (100, 200, 300)]
    items = [DebtItemFactory(team=team, effort=1, impacts=[stated(1)]) for team in teams]
    first, last = scored(items[0].pk, items[2].pk)["repair_cost"]
    assert (first, last) == (100, 300)


def test_scoring_takes_the_policy_that_is_in_force(db):
    item = DebtItemFactory(impacts=[stated(1)])
    ScoringPolicyFactory(version=7)
    ScoringPolicyFactory(version=8, in_force=False)
    assert scored(item.pk)["policy_version"].tolist() == [7]


# --- Fingerprints ---------------------------------------------------------------------------------


def test_a_fingerprint_does_not_depend_on_the_company_it_is_worked_out_in(db):
    items = portfolio.build()
    pks = [item.pk for item in items.values()]
    together = scored(*pks).set_index("item_id")
    names = ["fingerprint", "price_fingerprint"]
    for pk in pks:
        alone = scored(pk).set_index("item_id")
        assert alone.loc[pk, names].tolist() == together.loc[pk, names].tolist()
    assert together["fingerprint"].ne(0).all()
    # Those that nothing tells apart are equal, and only those.
    assert together["fingerprint"].nunique() >= len(pks) - 2


def test_a_fingerprint_does_not_depend_on_the_order_of_impacts(db):
    generator = np.random.default_rng(7)
    item = DebtItemFactory(
        impacts=[
            toil(float(hours), unit_price_likely=Decimal(str(round(price, 4))))
            for hours, price in zip(
                generator.uniform(1, 99, 40), generator.uniform(0, 9, 40), strict=True
            )
        ]
    )
    catalog = frames.Catalog.read()
    found = set()
    for seed in range(6):
        items = frames.read_items("d.id = %s", [item.pk])
        impacts = frames.read_impacts("i.item_id = %s", [item.pk])
        shuffled = impacts.sample(frac=1, random_state=seed).reset_index(drop=True)
        found.add(int(frames.score(items, shuffled, catalog)["price_fingerprint"].iloc[0]))
    assert len(found) == 1


def test_a_fingerprint_is_the_same_in_another_process(db):
    """And on another day: Python's own hashes are not."""
    code = (
        "import django, numpy as np; django.setup(); from debtreg import frames;"
        "print(frames._mix(np.array([1.5, np.nan]), np.array([3, -1])).tolist())"
    )
    here = frames._mix(np.array([1.5, np.nan]), np.array([3, -1])).tolist()
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert there.stdout.strip().splitlines()[-1] == str(here)


numbers = st.floats(allow_nan=True, allow_infinity=False, width=64)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(numbers, numbers, st.integers(-(2**62), 2**62)), min_size=1, max_size=9))
def test_equal_rows_and_only_these_have_equal_fingerprints(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    found = frames._mix(*columns)
    assert (found != 0).all()

    def seen(row):
        return tuple("nan" if value != value else value + 0 for value in row)

    for one, first in zip(rows, found, strict=True):
        for other, second in zip(rows, found, strict=True):
            assert bool(first == second) == (seen(one) == seen(other))


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0.1 + 0.2, 0.3),
        (1 / 3, 0.333333333333),
        (123456789.123456789, 123456789.123),
        (0.0, 0.0),
        (-2 / 3, -0.666666666667),
        (1e-300, 1e-300),
        (1e15, 1e15),
    ],
)
def test_ratios_are_published_in_twelve_digits(value, rounded):
    assert frames._rounded(pd.Series([value])).tolist() == [rounded]


def test_what_is_endless_or_unknown_is_published_as_unknown():
    assert np.isnan(frames._rounded(pd.Series([np.nan, np.inf, -np.inf]))).all()


# --- Snapshots ------------------------------------------------------------------------------------


def test_a_snapshot_sees_one_state_of_the_database(transactional_db, start):
    first = DebtItemFactory(title="first", impacts=[toil(1)])
    PriceFactory()

    def change():
        DebtItemFactory(title="second")
        DebtItem.objects.filter(pk=first.pk).update(effort_low=1.0, cash=9)
        Price.objects.update(high=999)
        first.impacts.all().delete()

    with frames.snapshot():
        before = (len(frames.read_items("1 = 1")), frames.Catalog.read().prices["high"].tolist())
        start(change).result()
        items = frames.read_items("1 = 1")
        assert (len(items), frames.Catalog.read().prices["high"].tolist()) == before
        assert (items["effort_low"].tolist(), items["cash"].tolist()) == ([3.0], [0.0])
        assert len(frames.read_impacts("1 = 1")) == 1
    assert len(frames.read_items("1 = 1")) == 2
    assert frames.Catalog.read().prices["high"].tolist() == [999]


def test_what_is_read_ahead_is_of_the_same_moment(transactional_db, start, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK", 2)
    pks = [DebtItemFactory(impacts=[toil(1)]).pk for _ in range(6)]

    def change():
        DebtItem.objects.update(status="done")
        DebtItemFactory()

    chunks = frames.chunks()
    found = [next(chunks)]
    start(change).result()
    found += chunks
    scored = [chunk.score() for chunk in found]
    assert [frame["item_id"].tolist() for frame in scored] == [pks[:2], pks[2:4], pks[4:]]
    assert all((frame["unpriced_impacts"] == 1).all() for frame in scored)
    assert sum(len(chunk.score()) for chunk in frames.chunks()) == 1


@pytest.mark.parametrize("resolved", [1, 3])
def test_impacts_of_resolved_items_are_left_out(db, monkeypatch, resolved):
    monkeypatch.setattr(frames, "CHUNK", 4)
    pks = [DebtItemFactory(impacts=[toil(1)]).pk for _ in range(4)]
    DebtItem.objects.filter(pk__in=pks[:resolved]).update(status="done")
    (chunk,) = frames.chunks()
    assert chunk.score()["item_id"].tolist() == pks[resolved:]


def test_stopping_early_ends_the_snapshot(transactional_db, start, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK", 2)
    for _ in range(6):
        DebtItemFactory()
    chunks = frames.chunks()
    next(chunks)
    chunks.close()
    assert not connection.in_atomic_block
    start(DebtItem.objects.update, cash=5).result()
    assert frames.read_items("1 = 1")["cash"].tolist() == [5.0] * 6
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state LIKE 'idle in transaction%'"
            )
            assert cursor.fetchone() == (0,)


# --- What somebody types --------------------------------------------------------------------------


def test_what_is_typed_is_scored_as_what_is_stored(db):
    service = ServiceFactory(requests_per_year=1e6)
    PriceFactory(kind="latency", price=Decimal("0.001"))
    impacts = [
        portfolio.impact("latency", share=0.5, magnitude=10.0),
        toil(3, currency="EUR"),
        stated(7, guarantee=GuaranteeFactory(weight=2)),
    ]
    item = DebtItemFactory(service=service, impacts=impacts, cash=10, confidence="medium")
    fields = {
        name: getattr(item, name)
        for name in ("service", "effort_low", "effort_likely", "effort_high", "cash", "confidence")
    }
    typed = frames.score(*frames.of_input(fields, impacts), frames.Catalog.read()).iloc[0]
    kept = scored(item.pk).iloc[0]
    for name in (*frames._MONEY, *frames._RATIOS, "state", "promotes", "unpriced_impacts"):
        assert typed[name] == kept[name], name
    assert scored(item.pk).iloc[0]["annual_cost"] == 5_007


def test_a_number_out_of_range_is_refused_by_name(db):
    with pytest.raises(DebtregError, match="share") as error:
        scores.preview(fields={}, impacts=[portfolio.impact("errors", share=1.5)])
    assert (error.value.code, error.value.http_status) == ("out_of_range", 400)
    assert list(error.value.fields) == ["share_low"]


def test_publishing_what_has_not_changed_writes_nothing(db, django_assert_num_queries):
    item = DebtItemFactory(impacts=[stated(1)])
    frame = scored(item.pk)
    frames.publish(frame, run_id=None, at=datetime.now(UTC))
    frame = scored(item.pk)
    assert frame["changed"].tolist() == [False]
    with django_assert_num_queries(0):
        assert frames.publish(frame, run_id=None, at=datetime.now(UTC)) == 0
    assert Score.objects.count() == 1
    assert Service.objects.count() == 1
