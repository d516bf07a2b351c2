"""Three-point estimates {low, likely, high}: how they stand in a table."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

POINTS = ("low", "likely", "high")


def points(name: str) -> list[str]:
    """The three column names of an estimate."""
    return [f"{name}_{point}" for point in POINTS]


def in_order(name: str) -> Q:
    """low <= likely <= high, as far as they are known."""
    low, likely, high = points(name)
    return (
        (
            Q(**{f"{low}__isnull": True})
            | Q(**{f"{likely}__isnull": True})
            | Q(**{f"{low}__lte": F(likely)})
        )
        & (
            Q(**{f"{likely}__isnull": True})
            | Q(**{f"{high}__isnull": True})
            | Q(**{f"{likely}__lte": F(high)})
        )
        & (
            Q(**{f"{low}__isnull": True})
            | Q(**{f"{high}__isnull": True})
            | Q(**{f"{low}__lte": F(high)})
        )
    )


def within(name: str, low: float, high: float | None = None) -> Q:
    """Every known point lies within the bounds, both included."""
    condition = Q()
    for column in points(name):
        inside = Q(**{f"{column}__gte": low})
        if high is not None:
            inside &= Q(**{f"{column}__lte": high})
        condition &= Q(**{f"{column}__isnull": True}) | inside
    return condition


def order_constraint(model: str, name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"{model}_{name}_in_order",
        condition=in_order(name),
        violation_error_message=f"{name.replace('_', ' ').capitalize()}: low ≤ likely ≤ high.",
    )
