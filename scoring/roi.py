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
_MOST = np.finfo(np.float64).max

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
    money_roi = _ratio(benefit, cost)
    return items.assign(
        roi=_ratio(items["weighted_benefit"].to_numpy(), cost),
        money_roi=money_roi,
        net_roi=money_roi - 1.0,
        payback_days=_ratio(365.0 * cost, gain),
        breaking_point_years=_ratio(cost, annual),
    )


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; by next to nothing it is the largest number there is, and still above any bar."""
    with np.errstate(over="ignore"):
        ratio = above / below
    return np.clip(ratio, -_MOST, _MOST)


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
    parts = _parts_of(impacts, shares, near, len(items))
    columns = [f"{name}_{point}" for name in ("effort", "day_rate") for point in POINTS]
    columns += ["cash", "confidence"]
    repairs = _tuples(items.iloc[near][columns])
    # Portfolios repeat themselves: what has the same numbers is decided once.
    decided: dict[tuple[Any, ...], bool] = {}
    for row, repair in zip(near.tolist(), repairs, strict=True):
        case = (repair, *parts[row])
        if case not in decided:
            decided[case] = _exactly_above(policy, repair, parts[row])
        above[row] = decided[case]
    return above


def _parts_of(
    impacts: pd.DataFrame, shares: pd.DataFrame | None, near: NDArray[Any], count: int
) -> dict[int, list[tuple[Any, ...]]]:
    """Collect what makes up the benefit of the items at positions `near`: kind, multipliers and
    the points of each factor; a share of a scenario has no kind and one factor.
    """
    parts: dict[int, list[tuple[Any, ...]]] = {row: [] for row in near.tolist()}
    wanted = np.zeros(count, dtype=bool)
    wanted[near] = True
    picked = wanted[impacts["item_row"].to_numpy()] & impacts["cost"].notna().to_numpy()
    points = [f"{factor}_{point}" for factor in FACTORS for point in POINTS]
    columns = ["item_row", "kind", "effectiveness", "guarantee_weight", *points]
    for row, *part in _tuples(impacts.loc[picked, columns]):
        parts[row].append(tuple(part))
    if shares is not None:
        item_row = shares["item_row"].to_numpy()
        picked = (item_row >= 0) & wanted[item_row] & shares["cost"].notna().to_numpy()
        columns = ["item_row", "effectiveness", *(f"loss_share_{point}" for point in POINTS)]
        for row, effect, *amount in _tuples(shares.loc[picked, columns]):
            parts[row].append((None, effect, 1.0, *amount))
    return parts


def _exactly_above(
    policy: Policy, repair: tuple[Any, ...], parts: Iterable[tuple[Any, ...]]
) -> bool:
    *points, cash, confidence = repair
    effort, day_rate = points[:3], points[3:]
    contingency = exact(policy.contingency[CONFIDENCES[confidence] or "none"])
    cost = (exact_mean(*effort) * exact_mean(*day_rate) + exact(cash)) * (1 + contingency)
    benefit = Fraction(0)
    for kind, effect, guarantee, *points in parts:
        weight = Fraction(1) if kind is None else exact(policy.weights[KINDS[kind]])
        part = weight * exact(effect) * exact(guarantee)
        for number in range(0, len(points), 3):
            part *= exact_mean(*points[number : number + 3])
        benefit += part
    return benefit > exact(policy.threshold) * cost


def _tuples(frame: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    """Give the rows of a frame, free of NaN: what is known needs none, and NaN equals no NaN."""
    filled = {name: frame[name].fillna(1.0) for name in _MULTIPLIERS if name in frame}
    for name in frame.columns:
        if name.endswith(("_low", "_high")):
            likely = frame[f"{name.rsplit('_', 1)[0]}_likely"]
            filled[name] = frame[name].fillna(likely)  # a lone likely value is all three
    return frame.assign(**filled).itertuples(index=False, name=None)


_MULTIPLIERS = ("effectiveness", "guarantee_weight")


def exact(value: float) -> Fraction:
    """Read a float as the decimal that a person wrote: 0.1 is one tenth."""
    return Fraction(repr(float(value)))


def exact_mean(low: float, likely: float, high: float) -> Fraction:
    """The PERT mean, (low + 4 likely + high) / 6, in exact arithmetic."""
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
