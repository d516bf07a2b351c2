"""How long the period of a promise is, read from what contracts say."""

import re
from dataclasses import dataclass
from decimal import Decimal

from .budget import MONTH_HOURS
from .clauses import plain_text
from .decimals import as_positive, plain, quoted
from .errors import ScoringError

PERIODS = ("rolling", "month", "quarter", "year")
BASES = ("calendar", *MONTH_HOURS)
MOST_HOURS = 24 * 3660

_NAMED = {
    "month": "month|monthly|月|自然月|每月|月度|按月",
    "quarter": "quarter|quarterly|季|季度|自然季度|每季度|按季",
    "year": "year|yearly|annual|annually|年|自然年|每年|年度|按年",
}
_CALENDAR = re.compile(r"(?:calendar[ -]|per |each |every |one |a |1 ?)?(\D+?)(?:[ (/]+(\w+)\)?)?")
_SPAN = re.compile(
    r"(?:rolling |last |past |trailing |滚动|过去|近)?(\d+(?:\.\d+)?) ?(\D+?)(?: rolling)?"
)
_HOURS = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "小时"), 1),
    **dict.fromkeys(("d", "day", "days", "天", "日"), 24),
    **dict.fromkeys(("w", "week", "weeks", "周"), 7 * 24),
}


@dataclass(frozen=True)
class Window:
    """The period of a promise.

    A rolling one has its hours. A month is as long as its basis says: 720 h (`30d`), 730 h, or as
    the calendar has it; so are quarters and years, by the calendar only.
    """

    period: str
    hours: Decimal | None = None
    basis: str = ""

    def days(self, days_covered: int) -> Decimal:
        """Give the length in days that a budget is reckoned with, of a period of so many days.

        Examples
        --------
        >>> parse_window("calendar_month").days(31), parse_window("730h").days(31)
        (Decimal('31'), Decimal('30.41666666666666666666666667'))
        """
        return Decimal(days_covered) if self.hours is None else self.hours / 24


def parse_window(text: str, field: str = "window") -> Window:
    """Read a period such as 30d, 730h, calendar month, 自然季度.

    730h is a month of that length, as 730 h are no span that anybody measures.

    Examples
    --------
    >>> parse_window("30d")
    Window(period='rolling', hours=Decimal('720'), basis='30d')
    >>> parse_window("自然月"), parse_window("month (730h)").hours
    (Window(period='month', hours=None, basis='calendar'), Decimal('730'))
    """
    said = plain_text(text, field)
    if said == "730h":
        return Window("month", MONTH_HOURS[said], said)
    if said == "calendar":
        return Window("month", None, said)
    if found := _CALENDAR.fullmatch(said.replace("_", " ")):
        for period, words in _NAMED.items():
            if re.fullmatch(words, found[1].strip()):
                return _of_calendar(period, found[2] or "calendar", text, field)
    if (found := _SPAN.fullmatch(said)) and found[2] in _HOURS:
        hours = as_positive(found[1], field, high="1e5") * _HOURS[found[2]]
        if not 1 <= hours <= MOST_HOURS:
            problem = f"'{quoted(text)}' is {plain(hours)} h"
            raise ScoringError(field, problem, bound=f"1..{MOST_HOURS} h")
        return Window("rolling", hours, "30d" if hours == MONTH_HOURS["30d"] else "")
    raise ScoringError(
        field, f"'{quoted(text)}' cannot be read", bound="such as 30d, 730h or calendar month"
    )


def _of_calendar(period: str, basis: str, text: str, field: str) -> Window:
    if basis not in BASES or (basis != "calendar" and period != "month"):
        problem = f"'{quoted(text)}' names no basis of a {period}"
        raise ScoringError(field, problem, bound="calendar, or of a month 30d or 730h")
    return Window(period, MONTH_HOURS.get(basis), basis)
