"""The parts that the answers of all calculators are made of. Texts are for people, in English."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from .decimals import plain

R = TypeVar("R")

# What a check finds. A gap is neither good nor bad: something is not known that should be.
LEVELS = ("pass", "warn", "fail", "gap")


def if_known(formula: Callable[..., R], *values: Decimal | None) -> R | None:
    """Apply a formula, unless one of its values is not known: then neither is the result.

    Examples
    --------
    >>> if_known(lambda a, b: a / b, Decimal(6), Decimal(4)), if_known(abs, None)
    (Decimal('1.5'), None)
    """
    return None if any(value is None for value in values) else formula(*values)


def shown(value: Decimal | None, significant: int = 14) -> str:
    """Write a number for a person; what is not known says so."""
    return plain(value, significant) or "unknown"


def step(of: str, what: str, formula: str, value: Decimal | None, unit: str) -> dict[str, object]:
    """Write down one step: the formula in words, with its numbers put in, and what it gives."""
    return {"of": of, "what": what, "formula": formula, "value": plain(value), "unit": unit}


def finding(check: str, level: str, message: str, formula: str = "") -> dict[str, str]:
    """Say what a check found; level is one of LEVELS."""
    return {"check": check, "level": level, "message": message, "formula": formula}


def gaps(given: Mapping[str, Any], names: Iterable[str]) -> list[dict[str, str]]:
    """Name the fields of a body that are not known, if there are any."""
    missing = [name.replace("_", " ") for name in names if given.get(name) is None]
    if not missing:
        return []
    return [finding("data", "gap", f"Not known: {', '.join(missing)}, and what rests on it.")]
