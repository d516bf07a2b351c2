"""Three-point estimates: low, likely, high, read as a PERT (a beta with shape parameter 4)."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

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


def pert_shape(
    low: ArrayLike, likely: ArrayLike, high: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give alpha and beta of the beta distribution between low and high.

    alpha = 1 + 4 (likely - low) / (high - low), beta = 6 - alpha; both NaN for a single number.

    Examples
    --------
    >>> [float(shape) for shape in pert_shape(2, 5, 14)]
    [2.0, 4.0]
    """
    low, likely, high = (np.asarray(point, dtype=np.float64) for point in (low, likely, high))
    span = np.where(high > low, high - low, np.nan)
    alpha: NDArray[np.float64] = 1.0 + 4.0 * (likely - low) / span
    return alpha, 6.0 - alpha


def pert_sd(low: ArrayLike, likely: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Give the standard deviation: sqrt((mean - low) (high - mean) / 7).

    Examples
    --------
    >>> round(float(pert_sd(2, 5, 14)), 5)
    2.13809
    """
    mean = pert_mean(low, likely, high)
    spread: NDArray[np.float64] = np.sqrt((mean - np.asarray(low)) * (np.asarray(high) - mean) / 7)
    return spread


def pert_quantile(
    probability: ArrayLike, low: ArrayLike, likely: ArrayLike, high: ArrayLike
) -> NDArray[np.float64]:
    """Give the value that is not exceeded with this probability (0..1).

    Examples
    --------
    >>> pert_quantile([0.1, 0.5, 0.9], 2, 5, 14).round(5).tolist()
    [3.34682, 5.76572, 9.00668]
    """
    alpha, beta = pert_shape(low, likely, high)
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    part = special.betaincinv(alpha, beta, np.asarray(probability, dtype=np.float64))
    return np.where(np.isnan(alpha), low, low + (high - low) * part)
