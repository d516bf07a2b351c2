"""Annual cost of impacts: frequency x share x magnitude x unit price."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import (
    FACTORS,
    IMPACT_COLUMNS,
    KINDS,
    NO_SERVICE,
    POINTS,
    PRICE_COLUMNS,
    SOURCES,
    check_columns,
    positions_of,
)
from .errors import ScoringError
from .pert import pert_mean, three_points
from .policy import Policy

# What is always 1 for a kind: an hour of toil has no share, a ledger's amount no frequency.
FIXED_FACTORS = {
    "latency": (),
    "errors": ("magnitude",),
    "downtime": (),
    "credits": ("magnitude",),
    "compliance": ("magnitude",),
    "toil": ("share", "magnitude"),
    "drag": ("share", "magnitude"),
    "stated": ("frequency", "share", "magnitude"),
}
_IS_FIXED = np.array([[factor in FIXED_FACTORS[kind] for factor in FACTORS] for kind in KINDS])
_LATENCY = KINDS.index("latency")
_STATED = KINDS.index("stated")
_GIVEN, _SERVICE, _INSTALLATION, _FIXED, _UNKNOWN, _MEASURED = range(len(SOURCES))


def fill_defaults(impacts: pd.DataFrame, items: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Fill the factors that an impact leaves out and that the catalog or its kind knows.

    Where all three points of a factor are NaN: a factor that the kind fixes becomes 1; one that
    an SLO has measured becomes that (see add_measured); else the frequency of `latency` becomes
    the service's requests a year; a unit price becomes the
    service's, else the installation's (service_id -1). A `stated` amount never has a default.
    What stays NaN is unknown and makes the impact unpriced. A factor that is there is kept.

    Parameters
    ----------
    impacts : one row per impact, IMPACT_COLUMNS, and what add_measured adds, if it was asked
    items : one row per item, at least item_id, service_id, requests_per_year
    prices : one row per service and kind, PRICE_COLUMNS

    Returns
    -------
    The impacts, filled, with `item_row` (position of the item in `items`) and, as codes into
    SOURCES, `frequency_source`, `share_source` and `unit_price_source`.

    Raises
    ------
    ScoringError : a value out of its range, an impact without item, two prices for one thing.

    Examples
    --------
    >>> from scoring import ITEM_COLUMNS, make_frame
    >>> items = make_frame(ITEM_COLUMNS, [{"item_id": 1, "service_id": 9}])
    >>> impacts = make_frame(IMPACT_COLUMNS, [{"item_id": 1, "kind": 5, "frequency": 60}])
    >>> prices = make_frame(PRICE_COLUMNS, [{"kind": 5, "low": 200, "likely": 200, "high": 200}])
    >>> filled = fill_defaults(impacts, items, prices)
    >>> filled[["frequency_likely", "share_likely", "unit_price_likely"]].loc[0].tolist()
    [60.0, 1.0, 200.0]
    """
    check_columns(impacts, *IMPACT_COLUMNS)
    check_columns(items, "item_id", "service_id", "requests_per_year")
    check_columns(prices, *PRICE_COLUMNS)
    item_row = positions_of(items, impacts)
    kind = impacts["kind"].to_numpy()
    new: dict[str, NDArray[Any]] = {"item_row": item_row}
    for number, factor in enumerate(FACTORS):
        points = three_points(impacts, factor)
        absent = np.isnan(points[1])
        absent &= np.isnan(points[0]) & np.isnan(points[2])
        source = np.where(absent, np.int8(_UNKNOWN), np.int8(_GIVEN))
        rows = np.flatnonzero(absent)
        if len(rows):
            values = np.full((len(rows), 3), np.nan)
            sources = np.full(len(rows), _UNKNOWN, dtype=np.int8)
            kinds = kind[rows]
            if factor == "frequency":
                of_traffic = kinds == _LATENCY
                traffic = items["requests_per_year"].to_numpy()[item_row[rows[of_traffic]]]
                values[of_traffic] = traffic[:, None]
                sources[of_traffic] = np.where(np.isnan(traffic), _UNKNOWN, _SERVICE)
            elif factor == "unit_price":
                service = items["service_id"].to_numpy()[item_row[rows]]
                values, sources = _prices_for(prices, service, kinds)
            if f"measured_{factor}" in impacts:
                measured = impacts[f"measured_{factor}"].to_numpy()[rows]
                known = ~np.isnan(measured)
                values[known] = measured[known, None]
                sources[known] = _MEASURED
            fixed = _IS_FIXED[kinds, number]
            values[fixed] = 1.0
            sources[fixed] = _FIXED
            source[rows] = sources
            for point, column, filling in zip(POINTS, points, values.T, strict=True):
                filled = column.astype(np.float64)
                filled[rows] = filling
                new[f"{factor}_{point}"] = filled
        if factor != "magnitude":
            new[f"{factor}_source"] = source
    return impacts.assign(**new)


def _prices_for(
    prices: pd.DataFrame, service: NDArray[Any], kind: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Look up (low, likely, high) and where it comes from, for each service and kind."""
    doubled = prices.duplicated(["service_id", "kind"])
    if doubled.any():
        first = prices[doubled].iloc[0]
        raise ScoringError(
            "unit_price",
            f"of {KINDS[int(first['kind'])]} is there twice for service {first['service_id']:.0f}",
            bound="one price per service and kind",
        )
    # Row 0 of the table is the installation; a service without its own price shows that one.
    known = np.unique(np.append(prices["service_id"].to_numpy(), NO_SERVICE))
    table = np.full((len(known), len(KINDS), 3), np.nan)
    row_of_price = np.searchsorted(known, prices["service_id"].to_numpy())
    table[row_of_price, prices["kind"].to_numpy()] = prices[list(POINTS)].to_numpy()
    table[:, _STATED] = np.nan
    priced = ~np.isnan(table).all(axis=2)
    elsewhere = np.where(priced[0], np.int8(_INSTALLATION), np.int8(_UNKNOWN))
    source = np.where(priced, np.int8(_SERVICE), elsewhere)
    source[0] = elsewhere
    table = np.where(priced[:, :, None], table, table[0])
    row = np.searchsorted(known, service)
    row = np.where(known[np.minimum(row, len(known) - 1)] == service, row, 0)
    return table[row, kind], source[row, kind]


def add_cost(impacts: pd.DataFrame) -> pd.DataFrame:
    """Add what each impact costs a year: frequency x share x magnitude x unit_price.

    Parameters
    ----------
    impacts : filled ones (see fill_defaults), IMPACT_COLUMNS

    Returns
    -------
    The impacts with the numbers that the formula uses, so that a page can print it:
        frequency, share, magnitude, unit_price : the PERT mean of each factor
        cost (currency / year) : their product; NaN, unpriced, where one is unknown or the amount
            is in another currency, as nothing is converted

    Examples
    --------
    >>> from scoring.columns import make_frame
    >>> impact = {"kind": 0, "frequency": 120e6, "share": 0.03, "magnitude": 180}
    >>> impacts = make_frame(IMPACT_COLUMNS, [{**impact, "unit_price": 0.00002}, impact])
    >>> add_cost(impacts)["cost"].round(2).tolist()
    [12960.0, nan]
    """
    means = {factor: pert_mean(*three_points(impacts, factor)) for factor in FACTORS}
    cost = means["frequency"] * means["share"]
    cost *= means["magnitude"]
    cost *= means["unit_price"]
    cost[impacts["foreign"].to_numpy()] = np.nan
    return impacts.assign(**means, cost=cost)


def add_benefit(impacts: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Add what repairing the item would save of each impact a year.

    Parameters
    ----------
    impacts : with cost (see add_cost), kind, effectiveness (NaN is 1: the repair removes all of
        it) and guarantee_weight (NaN is 1)

    Returns
    -------
    The impacts with
        weight (multiplier) : the policy's for the kind x the guarantee's
        benefit (currency / year) : effectiveness x cost
        weighted_benefit (currency / year) : weight x benefit

    Examples
    --------
    >>> from scoring.policy import DEFAULT_PAYLOAD
    >>> impacts = pd.DataFrame({"kind": [0], "cost": [7500.0], "effectiveness": [0.9],
    ...                         "guarantee_weight": [1.5]})
    >>> found = add_benefit(impacts, Policy.from_payload(DEFAULT_PAYLOAD))
    >>> found[["benefit", "weighted_benefit"]].loc[0].tolist()
    [6750.0, 10125.0]
    """
    weight = policy.weight_by_kind()[impacts["kind"].to_numpy()]
    weight *= _one_where_unknown(impacts["guarantee_weight"])
    benefit = impacts["cost"].to_numpy() * _one_where_unknown(impacts["effectiveness"])
    return impacts.assign(weight=weight, benefit=benefit, weighted_benefit=weight * benefit)


def _one_where_unknown(values: pd.Series) -> NDArray[np.float64]:
    array = values.to_numpy()
    return np.where(np.isnan(array), 1.0, array)
