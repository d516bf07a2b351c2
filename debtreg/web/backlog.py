"""A team's backlog: what is promoted, by iteration, with its capacity."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from debtreg.actions import backlog, debt
from debtreg.models import (
    ACTIVE_STATES,
    BacklogEntry,
    EntryState,
    Iteration,
    IterationState,
    Score,
    Team,
    pk_of,
)
from debtreg.web.errors import chosen_key, command
from debtreg.web.forms import WithdrawForm
from debtreg.web.requests import PageRequest

# Cards in a column; a longer one says how many more there are.
MOST_CARDS = 60
PAST_ITERATIONS = 3


@dataclass
class Column:
    """One iteration of a board, or those entries that wait for one."""

    iteration: Iteration | None
    entries: list[BacklogEntry] = field(default_factory=list)
    count: int = 0
    done_days: Decimal = Decimal(0)
    started_days: Decimal = Decimal(0)
    planned_days: Decimal = Decimal(0)
    unestimated: int = 0

    @property
    def days(self) -> Decimal:
        return self.begun_days + self.planned_days

    @property
    def begun_days(self) -> Decimal:
        return self.done_days + self.started_days

    @property
    def left(self) -> Decimal:
        return (self.iteration.capacity_days if self.iteration else Decimal(0)) - self.days

    @property
    def more(self) -> int:
        return self.count - len(self.entries)

    def add(self, entry: BacklogEntry) -> None:
        self.count += 1
        if entry.repair_days is None:
            self.unestimated += 1
        elif entry.state == EntryState.STARTED:
            self.started_days += entry.repair_days
        else:
            self.planned_days += entry.repair_days
        if len(self.entries) < MOST_CARDS:
            self.entries.append(entry)


@login_required
@require_safe
def mine(request: PageRequest) -> HttpResponse:
    """The fullest backlog among those of the person's own teams, or of all where there is none."""
    fullest = Team.objects.annotate(
        waiting=Count("entries", filter=Q(entries__state__in=ACTIVE_STATES))
    ).order_by("-waiting", "slug")
    team = fullest.filter(members=request.user).first() or fullest.first()
    if team is None:
        return render(request, "backlog/no_team.html")
    return redirect("backlog-team", team.slug)


@login_required
@require_safe
def board(request: PageRequest, slug: str) -> HttpResponse:
    team = get_object_or_404(Team, slug=slug)
    iterations = Iteration.objects.filter(team=team).order_by("starts_on", "pk")
    open_ = list(iterations.filter(state=IterationState.OPEN))
    entries = (
        BacklogEntry.objects.active()
        .filter(team=team)
        .select_related("item__service", "item__score", "item__team", "iteration", "placed_by")
        .order_by("-marginal_roi", "pk")
    )
    waiting = Column(None)
    done = dict(
        BacklogEntry.objects.filter(iteration__in=open_, state=EntryState.DONE)
        .values_list("iteration")
        .annotate(days=Sum("repair_days", default=Decimal(0)))
    )
    columns = {each.pk: Column(each, done_days=done.get(each.pk, Decimal(0))) for each in open_}
    # Entries of a team, a few hundred at most: what fits no iteration is not read row by row.
    for entry in entries.exclude(state=EntryState.UNSCHEDULED):
        place = columns.get(entry.iteration_id or 0)
        if place is None and entry.iteration is not None:
            place = columns.setdefault(entry.iteration.pk, Column(entry.iteration))
        (place or waiting).add(entry)
    unscheduled = entries.filter(state=EntryState.UNSCHEDULED)
    for entry in unscheduled[:MOST_CARDS]:
        waiting.add(entry)
    waiting.count = unscheduled.count() + sum(
        entry.state != EntryState.UNSCHEDULED for entry in waiting.entries
    )
    return render(
        request,
        "backlog/board.html",
        {
            "team": team,
            "teams": Team.objects.all(),
            "columns": list(columns.values()),
            "waiting": waiting,
            "open_iterations": open_,
            "past": iterations.filter(state=IterationState.CLOSED).order_by("-starts_on")[
                :PAST_ITERATIONS
            ],
        },
    )


@login_required
@require_safe
def plan(request: PageRequest, slug: str) -> HttpResponse:
    """What the next run would change in this backlog, before anything is changed."""
    team = get_object_or_404(Team, slug=slug)
    names = dict(Iteration.objects.filter(team=team).values_list("pk", "name"))
    found = backlog.plan(team=team)
    keys = [pk_of(change["debt"]) for change in found]
    rough = dict(Score.objects.filter(pk__in=keys).values_list("pk", "is_rough"))
    changes = [
        {
            **change,
            "pk": pk,
            "displaced": [(key, pk_of(key)) for key in change["displaced"]],
            "rough": rough.get(pk or 0, False),
            "to": names.get(change["iteration"]),
            "from": names.get(change["iteration_before"]),
        }
        for pk, change in zip(keys, found, strict=True)
    ]
    count = sum(each["change"] != "leave" for each in changes)
    return render(request, "backlog/plan.html", {"team": team, "changes": changes, "count": count})


@command
def apply_plan(request: PageRequest, slug: str) -> str:
    team = get_object_or_404(Team, slug=slug)
    changes = backlog.apply_plan(team=team, by=request.user)
    count = sum(each["change"] != "leave" for each in changes)
    messages.success(
        request,
        ngettext("%(n)s change is made.", "%(n)s changes are made.", count) % {"n": count},
    )
    return reverse("backlog-team", args=[slug])


def _entry(entry: BacklogEntry) -> str:
    slug = Team.objects.values_list("slug", flat=True).get(pk=entry.team_id)
    return reverse("backlog-team", args=[slug]) + f"#entry-{entry.pk}"


@command
def move(request: PageRequest, pk: int) -> str:
    entry = backlog.move(
        entry_id=pk,
        iteration_id=chosen_key(request, "iteration"),
        by=request.user,
    )
    messages.success(
        request,
        _("%(key)s is in %(name)s.") % {"key": entry.item.key, "name": entry.iteration}
        if entry.iteration
        else _("%(key)s waits for an iteration.") % {"key": entry.item.key},
    )
    return _entry(entry)


@command
def start(request: PageRequest, pk: int) -> str:
    entry = backlog.start(entry_id=pk, by=request.user)
    messages.success(request, _("Work on %(key)s has started.") % {"key": entry.item.key})
    return _entry(entry)


@command
def finish(request: PageRequest, pk: int) -> str:
    entry = get_object_or_404(BacklogEntry.objects.active().select_related("team"), pk=pk)
    item = debt.resolve(pk=entry.item_id, by=request.user)
    messages.success(request, _("%(key)s is resolved.") % {"key": item.key})
    return reverse("backlog-team", args=[entry.team.slug])


@command
def withdraw(request: PageRequest, pk: int) -> str | None:
    form = WithdrawForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["reason"])))
        return None
    entry = backlog.withdraw(entry_id=pk, **form.cleaned_data, by=request.user)
    messages.success(
        request,
        _("%(key)s is out of the backlog. The next run may bring it back, unless it is vetoed.")
        % {"key": entry.item.key},
    )
    team = Team.objects.get(pk=entry.team_id)
    return reverse("backlog-team", args=[team.slug])
