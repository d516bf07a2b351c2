"""Numbers of people: read exactly as written, and written without an exponent."""

from collections.abc import Callable, Collection, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from .columns import POINTS
from .errors import ScoringError

# More than any figure here needs; without a limit "1e999999999" is a cheap way to fill memory.
MAX_DIGITS = 40
MAX_EXPONENT = 30
MAX_TEXT = 80
SIGNIFICANT = 14
# Holds every sum and product of a few such numbers: 309.99... ms never becomes 310 on its way.
PRECISION = 400

P = ParamSpec("P")
R = TypeVar("R")


def exact(calculate: Callable[P, R]) -> Callable[P, R]:
    """Let a calculation keep every digit; Decimal itself rounds to 28."""

    @wraps(calculate)
    def keeping(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(Context(prec=PRECISION)):
            return calculate(*args, **kwargs)

    return keeping


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
        raise ScoringError(field, f"is {quoted(value)}", bound=bound)
    if isinstance(value, str) and (len(value) > MAX_TEXT or "_" in value):
        raise ScoringError(field, f"is {quoted(value)}", bound=bound)
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        raise ScoringError(field, f"is {quoted(value)}", bound=bound) from None
    if not number.is_finite():
        raise ScoringError(field, f"is {quoted(value)}", bound=bound)
    size = abs(number.adjusted())
    if len(number.as_tuple().digits) > MAX_DIGITS or size > MAX_EXPONENT:
        raise ScoringError(field, "has too many digits", bound=f"up to {MAX_DIGITS} digits")
    if (low is not None and number < Decimal(low)) or (high is not None and number > Decimal(high)):
        raise ScoringError(field, f"is {quoted(value)}", bound=bound)
    return number


def as_positive(
    value: object, field: str, *, high: int | str, low: int | str = 0, unit: str = ""
) -> Decimal:
    """Read a number above 0, from `low` up to `high`."""
    number = as_decimal(value, field, low=low, high=high, unit=unit)
    if not number:
        raise ScoringError(field, "is 0", bound=f"above 0 {unit}".strip())
    return number


class Estimate(NamedTuple):
    """A number that is not known for sure. Of a single number all three are the same."""

    low: Decimal
    mean: Decimal
    high: Decimal


def as_estimate(value: object, field: str, read: Callable[[object, str], Decimal]) -> Estimate:
    """Read a number, or {low, likely, high} with its mean (low + 4 likely + high) / 6.

    read : reads one number, given with the path of its field

    Examples
    --------
    >>> as_estimate({"low": 2, "likely": 5, "high": "14"}, "hours", as_decimal)
    Estimate(low=Decimal('2'), mean=Decimal('6'), high=Decimal('14'))
    """
    if not isinstance(value, Mapping):
        return Estimate(*[read(value, field)] * 3)
    given = check_keys(value, field, POINTS)
    low, likely, high = (read(given.get(point), f"{field}.{point}") for point in POINTS)
    if not low <= likely <= high:
        raise ScoringError(field, "does not rise", bound="low <= likely <= high")
    return Estimate(low, (low + 4 * likely + high) / 6, high)


def plain(
    value: Decimal | float | None,
    significant: int = SIGNIFICANT,
    rounding: str = ROUND_HALF_EVEN,
) -> str | None:
    """Write a number with its significant digits, no exponent and no idle zeros; NaN is None.

    Examples
    --------
    >>> plain(12960.000000000002), plain(Decimal("0.00002")), plain(1e21), plain(float("nan"))
    ('12960', '0.00002', '1000000000000000000000', None)
    """
    if value is None or value != value:
        return None
    with localcontext(prec=significant, rounding=rounding):
        rounded = +(value if isinstance(value, Decimal) else Decimal(repr(float(value))))
    text = f"{rounded:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def check_keys(
    body: object,
    path: str,
    allowed: Collection[str],
    needed: Collection[str] = (),
    bound: str = "null where it is not known",
) -> dict[str, Any]:
    """Raise ScoringError unless this is an object that has only these fields, and all needed.

    bound : what a field that is needed may be, for people
    """
    if not isinstance(body, Mapping):
        raise ScoringError(path or "body", "is no object", bound="a JSON object")
    prefix = f"{path}." if path else ""
    for name in body:
        if name not in allowed:
            known = ", ".join(sorted(allowed))
            raise ScoringError(prefix + str(name)[:80], "is no known field", bound=known)
    for name in needed:
        if name not in body:
            raise ScoringError(prefix + name, "is missing", bound=bound)
    return dict(body)


def _bound(low: object, high: object, unit: str) -> str:
    if low is None and high is None:
        text = "a number"
    elif high is None:
        text = f"at least {low}"
    else:
        text = f"{low}..{high}" if low is not None else f"at most {high}"
    return f"{text} {unit}".strip()


def quoted(value: object) -> str:
    """Write what was sent into a message, in one line of bounded length."""
    if value is None:
        return "null"
    text = str(value) if not isinstance(value, int) or abs(value) < 10**40 else "a huge number"
    return f"{text[:40]}..." if len(text) > 40 else text or "empty"
