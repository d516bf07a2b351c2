"""Penalty clauses: what a contract takes for a promise that was not kept. All Decimal.

"每低于目标10ms,扣减SLO预算5%" takes 5 % of the period's initial error budget for each completed
10 ms worse than the target. Worse is what the target's operator says, whatever the clause calls
it: taken literally, "低于" would punish answers that come faster than promised. The deduction is
a line of its own in the ledger; burn rates and alerts never see it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from .budget import as_objective
from .decimals import as_decimal, as_positive, check_keys, plain
from .errors import ScoringError

MIN_REQUESTS = 100  # fewer say nothing about a percentile
MINUTES_PER_DAY = 1440
ROUNDINGS = ("floor", "ceil", "linear")

# Unit: dimension and size in the dimension's base unit.
_UNITS = {
    "time": {
        "ns": "1e-9", "μs": "1e-6", "us": "1e-6", "微秒": "1e-6", "ms": "0.001", "毫秒": "0.001",
        "s": "1", "sec": "1", "秒": "1", "min": "60", "分钟": "60", "分": "60", "h": "3600",
        "小时": "3600",
    },
    "percent": {"%": "1", "percent": "1"},
    "points": {"pp": "1", "个百分点": "1", "百分点": "1", "percentage points": "1",
               "percentage point": "1"},
    "rate": {"rps": "1", "qps": "1", "tps": "1", "req/s": "1", "次/秒": "1"},
}  # fmt: skip
_DIMENSION = {name: dimension for dimension, units in _UNITS.items() for name in units}
_SIZE = {name: Decimal(size) for units in _UNITS.values() for name, size in units.items()}

_OPERATORS = {"≤": "<=", "<=": "<=", "<": "<", "≥": ">=", ">=": ">=", ">": ">"}
_OPERATORS |= {"不超过": "<=", "不高于": "<=", "不低于": ">=", "低于": "<", "高于": ">"}
_OPERATORS |= {"at most": "<=", "at least": ">=", "below": "<", "above": ">"}

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = "|".join(sorted(map(re.escape, _DIMENSION), key=len, reverse=True))
_OPERATOR = "|".join(sorted(map(re.escape, _OPERATORS), key=len, reverse=True))
_QUANTITY = re.compile(rf"({_NUMBER})\s*({_UNIT})?")
_TARGET = re.compile(rf"(?:(p\d+(?:\.\d+)?)\s*)?({_OPERATOR})\s*({_NUMBER})\s*({_UNIT})?")
_STEP = re.compile(
    rf"(?:每|(?:each|every|per)\s+(?:completed\s+|full\s+)?)(?:\D*?)({_NUMBER})\s*({_UNIT})?"
)
_DEDUCT = re.compile(
    rf"(?:扣减|扣除|核减|扣|减少|减|deduct|subtract|reduce|lose)[^\d]*?({_NUMBER})\s*%"
)
_DEDUCT_OF = re.compile(rf"({_NUMBER})\s*%\s*(?:of\s+)?(?:the\s+)?(?:slo|sla|error)?\s*budget")
_CAP = re.compile(
    rf"(?:封顶|上限|最高|最多|不超过|capped at|cap|up to|max(?:imum)?)[^\d]*?({_NUMBER})\s*%"
)
_TIER = re.compile(
    rf"(?:低于|below|under|<)\s*({_NUMBER})\s*%[^\d%]*?"
    rf"(?:赔付|赔偿|返还|抵扣|补偿|退还|credit|refund)[^\d]*?({_NUMBER})\s*%"
)


@dataclass(frozen=True)
class Target:
    """What was promised: the value in its unit, and which side of it is kept."""

    operator: str
    value: Decimal
    unit: str
    statistic: str = ""

    def shortfall(self, measured: Decimal) -> Decimal:
        """How much worse than the target, in the target's base unit; 0 if it is kept."""
        value = self.value * _SIZE[self.unit]
        worse = measured - value if self.operator.startswith("<") else value - measured
        return max(Decimal(0), worse)

    def is_breached(self, measured: Decimal) -> bool:
        value = self.value * _SIZE[self.unit]
        return not {
            "<=": measured <= value,
            "<": measured < value,
            ">=": measured >= value,
            ">": measured > value,
        }[self.operator]


@dataclass(frozen=True)
class Deduction:
    """Deduct so much of the period's initial budget for each step worse than the target."""

    step: Decimal
    unit: str
    percent: Decimal
    rounding: str = "floor"
    cap: Decimal = Decimal(100)

    def steps(self, shortfall: Decimal) -> Decimal:
        """Count the steps in a shortfall given in the base unit."""
        steps = shortfall / (self.step * _SIZE[self.unit])
        if self.rounding == "linear":
            return steps
        up = ROUND_CEILING if self.rounding == "ceil" else ROUND_FLOOR
        return steps.to_integral_value(up)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "budget_deduction",
            "step": {"value": plain(self.step), "unit": self.unit},
            "deduct_percent": plain(self.percent),
            "rounding": self.rounding,
            "cap_percent": plain(self.cap),
        }


@dataclass(frozen=True)
class Credits:
    """Below each level, credit so much of the fee: (below, credit), both in percent."""

    tiers: tuple[tuple[Decimal, Decimal], ...]

    def credit(self, measured: Decimal) -> Decimal:
        """Give the credit for a measured percentage: the highest of the levels it is below."""
        return max((credit for below, credit in self.tiers if measured < below), default=Decimal(0))

    def as_json(self) -> dict[str, Any]:
        tiers = [
            {"below_percent": plain(below), "credit_percent": plain(credit)}
            for below, credit in self.tiers
        ]
        return {"kind": "credit_tiers", "tiers": tiers}


def parse_target(text: str, field: str = "target") -> Target:
    """Read a target such as "≤300ms", "p99 <= 0.3 s" or "不低于 99.95%".

    Examples
    --------
    >>> parse_target("p99 ≤ 300 毫秒")
    Target(operator='<=', value=Decimal('300'), unit='毫秒', statistic='p99')
    """
    found = _TARGET.fullmatch(_plain_text(text, field))
    if not found:
        raise ScoringError(field, f"{text!r} cannot be read", bound="such as ≤300ms or >=99.95%")
    statistic, operator, value, unit = found.groups()
    if unit is None:
        raise ScoringError(field, f"{text!r} has no known unit", bound=_known_units())
    return Target(_OPERATORS[operator], Decimal(value), unit, statistic or "")


def parse_clause(text: str, field: str = "clause") -> Deduction | Credits:
    """Read a clause in Chinese or English. Keep its text beside it: a person should confirm it.

    Examples
    --------
    >>> parse_clause("每低于目标10ms,扣减SLO预算5%")
    Deduction(step=Decimal('10'), unit='ms', percent=Decimal('5'), rounding='floor', \
cap=Decimal('100'))
    >>> parse_clause("below 99.9%: credit 10%; below 99%: credit 25%").credit(Decimal("98.5"))
    Decimal('25')
    """
    plain_text = _plain_text(text, field)
    if tiers := _TIER.findall(plain_text):
        return _credits([(Decimal(below), Decimal(credit)) for below, credit in tiers], field)
    steps = list(_STEP.finditer(plain_text))
    # "per month, 5 % for each 10 ms": the step is what has a unit of measurement.
    step = next((each for each in steps if each[2] not in (None, "%")), steps[0] if steps else None)
    deduct = _DEDUCT.search(plain_text) or _DEDUCT_OF.search(plain_text)
    if not step or not deduct:
        raise ScoringError(
            field, f"{text!r} cannot be read", bound="such as 每低于目标10ms,扣减SLO预算5%"
        )
    if step[2] is None:
        raise ScoringError(
            field, f"names no known unit for its step of {step[1]}", bound=_known_units()
        )
    rounding = "floor"
    if re.search(r"不足.*(?:按|计)|part thereof|or part", plain_text):
        rounding = "ceil"
    elif re.search(r"按比例|pro rata|proportional", plain_text):
        rounding = "linear"
    cap = _CAP.search(plain_text)
    return _deduction(
        Decimal(step[1]),
        step[2],
        Decimal(deduct[1]),
        rounding,
        Decimal(cap[1] if cap else 100),
        field,
    )


def _deduction(
    step: Decimal, unit: str, percent: Decimal, rounding: str, cap: Decimal, field: str
) -> Deduction:
    if step <= 0:
        raise ScoringError(f"{field}.step", f"is {plain(step)}", bound="above 0")
    if not 0 < percent <= 100:
        raise ScoringError(
            f"{field}.deduct_percent", f"is {plain(percent)}", bound="above 0, up to 100"
        )
    if not 0 < cap <= 100:
        raise ScoringError(f"{field}.cap_percent", f"is {plain(cap)}", bound="above 0, up to 100")
    return Deduction(step, unit, percent, rounding, cap)


def _credits(tiers: Sequence[tuple[Decimal, Decimal]], field: str) -> Credits:
    for below, credit in tiers:
        if not 0 < below <= 100 or not 0 < credit <= 100:
            raise ScoringError(
                f"{field}.tiers",
                f"has {plain(below)} -> {plain(credit)}",
                bound="above 0, up to 100 %",
            )
    ordered = tuple(sorted(set(tiers), reverse=True))
    if len({below for below, _ in ordered}) < len(ordered):
        raise ScoringError(f"{field}.tiers", "has two credits for one level", bound="one each")
    rising = [credit for _, credit in ordered]
    if rising != sorted(rising):
        raise ScoringError(
            f"{field}.tiers", "credits less for a worse level", bound="rising credits"
        )
    return Credits(ordered)


def calculate_penalty(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the penalty calculator.

    Parameters
    ----------
    body : {target: "≤300ms", measured: "0.3301s" or null, requests, clause: a text or {step,
        deduct_percent, rounding, cap_percent} or {tiers: [{below_percent, credit_percent}]},
        objective_percent, period_days, fee}; a number without a unit is in the target's

    Returns
    -------
    For a deduction {shortfall (in the unit of the step), steps, deduct_percent,
    uncapped_percent, deducted_minutes}, for tiers {credit_percent, credit_amount}; always
    {breached, known, clause (as understood), findings, inputs}. Without data, or with fewer than
    100 requests, known is False and the numbers are None: unknown is not 0.

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
    fields = {"target", "measured", "requests", "clause", "objective_percent", "period_days", "fee"}
    given = check_keys(body, "", fields)
    target = parse_target(_text(given.get("target"), "target"))
    clause = _clause(given.get("clause"))
    findings: list[dict[str, str]] = []
    requests = given.get("requests")
    if requests is not None:
        requests = as_decimal(requests, "requests", low=0, high="1e18")
    measured = _measured(given.get("measured"), target, findings)
    known = measured is not None and requests is not None and requests >= MIN_REQUESTS
    if not known:
        reason = "Nothing was measured."
        if measured is not None:
            shown = "an unknown number of" if requests is None else plain(requests)
            reason = f"Measured on {shown} requests; {MIN_REQUESTS} are needed to say anything."
        findings.append(
            _finding("gap", f"{reason} The deduction is unknown, which is not 0: a compliance gap.")
        )
        measured = None
    breached = None if measured is None else target.is_breached(measured)
    answer: dict[str, Any] = {"known": known, "breached": breached}
    if isinstance(clause, Credits):
        answer |= _credited(clause, target, measured, given)
    else:
        budget = _budget_minutes(given, findings)
        answer |= _deducted(clause, target, measured, budget, findings)
        if breached and answer["shortfall"] == "0":
            findings.append(_finding("warn", "Breached by a strict bound, and by nothing more."))
    return answer | {"clause": clause.as_json(), "findings": findings, "inputs": given}


def _deducted(
    clause: Deduction,
    target: Target,
    measured: Decimal | None,
    budget: Decimal | None,
    findings: list[dict[str, str]],
) -> dict[str, Any]:
    _check_units(clause, target)
    names = ("shortfall", "steps", "deduct_percent", "uncapped_percent", "deducted_minutes")
    if measured is None:
        return dict.fromkeys(names)
    shortfall = target.shortfall(measured)
    steps = clause.steps(shortfall)
    uncapped = steps * clause.percent
    percent = min(clause.cap, uncapped)
    if uncapped > clause.cap:
        excess = plain(uncapped - clause.cap)
        findings.append(
            _finding("warn", f"Capped at {plain(clause.cap)} %; {excess} % more would be due.")
        )
    whole = steps == steps.to_integral_value()
    return {
        "shortfall": plain(shortfall / _SIZE[clause.unit]),
        "steps": int(steps) if whole else plain(steps),
        "deduct_percent": plain(percent),
        "uncapped_percent": plain(uncapped),
        "deducted_minutes": None if budget is None else plain(budget * percent / 100),
    }


def _check_units(clause: Deduction, target: Target) -> None:
    wanted = _DIMENSION[target.unit]
    if wanted == "percent":
        wanted = "points"
    if _DIMENSION[clause.unit] == wanted:
        return
    if wanted == "points" and _DIMENSION[clause.unit] == "percent":
        hint = "percentage points (pp, 个百分点), as a percentage of a percentage is ambiguous"
    else:
        hint = "the same kind of unit for both"
    raise ScoringError(
        "clause.step", f"is in {clause.unit}, the target in {target.unit}", bound=hint
    )


def _credited(
    clause: Credits, target: Target, measured: Decimal | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    if _DIMENSION[target.unit] != "percent" or target.operator.startswith("<"):
        raise ScoringError(
            "clause.tiers",
            f"do not go with a target in {target.unit}",
            bound="a target of at least x %",
        )
    if measured is None:
        return {"credit_percent": None, "credit_amount": None}
    credit = clause.credit(measured)
    fee = given.get("fee")
    amount = None if fee is None else as_decimal(fee, "fee", low=0, high="1e15") * credit / 100
    return {"credit_percent": plain(credit), "credit_amount": plain(amount)}


def _budget_minutes(given: Mapping[str, Any], findings: list[dict[str, str]]) -> Decimal | None:
    if given.get("objective_percent") is None or given.get("period_days") is None:
        findings.append(
            _finding("warn", "Without an objective and a period there is no budget to deduct from.")
        )
        return None
    objective = as_objective(given["objective_percent"], "objective_percent")
    days = as_positive(given["period_days"], "period_days", high=36600, unit="days")
    return (1 - objective) * days * MINUTES_PER_DAY


def _measured(value: object, target: Target, findings: list[dict[str, str]]) -> Decimal | None:
    """Read what was measured, in the base unit of the target."""
    if value is None:
        return None
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(_plain_text(value, "measured"))
        if not found:
            if value.strip().lower() in ("nan", "+inf", "-inf", "inf"):
                return None  # what Prometheus answers without samples
            raise ScoringError(
                "measured", f"{value[:40]!r} cannot be read", bound="such as 0.3301s"
            )
        number, unit = Decimal(found[1]), found[2]
    else:
        number, unit = as_decimal(value, "measured", low=0, high="1e18"), None
    if unit is None:
        findings.append(_finding("info", f"The measured value is taken to be in {target.unit}."))
        unit = target.unit
    if _DIMENSION[unit] != _DIMENSION[target.unit]:
        raise ScoringError(
            "measured", f"is in {unit}, the target in {target.unit}", bound="the same kind of unit"
        )
    return number * _SIZE[unit]


def _clause(value: object) -> Deduction | Credits:
    if isinstance(value, str):
        return parse_clause(value)
    fields = {"step", "deduct_percent", "rounding", "cap_percent", "tiers", "kind"}
    given = check_keys(value, "clause", fields)
    if given.get("tiers") is not None:
        return _tiers_of(given["tiers"])
    step, unit = _step_of(given.get("step"))
    rounding = given.get("rounding", "floor")
    if rounding not in ROUNDINGS:
        raise ScoringError("clause.rounding", f"is {rounding!r}", bound=", ".join(ROUNDINGS))
    percent = as_decimal(given.get("deduct_percent"), "clause.deduct_percent")
    cap = as_decimal(given.get("cap_percent", 100), "clause.cap_percent")
    return _deduction(step, unit, percent, rounding, cap, "clause")


def _step_of(value: object) -> tuple[Decimal, str]:
    if isinstance(value, Mapping):
        given = check_keys(value, "clause.step", {"value", "unit"})
        unit = _plain_text(_text(given.get("unit"), "clause.step.unit"), "clause.step.unit")
        if unit not in _DIMENSION:
            raise ScoringError("clause.step.unit", f"is {unit!r}", bound=_known_units())
        return as_decimal(given.get("value"), "clause.step.value"), unit
    found = re.fullmatch(
        rf"(-?{_NUMBER})\s*({_UNIT})", _plain_text(_text(value, "clause.step"), "clause.step")
    )
    if not found:
        raise ScoringError(
            "clause.step", f"{value!r} cannot be read", bound="such as 10ms or 0.01pp"
        )
    return Decimal(found[1]), found[2]


def _tiers_of(value: object) -> Credits:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= 20:
        raise ScoringError("clause.tiers", "is refused", bound="a list of 1 to 20")
    tiers = []
    for number, tier in enumerate(value):
        path = f"clause.tiers[{number}]"
        given = check_keys(tier, path, {"below_percent", "credit_percent"})
        below = as_decimal(given.get("below_percent"), f"{path}.below_percent", low=0, high=100)
        credit = as_decimal(given.get("credit_percent"), f"{path}.credit_percent", low=0, high=100)
        tiers.append((below, credit))
    return _credits(tiers, "clause")


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise ScoringError(field, "is no text", bound="a text")
    return value


def _plain_text(text: str, field: str) -> str:
    """Bring width, case, signs and spaces to one form; refuse what is too long to be meant."""
    if len(text) > 500:
        raise ScoringError(field, f"is {len(text)} letters long", bound="up to 500")
    text = unicodedata.normalize("NFKC", text).lower().replace("µ", "μ")
    text = text.replace("≦", "≤").replace("≧", "≥").replace("=<", "<=").replace("=>", ">=")
    return re.sub(r"\s+", " ", text).strip()


def _known_units() -> str:
    return ", ".join(dict.fromkeys(_DIMENSION))


def _finding(level: str, message: str) -> dict[str, str]:
    return {"level": level, "message": message}
