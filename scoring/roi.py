"""What a repair returns: ROI, payback, breaking point; the decision and the ranking."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import CONFIDENCES, FACTORS, KINDS, POINTS, STATES, check_columns
from .policy import Policy

# Float sums of a few products are right to about 1e-15; what is closer to the threshold than
# this is decided in exact arithmetic.
DECISION_MARGIN = 1e-9

_PRICED, _UNPRICED, _NEEDS_ESTIMATE = range(len(STATES))


def add_roi(items: pd.DataFrame) -> pd.DataFrame:
    """Add what the repair of each item returns in its first twelve months, gross.

    Parameters
    ----------
    items : one row per debt item, with
        annual_cost, benefit, weighted_benefit (currency / year, NaN if nothing is priced) and
        repair_cost (currency, NaN if not estimated)

    Returns
    -------
    A new frame with
        roi (ratio) : weighted_benefit / repair_cost
        money_roi (ratio) : benefit / repair_cost, without the policy's weights
        net_roi (ratio) : (benefit - repair_cost) / repair_cost
        payback_days (days) : 365 x repair_cost / benefit, until the repair has paid for itself
        breaking_point_years (years) : repair_cost / annual_cost, until the debt has cost as much
    All are NaN where the repair is not estimated or free, never infinite; without benefit, ROI
    is 0 and payback and breaking point are NaN.

    Examples
    --------
    >>> items = pd.DataFrame({"annual_cost": [12960.0, 0.0], "benefit": [12960.0, 0.0],
    ...                       "weighted_benefit": [12960.0, 0.0], "repair_cost": [3200.0, 500.0]})
    >>> add_roi(items)[["roi", "net_roi", "breaking_point_years"]].round(3).values.tolist()
    [[4.05, 3.05, 0.247], [0.0, -1.0, nan]]
    """
    check_columns(items, "annual_cost", "benefit", "weighted_benefit", "repair_cost")
    cost = items["repair_cost"].to_numpy()
    cost = np.where(cost > 0, cost, np.nan)
    benefit = items["benefit"].to_numpy()
    gain = np.where(benefit > 0, benefit, np.nan)
    annual = items["annual_cost"].to_numpy()
    annual = np.where((annual > 0) & (benefit > 0), annual, np.nan)
    money_roi = benefit / cost
    return items.assign(
        roi=items["weighted_benefit"].to_numpy() / cost,
        money_roi=money_roi,
        net_roi=money_roi - 1.0,
        payback_days=365.0 * cost / gain,
        breaking_point_years=cost / annual,
    )


def states(items: pd.DataFrame) -> NDArray[np.int8]:
    """Say for each item what is missing for an ROI, as a code into STATES.

    `unpriced`: no impact has a cost, or there is no impact. `needs_estimate`: the cost is known,
    the repair is not (or is 0). An item that lacks both is `unpriced`: whether a debt hurts comes
    before what its repair takes, and so the list of `needs_estimate` holds exactly the items
    that one estimate gives an ROI.

    Parameters
    ----------
    items : with annual_cost and repair_cost

    Examples
    --------
    >>> nan = float("nan")
    >>> items = pd.DataFrame({"annual_cost": [9.0, nan, 9.0, nan], "repair_cost": [1.0, 1, 0, nan]})
    >>> [STATES[code] for code in states(items)]
    ['priced', 'unpriced', 'needs_estimate', 'unpriced']
    """
    unpriced = np.isnan(items["annual_cost"].to_numpy())
    estimated = items["repair_cost"].to_numpy() > 0
    state = np.where(estimated, np.int8(_PRICED), np.int8(_NEEDS_ESTIMATE))
    state[unpriced] = _UNPRICED
    return state


def promotes(
    items: pd.DataFrame,
    impacts: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> NDArray[np.bool_]:
    """Decide strictly, unrounded: is the ROI above the policy's threshold?

    What floats put within 1e-9 of the threshold is decided again from the factors as they are
    written, in exact fractions. So 72 h x 200 against 3 days x 1600 is 3, which is not above 3,
    whatever the floats say.

    Parameters
    ----------
    items : with roi, ITEM_COLUMNS
    impacts : with item_row, cost and the factors (see add_cost)
    shares : parts in the loss of failure scenarios, with item_row; none by default

    Examples
    --------
    See `scoring.score`, which calls it.
    """
    roi = items["roi"].to_numpy()
    above: NDArray[np.bool_] = roi > policy.threshold
    margin = DECISION_MARGIN * max(1.0, policy.threshold)
    near = np.flatnonzero(np.abs(roi - policy.threshold) <= margin)
    if not len(near):
        return above
    benefits = _exact_benefits(impacts, shares, policy, near, len(items))
    factor = {
        code: 1 + exact(policy.contingency[name or "none"]) for code, name in enumerate(CONFIDENCES)
    }
    threshold = exact(policy.threshold)
    columns = [*(f"effort_{point}" for point in POINTS), "day_rate", "cash", "confidence"]
    repairs = items[columns].iloc[near].itertuples(index=False, name=None)
    for row, (low, likely, high, rate, cash, confidence) in zip(
        near.tolist(), repairs, strict=True
    ):
        days = exact_mean(low, likely, high)
        repair = (days * exact(rate) + exact(cash)) * factor[int(confidence)]
        above[row] = benefits[row] > threshold * repair
    return above


def _exact_benefits(
    impacts: pd.DataFrame,
    shares: pd.DataFrame | None,
    policy: Policy,
    near: NDArray[Any],
    count: int,
) -> dict[int, Fraction]:
    """Add up the weighted benefit of the items at positions `near` in fractions."""
    benefits = dict.fromkeys(near.tolist(), Fraction(0))
    wanted = np.zeros(count, dtype=bool)
    wanted[near] = True
    weight = [exact(policy.weights[kind]) for kind in KINDS]
    points = [f"{factor}_{point}" for factor in FACTORS for point in POINTS]
    columns = ["item_row", "kind", "effectiveness", "guarantee_weight", *points]
    picked = wanted[impacts["item_row"].to_numpy()] & impacts["cost"].notna().to_numpy()
    for row, kind, effect, guarantee, *values in _tuples(impacts.loc[picked, columns]):
        benefit = weight[int(kind)] * exact(effect, 1) * exact(guarantee, 1)
        for number in range(0, len(values), 3):
            benefit *= exact_mean(*values[number : number + 3])
        benefits[int(row)] += benefit
    if shares is not None:
        row = shares["item_row"].to_numpy()
        picked = (row >= 0) & wanted[row]
        columns = ["item_row", "effectiveness", *(f"loss_share_{point}" for point in POINTS)]
        for item_row, effect, *values in _tuples(shares.loc[picked, columns]):
            if values[1] == values[1]:
                benefits[int(item_row)] += exact(effect, 1) * exact_mean(*values)
    return benefits


def _tuples(frame: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    return frame.itertuples(index=False, name=None)


def exact(value: float, unknown: int | None = None) -> Fraction:
    """Read a float as the decimal that a person wrote: 0.1 is 1/10; NaN is `unknown`, if given."""
    if unknown is not None and value != value:
        return Fraction(unknown)
    return Fraction(repr(float(value)))


def exact_mean(low: float, likely: float, high: float) -> Fraction:
    """The PERT mean in exact arithmetic; as pert_mean, a lone likely value is all three."""
    if low != low and high != high:
        return exact(likely)
    return (exact(low) + 4 * exact(likely) + exact(high)) / 6


def rank(items: pd.DataFrame) -> NDArray[np.int64]:
    """Number the items by ROI, highest first; equal ones by item_id. 0 where there is no ROI.

    Parameters
    ----------
    items : with item_id and roi (ratio, NaN without score)

    Examples
    --------
    >>> nan = float("nan")
    >>> rank(pd.DataFrame({"item_id": [4, 3, 2, 1], "roi": [2.5, nan, 7.0, 2.5]})).tolist()
    [3, 0, 1, 2]
    """
    roi = items["roi"].to_numpy()
    order = np.lexsort((items["item_id"].to_numpy(), -roi))
    place = np.empty(len(items), dtype=np.int64)
    place[order] = np.arange(1, len(items) + 1)
    place[np.isnan(roi)] = 0
    return place
