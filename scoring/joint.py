"""How certain it is what several debts return together, if they are repaired as one.

All their inputs run through the same points, a Sobol net that covers every input evenly, so that
the efforts of all of them are as uncertain as each is by itself. What they save of one scenario
is one input.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .pert import pert_mean
from .policy import Policy
from .segments import products, starts_of
from .uncertainty import LEVELS, MOST_POINTS, Inputs, spread


class Certainty(NamedTuple):
    """Of one ROI: three percentiles (ratios), and the chance that it is above the threshold."""

    p5: float
    p50: float
    p95: float
    chance: float


def joint_certainty(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    policy: Policy,
    savings: NDArray[np.float64],
) -> Certainty:
    """Say how certain it is what all these items return together for what they cost together.

    Parameters
    ----------
    items, scores, impacts : as for `add_uncertainty`; each item has a repair cost
    savings : what they save together in failure scenarios, one row each with its three points,
        currency / year; they come beside what the impacts save

    Within 0.01 of a million random draws, which a test shows.

    Examples
    --------
    >>> from scoring import *
    >>> policy = Policy.from_payload(DEFAULT_PAYLOAD)
    >>> effort = {"effort_low": 2, "effort_likely": 5, "effort_high": 14, "day_rate": 100.0}
    >>> items = make_frame(ITEM_COLUMNS, [{"item_id": n, **effort} for n in (1, 2)])
    >>> impacts = make_frame(IMPACT_COLUMNS, [])
    >>> scores, detail = score_in_detail(items, impacts, make_frame(PRICE_COLUMNS, []), policy)
    >>> found = joint_certainty(items, scores, detail, policy, np.array([[3600.0, 3600, 3600]]))
    >>> round(found.p50, 1), round(found.chance, 2)
    (3.0, 0.53)
    """
    # An item without an ROI of its own has a repair all the same.
    made = Inputs.of(items, scores.assign(roi=1.0), impacts, policy, None)
    inputs = len(made.term)
    still = np.ones(len(items), dtype=bool)
    still[made.items] = False
    low, likely, high = savings.T
    moves = high > low
    number = inputs + np.arange(made.cost_span.size)

    values = spread(made.low, made.span, made.lean, np.arange(inputs), MOST_POINTS)
    terms = products(values, starts_of(made.term)) * made.factor[:, None]
    benefit = terms.sum(axis=0) + made.fixed.sum()
    benefit += np.nansum(scores["own_benefit"].to_numpy()[still])
    benefit += pert_mean(low, likely, high)[~moves].sum()
    span = (high - low)[moves]
    lean = (likely - low)[moves] / span
    places = len(number) + inputs + np.arange(len(span))
    benefit += spread(low[moves], span, lean, places, MOST_POINTS).sum(axis=0)

    cost = np.full(MOST_POINTS, scores["repair_cost"].to_numpy()[still].sum() + made.extra.sum())
    factors = spread(
        made.cost_low.ravel(), made.cost_span.ravel(), made.cost_lean.ravel(), number, MOST_POINTS
    )
    factors = factors.reshape(*made.cost_span.shape, MOST_POINTS).prod(axis=0)
    cost += (made.markup[:, None] * factors).sum(axis=0)
    roi = benefit / cost
    p5, p50, p95 = np.quantile(roi, LEVELS).tolist()
    return Certainty(p5, p50, p95, float((roi > policy.threshold).mean()))
