"""The terms of a guarantee: read from the words of a contract, and priced for a period."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from .answers import finding
from .clauses import (
    DIMENSION,
    Credits,
    Deduction,
    Target,
    parse_clause,
    parse_target,
    percentile_of,
    promised_objective,
)
from .decimals import as_decimal, exact, plain
from .errors import ScoringError
from .penalty import calculate_penalty, check_target, check_units
from .windows import parse_window

# A value is kept with so many decimal places.
VALUE_PLACES = 8
# What a person writes of a clause from which nothing follows that could be counted.
NO_PENALTY = ("none", "no penalty", "无", "-")

_SUMS = (
    *("deduct_percent", "uncapped_percent", "deducted_minutes", "deducted_requests"),
    "credit_percent",
)


def read_terms(metric: str, target: str, clause: str = "", window: str = "") -> dict[str, Any]:
    """Read what a guarantee says as numbers. What cannot be read is left out, with the reason.

    Returns
    -------
    statistic ("p99"), operator, value, unit, objective (ratio, None if it promises none), period,
    period_hours and month_basis (see Window), penalty (as calculate_penalty takes a clause; None
    for none), problems (name of the part, "target", "penalty" or "window" -> why)

    Examples
    --------
    >>> found = read_terms("p99_response_time", "≤300ms", "每低于目标10ms,扣减SLO预算5%", "30d")
    >>> found["operator"], found["value"], found["unit"], found["objective"], found["problems"]
    ('<=', Decimal('300'), 'ms', Decimal('0.99'), {})
    >>> read_terms("audit_retention", "≥5y")["problems"].keys()
    dict_keys(['target'])
    """
    found: dict[str, Any] = {"statistic": "", "operator": "", "value": None, "unit": ""}
    found |= {"objective": None, "period": "", "period_hours": None, "month_basis": ""}
    problems: dict[str, str] = {}
    promised: Target | None = None
    try:
        promised = _target(target)
        objective = promised_objective(metric, promised)
        found |= {
            "statistic": promised.statistic or _statistic(metric, promised),
            "operator": promised.operator,
            "value": promised.value,
            "unit": promised.unit,
            "objective": objective,
        }
    except ScoringError as error:
        problems["target"] = str(error)
    try:
        if window.strip():
            read = parse_window(window)
            found |= {"period": read.period, "period_hours": read.hours, "month_basis": read.basis}
    except ScoringError as error:
        problems["window"] = str(error)
    penalty: Deduction | Credits | None = None
    try:
        if clause.strip() and clause.strip().lower() not in NO_PENALTY:
            penalty = parse_clause(clause, "penalty")
            if promised is not None:
                check_units(penalty, promised)
    except ScoringError as error:
        problems["penalty"] = str(error)
        penalty = None
    found["penalty"] = penalty.as_json() if penalty else None
    return {**found, "problems": problems}


def _target(text: str) -> Target:
    target = parse_target(text)
    if target.value != round(target.value, VALUE_PLACES):
        bound = f"up to {VALUE_PLACES} decimal places"
        raise ScoringError("target", f"is {plain(target.value, 40)}", bound=bound)
    return target


def _statistic(metric: str, target: Target) -> str:
    """p99 where the metric's name says it of a time."""
    percent = percentile_of(metric) if DIMENSION[target.unit] == "time" and target.is_upper else 0
    return f"p{plain(percent)}" if percent else ""


@exact
def price_period(segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Price a period of a guarantee, its parts by the terms that were in force in them.

    Each part is priced as if the whole period had been under its terms, and counts by its days.

    Parameters
    ----------
    segments : {days, body: of calculate_penalty, without a clause where its terms agree on no
        penalty, or on one that cannot be read, unknown: why it cannot be priced, or ""}, one for
        each set of terms

    Returns
    -------
    known, breached (None: unknown), deduct_percent, uncapped_percent, deducted_minutes,
    deducted_requests, credit_percent (Decimal; None where unknown, or where no part has such),
    findings, parts (the answer for each segment, with days)

    Raises
    ------
    ScoringError : what is measured cannot be read, or is in another unit than the target.

    Examples
    --------
    >>> body = {"target": "<= 300 ms", "measured": "0.33s", "requests": 5000,
    ...     "clause": "每低于目标10ms,扣减SLO预算5%", "objective_percent": 99.9, "period_days": 30}
    >>> parts = [{"days": 10, "body": body}, {"days": 20, "body": {**body, "target": "<= 290 ms"}}]
    >>> found = price_period(parts)  # a third of 15 %, and two thirds of 20 %
    >>> round(found["deduct_percent"], 6), found["known"]
    (Decimal('18.333333'), True)
    """
    total = sum(int(segment["days"]) for segment in segments)
    if not total:
        raise ScoringError("days", "are 0", bound="at least one day")
    sums: dict[str, Decimal] = {}
    missing: set[str] = set()
    parts, findings, breached = [], [], set()
    for segment in segments:
        days, body, unknown = segment["days"], segment.get("body"), segment.get("unknown", "")
        answer: dict[str, Any]
        if body is None:
            answer = {"known": False, "breached": None, "findings": []}
        elif unknown or body.get("clause") is None:
            answer = check_target(body)
        else:
            answer = calculate_penalty(body)
            for name in _SUMS:
                if name not in answer:
                    continue
                if answer[name] is None:
                    missing.add(name)
                else:
                    value = as_decimal(answer[name], name)
                    sums[name] = sums.get(name, Decimal(0)) + value * days / total
        if unknown:
            answer["known"] = False
            answer["findings"].append(finding("terms", "gap", unknown))
        breached.add(answer["breached"])
        findings += [each for each in answer["findings"] if each not in findings]
        parts.append({"days": days, **answer})
    known = all(part["known"] for part in parts)
    if not known:  # what is known of a part is not what is due of the whole
        missing = set(_SUMS)
    return {
        "known": known,
        # One part that was missed is a breach, whatever is not known of the others.
        "breached": True if True in breached else None if None in breached else False,
        **{name: None if name in missing else sums.get(name) for name in _SUMS},
        "findings": findings,
        "parts": parts,
    }
