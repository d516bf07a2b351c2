"""Frames in and out of the database, byte by byte and value by value."""

import struct
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from django.db import DataError, IntegrityError, connection
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.datetime import TimestamptzBinaryLoader
from psycopg.types.numeric import NumericBinaryLoader

from debtreg import bulk

KINDS = {
    "int": "int",
    "smallint": "smallint",
    "integer": "integer",
    "float": "float",
    "bool": "bool",
    "money": "money",
    "time": "time",
    "word": "word",
}
TYPES = {
    "int": "bigint",
    "smallint": "smallint",
    "integer": "integer",
    "float": "double precision",
    "bool": "boolean",
    "money": "numeric(20, 2)",
    "time": "timestamp with time zone",
    "word": "varchar(14)",
}
NOON = pd.Timestamp("2026-07-01 12:00:00.123456", tz="UTC")
EPOCH = pd.Timestamp("2000-01-01", tz="UTC")

ROWS = [
    # everything known
    (1, 2, 3, 1.5, True, 12960.05, NOON, "priced"),
    # everything unknown
    (None, None, None, np.nan, False, np.nan, pd.NaT, None),
    # below zero, before the epoch of PostgreSQL
    (-(2**62), -(2**15), -(2**31), -1e-300, False, -0.01, EPOCH - pd.Timedelta("1us"), ""),
    # as large as it gets
    (2**63 - 1, 2**15 - 1, 2**31 - 1, 1.7976931348623157e308, True, 1e15, EPOCH, "未定价"),
    (0, 0, 0, -0.0, False, -1e15, NOON, "a 'quoted' \\ \t word"[:14]),
    (5, 5, 5, 0.1 + 0.2, True, 9_999.99, NOON, "é\U0001f600"),
]


def frame_of(rows):
    whole = {"int": "Int64", "smallint": "Int16", "integer": "Int32"}
    columns = dict(zip(KINDS, zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame(
        {
            name: pd.Series(
                list(values),
                dtype=whole.get(name)
                or {"float": "float64", "money": "float64", "word": object}.get(name),
            )
            for name, values in columns.items()
        }
    )
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame


@pytest.fixture
def table(db):
    columns = ", ".join(f'"{name}" {sql}' for name, sql in TYPES.items())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE bulked (n integer, {columns})")
    return "bulked"


def stored(table):
    """What the driver reads back, as Python objects of one kind on both databases."""
    names = ", ".join(f'"{name}"' for name in KINDS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {table}")
        rows = [dict(zip(KINDS, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        if isinstance(row["time"], str):
            row["time"] = datetime.fromisoformat(row["time"])
        if row["time"] is not None:
            row["time"] = row["time"].replace(tzinfo=UTC)
        row["bool"] = bool(row["bool"])
        if row["money"] is not None:
            row["money"] = Decimal(str(row["money"])).quantize(Decimal("0.01"))
    return rows


def expected(rows):
    """The same rows, without the library that is under test."""
    found = []
    for row in rows:
        values = dict(zip(KINDS, row, strict=True))
        for name, value in values.items():
            values[name] = None if value is None or pd.isna(value) else value
        if values["money"] is not None:
            values["money"] = Decimal(repr(values["money"])).quantize(Decimal("0.01"))
        if values["time"] is not None:
            values["time"] = values["time"].to_pydatetime()
        found.append(values)
    return found


def test_every_kind_of_column_comes_back_as_it_went_in(table):
    bulk.write(table, frame_of(ROWS), KINDS)
    assert stored(table) == expected(ROWS)


def test_rows_of_several_pieces_keep_their_order(table, monkeypatch):
    monkeypatch.setattr(bulk, "ROWS_AT_A_TIME", 4)
    bulk.write(table, frame_of(ROWS * 3), KINDS)
    assert stored(table) == expected(ROWS * 3)


def test_an_empty_frame_writes_nothing(table):
    bulk.write(table, frame_of(ROWS)[:0], KINDS)
    assert stored(table) == []


def test_columns_may_stand_at_any_index(table):
    frame = frame_of(ROWS).sort_values("int", na_position="first")[::2]
    bulk.write(table, frame, KINDS)
    assert [row["int"] for row in stored(table)] == [None, 0, 5]


def test_what_the_database_refuses_is_djangos_error(table):
    """On PostgreSQL, COPY raises past Django's wrapping of errors unless somebody sees to it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX bulked_once ON bulked (n)")
    frame = pd.DataFrame({"n": [1, 1]})
    with pytest.raises(IntegrityError):
        bulk.write(table, frame, {"n": "integer"})


def test_rows_that_the_database_refuses_are_djangos_error(table):
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX bulked_once ON bulked (n)")
    with pytest.raises(IntegrityError):
        bulk.write_rows(table, ["n"], [[1], [1]])


def read(table, columns, where="1 = 1", params=()):
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"
    return bulk.read(sql, dict(columns.values()), params)


READ = {'"int"': ("whole", "int"), '"float"': ("ratio", "float")}


def test_reading_gives_whole_numbers_and_floats_with_nan_for_unknown(table):
    bulk.write(table, frame_of(ROWS), KINDS)
    found = read(table, READ)
    assert found.dtypes.astype(str).to_dict() == {"whole": "int64", "ratio": "float64"}
    assert found["whole"].tolist() == [-1 if row[0] is None else row[0] for row in ROWS]
    # SQLite keeps no sign of a zero.
    assert [str(value + 0.0) for value in found["ratio"]] == [str(row[3] + 0.0) for row in ROWS]


def test_reading_gives_flags_and_the_places_of_words(table):
    words = ["done", "doing", "", "story_point", "story_pointer", "é\U0001f600"]
    frame = pd.DataFrame({"word": words, "bool": [True, False] * 3})
    bulk.write(table, frame, {"word": "word", "bool": "bool"})
    columns = {"word": ("code", ("", "doing", "done", "story_point")), '"bool"': ("flag", "flag")}
    found = read(table, columns)
    # What is not in the list counts as its first word.
    assert found["code"].tolist() == [2, 1, 0, 3, 0, 0]
    assert found["flag"].tolist() == frame["bool"].tolist()


@pytest.mark.postgres_only
@pytest.mark.parametrize("rows", [1, 2_047, 2_048, 2_049, 5_000])
def test_reading_in_blocks_loses_no_row(db, rows):
    half = "CASE WHEN n % 3 > 0 THEN n * 0.5::float8 END"
    sql = f"SELECT n, {half} FROM generate_series(1, {rows}::bigint) n"
    found = bulk.read(sql, {"n": "int", "half": "float"})
    numbers = np.arange(1, rows + 1)
    assert found["n"].tolist() == numbers.tolist()
    np.testing.assert_array_equal(found["half"], np.where(numbers % 3, numbers * 0.5, np.nan))


@pytest.mark.postgres_only
def test_an_error_in_the_middle_of_reading_is_djangos_error(db):
    sql = "SELECT 1 / (5000 - n) FROM generate_series(1, 9000::bigint) n"
    with pytest.raises(DataError, match="division by zero"):
        bulk.read(sql, {"n": "int"})


def test_reading_nothing_gives_an_empty_frame_with_the_same_columns(table):
    found = read(table, READ)
    assert len(found) == 0
    assert found.dtypes.astype(str).to_dict() == {"whole": "int64", "ratio": "float64"}


def test_reading_takes_parameters(table):
    bulk.write(table, frame_of(ROWS), KINDS)
    found = read(table, {'"int"': ("whole", "int")}, '"int" > %s AND "int" < %s', [0, 100])
    assert found["whole"].tolist() == [1, 5]


@pytest.mark.postgres_only
@pytest.mark.parametrize("column", ['"integer"', '"smallint"', '"money"', '"time"', "word"])
def test_reading_refuses_a_column_of_another_type(table, column):
    """Of fourteen-byte rows seven NULLs look like three rows; none of that may pass for data."""
    unknown = (None, None, None, np.nan, False, np.nan, pd.NaT, None)
    bulk.write(table, frame_of([*ROWS, *[unknown] * 6]), KINDS)
    for kind in ("int", "float", "flag", ("", "priced")):
        if (column, kind) not in {('"time"', "int"), ('"time"', "float"), ("word", ("", "priced"))}:
            with pytest.raises(ValueError, match="none of"):
                read(table, {column: ("whole", kind)})


def test_updating_sets_only_the_rows_with_these_keys(table):
    frame = pd.DataFrame({"n": range(5), "integer": range(5), "word": list("abcde")})
    bulk.write(table, frame, {"n": "integer", "integer": "integer", "word": "word"})
    bulk.update_rows(table, "n", [3, 1], ["integer", "word"], [[30, None], ["三", ""]])
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT n, "integer", word FROM {table} ORDER BY n')
        found = cursor.fetchall()
    assert found == [(0, 0, "a"), (1, None, ""), (2, 2, "c"), (3, 30, "三"), (4, 4, "e")]


def test_updating_no_row_is_harmless(table):
    bulk.update_rows(table, "n", [], ["integer"], [[]])


# --- The binary format, against PostgreSQL's own reader of it -------------------------------------

_LOADERS = {
    "int": lambda data: struct.unpack(">q", data)[0],
    "integer": lambda data: struct.unpack(">i", data)[0],
    "smallint": lambda data: struct.unpack(">h", data)[0],
    "float": lambda data: struct.unpack(">d", data)[0],
    "bool": lambda data: struct.unpack(">?", data)[0],
    "word": lambda data: data.decode(),
    "money": lambda data: NumericBinaryLoader(1700).load(data),
    "time": lambda data: TimestamptzBinaryLoader(1184).load(data).astimezone(UTC),
}


def decode(data, kinds):
    """Rows of the binary COPY format, one field after the other."""
    rows, at = [], 0
    while at < len(data):
        (count,) = struct.unpack_from(">h", data, at)
        assert count == len(kinds)
        at += 2
        row = []
        for kind in kinds.values():
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            if length < 0:
                row.append(None)
                continue
            row.append(_LOADERS[kind](data[at : at + length]))
            at += length
        rows.append(row)
    return rows


cents = st.integers(-(10**17), 10**17).map(lambda number: number / 100)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: pd.Timestamp(moment, tz="UTC")
)
words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
rows = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(-(2**15), 2**15 - 1),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.just(np.nan) | st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.just(np.nan) | cents,
    st.just(pd.NaT) | times,
    st.none() | words,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, min_size=1, max_size=12))
def test_the_binary_format_says_what_the_frame_says(given_rows):
    found = decode(bulk.encode(frame_of(given_rows), KINDS), KINDS)
    for row, wanted in zip(found, expected(given_rows), strict=True):
        read = dict(zip(KINDS, row, strict=True))
        amount = wanted.pop("money")
        assert (read["money"] is None) == (amount is None)
        if amount is not None:
            # Beyond 2^53 cents a float has no cents to give.
            assert abs(read.pop("money") - amount) <= abs(amount) / 2**53
        else:
            read.pop("money")
        assert read == wanted
