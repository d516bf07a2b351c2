"""Promotion: what returns more than the threshold goes into the backlog, by marginal ROI.

The item with the highest marginal ROI comes first, given everything that is promoted or in
progress; then the others of its scenarios are worth something else, and so on. An item in no
scenario is worth the same whatever is promoted beside it, so the portfolio at large is decided in
one sweep, and only members of scenarios are decided one by one.

The rules never flap. Each step raises the sum of (benefit - demote_below x repair cost) over what
is promoted: a promotion adds more than that, a demotion takes off less. So it ends, and a second
run on the same input finds nothing to do.
"""

from collections.abc import Iterable
from itertools import compress, pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .certainty import Doubts
from .columns import CANDIDATE_COLUMNS, ROLES, STATES, check_columns
from .policy import Policy
from .prerequisites import Prerequisites
from .scenarios import Scenarios

# Why an item is in the backlog, or not; a code into this tuple.
REASONS = (
    "started",  # in: someone works on it
    "above",  # in: its marginal ROI is above the threshold
    "bundle",  # in: with the rest of its alternative group it is above
    "bundle_kept",  # in already, and with the rest of its group not below demote_below
    "pinned",  # in: pinned by a person
    "kept",  # in already, and not below demote_below
    "needed",  # in already, and something promoted needs it
    "below",  # out: not above the threshold
    "fell",  # out: was in, and fell below demote_below
    "no_team",  # out: there is no backlog for it
    "vetoed",
    "accepted",
    "needs_estimate",
    "unpriced",
    "blocked",  # out: needs an open item that is not promoted
    "uncertain",  # out: above, but not with the certainty that the policy asks for
    "partner",  # out: with the rest of its group it is above, but one of that cannot be promoted
)
_CODE = {reason: np.int8(code) for code, reason in enumerate(REASONS)}
_NEEDS_ESTIMATE = STATES.index("needs_estimate")
_ALTERNATIVE = ROLES.index("alternative")
# A marginal ROI is a sum of products of floats, right to about 1e-14: what is this close to a bar
# is at the bar, which is neither above nor below it.
_NOISE = 1e-12
_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]
_Rows = NDArray[np.int64]


def promote(
    items: pd.DataFrame,
    policy: Policy,
    prerequisites: pd.DataFrame | None = None,
    scenarios: Scenarios | None = None,
    doubts: Doubts | None = None,
) -> pd.DataFrame:
    """Decide which items belong into the backlog.

    Parameters
    ----------
    items : all open items, CANDIDATE_COLUMNS: from `score` item_id, state, roi, promotes,
        own_benefit (currency / year), repair_cost (currency); certainty (probability of an ROI
        above the threshold, NaN if not computed); and flags: vetoed, accepted, teamless, pinned,
        entered (is in the backlog), started (someone works on it)
    policy : threshold, demote_below, min_confidence
    prerequisites : item_id needs needs_id first; what is not among `items` is done
    scenarios : failure scenarios; an item that is started counts as repaired
    doubts : what the open members of scenarios rest on. With it, and a policy that asks for
        certainty, theirs is that of the marginal ROI that decides; without it, as in `items`

    Returns
    -------
    One row per item, with the index of `items`:
        promoted (bool) : belongs into the backlog; newly so where not entered, and an entered one
            that is not promoted goes back
        marginal_roi (ratio) : what the repair returns given all the others that are promoted;
            the ROI for an item in no scenario; where the rest of its alternative group decides
            with it, what they return together
        reason : code into REASONS
        blocked_by : item id of the prerequisite, or of the partner, that is missing, -1 for none
        bundle : lowest item id of the alternative group that is promoted together, or of what
            is left of one that is decided together; -1 for none
        bundle_roi (ratio) : what the bundle that is promoted returns together, NaN for none

    Never promoted: vetoed, accepted, of no team, without estimate, blocked by an open
    prerequisite that is not promoted. Pinned items are promoted whatever their ROI. Items that
    need each other are promoted together or not at all.

    Raises
    ------
    ScoringError : names the column, the rows and the bound.

    Examples
    --------
    >>> from scoring import DEFAULT_PAYLOAD, Policy, make_frame
    >>> items = make_frame(CANDIDATE_COLUMNS, [
    ...     {"item_id": 1, "roi": 3.2, "repair_cost": 5.0, "promotes": True},
    ...     {"item_id": 2, "roi": 2.7, "repair_cost": 5.0, "entered": True},
    ...     {"item_id": 3, "roi": 9.0, "repair_cost": 5.0, "promotes": True, "vetoed": True}])
    >>> found = promote(items, Policy.from_payload(DEFAULT_PAYLOAD))
    >>> found["promoted"].tolist(), [REASONS[code] for code in found["reason"]]
    ([True, True, False], ['above', 'kept', 'vetoed'])
    """
    check_columns(items, *CANDIDATE_COLUMNS)
    edges = Prerequisites.of(prerequisites, items["item_id"])
    started = items["started"].to_numpy()
    # Who has started waits for nothing any more, and holds up nobody.
    waits = edges.of_items(~started)
    entered = items["entered"].to_numpy() & ~started
    pinned = items["pinned"].to_numpy()
    vetoed, accepted = items["vetoed"].to_numpy(), items["accepted"].to_numpy()
    teamless = items["teamless"].to_numpy()
    estimated = items["repair_cost"].to_numpy() > 0
    eligible = estimated & ~vetoed & ~accepted & ~teamless & ~started
    certain = np.full(len(items), True)
    if policy.min_confidence > 0:
        certain = items["certainty"].to_numpy() >= policy.min_confidence
    roi = items["roi"].to_numpy()
    wanted = eligible & (pinned | (items["promotes"].to_numpy() & certain))
    floor = _floor(policy)
    wanted |= eligible & entered & (roi >= floor)
    # An entry that fell stays while something promoted needs it.
    fallen = eligible & entered & ~wanted
    marginal = np.where(estimated, roi, np.nan)
    above = items["promotes"].to_numpy().copy()
    bundle = np.full(len(items), -1)
    bundle_roi = np.full(len(items), np.nan)
    partner, would = np.full(len(items), -1), np.full(len(items), -1)

    if scenarios is not None and len(scenarios.members):
        coupled = _Coupled(items, policy, scenarios, edges, eligible, certain, wanted, fallen)
        coupled.doubts = doubts if policy.min_confidence > 0 else None
        wanted[coupled.positions] = coupled.decide()
        fallen[coupled.positions] = False
        bundle[coupled.positions], bundle_roi[coupled.positions] = coupled.bundles()
        left = coupled.left_out()
        marginal[coupled.positions], partner[coupled.positions], would[coupled.positions] = left
        marginal = np.where(bundle >= 0, bundle_roi, marginal)
        above[coupled.positions] = marginal[coupled.positions] > _bar(policy)
        certain[coupled.positions] = coupled.certain

    available = wanted | fallen | started
    held = waits.held_up(available)
    promoted = wanted & ~held
    promoted |= started
    fallen &= ~held
    promoted |= fallen & edges.needed_by(promoted, within=promoted | fallen)

    blocked_by = waits.first_missing(promoted, items["item_id"].to_numpy())
    choices = [
        (started, "started"),
        (promoted & pinned, "pinned"),
        (promoted & (bundle_roi > _bar(policy)), "bundle"),
        (promoted & (bundle >= 0), "bundle_kept"),
        (promoted & above, "above"),
        (promoted & (marginal >= floor), "kept"),
        (promoted, "needed"),
        (teamless, "no_team"),
        (vetoed, "vetoed"),
        (accepted, "accepted"),
        (~estimated & (pinned | (items["state"] == _NEEDS_ESTIMATE)), "needs_estimate"),
        (held & (wanted | above), "blocked"),
        ((partner >= 0) & (marginal >= np.where(entered, floor, _bar(policy))), "partner"),
        (np.isnan(marginal), "unpriced"),
        (entered, "fell"),
        (above & ~certain, "uncertain"),
    ]
    reason = np.select(
        [mask for mask, _ in choices], [_CODE[name] for _, name in choices], _CODE["below"]
    )
    return pd.DataFrame(
        {
            "item_id": items["item_id"].to_numpy(),
            "promoted": promoted,
            "marginal_roi": marginal,
            "reason": reason.astype(np.int8),
            "blocked_by": np.select(
                [reason == _CODE["blocked"], reason == _CODE["partner"]], [blocked_by, partner], -1
            ),
            "bundle": np.where(promoted, bundle, would),
            "bundle_roi": np.where(promoted, bundle_roi, np.nan),
        },
        index=items.index,
    )


class _Coupled:
    """The items that share failure scenarios, decided one after the other.

    Arrays below go by candidate: the members among the items, sorted by item id. A scenario's
    loss is linear in each member, so one slope per membership gives every marginal value.
    """

    def __init__(
        self,
        items: pd.DataFrame,
        policy: Policy,
        scenarios: Scenarios,
        edges: Prerequisites,
        eligible: _Bools,
        certain: _Bools,
        wanted: _Bools,
        fallen: _Bools,
    ) -> None:
        self.bar, self.floor = _bar(policy), _floor(policy)
        self.min_confidence = policy.min_confidence
        self.doubts: Doubts | None = None
        self.edges = edges
        self.waits = edges.of_items(~items["started"].to_numpy())
        self.loose_waits = self.waits.without_circles()
        ids = items["item_id"].to_numpy()
        member_ids = scenarios.members["item_id"].to_numpy()
        at = pd.Index(ids).get_indexer(member_ids)
        unique = np.unique(at[at >= 0])
        self.positions = unique[np.argsort(ids[unique], kind="stable")]
        self.item_ids = ids[self.positions]
        # -1 for members that are no open item: what is not repaired of them stays as it is.
        self.candidate = pd.Index(self.item_ids).get_indexer(member_ids)
        self.eligible = eligible[self.positions]
        self.certain = certain[self.positions]
        # With doubts: whether it is certain of what it saves as things are now.
        self.checked = np.zeros(len(self.positions), dtype=bool)
        self.group_certain: dict[int, bool] = {}
        self.pinned = items["pinned"].to_numpy()[self.positions]
        self.started = items["started"].to_numpy()[self.positions]
        self.entered = items["entered"].to_numpy()[self.positions] & ~self.started
        cost = items["repair_cost"].to_numpy()[self.positions]
        self.cost = np.where(cost > 0, cost, np.nan)
        holds_up = np.zeros(len(items), dtype=bool)
        holds_up[edges.needs] = True
        self.holds_up = holds_up[self.positions]
        own = items["own_benefit"].to_numpy()[self.positions]
        self.own = np.nan_to_num(own)
        # What the prerequisites may count on: the others, and members once they are chosen. An
        # entry that fell does not keep what it needs.
        self.others_standing = wanted | items["started"].to_numpy()
        self.others_standing[self.positions] = False
        self.others = self.others_standing | fallen
        self.others[self.positions] = False

        self.scenarios = scenarios
        self.parts = [scenarios.one(n) for n in range(len(scenarios.scenario_ids))]
        bounds = np.searchsorted(scenarios.scenario, np.arange(len(self.parts) + 1))
        self.rows = [slice(first, last) for first, last in pairwise(bounds)]
        known = self.candidate >= 0
        order = np.argsort(self.candidate[known], kind="stable")
        member_rows = np.flatnonzero(known)[order]
        cuts = np.searchsorted(self.candidate[member_rows], np.arange(1, len(self.item_ids)))
        self.memberships = np.split(member_rows, cuts)
        known_loss = ~np.isnan(scenarios.loss_per_year)
        self.priced = ~np.isnan(own)
        self.priced[self.candidate[known & known_loss[scenarios.scenario]]] = True
        self.groups = self._groups()
        at = np.full(len(items), -1)
        at[self.positions] = np.arange(len(self.positions))
        circles = [at[circle] for circle in edges.circles()]
        self.circles = [circle[circle >= 0] for circle in circles]
        self.groups_of: dict[int, list[int]] = {}
        for number, group in enumerate(self.groups):
            for scenario in {int(s) for m in group for s in self._scenarios_of(int(m))}:
                self.groups_of.setdefault(scenario, []).append(number)

    def _groups(self) -> list[_Rows]:
        """Collect the candidates of each alternative group that has several."""
        members = self.scenarios.members
        rows = np.flatnonzero((members["role"] == _ALTERNATIVE) & ~members["repaired"])
        factor = self.scenarios.factor[rows]
        groups = []
        for part in np.split(rows, np.flatnonzero(np.diff(factor)) + 1):
            candidates = self.candidate[part]
            # A member that nobody can repair keeps the group alive: no bundle helps.
            if len(part) > 1 and (candidates >= 0).all():
                groups.append(candidates)
        return groups

    def _scenarios_of(self, candidate: int) -> _Rows:
        return self.scenarios.scenario[self.memberships[candidate]]

    def decide(self) -> _Bools:
        """Choose the candidates that belong into the backlog; the started are not among them."""
        excluded = np.zeros(len(self.positions), dtype=bool)
        while True:
            self._start(excluded)
            self._settle(excluded)
            # Items that need each other do not hold each other up while they are being chosen;
            # a circle that did not make it as a whole goes out as a whole.
            available = self._available()
            held = self.waits.held_up(available)[self.positions] & self.chosen
            if not held.any():
                return self.chosen
            excluded |= held

    def _start(self, excluded: _Bools) -> None:
        self.excluded = excluded
        self.chosen = self.eligible & (self.entered | self.pinned) & ~excluded
        held = self.loose_waits.held_up(self._available())[self.positions]
        while (self.chosen & held).any():
            self.chosen &= ~held
            held = self.loose_waits.held_up(self._available())[self.positions]
        self.held = held
        self.x = self.scenarios.start()
        done = np.append(self.chosen | self.started, False)[self.candidate]
        self.x[done] = 1.0 - self.scenarios.effectiveness[done]
        self.slopes = np.zeros(len(self.x))
        self.saving = np.zeros(len(self.positions))
        self.group_roi = np.full(len(self.groups), np.nan)
        self.group_complete = np.zeros(len(self.groups), dtype=bool)
        for scenario in range(len(self.parts)):
            self._refresh_slopes(scenario)
        for candidate in range(len(self.positions)):
            self._refresh_saving(candidate)
        self._refresh_groups(range(len(self.groups)))

    def _settle(self, excluded: _Bools) -> None:
        """Demote and promote, one at a time, until neither is due."""
        while len(self.positions) and (self._demote_one() or self._promote_one(excluded)):
            pass

    def _demote_one(self) -> bool:
        roi = self.marginal_roi()
        free = self.chosen & ~self.pinned
        # NaN is no ROI any more: the price is gone, so the entry goes back.
        is_low = free & ~(roi >= self.floor)
        low = np.flatnonzero(is_low)
        # The lowest first; of equal ones the one with the higher id.
        value = np.round(np.nan_to_num(roi[low], nan=-np.inf), 9)
        low = low[np.lexsort((-self.item_ids[low], value))]
        leaving = list(low[:, None])
        falling = self.group_complete & (self.group_roi < self.floor)
        leaving += [group[free[group]] for group in compress(self.groups, falling)]
        # What needs each other is never free of each other; it goes together.
        leaving += [
            circle
            for circle in self.circles
            if len(circle) > 1 and is_low[circle].all() and self._joint_roi(circle) < self.floor
        ]
        for candidates in leaving:
            if not self._is_needed(candidates):
                self._set(candidates, chosen=False)
                return True
        return False

    def _promote_one(self, excluded: _Bools) -> bool:
        """Promote the item or the group with the highest marginal ROI, if it is above the bar."""
        open_ = self.eligible & ~self.chosen & ~self.held & ~excluded
        roi = self.marginal_roi()
        self._check(open_ & ~self.entered & (roi > self.bar))
        # An entry that fell off may come back over the lower bar: it was in already.
        over = np.where(self.entered, roi >= self.floor, self.certain & (roi > self.bar))
        roi = np.where(open_ & over, roi, -np.inf)
        roi[open_ & self.pinned] = np.inf  # held up until now
        over = ~self.group_complete & (self.group_roi > self.bar)
        group_roi = np.where(over, self.group_roi, -np.inf)
        while True:
            # Of equal ones the first is the one with the lowest id; single items before groups.
            best = _highest(roi)
            group = _highest(group_roi)
            single = group < 0 or roi[best] >= group_roi[group] * (1.0 - _NOISE)
            if (roi[best] if single else group_roi[group]) == -np.inf:
                return False
            joining = np.array([best]) if single else self._outside(group)
            if single or (bool(open_[joining].all()) and self._is_certain(group, joining)):
                self._set(joining, chosen=True)
                return True
            group_roi[group] = -np.inf

    def _check(self, candidates: _Bools) -> None:
        """Say of these whether it is certain enough what they return as things are now."""
        asked = np.flatnonzero(candidates & ~self.checked)
        if self.doubts is None or not len(asked):
            return
        rows = np.concatenate([self.memberships[n] for n in asked])
        savings = pd.DataFrame(
            {
                "item_id": self.item_ids[self.candidate[rows]],
                "scenario": self.scenarios.scenario[rows],
                "saving": self.scenarios.effectiveness[rows] * self.slopes[rows],
            }
        )
        found = self.doubts.certainty(savings, self.scenarios)
        self.certain[asked] = found >= self.min_confidence
        self.checked[asked] = True

    def _is_certain(self, group: int, joining: _Rows) -> bool:
        """Whether it is certain enough what these return together, by what all of them rest on."""
        if self.doubts is None:
            return bool(self.certain[joining].all())
        if group not in self.group_certain:
            saved = {at: saving for at, saving in self._saved(joining).items() if saving > 0}
            savings = pd.DataFrame({"scenario": list(saved), "saving": list(saved.values())})
            savings = savings.astype({"scenario": "int64", "saving": "float64"})
            found = self.doubts.together(self.item_ids[joining], savings, self.scenarios)
            self.group_certain[group] = found >= self.min_confidence
        return self.group_certain[group]

    def _outside(self, group: int) -> _Rows:
        members = self.groups[group]
        return members[~(self.chosen | self.started)[members]]

    def _set(self, candidates: _Rows, *, chosen: bool) -> None:
        """Move candidates in or out, and refresh what this changes."""
        self.chosen[candidates] = chosen
        rows = np.concatenate([self.memberships[n] for n in candidates])
        self.x[rows] = 1.0 - self.scenarios.effectiveness[rows] if chosen else 1.0
        touched = {int(s) for s in self.scenarios.scenario[rows]}
        for scenario in touched:
            self._refresh_slopes(scenario)
        near = np.concatenate([self.candidate[self.rows[s]] for s in touched])
        for candidate in np.unique(near[near >= 0]):
            self._refresh_saving(int(candidate))
        self._refresh_groups(sorted({g for s in touched for g in self.groups_of.get(s, ())}))
        if self.holds_up[candidates].any():
            self.held = self.loose_waits.held_up(self._available())[self.positions]

    def _refresh_slopes(self, scenario: int) -> None:
        rows = self.rows[scenario]
        # A scenario whose loss nobody knows adds nothing to what is known.
        self.slopes[rows] = np.nan_to_num(self.parts[scenario].slopes(self.x[rows]))

    def _refresh_saving(self, candidate: int) -> None:
        rows = self.memberships[candidate]
        self.checked[candidate] = False
        self.saving[candidate] = self.scenarios.effectiveness[rows] @ self.slopes[rows]

    def _refresh_groups(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.group_certain.pop(number, None)
            group = self.groups[number]
            outside = self._outside(number)
            self.group_complete[number] = not len(outside)
            # Complete: what taking it out again would lose. Else: what completing it would save.
            moving = outside if len(outside) else group[(self.chosen & ~self.pinned)[group]]
            self.group_roi[number] = self._joint_roi(moving) if len(moving) > 1 else np.nan

    def _joint_roi(self, candidates: _Rows) -> float:
        saving = sum(self._saved(candidates).values())
        own = self.own[candidates].sum()
        return float((own + saving) / self.cost[candidates].sum())

    def _saved(self, candidates: _Rows) -> dict[int, float]:
        """Give what these save together of each of their scenarios, currency / year."""
        rows = np.concatenate([self.memberships[n] for n in candidates])
        saved = {}
        for scenario in {int(s) for s in self.scenarios.scenario[rows]}:
            part = self.rows[scenario]
            inside = rows[(rows >= part.start) & (rows < part.stop)] - part.start
            one = self.parts[scenario]
            saving = one.loss_per_year[0] * one.together(self.x[part], inside)
            saved[scenario] = float(np.nan_to_num(saving))
        return saved

    def marginal_roi(self) -> _Floats:
        """Give what each candidate returns given all that is chosen; NaN if nothing is priced."""
        benefit = self.own + self.saving
        roi: _Floats = np.where(self.priced, benefit, np.nan) / self.cost
        return roi

    def bundles(self) -> tuple[_Rows, _Floats]:
        """Name the group of each chosen candidate that is in only because its group is.

        Beside it what the group returns together, NaN for none.
        """
        found = np.full(len(self.positions), -1)
        roi = np.full(len(self.positions), np.nan)
        alone = self.own / self.cost > self.bar
        for number, group in enumerate(self.groups):
            together = group[(self.chosen & ~self.pinned)[group]]
            if len(together) > 1 and self.group_complete[number]:
                joined = together[~alone[together] & (found[together] < 0)]
                found[joined] = self.item_ids[together].min()
                roi[joined] = self.group_roi[number]
        return found, roi

    def left_out(self) -> tuple[_Floats, _Rows, _Rows]:
        """Give what decides about each candidate by itself, or with the rest of its open group.

        Beside it who of that cannot be promoted, -1 for nobody; and the lowest id of that rest.
        """
        roi = self.marginal_roi()
        partner, bundle = np.full(len(self.positions), -1), np.full(len(self.positions), -1)
        able = self.eligible & ~self.held & ~self.excluded
        for number, group_roi in enumerate(self.group_roi):
            outside = self._outside(number)
            if not len(outside):
                continue
            led = outside[~(roi[outside] >= group_roi)] if group_roi > 0 else outside[:0]
            roi[led] = group_roi
            if len(outside) > 1:
                bundle[led] = self.item_ids[outside].min()
            missing = outside[~able[outside]]
            for candidate in led:
                others = missing[missing != candidate]
                partner[candidate] = self.item_ids[others].min(initial=2**62)
            partner[partner == 2**62] = -1
            if group_roi > self.bar and not len(missing):
                self.certain[led] = self._is_certain(number, outside)
        return roi, partner, bundle

    def _available(self) -> _Bools:
        available = self.others.copy()
        available[self.positions] = self.chosen | self.started
        return available

    def _is_needed(self, candidates: _Rows) -> bool:
        """Whether something else that stays needs one of these, directly or through others."""
        if not self.holds_up[candidates].any():
            return False
        available = self._available()
        stays = self.others_standing.copy()
        stays[self.positions] = self.chosen | self.started
        stays[self.positions[candidates]] = False
        stays &= ~self.waits.held_up(available)
        needed = self.edges.needed_by(stays, within=available)
        return bool(needed[self.positions[candidates]].any())


def _highest(roi: _Floats) -> int:
    """Find the highest ROI; of equal ones, but for noise, the first; -1 for none."""
    return int(np.argmax(roi >= roi.max() * (1.0 - _NOISE))) if len(roi) else -1


def _bar(policy: Policy) -> float:
    """Give what a marginal ROI has to be above."""
    return policy.threshold * (1.0 + _NOISE)


def _floor(policy: Policy) -> float:
    """Give what the marginal ROI of an entry must not be below."""
    return policy.demote_below * (1.0 - _NOISE)
