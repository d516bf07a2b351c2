"""The waterfall of an item's yearly cost: what each impact and each failure scenario adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The axis goes on past the sum for the ranges, but not so far that the bars become slivers.
MOST = 1.5


@dataclass(frozen=True)
class Bar:
    """One step. Amounts are money a year; places are per cent of the axis, or None.

    low, high : what it costs with every factor at its least, and at its most
    """

    part: dict[str, Any]
    label: Any
    is_scenario: bool
    x: float | None = None
    width: float | None = None
    range_x: float | None = None
    range_width: float | None = None


@dataclass(frozen=True)
class Waterfall:
    bars: list[Bar]
    zero: float
    sum_x: float
    sum_width: float


def of(story: dict[str, Any]) -> Waterfall | None:
    """The steps from nothing to the yearly cost of an explanation, in its order.

    What is not priced is a step without a bar. None where there is nothing to draw.
    """
    parts = [*story["impacts"], *story["scenarios"]]
    steps, level = [], 0.0
    for part in parts:
        cost = part["cost_per_year"]
        steps.append(None if cost is None else (level, level + float(cost)))
        level += float(cost or 0)
    known = [(part, step) for part, step in zip(parts, steps, strict=True) if step]
    if not known:
        return None
    ends = [0.0, *(end for _, step in known for end in step)]
    low, high = min(ends), max(ends)
    if high <= low:
        return None
    tops = [step[0] + float(part["high"]) for part, step in known if part["high"] is not None]
    high = min(max([high, *tops]), low + MOST * (high - low))

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    return Waterfall(
        [_bar(part, step, place) for part, step in zip(parts, steps, strict=True)],
        zero=place(0.0),
        sum_x=min(place(0.0), place(level)),
        sum_width=round(abs(place(level) - place(0.0)), 2),
    )


def _bar(part: dict[str, Any], step: tuple[float, float] | None, place: Any) -> Bar:
    is_scenario = "scenario" in part
    label = part["name"] if is_scenario else part["label"]
    if step is None:
        return Bar(part, label, is_scenario)
    first, last = sorted(map(place, step))
    spread = {}
    if part["low"] is not None and part["low"] != part["high"]:
        left, right = (place(step[0] + float(part[end])) for end in ("low", "high"))
        spread = {"range_x": left, "range_width": round(right - left, 2)}
    return Bar(part, label, is_scenario, first, round(last - first, 2), **spread)
