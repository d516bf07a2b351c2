"""Rows of a form that buttons add and remove, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict


def rearranged(
    data: QueryDict, prefix: str, most: int, added: Mapping[str, str] | None
) -> QueryDict:
    """What was sent, with the row that a button adds, without the one that a button removes.

    added : first values of the row that `add` asks for; None where that is no row
    """
    if not {"add", "remove"} & data.keys():
        return data
    data = data.copy()
    total = data.get(f"{prefix}-TOTAL_FORMS", "")
    count = min(int(total), most) if total.isascii() and total.isdigit() else 0
    rows = [
        {name: str(data[f"{prefix}-{number}-{name}"]) for name in _names(data, prefix, number)}
        for number in range(count)
    ]
    gone = data.get("remove", "")
    if gone.isascii() and gone.isdigit() and int(gone) < len(rows):
        del rows[int(gone)]
    if "add" in data and added is not None and len(rows) < most:
        rows.append(dict(added))
    for name in [name for name in data if name.startswith(f"{prefix}-")]:
        del data[name]
    data[f"{prefix}-TOTAL_FORMS"] = str(len(rows))
    data[f"{prefix}-INITIAL_FORMS"] = "0"
    for number, row in enumerate(rows):
        for name, value in row.items():
            data[f"{prefix}-{number}-{name}"] = value
    return data


def _names(data: QueryDict, prefix: str, number: int) -> list[str]:
    start = f"{prefix}-{number}-"
    return [name.removeprefix(start) for name in data if name.startswith(start)]
