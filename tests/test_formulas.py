"""How a score came about: the formulas multiply out, and nothing that counts is left out."""

import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debtreg import formulas
from debtreg.actions import debt, scores
from debtreg.models import ImpactKind, Price, Score
from debtreg.numbers import money, plain
from tests import portfolio
from tests.factories import DebtItemFactory, PriceFactory, TeamFactory, stated
from tests.portfolio import impact


@pytest.fixture
def items(db):
    return portfolio.build()


def explained(item):
    return scores.explain(pk=item.pk)


def numbers(text):
    """The numbers of a formula, in order."""
    return [float(found.replace(",", "")) for found in re.findall(r"-?\d[\d,]*\.?\d*", text)]


def test_a_formula_has_its_numbers_put_in(items):
    found = explained(items["latency"])
    assert found["impacts"][0]["formula"] == (
        "120,000,000 requests / year × 0.03 of requests over target × 180 ms overrun"
        " × 0.00002 per ms and request ≈ 13,000 a year"
    )
    assert found["repair"]["formula"] == "2 person-days × 1,600 a day = 3,200"
    # An estimate deserves two digits; what is measured has all of them.
    assert found["roi_formula"] == "13,000 a year / 3,200 ≈ 4.1"
    items["latency"].impacts.update(grade="measured")
    Price.objects.update(grade="measured")
    measured = explained(items["latency"])
    assert measured["roi_formula"] == "12,960 a year / 3,200 = 4.05"
    assert measured["impacts"][0]["formula"].endswith(" = 12,960 a year")
    Price.objects.update(grade="default")  # what is measured is no better known than its price
    assert explained(items["latency"])["rough"]
    assert (found["threshold"], found["promotes"], found["policy_version"]) == ("3", True, 1)


def test_every_formula_multiplies_out(items):
    count = 0
    for title, item in items.items():
        found = explained(item)
        for part in found["impacts"]:
            # Guesses show two digits.
            about = "≈" in part["formula"]
            left, equals, right = part["formula"].replace("≈", "=").partition(" = ")
            if part["state"] == "unpriced":
                assert not equals, title
                continue
            count += 1
            assert math.isclose(
                math.prod(numbers(left)), numbers(right)[0], rel_tol=0.05 if about else 1e-5
            ), title
            assert math.isclose(
                float(part["cost_per_year"]), numbers(right)[0], rel_tol=0.05 if about else 1e-5
            )
        if found["roi"] is not None:
            benefit, cost, roi = numbers(found["roi_formula"])
            # The digits of the tile above it: two of a guess, else two places or fewer.
            near = 0.1 if "≈" in found["roi_formula"] else 0.005
            assert math.isclose(benefit / cost, roi, rel_tol=near, abs_tol=0.005), title
    assert count > 20


def test_the_parts_add_up_to_what_is_published(items):
    scores.score_items([item.pk for item in items.values()])
    for title, item in items.items():
        found, score = explained(item), Score.objects.get(pk=item.pk)
        assert found["key"] == item.key
        for name in ("annual_cost", "benefit", "weighted_benefit", "repair_cost"):
            assert found[name] == money(getattr(score, name)), title
        priced = [part for part in found["impacts"] if part["state"] == "priced"]
        if priced:
            total = sum(Decimal(part["cost_per_year"]) for part in priced)
            assert abs(total - score.annual_cost) <= Decimal("0.01") * len(priced), title
        assert len(found["impacts"]) - len(priced) == score.unpriced_impacts
        assert found["rough"] == score.is_rough, title


def test_a_repair_says_what_it_is_made_of(items):
    assert explained(items["careful"])["repair"] == {
        "days": "6",
        "day_rate": "1600",
        "cash": "400.00",
        "contingency": "0.15",
        "cost": "11500.00",
        "formula": "(6 person-days × 1,600 a day + 400 cash) × 1.15 (medium confidence) = 11,500",
    }
    not_estimated = explained(items["not estimated"])["repair"]
    assert (not_estimated["formula"], not_estimated["cost"]) == (
        "The effort is not estimated.",
        None,
    )


def test_a_repair_without_day_rate_says_so(db):
    item = DebtItemFactory(team=TeamFactory(day_rate=None), impacts=[stated(1)])
    assert explained(item)["repair"]["formula"].startswith("No day rate is known")


def test_what_is_not_priced_says_what_is_missing(items):
    part = explained(items["traffic unknown"])["impacts"][0]
    assert (part["state"], part["missing"]) == ("unpriced", ["frequency"])
    assert part["formula"].startswith("? requests / year × 0.03")
    assert part["formula"].endswith(": not priced, frequency not known")
    foreign = explained(items["foreign"])["impacts"][0]
    assert (foreign["foreign"], foreign["missing"]) == (True, [])
    assert foreign["formula"].endswith("in another currency, which is not converted")


def test_each_factor_says_where_it_comes_from(items):
    latency = explained(items["latency"])["impacts"][0]["factors"]
    assert {name: factor["source"] for name, factor in latency.items()} == {
        "frequency": "service",
        "share": "given",
        "magnitude": "given",
        "unit_price": "service",
    }
    hours = explained(items["at the threshold"])["impacts"][0]["factors"]
    assert {name: factor["source"] for name, factor in hours.items()} == {
        "frequency": "given",
        "unit_price": "installation",
    }
    unknown = explained(items["traffic unknown"])["impacts"][0]["factors"]
    assert unknown["frequency"]["source"] == "unknown"


def test_an_estimate_shows_its_points_and_their_mean(items):
    debt.update(
        pk=items["latency"].pk,
        fields={},
        impacts=[
            {"kind": "toil", "frequency_low": 10, "frequency_likely": 20, "frequency_high": 60}
        ],
        by=None,
    )
    factor = explained(items["latency"])["impacts"][0]["factors"]["frequency"]
    assert factor == {
        "low": "10",
        "likely": "20",
        "high": "60",
        "mean": "25",
        "unit": "hours / year",
        "source": "given",
    }


def test_a_factor_that_a_kind_does_not_know_is_shown_where_it_counts(db):
    """An hour of toil has no share; but somebody has given one."""
    PriceFactory(price=200)
    impacts = [impact("toil", frequency=10, share=0.5), impact("stated", unit_price=7, frequency=3)]
    item = DebtItemFactory(impacts=impacts)
    half, thrice = explained(item)["impacts"]
    assert (half["cost_per_year"], thrice["cost_per_year"]) == ("1000.00", "21.00")
    assert half["formula"] == "10 hours / year × 0.5 share × 200 per hour ≈ 1,000 a year"
    assert numbers(thrice["formula"]) == [3, 7, 21]
    assert half["factors"]["share"]["mean"] == "0.5"


def test_weights_and_effects_are_shown(items):
    part = explained(items["weighted"])["impacts"][0]
    assert (part["weight"], part["benefit"], part["weighted_benefit"]) == (
        "1.5",
        "10000.00",
        "15000.00",
    )
    useless = explained(items["of no use"])["impacts"][0]
    assert (useless["effectiveness"], useless["benefit"]) == ("0", "0.00")


def test_minutes_that_may_count_twice_are_flagged(items):
    assert explained(items["both at once"])["double_counted"] is True
    assert explained(items["latency"])["double_counted"] is False


@pytest.mark.parametrize("amount", ["0.125", "1440.005", "0.375", "2.675", "1e-9", "-0.005"])
def test_half_cents_are_shown_as_they_are_published(db, amount):
    item = DebtItemFactory(impacts=[stated(amount)])
    scores.score_items([item.pk])
    score = Score.objects.get(pk=item.pk)
    assert explained(item)["annual_cost"] == money(score.annual_cost)


@pytest.mark.parametrize("kind", ImpactKind.values)
def test_every_kind_has_a_unit_for_its_price(kind):
    units = formulas.units_of(kind)
    assert units["unit_price"]
    assert units.keys() <= {"frequency", "share", "magnitude", "unit_price"}


# --- Numbers as text ------------------------------------------------------------------------------


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_as_text_reads_back_the_same_and_has_no_exponent(value):
    text = plain(value)
    assert float(text) == value
    assert re.fullmatch(r"-?\d+(\.\d+)?", text)
    assert text != "-0"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20))
def test_a_decimal_as_text_is_equal_and_has_no_zeros_behind(value):
    text = plain(value)
    assert Decimal(text) == value
    assert not ("." in text and text.endswith("0"))
    assert "E" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_what_is_no_number_is_null(value):
    assert plain(value) is None
    assert money(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (-0.001, "0.00"),
        (-0.006, "-0.01"),
        (1e15, "1000000000000000.00"),
        (Decimal("1E+3"), "1000.00"),
        (2.675, "2.68"),
    ],
)
def test_money_has_two_places(value, text):
    assert money(value) == text


def test_effort_is_shown_in_days_as_it_is_priced(items):
    assert explained(items["in hours"])["repair"]["days"] == "2.5"
