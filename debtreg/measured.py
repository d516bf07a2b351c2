"""The bridge to SLOs: what their readings say of debts, and whose error budget burns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.db.models import (
    DateTimeField,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Sum,
)
from django.utils import timezone

import scoring
from debtreg.models import EVENT, DebtImpact, ReadingDay, SliKind, Slo, SloState, StateWindow

# What an SLO has measured is that of its last days which are over, so that it moves once a day. A
# shorter time than a week says more about its weekdays than about a year.
DAYS = 90
LEAST_SECONDS = 7 * 86_400
_YEAR_SECONDS = 365 * 86_400

# A budget burns when within one of these windows so much of it went as a week has.
_WEEK_SECONDS = 7 * 86_400
_WINDOWS = (
    *(StateWindow.HOURS_1, StateWindow.HOURS_2, StateWindow.HOURS_6),
    *(StateWindow.DAYS_1, StateWindow.DAYS_3),
)
# What was seen longer ago says nothing of now.
_STALE = timedelta(days=1)


@dataclass(frozen=True)
class Measured:
    """All SLOs as scoring takes them, and which of them burn.

    slos : SLO_COLUMNS, and guarantee_id (-1 for none)
    """

    slos: pd.DataFrame
    burning: np.ndarray[Any, Any]

    @property
    def burning_guarantees(self) -> np.ndarray[Any, Any]:
        of_slo = self.slos.loc[self.slos["slo_id"].isin(self.burning), "guarantee_id"]
        return of_slo[of_slo != -1].to_numpy()


@dataclass(frozen=True)
class Source:
    """Which readings an SLO's numbers come from: whole days, first and last included."""

    name: str
    first: date
    last: date

    @property
    def age_days(self) -> int:
        return (timezone.now().date() - self.last).days


def read(also: Collection[int] = ()) -> Measured:
    """What stands in readings now; `also`: SLOs to which no stored impact points yet."""
    found = {
        row["slo_id"]: (row["total"] / EVENT / row["seconds"] * _YEAR_SECONDS, _bad(row))
        for row in _days(also).values("slo_id", "good", "total", "seconds")
        if row["seconds"] >= LEAST_SECONDS
    }
    known = list(
        Slo.objects.order_by("pk")
        .annotate(burns=Exists(_burning()))
        .values_list(
            "pk", "kind", "objective", "service__requests_per_year", "guarantee_id", "burns"
        )
    )
    rows = [
        (
            pk,
            SliKind.values.index(kind),
            float(objective),
            # The traffic of the service, until there are readings.
            *found.get(pk, (np.nan if requests is None else requests, np.nan)),
            guarantee or -1,
        )
        for pk, kind, objective, requests, guarantee, _ in known
    ]
    columns = [*scoring.SLO_COLUMNS, "guarantee_id"]
    slos = pd.DataFrame(rows, columns=columns).astype(
        {
            "slo_id": "int64",
            "slo_kind": "int8",
            **dict.fromkeys(("objective", "requests_per_year", "error_ratio"), "float64"),
            "guarantee_id": "int64",
        }
    )
    burning = np.array([pk for pk, *_, burns in known if burns], dtype="int64")
    return Measured(slos, burning)


def sources(slos: Collection[int]) -> dict[int, Source]:
    """Where the numbers of these SLOs come from; only those that have enough."""
    return {
        row["slo_id"]: Source(row["name"], row["first"].date(), row["last"].date())
        for row in _days(slos)
        .filter(slo__in=slos)
        .values("slo_id", "seconds", "first", "last", name=F("slo__name"))
        if row["seconds"] >= LEAST_SECONDS
    }


def _days(also: Collection[int]) -> Any:
    """The last days that are over, added up for each SLO that debts point to."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    pointed_at = DebtImpact.objects.filter(slo__isnull=False).values("slo")
    return (
        ReadingDay.objects.filter(Q(slo__in=pointed_at) | Q(slo__in=list(also)))
        .filter(at__lt=today, at__gte=today - timedelta(days=DAYS))
        .order_by()
        .values("slo_id")
        .annotate(
            good=Sum("good"),
            total=Sum("total"),
            seconds=Sum("seconds"),
            first=Min("at", output_field=DateTimeField()),
            last=Max("at", output_field=DateTimeField()),
        )
    )


def _bad(row: dict[str, Any]) -> float:
    """The ratio of bad events; unknown where there were none at all."""
    return 1 - row["good"] / row["total"] if row["total"] else np.nan


def _burning() -> QuerySet[SloState]:
    """States that make the SLO of an outer query burn.

    What went is burn rate x the time that was measured: a bad minute is no bad day. One bad event
    of a few says nothing.
    """
    went = ExpressionWrapper(
        F("burn_rate") * F("measured_seconds"), DecimalField(max_digits=36, decimal_places=12)
    )
    return SloState.objects.annotate(went=went).filter(
        slo=OuterRef("pk"),
        window__in=_WINDOWS,
        is_few=False,
        ends_at__gte=timezone.now() - _STALE,
        went__gte=_WEEK_SECONDS,
    )
