"""Numbers as text for machines: plain decimals, never an exponent, unknown is None."""

from __future__ import annotations

import math
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


def rounded_ratio(value: Any, digits: int = 2) -> Decimal:
    """As `rounded`, but what only just misses a round threshold keeps the digits that tell.

    >>> str(rounded_ratio(5.42)), str(rounded_ratio(2.963)), str(rounded_ratio(3.0))
    ('5.4', '2.96', '3.0')
    """
    exact = rounded(value, 12)
    found = rounded(value, digits)
    while digits < 6 and found != exact and found == found.to_integral_value() and found < 10:
        digits += 1
        found = rounded(value, digits)
    return found


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
