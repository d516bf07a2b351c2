"""Penalty clauses and targets, read from what contracts say, in Chinese and English.

"每低于目标10ms,扣减SLO预算5%" takes 5 % of the period's initial error budget for each completed
10 ms worse than the target. Worse is what the target's operator says, whatever the clause calls
it: taken literally, "低于" would punish answers that come faster than promised.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .decimals import as_decimal, check_keys, exact, plain, quoted
from .errors import ScoringError

ROUNDINGS = ("floor", "ceil", "linear")
MAX_TEXT = 2_000
MAX_TIERS = 20

# Unit: dimension and size in the dimension's base unit.
_UNITS = {
    "time": {
        "ns": "1e-9", "纳秒": "1e-9",
        "μs": "1e-6", "us": "1e-6", "微秒": "1e-6", "microseconds": "1e-6",
        "ms": "0.001", "msec": "0.001", "毫秒": "0.001", "milliseconds": "0.001",
        "s": "1", "sec": "1", "秒": "1", "seconds": "1", "min": "60", "分钟": "60", "分": "60",
        "minutes": "60", "h": "3600", "小时": "3600", "hours": "3600", "d": "86400", "天": "86400",
        "days": "86400",
    },
    "percent": {"%": "1", "percent": "1"},
    "points": {"pp": "1", "个百分点": "1", "百分点": "1", "percentage points": "1"},
    "rate": {"rps": "1", "qps": "1", "tps": "1", "req/s": "1", "次/秒": "1"},
}  # fmt: skip
# Words in the singular, too.
for _units in _UNITS.values():
    _units |= {
        name[:-1]: size for name, size in _units.items() if len(name) > 3 and name.endswith("s")
    }
KNOWN_UNITS = "ns, μs, ms, s, min, h, d, %, pp or rps, or their names in English or Chinese"
DIMENSION = {name: dimension for dimension, units in _UNITS.items() for name in units}
SIZE = {name: Decimal(size) for units in _UNITS.values() for name, size in units.items()}
# Every name of a unit -> the one that it is kept under, which stands first of its size.
UNIT = {
    name: next(first for first in units if units[first] == size)
    for units in _UNITS.values()
    for name, size in units.items()
} | {"qps": "qps", "tps": "tps"}

_OPERATORS = {"≤": "<=", "<=": "<=", "<": "<", "≥": ">=", ">=": ">=", ">": ">"}
_OPERATORS |= {"不超过": "<=", "不高于": "<=", "不大于": "<=", "至多": "<=", "小于等于": "<="}
_OPERATORS |= {"不低于": ">=", "不小于": ">=", "不少于": ">=", "至少": ">=", "大于等于": ">="}
_OPERATORS |= {"低于": "<", "小于": "<", "高于": ">", "大于": ">"}
_OPERATORS |= {"at most": "<=", "at least": ">=", "below": "<", "above": ">"}
_OPERATORS |= {"no more than": "<=", "no less than": ">=", "less than": "<", "more than": ">"}


def _any_of(words: Mapping[str, Any]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_NUMBER = r"\d+(?:\.\d+)?"
_SIGNED = rf"-?{_NUMBER}"
# 10 sheep are no 10 s.
_UNIT = rf"(?:{_any_of(DIMENSION)})(?![a-z])"
_METRIC = r"延迟|响应时间|可用性|可用率|成功率|错误率|latency|response time|availability|error rate"
QUANTITY = re.compile(rf"(-?{_NUMBER}(?:e[-+]?\d+)?)\s*(\D.*)?")
_OF_WHAT = rf"(?:(p\d+(?:\.\d+)?)\s*)?(?:(?:{_METRIC})\s*)?"
_TARGET = re.compile(rf"{_OF_WHAT}({_any_of(_OPERATORS)})\s*({_SIGNED})\s*(\D.*)?")
# What stands behind its number; 以上, 以下 and 以内 include it (Civil Code of China, article 1259).
_BEHIND = {"以内": "<=", "之内": "<=", "以下": "<=", "以上": ">=", "or less": "<=", "or more": ">="}
_TARGET_BEHIND = re.compile(rf"{_OF_WHAT}({_SIGNED})\s*(\D+?)\s*(?:\(含\))?({_any_of(_BEHIND)})")
_THOUSANDS = re.compile(r"(?<![\dp.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_ARROW = "→|->|⇒|>="  # "=>" has become ">=" before
# What a clause may say beside its numbers. A clause is understood if nothing else is in it: "of the
# monthly fee", "the first time free" or "not" would change what its numbers mean.
_WORSE = (
    r"(?:低于|高于|超过|超出|多于|少于|大于|小于|慢于|差于|劣于|偏离|未达到?|超|"
    r"(?:worse|slower|lower|higher|more|less|longer|fewer) than|above|over|below|under|beyond"
    r"|short of|exceeding)"
)
_THE_TARGET = (
    r"(?:(?:约定|承诺|合同)?的?(?:目标|承诺|约定|阈值)值?"
    r"|(?:the )?(?:agreed |promised |slo |sla )?(?:target|objective|threshold)(?: value)?)"
)
_STARTED = r"started|commenced|begun|开始"
_STEP = re.compile(
    rf"(?:每(?:{_WORSE}\s*{_THE_TARGET}?)?\s*|\b(?:for )?(?:each|every|per) )"
    rf"(?:(?P<full>满|completed |full |whole )|(?P<part>(?:{_STARTED})\s*)|additional |further )?"
    rf"(?P<size>{_SIGNED})\s*(?P<unit>{_UNIT})?(?:\s*{_WORSE}\s*{_THE_TARGET})?"
)
_BUDGET = (
    r"(?:(?:the|period's|this|its|initial|slo|sla|error|service's) ){0,5}budget(?: of the period)?"
    r"|(?:当期|本期|该期|期初|初始|的)*\s*(?:slo|sla|错误|误差|可用性)?\s*的?预算(?:总额)?"
)
_DEDUCT = re.compile(
    r"(?:扣减|扣除|核减|扣|减少|减|deduct|subtract|reduce|lose)s?\s*"
    rf"(?:(?:from )?(?:{_BUDGET})\s*(?:的|by)?\s*)?({_SIGNED})\s*%"
    rf"(?:\s*(?:of |from |的)?\s*(?:{_BUDGET}))?"
)
_DEDUCT_OF = re.compile(
    rf"({_SIGNED})\s*%\s*(?:of |的)?\s*(?:{_BUDGET})"
    rf"|(?:{_ARROW})\s*(?:(?:{_BUDGET})\s*的?\s*)?({_SIGNED})\s*%"
)
_CAP = re.compile(
    r"(?:封顶|上限|最高|最多|不超过"
    r"|\bcapped at|\bcap(?: of)?|\bup to|\bat most|\bmax(?:imum)?(?: of)?)"
    rf"\s*(?:为|至|合计|累计|扣减|扣除|扣|:|\s)*(?:(?:{_BUDGET})\s*的?\s*)?({_SIGNED})\s*%"
    rf"(?:\s*(?:of |的)?\s*(?:{_BUDGET}))?(?:\s*(?:in total|all together))?"
    rf"|以?({_SIGNED})\s*%\s*(?:封顶|为限|为上限)"
)
# "不足10毫秒按10毫秒计": a part of a step, and what it counts for.
_A_STEP = rf"(?:({_NUMBER})\s*({_UNIT})|一步|一档|一个(?:单位|步长)|整步)"
_SHORT = rf"不足(?:{_A_STEP})?(?:的部分|部分|的|者)?\s*,?\s*(?:也|均|亦)?"
_ROUNDINGS = {
    "floor": re.compile(
        rf"{_SHORT}(?:不计入|不计算|不计|不予计算|不予扣减|不扣减|不扣|舍去|忽略不计|忽略)"
    ),
    "linear": re.compile(
        rf"(?:{_SHORT})?(?:按比例(?:计算|折算|扣减|计)?)"
        r"|\bpro[ -]rata|\bproportional(?:ly)?|\bin proportion"
    ),
    "ceil": re.compile(
        rf"{_SHORT}(?:按|以|算作|视为)\s*{_A_STEP}\s*(?:计算|计|算|扣减)?"
        r"|\b(?:or|and) (?:any )?(?:part|fraction)(?: (?:thereof|of it))?"
    ),
}
# Neither takes a number nor changes one.
_HARMLESS = re.compile(
    rf"(?:[\s,;:.()|。、]|{_ARROW}|则|应当|应|将|须|并且|并|且|即|请|时"
    r"|(?:per|each|every) month\b|每月"
    r"|\b(?:please|kindly|then|and|is|are|be|shall|will|we|deducted|subtracted)\b)*+"
)

# Credit tiers: levels of a percentage, each with what is credited below it.
_BELOW = r"(?:低于|小于|不足|少于|未达到?|below|under|less than|lower than|<)"
_FROM = (
    r"(?:(?:等于或|或等于)?(?:不低于|不小于|大于等于|大于或等于|高于等于|高于或等于|等于或高于|等于或大于|至少)|≥|>="
    r"|(?:equal to or )?(?:greater|more|higher) than(?: or equal to)?|equal to or (?:above|over)"
    r"|at least|no less than|not less than|above|大于|高于|>)"
)
_RANGES = (
    # 95 % ≤ uptime < 99 %, 99 % to < 99.95 %, 99 % (含) - 99.95 % (不含), between 99 % and 99.95 %
    re.compile(rf"({_NUMBER})\s*%\s*(?:≤|<=|<)[^\d%<>≤≥;]{{0,40}}<\s*({_NUMBER})\s*%"),
    re.compile(rf"between\s*({_NUMBER})\s*%?\s*and\s*({_NUMBER})\s*%"),
    re.compile(
        rf"({_NUMBER})\s*%?\s*(?:\(含\)|\(inclusive\))?\s*"
        rf"(?:-|~|to|至|到)\s*<?\s*({_NUMBER})\s*%(?:\s*\((?:不含|exclusive)\))?"
    ),
)
_BELOW_BEHIND = re.compile(rf"({_NUMBER})\s*%\s*以下")
_SHARE = re.compile(rf"({_BELOW}\s*|{_FROM}\s*)?({_SIGNED})\s*%")
_CREDIT_WORDS = (
    r"赔付|赔偿|赔|返还|抵扣|抵用|补偿|退还|退款|代金券|扣减|扣除|减免|费用|费"
    r"|credit(?:s|ed)?|refund(?:s|ed)?|rebates?|discounts?|fees?|bills?|charges?"
)
_CREDIT = re.compile(_CREDIT_WORDS)
# What a level or a credit may be of, and what joins them; the month is the usual period.
_TIER_WORDS = re.compile(
    rf"(?:[\s,;:.()|。、-]|{_ARROW}|{_CREDIT_WORDS}|月度|当月|每月|月|服务|可用性|可用率|正常运行时间|百分比"
    r"|客户|的|时|则|但|且|为|按|应当|应|将|即|若|如果|如|当|向|含"
    r"|\b(?:monthly|month's|month|per|a|an|the|of|if|when|while|but|and|then|in|is|are|be|shall|will"
    r"|uptime|availability|service|percentage|level|to|by|for|we|customers?|receives?|gets?|please"
    r"|inclusive|exclusive|lower|than)\b)*+"
)
_NO_CREDIT = re.compile(
    r"预算|最高|最多|封顶|上限|支付|收取|budget|up to|at most|capped|maximum|pays?\b|keeps?\b"
)


@dataclass(frozen=True)
class Target:
    """What was promised: the value in its unit, and which side of it is kept."""

    operator: str
    value: Decimal
    unit: str
    statistic: str = ""

    def __str__(self) -> str:
        sign = self.operator.replace("<=", "≤").replace(">=", "≥")
        return f"{sign} {plain(self.value, 40)} {self.unit}"

    @property
    def is_upper(self) -> bool:
        """More than the target is worse."""
        return self.operator.startswith("<")

    @property
    def percentile(self) -> Decimal | None:
        """99 for p99."""
        return Decimal(self.statistic[1:]) if self.statistic else None

    def shortfall(self, measured: Decimal) -> Decimal:
        """How much worse than the target, in the target's base unit; 0 if it is kept."""
        value = self.value * SIZE[self.unit]
        worse = measured - value if self.is_upper else value - measured
        return max(Decimal(0), worse)

    def is_breached(self, measured: Decimal) -> bool:
        value = self.value * SIZE[self.unit]
        return not {
            "<=": measured <= value,
            "<": measured < value,
            ">=": measured >= value,
            ">": measured > value,
        }[self.operator]

    def objective(self) -> Decimal | None:
        """The availability that a percentage promises, as a ratio; None for other units.

        Examples
        --------
        >>> parse_target(">= 99.95 %").objective(), parse_target("<= 0.1 %").objective()
        (Decimal('0.9995'), Decimal('0.999'))
        """
        if DIMENSION[self.unit] != "percent":
            return None
        percent = 100 - self.value if self.is_upper else self.value
        return percent / 100 if percent < 100 else None


@dataclass(frozen=True)
class Deduction:
    """Deduct so much of the period's initial budget for each step worse than the target."""

    step: Decimal
    unit: str
    percent: Decimal
    rounding: str = "floor"
    cap: Decimal = Decimal(100)

    @exact
    def steps(self, shortfall: Decimal) -> Decimal:
        """Count the steps in a shortfall given in the base unit."""
        size = self.step * SIZE[self.unit]
        if self.rounding == "linear":
            return shortfall / size
        whole, rest = divmod(shortfall, size)
        return whole + 1 if rest and self.rounding == "ceil" else whole

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


# --- Reading --------------------------------------------------------------------------------------


def parse_target(text: str, field: str = "target") -> Target:
    """Read a target such as "≤300ms", "p99 <= 0.3 s" or "不低于 99.95%".

    Examples
    --------
    >>> parse_target("p99 ≤ 300 毫秒")
    Target(operator='<=', value=Decimal('300'), unit='ms', statistic='p99')
    """
    written = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), plain_text(text, field))
    # "300 ms 以内" is "≤ 300 ms".
    written = _TARGET_BEHIND.sub(
        lambda found: f"{found[1] or ''} {_BEHIND[found[4]]} {found[2]} {found[3]}".strip(), written
    )
    found = _TARGET.fullmatch(written)
    if not found:
        raise ScoringError(
            field, f"'{quoted(text)}' cannot be read", bound="such as ≤300ms or >=99.95%"
        )
    statistic, operator, value, unit = found.groups()
    check_unit(unit, text, field)
    if DIMENSION[unit] == "points":
        raise ScoringError(field, f"'{quoted(text)}' is in {unit}", bound="a percentage, in %")
    amount = read_amount(value, unit, field)
    target = Target(_OPERATORS[operator], amount, UNIT[unit], statistic or "")
    if target.percentile is not None and not 0 < target.percentile < 100:
        raise ScoringError(field, f"names {statistic}", bound="p50, p99, p99.9 and their like")
    return target


def promised_objective(metric: str, target: Target) -> Decimal | None:
    """Give the ratio of good events or minutes that a guarantee promises; None if it names none.

    A percentile is such a ratio (of 100 requests 99 keep a p99), so is an availability; of an
    error rate it is the rest. What may never fail at all leaves no budget, and is none.

    Examples
    --------
    >>> promised_objective("p99_response_time", parse_target("≤300ms"))
    Decimal('0.99')
    >>> promised_objective("error_rate", parse_target("≤0.1%"))
    Decimal('0.999')
    >>> promised_objective("throughput", parse_target("≥200 rps")) is None
    True
    """
    percent = target.percentile or percentile_of(metric)
    if DIMENSION[target.unit] == "percent":
        percent = 100 - target.value if target.is_upper else target.value
    elif DIMENSION[target.unit] != "time" or not target.is_upper:
        return None
    return None if percent is None or not 0 <= percent < 100 else percent / 100


def percentile_of(metric: str) -> Decimal | None:
    """Give the percentile that the name of a metric speaks of: 99 for p99_response_time."""
    named = _PERCENTILE.search(metric)
    return Decimal(named[1]) if named else None


_PERCENTILE = re.compile(r"(?:^|[^a-z])p(\d{1,2}(?:\.\d+)?)(?![0-9.])", re.IGNORECASE)


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
    clause = re.sub(r"\bper ?cent\b", "%", plain_text(text, field))
    steps = list(_STEP.finditer(clause))
    if not steps:
        if tiers := _tiers(clause, text, field):
            return _credits(tiers, field)
        raise _unread(text, field)
    step = next((each for each in steps if each["unit"]), steps[0])
    if step["unit"] is None:
        raise ScoringError(
            field, f"names no known unit for its step of {step['size']}", bound=KNOWN_UNITS
        )
    rest = f"{clause[: step.start()]} ; {clause[step.end() :]}"
    rounding, rest = _rounding(step, rest, text, field)
    cap, rest = _take(_CAP, rest)
    deduct, rest = _take(_DEDUCT, rest)
    if not deduct:
        deduct, rest = _take(_DEDUCT_OF, rest)
    if not deduct or not _HARMLESS.fullmatch(rest):
        raise _unread(text, field, rest)
    return _deduction(
        as_decimal(step["size"], f"{field}.step"),
        step["unit"],
        as_decimal(next(filter(None, deduct.groups())), f"{field}.deduct_percent"),
        rounding,
        as_decimal(next(filter(None, cap.groups())) if cap else 100, f"{field}.cap_percent"),
        field,
    )


def _take(pattern: re.Pattern[str], clause: str) -> tuple[re.Match[str] | None, str]:
    """Find what a pattern means, and give the clause without it."""
    found = pattern.search(clause)
    return found, f"{clause[: found.start()]} ; {clause[found.end() :]}" if found else clause


def _rounding(step: re.Match[str], clause: str, text: str, field: str) -> tuple[str, str]:
    """Tell what becomes of a part of a step, and give the clause without what says so."""
    said = {"floor"} if step["full"] else {"ceil"} if step["part"] else set()
    size = as_decimal(step["size"], field) * SIZE[step["unit"]]
    for name, pattern in _ROUNDINGS.items():
        found, clause = _take(pattern, clause)
        if not found:
            continue
        said.add(name)
        named = [each for each in found.groups() if each is not None]
        for number, unit in zip(named[::2], named[1::2], strict=True):
            if as_decimal(number, field) * SIZE[unit] != size:
                raise _unread(text, field, found[0])
    if len(said) > 1:
        why = f"'{quoted(text)}' counts a part of a step in two ways"
        raise ScoringError(field, why, bound="one of them")
    return said.pop() if said else "floor", clause


def _unread(
    text: str, field: str, rest: str = "", known: re.Pattern[str] = _HARMLESS
) -> ScoringError:
    """The refusal of a clause, with what is in it beside what is understood."""
    parts = [part.strip(" ,:.()。、") for part in rest.split(";")]
    left = "; ".join(part for part in parts if not known.fullmatch(part))
    problem = f"'{quoted(text)}' cannot be read"
    if left:
        problem += f": “{quoted(left)}” is not understood"
    return ScoringError(
        field, problem, bound="such as 每低于目标10ms,扣减SLO预算5%, or: below 99.9%: credit 10%"
    )


def _tiers(clause: str, text: str, field: str) -> list[tuple[Decimal, Decimal]]:
    """Below which level how much is credited; empty where no level is named.

    As sentences or the rows of a table, with the credit behind its level or before it. A level
    may say where it ends: there the next has to begin.
    """

    def spread(found: re.Match[str]) -> str:
        rises = as_decimal(found[1], field) < as_decimal(found[2], field)
        return f">= {found[1]}% < {found[2]}%" if rises else found[0]

    for pattern in _RANGES:
        clause = pattern.sub(spread, clause)
    clause = _BELOW_BEHIND.sub(r"< \1%", clause)

    def refused(why: str, bound: str) -> ScoringError:
        return ScoringError(field, f"'{quoted(text)}' {why}", bound=bound)

    found: list[tuple[str, Decimal]] = []
    end = 0
    for each in _SHARE.finditer(clause):
        sign = (each[1] or "").strip()
        kind = "below" if re.fullmatch(_BELOW, sign) else "from" if sign else "credit"
        between = clause[end : each.start()]
        if kind == "credit" and found and "credit" not in (found[0][0], found[-1][0]):
            behind = clause[each.end() :].split("%")[0][:30]
            words = re.search(r"[^\W\d_]", re.sub(_ARROW, "", between))
            if words and not _CREDIT.search(between + behind):
                raise refused(f"has “{between.strip()[:40]}” before {each[2]} %", "a credit")
        found.append((kind, as_decimal(each[2], f"{field}.tiers")))
        end = each.end()
    kinds = [kind for kind, _ in found]
    if "below" not in kinds:
        return []
    if _NO_CREDIT.search(clause):
        raise refused("names more than levels and credits", "how it is to be read, level by level")
    if kinds[0] == "credit":
        found.reverse()
    rows: list[tuple[Decimal | None, Decimal | None, Decimal]] = []
    below = floor = None
    for kind, share in found:
        if kind == "credit":
            if below is None and floor is None:
                raise refused(f"has a credit of {plain(share)} % without a level", "one for each")
            if below is not None or share:  # from the target on nothing is credited
                rows.append((below, floor, share))
            below = floor = None
        elif kind == "below":
            if below is not None:
                raise refused("has a level without a credit", "a credit for each")
            below = share
        else:
            floor = share
    if below is not None or any(row[0] is None for row in rows):
        raise refused("has a level without a credit", "a credit for each")
    levels = sorted(below for below, _, _ in rows if below is not None)
    for below, floor, _share in rows:
        if floor is None or below is None:
            continue
        lower = [level for level in levels if level < below]
        if floor >= below or (lower and lower[-1] != floor):
            raise refused(
                f"credits from {plain(floor)} to {plain(below)} %, and the next level is another",
                "levels that follow each other",
            )
    if not _TIER_WORDS.fullmatch(rest := _SHARE.sub(" ; ", clause)):
        raise _unread(text, field, rest, _TIER_WORDS)
    return [(below, share) for below, _, share in rows if below is not None]


def _deduction(
    step: Decimal, unit: str, percent: Decimal, rounding: str, cap: Decimal, field: str
) -> Deduction:
    if step <= 0:
        raise ScoringError(f"{field}.step", f"is {plain(step)} {unit}", bound="above 0")
    for name, value in (("deduct_percent", percent), ("cap_percent", cap)):
        if not 0 < value <= 100:
            bound = "above 0, up to 100 %"
            raise ScoringError(f"{field}.{name}", f"is {plain(value)}", bound=bound)
    return Deduction(step, UNIT[unit], percent, rounding, cap)


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


def read_clause(value: object) -> Deduction | Credits:
    """Read the clause of a body: a text, or its parts as an object. Raises ScoringError."""
    if isinstance(value, str):
        return parse_clause(value)
    if not isinstance(value, Mapping):
        raise ScoringError("clause", f"is {quoted(value)}", bound="a text or a JSON object")
    fields = {"step", "deduct_percent", "rounding", "cap_percent", "tiers", "kind"}
    given = check_keys(value, "clause", fields)
    if given.get("tiers") is not None:
        return _tiers_of(given["tiers"])
    size, unit = _step_of(given.get("step"))
    rounding = given.get("rounding", "floor")
    if rounding not in ROUNDINGS:
        raise ScoringError("clause.rounding", f"is {quoted(rounding)}", bound=", ".join(ROUNDINGS))
    percent = as_decimal(given.get("deduct_percent"), "clause.deduct_percent")
    cap = as_decimal(given.get("cap_percent", 100), "clause.cap_percent")
    return _deduction(size, unit, percent, rounding, cap, "clause")


def _step_of(value: object) -> tuple[Decimal, str]:
    if isinstance(value, Mapping):
        given = check_keys(value, "clause.step", {"value", "unit"})
        unit = plain_text(given.get("unit"), "clause.step.unit")
        if unit not in DIMENSION:
            raise ScoringError("clause.step.unit", f"is {quoted(unit)}", bound=KNOWN_UNITS)
        return as_decimal(given.get("value"), "clause.step.value", low="-1e9", high="1e9"), unit
    found = QUANTITY.fullmatch(plain_text(value, "clause.step"))
    if not found:
        problem = f"'{quoted(value)}' cannot be read"
        raise ScoringError("clause.step", problem, bound="such as 10ms or 0.01pp")
    check_unit(found[2], value, "clause.step")
    return as_decimal(found[1], "clause.step", low="-1e9", high="1e9"), found[2]


def _tiers_of(value: object) -> Credits:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_TIERS:
        raise ScoringError("clause.tiers", "is refused", bound=f"a list of 1 to {MAX_TIERS}")
    tiers = []
    for number, tier in enumerate(value):
        path = f"clause.tiers[{number}]"
        given = check_keys(tier, path, {"below_percent", "credit_percent"})
        below = as_decimal(given.get("below_percent"), f"{path}.below_percent", low=0, high=100)
        credit = as_decimal(given.get("credit_percent"), f"{path}.credit_percent", low=0, high=100)
        tiers.append((below, credit))
    return _credits(tiers, "clause")


def plain_text(text: object, field: str) -> str:
    """Bring width, case, signs and spaces to one form; refuse what is too long to be meant."""
    if not isinstance(text, str):
        raise ScoringError(field, f"is {quoted(text)}", bound="a text")
    if len(text) > MAX_TEXT:
        raise ScoringError(field, f"is {len(text)} letters long", bound=f"up to {MAX_TEXT}")
    # U+FE0F asks for the coloured form of an arrow.
    text = unicodedata.normalize("NFKC", text).replace("\ufe0f", "").lower()
    for known, signs in {"≤": "≦⩽", "≥": "≧⩾", "-": "−–—‐", "→": "➔➜➙➝➞➠➡⟶⟹⮕↦"}.items():
        text = re.sub(f"[{signs}]", known, text)
    text = text.replace("=<", "<=").replace("=>", ">=")
    return re.sub(r"\s+", " ", text).strip()


def check_unit(unit: str | None, text: object, field: str) -> None:
    """Raise ScoringError unless the unit behind a number is there, and a known one."""
    if unit is None:
        raise ScoringError(field, f"'{quoted(text)}' has no unit", bound=KNOWN_UNITS)
    if unit not in DIMENSION:
        problem = f"is in '{quoted(unit)}', which is no known unit"
        raise ScoringError(field, problem, bound=KNOWN_UNITS)


def read_amount(text: object, unit: str, field: str) -> Decimal:
    """A measured or promised amount; a percentage is one of everything."""
    high = 100 if DIMENSION[unit] == "percent" else "1e9"
    return as_decimal(text, field, low=0, high=high, unit=unit)
