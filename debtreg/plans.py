"""The bridge to promotion and planning: what the backlogs should hold. Reads only."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from django.conf import settings
from django.db.models import Q, Sum
from django.utils import timezone

import scoring
from debtreg import bulk, frames, reasons
from debtreg.models import (
    ACTIVE_STATES,
    BacklogEntry,
    DebtItem,
    EntryState,
    Iteration,
    IterationState,
    Prerequisite,
    ScenarioMember,
    Score,
    User,
)

NONE = -1
_NOTHING = {"displaced": "[]", "displaced_by": "", "placed_by": "", "moved_back": ""}
# What planning the iterations may take of a run.
PLANNING_SECONDS = 20.0
_ENTRY_COLUMNS = [
    "pk",
    "item_id",
    "team_id",
    "iteration_id",
    "state",
    "repair_days",
    "roi",
    "marginal_roi",
    "reason",
    "displaced",
    "displaced_by",
    "pinned",
    "promoted_by_id",
    "placed",
    "placed_by_id",
    "moved_back",
]
# What a run may change of an entry.
WRITTEN = (
    "team_id",
    "iteration_id",
    "state",
    "repair_days",
    "roi",
    "marginal_roi",
    "reason",
    "displaced",
    "displaced_by",
    "placed",
    "moved_back",
)


@dataclass(frozen=True)
class Plan:
    """What is to change: whole entries to add, columns to set, entries to take back.

    entries, iterations : what it was made from; if they differ by now, it is stale
    needs : prerequisites, as scoring.promote takes them
    left : what of one team is left as it is, with the reason; empty for all teams
    """

    catalog: frames.Catalog
    entries: pd.DataFrame
    iterations: pd.DataFrame
    added: pd.DataFrame
    changed: pd.DataFrame
    withdrawn: pd.DataFrame
    notes: pd.Series[str]
    needs: pd.DataFrame
    left: pd.DataFrame

    @property
    def policy(self) -> scoring.Policy:
        return self.catalog.policy


def propose(frame: pd.DataFrame, catalog: frames.Catalog) -> Plan:
    """Decide, from a scored frame of all open items, what the backlogs should hold.

    catalog : what the frame was scored with: the policy, and the failure scenarios

    Reads the entries and iterations as they are; changes nothing.
    """
    policy, scenarios = catalog.policy, catalog.coupled.scenarios
    if policy.min_confidence > 0:
        frames.add_confidence(frame)
    entries, iterations = _entries(), _iterations()
    needs = pd.DataFrame(
        Prerequisite.objects.values_list("item_id", "needs_id").iterator(10_000),
        columns=list(scoring.PREREQUISITE_COLUMNS),
    ).astype("int64")
    items = _candidates(frame, entries)
    decided = scoring.promote(items, policy, needs, scenarios, _doubts(frame, catalog))
    decided["rough"] = frame["is_rough"]
    wanted = _wanted(frame, items, decided, entries, policy)
    placed, notes = _placed(wanted, iterations, needs, scenarios)
    known = placed["pk"] != NONE
    now = entries.set_index("item_id").reindex(placed.loc[known, "item_id"])
    old = placed[known].set_index("item_id")
    moved = pd.Series(False, index=old.index)
    for name in WRITTEN:
        moved |= ~((now[name] == old[name]) | (now[name].isna() & old[name].isna()))
    gone = entries[~entries["item_id"].isin(placed["item_id"])]
    return Plan(
        catalog=catalog,
        entries=entries[_USED],
        iterations=iterations,
        added=placed[~known],
        changed=old[moved].reset_index(),
        withdrawn=_withdrawn(gone, decided, policy),
        notes=notes,
        needs=needs,
        left=placed[:0],
    )


def _doubts(frame: pd.DataFrame, catalog: frames.Catalog) -> scoring.Doubts | None:
    """What the open members of scenarios rest on; None where no certainty is asked for."""
    member = frame["item_id"].isin(catalog.coupled.scenarios.members["item_id"])
    pks = frame.loc[member & (frame["repair_cost"] > 0), "item_id"].tolist()
    if catalog.policy.min_confidence == 0 or not pks:
        return None
    items = frames.read_items(*bulk.among("d.id", pks))
    impacts = frames.read_impacts(*bulk.among("i.item_id", pks))
    frames.complete(items, impacts, catalog)
    scores, detail = frames.score_frames(items, impacts, catalog)
    return scoring.Doubts(items, scores, detail, catalog.policy)


def of_published() -> tuple[pd.DataFrame, Plan]:
    """A plan from the scores as they are published, without a run; and the frame it is made of.

    Only what may be in a backlog is looked at, and what that needs first.
    """
    catalog = frames.Catalog.read()
    pks = set(BacklogEntry.objects.active().values_list("item_id", flat=True))
    pks |= set(Score.objects.filter(is_open=True, promotes=True).values_list("item_id", flat=True))
    pks |= set(DebtItem.objects.open().filter(pinned=True).values_list("pk", flat=True))
    pks |= set(ScenarioMember.objects.values_list("item_id", flat=True))
    pks |= set(Prerequisite.objects.values_list("needs_id", flat=True))
    condition, params = bulk.among("d.id", sorted(pks))
    items = frames.read_items(f"{condition} AND d.status <> 'done'", params)
    condition, params = bulk.among("i.item_id", items["item_id"].tolist())
    frame = frames.score(items, frames.read_impacts(condition, params), catalog)
    return frame, propose(frame, catalog)


def of_team(plan: Plan, team_id: int) -> Plan:
    """The part of a plan that concerns one team's backlog, as far as it holds by itself.

    What goes together with a change in another team's backlog is left as it is.
    """
    parts = (plan.added, plan.changed, plan.withdrawn)
    foreign = {int(pk) for part in parts for pk in part.loc[part["team_id"] != team_id, "item_id"]}
    kept = without(plan, foreign, plan.entries)
    mine = plan.iterations.loc[plan.iterations["team_id"] == team_id, "iteration_id"]
    notes = plan.notes[plan.notes.index.isin(mine)]
    left = pd.concat(parts, ignore_index=True)
    left = left[left["team_id"] == team_id]
    for part in (kept.added, kept.changed, kept.withdrawn):
        left = left[~left["item_id"].isin(part["item_id"])]
    ties = _ties(plan, _moves(plan, plan.entries))
    now = plan.entries.set_index("item_id").reindex(left["item_id"])
    left = left.assign(
        iteration_id=now["iteration_id"].fillna(NONE).astype("int64").to_numpy(),
        state=now["state"].astype(object).fillna(EntryState.WITHDRAWN).to_numpy(),
        displaced="[]",
        reason=reasons.of_leaving(left["item_id"], ties[ties["other_id"].isin(foreign)]),
    )
    return replace(kept, notes=notes, left=left)


def without(plan: Plan, item_ids: Collection[int], entries: pd.DataFrame) -> Plan:
    """A plan that leaves these items as they are, and what would not hold without them.

    entries : the active entries of the items that the plan concerns. What is left stays there
        and takes its room, so what was to come instead of it is left, too; so is the rest of
        its alternative group, what needs it first, and what it would have pushed out.
    """
    moves = _moves(plan, entries)
    ties = _ties(plan, moves)
    was = entries.set_index("item_id")["iteration_id"]
    comes = pd.concat([plan.added, plan.changed]).set_index("item_id")
    comes = comes[comes.index.isin(moves)]
    found, left = set(item_ids), set[int]()
    while found - left:
        left |= found
        room = was[was.index.isin(left) & (was != NONE)]
        pushed = comes["displaced_by"].isin([f"DEBT-{pk}" for pk in found])
        found |= set(comes.index[comes["iteration_id"].isin(room) | pushed])
        found |= set(ties.loc[ties["other_id"].isin(left), "item_id"])
    added, changed, withdrawn = (
        part[~part["item_id"].isin(left)] for part in (plan.added, plan.changed, plan.withdrawn)
    )
    return replace(plan, added=added, changed=changed, withdrawn=withdrawn)


def _moves(plan: Plan, entries: pd.DataFrame) -> set[int]:
    """The items that come, go, or go into another iteration."""
    was = entries.set_index("item_id")["iteration_id"].reindex(plan.changed["item_id"])
    moved = plan.changed.loc[was.to_numpy() != plan.changed["iteration_id"].to_numpy(), "item_id"]
    return {
        int(pk) for ids in (plan.added["item_id"], moved, plan.withdrawn["item_id"]) for pk in ids
    }


def _ties(plan: Plan, moves: set[int]) -> pd.DataFrame:
    """What moves only if other_id moves, too: item_id, other_id."""
    members = plan.catalog.coupled.scenarios.members
    keys = ["scenario", "within"]
    alternative = members["role"] == scoring.ROLES.index("alternative")
    group = members.loc[alternative & members["item_id"].isin(moves), [*keys, "item_id"]]
    mates = group.merge(group.rename(columns={"item_id": "other_id"}), on=keys)
    needs = plan.needs.rename(columns={"needs_id": "other_id"})
    # What is to come needs what comes; what stays holds what it needs where it is.
    held = needs[needs["other_id"].isin(plan.entries["item_id"])]
    held = held[held["item_id"].isin(plan.entries["item_id"])]
    needs = needs[~needs["item_id"].isin(plan.withdrawn["item_id"])]
    names = ["item_id", "other_id"]
    back = held.rename(columns={"item_id": "other_id", "other_id": "item_id"})
    ties = pd.concat([mates[names], needs[names], back[names]])
    both = ties["item_id"].isin(moves) & ties["other_id"].isin(moves)
    return ties[both & (ties["item_id"] != ties["other_id"])]


def _entries() -> pd.DataFrame:
    rows = BacklogEntry.objects.active().order_by("pk").values_list(*_ENTRY_COLUMNS)
    frame = pd.DataFrame(rows.iterator(10_000), columns=_ENTRY_COLUMNS)
    frame["iteration_id"] = frame["iteration_id"].fillna(NONE).astype("int64")
    for name in ("pk", "item_id", "team_id"):
        frame[name] = frame[name].astype("int64")
    for name in ("repair_days", "roi", "marginal_roi"):
        frame[name] = frame[name].astype("float64")
    for name in ("pinned", "placed"):
        frame[name] = frame[name].astype(bool)
    frame["displaced"] = frame["displaced"].map(json.dumps)
    by = [frame[f"{name}_id"].dropna().astype("int64") for name in ("promoted_by", "placed_by")]
    people = User.objects.in_bulk(pd.concat(by).unique().tolist())
    names = {pk: person.display_name for pk, person in people.items()}
    for name in ("promoted_by", "placed_by"):
        frame[name] = frame.pop(f"{name}_id").map(names).astype(object).fillna("")
    return frame


def _iterations() -> pd.DataFrame:
    """Open iterations in the order of time, with the room that closed entries leave of them."""
    done = Sum("entries__repair_days", filter=Q(entries__state=EntryState.DONE))
    rows = list(
        Iteration.objects.filter(state=IterationState.OPEN, ends_on__gte=timezone.localdate())
        .annotate(done=done)
        .order_by("starts_on", "pk")
        .values_list("pk", "team_id", "starts_on", "capacity_days", "done")
    )
    columns = ["iteration_id", "team_id", "starts_on", "capacity_days"]
    frame = pd.DataFrame([row[:4] for row in rows], columns=columns)
    frame["left_days"] = [float(days) - float(gone or 0) for *_, days, gone in rows]
    return frame


# What of the entries a plan depends on.
_USED = ["pk", "item_id", "iteration_id", "state", "pinned", "placed"]


def is_stale(plan: Plan) -> bool:
    """True if a plan that is made now would be made from something else."""
    same = _entries()[_USED].equals(plan.entries) and _iterations().equals(plan.iterations)
    return not same


def entries_of(item_ids: Sequence[int]) -> pd.DataFrame:
    """The active entries of these items as they are now, with what a plan depends on."""
    table = BacklogEntry._meta.db_table
    condition, params = bulk.among("item_id", item_ids)
    states = ", ".join(f"'{state}'" for state in ACTIVE_STATES)
    found = bulk.read(
        f"SELECT id, item_id, iteration_id, state, pinned, placed FROM {table}"
        f" WHERE {condition} AND state IN ({states})",
        {
            "pk": "int",
            "item_id": "int",
            "iteration_id": "int",
            "state": EntryState.values,
            "pinned": "flag",
            "placed": "flag",
        },
        params,
    )
    return found.assign(state=np.array(EntryState.values, dtype=object)[found["state"]])


def moved_since(plan: Plan, item_ids: Sequence[int], now: pd.DataFrame) -> set[int]:
    """The items whose entries, by now, are not what the plan was made from."""
    then = plan.entries[plan.entries["item_id"].isin(item_ids)]
    both = pd.concat([then, now[_USED]]).astype({"state": object})
    return set(both.drop_duplicates(keep=False)["item_id"])


def _candidates(frame: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    """The scored frame as scoring.promote takes it."""
    entered = frame["item_id"].isin(entries["item_id"])
    by_hand = entries.loc[entries["pinned"], "item_id"]
    started = entries.loc[entries["state"] == EntryState.STARTED, "item_id"]
    codes = {state: code for code, state in enumerate(scoring.STATES)}
    return pd.DataFrame(
        {
            "item_id": frame["item_id"],
            "state": frame["state"].map(codes).astype("int8"),
            "roi": frame["roi"],
            "promotes": frame["promotes"].astype(bool),
            "own_benefit": frame["own_benefit"],
            "repair_cost": frame["repair_cost"],
            "certainty": frame["confidence"],
            "vetoed": frame["vetoed"],
            "accepted": frame["accepted"],
            "teamless": frame["team_id"] == NONE,
            # Whoever has promoted an item has decided; a run does not take it back.
            "pinned": frame["pinned"] | frame["item_id"].isin(by_hand),
            "entered": entered,
            "started": frame["item_id"].isin(started) | frame["doing"],
        }
    )


def _wanted(
    frame: pd.DataFrame,
    items: pd.DataFrame,
    decided: pd.DataFrame,
    entries: pd.DataFrame,
    policy: scoring.Policy,
) -> pd.DataFrame:
    """The entries that there should be, with their reasons; not yet placed into iterations."""
    # Work in progress that nobody promoted needs no entry unless it is worth one.
    chosen = decided["promoted"] & (items["entered"] | ~items["started"] | items["promotes"])
    chosen &= frame["team_id"] != NONE
    rows = pd.DataFrame(
        {
            "item_id": frame.loc[chosen, "item_id"],
            "team_id": frame.loc[chosen, "team_id"],
            "benefit": frame.loc[chosen, "own_benefit"].fillna(0),
            "repair_days": _half_days(frame.loc[chosen, "repair_days"]),
            "roi": frame.loc[chosen, "roi"],
            "marginal_roi": decided.loc[chosen, "marginal_roi"],
            "started": items.loc[chosen, "started"],
            "pinned": items.loc[chosen, "pinned"],
            "bundle": decided.loc[chosen, "bundle"],
        }
    )
    for name in ("roi", "marginal_roi"):  # below twelve digits lies noise
        rows[name] = rows[name].map("{:.12g}".format).astype("float64")
    names = ["item_id", "pk", "team_id", "iteration_id", "state", "displaced", "displaced_by"]
    known = entries[[*names, "placed", "placed_by", "moved_back"]]
    known = known.rename(columns={"team_id": "old_team", "state": "old_state"})
    rows = rows.merge(known, how="left", on="item_id")
    promoters = entries.set_index("item_id").loc[lambda e: e["pinned"], "promoted_by"]
    promoters = promoters[~promoters.index.isin(frame.loc[frame["pinned"], "item_id"])]
    rows["reason"] = reasons.of_promotion(decided[chosen], policy, promoters.to_dict())
    for name in ("pk", "iteration_id", "old_team"):
        rows[name] = rows[name].fillna(NONE).astype("int64")
    rows["placed"] = rows["placed"].eq(True)
    for name, nothing in _NOTHING.items():
        rows[name] = rows[name].astype(object).fillna(nothing)
    return rows


def _half_days(days: pd.Series[float]) -> pd.Series[float]:
    """As backlog.half_days: rounded up to half person-days."""
    return pd.Series(np.ceil((days * 2).round(6)) / 2, index=days.index)


def _placed(
    wanted: pd.DataFrame,
    iterations: pd.DataFrame,
    needs: pd.DataFrame,
    scenarios: scoring.Scenarios,
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Give each entry its iteration and state; what fits nowhere is unscheduled.

    Beside them a note for each iteration: what was left out, what one more day would buy.
    """
    placed = wanted.copy()
    placed["state"] = np.where(placed["started"], EntryState.STARTED, EntryState.UNSCHEDULED)
    free = ~placed["started"]
    placed.loc[free & placed["repair_days"].isna(), "iteration_id"] = NONE
    free &= placed["repair_days"].notna()
    slots = _slots(placed, iterations)
    waiting = placed[free]
    names = ["item_id", "team_id", "benefit", "pinned", "iteration_id", "bundle"]
    entries = waiting[names].assign(days=waiting["repair_days"])
    # Who has put an entry among those that wait wants it to wait.
    entries["held"] = waiting["placed"] & (waiting["iteration_id"] == NONE)
    # An iteration that is closed, over or another team's holds no plan.
    pairs = set(zip(slots["iteration_id"], slots["team_id"], strict=True))
    there = [
        pair in pairs for pair in zip(entries["iteration_id"], entries["team_id"], strict=True)
    ]
    entries["iteration_id"] = entries["iteration_id"].where(np.array(there, dtype=bool), NONE)
    entries["pinned"] |= waiting["placed"] & (entries["iteration_id"] != NONE)
    plan = scoring.assign(
        entries,
        slots,
        needs,
        scenarios,
        repaired=placed.loc[placed["started"], "item_id"],
        seconds=PLANNING_SECONDS,
    )
    found = plan.entries.set_index(entries.index)
    placed.loc[free, "iteration_id"] = found["iteration_id"]
    in_one = free & (placed["iteration_id"] != NONE)
    placed.loc[in_one, "state"] = EntryState.PLANNED
    # What pushed an entry to where it is, or was pushed out, holds as long as it is there.
    same = (placed["iteration_id"] == wanted["iteration_id"]) & (
        placed["team_id"] == placed["old_team"]
    )
    placed["placed"] &= same
    undone = wanted["placed"] & ~same & (wanted["iteration_id"] != NONE) & ~placed["started"]
    missing = found["needs_id"].reindex(placed.index, fill_value=NONE)
    placed.loc[undone, "moved_back"] = _moved_back(
        wanted[undone], placed, missing[undone], slots, needs
    )
    went = free & ~(same & (placed["state"] == placed["old_state"]))
    placed.loc[went, "displaced"] = [
        f'["DEBT-{item}"]' if item != NONE else "[]" for item in found["displaced_id"][went]
    ]
    placed.loc[went, "displaced_by"] = [
        f"DEBT-{item}" if item != NONE else "" for item in found["displaced_by_id"][went]
    ]
    placed.loc[free, "displaced_by"] = _still_displaced(placed[free])
    placed.loc[free, "displaced"] = _still_out(placed[free])
    largest = iterations.groupby("team_id")["capacity_days"].max().astype("float64")
    where = reasons.of_place(placed[free], found, _names(iterations), largest, settings.CURRENCY)
    placed.loc[free, "reason"] += pd.Series(where, index=placed.index[free], dtype=object)
    placed["reason"] += placed["moved_back"].where(~placed["started"], "")
    notes = reasons.of_iteration(plan.iterations, settings.CURRENCY)
    return placed, pd.Series(notes, index=plan.iterations["iteration_id"], dtype=object)


def _moved_back(
    rows: pd.DataFrame,
    placed: pd.DataFrame,
    missing: pd.Series[int],
    slots: pd.DataFrame,
    needs: pd.DataFrame,
) -> list[str]:
    """Whose move each of these undoes, and why: a sentence, a space before it.

    rows : entries as they were, put there by hand; placed : all of them as they are to be
    missing : by row, what it needs and what is in no iteration
    """
    there = Iteration.objects.in_bulk(rows["iteration_id"].unique().tolist())
    by_id = slots.set_index("iteration_id")
    room, order = (by_id["half_days_left"] / 2).to_dict(), by_id["order"].to_dict()
    where = dict(zip(placed["item_id"], placed["iteration_id"], strict=True))
    sentences = []
    for row, needed in zip(rows.to_dict("records"), missing, strict=True):
        iteration = there[row["iteration_id"]]
        after = needs.loc[needs["item_id"] == row["item_id"], "needs_id"]
        late = [pk for pk in after if order.get(where.get(pk), 0) > order.get(iteration.pk, 0)]
        mates = placed.loc[placed["bundle"] == row["bundle"], "item_id"].tolist()
        mates = [] if row["bundle"] == NONE else [pk for pk in mates if pk != row["item_id"]]
        sentences.append(
            reasons.of_undoing(
                row["placed_by"],
                iteration,
                days=row["repair_days"],
                room=room.get(iteration.pk),
                is_other_team=iteration.team_id != row["team_id"],
                missing=NONE if needed in mates else needed,
                late=late,
                mates=mates,
            )
        )
    return sentences


def _still_displaced(entries: pd.DataFrame) -> pd.Series[str]:
    """By what each is kept out: nothing any more, where that is planned nowhere in its team."""
    there = entries[entries["iteration_id"] != NONE]
    planned = {
        (f"DEBT-{item}", team)
        for item, team in zip(there["item_id"], there["team_id"], strict=True)
    }
    pairs = zip(entries["displaced_by"], entries["team_id"], strict=True)
    holds = np.array([pair in planned for pair in pairs], dtype=bool)
    return entries["displaced_by"].where(holds, "")


def _still_out(entries: pd.DataFrame) -> list[str]:
    """What each keeps out: nothing any more, where that is beside it, or in its backlog no more."""
    names = ["item_id", "team_id", "iteration_id"]
    there = {
        (f"DEBT-{item}", team): slot
        for item, team, slot in entries[names].itertuples(index=False, name=None)
    }
    found = []
    for kept, team, slot in zip(
        entries["displaced"], entries["team_id"], entries["iteration_id"], strict=True
    ):
        keys = [key for key in json.loads(kept) if there.get((key, team), slot) != slot]
        found.append(json.dumps(keys))
    return found


def _names(iterations: pd.DataFrame) -> dict[int, str]:
    return dict(
        Iteration.objects.filter(pk__in=iterations["iteration_id"]).values_list("pk", "name")
    )


def _slots(placed: pd.DataFrame, iterations: pd.DataFrame) -> pd.DataFrame:
    """The open iterations as scoring.assign takes them: what is started has its room already."""
    started = placed[placed["started"] & (placed["iteration_id"] != NONE)]
    taken = started.groupby("iteration_id")["repair_days"].sum()
    left = iterations["left_days"] - iterations["iteration_id"].map(taken).fillna(0)
    return pd.DataFrame(
        {
            "iteration_id": iterations["iteration_id"].astype("int64"),
            "team_id": iterations["team_id"].astype("int64"),
            "order": np.array([day.toordinal() for day in iterations["starts_on"]], "int64"),
            "half_days_left": np.floor(left.astype("float64").clip(lower=0) * 2).astype("int64"),
        }
    )


def _withdrawn(gone: pd.DataFrame, decided: pd.DataFrame, policy: scoring.Policy) -> pd.DataFrame:
    """The entries to take back, each with the reason."""
    why = decided.set_index("item_id").reindex(gone["item_id"])
    bundled = decided[decided["bundle"] != NONE]
    mates = bundled.groupby("bundle")["item_id"].agg(list)
    found = reasons.of_withdrawal(why.reset_index(), policy, mates)
    return gone[["pk", "item_id", "team_id"]].assign(reason=found)
