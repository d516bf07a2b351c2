"""Decisions about a debt: promote, veto, accept, pin, resolve. Each is a small form on its page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.urls import reverse
from django.utils.translation import gettext as _

from debtreg.actions import backlog, debt
from debtreg.models import DebtItem
from debtreg.web.errors import chosen_key, command, named
from debtreg.web.forms import DecisionForm
from debtreg.web.requests import PageRequest


def _done(request: PageRequest, item: DebtItem, text: str) -> str:
    """Where to go from a decision: the page that its form names, else that of the item."""
    messages.success(request, text % {"key": item.key})
    return named(request) or reverse("debt-detail", args=[item.pk])


def _reasoned(request: PageRequest, pk: int, action: Any, text: str) -> str | None:
    """A decision that takes a reason, and may end on a day."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        label = {"reason": _("Reason"), "until": _("Until")}[name]
        messages.error(request, f"{label}: {problems[0]}")
        return named(request) or reverse("debt-detail", args=[pk])
    return _done(request, action(pk=pk, **form.cleaned_data, by=request.user), text)


@command
def promote(request: PageRequest, pk: int) -> str:
    entry = backlog.promote(
        pk=pk,
        iteration_id=chosen_key(request, "iteration"),
        by=request.user,
    )
    return _done(request, entry.item, _("%(key)s is promoted."))


@command
def veto(request: PageRequest, pk: int) -> str | None:
    return _reasoned(request, pk, debt.veto, _("%(key)s is kept out of the backlog."))


@command
def lift_veto(request: PageRequest, pk: int) -> str:
    item = debt.lift_veto(pk=pk, by=request.user)
    return _done(request, item, _("%(key)s may be promoted again."))


@command
def accept(request: PageRequest, pk: int) -> str | None:
    return _reasoned(request, pk, debt.accept, _("%(key)s is accepted: we live with it."))


@command
def pin(request: PageRequest, pk: int) -> str:
    pinned = request.POST.get("pinned") == "yes"
    item = debt.pin(pk=pk, pinned=pinned, by=request.user)
    return _done(
        request,
        item,
        _("%(key)s is pinned: it stays in the backlog whatever its ROI.")
        if pinned
        else _("%(key)s is no longer pinned."),
    )


@command
def resolve(request: PageRequest, pk: int) -> str:
    item = debt.resolve(pk=pk, by=request.user)
    return _done(request, item, _("%(key)s is resolved."))


@command
def reopen(request: PageRequest, pk: int) -> str:
    item = debt.reopen(pk=pk, by=request.user)
    return _done(request, item, _("%(key)s is open again."))
