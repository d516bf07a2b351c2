"""Debt items read by the thousand, a column at a time.

The rules are those of the serializers of one item: their fields are asked for each value. But a
field runs down a whole column, what repeats is read once, and no object is made per row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework import serializers

from debtreg.api.errors import flat
from debtreg.api.fields import Estimate, Slug
from debtreg.api.impacts import MOST_IMPACTS, ONLY_STATED, ImpactSerializer
from debtreg.api.items import NO_GUARANTEE, DebtSerializer
from debtreg.models import POINTS, Guarantee, ImpactKind

UNKNOWN_FIELD = "There is no field of this name."
REQUIRED = "This field is required."
NOT_AN_OBJECT = "A JSON object."
NOT_A_LIST = f"A list of up to {MOST_IMPACTS} impacts."
# What a cell holds where the row does not say, or says nonsense.
NOT_SENT: Any = type("NotSent", (), {"__repr__": lambda self: "NOT_SENT"})()


class Problems(defaultdict[int, dict[str, list[str]]]):
    """Row -> path of a field in it -> what is wrong there."""

    def __init__(self) -> None:
        super().__init__(dict)

    def note(self, row: int, path: str, detail: Any) -> None:
        self[row].update(flat(detail, path))


@dataclass
class Table:
    """Columns by the names of the model, as long as there are rows."""

    columns: dict[str, list[Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns


def read_items(rows: Sequence[Any], problems: Problems) -> tuple[Table, Table]:
    """The items, and their impacts with the `position` of the row that each belongs to.

    `impacts` of the items is what a row says of them, NOT_SENT where it says nothing.
    """
    objects = [row if isinstance(row, Mapping) else {} for row in rows]
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            problems.note(number, "", [NOT_AN_OBJECT])
    places = [(number, "") for number in range(len(rows))]
    fields = DebtSerializer().fields
    items = _read(objects, places, fields, problems, without=("impacts", "needs", "revision"))
    _refuse_what_only_one_item_takes(objects, problems)

    lists = [each.get("impacts", NOT_SENT) for each in objects]
    found, places = [], []
    for number, impacts in enumerate(lists):
        if impacts is NOT_SENT:
            continue
        if not isinstance(impacts, list) or len(impacts) > MOST_IMPACTS:
            problems.note(number, "impacts", [NOT_A_LIST])
            continue
        found += impacts
        places += [(number, f"impacts[{place}]") for place in range(len(impacts))]
    items.columns["impacts"] = lists
    return items, _read_impacts(found, places, problems)


def _refuse_what_only_one_item_takes(
    objects: Sequence[Mapping[str, Any]], problems: Problems
) -> None:
    for name in ("needs", "revision"):
        for number, each in enumerate(objects):
            if name in each:
                problems.note(number, name, ["Bulk calls don't take this; PATCH the item."])


def _read_impacts(
    found: Sequence[Any], places: Sequence[tuple[int, str]], problems: Problems
) -> Table:
    objects = []
    for each, (row, path) in zip(found, places, strict=True):
        objects.append(each if isinstance(each, Mapping) else {})
        if not isinstance(each, Mapping):
            problems.note(row, path, [NOT_AN_OBJECT])
        elif "kind" not in each:
            problems.note(row, f"{path}.kind", [REQUIRED])
    serializer = ImpactSerializer()
    impacts = _read(objects, places, serializer.fields, problems)
    impacts.columns["position"] = [row for row, _ in places]
    if "currency" in impacts:
        impacts.columns["currency"] = _checked(
            impacts["currency"], places, "currency", serializer.validate_currency, problems
        )
    _check_signs(impacts, places, problems)
    _check_guarantees(impacts, places, problems)
    return impacts


def _read(
    objects: Sequence[Mapping[str, Any]],
    places: Sequence[tuple[int, str]],
    fields: Mapping[str, serializers.Field],
    problems: Problems,
    without: Iterable[str] = (),
) -> Table:
    """The fields that any of the objects has; each place is a row and the path within it."""
    table = Table()
    names: set[str] = set()
    for each, (row, path) in zip(objects, places, strict=True):
        names |= each.keys()
        for name in sorted(each.keys() - fields.keys()):
            problems.note(row, _join(path, name[:80]), [UNKNOWN_FIELD])
    for name, reader in fields.items():
        if name not in names or reader.read_only or name in without:
            continue
        cells = [each.get(name, NOT_SENT) for each in objects]
        if isinstance(reader, Slug):
            values = _by_slug(reader, cells, places, name, problems)
            table.columns[f"{name}_id"] = values
        else:
            values = _checked(cells, places, name, reader.run_validation, problems)
            if isinstance(reader, Estimate):
                table.columns |= _spread(values)
            else:
                table.columns[reader.source or name] = values
    return table


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _checked(
    cells: Sequence[Any],
    places: Sequence[tuple[int, str]],
    name: str,
    read: Any,
    problems: Problems,
) -> list[Any]:
    """Each cell as a field reads it; NOT_SENT where it refuses."""
    known: dict[Any, Any] = {}
    values = []
    for cell, (row, path) in zip(cells, places, strict=True):
        if cell is NOT_SENT:
            values.append(NOT_SENT)
            continue
        # 1, 1.0 and True are equal, and not the same to a field.
        key = (type(cell), cell) if isinstance(cell, (str, int, float)) or cell is None else None
        if key is None or key not in known:
            try:
                value = read(cell)
            except serializers.ValidationError as error:
                problems.note(row, _join(path, name), error.detail)
                values.append(NOT_SENT)
                continue
            if key is not None:
                known[key] = value
            values.append(value)
        else:
            values.append(known[key])
    return values


def _spread(values: Sequence[Any]) -> dict[str, list[Any]]:
    """Dicts of columns as columns."""
    names: set[str] = set()
    for value in values:
        if value is not NOT_SENT:
            names |= value.keys()
            if len(names) >= len(POINTS):
                break
    return {
        name: [NOT_SENT if value is NOT_SENT else value[name] for value in values]
        for name in sorted(names)
    }


def _by_slug(
    reader: Slug,
    cells: Sequence[Any],
    places: Sequence[tuple[int, str]],
    name: str,
    problems: Problems,
) -> list[Any]:
    """Keys of the rows that slugs name, in one query."""
    slugs = {cell for cell in cells if isinstance(cell, str)}
    named = reader.rows.filter(**{f"{reader.slug_field}__in": slugs})
    keys = dict(named.values_list(reader.slug_field, "pk"))

    def read(cell: Any) -> int | None:
        if cell is None and reader.allow_null:
            return None
        if not isinstance(cell, str):
            reader.fail("invalid")
        if cell not in keys:
            reader.fail("does_not_exist", slug_name=reader.rows.model._meta.model_name)
        return keys[cell]

    return _checked(cells, places, name, read, problems)


def _check_signs(impacts: Table, places: Sequence[tuple[int, str]], problems: Problems) -> None:
    if "unit_price_low" not in impacts:
        return
    kinds = impacts["kind"] if "kind" in impacts else [NOT_SENT] * len(places)
    prices = [impacts[f"unit_price_{point}"] for point in POINTS]
    for number, (kind, *amounts) in enumerate(zip(kinds, *prices, strict=True)):
        if kind != ImpactKind.STATED and any(
            amount is not NOT_SENT and amount is not None and amount < 0 for amount in amounts
        ):
            row, path = places[number]
            problems.note(row, _join(path, "unit_price"), [ONLY_STATED])


def _check_guarantees(
    impacts: Table, places: Sequence[tuple[int, str]], problems: Problems
) -> None:
    if "guarantee_id" not in impacts:
        return
    column = impacts["guarantee_id"]
    keys = {key for key in column if key is not NOT_SENT and key is not None}
    missing = keys - set(Guarantee.objects.filter(pk__in=keys).values_list("pk", flat=True))
    for key, (row, path) in zip(column, places, strict=True):
        if missing and key in missing:
            problems.note(row, _join(path, "guarantee"), [NO_GUARANTEE])
