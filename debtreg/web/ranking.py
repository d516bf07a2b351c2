"""The ranking: open debts by what their repair returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import keyset, search, versions
from debtreg.models import (
    BacklogEntry,
    JobState,
    Priority,
    SavedView,
    Score,
    ScoreState,
    ScoringRun,
    Service,
    Team,
)
from debtreg.models.score import ScoreQuerySet
from debtreg.web.facets import MIN_ROIS, Facets
from debtreg.web.fields import problems_of
from debtreg.web.requests import PageRequest

PAGE_SIZE = 25
ORDERINGS = {"": ("-sort_roi", "item_id"), "cost": ("-sort_cost", "item_id")}


@dataclass(frozen=True)
class Column:
    name: str
    label: str | Promise
    is_number: bool = False


# What can stand in a row beside its rank, ROI, key and title; and what does unless chosen.
COLUMNS = {
    each.name: each
    for each in (
        Column("service", gettext_lazy("Service")),
        Column("team", gettext_lazy("Team")),
        Column("cost", gettext_lazy("Costs a year"), is_number=True),
        Column("benefit", gettext_lazy("Saves a year"), is_number=True),
        Column("repair", gettext_lazy("Repair"), is_number=True),
        Column("payback", gettext_lazy("Paid back after"), is_number=True),
        Column("chance", gettext_lazy("Chance to be above"), is_number=True),
        Column("state", gettext_lazy("State")),
        Column("category", gettext_lazy("Category")),
        Column("tags", gettext_lazy("Tags")),
        Column("owner", gettext_lazy("Owner")),
        Column("due", gettext_lazy("Due")),
    )
}
USUAL_COLUMNS = ("service", "team", "cost", "repair", "state")


class RankingFilter(forms.Form):
    """What the URL asks for. Teams and services go by their slugs, as in the API."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": gettext_lazy("Title, DEBT-12 or tag:legacy")}
        ),
    )
    team = forms.ChoiceField(label=gettext_lazy("Team"), required=False)
    service = forms.ChoiceField(label=gettext_lazy("Service"), required=False)
    min_roi = forms.FloatField(
        label=gettext_lazy("ROI at least"), required=False, widget=forms.Select
    )
    state = forms.ChoiceField(
        required=False, choices=[("", ""), *ScoreState.choices], widget=forms.HiddenInput
    )
    priority = forms.ChoiceField(
        required=False, choices=[("", ""), *Priority.choices], widget=forms.HiddenInput
    )
    ordering = forms.ChoiceField(
        required=False, choices=[(name, name) for name in ORDERINGS], widget=forms.HiddenInput
    )
    columns = forms.MultipleChoiceField(
        label=gettext_lazy("Columns"),
        required=False,
        choices=[(each.name, each.label) for each in COLUMNS.values()],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, data: Any, teams: list[Team], services: list[Service]) -> None:
        super().__init__(data)
        self.teams = {team.slug: team for team in teams}
        self.services = {service.slug: service for service in services}
        self.fields["team"].choices = [("", ""), *((slug, slug) for slug in self.teams)]  # type: ignore[attr-defined]
        self.fields["service"].choices = [("", ""), *((slug, slug) for slug in self.services)]  # type: ignore[attr-defined]
        self.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        """What to filter by, as columns of a score; what could not be read is left out."""
        found = dict(self.cleaned_data)
        for name, known in (("team", self.teams), ("service", self.services)):
            found[name] = known[found[name]].pk if found.get(name) else None
        return found

    @property
    def problems(self) -> list[str]:
        return problems_of(self) + self.search.problems

    @cached_property
    def search(self) -> search.Search:
        """What is searched for, read once: a service or team in it is looked up."""
        return search.parse(self.cleaned_data.get("q") or "")

    @property
    def shown(self) -> list[Column]:
        """What a row shows, in the order of COLUMNS."""
        chosen = self.cleaned_data.get("columns") or USUAL_COLUMNS
        return [each for each in COLUMNS.values() if each.name in chosen]

    @property
    def is_counted(self) -> bool:
        """A text or an ROI of one's own is in no table of counts."""
        chosen = self.cleaned_data
        return not chosen.get("q") and chosen.get("min_roi") in (None, *MIN_ROIS)

    def show_choices(self, facets: Facets) -> None:
        """Fill the lists, each choice with how many debts it would show if that can be said."""
        chosen, is_counted = self.chosen, self.is_counted

        def with_count(label: str, count: int) -> str:
            return f"{label} ({count:,})" if is_counted else label

        for name, known in (("team", self.teams), ("service", self.services)):
            counts = facets.counts(name, chosen)
            self.fields[name].choices = [  # type: ignore[attr-defined]
                ("", with_count(_("All"), facets.count(chosen, without=name))),
                *(
                    (slug, with_count(each.name, counts.get(each.pk, 0)))
                    for slug, each in known.items()
                ),
            ]
        counts = facets.counts("min_roi", chosen)
        value, typed = self.cleaned_data.get("min_roi"), self["min_roi"].value()
        choices = [("", _("Any"))] + [
            (typed if roi == value else f"{roi}", with_count(f"≥ {roi}", counts[roi]))
            for roi in MIN_ROIS
        ]
        if value is not None and value not in MIN_ROIS:
            choices.append((typed, f"≥ {value:g}"))
        self.fields["min_roi"].widget.choices = choices


def found(chosen: dict[str, Any], asked: search.Search) -> ScoreQuerySet:
    """The scores that the filters pick, in the order asked for."""
    rows = Score.objects.ranked()
    for name in ("team", "service"):
        if chosen.get(name):
            rows = rows.filter(**{f"{name}_id": chosen[name]})
    if chosen.get("priority"):
        rows = rows.filter(priority=chosen["priority"])
    if chosen.get("state"):
        rows = rows.in_state(chosen["state"])
    if chosen.get("min_roi") is not None:
        rows = rows.filter(sort_roi__gte=chosen["min_roi"])
    rows = rows.filter(asked.condition)
    if ordering := chosen.get("ordering"):
        rows = rows.with_sort_cost().order_by(*ORDERINGS[ordering])
    return rows


@login_required
@require_safe
def ranking(request: PageRequest) -> HttpResponse:
    address = _without_empty(request)
    form = RankingFilter(
        request.GET, list(Team.objects.all()), list(Service.objects.select_related("team"))
    )
    chosen, facets = form.chosen, Facets.read()
    active = BacklogEntry.objects.active().select_related("iteration")
    page = keyset.page(
        found(chosen, form.search)
        .with_rank()
        .select_related("item__service", "item__team")
        .prefetch_related(Prefetch("item__entries", active, to_attr="active_entries")),
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor"),
    )
    standing = versions.standing()
    scope = {name: chosen.get(name) for name in ("team", "service")}
    query = _query(request)
    kept = list(SavedView.objects.seen_by(request.user))
    form.show_choices(facets)
    response = render(
        request,
        "debt/ranking.html",
        {
            "form": form,
            "page": page,
            "filtered": any(
                value not in (None, "") for name, value in chosen.items() if name != "columns"
            ),
            "columns": form.shown,
            "all_columns": COLUMNS.values(),
            "views": kept,
            "query": query,
            "view": next((each for each in kept if each.query == query), None),
            "count": facets.count(chosen) if form.is_counted else None,
            "states": _choices(ScoreState, facets.counts("state", chosen), chosen.get("state")),
            "every_state": facets.count(chosen, without="state"),
            "priorities": _choices(
                Priority, facets.counts("priority", chosen), chosen.get("priority")
            ),
            "counted": form.is_counted,
            "totals": facets.totals(scope),
            "in_backlog": BacklogEntry.objects.active()
            .filter(**{f"{name}_id": pk for name, pk in [("team", scope["team"])] if pk})
            .count(),
            "standing": standing,
            "threshold": standing.threshold,
            "last_run": ScoringRun.objects.filter(state=JobState.DONE).first(),
            "team": form.teams.get(form.cleaned_data.get("team", "")),
        },
    )
    if request.htmx:
        response["HX-Push-Url"] = address
    return response


def _choices(kind: Any, counts: dict[Any, int], chosen: str | None) -> list[dict[str, Any]]:
    return [
        {"value": value, "label": label, "n": counts.get(value, 0), "chosen": value == chosen}
        for value, label in kind.choices
    ]


def _query(request: PageRequest) -> str:
    """What the address says, but for the page of it: what a view keeps."""
    asked = request.GET.copy()
    asked.pop("cursor", None)
    return asked.urlencode()


def _without_empty(request: PageRequest) -> str:
    """Drop what a form sent empty or as usual, for links too; the page's address without it."""
    kept = request.GET.copy()
    for name in [name for name in kept if not kept[name]]:
        del kept[name]
    if sorted(kept.getlist("columns")) == sorted(USUAL_COLUMNS):
        del kept["columns"]
    request.GET = kept  # type: ignore[assignment]
    return f"{request.path}?{kept.urlencode()}" if kept else request.path
