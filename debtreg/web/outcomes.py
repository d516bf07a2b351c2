"""What repairs have brought: the portfolio's figures, and readings of single outcomes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import formulas, keyset, realised
from debtreg.actions import outcomes, rights
from debtreg.actions.outcomes import NoSuchPeriod, ReadingsRefused
from debtreg.models import (
    AMOUNT_LIMIT,
    SCENARIO,
    Outcome,
    OutcomeState,
    ReadingGrade,
    Side,
    Team,
)
from debtreg.web import words
from debtreg.web.errors import command
from debtreg.web.fields import Amount, DayField, Number, show_problems
from debtreg.web.requests import PageRequest

PAGE_SIZE = 30


# --- The portfolio --------------------------------------------------------------------------------


class PeriodForm(forms.Form):
    """What the URL asks for; the names are those of the API."""

    to = DayField(label=gettext_lazy("To"), required=False)
    team = forms.ChoiceField(label=gettext_lazy("Team"), required=False)

    def __init__(self, data: Any, teams: list[Team]) -> None:
        super().__init__(data)
        self.fields["from"] = DayField(label=gettext_lazy("From"), required=False)
        self.teams = {team.slug: team for team in teams}
        self.fields["team"].choices = [  # type: ignore[attr-defined]
            ("", _("All")),
            *((team.slug, team.name) for team in teams),
        ]
        self.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        found = self.cleaned_data
        return {
            "first": found.get("from"),
            "last": found.get("to"),
            "team": self.teams.get(found.get("team") or ""),
        }


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    form = PeriodForm(request.GET, list(Team.objects.all()))
    chosen = form.chosen
    try:
        found = outcomes.summary(**chosen)
    except NoSuchPeriod as error:
        form.add_error(None, f"{error.message} {error.hint}")
        found = outcomes.summary(team=chosen["team"])
    return render(
        request,
        "outcomes/list.html",
        {
            "form": form,
            "found": found,
            "team": chosen["team"],
            "page": keyset.page(
                *_due_first(found, chosen["team"]),
                size=PAGE_SIZE,
                cursor=request.GET.get("cursor"),
            ),
        },
        status=422 if form.errors else 200,
    )


def _due_first(found: dict[str, Any], team: Team | None) -> list[Any]:
    """What waits to be measured, of whatever period; then what was resolved in this one."""
    rows = Outcome.objects.valid().select_related("item", "team", "author")
    if team is not None:
        rows = rows.filter(team=team)
    today = timezone.localdate()
    due = rows.in_state(OutcomeState.DUE, today)
    others = rows.exclude(realised_benefit__isnull=True, due_on__lte=today).filter(
        resolved_at__gte=realised.midnight(found["starts_on"]),
        resolved_at__lt=realised.midnight(found["ends_on"], 1),
    )
    return [due.order_by("due_on", "pk"), others.order_by("-resolved_at", "-pk")]


# --- One outcome ----------------------------------------------------------------------------------


class ReadingForm(forms.Form):
    """What an impact, or the whole item, has cost before or after its repair."""

    impact = forms.TypedChoiceField(
        label=gettext_lazy("Of what"), required=False, coerce=int, empty_value=None
    )
    side = forms.ChoiceField(label=gettext_lazy("When"), choices=Side.choices)
    starts_on = DayField(label=gettext_lazy("First day"))
    ends_on = DayField(label=gettext_lazy("Last day"))
    amount = Amount(
        label=gettext_lazy("What it cost in this period"),
        max_digits=20,
        decimal_places=2,
        max_value=AMOUNT_LIMIT,
        help_text=gettext_lazy("Not a year: that is worked out. Or leave it to the factors below."),
    )
    frequency = Number(
        label=gettext_lazy("How many in this period"),
        max_value=1e15,
        help_text=gettext_lazy("Requests, failures, incidents or hours, as the impact counts."),
    )
    share = Number(label=gettext_lazy("Share"), percent=True, max_value=1)
    magnitude = Number(label=gettext_lazy("Milliseconds or minutes each"), max_value=1e12)
    unit_price = Number(
        label=gettext_lazy("Price of one"),
        max_value=AMOUNT_LIMIT,
        help_text=gettext_lazy("Empty: as predicted, else from the price book."),
    )
    grade = forms.ChoiceField(
        label=gettext_lazy("Where it comes from"), choices=ReadingGrade.choices
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=300,
        help_text=gettext_lazy("The dashboard, the tickets, who says so."),
    )

    MADE_OF = ("frequency", "share", "magnitude", "unit_price")

    def __init__(self, data: Any, outcome: Outcome) -> None:
        super().__init__(data, prefix="reading", initial=_missing(outcome))
        self.fields["impact"].choices = [  # type: ignore[attr-defined]
            ("", _("The whole debt")),
            *((str(impact.number), name_of(impact)) for impact in outcome.impacts.all()),
        ]

    @property
    def plain(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.MADE_OF]

    @property
    def made_of(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MADE_OF]

    @property
    def is_made(self) -> bool:
        return any(self[name].errors or self[name].value() for name in self.MADE_OF)


def _missing(outcome: Outcome) -> dict[str, Any]:
    """The side that is wanted of what was read on the other one only."""
    sides: dict[Any, set[str]] = {}
    for reading in outcome.readings.all():
        number = reading.impact.number if reading.impact else ""
        sides.setdefault(number, set()).add(reading.side)
    for number, read in sides.items():
        if len(read) == 1:
            return {
                "impact": number,
                "side": next(each for each in Side.values if each not in read),
            }
    return {"side": Side.BEFORE}


class EffortForm(forms.Form):
    """What the repair took."""

    days = Amount(
        label=gettext_lazy("Person-days"), max_digits=8, decimal_places=2, max_value=100_000
    )
    cash = Amount(
        label=gettext_lazy("Money paid beside the work"),
        max_digits=18,
        decimal_places=2,
        max_value=AMOUNT_LIMIT,
    )

    def __init__(self, data: Any, outcome: Outcome) -> None:
        now = {"days": outcome.actual_days, "cash": outcome.actual_cash}
        super().__init__(data, prefix="effort", initial=now)


def name_of(impact: Any) -> str:
    kind = impact.get_kind_display()
    label = kind if impact.kind == SCENARIO else str(words.KINDS[impact.kind].label)
    return f"{impact.number}. {label}" + (f": {impact.note}" if impact.note else "")


def block(outcome: Outcome, **shown: Any) -> dict[str, Any]:
    """What the block of an outcome needs, on the page of its debt and on its own.

    outcome : with outcomes.DETAILS prefetched
    """
    rows = [
        {
            "part": part,
            "name": name_of(part.impact) if part.impact else _("The whole debt"),
            "readings": [
                {"reading": each, "formula": formulas.of_reading(each)} for each in part.readings
            ],
        }
        for part in realised.parts(outcome)
    ]
    return {
        "outcome": outcome,
        "parts": rows,
        "reading_form": ReadingForm(None, outcome),
        "effort_form": EffortForm(None, outcome),
        **shown,
    }


def of_item(pk: int) -> dict[str, Any]:
    """The block of an item's last outcome, and its reopened ones; nothing where there is none."""
    found = list(
        Outcome.objects.filter(item=pk)
        .select_related("item__team", "author")
        .prefetch_related(*outcomes.DETAILS)
        .order_by("-pk")
    )
    valid = [outcome for outcome in found if outcome.reopened_at is None]
    past = [outcome for outcome in found if outcome.reopened_at is not None]
    return {**(block(valid[0]) if valid else {}), "past_outcomes": past}


@login_required
@require_http_methods(["GET", "POST"])
def detail(request: PageRequest, pk: int) -> HttpResponse:
    """An outcome alone: what is typed wrong on the page of its debt is corrected here."""
    outcome = get_object_or_404(
        Outcome.objects.select_related("item__team", "author").prefetch_related(*outcomes.DETAILS),
        pk=pk,
    )
    shown: dict[str, Any] = {}
    if request.method == "POST":
        rights.check(request.user, "outcome.measure", outcome.item)
        is_effort = "effort" in request.POST
        form = (EffortForm if is_effort else ReadingForm)(request.POST, outcome)
        shown = {"effort_form" if is_effort else "reading_form": form}
        if form.is_valid():
            values = form.cleaned_data
            try:
                if is_effort:
                    outcomes.set_effort(outcome_id=pk, **values, by=request.user)
                else:
                    outcomes.add_reading(outcome_id=pk, values=values, by=request.user)
            except ReadingsRefused as error:
                show_problems(form, error, {"actual_days": "days", "actual_cash": "cash"})
            else:
                messages.success(
                    request,
                    _("What the repair took is noted.") if is_effort else _("The reading is kept."),
                )
                return redirect(_place(outcome))
    return render(
        request,
        "outcomes/detail.html",
        {**block(outcome, **shown), "item": outcome.item},
        status=422 if request.method == "POST" else 200,
    )


@command
def remove(request: PageRequest, pk: int, reading: int) -> str:
    outcome = outcomes.remove_reading(outcome_id=pk, reading_id=reading, by=request.user)
    messages.success(request, _("The reading is taken back."))
    return _place(outcome)


def _place(outcome: Outcome) -> str:
    return reverse("debt-detail", args=[outcome.item_id]) + "#outcome"
