"""Sums and products over runs of rows that belong together, without a loop."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def starts_of(keys: NDArray[Any]) -> _Ints:
    """Find where each run of equal keys begins.

    Examples
    --------
    >>> starts_of(np.array([4, 4, 2, 4])).tolist()
    [0, 2, 3]
    """
    if not len(keys):
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])


def products(values: _Floats, starts: _Ints) -> _Floats:
    """Multiply up each run along the first axis.

    Examples
    --------
    >>> products(np.array([2.0, 3.0, 5.0]), np.array([0, 2])).tolist()
    [6.0, 5.0]
    """
    if not len(starts):
        return values[:0]
    product: _Floats = np.multiply.reduceat(values, starts, axis=0)
    return product


def products_of_others(values: _Floats, keys: _Ints) -> _Floats:
    """Give for each value the product of the others of its run; zeros are no trouble.

    Examples
    --------
    >>> products_of_others(np.array([2.0, 3.0, 0.0, 7.0]), np.array([1, 1, 1, 2])).tolist()
    [0.0, 0.0, 6.0, 1.0]
    """
    starts = starts_of(keys)
    if not len(starts):
        return values
    zero = values == 0
    zeros = np.add.reduceat(zero, starts, axis=0, dtype=np.int64)
    product = products(np.where(zero, 1.0, values), starts)
    run = np.repeat(np.arange(len(starts)), np.append(starts[1:], len(values)) - starts)
    product, zeros = product[run], zeros[run]
    others = product / np.where(zero, 1.0, values)
    return np.where(zeros - zero > 0, 0.0, others)
