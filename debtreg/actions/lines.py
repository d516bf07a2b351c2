"""A ledger's lines: staged by the preview, as it has read them; stored by the commit, in SQL.

The commit needs neither the file nor a frame: it joins what is staged with the rows that the
ledger's source had before. What becomes a debt, what changes one and what is gone, the database
tells by itself, however long the ledger is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import bulk, frames, ledger
from debtreg.actions import debt, jobs, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict
from debtreg.models import (
    LedgerImport,
    LedgerLine,
    LedgerRow,
    LedgerSource,
    Prerequisite,
    RowState,
    Service,
    Team,
    User,
    points,
)

LINES = LedgerLine._meta.db_table
ROWS = LedgerRow._meta.db_table
LINKS = Prerequisite._meta.db_table

# Columns of a ledger's frame that an item takes over, and what they are called there.
_FIELDS = {
    "title": "title",
    "description": "description",
    "type": "category",
    "service_id": "service_id",
    "team_id": "team_id",
    "status": "status",
    "effort_low": "effort_low",
    "effort_likely": "effort_likely",
    "effort_high": "effort_high",
    "owner": "owner",
    "plan": "plan",
    "priority": "stated_priority",
    "created": "created_on",
    "due": "due_on",
    "closed": "closed_on",
    "id": "ledger_id",
}
# Texts of an item have no NULL.
_TEXTS = ("title", "description", "type", "owner", "plan", "priority", "id", "currency")
_DAYS = ("created", "due", "closed")
# Longer texts are cut in the item; the cells keep them whole.
_LONGEST = {"type": 80, "owner": 120, "id": 120}
_COST = (*points("annual_cost"), "currency")
_AS_IS = ("sheet", "row", "state", "fingerprint", "key", "external_ref", "depends_on", *_COST)
_LONGEST_KEY = 400
_LONGEST_REFERENCE = 300
LONGEST_SHEET = 120
# Lines in memory at a time, on their way into the database.
_AT_A_TIME = 10_000
# So many debts are scored with the commit; more are left to the scoring run that it asks for.
SCORED_AT_ONCE = 5_000


class PreviewOutdated(Conflict):
    """What the preview has relied on is not so any more."""


@dataclass(frozen=True)
class Stored:
    """What came of the lines, in debts: a line that waits for a person has made none yet."""

    created: int
    updated: int
    unchanged: int
    gone: list[dict[str, Any]]

    @property
    def is_change(self) -> bool:
        return bool(self.created or self.updated)


# --- Preview: lines -> table ----------------------------------------------------------------------


def stage(job: LedgerImport, book: ledger.Ledger) -> dict[str, Any]:
    """Put what was read in the place of what an earlier preview of this import has read.

    Returns what the lines rely on: services with their team, and teams.
    """
    drop(job)
    rows, relies_on = _prepared(job, book)
    fields = {**_FIELDS, **{name: name for name in _AS_IS}}
    names = ["ledger_import_id", *fields.values(), "cells_json"]

    def columns(start: int) -> Iterator[Sequence[Any]]:
        part = rows.iloc[start : start + _AT_A_TIME]
        yield [job.pk] * len(part)
        for name in fields:
            yield _plain(part[name])
        yield book.cells_as_json(range(start, start + len(part)))

    starts = range(0, len(rows), _AT_A_TIME)
    lines = chain.from_iterable(zip(*columns(start), strict=True) for start in starts)
    bulk.write_rows(LINES, names, lines)
    if len(rows) > _AT_A_TIME:
        bulk.analyze(LINES, "id", "ledger_import_id", "key", "state", "annual_cost_likely")
    return relies_on


def drop(job: LedgerImport) -> None:
    """Forget the lines of an import that is not stored."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {LINES} WHERE ledger_import_id = %s", [job.pk])


def _prepared(job: LedgerImport, book: ledger.Ledger) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The reader's rows as LedgerLine has them, and what they rely on."""
    services = {slug: (pk, team) for slug, pk, team in Service.objects.values_list(
        "slug", "pk", "team_id"
    )}  # fmt: skip
    teams = dict(Team.objects.values_list("slug", "pk"))
    rows = book.rows.copy(deep=False)
    service, team = rows["service"], rows["team"]
    rows["service_id"] = service.map({slug: pk for slug, (pk, _) in services.items()})
    own_team = service.map({slug: team for slug, (_, team) in services.items()})
    rows["team_id"] = team.map(teams).astype("float64").fillna(own_team.astype("float64"))
    texts = [rows[name].fillna("").astype(object) for name in ("impact", "description")]
    both = (texts[0] != "") & (texts[1] != "")
    rows["description"] = texts[0] + np.where(both, "\n\n", "") + texts[1]
    for name, length in _LONGEST.items():
        rows[name] = rows[name].str.slice(0, length)
    for name in _TEXTS:
        rows[name] = rows[name].fillna("")
    rows["currency"] = rows["currency"].where(rows["currency"] != settings.CURRENCY, "")
    rows["status"] = rows["status"].fillna("open")
    rows["fingerprint"] = _fingerprint(book, rows)
    rows["key"] = [_fitting(key, _LONGEST_KEY) for key in rows["key"]]
    rows["external_ref"] = [
        _fitting(f"{job.source.name}/{key}", _LONGEST_REFERENCE) for key in rows["key"]
    ]
    rows["depends_on"] = [
        json.dumps([_fitting(key, _LONGEST_KEY) for key in some]) if some else None
        for some in rows["depends_on"]
    ]
    rows["sheet"] = rows["sheet"].str.slice(0, LONGEST_SHEET)
    relies_on = {
        "services": {slug: services[slug] for slug in service.dropna().unique()},
        "teams": {slug: teams[slug] for slug in team.dropna().unique()},
    }
    return rows, relies_on


def _fingerprint(book: ledger.Ledger, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Of the cells, of what the columns were taken for, and of whom the names belong to."""
    taken_for = {
        sheet.name: repr(sorted((c.index, c.field or "") for c in sheet.columns))
        for sheet in book.sheets
    }
    parts = pd.DataFrame(
        {
            "cells": rows["fingerprint"],
            "columns": rows["sheet"].map(taken_for),
            "service": rows["service_id"].fillna(0).astype("int64"),
            "team": rows["team_id"].fillna(0).astype("int64"),
        }
    )
    return pd.util.hash_pandas_object(parts, index=False).to_numpy().view("int64")


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Python objects for the driver; None is unknown."""
    if column.name in ("service_id", "team_id"):
        column = column.astype("Int64")
    if column.name in _DAYS:
        days = column.to_numpy("datetime64[D]")
        found = np.datetime_as_string(days).astype(object)
        found[np.isnat(days)] = None
        return list(found)
    missing = column.isna()
    return (column.astype(object).where(~missing, None) if missing.any() else column).tolist()


def _fitting(text: str, length: int) -> str:
    """The text, or its beginning and a hash of all of it where it is longer than that."""
    if len(text) <= length:
        return text
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return f"{text[: length - 1 - len(digest)]}#{digest}"


# --- Commit: table -> debts -----------------------------------------------------------------------

_DUE = "ledger_due"
# A staged line, and the one that its row had before, where it had one.
_MOVES = f"{_DUE} d JOIN {LINES} n ON n.id = d.line_id LEFT JOIN {LINES} o ON o.id = d.old_line_id"
_NEW_ITEMS = "d.is_new AND d.item_id IS NOT NULL"
_OLD_ITEMS = f"NOT d.is_new AND n.state = '{RowState.IMPORTED}'"


def store(job: LedgerImport, pulse: jobs.Pulse) -> Stored:
    """Make debts of what is staged, and change those that are there, in the caller's transaction.

    Raises PreviewOutdated, and NotValid where the database refuses a line.
    """
    # Two imports of one source would both take its rows for new.
    LedgerSource.objects.select_for_update().get(pk=job.source_id)
    lines = _check_staged(job)
    pulse.report("storing", 0, lines)
    params = {
        "job": job.pk,
        "source": job.source_id,
        "now": bulk.stamp(timezone.now()),
        "today": bulk.stamp(timezone.localdate()),
    }
    known = _count(f"{ROWS} WHERE source_id = %(source)s", params)
    same = f"{LINES} l JOIN {ROWS} r ON r.source_id = %(source)s AND r.key = l.key"
    debts = f"{same} WHERE l.ledger_import_id = %(job)s AND r.item_id IS NOT NULL"
    were_debts = _count(debts, params) if known else 0
    _find_due(params)
    created = _count(f"{_DUE} d WHERE {_NEW_ITEMS}", params)
    updated = _count(f"{_DUE} d WHERE NOT d.is_new", params)
    changed = _keys(f"SELECT d.item_id FROM {_MOVES} WHERE {_OLD_ITEMS}")
    with debt.followed(changed, _becomes()) as beside:
        try:
            with transaction.atomic():
                _store_items(params, job.requested_by)
                pulse.report("storing", lines // 2, lines)
                _store_impacts(params)
                _store_rows(params, known > 0)
                if created > SCORED_AT_ONCE:
                    bulk.check_references()
        except (DataError, IntegrityError) as error:
            raise _refused(error) from error
        pulse.report("storing", lines, lines)
        _score(beside)
    gone: list[dict[str, Any]] = []
    if known:
        gone = _mark_gone(job)
        _drop_leftovers(params)
    _execute(f"DROP TABLE {_DUE}")
    if created > SCORED_AT_ONCE:
        bulk.analyze(frames.ITEMS, "id", "service_id", "team_id", "status", "external_ref")
        bulk.analyze(frames.IMPACTS, "item_id")
        bulk.analyze(ROWS, "id", "source_id", "key", "item_id", "line_id")
    return Stored(created, updated, were_debts - updated, gone)


def _refused(error: Exception) -> NotValid:
    """What the database refuses, as far as it can be told by what stands where."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT i.id, n.external_ref FROM {_MOVES}"
            f" JOIN {frames.ITEMS} i ON i.external_ref = n.external_ref AND i.id <> d.item_id"
            f" WHERE {_NEW_ITEMS} ORDER BY n.id LIMIT 1"
        )
        taken = cursor.fetchone()
    if taken:
        return NotValid(
            _(
                "DEBT-%(pk)s is of no row of this ledger and has the external reference "
                "'%(reference)s', which one of its lines would get, so none was stored."
            )
            % {"pk": taken[0], "reference": taken[1]},
            hint=_("Change the reference of that debt, or import the ledger under another name."),
        )
    return NotValid(
        _("The database refused the lines, so none was stored: ")
        + str(error).strip().splitlines()[0],
        hint=_("Correct the line that breaks this rule in the ledger, and import it again."),
    )


def _check_staged(job: LedgerImport) -> int:
    """How many lines there are. What is stored is what the preview showed, or nothing."""
    lines = _count(f"{LINES} WHERE ledger_import_id = %(job)s", {"job": job.pk})
    if lines != job.summary.get("imported", 0) + job.summary.get("held", 0):
        raise PreviewOutdated(
            _("The preview has counted %(summary)s debts, and %(lines)s lines of it are left.")
            % {"summary": job.summary.get("imported", 0), "lines": lines},
            hint=_("Read the ledger again, and look at the preview before you store it."),
        )
    now = dict(Service.objects.values_list("pk", "team_id"))
    teams = set(Team.objects.values_list("pk", flat=True))
    services = job.relies_on["services"]
    changed = [
        *(f"there is no service {slug} any more" for slug, (pk, _) in services.items()
          if pk not in now),
        *(f"service {slug} belongs to another team" for slug, (pk, team) in services.items()
          if pk in now and now[pk] != team),
        *(f"there is no team {slug} any more" for slug, pk in job.relies_on["teams"].items()
          if pk not in teams),
    ]  # fmt: skip
    if changed:
        more = f", and {len(changed) - 3} changes more" if len(changed) > 3 else ""
        raise PreviewOutdated(
            _("The catalog has changed since the preview: %(changed)s%(more)s.")
            % {"changed": ", ".join(changed[:3]), "more": more},
            hint=_("Read the ledger again, and look at the preview before you store it."),
        )
    return lines


def _find_due(params: dict[str, Any]) -> None:
    """List the lines that are new or say something else than before, with the keys of their items.

    A line whose item somebody has deleted makes a new one.
    """
    moved = " OR ".join(f"o.{name} IS DISTINCT FROM l.{name}" for name in _COST)
    key, keys = bulk.next_key(frames.ITEMS, order="l.id")
    _execute(f"DROP TABLE IF EXISTS {_DUE}")
    _execute(
        f"""
        CREATE TEMPORARY TABLE {_DUE} {"ON COMMIT DROP" if bulk.is_postgres() else ""} AS
        SELECT l.id AS line_id, r.id AS row_id, r.line_id AS old_line_id,
            r.item_id IS NULL AS is_new,
            CASE WHEN r.item_id IS NULL AND l.state = '{RowState.IMPORTED}' THEN {key}
                 ELSE r.item_id END AS item_id,
            o.id IS NULL OR {moved} AS cost_moved
        FROM {LINES} l
            LEFT JOIN {ROWS} r ON r.source_id = %(source)s AND r.key = l.key
            LEFT JOIN {LINES} o ON o.id = r.line_id
        WHERE l.ledger_import_id = %(job)s AND (r.id IS NULL OR r.fingerprint <> l.fingerprint
            OR r.item_id IS NULL AND l.state = '{RowState.IMPORTED}')
        ORDER BY l.id
        """,
        params | keys,
    )
    bulk.analyze(_DUE)


def _becomes() -> pd.DataFrame:
    """The items whose status the ledger changes: `pk`, `status`, `closed_on`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT d.item_id, n.status,
                CASE WHEN n.closed_on IS DISTINCT FROM o.closed_on THEN n.closed_on
                     ELSE i.closed_on END
            FROM {_MOVES} JOIN {frames.ITEMS} i ON i.id = d.item_id
            WHERE {_OLD_ITEMS} AND n.status IS DISTINCT FROM o.status
            """
        )
        return pd.DataFrame(cursor.fetchall(), columns=["pk", "status", "closed_on"])


def _store_items(params: dict[str, Any], by: User | None) -> None:
    given = [*_FIELDS.values(), "external_ref"]
    rest = debt.defaults_but(given, by)
    _execute(
        f"""
        INSERT INTO {frames.ITEMS} (id, {", ".join(given)}, {", ".join(rest)})
        SELECT d.item_id, {", ".join(f"n.{name}" for name in given)},
            {", ".join(f"%({name})s" for name in rest)}
        FROM {_DUE} d JOIN {LINES} n ON n.id = d.line_id WHERE {_NEW_ITEMS} ORDER BY n.id
        """,
        params | rest,
    )
    # What did not change in the ledger stays as it is: people may have edited it.
    sets = ", ".join(
        f"{name} = CASE WHEN o.id IS NULL OR n.{name} IS DISTINCT FROM o.{name}"
        f" THEN n.{name} ELSE i.{name} END"
        for name in given
    )
    _execute(
        f"UPDATE {frames.ITEMS} AS i SET {sets}, revision = i.revision + 1, updated_at = %(now)s"
        f" FROM {_MOVES} WHERE i.id = d.item_id AND {_OLD_ITEMS}",
        params,
    )


def _store_impacts(params: dict[str, Any]) -> None:
    """What the ledger states of costs, where it is new or states something else."""
    _execute(
        f"DELETE FROM {frames.IMPACTS} WHERE kind = 'stated' AND item_id IN"
        f" (SELECT d.item_id FROM {_MOVES} WHERE {_OLD_ITEMS} AND d.cost_moved)"
    )
    prices = ", ".join(points("unit_price"))
    costs = ", ".join(f"n.{name}" for name in points("annual_cost"))
    _execute(
        f"""
        INSERT INTO {frames.IMPACTS}
            (item_id, kind, {prices}, currency, effectiveness, grade, note, stated_on)
        SELECT d.item_id, 'stated', {costs}, n.currency, 1, 'estimated', 'As the ledger states it.',
            %(today)s
        FROM {_DUE} d JOIN {LINES} n ON n.id = d.line_id
        WHERE n.state = '{RowState.IMPORTED}' AND (d.is_new OR d.cost_moved)
            AND n.annual_cost_likely IS NOT NULL
        ORDER BY n.id
        """,
        params,
    )


def _store_rows(params: dict[str, Any], some_known: bool) -> None:
    """Let the source's rows say what the lines do, and their prerequisites follow."""
    names = ("sheet", "row", "state", "fingerprint")
    if some_known:
        sets = ", ".join(f"{name} = n.{name}" for name in names)
        _execute(
            f"UPDATE {ROWS} AS r SET {sets}, line_id = n.id, item_id = d.item_id"
            f" FROM {_DUE} d JOIN {LINES} n ON n.id = d.line_id WHERE r.id = d.row_id",
            params,
        )
        _execute(
            f"UPDATE {ROWS} AS r SET row = l.row FROM {LINES} l WHERE r.source_id = %(source)s"
            " AND l.ledger_import_id = %(job)s AND l.key = r.key AND l.row <> r.row",
            params,
        )
    _execute(
        f"""
        INSERT INTO {ROWS} (source_id, key, item_id, line_id, {", ".join(names)})
        SELECT %(source)s, n.key, d.item_id, n.id, {", ".join(f"n.{name}" for name in names)}
        FROM {_DUE} d JOIN {LINES} n ON n.id = d.line_id WHERE d.row_id IS NULL ORDER BY n.id
        """,
        params,
    )
    _execute(
        f"DELETE FROM {LINKS} WHERE item_id IN"
        f" (SELECT item_id FROM {_DUE} WHERE NOT is_new AND item_id IS NOT NULL)"
    )
    _execute(
        f"""
        INSERT INTO {LINKS} (item_id, needs_id)
        SELECT DISTINCT d.item_id, r.item_id
        FROM {_DUE} d JOIN {LINES} n ON n.id = d.line_id
            CROSS JOIN {bulk.each_of("n.depends_on")}
            JOIN {ROWS} r ON r.source_id = %(source)s AND r.key = each_of.value
        WHERE n.depends_on IS NOT NULL AND d.item_id IS NOT NULL AND r.item_id IS NOT NULL
            AND r.item_id <> d.item_id
        ON CONFLICT DO NOTHING
        """,
        params,
    )


def _score(beside: Sequence[int]) -> None:
    """Score a few debts at once. Of many the run takes care that every change asks for."""
    touched = f"{_DUE} d JOIN {LINES} n ON n.id = d.line_id WHERE n.state = '{RowState.IMPORTED}'"
    if 0 < _count(touched, {}) <= SCORED_AT_ONCE:
        pks = _keys(f"SELECT d.item_id FROM {touched} ORDER BY d.item_id")
        scores.score_items(pks, beside=beside)


def _mark_gone(job: LedgerImport) -> list[dict[str, Any]]:
    """Report what is no longer in the sheets that were read; nothing is deleted."""
    sheets = [s["name"][:LONGEST_SHEET] for s in job.workbook["sheets"] if s["imported"]]
    marks = ", ".join(["%s"] * len(sheets))
    with connection.cursor() as cursor:
        # Another fingerprint: should the row come back, that is a change.
        cursor.execute(
            f"""
            UPDATE {ROWS} SET state = '{RowState.GONE}', fingerprint = 0
            WHERE source_id = %s AND state <> '{RowState.GONE}' AND sheet IN ({marks})
                AND NOT EXISTS (SELECT 1 FROM {LINES} l
                    WHERE l.ledger_import_id = %s AND l.key = {ROWS}.key)
            RETURNING key, row
            """,
            [job.source_id, *sheets, job.pk],
        )
        found = sorted(cursor.fetchall(), key=lambda line: (line[1], line[0]))
    return [{"key": key, "row": row} for key, row in found]


def _drop_leftovers(params: dict[str, Any]) -> None:
    """Lines that say what was said before, and those that others have replaced."""
    _execute(
        f"DELETE FROM {LINES} WHERE id IN"
        f" (SELECT old_line_id FROM {_DUE} WHERE old_line_id IS NOT NULL)"
    )
    _execute(
        f"DELETE FROM {LINES} WHERE ledger_import_id = %(job)s"
        f" AND NOT EXISTS (SELECT 1 FROM {_DUE} d WHERE d.line_id = {LINES}.id)",
        params,
    )


def _execute(sql: str, params: dict[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _count(rest: str, params: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {rest}", params)
        return int(cursor.fetchone()[0])


def _keys(sql: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]
