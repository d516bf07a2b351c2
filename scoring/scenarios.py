"""Failure scenarios: what several debts cause together, and whose part in it is how large.

A scenario loses `trigger_rate x loss` a year while all its factors hold. A gate is a factor of
one member, an alternative group a factor that one open member keeps alive, and all amplifiers
together are one factor. With p = 1 for gates and alternatives they are the same thing:

    v(x) = trigger_rate x loss x product over factors of (1 - product over members of (1 - p x))

where x is 1 for an open debt and 1 - effectiveness for a repaired one. v is linear in each x, so
the value of one repair is effectiveness x (dv/dx), everything else as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import MEMBER_COLUMNS, POINTS, ROLES, SCENARIO_COLUMNS, check_columns
from .errors import ScoringError
from .pert import pert_mean, three_points
from .segments import products, products_of_others, starts_of

_GATE, _ALTERNATIVE, _AMPLIFIER = range(len(ROLES))
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenarios:
    """Scenarios made ready for arithmetic: members sorted by scenario and factor.

    `members` has one row per member in that order; all arrays of members below follow it.
    Build it with `Scenarios.of`.
    """

    members: pd.DataFrame
    scenario_ids: NDArray[np.int64]
    trigger_rate: _Floats = field(repr=False)
    loss_points: _Floats = field(repr=False)

    @classmethod
    def of(cls, scenarios: pd.DataFrame, members: pd.DataFrame) -> Self:
        """Check the frames and sort them.

        Parameters
        ----------
        scenarios : one row per scenario, SCENARIO_COLUMNS: trigger_rate (events / year) and
            loss_low, loss_likely, loss_high (currency / event)
        members : one row per member, MEMBER_COLUMNS: role (code into ROLES), group (number of
            the alternative group), probability (of an amplifier, 0..1), effectiveness (0..1 of
            the member that its repair removes, NaN is 1), repaired (it counts as done)

        Raises
        ------
        ScoringError : a value out of range, a member of no scenario or twice in one, an
            amplifier without probability.
        """
        check_columns(scenarios, *SCENARIO_COLUMNS)
        check_columns(members, *MEMBER_COLUMNS)
        _check_members(scenarios, members)
        ids = np.sort(scenarios["scenario_id"].to_numpy())
        rows = scenarios.set_index("scenario_id").loc[ids]
        role = members["role"].to_numpy()
        amplifies = role == _AMPLIFIER
        # A gate is a factor of its own; its item tells it from the other gates.
        within = np.where(role == _GATE, members["item_id"], 0)
        within = np.where(role == _ALTERNATIVE, members["group"], within)
        chance = np.where(amplifies, members["probability"], 1.0)
        table = pd.DataFrame(
            {
                "scenario": np.searchsorted(ids, members["scenario_id"]),
                "item_id": members["item_id"],
                "role": role,
                "within": within,
                "chance": chance,
                "effectiveness": members["effectiveness"].fillna(1.0),
                "repaired": members["repaired"],
            }
        ).sort_values(["scenario", "role", "within", "item_id"], ignore_index=True)
        return cls(
            members=table,
            scenario_ids=ids,
            trigger_rate=rows["trigger_rate"].to_numpy(),
            loss_points=np.column_stack(three_points(rows, "loss")),
        )

    @cached_property
    def loss_per_year(self) -> _Floats:
        """Give what each scenario loses while all its factors hold, currency / year."""
        loss: _Floats = self.trigger_rate * pert_mean(*self.loss_points.T)
        return loss

    @cached_property
    def scenario(self) -> NDArray[np.int64]:
        """Position of each member's scenario."""
        return self.members["scenario"].to_numpy()

    @cached_property
    def chance(self) -> _Floats:
        return self.members["chance"].to_numpy()

    @cached_property
    def effectiveness(self) -> _Floats:
        return self.members["effectiveness"].to_numpy()

    @cached_property
    def factor(self) -> NDArray[np.int64]:
        """Number of each member's factor, rising along the members."""
        keys = self.members[["scenario", "role", "within"]].to_numpy()
        starts = np.ones(len(keys), dtype=np.int64)
        starts[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        return np.cumsum(starts) - 1

    @cached_property
    def scenario_of_factor(self) -> NDArray[np.int64]:
        return self.scenario[starts_of(self.factor)]

    def one(self, position: int) -> Self:
        """Take out one scenario, with its members in the same order."""
        first, last = np.searchsorted(self.scenario, [position, position + 1])
        part = slice(position, position + 1)
        return type(self)(
            members=self.members.iloc[first:last].assign(scenario=0),
            scenario_ids=self.scenario_ids[part],
            trigger_rate=self.trigger_rate[part],
            loss_points=self.loss_points[part],
        )

    def start(self) -> _Floats:
        """Give x of each member as things are: 1 while open, 1 - effectiveness once repaired."""
        repaired = self.members["repaired"].to_numpy()
        return np.where(repaired, 1.0 - self.effectiveness, 1.0)

    def values(self, x: _Floats) -> _Floats:
        """Give the loss (currency / year) of each scenario at x; NaN where a loss is unknown.

        Several points at once, one per column of x, give one column of losses each.
        """
        column = (slice(None), *[None] * (x.ndim - 1))
        alive = 1.0 - products(1.0 - self.chance[column] * x, starts_of(self.factor))
        loss = (
            np.repeat(self.loss_per_year[column], x.shape[1], axis=1)
            if x.ndim > 1
            else (self.loss_per_year.copy())
        )
        starts = starts_of(self.scenario_of_factor)
        loss[self.scenario_of_factor[starts]] *= products(alive, starts)
        return loss

    def slopes(self, x: _Floats) -> _Floats:
        """Give dv/dx (currency / year) for each member at x.

        Several points at once, one per column of x, give one column of slopes each.
        """
        column = (slice(None), *[None] * (x.ndim - 1))
        slope: _Floats = self.loss_per_year[self.scenario][column] * self.parts(x)
        return slope

    def parts(self, x: _Floats) -> _Floats:
        """Give the slopes at x for a loss of 1, whatever the loss is, known or not."""
        column = (slice(None), *[None] * (x.ndim - 1))
        spared = 1.0 - self.chance[column] * x
        starts = starts_of(self.factor)
        alive = 1.0 - products(spared, starts)
        others = products_of_others(alive, self.scenario_of_factor)[self.factor]
        inner = self.chance[column] * products_of_others(spared, self.factor)
        part: _Floats = others * inner
        return part

    def together(self, x: _Floats, rows: NDArray[np.int64]) -> float:
        """Give what part of the loss goes at x if these members are repaired together.

        The scenario is the only one here (see `one`).
        """
        effect = self.effectiveness[rows]
        # One after the other, a column each: no step takes a small part from a large loss.
        steps = np.repeat(x[:, None], len(rows), axis=1)
        steps[rows] = np.where(np.tri(len(rows), k=-1).T > 0, 1.0 - effect[:, None], 1.0)
        return float(effect @ np.diagonal(self.parts(steps)[rows]))


def _check_members(scenarios: pd.DataFrame, members: pd.DataFrame) -> None:
    ids = scenarios["scenario_id"]
    if ids.duplicated().any():
        raise ScoringError("scenario_id", f"{ids[ids.duplicated()].iloc[0]} comes twice")
    lost = ~members["scenario_id"].isin(ids)
    if lost.any():
        raise ScoringError("scenario_id", "is of no scenario", rows=members.index[lost])
    # In two roles at once the loss would not be linear in the debt any more.
    twice = members.duplicated(["scenario_id", "item_id"])
    if twice.any():
        raise ScoringError(
            "item_id", "is twice in a scenario", rows=members.index[twice], bound="one role each"
        )
    silent = (members["role"] == _AMPLIFIER) & members["probability"].isna()
    if silent.any():
        raise ScoringError(
            "probability", "of an amplifier is missing", rows=members.index[silent], bound="0..1"
        )


def attribute(scenarios: Scenarios) -> pd.DataFrame:
    """Give each open member its Shapley share of its scenario's loss as things are.

    Exact: the share is the integral over t from 0 to 1 of dv/dx_i at x = (t, ..., t), Owen's
    multilinear extension, and a Gauss-Legendre rule with n/2 nodes integrates that polynomial of
    degree n - 1 without error. A repaired member is no player; what it still contributes stays
    with the others.

    Source: G. Owen, "Multilinear extensions of games", Management Science 18 (1972).

    Returns
    -------
    One row per open member: scenario_id, item_id, role, effectiveness and loss_share_low,
    loss_share_likely, loss_share_high (currency / year). Per scenario the shares add up to the
    loss, less what the repaired ones would still cause if no other were open. These are rows for
    the `shares` of `score`.

    Examples
    --------
    Any one of three debts sustains a loss of 90,000 a year:

    >>> from scoring import MEMBER_COLUMNS, SCENARIO_COLUMNS, make_frame
    >>> scenarios = make_frame(
    ...     SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 1.0, "loss": 90000.0}])
    >>> members = make_frame(
    ...     MEMBER_COLUMNS, [{"scenario_id": 1, "item_id": n, "role": 1} for n in (7, 8, 9)])
    >>> attribute(Scenarios.of(scenarios, members))["loss_share_likely"].round(2).tolist()
    [30000.0, 30000.0, 30000.0]
    """
    members = scenarios.members
    parts = np.zeros(len(members))
    open_ = ~members["repaired"].to_numpy()
    players = np.bincount(
        scenarios.scenario, weights=open_, minlength=len(scenarios.scenario_ids)
    ).astype(np.int64)
    # Scenarios of about one size share their nodes, so that a large one does not slow the others.
    nodes = 2 ** np.ceil(np.log2(np.maximum(1, (players + 1) // 2))).astype(np.int64)
    for count in np.unique(nodes):
        chosen = nodes[scenarios.scenario] == count
        parts[chosen] = _owen_integrals(scenarios, chosen, open_[chosen], int(count))
    return _shares(scenarios, parts)


def _shares(scenarios: Scenarios, parts: _Floats) -> pd.DataFrame:
    """Give each open member its part of the three points of the loss; SHARE_COLUMNS and more."""
    open_ = ~scenarios.members["repaired"].to_numpy()
    found = scenarios.members.loc[open_, ["item_id", "role", "effectiveness"]]
    losses = scenarios.trigger_rate[:, None] * scenarios.loss_points
    points = losses[scenarios.scenario[open_]] * parts[open_, None]
    return found.assign(
        scenario_id=scenarios.scenario_ids[scenarios.scenario[open_]],
        **{f"loss_share_{point}": points[:, n] for n, point in enumerate(POINTS)},
    ).reset_index(drop=True)


def attribute_given(scenarios: Scenarios, planned: Iterable[int]) -> pd.DataFrame:
    """Give each open member what goes with it once the planned repairs are done.

    Scored with these instead of the Shapley shares, an item has its marginal ROI, by which it is
    promoted. They add up to nothing.

    Parameters
    ----------
    planned : item ids that are going to be repaired

    Returns
    -------
    As `attribute`.

    Examples
    --------
    Two debts sustain a loss of 90,000 a year together; with one of them repaired half of the way:

    >>> from scoring import MEMBER_COLUMNS, SCENARIO_COLUMNS, make_frame
    >>> scenarios = make_frame(
    ...     SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 1.0, "loss": 90000.0}])
    >>> members = make_frame(MEMBER_COLUMNS, [
    ...     {"scenario_id": 1, "item_id": n, "role": 0, "effectiveness": 0.5} for n in (7, 8)])
    >>> found = attribute_given(Scenarios.of(scenarios, members), planned=[7])
    >>> found["loss_share_likely"].tolist()
    [90000.0, 45000.0]
    """
    return _shares(scenarios, scenarios.parts(_once_repaired(scenarios, planned)))


def _once_repaired(scenarios: Scenarios, planned: Iterable[int]) -> _Floats:
    rows = scenarios.members["item_id"].isin(list(planned)).to_numpy()
    return np.where(rows, 1.0 - scenarios.effectiveness, scenarios.start())


def _owen_integrals(
    scenarios: Scenarios, chosen: NDArray[np.bool_], open_: NDArray[np.bool_], count: int
) -> _Floats:
    """Integrate the slopes of the chosen members along the diagonal, for a loss of 1."""
    node, weight = np.polynomial.legendre.leggauss(count)
    node, weight = (node + 1.0) / 2.0, weight / 2.0
    chance = scenarios.chance[chosen, None]
    x = np.where(open_[:, None], node, 1.0 - scenarios.effectiveness[chosen, None])
    spared = 1.0 - chance * x
    _, factor = np.unique(scenarios.factor[chosen], return_inverse=True)
    alive = 1.0 - products(spared, starts_of(factor))
    of_factor = scenarios.scenario[chosen][starts_of(factor)]
    slope = products_of_others(alive, of_factor)[factor]
    slope *= chance * products_of_others(spared, factor)
    integral: _Floats = slope @ weight
    return integral


def removal_values(scenarios: Scenarios) -> pd.DataFrame:
    """Say what each open member is worth if it alone goes. Never to be summed.

    Returns
    -------
    One row per open member: scenario_id, item_id, role, removal (currency / year, if the debt were
    not there at all) and saving (currency / year, of its repair: effectiveness x removal).
    """
    return marginal_values(scenarios, planned=())


def marginal_values(scenarios: Scenarios, planned: Iterable[int]) -> pd.DataFrame:
    """Say what each open member is worth once the planned repairs are done.

    Parameters
    ----------
    planned : item ids that are going to be repaired

    Returns
    -------
    One row per open member, as removal_values; for a planned one, what it is worth given the
    others.

    Examples
    --------
    >>> from scoring import MEMBER_COLUMNS, SCENARIO_COLUMNS, make_frame
    >>> scenarios = Scenarios.of(
    ...     make_frame(SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 1.5, "loss": 100.0}]),
    ...     make_frame(MEMBER_COLUMNS, [
    ...         {"scenario_id": 1, "item_id": 7, "role": 0, "effectiveness": 0.8},
    ...         {"scenario_id": 1, "item_id": 8, "role": 0, "effectiveness": 0.5}]))
    >>> marginal_values(scenarios, planned=[7])["saving"].round(2).tolist()
    [120.0, 15.0]
    """
    members = scenarios.members
    removal = scenarios.slopes(_once_repaired(scenarios, planned))
    found = members.assign(
        scenario_id=scenarios.scenario_ids[scenarios.scenario],
        removal=removal,
        saving=scenarios.effectiveness * removal,
    )
    columns = ["scenario_id", "item_id", "role", "removal", "saving"]
    return found.loc[~members["repaired"], columns].reset_index(drop=True)
