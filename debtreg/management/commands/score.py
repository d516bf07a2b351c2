"""Score the portfolio now, in this process."""

import os
import socket
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from debtreg.actions import audit, jobs, scores
from debtreg.errors import DebtregError
from debtreg.management.progress import watch
from debtreg.models import Channel, JobState, ScoringRun


class Command(BaseCommand):
    help = """Score every open debt item and promote what pays, here and now.

    With --background a worker does it, and the command returns at once.
    Example: manage.py score"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--background", action="store_true", help="leave it to a worker")

    def handle(self, *, background: bool, **options: Any) -> None:
        audit.channel.set(Channel.COMMAND)
        run = scores.request_run(by=None)
        if background:
            self.stdout.write(f"Run {run.pk} waits for a worker. /runs/{run.pk}/ shows it.")
            return
        owner = f"{socket.gethostname()}:{os.getpid()}:command"
        try:
            with watch(ScoringRun, run.pk):
                mine = scores.run(run.pk, owner)
        except DebtregError as error:
            jobs.end(ScoringRun, run.pk, owner, JobState.FAILED, error.message, error.hint)
            raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
        except jobs.LeaseLost:
            raise CommandError(f"Run {run.pk} was cancelled.", returncode=2) from None
        except KeyboardInterrupt:
            jobs.cancel(ScoringRun, run.pk)
            raise CommandError("Cancelled; the last published scores stay.", returncode=2) from None
        if not mine:
            raise CommandError(
                "Another run is under way; this one waits for it and a worker will do it.",
                returncode=2,
            )
        run.refresh_from_db()
        self.stdout.write(
            self.style.SUCCESS(
                f"Run {run.pk}: {run.items:,} items scored, {run.changed:,} scores moved,"
                f" {run.promoted:,} promoted, {run.withdrawn:,} taken back."
                f" {sum(run.seconds.values()):.1f} s."
            )
        )
