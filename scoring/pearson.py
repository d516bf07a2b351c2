"""Percentiles of a sum of many parts from its cumulants, by Pearson's curves.

A curve of Pearson's system is known by its first four moments. A beta is one of them, and so
nearly is what comes of adding and multiplying betas, as long as it is not too lopsided. What the
fifth cumulant has beyond that of the curve moves its percentiles as in Cornish's and Fisher's
series: above all the median.

Source: K. Pearson, "Contributions to the mathematical theory of evolution. II. Skew variation in
homogeneous material", Philosophical Transactions A 186 (1895); N. L. Johnson, S. Kotz,
N. Balakrishnan, "Continuous univariate distributions" 1 (1994), ch. 12; E. A. Cornish, R. A.
Fisher, "Moments and cumulants in the specification of distributions" (1937).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# The probabilities that the table knows, mirror images of each other: percentiles, and what is as
# good as certain.
LEVELS = (0.001, 0.05, 0.50, 0.95, 0.999)
# By how much one unit of the fifth cumulant moves them, (z^4 - 6 z^2 + 3) / 120 for the normal
# variable's percentile z. Out at the ends the series is of no use.
_OF_FIFTH = tuple((z**4 - 6.0 * z**2 + 3.0) / 120.0 for z in (1.644854, 0.0, 1.644854))
_OF_FIFTH = (0.0, *_OF_FIFTH, 0.0)
_SKEW = np.linspace(0.0, 1.25, 26)
_EXCESS = np.linspace(-0.9, 1.6, 26)
_CELLS = 1000  # of a curve's range when the table is made

_Floats = NDArray[np.float64]


def cumulants(raw: _Floats) -> _Floats:
    """Turn raw moments 1 to 5 (the rows) into cumulants: of independent parts, these add up.

    Examples
    --------
    A coin with the sides 0 and 1:

    >>> cumulants(np.full((5, 1), 0.5)).ravel().tolist()
    [0.5, 0.25, 0.0, -0.125, 0.0]
    """
    first, second, third, fourth, fifth = raw
    square = first * first
    variance = second - square
    skewed = third - first * (3.0 * second - 2.0 * square)
    central = fourth - 4.0 * first * third + square * (6.0 * second - 3.0 * square)
    outer = fifth - 5.0 * first * fourth
    outer += square * (10.0 * third - first * (10.0 * second - 4.0 * square))
    return np.array(
        [
            first,
            variance,
            skewed,
            central - 3.0 * variance * variance,
            outer - 10.0 * skewed * variance,
        ]
    )


def quantile(level: float, skew: _Floats, excess: _Floats, fifth: _Floats) -> _Floats:
    """Give what a variable of mean 0 and variance 1 is below with the probability `level`.

    Parameters
    ----------
    level : one of LEVELS
    skew, excess : third cumulant, -1.25..1.25, and fourth, -0.9..1.6; NaN comes of others, and
        where the curve would have a peak at its end
    fifth : cumulant; NaN takes that of the curve

    Examples
    --------
    >>> skew, excess = np.array([0.0, 0.5, 9.0]), np.array([0.0, 0.1, 0.0])
    >>> quantile(0.95, skew, excess, np.full(3, np.nan)).round(3).tolist()
    [1.645, 1.795, nan]
    """
    number = LEVELS.index(level)
    # What leans to the other side is the mirror image.
    table, own = _table()
    flat = np.concatenate([table[number].ravel(), -table[-1 - number].ravel()])
    row, right = _place(_SKEW, np.abs(skew))
    column, below = _place(_EXCESS, excess)
    cell = row * len(_EXCESS) + column
    mirrored = skew < 0
    cell[mirrored] += table[number].size
    found = _between(flat, cell, right, below)
    if _OF_FIFTH[number]:
        of_curve = _between(np.concatenate([own.ravel(), -own.ravel()]), cell, right, below)
        found += _OF_FIFTH[number] * np.nan_to_num(fifth - of_curve)
    return found


def _between(flat: _Floats, cell: NDArray[np.int64], right: _Floats, below: _Floats) -> _Floats:
    left = flat[cell] + below * (flat[cell + 1] - flat[cell])
    cell = cell + len(_EXCESS)
    found: _Floats = left + right * (flat[cell] + below * (flat[cell + 1] - flat[cell]) - left)
    return found


def _place(axis: _Floats, value: _Floats) -> tuple[NDArray[np.int64], _Floats]:
    at = (value - axis[0]) / (axis[1] - axis[0])
    at = np.where((at >= 0) & (at <= len(axis) - 1), at, np.nan)
    cell = np.minimum(np.nan_to_num(at), len(axis) - 2).astype(np.int64)
    return cell, at - cell


@cache
def _table() -> tuple[_Floats, _Floats]:
    """Integrate the curve of each skew and excess: p'/p = -(x + b) / (a + b x + c x^2).

    Gives the percentiles by level, and the fifth cumulants, which follow from
    (1 - (n + 2) c) E[x^(n+1)] = n a E[x^(n-1)] + n b E[x^n].
    """
    skew, excess = (each.ravel() for each in np.meshgrid(_SKEW, _EXCESS, indexing="ij"))
    table = np.full((len(LEVELS), len(skew)), np.nan)
    scale = 10.0 * excess - 12.0 * skew**2 + 12.0
    usual = np.flatnonzero(scale > 1e-9)
    skew, excess, scale = skew[usual], excess[usual], scale[usual]
    a = (4.0 * excess - 3.0 * skew**2 + 12.0) / scale
    b = skew * (excess + 6.0) / scale
    c = (2.0 * excess - 3.0 * skew**2) / scale
    c = np.where(c == 0, 1e-9, c)  # a line has only one root, and this nearly the same
    low, high = np.full(len(usual), -8.0), np.full(len(usual), 10.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - 4.0 * a * c)
        for end in ((-b + root) / (2.0 * c), (-b - root) / (2.0 * c)):
            low = np.fmax(low, np.where(end < 0, end, np.nan))
            high = np.fmin(high, np.where(end > 0, end, np.nan))
    width = (high - low) / _CELLS
    x = low[:, None] + width[:, None] * (np.arange(_CELLS) + 0.5)
    slope = -(x + b[:, None]) / (a[:, None] + b[:, None] * x + c[:, None] * x * x)
    slope *= width[:, None]
    rise = np.cumsum(slope, axis=1) - 0.5 * slope
    density = np.exp(rise - rise.max(axis=1, keepdims=True))
    below = np.cumsum(density, axis=1)
    below /= below[:, -1:]
    shaped = np.isfinite(below).all(axis=1) & (density[:, [0, -1]] < 0.999).all(axis=1)
    for number in np.flatnonzero(shaped):
        ends = x[number] + 0.5 * width[number]
        table[:, usual[number]] = np.interp(LEVELS, below[number], ends)
    fifth = np.full(table.shape[1], np.nan)
    fifth[usual] = 4.0 * (a * skew + b * (excess + 3.0)) / (1.0 - 6.0 * c) - 10.0 * skew
    shape = len(_SKEW), len(_EXCESS)
    return table.reshape(len(LEVELS), *shape), fifth.reshape(shape)
