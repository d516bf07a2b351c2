"""Services: what they promise, whom they call, what debts they carry, what their units cost."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from debtreg.actions import rights
from debtreg.models import Dependency, FailureScenario, Guarantee, Price, Score, Service
from debtreg.web.facets import Facets
from debtreg.web.forms import ServiceForm
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page

MOST_DEBTS = 20


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """All services. Their open debts come from the ranking's counts, not one by one."""
    facets = Facets.read()
    services = list(Service.objects.select_related("team").order_by("team__slug", "slug"))
    counts = facets.sums("service")
    for service in services:
        service.open_debts, service.debt_cost = counts.get(service.pk, (0, None))  # type: ignore[attr-defined]
    return render(request, "services/list.html", {"services": services})


@login_required
@require_safe
def detail(request: PageRequest, slug: str) -> HttpResponse:
    service = get_object_or_404(Service.objects.select_related("team"), slug=slug)
    debts = Score.objects.ranked().filter(service_id=service.pk)
    mine = Q(provider=service) | Q(consumer=service)
    return render(
        request,
        "services/detail.html",
        {
            "service": service,
            "guarantees": Guarantee.objects.with_terms().filter(mine),
            "calls": Dependency.objects.filter(consumer=service).select_related("provider__team"),
            "called_by": Dependency.objects.filter(provider=service).select_related(
                "consumer__team"
            ),
            "prices": Price.objects.filter(Q(service=service) | Q(service=None)).order_by(
                "kind", "service"
            ),
            "scenarios": FailureScenario.objects.filter(members__item__service=service).distinct(),
            "debts": debts.select_related("item")[:MOST_DEBTS],
            "totals": Facets.read().totals({"service": service.pk}),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    return edit_page(
        request,
        ServiceForm(request.POST or None),
        title=_("New service"),
        back=reverse("service-list"),
    )


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, slug: str) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    service = get_object_or_404(Service, slug=slug)
    return edit_page(
        request,
        ServiceForm(request.POST or None, instance=service),
        title=_("Edit %(name)s") % {"name": slug},
        back=reverse("service-list"),
        removable=True,
    )
