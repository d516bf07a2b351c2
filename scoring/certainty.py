"""How certain it is that a repair returns more than the threshold, given what is promoted.

Promotion goes by what a repair saves beside the others, and so has its guard to: what a member
owes to a scenario by its Shapley share says nothing of that.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import POINTS, positions_of
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
            `scenarios`), saving (currency / year, expected; it is as uncertain as the loss).
            In a bundle, one row each, beside what all save: others_cost (currency) and
            others_benefit (currency / year, without scenarios), both taken as certain

        Returns
        -------
        One probability per item of `savings`, in the order of their ids; 0 if unknown.
        """
        losses = scenarios.loss_points[savings["scenario"]]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = savings["saving"].to_numpy() / pert_mean(*losses.T)
        known = np.isfinite(part)
        shares = pd.DataFrame({"item_id": savings["item_id"], "effectiveness": 1.0})
        for point, loss in zip(POINTS, losses.T, strict=True):
            shares[f"loss_share_{point}"] = part * loss
        shares = shares[known]

        ids = np.unique(savings["item_id"])
        picked = self.items["item_id"].isin(ids).to_numpy()
        items, own = self.items[picked], self.scores["own_benefit"].to_numpy()[picked]
        cost = self.scores["repair_cost"].to_numpy()[picked]
        number = np.cumsum(picked) - 1
        impacts = self.impacts[picked[self.impacts["item_row"]]]
        impacts = impacts.assign(item_row=number[impacts["item_row"]])
        if "others_cost" in savings:
            beside = savings.set_index("item_id").reindex(items["item_id"])
            others = beside["others_cost"].to_numpy()
            markup = 1.0 + self.policy.contingency_by_class()[items["confidence"].to_numpy()]
            items, cost = items.assign(cash=items["cash"] + others / markup), cost + others
            benefit = beside["others_benefit"].to_numpy()
            own = np.nan_to_num(own) + benefit
            certain = pd.DataFrame({"item_id": items["item_id"], "effectiveness": 1.0})
            certain = certain.assign(**{f"loss_share_{point}": benefit for point in POINTS})
            shares = pd.concat([shares, certain], ignore_index=True)
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
