"""SLOs: what is promised of a service, what is left of it, and which debts threaten it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import keyset
from debtreg.actions import rights, slo_imports, slos
from debtreg.errors import DebtregError, NotAllowed
from debtreg.models import (
    Maintenance,
    PenaltyEntry,
    Score,
    Service,
    SliKind,
    Slo,
    SloState,
    SourceFormat,
    StateWindow,
)
from debtreg.tasks import enqueue_waiting
from debtreg.web import burn
from debtreg.web.errors import command
from debtreg.web.fields import show_problems
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page
from debtreg.web.slo_forms import ImportForm, MaintenanceForm, SloForm

MOST_DEBTS = 20
MOST_PENALTIES = 4
MOST_MAINTENANCES = 10
PAGE_SIZE = 100
MOST_LINES = 400


class Filters(forms.Form):
    q = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=200)
    service = forms.ModelChoiceField(
        label=gettext_lazy("Service"),
        queryset=Service.objects.all(),
        to_field_name="slug",
        required=False,
        empty_label=gettext_lazy("All"),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=[("", gettext_lazy("All")), *SliKind.choices],
    )


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """All SLOs by service, with what is left of their budgets. No data is said, never 0."""
    form = Filters(request.GET)
    rows = Slo.objects.select_related("service", "guarantee__contract").prefetch_related("states")
    if form.is_valid():
        wanted = form.cleaned_data
        if wanted["q"]:
            rows = rows.filter(Q(name__icontains=wanted["q"]) | Q(title__icontains=wanted["q"]))
        if wanted["service"]:
            rows = rows.filter(service=wanted["service"])
        if wanted["kind"]:
            rows = rows.filter(kind=wanted["kind"])
    page = keyset.page(
        rows.order_by("service__slug", "name"), size=PAGE_SIZE, cursor=request.GET.get("cursor")
    )
    for slo in page.rows:
        states: list[SloState] = list(slo.states.all())
        slo.whole = next((s for s in states if s.window == StateWindow.PERIOD), None)  # type: ignore[attr-defined]
        burning = [state for state in states if state.burn_rate is not None]
        slo.worst = max(burning, key=lambda state: state.burn_rate or 0, default=None)  # type: ignore[attr-defined]
        slo.firing = sum(state.is_firing is True for state in states)  # type: ignore[attr-defined]
    return render(
        request,
        "slos/list.html",
        {"page": page, "form": form, "is_filtered": any(map(request.GET.get, form.fields))},
    )


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
            "maintenances": Maintenance.objects.filter(
                Q(service=slo.service_id) | Q(service=None)
            ).select_related("service")[:MOST_MAINTENANCES],
            "queries": [
                (label, query)
                for label, query in (
                    (_("Good events"), slo.good_query),
                    (_("Bad events"), slo.bad_query),
                    (_("All valid events"), slo.total_query),
                    (_("Buckets of the histogram"), slo.buckets_query),
                    (_("Quantile of the contract"), slo.quantile_query),
                )
                if query
            ],
            **burn.budget_of(slo),
        },
    )


# --- The form -------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    service = Service.objects.filter(slug=request.GET.get("service", "")).first()
    return _edit(request, Slo(service=service) if service else Slo())


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, name: str) -> HttpResponse:
    return _edit(request, get_object_or_404(Slo.objects.select_related("service"), name=name))


def _edit(request: PageRequest, slo: Slo) -> HttpResponse:
    rights.check(request.user, "slo.change")
    name = slo.name
    form = SloForm(request.POST if request.method == "POST" else None, instance=slo)
    if request.method == "POST" and form.is_valid():
        try:
            saved = slos.save(
                slo=form.instance, by=request.user, revision=form.cleaned_data["revision"]
            )
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error)
        else:
            enqueue_waiting()
            messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
            return redirect("slo-detail", saved.name)
    return render(
        request,
        "slos/form.html",
        {"form": form, "name": name, "zones": sorted(slos.time_zones())},
        status=422 if form.errors else 200,
    )


@command
def remove(request: PageRequest, name: str) -> str:
    slo = Slo.objects.filter(name=name).first()
    if slo is None:
        raise Http404(name)
    slos.remove(slo=slo, by=request.user)
    enqueue_waiting()
    messages.success(request, _("%(name)s is removed, with its readings.") % {"name": name})
    return reverse("slo-list")


# --- Maintenance ----------------------------------------------------------------------------------


@login_required
@require_safe
def maintenances(request: PageRequest) -> HttpResponse:
    page = keyset.page(
        Maintenance.objects.select_related("service").order_by("-starts_at", "-pk"),
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor"),
    )
    return render(request, "slos/maintenances.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def new_maintenance(request: PageRequest) -> HttpResponse:
    return _edit_maintenance(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def edit_maintenance(request: PageRequest, pk: int) -> HttpResponse:
    return _edit_maintenance(request, get_object_or_404(Maintenance, pk=pk))


def _edit_maintenance(request: PageRequest, window: Maintenance | None) -> HttpResponse:
    rights.check(request.user, "slo.change")
    return edit_page(
        request,
        MaintenanceForm(request.POST or None, instance=window),
        title=_("Edit a maintenance window") if window else _("New maintenance window"),
        back=reverse("maintenance-list"),
        removable=window is not None,
        save=lambda obj: slos.save_maintenance(maintenance=obj, by=request.user),
        remove=lambda obj: slos.remove_maintenance(maintenance=obj, by=request.user),
    )


# --- Files ----------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def import_file(request: PageRequest) -> HttpResponse:
    """Look at a file, correct its text, store it: each is a POST of all that was typed."""
    rights.check(request.user, "slo.change")
    sent = request.method == "POST"
    form = ImportForm(request.POST if sent else None, request.FILES if sent else None)
    context: dict[str, Any] = {"form": form}
    if sent and form.is_valid():
        text, team = form.cleaned_data["text"], form.cleaned_data["team"]
        stores = "store" in request.POST
        work = slo_imports.store if stores else slo_imports.preview
        try:
            report = work(
                text=text,
                source_format=form.cleaned_data["format"],
                team=team.slug if team else "",
                by=request.user,
            )
        except NotAllowed:
            raise
        except DebtregError as error:
            form.add_error("text", f"{error.message} {error.hint}".strip())
        else:
            if stores:
                enqueue_waiting()
            context |= {"report": report, "stored": stores}
        if isinstance(text, bytes):
            # What was uploaded goes on as text, in which it can be corrected.
            shown = {**request.POST.dict(), "text": text.decode("utf-8-sig", "replace")}
            errors = form.errors
            form = context["form"] = ImportForm(shown)
            form._errors = errors  # type: ignore[attr-defined]
            form.cleaned_data = {}
    return render(
        request, "slos/import.html", context, status=422 if context["form"].errors else 200
    )


@login_required
@require_safe
def export_file(request: PageRequest) -> HttpResponse:
    """What a file of all SLOs would say, and what its format can't; the API gives the file."""
    chosen = request.GET.get("format", "")
    if chosen not in SourceFormat.values:
        chosen = SourceFormat.OPENSLO
    exported = slo_imports.export(source_format=chosen)
    lines = exported.text.splitlines()
    return render(
        request,
        "slos/export.html",
        {
            "exported": exported,
            "formats": SourceFormat.choices,
            "text": "\n".join(lines[:MOST_LINES]),
            "lines": len(lines),
            "is_cut": len(lines) > MOST_LINES,
        },
    )
