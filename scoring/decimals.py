"""Numbers of people: read exactly as written, and written without an exponent."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from .errors import ScoringError

# More than any figure here needs; without a limit "1e999999999" is a cheap way to fill memory.
MAX_DIGITS = 40
MAX_EXPONENT = 30
SIGNIFICANT = 14


def as_decimal(
    value: object,
    field: str,
    *,
    low: Decimal | int | str | None = None,
    high: Decimal | int | str | None = None,
    unit: str = "",
) -> Decimal:
    """Read a number or its text exactly. Bounds are inclusive.

    Raises ScoringError naming the field, the value and the bound.

    Examples
    --------
    >>> as_decimal("0.35", "measured"), as_decimal(0.1, "share", low=0, high=1)
    (Decimal('0.35'), Decimal('0.1'))
    >>> as_decimal("1.5", "share", low=0, high=1)
    Traceback (most recent call last):
    ...
    scoring.errors.ScoringError: share is 1.5; allowed is 0..1.
    """
    bound = _bound(low, high, unit)
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ScoringError(field, f"is {_shown(value)}", bound=bound)
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        raise ScoringError(field, f"is {_shown(value)}", bound=bound) from None
    if not number.is_finite():
        raise ScoringError(field, f"is {_shown(value)}", bound=bound)
    size = abs(number.adjusted())
    if len(number.as_tuple().digits) > MAX_DIGITS or size > MAX_EXPONENT:
        raise ScoringError(field, "has too many digits", bound=f"up to {MAX_DIGITS} digits")
    if (low is not None and number < Decimal(low)) or (high is not None and number > Decimal(high)):
        raise ScoringError(field, f"is {_shown(value)}", bound=bound)
    return number


def as_positive(value: object, field: str, *, high: int | str, unit: str = "") -> Decimal:
    """Read a number above 0, up to `high`."""
    number = as_decimal(value, field, low=0, high=high, unit=unit)
    if not number:
        raise ScoringError(field, "is 0", bound=f"above 0 {unit}".strip())
    return number


def plain(value: Decimal | float | None, significant: int = SIGNIFICANT) -> str | None:
    """Write a number with its significant digits, no exponent and no idle zeros; NaN is None.

    Examples
    --------
    >>> plain(12960.000000000002), plain(Decimal("0.00002")), plain(1e21), plain(float("nan"))
    ('12960', '0.00002', '1000000000000000000000', None)
    """
    if value is None or value != value:
        return None
    with localcontext(prec=significant):
        rounded = +(value if isinstance(value, Decimal) else Decimal(repr(float(value))))
    text = f"{rounded:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def step(of: str, formula: str, value: Decimal | None) -> dict[str, str | None]:
    """Write down one step of a calculation, its numbers put in."""
    return {"of": of, "formula": formula, "value": plain(value)}


def check_keys(body: object, path: str, allowed: Mapping[str, Any] | set[str]) -> dict[str, Any]:
    """Raise ScoringError unless this is an object that has only these fields."""
    if not isinstance(body, Mapping):
        raise ScoringError(path or "body", "is no object", bound="a JSON object")
    for name in body:
        if name not in allowed:
            field = f"{path}.{name}" if path else str(name)
            raise ScoringError(field, "is no known field", bound=", ".join(sorted(allowed)))
    return dict(body)


def _bound(low: object, high: object, unit: str) -> str:
    if low is None and high is None:
        text = "a number"
    elif high is None:
        text = f"at least {low}"
    else:
        text = f"{low}..{high}" if low is not None else f"at most {high}"
    return f"{text} {unit}".strip()


def _shown(value: object) -> str:
    text = "null" if value is None else str(value)
    return f"{text[:40]}..." if len(text) > 40 else text or "empty"
