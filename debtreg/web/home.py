"""The page that everybody begins with: what is theirs to do, by role."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Min, Prefetch, Q, QuerySet, Sum
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.views.decorators.http import require_safe

from debtreg import sensitivity, versions
from debtreg.actions import users
from debtreg.models import (
    ACTIVE_STATES,
    BacklogEntry,
    Connection,
    DebtStatus,
    Fetch,
    Finding,
    FindingKind,
    Iteration,
    IterationState,
    JobState,
    LedgerImport,
    Outcome,
    OutcomeState,
    Role,
    Score,
    ScoreState,
    ScoringRun,
    Slo,
    StateWindow,
    Team,
    User,
    WhatIf,
)
from debtreg.models.score import ScoreQuerySet
from debtreg.web import burn, gaps, tour, words
from debtreg.web.debt import input_label
from debtreg.web.facets import Facets
from debtreg.web.ranking import ORDERINGS, RankingFilter
from debtreg.web.requests import PageRequest

# Rows of a list on this page; each leads to the page that has all of them.
MOST = 6
# So many next to the threshold on either side are looked at for what is to be measured.
NEIGHBOURS = 30
YEAR = timedelta(days=365)
RECENT = timedelta(days=7)
# Ages of gaps in days: where each band begins.
AGES = (0, 7, 30, 90)


@login_required
@require_safe
def home(request: PageRequest) -> HttpResponse:
    """The sections of one role: the person's own, or `?as=` that of another."""
    if request.GET.keys() & RankingFilter.base_fields.keys():
        # What was kept as a link to the ranking while it was here.
        return redirect(f"{resolve_url('ranking')}?{request.GET.urlencode()}", permanent=True)
    own = Role.ADMIN if request.user.is_superuser else Role(request.user.role)
    asked = request.GET.get("as", "")
    role = Role(asked) if asked in Role.values else own
    since = users.visit(user=request.user)
    standing = versions.standing()
    context = SECTIONS[role](request, standing)
    return render(
        request,
        "home/home.html",
        {
            "role": role,
            "own": own,
            "roles": Role.choices,
            "sections": f"home/_{role}.html",
            "since": since,
            "standing": standing,
            "threshold": standing.threshold,
            "offers_tour": tour.is_offered(request),
            **context,
        },
    )


def _team(request: PageRequest) -> dict[str, Any]:
    """Whose debts an engineer or product owner looks at, one team at a time: `?of=`, else the
    one of their own with the fullest backlog. None for all, where they are in no team."""
    waiting = Count("entries", filter=Q(entries__state__in=ACTIVE_STATES))
    own = Team.objects.filter(members=request.user).annotate(waiting=waiting)
    teams = list(own.order_by("-waiting", "slug"))
    asked = request.GET.get("of", "")
    if asked and asked not in [team.slug for team in teams]:
        teams += Team.objects.filter(slug=asked).annotate(waiting=waiting)
    chosen = next((team for team in teams if team.slug == asked), teams[0] if teams else None)
    return {"teams": teams, "team": chosen}


def _ranked(team: Team | None) -> ScoreQuerySet:
    rows = Score.objects.ranked()
    return rows.filter(team=team) if team else rows


def _shown(rows: QuerySet[Score]) -> list[Score]:
    """The first rows with what home/_debts.html shows of them."""
    active = BacklogEntry.objects.active().select_related("iteration")
    return list(
        rows.select_related("item__service", "item__team").prefetch_related(
            Prefetch("item__entries", active, to_attr="active_entries")
        )[:MOST]
    )


def _engineer(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    chosen = _team(request)
    team, facets = chosen["team"], Facets.read()
    scope = {"team": team.pk if team else None}
    states = facets.counts("state", scope)
    return {
        **chosen,
        "totals": facets.totals(scope),
        "debts": _shown(_ranked(team).in_state(ScoreState.PRICED)),
        "unestimated": _ranked(team)
        .in_state(ScoreState.NEEDS_ESTIMATE)
        .with_sort_cost()
        .order_by(*ORDERINGS["cost"])
        .select_related("item")[:MOST],
        "unestimated_count": states.get(ScoreState.NEEDS_ESTIMATE, 0),
        "unpriced_count": states.get(ScoreState.UNPRICED, 0),
        "measure": _measure(team, standing.threshold),
    }


def _near(team: Team | None, threshold: float, most: int) -> tuple[list[Score], list[Score]]:
    """Those whose ROI is just above the threshold, and just not: the nearest first."""
    rows = _ranked(team).in_state(ScoreState.PRICED).select_related("item")
    above = rows.filter(sort_roi__gt=threshold).order_by("sort_roi", "-item_id")
    return list(above[:most]), list(rows.filter(sort_roi__lte=threshold)[:most])


def _measure(team: Team | None, threshold: float | None) -> list[dict[str, Any]]:
    """What pays most to be known, among the debts whose decision is closest."""
    if threshold is None:
        return []
    above, below = _near(team, threshold, NEIGHBOURS)
    # Where the chance is 0 or 1, nothing that is measured turns the decision.
    scores = {
        score.item_id: score
        for score in above + below
        if score.confidence not in (None, 0.0, 1.0) and score.item.status == DebtStatus.OPEN
    }
    found = sensitivity.worth_measuring(list(scores)) if scores else []
    return [
        {**each, "score": scores[each["item_id"]], "label": input_label(each)}
        for each in found[:MOST]
    ]


def _product_owner(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    chosen = _team(request)
    team = chosen["team"]
    entries = BacklogEntry.objects.active()
    if team:
        entries = entries.filter(team=team)
    since = request.user.visited_at or timezone.now() - RECENT
    fresh = entries.filter(created_at__gt=since)
    above: list[Score] = []
    below: list[Score] = []
    if standing.threshold is not None:
        above, below = _near(team, standing.threshold, MOST // 2)
    iterations = Iteration.objects.filter(state=IterationState.OPEN)
    if team:
        iterations = iterations.filter(team=team)
    return {
        **chosen,
        "fresh": fresh.select_related("item__score", "iteration", "team").order_by("-created_at")[
            :MOST
        ],
        "fresh_count": fresh.count(),
        "fresh_since": since,
        "near": [*reversed(above), *below],
        "iterations": iterations.annotate(
            used=Sum("entries__repair_days", filter=~Q(entries__state="withdrawn"))
        )
        .select_related("team")
        .order_by("starts_on", "pk")[:MOST],
        "waiting": entries.filter(iteration=None).count(),
    }


def _sre(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    groups = burn.read(services=burn.worst_services(MOST))
    of_slos = Finding.objects.open().filter(slo__isnull=False)
    return {
        "groups": groups,
        "windows": StateWindow.choices,
        "slo_count": Slo.objects.count(),
        "firing": Slo.objects.filter(states__is_firing=True).distinct().count(),
        "findings": _gaps(of_slos),
        "findings_count": of_slos.count(),
        "silent": Connection.objects.exclude(last_error="").order_by("last_error_at")[:MOST],
    }


def _gaps(rows: QuerySet[Finding]) -> list[Finding]:
    """The oldest, as templates/gaps shows them."""
    found = list(rows.select_related("team", "contract", "slo").order_by("opened_at", "pk")[:MOST])
    now = timezone.now()
    for row in found:
        row.place = gaps.place(row)  # type: ignore[attr-defined]
        row.age_days = (now - row.opened_at).days  # type: ignore[attr-defined]
    return found


def _compliance(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    now, open_ = timezone.now(), Finding.objects.open()
    begins = [now - timedelta(days=days) for days in AGES]
    bands = zip(AGES, begins, [*begins[1:], None], strict=True)
    of_band = {
        f"from_{days}": Count(
            "pk",
            filter=Q(opened_at__lte=latest) & (Q(opened_at__gt=first) if first else Q()),
        )
        for days, latest, first in bands
    }
    counts = open_.aggregate(**of_band)
    unconfirmed = open_.filter(kind=FindingKind.UNCONFIRMED, contract__isnull=False)
    return {
        "ages": [
            {"from": days, "to": to, "n": counts[f"from_{days}"]}
            for days, to in zip(AGES, [*AGES[1:], None], strict=True)
        ],
        "gap_count": sum(counts.values()),
        "findings": _gaps(open_),
        "contracts": unconfirmed.order_by()
        .values("contract", "contract__reference", "contract__name")
        .annotate(n=Count("pk"), since=Min("opened_at"))
        .order_by("since")[:MOST],
    }


def _director(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    facets = Facets.read()
    names = Team.objects.in_bulk()
    sums = [
        (names.get(pk), n, None if math.isnan(cost) else cost)
        for pk, (n, cost) in facets.sums("team").items()
    ]
    sums.sort(key=lambda row: -(row[2] or 0))
    known = Outcome.objects.valid().filter(
        resolved_at__gt=timezone.now() - YEAR,
        realised_benefit__isnull=False,
        benefit__isnull=False,
    )
    return {
        "totals": facets.totals({}),
        "by_team": [{"team": team, "n": n, "cost": cost} for team, n, cost in sums[:MOST]],
        "costliest": _shown(Score.objects.ranked().with_sort_cost().order_by(*ORDERINGS["cost"])),
        "recovered": known.aggregate(
            cases=Count("pk"),
            measured=Count("pk", filter=Q(is_measured=True)),
            realised=Sum("realised_benefit"),
            predicted=Sum("benefit"),
        ),
        "due": Outcome.objects.in_state(OutcomeState.DUE, timezone.localdate()).count(),
    }


def _admin(request: PageRequest, standing: versions.Standing) -> dict[str, Any]:
    since = timezone.now() - RECENT
    return {
        "runs": ScoringRun.objects.select_related("requested_by")[:MOST],
        "failures": [
            *_failed(ScoringRun, "run-detail", since),
            *_failed(LedgerImport, "import-detail", since),
            *_failed(WhatIf, "policy-what-if", since, "policy_id"),
            *_failed(Fetch, "connection-detail", since, "connection__name"),
        ],
        "silent": Connection.objects.exclude(last_error="").order_by("last_error_at")[:MOST],
        "teamless": User.objects.filter(
            is_active=True, role__in=[Role.MEMBER, Role.PRODUCT_OWNER], teams=None
        ).count(),
    }


def _failed(job: Any, page: str, since: datetime, key: str = "pk") -> list[dict[str, Any]]:
    rows = job.objects.filter(state=JobState.FAILED, finished_at__gt=since).order_by("-pk")
    return [
        {"what": words.JOBS[job._meta.model_name], "at": at, "error": error, "hint": hint}
        | {"place": resolve_url(page, name)}
        for name, at, error, hint in rows.values_list(key, "finished_at", "error", "hint")[:MOST]
    ]


SECTIONS: dict[str, Callable[[PageRequest, versions.Standing], dict[str, Any]]] = {
    Role.MEMBER: _engineer,
    Role.PRODUCT_OWNER: _product_owner,
    Role.SRE: _sre,
    Role.COMPLIANCE: _compliance,
    Role.DIRECTOR: _director,
    Role.ADMIN: _admin,
}
