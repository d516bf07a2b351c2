"""A small portfolio in which every rule of scoring occurs, with the numbers worked out by hand."""

from decimal import Decimal
from typing import Any

from debtreg.models import DebtItem, Score
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    PriceFactory,
    ServiceFactory,
    TeamFactory,
    stated,
    toil,
)


def three(name: str, value: float) -> dict[str, Any]:
    return dict.fromkeys((f"{name}_low", f"{name}_likely", f"{name}_high"), value)


def impact(kind: str, **factors: Any) -> dict[str, Any]:
    """impact("toil", frequency=72): numbers are all three points of a factor."""
    columns: dict[str, Any] = {"kind": kind}
    for name, value in factors.items():
        columns |= (
            three(name, value)
            if name in ("frequency", "share", "magnitude", "unit_price")
            else {name: value}
        )
    return columns


# Title -> what is published of it. Priced items come first, by ROI.
PRICED = {
    "weighted": {"annual_cost": "10000", "weighted_benefit": "15000", "roi": 4.6875}
    | {"repair_cost": "3200", "money_roi": 3.125, "promotes": True},
    "accepted": {"annual_cost": "7200", "roi": 4.5, "promotes": True},
    "in progress": {"annual_cost": "7200", "roi": 4.5, "promotes": True},
    "latency": {"annual_cost": "12960", "repair_cost": "3200", "roi": 4.05}
    | {"payback_days": 90.1234567901, "breaking_point_years": 0.246913580247},
    "just above": {"annual_cost": "14400.2", "roi": 3.00004166667, "promotes": True},
    "at the threshold": {"annual_cost": "14400", "roi": 3.0, "promotes": False},
    "in hours": {"annual_cost": "12000", "repair_cost": "4000", "roi": 3.0, "promotes": False},
    "in points": {"annual_cost": "12000", "repair_cost": "4000", "roi": 3.0, "promotes": False},
    "both at once": {"annual_cost": "39000", "repair_cost": "16000", "roi": 2.4375},
    "careful": {"annual_cost": "23000", "repair_cost": "11500", "roi": 2.0},
    "nobody's": {"annual_cost": "2000", "repair_cost": "1300", "roi": 1.53846153846},
    "partly foreign": {"annual_cost": "1000", "roi": 0.625, "unpriced_impacts": 1},
    "partly unknown": {"annual_cost": "250", "roi": 0.192307692308, "unpriced_impacts": 1},
    "many": {"annual_cost": "65", "roi": 0.040625},
    "of no use": {"annual_cost": "2000", "benefit": "0", "roi": 0.0}
    | {"payback_days": None, "breaking_point_years": None},
    "weightless": {"benefit": "10000", "weighted_benefit": "0", "roi": 0.0, "money_roi": 3.125},
    "saves": {"annual_cost": "-500", "roi": -0.3125, "payback_days": None}
    | {"breaking_point_years": None},
}
NEEDS_ESTIMATE = {
    "points unknown": {"annual_cost": "12000", "repair_cost": None, "roi": None},
    "not estimated": {"annual_cost": "1000", "repair_cost": None, "roi": None},
}
UNPRICED = {
    "traffic unknown": {"annual_cost": None, "unpriced_impacts": 1},
    "foreign": {"annual_cost": None, "roi": None, "unpriced_impacts": 1},
    "nothing": {"annual_cost": None, "repair_cost": "4800", "roi": None, "unpriced_impacts": 0},
}
EXPECTED = {
    **{title: {"state": "priced", **numbers} for title, numbers in PRICED.items()},
    **{title: {"state": "needs_estimate", **numbers} for title, numbers in NEEDS_ESTIMATE.items()},
    **{title: {"state": "unpriced", **numbers} for title, numbers in UNPRICED.items()},
}


def build() -> dict[str, DebtItem]:
    """Store the portfolio, unscored. `resolved` is in it, too, and costs nothing any more."""
    payments = TeamFactory(slug="payments", day_rate=1600, days_per_point=Decimal("0.5"))
    orders = TeamFactory(slug="orders", day_rate=None)
    checkout = ServiceFactory(slug="checkout", team=payments, requests_per_year=120e6)
    catalogue = ServiceFactory(slug="catalogue", team=orders)
    PriceFactory(kind="day_rate", low=1000, likely=1200, high=2000)
    for kind, price in {"toil": 200, "drag": 300, "downtime": 900, "compliance": 50_000}.items():
        PriceFactory(kind=kind, price=price)
    PriceFactory(kind="errors", low=Decimal("0.4"), likely=Decimal("0.5"), high=Decimal("0.6"))
    PriceFactory(kind="latency", service=checkout, price=Decimal("0.00002"))
    heavy, weightless = GuaranteeFactory(weight=Decimal("1.5")), GuaranteeFactory(weight=0)
    finding = {"frequency": 2, "share": 0.1}
    of_payments: dict[str, dict[str, Any]] = {
        "at the threshold": {"impacts": [toil(72)]},
        "just above": {"impacts": [toil(72.001)]},
        "in hours": {"impacts": [impact("drag", frequency=40)], "effort": 20},
        "in points": {"impacts": [impact("drag", frequency=40)], "effort": 5},
        "foreign": {"impacts": [toil(9, currency="EUR")]},
        "partly foreign": {"impacts": [toil(9, currency="EUR"), stated(1000)], "effort": 1},
        "saves": {"impacts": [stated(-500)], "effort": 1},
        "nothing": {},
        "careful": {"impacts": [stated(23_000)], "cash": 400, "confidence": "medium"}
        | {"effort_low": 2, "effort_likely": 5, "effort_high": 14},
        "not estimated": {"impacts": [toil(5)], "effort": None},
        "of no use": {"impacts": [toil(10, effectiveness=0)], "effort": 1},
        "weighted": {
            "impacts": [impact("compliance", guarantee=heavy, **finding)],
            "effort": 2,
        },
        "weightless": {
            "impacts": [impact("compliance", guarantee=weightless, **finding)],
            "effort": 2,
        },
        "many": {
            "impacts": [
                impact("toil", frequency=n, unit_price=Decimal(n) / 10) for n in range(1, 13)
            ],
            "effort": 1,
        },
        "resolved": {"impacts": [toil(72)], "status": "done"},
        "accepted": {"impacts": [toil(36)], "effort": 1, "status": "accepted"},
        "in progress": {"impacts": [toil(36)], "effort": 1, "status": "doing"},
        "both at once": {
            "impacts": [
                impact("downtime", frequency=2, share=0.5, magnitude=30),
                impact("credits", frequency=12, share=0.1, unit_price=10_000),
            ],
            "effort": 10,
        },
    }
    units = {"in hours": "hour", "in points": "story_point"}
    items = {
        title: DebtItemFactory(
            title=title,
            service=None,
            team=payments,
            effort_unit=units.get(title, "person_day"),
            **fields,
        )
        for title, fields in of_payments.items()
    }
    slow = {"share": 0.03, "magnitude": 180}
    items["latency"] = DebtItemFactory(
        title="latency", service=checkout, effort=2, impacts=[impact("latency", **slow)]
    )
    items["traffic unknown"] = DebtItemFactory(
        title="traffic unknown",
        service=catalogue,
        impacts=[impact("latency", unit_price=Decimal("0.00002"), **slow)],
    )
    items["partly unknown"] = DebtItemFactory(
        title="partly unknown",
        service=catalogue,
        effort=1,
        impacts=[impact("errors", frequency=1000, share=0.5), impact("latency", **slow)],
    )
    items["points unknown"] = DebtItemFactory(
        title="points unknown",
        service=None,
        team=orders,
        effort=5,
        effort_unit="story_point",
        impacts=[impact("drag", frequency=40)],
    )
    items["nobody's"] = DebtItemFactory(
        title="nobody's", service=None, team=None, effort=1, impacts=[toil(10)]
    )
    return items


def published() -> dict[str, dict[str, Any]]:
    """Title -> what is published of it, of the columns that EXPECTED names."""
    return {
        score.item.title: {
            name: _comparable(getattr(score, name)) for name in EXPECTED[score.item.title]
        }
        for score in Score.objects.filter(is_open=True).select_related("item")
    }


def expected() -> dict[str, dict[str, Any]]:
    return {
        title: {
            name: Decimal(value).quantize(Decimal("0.01"))
            if isinstance(value, str) and name != "state"
            else value
            for name, value in numbers.items()
        }
        for title, numbers in EXPECTED.items()
    }


def _comparable(value: Any) -> Any:
    return value.quantize(Decimal("0.01")) if isinstance(value, Decimal) else value


def rows() -> dict[int, tuple[Any, ...]]:
    """Every column of every score: equal only if no row was written."""
    return {row[0]: row for row in Score.objects.values_list()}
