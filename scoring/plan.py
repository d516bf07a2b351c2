"""The plan: which backlog entry goes into which iteration, under the capacity of each team.

Teams are only tied together by prerequisites and failure scenarios, so the plan falls into parts
that are solved by themselves. A small part is solved exactly. For a large one, all iterations of
a team are first merged into one, which gives a bound and the set to aim for; what waits for
another team is given its share of the time, and then each team is packed exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csgraph

from .columns import (
    ENTRY_COLUMNS,
    ITERATION_COLUMNS,
    MEMBER_COLUMNS,
    SCENARIO_COLUMNS,
    check_columns,
    make_frame,
)
from .errors import ScoringError
from .packing import ANY_TIME, NOWHERE, Joint, Packed, Packing, filled, pack, pruned
from .prerequisites import Prerequisites
from .scenarios import Scenarios

# Why an entry is where it is; a code into this tuple.
PLACES = (
    "placed",
    "pinned",  # placed, and a person wants it
    "full",  # what is in returns more than it would
    "bundle_full",  # what is in returns more than its bundle would
    "idle",  # beside what is in it would save nothing
    "too_large",  # larger than any open iteration of its team
    "bundle_too_large",  # its team's part of the bundle fits into no open iterations
    "no_iteration",  # its team has no open iteration
    "waits",  # what it needs is in no iteration, or cannot be: a part of its bundle
    "held",  # a person wants it to wait
)
_CODE = {place: np.int8(code) for code, place in enumerate(PLACES)}

# Up to so many choices of (entry, iteration) a part is solved in one go.
SMALL = 500
# A scenario with more members than this in one plan counts by what each saves given all others.
MAX_JOINT = 12
# The solver stops this close to the bound, as a ratio. Where the best plan cannot be proven, what
# is placed is moved about only for an improvement of at least WORTH_MOVING.
GAP = 5e-4
WORTH_MOVING = 5e-3
_EXTRAS = 25
# Less than this a year is nothing, currency.
_NOTHING = 1e-6
# To see whether a bundle alone fits into empty iterations.
_SECONDS_PER_BUNDLE = 1.0

_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """A plan, how good it is, and why each entry is where it is.

    entries : one row per entry, in the order and with the index that came in
        iteration_id (-1: unscheduled), place (code into PLACES),
        benefit (currency / year, what the plan would lose without it, or its bundle, or gain
        with it),
        short_by (currency / year, for `full`: what the plan would lose if the least that has to
            go made room for it; NaN where that hangs on others),
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
    team. Pinned entries stay in their iteration, or come before all others. A bundle is placed
    whole or not at all. Nothing is placed that would save nothing, unless it is pinned or
    something placed needs it. Where plans are worth the same, what is placed stays where it is,
    then what returns more per day comes earlier, then the lower item id counts.

    Parameters
    ----------
    entries : one row per promoted entry that nobody has started, ENTRY_COLUMNS: benefit
        (currency / year, without scenarios), days (person-days), iteration_id (where it is now),
        bundle (key of what pays only together, -1 for none), held (it is to wait)
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
    slot, bound = _packed(book, book.packing, seconds / 2 if book.large else seconds)
    if book.large:
        # They counted by what they save given all the others: count given what is planned instead.
        given = replace(book.packing, benefit=book.own + book.single(slot != NOWHERE))
        other, _ = _packed(book, given, seconds / 2)
        staying = filled(given, pruned(given, book.current))
        slot = max(
            (staying, slot, other), key=lambda each: (given.pins_kept(each), book.value(each))
        )
        bound = min(bound, _divided_bound(replace(book.packing, benefit=book.own)))
        bound += sum(large.most for large in book.large)
    slot = _without_idle(book, slot)
    benefit = book.value(slot)
    return Plan(
        entries=_explained(book, slot).loc[book.rank].set_index(entries.index),
        iterations=_iterations(book, slot, iterations),
        benefit=benefit,
        bound=max(bound, benefit),
    )


def _packed(book: "_Book", packing: Packing, seconds: float) -> tuple[_Ints, float]:
    """Solve part by part; the slot of each entry, and a bound of what they are worth."""
    parts = book.parts()
    work = np.array([len(members) for members, _ in parts], dtype=np.float64)
    slot = np.full(len(book.item_id), NOWHERE)
    bound = 0.0
    for (members, slots), share in zip(parts, work / max(1.0, work.sum()), strict=True):
        nobody = np.zeros(len(slot), dtype=bool)
        part = packing.part(members, slots, nobody)
        number = np.full(len(packing.room) + 1, NOWHERE)
        number[slots] = np.arange(len(slots))
        found = _solve(part, number[book.current[members]], seconds * max(share, 0.02))
        placed = found.slot != NOWHERE
        slot[members[placed]] = slots[found.slot[placed]]
        bound += found.bound
    slot = _canonical(book, filled(packing, slot))
    if not packing.is_valid(slot):
        raise ScoringError("plan", "does not keep its own rules: please report this")
    return slot, bound


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
    mate_id: _Ints  # for `waits`: what keeps its bundle from being placed, -1 for nothing
    tied: _Bools  # what it is worth, or where it may go, hangs on others
    wanted: _Bools  # it may be in a best plan
    rank: _Ints  # where each incoming row is
    own: NDArray[np.float64]  # benefit of each entry without scenarios
    members: "_Members"
    large: list["_Large"]  # scenarios of too many entries to be solved exactly
    bundles: list[tuple[_Ints, list["_Members"]]]  # their entries, and their scenarios

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
        held = entries["held"].to_numpy()
        edges = Prerequisites.of(prerequisites, entries["item_id"])
        place = np.where(known, _CODE["too_large"], _CODE["no_iteration"])
        place[held] = _CODE["held"]
        alone = known & (size <= largest[at]) & ~held
        bundle = _numbered(entries["bundle"].to_numpy())
        fitting = _fitting(alone, edges, bundle)
        for part in _too_large_together(fitting, bundle, team, size, slot_team, room):
            place[part] = _CODE["bundle_too_large"]
            alone[part] = False
        place[alone] = _CODE["waits"]
        fits = _fitting(alone, edges, bundle)
        mate_id = np.full(len(size), -1)
        for number in np.unique(bundle[~alone & (bundle != NOWHERE)]):
            mates = bundle == number
            mate_id[mates] = item_id[mates & ~alone].min()

        benefit = entries["benefit"].to_numpy().astype(np.float64)
        members = _Members.of(scenarios, item_id, repaired)
        joints, large = _joints(members, fits)
        packing = Packing(
            size=size,
            benefit=benefit,
            team=team,
            earliest=np.where(fits, ANY_TIME[0], ANY_TIME[1]),
            latest=np.where(fits, ANY_TIME[1], ANY_TIME[0]),
            pinned=entries["pinned"].to_numpy() & fits,
            home=np.where(entries["pinned"], current, NOWHERE),
            must=np.zeros(len(size), dtype=bool),
            fixed=np.full(len(size), NOWHERE),
            room=room,
            slot_team=slot_team,
            slot_order=iterations["order"].to_numpy(),
            edges=np.column_stack([edges.item, edges.needs]),
            bundle=bundle,
            joints=joints,
        )
        tied = packing.pinned.copy()
        tied[packing.edges.ravel()] = True
        tied[members.entry] = True
        tied[bundle != NOWHERE] = True
        every = np.ones(len(size), dtype=bool)
        packing = replace(packing, benefit=benefit + _singles(large, every))
        return cls(
            item_id=item_id,
            iteration_id=iterations["iteration_id"].to_numpy(),
            packing=packing,
            current=np.where(fits, current, NOWHERE),
            fits=fits,
            place=place,
            mate_id=mate_id,
            tied=tied,
            wanted=fits & (tied | _contenders(packing, current, tied)),
            rank=rank,
            own=benefit,
            members=members,
            large=large,
            bundles=[(entries, members.around(entries)) for entries in packing.bundles()],
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
        links += [
            np.column_stack([team[entries[:-1]], team[entries[1:]]])
            for entries in self.packing.bundles()
            if self.wanted[entries].all()
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

    def value(self, slot: _Ints) -> float:
        """Add up what a plan saves, currency / year."""
        placed = slot != NOWHERE
        return float(self.own[placed].sum()) + self.members.saving(placed)

    def single(self, placed: _Bools) -> NDArray[np.float64]:
        """Say what each entry saves in the large scenarios, given what else is placed."""
        return _singles(self.large, placed)

    def gains(self, slot: _Ints) -> NDArray[np.float64]:
        """Say what a plan would lose without each entry or its bundle, or gain with it."""
        placed = slot != NOWHERE
        gains: NDArray[np.float64] = self.own + self.members.gains(placed)
        for entries, scenarios in self.bundles:
            within, without = placed.copy(), placed.copy()
            within[entries], without[entries] = True, False
            saving = sum(each.saving(within) - each.saving(without) for each in scenarios)
            gains[entries] = self.own[entries].sum() + saving
        return gains


@dataclass(frozen=True)
class _Members:
    """The entries as members of failure scenarios."""

    scenarios: Scenarios
    x: NDArray[np.float64]  # of all members, as things are
    rows: _Ints  # members that are entries
    entry: _Ints  # the entry of each of them
    count: int

    @classmethod
    def of(cls, scenarios: Scenarios | None, item_id: _Ints, repaired: Iterable[int]) -> "_Members":
        if scenarios is None:
            scenarios = Scenarios.of(
                make_frame(SCENARIO_COLUMNS, []), make_frame(MEMBER_COLUMNS, [])
            )
        done = scenarios.members["item_id"].isin(list(repaired)).to_numpy()
        x = np.where(done, 1.0 - scenarios.effectiveness, scenarios.start())
        at = pd.Index(item_id).get_indexer(pd.Index(scenarios.members["item_id"]))
        # A scenario whose loss nobody knows adds nothing to what is known.
        known = ~np.isnan(scenarios.loss_per_year)[scenarios.scenario]
        moving = known & ~done & ~scenarios.members["repaired"].to_numpy() & (at >= 0)
        rows = np.flatnonzero(moving)
        return cls(scenarios, x, rows, at[rows], len(item_id))

    def _with(self, placed: _Bools) -> NDArray[np.float64]:
        x = self.x.copy()
        done = self.rows[placed[self.entry]]
        x[done] = 1.0 - self.scenarios.effectiveness[done]
        return x

    def saving(self, placed: _Bools) -> float:
        """Say what all scenarios together lose less once the placed entries are repaired."""
        values = self.scenarios.values
        return float(np.nansum(values(self.x) - values(self._with(placed))))

    def gains(self, placed: _Bools) -> NDArray[np.float64]:
        """Say what each entry saves, given what else is placed."""
        slopes = self.scenarios.slopes(self._with(placed))
        gain = (self.scenarios.effectiveness * slopes)[self.rows]
        return np.bincount(self.entry, gain, self.count).astype(np.float64)

    def partners(self, entry: int) -> _Ints:
        """List the entries that share a scenario with this one."""
        of = self.scenarios.scenario[self.rows]
        return self.entry[np.isin(of, of[self.entry == entry])]

    def around(self, entries: _Ints) -> list["_Members"]:
        """Take out each scenario of some entries."""
        mine = np.isin(self.entry, entries)
        return [self.one(int(n)) for n in np.unique(self.scenarios.scenario[self.rows[mine]])]

    def one(self, number: int) -> "_Members":
        """Take out one scenario."""
        first, last = np.searchsorted(self.scenarios.scenario, [number, number + 1])
        mine = (self.rows >= first) & (self.rows < last)
        return _Members(
            self.scenarios.one(number),
            self.x[first:last],
            self.rows[mine] - first,
            self.entry[mine],
            self.count,
        )


@dataclass(frozen=True)
class _Large:
    """A scenario with too many entries to look at every set of them.

    In the plan each counts by what it saves given some others.
    """

    members: _Members
    fits: _Bools

    @property
    def most(self) -> float:
        """What all of them save: no set of entries saves more."""
        return self.members.saving(self.fits)


def _joints(members: _Members, fits: _Bools) -> tuple[list[Joint], list[_Large]]:
    """Tabulate what the entries of each scenario save together, for every set of them.

    Gives the tables, and the scenarios that are too large for one.
    """
    joints: list[Joint] = []
    large: list[_Large] = []
    for number in np.unique(members.scenarios.scenario[members.rows]):
        part = members.one(int(number))
        able = fits[part.entry]
        rows, entry = part.rows[able], part.entry[able]
        if len(rows) > MAX_JOINT:
            large.append(_Large(part, fits))
        elif len(rows):
            patterns = np.arange(2 ** len(rows)) >> np.arange(len(rows))[:, None] & 1
            points = np.repeat(part.x[:, None], patterns.shape[1], axis=1)
            points[rows] = 1.0 - patterns * part.scenarios.effectiveness[rows][:, None]
            losses = part.scenarios.values(points)[0]
            joints.append(Joint(entry, losses[0] - losses))
    return joints, large


def _singles(large: list[_Large], placed: _Bools) -> NDArray[np.float64]:
    gains = (np.where(each.fits, each.members.gains(placed & each.fits), 0.0) for each in large)
    return np.asarray(sum(gains, np.zeros(len(placed))))


def _numbered(bundle: _Ints) -> _Ints:
    """Number the bundles of several entries, NOWHERE for all other entries."""
    _, number, count = np.unique(bundle, return_inverse=True, return_counts=True)
    return np.where((bundle >= 0) & (count[number] > 1), number, NOWHERE)


def _fitting(alone: _Bools, edges: Prerequisites, bundle: _Ints) -> _Bools:
    """Keep of what fits by itself that of which all it needs, and all of its bundle, fits."""
    fits = alone & ~edges.held_up(alone)
    while True:
        broken = (bundle != NOWHERE) & np.isin(bundle, bundle[~fits])
        if not (fits & broken).any():
            return fits
        fits &= ~broken
        fits &= ~edges.held_up(fits)


def _too_large_together(
    fits: _Bools, bundle: _Ints, team: _Ints, size: _Ints, slot_team: _Ints, room: _Ints
) -> Iterable[_Bools]:
    """Find what a team has of a bundle, where all its iterations together have no room for it."""
    for number in np.unique(bundle[fits & (bundle != NOWHERE)]):
        for of in np.unique(team[bundle == number]):
            mine = (bundle == number) & (team == of)
            if not has_room(size[mine], room[slot_team == of]):
                yield mine


def has_room(sizes: _Ints, rooms: _Ints) -> bool:
    """Say whether all of these fit into the iterations, were these empty."""
    if sizes.sum() > rooms.sum():
        return False
    left = rooms.copy()
    for size in np.sort(sizes)[::-1]:
        where = np.flatnonzero(left >= size)
        if not len(where):
            break
        left[where[np.argmin(left[where])]] -= size
    else:
        return True
    # What is put where it fits best has found no room; that is no proof that there is none.
    placing = np.repeat(sizes, len(rooms)), np.tile(np.arange(len(rooms)), len(sizes))
    columns = np.arange(len(placing[0]))
    once = sparse.csr_array((np.ones(len(columns)), (columns // len(rooms), columns)))
    used = sparse.csr_array((placing[0].astype(float), (placing[1], columns)))
    found = milp(
        np.zeros(len(columns)),
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(used, -np.inf, rooms)],
        integrality=np.ones(len(columns), dtype=np.int64),
        bounds=Bounds(0, 1),
        options={"time_limit": _SECONDS_PER_BUNDLE},
    )
    # Without an answer in time the plan itself has to find one.
    return found.status != 2


def _contenders(packing: Packing, current: _Ints, tied: _Bools) -> _Bools:
    """Leave out what cannot be in a best plan: of one size only so many find room in a team.

    Exact: whatever a plan has from further down could be exchanged for one further up.
    """
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
    keep = np.zeros(len(tied), dtype=bool)
    keep[free[np.arange(len(free)) - starts[run] < limit[run]]] = True
    return keep


def _solve(packing: Packing, current: _Ints, seconds: float) -> Packed:
    """Solve one part, and keep what is placed already where that is as good."""
    until = perf_counter() + seconds
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
    left = max(0.5 * seconds, until - perf_counter())
    plan = _packed_by_teams(packing, target, current, bound, left)
    if value >= packing.value(plan) - WORTH_MOVING * bound:
        plan = staying
    return Packed(plan, bound, False)


def _pins(packing: Packing, staying: _Ints, seconds: float) -> _Ints | None:
    """Place the pinned entries, with what they need, so that as many as possible are kept."""
    if not packing.pinned.any():
        return None
    needed = Prerequisites(packing.edges[:, 0], packing.edges[:, 1], len(packing.size))
    everything = np.ones(len(packing.size), dtype=bool)
    chosen = _with_bundles(packing, packing.pinned)
    while (needed.needed_by(chosen, everything) & ~chosen).any():
        chosen = _with_bundles(packing, chosen | needed.needed_by(chosen, everything))
    entries = np.flatnonzero(chosen)
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


def _with_bundles(packing: Packing, chosen: _Bools) -> _Bools:
    """Add the rest of each bundle."""
    return chosen | (packing.bundle != NOWHERE) & np.isin(packing.bundle, packing.bundle[chosen])


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
    until = perf_counter() + seconds
    share = seconds / 2 / len(teams)
    for team in teams:
        mine = packing.team == team
        # Only what is aimed for: if all of it finds room, it is seen at once that this is best.
        slot = _with_team(packing, slot, target, done, mine, window, current, 0, share)
        done |= mine
    slot = filled(packing, pruned(packing, slot))
    # Then team by team anew, given the others, as long as this gains something.
    waiting = list(teams)
    while waiting and packing.value(slot) < bound * (1 - GAP) and perf_counter() < until:
        team = waiting.pop(0)
        mine = packing.team == team
        placed = slot != NOWHERE
        left = min(share, until - perf_counter())
        tried = _with_team(packing, slot, placed, ~mine, mine, window, current, _EXTRAS, left)
        tried = filled(packing, pruned(packing, tried))
        if packing.value(tried) > packing.value(slot):
            slot = tried
            waiting += [other for other in teams if other != team and other not in waiting]
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
    alike = pd.DataFrame({"team": packing.team, "size": packing.size, "benefit": packing.benefit})
    alike["placed"] = slot != NOWHERE
    keys = ["team", "size", "benefit"]
    alike = alike[~book.tied & book.fits]
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


def _without_idle(book: _Book, slot: _Ints) -> _Ints:
    """Take out of a plan what saves nothing, and is neither pinned nor needed by what stays."""
    packing = book.packing
    edges = Prerequisites(packing.edges[:, 0], packing.edges[:, 1], len(slot))
    pinned = _with_bundles(packing, packing.pinned)
    shared = np.zeros(len(slot), dtype=bool)
    shared[book.members.entry] = True
    slot = slot.copy()
    while True:
        placed = slot != NOWHERE
        useful = placed & (pinned | (book.gains(slot) > _NOTHING))
        needed = edges.needed_by(useful, within=placed)
        idle = placed & ~useful & ~_with_bundles(packing, needed)
        if not idle.any():
            return slot
        # One member of a scenario less may leave another one something to save: one at a time,
        # first what is new there.
        leaving = idle & ~shared
        if not leaving.any():
            last = np.flatnonzero(idle)
            last = last[np.lexsort((last, slot[last] != book.current[last]))][-1:]
            leaving[last] = True
            leaving = _with_bundles(packing, leaving)
        slot[leaving] = NOWHERE
        slot = pruned(packing, slot)


def _explained(book: _Book, slot: _Ints) -> pd.DataFrame:
    """Say of each entry where it goes and why, by item id."""
    packing, current = book.packing, book.current
    placed = slot != NOWHERE
    missing = Prerequisites(packing.edges[:, 0], packing.edges[:, 1], len(slot))
    needs = missing.first_missing(placed, book.item_id)
    gain = book.gains(slot)
    full = np.where(packing.bundle == NOWHERE, _CODE["full"], _CODE["bundle_full"])
    place = np.where(book.fits, full, book.place)
    place[book.fits & (gain <= _NOTHING)] = _CODE["idle"]
    place[book.fits & (needs >= 0)] = _CODE["waits"]
    place[placed] = np.where(packing.pinned[placed], _CODE["pinned"], _CODE["placed"])
    needs = np.where(needs >= 0, needs, book.mate_id)
    # Where some left an iteration and others came, the one that is worth most stands for all.
    # What takes no time pushes nothing out.
    moved = (current != slot) & (packing.size > 0)
    came = np.where(placed & moved, slot, NOWHERE)
    left = np.where((current != NOWHERE) & moved, current, NOWHERE)
    return pd.DataFrame(
        {
            "item_id": book.item_id,
            "iteration_id": np.append(book.iteration_id, -1)[slot],
            "place": place,
            "benefit": gain,
            "short_by": _short_by(book, slot, gain, place == _CODE["full"]),
            "needs_id": np.where(place == _CODE["waits"], needs, -1),
            "displaced_id": _best_by_slot(book, gain, left)[came],
            "displaced_by_id": _best_by_slot(book, gain, came)[left],
        }
    )


def _short_by(
    book: _Book, slot: _Ints, gain: NDArray[np.float64], full: _Bools
) -> NDArray[np.float64]:
    """Say what the cheapest room for each entry that found none saves more than it would.

    Only entries that hang on no others make room, and only for such: in whole half days, the
    least that what goes out of one iteration saves, for every number of half days that is needed.
    """
    size = book.packing.size
    short = np.full(len(slot), np.nan)
    asked = np.flatnonzero(full & ~book.tied)
    if not len(asked):
        return short
    for number, (team, room) in enumerate(
        zip(book.packing.slot_team, book.packing.room, strict=True)
    ):
        mine = asked[(book.packing.team[asked] == team) & (size[asked] <= room)]
        inside = np.flatnonzero(slot == number)
        left = room - size[inside].sum()
        if not len(mine):
            continue
        least = np.full(int(size[mine].max()) + 1, np.inf)
        least[0] = 0.0
        freed = np.arange(len(least))
        for out in inside[~book.tied[inside]]:
            before = np.maximum(0, freed - size[out])
            least = np.minimum(least, least[before] + gain[out])
        cost = least[np.maximum(0, size[mine] - left)] - gain[mine]
        short[mine] = np.fmin(short[mine], np.where(np.isfinite(cost), cost, np.nan))
    return short


def _best_by_slot(book: _Book, gain: NDArray[np.float64], slot: _Ints) -> _Ints:
    """Name the entry of each slot that is worth most; -1 for none, and last for NOWHERE."""
    best = np.full(len(book.iteration_id) + 1, -1)
    rows = np.flatnonzero(slot != NOWHERE)
    rows = rows[np.lexsort((-rows, gain[rows]))]
    best[slot[rows]] = book.item_id[rows]
    return best


def _iterations(book: _Book, slot: _Ints, iterations: pd.DataFrame) -> pd.DataFrame:
    """Say of each iteration how full it is, and what one more day would buy."""
    packing = book.packing
    placed = np.flatnonzero(slot != NOWHERE)
    used = np.zeros(len(packing.room), dtype=np.int64)
    np.add.at(used, slot[placed], packing.size[placed])
    left = packing.room - used
    gain = book.gains(slot)
    times = np.append(packing.slot_order, ANY_TIME[1])
    since = np.full(len(slot), ANY_TIME[0])
    item, needs = packing.edges[:, 0], packing.edges[:, 1]
    np.maximum.at(since, item, times[slot[needs]])
    # Whatever has a placed entry waiting for it cannot make room for another one.
    bound = packing.pinned.copy()
    bound[needs[slot[item] != NOWHERE]] = True
    size = packing.size.astype(np.float64)
    for entries, _ in book.bundles:
        size[entries] = packing.size[entries].sum()
    rate = gain / np.maximum(1, size)
    single = packing.bundle == NOWHERE
    held = book.place == _CODE["held"]
    rows = []
    for number, team in enumerate(packing.slot_team):
        out = np.flatnonzero((packing.team == team) & (slot == NOWHERE))
        left_out = out[book.fits[out] & (since[out] < ANY_TIME[1]) & (gain[out] > _NOTHING)]
        first = left_out[np.lexsort((left_out, -rate[left_out]))][:1]
        able = out[(since[out] <= packing.slot_order[number]) & single[out] & ~held[out]]
        inside = np.flatnonzero((slot == number) & ~bound & single)
        one_more = _one_more(book, slot, gain, able, inside, int(left[number]) + 2)
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
    book: _Book,
    slot: _Ints,
    gain: NDArray[np.float64],
    able: _Ints,
    inside: _Ints,
    room: int,
) -> tuple[int, int, float]:
    """Find the entry that is worth most in so much room, alone or instead of another one."""
    size, edges = book.packing.size, book.packing.edges
    best: tuple[int, int, float] = (NOWHERE, NOWHERE, 0.0)
    for out in [NOWHERE, *inside.tolist()]:
        fits = able[size[able] <= room + (0 if out == NOWHERE else size[out])]
        change = gain[fits]
        if out != NOWHERE:
            # What it needs itself cannot make room for it.
            fits = fits[~np.isin(fits, edges[edges[:, 1] == out, 0])]
            change = gain[fits] - gain[out]
            # What two members of a scenario are worth alone says little about an exchange.
            for number in np.flatnonzero(np.isin(fits, book.members.partners(out))):
                tried = slot.copy()
                tried[fits[number]], tried[out] = slot[out], NOWHERE
                change[number] = book.value(tried) - book.value(slot)
        if len(fits) and change.max() > best[2]:
            most = int(np.argmax(change))
            best = (int(fits[most]), out, float(change[most]))
    return best
