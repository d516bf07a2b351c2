"""Failure scenarios: what several debts cause together, and what each of them is to it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import formulas, losses
from debtreg.actions import rights, scenarios
from debtreg.errors import Conflict, DebtregError
from debtreg.models import MOST_MEMBERS, DebtItem, FailureScenario, MemberRole, ScenarioMember
from debtreg.web import circuit
from debtreg.web.errors import command
from debtreg.web.fields import quiet, show_problems
from debtreg.web.requests import PageRequest
from debtreg.web.rows import rearranged
from debtreg.web.scenario_forms import MemberFormSet, ScenarioForm, members_of

# How many empty rows a new scenario begins with.
FIRST_ROWS = 2
_MEMBERS = Prefetch("members", ScenarioMember.objects.select_related("item"))


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """All scenarios, those that lose most a year first, those of unknown loss last."""
    rows = list(FailureScenario.objects.all())
    found = losses.of(row.pk for row in rows)
    best = DebtItem.objects.in_bulk({loss.best.item_id for loss in found.values() if loss.best})
    for row in rows:
        row.rough = row.grade in formulas.GUESSED  # type: ignore[attr-defined]
        loss = row.loss = found[row.pk]  # type: ignore[attr-defined]
        row.best_item = best.get(loss.best.item_id) if loss.best else None  # type: ignore[attr-defined]
    rows.sort(key=lambda row: (row.loss.a_year is None, -(row.loss.a_year or 0), row.name))  # type: ignore[attr-defined]
    return render(request, "scenarios/list.html", {"scenarios": rows})


@login_required
@require_safe
def detail(request: PageRequest, pk: int) -> HttpResponse:
    scenario = get(pk)
    loss = losses.of([pk])[pk]
    members = list(scenario.members.all())
    drawing = circuit.draw(members, {each.item_id: each.state for each in loss.parts.values()})
    for member in members:
        member.part = loss.parts[member.item_id]  # type: ignore[attr-defined]
        member.left = 1 - member.effectiveness  # type: ignore[attr-defined]
    roles = [
        (label, sum(member.role == role for member in members))
        for role, label in MemberRole.choices
    ]
    return render(
        request,
        "scenarios/detail.html",
        {
            "scenario": scenario,
            "loss": loss,
            "rough": scenario.grade in formulas.GUESSED,
            "members": sorted(members, key=_by_role_and_roi),
            "roles": [(label, count) for label, count in roles if count],
            "circuit": drawing,
        },
    )


def get(pk: int) -> FailureScenario:
    """The scenario with its members, or a 404 that names it."""
    scenario = FailureScenario.objects.prefetch_related(_MEMBERS).filter(pk=pk).first()
    if scenario is None:
        raise Http404(f"scenario {pk}")
    return scenario


def _by_role_and_roi(member: Any) -> tuple[int, float, int]:
    return (
        MemberRole.values.index(member.role),
        -(member.part.marginal_roi or 0),
        member.pk,
    )


# --- The form -------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "scenario.change")
    return _edit(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    rights.check(request.user, "scenario.change")
    return _edit(request, get(pk))


def _edit(request: PageRequest, scenario: FailureScenario | None) -> HttpResponse:
    """The form; buttons other than Save add a row or take one away.

    Without JavaScript each is a round trip in which nothing that was typed gets lost.
    """
    data: QueryDict | None = request.POST if request.method == "POST" else None
    saves = data is not None and not {"add", "remove"} & data.keys()
    if data is not None:
        data = rearranged(data, "members", MOST_MEMBERS, {"role": str(MemberRole.AMPLIFIER)})
    form = ScenarioForm(data, scenario=scenario)
    initial = members_of(scenario) if scenario else [{}] * FIRST_ROWS
    members: Any = MemberFormSet(data, initial=initial, prefix="members")
    members.add_items()
    stale = False
    if saves and form.is_valid() & members.is_valid():
        try:
            return _save(request, scenario, form, members)
        except Conflict as error:
            stale = True
            show_problems(form, error)
        except DebtregError as error:
            show_problems(form, error, {"loss_high": "loss_likely"}, members.kept)
    if not saves and data is not None:
        quiet(form, *members.forms)
    return render(
        request,
        "scenarios/form.html",
        {
            "form": form,
            "members": members,
            "scenario": scenario,
            "stale": stale,
            "full": len(members.forms) >= MOST_MEMBERS,
            "most": MOST_MEMBERS,
            "added": data is not None and "add" in data,
        },
        status=422 if saves else 200,
    )


def _save(
    request: PageRequest, scenario: FailureScenario | None, form: ScenarioForm, members: Any
) -> HttpResponse:
    values: dict[str, Any] = {
        "fields": form.values,
        "members": [each.values for each in members.kept],
        "by": request.user,
    }
    if scenario is None:
        saved = scenarios.create(**values)
    else:
        revision = form.cleaned_data["revision"]
        saved = scenarios.update(pk=scenario.pk, revision=revision, **values)
    messages.success(
        request,
        _("“%(name)s” is saved and its debts are scored. The next run promotes what pays by now.")
        % {"name": saved.name},
    )
    return redirect("scenario-detail", saved.pk)


@command
def remove(request: PageRequest, pk: int) -> str:
    scenarios.remove(pk=pk, by=request.user)
    messages.success(request, _("The scenario is removed; its debts are scored without it."))
    return reverse("scenario-list")
