"""Sentences for a product owner: why something is in a backlog, and why it is where it is.

scoring decides in codes and numbers; here they become English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import scoring
from debtreg.models import Iteration, IterationState
from debtreg.numbers import rounded, seen_ratio, told_apart

NONE = -1
MOST_NAMED = 5  # debts in a sentence
A_PERSON = "a person"
_WHY = {
    "started": "In progress. Its ROI is {roi}.",
    "above": "ROI {roi} is above {threshold}.",
    "bundle": "Pays only together with {others}: together they return {roi} times their repair,"
    " more than {threshold}.",
    "bundle_kept": "Pays only together with {others}: what they return together, {roi}"
    " times their repair, has fallen to {threshold} or below, but not below {floor}: they stay.",
    "pinned": "Pinned: promoted whatever its ROI.",
    "by_hand": "Promoted by {person}: it stays whatever its ROI.",
    "kept": "ROI {roi} has fallen to {threshold} or below, but not below {floor}: it stays.",
    "needed": "Something that is promoted needs it first.",
}
_WHY_NOT = {
    "fell": "ROI {roi} has fallen below {floor}.",
    "bundle_fell": "It pays only together with {others}: what they return together, {roi} times"
    " their repair, has fallen below {floor}.",
    "below": "ROI {roi} is not above {threshold}.",
    "no_team": "It belongs to no team.",
    "vetoed": "It is vetoed.",
    "accepted": "The debt is accepted.",
    "needs_estimate": "Its repair is no longer estimated.",
    "unpriced": "Nothing is known any more of what it costs.",
    "blocked": "It needs DEBT-{blocked_by} first, which is not promoted.",
    "partner": "It pays only together with DEBT-{blocked_by}, which cannot be promoted.",
    "uncertain": "ROI {roi} is not certain enough to be above {threshold}.",
}
_BY_HAND = " Planned for {name}, where {person} has put it."
_WHERE = {
    "placed": " Planned for {name}.",
    "pinned": " Planned for {name}.",
    "bundle_full": " No open iterations have room for the {together:g} person-days that it needs"
    " together with {others}: what is planned saves more money a year.",
    "idle": " Beside what is planned it would save nothing.",
    "bundle_too_large": " Together with {others} it needs {together:g} person-days, more than the"
    " open iterations have; the largest has {largest:g}: split the work, make an iteration longer"
    " or open another.",
    "held": " It waits, as {person} wants it to.",
    "full": " No open iteration has room for its {days:g} person-days:"
    " what {instead} saves {more} a year.",
    "too_large": " It needs {days:g} person-days; the largest open iteration has {largest:g}:"
    " split it, or make room.",
    "no_iteration": " Its team has no open iteration.",
    "waits": " It waits for DEBT-{needs}, which is in no iteration.",
}


def of_promotion(
    decided: pd.DataFrame, policy: scoring.Policy, promoters: Mapping[int, str] | None = None
) -> list[str]:
    """Why each of these is in a backlog. Rows of what scoring.promote gives, all promoted ones.

    promoters : who has promoted what by hand, by item id; empty if nobody knows any more
    """
    promoters = promoters or {}
    threshold, floor = f"{policy.threshold:g}", f"{policy.demote_below:g}"
    bundled = decided[decided["bundle"] != NONE]
    groups = bundled.groupby("bundle")["item_id"].agg(list).to_dict()
    found = []
    for item, code, roi, bundle, rough in zip(
        decided["item_id"],
        decided["reason"],
        decided["marginal_roi"],
        decided["bundle"],
        _rough(decided),
        strict=True,
    ):
        others = [f"DEBT-{other}" for other in groups.get(bundle, ()) if other != item]
        reason = scoring.REASONS[code]
        if reason == "pinned" and item in promoters:
            reason = "by_hand"
        found.append(
            _WHY[reason].format(
                # "Above" shows as many places as it takes to see that it is.
                roi=_seen_beside(roi, policy.threshold, rough),
                threshold=threshold,
                floor=floor,
                others=listed(others) or "the others of its group",
                person=promoters.get(item) or A_PERSON,
            )
        )
    return found


def listed(keys: list[str]) -> str:
    """As people list things; of many only how many more there are."""
    if len(keys) > MOST_NAMED:
        keys = [*keys[: MOST_NAMED - 1], f"{len(keys) - MOST_NAMED + 1} more"]
    return " and ".join([", ".join(keys[:-1]), keys[-1]] if len(keys) > 1 else keys)


def _seen_beside(value: float, threshold: float, rough: bool) -> str:
    """With the digits that cards show, and as many more as it takes to see on which side it is."""
    if np.isnan(value):
        return "?"
    seen = seen_ratio(value, rough)
    if seen == rounded(threshold, 12):
        seen = told_apart(value, threshold)
    return f"{'≈ ' if rough else ''}{seen:,f}"


def _rough(decided: pd.DataFrame) -> pd.Series[bool]:
    """Which deserve two digits and no more, where the frame says so."""
    return decided.get("rough", pd.Series(False, decided.index)).eq(True)


def _against(code: float, policy: scoring.Policy) -> float:
    fell = not np.isnan(code) and scoring.REASONS[int(code)] == "fell"
    return policy.demote_below if fell else policy.threshold


def of_withdrawal(
    decided: pd.DataFrame,
    policy: scoring.Policy,
    mates: pd.Series[Any] | None = None,
) -> list[str]:
    """Why each of these goes back; NaN as a reason stands for an item that is resolved.

    mates : the item ids of each bundle
    """
    others_of = {} if mates is None else mates.to_dict()
    groups = [
        listed([f"DEBT-{pk}" for pk in others_of.get(bundle, ()) if pk != item])
        for item, bundle in zip(decided["item_id"], decided["bundle"], strict=True)
    ]
    return [
        "It is resolved."
        if np.isnan(code)
        else _why_not(scoring.REASONS[int(code)], others).format(
            others=others,
            roi=_seen_beside(roi, _against(code, policy), rough),
            floor=f"{policy.demote_below:g}",
            threshold=f"{policy.threshold:g}",
            blocked_by=int(blocked_by),
        )
        for others, code, roi, blocked_by, rough in zip(
            groups,
            decided["reason"],
            decided["marginal_roi"],
            decided["blocked_by"],
            _rough(decided),
            strict=True,
        )
    ]


def _why_not(reason: str, others: str) -> str:
    told = others and _WHY_NOT.get(f"bundle_{reason}")
    return told or _WHY_NOT.get(reason, _WHY_NOT["no_team"])


def of_leaving(items: pd.Series[int], ties: pd.DataFrame) -> list[str]:
    """Why a plan of one team leaves these as they are.

    ties : item_id goes only together with other_id, of another team
    """
    others = ties.drop_duplicates().groupby("item_id")["other_id"].agg(sorted)
    named = {item: listed([f"DEBT-{pk}" for pk in pks]) for item, pks in others.items()}
    return [
        f"Left as it is: it goes only together with {named[item]} of another team."
        " Let a run plan all teams."
        if item in named
        else "Left as it is: its room depends on what only a run of all teams changes."
        for item in items
    ]


def of_place(
    entries: pd.DataFrame,
    found: pd.DataFrame,
    names: Mapping[int, str],
    largest: pd.Series[float],
    currency: str,
) -> list[str]:
    """Why each entry is in its iteration, or in none: a second sentence, a space before it.

    entries : with item_id, team_id, repair_days, bundle, displaced, displaced_by, placed and
    placed_by; found : the same rows of scoring.Plan.entries
    names, largest : of iterations by key; the largest capacity by team, person-days
    """
    sentences = []
    bundled = entries[entries["bundle"] != NONE]
    mates = bundled.groupby("bundle")["item_id"].agg(list).to_dict()
    together = bundled.groupby(["bundle", "team_id"])["repair_days"].sum().to_dict()
    for (
        item,
        team,
        days,
        bundle,
        displaced,
        displaced_by,
        by_hand,
        person,
        slot,
        place,
        short_by,
        needs,
    ) in zip(
        *(entries[name] for name in ("item_id", "team_id", "repair_days", "bundle")),
        *(entries[name] for name in ("displaced", "displaced_by", "placed", "placed_by")),
        *(found[name] for name in ("iteration_id", "place", "short_by", "needs_id")),
        strict=True,
    ):
        sentence = _BY_HAND if by_hand and slot != NONE else _WHERE[scoring.PLACES[place]]
        text = sentence.format(
            name=names.get(slot, ""),
            days=days,
            largest=largest.get(team, 0),
            needs=needs,
            instead="would have to make room" if short_by > 0 else "is planned",
            more=f"{short_by:,.0f} {currency} more" if short_by > 0 else "more money",
            person=person or A_PERSON,
            together=together.get((bundle, team), days),
            others=listed([f"DEBT-{other}" for other in mates.get(bundle, ()) if other != item]),
        )
        if keys := json.loads(displaced):
            text += f" It displaced {listed(keys)}."
        if displaced_by:
            text += f" It was displaced by {displaced_by}."
        sentences.append(text)
    return sentences


def of_undoing(
    person: str,
    iteration: Iteration,
    *,
    days: float,
    room: float | None,
    is_other_team: bool,
    missing: int,
    late: Sequence[int],
    mates: Sequence[int],
) -> str:
    """Whose move a run undoes, and why: a sentence, a space before it.

    room : of the iteration, person-days without what is done or started; None: nothing is planned
    into it any more
    missing : what it needs and what is in no iteration; late : what it needs and what comes later
    mates : the others of its bundle
    """
    name = iteration.name
    if is_other_team:
        why = f"{name} belongs to another team than the debt does now"
    elif room is None and iteration.state == IterationState.CLOSED:
        why = f"{name} is closed"
    elif room is None:
        why = f"{name} ended on {iteration.ends_on}"
    elif np.isnan(days):
        why = "its effort is not estimated any more"
    elif days > room:
        why = (
            f"it needs {days:g} person-days, and {name} has {room:g} beside what is done or started"
        )
    elif missing != NONE:
        why = f"DEBT-{missing}, which it needs first, is in no iteration"
    elif late:
        why = f"{listed([f'DEBT-{pk}' for pk in late])}, which it needs first, comes later"
    elif mates:
        why = (
            f"{listed([f'DEBT-{pk}' for pk in mates])}, without which it saves nothing,"
            " find no room beside it"
        )
    else:
        why = (
            f"what people have put into {name} needs more than the {room:g} person-days that it"
            " has beside what is done or started"
        )
    return f" {person or A_PERSON.capitalize()} had put it into {name}; it went out, as {why}."


def of_iteration(iterations: pd.DataFrame, currency: str) -> list[str]:
    """What a plan left out of each iteration first, and what one more person-day would buy.

    iterations : scoring.Plan.iterations. Empty where everything found room.
    """
    columns = ["first_left_out_id", "one_more_day_id", "one_more_day_instead_of_id"]
    sentences = []
    for first, more, instead, benefit in iterations[[*columns, "one_more_day_benefit"]].itertuples(
        index=False, name=None
    ):
        text = f"First left out: DEBT-{first}." if first != NONE else ""
        if more != NONE:
            swap = f" instead of DEBT-{instead}" if instead != NONE else ""
            text += f" One more person-day would let in DEBT-{more}{swap}"
            text += f" and save {benefit:,.0f} {currency} a year more."
        sentences.append(text.strip())
    return sentences
