"""The tour of the demo: five steps through its story, each on the page that tells it.

`?tour=1` to `?tour=5` shows a step above a page; without JavaScript, and only where the demo's data
is. Whoever leaves it is not asked again, and finds it under Help.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from debtreg.actions import demo, users
from debtreg.models import BacklogEntry, FailureScenario, LedgerImport, LedgerRow, Score, Team
from debtreg.web.errors import command
from debtreg.web.requests import PageRequest


@dataclass(frozen=True)
class Story:
    """What the steps speak of: the scenario, its best repair, and where each of them is shown."""

    scenario: FailureScenario
    count: int
    rows: int
    ledger: LedgerImport
    score: Score
    entry: BacklogEntry | None

    @property
    def words(self) -> dict[str, Any]:
        score, entry = self.score, self.entry
        return {
            "count": self.count,
            "rows": self.rows,
            "scenario": self.scenario.name,
            "key": score.item.key,
            "days": f"{score.item.effort_likely:g}" if score.item.effort_likely else "?",
            "where": entry.iteration.name if entry and entry.iteration else _("the backlog"),
            "service": score.item.service.slug if score.item.service else "",
        }


@dataclass(frozen=True)
class Step:
    title: str | Promise
    text: str | Promise
    place: Callable[[Story], str]


def _backlog(story: Story) -> str:
    if story.entry is None:
        return resolve_url("backlog")
    team = Team.objects.values_list("slug", flat=True).get(pk=story.entry.team_id)
    return resolve_url("backlog-team", team)


def _burn(story: Story) -> str:
    slug = story.words["service"]
    return resolve_url("burn") + (f"?open={slug}" if slug else "")


STEPS = (
    Step(
        _("A sheet of low priorities"),
        _(
            "This is how the team's spreadsheet of %(rows)s debts came in. %(count)s of them stand"
            " in it as low priority, and none of those has a price: alone each is harmless, so"
            " nobody would repair it next."
        ),
        lambda story: resolve_url("import-detail", story.ledger.pk),
    ),
    Step(
        _("What they do together"),
        _(
            "These %(count)s debts have brought payment down together: “%(scenario)s”. The gates"
            " must all be open for it to happen, and each of the others makes it likelier. What"
            " it loses a year is shared out among them, so that each has its part of the price."
        ),
        lambda story: resolve_url("scenario-detail", story.scenario.pk),
    ),
    Step(
        _("%(days)s days of work on top of the ranking"),
        _(
            "%(key)s was a low priority in the sheet. With its part of the loss it returns more"
            " than any other repair: it takes %(days)s days, and breaks the chain by itself."
        ),
        lambda story: resolve_url("ranking"),
    ),
    Step(
        _("Promoted by what it returns"),
        _(
            "The scoring run has put %(key)s into %(where)s, and says why: once it is promoted,"
            " there is less left to gain from the others, so they are not promoted with it. A"
            " product owner can veto, pin or move it."
        ),
        _backlog,
    ),
    Step(
        _("The promise that is in danger"),
        _(
            "This is what the repair protects: how fast each service uses up its error budgets."
            " Look at %(service)s. Above 1 a promise will be broken if nothing changes; an alert"
            " says that it is close."
        ),
        _burn,
    ),
)


def story() -> Story | None:
    """What the tour tells; None where the demo's data is not, or not scored yet."""
    if not demo.is_filled():
        return None
    scenario = FailureScenario.objects.order_by("pk").first()
    members = Score.objects.filter(item__scenario_members__scenario=scenario)
    score = members.select_related("item__service").order_by("-sort_roi", "item_id").first()
    if scenario is None or score is None:
        return None
    row = LedgerRow.objects.filter(item=score.item_id).first()
    if row is None:
        return None
    ledger = LedgerImport.objects.filter(source=row.source_id).order_by("-pk").first()
    if ledger is None:
        return None
    return Story(
        scenario=scenario,
        count=members.filter(item__stated_priority="P3").count(),
        rows=LedgerRow.objects.filter(source=row.source_id).count(),
        ledger=ledger,
        score=score,
        entry=BacklogEntry.objects.active()
        .filter(item=score.item_id)
        .select_related("iteration")
        .first(),
    )


def step(request: HttpRequest) -> dict[str, Any] | None:
    """The step that a page is asked to show: its words, and where the ones beside it are."""
    asked = request.GET.get("tour", "")
    if asked not in [str(number) for number in range(1, len(STEPS) + 1)]:
        return None
    told = story()
    if told is None:
        return None
    number = int(asked)
    this = STEPS[number - 1]
    return {
        "number": number,
        "count": len(STEPS),
        "title": this.title % told.words,
        "text": this.text % told.words,
        "before": _place(told, number - 1),
        "after": _place(told, number + 1),
    }


def _place(told: Story, number: int) -> str | None:
    """The address of a step; None beyond the first or the last."""
    if not 1 <= number <= len(STEPS):
        return None
    address = STEPS[number - 1].place(told)
    return f"{address}{'&' if '?' in address else '?'}tour={number}"


def is_offered(request: PageRequest) -> bool:
    return request.user.tour_left_at is None and demo.is_filled()


@command
def start(request: PageRequest) -> str:
    told = story()
    return (told and _place(told, 1)) or resolve_url("home")


@command
def leave(request: PageRequest) -> str:
    users.leave_tour(user=request.user)
    return resolve_url("home")
