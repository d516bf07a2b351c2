"""The demo company, running."""

import sys

from django.db import connections

from debtreg import tasks
from debtreg.actions import demo
from debtreg.management.commands import run
from debtreg.management.supervisor import Part, Supervisor
from debtreg.models import JobState, ScoringRun

LOOK_AT = (
    ("", "what is yours to do, by role"),
    ("ranking/", "the ranking: which debt returns most, and what is not priced yet"),
    ("backlog/", "what the scoring run promoted, by team and iteration"),
    ("burn/", "which error budgets burn, and whose"),
    ("outcomes/", "what repairs have brought, beside what was predicted of them"),
    ("runs/", "the run itself; start another one and watch it"),
    ("policies/", "the scoring policy; write a new version and see what it would move"),
    ("imports/", "how the 217 rows of the ledger came in"),
    ("api/docs/", "the REST API"),
)


class Command(run.Command):
    help = """Fill an empty database with the demo company, then run everything until Ctrl-C.

    Example: manage.py demo --port 8123"""

    def prepare(self) -> None:
        super().prepare()
        demo.fill(say=self.say)
        for waiting in ScoringRun.objects.filter(state=JobState.QUEUED):
            tasks.enqueue(waiting)

    def welcome(self, supervisor: Supervisor, worker: Part) -> None:
        waiting = (JobState.QUEUED, JobState.RUNNING)
        if ScoringRun.objects.filter(state__in=waiting).exists():
            self.say("The first scoring run ...")
            supervisor.wait_for(
                worker, lambda: not ScoringRun.objects.filter(state__in=waiting).exists()
            )
        supervisor.start(self._part("traffic", [sys.executable, "manage.py", "demo_traffic"]))
        connections.close_all()
        super().welcome(supervisor, worker)
        names = ", ".join(person["username"] for person in demo.people())
        self.say(f"\nLog in as {names}.\nThe password of all: {demo.PASSWORD}\n\nLook at")
        for path, what in LOOK_AT:
            self.say(f"  {self.address}{path:<10} {what}")
        self.say("")
