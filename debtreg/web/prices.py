"""The price book: what a millisecond, a failure, a minute, an hour costs."""

from __future__ import annotations

from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from debtreg.actions import rights
from debtreg.models import PRICE_KINDS, PRICE_UNITS, Price
from debtreg.web.forms import PriceForm
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page

# Of what is sought.
LONGEST = 100


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """All prices: the general ones, and those of each service, folded; `?q=` finds a service or
    a kind, `?kind=` keeps one."""
    sought = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    kind = request.GET.get("kind", "")
    prices = Price.objects.select_related("service").order_by("service__slug", "kind")
    if kind in PRICE_UNITS:
        prices = prices.filter(kind=kind)
    if sought:
        prices = prices.filter(
            Q(service__slug__icontains=sought)
            | Q(service__name__icontains=sought)
            | Q(source__icontains=sought)
        )
    found = list(prices)
    for price in found:
        price.unit = PRICE_UNITS[price.kind]  # type: ignore[attr-defined]
    special = [price for price in found if price.service is not None]
    return render(
        request,
        "prices/list.html",
        {
            "general": [price for price in found if price.service is None],
            "services": [
                (service, list(its))
                for service, its in groupby(special, key=lambda price: price.service)
            ],
            "kinds": PRICE_KINDS,
            "kind": kind,
            "q": sought,
            "filtered": bool(sought or kind in PRICE_UNITS),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Price, pk=pk))


def _edit(request: PageRequest, price: Price | None) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    return edit_page(
        request,
        PriceForm(request.POST or None, instance=price),
        title=_("Edit a price") if price else _("New price"),
        back=reverse("price-list"),
        removable=price is not None,
    )
