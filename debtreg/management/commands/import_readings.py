"""Readings of SLIs from a file."""

from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from debtreg.actions import audit, readings
from debtreg.errors import DebtregError
from debtreg.models import Channel


class Command(BaseCommand):
    help = """Import readings of SLIs from a CSV file: slo, at, seconds, good, total.

    Importing the same file again changes nothing. All of it is stored, or nothing.
    Exit code 0: stored; 1: lines are wrong, nothing stored; 2: the file could not be read.
    Example: manage.py import_readings readings.csv"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        audit.channel.set(Channel.COMMAND)
        try:
            with (
                file.open("rb") as content,
                tqdm.wrapattr(
                    content, "read", total=file.stat().st_size, disable=None, leave=False
                ) as watched,
            ):
                bytes_of = cast(BinaryIO, watched)
                stored = readings.import_csv(file=bytes_of, filename=file.name, by=None)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.", returncode=2) from error
        except readings.ReadingsRefused as error:
            for finding in error.findings:
                for name, problems in finding["fields"].items():
                    self.stderr.write(f"  {finding['place']}, {name}: {problems[0]}")
            text = f"{error.message} {error.hint}"
            raise CommandError(text, returncode=1 if error.findings else 2) from error
        except DebtregError as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
        self.stdout.write(
            self.style.SUCCESS(
                f"{stored.created:,} new readings, {stored.updated:,} corrected,"
                f" {stored.unchanged:,} there already."
            )
        )
