"""Scoring runs: asked for, watched, read up on."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from debtreg import keyset
from debtreg.actions import scores
from debtreg.models import ScoringRun
from debtreg.tasks import enqueue
from debtreg.web.errors import command
from debtreg.web.facets import Facets
from debtreg.web.requests import PageRequest

PAGE_SIZE = 30


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    runs = ScoringRun.objects.select_related("requested_by").order_by("-pk")
    page = keyset.page(runs, size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    return render(request, "runs/list.html", {"page": page, "rough": _is_rough()})


@login_required
@require_safe
def detail(request: PageRequest, pk: int) -> HttpResponse:
    """A run. While it is not over, the page asks for itself again, by htmx or by reloading."""
    run = get_object_or_404(ScoringRun.objects.select_related("requested_by"), pk=pk)
    return render(request, "runs/detail.html", {"run": run, "job": run, "rough": _is_rough()})


def _is_rough() -> bool:
    """Whether what all debts cost rests on guesses; what it did then, a run does not say."""
    return Facets.read().totals({}).rough


@command
def start(request: PageRequest) -> str:
    run = scores.request_run(by=request.user)
    enqueue(run)
    return reverse("run-detail", args=[run.pk])


@command
def cancel(request: PageRequest, pk: int) -> str:
    run = scores.cancel_run(run_id=pk, by=request.user)
    messages.success(
        request, _("Run %(n)s is cancelled. The scores of the run before stay.") % {"n": run.pk}
    )
    return reverse("run-detail", args=[pk])
