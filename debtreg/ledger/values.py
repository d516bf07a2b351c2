"""What single cells say: efforts, amounts, priorities, statuses. For dates see days.py."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import words
from .sheets import NoValue, as_text
from .words import UNKNOWN, any_of, plain

NAN = math.nan
MOST_EFFORT = 1e6  # person-days; more is no estimate
MOST_AMOUNT = 1e15
LONGEST_TEXT = 200  # of a number or a date; longer text is prose


class Points(NamedTuple):
    """A three-point value, NaN where unknown, and the kinds of warnings that it needs."""

    low: float = NAN
    likely: float = NAN
    high: float = NAN
    kinds: tuple[str, ...] = ()
    currency: str | None = None


class Named(NamedTuple):
    name: str | None = None
    kind: str | None = None


# --- Numbers ------------------------------------------------------------------------------------

_NUMBER = r"(?:[0-9]+(?:[.,'][0-9]+| [0-9]{3}(?![0-9]))*|[.,][0-9]+)"
_GROUPED = re.compile(r"[0-9]{1,3}(?:([' ])[0-9]{3})(?:\1[0-9]{3})*(?![' ])")
_SHRUNK_DIGITS = re.compile(r"[0-9][²³¹⁰-₉]|[¼-¾⅐-⅞]")


def number(text: str, decimal: str) -> tuple[float, bool] | None:
    """A number, and whether its separator goes against the file's habit. None if it is none.

    A mark can only separate thousands if exactly three digits follow, and one to three that do
    not start with 0 come before; otherwise it is the decimal mark.
    """
    thousands = "." if decimal == "," else ","
    if grouped := _GROUPED.match(text):
        text = re.sub(r"[' ]", "", grouped[0]) + text[grouped.end() :]
    d, t = re.escape(decimal), re.escape(thousands)
    if re.fullmatch(rf"[0-9]*(?:{d}[0-9]+)?", text):
        return float(text.replace(decimal, ".")), False
    if re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{t}[0-9]{{3}})+(?:{d}[0-9]+)?", text):
        return float(text.replace(thousands, "").replace(decimal, ".")), False
    if re.fullmatch(rf"(?:[0-9]*|[1-9][0-9]{{0,2}}(?:{d}[0-9]{{3}})+){t}[0-9]+", text):
        return float(text.replace(decimal, "").replace(thousands, ".")), True
    return None


# --- Around numbers -----------------------------------------------------------------------------

_APPROXIMATE = any_of(words.APPROXIMATE)
_ABOUT_FRONT = re.compile(rf"{_APPROXIMATE}\.?\s*")
_ABOUT_BEHIND = re.compile(rf"\s*{_APPROXIMATE}\.?$")
_LEAST, _MOST = any_of(words.AT_LEAST), any_of(words.AT_MOST)
_OPEN_FRONT = re.compile(rf"(?:(?P<least>{_LEAST})|(?P<most>{_MOST}))\s*")
_OPEN_BEHIND = re.compile(rf"\s*(?:(?P<least>{_LEAST})|(?P<most>{_MOST}))$")
REMARK = re.compile(r"(?<=\S)\s*[(\[【]([^()\[\]【】]*)[)\]】]$")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the numbers of a cell, and what is left when it is taken away."""

    text: str
    about: bool = False
    end: str | None = None  # "least", "most"


def _unframe(text: str, says_something: re.Pattern[str]) -> _Frame:
    """Take remarks, estimate words and signs of open ends away.

    A remark in brackets is dropped, unless it is the unit: 5 (h).
    """
    while remark := REMARK.search(text):
        inner = remark[1].strip()
        keep = inner if says_something.fullmatch(inner) else ""
        text = text[: remark.start()] + keep
    about = False
    end = None
    while True:
        if found := _ABOUT_FRONT.match(text):
            about, text = True, text[found.end() :]
        elif found := _ABOUT_BEHIND.search(text):
            about, text = True, text[: found.start()]
        elif end is None and (found := _OPEN_FRONT.match(text)):
            end, text = found.lastgroup, text[found.end() :]
        elif end is None and (found := _OPEN_BEHIND.search(text)):
            end, text = found.lastgroup, text[: found.start()]
        else:
            return _Frame(text, about, end)


def _three(values: Sequence[float], frame: _Frame) -> tuple[float, float, float, list[str]]:
    """Low, likely, high of one, two or three numbers, and what to flag."""
    kinds = []
    if len(values) > 1 and list(values) != sorted(values):
        kinds.append("range_reversed")
        values = sorted(values)
    if len(values) == 3:
        return values[0], values[1], values[2], kinds
    if len(values) == 2:
        return values[0], (values[0] + values[1]) / 2, values[1], kinds
    (only,) = values
    if frame.end:
        kinds.append("open_range")
        return (only, NAN, NAN, kinds) if frame.end == "least" else (NAN, NAN, only, kinds)
    if frame.about:
        kinds.append("approximate")
    return only, only, only, kinds


def _unreadable(value: Any) -> Points:
    return Points(kinds=(value.kind if isinstance(value, NoValue) else "unreadable",))


# --- Effort -------------------------------------------------------------------------------------


def _unit_key(text: str) -> str:
    return text.replace(" ", "-")


_EFFORT_UNITS: dict[str, float] = {
    **{_unit_key(unit): days for unit, days in words.EFFORT_UNITS.items()},
    **{_unit_key(unit): NAN for unit in words.UNSIZED_UNITS},
}
_UNSIZED = any_of(words.UNSIZED_UNITS)
_UNIT = rf"(?:个?{any_of([*words.EFFORT_UNITS, *words.UNSIZED_UNITS])})"
_EFFORT_ONE = rf"({_NUMBER})\s*(\+?)\s*({_UNIT})?"
_EFFORT = re.compile(
    rf"(-)?\s*{_EFFORT_ONE}"
    rf"(?:\s*{words.RANGE}\s*{_EFFORT_ONE}|\s*/\s*{_EFFORT_ONE}\s*/\s*{_EFFORT_ONE})?"
)
_UNIT_ONLY = re.compile(rf"{_UNIT}|{_APPROXIMATE}")
_SIZES = re.compile(rf"{_UNSIZED}(?:[\s:/~-]*{_UNSIZED})*")


def effort_unit(texts: Sequence[str]) -> str | None:
    """The unit that a header gives to bare numbers, of its brackets and its own word."""
    for text in texts:
        for part in (text, *re.split(r"[\s:,;、]+", text)):
            if _unit_key(part) in _EFFORT_UNITS:
                return part
    return None


def effort(value: Any, unit: str | None = None, decimal: str = ".") -> Points:
    """Person-days. `unit` is what the header gives to bare numbers; None if it gives nothing."""
    if isinstance(value, float | int):
        return _person_days([(float(value), "")], _Frame(""), unit, mixed=False)
    if not isinstance(value, str):
        return _unreadable(value)
    if len(value) > LONGEST_TEXT or _SHRUNK_DIGITS.search(value):
        return _unreadable(value)
    text = plain(value)
    if not text or text in UNKNOWN:
        return Points()
    frame = _unframe(text, _UNIT_ONLY)
    if frame.text in UNKNOWN:
        return Points()
    if _SIZES.fullmatch(frame.text):
        return Points(kinds=("unit_unmapped",))
    found = _EFFORT.fullmatch(frame.text)
    if not found:
        return _unreadable(value)
    sign, *groups = found.groups()
    parts = [groups[i : i + 3] for i in range(0, len(groups), 3) if groups[i]]
    numbers = [number(part[0], decimal) for part in parts]
    if any(part[1] for part in parts):
        if len(parts) > 1 or frame.end:
            return _unreadable(value)
        frame = _Frame(frame.text, frame.about, "least")
    if frame.end and len(parts) > 1:
        return _unreadable(value)
    given = [(part[2] or "").removeprefix("个") for part in parts]
    # 3-4 days: the unit behind the last counts for those before it, too.
    fallback = next((u for u in reversed(given) if u), "")
    read = []
    mixed = False
    for parsed, own in zip(numbers, given, strict=True):
        if parsed is None:
            return _unreadable(value)
        mixed |= parsed[1]
        read.append((-parsed[0] if sign else parsed[0], own or fallback))
    return _person_days(read, frame, unit, mixed)


def _person_days(
    numbers: Sequence[tuple[float, str]], frame: _Frame, header: str | None, mixed: bool
) -> Points:
    units = [own or header for _, own in numbers]
    days = [_EFFORT_UNITS[_unit_key(unit)] if unit else 1.0 for unit in units]
    if any(math.isnan(factor) for factor in days):
        return Points(kinds=("unit_unmapped",))
    values = [n * factor for (n, _), factor in zip(numbers, days, strict=True)]
    if not all(math.isfinite(v) and v <= MOST_EFFORT for v in values):
        return Points(kinds=("unreadable",))
    if min(values) <= 0:
        return Points(kinds=("not_positive",))
    low, likely, high, kinds = _three(values, frame)
    if None in units:
        kinds.append("unit_assumed")
    if mixed:
        kinds.append("number_format_mixed")
    return Points(low, likely, high, tuple(kinds))


# --- Annual cost --------------------------------------------------------------------------------

_CURRENCY_OF = words.meanings(words.CURRENCIES)
_PERIOD_OF = words.meanings(words.PERIODS)
_CURRENCY = any_of(_CURRENCY_OF)
_MULTIPLIER = any_of(words.MULTIPLIERS)
_PERIOD = any_of(_PERIOD_OF)
_AMOUNT_ONE = (
    rf"({_CURRENCY})?\s*(-)?\s*({_NUMBER})\s*(\+?)\s*({_MULTIPLIER}(?![a-z]))?\s*({_CURRENCY})?"
)
_AMOUNT = re.compile(
    rf"(-)?\s*{_AMOUNT_ONE}"
    rf"(?:\s*{words.RANGE}\s*{_AMOUNT_ONE}|\s*/\s*{_AMOUNT_ONE}\s*/\s*{_AMOUNT_ONE})?"
)
_AMOUNT_UNIT = re.compile(rf"({_CURRENCY})?\s*({_MULTIPLIER})?\s*({_CURRENCY})?\s*({_PERIOD})?")
_AMOUNTREMARK = re.compile(rf"{_AMOUNT_UNIT.pattern}|{_APPROXIMATE}")
_IN_BRACKETS = re.compile(r"\(([^()]+)\)")
_PERIOD_FRONT = re.compile(rf"({_PERIOD})\s*")
_PERIOD_BEHIND = re.compile(rf"\s*({_PERIOD})$")


class AmountUnit(NamedTuple):
    """What a header gives to bare numbers: times, currency, period."""

    times: float = 1.0
    currency: str | None = None
    period: str | None = None


NO_UNIT = AmountUnit()


def amount_unit(texts: Sequence[str]) -> AmountUnit:
    """The unit in a header's brackets: (万元), (k CNY), (CNY/month). The first of each counts."""
    unit = NO_UNIT
    for text in texts:
        whole = _AMOUNT_UNIT.fullmatch(text)
        for part in [text] if whole else re.split(r"[\s:,;、]+", text):
            found = _AMOUNT_UNIT.fullmatch(part)
            if not found:
                continue
            times = words.MULTIPLIERS.get(found[2] or "", 1.0)
            unit = AmountUnit(
                unit.times if unit.times != 1 else times,
                unit.currency or _CURRENCY_OF.get(found[1] or found[3] or ""),
                unit.period or _PERIOD_OF.get(found[4] or ""),
            )
    return unit


def amount(
    value: Any, unit: AmountUnit = NO_UNIT, ledger: str = "CNY", decimal: str = "."
) -> Points:
    """Money a year, in the cell's currency, else the header's, else the ledger's."""
    if isinstance(value, float | int):
        return _money([float(value) * unit.times], _Frame(""), unit.currency, unit.period, ledger)
    if not isinstance(value, str):
        return _unreadable(value)
    if len(value) > LONGEST_TEXT or _SHRUNK_DIGITS.search(value):
        return _unreadable(value)
    text = plain(value)
    if not text or text in UNKNOWN:
        return Points()
    negative = bool(found := _IN_BRACKETS.fullmatch(text))
    if found:
        text = found[1].strip()
    frame = _unframe(text, _AMOUNTREMARK)
    period = None
    text = frame.text
    if found := _PERIOD_FRONT.match(text):
        period, text = _PERIOD_OF[found[1]], text[found.end() :]
    elif found := _PERIOD_BEHIND.search(text):
        period, text = _PERIOD_OF[found[1]], text[: found.start()]
    if period:  # 约 and + may stand inside of it: 每月约1500元
        inner = _unframe(text, _AMOUNTREMARK)
        frame = _Frame(inner.text, frame.about or inner.about, frame.end or inner.end)
        text = inner.text
    if text in UNKNOWN:
        return Points()
    found = _AMOUNT.fullmatch(text)
    if not found:
        return _unreadable(value)
    sign, *groups = found.groups()
    parts = [groups[i : i + 6] for i in range(0, len(groups), 6) if groups[i + 2]]
    if any(part[3] for part in parts):
        if len(parts) > 1 or frame.end:
            return _unreadable(value)
        frame = _Frame(text, frame.about, "least")
    negative = negative or bool(sign) or any(part[1] for part in parts)
    if len(parts) > 1 and (negative or frame.end):
        return _unreadable(value)
    numbers = [number(part[2], decimal) for part in parts]
    if any(parsed is None for parsed in numbers):
        return _unreadable(value)
    currencies = {_CURRENCY_OF[p] for part in parts for p in (part[0], part[5]) if p}
    if len(currencies) > 1:
        return _unreadable(value)
    bare = not currencies and not any(part[4] for part in parts)
    values = _multiplied(
        [parsed[0] for parsed in numbers if parsed],
        [unit.times if bare else words.MULTIPLIERS.get(part[4] or "", 0.0) for part in parts],
    )
    money = _money(
        [-v for v in values] if negative else values,
        frame,
        currencies.pop() if currencies else unit.currency,
        period or unit.period,
        ledger,
    )
    if any(parsed and parsed[1] for parsed in numbers) and "unreadable" not in money.kinds:
        money = money._replace(kinds=(*money.kinds, "number_format_mixed"))
    return money


def _multiplied(numbers: Sequence[float], times: Sequence[float]) -> list[float]:
    """Numbers by their multipliers; 0 stands for none of its own.

    1-3万 is ten to thirty thousand, 8000-1万 eight to ten thousand: of the two readings the one
    counts whose ends lie closer together.
    """
    last = times[-1] or 1.0
    own = [n * (t or 1.0) for n, t in zip(numbers, times, strict=True)]
    shared = [n * (t or last) for n, t in zip(numbers, times, strict=True)]

    def spread(values: Sequence[float]) -> float:
        return max(values) / min(values) if min(values) > 0 else 0.0

    return own if spread(own) < spread(shared) else shared


def _money(
    values: Sequence[float], frame: _Frame, currency: str | None, period: str | None, ledger: str
) -> Points:
    times = words.TIMES_A_YEAR[period or "year"]
    values = [v * times for v in values]
    if not all(math.isfinite(v) and abs(v) <= MOST_AMOUNT for v in values):
        return Points(kinds=("unreadable",))
    low, likely, high, kinds = _three(values, frame)
    if min(values) < 0:
        kinds.append("negative")
    if times != 1:
        kinds.append("annualised")
    currency = currency or ledger
    if currency != ledger:
        kinds.append("foreign_currency")
    return Points(low, likely, high, tuple(kinds), currency)


# --- Words --------------------------------------------------------------------------------------

_PRIORITY_OF = words.meanings(words.PRIORITIES)
_STATUS_OF = words.meanings(words.STATUSES)
_VARIATION = re.compile("[\ufe0e\ufe0f]")
_BETWEEN_WORDS = re.compile(r"[/、,;|:()\[\]\n]+")


def priority(value: Any) -> Named:
    """P0 to P3. Blank or a word for unknown is None without a warning."""
    return _named(value, _PRIORITY_OF)


def status(value: Any) -> Named:
    """open, doing, done, accepted. Without one, or with an unreadable one, a debt is open."""
    found = _named(value, _STATUS_OF)
    if found.name is None:
        return Named("open", found.kind or "status_missing")
    if _VARIATION.sub("", as_text(value)).strip() == words.AMBIGUOUS_STATUS:
        return Named(found.name, "status_ambiguous")
    return found


def _named(value: Any, meaning: Mapping[str, str]) -> Named:
    if isinstance(value, NoValue):
        return Named(None, value.kind)
    text = plain(_VARIATION.sub("", as_text(value)))
    if len(text) > LONGEST_TEXT:
        return Named(None, "unreadable")
    if not text or text in UNKNOWN:
        return Named()
    remark = REMARK.sub("", text)
    if remark in UNKNOWN:
        return Named()
    for candidate in (text, remark):
        candidate = re.sub(r"[\s_-]+", " ", candidate)
        if candidate in meaning:
            return Named(meaning[candidate])
    # A mark with its word, or the same in two languages: all parts must mean the same. The mark
    # that may mean two things, and marks that mean nothing, leave it to the word.
    marks = {c for c in remark if unicodedata.category(c) == "So"}
    rest = "".join(" " if c in marks else c for c in remark)
    parts = [
        p for p in (re.sub(r"[\s_-]+", " ", x).strip() for x in _BETWEEN_WORDS.split(rest)) if p
    ]
    means: set[str | None] = set()
    for part in parts:
        means |= {meaning[part]} if part in meaning else {meaning.get(w) for w in part.split()}
    means |= {meaning[mark] for mark in marks - {words.AMBIGUOUS_STATUS} if mark in meaning}
    if not parts:
        means |= {meaning.get(mark) for mark in marks}
    if len(means) == 1 and None not in means:
        return Named(means.pop())
    return Named(None, "unreadable")
