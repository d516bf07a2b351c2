"""A file -> a ledger: its rows and everything that a person should know about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import links, plan, reader
from .catalog import Catalog
from .findings import sentence
from .plan import Corrections, SheetInfo, Workbook
from .reader import Progress
from .rows import RowCells, SheetReader


@dataclass(slots=True)
class Ledger:
    """What a ledger says.

    rows : one line for each row that is imported or held; see `read`
    findings : sheet, row, field, kind (of WARNINGS), text, message
    skipped : sheet, row, reason (of SKIP_REASONS), text of each line that is no debt
    duplicates : first_sheet, first_row, sheet, row, why of each pair that may be the same debt
    """

    rows: pd.DataFrame
    findings: pd.DataFrame
    skipped: pd.DataFrame
    duplicates: pd.DataFrame
    sheets: tuple[SheetInfo, ...]
    currency: str
    _cells: list[tuple[int, RowCells]] = field(repr=False, default_factory=list)

    @property
    def columns(self) -> pd.DataFrame:
        """sheet, index, header, field (None: unmapped) of the sheets that are imported."""
        return pd.DataFrame(
            [
                (sheet.name, column.index, column.header, column.field)
                for sheet in self.sheets
                if sheet.imported
                for column in sheet.columns
            ],
            columns=["sheet", "index", "header", "field"],
            dtype=object,
        )

    @property
    def column_warnings(self) -> pd.DataFrame:
        """sheet, index, header, kind, message of the sheets that are imported."""
        return pd.DataFrame(
            [
                (sheet.name, column.index, column.header, kind, message)
                for sheet in self.sheets
                if sheet.imported
                for column in sheet.columns
                for kind, message in zip(column.warnings, column.messages, strict=True)
            ],
            columns=["sheet", "index", "header", "kind", "message"],
            dtype=object,
        )

    def totals(self) -> dict[str, Any]:
        """Sums over the imported rows. Amounts in another currency are known and not in the sum."""
        rows = self.rows[self.rows["state"] == "imported"]
        ours = rows["currency"] == self.currency
        return {
            "status": _counts(rows["status"]),
            "priority": _counts(rows["priority"]),
            "effort_known": int(rows["effort_likely"].notna().sum()),
            "effort_likely_person_days": float(rows["effort_likely"].sum()),
            "annual_cost_known": int(rows["annual_cost_likely"].notna().sum()),
            f"annual_cost_likely_{self.currency.lower()}": float(
                rows.loc[ours, "annual_cost_likely"].sum()
            ),
        }

    def cells(self, positions: Iterable[int]) -> list[dict[str, str]]:
        """Header -> original text of the filled cells of some rows, by position in `rows`."""
        return [json.loads(text) for text in self.cells_as_json(positions)]

    def cells_as_json(self, positions: Iterable[int]) -> list[str]:
        wanted = np.fromiter(positions, dtype=np.int64)
        found = np.full(len(wanted), "{}", dtype=object)
        for start, cells in self._cells:
            here = np.flatnonzero((wanted >= start) & (wanted < start + cells.count))
            if len(here):
                found[here] = cells.as_json(wanted[here] - start)
        return list(found)


def _counts(names: pd.Series) -> dict[str, int]:
    counts = names.fillna("None").value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items()}


def inspect(
    path: str | Path,
    filename: str,
    *,
    mapping: Corrections | None = None,
    sheets: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Workbook:
    """What the file holds and how it would be read. Raises LedgerRefused as `read` does."""
    report = progress or _silent
    opened = reader.open_sheets(Path(path), filename, report)
    plans = plan.make(opened, filename, mapping, sheets)
    return Workbook(tuple(one.info() for one in plans))


def read(
    path: str | Path,
    filename: str,
    catalog: Catalog,
    *,
    currency: str = "CNY",
    mapping: Corrections | None = None,
    sheets: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Ledger:
    """Read a ledger. Raises LedgerRefused where the file as a whole cannot be taken.

    Parameters
    ----------
    path, filename : where the file lies, and what it is called by the person who gave it
    currency : of amounts that name none, ISO 4217
    mapping : sheet -> column index (0 is A) -> one of FIELDS or None, where the guess is wrong
    sheets : the sheets to import, hidden ones too; None takes each visible one with a title column
    progress : called with a stage, how much is done and of how much

    Returns
    -------
    A Ledger. Its `rows`, None, NaN and NaT being unknown, have
        sheet, row, state (imported, held), hidden
        key : what tells rows apart when the ledger is imported again; unique
        fingerprint : int64 of all cells of the row; equal if no cell was changed
        id, title (at most 200 characters), title_full
        service (slug), service_text, services_other (tuple of slugs or texts)
        team (slug), team_text, owner, type, description, plan, impact, sla, probability
        priority (P0..P3), status (open, doing, done, accepted), priority_text, status_text
        effort_low, effort_likely, effort_high (person-days), effort_text
        annual_cost_low, .._likely, .._high (currency / year), currency, annual_cost_text
        created, due, closed (datetime64), created_text, due_text, closed_text
        depends_on (tuple of keys), depends_on_ids, depends_on_text
        extra (dict: header -> text of the cells of columns without a field; None if there is none)
    """
    report = progress or _silent
    opened = reader.open_sheets(Path(path), filename, report)
    plans = plan.make(opened, filename, mapping, sheets)
    chosen = [(one.body, one.rows) for one in plans if one.imported and one.body]
    total = sum(rows for _, rows in chosen)
    frames, findings, skipped, cells = [], [], [], []
    done = 0
    for body, rows in chosen:
        skipped += [(body.sheet.name, *line) for line in body.skipped]
        if rows:
            sheet = SheetReader(body, catalog, currency)
            frames.append(sheet.rows())
            findings.append(sheet.findings_frame())
            cells.append((done, sheet.all_cells()))
            done += rows
            report("understanding", done, total)
    ledger = Ledger(
        rows=frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True),
        findings=pd.concat(findings, ignore_index=True),
        skipped=pd.DataFrame(skipped, columns=["sheet", "row", "reason", "text"]),
        duplicates=pd.DataFrame(),
        sheets=tuple(one.info() for one in plans),
        currency=currency,
        _cells=cells,
    )
    _add_duplicates(ledger)
    return ledger


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _add_duplicates(ledger: Ledger) -> None:
    """Propose rows that may be the same debt; the later row of each pair gets the finding."""
    imported = ledger.rows[ledger.rows["state"] == "imported"]
    found = links.duplicates(imported)
    later = imported.iloc[found["at"]]
    flagged = pd.DataFrame(
        {
            "sheet": later["sheet"].to_numpy(),
            "row": later["row"].to_numpy(),
            "field": "title",
            "kind": "duplicate_candidate",
            "text": later["title_full"].to_numpy(),
            "message": [sentence("duplicate_candidate", t) for t in later["title_full"]],
        }
    )
    ledger.duplicates = found.drop(columns="at")
    order = {sheet.name: n for n, sheet in enumerate(ledger.sheets)}
    ledger.findings = pd.concat([ledger.findings, flagged], ignore_index=True).sort_values(
        ["sheet", "row"],
        key=lambda column: column.map(order) if column.name == "sheet" else column,
        kind="stable",
        ignore_index=True,
    )
