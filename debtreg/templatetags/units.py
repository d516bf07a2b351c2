"""Money, ratios, days: the only place where numbers become text for people.

Every filter takes a Decimal, a float, an int, a plain decimal string or None. Unknown is said in
words, never shown as 0.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from debtreg import versions
from debtreg.numbers import rounded, seen_ratio, told_apart

register = template.Library()

SYMBOLS = {"CNY": "¥", "EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥", "KRW": "₩", "USD": "$"}
MINUS = "−"
DAYS_A_YEAR = 365
# What large amounts are counted in, by language.
LARGE = {
    "en": ((10**9, "B"), (10**6, "M"), (10**3, "k")),
    "zh-hans": ((10**8, "亿"), (10**4, "万")),
}
# Beyond so many digits a number is no amount of anything, and groups of three tell nobody more.
MOST_DIGITS = 21


def unknown() -> SafeString:
    return format_html('<span class="unknown">{}</span>', _("not known"))


def parse(value: Any) -> Decimal | None:
    """A number from whatever comes out of a model, a frame or an answer; None if there is none."""
    if value is None or value == "":
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def text(number: Decimal, places: int, *, trim: bool = False) -> str:
    """Rounded half up to so many places, in groups of three, with a true minus sign.

    What is absurdly large, as somebody may have written into the database, stays short: 1e+30.
    """
    if number.adjusted() >= MOST_DIGITS:
        return f"{number:.3g}".replace("-", MINUS)
    rounded = number.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")
    shown = f"{abs(rounded):,f}"
    if trim and "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{MINUS if rounded < 0 else ''}{shown}"


def significant(number: Decimal, digits: int) -> str:
    """So many significant digits, without an exponent: 0.0000213 stays readable as a price."""
    if not number:
        return "0"
    places = max(0, digits - 1 - number.adjusted())
    return text(number, places, trim=True)


def _with_currency(shown: str, currency: str) -> str:
    code = currency or settings.CURRENCY
    sign, digits = (MINUS, shown[1:]) if shown.startswith(MINUS) else ("", shown)
    # The installation's own symbol may stand for another currency too: those keep their code.
    symbol = SYMBOLS.get(code)
    if symbol and (code == settings.CURRENCY or symbol != SYMBOLS.get(settings.CURRENCY)):
        return f"{sign}{symbol}{digits}"
    return f"{sign}{code} {digits}"


@register.filter
def money(value: Any, currency: str = "") -> str:
    """¥12,960; ¥4.05 below 100; ¥0.00002 for a unit price. Currency: the installation's."""
    number = parse(value)
    if number is None:
        return unknown()
    if abs(number) >= 100 or number == number.to_integral_value():
        return _with_currency(text(number, 0), currency)
    if abs(number) >= 1:
        return _with_currency(text(number, 2), currency)
    return _with_currency(significant(number, 4), currency)


@register.filter
def money_short(value: Any) -> str:
    """¥1.16M, in Chinese ¥116万: three digits, for a headline; the full amount goes beside it."""
    number = parse(value)
    if number is None:
        return unknown()
    number = Decimal(f"{number:.3g}")
    for size, letter in LARGE.get(get_language() or "", LARGE["en"]):
        if abs(number) >= size:
            return _with_currency(significant(number / size, 3) + letter, "")
    return _with_currency(significant(number, 3), "")


@register.filter
def ratio(value: Any) -> str:
    """A plain ratio such as an ROI: 4.05, 12.3, 1,250.

    What only just beats the threshold must not look equal to it: 3.0002 keeps its digits.
    """
    number = parse(value)
    if number is None:
        return unknown()
    if number.adjusted() >= MOST_DIGITS:
        return text(number, 0)
    shown = seen_ratio(number, beside=versions.thresholds())
    return text(shown, max(0, -int(shown.as_tuple().exponent)))


@register.filter
def about_money(value: Any, rough: Any = True) -> str:
    """≈ ¥11,000 where the inputs deserve two digits and no more, else as `money`."""
    number = parse(value)
    return f"≈ {money(rounded(number))}" if rough and number else money(value)


@register.filter
def about_money_short(value: Any, rough: Any = True) -> str:
    """≈ ¥1.2M where much of it is guessed, else as `money_short`."""
    number = parse(value)
    return f"≈ {money_short(rounded(number))}" if rough and number else money_short(value)


@register.filter
def about_ratio(value: Any, rough: Any = True) -> str:
    """≈ 5.4, else as `ratio`. What just misses the threshold keeps its digits: ≈ 2.96."""
    number = parse(value)
    if not rough or not number:
        return ratio(value)
    shown = seen_ratio(number, rough, versions.thresholds())
    return f"≈ {text(shown, max(0, -int(shown.as_tuple().exponent)))}"


@register.filter
def about_number(value: Any, rough: Any = True) -> str:
    """≈ 71,000, else as `number`."""
    amount = parse(value)
    return f"≈ {number(rounded(amount))}" if rough and amount else number(value)


@register.simple_tag
def spread(low: Any, high: Any, rough: Any = True) -> str:
    """From P5 to P95: ≈ 2.6 – 3.8, as `about_ratio` says each."""
    first, last = (str(about_ratio(end, rough)) for end in (low, high))
    return f"{first} – {last.removeprefix('≈ ')}"


@register.simple_tag
def limit(value: Any, now: Any, rough: Any = True) -> str:
    """A limit beside the number that it is compared with: ≈ 10.4 beside 10, never ≈ 10."""
    amount, beside = parse(value), parse(now)
    if amount is None or beside is None:
        return number(value)
    shown = told_apart(amount, beside, 2 if rough else 4)
    about = "≈ " if rough else ""
    return f"{about}{text(shown, max(0, -int(shown.as_tuple().exponent)), trim=True)}"


@register.filter
def about_percent(value: Any, rough: Any = True) -> str:
    """≈ 93 %, else as `percent`. What is nearly sure is not called sure: more than 99 %."""
    part = parse(value)
    if not rough or not part or part == 1:
        return percent(value)
    if not Decimal("0.01") <= part <= Decimal("0.99"):
        return _("less than 1 %") if part < Decimal("0.5") else _("more than 99 %")
    return f"≈ {percent(rounded(part))}"


@register.filter
def percent(value: Any) -> str:
    """0.034 -> 3.4 %."""
    number = parse(value)
    if number is None:
        return unknown()
    return _("%(n)s %%") % {"n": significant(number * 100, 3)}


@register.filter
def objective(value: Any) -> str:
    """0.9995 -> 99.95 %: with all its digits, as the last ones are what is promised."""
    number = parse(value)
    if number is None:
        return unknown()
    return _("%(n)s %%") % {"n": text(number * 100, 6, trim=True)}


@register.filter
def complement(value: Any) -> Decimal | None:
    """The good part where the bad one is known."""
    number = parse(value)
    return None if number is None else 1 - number


@register.filter
def burn(value: Any) -> str:
    """A burn rate, with two significant digits: 0, 0.34, 14, 1,000."""
    number = parse(value)
    return unknown() if number is None else significant(number, 2)


@register.filter
def number(value: Any) -> str:
    """A count or a measured number, with up to four significant digits behind the integer part."""
    amount = parse(value)
    if amount is None:
        return unknown()
    if abs(amount) >= 1000 or amount == amount.to_integral_value():
        return text(amount, 0)
    return significant(amount, 4)


@register.filter
def figure(value: Any, unit: str = "") -> str:
    """A calculated number, with up to six significant digits: 105.12, 3,153.6 s."""
    amount = parse(value)
    return unknown() if amount is None else f"{significant(amount, 6)} {unit}".strip()


@register.filter
def days(value: Any) -> str:
    """Person-days: 12.5 days."""
    amount = parse(value)
    if amount is None:
        return unknown()
    shown = text(amount, 1, trim=True)
    return ngettext("%(n)s day", "%(n)s days", 1 if shown == "1" else 2) % {"n": shown}


@register.filter
def span(value: Any) -> str:
    """A time in days, in the unit that reads best: 90 days, 4.2 years; never 0 days."""
    amount = parse(value)
    if amount is None:
        return unknown()
    if text(amount, 1) == "0.0":
        return _("less than a day")
    if amount > 2 * DAYS_A_YEAR:
        long = amount / DAYS_A_YEAR
        shown = significant(long, 2) if long < 100 else text(long, 0)
        return _("%(n)s years") % {"n": shown}
    return days(amount if amount < 10 else amount.to_integral_value())


@register.filter
def years(value: Any) -> str:
    """A time in years, in the unit that reads best, as `span`."""
    amount = parse(value)
    return unknown() if amount is None else span(amount * DAYS_A_YEAR)


@register.filter
def seconds(value: Any) -> str:
    """A time in seconds, in the unit that reads best: 12.3 s, 6.7 min, 50 h, 25 days."""
    amount = parse(value)
    if amount is None:
        return unknown()
    if amount >= 3 * 86400:
        return span(amount / 86400)
    if amount >= 3600:
        return _("%(n)s h") % {"n": text(amount / 3600, 1, trim=True)}
    if amount >= 120:
        return _("%(n)s min") % {"n": text(amount / 60, 1, trim=True)}
    return _("%(n)s s") % {"n": significant(amount, 3 if amount >= 1 else 2)}


@register.filter
def seconds_about(value: Any) -> str:
    """A time that is only estimated: 8 s, 40 s, 2 min; no more than two digits, never 0."""
    amount = parse(value)
    return unknown() if amount is None else seconds(max(rounded(amount), Decimal(1)))


@register.filter
def filesize(value: Any) -> str:
    """Bytes -> 34 kB, in steps of 1,000."""
    amount = parse(value)
    if amount is None:
        return unknown()
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if amount >= size:
            return f"{significant(amount / size, 3)} {unit}"
    return f"{text(amount, 0)} B"


@register.simple_tag
def points(low: Any, likely: Any, high: Any, unit: str = "") -> str:
    """A three-point estimate: one number where all are equal, else 3 – 3.5 – 4.

    An end that nobody knows is left open: 20 or more, up to 5.
    """
    known = [parse(point) for point in (low, likely, high)]
    shown = [None if point is None else number(point) for point in known]
    first, middle, last = shown
    if not any(shown):
        return unknown()
    if first == middle == last:
        said = str(first)
    elif all(shown):
        said = " – ".join(str(point) for point in shown)
    elif first and last:
        said = f"{first} – {last}"
    elif middle is None:
        said = _("%(n)s or more") % {"n": first} if first else _("up to %(n)s") % {"n": last}
    else:
        said = " – ".join(str(point) if point else "?" for point in shown)
    return f"{said} {unit}".strip()
