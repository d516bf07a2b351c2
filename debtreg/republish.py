"""Publish a run that moves most scores: in a new table, which then takes the old one's place.

To change a million rows in place is to change each of their indexes a million times, which takes
ten times as long as the rows do and leaves as much dead room behind. A new table is filled and
indexed while everybody reads and writes the old one; only when they change places are all others
kept out, for a moment. PostgreSQL only.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.db import OperationalError, connection, transaction

from debtreg import bulk, frames
from debtreg.models import ScoreChange

OLD = frames.SCORES
NEW = f"{OLD}_next"
# Fewer are changed in place.
LEAST_CHANGED = 20_000
# No transaction that writes scores is older than that: jobs are stopped after one.
LONGEST_TRANSACTION = timedelta(hours=2)
ATTEMPTS = 5


@dataclass(frozen=True)
class Successor:
    """The table of all scores as they will be, complete but for what changes until then."""

    frame: pd.DataFrame
    run_id: int
    at: datetime

    def publish(self) -> int | None:
        """Let it take its place; returns how many scores moved.

        Everybody else who reads or writes scores waits from now until the transaction ends. None,
        and nothing is published, where others did not let go of the old table.
        """
        if not _lock():
            _sql(f"DROP TABLE {NEW}")
            return None
        later = self._scored_since()
        if len(later):
            ids, params = bulk.among("item_id", later.tolist())
            _sql(f"DELETE FROM {NEW} WHERE {ids}", params)
            _sql(f"INSERT INTO {NEW} SELECT * FROM {OLD} WHERE {ids}", params)
            ScoreChange.objects.filter(run=self.run_id, item__in=later.tolist()).delete()
        _take_place()
        moved = self.frame.loc[self.frame["changed"], "item_id"]
        return int((~moved.isin(later)).sum())

    def _scored_since(self) -> np.ndarray[Any, Any]:
        """Items whose score is another one than the run has seen, or that it has not seen."""
        now = bulk.read(
            f"SELECT item_id, fingerprint, CAST(revision AS bigint) FROM {OLD}"
            " WHERE run_id IS NULL AND scored_at > %s",
            {"item_id": "int", "old_fingerprint": "int", "old_revision": "int"},
            [self.at - LONGEST_TRANSACTION],
        )
        seen = self.frame.loc[self.frame["changed"], list(now.columns)]
        known = now.merge(seen, on=list(now.columns))
        return now.loc[~now["item_id"].isin(known["item_id"]), "item_id"].to_numpy()


def prepare(frame: pd.DataFrame, *, run_id: int, at: datetime) -> Successor | None:
    """Fill and index the new table, in the transaction that will publish it.

    None where few scores change, or where something hangs on the old table that a new one would
    not have: rights of others, views, triggers, replication.
    """
    changed = int(frame["changed"].sum())
    if changed < LEAST_CHANGED or not bulk.is_postgres() or not _replaceable(changed):
        return None
    _sql(f"CREATE TABLE {NEW} (LIKE {OLD} INCLUDING ALL EXCLUDING INDEXES)")
    rows = frames.rows_of(frame, run_id=run_id, at=at)
    # Frozen rows are there for everybody as soon as the table is.
    bulk.write(NEW, rows, frames.SCORE_KINDS, options=", FREEZE")
    frames.write_history(NEW)
    _sql(
        f"INSERT INTO {NEW} SELECT * FROM {OLD} o"
        f" WHERE NOT EXISTS (SELECT 1 FROM {NEW} n WHERE n.item_id = o.item_id)"
    )
    _sql("SET LOCAL maintenance_work_mem = '256MB'")
    for name, definition in _indexes():
        _sql(re.sub(r"INDEX \S+ ON \S+ ", f"INDEX {name}_next ON {NEW} ", definition, count=1))
    bulk.analyze(NEW)
    return Successor(frame, run_id, at)


def _replaceable(changed: int) -> bool:
    """Whether a copy made by us is all that the old table is, and most of it changes."""
    found = _sql(
        """
        SELECT relowner = current_user::regrole AND relacl IS NULL AND NOT relhastriggers
            AND NOT relrowsecurity AND NOT relhassubclass AND reltuples < %s
            AND has_schema_privilege(relnamespace, 'CREATE')
            AND NOT EXISTS (SELECT FROM pg_publication)
            AND NOT EXISTS (SELECT FROM pg_depend
                WHERE refobjid = c.oid AND classid = 'pg_rewrite'::regclass)
        FROM pg_class c WHERE oid = %s::regclass
        """,
        [2 * changed, OLD],
    )
    return bool(found[0][0])


def _indexes() -> list[tuple[str, str]]:
    """Name and definition of each index of the old table."""
    return _sql(
        "SELECT relname, pg_get_indexdef(oid) FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE indrelid = %s::regclass ORDER BY relname",
        [OLD],
    )


def _lock() -> bool:
    """Keep everybody out of the old table. Waits for those in it, a little at a time: whoever
    comes meanwhile waits behind us.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(0.5)
        try:
            with transaction.atomic():
                _sql("SET LOCAL lock_timeout = '500ms'")
                _sql(f"LOCK TABLE {OLD} IN ACCESS EXCLUSIVE MODE")
                _sql("SET LOCAL lock_timeout TO DEFAULT")
            return True
        except OperationalError:
            continue
    return False


def _take_place() -> None:
    indexes = [name for name, _ in _indexes()]
    primary = f"{OLD}_pkey"
    _sql(f"DROP TABLE {OLD}")
    _sql(f"ALTER TABLE {NEW} RENAME TO {OLD}")
    for name in indexes:
        if name == primary:
            _sql(f"ALTER TABLE {OLD} ADD PRIMARY KEY USING INDEX {name}_next")
        _sql(f"ALTER INDEX IF EXISTS {name}_next RENAME TO {name}")


def _sql(statement: str, params: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []
