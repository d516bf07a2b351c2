"""What the readings of an SLO say of an impact that points to it."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import KINDS, SLO_COLUMNS, SLO_KINDS, check_columns

MINUTES_PER_YEAR = 365 * 24 * 60
# Which kind of SLO measures which kind of impact.
MEASURES = {"latency": ("latency",), "errors": ("availability", "error_ratio")}
MEASURES["downtime"] = MEASURES["errors"]
_NO_SLO = -1


def add_measured(impacts: pd.DataFrame, slos: pd.DataFrame) -> pd.DataFrame:
    """Add the factors that the SLO of each impact has measured; NaN where it says nothing.

    With N valid requests a year, the ratio e of bad ones and the part p of these that the debt
    causes:
        latency, by a latency SLO: frequency N, share e p
        errors, by one of availability or errors: frequency N e p, share 1, as what a retry saved
            is not among the bad ones
        downtime, by one of availability or errors: frequency 1, share e p, magnitude the 525,600
            minutes of a year; only where the impact names none of the three itself
    fill_defaults takes them for factors that the impact leaves out.

    Parameters
    ----------
    impacts : with kind, slo_id (-1: none), slo_part (ratio, 0..1) and, of downtime, the three
        points of frequency, share and magnitude
    slos : one row per SLO, SLO_COLUMNS: slo_kind (code into SLO_KINDS), requests_per_year and
        error_ratio as measured, NaN where there is not enough data

    Returns
    -------
    The impacts with measured_frequency (events / year), measured_share (ratio) and
    measured_magnitude (minutes).

    Examples
    --------
    >>> slos = pd.DataFrame({"slo_id": [7], "slo_kind": [1], "objective": [0.99],
    ...                      "requests_per_year": [1e6], "error_ratio": [0.02]})
    >>> impacts = pd.DataFrame({"kind": [0, 1], "slo_id": [7, 7], "slo_part": [0.5, 1.0]})
    >>> add_measured(impacts, slos)[["measured_frequency", "measured_share"]].values.tolist()
    [[1000000.0, 0.01], [nan, nan]]
    """
    check_columns(slos, *SLO_COLUMNS)
    rows = np.flatnonzero(impacts["slo_id"].to_numpy() != _NO_SLO)
    found = {
        name: np.full(len(impacts), np.nan)
        for name in ("measured_frequency", "measured_share", "measured_magnitude")
    }
    if len(rows) and len(slos):
        some = impacts.iloc[rows]
        at = pd.Index(slos["slo_id"]).get_indexer(pd.Index(some["slo_id"]))
        requests = _of(slos["requests_per_year"], at)
        bad = _of(slos["error_ratio"], at) * some["slo_part"].to_numpy()
        measures = _MEASURES[some["kind"].to_numpy(), slos["slo_kind"].to_numpy()[at]] & (at >= 0)
        kind = some["kind"].to_numpy()
        latency = measures & (kind == KINDS.index("latency"))
        errors = measures & (kind == KINDS.index("errors"))
        downtime = measures & (kind == KINDS.index("downtime"))
        if downtime.any():
            downtime[downtime] = _says_nothing(some[downtime])
        known = ~np.isnan(bad)
        choices: dict[str, list[NDArray[np.float64]]] = {
            "measured_frequency": [requests, requests * bad, np.where(known, 1.0, np.nan)],
            "measured_share": [bad, np.where(known, 1.0, np.nan), bad],
            "measured_magnitude": [
                np.full(len(rows), np.nan),
                np.full(len(rows), np.nan),
                np.where(known, float(MINUTES_PER_YEAR), np.nan),
            ],
        }
        for name, values in choices.items():
            found[name][rows] = np.select([latency, errors, downtime], values, np.nan)
    return impacts.assign(**found)


_MEASURES = np.array([[slo in MEASURES.get(kind, ()) for slo in SLO_KINDS] for kind in KINDS])


def _of(column: pd.Series, at: NDArray[Any]) -> NDArray[np.float64]:
    return np.append(column.to_numpy(dtype="float64"), np.nan)[at]


def _says_nothing(impacts: pd.DataFrame) -> NDArray[np.bool_]:
    names = [
        f"{factor}_{point}"
        for factor in ("frequency", "share", "magnitude")
        for point in ("low", "likely", "high")
    ]
    return impacts[names].isna().all(axis=1).to_numpy()
