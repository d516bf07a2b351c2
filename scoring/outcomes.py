"""What repairs have brought: realised against predicted benefit, return, time to resolved."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import (
    BIAS_COLUMNS,
    PREDICTION_COLUMNS,
    READING_COLUMNS,
    RETURN_COLUMNS,
    SPELL_COLUMNS,
    check_columns,
)

DAYS_A_YEAR = 365.0
# A ratio of fewer cases may be chance.
FEW_CASES = 5
# The number of an impact that stands for the whole item.
WHOLE = 0


def yearly_costs(readings: pd.DataFrame) -> pd.DataFrame:
    """Make a yearly cost of what was read before and after a repair.

    cost_per_year = Σ amount × 365 / Σ days, over the readings of one impact on one side of the
    repair: a long period weighs more than a short one.

    Parameters
    ----------
    readings : one row per reading, READING_COLUMNS: `after` says on which side of the repair,
        `amount` is the money of `period_days` (7 or more), `impact` 0 is the whole item

    Returns
    -------
    One row per outcome, impact and side, indexed by outcome_id, impact and after: `period_days`,
    `cost_per_year` (currency / year), `measured` (bool: no reading was estimated).

    Raises
    ------
    ScoringError : a period shorter than 7 days.

    Examples
    --------
    >>> from scoring import make_frame
    >>> readings = make_frame(READING_COLUMNS, [
    ...     {"outcome_id": 1, "period_days": 30, "amount": 3000, "measured": True},
    ...     {"outcome_id": 1, "period_days": 43, "amount": 4300, "measured": True}])
    >>> yearly_costs(readings)["cost_per_year"].tolist()
    [36500.0]
    """
    check_columns(readings, *READING_COLUMNS)
    found = readings.groupby(["outcome_id", "impact", "after"]).agg(
        {"period_days": "sum", "amount": "sum", "measured": "all"}
    )
    found["cost_per_year"] = found.pop("amount") * DAYS_A_YEAR / found["period_days"]
    return found


def realised_benefits(readings: pd.DataFrame, impacts: pd.DataFrame) -> pd.DataFrame:
    """Say what each repair saves a year, as far as that was read on both sides of it.

    realised = cost before − cost after. Readings of the whole item go before those of its impacts.
    Otherwise every impact with a predicted benefit must have been read on both sides: part of what
    was saved must not be held against all that was predicted. Then what was read of the impacts is
    summed, those that nobody had priced included.

    Parameters
    ----------
    readings : READING_COLUMNS, see yearly_costs
    impacts : the impacts as they were predicted, PREDICTION_COLUMNS: `impact` counts from 1,
        `benefit` (currency / year) is NaN where it was not priced

    Returns
    -------
    One row per outcome that has readings or impacts, indexed by outcome_id: `needed` and `read`
    (counts of impacts: with a prediction, and read on both sides), `cost_before`, `cost_after` and
    `realised` (currency / year, NaN as long as it is not known), `measured` (bool: it is known,
    and nothing of it is estimated).

    Examples
    --------
    >>> from scoring import make_frame
    >>> readings = make_frame(READING_COLUMNS, [
    ...     {"outcome_id": 1, "impact": 1, "period_days": 73, "amount": 2000},
    ...     {"outcome_id": 1, "impact": 1, "after": True, "period_days": 73, "amount": 400},
    ...     {"outcome_id": 2, "impact": 1, "period_days": 73, "amount": 100}])
    >>> impacts = make_frame(PREDICTION_COLUMNS, [
    ...     {"outcome_id": 1, "impact": 1, "benefit": 9000},
    ...     {"outcome_id": 2, "impact": 1, "benefit": 50}])
    >>> realised_benefits(readings, impacts)["realised"].tolist()
    [8000.0, nan]
    """
    check_columns(impacts, *PREDICTION_COLUMNS)
    costs = yearly_costs(readings)
    is_after = costs.index.get_level_values("after").to_numpy(dtype=bool)
    before, after = (costs[side].droplevel("after") for side in (~is_after, is_after))
    both = before.index.intersection(after.index)
    pairs = pd.DataFrame(
        {
            "cost_before": before.loc[both, "cost_per_year"],
            "cost_after": after.loc[both, "cost_per_year"],
            "measured": before.loc[both, "measured"] & after.loc[both, "measured"],
        }
    )
    impacts = impacts.set_index(["outcome_id", "impact"])
    is_whole = pairs.index.get_level_values("impact") == WHOLE
    whole, parts = pairs[is_whole].droplevel("impact"), pairs[~is_whole]
    priced = impacts[impacts["benefit"].notna()].index
    ids = [each.index.get_level_values("outcome_id") for each in (costs, impacts)]
    found = pd.DataFrame(index=ids[0].union(ids[1]).unique())
    for name, rows in (
        ("needed", priced),
        ("read", parts.index),
        ("read_of_needed", parts.index.intersection(priced)),
    ):
        counts = rows.get_level_values("outcome_id").value_counts()
        found[name] = counts.reindex(found.index, fill_value=0)
    enough = (found["read"] > 0) & (found.pop("read_of_needed") == found["needed"])
    sums = parts.groupby("outcome_id").agg(
        {"cost_before": "sum", "cost_after": "sum", "measured": "all"}
    )
    sums = sums[enough.reindex(sums.index) & ~sums.index.isin(whole.index)]
    found = found.join(pd.concat([whole, sums]))
    found["measured"] = found["measured"].eq(True)
    return found.assign(realised=found["cost_before"] - found["cost_after"])


def bias(cases: pd.DataFrame) -> pd.DataFrame:
    """Say how far predictions were off, by whoever made them.

    ratio = Σ realised / Σ predicted: above 1 there was more of it than predicted. The median of the
    single ratios stands beside it, as one large case can make the sum.

    Parameters
    ----------
    cases : BIAS_COLUMNS, one row per case; where predicted or realised is NaN, it is none

    Returns
    -------
    One row per key that has a case, indexed by by_id: `cases`, `predicted` and `realised` (sums
    over the cases), `median_ratio` (of the cases whose prediction is above 0, `median_cases` of
    them), `ratio` (NaN where Σ predicted is not above 0), `weak` (bool: fewer than 5 cases).

    Examples
    --------
    >>> cases = pd.DataFrame({"by_id": [7, 7, 8], "predicted": [100.0, 300.0, 50.0],
    ...                       "realised": [50.0, 300.0, float("nan")]})
    >>> bias(cases)[["cases", "ratio", "median_ratio", "weak"]].to_dict("index")
    {7: {'cases': 2, 'ratio': 0.875, 'median_ratio': 0.75, 'weak': True}}
    """
    check_columns(cases, *BIAS_COLUMNS)
    cases = cases[cases["predicted"].notna() & cases["realised"].notna()]
    single = cases["realised"] / cases["predicted"].where(cases["predicted"] > 0)
    found = (
        cases.assign(single=single)
        .groupby("by_id")
        .agg(
            cases=("realised", "size"),
            predicted=("predicted", "sum"),
            realised=("realised", "sum"),
            median_ratio=("single", "median"),
            median_cases=("single", "count"),
        )
    )
    return found.assign(
        ratio=_ratio(found["realised"], found["predicted"]), weak=found["cases"] < FEW_CASES
    )


def realised_returns(cases: pd.DataFrame) -> pd.DataFrame:
    """Say what repairs have returned in a year, beside what was predicted of the same repairs.

    realised_roi = Σ realised benefit / Σ repair cost, gross, of twelve months. A repair whose
    actual cost nobody has entered counts with the predicted one.

    Parameters
    ----------
    cases : RETURN_COLUMNS, one row per repair: predicted and realised benefit (currency / year),
        predicted_cost and actual_cost of the repair (currency). It is a case where the realised
        benefit and one of the costs are known.

    Returns
    -------
    One row per key that has a case, indexed by by_id: `cases`, `actual_cases` (how many of them
    have an actual cost), `benefit` (currency / year), `cost` (currency), `realised_roi` (NaN where
    the cost is not above 0), `predicted_cases` and `predicted_roi` of the same repairs, `weak`
    (bool: fewer than 5 cases).

    Examples
    --------
    >>> cases = pd.DataFrame({"by_id": [0, 0], "realised": [8000.0, 1000.0],
    ...     "predicted": [9000.0, 3000.0], "actual_cost": [2500.0, float("nan")],
    ...     "predicted_cost": [2000.0, 500.0]})
    >>> realised_returns(cases)[["cases", "realised_roi", "predicted_roi"]].loc[0].tolist()
    [2.0, 3.0, 4.8]
    """
    check_columns(cases, *RETURN_COLUMNS)
    cost = cases["actual_cost"].fillna(cases["predicted_cost"])
    cases = cases.assign(cost=cost)[cases["realised"].notna() & cost.notna()]
    foreseen = cases["predicted"].notna() & cases["predicted_cost"].notna()
    cases = cases.assign(
        foreseen=foreseen,
        predicted=cases["predicted"].where(foreseen),
        predicted_cost=cases["predicted_cost"].where(foreseen),
    )
    found = cases.groupby("by_id").agg(
        cases=("realised", "size"),
        actual_cases=("actual_cost", "count"),
        benefit=("realised", "sum"),
        cost=("cost", "sum"),
        predicted_cases=("foreseen", "sum"),
        predicted=("predicted", "sum"),
        predicted_cost=("predicted_cost", "sum"),
    )
    return found.assign(
        realised_roi=_ratio(found["benefit"], found["cost"]),
        predicted_roi=_ratio(found.pop("predicted"), found.pop("predicted_cost")),
        weak=found["cases"] < FEW_CASES,
    )


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)


@dataclass(frozen=True)
class CycleTimes:
    """Days from promotion to resolved; NaN where there is no case.

    resolved, mean_days, median_days : of those that were resolved
    open, mean_age_days, oldest_days : of those that were not, as old as they are
    estimated_median_days : by then half are resolved, the open ones counted as open; NaN as long
        as fewer than half are
    """

    resolved: int
    mean_days: float
    median_days: float
    open: int
    mean_age_days: float
    oldest_days: float
    estimated_median_days: float


def cycle_times(spells: pd.DataFrame) -> CycleTimes:
    """Sum up how long promoted items have taken, those that still wait included.

    The mean and the median of the resolved ones alone flatter: what takes long is not among them
    yet. The estimated median counts the open ones for as long as they have been open: it is the
    first day on which `survival` is 0.5 or less.

    Parameters
    ----------
    spells : SPELL_COLUMNS, one row per promotion that was open at some time under view;
        `since_days` is 0 if it was promoted after the first day of that

    Examples
    --------
    >>> spells = pd.DataFrame({"open_days": [10.0, 20.0, 30.0, 40.0], "since_days": 0.0,
    ...                        "resolved": [True, True, True, False]})
    >>> times = cycle_times(spells)
    >>> times.mean_days, times.median_days, times.open, times.estimated_median_days
    (20.0, 20.0, 1, 20.0)
    """
    curve = survival(spells)
    done = spells.loc[spells["resolved"], "open_days"]
    still = spells.loc[~spells["resolved"], "open_days"]
    # What floats add to a half is no reason to wait for the next one.
    half = curve.loc[curve["still_open"] <= 0.5 + 1e-12, "open_days"]
    return CycleTimes(
        resolved=len(done),
        mean_days=float(done.mean()),
        median_days=float(done.median()),
        open=len(still),
        mean_age_days=float(still.mean()),
        oldest_days=float(still.max()),
        estimated_median_days=float(half.min()),
    )


def survival(spells: pd.DataFrame) -> pd.DataFrame:
    """Estimate which share of promoted items is still open after so many days.

    S(t) = Π (1 − resolved(u) / at_risk(u)) over the days u ≤ t, by Kaplan and Meier (1958). At risk
    on a day are those that were open and under view then: what was promoted before the first day
    under view counts from the age that it had on it (left truncation). Otherwise the slow ones of
    that time would count, and the quick ones would not. scipy.stats.ecdf knows no truncation;
    without it the two agree.

    Parameters
    ----------
    spells : SPELL_COLUMNS, as for cycle_times

    Returns
    -------
    One row per age at which items were resolved, in order: `open_days`, `at_risk` and `resolved`
    (counts), `still_open` (share, 0..1).

    Examples
    --------
    >>> spells = pd.DataFrame({"open_days": [10.0, 20.0, 30.0], "since_days": [0.0, 0.0, 15.0],
    ...                        "resolved": [True, True, False]})
    >>> survival(spells)[["open_days", "at_risk", "still_open"]].to_numpy().tolist()
    [[10.0, 2.0, 0.5], [20.0, 2.0, 0.25]]
    """
    check_columns(spells, *SPELL_COLUMNS)
    age, since = (spells[name].to_numpy(float) for name in ("open_days", "since_days"))
    ends, resolved = np.unique(age[spells["resolved"].to_numpy()], return_counts=True)
    at_risk = _count(age, ends, "left") - _count(since, ends, "right")
    return pd.DataFrame(
        {
            "open_days": ends,
            "at_risk": at_risk,
            "resolved": resolved,
            "still_open": np.cumprod(1 - resolved / at_risk),
        }
    )


def _count(
    values: NDArray[Any], bounds: NDArray[Any], side: Literal["left", "right"]
) -> NDArray[np.int64]:
    """How many values are at least ("left") or more than ("right") each of the bounds."""
    return len(values) - np.searchsorted(np.sort(values), bounds, side=side)
