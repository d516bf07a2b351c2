"""The principal of a debt: what its repair costs once."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .columns import POINTS, check_columns
from .pert import pert_mean, three_points
from .policy import Policy

EFFORT_UNITS = ("person_day", "hour", "story_point")
HOURS_PER_DAY = 8.0


def effort_in_days(
    effort: ArrayLike, unit: ArrayLike, days_per_point: ArrayLike = np.nan
) -> NDArray[np.float64]:
    """Convert efforts to person-days.

    Parameters
    ----------
    effort : in its unit, NaN if not estimated
    unit : code into EFFORT_UNITS: person-days, hours (8 a day) or story points
    days_per_point : the team's own days / story point; NaN if it has none, as points of one team
        say nothing about another's

    Returns
    -------
    Person-days; NaN where the effort is not estimated or a story point has no days.

    Examples
    --------
    >>> effort_in_days([3.0, 4.0, 5.0, 5.0], [0, 1, 2, 2], [np.nan, np.nan, 0.5, np.nan]).tolist()
    [3.0, 0.5, 2.5, nan]
    """
    per_unit = np.where(np.asarray(unit) == 1, 1.0 / HOURS_PER_DAY, 1.0)
    per_unit = np.where(np.asarray(unit) == 2, np.asarray(days_per_point, np.float64), per_unit)
    days: NDArray[np.float64] = np.asarray(effort, dtype=np.float64) * per_unit
    return days


def add_repair_cost(items: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Add what the repair of each item costs: (days x day rate + cash) x (1 + contingency).

    Parameters
    ----------
    items : one row per item, with
        effort_low, effort_likely, effort_high (person-days, NaN if not estimated),
        day_rate_low, day_rate_likely, day_rate_high (currency / person-day), cash (currency) and
        confidence (code into CONFIDENCES)
    policy : gives the contingency of each confidence class

    Returns
    -------
    A new frame with
        repair_days (person-days) : the PERT mean of the effort, without contingency
        day_rate (currency / person-day) : the PERT mean
        contingency (ratio) : the policy's for the item's class
        repair_cost (currency) : NaN where a number is unknown; 0 stands, and is no estimate

    Examples
    --------
    >>> from scoring import DEFAULT_PAYLOAD, ITEM_COLUMNS, make_frame
    >>> item = {"effort_low": 2, "effort_likely": 5, "effort_high": 14, "day_rate": 1600}
    >>> items = make_frame(ITEM_COLUMNS, [{**item, "cash": 400.0, "confidence": 2}])
    >>> add_repair_cost(items, Policy.from_payload(DEFAULT_PAYLOAD))["repair_cost"].tolist()
    [11500.0]
    """
    columns = [f"{name}_{point}" for name in ("effort", "day_rate") for point in POINTS]
    check_columns(items, *columns, "cash", "confidence")
    days = pert_mean(*three_points(items, "effort"))
    rate = pert_mean(*three_points(items, "day_rate"))
    contingency = policy.contingency_by_class()[items["confidence"].to_numpy()]
    cost = days * rate
    cost += items["cash"].to_numpy()
    cost *= 1.0 + contingency
    return items.assign(repair_days=days, day_rate=rate, contingency=contingency, repair_cost=cost)
