"""A bearer token for the API."""

from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from debtreg.actions import audit, users
from debtreg.errors import DebtregError
from debtreg.models import Channel, User


class Command(BaseCommand):
    help = """Create an API token for a user and print it once, as the last word.

    Example: manage.py create_token sre --name "nightly export" --days 90"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user's log-in name")
        parser.add_argument("--name", default="command line", help="what will use it")
        parser.add_argument("--days", type=int, help="days until it expires (never)")

    def handle(self, *, user: str, name: str, days: int | None, **options: Any) -> None:
        audit.channel.set(Channel.COMMAND)
        owner = User.objects.filter(username=user).first()
        if owner is None:
            known = ", ".join(
                User.objects.order_by("username").values_list("username", flat=True)[:10]
            )
            raise CommandError(
                f"There is no user '{user}'. There are: {known or 'none yet'}.", returncode=2
            )
        if days is not None and not 0 < days <= 36_500:
            raise CommandError(
                f"--days is {days}: it needs a number from 1 to 36500.", returncode=2
            )
        expires_at = timezone.now() + timedelta(days=days) if days else None
        try:
            _, text = users.create_token(user=owner, name=name, by=None, expires_at=expires_at)
        except DebtregError as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=2) from error
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "without an end"
        self.stdout.write(f"Token of {user}, {until}. It is shown this once: {text}")
