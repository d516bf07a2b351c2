"""By which ROI each debt is promoted or not: kept beside the published one, so that lists go by it.

For a debt in no failure scenario both are the same number, and scoring writes it. In scenarios
what decides is what is left to gain once all that is promoted is done (losses), which moves with
the backlog, too.

Who writes scores or backlogs takes locks in this order, and none of an earlier kind after one of
a later kind:

1. rows of the catalog and open iterations, 2. a scenario, 3. debts, in the order of their keys,
4. active entries of these debts, 5. the lock of `hold`, where any of these debts is in a scenario,
6. scores: rows of these debts and of the other members of their scenarios, or the table.

Three things make up for what does not keep to it:

- Who works in several rounds in one transaction, as the import of a catalog does, begins with
  `lock_members`: later rounds ask for no debt that somebody has who waits for `hold`.
- Entries of other debts are written only where nobody has locked them (backlog).
- A run that swaps the table of scores asks for it while others who have read it may wait for
  `hold`. It asks for half a second, five times, and then writes in place, which no reader bars
  (republish).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from debtreg import bulk, frames, losses, versions
from debtreg.models import (
    Cause,
    DebtItem,
    FailureScenario,
    ScenarioMember,
    Score,
    ScoreChange,
    ScoreState,
)

# Any number that no other advisory lock of this database has.
_LOCK = 7_306_112
_COLUMNS = ("deciding_roi", "sort_roi", "promotes")
_SAME = ("state", "roi", "annual_cost", "repair_cost", "priority")
# By item id: the ROI that decides, and the policy version that it was scored under.
Held = Mapping[int, tuple[float | None, int]]


def lock_members() -> None:
    """Lock all scenarios and the debts that are in them: before the first of several rounds."""
    list(FailureScenario.objects.select_for_update().order_by("pk").values_list("pk"))
    members = ScenarioMember.objects.values("item")
    list(
        DebtItem.objects.select_for_update(no_key=True)
        .filter(pk__in=members)
        .order_by("pk")
        .values_list("pk")
    )


def hold(items: Collection[int] | None = None) -> Held:
    """Let nobody else `refresh` until the transaction ends, and see what decides until now.

    Two that change members of one scenario would each write what the other one has written,
    and wait for one another. Whoever changes scores of members calls this before the first of
    them, and after locking items. No item in a scenario: nobody waits.

    items : that are about to be scored; None: all

    Returns what decides about the members of their scenarios.
    """
    if not _memberships(items).exists():
        return {}
    if bulk.is_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    rows = Score.objects.filter(pk__in=_beside(items).values("item"))
    return {
        pk: (roi, version)
        for pk, roi, version in rows.values_list("pk", "deciding_roi", "policy_version")
    }


def refresh(
    items: Collection[int] | None = None,
    held: Held | None = None,
    *,
    at: datetime | None = None,
    run_id: int | None = None,
    cause: str = "",
    edited: Collection[int] = (),
    promoted: Collection[int] = (),
) -> pd.Series[float]:
    """Write by which ROI the members of these items' scenarios are decided, where it has moved.

    In the caller's transaction, in a fixed number of queries. An item that has left its scenarios
    has been scored since, which sets both numbers alike. What has moved is noted in the history:
    beside what else of the score has moved, or by itself with its cause.

    items : whose scores, states or backlog entries have changed; None: any
    held : what `hold` returned before the first of their scores was written; None: none was
    at, run_id : as they were published with
    cause : of all that moves; without it, what was edited moves by that, all else by another
        policy version, by what was promoted or taken back beside it, or by the debts beside it

    Returns the ROI by item id of those of them that are in scenarios and have one.
    """
    threshold = versions.standing().threshold if _memberships(items).exists() else None
    if threshold is None:
        return pd.Series(dtype="float64")
    if held is None:
        held = hold(items)
    scenarios = _beside(items).values_list("scenario_id", flat=True)
    left = {
        pk: np.nan if part.marginal_roi is None else part.marginal_roi
        for loss in losses.of(scenarios).values()
        for pk, part in loss.parts.items()
    }
    rows = Score.objects.filter(state=ScoreState.PRICED, roi__isnull=False, pk__in=list(left))
    scores = list(rows.order_by("pk").only(*_SAME, "deciding_roi", "policy_version"))
    rois = losses.settled(
        np.array([score.roi for score in scores], dtype="float64"),
        np.array([left[score.pk] for score in scores], dtype="float64"),
    ).tolist()
    found = {score.pk: roi for score, roi in zip(scores, rois, strict=True)}
    moved = [
        (score.pk, found[score.pk], found[score.pk], found[score.pk] > threshold)
        for score in scores
        if found[score.pk] != score.deciding_roi
    ]
    if moved:
        pks, *columns = zip(*moved, strict=True)
        bulk.update_rows(frames.SCORES, "item_id", pks, _COLUMNS, columns)
    noted = _complete(found, held, at) if at else set[int]()
    near = set(_beside(promoted).values_list("item_id", flat=True)) if promoted else set[int]()
    changes = []
    for score in scores:
        before, version = held.get(score.pk, (None, 0))
        if before is None or before == found[score.pk]:
            continue
        if score.pk in edited:
            why: str = Cause.INPUT
        elif version != score.policy_version:
            why = Cause.POLICY
        else:
            why = Cause.BACKLOG if score.pk in near else Cause.PORTFOLIO
        changes.append(
            ScoreChange(
                item_id=score.pk,
                run_id=run_id,
                at=at or timezone.now(),
                cause=cause or why,
                policy_version=score.policy_version,
                old_deciding_roi=before,
                new_deciding_roi=found[score.pk],
                **{
                    f"{age}_{name}": getattr(score, name)
                    for age in ("old", "new")
                    for name in _SAME
                },
            )
        )
    by_backlog = [each.item_id for each in changes if each.cause == Cause.BACKLOG]
    # What has moved beside it is less: its part of what all debts cost.
    if at:
        beside = ScoreChange.objects.filter(at=at, item__in=noted.intersection(by_backlog))
        beside.filter(cause=Cause.PORTFOLIO).update(cause=Cause.BACKLOG)
    ScoreChange.objects.bulk_create(
        (each for each in changes if each.item_id not in noted), batch_size=1_000
    )
    return pd.Series(found, dtype="float64")


def _complete(found: Mapping[int, float], held: Held, at: datetime) -> set[int]:
    """Complete what was noted of these items when their scores were published; which there are."""
    rows = dict(
        ScoreChange.objects.filter(at=at, item__in=list(found)).values_list("pk", "item_id")
    )
    if rows:
        values: list[list[Any]] = [
            [held.get(item, (None, 0))[0] for item in rows.values()],
            [found[item] for item in rows.values()],
        ]
        names = ["old_deciding_roi", "new_deciding_roi"]
        bulk.update_rows(ScoreChange._meta.db_table, "id", list(rows), names, values)
    return set(rows.values())


def _memberships(items: Collection[int] | None) -> QuerySet[ScenarioMember]:
    rows = ScenarioMember.objects.all()
    return rows if items is None else rows.filter(item__in=list(items))


def _beside(items: Collection[int] | None) -> QuerySet[ScenarioMember]:
    """All members of the scenarios of these items."""
    rows = ScenarioMember.objects.all()
    return (
        rows if items is None else rows.filter(scenario__in=_memberships(items).values("scenario"))
    )
