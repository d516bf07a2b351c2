"""The demo company, running."""

from debtreg.management.commands import run


class Command(run.Command):
    help = """Fill an empty database with the demo company, then run everything until Ctrl-C.

    Example: manage.py demo --port 8123"""

    def prepare(self) -> None:
        super().prepare()
