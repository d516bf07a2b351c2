"""The chart of the ranking: what each repair costs against what it returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from debtreg import versions
from debtreg.models import Score, ScoreState, Service, Team
from debtreg.web.facets import Facets
from debtreg.web.ranking import RankingFilter, found
from debtreg.web.requests import PageRequest

# More dots than these nobody can tell apart; the best come first.
MOST = 300
FILTERS = ("q", "team", "service", "min_roi", "priority")
WIDE, HIGH = 960, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 20, 48
SMALLEST, LARGEST = 3.5, 9.5


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis over whole and half powers of ten around some amounts."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> Axis:
        low = math.floor(math.log10(min(values)) * 2) / 2
        high = math.ceil(math.log10(max(values)) * 2) / 2
        return cls(low, high if high > low else low + 0.5, start, end)

    def place(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[dict[str, float]]:
        powers = range(math.ceil(self.low), math.floor(self.high) + 1)
        values = [10.0**power for power in powers]
        if len(values) < 3:
            values = sorted({*values, *(3 * 10.0**power for power in powers)})
        return [
            {"value": value, "at": self.place(value)}
            for value in values
            if self.low <= math.log10(value) <= self.high
        ]


@dataclass(frozen=True)
class Dot:
    score: Score
    x: float
    y: float
    r: float
    is_above: bool


@dataclass(frozen=True)
class Plot:
    """What the template draws; places are those of a picture of WIDE by HIGH."""

    dots: list[Dot]
    x: Axis
    y: Axis
    lines: list[dict[str, Any]]

    wide, high = WIDE, HIGH
    left, bottom = LEFT, HIGH - BOTTOM
    right, top = WIDE - RIGHT, TOP


def plot(scores: Sequence[Score], threshold: float | None) -> Plot | None:
    """Dots of the scores that have a place on two logarithmic axes; None where none has."""
    placed = [
        score
        for score in scores
        if (score.repair_cost or 0) > 0 and (score.deciding_benefit or 0) > 0
    ]
    if not placed:
        return None
    costs = [float(score.repair_cost or 0) for score in placed]
    benefits = [float(score.deciding_benefit or 0) for score in placed]
    x = Axis.around(costs, LEFT, WIDE - RIGHT)
    y = Axis.around(benefits, HIGH - BOTTOM, TOP)
    dots = [
        Dot(
            score,
            x.place(cost),
            y.place(benefit),
            round(SMALLEST + (LARGEST - SMALLEST) * (score.confidence or 0), 1),
            score.promotes,
        )
        for score, cost, benefit in zip(placed, costs, benefits, strict=True)
    ]
    # Small ones above large ones, so that all can be reached.
    dots.sort(key=lambda dot: -dot.r)
    return Plot(dots, x, y, _lines(x, y, threshold))


def _lines(x: Axis, y: Axis, threshold: float | None) -> list[dict[str, Any]]:
    """Where an ROI is the same: straight lines on logarithmic axes, cut at the frame."""
    lines = []
    for roi in sorted({1.0, threshold or 1.0, 10.0, 30.0}):
        shift = math.log10(roi)
        low, high = max(x.low, y.low - shift), min(x.high, y.high - shift)
        if low >= high:
            continue
        lines.append(
            {
                "roi": roi,
                "is_threshold": roi == threshold,
                "x1": x.place(10**low),
                "y1": y.place(10 ** (low + shift)),
                "x2": x.place(10**high),
                "y2": y.place(10 ** (high + shift)),
            }
        )
    return lines


@login_required
@require_safe
def chart(request: PageRequest) -> HttpResponse:
    form = RankingFilter(
        request.GET, list(Team.objects.all()), list(Service.objects.select_related("team"))
    )
    chosen = {**form.chosen, "state": ScoreState.PRICED, "ordering": ""}
    scores = list(found(chosen, form.search).select_related("item__service")[: MOST + 1])
    form.show_choices(Facets.read())
    threshold = versions.standing().threshold
    return render(
        request,
        "debt/chart.html",
        {
            "form": form,
            "scores": scores[:MOST],
            "more": len(scores) > MOST,
            "most": MOST,
            "plot": plot(scores[:MOST], threshold),
            "threshold": threshold,
            # State and order are the chart's own.
            "filtered": any(
                value not in (None, "") for name, value in chosen.items() if name in FILTERS
            ),
        },
    )
