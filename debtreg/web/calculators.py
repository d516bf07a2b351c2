"""The calculators as pages: what is typed goes to the calculator behind the API, and back.

All forms are plain GET forms, so that an address is a calculation that can be handed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import calculators
from debtreg.errors import DebtregError
from debtreg.models import LONGEST_CLAUSE, ImpactKind
from debtreg.web.fields import typed
from debtreg.web.requests import PageRequest

# Between two numbers of an estimate or of a bucket: 300 – 480 – 900, 250ms–500ms; not in 1e-3.
_TO = re.compile(r"(?<=[\ds%秒])\s*[-–—~～]\s*(?=[\d.])")
LONGEST = 500


class Typed(forms.CharField):
    """What somebody types, handed on as a text: the calculator reads it, and says what is wrong.

    points : up to how many numbers it may be, with a dash between; {low, likely, high}
    percent : 3 % is 0.03
    """

    def __init__(
        self,
        label: Any,
        help_text: Any = "",
        *,
        points: int = 1,
        percent: bool = False,
    ) -> None:
        self.points, self.percent = points, percent
        mode = "decimal" if points == 1 else "text"
        attrs = {"inputmode": mode, "class": "num", "autocomplete": "off"}
        super().__init__(
            label=label,
            help_text=help_text,
            required=False,
            max_length=LONGEST,
            widget=forms.TextInput(attrs=attrs),
        )

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        parts = _TO.split(text) if self.points > 1 else [text]
        if len(parts) > self.points or (self.points == 3 and len(parts) == 2):
            raise forms.ValidationError(_("Enter one number, or three: 300 – 480 – 900."))
        numbers = [self._number(part) for part in parts]
        if len(numbers) == 1:
            return numbers[0]
        names = ("low", "likely", "high") if len(numbers) == 3 else ("low", "high")
        return dict(zip(names, numbers, strict=True))

    def _number(self, text: str) -> str | None:
        number: str = typed(text)
        if self.percent and number.endswith("%"):
            try:
                return str(Decimal(number[:-1]) / 100)
            except InvalidOperation:
                return number
        return number or None


class CalculatorForm(forms.Form):
    """A question. Empty is not known, unless the calculator has a default for it."""

    # What is left out where it is empty.
    defaults: ClassVar[tuple[str, ...]] = ()

    def body(self) -> dict[str, Any]:
        """What the calculator is asked."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if value is not None or name not in self.defaults
        }

    def field_of(self, path: str) -> str:
        """The field of a path in the body."""
        return path.partition(".")[0]


class InversionForm(CalculatorForm):
    defaults = ("impact", "open_seconds")

    target_percent = Typed(gettext_lazy("Target, %"), gettext_lazy("99.99, not the ratio 0.9999"))
    period_days = Typed(
        gettext_lazy("Period, days"), gettext_lazy("365, or 30 for a month of 30 d")
    )
    recovery_seconds = Typed(
        gettext_lazy("Recovery from an incident, s"),
        gettext_lazy("480, detection included. Or an estimate: 300 – 480 – 900"),
        points=3,
    )
    impact = Typed(
        gettext_lazy("Share of the traffic that fails"),
        gettext_lazy("100 % or 1. Empty: all of it"),
        points=3,
        percent=True,
    )
    open_seconds = Typed(gettext_lazy("A breaker stays open, s"), gettext_lazy("Empty: 30"))


class BurnRateForm(CalculatorForm):
    defaults = ("remaining_percent", "threshold")

    objective_percent = Typed(gettext_lazy("Objective, %"))
    good = Typed(gettext_lazy("Good events in the window"))
    total = Typed(gettext_lazy("All events in the window"))
    window_seconds = Typed(gettext_lazy("Window, s"), gettext_lazy("3600 for an hour"))
    period_days = Typed(gettext_lazy("Period of the objective, days"))
    remaining_percent = Typed(
        gettext_lazy("Left of the budget, %"),
        gettext_lazy("When the window ends; below 0 if overdrawn. Empty: 100"),
    )
    threshold = Typed(
        gettext_lazy("Alert above a burn rate of"), gettext_lazy("14.4. May be empty")
    )


class PenaltyForm(CalculatorForm):
    defaults = ("objective_percent", "fee")

    target = forms.CharField(
        label=gettext_lazy("Target"),
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("≤300ms, p99 ≤ 0.3 s, ≥99.95%: the sign says which side is worse"),
    )
    measured = Typed(
        gettext_lazy("Measured"),
        gettext_lazy("0.35s; 250ms – 500ms for the bounds of a bucket. Empty: nothing was"),
        points=2,
    )
    requests = Typed(gettext_lazy("Requests measured"), gettext_lazy("At least 100 say anything"))
    clause = forms.CharField(
        label=gettext_lazy("Clause"),
        max_length=LONGEST_CLAUSE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("As the contract has it, in Chinese or English"),
    )
    objective_percent = Typed(
        gettext_lazy("Objective that the budget comes from, %"),
        gettext_lazy("99.9. May be empty where the target is a percentage or a percentile"),
    )
    period_days = Typed(gettext_lazy("Period, days"))
    fee = Typed(
        gettext_lazy("Fee of the period"), gettext_lazy("For clauses that credit a part of it")
    )


class BreakerForm(CalculatorForm):
    objective_percent = Typed(gettext_lazy("Objective, %"))
    period_days = Typed(gettext_lazy("Period, days"))
    recovery_seconds = Typed(
        gettext_lazy("Recovery from an outage, s"),
        gettext_lazy("480, detection included. Or an estimate: 300 – 480 – 900"),
        points=3,
    )
    failure_threshold = Typed(
        gettext_lazy("Failures in a row that trip it"), gettext_lazy("6 for “more than 5”")
    )
    call_timeout_ms = Typed(gettext_lazy("Timeout of a call, ms"))
    open_seconds = Typed(gettext_lazy("Stays open, s"))
    half_open_probes = Typed(
        gettext_lazy("Probes that have to succeed"), gettext_lazy("Before it closes again")
    )


class RoiForm(CalculatorForm):
    """One impact; a debt with several is what the page that logs one is for."""

    defaults = ("cash", "contingency")

    effort = Typed(
        gettext_lazy("Effort, person-days"),
        gettext_lazy("2. Or an estimate: 1 – 2 – 5"),
        points=3,
    )
    day_rate = Typed(gettext_lazy("A person-day costs"), points=3)
    cash = Typed(gettext_lazy("Money beside the work"), gettext_lazy("Empty: none"))
    contingency = Typed(
        gettext_lazy("Reserve"), gettext_lazy("15 % or 0.15. Empty: none"), percent=True
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind of impact"), choices=ImpactKind.choices)
    frequency = Typed(
        gettext_lazy("How often a year"),
        gettext_lazy("Requests, failures, incidents, periods or hours"),
        points=3,
    )
    share = Typed(
        gettext_lazy("Share of them that is bad"),
        gettext_lazy("3 % or 0.03"),
        points=3,
        percent=True,
    )
    magnitude = Typed(
        gettext_lazy("How much each"), gettext_lazy("ms too slow, minutes down; else 1"), points=3
    )
    unit_price = Typed(
        gettext_lazy("Price of one"), gettext_lazy("Of a ms, failure, minute, hour"), points=3
    )
    effectiveness = Typed(
        gettext_lazy("Part that the repair takes away"),
        gettext_lazy("Empty: all of it"),
        percent=True,
    )

    _of_impact = ("kind", "frequency", "share", "magnitude", "unit_price", "effectiveness")

    def body(self) -> dict[str, Any]:
        body = super().body()
        impact = {name: body.pop(name) for name in self._of_impact}
        return {**body, "impacts": [impact]}

    def field_of(self, path: str) -> str:
        return super().field_of(path.removeprefix("impacts[0]."))


@dataclass(frozen=True)
class Page:
    title: str | Promise
    sentence: str | Promise
    form: type[CalculatorForm]
    example: Mapping[str, str]
    # More of them: what it shows -> what is typed other than in the example.
    more: Mapping[str | Promise, Mapping[str, str]]


PAGES = {
    "inversion": Page(
        gettext_lazy("What a target tolerates"),
        gettext_lazy("From a target and a recovery time to the incidents and breaker trips in it."),
        InversionForm,
        {
            "target_percent": "99.99",
            "period_days": "365",
            "recovery_seconds": "480",
            "impact": "100 %",
            "open_seconds": "30",
        },
        {
            gettext_lazy("Three nines in a month"): {
                "target_percent": "99.9",
                "period_days": "30",
                "recovery_seconds": "600",
                "open_seconds": "60",
            },
            gettext_lazy("Recovery as an estimate"): {"recovery_seconds": "300 – 480 – 900"},
        },
    ),
    "burn-rate": Page(
        gettext_lazy("Burn rate"),
        gettext_lazy("How fast an error budget burns, how long it lasts, and which alerts fire."),
        BurnRateForm,
        {
            "objective_percent": "99.9",
            "good": "985,600",
            "total": "1,000,000",
            "window_seconds": "3600",
            "period_days": "30",
            "remaining_percent": "100",
        },
        {
            gettext_lazy("A threshold that never fires"): {
                "objective_percent": "90",
                "threshold": "14.4",
            },
            gettext_lazy("No events"): {"good": "0", "total": "0"},
        },
    ),
    "penalty": Page(
        gettext_lazy("Penalty clause"),
        gettext_lazy(
            "What a contract takes for a missed target, from the clause as it is written."
        ),
        PenaltyForm,
        {
            "target": "≤300ms",
            "measured": "0.35s",
            "requests": "2,000,000",
            "clause": "每低于目标10ms,扣减SLO预算5%",
            "objective_percent": "99.9",
            "period_days": "30",
        },
        {
            gettext_lazy("In points of a percentage"): {
                "target": "≥99.95%",
                "measured": "99.9173%",
                "clause": "Deduct 5% of the budget for each 0.01pp or part thereof, up to 50%",
                "objective_percent": "",
            },
            gettext_lazy("Credits by level"): {
                "target": "≥99.9%",
                "measured": "99.5%",
                "clause": "低于99.9%赔付月费10%,低于99%赔付月费25%",
                "fee": "80,000",
            },
            gettext_lazy("A bucket that is too wide"): {"measured": "250ms – 500ms"},
        },
    ),
    "breaker": Page(
        gettext_lazy("Circuit breaker"),
        gettext_lazy("Whether the settings of a breaker fit a target, check by check."),
        BreakerForm,
        {
            "objective_percent": "99.99",
            "period_days": "365",
            "recovery_seconds": "480",
            "failure_threshold": "6",
            "call_timeout_ms": "300",
            "open_seconds": "60",
            "half_open_probes": "1",
        },
        {gettext_lazy("A faster one"): {"call_timeout_ms": "30", "open_seconds": "15"}},
    ),
    "roi": Page(
        gettext_lazy("ROI of a repair"),
        gettext_lazy("What one impact costs a year, and whether its repair would be promoted."),
        RoiForm,
        {
            "effort": "2",
            "day_rate": "1,600",
            "kind": ImpactKind.LATENCY,
            "frequency": "120,000,000",
            "share": "3 %",
            "magnitude": "180",
            "unit_price": "0.00002",
        },
        {},
    ),
}

LEVELS = {
    "pass": ("done", gettext_lazy("Pass")),
    "warn": ("warning", gettext_lazy("Warning")),
    "fail": ("failed", gettext_lazy("Fail")),
    "gap": ("unpriced", gettext_lazy("Not known")),
}
# What the steps of a calculation give.
STEPS = {
    "annual_cost": gettext_lazy("Cost a year"),
    "budget_consumed_percent": gettext_lazy("Budget used in the window"),
    "budget_minutes": gettext_lazy("Initial budget"),
    "budget_requests": gettext_lazy("Initial budget in requests"),
    "budget_seconds": gettext_lazy("Error budget"),
    "burn_rate": gettext_lazy("Burn rate"),
    "credit_amount": gettext_lazy("Credit in money"),
    "credit_percent": gettext_lazy("Credit"),
    "deduct_percent": gettext_lazy("Deduction"),
    "deducted_minutes": gettext_lazy("Deducted of the budget"),
    "deducted_requests": gettext_lazy("Deducted in requests"),
    "error_ratio": gettext_lazy("Error ratio"),
    "impacts[0]": gettext_lazy("Cost a year"),
    "incidents_per_period": gettext_lazy("Incidents in the period"),
    "repair_cost": gettext_lazy("Repair cost"),
    "roi": gettext_lazy("ROI"),
    "seconds_to_exhaustion": gettext_lazy("Budget lasts for"),
    "shortfall": gettext_lazy("Worse than the target by"),
    "steps": gettext_lazy("Steps"),
    "trip_delay": gettext_lazy("From fault to trip"),
    "trips_affordable": gettext_lazy("Trips in the period"),
    "uncapped_percent": gettext_lazy("Before the cap"),
}


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    return render(request, "calculators/list.html", {"pages": PAGES})


@login_required
@require_safe
def detail(request: PageRequest, name: str) -> HttpResponse:
    """The form with its answer; for htmx the answer, and the problems beside the fields."""
    page = PAGES.get(name)
    if page is None:
        raise Http404(name)
    asked = any(field in request.GET for field in page.form.base_fields)
    form = page.form(request.GET if asked else page.example)
    context = {
        "name": name,
        "page": page,
        "form": form,
        "numbers": f"calculators/_{name.replace('-', '_')}.html",
        **_answer(name, form),
    }
    if request.htmx:
        return render(request, "calculators/_live.html", context)
    context["more"] = [
        (label, urlencode({**page.example, **other})) for label, other in page.more.items()
    ]
    return render(request, "calculators/detail.html", context)


def _answer(name: str, form: CalculatorForm) -> dict[str, Any]:
    """What the calculator says; nothing where it refuses, which is said beside the field."""
    if not form.is_valid():
        return {"answer": None}
    try:
        answer = calculators.calculate(name, form.body())
    except DebtregError as error:
        for path, problems in error.fields.items():
            field = form.field_of(path)
            for problem in problems:
                # "clause.step is 0 ms": beside the field it needs no name but that of its part.
                said = capfirst(problem.partition(field)[2].lstrip(". ")) or problem
                form.add_error(field if field in form.fields else None, said)
        return {"answer": None}
    findings = [
        {**found, "mark": LEVELS[found["level"]][0], "word": LEVELS[found["level"]][1]}
        for found in answer.get("findings", [])
    ]
    steps = answer["calculation"] if "calculation" in answer else answer["steps"]
    return {
        "answer": answer,
        "findings": findings,
        "steps": [{**each, "label": STEPS.get(each["of"], each["of"])} for each in steps],
    }
