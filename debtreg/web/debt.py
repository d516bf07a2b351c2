"""A debt item: its page, and the form that logs or edits it with the ROI while typing."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from debtreg import formulas, losses, memo, similar, verdicts, versions
from debtreg.actions import debt, rights, scores
from debtreg.errors import Conflict, DebtregError
from debtreg.models import (
    ACTIVE_STATES,
    BacklogEntry,
    DebtItem,
    Iteration,
    IterationState,
    LedgerRow,
    Outcome,
    Prerequisite,
    ScenarioMember,
    Score,
    ScoreState,
    pk_of,
)
from debtreg.web import activity, outcomes, sliders, waterfall, words
from debtreg.web.fields import quiet, show_problems
from debtreg.web.forms import MOST_IMPACTS, Catalog, DebtForm, ImpactForm, ImpactFormSet
from debtreg.web.requests import PageRequest
from debtreg.web.rows import rearranged

MOST_ENTRIES = 10


def get(pk: int) -> DebtItem:
    """The item with its details, or a 404 that names it."""
    item = DebtItem.objects.with_details().filter(pk=pk).first()
    if item is None:
        raise Http404(f"DEBT-{pk}")
    return item


@login_required
@require_safe
def detail(request: PageRequest, pk: int) -> HttpResponse:
    score = Score.objects.filter(pk=pk).with_rank().with_item().first()
    item = score.item if score else get(pk)
    entries = list(
        BacklogEntry.objects.filter(item=item)
        .select_related("iteration", "team")
        .order_by("-pk")[: MOST_ENTRIES + 1]
    )
    entry = next((each for each in entries if each.state in ACTIVE_STATES), None)
    memo.kept("entries")[pk] = entry
    active = BacklogEntry.objects.active().filter(item=OuterRef("needs"))
    links = list(
        Prerequisite.objects.filter(Q(item=item) | Q(needs=item))
        .select_related("item", "needs")
        .annotate(is_promoted=Exists(active))
    )
    needs = memo.kept("needs")[pk] = [link for link in links if link.item_id == pk]
    memberships = _memberships(item)
    try:
        story = with_words(scores.explain(pk=pk, item=item))
    except versions.NoPolicy as error:
        story = published(score, error)
    shown = outcomes.of_item(pk)
    events, more_events = activity.of(item)
    return render(
        request,
        "debt/detail.html",
        {
            **shown,
            "item": item,
            "over": _while_open(story, shown.get("outcome")),
            "score": score,
            "entry": entry,
            "story": story,
            "waterfall": waterfall.of(story),
            "events": events,
            "more_events": more_events,
            "past_entries": [each for each in entries if each.closed_at][:MOST_ENTRIES],
            "memberships": memberships,
            "needs": needs,
            "needed_by": [link.item for link in links if link.needs_id == pk],
            "ledger_rows": LedgerRow.objects.filter(item=item).select_related("source", "line")[:5],
            "iterations": Iteration.objects.filter(
                team=item.team_id, state=IterationState.OPEN
            ).order_by("starts_on")
            if item.team_id
            else [],
        },
    )


def _while_open(story: dict[str, Any], outcome: Outcome | None) -> dict[str, Any]:
    """What a debt that is resolved cost a year, and what its repair was to cost and to return.

    As it was frozen then, with its shares of scenarios; else by what is known of it.
    """
    if outcome:
        cost, repair, roi = outcome.annual_cost, outcome.repair_cost, outcome.money_roi
        return {"cost": cost, "repair": repair, "roi": roi}
    cost = None if story["state"] == ScoreState.UNPRICED else story["annual_cost"]
    return {"cost": cost, "repair": story["repair_cost"], "roi": story["money_roi"]}


def published(score: Score | None, problem: DebtregError) -> dict[str, Any]:
    """What is published of a score, where no policy says how it would come about now."""
    names = ("annual_cost", "benefit", "repair_cost", "roi", "money_roi", "payback_days")
    return {
        "problem": problem,
        "state": score.state if score else ScoreState.UNPRICED,
        **{name: getattr(score, name, None) for name in (*names, "breaking_point_years")},
        "impacts": [],
        "scenarios": [],
        "apart": False,
        "rough": False,
    }


def _memberships(item: DebtItem) -> list[ScenarioMember]:
    """Its roles in failure scenarios, each with what it is to the scenario and what that loses."""
    members = list(item.scenario_members.select_related("scenario").order_by("scenario__name"))
    memo.kept("scenarios").update({each.scenario_id: each.scenario for each in members})
    found = losses.of(each.scenario_id for each in members) if members else {}
    for each in members:
        each.loss = found[each.scenario_id]  # type: ignore[attr-defined]
        each.part = found[each.scenario_id].parts[item.pk]  # type: ignore[attr-defined]
        each.rough = each.scenario.grade in formulas.GUESSED  # type: ignore[attr-defined]
    return members


def with_words(story: dict[str, Any]) -> dict[str, Any]:
    """An explanation with each factor called as the form calls it."""
    for impact in story["impacts"]:
        kind = words.KINDS[impact["kind"]]
        impact["label"] = kind.label
        impact["factors"] = [
            {"name": name, "label": kind.factors[name].label, **factor}
            for name, factor in impact["factors"].items()
        ]
        impact["missing"] = [kind.factors[name].label for name in impact["missing"]]
    for share in story["scenarios"]:
        share["others"] = share["open_members"] - 1
    # Whether what decides is another number than the ROI.
    story["apart"] = bool(story["scenarios"]) and story["marginal_roi"] != story["roi"]
    story["certain"] = all(float(each["swing"] or 0) == 0 for each in story["inputs"])
    for name in ("inputs", "measure_next", "turns"):
        for each in story[name]:
            each["label"] = input_label(each)
    return story


def input_label(each: dict[str, Any]) -> str:
    """What an input is called, and what it is of: "Latency: requests a year"."""
    if each["input"] == "effort":
        return _("Effort of the repair, in person-days")
    if each["input"] == "day_rate":
        return _("What a person-day costs")
    if each["input"] == "loss":
        return _("What is left of “%(name)s” to save a year") % {"name": each["of"]}
    kind = words.KINDS[each["of"]]
    return f"{kind.label}: {kind.factors[each['input']].label}"


# --- The form -------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "debt.change")
    return _edit(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    item = get(pk)
    rights.check(request.user, "debt.change", item)
    return _edit(request, item)


def _edit(request: PageRequest, item: DebtItem | None) -> HttpResponse:
    """The form; buttons other than Save add an impact, take one away, or only work it out.

    Without JavaScript each is a round trip in which nothing that was typed gets lost.
    """
    catalog = Catalog()
    data: QueryDict | None = request.POST if request.method == "POST" else None
    saves = data is not None and not {"add", "remove", "work_out"} & data.keys()
    if data is not None:
        chosen = str(data.get("add"))
        added = {"kind": chosen, "grade": "estimated"} if chosen in words.KINDS else None
        data = rearranged(sliders.carried(data), "impacts", MOST_IMPACTS, added)
    form, impacts = _forms(data, catalog, item)
    problem = None
    if saves and form.is_valid() & impacts.is_valid():
        try:
            return _save(request, item, form, impacts)
        except Conflict as error:
            problem = error
            show_problems(form, error)
        except DebtregError as error:
            show_problems(form, error, {"service": "service", "team": "service"}, impacts.forms)
    story = _story(form, impacts, item.pk if item else None) if data is not None or item else None
    if not saves and data is not None:
        quiet(form, *impacts.forms)
    response = render(
        request,
        "debt/form.html",
        {
            "form": form,
            "impacts": impacts,
            "item": item,
            "kinds": words.KINDS,
            "story": story,
            "alike": _alike(form, item.pk if item else None),
            "stale": problem is not None,
            "unfolded": [name for name in UNFOLDED if form[name].value() or form[name].errors],
            "full": len(impacts.forms) >= MOST_IMPACTS,
            "added": data is not None and "add" in data,
        },
        status=422 if saves else 200,
    )
    # The preview beside the form listens for this.
    return trigger_client_event(response, "impacts-changed", after="settle")


# What the form shows only on demand, unless there is something in it.
UNFOLDED = (
    *("description", "plan", "needs", "category", "owner", "tags"),
    *("created_on", "due_on", "external_ref"),
)


def _forms(data: QueryDict | None, catalog: Catalog, item: DebtItem | None) -> tuple[DebtForm, Any]:
    initial = [ImpactForm.values_of(each) for each in item.impacts.all()] if item else []
    return (
        DebtForm(data, catalog=catalog, item=item),
        ImpactFormSet(data, initial=initial, prefix="impacts", form_kwargs={"catalog": catalog}),
    )


def _save(
    request: PageRequest, item: DebtItem | None, form: DebtForm, impacts: Any
) -> HttpResponse:
    values = {
        "fields": form.values,
        "impacts": [each.values for each in impacts.forms],
        "needs": form.cleaned_data["needs"],
        "by": request.user,
    }
    if item is None:
        saved = debt.create(**values)
        messages.success(request, _("%(key)s is logged and scored.") % {"key": saved.key})
    else:
        saved = debt.update(pk=item.pk, revision=form.cleaned_data["revision"], **values)
        messages.success(request, _("%(key)s is saved and scored.") % {"key": saved.key})
    return redirect("debt-detail", saved.pk)


@login_required
@require_POST
def preview(request: PageRequest) -> HttpResponse:
    """The ROI of what is typed so far, by the code that scores; saves nothing."""
    form, impacts = _forms(request.POST, Catalog(), None)
    # Whose shares of failure scenarios count, too.
    pk = pk_of(request.POST.get("key", ""))
    shown = {"story": _story(form, impacts, pk), "alike": _alike(form, pk)}
    return render(request, "debt/_preview.html", shown)


@login_required
@require_http_methods(["GET", "POST"])
def what_if(request: PageRequest, pk: int) -> HttpResponse:
    """The item beside itself with other numbers. Nothing is stored: saving goes by the form."""
    item, catalog = get(pk), Catalog()
    now = with_words(scores.explain(pk=pk, item=item))
    data = sliders.carried(request.POST) if request.method == "POST" else None
    form, impacts = _forms(data, catalog, item)
    then = _story(form, impacts, pk) if data is not None else None
    if then and "state" in then:
        then |= verdicts.describe(then, item)
    quiet(form, *impacts.forms)
    groups = sliders.of(form, impacts.forms, now)
    context = {
        "item": item,
        "now": now,
        "then": then,
        "impacts": impacts,
        "groups": groups,
        "rest": sliders.rest(form, impacts.forms, groups),
    }
    template = "debt/_what_if_result.html" if request.htmx and then else "debt/what_if.html"
    return render(request, template, context)


def _alike(form: DebtForm, pk: int | None) -> list[similar.Similar]:
    """What may be the same debt, of what could be read so far."""
    fields = form.values if form.is_bound else {}
    return similar.to(fields.get("title", ""), fields.get("service"), pk)


def _story(form: DebtForm, impacts: Any, pk: int | None) -> dict[str, Any]:
    """The score of what could be read, and what could not."""
    if form.is_bound:
        form.is_valid()
        fields, rows, problems = {**form.values, "pk": pk}, [], []
        for name, found in form.errors.items():
            if name.startswith("effort") or name == "cash":
                problems += [f"{form.fields[name].label}: {text}" for text in found]
        for each in impacts.forms:
            if not each.is_valid():
                problems += [
                    f"{each.words.label if each.words else each.prefix}: {text}"
                    for texts in each.errors.values()
                    for text in texts
                ]
            if each.cleaned_data.get("kind"):
                rows.append(each.values)
    else:
        try:
            story = scores.explain(pk=form.item.pk)  # type: ignore[union-attr]
        except versions.NoPolicy as error:
            return {"problems": [f"{error.message} {error.hint}"]}
        return with_words(story) | {"problems": []}
    try:
        return with_words(scores.preview(fields=fields, impacts=rows)) | {"problems": problems}
    except DebtregError as error:
        return {"problems": [*problems, f"{error.message} {error.hint}"]}
