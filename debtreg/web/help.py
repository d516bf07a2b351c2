"""The glossary: every term of the pages in a sentence, with its formula."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from debtreg import versions
from debtreg.actions import demo
from debtreg.web import words
from debtreg.web.requests import PageRequest


@dataclass(frozen=True)
class Term:
    """A word of the pages: what it means, how it is reckoned, and which page (url name, words)
    has more of it."""

    label: str | Promise
    text: str | Promise
    formula: str | Promise = ""
    page: tuple[str, str | Promise] | None = None


# Anchor on the help page -> the term. `{% term "roi" %}` explains one where it stands.
TERMS: dict[str, Term] = {
    "debt": Term(
        _("Debt, debt item"),
        _("A known shortcut in one service that costs money for as long as it stays."),
    ),
    "annual-cost": Term(
        _("Annual cost (interest)"),
        _(
            "What the debt costs a year: the sum over its impacts. An impact with a missing "
            "factor is not priced: it is listed and left out of the sum, never counted as 0."
        ),
        _("annual cost = Σ frequency × share × magnitude × unit price"),
    ),
    "repair-cost": Term(
        _("Repair cost (principal)"),
        _("What it takes to be rid of the debt. The reserve depends on how sure the estimate is."),
        _("repair cost = (person-days × day rate + cash) × (1 + reserve)"),
    ),
    "benefit": Term(
        _("Annual benefit"),
        _(
            "What the repair saves a year: the part of each impact that it takes away. "
            "Weighted, it also counts how much the policy and the endangered guarantee matter."
        ),
        _("benefit = Σ effectiveness × cost; weighted: Σ weight × effectiveness × cost"),
    ),
    "roi": Term(
        _("ROI"),
        _(
            "How many times its cost a repair returns in the first year, gross. What is above "
            "the threshold is promoted to the backlog; exactly at the threshold is not above "
            "it. Of a debt in failure scenarios its marginal ROI ranks it and decides; "
            "beside it stands its ROI by its share of what they lose."
        ),
        _("ROI = weighted benefit / repair cost"),
    ),
    "marginal": Term(
        _("What is left to gain"),
        _(
            "Debts that cause a failure together share what it loses; once one of them is "
            "repaired, the repair of another may save little. Promotion goes by what a repair "
            "returns once all that is promoted is done."
        ),
        _("what its own impacts save + what scenarios still lose with it"),
    ),
    "bundle": Term(
        _("Bundle, joint ROI"),
        _(
            "While one of several alternatives is open, the repair of the others saves nothing: "
            "they pay only together. They are one bundle, promoted and planned as a whole or "
            "not at all, by their joint ROI."
        ),
        _("joint ROI = what all of them save together / what all of them cost to repair"),
    ),
    "deciding-roi": Term(
        _("Deciding ROI"),
        _(
            "What promotion goes by: the ROI of a debt in no failure scenario, the marginal ROI "
            "of one in a scenario, the joint ROI of a bundle. What is promoted stays until it "
            "falls below the lower bar of the policy."
        ),
    ),
    "money-roi": Term(
        _("ROI in plain money"),
        _("The same without weights: what an accountant would reckon."),
        _("ROI in plain money = benefit / repair cost"),
    ),
    "payback": Term(
        _("Paid back after"),
        _("The days until the repair has returned what it cost."),
        _("payback = 365 × repair cost / benefit"),
    ),
    "breaking-point": Term(
        _("Costs as much as its repair after"),
        _("The years after which leaving the debt has cost as much as repairing it."),
        _("breaking point = repair cost / annual cost"),
    ),
    "estimate": Term(
        _("Three-point estimate"),
        _(
            "At least, most likely, at most. One number stands for all three. Where one number "
            "is needed, the mean leans on the likely one."
        ),
        _("mean = (low + 4 × likely + high) / 6"),
    ),
    "unknown": Term(
        _("Not known"),
        _(
            "Nobody has said. It is never treated as 0: a debt without an effort needs an "
            "estimate, one without a priced impact is not priced, and both stand at the end of "
            "the ranking."
        ),
    ),
    "grade": Term(
        _("Grade"),
        _(
            "Where a number comes from: measured, inferred from other numbers, estimated by a "
            "person, or a default."
        ),
    ),
    "price-book": Term(
        _("Price book"),
        _(
            "What a millisecond, a failure, a minute or an hour costs, for a service or for "
            "all. Kept apart from the debts, so that their authors do not set their own "
            "yardstick."
        ),
    ),
    "priority": Term(
        _("Priority P0 to P3"),
        _(
            "How much a debt endangers promises, apart from its ROI. P0 and P1 take a large "
            "part of an error budget or of all cost; P2 is priced and smaller; P3 is not priced"
            " or negligible. A P0 with a low ROI stays visible."
        ),
        _("share of the budget = expected bad minutes a year / error budget a year"),
    ),
    "scenario": Term(
        _("Failure scenario"),
        _(
            "What several debts cause together. All gates must be open for it to happen; one "
            "open alternative of each group keeps it possible; each open amplifier adds its "
            "chance."
        ),
        _(
            "cost a year = events a year × loss of an event × gates open × some alternative "
            "open × (1 − Π (1 − chance))"
        ),
    ),
    "share": Term(
        _("Share of a scenario"),
        _(
            "What each debt costs of a scenario's loss, in sums and histories: its Shapley "
            "value, the mean of what it adds over all orders in which the debts might have "
            "come. The shares of all open debts add up to the cost."
        ),
    ),
    "removal-value": Term(
        _("Removal value"),
        _(
            "How much less a scenario would cost a year if one debt alone were gone. Removal "
            "values are never summed: every gate by itself takes away the whole."
        ),
    ),
    "marginal-value": Term(
        _("Marginal value, marginal ROI"),
        _(
            "What a repair still saves once all is repaired that is promoted or in progress, "
            "and how many times its cost that is. Promotion goes by it: where one gate is "
            "repaired, the next is worth less."
        ),
    ),
    "information": Term(
        _("What to measure next"),
        _(
            "What it is worth to know an uncertain number exactly: what better decisions would "
            "gain on average. Where no value of it turns the decision, it is worth nothing."
        ),
        _("worth = mean of the best decision for each value − the best decision now"),
    ),
    "promotion": Term(
        _("Promoted"),
        _(
            "In its team's backlog, because its ROI is above the threshold, or because somebody"
            " promoted or pinned it. What finds no room in an open iteration waits there, "
            "visibly."
        ),
    ),
    "outcome": Term(
        _("Outcome"),
        _(
            "When a debt is resolved, what was predicted of its repair is frozen. What it cost "
            "before and after is read, or estimated, for a week or longer and made a year of: "
            "amount × 365 / days. The cost before less the cost after is what the repair has "
            "brought."
        ),
        page=("outcome-list", _("Predicted against realised")),
    ),
    "veto": Term(
        _("Veto"),
        _("Keeps a debt out of the backlog for a reason, until a day or until it is lifted."),
    ),
    "pin": Term(
        _("Pin"),
        _("Promotes a debt whatever its ROI, and keeps it there."),
    ),
    "accept": Term(
        _("Accept"),
        _("The decision to live with a debt. It keeps its cost and leaves the backlog."),
    ),
    "iteration": Term(
        _("Iteration, capacity"),
        _(
            "A span of a team's work, and the person-days that it sets aside for repairs. A "
            "plan never exceeds them."
        ),
    ),
    "guarantee": Term(
        _("Contract, guarantee"),
        _(
            "What one service has promised to another or to a customer: a metric, a target, and"
            " what is owed if it is missed. Each has versions that hold from a day on. The "
            "numbers are read from the contract's text, in English or Chinese, and count once a"
            " person has compared the two and confirmed them; confirmed ones never change."
        ),
        _(
            "in force = the version that began last; a period is priced by what was in force in"
            " it, part by part"
        ),
    ),
    "gap": Term(
        _("Compliance gap"),
        _(
            "Something about a promise that is not in order: it cannot be read, nobody has "
            "confirmed it, its edge is not in the catalog, it promises more than what it rests "
            "on, or a penalty is not known. Gaps open and close by themselves; the team of the "
            "service that owes the promise has to put them right."
        ),
    ),
    "burn-rate": Term(
        _("Error budget, burn rate"),
        _(
            "The part of a period, or of its requests, that an objective lets fail, and how "
            "many times faster than that it fails. Without data both are unknown, not 0. The "
            "calculators show both, and what a target tolerates."
        ),
        _("budget = (1 − objective) × period; burn rate = error ratio / (1 − objective)"),
        page=("calculator-list", _("Calculators")),
    ),
    "run": Term(
        _("Scoring run"),
        _(
            "Prices and ranks all open debts and fills the backlogs. Until it is published as a"
            " whole, everybody sees the one before."
        ),
    ),
    "policy": Term(
        _("Scoring policy"),
        _(
            "Weights, reserves and thresholds, in numbered versions that never change. Every "
            "score names its version."
        ),
    ),
}


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    return render(
        request,
        "help.html",
        {
            "terms": TERMS,
            "kinds": words.KINDS,
            "standing": versions.standing(),
            "tells_story": demo.is_filled(),
        },
    )
