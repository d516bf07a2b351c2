"""Iterations of a team: created and edited by its product owner."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from debtreg.actions import rights
from debtreg.models import Iteration, Team
from debtreg.web.forms import IterationForm
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest, slug: str) -> HttpResponse:
    return _edit(request, Iteration(team=get_object_or_404(Team, slug=slug)))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Iteration.objects.select_related("team"), pk=pk))


def _edit(request: PageRequest, iteration: Iteration) -> HttpResponse:
    rights.check(request.user, "iteration.change", iteration)
    form = IterationForm(request.POST or None, instance=iteration)
    team = iteration.team
    title = _("Edit %(name)s") if iteration.pk else _("New iteration of %(team)s")
    return edit_page(
        request,
        form,
        title=title % {"name": iteration.name, "team": team.name},
        back=reverse("backlog-team", args=[team.slug]),
        removable=True,
    )
