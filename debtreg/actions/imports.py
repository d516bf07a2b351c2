"""Ledger import: upload, preview, commit. Each step is a job; storing is all or nothing."""

from __future__ import annotations

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
from django.utils.translation import gettext as _

from debtreg import bulk, ledger, tracing
from debtreg.actions import audit, jobs, lines, rights, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import (
    AMOUNT_LIMIT,
    ImportStep,
    JobState,
    LedgerFinding,
    LedgerImport,
    LedgerSource,
    Service,
    Team,
    UploadChunk,
    User,
    points,
)

PIECE = 1 << 20
_COST_POINTS = points("annual_cost")
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
            _("The ledger needs a name of up to 120 characters."),
            hint=_(
                "Name where it comes from, such as 'Platform team sheet': importing a ledger of "
                "the same name again updates its debts."
            ),
            fields={"source": [_("1 to 120 characters.")]},
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
                _("The file has more than %(upload_limit_mb)s MB.")
                % {"upload_limit_mb": settings.UPLOAD_LIMIT_MB},
                hint=_("Split it, or have UPLOAD_LIMIT_MB raised."),
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
    """Correct the guessed columns (sheet -> column index -> field or None) and preview again.

    Also where the ledger was refused for want of a title column.
    """
    job = _ready(import_id, by, to_choose=True)
    job.mapping, job.sheets = dict(mapping), list(sheets) if sheets is not None else None
    return _queue(job, ImportStep.PREVIEW)


@transaction.atomic
def read_again(*, import_id: int, by: User | None) -> LedgerImport:
    """Preview an import anew, its columns and sheets as chosen: the catalog may have changed."""
    return _queue(_ready(import_id, by), ImportStep.PREVIEW)


@transaction.atomic
def commit(*, import_id: int, by: User | None) -> LedgerImport:
    """Have a previewed import stored: what the preview showed, or nothing."""
    job = _ready(import_id, by)
    if job.step == ImportStep.PREVIEW and job.state == JobState.FAILED:
        raise _no_preview(job)
    audit.record("import.commit", job, by=by)
    return _queue(job, ImportStep.COMMIT)


@transaction.atomic
def cancel(*, import_id: int, by: User | None) -> LedgerImport:
    """Drop an import that is not stored yet, its file included."""
    rights.check(by, "ledger.import")
    job = _locked(import_id)
    if job.step == ImportStep.COMMIT and job.state == JobState.DONE:
        raise Conflict(
            _("Import %(import_id)s is stored already.") % {"import_id": import_id},
            hint=_("Correct the debts themselves, or import a corrected ledger."),
        )
    job.state, job.finished_at, job.stage = JobState.CANCELLED, timezone.now(), ""
    job.save()
    job.chunks.all().delete()
    lines.drop(job)
    audit.record("import.cancel", job, by=by)
    return job


def _ready(import_id: int, by: User | None, *, to_choose: bool = False) -> LedgerImport:
    rights.check(by, "ledger.import")
    job = _locked(import_id)
    if job.step == ImportStep.COMMIT and job.state == JobState.DONE:
        raise Conflict(
            _("Import %(import_id)s is stored already.") % {"import_id": import_id},
            hint=_("Upload the ledger again to update."),
        )
    if job.state == JobState.FAILED and job.wants_columns:
        if not to_choose:
            raise Conflict(
                _("There is nothing to store yet. %(error)s") % {"error": job.error}, hint=job.hint
            )
    elif job.state not in (JobState.DONE, JobState.FAILED) or job.refusal:
        raise _no_preview(job)
    return job


def _no_preview(job: LedgerImport) -> Conflict:
    return Conflict(
        _("Import %(pk)s has no preview to go on from (%(job)s).")
        % {"pk": job.pk, "job": job.get_state_display().lower()},
        hint=_("Wait for the preview, or upload the file again."),
    )


def _locked(import_id: int) -> LedgerImport:
    job = LedgerImport.objects.select_for_update().filter(pk=import_id).first()
    if job is None:
        raise NotFound(
            _("There is no import %(import_id)s.") % {"import_id": import_id},
            hint=_("Look at the list of imports."),
        )
    return job


def _queue(job: LedgerImport, step: str) -> LedgerImport:
    job.step, job.state, job.attempts = step, JobState.QUEUED, 0
    job.queued_at, job.finished_at = timezone.now(), None
    job.error = job.hint = job.stage = job.refusal = ""
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
        if job.step == ImportStep.PREVIEW:
            _preview(job, owner, pulse)
        else:
            _store(job, owner, pulse)
    return True


def _preview(job: LedgerImport, owner: str, pulse: jobs.Pulse) -> None:
    try:
        book = _read(job, pulse)
    except ledger.LedgerRefused as refused:
        with transaction.atomic():
            jobs.close(
                LedgerImport,
                job.pk,
                owner,
                JobState.FAILED,
                refusal=refused.code,
                error=refused.message,
                hint=refused.hint,
                workbook={"sheets": [asdict(sheet) for sheet in refused.sheets]},
                summary={},
                sample=[],
            )
            lines.drop(job)
            job.findings.all().delete()
        return
    pulse.report("staging", 0, len(book.rows))
    with transaction.atomic():
        relies_on = lines.stage(job, book)
        _store_findings(job, book)
        jobs.close(
            LedgerImport,
            job.pk,
            owner,
            JobState.DONE,
            workbook={"sheets": [asdict(sheet) for sheet in book.sheets]},
            summary=_summary(book),
            sample=_records(book.rows.head(SAMPLE_ROWS).drop(columns=["extra", "fingerprint"])),
            relies_on=relies_on,
        )


def _store(job: LedgerImport, owner: str, pulse: jobs.Pulse) -> None:
    """All or nothing, in one transaction: new lines become debts, changed ones update theirs."""
    with transaction.atomic():
        stored = lines.store(job, pulse)
        summary = job.summary | asdict(stored)
        jobs.close(LedgerImport, job.pk, owner, JobState.DONE, summary=summary)
        job.chunks.all().delete()
        audit.record(
            "import.stored",
            job,
            by=job.requested_by,
            new={name: summary[name] for name in ("created", "updated", "unchanged", "held")},
        )
        if stored.is_change:
            scores.queue_run(by=None)


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
    slips = (book.rows[_COST_POINTS].abs() > AMOUNT_LIMIT).any(axis=1)
    if not slips.any():
        return
    rows = book.rows[slips]
    book.rows.loc[slips, _COST_POINTS] = np.nan
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


def _store_findings(job: LedgerImport, book: ledger.Ledger) -> None:
    LedgerFinding.objects.filter(ledger_import=job).delete()
    names = ["sheet", "row", "field", "kind", "text", "message"]
    columns = [book.findings[name].tolist() for name in names]
    columns[0] = [sheet[: lines.LONGEST_SHEET] for sheet in columns[0]]
    rows = zip([job.pk] * len(book.findings), *columns, strict=True)
    bulk.write_rows(LedgerFinding._meta.db_table, ["ledger_import_id", *names], rows)
