"""Whole frames in and out of the database: COPY on PostgreSQL, executemany on SQLite.

The ORM writes about 25,000 rows a second; a portfolio of a million items wants ten times that.
On PostgreSQL frames travel in the binary COPY format, see `wire`.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from django.db import connection
from psycopg.errors import error_from_result

from debtreg.wire import SIGNATURE, TRAILER, Kind, decode, encode

T = TypeVar("T")

ROWS_AT_A_TIME = 20_000


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def among(column: str, keys: Sequence[int]) -> tuple[str, list[Any]]:
    """A condition for a list of keys of any length."""
    if len(keys) > 1_000 and len(set(keys)) == max(keys) - min(keys) + 1:
        # Items that came in together. Two bounds are read sooner than so many keys.
        return f"{column} BETWEEN %s AND %s", [int(min(keys)), int(max(keys))]
    if is_postgres():
        return f"{column} = ANY(%s)", [[int(key) for key in keys]]
    # SQLite takes a limited number of parameters; JSON is one.
    return f"{column} IN (SELECT value FROM json_each(%s))", [
        json.dumps([int(key) for key in keys])
    ]


def read(sql: str, kinds: Mapping[str, Kind], params: Sequence[Any] = ()) -> pd.DataFrame:
    """The rows of a SELECT as a frame.

    kinds : column name -> "int" (bigint; NULL becomes -1), "float" (double precision; NULL becomes
        NaN), "flag" (boolean), or the words that a text column may hold, which become their
        positions in that list; in the order of the SELECT
    """
    return fetch(sql, kinds, params).frame()


def fetch(sql: str, kinds: Mapping[str, Kind], params: Sequence[Any] = ()) -> Fetched:
    """As read, but for the making of the frame, which may be left to another thread."""
    if is_postgres():
        return Fetched(kinds, *_copied(sql, params))
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return Fetched(kinds, rows=cursor.fetchall())


@dataclass(frozen=True)
class Fetched:
    """What a SELECT has yielded: in the binary COPY format, and where each row ends; or rows."""

    kinds: Mapping[str, Kind]
    data: bytearray = field(default_factory=bytearray)
    ends: Sequence[int] = ()
    rows: Sequence[tuple[Any, ...]] | None = None

    def __len__(self) -> int:
        return len(self.ends if self.rows is None else self.rows)

    def frame(self) -> pd.DataFrame:
        kinds = list(self.kinds.values())
        if self.rows is None:
            columns = decode(self.data, np.array(self.ends, dtype="int64"), kinds)
        else:
            values = zip(*self.rows, strict=True) if self.rows else ([] for _ in kinds)
            columns = [_column(*pair) for pair in zip(values, kinds, strict=True)]
        return pd.DataFrame(dict(zip(self.kinds, columns, strict=True)), copy=False)


def _column(values: Iterable[Any], kind: Kind) -> np.ndarray[Any, Any]:
    """Python values as SQLite gives them."""
    if kind == "float":
        return np.array(values, dtype="float64")  # None becomes NaN
    if kind == "flag":
        return np.array(values, dtype=bool)
    if kind == "int":
        return np.array([-1 if value is None else value for value in values], dtype="int64")
    code = {word: place for place, word in enumerate(kind)}
    return np.array([code.get(value, 0) for value in values], dtype="int64")


def _copied(sql: str, params: Sequence[Any]) -> tuple[bytearray, list[int]]:
    """What a SELECT yields in the binary COPY format, and where each row ends.

    psycopg's own loop takes a microsecond for each row. What has arrived is taken straight from
    libpq, which gives one row at a time; psycopg waits for more, and ends the COPY.
    """
    data, ends = bytearray(), list[int]()
    with _copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as copy:
        connected = connection.connection.pgconn
        take = connected.get_copy_data
        row = copy.read()[len(SIGNATURE) :]
        while row:
            while len(row) > len(TRAILER):
                data += row
                ends.append(len(data))
                size, row = take(1)
                if size < 0:
                    raise error_from_result(connected.get_result())
            row = copy.read()
    return data, ends


@contextmanager
def _copy(statement: str, params: Sequence[Any] = ()) -> Iterator[Any]:
    """psycopg's COPY with Django's errors: Django wraps those of execute() only."""
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        # Beneath Django's wrapper: the one that DEBUG puts around it takes no parameters.
        cursor.cursor.copy(statement, list(params) or None) as copy,
    ):
        yield copy


def write(table: str, frame: pd.DataFrame, kinds: Mapping[str, str], *, options: str = "") -> None:
    """Append the frame's columns to a table; NaN, NaT and None become NULL.

    kinds : column name -> "int", "smallint", "integer", "float", "bool" (never unknown), "money"
        (two places), "time" (aware datetimes), "word" (short text of few different values)
    options : of PostgreSQL's COPY, as ", FREEZE"
    """
    parts = (
        frame.iloc[start : start + ROWS_AT_A_TIME] for start in range(0, len(frame), ROWS_AT_A_TIME)
    )
    if not is_postgres():
        for part in parts:
            columns = [_plain(part[name], kind) for name, kind in kinds.items()]
            write_rows(table, list(kinds), zip(*columns, strict=True))
        return
    if frame.empty:
        return
    blocks = (encode(part, kinds) for part in parts)
    names = ", ".join(connection.ops.quote_name(name) for name in kinds)
    with _copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY{options})") as copy:
        copy.write(SIGNATURE)
        for block in ahead(blocks) if len(frame) > ROWS_AT_A_TIME else blocks:
            copy.write(block)
        copy.write(TRAILER)


def ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """What a generator yields, made in a thread while the caller is busy with the one before."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            thread.submit(items.close).result()


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
        # The stubs want a sequence; the driver takes the rows as they come.
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", cast(Any, rows))


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
            rows = list(zip(*values, keys, strict=True))
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE {key} = %s", rows)
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


def new_keys(table: str, count: int) -> list[int]:
    """Keys for new rows, from the table's own sequence where there is one."""
    if not is_postgres():
        first = _last_key(table) + 1
        return list(range(first, first + count))
    with connection.cursor() as cursor:
        # The sequence is looked up once: for each row that takes ten times what a key does.
        cursor.execute(
            "SELECT nextval(s) FROM pg_get_serial_sequence(%s, 'id') s(s), generate_series(1, %s)",
            [table, count],
        )
        return [row[0] for row in cursor.fetchall()]


def next_key(table: str, *, order: str) -> tuple[str, dict[str, Any]]:
    """SQL for a new key of a table in each row of one SELECT, and its parameters.

    order : by which the rows are put in order
    """
    if is_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
            return "nextval(CAST(%(sequence)s AS regclass))", {"sequence": cursor.fetchone()[0]}
    last = {"last_key": _last_key(table)}
    return f"%(last_key)s + ROW_NUMBER() OVER (ORDER BY {order})", last


def _last_key(table: str) -> int:
    """The highest key so far. The transaction holds SQLite's one write lock: nobody adds one."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT MAX(COALESCE((SELECT MAX(id) FROM {table}), 0),"
            " COALESCE((SELECT seq FROM sqlite_sequence WHERE name = %s), 0))",
            [table],
        )
        return int(cursor.fetchone()[0])


def each_of(column: str) -> str:
    """SQL for what a column of JSON lists holds, as a table beside each row; a column `value`."""
    if is_postgres():
        return f"LATERAL jsonb_array_elements_text(CAST({column} AS jsonb)) AS each_of(value)"
    return f"json_each({column}) AS each_of"


def check_references() -> None:
    """Check the foreign keys of thousands of new rows now and not at the end of the transaction.

    PostgreSQL looks into the table that is referred to for each row. It takes a small one for
    something to be read from end to end, and keeps to that in its cached plan; by the index it
    takes half the time.
    """
    if not is_postgres():
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("DISCARD PLANS")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET LOCAL enable_seqscan = on")


def analyze(table: str, *columns: str) -> None:
    """Tell the planner about rows that came in by the thousand.

    columns : what conditions and joins use; the texts of a table take most of the time
    """
    with connection.cursor() as cursor:
        only = f" ({', '.join(columns)})" if columns and is_postgres() else ""
        cursor.execute(f"ANALYZE {table}{only}")


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
