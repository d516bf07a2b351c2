"""Ledger import: upload, preview, commit. Each step is a job; storing is all or nothing."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from debtreg import bulk, ledger, tracing
from debtreg.actions import audit, debt, jobs, rights, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import (
    AMOUNT_LIMIT,
    DebtItem,
    ImportStep,
    JobState,
    LedgerFinding,
    LedgerImport,
    LedgerRow,
    LedgerSource,
    Prerequisite,
    RowState,
    Service,
    Team,
    UploadChunk,
    User,
)

PIECE = 1 << 20
# What the preview page shows; the findings are all there, page by page.
SAMPLE_ROWS = 50


class FileTooLarge(DebtregError):
    http_status = 413


# --- What people do -------------------------------------------------------------------------------


@transaction.atomic
def start(*, file: BinaryIO, filename: str, source: str, by: User | None) -> LedgerImport:
    """Take in a file for a preview. `source` names the ledger: importing it again updates."""
    rights.check(by, "ledger.import")
    source = source.strip()
    if not source or len(source) > 120:
        raise NotValid(
            "The ledger needs a name of up to 120 characters.",
            hint="Name where it comes from, such as 'Platform team sheet': importing a ledger of"
            " the same name again updates its debts.",
            fields={"source": ["1 to 120 characters."]},
        )
    job = LedgerImport.objects.create(
        source=LedgerSource.objects.get_or_create(name=source)[0],
        filename=Path(filename.replace("\\", "/")).name[-255:] or "ledger",
        requested_by=by,
        traceparent=tracing.current(),
    )
    job.size = _keep(job, file)
    job.save(update_fields=["size"])
    audit.record("import.start", job, by=by, new={"file": job.filename, "source": source})
    return job


def _keep(job: LedgerImport, file: BinaryIO) -> int:
    limit = settings.UPLOAD_LIMIT_MB * 1024 * 1024
    size = position = 0
    while data := file.read(PIECE):
        size += len(data)
        if size > limit:
            raise FileTooLarge(
                f"The file has more than {settings.UPLOAD_LIMIT_MB} MB.",
                hint="Split it, or have UPLOAD_LIMIT_MB raised.",
            )
        UploadChunk.objects.create(upload=job, position=position, data=data)
        position += 1
    return size


@transaction.atomic
def choose(
    *,
    import_id: int,
    mapping: Mapping[str, Mapping[str, str | None]],
    sheets: Sequence[str] | None = None,
    by: User | None,
) -> LedgerImport:
    """Correct the guessed columns (sheet -> column index -> field or None) and preview again."""
    job = _ready(import_id, by)
    job.mapping, job.sheets = dict(mapping), list(sheets) if sheets is not None else None
    return _queue(job, ImportStep.PREVIEW)


@transaction.atomic
def commit(*, import_id: int, by: User | None) -> LedgerImport:
    """Have a previewed import stored."""
    job = _ready(import_id, by)
    audit.record("import.commit", job, by=by)
    return _queue(job, ImportStep.COMMIT)


@transaction.atomic
def cancel(*, import_id: int, by: User | None) -> LedgerImport:
    """Drop an import that is not stored yet, its file included."""
    rights.check(by, "ledger.import")
    job = _locked(import_id)
    if job.step == ImportStep.COMMIT and job.state == JobState.DONE:
        raise Conflict(
            f"Import {import_id} is stored already.",
            hint="Correct the debts themselves, or import a corrected ledger.",
        )
    job.state, job.finished_at, job.stage = JobState.CANCELLED, timezone.now(), ""
    job.save()
    job.chunks.all().delete()
    audit.record("import.cancel", job, by=by)
    return job


def _ready(import_id: int, by: User | None) -> LedgerImport:
    rights.check(by, "ledger.import")
    job = _locked(import_id)
    if job.step == ImportStep.COMMIT and job.state == JobState.DONE:
        raise Conflict(
            f"Import {import_id} is stored already.", hint="Upload the ledger again to update."
        )
    if job.state not in (JobState.DONE, JobState.FAILED) or job.refusal:
        raise Conflict(
            f"Import {import_id} has no preview to go on from ({job.get_state_display().lower()}).",
            hint="Wait for the preview, or upload the file again.",
        )
    return job


def _locked(import_id: int) -> LedgerImport:
    job = LedgerImport.objects.select_for_update().filter(pk=import_id).first()
    if job is None:
        raise NotFound(f"There is no import {import_id}.", hint="Look at the list of imports.")
    return job


def _queue(job: LedgerImport, step: str) -> LedgerImport:
    job.step, job.state, job.attempts = step, JobState.QUEUED, 0
    job.queued_at, job.finished_at = timezone.now(), None
    job.error = job.hint = job.stage = ""
    job.traceparent = tracing.current()
    job.save()
    return job


# --- What the worker does -------------------------------------------------------------------------


def run(import_id: int, owner: str) -> bool:
    """Do the step that is due. False if it is not ours to do."""
    if not jobs.claim(LedgerImport, import_id, owner):
        return False
    with jobs.pulse(LedgerImport, import_id, owner) as pulse:
        job = LedgerImport.objects.select_related("source", "requested_by").get(pk=import_id)
        try:
            book = _read(job, pulse)
        except ledger.LedgerRefused as refused:
            with transaction.atomic():
                jobs.close(
                    LedgerImport,
                    import_id,
                    owner,
                    JobState.FAILED,
                    refusal=refused.code,
                    error=refused.message,
                    hint=refused.hint,
                )
            return True
        if job.step == ImportStep.PREVIEW:
            _store_preview(job, book, owner)
        else:
            _Commit(job, book, owner, pulse).store()
    return True


def _read(job: LedgerImport, pulse: jobs.Pulse) -> ledger.Ledger:
    mapping = {
        sheet: {int(column): field for column, field in columns.items()}
        for sheet, columns in job.mapping.items()
    }
    with _file(job) as path:
        book = ledger.read(
            path,
            job.filename,
            _catalog(),
            currency=settings.CURRENCY,
            mapping=mapping or None,
            sheets=job.sheets,
            progress=pulse.report,
        )
    _refuse_slips(book)
    return book


def _refuse_slips(book: ledger.Ledger) -> None:
    """Take amounts that must be a slip of units for unknown, in place, and say so."""
    slips = (book.rows[_POINTS].abs() > AMOUNT_LIMIT).any(axis=1)
    if not slips.any():
        return
    rows = book.rows[slips]
    book.rows.loc[slips, _POINTS] = np.nan
    found = pd.DataFrame(
        {
            "sheet": rows["sheet"],
            "row": rows["row"],
            "field": "annual_cost",
            "kind": "unreadable",
            "text": rows["annual_cost_text"],
            "message": f"More than {AMOUNT_LIMIT:,} a year must be a slip of units, so the cost"
            " counts as unknown. Correct it.",
        }
    )
    book.findings = pd.concat([book.findings, found], ignore_index=True)


@contextmanager
def _file(job: LedgerImport) -> Iterator[Path]:
    """The upload as a file on this machine's disk, a piece at a time."""
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        path = Path(folder) / f"upload{Path(job.filename).suffix}"
        with path.open("wb") as file:
            for data in job.chunks.values_list("data", flat=True).iterator(chunk_size=4):
                file.write(data)
        yield path


def _catalog() -> ledger.Catalog:
    services: dict[str, str] = {}
    for slug, name, aliases in Service.objects.values_list("slug", "name", "aliases"):
        services |= dict.fromkeys([name, *aliases], slug)
    # A slug goes before a name that happens to be the same.
    services |= {slug: slug for slug in Service.objects.values_list("slug", flat=True)}
    teams = {name: slug for slug, name in Team.objects.values_list("slug", "name")}
    teams |= {slug: slug for slug in Team.objects.values_list("slug", flat=True)}
    return ledger.Catalog(services=services, teams=teams)


def _summary(book: ledger.Ledger) -> dict[str, Any]:
    """Counts and lists for people, of what is in the file."""
    findings = book.findings
    return {
        "imported": int((book.rows["state"] == "imported").sum()),
        "held": int((book.rows["state"] == "held").sum()),
        "skipped": _records(book.skipped),
        "duplicates": _records(book.duplicates),
        "column_warnings": _records(book.column_warnings),
        "totals": book.totals(),
        "findings": len(findings),
        "findings_by_kind": findings["kind"].value_counts().to_dict() if len(findings) else {},
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rows.to_json(orient="records", date_format="iso"))
    return found


def _store_preview(job: LedgerImport, book: ledger.Ledger, owner: str) -> None:
    with transaction.atomic():
        _store_findings(job, book)
        jobs.close(
            LedgerImport,
            job.pk,
            owner,
            JobState.DONE,
            workbook={"sheets": [asdict(sheet) for sheet in book.sheets]},
            summary=_summary(book),
            sample=_records(book.rows.head(SAMPLE_ROWS).drop(columns=["extra", "fingerprint"])),
        )


def _store_findings(job: LedgerImport, book: ledger.Ledger) -> None:
    LedgerFinding.objects.filter(ledger_import=job).delete()
    names = ["sheet", "row", "field", "kind", "text", "message"]
    columns = [book.findings[name].tolist() for name in names]
    columns[0] = [sheet[:_LONGEST_SHEET] for sheet in columns[0]]
    rows = zip([job.pk] * len(book.findings), *columns, strict=True)
    bulk.write_rows(LedgerFinding._meta.db_table, ["ledger_import_id", *names], rows)


# Columns of a ledger's frame that an item takes over, and what they are called there.
_FIELDS = {
    "title": "title",
    "description": "description",
    "type": "category",
    "service_id": "service_id",
    "team_id": "team_id",
    "status": "status",
    "effort_low": "effort_low",
    "effort_likely": "effort_likely",
    "effort_high": "effort_high",
    "owner": "owner",
    "plan": "plan",
    "priority": "stated_priority",
    "created": "created_on",
    "due": "due_on",
    "closed": "closed_on",
    "id": "ledger_id",
}
# Longer texts are cut in the item; the row keeps them whole.
_LONGEST = {"type": 80, "owner": 120, "id": 120}
_POINTS = ["annual_cost_low", "annual_cost_likely", "annual_cost_high"]
_COST = [*_POINTS, "currency"]
_LONGEST_KEY = 400
_LONGEST_SHEET = 120


class _Commit:
    """Stores a ledger: new rows become items, changed cells update them, all in one transaction."""

    def __init__(
        self, job: LedgerImport, book: ledger.Ledger, owner: str, pulse: jobs.Pulse
    ) -> None:
        self.job, self.book, self.owner, self.pulse = job, book, owner, pulse
        self.rows = self._prepared(book.rows)

    def store(self) -> None:
        with transaction.atomic():
            self._lock_source()
            self.pulse.report("storing", 0, len(self.rows))
            before = self._before()
            rows = self.rows.merge(before, how="left", on="key")
            is_new = rows["row_id"].isna()
            changed = ~is_new & (rows["fingerprint"] != rows["old_fingerprint"])
            pks = self._store_items(rows, changed)
            self.pulse.report("storing", len(self.rows), len(self.rows))
            self._store_rows(rows, is_new, changed, pks)
            self._store_links(rows, is_new | changed, pks)
            gone = self._mark_gone(before)
            _store_findings(self.job, self.book)
            # Of debts: a row that waits for a person has made none yet.
            is_debt, was_debt = pks.notna(), rows["item_id"].notna()
            summary = _summary(self.book) | {
                "created": int((is_debt & ~was_debt).sum()),
                "updated": int((was_debt & changed).sum()),
                "unchanged": int((was_debt & ~changed).sum()),
                "gone": gone,
            }
            jobs.close(LedgerImport, self.job.pk, self.owner, JobState.DONE, summary=summary)
            self.job.chunks.all().delete()
            audit.record(
                "import.stored",
                self.job,
                by=self.job.requested_by,
                new={k: summary[k] for k in ("created", "updated", "unchanged", "held")},
            )
            if is_new.any() or changed.any():
                scores.queue_run(by=None)

    def _lock_source(self) -> None:
        """Two imports of one source would both take its rows for new."""
        LedgerSource.objects.select_for_update().get(pk=self.job.source_id)

    def _prepared(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The reader's rows with keys of services and teams, and a fingerprint of each row."""
        services = dict(Service.objects.values_list("slug", "pk"))
        owners = dict(Service.objects.values_list("pk", "team_id"))
        teams = dict(Team.objects.values_list("slug", "pk"))
        rows = rows.copy(deep=False)
        rows["service_id"] = rows["service"].map(services).astype("Int64")
        team = rows["team"].map(teams).astype("Int64")
        rows["team_id"] = team.fillna(rows["service_id"].map(owners).astype("Int64"))
        texts = [rows[name].fillna("").astype(str) for name in ("impact", "description")]
        both = (texts[0] != "") & (texts[1] != "")
        rows["description"] = texts[0] + np.where(both, "\n\n", "") + texts[1]
        for name, length in _LONGEST.items():
            rows[name] = rows[name].str.slice(0, length)
        rows["fingerprint"] = self._fingerprint(rows)
        rows["key"] = [_fitting(key, _LONGEST_KEY) for key in rows["key"]]
        rows["sheet"] = rows["sheet"].str.slice(0, _LONGEST_SHEET)
        return rows

    def _fingerprint(self, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Of the cells, of what the columns were taken for, and of whom the names belong to."""
        taken_for = {
            sheet.name: repr(sorted((c.index, c.field or "") for c in sheet.columns))
            for sheet in self.book.sheets
        }
        parts = pd.DataFrame(
            {
                "cells": rows["fingerprint"],
                "columns": rows["sheet"].map(taken_for),
                "service": rows["service_id"].fillna(0).astype("int64"),
                "team": rows["team_id"].fillna(0).astype("int64"),
            }
        )
        return pd.util.hash_pandas_object(parts, index=False).to_numpy().view("int64")

    def _before(self) -> pd.DataFrame:
        """What this source's rows were when last imported."""
        known = LedgerRow.objects.filter(source=self.job.source_id).values_list(
            "key", "pk", "item_id", "fingerprint", "state", "row", "sheet"
        )
        names = ["key", "row_id", "item_id", "old_fingerprint", "old_state", "old_row", "old_sheet"]
        frame = pd.DataFrame(known.iterator(chunk_size=10_000), columns=names)
        whole = dict.fromkeys(["row_id", "item_id", "old_fingerprint", "old_row"], "Int64")
        return frame.astype(whole)

    def _store_items(self, rows: pd.DataFrame, changed: pd.Series[bool]) -> pd.Series[Any]:
        """Create and update items; returns the key of each row's item, missing for held ones."""
        pks = rows["item_id"].copy()
        due = (rows["state"] == "imported") & (pks.isna() | changed)
        if not due.any():
            return pks
        part = rows[due].reset_index(drop=True)
        items = part[list(_FIELDS)].rename(columns=_FIELDS)
        items["status"] = items["status"].fillna("open")
        for name in ("created_on", "due_on", "closed_on"):
            items[name] = items[name].dt.date
        items["pk"] = part["item_id"]
        is_old = part["item_id"].notna()
        cost_moved = ~is_old
        if is_old.any():
            cost_moved = cost_moved | self._keep_edits(items, part, is_old)
        refs = [self._reference(key) for key in part["key"]]
        items["external_ref"] = refs
        priced = part["annual_cost_likely"].notna() & cost_moved
        impacts = self._stated(part, priced)
        stored = debt.store_many(
            items=items,
            impacts=impacts,
            by=self.job.requested_by,
            replaced=items.loc[is_old & cost_moved, "pk"].tolist(),
            replaced_kinds=["stated"],
        )
        pks[due] = pd.array(stored.pks, dtype="Int64")
        return pks

    def _reference(self, key: str) -> str:
        return _fitting(f"{self.job.source.name}/{key}", 300)

    def _stated(self, part: pd.DataFrame, priced: pd.Series[bool]) -> pd.DataFrame:
        chosen = part[priced]
        currency = chosen["currency"].fillna("")
        return pd.DataFrame(
            {
                "position": np.flatnonzero(priced.to_numpy()),
                "kind": "stated",
                **{
                    f"unit_price_{point}": chosen[f"annual_cost_{point}"].to_numpy()
                    for point in ("low", "likely", "high")
                },
                "currency": currency.where(currency != settings.CURRENCY, "").to_numpy(),
                "grade": "estimated",
                "note": "As the ledger states it.",
            }
        )

    def _keep_edits(
        self, items: pd.DataFrame, part: pd.DataFrame, is_old: pd.Series[bool]
    ) -> pd.Series[bool]:
        """Leave alone, in place, what did not change in the ledger: people may have edited it.

        Returns which rows' annual cost did change.
        """
        row_ids = part.loc[is_old, "row_id"].tolist()
        values = dict(LedgerRow.objects.filter(pk__in=row_ids).values_list("pk", "values"))
        old = pd.DataFrame([values.get(pk, {}) for pk in row_ids], index=part.index[is_old])
        new = pd.DataFrame(_values(part[is_old]), index=part.index[is_old])
        pks = items.loc[is_old, "pk"].tolist()
        names = list(_FIELDS.values())
        present = {
            row[0]: row[1:] for row in DebtItem.objects.filter(pk__in=pks).values_list("pk", *names)
        }
        now = pd.DataFrame(
            [present[pk] for pk in pks], columns=names, index=old.index, dtype=object
        )
        for field, name in _FIELDS.items():
            same = _same(old, new, field)
            column = items[name].astype(object)
            column[same[same].index] = now.loc[same[same].index, name]
            items[name] = column
        moved = pd.Series(False, index=part.index)
        for field in _COST:
            same = _same(old, new, field)
            moved[same[~same].index] = True
        return moved

    def _store_rows(
        self,
        rows: pd.DataFrame,
        is_new: pd.Series[bool],
        changed: pd.Series[bool],
        pks: pd.Series[Any],
    ) -> None:
        table = LedgerRow._meta.db_table
        names = ["sheet", "row", "state", "cells", "values", "fingerprint", "item_id"]
        as_json = json.JSONEncoder(ensure_ascii=False).encode
        for chosen, is_update in ((is_new, False), (changed, True)):
            part = rows[chosen]
            if part.empty:
                continue
            columns: list[list[Any]] = [
                part["sheet"].tolist(),
                part["row"].tolist(),
                part["state"].tolist(),
                [as_json(cells) for cells in self.book.cells(np.flatnonzero(chosen))],
                [as_json(values) for values in _values(part)],
                part["fingerprint"].tolist(),
                [None if pd.isna(pk) else int(pk) for pk in pks[chosen]],
            ]
            names_now = [*names, "ledger_import_id"]
            columns.append([self.job.pk] * len(part))
            if is_update:
                bulk.update_rows(table, "id", part["row_id"].tolist(), names_now, columns)
            else:
                columns += [[self.job.source_id] * len(part), part["key"].tolist()]
                bulk.write_rows(table, [*names_now, "source_id", "key"], zip(*columns, strict=True))
        moved = ~is_new & ~changed & (rows["row"] != rows["old_row"])
        if moved.any():
            part = rows[moved]
            bulk.update_rows(table, "id", part["row_id"].tolist(), ["row"], [part["row"].tolist()])

    def _store_links(self, rows: pd.DataFrame, due: pd.Series[bool], pks: pd.Series[Any]) -> None:
        """What a row depends on becomes prerequisites, replacing those of a changed row."""
        pk_of = {key: int(pk) for key, pk in zip(rows["key"], pks, strict=True) if not pd.isna(pk)}
        links = {
            (pk_of[key], pk_of[needs])
            for key, depends in zip(rows.loc[due, "key"], rows.loc[due, "depends_on"], strict=True)
            if key in pk_of
            for needs in (_fitting(other, _LONGEST_KEY) for other in depends)
            if needs in pk_of and pk_of[needs] != pk_of[key]
        }
        changed_items = rows.loc[due & rows["item_id"].notna(), "item_id"].tolist()
        Prerequisite.objects.filter(item__in=changed_items).delete()
        Prerequisite.objects.bulk_create(
            [Prerequisite(item_id=item, needs_id=needs) for item, needs in sorted(links)],
            batch_size=5_000,
            ignore_conflicts=True,
        )

    def _mark_gone(self, before: pd.DataFrame) -> list[dict[str, Any]]:
        """Report what is no longer in the sheets that were read; nothing is deleted."""
        read = {sheet.name[:_LONGEST_SHEET] for sheet in self.book.sheets if sheet.imported}
        missing = before[
            ~before["key"].isin(self.rows["key"])
            & before["old_sheet"].isin(read)
            & (before["old_state"] != RowState.GONE)
        ]
        pks = missing["row_id"].tolist()
        # Another fingerprint: should the row come back, that is a change.
        LedgerRow.objects.filter(pk__in=pks).update(state=RowState.GONE, fingerprint=0)
        return [
            {"key": key, "row": int(row)}
            for key, row in zip(missing["key"], missing["old_row"], strict=True)
        ]


def _fitting(text: str, length: int) -> str:
    """The text, or its beginning and a hash of all of it where it is longer than that."""
    if len(text) <= length:
        return text
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return f"{text[: length - 1 - len(digest)]}#{digest}"


def _same(old: pd.DataFrame, new: pd.DataFrame, field: str) -> pd.Series[bool]:
    if field not in old:
        return pd.Series(False, index=old.index)
    left, right = old[field], new[field]
    return (left == right) | (left.isna() & right.isna())


def _values(part: pd.DataFrame) -> list[dict[str, Any]]:
    """What was made of each row's cells, as JSON keeps it."""
    frame = part[[*_FIELDS, *_COST]].copy(deep=False)
    for name in ("created", "due", "closed"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%d")
    frame = frame.astype(object).where(frame.notna(), None)
    names = list(frame.columns)
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]
