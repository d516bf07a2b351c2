"""What the kinds of impact are called, and what to type where, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from debtreg.models import ImpactKind


@dataclass(frozen=True)
class Factor:
    label: str | Promise
    example: str | Promise


@dataclass(frozen=True)
class Kind:
    """One kind of impact: when to choose it, and its factors, but those that are always 1."""

    label: str | Promise
    when: str | Promise
    factors: dict[str, Factor]


_BOOK = _("Empty: from the price book.")

KINDS: dict[str, Kind] = {
    ImpactKind.LATENCY: Kind(
        _("Latency"),
        _("Requests are slower than they should be because of this debt."),
        {
            "frequency": Factor(
                _("Requests a year"), _("120,000,000. Empty: the traffic of the service.")
            ),
            "share": Factor(
                _("Share of them over the target because of this debt"), _("3 % or 0.03")
            ),
            "magnitude": Factor(
                _("How far over the target, in ms"), _("180: the mean of the slow ones")
            ),
            "unit_price": Factor(_("What a millisecond of one request costs"), _BOOK),
        },
    ),
    ImpactKind.ERRORS: Kind(
        _("Errors"),
        _("Requests or orders fail because of this debt."),
        {
            "frequency": Factor(_("Failures a year"), _("18,000")),
            "share": Factor(
                _("Share that no retry saves"), _("100 % if each failure is lost, 0.4 if not")
            ),
            "unit_price": Factor(_("What a failure costs"), _BOOK),
        },
    ),
    ImpactKind.DOWNTIME: Kind(
        _("Downtime"),
        _("The service goes down, wholly or in part, because of this debt."),
        {
            "frequency": Factor(_("Incidents a year"), _("0.5 is one every two years")),
            "share": Factor(_("Share of the traffic that fails"), _("60 %; 1 is all of it")),
            "magnitude": Factor(
                _("Minutes per incident"), _("45, from the first failure, detection included")
            ),
            "unit_price": Factor(_("What a minute costs"), _BOOK),
        },
    ),
    ImpactKind.CREDITS: Kind(
        _("SLA credits"),
        _("A contract is broken and money goes back because of this debt."),
        {
            "frequency": Factor(_("Billing periods a year"), _("12 for monthly bills")),
            "share": Factor(_("Chance of a breach in a period"), _("25 % or 0.25")),
            "unit_price": Factor(_("Credit for a breach"), _BOOK),
        },
    ),
    ImpactKind.COMPLIANCE: Kind(
        _("Compliance"),
        _("An audit or an authority may find fault because of this debt."),
        {
            "frequency": Factor(_("Exposures a year"), _("2 for two audits a year")),
            "share": Factor(_("Chance of a finding each time"), _("10 % or 0.1")),
            "unit_price": Factor(_("What a finding costs"), _BOOK),
        },
    ),
    ImpactKind.TOIL: Kind(
        _("Toil"),
        _("People do by hand, again and again, what this debt keeps from being automatic."),
        {
            "frequency": Factor(_("Hours a year"), _("72 is six hours a month")),
            "unit_price": Factor(_("What an hour costs"), _BOOK),
        },
    ),
    ImpactKind.DRAG: Kind(
        _("Drag on development"),
        _("Changes take longer than they need to because of this debt."),
        {
            "frequency": Factor(_("Extra hours of development a year"), _("160")),
            "unit_price": Factor(_("What an hour costs"), _BOOK),
        },
    ),
    ImpactKind.STATED: Kind(
        _("Stated yearly cost"),
        _("Somebody has named an amount a year, and how it came about is not known."),
        {"unit_price": Factor(_("Money a year"), _("18,000, as the ledger said"))},
    ),
}

# What the numbers of a policy are called; the paths are those of debtreg.versions.FIELDS, which
# say what each one means.
POLICY_FIELDS = {
    **{f"weights.{kind}": words.label for kind, words in KINDS.items()},
    "contingency.high": _("High confidence"),
    "contingency.medium": _("Medium confidence"),
    "contingency.low": _("Low confidence"),
    "contingency.none": _("No confidence stated"),
    "threshold": _("Promoted above this marginal ROI"),
    "demote_below": _("Taken back below this marginal ROI"),
    "min_confidence": _("How certain it must be"),
    "priority.p0_budget_share": _("P0: error budget"),
    "priority.p0_scenario_share": _("P0: scenario"),
    "priority.p1_budget_share": _("P1: error budget"),
    "priority.p1_cost_share": _("P1: yearly cost"),
    "priority.negligible_share": _("P3: yearly cost"),
}
# What a policy's schema says of them, in scoring, which knows no languages: translated when shown.
POLICY_MEANINGS = (
    gettext_noop("multiplier of the benefit, neutral 1"),
    gettext_noop("part added to the repair cost; 0.15 is 15 %"),
    gettext_noop("a marginal ROI above it is promoted; strictly above"),
    gettext_noop("an entry that nobody started goes back below this marginal ROI"),
    gettext_noop("promotion also needs this probability of beating the threshold; 0 is off"),
    gettext_noop("P0 above this share of an error budget"),
    gettext_noop("P0 for a gate of a scenario with this share of the annual cost"),
    gettext_noop("P1 above this share of an error budget"),
    gettext_noop("P1 from this share of the annual cost"),
    gettext_noop("P3 below this share of the annual cost"),
)
POLICY_GROUPS = {
    "promotion": _("What is promoted"),
    "weights": _("How much each kind of impact counts"),
    "contingency": _("Reserve on top of the repair cost"),
    "priority": _("Priority"),
    "unknown": _("No fields of a policy"),
}
# Shown as percent.
POLICY_SHARES = {
    path
    for path in POLICY_FIELDS
    if path.startswith(("contingency.", "priority.")) or path == "min_confidence"
}


def policy_group(path: str) -> str:
    """The group in which a number of a policy is shown."""
    group, dot, _name = path.partition(".")
    return group if dot else "promotion"


# What a job is called, by its model.
JOBS = {
    "scoringrun": _("Scoring run"),
    "ledgerimport": _("Import of a ledger"),
    "whatif": _("What a policy would move"),
    "fetch": _("Fetch of readings"),
}

# Grades as they stand beside a number.
GRADES = (
    gettext_noop("measured"),
    gettext_noop("inferred"),
    gettext_noop("estimated"),
    gettext_noop("default"),
)

# What jobs say of themselves while they run.
STAGES = (
    gettext_noop("reading"),
    gettext_noop("understanding"),
    gettext_noop("staging"),
    gettext_noop("storing"),
    gettext_noop("scoring"),
    gettext_noop("promoting"),
    gettext_noop("comparing"),
    gettext_noop("writing"),
    gettext_noop("publishing"),
    gettext_noop("fetching"),
)

# What a column of a ledger may be; the names are those of debtreg.ledger.FIELDS.
LEDGER_FIELDS = {
    "id": _("Id"),
    "title": _("Title"),
    "description": _("Description"),
    "service": _("Service"),
    "team": _("Team"),
    "type": _("Kind of debt"),
    "priority": _("Stated priority"),
    "impact": _("Impact, in words"),
    "sla": _("SLA figure, in words"),
    "effort": _("Effort"),
    "effort_low": _("Effort, at least"),
    "effort_likely": _("Effort, most likely"),
    "effort_high": _("Effort, at most"),
    "annual_cost": _("Yearly cost"),
    "annual_cost_low": _("Yearly cost, at least"),
    "annual_cost_likely": _("Yearly cost, most likely"),
    "annual_cost_high": _("Yearly cost, at most"),
    "probability": _("Probability, in words"),
    "owner": _("Person in charge"),
    "status": _("Status"),
    "created": _("Found on"),
    "due": _("Wanted by"),
    "closed": _("Resolved on"),
    "plan": _("Plan of repair"),
    "depends_on": _("Needs first"),
}

FINDINGS = {
    "unreadable": _("Unreadable"),
    "approximate": _("Rough estimate"),
    "open_range": _("Open range"),
    "range_reversed": _("Range reversed"),
    "unit_assumed": _("Unit assumed"),
    "unit_unmapped": _("Unit without a size"),
    "not_positive": _("Not above 0"),
    "negative": _("Negative amount"),
    "annualised": _("Made yearly"),
    "foreign_currency": _("Foreign currency"),
    "number_format_mixed": _("Mixed number formats"),
    "merged_amount": _("Amount merged over rows"),
    "formula_without_value": _("Formula without value"),
    "error_value": _("Error value"),
    "formula_text": _("Text like a formula"),
    "control_chars_removed": _("Control characters"),
    "date_without_year": _("Date without year"),
    "date_is_period": _("Period as date"),
    "date_ambiguous": _("Ambiguous date"),
    "status_missing": _("No status"),
    "status_ambiguous": _("Ambiguous status"),
    "service_missing": _("No service"),
    "service_unknown": _("Unknown service"),
    "service_multiple": _("Several services"),
    "dependency_unknown": _("Unknown dependency"),
    "dependency_self": _("Depends on itself"),
    "dependency_cycle": _("Circle of dependencies"),
    "dependency_ambiguous": _("Ambiguous dependency"),
    "id_missing": _("No id"),
    "duplicate_id": _("Id used twice"),
    "duplicate_candidate": _("May be a duplicate"),
    "title_missing": _("No title"),
    "title_too_long": _("Long title"),
    "row_ragged": _("Ragged line"),
    "row_hidden": _("Hidden row"),
    "column_unmapped": _("Column without field"),
    "header_duplicate": _("Header twice"),
    "header_ambiguous": _("Ambiguous header"),
    "sheet_hidden": _("Hidden sheet"),
    "sheet_without_title": _("Sheet without titles"),
}
SKIPPED = {
    "total": _("a sum line"),
    "note": _("a heading or footnote"),
    "repeated_header": _("the header again"),
}
