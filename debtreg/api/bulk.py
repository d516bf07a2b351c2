"""`debts/bulk/`: thousands of items in one call, new ones and known ones, by `external_ref`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import audit, backlog, debt, rights
from debtreg.api.base import Endpoint
from debtreg.api.columns import NOT_SENT, REQUIRED, Problems, Table, read_items
from debtreg.api.debts import NOT_ACCEPTED_HERE, NOTHING_SAID, DebtSerializer
from debtreg.errors import DebtregError
from debtreg.models import ACTIVE_STATES, DebtItem, DebtStatus, Service, Team, User
from debtreg.models.debt import KEY_PREFIX

MOST_ITEMS = 5_000


class RowsRefused(DebtregError):
    """Nothing was stored, because some rows break rules."""

    def __init__(self, errors: list[dict[str, Any]], total: int) -> None:
        super().__init__(
            f"{len(errors)} of {total} items are not valid, so none was stored.",
            hint="Correct the rows in `errors`, or send partial=true to store the others.",
            fields={
                f"items[{error['index']}].{path}": problems
                for error in errors[:100]
                for path, problems in error["fields"].items()
            },
        )
        self.more = {"errors": errors}


class StoredSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    external_ref = serializers.CharField(allow_null=True)
    key = serializers.CharField(help_text="DEBT-n")
    outcome = serializers.ChoiceField(choices=["created", "updated"])


class RefusedSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    external_ref = serializers.CharField(allow_null=True)
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Path of the field -> what is wrong with it.",
    )


class BulkAnswerSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="More than 0 only with partial=true.")
    results = StoredSerializer(many=True)
    errors = RefusedSerializer(many=True)  # type: ignore[assignment]


class BulkSerializer(serializers.Serializer):
    items = DebtSerializer(many=True, max_length=MOST_ITEMS)  # type: ignore[call-arg]
    partial = serializers.BooleanField(  # type: ignore[assignment]
        required=False, help_text="Store the rows that are valid."
    )


class BulkView(Endpoint):
    """Many items at once."""

    @extend_schema(
        request=BulkSerializer,
        responses=BulkAnswerSerializer,
        parameters=[
            OpenApiParameter("partial", bool, description="As `partial` in the body."),
        ],
    )
    def post(self, request: Request) -> Response:
        """Create and change up to 5,000 items, all or none unless `partial`.

        A row whose `external_ref` is known changes that item as PATCH does: what it leaves out
        stays. Any other row is a new item. The body may also be the list of items alone.
        """
        rows, partial = _body(request)
        rights.check(self.user, "debt.change")
        return Response(upsert(rows, partial=partial, by=self.user))


def _body(request: Request) -> tuple[list[Any], bool]:
    data: Any = request.data
    text = request.query_params.get("partial", "false").lower()
    if isinstance(data, list):
        data = {"items": data}
    problems = {}
    if not isinstance(data, Mapping) or not isinstance(data.get("items"), list):
        raise serializers.ValidationError({"items": ["A list of debt items."]})
    for name in data.keys() - {"items", "partial"}:
        problems[name[:80]] = ["There is no field of this name."]
    if text not in ("true", "false", "1", "0"):
        problems["partial"] = ["true or false."]
    if not isinstance(data.get("partial", False), bool):
        problems["partial"] = ["true or false."]
    rows = data["items"]
    if len(rows) > MOST_ITEMS:
        problems["items"] = [f"Up to {MOST_ITEMS} in one call; these are {len(rows)}."]
    if problems:
        raise serializers.ValidationError(problems)
    return rows, data.get("partial", False) or text in ("true", "1")


@transaction.atomic
def upsert(rows: Sequence[Any], *, partial: bool, by: User) -> dict[str, Any]:
    """Store the rows; the answer of the call. Raises RowsRefused unless `partial`."""
    problems = Problems()
    items, impacts = read_items(rows, problems)
    refs = _references(items, rows, problems)
    there = _there(refs, items)
    _check(items, there, problems)
    _choose_teams(items, there)
    _check_rights(items, there, problems, by)
    stored: debt.StoredMany | None = None
    while stored is None:
        if problems and not partial:
            raise RowsRefused(_errors(problems, refs), len(rows))
        kept = [row for row in range(len(rows)) if row not in problems]
        try:
            stored = _store(kept, items, impacts, there, by)
        except debt.AmountTooLarge as error:
            for place in error.rows:
                problems.note(kept[place], "", [f"This is too large. {error.hint}"])
    results = [
        {
            "index": row,
            "external_ref": refs[row],
            "key": f"{KEY_PREFIX}{pk}",
            "outcome": "updated" if there[row] else "created",
        }
        for row, pk in zip(kept, stored.pks, strict=True)
    ]
    return {
        "created": stored.created,
        "updated": stored.updated,
        "refused": len(problems),
        "results": results,
        "errors": _errors(problems, refs),
    }


def _errors(problems: Problems, refs: Sequence[str | None]) -> list[dict[str, Any]]:
    return [
        {"index": row, "external_ref": refs[row], "fields": problems[row]}
        for row in sorted(problems)
    ]


def _references(items: Table, rows: Sequence[Any], problems: Problems) -> list[str | None]:
    """external_ref of each row; one that comes twice is refused the second time."""
    cells = items.columns.get("external_ref", [NOT_SENT] * len(rows))
    refs = [None if cell is NOT_SENT or not cell else cell for cell in cells]
    if "external_ref" in items:
        items.columns["external_ref"] = refs
    first: dict[str, int] = {}
    for row, ref in enumerate(refs):
        if ref is not None and first.setdefault(ref, row) != row:
            problems.note(row, "external_ref", [f"Item {first[ref]} of this call has it, too."])
    return refs


_ALWAYS = ("status", "closed_on", "accept_reason", "accept_until", "team_id", "service_id")


def _there(refs: Sequence[str | None], items: Table) -> list[dict[str, Any] | None]:
    """What is stored under each row's reference, locked; None for a new item."""
    columns = {*items.columns, *_ALWAYS, "pk", "external_ref"} - {"impacts"}
    wanted = {ref for ref in refs if ref}
    found = {
        values["external_ref"]: values
        for values in DebtItem.objects.select_for_update()
        .filter(external_ref__in=wanted)
        .values(*columns)
    }
    return [found.get(ref) if ref else None for ref in refs]


def _check(items: Table, there: Sequence[Mapping[str, Any] | None], problems: Problems) -> None:
    titles = items.columns.get("title", [NOT_SENT] * len(there))
    statuses = items.columns.get("status", [NOT_SENT] * len(there))
    for row, (title, status, old) in enumerate(zip(titles, statuses, there, strict=True)):
        if title is NOT_SENT and old is None and "title" not in problems.get(row, {}):
            problems.note(row, "title", [REQUIRED])
        if status == DebtStatus.ACCEPTED and (old is None or old["status"] != status):
            problems.note(row, "status", [NOT_ACCEPTED_HERE])


def _choose_teams(items: Table, there: Sequence[Mapping[str, Any] | None]) -> None:
    """An item goes to its service's team, unless it names one or the service stays the same."""
    if "service_id" not in items and "team_id" not in items:
        return
    unsaid = [NOT_SENT] * len(there)
    services = items.columns.get("service_id", unsaid)
    teams = items.columns.get("team_id", unsaid)
    team_of = dict(
        Service.objects.filter(
            pk__in={key for key in services if key is not NOT_SENT}
            | {old["service_id"] for old in there if old}
        ).values_list("pk", "team_id")
    )
    chosen = []
    for service, team, old in zip(services, teams, there, strict=True):
        old_service = old["service_id"] if old else None
        now = old_service if service is NOT_SENT else service
        if team is NOT_SENT:
            stays = old is not None and now == old_service
            team = old["team_id"] if old and (stays or now is None) else None
        chosen.append(team_of.get(now) if team is None and now is not None else team)
    items.columns["team_id"] = chosen


def _check_rights(
    items: Table, there: Sequence[Mapping[str, Any] | None], problems: Problems, by: User
) -> None:
    new = items.columns.get("team_id", [None] * len(there))
    pairs = [(old["team_id"] if old else None, key) for old, key in zip(there, new, strict=True)]
    teams = Team.objects.in_bulk({key for pair in pairs for key in pair if key is not None})
    closed = {
        key: f"You may not change debts of the team {team.slug}."
        for key, team in teams.items()
        if not rights.may(by, "debt.change", team)
    }
    for row, pair in enumerate(pairs):
        for key in pair:
            if key in closed:
                problems.note(row, "team", [closed[key]])


def _store(
    kept: Sequence[int],
    items: Table,
    impacts: Table,
    there: Sequence[Mapping[str, Any] | None],
    by: User,
) -> debt.StoredMany:
    old = [there[row] for row in kept]
    frame = _frame(kept, items, old)
    place_of = {row: place for place, row in enumerate(kept)}
    positions = [place_of.get(row) for row in impacts["position"]]
    stored = debt.store_many(
        items=frame,
        impacts=_impact_frame(impacts, positions),
        replaced=[
            values["pk"]
            for row, values in zip(kept, old, strict=True)
            if values and items["impacts"][row] is not NOT_SENT
        ],
        by=by,
    )
    if {"status", "team_id"} & items.columns.keys():
        changed = [values["pk"] for values in old if values]
        for item in DebtItem.objects.filter(
            pk__in=changed, entries__state__in=ACTIVE_STATES
        ).select_related("team"):
            backlog.follow(item)
    _record(stored, kept, there, by)
    return stored


def _frame(
    kept: Sequence[int], items: Table, old: Sequence[Mapping[str, Any] | None]
) -> pd.DataFrame:
    """The rows to store. What a row does not say stays as it is, or takes its default."""
    frame: dict[str, Any] = {
        "pk": pd.array([values["pk"] if values else None for values in old], dtype="Int64")
    }
    for name, cells in items.columns.items():
        if name == "impacts":
            continue
        default = {"status": DebtStatus.OPEN, **NOTHING_SAID}.get(name)
        column = [
            (values[name] if values else default) if cells[row] is NOT_SENT else cells[row]
            for row, values in zip(kept, old, strict=True)
        ]
        if name == "tags":
            column = [json.dumps(tags, ensure_ascii=False) for tags in column]
        is_key = name.endswith("_id") and name != "ledger_id"
        frame[name] = pd.array(column, dtype="Int64") if is_key else pd.Series(column, dtype=object)
    if "status" in frame:
        _follow_status(frame, old)
    return pd.DataFrame(frame)


def _follow_status(frame: dict[str, Any], old: Sequence[Mapping[str, Any] | None]) -> None:
    """A resolved item has a day of that, and only an accepted one a reason for accepting."""
    today = timezone.localdate()
    pairs = [(status, values or {}) for status, values in zip(frame["status"], old, strict=True)]
    frame["closed_on"] = [
        (values.get("closed_on") if values.get("status") == status else None) or today
        if status == DebtStatus.DONE
        else None
        for status, values in pairs
    ]
    for name, none in (("accept_reason", ""), ("accept_until", None)):
        frame[name] = [
            values.get(name, none) if status == DebtStatus.ACCEPTED else none
            for status, values in pairs
        ]


def _impact_frame(impacts: Table, positions: Sequence[int | None]) -> pd.DataFrame:
    """Impacts of the kept rows, by their positions among these."""
    kept = [place is not None for place in positions]
    frame = {
        name: pd.Series([None if cell is NOT_SENT else cell for cell in cells], dtype=object)
        for name, cells in impacts.columns.items()
    }
    frame["position"] = pd.Series(positions, dtype="Int64")
    return pd.DataFrame(frame)[kept]


def _record(
    stored: debt.StoredMany,
    kept: Sequence[int],
    there: Sequence[Mapping[str, Any] | None],
    by: User,
) -> None:
    keys: dict[str, list[str]] = {"created": [], "updated": []}
    for row, pk in zip(kept, stored.pks, strict=True):
        keys["updated" if there[row] else "created"].append(f"{KEY_PREFIX}{pk}")
    audit.record("debt.bulk", "debts", by=by, new=keys, kind="debtitem")
