"""The score of debt items, from their impacts, prices and the policy to the decision."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import (
    ITEM_COLUMNS,
    KINDS,
    SHARE_COLUMNS,
    check_columns,
    positions_of,
)
from .cost import add_benefit, add_cost, fill_defaults
from .pert import pert_mean, three_points
from .policy import Policy
from .principal import add_repair_cost
from .roi import add_roi, promotes, states

SCORE_COLUMNS = (
    "item_id",
    "state",
    "annual_cost",
    "benefit",
    "weighted_benefit",
    "own_benefit",
    "repair_days",
    "day_rate",
    "repair_cost",
    "roi",
    "money_roi",
    "net_roi",
    "payback_days",
    "breaking_point_years",
    "priced_impacts",
    "unpriced_impacts",
    "promotes",
    "double_counted",
)
_DOWNTIME = KINDS.index("downtime")
_CREDITS = KINDS.index("credits")


def score(
    items: pd.DataFrame,
    impacts: pd.DataFrame,
    prices: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score debt items: one of them while somebody types, or a chunk of the portfolio.

    Parameters
    ----------
    items : one row per item, ITEM_COLUMNS
    impacts : the impacts of exactly these items in any order, IMPACT_COLUMNS
    prices : the price book, PRICE_COLUMNS
    policy : weights, contingencies, threshold
    shares : parts in the loss of failure scenarios, SHARE_COLUMNS; rows of other items are
        passed over, as scenarios reach across chunks

    Returns
    -------
    One row per item, with the index of `items` and SCORE_COLUMNS: money in currency or
    currency / year, `own_benefit` the weighted benefit without scenarios, `state` a code into
    STATES, `priced_impacts` and `unpriced_impacts` counts (shares of scenarios included),
    `promotes` whether the ROI is strictly above the threshold, `double_counted` whether downtime
    and credits of one item are both priced: look whether they are the same minutes. Unknown is
    NaN, never 0.

    Raises
    ------
    ScoringError : names the column, the rows and the bound.

    Examples
    --------
    >>> from scoring import DEFAULT_PAYLOAD, IMPACT_COLUMNS, PRICE_COLUMNS, make_frame
    >>> items = make_frame(ITEM_COLUMNS, [{"item_id": 1, "effort": 3, "day_rate": 1600}])
    >>> impacts = make_frame(IMPACT_COLUMNS, [{"item_id": 1, "kind": 5, "frequency": 72}])
    >>> prices = make_frame(PRICE_COLUMNS, [{"kind": 5, "low": 200, "likely": 200, "high": 200}])
    >>> found = score(items, impacts, prices, Policy.from_payload(DEFAULT_PAYLOAD))
    >>> found[["annual_cost", "roi", "promotes"]].to_dict("records")
    [{'annual_cost': 14400.0, 'roi': 3.0, 'promotes': False}]
    """
    return score_in_detail(items, impacts, prices, policy, shares)[0]


def score_in_detail(
    items: pd.DataFrame,
    impacts: pd.DataFrame,
    prices: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score as `score` does, and give the impacts with every number of their formula beside it.

    Returns
    -------
    The scores, and the impacts with factors filled, resolved and multiplied out: see
    fill_defaults, add_cost and add_benefit.
    """
    check_columns(items, *ITEM_COLUMNS)
    detail = add_benefit(add_cost(fill_defaults(impacts, items, prices)), policy)
    if shares is not None:
        shares = _with_amounts(shares, items)
    totals = add_repair_cost(_add_totals(items, detail, shares), policy)
    totals = add_roi(totals)
    totals = totals.assign(state=states(totals), promotes=promotes(totals, detail, policy, shares))
    return totals[list(SCORE_COLUMNS)], detail


def _with_amounts(shares: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    check_columns(shares, *SHARE_COLUMNS)
    amount = pert_mean(*three_points(shares, "loss_share"))
    effect = shares["effectiveness"].fillna(1.0).to_numpy()
    row = positions_of(items, shares, strict=False)
    return shares.assign(item_row=row, cost=amount, benefit=effect * amount)


def _add_totals(
    items: pd.DataFrame, impacts: pd.DataFrame, shares: pd.DataFrame | None
) -> pd.DataFrame:
    """Sum what is priced by item; NaN for an item of which nothing is."""
    count = len(items)
    priced, unpriced, sums = _sums(impacts, count, ("cost", "benefit", "weighted_benefit"))
    own_benefit = np.where(priced > 0, sums[2], np.nan)
    if shares is not None:
        # Shares of scenarios have no kind, so no weight of the policy applies to them.
        of_chunk = shares[shares["item_row"] >= 0]
        more = _sums(of_chunk, count, ("cost", "benefit", "benefit"))
        priced, unpriced, sums = priced + more[0], unpriced + more[1], sums + more[2]
    sums[:, priced == 0] = np.nan
    costs = impacts["cost"].to_numpy() > 0
    return items.assign(
        annual_cost=sums[0],
        benefit=sums[1],
        weighted_benefit=sums[2],
        own_benefit=own_benefit,
        priced_impacts=priced,
        unpriced_impacts=unpriced,
        double_counted=_has(impacts[costs & (impacts["kind"] == _DOWNTIME)], count)
        & _has(impacts[costs & (impacts["kind"] == _CREDITS)], count),
    )


def _sums(
    rows: pd.DataFrame, count: int, columns: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Count the priced and the unpriced rows of each item and sum the columns of the priced."""
    item_row = rows["item_row"].to_numpy()
    known = rows["cost"].notna().to_numpy()
    every = np.bincount(item_row, minlength=count)
    item_row = item_row[known]
    priced = np.bincount(item_row, minlength=count)
    sums = np.empty((len(columns), count))
    for total, column in zip(sums, columns, strict=True):
        amount = rows[column].to_numpy()[known]
        total[:] = np.bincount(item_row, weights=amount, minlength=count)
    return priced, every - priced, sums


def _has(rows: pd.DataFrame, count: int) -> NDArray[np.bool_]:
    found = np.zeros(count, dtype=bool)
    found[rows["item_row"].to_numpy()] = True
    return found
