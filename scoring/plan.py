"""The plan: which backlog entry goes into which iteration, under the capacity of each team.

Teams are only tied together by prerequisites and failure scenarios, so the plan falls into parts
that are solved by themselves. A small part is solved exactly. For a large one, all iterations of
a team are first merged into one, which gives a bound and the set to aim for; what waits for
another team is given its share of the time, and then each team is packed exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from .columns import ENTRY_COLUMNS, ITERATION_COLUMNS, check_columns
from .errors import ScoringError
from .packing import ANY_TIME, NOWHERE, Joint, Packed, Packing, filled, pack, pruned
from .prerequisites import Prerequisites
from .scenarios import Scenarios

# Why an entry is where it is; a code into this tuple.
PLACES = (
    "placed",
    "pinned",  # placed, and a person wants it
    "full",  # what is in returns more than it would
    "too_large",  # larger than any open iteration of its team
    "no_iteration",  # its team has no open iteration
    "waits",  # what it needs is in no iteration
)
_PLACED, _PINNED, _FULL, _TOO_LARGE, _NO_ITERATION, _WAITS = range(len(PLACES))

# Up to so many choices of (entry, iteration) a part is solved in one go.
SMALL = 500
# A scenario with more members than this in one plan counts by what each saves given all others.
MAX_JOINT = 12
# The solver stops this close to the bound, as a ratio. Where the best plan cannot be proven, what
# is placed is moved about only for an improvement of at least WORTH_MOVING.
GAP = 5e-4
WORTH_MOVING = 5e-3
_EXTRAS = 25

_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """A plan, how good it is, and why each entry is where it is.

    entries : one row per entry, in the order and with the index that came in
        iteration_id (-1: unscheduled), place (code into PLACES),
        benefit (currency / year, what the plan would lose without it or gain with it),
        needs_id (for `waits`: what is in no iteration; else -1),
        displaced_id (what it pushed out of this iteration; else -1),
        displaced_by_id (what pushed it out of its iteration; else -1)
    iterations : one row per iteration
        used_half_days, left_half_days,
        first_left_out_id (of the team's entries that found no room the one that returns most
        per day; -1 for none),
        one_more_day_id (what one more person-day here would let in; -1 for nothing),
        one_more_day_instead_of_id (what would make room for it; -1 if nothing has to),
        one_more_day_benefit (currency / year; 0.0 if nothing)
    benefit, bound : currency / year; no plan that keeps the pins saves more than the bound
    """

    entries: pd.DataFrame
    iterations: pd.DataFrame
    benefit: float
    bound: float

    @property
    def gap(self) -> float:
        """How far below the bound the plan is at most, as a ratio; 0 is proven best."""
        missing = self.bound - self.benefit
        return max(0.0, missing / self.bound) if self.bound > 0 else 0.0


def assign(
    entries: pd.DataFrame,
    iterations: pd.DataFrame,
    prerequisites: pd.DataFrame | None = None,
    scenarios: Scenarios | None = None,
    repaired: Iterable[int] = (),
    *,
    seconds: float = 30.0,
) -> Plan:
    """Put promoted entries into open iterations, so that the planned benefit is the highest.

    Capacity is never exceeded, in whole half person-days (an entry takes its days rounded up to
    half a day). What an entry needs comes in the same or an earlier iteration, also of another
    team. Pinned entries stay in their iteration, or come before all others. Where plans are
    worth the same, what is placed stays where it is, then what returns more per day comes
    earlier, then the lower item id counts.

    Parameters
    ----------
    entries : one row per promoted entry that nobody has started, ENTRY_COLUMNS: benefit
        (currency / year, without scenarios), days (person-days), iteration_id (where it is now)
    iterations : open iterations, ITERATION_COLUMNS: order (rises with time, comparable across
        teams), half_days_left (without what is started)
    prerequisites : item_id needs needs_id; what is no entry is done or in progress
    scenarios : failure scenarios; entries that are members count by what they save together
    repaired : members that count as repaired: what is in progress
    seconds : time for the solver, shared among the parts

    Raises
    ------
    ScoringError : names the column, the rows and the bound.

    Examples
    --------
    >>> from scoring import make_frame
    >>> entries = make_frame(ENTRY_COLUMNS, [
    ...     {"item_id": 1, "benefit": 900.0, "days": 4.0},
    ...     {"item_id": 2, "benefit": 800.0, "days": 3.0},
    ...     {"item_id": 3, "benefit": 700.0, "days": 2.0}])
    >>> iterations = make_frame(ITERATION_COLUMNS, [{"iteration_id": 8, "half_days_left": 10}])
    >>> plan = assign(entries, iterations)
    >>> plan.entries["iteration_id"].tolist(), plan.benefit, plan.gap
    ([-1, 8, 8], 1500.0, 0.0)
    """
    _check(entries, iterations)
    book = _Book.of(entries, iterations, prerequisites, scenarios, repaired)
    parts = book.parts()
    work = np.array([len(members) for members, _ in parts], dtype=np.float64)
    slot = np.full(len(book.item_id), NOWHERE)
    bound = 0.0
    for (members, slots), share in zip(parts, work / max(1.0, work.sum()), strict=True):
        nobody = np.zeros(len(slot), dtype=bool)
        part = book.packing.part(members, slots, nobody)
        number = np.full(len(book.packing.room) + 1, NOWHERE)
        number[slots] = np.arange(len(slots))
        found = _solve(part, number[book.current[members]], seconds * max(share, 0.02))
        placed = found.slot != NOWHERE
        slot[members[placed]] = slots[found.slot[placed]]
        bound += found.bound
    slot = _canonical(book, filled(book.packing, slot))
    if not book.packing.is_valid(slot):
        raise ScoringError("plan", "does not keep its own rules: please report this")
    placed = slot != NOWHERE
    benefit = book.packing.value(slot) + sum(large.correction(placed) for large in book.large)
    return Plan(
        entries=_explained(book, slot).loc[book.rank].set_index(entries.index),
        iterations=_iterations(book, slot, iterations),
        benefit=benefit,
        bound=float(max(bound + sum(large.most for large in book.large), benefit)),
    )


def half_days(days: NDArray[Any]) -> _Ints:
    """Round person-days up to whole half days.

    Examples
    --------
    >>> half_days(np.array([0.0, 0.3, 2.0, 2.1])).tolist()
    [0, 1, 4, 5]
    """
    # 0.1 x 3 days is not more than 0.3 days: a rounding error fills no half day.
    return np.ceil(np.asarray(days, dtype=np.float64) * 2 - 1e-9).astype(np.int64)


def _check(entries: pd.DataFrame, iterations: pd.DataFrame) -> None:
    check_columns(entries, *ENTRY_COLUMNS)
    check_columns(iterations, *ITERATION_COLUMNS)
    for frame, key in ((entries, "item_id"), (iterations, "iteration_id")):
        twice = frame[key].duplicated()
        if twice.any():
            raise ScoringError(key, "comes twice", rows=frame.index[twice])
    for column in ("benefit", "days"):
        unknown = entries[column].isna()
        if unknown.any():
            raise ScoringError(
                column, "is unknown", rows=entries.index[unknown], bound="a number: estimate first"
            )


@dataclass(frozen=True)
class _Book:
    """Everything that is planned, entries by item id and iterations by time."""

    item_id: _Ints
    iteration_id: _Ints
    packing: Packing
    current: _Ints  # the slot of each entry now
    fits: _Bools  # it fits some iteration, and so does all that it needs
    place: NDArray[np.int8]  # why it does not
    wanted: _Bools  # it may be in a best plan
    rank: _Ints  # where each incoming row is
    large: list["_Large"]  # scenarios of too many entries to be solved exactly

    @classmethod
    def of(
        cls,
        entries: pd.DataFrame,
        iterations: pd.DataFrame,
        prerequisites: pd.DataFrame | None,
        scenarios: Scenarios | None,
        repaired: Iterable[int],
    ) -> "_Book":
        order = np.argsort(entries["item_id"].to_numpy(), kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        entries = entries.iloc[order]
        iterations = iterations.sort_values(["order", "iteration_id"])
        item_id = entries["item_id"].to_numpy()
        team = entries["team_id"].to_numpy()
        slot_team = iterations["team_id"].to_numpy()
        room = iterations["half_days_left"].to_numpy()
        size = half_days(entries["days"].to_numpy())
        current = pd.Index(iterations["iteration_id"]).get_indexer(entries["iteration_id"])
        current[np.append(slot_team, -1)[current] != team] = NOWHERE

        teams = np.unique(slot_team)
        largest = np.zeros(len(teams) + 1, dtype=np.int64)
        np.maximum.at(largest, np.searchsorted(teams, slot_team), room)
        known = np.isin(team, teams)
        at = np.where(known, np.searchsorted(teams, team), len(teams))
        alone = known & (size <= largest[at])
        edges = Prerequisites.of(prerequisites, entries["item_id"])
        fits = alone & ~edges.held_up(alone)
        place = np.where(known, np.int8(_TOO_LARGE), np.int8(_NO_ITERATION))
        place[alone] = _WAITS

        benefit = entries["benefit"].to_numpy().astype(np.float64)
        joints, single, large = _joints(scenarios, item_id, fits, repaired)
        packing = Packing(
            size=size,
            benefit=benefit + single,
            team=team,
            earliest=np.full(len(size), ANY_TIME[0]),
            latest=np.full(len(size), ANY_TIME[1]),
            pinned=entries["pinned"].to_numpy() & fits,
            home=np.where(entries["pinned"], current, NOWHERE),
            must=np.zeros(len(size), dtype=bool),
            fixed=np.full(len(size), NOWHERE),
            room=room,
            slot_team=slot_team,
            slot_order=iterations["order"].to_numpy(),
            edges=np.column_stack([edges.item, edges.needs]),
            joints=joints,
        )
        return cls(
            item_id=item_id,
            iteration_id=iterations["iteration_id"].to_numpy(),
            packing=packing,
            current=np.where(fits, current, NOWHERE),
            fits=fits,
            place=place,
            wanted=fits & _contenders(packing, current),
            rank=rank,
            large=large,
        )

    def parts(self) -> list[tuple[_Ints, _Ints]]:
        """Split into parts that have nothing to do with each other: entries and slots of each."""
        teams, at = np.unique(self.packing.slot_team, return_inverse=True)
        team = np.searchsorted(teams, self.packing.team)
        edges = self.packing.edges[self.wanted[self.packing.edges].all(axis=1)]
        links = [team[edges]]
        links += [
            np.column_stack([team[joint.members[:-1]], team[joint.members[1:]]])
            for joint in self.packing.joints
        ]
        pairs = np.concatenate(links)
        graph = sparse.coo_array(
            (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(teams), len(teams))
        )
        label = csgraph.connected_components(graph, directed=False)[1]
        wanted = np.flatnonzero(self.wanted)
        groups = label[team[wanted]]
        return [
            (wanted[groups == part], np.flatnonzero(label[at] == part))
            for part in np.unique(groups)
        ]


@dataclass(frozen=True)
class _Large:
    """A scenario with too many entries to look at every set of them.

    In the plan each counts by what it saves given all the others.
    """

    scenario: Scenarios
    x: NDArray[np.float64]  # as things are
    rows: _Ints  # rows of the scenario that are entries
    entries: _Ints
    last: NDArray[np.float64]  # what each saves given all the others

    @property
    def most(self) -> float:
        """What all of them save: no set of entries saves more."""
        return self._saving(np.ones(len(self.rows), dtype=bool))

    def correction(self, placed: _Bools) -> float:
        """What the placed entries really save, less what was counted."""
        return self._saving(placed[self.entries]) - float(self.last[placed[self.entries]].sum())

    def _saving(self, chosen: _Bools) -> float:
        x = self.x.copy()
        x[self.rows[chosen]] = 1.0 - self.scenario.effectiveness[self.rows[chosen]]
        return float(self.scenario.values(self.x)[0] - self.scenario.values(x)[0])


def _joints(
    scenarios: Scenarios | None, item_id: _Ints, fits: _Bools, repaired: Iterable[int]
) -> tuple[list[Joint], NDArray[np.float64], list[_Large]]:
    """Tabulate what the entries of each scenario save together, for every set of them.

    Gives the tables, what members of too large scenarios count by themselves, and those scenarios.
    """
    single = np.zeros(len(item_id))
    joints: list[Joint] = []
    large: list[_Large] = []
    if scenarios is None:
        return joints, single, large
    done = scenarios.members["item_id"].isin(list(repaired)).to_numpy()
    start = np.where(done, 1.0 - scenarios.effectiveness, scenarios.start())
    moving = ~done & ~scenarios.members["repaired"].to_numpy()
    at = pd.Index(item_id).get_indexer(pd.Index(scenarios.members["item_id"]))
    moving &= (at >= 0) & np.append(fits, False)[at]
    for number in range(len(scenarios.scenario_ids)):
        rows = np.flatnonzero(moving & (scenarios.scenario == number))
        if not len(rows) or np.isnan(scenarios.loss_per_year[number]):
            continue
        part = scenarios.one(number)
        first = np.searchsorted(scenarios.scenario, number)
        x = start[first : first + len(part.members)]
        own = rows - first
        if len(rows) > MAX_JOINT:
            after = x.copy()
            after[own] = 1.0 - part.effectiveness[own]
            last = part.effectiveness[own] * part.slopes(after)[own]
            large.append(_Large(part, x, own, at[rows], last))
            single[at[rows]] += last
            continue
        patterns = np.arange(2 ** len(rows)) >> np.arange(len(rows))[:, None] & 1
        points = np.repeat(x[:, None], patterns.shape[1], axis=1)
        points[own] = 1.0 - patterns * part.effectiveness[own][:, None]
        losses = part.values(points)[0]
        joints.append(Joint(at[rows], losses[0] - losses))
    return joints, single, large


def _contenders(packing: Packing, current: _Ints) -> _Bools:
    """Leave out what cannot be in a best plan: of one size only so many find room in a team.

    Exact: whatever a plan has from further down could be exchanged for one further up.
    """
    tied = packing.pinned.copy()
    tied[packing.edges.ravel()] = True
    for joint in packing.joints:
        tied[joint.members] = True
    free = np.flatnonzero(~tied)
    keys = (free, current[free] == NOWHERE, -packing.benefit[free])
    free = free[np.lexsort((*keys, packing.size[free], packing.team[free]))]
    group = np.column_stack([packing.team[free], packing.size[free]])
    new = np.ones(len(free), dtype=bool)
    new[1:] = (group[1:] != group[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    limit = np.zeros(len(starts), dtype=np.int64)
    for team, room in zip(packing.slot_team, packing.room, strict=True):
        mine = group[starts, 0] == team
        limit[mine] += room // np.maximum(1, group[starts, 1][mine])
    # What takes no time at all finds room always.
    limit[group[starts, 1] == 0] = len(free)
    keep = tied
    keep[free[np.arange(len(free)) - starts[run] < limit[run]]] = True
    return keep


def _solve(packing: Packing, current: _Ints, seconds: float) -> Packed:
    """Solve one part, and keep what is placed already where that is as good."""
    staying = filled(packing, pruned(packing, current))
    pins = _pins(packing, staying, seconds)
    if pins is not None:
        packing = replace(packing, pins_at_least=packing.pins_kept(pins))
    value = packing.value(staying) if packing.is_valid(staying) else -np.inf
    if len(packing.pairs()[0]) <= SMALL:
        found = pack(packing, seconds=0.3 * seconds)
        if found and found.is_best:
            best = packing.value(found.slot)
            if value >= best - 1e-9 * abs(best):
                return replace(found, slot=staying)
            return replace(found, slot=_settled(packing, found.slot, current, 0.3 * seconds))
        seconds *= 0.6
    if pins is not None:
        packing = replace(packing, must=pins != NOWHERE, fixed=pins, pins_at_least=0.0)
    merged = pack(packing.merged(), seconds=0.25 * seconds, gap=GAP / 10)
    bound = merged.bound if merged else _divided_bound(packing)
    if value >= bound * (1 - WORTH_MOVING):
        return Packed(staying, bound, False)
    target = merged.slot != NOWHERE if merged else staying != NOWHERE
    plan = _packed_by_teams(packing, target, current, bound, 0.7 * seconds)
    if value >= packing.value(plan) - WORTH_MOVING * bound:
        plan = staying
    return Packed(plan, bound, False)


def _pins(packing: Packing, staying: _Ints, seconds: float) -> _Ints | None:
    """Place the pinned entries, with what they need, so that as many as possible are kept."""
    if not packing.pinned.any():
        return None
    needed = Prerequisites(packing.edges[:, 0], packing.edges[:, 1], len(packing.size))
    everything = np.ones(len(packing.size), dtype=bool)
    entries = np.flatnonzero(packing.pinned | needed.needed_by(packing.pinned, everything))
    slot = np.full(len(packing.size), NOWHERE)
    if packing.pins_kept(staying) == packing.pins_kept(np.where(packing.home < 0, 0, packing.home)):
        slot[entries] = staying[entries]  # all of them are where they should be
        return slot
    alone = packing.part(entries, np.arange(len(packing.room)), ~everything)
    alone = replace(alone, benefit=alone.pinned.astype(np.float64), joints=())
    at_home = alone.home[:, None] == np.arange(len(packing.room))
    found = pack(alone, seconds=0.05 * seconds, favour=at_home.astype(np.float64))
    if found is not None:
        slot[entries] = found.slot
    return slot


def _divided_bound(packing: Packing) -> float:
    """Bound a plan as if entries could be divided and needed nothing."""
    bound = sum(float(joint.saving.max()) for joint in packing.joints)
    rate = packing.benefit / np.maximum(1, packing.size)
    for team in np.unique(packing.slot_team):
        mine = np.flatnonzero((packing.team == team) & (packing.benefit > 0))
        mine = mine[np.argsort(-rate[mine], kind="stable")]
        room = packing.room[packing.slot_team == team].sum()
        before = np.cumsum(packing.size[mine]) - packing.size[mine]
        part = np.clip((room - before) / np.maximum(1, packing.size[mine]), 0.0, 1.0)
        part[packing.size[mine] == 0] = 1.0
        bound += float((packing.benefit[mine] * part).sum())
    return bound


def _packed_by_teams(
    packing: Packing, target: _Bools, current: _Ints, bound: float, seconds: float
) -> _Ints:
    """Pack one team after the other, aiming for a set that fits if time did not matter."""
    window = _windows(packing, target)
    slot = np.full(len(packing.size), NOWHERE)
    teams = np.unique(packing.team)
    done = np.zeros(len(packing.size), dtype=bool)
    share = seconds / 2 / len(teams)
    for team in teams:
        mine = packing.team == team
        # Only what is aimed for: if all of it finds room, it is seen at once that this is best.
        slot = _with_team(packing, slot, target, done, mine, window, current, 0, share)
        done |= mine
    slot = filled(packing, pruned(packing, slot))
    for team in teams:
        if packing.value(slot) >= bound * (1 - GAP):
            break
        mine = packing.team == team
        placed = slot != NOWHERE
        tried = _with_team(packing, slot, placed, ~mine, mine, window, current, _EXTRAS, share)
        tried = filled(packing, pruned(packing, tried))
        if packing.value(tried) > packing.value(slot):
            slot = tried
    return slot


def _with_team(
    packing: Packing,
    slot: _Ints,
    target: _Bools,
    done: _Bools,
    mine: _Bools,
    window: _Ints,
    current: _Ints,
    extras: int,
    seconds: float,
) -> _Ints:
    """Pack one team anew; the other teams are as they are, or will be as they should."""
    others_placed = np.where(done, slot != NOWHERE, target)
    order = packing.orders(slot)
    item, needs = packing.edges[:, 0], packing.edges[:, 1]
    earliest, latest = packing.earliest.copy(), packing.latest.copy()
    must, benefit = packing.must.copy(), packing.benefit.copy()
    possible = np.ones(len(slot), dtype=bool)
    # What mine need of others: there already, or expected by its time.
    across = mine[item] & ~mine[needs]
    np.logical_and.at(possible, item[across], others_placed[needs[across]])
    since = np.where(done, order, window)
    np.maximum.at(earliest, item[across], since[needs[across]])
    # What others need of mine: it has to be there for those that are placed.
    across = ~mine[item] & mine[needs] & others_placed[item]
    settled = across & done[item]
    np.minimum.at(latest, needs[settled], order[item[settled]])
    must[needs[settled]] = True
    expected = across & ~done[item]
    np.minimum.at(latest, needs[expected], window[needs[expected]])
    np.add.at(benefit, needs[expected], packing.benefit[item[expected]])

    candidates = np.flatnonzero(mine & possible & (earliest <= latest))
    extra = ~target[candidates] & ~must[candidates]
    rate = benefit[candidates] / np.maximum(1, packing.size[candidates])
    best = candidates[extra][np.argsort(-rate[extra], kind="stable")][:extras]
    entries = np.sort(np.concatenate([candidates[~extra], best]))
    slots = np.flatnonzero(packing.slot_team == packing.team[mine][0])
    changed = replace(packing, earliest=earliest, latest=latest, must=must, benefit=benefit)
    part = changed.part(entries, slots, others_placed)
    number = np.full(len(packing.room) + 1, NOWHERE)
    number[slots] = np.arange(len(slots))
    favour = GAP / 10 * _favours(part, number[current[entries]])
    found = pack(part, seconds=seconds, gap=GAP / 2, favour=favour)
    if found is None:
        part = replace(part, must=packing.must[entries])
        found = pack(part, seconds=seconds, gap=GAP / 2, favour=favour)
    result = slot.copy()
    if found is not None:
        result[mine] = NOWHERE
        placed = found.slot != NOWHERE
        result[entries[placed]] = slots[found.slot[placed]]
    return result


def _windows(packing: Packing, target: _Bools) -> _Ints:
    """Give each entry the time by which it should be done, so that what needs it has time left.

    Entries that wait for each other share the time of the plan in equal parts.
    """
    times = np.unique(packing.slot_order)
    count = len(times)
    edges = packing.edges[target[packing.edges].all(axis=1)]
    item, needs = edges[:, 0], edges[:, 1]
    before, after = (np.zeros(len(packing.size), dtype=np.int64) for _ in range(2))
    # Longer chains than iterations, and circles, need no finer division.
    for _ in range(count):
        np.maximum.at(before, item, np.minimum(before[needs] + 1, count))
        np.maximum.at(after, needs, np.minimum(after[item] + 1, count))
    length = before + after + 1
    since = np.minimum(np.round(before * count / length).astype(np.int64), count - 1)
    for _ in range(count):
        np.maximum.at(since, item, since[needs])
    until = np.full(len(packing.size), count - 1)
    np.minimum.at(until, needs, since[item])
    return times[until]


def _favours(packing: Packing, current: _Ints) -> NDArray[np.float64]:
    """Favour for each entry, between 0 and 1: where it is, and an early iteration."""
    count = len(packing.room)
    early = 1.0 - np.argsort(np.argsort(packing.slot_order, kind="stable")) / max(1, count)
    rate = packing.benefit / np.maximum(1, packing.size)
    rate = np.clip(rate / max(1e-9, rate.max(initial=0.0)), 0.0, 1.0)
    stays = current[:, None] == np.arange(count)
    favour: NDArray[np.float64] = 0.5 * stays + 0.5 * rate[:, None] * early
    return favour


def _settled(packing: Packing, slot: _Ints, current: _Ints, seconds: float) -> _Ints:
    """Keep the chosen entries, but leave as many as possible where they are, the rest early."""
    placed = np.flatnonzero(slot != NOWHERE)
    part = packing.part(placed, np.arange(len(packing.room)), slot != NOWHERE)
    favour = _favours(part, current[placed])
    stays = favour >= 0.5
    at_home = part.pinned & (part.home == slot[placed])
    part = replace(
        part,
        must=np.ones(len(placed), dtype=bool),
        fixed=np.where(at_home, part.home, part.fixed),
        benefit=np.ones(len(placed)),
    )
    # One entry that stays counts more than all that could come earlier.
    favour = stays + favour / (len(placed) + 1.0)
    found = pack(replace(part, joints=()), seconds=seconds, favour=favour)
    if found is None:
        return slot
    result = slot.copy()
    result[placed] = found.slot
    return result


def _canonical(book: _Book, slot: _Ints) -> _Ints:
    """Among entries that are alike in all that counts, prefer what is placed, then the lower id."""
    packing = book.packing
    tied = packing.pinned.copy()
    tied[packing.edges.ravel()] = True
    for joint in packing.joints:
        tied[joint.members] = True
    alike = pd.DataFrame({"team": packing.team, "size": packing.size, "benefit": packing.benefit})
    alike["placed"] = slot != NOWHERE
    keys = ["team", "size", "benefit"]
    alike = alike[~tied & book.fits]
    alike = alike[alike.duplicated(keys, keep=False)]
    slot = slot.copy()
    for _, group in alike.groupby(keys):
        if group["placed"].all() or not group["placed"].any():
            continue
        rows = group.index.to_numpy()
        slots = sorted(slot[rows][slot[rows] != NOWHERE].tolist())
        slot[rows] = NOWHERE
        for wanted in (True, False):
            for row in rows:
                mine = book.current[row] in slots if wanted else slot[row] == NOWHERE
                if slots and mine:
                    slot[row] = book.current[row] if wanted else slots[0]
                    slots.remove(slot[row])
    return slot


def _explained(book: _Book, slot: _Ints) -> pd.DataFrame:
    """Say of each entry where it goes and why, by item id."""
    packing, current = book.packing, book.current
    placed = slot != NOWHERE
    missing = Prerequisites(packing.edges[:, 0], packing.edges[:, 1], len(slot))
    needs = missing.first_missing(placed, book.item_id)
    place = np.where(book.fits, np.int8(_FULL), book.place)
    place[book.fits & (needs >= 0)] = _WAITS
    place[placed] = np.where(packing.pinned[placed], np.int8(_PINNED), np.int8(_PLACED))
    # Where some left an iteration and others came, the one that is worth most stands for all.
    came = np.where(placed & (current != slot), slot, NOWHERE)
    left = np.where((current != NOWHERE) & (current != slot), current, NOWHERE)
    gain = _gains(packing, slot)
    return pd.DataFrame(
        {
            "item_id": book.item_id,
            "iteration_id": np.append(book.iteration_id, -1)[slot],
            "place": place,
            "benefit": gain,
            "needs_id": np.where(place == _WAITS, needs, -1),
            "displaced_id": _best_by_slot(book, gain, left)[came],
            "displaced_by_id": _best_by_slot(book, gain, came)[left],
        }
    )


def _best_by_slot(book: _Book, gain: NDArray[np.float64], slot: _Ints) -> _Ints:
    """Name the entry of each slot that is worth most; -1 for none, and last for NOWHERE."""
    best = np.full(len(book.iteration_id) + 1, -1)
    rows = np.flatnonzero(slot != NOWHERE)
    rows = rows[np.lexsort((-rows, gain[rows]))]
    best[slot[rows]] = book.item_id[rows]
    return best


def _gains(packing: Packing, slot: _Ints) -> NDArray[np.float64]:
    """Say what the plan would lose without each entry, or gain with it."""
    placed = slot != NOWHERE
    gain = packing.benefit.copy()
    for joint in packing.joints:
        for member in joint.members:
            with_it, without = placed.copy(), placed.copy()
            with_it[member], without[member] = True, False
            gain[member] += joint.of(with_it) - joint.of(without)
    return gain


def _iterations(book: _Book, slot: _Ints, iterations: pd.DataFrame) -> pd.DataFrame:
    """Say of each iteration how full it is, and what one more day would buy."""
    packing = book.packing
    placed = np.flatnonzero(slot != NOWHERE)
    used = np.zeros(len(packing.room), dtype=np.int64)
    np.add.at(used, slot[placed], packing.size[placed])
    left = packing.room - used
    gain = _gains(packing, slot)
    times = np.append(packing.slot_order, ANY_TIME[1])
    since = np.full(len(slot), ANY_TIME[0])
    item, needs = packing.edges[:, 0], packing.edges[:, 1]
    np.maximum.at(since, item, times[slot[needs]])
    # Whatever has a placed entry waiting for it cannot make room for another one.
    bound = packing.pinned.copy()
    bound[needs[slot[item] != NOWHERE]] = True
    rate = gain / np.maximum(1, packing.size)
    rows = []
    for number, team in enumerate(packing.slot_team):
        out = np.flatnonzero((packing.team == team) & (slot == NOWHERE) & book.fits)
        left_out = out[since[out] < ANY_TIME[1]]
        first = left_out[np.lexsort((left_out, -rate[left_out]))][:1]
        able = out[since[out] <= packing.slot_order[number]]
        inside = np.flatnonzero((slot == number) & ~bound)
        one_more = _one_more(packing, slot, gain, able, inside, int(left[number]) + 2)
        names = [book.item_id[n] if n != NOWHERE else -1 for n in one_more[:2]]
        rows.append((book.item_id[first[0]] if len(first) else -1, *names, one_more[2]))
    columns = [
        "first_left_out_id",
        "one_more_day_id",
        "one_more_day_instead_of_id",
        "one_more_day_benefit",
    ]
    found = pd.DataFrame(rows, columns=columns, index=book.iteration_id)
    found.insert(0, "left_half_days", left)
    found.insert(0, "used_half_days", used)
    ids = iterations["iteration_id"].to_numpy()
    found = found.loc[ids].set_index(iterations.index)
    found.insert(0, "iteration_id", ids)
    return found


def _one_more(
    packing: Packing,
    slot: _Ints,
    gain: NDArray[np.float64],
    able: _Ints,
    inside: _Ints,
    room: int,
) -> tuple[int, int, float]:
    """Find the entry that is worth most in so much room, alone or instead of another one."""
    if not len(able):
        return NOWHERE, NOWHERE, 0.0
    able = able[np.lexsort((-able, gain[able], packing.size[able]))]
    sizes = packing.size[able]
    # Of all up to a size the best one.
    running = np.maximum.accumulate(gain[able])
    best_of = np.maximum.accumulate(np.where(gain[able] >= running, np.arange(len(able)), 0))
    best: tuple[int, int, float] = (NOWHERE, NOWHERE, 0.0)
    for out in [NOWHERE, *inside.tolist()]:
        space = room if out == NOWHERE else room + packing.size[out]
        last = int(np.searchsorted(sizes, space, side="right")) - 1
        if last < 0:
            continue
        entry = int(able[best_of[last]])
        change = float(gain[entry]) - (0.0 if out == NOWHERE else float(gain[out]))
        if change > best[2] and packing.joints:
            # What two members of a scenario are worth alone says little about an exchange.
            tried = slot.copy()
            tried[entry] = 0
            tried[[out] if out != NOWHERE else []] = NOWHERE
            change = packing.value(tried) - packing.value(slot)
        if change > best[2]:
            best = (entry, out, change)
    return best
