"""SLA contracts: what they promise, as written and as read; what waits for a person; the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Prefetch, Q, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import keyset
from debtreg import terms as bridge
from debtreg.actions import contracts, penalties, registry, rights
from debtreg.errors import DebtregError, NotAllowed
from debtreg.formats import documents
from debtreg.models import (
    Contract,
    DebtImpact,
    DebtStatus,
    Guarantee,
    PenaltyEntry,
    Terms,
)
from debtreg.tasks import enqueue_waiting
from debtreg.web.contract_forms import (
    FORM_NAMES,
    ContractForm,
    IdentityForm,
    NewGuaranteeForm,
    PeriodForm,
    TermsForm,
    identity_of,
    said,
)
from debtreg.web.errors import chosen_key, command
from debtreg.web.fields import show_problems
from debtreg.web.forms import FileForm
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page

PAGE_SIZE = 50
MOST_DEBTS = 5


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    rows = Contract.objects.annotate(
        gaps=Count("findings", filter=Q(findings__closed_at__isnull=True))
    ).prefetch_related(Prefetch("guarantees", Guarantee.objects.with_terms()))
    page = keyset.page(rows.order_by("reference"), size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    today = timezone.localdate()
    for row in page.rows:
        promises = list(row.guarantees.all())
        row.is_on = row.covers(today)  # type: ignore[attr-defined]
        row.waiting = sum(len(waiting_of(each)) for each in promises)  # type: ignore[attr-defined]
        counting = [each for each in promises if each.current and each.current.is_confirmed]
        row.confirmed = len(counting)  # type: ignore[attr-defined]
    return render(request, "contracts/list.html", {"page": page})


def waiting_of(guarantee: Guarantee) -> list[Terms]:
    """The versions that wait for a person, the one that begins first first."""
    found = [
        each for each in guarantee.terms.all() if not each.is_confirmed and each.replaced_at is None
    ]
    return sorted(found, key=lambda each: each.effective_from or date.min)


@login_required
@require_safe
def detail(request: PageRequest, pk: int) -> HttpResponse:
    return _detail(request, pk)


def _detail(
    request: PageRequest, pk: int, form: PeriodForm | None = None, of: int | None = None
) -> HttpResponse:
    """The page of a contract; `form` is the one of guarantee `of` that was refused."""
    contract = get_object_or_404(Contract, pk=pk)
    promises = list(contract.guarantees.with_terms().order_by("pk"))
    keys = [each.pk for each in promises]
    graph = bridge.Graph.read()
    in_force = Terms.objects.in_force(timezone.localdate()).select_related("guarantee")
    judged = bridge.feasibilities(in_force, graph)
    ledger = _grouped(
        PenaltyEntry.objects.filter(guarantee__in=keys).select_related("terms", "recorded_by")
    )
    debts = _grouped(_threats(keys))
    gaps = _grouped(contract.findings.open())
    today = timezone.localdate()
    for each in promises:
        each.besides = documents.dump(each.extra)  # type: ignore[attr-defined]
        each.rows = _versions(each)  # type: ignore[attr-defined]
        each.shown = next(iter(waiting_of(each)), None) or each.current or each.latest  # type: ignore[attr-defined]
        each.path = _path(each, graph)  # type: ignore[attr-defined]
        each.feasibility = judged.get(each.pk)  # type: ignore[attr-defined]
        each.ledger = ledger.get(each.pk, [])  # type: ignore[attr-defined]
        each.debts = list({row.item_id: row for row in debts.get(each.pk, [])}.values())  # type: ignore[attr-defined]
        each.gaps = gaps.get(each.pk, [])  # type: ignore[attr-defined]
        start, end = bridge.last_period(each.current, today)
        each.form = (  # type: ignore[attr-defined]
            form
            if of == each.pk
            else PeriodForm(
                initial={"starts_on": start, "ends_on": end}, auto_id=f"id_{each.pk}_%s"
            )
        )
        each.is_refused = of == each.pk  # type: ignore[attr-defined]
    return render(
        request,
        "contracts/detail.html",
        {
            "contract": contract,
            "guarantees": promises,
            "is_on": contract.covers(today),
            "besides": documents.dump(contract.extra),
        },
        status=422 if form else 200,
    )


def _grouped(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.guarantee_id, []).append(row)
    return found


def _threats(keys: list[int]) -> Any:
    """Of each guarantee the impacts of the open debts that cost most."""
    place = Window(
        RowNumber(),
        partition_by="guarantee_id",
        order_by=[F("item__score__annual_cost").desc(nulls_last=True), "pk"],
    )
    return (
        DebtImpact.objects.filter(guarantee__in=keys)
        .exclude(item__status=DebtStatus.DONE)
        .annotate(place=place)
        .filter(place__lte=MOST_DEBTS)
        .select_related("item__score")
        .order_by("guarantee_id", "place")
    )


def _versions(guarantee: Guarantee) -> list[dict[str, Any]]:
    """The versions, the latest day first, each with what it is now."""
    current = guarantee.current
    today = timezone.localdate()
    found = []
    for each in sorted(
        guarantee.terms.all(),
        key=lambda row: (row.effective_from or date.min, row.version),
        reverse=True,
    ):
        if each.replaced_at:
            state = "replaced"
        elif not each.is_confirmed:
            state = "waiting"
        elif current and each.pk == current.pk:
            state = "in_force"
        else:
            state = "to_come" if each.effective_from and each.effective_from > today else "over"
        found.append({"terms": each, "state": state, "target": bridge.target_of(each)})
    return found


def _path(guarantee: Guarantee, graph: bridge.Graph) -> dict[str, Any]:
    """How the consumer gets to the provider: the edge itself, a way round, or none."""
    consumer, provider = guarantee.consumer_id, guarantee.provider_id
    if consumer is None or provider is None:
        return {}
    hard = graph.calls.get(consumer, {}).get(provider)
    way = [graph.slugs[pk] for pk in graph.path(consumer, provider)]
    return {"hard": hard, "is_edge": hard is not None, "way": way}


# --- Forms ----------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    return _edit(request, ContractForm(request.POST or None), _("New contract"))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    contract = get_object_or_404(Contract, pk=pk)
    title = _("Edit %(name)s") % {"name": contract.reference}
    form = ContractForm(request.POST or None, instance=contract)
    return _edit(request, form, title, removable=True)


def _edit(
    request: PageRequest, form: ContractForm, title: str, *, removable: bool = False
) -> HttpResponse:
    back = reverse("contract-list")
    response = edit_page(request, form, title=title, back=back, removable=removable)
    if response.status_code == 302 and "remove" not in request.POST:
        return redirect("contract-detail", form.instance.pk)
    return response


@login_required
@require_http_methods(["GET", "POST"])
def new_guarantee(request: PageRequest, pk: int) -> HttpResponse:
    rights.check(request.user, "catalog.change")
    contract = get_object_or_404(Contract, pk=pk)
    form = NewGuaranteeForm(request.POST or None)

    def store() -> Guarantee:
        values = {
            **form.identity,
            **form.texts,
            "effective_from": form.cleaned_data["effective_from"],
        }
        return contracts.put_guarantee(contract_id=pk, values=values, by=request.user)

    title = _("New guarantee of %(name)s") % {"name": contract.reference}
    return _form_page(request, form, title, contract, store)


@login_required
@require_http_methods(["GET", "POST"])
def edit_guarantee(request: PageRequest, pk: int) -> HttpResponse:
    """Metric, edge and weight; or remove it."""
    rights.check(request.user, "catalog.change")
    guarantee = _guarantee(pk)
    if "remove" in request.POST:
        contracts.remove_guarantee(guarantee_id=pk, by=request.user)
        enqueue_waiting()
        messages.success(request, _("%(name)s is removed.") % {"name": guarantee.metric})
        return redirect("contract-detail", guarantee.contract_id)
    form = IdentityForm(request.POST or None, initial=identity_of(guarantee))

    def store() -> Guarantee:
        return contracts.put_guarantee(
            contract_id=guarantee.contract_id,
            guarantee_id=pk,
            values=form.identity,
            by=request.user,
        )

    title = _("Edit %(name)s") % {"name": f"{guarantee.contract.reference}: {guarantee.metric}"}
    return _form_page(request, form, title, guarantee.contract, store, removable=True)


@login_required
@require_http_methods(["GET", "POST"])
def amend(request: PageRequest, pk: int) -> HttpResponse:
    """What it promises from a day on. It begins with what waits, or what is in force."""
    rights.check(request.user, "catalog.change")
    guarantee = _guarantee(pk)
    waiting = waiting_of(guarantee)
    start = waiting[0] if waiting else guarantee.current or guarantee.latest
    initial = said(start)
    if not waiting:
        initial["effective_from"] = timezone.localdate()
    form = TermsForm(request.POST or None, initial=initial)

    def store() -> Guarantee:
        day = form.cleaned_data["effective_from"]
        contracts.amend(guarantee_id=pk, effective_from=day, texts=form.texts, by=request.user)
        return guarantee

    name = f"{guarantee.contract.reference}: {guarantee.metric}"
    title = _("Terms of %(name)s") % {"name": name}
    return _form_page(request, form, title, guarantee.contract, store)


def _form_page(
    request: PageRequest,
    form: forms.Form,
    title: str,
    contract: Contract,
    store: Any,
    *,
    removable: bool = False,
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            guarantee = store()
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error, FORM_NAMES)
        else:
            enqueue_waiting()
            messages.success(request, _("It is saved. New terms count once they are confirmed."))
            return redirect(_place(guarantee))
    return render(
        request,
        "parts/edit.html",
        {
            "form": form,
            "title": title,
            "back": reverse("contract-detail", args=[contract.pk]),
            "removable": removable,
        },
        status=422 if form.errors else 200,
    )


def _guarantee(pk: int) -> Guarantee:
    found = Guarantee.objects.with_terms().filter(pk=pk).first()
    if found is None:
        raise Http404(f"guarantee {pk}")
    return found


def _place(guarantee: Guarantee) -> str:
    address = reverse("contract-detail", args=[guarantee.contract_id])
    return f"{address}#guarantee-{guarantee.pk}"


# --- Buttons --------------------------------------------------------------------------------------


@command
def confirm(request: PageRequest, pk: int) -> str:
    row = contracts.confirm(
        guarantee_id=pk,
        version=chosen_key(request, "version") or 0,
        revision=chosen_key(request, "revision"),
        by=request.user,
    )
    enqueue_waiting()
    messages.success(request, _("Version %(n)s is confirmed and counts.") % {"n": row.version})
    return _place(row.guarantee)


@command
def withdraw(request: PageRequest, pk: int) -> str:
    version = chosen_key(request, "version") or 0
    contracts.withdraw(guarantee_id=pk, version=version, by=request.user)
    enqueue_waiting()
    messages.success(request, _("Version %(n)s is dropped.") % {"n": version})
    return _place(_guarantee(pk))


@login_required
@require_http_methods(["POST"])
def record(request: PageRequest, pk: int) -> HttpResponse:
    """Note what was measured; what is refused is corrected on the contract's page."""
    rights.check(request.user, "contract.confirm")
    guarantee = _guarantee(pk)
    form = PeriodForm(request.POST, auto_id=f"id_{pk}_%s")
    if form.is_valid():
        try:
            penalties.record_period(guarantee_id=pk, **form.values, by=request.user)
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error)
        else:
            messages.success(request, _("The period is in the ledger."))
            return redirect(_place(guarantee))
    return _detail(request, guarantee.contract_id, form, pk)


@command
def remove_period(request: PageRequest, pk: int) -> str | None:
    entry = PenaltyEntry.objects.select_related("guarantee").filter(pk=pk).first()
    penalties.remove_period(entry_id=pk, by=request.user)
    messages.success(request, _("The period is taken out of the ledger."))
    return _place(entry.guarantee) if entry else None


# --- The registry's form --------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def take_in(request: PageRequest) -> HttpResponse:
    """A registry's `slas`: first how each is understood, then by a second button into the store."""
    rights.check(request.user, "catalog.change")
    form = FileForm(request.POST or None, request.FILES or None)
    found: list[dict[str, Any]] = []
    aside: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        try:
            document = documents.load_one(text)
            entries = registry.entries_of(document)
            extra, aside = registry.extra_of(document)
            if "commit" in request.POST:
                new, _changed = registry.load(entries=entries, extra=extra, by=request.user)
                enqueue_waiting()
                stored = ngettext(
                    "%(n)s contract is new. What is read waits for confirmation.",
                    "%(n)s contracts are new. What is read waits for confirmation.",
                    new,
                )
                messages.success(request, stored % {"n": new})
                return redirect("contract-list")
            found = registry.preview(entries=entries)
            if isinstance(text, bytes):
                text = text.decode("utf-8-sig")
            form = FileForm(initial={"text": text})
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error)
    counts = {
        state: sum(row["state"] == state for row in found)
        for state in ("new", "changed", "same", "wrong")
    }
    return render(
        request,
        "contracts/import.html",
        {"form": form, "entries": found, "counts": counts, "aside": aside},
        status=422 if form.errors else 200,
    )
