"""Working through the ranking: the same decision about all that is ticked, views under a name,
and the reason of a row without leaving the list."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from debtreg import versions
from debtreg.actions import decisions, scores, views
from debtreg.actions.decisions import Decided, Decision
from debtreg.models import BacklogEntry, SavedView
from debtreg.web import debt
from debtreg.web.errors import command
from debtreg.web.fields import DayField
from debtreg.web.requests import PageRequest

# What the session holds until it is used or another decision takes its place.
UNDO = "undo"
MOST_NAMED = 5


class ManyForm(forms.Form):
    """What is to be decided about the ticked debts."""

    decision = forms.ChoiceField(choices=[(each.value, each.value) for each in Decision])
    reason = forms.CharField(required=False, max_length=2000)
    until = DayField(required=False)


@command
def decide(request: PageRequest) -> None:
    form = ManyForm(request.POST)
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        label = {"reason": _("Reason"), "until": _("Until"), "decision": _("Decision")}[name]
        messages.error(request, f"{label}: {problems[0]}")
        return
    chosen = form.cleaned_data
    keys = [key for key in request.POST.getlist("pk") if key.isascii() and key.isdigit()]
    decision = Decision(chosen["decision"])
    decided = decisions.decide(
        pks=[int(key) for key in keys if len(key) < 19],
        decision=decision,
        reason=chosen["reason"],
        until=chosen["until"],
        by=request.user,
    )
    count = len(decided.changed)
    said = {
        Decision.PIN: ngettext("%(n)d debt is pinned.", "%(n)d debts are pinned.", count),
        Decision.UNPIN: ngettext(
            "%(n)d debt is no longer pinned.", "%(n)d debts are no longer pinned.", count
        ),
        Decision.VETO: ngettext(
            "%(n)d debt is kept out of the backlog.",
            "%(n)d debts are kept out of the backlog.",
            count,
        ),
        Decision.LIFT_VETO: ngettext(
            "%(n)d debt may be promoted again.", "%(n)d debts may be promoted again.", count
        ),
        Decision.ACCEPT: ngettext("%(n)d debt is accepted.", "%(n)d debts are accepted.", count),
    }[decision]
    _say(request, decided, said % {"n": count})


@command
def undo(request: PageRequest) -> None:
    decided = decisions.undo(entries=request.session.pop(UNDO, []), by=request.user)
    count = len(decided.changed)
    said = ngettext("%(n)d debt is as it was.", "%(n)d debts are as they were.", count)
    _say(request, decided, said % {"n": count}, is_undone=True)


def _say(request: PageRequest, decided: Decided, said: str, *, is_undone: bool = False) -> None:
    request.session[UNDO] = [] if is_undone else decided.entries
    if decided.changed:
        tags = UNDO if request.session[UNDO] else ""
        messages.success(request, said, extra_tags=tags)
    elif not decided.left:
        messages.info(request, _("All of them were so already; nothing has changed."))
    if decided.left:
        named = [f"{key}: {why}" for key, why in list(decided.left.items())[:MOST_NAMED]]
        if more := len(decided.left) - len(named):
            named.append(_("and %(n)d more.") % {"n": more})
        messages.warning(request, _("Left as they are:") + " " + " ".join(named))


@command
def save_view(request: PageRequest) -> str:
    view = views.save(
        name=request.POST.get("name", ""),
        query=request.POST.get("query", ""),
        is_shared=request.POST.get("shared") == "yes",
        by=request.user,
    )
    messages.success(request, _("The view “%(name)s” is kept.") % {"name": view.name})
    return address_of(view)


@command
def remove_view(request: PageRequest, pk: int) -> str:
    view = views.remove(pk=pk, by=request.user)
    messages.success(request, _("The view “%(name)s” is removed.") % {"name": view.name})
    return reverse("ranking")


def address_of(view: SavedView) -> str:
    return reverse("ranking") + (f"?{view.query}" if view.query else "")


@login_required
@require_safe
def why(request: PageRequest, pk: int) -> HttpResponse:
    """The reason of a row, to stand below it; as a page of its own it is the debt's page."""
    if not request.htmx:
        return redirect("debt-detail", pk)
    item = debt.get(pk)
    entry = BacklogEntry.objects.active().filter(item=item).select_related("iteration").first()
    try:
        story = debt.with_words(scores.explain(pk=pk, item=item))
    except versions.NoPolicy as error:
        story = debt.published(item.score, error)
    return render(request, "debt/_why.html", {"item": item, "entry": entry, "story": story})
