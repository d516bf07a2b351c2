"""Many rows at once: what is new, what changes an item, what is refused, what says nothing new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
from django.db import transaction
from django.utils import timezone

from debtreg.actions import debt, rights
from debtreg.api.columns import NOT_SENT, REQUIRED, Problems, Table, read_items
from debtreg.api.items import NOT_ACCEPTED_HERE, NOTHING_SAID
from debtreg.errors import DebtregError
from debtreg.models import (
    IMPACT_POINTS,
    DebtImpact,
    DebtItem,
    DebtStatus,
    Grade,
    Service,
    Team,
    User,
)
from debtreg.models.debt import KEY_PREFIX

# What a decision about an item may depend on, whether rows speak of it or not.
_ALWAYS = ("status", "closed_on", "accept_reason", "accept_until", "team_id", "service_id")
_IMPACT: dict[str, Any] = {
    "kind": None,
    **dict.fromkeys(IMPACT_POINTS),
    "effectiveness": 1.0,
    "guarantee_id": None,
    "slo_id": None,
    "slo_part": 1.0,
    "currency": "",
    "grade": Grade.ESTIMATED,
    "note": "",
}


class RowsRefused(DebtregError):
    """Nothing was stored, because some rows break rules."""

    def __init__(self, errors: list[dict[str, Any]], total: int) -> None:
        super().__init__(
            f"{len(errors)} of {total} items are not valid, so none was stored.",
            hint="Correct what `fields` names, or send partial=true to store the other items.",
            fields={
                f"items[{error['index']}].{path}": problems
                for error in errors
                for path, problems in error["fields"].items()
            },
        )


@transaction.atomic
def upsert(rows: Sequence[Any], *, partial: bool, by: User) -> dict[str, Any]:
    """Store rows by external_ref, and tell of each what became of it.

    Raises RowsRefused if any row is not valid, unless `partial`.
    """
    batch = _Batch(rows, by)
    batch.check()
    while True:
        if batch.problems and not partial:
            raise RowsRefused(batch.errors(), len(rows))
        try:
            return batch.store()
        except debt.AmountTooLarge as error:
            batch.note_too_large(error)


class _Batch:
    def __init__(self, rows: Sequence[Any], by: User) -> None:
        self.by = by
        self.problems = Problems()
        self.items, self.impacts = read_items(rows, self.problems)
        self.rows = range(len(rows))
        self.refs = self._read_refs()
        self.there = self._read_there()

    def cells(self, name: str) -> list[Any]:
        return self.items.columns.get(name, [NOT_SENT] * len(self.rows))

    def _read_refs(self) -> list[str | None]:
        """external_ref of each row; one that comes twice is refused the second time."""
        refs = [None if ref is NOT_SENT or not ref else ref for ref in self.cells("external_ref")]
        if "external_ref" in self.items:
            self.items.columns["external_ref"] = refs
        first: dict[str, int] = {}
        for row, ref in enumerate(refs):
            if ref is not None and first.setdefault(ref, row) != row:
                problem = f"Item {first[ref]} of this call has it, too."
                self.problems.note(row, "external_ref", [problem])
        return refs

    def _read_there(self) -> list[dict[str, Any] | None]:
        """What is stored under each row's reference, locked; None for a new item."""
        columns = {*self.items.columns, *_ALWAYS, "pk", "external_ref"} - {"impacts"}
        known = (
            DebtItem.objects.select_for_update()
            .filter(external_ref__in={ref for ref in self.refs if ref})
            .values(*columns)
        )
        found = {values["external_ref"]: values for values in known}
        return [found.get(ref) if ref else None for ref in self.refs]

    # --- What rows may not say --------------------------------------------------------------------

    def check(self) -> None:
        for row, title, status in zip(
            self.rows, self.cells("title"), self.cells("status"), strict=True
        ):
            old = self.there[row]
            if title is NOT_SENT and old is None and "title" not in self.problems.get(row, {}):
                self.problems.note(row, "title", [REQUIRED])
            if status == DebtStatus.ACCEPTED and (old is None or old["status"] != status):
                self.problems.note(row, "status", [NOT_ACCEPTED_HERE])
        self._choose_teams()
        self._check_rights()

    def _choose_teams(self) -> None:
        """An item goes to its service's team, unless it names one or the service stays the same."""
        if "service_id" not in self.items and "team_id" not in self.items:
            return
        services, teams = self.cells("service_id"), self.cells("team_id")
        named = {key for key in services if key is not NOT_SENT}
        named |= {old["service_id"] for old in self.there if old}
        team_of = dict(Service.objects.filter(pk__in=named).values_list("pk", "team_id"))
        chosen = []
        for service, team, old in zip(services, teams, self.there, strict=True):
            old_service = old["service_id"] if old else None
            now = old_service if service is NOT_SENT else service
            if team is NOT_SENT:
                team = old["team_id"] if old and now in (old_service, None) else None
            chosen.append(team_of.get(now) if team is None and now is not None else team)
        self.items.columns["team_id"] = chosen

    def _check_rights(self) -> None:
        new = self.items.columns.get("team_id", [None] * len(self.rows))
        old = [values["team_id"] if values else None for values in self.there]
        teams = Team.objects.in_bulk({key for key in (*old, *new) if key is not None})
        closed = {
            key: f"You may not change debts of the team {team.slug}."
            for key, team in teams.items()
            if not rights.may(self.by, "debt.change", team)
        }
        for row, *pair in zip(self.rows, old, new, strict=True):
            for key in pair:
                if key in closed:
                    self.problems.note(row, "team", [closed[key]])

    # --- Storing ----------------------------------------------------------------------------------

    def store(self) -> dict[str, Any]:
        """Store the rows that have no problems. Raises AmountTooLarge."""
        kept = [row for row in self.rows if row not in self.problems]
        self.stored_rows, frame, impacts = self._leave_out_unchanged(kept)
        old = [self.there[row] for row in self.stored_rows]
        with_impacts = [
            values["pk"]
            for row, values in zip(self.stored_rows, old, strict=True)
            if values and self._speaks_of_impacts(row)
        ]
        stored = debt.store_many(items=frame, impacts=impacts, replaced=with_impacts, by=self.by)
        keys = dict(zip(self.stored_rows, stored.pks, strict=True))
        return self._answer(kept, keys)

    def _leave_out_unchanged(
        self, kept: Sequence[int]
    ) -> tuple[list[int], pd.DataFrame, pd.DataFrame]:
        """The rows that say something new, as frames: a repeat must not count as a change."""
        columns = self._columns(kept)
        impacts = _by_row(self.impacts)
        known = _stored_impacts(
            [old["pk"] for row in kept if (old := self.there[row]) and self._speaks_of_impacts(row)]
        )
        moving = []
        for place, row in enumerate(kept):
            old = self.there[row]
            if (
                old is None
                or any(old[name] != cells[place] for name, cells in columns.items())
                or (
                    self._speaks_of_impacts(row)
                    and impacts.get(row, []) != known.get(old["pk"], [])
                )
            ):
                moving.append(place)
        rows = [kept[place] for place in moving]
        frame: dict[str, Any] = {
            name: _series(name, [cells[place] for place in moving])
            for name, cells in columns.items()
        }
        frame["pk"] = _series("pk_id", [(self.there[row] or {}).get("pk") for row in rows])
        parts = [(place, *each) for place, row in enumerate(rows) for each in impacts.get(row, [])]
        return rows, pd.DataFrame(frame), pd.DataFrame(parts, columns=["position", *_IMPACT])

    def _speaks_of_impacts(self, row: int) -> bool:
        return self.items["impacts"][row] is not NOT_SENT

    def _columns(self, kept: Sequence[int]) -> dict[str, list[Any]]:
        """The cells to store: what a row does not say stays as it is, or takes its default."""
        defaults = {"status": DebtStatus.OPEN, **NOTHING_SAID}
        columns: dict[str, list[Any]] = {}
        for name, cells in self.items.columns.items():
            if name != "impacts":
                columns[name] = [
                    (self.there[row] or defaults).get(name)
                    if cells[row] is NOT_SENT
                    else cells[row]
                    for row in kept
                ]
        if "status" in columns:
            columns |= self._with_status(kept, columns["status"])
        return columns

    def _with_status(self, kept: Sequence[int], statuses: Sequence[str]) -> dict[str, list[Any]]:
        """A resolved item has a day of that, and only an accepted one a reason for accepting."""
        today = timezone.localdate()
        found: dict[str, list[Any]] = {"closed_on": [], "accept_reason": [], "accept_until": []}
        for row, status in zip(kept, statuses, strict=True):
            old = self.there[row] or {}
            stays = old.get("status") == status
            day = (old.get("closed_on") if stays else None) or today
            found["closed_on"].append(day if status == DebtStatus.DONE else None)
            accepted = status == DebtStatus.ACCEPTED
            found["accept_reason"].append(old["accept_reason"] if accepted else "")
            found["accept_until"].append(old["accept_until"] if accepted else None)
        return found

    def note_too_large(self, error: debt.AmountTooLarge) -> None:
        for place in error.rows:
            self.problems.note(self.stored_rows[place], "", [f"This is too large. {error.hint}"])

    # --- Answering --------------------------------------------------------------------------------

    def _answer(self, kept: Sequence[int], keys: dict[int, int]) -> dict[str, Any]:
        results = []
        for row in kept:
            old = self.there[row]
            outcome = "unchanged" if row not in keys else "updated" if old else "created"
            pk = keys.get(row) or (old or {})["pk"]
            results.append(
                {
                    "index": row,
                    "external_ref": self.refs[row],
                    "key": f"{KEY_PREFIX}{pk}",
                    "outcome": outcome,
                }
            )
        counted = Counter(each["outcome"] for each in results)
        return {
            **{outcome: counted[outcome] for outcome in ("created", "updated", "unchanged")},
            "refused": len(self.problems),
            "results": results,
            "errors": self.errors(),
        }

    def errors(self) -> list[dict[str, Any]]:
        return [
            {"index": row, "external_ref": self.refs[row], "fields": self.problems[row]}
            for row in sorted(self.problems)
        ]


def _series(name: str, cells: Sequence[Any]) -> Any:
    if name.endswith("_id") and name != "ledger_id":
        return pd.array(cells, dtype="Int64")
    if name == "tags":
        cells = [json.dumps(tags, ensure_ascii=False) for tags in cells]
    return pd.Series(cells, dtype=object)


def _by_row(impacts: Table) -> dict[int, list[tuple[Any, ...]]]:
    """Row -> its impacts, with the defaults where it says nothing."""
    columns = [
        [default if cell is NOT_SENT else cell for cell in impacts.columns[name]]
        if name in impacts
        else [default] * len(impacts["position"])
        for name, default in _IMPACT.items()
    ]
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row, *values in zip(impacts["position"], *columns, strict=True):
        found.setdefault(row, []).append(tuple(values))
    return found


def _stored_impacts(pks: Sequence[int]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    rows = DebtImpact.objects.filter(item__in=pks).order_by("pk").values_list("item_id", *_IMPACT)
    for pk, *values in rows:
        found.setdefault(pk, []).append(tuple(values))
    return found
