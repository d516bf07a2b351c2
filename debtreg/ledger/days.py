"""What a date cell says: a day, a period, or something that only a person knows."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from typing import Any, NamedTuple

from .sheets import NoValue
from .values import LONGEST_TEXT, REMARK
from .words import UNKNOWN, plain

FIRST_YEAR, LAST_YEAR = 1900, 2199


class Day(NamedTuple):
    day: dt.date | None = None
    kind: str | None = None


_MONTH_NAMES = {
    name: month
    for month, long in enumerate(calendar.month_name)
    if long
    for name in (long.lower(), long[:3].lower(), "sept" if month == 9 else long.lower())
}
_MONTH = "(" + "|".join(sorted(_MONTH_NAMES, key=len, reverse=True)) + r")\.?"
_TIME = re.compile(
    r"[ t][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\s*(?:[ap]m)?"
    r"\s*(?:z|utc|[+-][0-9]{2}:?[0-9]{2})?$"
)
_QUARTERS = {"一": 1, "二": 2, "三": 3, "四": 4}
_YEAR = r"([0-9]{4}|[0-9]{2})"
_FORMS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "digits": r"[0-9]+",
        "ymd": r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})",
        "ymd_cjk": rf"{_YEAR}\s*年\s*([0-9]{{1,2}})\s*月\s*([0-9]{{1,2}})\s*[日号]?",
        "triple": r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})",
        "dmy_name": rf"([0-9]{{1,2}})(?:st|nd|rd|th)?[\s-]*{_MONTH}[\s,-]*{_YEAR}",
        "mdy_name": rf"{_MONTH}\s*([0-9]{{1,2}})(?:st|nd|rd|th)?[\s,]+([0-9]{{4}})",
        "month": rf"([0-9]{{4}})[-/.]([0-9]{{1,2}})|{_YEAR}\s*年\s*([0-9]{{1,2}})\s*月份?",
        "month_name": rf"{_MONTH}[\s,-]*([0-9]{{4}})",
        "quarter": rf"{_YEAR}\s*年?[\s/-]*q([1-4])|q([1-4])[\s/'-]*{_YEAR}"
        rf"|{_YEAR}\s*年?\s*第?\s*([1-4一二三四])\s*季度?",
        "week": rf"{_YEAR}\s*年?[\s/-]*w([0-9]{{1,2}})|w([0-9]{{1,2}})[\s/'-]*{_YEAR}"
        rf"|{_YEAR}\s*年\s*第?\s*([0-9]{{1,2}})\s*周",
        "year": rf"{_YEAR}\s*年",
        "no_year": rf"[0-9]{{1,2}}\s*月(?:\s*[0-9]{{1,2}}\s*[日号]?)?|[0-9]{{1,2}}[-/][0-9]{{1,2}}"
        rf"|[0-9]{{1,2}}\.[0-9]{{1,2}}\.|{_MONTH}(?:\s*[0-9]{{1,2}})?|[0-9]{{1,2}}\s*{_MONTH}"
        r"|q[1-4]|w[0-9]{1,2}",
    }.items()
}
_UNREADABLE_DAY = Day(None, "unreadable")


def day(value: Any, *, last: bool, date1904: bool = False) -> Day:
    """A date. Of a period the last day if `last`, else the first."""
    if isinstance(value, dt.datetime):
        return _within(value.date())
    if isinstance(value, dt.date):
        return _within(value)
    if isinstance(value, float | int):
        return _bare_number(float(value), last, date1904)
    if isinstance(value, NoValue):
        return Day(None, value.kind)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return _UNREADABLE_DAY
    text = REMARK.sub("", plain(value))
    if not text or text in UNKNOWN:
        return Day()
    text = _TIME.sub("", text)
    for name, form in _FORMS.items():
        if found := form.fullmatch(text):
            try:
                return _read_day(name, found, last, date1904)
            except (ValueError, OverflowError):  # the 31st of February, week 54
                return _UNREADABLE_DAY
    return _UNREADABLE_DAY


def _read_day(form: str, found: re.Match[str], last: bool, date1904: bool) -> Day:
    given = [g for g in found.groups() if g is not None]
    match form:
        case "digits":
            return (
                _bare_number(float(found[0]), last, date1904)
                if len(found[0]) < 9
                else (_UNREADABLE_DAY)
            )
        case "ymd":
            return _within(dt.date(int(given[0]), int(given[2]), int(given[3])))
        case "ymd_cjk":
            return _within(dt.date(_year(given[0]), int(given[1]), int(given[2])))
        case "triple":
            return _triple(int(given[0]), given[1], int(given[2]), given[3])
        case "dmy_name":
            return _within(dt.date(_year(given[2]), _MONTH_NAMES[given[1]], int(given[0])))
        case "mdy_name":
            return _within(dt.date(int(given[2]), _MONTH_NAMES[given[0]], int(given[1])))
        case "month":
            return _month(_year(given[0]), int(given[1]), 1, last)
        case "month_name":
            return _month(int(given[1]), _MONTH_NAMES[given[0]], 1, last)
        case "quarter":
            first, second = reversed(given) if found[3] else given
            quarter = _QUARTERS.get(second) or int(second)
            return _month(_year(first), 3 * quarter - 2, 3, last)
        case "week":
            first, second = reversed(given) if found[3] else given
            return _period(dt.date.fromisocalendar(_year(first), int(second), 7 if last else 1))
        case "year":
            return _month(_year(given[0]), 1, 12, last)
    return Day(None, "date_without_year")


def _year(text: str) -> int:
    return int(text) + (2000 if len(text) == 2 else 0)


def _within(found: dt.date) -> Day:
    return Day(found) if FIRST_YEAR < found.year <= LAST_YEAR else _UNREADABLE_DAY


def _period(found: dt.date) -> Day:
    within = _within(found)
    return Day(within.day, within.kind or "date_is_period")


def _month(year: int, month: int, months: int, last: bool) -> Day:
    """The first or last day of some months from this one on."""
    first = dt.date(year, month, 1)
    if not last:
        return _period(first)
    after = month - 1 + months
    return _period(dt.date(year + after // 12, after % 12 + 1, 1) - dt.timedelta(days=1))


def _triple(first: int, mark: str, second: int, third: str) -> Day:
    """A date whose year is not in front for sure. With points the day comes first."""
    year = _year(third)
    readings = [(year, second, first)]
    if mark != ".":
        readings.append((year, first, second))
    if len(third) == 2 and (mark != "." or not _is_day(*readings[0])):
        readings.append((2000 + first, second, int(third)))
    days = {dt.date(*reading) for reading in readings if _is_day(*reading)}
    if len(days) == 1:
        return _within(days.pop())
    return Day(None, "date_ambiguous") if days else _UNREADABLE_DAY


def _is_day(year: int, month: int, day_of_month: int) -> bool:
    try:
        dt.date(year, month, day_of_month)
    except ValueError:
        return False
    return True


def _bare_number(value: float, last: bool, date1904: bool) -> Day:
    """Days since 1900 (or 1904) as Excel counts, a year, or yyyymmdd."""
    if not math.isfinite(value):
        return _UNREADABLE_DAY
    if 20_000 <= value <= 80_000:
        days = int(value) + (1462 if date1904 else 0)
        return _within(dt.date(1899, 12, 30) + dt.timedelta(days=days))
    if value != int(value):
        return _UNREADABLE_DAY
    if 1990 <= value <= 2100:
        return _month(int(value), 1, 12, last)
    if 19_000_000 <= value < 22_000_000:
        year, month_and_day = divmod(int(value), 10_000)
        if _is_day(year, *divmod(month_and_day, 100)):
            return _within(dt.date(year, *divmod(month_and_day, 100)))
    return _UNREADABLE_DAY
