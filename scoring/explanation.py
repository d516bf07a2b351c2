"""What a score rests on: which inputs matter, what would turn the decision, how much is guessed."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import COLUMNS, FACTORS, GRADES, KINDS, positions_of
from .cost import FIXED_FACTORS
from .pert import pert_mean, three_points
from .policy import Policy
from .uncertainty import INPUTS

_GUESSED = [GRADES.index("estimated"), GRADES.index("default")]
_Floats = NDArray[np.float64]


def guessed_shares(scores: pd.DataFrame, impacts: pd.DataFrame) -> _Floats:
    """Say what part of each item's weighted benefit rests on estimates and defaults.

    Parameters
    ----------
    scores, impacts : as they came out of `score_in_detail`

    Returns
    -------
    A ratio per item: 0 is all measured or inferred, 1 all guessed; NaN without a benefit. Shares
    of scenarios are no impacts and are left out.

    Examples
    --------
    >>> scores = pd.DataFrame({"item_id": [1, 2]})
    >>> impacts = pd.DataFrame({"item_row": [0, 0], "grade": [0, 2],
    ...                         "weighted_benefit": [300.0, 100.0]})
    >>> guessed_shares(scores, impacts).tolist()
    [0.25, nan]
    """
    benefit = np.abs(impacts["weighted_benefit"].fillna(0.0).to_numpy())
    row = impacts["item_row"].to_numpy()
    guessed = np.where(impacts["grade"].isin(_GUESSED), benefit, 0.0)
    whole = np.bincount(row, benefit, len(scores))
    part = np.bincount(row, guessed, len(scores))
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


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
        -1 for the effort)
        value : the number that the formula uses
        elasticity (ratio) : by how many per cent the ROI changes for 1 % more of the input
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
    (['effort', 'unit_price'], [3.0, 600.0])
    """
    scored = scores["roi"].notna().to_numpy()
    tables = [_of_effort(items, scores, policy, scored)]
    tables += [_of_factor(scores, impacts, factor, policy) for factor in FACTORS]
    if shares is not None:
        row = positions_of(items, shares, strict=False)
        loss = pert_mean(*three_points(shares, "loss_share"))
        benefit = loss * shares["effectiveness"].fillna(1.0).to_numpy()
        kept = row >= 0
        tables.append(
            _of_terms(
                scores, row[kept], np.flatnonzero(kept), loss[kept], benefit[kept], "loss", policy
            )
        )
    found = pd.concat(tables, ignore_index=True)
    found = found[scored[found["item_row"].to_numpy()] & found["elasticity"].notna()]
    order = np.lexsort((-found["elasticity"].abs().to_numpy(), found["item_row"].to_numpy()))
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
        impacts[factor].to_numpy()[rows],
        impacts["weighted_benefit"].to_numpy()[rows],
        factor,
        policy,
    )


def _of_terms(
    scores: pd.DataFrame,
    item_row: NDArray[np.int64],
    rows: NDArray[np.int64],
    value: _Floats,
    benefit: _Floats,
    name: str,
    policy: Policy,
) -> pd.DataFrame:
    """A term of the benefit is in proportion to each of its factors."""
    whole = scores["weighted_benefit"].to_numpy()[item_row]
    missing = policy.threshold * scores["repair_cost"].to_numpy()[item_row] - whole
    with np.errstate(divide="ignore", invalid="ignore"):
        turning = value * (1.0 + missing / benefit)
        elasticity = benefit / whole
    bound = COLUMNS["loss_share_low" if name == "loss" else f"{name}_low"]
    allowed = (bound.low <= turning) & (turning <= bound.high)
    return pd.DataFrame(
        {
            "item_row": item_row,
            "input": np.int8(INPUTS.index(name)),
            "row": rows,
            "value": value,
            "elasticity": np.where(np.isfinite(elasticity), elasticity, np.nan),
            "turning_value": np.where(allowed, turning, np.nan),
        }
    )


def _of_effort(
    items: pd.DataFrame, scores: pd.DataFrame, policy: Policy, scored: NDArray[np.bool_]
) -> pd.DataFrame:
    rows = np.flatnonzero(scored)
    confidence = items["confidence"].to_numpy()[rows]
    markup = 1.0 + policy.contingency_by_class()[confidence]
    rate = items["day_rate"].to_numpy()[rows]
    days = scores["repair_days"].to_numpy()[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        affordable = scores["weighted_benefit"].to_numpy()[rows] / policy.threshold / markup
        turning = (affordable - items["cash"].to_numpy()[rows]) / rate
        elasticity = -days * rate * markup / scores["repair_cost"].to_numpy()[rows]
    allowed = (turning > 0) & (turning <= COLUMNS["effort_likely"].high)
    return pd.DataFrame(
        {
            "item_row": rows,
            "input": np.int8(INPUTS.index("effort")),
            "row": -1,
            "value": days,
            "elasticity": elasticity,
            "turning_value": np.where(allowed, turning, np.nan),
        }
    )
