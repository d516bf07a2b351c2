"""What people fill in of contracts: guarantees, their terms, what was measured."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from debtreg.models import LONGEST_CLAUSE, Contract, Guarantee, PenaltyEntry, Terms
from debtreg.numbers import plain
from debtreg.web.fields import Amount, DayField
from debtreg.web.forms import AREA, RowForm


class ContractForm(RowForm):
    starts_on = DayField(label=gettext_lazy("First day"), required=False)
    ends_on = DayField(label=gettext_lazy("Last day"), required=False)

    class Meta:
        model = Contract
        fields = ["reference", "name", "starts_on", "ends_on"]
        labels = {"reference": gettext_lazy("Reference"), "name": gettext_lazy("Name")}


def text(label: Any, longest: int, help_text: Any = "", **options: Any) -> forms.CharField:
    options.setdefault("required", False)
    return forms.CharField(label=label, max_length=longest, help_text=help_text, **options)


class TermsForm(forms.Form):
    """What is promised from a day on. Each part as it is written, and how it is to be read."""

    effective_from = DayField(
        label=gettext_lazy("In force from"),
        required=False,
        help_text=gettext_lazy("The first day on which this holds. Empty: since ever."),
    )
    target_text = text(
        gettext_lazy("Target, as written"),
        80,
        gettext_lazy("As ≤300ms, 不低于 99.95%."),
        required=True,
    )
    target_reading = text(
        gettext_lazy("Target, as it is to be read"),
        80,
        gettext_lazy("Only where the text can't be read: ≤ 30 d."),
    )
    window_text = text(
        gettext_lazy("Period, as written"), 40, gettext_lazy("As 30d, calendar month, 自然季度.")
    )
    window_reading = text(
        gettext_lazy("Period, as it is to be read"),
        40,
        gettext_lazy("30d, 730h, calendar month, quarter or year."),
    )
    penalty_clause = text(
        gettext_lazy("Penalty, as written"),
        LONGEST_CLAUSE,
        gettext_lazy("As 每低于目标10ms,扣减SLO预算5%, or: below 99.9%: credit 10%."),
        widget=AREA,
    )
    penalty_reading = text(
        gettext_lazy("Penalty, as it is to be read"),
        LONGEST_CLAUSE,
        gettext_lazy("“none” where nothing follows from it that could be counted."),
        widget=AREA,
    )
    objective_percent = Amount(
        label=gettext_lazy("Availability whose budget it takes from"),
        max_digits=13,
        decimal_places=10,
        max_value=Decimal("99.9999999999"),
        help_text=gettext_lazy("In percent. Only where the target is no availability itself."),
    )

    @property
    def texts(self) -> dict[str, Any]:
        """By the names of Terms."""
        found = {name: self.cleaned_data[name] for name in self.cleaned_data if name in _TEXTS}
        percent = self.cleaned_data.get("objective_percent")
        return {**found, "budget_objective": None if percent is None else percent / 100}


_TEXTS = (
    *("target_text", "target_reading", "window_text", "window_reading"),
    *("penalty_clause", "penalty_reading"),
)
FORM_NAMES = {"budget_objective": "objective_percent"}


def said(terms: Terms | None) -> dict[str, Any]:
    """First values of a TermsForm."""
    if terms is None:
        return {}
    percent = terms.budget_objective
    return {
        **{name: getattr(terms, name) for name in _TEXTS},
        "effective_from": terms.effective_from,
        "objective_percent": None if percent is None else plain(percent * 100),
    }


class IdentityForm(forms.Form):
    """What a guarantee is of: it stays while its terms change."""

    metric = text(
        gettext_lazy("Metric"),
        80,
        gettext_lazy("As p99_response_time, availability, error_rate."),
        required=True,
    )
    scope_text = text(
        gettext_lazy("Between"),
        200,
        gettext_lazy("consumer → provider, by slug, name or alias: order-api → payment-service."),
    )
    weight = Amount(
        label=gettext_lazy("Weight"),
        max_digits=4,
        decimal_places=3,
        max_value=3,
        required=True,
        initial=1,
        help_text=gettext_lazy("Multiplies the benefit of what endangers it: 0 to 3, neutral 1."),
    )

    @property
    def identity(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("metric", "scope_text", "weight")}


class NewGuaranteeForm(IdentityForm, TermsForm):
    """A guarantee with its first terms."""

    field_order = ["metric", "scope_text", "target_text"]


def identity_of(guarantee: Guarantee) -> dict[str, Any]:
    return {name: getattr(guarantee, name) for name in ("metric", "scope_text", "weight")}


class PeriodForm(forms.Form):
    """What was measured of a guarantee in a period that is over."""

    starts_on = DayField(label=gettext_lazy("First day"))
    ends_on = DayField(label=gettext_lazy("Last day"))
    measured = text(
        gettext_lazy("Measured"),
        80,
        gettext_lazy("With its unit: 0.3301s, 99.93%. Empty: nothing was measured."),
    )
    requests = Amount(
        label=gettext_lazy("Requests that it rests on"),
        max_digits=16,
        decimal_places=0,
        help_text=gettext_lazy("Fewer than 100 say nothing."),
    )
    source = text(gettext_lazy("Where it comes from"), 300)

    @property
    def values(self) -> dict[str, Any]:
        return {**self.cleaned_data, "measured": self.cleaned_data["measured"] or None}


def of_entry(entry: PenaltyEntry) -> dict[str, Any]:
    """First values of a PeriodForm that corrects an entry."""
    measured = entry.measured if isinstance(entry.measured, str | int | float) else ""
    names = ("starts_on", "ends_on", "requests", "source")
    return {**{name: getattr(entry, name) for name in names}, "measured": measured}
