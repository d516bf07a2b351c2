"""Pages of a list by the key of their last row, so that a deep page costs what the first one does.

Lists are never paged by OFFSET: the database would walk over every row before the page. A cursor
says where the page before ended, as the values of the list's own order, and is signed, so that
what comes back is what was given out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet

from debtreg.errors import DebtregError

Row = TypeVar("Row", bound=Model)


class BadCursor(DebtregError):
    """A cursor that this list has not given out."""

    def __init__(self) -> None:
        super().__init__(
            "The cursor does not belong to this list in this order.",
            hint="Start at the first page, and take cursors from the answers as they are.",
            fields={"cursor": ["This is not a cursor of this list."]},
        )


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of a page, and the cursors of its neighbours; None where there is none."""

    rows: list[Row]
    next: str | None
    previous: str | None


def page(*parts: QuerySet[Row], size: int, cursor: str | None = None) -> Page[Row]:
    """Read one page of a list, which is all rows of its first part, then of the next.

    Each part is ordered by names of fields or annotations (`"-sort_roi"`, `"service__slug"`),
    none of which may be null, the last one being unique. Filters may differ from those of the
    page before. Raises BadCursor.
    """
    orders = [[str(name) for name in part.query.order_by] for part in parts]
    signer = signing.Signer(salt=f"debtreg.keyset {orders}")
    start, backward, after = _read(signer, cursor) if cursor else (0, False, None)

    if backward:
        way = [
            (place, parts[place].order_by(*map(_flipped, orders[place])))
            for place in range(start, -1, -1)
        ]
    else:
        way = list(enumerate(parts))[start:]
    rows = (
        (place, row)
        for place, part in way
        for row in _rows(part, after if place == start else None, size + 1)
    )
    found = list(islice(rows, size + 1))
    more = len(found) > size
    found = found[:size]
    if backward:
        found.reverse()

    def cursor_of(place: int, row: Row, backward: bool) -> str:
        return signer.sign_object([place, backward, [_value(row, name) for name in orders[place]]])

    return Page(
        rows=[row for _, row in found],
        next=cursor_of(*found[-1], False) if found and (more or backward) else None,
        previous=cursor_of(*found[0], True) if found and (more if backward else cursor) else None,
    )


def _read(signer: signing.Signer, cursor: str) -> tuple[int, bool, list[Any]]:
    try:
        start, backward, after = signer.unsign_object(cursor)
    except (signing.BadSignature, ValueError):
        raise BadCursor from None
    return start, backward, after


def _rows(part: QuerySet[Row], after: Sequence[Any] | None, limit: int) -> Iterator[Row]:
    """Up to `limit` rows after the given values of the order, by queries of one range each.

    After (a, b) in the order x, y comes x = a with y > b; then x > a. As one condition with OR
    the database would walk over all rows with x = a, which may be half of the table.
    """
    if after is None:
        yield from part[:limit]
        return
    order = [str(name) for name in part.query.order_by]
    plain = [name.removeprefix("-") for name in order]
    for depth in reversed(range(len(order))):
        same = dict(zip(plain[:depth], after, strict=False))
        beyond = f"{plain[depth]}__{'lt' if order[depth] != plain[depth] else 'gt'}"
        found = list(part.filter(**same, **{beyond: after[depth]})[:limit])
        yield from found
        limit -= len(found)
        if not limit:
            return


def _flipped(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _value(row: Model, name: str) -> Any:
    """As JSON; decimals and times as text, which a lookup turns back by the field's type."""
    value = reduce(getattr, name.removeprefix("-").split("__"), row)
    return value if isinstance(value, (bool, int, float, str)) else str(value)
