"""What a version of the policy would move, without moving it: a job that publishes nothing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from debtreg import losses, plans, tracing, versions
from debtreg.actions import audit, jobs, policies, rights, scores
from debtreg.errors import Conflict
from debtreg.models import JobState, Mover, User, WhatIf
from debtreg.models.what_if import OPEN
from debtreg.numbers import money

# As many as a person looks through; the counts are of all.
MOST_MOVERS = 300


@transaction.atomic
def request(*, version: int, by: User | None) -> WhatIf:
    """Ask what a version would move. One of that version that is not over is returned.

    Raises PolicyRefused, and NoPolicy where there is nothing to compare it with.
    """
    rights.check(by, "policy.what_if")
    row = policies.get(version)
    versions.read(row)
    versions.in_force()
    while True:
        waiting = WhatIf.objects.filter(policy=row, state__in=OPEN).first()
        if waiting is not None:
            return waiting
        try:
            with transaction.atomic():
                job = WhatIf.objects.create(
                    policy=row, requested_by=by, traceparent=tracing.current()
                )
        except IntegrityError:  # somebody else was a moment faster
            continue
        audit.record("policy.what_if", row, by=by, new={"what_if": job.pk})
        return job


@transaction.atomic
def cancel(*, version: int, by: User | None) -> WhatIf:
    """Stop the one of a version that waits or runs."""
    rights.check(by, "policy.what_if")
    row = policies.get(version)
    job = WhatIf.objects.filter(policy=row, state__in=OPEN).first()
    if job is None or not jobs.cancel(WhatIf, job.pk):
        raise Conflict(
            _("Nobody is working out what version %(version)s would move.") % {"version": version},
            hint=_("There is nothing to cancel."),
        )
    audit.record("policy.what_if_cancel", row, by=by, new={"what_if": job.pk})
    job.refresh_from_db()
    return job


def run(what_if_id: int, owner: str) -> bool:
    """Score under both versions as a run does, compare, keep the result. False if not ours."""
    if not jobs.claim(WhatIf, what_if_id, owner):
        return False
    with jobs.pulse(WhatIf, what_if_id, owner) as pulse:
        version = WhatIf.objects.select_related("policy").get(pk=what_if_id).policy
        (base, before), (catalog, after) = scores.portfolio(pulse.report, version)
        pulse.report("promoting", 0, len(after))
        plan = plans.propose(after, catalog)
        pulse.report("comparing", 0, len(after))
        now, then = ((each.policy.threshold, each.coupled.scenarios) for each in (base, catalog))
        losses.decide(before, now[1], now[0])
        losses.decide(
            after,
            then[1],
            then[0],
            added=plan.added["item_id"],
            withdrawn=plan.withdrawn["item_id"],
        )
        counts, movers = compare(before, after, plan)
        with transaction.atomic():
            Mover.objects.bulk_create(Mover(what_if_id=what_if_id, **row) for row in movers)
            jobs.close(
                WhatIf,
                what_if_id,
                owner,
                JobState.DONE,
                base_id=base.policy.version,
                items=len(after),
                promoted=len(plan.added),
                withdrawn=len(plan.withdrawn),
                totals={"before": _totals(before), "after": _totals(after)},
                done=len(after),
                total=len(after),
                **counts,
            )
    return True


def compare(
    before: pd.DataFrame, after: pd.DataFrame, plan: plans.Plan
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Count what moves between two scored frames of the same items, and pick the largest movers.

    Movers come in the order in which they matter: whose place in the backlog changes, who crosses
    the threshold or changes priority, then by how far the ROI moves that decides. What
    moves only in its cost of repair, having no ROI, is counted and not listed.
    """
    old_roi, new_roi = (each["deciding_roi"].to_numpy() for each in (before, after))
    with np.errstate(invalid="ignore"):
        roi_up, roi_down = new_roi > old_roi, new_roi < old_roi
    above, priority = _differ(before, after, "promotes"), _differ(before, after, "priority")
    moved = priority.copy()
    for name in ("state", "roi", "deciding_roi", "annual_cost", "repair_cost"):
        moved |= _differ(before, after, name)
    was = after["item_id"].isin(plan.entries["item_id"]).to_numpy()
    comes = after["item_id"].isin(plan.added["item_id"]).to_numpy()
    goes = after["item_id"].isin(plan.withdrawn["item_id"]).to_numpy()
    newly = after["promotes"].to_numpy(dtype=bool)
    counts = {
        "moved": moved,
        "roi_up": roi_up,
        "roi_down": roi_down,
        "newly_above": above & newly,
        "no_longer_above": above & ~newly,
        "priority_changed": priority,
    }
    roi = _differ(before, after, "deciding_roi")
    # An ROI that comes or goes altogether is as far as one can move.
    distance = np.where(roi, np.nan_to_num(np.abs(new_roi - old_roi), nan=np.inf), 0)
    order = np.lexsort((after["item_id"], -distance, ~(above | priority), ~(comes | goes)))
    order = order[(roi | above | priority | comes | goes)[order]][:MOST_MOVERS]
    movers = pd.DataFrame(
        {
            "place": np.arange(1, len(order) + 1),
            "item_id": after["item_id"].to_numpy()[order],
            "old_roi": before["roi"].to_numpy()[order],
            "new_roi": after["roi"].to_numpy()[order],
            "old_deciding_roi": old_roi[order],
            "new_deciding_roi": new_roi[order],
            "old_priority": before["priority"].to_numpy()[order],
            "new_priority": after["priority"].to_numpy()[order],
            "was_promoted": was[order],
            "is_promoted": ((was | comes) & ~goes)[order],
        }
    )
    rows = movers.astype(object).where(movers.notna(), None).to_dict("records")
    return {name: int(found.sum()) for name, found in counts.items()}, cast(Any, rows)


def _differ(before: pd.DataFrame, after: pd.DataFrame, name: str) -> np.ndarray[Any, Any]:
    """Where a column differs; unknown twice is no difference."""
    old, new = before[name], after[name]
    return ((old != new) & ~(old.isna() & new.isna())).to_numpy(dtype=bool)


def _totals(frame: pd.DataFrame) -> dict[str, str | None]:
    names = ("annual_cost", "benefit", "weighted_benefit", "repair_cost")
    return {name: money(float(np.nansum(frame[name]))) for name in names}
