"""Three-point estimates: low, likely, high, read as a PERT (a beta with shape parameter 4)."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .columns import POINTS


def pert_mean(low: ArrayLike, likely: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Give the one number to use for a three-point estimate: (low + 4 likely + high) / 6.

    A single number comes back unchanged, to the last bit: three equal points, or a likely value
    without low and high. Any other estimate with a point missing is unknown: NaN.

    Source: D. G. Malcolm et al., "Application of a technique for research and development
    program evaluation", Operations Research 7 (1959).

    Examples
    --------
    >>> nan = float("nan")
    >>> pert_mean([2, 0.1, nan, 20], [5, 0.1, 7, nan], [14, 0.1, nan, nan]).tolist()
    [6.0, 0.1, 7.0, nan]
    """
    low, likely, high = (np.asarray(point, dtype=np.float64) for point in (low, likely, high))
    mean = low + 4.0 * likely
    mean += high
    mean /= 6.0
    # The sum rounds: (0.1 + 0.4 + 0.1) / 6 is not 0.1. Users typed 0.1.
    single = (low == high) | (np.isnan(low) & np.isnan(high))
    result: NDArray[np.float64] = np.where(single, likely, mean)
    return result


def three_points(frame: pd.DataFrame, stem: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Take the columns stem_low, stem_likely and stem_high as arrays, without copying."""
    low, likely, high = (frame[f"{stem}_{point}"].to_numpy() for point in POINTS)
    return low, likely, high
