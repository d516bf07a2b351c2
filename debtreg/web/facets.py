"""How many debts there are of what: the counts beside the ranking's filters, and its totals."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from django.db.models import Case, Count, Q, Sum, Value, When

from debtreg import frames
from debtreg.models import Score, ScoreState

# ROI bands that can be filtered by; a score is in the band of the highest it reaches.
MIN_ROIS = (1, 2, 3, 5, 10)
_BAND = Case(
    *(When(sort_roi__gte=roi, then=Value(roi)) for roi in reversed(MIN_ROIS)), default=Value(0)
)
_NAMES = ["team", "service", "state", "priority", "min_roi"]
_COLUMNS = ["team_id", "service_id", "state", "priority", "band"]


@dataclass(frozen=True)
class Totals:
    count: int
    annual_cost: float
    over_threshold: int
    not_priced: int
    rough: bool  # so much of the cost is that of debts which deserve two digits, and so does it


class Facets:
    """Open debts by team, service, state, priority and ROI band.

    It is a table of counts whose size does not grow with the portfolio. Where counting takes
    long, the counts are kept for as long as that keeps it below half a percent of a process's
    time; on a small portfolio they are always fresh.
    """

    KEEP = 200
    FRESH_SECONDS = 0.1
    _kept: tuple[float, pd.DataFrame] | None = None

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def read(cls) -> Facets:
        start = time.monotonic()
        if cls._kept and cls._kept[0] > start:
            return cls(cls._kept[1])
        rows = (
            Score.objects.filter(is_open=True)
            .order_by()
            .annotate(band=_BAND)
            .values_list(*_COLUMNS)
            .annotate(
                n=Count("*"),
                cost=Sum("annual_cost"),
                guessed=Sum("annual_cost", filter=Q(is_rough=True)),
                over=Count("pk", filter=Q(promotes=True)),
            )
        )
        table = pd.DataFrame(list(rows), columns=[*_NAMES, "n", "cost", "guessed", "over"])
        # For headlines: to be exact to the last cent is the items' business.
        table = table.astype({"cost": "float64", "guessed": "float64"})
        took = time.monotonic() - start
        cls._kept = (start + took * cls.KEEP, table) if took > cls.FRESH_SECONDS else None
        return cls(table)

    def _where(self, chosen: Mapping[str, Any], without: str = "") -> pd.DataFrame:
        table = self.table
        for name, value in chosen.items():
            if value in (None, "") or name == without or name not in _NAMES:
                continue
            table = table[table[name] >= value if name == "min_roi" else table[name] == value]
        return table

    def counts(self, name: str, chosen: Mapping[str, Any]) -> dict[Any, int]:
        """Value -> how many debts choosing it would show, beside what else is chosen."""
        table = self._where(chosen, without=name)
        if name == "min_roi":
            return {roi: int(table.loc[table[name] >= roi, "n"].sum()) for roi in MIN_ROIS}
        return {value: int(n) for value, n in table.groupby(name)["n"].sum().items()}

    def count(self, chosen: Mapping[str, Any], without: str = "") -> int:
        return int(self._where(chosen, without)["n"].sum())

    def totals(self, chosen: Mapping[str, Any]) -> Totals:
        table = self._where(chosen)
        priced = table["state"] != ScoreState.UNPRICED
        return Totals(
            count=int(table["n"].sum()),
            annual_cost=float(table["cost"].sum()),
            over_threshold=int(table["over"].sum()),
            not_priced=int(table.loc[~priced, "n"].sum()),
            rough=bool(table["guessed"].sum() > frames.ROUGH_PART * table["cost"].sum()),
        )

    def sums(self, name: str) -> dict[Any, tuple[int, float]]:
        """Value -> how many open debts, and what they cost a year; NaN where none is priced."""
        sums = self.table.groupby(name)[["n", "cost"]].sum(min_count=1)
        return {value: (int(n), cost) for value, n, cost in sums.itertuples()}
