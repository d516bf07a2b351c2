"""Sentences for a product owner: why something is in the backlog, and why it is where it is.

The decisions come as codes and numbers (see promote and assign); here they become English. Names
of items and iterations come from the caller, as only it knows them.
"""

from collections.abc import Callable

import pandas as pd

from .plan import PLACES
from .policy import Policy
from .promotion import REASONS

Name = Callable[[int], str]

_WHY = {
    "started": "Someone is working on it.",
    "above": "Returns {roi} times its repair in a year; promoted is what is above {threshold}.",
    "bundle": "Pays only together with {others}: then the group returns more than {threshold} "
    "times its repair.",
    "pinned": "Pinned by a person; it returns {roi} times its repair in a year.",
    "kept": "Returns {roi} times its repair in a year; it stays unless that falls below {lower}.",
    "needed": "Returns only {roi} times its repair, but stays: something promoted needs it.",
    "below": "Returns {roi} times its repair in a year, given what is promoted already; promoted "
    "is what is above {threshold}.",
    "fell": "Went back: by now it returns {roi} times its repair in a year, less than {lower}.",
    "vetoed": "Vetoed.",
    "accepted": "Accepted: it stays as it is.",
    "needs_estimate": "Needs an estimate of its repair.",
    "unpriced": "Nobody has said yet what it costs.",
    "blocked": "Waits for {blocker}, which is open and not promoted.",
    "uncertain": "Returns {roi} times its repair in a year, but that this is above {threshold} is "
    "less certain than the {certainty} that the policy asks for.",
}


def promotion_reasons(decisions: pd.DataFrame, policy: Policy, name: Name) -> list[str]:
    """Say of each decision why, in one sentence.

    Parameters
    ----------
    decisions : rows of what `promote` returned; give all rows of a bundle at once
    name : gives the key of an item id, such as DEBT-7

    Examples
    --------
    >>> from scoring.policy import DEFAULT_PAYLOAD
    >>> rows = pd.DataFrame({"item_id": [3], "marginal_roi": [2.9617], "bundle": [-1],
    ...                      "reason": [REASONS.index("below")], "blocked_by": [-1]})
    >>> promotion_reasons(rows, Policy.from_payload(DEFAULT_PAYLOAD), "DEBT-{}".format)
    ['Returns 2.96 times its repair in a year, given what is promoted already; promoted is what is \
above 3.']
    """
    bundles = decisions[decisions["bundle"] >= 0].groupby("bundle")["item_id"].agg(list).to_dict()
    sentences = []
    columns = ["item_id", "marginal_roi", "reason", "blocked_by", "bundle"]
    for item, roi, reason, blocker, bundle in decisions[columns].itertuples(index=False, name=None):
        others = [name(other) for other in bundles.get(bundle, ()) if other != item]
        sentences.append(
            _WHY[REASONS[reason]].format(
                roi="an unknown number of" if roi != roi else _ratio(roi),
                threshold=_ratio(policy.threshold),
                lower=_ratio(policy.demote_below),
                others=" and ".join(others) or "its group",
                blocker=name(blocker) if blocker >= 0 else "an item",
                certainty=f"{policy.min_confidence:.0%}",
            )
        )
    return sentences


def place_reasons(
    entries: pd.DataFrame, item_name: Name, iteration_name: Name, currency: str = ""
) -> list[str]:
    """Say of each planned entry why it is where it is, in one or two sentences.

    Parameters
    ----------
    entries : rows of Plan.entries

    Examples
    --------
    >>> rows = pd.DataFrame({"iteration_id": [12, -1], "place": [0, 2], "benefit": [9e4, 500.0],
    ...                      "needs_id": [-1, -1], "displaced_id": [7, -1],
    ...                      "displaced_by_id": [-1, 4]})
    >>> for text in place_reasons(rows, "DEBT-{}".format, "Sprint {}".format, "CNY"):
    ...     print(text)
    Planned for Sprint 12: it saves 90,000 CNY a year. DEBT-7 made room for it.
    Found no room: it would save 500 CNY a year, and what is planned saves more. DEBT-4 took its \
place.
    """
    sentences = []
    columns = ["iteration_id", "place", "benefit", "needs_id", "displaced_id", "displaced_by_id"]
    for iteration, place, benefit, needs, out, by in entries[columns].itertuples(
        index=False, name=None
    ):
        money = f"{benefit:,.0f} {currency}".strip()
        text = {
            "placed": f"Planned for {iteration_name(iteration)}: it saves {money} a year.",
            "pinned": f"Pinned, and planned for {iteration_name(iteration)}.",
            "full": f"Found no room: it would save {money} a year, and what is planned saves more.",
            "too_large": "Larger than any open iteration of its team: split it, or add capacity.",
            "no_iteration": "Its team has no open iteration.",
            "waits": f"Needs {item_name(needs)} first, which is in no iteration."
            if needs >= 0
            else "Needs something first that is in no iteration.",
        }[PLACES[place]]
        text += f" {item_name(out)} made room for it." if out >= 0 else ""
        text += f" {item_name(by)} took its place." if by >= 0 else ""
        sentences.append(text)
    return sentences


def iteration_reasons(iterations: pd.DataFrame, item_name: Name, currency: str = "") -> list[str]:
    """Say of each iteration what is left, what was left out first and what one more day buys.

    Parameters
    ----------
    iterations : rows of Plan.iterations

    Examples
    --------
    >>> rows = pd.DataFrame({"left_half_days": [1], "first_left_out_id": [3],
    ...                      "one_more_day_id": [3], "one_more_day_instead_of_id": [5],
    ...                      "one_more_day_benefit": [400.0]})
    >>> print(*iteration_reasons(rows, "DEBT-{}".format, "CNY"))
    0.5 person-days left. First left out: DEBT-3. One more person-day would let in DEBT-3 \
instead of DEBT-5 and save 400 CNY a year more.
    """
    sentences = []
    columns = [
        "left_half_days",
        "first_left_out_id",
        "one_more_day_id",
        "one_more_day_instead_of_id",
        "one_more_day_benefit",
    ]
    for left, first, more, instead, benefit in iterations[columns].itertuples(
        index=False, name=None
    ):
        text = f"{left / 2:g} person-days left."
        text += f" First left out: {item_name(first)}." if first >= 0 else ""
        if more >= 0:
            swap = f" instead of {item_name(instead)}" if instead >= 0 else ""
            money = f"{benefit:,.0f} {currency}".strip()
            text += f" One more person-day would let in {item_name(more)}{swap}"
            text += f" and save {money} a year more."
        sentences.append(text)
    return sentences


def _ratio(value: float) -> str:
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")
