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
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import CANDIDATE_COLUMNS, ROLES, STATES, check_columns
from .policy import Policy
from .prerequisites import Prerequisites
from .roi import DECISION_MARGIN, exact, exact_mean
from .scenarios import Scenarios

# Why an item is in the backlog, or not; a code into this tuple.
REASONS = (
    "started",  # in: someone works on it
    "above",  # in: its marginal ROI is above the threshold
    "bundle",  # in: with the rest of its alternative group it is above
    "pinned",  # in: pinned by a person
    "kept",  # in already, and not below demote_below
    "needed",  # in already, and something promoted needs it
    "below",  # out: not above the threshold
    "fell",  # out: was in, and fell below demote_below
    "vetoed",
    "accepted",
    "needs_estimate",
    "unpriced",
    "blocked",  # out: needs an open item that is not promoted
    "uncertain",  # out: above, but not with the certainty that the policy asks for
)
_CODE = {reason: np.int8(code) for code, reason in enumerate(REASONS)}
_NEEDS_ESTIMATE = STATES.index("needs_estimate")
_ALTERNATIVE = ROLES.index("alternative")
_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]
_Rows = NDArray[np.int64]


def promote(
    items: pd.DataFrame,
    policy: Policy,
    prerequisites: pd.DataFrame | None = None,
    scenarios: Scenarios | None = None,
) -> pd.DataFrame:
    """Decide which items belong into the backlog.

    Parameters
    ----------
    items : all open items, CANDIDATE_COLUMNS: from `score` item_id, state, roi, promotes,
        own_benefit (currency / year), repair_cost (currency); certainty (probability of an ROI
        above the threshold, NaN if not computed); and flags: vetoed, accepted, pinned, entered
        (is in the backlog), started (someone works on it)
    policy : threshold, demote_below, min_confidence
    prerequisites : item_id needs needs_id first; what is not among `items` is done
    scenarios : failure scenarios; an item that is started counts as repaired

    Returns
    -------
    One row per item, with the index of `items`:
        promoted (bool) : belongs into the backlog; newly so where not entered, and an entered one
            that is not promoted goes back
        marginal_roi (ratio) : what the repair returns given all the others that are promoted;
            the ROI for an item in no scenario
        reason : code into REASONS
        blocked_by : item id of the prerequisite that is missing, -1 for none
        bundle : lowest item id of the alternative group that is promoted together, -1 for none

    Never promoted: vetoed, accepted, without estimate, blocked by an open prerequisite that is
    not promoted. Pinned items are promoted whatever their ROI. Items that need each other are
    promoted together or not at all.

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
    estimated = items["repair_cost"].to_numpy() > 0
    eligible = estimated & ~vetoed & ~accepted & ~started
    certain = np.full(len(items), True)
    if policy.min_confidence > 0:
        certain = items["certainty"].to_numpy() >= policy.min_confidence
    roi = items["roi"].to_numpy()
    wanted = eligible & (pinned | (items["promotes"].to_numpy() & certain))
    wanted |= eligible & entered & (roi >= policy.demote_below)
    # An entry that fell stays while something promoted needs it.
    fallen = eligible & entered & ~wanted
    marginal = np.where(estimated, roi, np.nan)
    above = items["promotes"].to_numpy().copy()
    bundle = np.full(len(items), -1)

    if scenarios is not None and len(scenarios.members):
        coupled = _Coupled(items, policy, scenarios, edges, eligible, certain, wanted | fallen)
        wanted[coupled.positions] = coupled.decide()
        fallen[coupled.positions] = False
        marginal[coupled.positions] = coupled.marginal_roi()
        above[coupled.positions] = coupled.marginal_roi() > policy.threshold
        bundle[coupled.positions] = coupled.bundles()

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
        (promoted & (bundle >= 0), "bundle"),
        (promoted & above, "above"),
        (promoted & (marginal >= policy.demote_below), "kept"),
        (promoted, "needed"),
        (vetoed, "vetoed"),
        (accepted, "accepted"),
        (~estimated & (pinned | (items["state"] == _NEEDS_ESTIMATE)), "needs_estimate"),
        (held & (wanted | above), "blocked"),
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
            "blocked_by": np.where(reason == _CODE["blocked"], blocked_by, -1),
            "bundle": np.where(promoted, bundle, -1),
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
        available: _Bools,
    ) -> None:
        self.policy = policy
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
        self.pinned = items["pinned"].to_numpy()[self.positions]
        self.started = items["started"].to_numpy()[self.positions]
        self.entered = items["entered"].to_numpy()[self.positions] & ~self.started
        cost = items["repair_cost"].to_numpy()[self.positions]
        self.cost = np.where(cost > 0, cost, np.nan)
        holds_up = np.zeros(len(items), dtype=bool)
        holds_up[self.waits.needs] = True
        self.holds_up = holds_up[self.positions]
        own = items["own_benefit"].to_numpy()[self.positions]
        self.own = np.nan_to_num(own)
        # What the prerequisites may count on: the others, and members once they are chosen.
        self.others = available | items["started"].to_numpy()
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
        low = np.flatnonzero(free & ~(roi >= self.policy.demote_below))
        # The lowest first; of equal ones the one with the higher id.
        for candidate in low[
            np.lexsort((-self.item_ids[low], np.nan_to_num(roi[low], nan=-np.inf)))
        ]:
            if not self._is_needed(candidate):
                self._set(np.array([candidate]), chosen=False)
                return True
        falling = self.group_complete & (self.group_roi < self.policy.demote_below)
        for number in np.flatnonzero(falling):
            leaving = self.groups[number][free[self.groups[number]]]
            if not any(map(self._is_needed, leaving)):
                self._set(leaving, chosen=False)
                return True
        return False

    def _promote_one(self, excluded: _Bools) -> bool:
        """Promote the item or the group with the highest marginal ROI, if it is above the bar."""
        open_ = self.eligible & ~self.chosen & ~self.held & ~excluded
        near = self.policy.threshold - _margin(self.policy.threshold)
        # An entry that fell off may come back over the lower bar: it was in already.
        bar = np.where(self.entered, self.policy.demote_below, near)
        roi = self.marginal_roi()
        roi = np.where(open_ & (self.certain | self.entered) & (roi >= bar), roi, -np.inf)
        roi[open_ & self.pinned] = np.inf  # held up until now
        hopeless = self.group_complete | np.isnan(self.group_roi)
        group_roi = np.where(hopeless, -np.inf, self.group_roi)
        while True:
            # Of equal ones the first is the one with the lowest id; single items before groups.
            best = int(np.argmax(roi)) if len(roi) else -1
            group = int(np.argmax(group_roi)) if len(group_roi) else -1
            single = group < 0 or roi[best] >= group_roi[group]
            value = float(roi[best] if single else group_roi[group])
            if value < (self.policy.demote_below if single else near):
                return False
            joining = np.array([best]) if single else self._outside(group)
            fits = single or bool((open_ & self.certain)[joining].all())
            entered = single and bool(self.entered[best])
            if fits and (entered or self._is_above(joining, value)):
                self._set(joining, chosen=True)
                return True
            (roi if single else group_roi)[best if single else group] = -np.inf

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
        self.saving[candidate] = self.scenarios.effectiveness[rows] @ self.slopes[rows]

    def _refresh_groups(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            group = self.groups[number]
            outside = self._outside(number)
            self.group_complete[number] = not len(outside)
            # Complete: what taking it out again would lose. Else: what completing it would save.
            moving = outside if len(outside) else group[(self.chosen & ~self.pinned)[group]]
            self.group_roi[number] = self._joint_roi(moving) if len(moving) > 1 else np.nan

    def _joint_roi(self, candidates: _Rows) -> float:
        rows = np.concatenate([self.memberships[n] for n in candidates])
        saving = 0.0
        for scenario in {int(s) for s in self.scenarios.scenario[rows]}:
            part = self.rows[scenario]
            inside = rows[(rows >= part.start) & (rows < part.stop)] - part.start
            open_, done = self.x[part].copy(), self.x[part].copy()
            open_[inside] = 1.0
            done[inside] = 1.0 - self.scenarios.effectiveness[part][inside]
            lost = self.parts[scenario].values(open_) - self.parts[scenario].values(done)
            saving += float(np.nan_to_num(lost[0]))
        own = self.own[candidates].sum()
        return float((own + saving) / self.cost[candidates].sum())

    def marginal_roi(self) -> _Floats:
        """Give what each candidate returns given all that is chosen; NaN if nothing is priced."""
        benefit = self.own + self.saving
        roi: _Floats = np.where(self.priced, benefit, np.nan) / self.cost
        return roi

    def bundles(self) -> _Rows:
        """Name the group of each chosen candidate that is in only because its group is."""
        found = np.full(len(self.positions), -1)
        alone = self.own / self.cost > self.policy.threshold
        for group in self.groups:
            together = group[self.chosen[group]]
            if len(together) > 1 and (self.chosen | self.started)[group].all():
                found[together[~alone[together]]] = self.item_ids[together].min()
        return found

    def _available(self) -> _Bools:
        available = self.others.copy()
        available[self.positions] = self.chosen | self.started
        return available

    def _is_needed(self, candidate: int) -> bool:
        """Whether something else that stays in the backlog needs this one."""
        position = self.positions[candidate]
        dependents = self.edges.item[self.edges.needs == position]
        if not len(dependents):
            return False
        available = self._available()
        return bool((available & ~self.waits.held_up(available))[dependents].any())

    def _is_above(self, candidates: _Rows, roi: float) -> bool:
        """Decide strictly; within the margin of floats, in exact fractions."""
        threshold = self.policy.threshold
        if abs(roi - threshold) > _margin(threshold):
            return roi > threshold
        benefit = sum((_as_typed(self.own[n]) for n in candidates), Fraction(0))
        rows = np.concatenate([self.memberships[n] for n in candidates])
        for scenario in {int(s) for s in self.scenarios.scenario[rows]}:
            benefit += self._exact_saving(scenario, set(rows.tolist()))
        cost = sum((_as_typed(self.cost[n]) for n in candidates), Fraction(0))
        return benefit > exact(threshold) * cost

    def _exact_saving(self, scenario: int, moving: set[int]) -> Fraction:
        """What a scenario loses less once these rows are repaired, in exact arithmetic."""
        points = self.scenarios.loss_points[scenario]
        if np.isnan(points[1]):
            return Fraction(0)
        if np.isnan(points).any():
            points = np.full(3, points[1])
        part = self.rows[scenario]
        losses = []
        for repaired in (False, True):
            loss = exact(self.scenarios.trigger_rate[scenario]) * exact_mean(*points)
            spared: dict[int, Fraction] = {}
            for row in range(part.start, part.stop):
                effect = exact(self.scenarios.effectiveness[row])
                is_done = repaired if row in moving else self.x[row] != 1.0
                x = 1 - effect if is_done else Fraction(1)
                factor = int(self.scenarios.factor[row])
                spared.setdefault(factor, Fraction(1))
                spared[factor] *= 1 - exact(self.scenarios.chance[row]) * x
            for chance in spared.values():
                loss *= 1 - chance
            losses.append(loss)
        return losses[0] - losses[1]


def _margin(threshold: float) -> float:
    return DECISION_MARGIN * max(1.0, threshold)


def _as_typed(amount: float) -> Fraction:
    """Read a sum of floats as the decimal it stands for: twelve digits hold no rounding noise."""
    with localcontext(prec=12):
        return Fraction(+Decimal(repr(float(amount))))
