"""Numbers as text for machines: plain decimals, never an exponent, unknown is None."""

from __future__ import annotations

import math
from collections.abc import Collection
from decimal import Decimal
from typing import Any


def plain(value: Any) -> str | None:
    """A number as a plain decimal string.

    Floats come as the shortest text that reads back the same, Decimals without trailing zeros.

    >>> plain(4.05), plain(1e-7), plain(Decimal("12960.00")), plain(None), plain(float("nan"))
    ('4.05', '0.0000001', '12960', None, None)
    """
    if value is None:
        return None
    if not isinstance(value, Decimal):
        number = float(value)
        if not math.isfinite(number):
            return None
        value = Decimal(repr(number))
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def rounded(value: Any, digits: int = 2) -> Decimal:
    """So many significant digits, half up, of what people would write: the same everywhere.

    >>> str(rounded(10500)), str(rounded("71428.57")), str(rounded(2.963)), str(rounded(0))
    ('11000', '71000', '3.0', '0')
    """
    number = Decimal(repr(float(value)) if isinstance(value, float) else str(value))
    if not number:
        return Decimal(0)
    step = Decimal(1).scaleb(number.adjusted() - digits + 1)
    return Decimal(format((number / step).quantize(Decimal(1), "ROUND_HALF_UP") * step, "f"))


def rounded_ratio(value: Any, digits: int = 2, beside: Collection[float] = ()) -> Decimal:
    """As `rounded`, but what is not one of the numbers it is compared with does not look like one.

    beside : thresholds; what only just misses one keeps the digits that tell

    >>> [str(rounded_ratio(each, beside=[3.0])) for each in (5.42, 6.04, 2.963, 3.0)]
    ['5.4', '6.0', '2.96', '3.0']
    """
    found = rounded(value, digits)
    while digits < 6 and _hides(found, value, beside):
        digits += 1
        found = rounded(value, digits)
    return found


def seen_ratio(value: Any, rough: Any = False, beside: Collection[float] = ()) -> Decimal:
    """A ratio with the digits that people see: two of what is guessed, else two places or fewer.

    beside : as in `rounded_ratio`: 3.0002 beside 3 keeps its digits

    >>> [str(seen_ratio(each, beside=[3.0])) for each in (4.05, 60.34, 164.54, 3.0002, 5.0002)]
    ['4.05', '60.3', '165', '3.0002', '5.00']
    >>> str(seen_ratio(164.54, rough=True))
    '160'
    """
    if rough:
        return rounded_ratio(value, beside=beside)
    number = Decimal(repr(float(value)) if isinstance(value, float) else str(value))
    size = abs(number)
    places = 2 if size < 10 else 1 if size < 100 else 0
    found = number.quantize(Decimal(1).scaleb(-places), "ROUND_HALF_UP")
    while places < 6 and _hides(found, number, beside):
        places += 1
        found = number.quantize(Decimal(1).scaleb(-places), "ROUND_HALF_UP")
    return found


def _hides(found: Decimal, value: Any, beside: Collection[float]) -> bool:
    """Whether a number looks like one that it is compared with, and is not."""
    return found != rounded(value, 12) and any(found == rounded(each, 12) for each in beside)


def told_apart(value: Any, other: Any, digits: int = 2) -> Decimal:
    """As `rounded`, with as many digits more as it takes to see that it is not the other number.

    What is the other number, to twelve digits, needs none.

    >>> str(told_apart(10.4, 10)), str(told_apart(1612, 1600)), str(told_apart(71428, 10))
    ('10.4', '1610', '71000')
    >>> str(told_apart(3.0, 3))
    '3.0'
    """
    found, beside = rounded(value, digits), rounded(other, 12)
    if rounded(value, 12) == beside:
        return found
    while digits < 12 and rounded(found, 12) == beside:
        digits += 1
        found = rounded(value, digits)
    return found


def rate(value: Any) -> str | None:
    """A ratio for machines: six digits, and more where it would look equal to a whole number.

    >>> rate(5.833333333333334), rate(3.0000001), rate(-6e-16), rate(None)
    ('5.83333', '3.0000001', '0', None)
    """
    text = plain(value)
    if text is None:
        return None
    number = Decimal(text)
    if abs(number) < Decimal("1e-12"):  # below lies noise
        return "0"
    exact, digits = rounded(number, 12), 6
    found = rounded(number, digits)
    while digits < 12 and found != exact and found == found.to_integral_value() and found < 1000:
        digits += 1
        found = rounded(number, digits)
    return plain(found)


def money(value: Any) -> str | None:
    """An amount with two decimal places.

    >>> money(Decimal("12960")), money(1440.005), money(None)
    ('12960.00', '1440.01', None)
    """
    text = plain(value)
    if text is None:
        return None
    cents = Decimal(text).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
    return format(abs(cents) if cents == 0 else cents, "f")
