"""One sheet -> rows, each value beside its text, with the findings on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from . import headers, links, values
from .body import Body, Cells
from .catalog import Catalog
from .days import day
from .findings import Findings
from .headers import THREE_POINT, HeaderColumn
from .sheets import NoValue, take, used
from .values import Points
from .words import UNKNOWN, plain

TITLE_LENGTH = 200
_POINTS = ("low", "likely", "high")
# Kept letter by letter.
_TEXT_FIELDS = ("type", "impact", "sla", "probability", "owner", "description", "plan")
_DAYS = ("created", "due", "closed")
# Texts, lists and dicts, with None for unknown.
_OBJECTS = (
    "sheet", "state", "key", "id", "title", "title_full", "service", "service_text",
    "services_other", "team", "team_text", *_TEXT_FIELDS, "priority", "priority_text", "status",
    "status_text", "effort_text", "currency", "annual_cost_text",
    *(f"{name}_text" for name in _DAYS), "depends_on", "depends_on_ids", "depends_on_text", "extra",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowCells:
    """The original text of every cell of a sheet's rows."""

    count: int
    columns: list[tuple[str, Cells]]
    beyond: dict[int, dict[str, str]]

    def as_json(self, rows: NDArray[np.int64]) -> list[str]:
        """Header -> text of the filled cells of each of some rows, as JSON."""
        parts = [self._members(name, cells, rows) for name, cells in self.columns]
        if self.beyond:
            parts.append([self._members_beyond(row) for row in rows.tolist()])
        return [
            "{" + ", ".join(filter(None, members)) + "}" for members in zip(*parts, strict=True)
        ]

    def _members(self, name: str, cells: Cells, rows: NDArray[np.int64]) -> list[str]:
        """What a column adds to the object of each row; each distinct text is encoded once."""
        codes = cells.codes[rows]
        members = np.full(len(cells.texts) + 1, "", dtype=object)
        start = f"{encode_basestring(name)}: "
        for code in used(codes, len(cells.texts)):
            members[code] = start + encode_basestring(cells.texts[code])
        return members[codes].tolist()

    def _members_beyond(self, row: int) -> str:
        return ", ".join(
            f"{encode_basestring(name)}: {encode_basestring(text)}"
            for name, text in self.beyond.get(row, {}).items()
        )


class SheetReader:
    """Turns the cells of one sheet into columns of rows, gathering findings on the way."""

    def __init__(self, part: Body, catalog: Catalog, currency: str) -> None:
        self.body = part
        self.catalog = catalog
        self.currency = currency
        self.sheet = part.sheet
        self.count = len(part.rows)
        self.findings = Findings()
        self._columns = part.header.columns
        self._labels = headers.labels(self._columns)
        self._cells = {column.index: part.cells(column) for column in self._columns}
        for column in self._columns:
            self._flag_cells(column)

    def _flag_cells(self, column: HeaderColumn) -> None:
        """What may be said of any cell, whatever its field."""
        cells = self._cells[column.index]
        name = _field_name(column) or self._labels[column.index]
        if any(cells.dirty):
            self._flag(name, cells, [("control_chars_removed",) * dirty for dirty in cells.dirty])
        is_text = column.field is None or column.field in ("id", "title", *_TEXT_FIELDS)
        if is_text and _MAY_BE_FLAGGED.search("\n" + "\n".join(cells.texts)):
            self._flag(
                name,
                cells,
                [_text_kinds(v, t) for v, t in zip(cells.values, cells.texts, strict=True)],
            )

    def _flag(self, name: str, cells: Cells, kinds: Sequence[Sequence[str]]) -> None:
        self.findings.of_values(name, cells.codes, cells.texts, kinds)

    def cells(self, name: str) -> Cells:
        column = self.body.header.column(name)
        return self._cells[column.index] if column else self.body.cells(None)

    def all_cells(self) -> RowCells:
        named = [(self._labels[index], cells) for index, cells in self._cells.items()]
        return RowCells(self.count, named, self._beyond())

    def _beyond(self) -> dict[int, dict[str, str]]:
        beyond: dict[int, dict[str, str]] = {}
        for at, index, text in self.body.beyond:
            beyond.setdefault(at, {})[f"column {headers.letters(index)}"] = text
        return beyond

    def findings_frame(self) -> pd.DataFrame:
        """Cells of a line with too many of them may be in wrong columns: it is only that."""
        ragged = self.body.too_many_cells
        return self.findings.frame(
            self.sheet.name,
            self.body.rows,
            lambda at, kind: ~ragged[at] | (kind == "row_ragged"),
        )

    def rows(self) -> pd.DataFrame:
        found: dict[str, Any] = {"sheet": [self.sheet.name] * self.count, "row": self.body.rows}
        for name in _TEXT_FIELDS:
            found[name] = self._text(name)
        self._read_title(found)
        found["id"] = self._mapped(
            "id", lambda v, t: None if isinstance(v, NoValue) else links.id_of(t)
        )
        self._read_service(found)
        self._read_team(found)
        self._read_names(found)
        self._read_effort(found)
        self._read_annual_cost(found)
        for name in _DAYS:
            self._read_day(name, found)
        found["extra"] = self._extra()
        found["hidden"] = self.body.hidden
        found["fingerprint"] = self._fingerprint()
        self._read_links(found)
        self._read_state(found)
        return pd.DataFrame(
            {
                name: pd.Series(values, dtype=object) if name in _OBJECTS else values
                for name, values in found.items()
            }
        )

    # Text

    def _text(self, name: str) -> NDArray[np.object_]:
        return self._mapped(name, lambda v, t: None if isinstance(v, NoValue) else t)

    def _mapped(self, name: str, meaning: Callable[[Any, str], Any]) -> NDArray[np.object_]:
        cells = self.cells(name)
        return take(map(meaning, cells.values, cells.texts), cells.codes)

    def _read_title(self, found: dict[str, Any]) -> None:
        full = self._mapped("title", lambda v, t: None if isinstance(v, NoValue) else _one_line(t))
        found["title_full"] = full
        found["title"] = [
            title
            if title is None or len(title) <= TITLE_LENGTH
            else title[: TITLE_LENGTH - 1] + "…"
            for title in full
        ]
        long = [at for at, title in enumerate(full) if title and len(title) > TITLE_LENGTH]
        self.findings.of_rows("title", "title_too_long", long, [full[at] for at in long])

    def _read_service(self, found: dict[str, Any]) -> None:
        cells = self.cells("service")
        read = [
            self.catalog.service(text) if not isinstance(value, NoValue) else None
            for value, text in zip(cells.values, cells.texts, strict=True)
        ]
        found["service"] = take((s and s.slug for s in read), cells.codes)
        found["service_text"] = cells.text()
        found["services_other"] = take((s.others if s else () for s in read), cells.codes, ())
        self._flag(
            "service",
            cells,
            [s.kinds if s else (v.kind,) for s, v in zip(read, cells.values, strict=True)],
        )
        blank = np.flatnonzero(~cells.filled)
        self.findings.of_rows("service", "service_missing", blank, [""] * len(blank))

    def _read_team(self, found: dict[str, Any]) -> None:
        cells = self.cells("team")
        read = [
            values.Named(None, v.kind) if isinstance(v, NoValue) else _team(self.catalog, text)
            for v, text in zip(cells.values, cells.texts, strict=True)
        ]
        # A sheet that is named like a team is that team's.
        found["team"] = take(
            (team.name for team in read), cells.codes, self.catalog.team(self.sheet.name)
        )
        found["team_text"] = cells.text()
        self._flag("team", cells, [_one(team.kind) for team in read])

    def _read_names(self, found: dict[str, Any]) -> None:
        for name, parse in (("priority", values.priority), ("status", values.status)):
            cells = self.cells(name)
            read = [parse(value) for value in cells.values]
            blank = parse("")
            found[name] = take((named.name for named in read), cells.codes, blank.name)
            found[f"{name}_text"] = cells.text()
            self._flag(name, cells, [_one(named.kind) for named in read])
            if blank.kind:
                at = np.flatnonzero(~cells.filled)
                self.findings.of_rows(name, blank.kind, at, [""] * len(at))

    # Numbers

    def _read_effort(self, found: dict[str, Any]) -> None:
        def parse(column: HeaderColumn) -> Callable[[Any], Points]:
            unit = values.effort_unit(column.units)
            return lambda value: values.effort(value, unit, self.sheet.decimal)

        self._read_points("effort", parse, found)

    def _read_annual_cost(self, found: dict[str, Any]) -> None:
        def parse(column: HeaderColumn) -> Callable[[Any], Points]:
            unit = values.amount_unit(column.units)
            return lambda value: values.amount(value, unit, self.currency, self.sheet.decimal)

        found["currency"] = self._read_points("annual_cost", parse, found)

    def _read_points(
        self,
        name: str,
        parse: Callable[[HeaderColumn], Callable[[Any], Points]],
        found: dict[str, Any],
    ) -> NDArray[np.object_]:
        """Points and text of a field given in one column or in three. Returns the currencies."""
        header = self.body.header
        whole = header.column(name)
        parts = {point: header.column(f"{name}_{point}") for point in _POINTS}
        given = [whole] if whole else [column for column in parts.values() if column]
        currency = np.full(self.count, None, dtype=object)
        points = {point: np.full(self.count, np.nan) for point in _POINTS}
        texts: list[NDArray[np.object_]] = []
        for column in given:
            cells = self._cells[column.index]
            read = [parse(column)(value) for value in cells.values]
            self._flag(name, cells, [_without_part(p.kinds, whole is None) for p in read])
            for point in _POINTS:
                if whole or parts[point] is column:
                    listed = np.array([*(getattr(p, point) for p in read), np.nan])
                    points[point] = listed[cells.codes]
            own = take((p.currency for p in read), cells.codes)
            currency = np.where(currency == None, own, currency)  # noqa: E711 - by element
            texts.append(cells.text())
            at, shown = self.body.merged_amounts(column)
            self.findings.of_rows(name, "merged_amount", at, shown)
        if whole is None and given:
            self._join_points(name, points)
        for point in _POINTS:
            found[f"{name}_{point}"] = points[point]
        found[f"{name}_text"] = _joined_texts(texts, self.count)
        return currency

    def _join_points(self, name: str, points: dict[str, NDArray[np.float64]]) -> None:
        """Three columns as one value: two ends have a middle, a likely one alone stands for all."""
        low, likely, high = (points[point] for point in _POINTS)
        ends = ~np.isnan(low) & ~np.isnan(high)
        only = ~np.isnan(likely) & np.isnan(low) & np.isnan(high)
        likely = np.where(ends & np.isnan(likely), (low + high) / 2, likely)
        low, high = np.where(only, likely, low), np.where(only, likely, high)
        stacked = np.stack([low, likely, high])
        known = ~np.isnan(stacked)
        ordered = np.where(known.all(axis=0), np.sort(stacked, axis=0), stacked)
        wrong = np.flatnonzero((known.all(axis=0)) & (ordered != stacked).any(axis=0))
        partly = np.flatnonzero(known.any(axis=0) & ~known.all(axis=0))
        for kind, at in (("range_reversed", wrong), ("open_range", partly)):
            self.findings.of_rows(
                name, kind, at, [" / ".join(_plain_number(n) for n in stacked[:, i]) for i in at]
            )
        points.update(zip(_POINTS, ordered, strict=True))

    def _read_day(self, name: str, found: dict[str, Any]) -> None:
        cells = self.cells(name)
        read = [
            day(value, last=name != "created", date1904=self.sheet.date1904)
            for value in cells.values
        ]
        days = np.array([*(d.day for d in read), None], dtype="datetime64[s]")
        found[name] = days[cells.codes]
        found[f"{name}_text"] = cells.text()
        self._flag(name, cells, [_one(d.kind) for d in read])

    # The row as a whole

    def _extra(self) -> list[dict[str, str] | None]:
        extra: list[dict[str, str] | None] = [None] * self.count
        for at, beyond in self._beyond().items():
            extra[at] = beyond
        for column in self._columns:
            if column.field is None:
                cells, name = self._cells[column.index], self._labels[column.index]
                filled = np.flatnonzero(cells.filled)
                for at, code in zip(filled.tolist(), cells.codes[filled].tolist(), strict=True):
                    kept = extra[at]
                    if kept is None:
                        kept = extra[at] = {}
                    kept[name] = cells.texts[code]
        return extra

    def _fingerprint(self) -> NDArray[np.int64]:
        """A hash of a row's cells with their headers; the order of columns plays no part."""
        total = np.zeros(self.count, dtype=np.uint64)
        for index, cells in self._cells.items():
            odd = _hashes([self._labels[index]]) | np.uint64(1)
            hashes = np.append(_hashes(cells.texts) * odd, np.uint64(0))
            total += hashes[cells.codes]
        beyond = self._beyond()
        lines = ["\n".join(f"{name} {text}" for name, text in b.items()) for b in beyond.values()]
        total[list(beyond)] += _hashes(lines)
        return total.view(np.int64)

    def _read_links(self, found: dict[str, Any]) -> None:
        keys, again = links.keys(
            self.sheet.name, found["id"], found["title_full"], found["service_text"]
        )
        found["key"] = keys
        ids = found["id"]
        at = np.flatnonzero(again)
        self.findings.of_rows("id", "duplicate_id", at, [ids[i] for i in at])
        at = np.flatnonzero([key is None for key in ids])
        self.findings.of_rows("id", "id_missing", at, [""] * len(at))
        cells = self.cells("depends_on")
        texts = [
            "" if isinstance(value, NoValue) else text
            for value, text in zip(cells.values, cells.texts, strict=True)
        ]
        self._flag("depends_on", cells, [_value_kinds(value) for value in cells.values])
        depends = links.dependencies(ids, cells.codes, texts, self.findings)
        found["depends_on"] = [tuple(keys[i] for i in some) if some else () for some in depends]
        found["depends_on_ids"] = [tuple(ids[i] for i in some) if some else () for some in depends]
        found["depends_on_text"] = cells.text()

    def _read_state(self, found: dict[str, Any]) -> None:
        many, few = self.body.too_many_cells, self.body.too_few_cells
        untitled = np.array([title is None for title in found["title"]], dtype=bool)
        found["state"] = np.where(many | untitled, "held", "imported")
        at = np.flatnonzero(untitled)
        self.findings.of_rows("title", "title_missing", at, [""] * len(at))
        at = np.flatnonzero(self.body.hidden)
        self.findings.of_rows("", "row_hidden", at, [""] * len(at))
        at = np.flatnonzero(many | few)
        if self.sheet.cells_in_row is not None and len(at):
            width = self.body.header.width
            lengths = self.sheet.cells_in_row[np.searchsorted(self.sheet.rows, self.body.rows[at])]
            self.findings.of_rows(
                "",
                "row_ragged",
                at,
                [f"{n} cell{'s' * (n != 1)}, the header {width}" for n in lengths.tolist()],
            )


def _field_name(column: HeaderColumn) -> str | None:
    """effort_low is effort to a person."""
    for name in THREE_POINT:
        if column.field and column.field.startswith(name):
            return name
    return column.field


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return text if line == text else line  # the same object: nothing is held twice


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    return pd.util.hash_array(np.array([*texts], dtype=object), categorize=False)


def _one(kind: str | None) -> tuple[str, ...]:
    return (kind,) if kind else ()


def _value_kinds(value: Any) -> tuple[str, ...]:
    return (value.kind,) if isinstance(value, NoValue) else ()


_MAY_BE_FLAGGED = re.compile(r"\n\s*[=+@#-]")  # in all texts of a column, each after a line break


def _text_kinds(value: Any, text: str) -> tuple[str, ...]:
    if not isinstance(value, str):
        return _value_kinds(value)
    if text.lstrip()[:1] not in ("=", "+", "-", "@") or text.strip() in UNKNOWN:
        return ()
    return () if values.number(text.strip().lstrip("+-"), ".") else ("formula_text",)


def _without_part(kinds: tuple[str, ...], part: bool) -> tuple[str, ...]:
    """One of three columns is no range by itself."""
    return tuple(kind for kind in kinds if kind != "open_range") if part else kinds


def _team(catalog: Catalog, text: str) -> values.Named:
    name = catalog.team(text)
    unknown = name is None and plain(text) not in UNKNOWN
    return values.Named(name, "unreadable" if unknown else None)


def _plain_number(value: float) -> str:
    return "?" if np.isnan(value) else f"{value:.15g}"


def _joined_texts(texts: Sequence[NDArray[np.object_]], count: int) -> Any:
    if not texts:
        return np.full(count, None, dtype=object)
    if len(texts) == 1:
        return texts[0]
    return [
        " / ".join(part or "?" for part in parts) if any(parts) else None
        for parts in zip(*texts, strict=True)
    ]
