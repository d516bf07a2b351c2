"""SLOs, services and dependencies from files of other tools."""

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from debtreg.actions import audit, slo_imports
from debtreg.errors import DebtregError
from debtreg.models import Channel, JobState, ScoringRun, SourceFormat


class Command(BaseCommand):
    help = """Import SLOs from OpenSLO or Sloth, services and dependencies from Backstage (YAML).

    What can be taken is taken; what can't is named with file, line and how to mend it. Importing
    again changes nothing. Of several files each is taken by itself, in this order.
    Exit code 0: all of it taken; 1: something was not taken, or differs from what the file says;
    2: a file can't be read, and nothing of it was stored.
    Example: manage.py import_slos catalog-info.yaml slos/*.yaml --dry-run"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
        parser.add_argument(
            "--format", choices=SourceFormat.values, default="", help="by default guessed"
        )
        parser.add_argument(
            "--team", default="", help="slug of the team that gets services nobody is said to own"
        )
        parser.add_argument("--dry-run", action="store_true", help="look, store nothing")

    def handle(
        self, *, files: list[Path], format: str, team: str, dry_run: bool, **options: Any
    ) -> None:
        audit.channel.set(Channel.COMMAND)
        work = slo_imports.preview if dry_run else slo_imports.store
        has_problems = False
        for file in files:
            try:
                report = work(text=file.read_bytes(), source_format=format, team=team, by=None)
            except OSError as error:
                raise CommandError(f"{file}: {error.strerror}.", returncode=2) from error
            except DebtregError as error:
                raise CommandError(f"{file}: {error.message} {error.hint}", returncode=2) from error
            self._say(file, report, dry_run)
            has_problems |= any(finding.level != "note" for finding in report.findings)
        if not dry_run and ScoringRun.objects.filter(state=JobState.QUEUED).exists():
            self.stdout.write("A scoring run waits: `manage.py score` does it now.")
        if has_problems:
            raise SystemExit(1)

    def _say(self, file: Path, report: slo_imports.Report, dry_run: bool) -> None:
        for finding in report.findings:
            what = f"{finding.kind} {finding.name}".strip()
            where = f" {finding.field}:" if finding.field else ""
            self.stdout.write(
                f"{file}:{finding.line}: {finding.level}: {what}:{where} {finding.message}"
                f" {finding.hint}".rstrip()
            )
        for row in report.rows:
            if row.outcome != "unchanged":
                self.stdout.write(f"  {row.outcome}: {row.kind} {row.name} {row.text}".rstrip())
        stored = " Stored: nothing." if dry_run else ""
        self.stdout.write(
            self.style.SUCCESS(
                f"{file} ({SourceFormat(report.source_format).label}): {report.count('created')}"
                f" new, {report.count('updated')} changed, {report.count('unchanged')} unchanged,"
                f" {report.errors} not taken.{stored}"
            )
        )
