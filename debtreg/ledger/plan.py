"""Which sheets of a file are read, and how: the guess, corrected by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from debtreg.errors import DebtregError

from . import body, headers
from .body import Body
from .cells import ROW_LIMIT
from .errors import LedgerRefused
from .findings import sentence
from .headers import Header, HeaderColumn
from .sheets import Sheet

# Sheet -> column index (0 is A) -> one of FIELDS, or None for none.
Corrections = Mapping[str, Mapping[int, str | None]]
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column as it will be read. `unit` is what its header gives to bare numbers, as written."""

    index: int
    letter: str
    header: str
    field: str | None
    unit: str
    warnings: tuple[str, ...]
    messages: tuple[str, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SheetInfo:
    """A sheet of the file. `why` it is not imported: sheet_hidden, sheet_without_title, not_chosen.

    rows : debts and rows that wait below a header, else lines with content
    header_row, columns : guessed where no row has a title column, so that one can be chosen
    """

    name: str
    hidden: bool
    imported: bool
    why: str
    message: str
    rows: int
    header_row: int | None
    columns: tuple[ColumnInfo, ...]


@dataclass(frozen=True, slots=True)
class Workbook:
    """What a file holds, for choosing sheets and correcting columns before it is read."""

    sheets: tuple[SheetInfo, ...]


@dataclass(slots=True)
class Plan:
    """A sheet and what is to be done with it. `guess` is its header if it has none with a title."""

    sheet: Sheet
    header: Header | None
    guess: Header | None
    body: Body | None
    imported: bool
    why: str

    @property
    def rows(self) -> int:
        return len(self.body.rows) if self.body else self.sheet.count

    def info(self) -> SheetInfo:
        header = self.header or self.guess
        return SheetInfo(
            name=self.sheet.name,
            hidden=self.sheet.hidden,
            imported=self.imported,
            why=self.why,
            message=_about(self.why, self.sheet.name) if self.why in _SHEET_KINDS else "",
            rows=self.rows,
            header_row=header.row if header else None,
            columns=tuple(_column_info(self.sheet, header, c) for c in header.columns)
            if header
            else (),
        )


def _about(kind: str, sheet: str) -> str:
    """The table of a text file has no name."""
    return sentence(kind, sheet) if sheet else sentence(kind, "").replace("sheet “”", "table")


_SHEET_KINDS = ("sheet_hidden", "sheet_without_title")


def _column_info(sheet: Sheet, header: Header, column: HeaderColumn) -> ColumnInfo:
    samples: dict[str, None] = {}
    if column.index in sheet.columns:
        cells = sheet.columns[column.index]
        for code in cells.head(header.first_data + 100)[header.first_data :]:
            if code >= 0 and len(samples) < _SAMPLES:
                samples.setdefault(" ".join(cells.texts[code].split())[:80])
    name = headers.label(column)
    return ColumnInfo(
        index=column.index,
        letter=headers.letters(column.index),
        header=column.header,
        field=column.field,
        unit=", ".join(dict.fromkeys(column.units)),
        warnings=tuple(column.warnings),
        messages=tuple(
            sentence(kind, name, " or ".join(column.may_be)) for kind in column.warnings
        ),
        samples=tuple(sample for sample in samples if sample),
    )


class UnknownField(DebtregError):
    def __init__(self, sheet: str, names: set[str]) -> None:
        where = f" of sheet “{sheet}”" if sheet else ""
        super().__init__(
            f"The mapping{where} names {', '.join(sorted(names))}, which no field is.",
            hint=f"Fields are {', '.join(headers.FIELDS)}.",
        )


def make(
    opened: Sequence[Sheet],
    filename: str,
    mapping: Corrections | None,
    chosen: Sequence[str] | None,
) -> list[Plan]:
    """Which sheets are read, and how. Raises LedgerRefused where that leaves nothing."""
    plans = []
    for sheet in opened:
        corrected = {int(i): name for i, name in (mapping or {}).get(sheet.name, {}).items()}
        if wrong := {name for name in corrected.values() if name} - set(headers.FIELDS):
            raise UnknownField(sheet.name, wrong)
        header = headers.find(sheet, corrected)
        guess = None
        if header is None or not header.column("title"):
            header, guess = None, headers.find(sheet, corrected, untitled=True)
        why = ""
        if chosen is not None and sheet.name not in chosen:
            why = "sheet_hidden" if sheet.hidden else "not_chosen"
        elif chosen is None and sheet.hidden:
            why = "sheet_hidden"
        elif header is None:
            why = "sheet_without_title"
        plans.append(Plan(sheet, header, guess, None, not why, why))
    _check(plans, filename)
    for plan in plans:
        if plan.header:
            plan.body = body.read(plan.sheet, plan.header)
            _drop_empty_columns(plan.body)
    if not any(plan.rows for plan in plans if plan.imported):
        found = {p.header.row for p in plans if p.imported and p.header}
        rows = ", ".join(map(str, sorted(found)))
        raise LedgerRefused(
            "no_rows",
            f"{filename} has a header in row {rows} and no debt below it.",
            "Check that it is the right file, and that the rows stand below the header.",
            # Without a correction there is nothing that another one could mend.
            tuple(plan.info() for plan in plans) if mapping else (),
        )
    return plans


def _check(plans: Sequence[Plan], filename: str) -> None:
    ledgers = [plan for plan in plans if plan.imported]
    if not ledgers:
        sheets = tuple(plan.info() for plan in plans)
        unseen = [f"“{p.sheet.name}”" for p in plans if p.header and p.sheet.name]
        if unseen:
            have, that = ("has one and is", "that sheet")
            if len(unseen) > 1:
                have, that = ("have one and are", "one of these sheets")
            raise LedgerRefused(
                "not_a_ledger",
                f"No sheet that was chosen in {filename} has a title column; "
                f"{', '.join(unseen)} {have} hidden or not chosen.",
                f"Choose {that}.",
                sheets,
            )
        if any(p.header for p in plans):
            raise LedgerRefused(
                "not_a_ledger",
                f"{filename} is a single table and has no sheets, so nothing of it was chosen.",
                "Choose the table, or choose no sheet.",
                sheets,
            )
        raise LedgerRefused(
            "not_a_ledger",
            f"{filename} has no title column: none of its first {headers.SEARCHED_ROWS} rows "
            "names one.",
            "Choose the column that says what each debt is, or call it “Title” or “标题”.",
            sheets,
        )
    count = sum(plan.sheet.count - plan.header.first_data for plan in ledgers if plan.header)
    if count > ROW_LIMIT:
        raise LedgerRefused(
            "too_many_rows",
            f"{filename} has {count:,} rows; one ledger may have {ROW_LIMIT:,}.",
            "Divide it into several files; nothing of this one was taken.",
        )


def _drop_empty_columns(part: Body) -> None:
    """Columns without a header count only where a debt has a value in them."""
    part.header.columns = [
        column
        for column in part.header.columns
        if column.header or column.field or part.cells(column).filled.any()
    ]
