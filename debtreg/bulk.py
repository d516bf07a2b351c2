"""Whole frames in and out of the database: COPY on PostgreSQL, executemany on SQLite.

The ORM writes about 25,000 rows a second; a portfolio of a million items wants ten times that.
On PostgreSQL the binary COPY format is read and written by numpy, a column at a time. That works
because every column here has a fixed width: unknown numbers travel as NaN, and the few texts
of a score are words of a closed list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection

SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
ROWS_AT_A_TIME = 100_000

# Kind of column -> (numpy type on the wire, in frames)
_READ = {"int": (">i8", "int64"), "float": (">f8", "float64")}


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def read(sql: str, kinds: dict[str, str], params: Sequence[Any] = ()) -> pd.DataFrame:
    """The rows of a SELECT as a frame.

    kinds : column name -> "int" (bigint) or "float" (double precision), in the order of the
        SELECT, which must yield exactly these types and no NULL: unknown floats as NaN on
        PostgreSQL (SQLite knows no NaN; there NULL becomes NaN), unknown keys as -1.
    """
    if is_postgres():
        return _read_copy(sql, kinds, params)
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        rows = cursor.fetchall()
    columns = zip(*rows, strict=True) if rows else ([] for _ in kinds)
    return pd.DataFrame(
        {
            name: np.array(values, dtype=_READ[kind][1])
            for (name, kind), values in zip(kinds.items(), columns, strict=True)
        }
    )


def _read_copy(sql: str, kinds: dict[str, str], params: Sequence[Any]) -> pd.DataFrame:
    wire: list[tuple[str, str]] = [("_fields", ">i2")]
    for name, kind in kinds.items():
        wire += [(f"_width_{name}", ">i4"), (name, _READ[kind][0])]
    record = np.dtype(wire)
    data = bytearray()
    with _copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as copy:
        for piece in copy:
            data += piece
    size = len(data) - len(SIGNATURE) - len(TRAILER)
    rows = np.frombuffer(data, record, count=size // record.itemsize, offset=len(SIGNATURE))
    # A row of another width moves all that follow, so that they no longer begin with the count.
    if size % record.itemsize or (rows["_fields"] != len(kinds)).any():
        raise ValueError("The SELECT yields a NULL or a column that is not 8 bytes wide.")
    return pd.DataFrame({name: rows[name].astype(_READ[kind][1]) for name, kind in kinds.items()})


@contextmanager
def _copy(statement: str, params: Sequence[Any] = ()) -> Iterator[Any]:
    """psycopg's COPY with Django's errors: Django wraps those of execute() only."""
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement, list(params) or None) as copy,
    ):
        yield copy


def write(table: str, frame: pd.DataFrame, kinds: dict[str, str]) -> None:
    """Append the frame's columns to a table; NaN, NaT and None become NULL.

    kinds : column name -> "int", "smallint", "integer", "float", "bool" (never unknown), "money"
        (two places), "time" (aware datetimes), "word" (short text of few different values)
    """
    for start in range(0, len(frame), ROWS_AT_A_TIME):
        part = frame.iloc[start : start + ROWS_AT_A_TIME]
        if is_postgres():
            _write_copy(table, part, kinds)
        else:
            columns = [_plain(part[name], kind) for name, kind in kinds.items()]
            write_rows(table, list(kinds), zip(*columns, strict=True))


def write_rows(
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    types: Sequence[str] | None = None,
) -> None:
    """Append plain Python rows: for tables with texts of any length.

    types : PostgreSQL's type of each column; needed where a value alone does not tell.
    """
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    if is_postgres():
        with _copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def update_rows(
    table: str,
    key: str,
    keys: Sequence[int],
    columns: Sequence[str],
    values: Sequence[Sequence[Any]],
) -> None:
    """Set columns of the rows with these keys; `values` holds a sequence for each column."""
    names = [connection.ops.quote_name(name) for name in columns]
    with connection.cursor() as cursor:
        if not is_postgres():
            sets = ", ".join(f"{name} = %s" for name in names)
            cursor.executemany(
                f"UPDATE {table} SET {sets} WHERE {key} = %s", zip(*values, keys, strict=True)
            )
            return
        cursor.execute(
            f"CREATE TEMPORARY TABLE updated ON COMMIT DROP AS"
            f" SELECT {key}, {', '.join(names)} FROM {table} LIMIT 0"
        )
        write_rows("updated", [key, *columns], zip(keys, *values, strict=True))
        sets = ", ".join(f"{name} = u.{name}" for name in names)
        cursor.execute(f"UPDATE {table} t SET {sets} FROM updated u WHERE t.{key} = u.{key}")
        cursor.execute("DROP TABLE updated")


def stamp(value: date) -> Any:
    """A day or a moment as this database's driver takes it."""
    if is_postgres():
        return value
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value.isoformat()


def _plain(column: pd.Series[Any], kind: str) -> list[Any]:
    """A column as what the SQLite driver takes."""
    if kind == "time":
        adapt = connection.ops.adapt_datetimefield_value
        return [None if pd.isna(value) else adapt(value.to_pydatetime()) for value in column]
    if kind == "money":
        column = column.round(2)
    if kind == "bool":
        column = column.astype("int64")
    values = column.astype(object)
    return values.where(column.notna(), None).tolist()


def _write_copy(table: str, frame: pd.DataFrame, kinds: dict[str, str]) -> None:
    names = ", ".join(connection.ops.quote_name(name) for name in kinds)
    with _copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(SIGNATURE)
        copy.write(encode(frame, kinds))
        copy.write(TRAILER)


def encode(frame: pd.DataFrame, kinds: dict[str, str]) -> bytes:
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


def analyze(*tables: str) -> None:
    """Tell the planner about rows that came in by the thousand."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE {table}")


def temporary_like(name: str, table: str, columns: Sequence[str]) -> None:
    """An empty table for this transaction, with these columns of another."""
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        drop = "ON COMMIT DROP" if is_postgres() else ""
        cursor.execute(
            f"CREATE TEMPORARY TABLE {name} {drop} AS SELECT {names} FROM {table} LIMIT 0"
        )


__all__ = ["analyze", "encode", "is_postgres", "read", "temporary_like", "write", "write_rows"]
