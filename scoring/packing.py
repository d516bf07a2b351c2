"""Packing entries into iterations: an integer program, its exact check, and its pieces.

Entries have sizes in half person-days, iterations have room in half person-days; an entry may go
into an iteration of its team, after what it needs. What is sought is the set of entries with the
highest benefit that fits.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]

NOWHERE = -1
# More choices than this are thinned out before they are solved.
LARGE = 1000
HUGE = 20_000
ANY_TIME = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Joint:
    """A benefit that several entries have together, currency / year.

    saving[p] is what is saved when exactly the members in the bits of p are repaired.
    """

    members: _Ints
    saving: _Floats

    def of(self, chosen: _Bools) -> float:
        return float(self.saving[chosen[self.members] @ (1 << np.arange(len(self.members)))])

    def given(self, chosen: _Bools, free: _Bools) -> Self:
        """Keep the free members only; the others are as they are chosen."""
        mine = free[self.members]
        bits = 1 << np.arange(len(self.members))
        fixed = int((chosen[self.members] & ~mine) @ bits)
        own = bits[mine]
        patterns = np.arange(2 ** len(own))[:, None] >> np.arange(len(own)) & 1
        return type(self)(self.members[mine], self.saving[fixed + patterns @ own])


@dataclass(frozen=True)
class Packing:
    """What is to be packed; arrays of entries, then arrays of iterations, called slots."""

    size: _Ints  # half person-days
    benefit: _Floats  # currency / year, of the entry alone
    team: _Ints
    earliest: _Ints  # orders of slots, both inclusive
    latest: _Ints
    pinned: _Bools  # a person wants it
    home: _Ints  # the slot that it is pinned in, NOWHERE if it is in none
    must: _Bools  # has to be placed
    fixed: _Ints  # the only slot that will do, NOWHERE if any will
    room: _Ints  # half person-days
    slot_team: _Ints
    slot_order: _Ints  # comparable across teams
    edges: _Ints  # rows (entry, entry that it needs no later)
    bundle: _Ints  # number of the bundle that is placed whole or not at all, NOWHERE for none
    joints: Sequence[Joint] = ()
    pins_at_least: float = 0.0  # see pins_kept

    def pairs(self) -> tuple[_Ints, _Ints]:
        """List which entry may go into which slot."""
        entries, slots = [], []
        for slot, (team, order, room) in enumerate(
            zip(self.slot_team, self.slot_order, self.room, strict=True)
        ):
            fits = (self.team == team) & (self.size <= room)
            fits &= (self.earliest <= order) & (order <= self.latest)
            fits &= (self.fixed == NOWHERE) | (self.fixed == slot)
            found = np.flatnonzero(fits)
            entries.append(found)
            slots.append(np.full(len(found), slot))
        if not entries:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        entry, slot_of = np.concatenate(entries), np.concatenate(slots)
        order_of = np.lexsort((slot_of, entry))
        return entry[order_of], slot_of[order_of]

    def value(self, slot: _Ints) -> float:
        """Add up what a plan saves, currency / year."""
        chosen = slot != NOWHERE
        return float(self.benefit[chosen].sum()) + sum(joint.of(chosen) for joint in self.joints)

    def pins_kept(self, slot: _Ints) -> float:
        """Count the pinned entries that are placed, those in their own slot twice."""
        placed = self.pinned & (slot != NOWHERE)
        return float(placed.sum() + (placed & (slot == self.home)).sum())

    def is_valid(self, slot: _Ints) -> bool:
        """Check a plan in whole half days: teams, room, times and what comes first."""
        placed = np.flatnonzero(slot != NOWHERE)
        at = slot[placed]
        used = np.zeros(len(self.room), dtype=np.int64)
        np.add.at(used, at, self.size[placed])
        order = self.orders(slot)
        pinned = self.fixed[placed]
        inside = (pinned == NOWHERE) | (pinned == at)
        inside &= (self.earliest[placed] <= order[placed]) & (order[placed] <= self.latest[placed])
        first, second = self.edges[:, 1], self.edges[:, 0]
        late = (slot[second] != NOWHERE) & (order[first] > order[second])
        whole = not self.split(slot).any()
        return bool(
            (used <= self.room).all()
            and (self.slot_team[at] == self.team[placed]).all()
            and inside.all()
            and not late.any()
            and whole
            and self.pins_kept(slot) >= self.pins_at_least
        )

    def bundles(self) -> list[_Ints]:
        """List the entries of each bundle."""
        inside = np.flatnonzero(self.bundle != NOWHERE)
        inside = inside[np.argsort(self.bundle[inside], kind="stable")]
        return np.split(inside, np.flatnonzero(np.diff(self.bundle[inside])) + 1)[: len(inside)]

    def split(self, slot: _Ints) -> _Bools:
        """Find the entries of bundles that are placed in part."""
        inside = self.bundle != NOWHERE
        placed = inside & (slot != NOWHERE)
        out = inside & ~placed
        return inside & np.isin(self.bundle, np.intersect1d(self.bundle[placed], self.bundle[out]))

    def orders(self, slot: _Ints) -> _Ints:
        """Give the order of each entry's slot; what is nowhere comes after everything."""
        orders = np.append(self.slot_order, ANY_TIME[1])
        return orders[slot]

    def merged(self) -> Self:
        """Put all slots of a team together: easier, and never worth less."""
        teams = np.unique(self.slot_team)
        never = self.earliest > self.latest
        room = np.array([self.room[self.slot_team == team].sum() for team in teams], dtype=np.int64)
        return replace(
            self,
            earliest=np.where(never, ANY_TIME[1], ANY_TIME[0]),
            latest=np.where(never, ANY_TIME[0], ANY_TIME[1]),
            home=np.full(len(self.size), NOWHERE),
            fixed=np.full(len(self.size), NOWHERE),
            pins_at_least=0.0,
            room=room,
            slot_team=teams,
            slot_order=np.zeros(len(teams), dtype=np.int64),
        )

    def part(self, entries: _Ints, slots: _Ints, chosen: _Bools) -> Self:
        """Cut out some entries and slots; the other entries are as they are chosen.

        What shares a bundle with one of the others has to follow it.
        """
        inside = np.zeros(len(self.size), dtype=bool)
        inside[entries] = True
        number = np.full(len(self.size), -1)
        number[entries] = np.arange(len(entries))
        slot_number = np.full(len(self.room) + 1, NOWHERE)
        slot_number[slots] = np.arange(len(slots))
        edges = number[self.edges[inside[self.edges].all(axis=1)]].reshape(-1, 2)
        joints = [joint.given(chosen, inside) for joint in self.joints]
        bundle = self.bundle[entries]
        others = ~inside & (self.bundle != NOWHERE)
        with_chosen = np.isin(bundle, self.bundle[others & chosen])
        never = np.isin(bundle, self.bundle[others & ~chosen])
        return replace(
            self,
            size=self.size[entries],
            benefit=self.benefit[entries],
            team=self.team[entries],
            earliest=np.where(never, ANY_TIME[1], self.earliest[entries]),
            latest=np.where(never, ANY_TIME[0], self.latest[entries]),
            pinned=self.pinned[entries],
            home=slot_number[self.home[entries]],
            pins_at_least=0.0,
            must=self.must[entries] | with_chosen,
            fixed=slot_number[self.fixed[entries]],
            room=self.room[slots],
            slot_team=self.slot_team[slots],
            slot_order=self.slot_order[slots],
            edges=edges,
            bundle=bundle,
            joints=[replace(each, members=number[each.members]) for each in joints],
        )


@dataclass(frozen=True)
class Packed:
    """A plan and how good it is: no plan is worth more than `bound`."""

    slot: _Ints
    bound: float
    is_best: bool


def pack(
    packing: Packing, *, seconds: float, gap: float = 0.0, favour: _Floats | None = None
) -> Packed | None:
    """Find the plan with the highest benefit.

    Parameters
    ----------
    seconds : time limit of the solver; the best plan until then is given
    gap : a plan this close to the bound, as a ratio, is good enough
    favour : one row per entry, one column per slot; the benefit of an entry counts (1 + favour)
        times there. Small values settle which of several slots an entry goes into.

    Returns
    -------
    None where what has to be placed cannot be, or nothing was found in time. The bound holds
    without favour only.
    """
    entry, slot = packing.pairs()
    count = len(packing.size)
    gain = packing.benefit[entry]
    if favour is not None:
        gain = gain * (1.0 + favour[entry, slot])
    # The solver's tolerances are absolute: bring the amounts to where they mean little.
    scale = 1e4 / max([1e-9, *np.abs(gain), *(np.ptp(each.saving) for each in packing.joints)])
    parts = [
        _once_each(packing, entry),
        _within_room(packing, entry, slot),
        _in_order(packing, entry, slot),
        _with_pins(packing, entry, slot),
        _in_bundles(packing, entry),
    ]
    costs = [-scale * gain]
    blocks, lows, highs = (list(each) for each in zip(*parts, strict=True))
    extra = len(entry)
    for joint in packing.joints:
        rows, low = _as_patterns(joint, entry, extra)
        blocks.append(rows)
        lows.append(low)
        highs.append(low)
        costs.append(-scale * joint.saving)
        extra += len(joint.saving)
    if extra == 0:
        return Packed(np.full(count, NOWHERE), 0.0, True) if not packing.must.any() else None
    program = _Program(
        np.concatenate(costs),
        sparse.vstack([_widened(block, extra) for block in blocks]).tocsr(),
        np.concatenate(lows),
        np.concatenate(highs),
    )
    # With entries whole, their pattern is whole too.
    whole = np.arange(extra) < len(entry)
    least, most = np.zeros(extra), np.ones(extra)
    if extra > LARGE:
        settled = _settled(packing, program, entry, slot, scale, seconds)
        if settled is None and extra > HUGE:
            return None  # the solver would overrun its time by minutes before it even starts
        least, most = settled or (least, most)
    with _quietly():
        result = milp(
            program.costs,
            constraints=LinearConstraint(program.rows, program.low, program.high),
            integrality=whole.astype(np.int64),
            bounds=Bounds(least, most),
            options={"time_limit": max(0.05, seconds), "mip_rel_gap": gap},
        )
    if result.x is None:
        return None
    taken = result.x[: len(entry)] > 0.5
    plan = np.full(count, NOWHERE)
    plan[entry[taken]] = slot[taken]
    if not packing.is_valid(plan):  # a rounding of the solver; no plan is better than a wrong one
        return None
    return Packed(plan, -result.mip_dual_bound / scale, result.status == 0)


@cache
def _stdout_of_c() -> tuple[ctypes.c_void_p, int | None, int | None] | None:
    """Give C's stdout, where it points to, and a file that keeps nothing to point to instead."""
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    try:
        stdout = ctypes.c_void_p.in_dll(c, "stdout")
    except ValueError:  # a C library that calls it otherwise
        return None
    return stdout, stdout.value, c.fopen(b"/dev/null", b"w")


@contextmanager
def _quietly() -> Iterator[None]:
    """Drop what C prints: HiGHS 1.12 has a line of debugging that no option turns off.

    Python prints without C's stdout, so what other threads say meanwhile is not lost.
    """
    found = _stdout_of_c()
    if found is None:
        yield
        return
    stdout, usual, nowhere = found
    stdout.value = nowhere
    try:
        yield
    finally:
        stdout.value = usual


@dataclass(frozen=True)
class _Program:
    costs: _Floats
    rows: sparse.csr_array
    low: _Floats
    high: _Floats


def _settled(
    packing: Packing,
    program: _Program,
    entry: _Ints,
    slot: _Ints,
    scale: float,
    seconds: float,
) -> tuple[_Floats, _Floats] | None:
    """Narrow the bounds of choices that no best plan makes otherwise; None if time runs out.

    Exact: where entries may be divided, changing a choice costs at least its reduced cost. Where
    that is more than the distance to a plan that we have, the choice is settled.
    """
    least, most = np.zeros(len(program.costs)), np.ones(len(program.costs))
    below, equal = np.isfinite(program.low), program.low == program.high
    over = np.isfinite(program.high) & ~equal
    under = below & ~equal
    relaxed = linprog(
        program.costs,
        A_ub=sparse.vstack([program.rows[over], -program.rows[under]]),
        b_ub=np.concatenate([program.high[over], -program.low[under]]),
        A_eq=program.rows[equal],
        b_eq=program.low[equal],
        bounds=(0, 1),
        # Without it the rest would take longer still.
        options={"time_limit": max(1.0, 2 * seconds)},
    )
    if relaxed.status != 0 or relaxed.x is None or relaxed.fun is None:
        return None
    taken = relaxed.x[: len(entry)] > 1 - 1e-6
    plan = np.full(len(packing.size), NOWHERE)
    plan[entry[taken]] = slot[taken]
    plan = filled(packing, pruned(packing, plan))
    if not packing.is_valid(plan) or (plan[packing.must] == NOWHERE).any():
        return least, most
    distance = -scale * packing.value(plan) - relaxed.fun
    reduced = relaxed.lower.marginals + relaxed.upper.marginals
    settled = np.abs(reduced) > distance + 1e-6 * max(1.0, abs(relaxed.fun))
    least[settled & (reduced < 0)] = 1.0
    most[settled & (reduced > 0)] = 0.0
    return least, most


_Rows = tuple[sparse.csr_array, _Floats, _Floats]


def _once_each(packing: Packing, entry: _Ints) -> _Rows:
    count = len(packing.size)
    rows = sparse.csr_array(
        (np.ones(len(entry)), (entry, np.arange(len(entry)))), shape=(count, len(entry))
    )
    return rows, packing.must.astype(np.float64), np.ones(count)


def _within_room(packing: Packing, entry: _Ints, slot: _Ints) -> _Rows:
    size = packing.size[entry].astype(np.float64)
    rows = sparse.csr_array(
        (size, (slot, np.arange(len(entry)))), shape=(len(packing.room), len(entry))
    )
    return rows, np.full(len(packing.room), -np.inf), packing.room.astype(np.float64)


def _with_pins(packing: Packing, entry: _Ints, slot: _Ints) -> _Rows:
    count = packing.pinned[entry] * (1.0 + (slot == packing.home[entry]))
    rows = sparse.csr_array(count[None, :])
    return rows, np.array([packing.pins_at_least]), np.array([np.inf])


def _in_bundles(packing: Packing, entry: _Ints) -> _Rows:
    """Each entry of a bundle is placed if the next one is."""
    pairs = [np.column_stack([members[:-1], members[1:]]) for members in packing.bundles()]
    starts = np.searchsorted(entry, np.arange(len(packing.size) + 1))
    cells: list[tuple[float, int, int]] = []
    for row, (first, second) in enumerate(np.concatenate([*pairs, np.zeros((0, 2), int)])):
        cells += [(1.0, row, column) for column in range(starts[first], starts[first + 1])]
        cells += [(-1.0, row, column) for column in range(starts[second], starts[second + 1])]
    sign, rows, columns = np.array(cells).reshape(-1, 3).T
    count = sum(len(each) for each in pairs)
    block = sparse.csr_array(
        (sign, (rows.astype(int), columns.astype(int))), shape=(count, len(entry))
    )
    return block, np.zeros(count), np.zeros(count)


def _in_order(packing: Packing, entry: _Ints, slot: _Ints) -> _Rows:
    """By each time at which an entry can be done, what it needs is done as well."""
    starts = np.searchsorted(entry, np.arange(len(packing.size) + 1))
    order = packing.slot_order[slot]
    item, needs = packing.edges[:, 0], packing.edges[:, 1]
    choices = np.diff(starts)
    # One row for each edge and each choice of its entry, with all choices up to that time.
    edge = np.repeat(np.arange(len(item)), choices[item])
    nth = _counted(choices[item])
    time = order[starts[item[edge]] + nth]
    earlier = np.zeros(len(edge), dtype=np.int64)
    for choice in range(choices[needs].max(initial=0)):
        column = starts[needs[edge]] + choice
        exists = choice < choices[needs[edge]]
        earlier += exists & (order[np.where(exists, column, 0)] <= time)
    rows = np.arange(len(edge))
    row = np.concatenate([np.repeat(rows, nth + 1), np.repeat(rows, earlier)])
    column = np.concatenate(
        [
            np.repeat(starts[item[edge]], nth + 1) + _counted(nth + 1),
            np.repeat(starts[needs[edge]], earlier) + _counted(earlier),
        ]
    )
    sign = np.repeat([1.0, -1.0], [int((nth + 1).sum()), int(earlier.sum())])
    block = sparse.csr_array((sign, (row, column)), shape=(len(rows), len(entry)))
    return block, np.full(len(rows), -np.inf), np.zeros(len(rows))


def _counted(lengths: _Ints) -> _Ints:
    """Count 0, 1, ... up to each length, one run after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _as_patterns(joint: Joint, entry: _Ints, first: int) -> tuple[sparse.csr_array, _Floats]:
    """Choose exactly one pattern, the one whose members are placed."""
    size = len(joint.members)
    patterns = np.arange(len(joint.saving))
    row, column, value = [np.zeros(len(patterns))], [first + patterns], [np.ones(len(patterns))]
    for bit, member in enumerate(joint.members):
        holding = patterns[patterns >> bit & 1 == 1]
        placing = np.flatnonzero(entry == member)
        row.append(np.full(len(holding) + len(placing), bit + 1))
        column += [first + holding, placing]
        value.append(np.repeat([1.0, -1.0], [len(holding), len(placing)]))
    cells = np.concatenate(value), (np.concatenate(row).astype(int), np.concatenate(column))
    rows = sparse.csr_array(cells, shape=(size + 1, first + len(patterns)))
    return rows, np.r_[1.0, np.zeros(size)]


def _widened(block: sparse.csr_array, width: int) -> sparse.csr_array:
    return sparse.csr_array((block.data, block.indices, block.indptr), (block.shape[0], width))


def pruned(packing: Packing, slot: _Ints) -> _Ints:
    """Take out of a plan whatever breaks a rule: first what is worth least."""
    slot = slot.copy()
    order = packing.orders(slot)
    at = np.append(packing.slot_team, -1)[slot] == packing.team
    at &= (packing.earliest <= order) & (order <= packing.latest)
    at &= (packing.fixed == NOWHERE) | (packing.fixed == slot)
    slot[~at] = NOWHERE
    rate = packing.benefit / np.maximum(1, packing.size)
    for number, room in enumerate(packing.room):
        mine = np.flatnonzero(slot == number)
        mine = mine[np.lexsort((mine, -rate[mine], ~packing.pinned[mine]))]
        slot[mine[np.cumsum(packing.size[mine]) > room]] = NOWHERE
    item, needs = packing.edges[:, 0], packing.edges[:, 1]
    while True:
        order = packing.orders(slot)
        late = (slot[item] != NOWHERE) & (order[needs] > order[item])
        split = packing.split(slot) & (slot != NOWHERE)
        if not late.any() and not split.any():
            return slot
        slot[item[late]] = NOWHERE
        slot[split] = NOWHERE


def filled(packing: Packing, slot: _Ints) -> _Ints:
    """Add what still finds room, what returns most per day first, each as early as it can be.

    A bundle comes whole.
    """
    slot = slot.copy()
    left = packing.room.copy()
    placed = slot != NOWHERE
    np.subtract.at(left, slot[placed], packing.size[placed])
    needs_of: dict[int, list[int]] = {}
    for item, needs in packing.edges.tolist():
        needs_of.setdefault(item, []).append(needs)
    times = np.append(packing.slot_order, ANY_TIME[1])
    rate = packing.benefit / np.maximum(1, packing.size)
    slots_of = {
        team: sorted(np.flatnonzero(packing.slot_team == team), key=lambda n: (times[n], n))
        for team in np.unique(packing.slot_team)
    }
    most = {team: left[slots].max() for team, slots in slots_of.items()}
    roomy = packing.size <= np.array([most.get(team, -1) for team in packing.team])
    able = ~placed & roomy & (packing.earliest <= packing.latest)
    waiting = np.flatnonzero(able & (packing.benefit >= 0) & (packing.bundle == NOWHERE))
    units = [(rate[entry], [entry]) for entry in waiting.tolist()]
    units += _bundles_by_rate(packing, able, placed)
    units.sort(key=lambda unit: (-unit[0], unit[1][0]))

    def put(entry: int, number: int) -> None:
        for room, change in ((slot[entry], 1), (number, -1)):
            if room != NOWHERE:
                left[room] += change * packing.size[entry]
        slot[entry] = number
        most[packing.team[entry]] = left[slots_of[packing.team[entry]]].max()

    def place(entry: int) -> bool:
        team = packing.team[entry]
        if packing.size[entry] > most[team]:
            return False
        since = max([packing.earliest[entry], *times[slot[needs_of.get(entry, [])]]])
        for number in slots_of[team]:
            in_time = since <= times[number] <= packing.latest[entry]
            if in_time and packing.size[entry] <= left[number]:
                put(entry, int(number))
                return True
        return False

    again = True
    while again:
        again = False
        for _, unit in units:
            if slot[unit[0]] != NOWHERE:
                continue
            if all(place(entry) for entry in unit):
                again = again or bool(needs_of)  # something may have waited for it
            else:
                for entry in unit:
                    if slot[entry] != NOWHERE:
                        put(entry, NOWHERE)
    return slot


def _bundles_by_rate(
    packing: Packing, able: _Bools, placed: _Bools
) -> list[tuple[float, list[int]]]:
    """Say what each bundle that may be placed would save per half day, beside what is placed."""
    found = []
    for members in packing.bundles():
        if able[members].all():
            chosen = placed.copy()
            chosen[members] = True
            gain = packing.benefit[members].sum() + sum(
                joint.of(chosen) - joint.of(placed)
                for joint in packing.joints
                if np.isin(members, joint.members).any()
            )
            if gain >= 0:
                found.append((gain / max(1, packing.size[members].sum()), members.tolist()))
    return found
