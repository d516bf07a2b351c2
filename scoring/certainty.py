"""How certain it is that a repair returns more than the threshold, given what is promoted.

Promotion goes by what a repair saves beside the others, and so has its guard to: what a member
owes to a scenario by its Shapley share says nothing of that.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import POINTS, positions_of
from .joint import joint_certainty
from .pert import pert_mean
from .policy import Policy
from .scenarios import Scenarios
from .uncertainty import add_uncertainty


@dataclass(frozen=True)
class Doubts:
    """What some members of scenarios rest on, as it went into `score_in_detail` and came out.

    items, scores : one row per member, in the same order; impacts : all of theirs
    """

    items: pd.DataFrame
    scores: pd.DataFrame
    impacts: pd.DataFrame
    policy: Policy

    def certainty(self, savings: pd.DataFrame, scenarios: Scenarios) -> NDArray[np.float64]:
        """Give the probability that each repair returns more than the threshold.

        Parameters
        ----------
        savings : what repairs save in scenarios, one row each: item_id, scenario (position in
            `scenarios`), saving (currency / year, expected; it is as uncertain as the loss)

        Returns
        -------
        One probability per item of `savings`, in the order of their ids; 0 if unknown.
        """
        saved_points = _points(savings, scenarios)
        known: NDArray[np.bool_] = ~np.asarray(np.isnan(saved_points).any(axis=1))
        shares = pd.DataFrame({"item_id": savings["item_id"], "effectiveness": 1.0})
        for point, saved in zip(POINTS, saved_points.T, strict=True):
            shares[f"loss_share_{point}"] = saved
        shares = shares[known]

        ids = np.unique(savings["item_id"])
        items, made, impacts = self._of(ids)
        own, cost = made["own_benefit"].to_numpy(), made["repair_cost"].to_numpy()
        at = positions_of(items, savings[known], strict=False)
        saving = savings["saving"].to_numpy()[known]
        saved = np.bincount(at[at >= 0], saving[at >= 0], len(items))
        roi = (np.nan_to_num(own) + saved) / cost
        scores = pd.DataFrame({"roi": roi, "promotes": roi > self.policy.threshold})
        found = add_uncertainty(items, scores, impacts, self.policy, shares)["certainty"]
        # Of an item that is gone meanwhile nothing is certain.
        by_id = pd.Series(found.to_numpy(), index=items["item_id"])
        certainty: NDArray[np.float64] = by_id.reindex(ids).fillna(0.0).to_numpy()
        return certainty

    def together(
        self, item_ids: NDArray[np.int64], savings: pd.DataFrame, scenarios: Scenarios
    ) -> float:
        """Give the probability that these return more than the threshold, repaired as one.

        Parameters
        ----------
        savings : what they save together, a row for each scenario: scenario (position in
            `scenarios`), saving (currency / year, expected; it is as uncertain as the loss)

        Returns
        -------
        A probability; 0 where anything of it is not known.
        """
        items, scores, impacts = self._of(item_ids)
        points = _points(savings, scenarios)
        if len(items) < len(item_ids) or np.isnan(points).any():
            return 0.0
        return joint_certainty(items, scores, impacts, self.policy, points).chance

    def _of(self, item_ids: NDArray[np.int64]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """What some of the items rest on."""
        picked = self.items["item_id"].isin(item_ids).to_numpy()
        number = np.cumsum(picked) - 1
        impacts = self.impacts[picked[self.impacts["item_row"]]]
        impacts = impacts.assign(item_row=number[impacts["item_row"]])
        return self.items.loc[picked], self.scores.loc[picked], impacts


def _points(savings: pd.DataFrame, scenarios: Scenarios) -> NDArray[np.float64]:
    """Give the three points of each saving, NaN where the loss is not known."""
    losses = scenarios.loss_points[savings["scenario"]]
    mean = pert_mean(*losses.T)
    part = np.divide(
        savings["saving"].to_numpy(),
        mean,
        out=np.full(len(losses), np.nan),
        where=np.asarray(mean > 0),
    )
    points: NDArray[np.float64] = part[:, None] * losses
    return points
