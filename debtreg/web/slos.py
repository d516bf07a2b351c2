"""SLOs: what is promised of a service, what is left of it, and which debts threaten it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from debtreg.models import PenaltyEntry, Score, Slo
from debtreg.web import burn
from debtreg.web.requests import PageRequest

MOST_DEBTS = 20
MOST_PENALTIES = 4


def _penalties(slo: Slo) -> QuerySet[PenaltyEntry]:
    """What its guarantee's penalty took, the last periods first: a ledger beside the budget."""
    return PenaltyEntry.objects.filter(guarantee=slo.guarantee_id)[:MOST_PENALTIES]


@login_required
@require_safe
def detail(request: PageRequest, name: str) -> HttpResponse:
    slos = Slo.objects.select_related("service__team", "guarantee__contract", "connection")
    slo = get_object_or_404(slos.prefetch_related("states"), name=name)
    threatens = Q(item__impacts__slo=slo)
    if slo.guarantee_id:
        threatens |= Q(item__impacts__guarantee=slo.guarantee_id)
    return render(
        request,
        "slos/detail.html",
        {
            "slo": slo,
            "debts": Score.objects.ranked()
            .filter(pk__in=Score.objects.filter(threatens).values("pk"))
            .select_related("item")[:MOST_DEBTS],
            "penalties": _penalties(slo),
            **burn.budget_of(slo),
        },
    )
