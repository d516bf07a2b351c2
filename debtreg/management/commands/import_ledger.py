"""A team's debt ledger from a file."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize

from debtreg import ledger
from debtreg.actions import audit, imports, jobs
from debtreg.errors import DebtregError
from debtreg.management.progress import watch
from debtreg.models import Channel, JobState, LedgerImport

SHOWN = 20


class Command(BaseCommand):
    help = """Import a debt ledger (xlsx, xls, ods, csv, Markdown table): preview, then commit.

    Importing the same --source again updates its debts and never doubles them.
    Exit code 0: imported without a finding; 1: imported, or only previewed, and there is
    something to look at; 2: refused, nothing stored.
    Example: manage.py import_ledger ledger.xlsx --source "Platform team" --dry-run"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--source", help="the ledger's name; the same name again updates (the file's name)"
        )
        parser.add_argument("--sheet", action="append", help="only this sheet; may be repeated")
        parser.add_argument(
            "--column",
            action="append",
            metavar="FIELD=COLUMN",
            help="what a column is, by its letter or header, where the guess from the headers is"
            " wrong, as title=B; may be repeated",
        )
        parser.add_argument("--dry-run", action="store_true", help="preview, store nothing")

    def handle(
        self,
        *,
        file: Path,
        source: str | None,
        sheet: list[str] | None,
        column: list[str] | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        audit.channel.set(Channel.COMMAND)
        try:
            with file.open("rb") as content:
                job = imports.start(
                    file=content, filename=file.name, source=source or file.stem, by=None
                )
            if sheet:
                LedgerImport.objects.filter(pk=job.pk).update(sheets=sheet)
            self._do(job)
            if column and job.workbook.get("sheets"):
                mapping = _chosen(job, column)
                imports.choose(import_id=job.pk, mapping=mapping, sheets=sheet, by=None)
                self._do(job)
            _stop_if_failed(job)
            if not dry_run:
                imports.commit(import_id=job.pk, by=None)
                self._do(job)
                _stop_if_failed(job)
            else:
                imports.cancel(import_id=job.pk, by=None)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.", returncode=2) from error
        except DebtregError as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
        self._report(job, dry_run)

    def _do(self, job: LedgerImport) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()}:command"
        try:
            with watch(LedgerImport, job.pk):
                imports.run(job.pk, owner)
        except DebtregError as error:
            jobs.end(LedgerImport, job.pk, owner, JobState.FAILED, error.message, error.hint)
            raise
        except KeyboardInterrupt:
            jobs.cancel(LedgerImport, job.pk)
            raise CommandError("Cancelled; nothing was stored.", returncode=2) from None
        job.refresh_from_db()

    def _report(self, job: LedgerImport, dry_run: bool) -> None:
        summary = job.summary
        if dry_run:
            for sheet in job.workbook["sheets"]:
                self.stdout.write(_columns(sheet))
        findings = job.findings.all()
        for finding in findings[:SHOWN]:
            self.stdout.write(
                f"  {finding.sheet} row {finding.row}: {finding.message}".replace("   ", "  ")
            )
        if len(findings) > SHOWN:
            self.stdout.write(f"  ... and {len(findings) - SHOWN} more: /imports/{job.pk}/")
        for line in summary["skipped"]:
            self.stdout.write(f"  row {line['row']} was left out: {line['reason']}")
        if dry_run:
            rows = f"{summary['imported']} row{pluralize(summary['imported'])}"
            counts = f"{rows} to import, {summary['held']} held. Stored: none."
        else:
            counts = (
                f"{summary['created']} new, {summary['updated']} updated,"
                f" {summary['unchanged']} unchanged, {summary['held']} held,"
                f" {len(summary['gone'])} no longer in the ledger."
                " A scoring run waits: `manage.py score` does it now."
            )
        self.stdout.write(self.style.SUCCESS(counts))
        if findings or summary["held"]:
            raise SystemExit(1)


def _stop_if_failed(job: LedgerImport) -> None:
    if job.state == JobState.FAILED:
        ways = f"; say it with --column title=...: {_named(job)}" if job.wants_columns else ""
        raise CommandError(f"{job.error} {job.hint} ({job.refusal}{ways})", returncode=2)


def _named(job: LedgerImport) -> str:
    columns = [column for sheet in job.workbook["sheets"] for column in sheet["columns"]]
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return ", ".join(f"{c['letter']} {c['header']}".strip() for c in columns[:SHOWN]) + more


def _chosen(job: LedgerImport, wanted: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """FIELD=COLUMN, ... as the mapping of each sheet that has the column, by letter or header."""
    mapping: dict[str, dict[str, str | None]] = {}
    for each in wanted:
        field, _, name = each.partition("=")
        if field not in ledger.FIELDS:
            raise CommandError(
                f"--column {each}: there is no field '{field}'. There are: "
                f"{', '.join(ledger.FIELDS)}.",
                returncode=2,
            )
        found = False
        for sheet in job.workbook["sheets"]:
            column = next((c for c in sheet["columns"] if name in (c["header"], c["letter"])), None)
            if column:
                found = True
                chosen = mapping.setdefault(sheet["name"], {})
                chosen |= {str(c["index"]): None for c in sheet["columns"] if c["field"] == field}
                chosen[str(column["index"])] = field
        if not found:
            raise CommandError(
                f"{job.filename} has no column '{name}'. There are: {_named(job)}.", returncode=2
            )
    return mapping


def _columns(sheet: dict[str, Any]) -> str:
    """A sheet and what its columns are taken for."""
    if not sheet["imported"]:
        return f"{sheet['name']}: not read. {sheet['message']}".rstrip()
    taken = "; ".join(
        f"{column['letter']} {column['header']} → {column['field'] or 'kept as text'}"
        for column in sheet["columns"]
    )
    return f"{sheet['name']}, {sheet['rows']} rows: {taken}"
