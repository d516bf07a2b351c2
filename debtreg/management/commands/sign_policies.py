"""New signatures for versions of the scoring policy, after a change of SECRET_KEY."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from debtreg import versions
from debtreg.actions import audit, policies
from debtreg.errors import DebtregError
from debtreg.models import Channel, ScoringPolicy
from debtreg.tasks import enqueue_waiting


class Command(BaseCommand):
    help = """Sign anew what a key of SECRET_KEY_FALLBACKS has signed, and show what is refused.

    A version that is named is signed as it stands in the database: look at what it says first.
    Example: manage.py sign_policies 3"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "chosen", metavar="VERSION", nargs="*", type=int, help="sign this as it stands"
        )

    def handle(self, *, chosen: list[int], **options: Any) -> None:
        audit.channel.set(Channel.COMMAND)
        try:
            for row in policies.renew_signatures(by=None):
                self.stdout.write(f"Version {row.version}: signed with the present SECRET_KEY.")
            for version in chosen:
                policies.sign(version=version, by=None)
                self.stdout.write(f"Version {version}: signed as it stands.")
            enqueue_waiting()
        except DebtregError as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
        refused = [row for row in ScoringPolicy.objects.order_by("version") if self.is_refused(row)]
        if refused:
            raise CommandError(
                f"{len(refused)} of {ScoringPolicy.objects.count()} versions are refused. If you"
                f" trust what one says: manage.py sign_policies {refused[-1].version}",
                returncode=1,
            )
        self.stdout.write(self.style.SUCCESS("The signature of every version fits."))

    def is_refused(self, row: ScoringPolicy) -> bool:
        """True after saying why, and what the version says."""
        problem = versions.problem_of(row)
        if problem is None:
            return False
        by, day = row.created_by or "nobody who is named", f"{row.created_at:%Y-%m-%d}"
        self.stdout.write(f"{problem.message}\n  Of {day}, by {by}. {row.note}")
        differing = versions.differences(versions.DEFAULTS, row.payload)
        for each in differing:
            self.stdout.write(f"  {each.field}: {each.new} (by default {each.old})")
        if not differing:
            self.stdout.write("  It says what the defaults say.")
        return True
