"""`debts/bulk/`: thousands of items in one call, new ones and known ones, by `external_ref`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import rights
from debtreg.api import examples
from debtreg.api.base import Endpoint
from debtreg.api.items import DebtSerializer
from debtreg.api.upsert import upsert

MOST_ITEMS = 5_000


class StoredSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    external_ref = serializers.CharField(allow_null=True)
    key = serializers.CharField(help_text="DEBT-n")
    outcome = serializers.ChoiceField(choices=["created", "updated", "unchanged"])


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
    unchanged = serializers.IntegerField(help_text="Stored already, just as they were sent.")
    refused = serializers.IntegerField(help_text="More than 0 only with partial=true.")
    results = StoredSerializer(many=True)
    errors = RefusedSerializer(many=True)  # type: ignore[assignment]


@examples.example("Two items", examples.BULK)
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

        Where rows are not valid, the call is refused with 400, and `fields` names what is wrong
        with every one of them, as `items[3].title`. With `partial` it is answered with 200: the
        other rows are in `results`, these in `errors`.
        """
        rows, partial = rows_of(request, "items", "debt items", MOST_ITEMS)
        rights.check(self.user, "debt.change")
        return Response(upsert(rows, partial=partial, by=self.user))


def rows_of(request: Request, name: str, what: str, most: int) -> tuple[list[Any], bool]:
    """The rows of a call of many, and whether valid ones are stored where others are not.

    name, what : the field that holds them, and what they are
    """
    data: Any = request.data
    text = request.query_params.get("partial", "false").lower()
    if isinstance(data, list):
        data = {name: data}
    problems = {}
    if not isinstance(data, Mapping) or not isinstance(data.get(name), list):
        raise serializers.ValidationError({name: [f"A list of {what}."]})
    for unknown in data.keys() - {name, "partial"}:
        problems[unknown[:80]] = ["There is no field of this name."]
    if text not in ("true", "false", "1", "0"):
        problems["partial"] = ["true or false."]
    if not isinstance(data.get("partial", False), bool):
        problems["partial"] = ["true or false."]
    rows = data[name]
    if len(rows) > most:
        problems[name] = [f"Up to {most} in one call; these are {len(rows)}."]
    if problems:
        raise serializers.ValidationError(problems)
    return rows, data.get("partial", False) or text in ("true", "1")
