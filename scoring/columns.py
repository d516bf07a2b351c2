"""Every column that scoring reads or writes: its name, type, unit and allowed range.

Words are stored as small codes (the position in the tuples below), because comparing and counting
codes is what a frame of a million rows is fast at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ScoringError

KINDS = ("latency", "errors", "downtime", "credits", "compliance", "toil", "drag", "stated")
GRADES = ("measured", "inferred", "estimated", "default")
CONFIDENCES = ("", "high", "medium", "low")
STATES = ("priced", "unpriced", "needs_estimate")
# Where a factor of an impact comes from: typed in, the service's or the installation's catalog,
# fixed to 1 by the kind of impact, measured by an SLO, or nowhere.
SOURCES = ("given", "service", "installation", "fixed", "unknown", "measured")
SLO_KINDS = ("availability", "latency", "error_ratio")

# What a debt is to a failure scenario: all gates must be open, one open alternative per group is
# enough, each amplifier adds its chance.
ROLES = ("gate", "alternative", "amplifier")

FACTORS = ("frequency", "share", "magnitude", "unit_price")
POINTS = ("low", "likely", "high")

NO_SERVICE = -1


@dataclass(frozen=True, slots=True)
class Column:
    """One column. NaN in a float column means unknown, never 0."""

    name: str
    dtype: str
    unit: str
    low: float
    high: float
    default: float | int | bool = np.nan


def _column(
    name: str,
    unit: str,
    low: float,
    high: float,
    *,
    dtype: str = "float64",
    default: float | int | bool = np.nan,
) -> Column:
    return Column(name, dtype, unit, low, high, default)


def _three_points(name: str, unit: str, low: float, high: float) -> list[Column]:
    return [_column(f"{name}_{point}", unit, low, high) for point in POINTS]


# Of a reading: a shorter period says more about its weekdays than about a year.
LEAST_DAYS = 7

_ID = 2.0**62
_MONEY = 1e15

_ALL = [
    _column("item_id", "key", 0, _ID, dtype="int64", default=0),
    _column("service_id", "key, -1 for none", -1, _ID, dtype="int64", default=NO_SERVICE),
    # impacts
    _column("kind", "code into KINDS", 0, len(KINDS) - 1, dtype="int8", default=0),
    *_three_points("frequency", "events / year, as the kind counts them", 0, 1e15),
    *_three_points("share", "ratio", 0, 1),
    *_three_points("magnitude", "ms or minutes per event, as the kind measures it", 0, 1e12),
    # A ledger may state a negative amount: a debt that saves money as long as it stays.
    *_three_points("unit_price", "currency per unit of the kind", -_MONEY, _MONEY),
    _column("effectiveness", "ratio of the impact that the repair removes", 0, 1, default=1.0),
    _column("guarantee_weight", "multiplier", 0, 3, default=1.0),
    _column("foreign", "amount in another currency", 0, 1, dtype="bool", default=False),
    _column("grade", "code into GRADES", 0, len(GRADES) - 1, dtype="int8", default=2),
    # items
    _column("requests_per_year", "requests / year of the item's service", 0, 1e15),
    *_three_points("effort", "person-days", 0, 1e6),
    *_three_points("day_rate", "currency / person-day", 0, 1e9),
    _column("cash", "currency", 0, _MONEY, default=0.0),
    _column(
        "confidence", "code into CONFIDENCES", 0, len(CONFIDENCES) - 1, dtype="int8", default=0
    ),
    # prices
    *[_column(point, "currency per unit of the kind", -_MONEY, _MONEY) for point in POINTS],
    # an item's part in the loss of a failure scenario
    *_three_points("loss_share", "currency / year", 0, _MONEY),
    # failure scenarios and their members
    _column("scenario_id", "key", 0, _ID, dtype="int64", default=0),
    _column("trigger_rate", "events / year", 0, 1e9),
    *_three_points("loss", "currency / event", 0, _MONEY),
    _column("role", "code into ROLES", 0, len(ROLES) - 1, dtype="int8", default=0),
    _column("group", "number of the alternative group", -1, _ID, dtype="int64", default=0),
    _column("probability", "ratio", 0, 1),
    _column("repaired", "counts as done", 0, 1, dtype="bool", default=False),
    # promotion
    _column("state", "code into STATES", 0, len(STATES) - 1, dtype="int8", default=0),
    _column("promotes", "above the threshold", 0, 1, dtype="bool", default=False),
    _column("certainty", "probability of an ROI above the threshold", 0, 1),
    _column("vetoed", "flag", 0, 1, dtype="bool", default=False),
    _column("accepted", "flag", 0, 1, dtype="bool", default=False),
    _column("teamless", "of no team, so of no backlog", 0, 1, dtype="bool", default=False),
    _column("pinned", "flag", 0, 1, dtype="bool", default=False),
    _column("entered", "in the backlog already", 0, 1, dtype="bool", default=False),
    _column("started", "someone works on it", 0, 1, dtype="bool", default=False),
    _column("needs_id", "key of the item that comes first", 0, _ID, dtype="int64", default=0),
    # SLOs, as they have been measured
    _column("slo_id", "key, -1 for none", -1, _ID, dtype="int64", default=-1),
    _column("slo_kind", "code into SLO_KINDS", 0, len(SLO_KINDS) - 1, dtype="int8", default=0),
    _column("slo_part", "ratio of the bad events that the debt causes", 0, 1, default=1.0),
    _column("error_ratio", "ratio of bad events", 0, 1),
    # priority
    _column(
        "burning", "an error budget that it threatens burns", 0, 1, dtype="bool", default=False
    ),
    _column("guarantee_id", "key, -1 for none", -1, _ID, dtype="int64", default=-1),
    _column("objective", "ratio of good events or minutes that is promised", 0, 1),
    _column("budget_share", "ratio", 0, 1e6),
    _column("gate_loss", "currency / year", 0, np.inf),
    # planning
    _column("team_id", "key", 0, _ID, dtype="int64", default=0),
    _column("iteration_id", "key, -1 for none", -1, _ID, dtype="int64", default=-1),
    _column("days", "person-days", 0, 1e6),
    _column("bundle", "key, -1 for none", -1, _ID, dtype="int64", default=-1),
    _column("held", "a person wants it to wait", 0, 1, dtype="bool", default=False),
    _column(
        "order", "number that rises with time, across teams", -_ID, _ID, dtype="int64", default=0
    ),
    _column("half_days_left", "half person-days", 0, 1e9, dtype="int64", default=0),
    # what scoring writes and reads again
    _column("annual_cost", "currency / year", -np.inf, np.inf),
    _column("benefit", "currency / year", -np.inf, np.inf),
    _column("weighted_benefit", "currency / year", -np.inf, np.inf),
    _column("own_benefit", "currency / year, without scenarios", -np.inf, np.inf),
    _column("repair_cost", "currency", 0, np.inf),
    _column("roi", "ratio", -np.inf, np.inf),
    # outcomes: what repairs have brought
    _column("outcome_id", "key", 0, _ID, dtype="int64", default=0),
    _column(
        "impact", "number of the impact, 0 for the whole item", 0, 1e6, dtype="int64", default=0
    ),
    _column("after", "read after the repair", 0, 1, dtype="bool", default=False),
    _column("period_days", "days", LEAST_DAYS, 1e5),
    _column("amount", "currency in the period", 0, _MONEY),
    _column("measured", "and not estimated", 0, 1, dtype="bool", default=False),
    _column("by_id", "key of a group, -1 for none", -1, _ID, dtype="int64", default=-1),
    _column("predicted", "currency or currency / year", -np.inf, np.inf),
    _column("realised", "currency or currency / year", -np.inf, np.inf),
    _column("predicted_cost", "currency", 0, np.inf),
    _column("actual_cost", "currency", 0, np.inf),
    _column("open_days", "days from promotion to resolved, or so far", 0, 1e6),
    _column("since_days", "days from promotion to the first day under view", 0, 1e6),
    _column("resolved", "and no longer open", 0, 1, dtype="bool", default=False),
]
COLUMNS: Mapping[str, Column] = {column.name: column for column in _ALL}

IMPACT_COLUMNS = (
    "item_id",
    "kind",
    *(f"{factor}_{point}" for factor in FACTORS for point in POINTS),
    "effectiveness",
    "guarantee_weight",
    "foreign",
    "grade",
)
ITEM_COLUMNS = (
    "item_id",
    "service_id",
    "requests_per_year",
    *(f"effort_{point}" for point in POINTS),
    *(f"day_rate_{point}" for point in POINTS),
    "cash",
    "confidence",
)
PRICE_COLUMNS = ("service_id", "kind", *POINTS)
SCENARIO_COLUMNS = ("scenario_id", "trigger_rate", *(f"loss_{point}" for point in POINTS))
MEMBER_COLUMNS = (
    "scenario_id",
    "item_id",
    "role",
    "group",
    "probability",
    "effectiveness",
    "repaired",
)
CANDIDATE_COLUMNS = (
    "item_id",
    "state",
    "roi",
    "promotes",
    "own_benefit",
    "repair_cost",
    "certainty",
    "vetoed",
    "accepted",
    "teamless",
    "pinned",
    "entered",
    "started",
)
ENTRY_COLUMNS = (
    "item_id",
    "team_id",
    "benefit",
    "days",
    "pinned",
    "held",
    "iteration_id",
    "bundle",
)
ITERATION_COLUMNS = ("iteration_id", "team_id", "order", "half_days_left")
GUARANTEE_COLUMNS = ("guarantee_id", "objective", "requests_per_year")
SLO_COLUMNS = ("slo_id", "slo_kind", "objective", "requests_per_year", "error_ratio")
PREREQUISITE_COLUMNS = ("item_id", "needs_id")
READING_COLUMNS = ("outcome_id", "impact", "after", "period_days", "amount", "measured")
PREDICTION_COLUMNS = ("outcome_id", "impact", "benefit")
BIAS_COLUMNS = ("by_id", "predicted", "realised")
RETURN_COLUMNS = ("by_id", "predicted", "realised", "predicted_cost", "actual_cost")
SPELL_COLUMNS = ("open_days", "since_days", "resolved")
SHARE_COLUMNS = ("item_id", *(f"loss_share_{point}" for point in POINTS), "effectiveness")


def make_frame(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a small frame with the right types; what a row leaves out is unknown.

    Parameters
    ----------
    columns : names from COLUMNS, such as IMPACT_COLUMNS
    rows : one mapping per row; None is unknown; a key that is no column but has three
        (`frequency` for `frequency_low`, ...) fills all three

    Examples
    --------
    >>> frame = make_frame(PRICE_COLUMNS, [{"kind": 5, "low": 150.0, "likely": 200, "high": 300}])
    >>> frame.loc[0].tolist()
    [-1.0, 5.0, 150.0, 200.0, 300.0]
    """
    whole = {name.rsplit("_", 1)[0] for name in columns if name.endswith("_likely")}
    spread: list[dict[str, Any]] = []
    for row in rows:
        cells = dict(row)
        for name in whole & cells.keys():
            value = cells.pop(name)
            cells.update({f"{name}_{point}": value for point in POINTS})
        spread.append(cells)
    data = {}
    for name in columns:
        column = COLUMNS[name]
        cells_of = [row.get(name) for row in spread]
        data[name] = np.array(
            [column.default if value is None else value for value in cells_of], dtype=column.dtype
        )
    return pd.DataFrame(data, columns=list(columns))


def check_columns(frame: pd.DataFrame, *names: str) -> None:
    """Raise ScoringError unless the frame has these columns, typed and within their ranges.

    NaN passes in a float column, infinity does not. Three points that are all there must rise.

    Examples
    --------
    >>> check_columns(make_frame(["cash"], [{"cash": 5.0}]), "cash")
    >>> check_columns(make_frame(["cash"], [{"cash": 5.0}, {"cash": -1.0}]), "cash")
    Traceback (most recent call last):
    ...
    scoring.errors.ScoringError: cash is -1 in row 1; allowed is 0..1e+15 (currency).
    """
    for name in names:
        column = COLUMNS[name]
        if name not in frame.columns:
            raise ScoringError(name, "is missing", bound=column.unit)
        values = frame[name].to_numpy()
        _check_type(column, values)
        _check_range(column, values, frame.index)
    for name in names:
        if name.endswith("_likely"):
            _check_order(frame, name.removesuffix("likely"), names)


def _check_type(column: Column, values: NDArray[Any]) -> None:
    allowed = {"f": "fiu", "i": "iu", "b": "b"}[np.dtype(column.dtype).kind]
    if values.dtype.kind not in allowed:
        raise ScoringError(column.name, f"has type {values.dtype}", bound=column.dtype)


def _check_range(column: Column, values: NDArray[Any], index: pd.Index) -> None:
    if not len(values) or column.dtype == "bool":
        return
    # fmin and fmax step over NaN in one pass, without the copy that nanmin makes.
    least, most = np.fmin.reduce(values), np.fmax.reduce(values)
    if column.low <= least and most <= column.high and np.isfinite((least, most)).all():
        return
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero((values < column.low) | (values > column.high) | np.isinf(values))
    if len(bad):
        raise ScoringError(
            column.name,
            f"is {values[bad[0]]:g}",
            rows=index[bad],
            bound=f"{column.low:g}..{column.high:g} ({column.unit})",
        )


def _check_order(frame: pd.DataFrame, stem: str, names: Sequence[str]) -> None:
    if not all(stem + point in names for point in POINTS):
        return
    low, likely, high = (frame[stem + point].to_numpy() for point in POINTS)
    bad = np.flatnonzero((low > likely) | (likely > high) | (low > high))
    if len(bad):
        row = bad[0]
        raise ScoringError(
            stem.rstrip("_"),
            f"is {low[row]:g}, {likely[row]:g}, {high[row]:g}",
            rows=frame.index[bad],
            bound="low <= likely <= high",
        )


def positions_of(items: pd.DataFrame, rows: pd.DataFrame, *, strict: bool = True) -> NDArray[Any]:
    """Find for each row the position of its item in `items`; -1 where there is none.

    Raises ScoringError where an item comes twice and, if `strict`, where a row has no item.

    Examples
    --------
    >>> items = pd.DataFrame({"item_id": [40, 7]})
    >>> positions_of(items, pd.DataFrame({"item_id": [7, 7, 40]})).tolist()
    [1, 1, 0]
    """
    keys = pd.Index(items["item_id"].to_numpy(), copy=False)
    if not keys.is_unique:
        twice = keys[keys.duplicated()].unique()
        raise ScoringError("item_id", f"{twice[0]} comes twice", bound="one row per item")
    positions = keys.get_indexer(pd.Index(rows["item_id"].to_numpy(), copy=False))
    if strict and len(positions) and positions.min() < 0:
        lost = np.flatnonzero(positions < 0)
        raise ScoringError(
            "item_id",
            f"{rows['item_id'].iloc[lost[0]]} has no item",
            rows=rows.index[lost],
        )
    return positions
