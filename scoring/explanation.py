"""What a score rests on: which inputs matter, what would turn the decision, how much is guessed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import COLUMNS, FACTORS, GRADES, KINDS, positions_of
from .cost import FIXED_FACTORS
from .pert import pert_mean, pert_sd, three_points
from .policy import Policy
from .uncertainty import INPUTS

_STATED = KINDS.index("stated")
_GUESSED = [GRADES.index("estimated"), GRADES.index("default")]
_Floats = NDArray[np.float64]


def guessed_shares(
    items: pd.DataFrame, impacts: pd.DataFrame, shares: pd.DataFrame | None = None
) -> _Floats:
    """Say what part of each item's weighted benefit rests on estimates and defaults.

    Parameters
    ----------
    items : with item_id
    impacts : as they came out of `score_in_detail`, with `grade` the worst of what went in: a
        product is no better known than the least known of its factors
    shares : parts in the loss of failure scenarios, SHARE_COLUMNS and `grade`, of the scenario

    Returns
    -------
    A ratio per item: 0 is all measured or inferred, 1 all guessed; NaN without a benefit.

    Examples
    --------
    >>> items = pd.DataFrame({"item_id": [1, 2]})
    >>> impacts = pd.DataFrame({"item_row": [0, 0], "grade": [0, 2],
    ...                         "weighted_benefit": [300.0, 100.0]})
    >>> guessed_shares(items, impacts).tolist()
    [0.25, nan]
    """
    row, grade = impacts["item_row"].to_numpy(), impacts["grade"].to_numpy()
    benefit = impacts["weighted_benefit"].to_numpy()
    if shares is not None:
        of_share = positions_of(items, shares, strict=False)
        kept = of_share >= 0
        row = np.concatenate([row, of_share[kept]])
        grade = np.concatenate([grade, shares["grade"].to_numpy()[kept]])
        benefit = np.concatenate([benefit, _benefits(shares)[kept]])
    benefit = np.abs(np.nan_to_num(benefit))
    whole = np.bincount(row, benefit, len(items))
    part = np.bincount(row, np.where(np.isin(grade, _GUESSED), benefit, 0.0), len(items))
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _benefits(shares: pd.DataFrame) -> _Floats:
    loss = pert_mean(*three_points(shares, "loss_share"))
    benefit: _Floats = loss * shares["effectiveness"].fillna(1.0).to_numpy()
    return benefit


def sensitivities(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say how the ROI of each item hangs on each of its inputs, and where the decision turns.

    Parameters
    ----------
    items, shares : as they went into `score`
    scores, impacts : as they came out of `score_in_detail`, in the same order

    Returns
    -------
    One row per input of an item that has an ROI, those that matter most first:
        item_id, input (code into INPUTS), row (position in `impacts`, for a `loss` in `shares`,
        -1 for effort and day rate)
        value : the number that the formula uses
        elasticity (ratio) : by how many per cent the ROI changes for 1 % more of the input
        swing (ratio) : by what part of itself the ROI moves where the input alone lies one
            standard deviation off its mean: elasticity x sd / mean, without sign; 0 where it is
            certain. What matters most is what swings the ROI most.
        turning_value : where the ROI would be the threshold, all others as they are; NaN where
            no value that is allowed does that

    Examples
    --------
    >>> from scoring import *
    >>> policy = Policy.from_payload(DEFAULT_PAYLOAD)
    >>> items = make_frame(ITEM_COLUMNS, [{"item_id": 1, "effort": 2, "day_rate": 100.0}])
    >>> impacts = make_frame(IMPACT_COLUMNS, [{"item_id": 1, "kind": 7, "unit_price": 900.0}])
    >>> scores, detail = score_in_detail(items, impacts, make_frame(PRICE_COLUMNS, []), policy)
    >>> found = sensitivities(items, scores, detail, policy).round(3)
    >>> [INPUTS[code] for code in found["input"]], found["turning_value"].tolist()
    (['effort', 'unit_price', 'day_rate'], [3.0, 600.0, 150.0])
    """
    scored = scores["roi"].notna().to_numpy()
    tables = [_of_cost("effort", items, scores, policy, scored)]
    tables += [_of_factor(scores, impacts, factor, policy) for factor in FACTORS]
    if shares is not None:
        row = positions_of(items, shares, strict=False)
        kept = np.flatnonzero(row >= 0)
        points = [point[kept] for point in three_points(shares, "loss_share")]
        benefit = _benefits(shares)[kept]
        tables.append(_of_terms(scores, row[kept], kept, points, benefit, "loss", policy, 0.0))
    tables.append(_of_cost("day_rate", items, scores, policy, scored))
    found = pd.concat(tables, ignore_index=True)
    found = found[scored[found["item_row"].to_numpy()] & found["elasticity"].notna()]
    keys = -found["elasticity"].abs().to_numpy(), -found["swing"].to_numpy()
    order = np.lexsort((*keys, found["item_row"].to_numpy()))
    found = found.iloc[order].reset_index(drop=True)
    found.insert(0, "item_id", items["item_id"].to_numpy()[found.pop("item_row").to_numpy()])
    return found


def _of_factor(
    scores: pd.DataFrame, impacts: pd.DataFrame, factor: str, policy: Policy
) -> pd.DataFrame:
    free = np.array([factor not in FIXED_FACTORS[kind] for kind in KINDS])
    rows = np.flatnonzero(free[impacts["kind"].to_numpy()] & impacts["cost"].notna().to_numpy())
    return _of_terms(
        scores,
        impacts["item_row"].to_numpy()[rows],
        rows,
        [point[rows] for point in three_points(impacts, factor)],
        impacts["weighted_benefit"].to_numpy()[rows],
        factor,
        policy,
        # Only what a ledger states may be negative.
        np.where(impacts["kind"].to_numpy()[rows] == _STATED, -np.inf, 0.0),
    )


def _of_terms(
    scores: pd.DataFrame,
    item_row: NDArray[np.int64],
    rows: NDArray[np.int64],
    points: Sequence[_Floats],
    benefit: _Floats,
    name: str,
    policy: Policy,
    least: _Floats | float,
) -> pd.DataFrame:
    """A term of the benefit is in proportion to each of its factors."""
    whole = scores["weighted_benefit"].to_numpy()[item_row]
    value = pert_mean(*points)
    missing = policy.threshold * scores["repair_cost"].to_numpy()[item_row] - whole
    with np.errstate(divide="ignore", invalid="ignore"):
        turning = value * (1.0 + missing / benefit)
        elasticity = benefit / whole
    bound = COLUMNS["loss_share_low" if name == "loss" else f"{name}_low"]
    allowed = (np.maximum(bound.low, least) <= turning) & (turning <= bound.high)
    return pd.DataFrame(
        {
            "item_row": item_row,
            "input": np.int8(INPUTS.index(name)),
            "row": rows,
            "value": value,
            "elasticity": np.where(np.isfinite(elasticity), elasticity, np.nan),
            "swing": _swing(elasticity, points),
            "turning_value": np.where(allowed, turning, np.nan),
        }
    )


def _of_cost(
    name: str,
    items: pd.DataFrame,
    scores: pd.DataFrame,
    policy: Policy,
    scored: NDArray[np.bool_],
) -> pd.DataFrame:
    """Effort and day rate are the factors of the same part of the repair cost."""
    rows = np.flatnonzero(scored)
    markup = 1.0 + policy.contingency_by_class()[items["confidence"].to_numpy()[rows]]
    days, rate = (scores[each].to_numpy()[rows] for each in ("repair_days", "day_rate"))
    value, other = (days, rate) if name == "effort" else (rate, days)
    with np.errstate(divide="ignore", invalid="ignore"):
        affordable = scores["weighted_benefit"].to_numpy()[rows] / policy.threshold / markup
        turning = (affordable - items["cash"].to_numpy()[rows]) / other
        elasticity = -days * rate * markup / scores["repair_cost"].to_numpy()[rows]
    allowed = (turning > 0) & (turning <= COLUMNS[f"{name}_likely"].high)
    return pd.DataFrame(
        {
            "item_row": rows,
            "input": np.int8(INPUTS.index(name)),
            "row": -1,
            "value": value,
            "elasticity": elasticity,
            "swing": _swing(elasticity, [point[rows] for point in three_points(items, name)]),
            "turning_value": np.where(allowed, turning, np.nan),
        }
    )


def _swing(elasticity: _Floats, points: Sequence[_Floats]) -> _Floats:
    low, _likely, high = points
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.abs(elasticity * pert_sd(*points) / pert_mean(*points))
    return np.where((high > low) & np.isfinite(part), part, 0.0)
