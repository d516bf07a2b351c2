"""PostgreSQL's binary COPY format, read and written by numpy, a column at a time.

A row is the number of its fields as int16, then each field as its length in int32 (-1 for NULL)
and its bytes, all big-endian. Source: PostgreSQL's documentation of COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
# "int", "float", "flag", or a closed list of words
Kind = str | Sequence[str]

_NULL = 0xFF  # what the length of a NULL ends in; no other length here does


# Rows that are decoded at once: a block and its columns fit into a processor's cache.
BLOCK = 8_192


def decode(data: bytearray, ends: NDArray[np.int64], kinds: Sequence[Kind]) -> list[NDArray[Any]]:
    """The columns of some rows; `ends` says where each row ends, the first one starting at 0.

    kinds : "int" (bigint, NULL is -1), "float" (double precision, NULL is NaN), "flag" (boolean)
        or the words that a text column may hold, read as positions in that list

    The rows of a block are walked through at once, field by field, as NULLs and words make them
    of different lengths. Raises ValueError where they do not end where they should: a column of
    another width.
    """
    # A number is also read where there is a NULL, and dropped; behind the last there is room.
    data += bytes(12)
    starts = np.append(0, ends[:-1])[: len(ends)]
    columns = [np.empty(len(ends), _DTYPES.get(str(kind), "int64")) for kind in kinds]
    for first in range(0, len(ends), BLOCK):
        block = slice(first, first + BLOCK)
        try:
            at = _walk(data, starts[block] + 2, kinds, [column[block] for column in columns])
        except IndexError:
            at = starts[block]
        if not np.array_equal(at, ends[block]):
            raise ValueError(f"The SELECT yields a column that is none of {list(kinds)}.")
    return columns


_DTYPES = {"int": "int64", "float": "float64", "flag": "bool"}


def _walk(
    data: bytearray,
    at: NDArray[np.int64],
    kinds: Sequence[Kind],
    columns: Sequence[NDArray[Any]],
) -> NDArray[np.int64]:
    """Fill the columns from rows whose first fields are `at`; returns where the rows end."""
    raw = np.frombuffer(data, np.uint8)
    longs, floats, pairs = (
        np.ndarray(len(data) - 8, np.dtype(dtype), data, strides=(1,))
        for dtype in (">i8", ">f8", ">u2")
    )
    for kind, column in zip(kinds, columns, strict=True):
        if kind == "int" or kind == "float":
            null = raw[at] == _NULL
            column[:] = (longs if kind == "int" else floats)[at + 4]
            if null.any():
                column[null] = -1 if kind == "int" else np.nan
                at = at + np.where(null, 4, 12)
            else:
                at = at + 12
        elif kind == "flag":
            column[:] = raw[at + 4]
            at = at + 5
        else:
            length = raw[at + 3].astype("int64")
            column[:] = _codes(tuple(kind))[_key(pairs[at + 4], length)]
            at = at + 4 + length
    return at


def _key(start: Any, length: Any) -> Any:
    """What tells the words of a list apart: their first two bytes and their length."""
    return np.where(length == 0, 0, (start.astype("int64") + 31 * length) & 0xFFFF)


@cache
def _codes(words: tuple[str, ...]) -> NDArray[np.int64]:
    """Key of a word -> its position in the list; 0 for what is not in it."""
    encoded = [word.encode() for word in words]
    starts = np.frombuffer(b"".join((word + b"  ")[:2] for word in encoded), ">u2")
    keys = _key(starts, np.array([len(word) for word in encoded]))
    if len(np.unique(keys)) < len(words):
        raise ValueError(f"These words look alike: {words}")
    table = np.zeros(0x10000, dtype=np.int64)
    table[keys] = np.arange(len(words))
    return table


def encode(frame: pd.DataFrame, kinds: Mapping[str, str]) -> bytes:
    """Rows in PostgreSQL's binary COPY format, without its header and trailer.

    Every field is laid out at its full width; then the bytes that NULLs and short words do not
    have are masked out.
    """
    fields = [_field(frame[name], kind) for name, kind in kinds.items()]
    width = 2 + sum(4 + payload.shape[1] for payload, _ in fields)
    block = np.zeros((len(frame), width), dtype=np.uint8)
    keep = np.ones(block.shape, dtype=bool)
    block[:, :2] = np.frombuffer(np.array(len(fields), ">i2").tobytes(), np.uint8)
    at = 2
    for payload, length in fields:
        block[:, at : at + 4] = length.astype(">i4").view(np.uint8).reshape(-1, 4)
        at += 4
        block[:, at : at + payload.shape[1]] = payload
        keep[:, at : at + payload.shape[1]] = np.arange(payload.shape[1]) < length[:, None]
        at += payload.shape[1]
    return block[keep].tobytes()


_FIXED = {"int": ">i8", "integer": ">i4", "smallint": ">i2", "bool": "u1", "float": ">f8"}


def _field(column: pd.Series[Any], kind: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The payload bytes (rows x width) and their lengths (-1 for NULL)."""
    null = column.isna().to_numpy()
    if kind == "word":
        codes, words = pd.factorize(column)
        raw = np.array([word.encode() for word in words] or [b""])
        payload = raw[codes].view(np.uint8).reshape(len(column), -1)
        length = np.char.str_len(raw)[codes]
    else:
        if kind == "money":
            payload = _numeric(column)
        else:
            if kind == "time":
                stamps = column.dt.as_unit("us").astype("int64").to_numpy()
                values = (stamps - POSTGRES_EPOCH_US).astype(">i8")
            else:
                values = (
                    (column.fillna(0) if null.any() else column).to_numpy().astype(_FIXED[kind])
                )
            payload = values.view(np.uint8).reshape(len(column), -1)
        length = np.full(len(column), payload.shape[1])
    return payload, np.where(null, -1, length)


def _numeric(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """numeric with two decimal places: a header and six base-10,000 digits, up to 10^17."""
    cents = np.rint(np.nan_to_num(column.to_numpy(dtype="float64")) * 100).astype("int64")
    rest = np.abs(cents)
    words = np.zeros((len(cents), 10), dtype=">i2")
    words[:, 0] = 6  # digits
    words[:, 1] = 4  # weight of the first one: 10,000 ^ 4
    words[:, 2] = np.where(cents < 0, 0x4000, 0)
    words[:, 3] = 2  # decimal places
    words[:, 9] = rest % 100 * 100
    rest //= 100
    for place in range(8, 3, -1):
        words[:, place] = rest % 10_000
        rest //= 10_000
    return words.view(np.uint8).reshape(len(cents), -1)
