"""By which ROI each debt is promoted or not: kept beside the published one, so that lists go by it.

For a debt in no failure scenario both are the same number, and scoring writes it. In scenarios
what decides is what is left to gain once all that is promoted is done (losses), which moves with
the backlog, too.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from django.db import connection
from django.db.models import QuerySet

from debtreg import bulk, frames, losses, versions
from debtreg.models import ScenarioMember, Score, ScoreState

# Any number that no other advisory lock of this database has.
_LOCK = 7_306_112
_COLUMNS = ("deciding_roi", "sort_roi", "promotes")


def keep_others_out(items: Collection[int] | None = None) -> None:
    """Let nobody else `refresh` until the transaction ends.

    Two that change members of one scenario would each write what the other one has written,
    and wait for one another. Whoever changes scores of members calls this before the first of
    them, and after locking items. No item in a scenario: nobody waits.

    items : that are about to be scored; None: all
    """
    if bulk.is_postgres() and _memberships(items).exists():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def refresh(items: Collection[int] | None = None) -> pd.Series[float]:
    """Write by which ROI the members of these items' scenarios are decided, where it has moved.

    In the caller's transaction, in a fixed number of queries. An item that has left its scenarios
    has been scored since, which sets both numbers alike.

    items : whose scores, states or backlog entries have changed; None: any

    Returns the ROI by item id of those of them that are in scenarios and have one.
    """
    scenarios = set(_memberships(items).values_list("scenario_id", flat=True))
    threshold = versions.standing().threshold if scenarios else None
    if threshold is None:
        return pd.Series(dtype="float64")
    keep_others_out(items)
    decides = {
        pk: part.marginal_roi
        for loss in losses.of(scenarios).values()
        for pk, part in loss.parts.items()
        if part.marginal_roi is not None
    }
    rows = Score.objects.filter(state=ScoreState.PRICED, pk__in=list(decides)).order_by("pk")
    found: dict[int, float] = {}
    moved = []
    for pk, roi, before in rows.values_list("pk", "roi", "deciding_roi"):
        if roi is None:
            continue
        # What is published is rounded to cents before it is divided.
        is_apart = abs(decides[pk] - roi) > 1e-6 * max(1.0, abs(roi))
        found[pk] = decides[pk] if is_apart else roi
        if found[pk] != before:
            moved.append((pk, found[pk], found[pk], found[pk] > threshold))
    if moved:
        pks, *columns = zip(*moved, strict=True)
        bulk.update_rows(frames.SCORES, "item_id", pks, _COLUMNS, columns)
    return pd.Series(found, dtype="float64")


def _memberships(items: Collection[int] | None) -> QuerySet[ScenarioMember]:
    rows = ScenarioMember.objects.all()
    return rows if items is None else rows.filter(item__in=list(items))
