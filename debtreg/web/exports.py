"""Lists for spreadsheets."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone


def as_csv(
    name: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """Rows as a CSV file, sent while they are made. None is an empty cell; no text is a formula."""
    response = StreamingHttpResponse(_lines(headers, rows), content_type="text/csv; charset=utf-8")
    file = f"{name}-{timezone.localdate()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{file}"'
    return response


class _Echo:
    def write(self, value: str) -> str:
        return value


def _lines(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # without it Excel takes UTF-8 for something else
    yield writer.writerow(headers)
    for row in rows:
        yield writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])


def as_json(value: Any) -> str:
    """What has parts of its own, in one cell; nothing for None."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; a number stays one."""
    if _NUMBER.fullmatch(text):
        return text
    is_formula = text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r"))
    return f"'{text}" if is_formula else text
