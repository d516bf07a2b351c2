"""The ROI calculator: one debt as JSON in, its score with every step as JSON out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from .columns import (
    COLUMNS,
    FACTORS,
    IMPACT_COLUMNS,
    ITEM_COLUMNS,
    KINDS,
    POINTS,
    PRICE_COLUMNS,
    STATES,
    make_frame,
)
from .decimals import as_decimal, check_keys, plain
from .errors import ScoringError
from .policy import Policy
from .principal import EFFORT_UNITS, HOURS_PER_DAY
from .scores import score_in_detail
from .uncertainty import add_uncertainty

MAX_IMPACTS = 100

_BODY = {"effort", "day_rate", "cash", "contingency", "weights", "impacts"}
_IMPACT = {"kind", *FACTORS, "effectiveness", "guarantee", "guarantee_weight", "grade"}
_NUMBERS = (
    "annual_cost",
    "benefit",
    "weighted_benefit",
    "repair_cost",
    "roi",
    "money_roi",
    "net_roi",
    "payback_days",
    "breaking_point_years",
    "roi_p5",
    "roi_p50",
    "roi_p95",
)


def calculate_roi(body: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Score one debt that is nowhere stored, with the code that scores the portfolio.

    Parameters
    ----------
    body : {effort, day_rate, cash, contingency, weights: {kind: w}, impacts: [{kind, frequency,
        share, magnitude, unit_price, effectiveness, guarantee_weight, grade}]}; a number is a
        number, its text or {low, likely, high}; null is unknown; effort is in person-days unless
        it names its unit. Weights left out are 1, cash and contingency 0.
    policy : gives the threshold

    Returns
    -------
    The score fields (`confidence` is the probability that the ROI is above the threshold),
    `promote`, the inputs, the assumptions, and the steps with their numbers.
    Numbers are texts of up to 14 significant digits; unknown is None.

    Raises
    ------
    ScoringError : names the field by its path, such as impacts[0].share, and the bound.

    Examples
    --------
    >>> from scoring.policy import DEFAULT_PAYLOAD
    >>> impact = {"kind": "toil", "frequency": "72.00005", "unit_price": 200}
    >>> body = {"effort": "3", "day_rate": "1600", "impacts": [impact]}
    >>> found = calculate_roi(body, Policy.from_payload(DEFAULT_PAYLOAD))
    >>> found["annual_cost"], found["roi"], found["promote"]
    ('14400.01', '3.0000020833333', True)
    """
    given = check_keys(body, "", _BODY)
    item = {
        "item_id": 1,
        **_points_of(_effort_in_days(given.get("effort")), "effort"),
        **_points_of(given.get("day_rate"), "day_rate"),
        "cash": _number(given.get("cash", 0), "cash", "cash"),
    }
    rows, kinds = _impacts_of(given.get("impacts", []))
    contingency = as_decimal(given.get("contingency", 0), "contingency", low=0, high=5)
    policy = replace(
        policy,
        weights=dict.fromkeys(KINDS, 1.0) | _weights_of(given.get("weights", {})),
        contingency={**policy.contingency, "none": float(contingency)},
    )
    items, impacts = make_frame(ITEM_COLUMNS, [item]), make_frame(IMPACT_COLUMNS, rows)
    scores, detail = score_in_detail(items, impacts, make_frame(PRICE_COLUMNS, []), policy)
    score = add_uncertainty(items, scores, detail, policy).iloc[0]
    return {
        "state": STATES[score["state"]],
        **{name: plain(score[name]) for name in _NUMBERS},
        "confidence": plain(score["certainty"]),
        "promote": bool(score["promotes"]),
        "double_counted": bool(score["double_counted"]),
        "inputs": dict(given),
        "assumptions": _assumptions(score, policy),
        "steps": [*_impact_steps(detail, kinds), *_item_steps(score, item, contingency, policy)],
    }


def _impacts_of(impacts: object) -> tuple[list[dict[str, Any]], list[str]]:
    if not isinstance(impacts, list | tuple) or len(impacts) > MAX_IMPACTS:
        raise ScoringError("impacts", "is refused", bound=f"a list of up to {MAX_IMPACTS}")
    rows, kinds = [], []
    for number, impact in enumerate(impacts):
        path = f"impacts[{number}]"
        cells = check_keys(impact, path, _IMPACT)
        kind = cells.get("kind")
        if kind not in KINDS:
            raise ScoringError(f"{path}.kind", f"is {kind!r}", bound=", ".join(KINDS))
        row: dict[str, Any] = {"item_id": 1, "kind": KINDS.index(kind)}
        for factor in FACTORS:
            row |= _points_of(cells.get(factor), factor, f"{path}.{factor}")
        for name in ("effectiveness", "guarantee_weight"):
            row[name] = _number(cells.get(name), f"{path}.{name}", name)
        rows.append(row)
        kinds.append(kind)
    return rows, kinds


def _weights_of(weights: object) -> dict[str, float]:
    found = check_keys({} if weights is None else weights, "weights", set(KINDS))
    return {
        kind: float(as_decimal(weight, f"weights.{kind}", low=0, high=3))
        for kind, weight in found.items()
    }


def _points_of(value: object, column: str, path: str | None = None) -> dict[str, float | None]:
    """Read a number or {low, likely, high} into the three columns of a factor."""
    path = path or column
    if not isinstance(value, Mapping):
        value = dict.fromkeys(POINTS, value)
        paths = dict.fromkeys(POINTS, path)
    else:
        value = check_keys(value, path, set(POINTS))
        paths = {point: f"{path}.{point}" for point in POINTS}
    cells = {
        f"{column}_{point}": _number(value.get(point), paths[point], f"{column}_{point}")
        for point in POINTS
    }
    known = [cell for cell in cells.values() if cell is not None]
    if known != sorted(known):
        raise ScoringError(path, "does not rise", bound="low <= likely <= high")
    return cells


def _effort_in_days(effort: object) -> object:
    if not isinstance(effort, Mapping) or "unit" not in effort:
        return effort
    unit = effort["unit"]
    points = {point: effort[point] for point in effort if point != "unit"}
    if unit == "person_day":
        return points
    if unit != "hour":
        reason = "has no days here: points are a team's own" if unit in EFFORT_UNITS else "is"
        raise ScoringError("effort.unit", f"{unit!r} {reason}", bound="person_day or hour")
    hours = {
        point: None if value is None else as_decimal(value, f"effort.{point}", low=0)
        for point, value in points.items()
    }
    return {
        point: None if value is None else value / int(HOURS_PER_DAY)
        for point, value in hours.items()
    }


def _number(value: object, path: str, column: str) -> float | None:
    if value is None:
        return None
    bound = COLUMNS[column]
    low, high = (str(int(limit)) for limit in (bound.low, bound.high))
    return float(as_decimal(value, path, low=low, high=high))


def _assumptions(score: pd.Series, policy: Policy) -> list[str]:
    found = [
        "ROI is gross: the weighted benefit of the first 12 months / repair cost.",
        f"Promoted is what is strictly above {plain(policy.threshold)}, before rounding.",
        "Of three points the mean (low + 4 x likely + high) / 6 counts.",
    ]
    if score["unpriced_impacts"]:
        found.append(
            f"{score['unpriced_impacts']} unpriced impacts are left out, not counted as 0."
        )
    if score["double_counted"]:
        found.append(
            "Downtime and credits are both priced: make sure they are not the same minutes."
        )
    return found


def _impact_steps(detail: pd.DataFrame, kinds: list[str]) -> list[dict[str, Any]]:
    steps = []
    for number, (kind, impact) in enumerate(zip(kinds, detail.to_dict("records"), strict=True)):
        factors = [plain(impact[factor]) for factor in FACTORS]
        steps.append(
            {
                "of": f"impacts[{number}]",
                "kind": kind,
                "what": "cost = frequency × share × magnitude × unit_price",
                "formula": " × ".join(factor or "unknown" for factor in factors),
                "value": plain(impact["cost"]),
                "weight": plain(impact["weight"]),
                "benefit": plain(impact["benefit"]),
                "weighted_benefit": plain(impact["weighted_benefit"]),
            }
        )
    return steps


def _item_steps(
    score: pd.Series, item: Mapping[str, Any], contingency: Any, policy: Policy
) -> list[dict[str, Any]]:
    days, rate, cash = (
        plain(number) or "unknown"
        for number in (score["repair_days"], score["day_rate"], item["cash"])
    )
    roi = plain(score["roi"])
    verdict = "above" if score["promotes"] else "not above"
    return [
        {
            "of": "repair_cost",
            "what": "(person-days × day rate + cash) × (1 + contingency)",
            "formula": f"({days} × {rate} + {cash}) × (1 + {plain(contingency)})",
            "value": plain(score["repair_cost"]),
        },
        {
            "of": "roi",
            "what": "weighted benefit / repair cost",
            "formula": f"{plain(score['weighted_benefit']) or 'unknown'}"
            f" / {plain(score['repair_cost']) or 'unknown'}",
            "value": roi,
            "decision": f"{verdict} {plain(policy.threshold)}" if roi else "no ROI, no decision",
        },
    ]
