"""What pays only together: a whole alternative group is one candidate of promotion.

While one member of the group is open, the repair of the others saves nothing. So what decides
about each of them is what they return together for what they cost together.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import ROLES
from .scenarios import Scenarios, marginal_values

_ALTERNATIVE = ROLES.index("alternative")


@dataclass(frozen=True)
class Bundle:
    """The members of an alternative group that are decided together.

    parts : by scenario (position), what part of its loss goes with them
    roi (ratio) : what they return together, all else as it is planned
    """

    item_ids: tuple[int, ...]
    parts: dict[int, float]
    roi: float


def bundles(scenarios: Scenarios, debts: pd.DataFrame, threshold: float) -> dict[int, Bundle]:
    """Name the bundle that decides about each debt, if it is one that does, by item id.

    Parameters
    ----------
    debts : open debts by item id: own_benefit (currency / year, without scenarios), repair_cost
        (currency), planned (flag: promoted or started), fixed (flag: planned whatever it returns)
    threshold : of the policy; who is above it by its own benefit alone needs no other

    Of a group that is planned as a whole the bundle is who is not fixed; of another one who is
    not planned, where that returns more than the repair of the debt alone.

    Examples
    --------
    Any one of two debts sustains a loss of 90,000 a year:

    >>> from scoring import MEMBER_COLUMNS, SCENARIO_COLUMNS, make_frame
    >>> scenarios = make_frame(
    ...     SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 1.0, "loss": 90000.0}])
    >>> members = make_frame(
    ...     MEMBER_COLUMNS, [{"scenario_id": 1, "item_id": n, "role": 1} for n in (7, 8)])
    >>> debts = pd.DataFrame({"own_benefit": 0.0, "repair_cost": 10000.0, "planned": False,
    ...                       "fixed": False}, index=[7, 8])
    >>> found = bundles(Scenarios.of(scenarios, members), debts, threshold=3.0)
    >>> found[7].item_ids, found[7].roi
    ((7, 8), 4.5)
    """
    members = scenarios.members
    rows = np.flatnonzero((members["role"] == _ALTERNATIVE) & ~members["repaired"])
    if not len(rows):
        return {}
    item = members["item_id"].to_numpy()
    planned = debts.index[debts["planned"]]
    x = np.where(np.isin(item, planned), 1.0 - scenarios.effectiveness, scenarios.start())
    saving = marginal_values(scenarios, planned).groupby("item_id")["saving"].sum()
    own, cost = debts["own_benefit"].fillna(0.0), debts["repair_cost"]
    alone = (own + saving.reindex(debts.index).fillna(0.0)) / cost
    found: dict[int, Bundle] = {}
    for group in np.split(rows, np.flatnonzero(np.diff(scenarios.factor[rows])) + 1):
        ids = np.sort(item[group])
        # A member that nobody can repair keeps the group alive: no bundle helps.
        if len(ids) < 2 or not np.isin(ids, debts.index).all():
            continue
        mine = debts.loc[ids]
        complete = bool(mine["planned"].all())
        moving = ids[(~mine["fixed"] if complete else ~mine["planned"]).to_numpy()]
        if len(moving) < 2:
            continue
        bundle = _bundle(scenarios, moving, x, own, cost)
        for pk in moving.tolist():
            if complete:
                decides = pk not in found and not own[pk] / cost[pk] > threshold
            else:
                decides = bundle.roi > max(alone[pk], found[pk].roi if pk in found else -np.inf)
            if decides:
                found[pk] = bundle
    return found


def _bundle(
    scenarios: Scenarios,
    ids: NDArray[np.int64],
    x: NDArray[np.float64],
    own: "pd.Series[float]",
    cost: "pd.Series[float]",
) -> Bundle:
    inside = np.isin(scenarios.members["item_id"], ids)
    parts = {}
    for position in np.unique(scenarios.scenario[inside]).tolist():
        rows = scenarios.scenario == position
        parts[position] = scenarios.one(position).together(x[rows], np.flatnonzero(inside[rows]))
    saved = sum(np.nan_to_num(scenarios.loss_per_year[at]) * part for at, part in parts.items())
    roi = float((own[ids].sum() + saved) / cost[ids].sum(skipna=False))
    return Bundle(tuple(ids.tolist()), parts, roi)
