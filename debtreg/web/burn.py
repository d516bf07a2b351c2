"""The heatmap of burn rates: services by window, the worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Case, F, Max, Min, Prefetch, Q, When
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import budgets, burn_down
from debtreg.models import EVENT, Service, SliKind, Slo, SloState, StateWindow, Team
from debtreg.numbers import plain
from debtreg.web import exports
from debtreg.web.requests import PageRequest

# Where a colour begins: nothing burns, within the budget, then the thresholds of the alerts.
STEPS = (Decimal(0), Decimal(1), Decimal(3), Decimal(6), Decimal("14.4"))


# How bad an alert on a long window is that fires.
_RANKS = {"page": 2, "ticket": 1}
RANK_OF = {window: _RANKS[severity] for window, severity in budgets.SEVERITIES.items()}


@dataclass(frozen=True)
class Cell:
    """One window of one SLO; of a service, that of the SLO which is worst in it."""

    slo: Slo
    window: str
    state: SloState | None
    period_seconds: int | None

    @property
    def label(self) -> str:
        return str(StateWindow(self.window).label)

    @property
    def burn(self) -> Decimal | None:
        return self.state.burn_rate if self.state else None

    @property
    def heat(self) -> str:
        """A class of pages.css: h0 (nothing burns) to h5, or hx without data."""
        if self.burn is None:
            return "hx"
        return f"h{sum(self.burn > step for step in STEPS)}"

    @property
    def eaten(self) -> Decimal | None:
        """Which part of the period's budget went in this window: B x W / P, W as far as measured.

        Of the period it is what is not left.
        """
        if self.state is None or self.burn is None or not self.period_seconds:
            return None
        if self.state.remaining is not None:
            return 1 - self.state.remaining
        return self.burn * self.state.measured_seconds / self.period_seconds

    @property
    def rank(self) -> int:
        """2: an alert fires that pages, 1: one that makes a ticket, 0: none."""
        return RANK_OF.get(self.window, 0) if self.state and self.state.is_firing else 0

    @property
    def badness(self) -> tuple[int, bool, bool, Decimal]:
        """An alert, then anything that is known, of few events last, then what went."""
        is_known = self.state is not None and self.eaten is not None
        is_few = self.state is not None and self.state.is_few
        return self.rank, is_known, not is_few, self.eaten or Decimal(0)

    @property
    def events(self) -> Decimal | None:
        if self.state is None or self.state.total is None:
            return None
        return Decimal(self.state.total) / EVENT


@dataclass(frozen=True)
class Row:
    """The windows of one SLO."""

    slo: Slo
    cells: list[Cell]

    @classmethod
    def of(cls, slo: Slo) -> Row:
        states = {state.window: state for state in slo.states.all()}
        period = states.get(StateWindow.PERIOD)
        length = period.period_seconds if period else None
        return cls(slo, [Cell(slo, name, states.get(name), length) for name in StateWindow.values])

    @property
    def period(self) -> SloState | None:
        return self.cells[-1].state

    @property
    def firing(self) -> bool:
        return any(cell.state and cell.state.is_firing for cell in self.cells)

    @property
    def badness(self) -> tuple[int, Decimal]:
        """The worst comes first: what pages, a ticket, then the largest part of a budget gone."""
        eaten = [cell.eaten for cell in self.cells if cell.eaten is not None]
        return max(cell.rank for cell in self.cells), max(eaten, default=Decimal(-1))


@dataclass(frozen=True)
class Group:
    """The SLOs of one service, the worst first."""

    service: Service
    rows: list[Row]

    @cached_property
    def cells(self) -> list[Cell]:
        """Of each window the worst cell."""
        return [
            max(cells, key=lambda cell: cell.badness)
            for cells in zip(*(row.cells for row in self.rows), strict=True)
        ]

    @property
    def badness(self) -> tuple[int, Decimal]:
        return max(row.badness for row in self.rows)


class FilterForm(forms.Form):
    team = forms.ChoiceField(label=gettext_lazy("Team"), required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Kind of SLO"), required=False)
    open = forms.CharField(required=False, max_length=80)

    def __init__(self, data: Any, teams: Iterable[Team]) -> None:
        super().__init__(data)
        choices = {
            "team": [("", _("All")), *((team.slug, team.name) for team in teams)],
            "kind": [("", _("All")), *SliKind.choices],
        }
        for name, each in choices.items():
            self.fields[name].choices = each  # type: ignore[attr-defined]
        self.is_valid()


def budget_of(slo: Slo) -> dict[str, Any]:
    """What slos/_budget.html needs of one SLO: three queries at most."""
    row = Row.of(slo)
    states = {cell.window: cell.state for cell in row.cells if cell.state}
    period = states.get(StateWindow.PERIOD)
    return {
        "windows": row.cells,
        "period": period,
        "burn_down": burn_down.of(slo, period) if period else None,
        "alerts": budgets.alerts(slo, states) if len(states) == len(StateWindow) else [],
    }


def worst_services(most: int) -> list[int]:
    """The services by how bad an alert fires, then by what is left of a budget; so many at most."""
    services = (
        SloState.objects.order_by()
        .values("slo__service")
        .annotate(
            rank=Max(
                Case(*(When(window=name, then=rank) for name, rank in RANK_OF.items()), default=0),
                filter=Q(is_firing=True),
                default=0,
            ),
            left=Min("remaining", filter=Q(window=StateWindow.PERIOD)),
        )
        .order_by("-rank", F("left").asc(nulls_last=True), "slo__service")
    )
    return [row["slo__service"] for row in services[:most]]


def read(*, team: str = "", kind: str = "", services: list[int] | None = None) -> list[Group]:
    """All services that have SLOs, or some of them, the worst first."""
    slos = Slo.objects.select_related("service__team").prefetch_related(
        Prefetch("states", SloState.objects.all())
    )
    if services is not None:
        slos = slos.filter(service__in=services)
    if team:
        slos = slos.filter(service__team__slug=team)
    if kind:
        slos = slos.filter(kind=kind)
    by_service: dict[int, list[Row]] = {}
    for slo in slos.order_by("service__slug", "name"):
        by_service.setdefault(slo.service_id, []).append(Row.of(slo))
    groups = [
        Group(rows[0].slo.service, sorted(rows, key=lambda row: row.badness, reverse=True))
        for rows in by_service.values()
    ]
    return sorted(groups, key=lambda group: group.badness, reverse=True)


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    form = FilterForm(request.GET, Team.objects.all())
    groups = read(team=form.cleaned_data.get("team", ""), kind=form.cleaned_data.get("kind", ""))
    opened = form.cleaned_data.get("open", "")
    query = request.GET.copy()
    query.pop("open", None)
    return render(
        request,
        "slos/burn.html",
        {
            "form": form,
            "groups": groups,
            "windows": StateWindow.choices,
            "as_of": _as_of(groups),
            "open": opened,
            "query": query.urlencode(),
            "firing": sum(row.firing for group in groups for row in group.rows),
            "count": sum(len(group.rows) for group in groups),
        },
    )


def _as_of(groups: Iterable[Group]) -> datetime | None:
    return max(
        (row.period.ends_at for group in groups for row in group.rows if row.period),
        default=None,
    )


# --- For spreadsheets -----------------------------------------------------------------------------

HEADERS = (
    *("service", "team", "slo", "kind", "method", "window", "from", "to", "burn_rate"),
    *("error_ratio", "events", "part_of_budget", "seconds_left", "alert_threshold", "alert"),
    "budget_left",
)


@login_required
@require_safe
def export(request: PageRequest) -> StreamingHttpResponse:
    """Every window of every SLO as CSV, as the heatmap is filtered. Ratios; no data is empty."""
    chosen = FilterForm(request.GET, Team.objects.all()).cleaned_data
    groups = read(team=chosen.get("team", ""), kind=chosen.get("kind", ""))
    cells = (cell for group in groups for row in group.rows for cell in row.cells)
    return exports.as_csv("burn-rates", HEADERS, map(_as_row, cells))


def _as_row(cell: Cell) -> list[Any]:
    slo, state = cell.slo, cell.state
    named = [slo.service.slug, slo.service.team.slug, slo.name, slo.kind, slo.method, cell.window]
    if state is None:
        return named
    return [
        *named,
        *(state.starts_at.isoformat(), state.ends_at.isoformat()),
        *map(plain, (state.burn_rate, state.error_ratio, cell.events, cell.eaten)),
        *map(plain, (state.seconds_left, state.threshold)),
        {True: "fires", False: "quiet", None: ""}[state.is_firing],
        plain(state.remaining),
    ]
