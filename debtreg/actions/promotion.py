"""What a scoring run does to the backlogs: it writes the plan that `plans` proposes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from django.db import connection
from django.utils import timezone

from debtreg import bulk, frames, plans
from debtreg.models import BacklogEntry, EntryState, Iteration, IterationState
from debtreg.plans import NONE, Plan

ENTRIES = BacklogEntry._meta.db_table


def apply(
    plan: Plan, frame: pd.DataFrame, *, run_id: int | None, team_id: int | None = None
) -> Plan:
    """Write a plan in the caller's transaction; returns what of it was written.

    Iterations are locked first, so that nobody fills them meanwhile. Where people have moved
    entries since the plan was made, it is made again; items that they have changed since the
    frame was read are left to the next run.
    """
    list(Iteration.objects.select_for_update().filter(state=IterationState.OPEN).order_by("pk"))
    if plans.is_stale(plan):
        plan = plans.propose(frame, plan.catalog)
        plan = plans.of_team(plan, team_id) if team_id else plan
    plan = _without_edited(plan, frame)
    _note(plan)
    now = timezone.now()
    if len(plan.withdrawn):
        gone = plan.withdrawn
        bulk.update_rows(
            ENTRIES,
            "id",
            gone["pk"].tolist(),
            ["state", "reason", "closed_at"],
            [[EntryState.WITHDRAWN] * len(gone), gone["reason"].tolist(), _times(now, len(gone))],
        )
    if len(plan.changed):
        rows = plan.changed
        bulk.update_rows(
            ENTRIES,
            "id",
            rows["pk"].tolist(),
            [*plans.WRITTEN, "policy_version", "run_id"],
            [
                *(_values(rows[name]) for name in plans.WRITTEN),
                [plan.policy.version] * len(rows),
                [run_id] * len(rows),
            ],
        )
    if len(plan.added):
        names = ["item_id", *plans.WRITTEN]
        rows = plan.added
        columns = [
            *(_values(rows[name]) for name in names),
            [plan.policy.version] * len(rows),
            [run_id] * len(rows),
            [False] * len(rows),
            _times(now, len(rows)),
        ]
        bulk.write_rows(
            ENTRIES,
            [*names, "policy_version", "run_id", "pinned", "created_at"],
            zip(*columns, strict=True),
        )
    return plan


def _note(plan: Plan) -> None:
    """Write down beside each iteration what the plan says of it, where that has changed."""
    noted = Iteration.objects.filter(pk__in=plan.notes.index.tolist())
    changed = [it for it in noted if it.plan_note != plan.notes[it.pk]]
    for iteration in changed:
        iteration.plan_note = plan.notes[iteration.pk]
    Iteration.objects.bulk_update(changed, ["plan_note"])


def _without_edited(plan: Plan, frame: pd.DataFrame) -> Plan:
    """Lock the items that a plan concerns, and drop those that people have changed since.

    With them goes what would not hold without them (plans.without).
    """
    parts = (plan.added, plan.changed, plan.withdrawn)
    concerned = pd.concat([part["item_id"] for part in parts]).astype("int64")
    if concerned.empty:
        return plan
    condition, params = bulk.among("id", concerned.tolist())
    lock = "FOR NO KEY UPDATE" if bulk.is_postgres() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, revision FROM {frames.ITEMS} WHERE {condition} ORDER BY id {lock}", params
        )
        now = dict(cursor.fetchall())
    read = frame.set_index("item_id")["revision"].reindex(concerned)
    # An item that the frame does not hold is resolved; its entry is to be taken back.
    differs = read.notna().to_numpy() & (read != read.index.map(now)).to_numpy()
    edited: set[int] = set(read.index[differs].tolist())
    entries = plans.entries_of(concerned.tolist())
    edited |= plans.moved_since(plan, concerned.tolist(), entries)
    return plans.without(plan, edited, entries)


def _values(column: pd.Series[Any]) -> list[Any]:
    if column.name == "iteration_id":
        column = column.astype("Int64").mask(column == NONE)
    values: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return values


def _times(now: Any, count: int) -> list[Any]:
    return [bulk.stamp(now)] * count
