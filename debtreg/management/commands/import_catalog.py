"""Teams, services, dependencies, contracts and failure scenarios from a file."""

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from debtreg.actions import audit, catalog, registry
from debtreg.errors import DebtregError
from debtreg.formats import documents
from debtreg.models import Channel, JobState, ScoringRun


class Command(BaseCommand):
    help = """Take in a catalog from YAML: teams, services, dependencies, SLA contracts, scenarios.

    Importing it again updates what has changed. All of it comes in, or nothing. Failure scenarios
    name debts that are there: import the ledger before them.
    Example: manage.py import_catalog demo/services.yaml"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        audit.channel.set(Channel.COMMAND)
        try:
            document = documents.load_one(file.read_bytes())
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.", returncode=2) from error
        except documents.NotReadable as error:
            raise CommandError(f"{file}: {error.message} {error.hint}", returncode=2) from error
        try:
            counts = catalog.load(document=document, by=None)
        except DebtregError as error:
            raise CommandError(
                f"{error.message}\n{error.hint} Nothing was stored.", returncode=2
            ) from error
        new = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.stdout.write(self.style.SUCCESS(f"New: {new}."))
        for each in registry.extra_of(document)[1]:
            if each["kind"] != "left_out":  # here it is taken in
                self.stdout.write(f"Beside the slas: {each['text']}")
        for where, said in registry.unknown_of(document.get("slas") or []):
            self.stdout.write(f"{where}: {said}")
        if ScoringRun.objects.filter(state=JobState.QUEUED).exists():
            self.stdout.write("A scoring run waits: `manage.py score` does it now.")
