"""What a contract takes for a promise that was not kept. All Decimal.

A deduction is a line of its own in the ledger of a period: burn rates and alerts never see it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from .answers import finding, if_known, shown, step
from .budget import error_budget, objective_of, period_of, unit_findings
from .clauses import (
    DIMENSION,
    QUANTITY,
    SIZE,
    Credits,
    Deduction,
    Target,
    check_unit,
    parse_target,
    plain_text,
    read_amount,
    read_clause,
)
from .columns import POINTS
from .decimals import as_decimal, check_keys, exact, plain, quoted
from .errors import ScoringError

MIN_REQUESTS = 100  # fewer say nothing about a percentile
_UNKNOWN = " The penalty is unknown, which is not 0: a compliance gap."
Numbers = dict[str, Decimal | None]
Range = dict[str, dict[str, str | None]]

_NEEDED = ("target", "clause")
_SAID = "what the contract says: a penalty without it is none"
_FIELDS = (*_NEEDED, "measured", "requests", "objective_percent", "period_days", "fee")


@exact
def calculate_penalty(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the penalty calculator.

    Parameters
    ----------
    body : {target: "≤300ms", measured: "0.3301s", or {low, high} as the bounds of a histogram's
        bucket, or null, requests, clause: a text or {step, deduct_percent, rounding, cap_percent}
        or {tiers: [{below_percent, credit_percent}]}, objective_percent, period_days, fee}. A
        measured number without a unit is in the target's. objective_percent may be left out where
        the target itself is a percentage or a percentile.

    Returns
    -------
    For a deduction {shortfall (in the unit of the step), steps (how many), deduct_percent,
    uncapped_percent, deducted_minutes, deducted_requests}, for tiers {credit_percent,
    credit_amount}; always {breached, known, range, clause (as understood), findings, inputs,
    assumptions, calculation (step by step)}. Without data, or with fewer than 100 requests, known
    is False and the numbers are None: unknown is not 0. Where a bucket's bounds lead to different
    numbers these are None, too, and range has them: {deduct_percent: {low, high}}.

    Raises
    ------
    ScoringError : what cannot be read, units that do not match, a step or percentage out of
        bounds; by field, with the reason.

    Examples
    --------
    >>> found = calculate_penalty({"target": "≤300ms", "measured": "0.35s", "requests": 2000000,
    ...     "clause": "每低于目标10ms,扣减SLO预算5%", "objective_percent": "99.9",
    ...     "period_days": "30"})
    >>> found["steps"], found["deduct_percent"], found["deducted_minutes"]
    (5, '25', '10.8')
    """
    given = check_keys(body, "", _FIELDS, needed=_NEEDED, bound=_SAID)
    target = parse_target(given["target"])
    clause = read_clause(given["clause"])
    check_units(clause, target)
    requests = _requests(given)
    objective, period = objective_of(given, "objective_percent"), period_of(given)
    fee = given.get("fee")
    if fee is not None:
        fee = as_decimal(fee, "fee", low=0, high="1e15")
    measured, findings = _usable(given, target, requests)
    findings += unit_findings(objective)

    outcome: _Credited | _Deducted
    if isinstance(clause, Credits):
        outcome = _Credited(clause, target, fee)
    else:
        outcome = _Deducted.of(clause, target, given, objective, period, requests)
        findings += outcome.budget_findings()
    numbers, between = dict.fromkeys(outcome.names), None
    breached = None
    calculation: list[dict[str, object]] = []
    if measured:
        low, high = (target.is_breached(end) for end in measured)
        breached = low if low == high else None
        numbers, between = _agreed(*(outcome.numbers(end) for end in measured))
        if numbers[outcome.main] is None:
            findings.append(_uncertain(outcome.main, between))
        else:
            findings += outcome.findings(measured[0])
        if measured[0] == measured[1]:
            calculation = outcome.calculation(measured[0])
    return {
        "known": numbers[outcome.main] is not None,
        "breached": breached,
        **{name: _as_json(name, value) for name, value in numbers.items()},
        "range": between,
        "clause": clause.as_json(),
        "findings": findings,
        "inputs": given,
        "assumptions": outcome.assumptions(),
        "calculation": calculation,
    }


def check_target(body: Mapping[str, Any]) -> dict[str, Any]:
    """Say of a target that has no penalty whether it was kept: {known, breached, findings}.

    body : {target, measured, requests} of calculate_penalty

    Examples
    --------
    >>> check_target({"target": "≤300ms", "measured": "0.35s", "requests": 5000})["breached"]
    True
    """
    given = check_keys(body, "", _FIELDS, needed=("target",), bound=_SAID)
    target = parse_target(given["target"])
    measured, findings = _usable(given, target, _requests(given))
    breaches = {target.is_breached(end) for end in measured or ()}
    breached = breaches.pop() if len(breaches) == 1 else None
    if breached is not None:
        message = f"The target of {target} is {'missed' if breached else 'kept'}."
        findings.append(finding("target", "fail" if breached else "pass", message))
    return {"known": measured is not None, "breached": breached, "findings": findings}


def _requests(given: Mapping[str, Any]) -> Decimal | None:
    requests = given.get("requests")
    return None if requests is None else as_decimal(requests, "requests", low=0, high="1e15")


def _usable(
    given: Mapping[str, Any], target: Target, requests: Decimal | None
) -> tuple[tuple[Decimal, Decimal] | None, list[dict[str, str]]]:
    """What was measured, unless it rests on too few requests to say anything."""
    measured, findings = _measured(given.get("measured"), target)
    if measured and (requests is None or requests < MIN_REQUESTS):
        count = "an unknown number of" if requests is None else plain(requests)
        message = f"Measured on {count} requests; {MIN_REQUESTS} are needed to say anything."
        findings.append(finding("data", "gap", message + _UNKNOWN))
        measured = None
    return measured, findings


@dataclass(frozen=True)
class _Deducted:
    """What a deduction takes, and from what budgets."""

    clause: Deduction
    target: Target
    objective: Decimal | None
    minutes: Decimal | None  # the initial budget of the period
    requests: Decimal | None
    formulas: tuple[str, str]  # of these two

    main = "deduct_percent"
    names = (
        *("shortfall", "steps", "deduct_percent", "uncapped_percent"),
        *("deducted_minutes", "deducted_requests"),
    )

    @classmethod
    def of(
        cls,
        clause: Deduction,
        target: Target,
        given: Mapping[str, Any],
        objective: Decimal | None,
        period: Decimal | None,
        requests: Decimal | None,
    ) -> "_Deducted":
        """Find the budgets. Raises ScoringError where there is nothing to deduct from."""
        percentile = target.percentile
        if "objective_percent" not in given:
            objective = target.objective()
            if objective is None and percentile is None:
                raise ScoringError(
                    "objective_percent",
                    f"is missing, and {target} is neither an availability nor a percentile: "
                    "there is no budget to deduct from",
                    bound="a percentage such as 99.9",
                )
        if objective is not None and "period_days" not in given:
            raise ScoringError("period_days", "is missing", bound="null where it is not known")
        # A percentile is a promise for so many of the requests, whatever the availability.
        kept = objective if percentile is None else percentile / 100
        return cls(
            clause,
            target,
            objective,
            if_known(lambda kept, period: error_budget(kept, period) / 60, objective, period),
            if_known(error_budget, kept, requests),
            (
                f"(1 − {shown(objective, 40)}) × {shown(period)} s / 60",
                f"(1 − {shown(kept, 40)}) × {shown(requests)}",
            ),
        )

    def numbers(self, measured: Decimal) -> Numbers:
        shortfall = self.target.shortfall(measured)
        steps = self.clause.steps(shortfall)
        uncapped = steps * self.clause.percent
        percent = min(self.clause.cap, uncapped)
        return {
            "shortfall": shortfall / SIZE[self.clause.unit],
            "steps": steps,
            "deduct_percent": percent,
            "uncapped_percent": uncapped,
            "deducted_minutes": if_known(lambda budget: budget * percent / 100, self.minutes),
            "deducted_requests": if_known(lambda budget: budget * percent / 100, self.requests),
        }

    def budget_findings(self) -> list[dict[str, str]]:
        if self.minutes is not None or (self.requests is not None and self.objective is None):
            return []
        message = "The budget in minutes is not known without an objective and a period."
        return [finding("budget", "gap", message)]

    def findings(self, measured: Decimal) -> list[dict[str, str]]:
        found = self.numbers(measured)
        uncapped, cap = found["uncapped_percent"], self.clause.cap
        if not self.target.is_breached(measured):
            return [finding("target", "pass", "The target is kept.")]
        if not found["shortfall"]:
            message = "Breached by a strict bound, and by nothing more: no deduction."
            return [finding("target", "warn", message)]
        shortfall = f"{_down(found['shortfall'])} {self.clause.unit}"
        kept = finding("target", "fail", f"Worse than {self.target} by {shortfall}.")
        if uncapped is None or uncapped <= cap:
            return [kept]
        excess = f"Capped at {plain(cap)} %; {plain(uncapped - cap)} % more would be due."
        return [kept, finding("cap", "warn", excess, f"{plain(uncapped)} % > {plain(cap)} %")]

    def assumptions(self) -> list[str]:
        clause, side = self.clause, "More" if self.target.is_upper else "Less"
        size = f"{plain(clause.step)} {clause.unit}"
        counted = {
            "floor": f"Only each completed {size} counts.",
            "ceil": f"Each {size} or part of it counts.",
            "linear": f"Parts of {size} count in proportion.",
        }[clause.rounding]
        return [
            f"{side} than the target is worse, as the sign of {self.target} says, whatever the "
            "clause calls it.",
            counted,
            f"Each takes {plain(clause.percent)} % of the period's initial budget, not of what is "
            f"left, and all together at most {plain(clause.cap)} %.",
            "The period is evaluated once. The deduction is a line of its own: burn rates and "
            "alerts do not change by it.",
        ]

    def calculation(self, measured: Decimal) -> list[dict[str, object]]:
        found, clause, target = self.numbers(measured), self.clause, self.target
        size = SIZE[clause.unit]
        values = [_down(measured / size), _down(target.value * SIZE[target.unit] / size)]
        words = ["measured", "target"]
        if not target.is_upper:
            values.reverse()
            words.reverse()
        brackets = {"floor": "⌊⌋", "ceil": "⌈⌉", "linear": "()"}[clause.rounding]
        percent, steps = (shown(found[name]) for name in ("deduct_percent", "steps"))
        return [
            step(
                "shortfall",
                f"max(0, {' − '.join(words)})",
                f"max(0, {' − '.join(values)}) {clause.unit}",
                found["shortfall"],
                clause.unit,
            ),
            step(
                "steps",
                f"{brackets[0]}shortfall / step{brackets[1]}",
                f"{brackets[0]}{_down(found['shortfall'])} / {plain(clause.step)}{brackets[1]}",
                found["steps"],
                "",
            ),
            step(
                "uncapped_percent",
                "steps × percentage of a step",
                f"{steps} × {plain(clause.percent)} %",
                found["uncapped_percent"],
                "%",
            ),
            step(
                "deduct_percent",
                "at most the cap",
                f"min({shown(found['uncapped_percent'])} %, {plain(clause.cap)} %)",
                found["deduct_percent"],
                "%",
            ),
            step(
                "budget_minutes", "(1 − objective) × period", self.formulas[0], self.minutes, "min"
            ),
            step(
                "deducted_minutes",
                "deduction × initial budget",
                f"{percent} % × {shown(self.minutes)} min",
                found["deducted_minutes"],
                "min",
            ),
            step(
                "budget_requests",
                "(1 − objective or percentile) × requests",
                self.formulas[1],
                self.requests,
                "requests",
            ),
            step(
                "deducted_requests",
                "deduction × initial budget",
                f"{percent} % × {shown(self.requests)}",
                found["deducted_requests"],
                "requests",
            ),
        ]


@dataclass(frozen=True)
class _Credited:
    """What the tiers of a clause credit."""

    clause: Credits
    target: Target
    fee: Decimal | None

    main = "credit_percent"
    names = ("credit_percent", "credit_amount")

    def numbers(self, measured: Decimal) -> Numbers:
        credit = self.clause.credit(measured)
        amount = if_known(lambda fee: fee * credit / 100, self.fee)
        return {"credit_percent": credit, "credit_amount": amount}

    def findings(self, measured: Decimal) -> list[dict[str, str]]:
        if not self.target.is_breached(measured):
            return [finding("target", "pass", "The target is kept.")]
        return [finding("target", "fail", f"{plain(measured)} % is worse than {self.target}.")]

    def assumptions(self) -> list[str]:
        return [
            "Of the levels that the measured value is below, the one with the highest credit "
            "counts; exactly on a level is not below it.",
            "The credit is a part of the fee, and no error budget changes by it.",
        ]

    def calculation(self, measured: Decimal) -> list[dict[str, object]]:
        found = self.numbers(measured)
        below = [level for level, _ in self.clause.tiers if measured < level]
        reason = f"{plain(measured)} % < {plain(min(below))} %" if below else "below no level"
        return [
            step("credit_percent", "of the tier it is below", reason, found["credit_percent"], "%"),
            step(
                "credit_amount",
                "credit × fee",
                f"{shown(found['credit_percent'])} % × {shown(self.fee)}",
                found["credit_amount"],
                "money",
            ),
        ]


def check_units(clause: Deduction | Credits, target: Target) -> None:
    """Raise ScoringError where a clause counts in units that its target is not in."""
    wanted = DIMENSION[target.unit]
    if isinstance(clause, Credits):
        if wanted != "percent" or target.is_upper:
            raise ScoringError(
                "clause.tiers", f"do not go with a target of {target}", bound="of at least x %"
            )
        return
    if wanted == "percent":
        wanted = "points"
    if DIMENSION[clause.unit] == wanted:
        return
    if wanted == "points" and DIMENSION[clause.unit] == "percent":
        hint = "percentage points (pp, 个百分点), as a percentage of a percentage is ambiguous"
    else:
        hint = "the same kind of unit for both"
    raise ScoringError(
        "clause.step", f"is in {clause.unit}, the target in {target.unit}", bound=hint
    )


def _measured(
    value: object, target: Target
) -> tuple[tuple[Decimal, Decimal] | None, list[dict[str, str]]]:
    """Read what was measured: between which two values it lies, in the target's base unit."""
    if value is None:
        return None, [finding("data", "gap", "Nothing was measured." + _UNKNOWN)]
    if isinstance(value, Mapping):
        given = check_keys(value, "measured", POINTS)
        points = [given.get("low"), given.get("high")]
        if given.get("likely") is not None:
            points.insert(1, given["likely"])
        names = POINTS if len(points) == len(POINTS) else ("low", "high")
        found = [
            _one_measured(point, target, f"measured.{name}")
            for name, point in zip(names, points, strict=True)
        ]
    else:
        found = [_one_measured(value, target, "measured")]
    numbers = [number for number, _ in found if number is not None]
    findings = [each for _, said in found for each in said]
    if len(numbers) < len(found):
        return None, findings
    if numbers != sorted(numbers):
        raise ScoringError("measured", "does not rise", bound="low <= likely <= high")
    return (numbers[0], numbers[-1]), findings


def _one_measured(
    value: object, target: Target, field: str
) -> tuple[Decimal | None, list[dict[str, str]]]:
    if not isinstance(value, str):
        value = f"{as_decimal(value, field, low=0):f}"
    text = plain_text(value, field)
    if text in ("nan", "inf", "+inf", "-inf"):
        # What Prometheus answers without samples, or beyond the last bucket of a histogram.
        message = f"{field} is {value}, which is no value."
        return None, [finding("data", "gap", message + _UNKNOWN)]
    found = QUANTITY.fullmatch(text)
    if not found:
        raise ScoringError(
            field, f"'{quoted(value)}' cannot be read", bound="such as 0.3301s, or null"
        )
    number, unit = found.groups()
    findings = []
    if unit is None:
        unit = target.unit
        message = f"{field} is taken to be in {unit}: {text} {unit}."
        if DIMENSION[unit] == "time":
            message += " Prometheus gives seconds: write 0.35s for them."
        findings.append(finding("unit", "warn", message))
    check_unit(unit, value, field)
    if DIMENSION[unit] != DIMENSION[target.unit]:
        bound = "the same kind of unit"
        raise ScoringError(field, f"is in {unit}, the target in {target.unit}", bound=bound)
    return read_amount(number, unit, field) * SIZE[unit], findings


def _agreed(low: Numbers, high: Numbers) -> tuple[Numbers, Range | None]:
    """What both ends of a bucket agree on; and from where to where the rest lies, if any."""
    agreed = {name: value if value == high[name] else None for name, value in low.items()}
    apart: Range = {}
    for name, value in low.items():
        other = high[name]
        if value is not None and other is not None and value != other:
            ends = min(value, other), max(value, other)
            apart[name] = {"low": plain(ends[0]), "high": plain(ends[1])}
    return agreed, apart or None


def _uncertain(name: str, between: Range | None) -> dict[str, str]:
    ends = (between or {}).get(name, {})
    message = (
        f"The measured value lies between two bounds, and the penalty between {ends.get('low')} % "
        f"and {ends.get('high')} %. Buckets with bounds at each step would tell."
    )
    return finding("bucket", "gap", message)


def _down(value: Decimal | None) -> str:
    """Rounded down: a shortfall just below 10 must not look like 10 beside 0 steps."""
    return plain(value, rounding=ROUND_DOWN) or "unknown"


def _as_json(name: str, value: Decimal | None) -> str | int | None:
    if value is None:
        return None
    if name == "steps" and value == value.to_integral_value():
        return int(value)
    return _down(value) if name == "shortfall" else plain(value)
