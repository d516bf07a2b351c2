"""Lists: pages by cursor, filters, orders, chosen fields. Names that are none are refused."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Model, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import exceptions
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from debtreg import keyset

DEFAULT_SIZE = 50
LARGEST_SIZE = 200
PARAMETERS = ("cursor", "page_size", "ordering")


class KeysetPagination(BasePagination):
    """{"results", "next", "previous"}, the latter two being addresses or null."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        ordering = request.query_params.get("ordering") or next(iter(view.orderings))
        if ordering not in view.orderings:
            raise exceptions.ValidationError(
                {"ordering": [f"This is one of: {', '.join(view.orderings)}."]}
            )
        self.page = keyset.page(
            *view.parts(queryset, ordering),
            size=_size(request.query_params.get("page_size")),
            cursor=request.query_params.get("cursor"),
        )
        return self.page.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "results": data,
                "next": self._address(self.page.next),
                "previous": self._address(self.page.previous),
            }
        )

    def _address(self, cursor: str | None) -> str | None:
        return cursor and replace_query_param(self.url, "cursor", cursor)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        def query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
            return {"name": name, "in": "query", "schema": schema, "description": text}

        return [
            query("cursor", {"type": "string"}, "From `next` or `previous` of another page."),
            query(
                "page_size",
                {"type": "integer", "minimum": 1, "default": DEFAULT_SIZE},
                f"Rows in a page; more than {LARGEST_SIZE} counts as {LARGEST_SIZE}.",
            ),
            query(
                "ordering",
                {"type": "string", "enum": list(view.orderings)},
                f"A minus turns it round. By default `{next(iter(view.orderings))}`.",
            ),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": {**address, "description": "The page after this one."},
                "previous": {**address, "description": "The page before this one."},
            },
        }


def _size(text: str | None) -> int:
    if text is None:
        return DEFAULT_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise exceptions.ValidationError({"page_size": ["A whole number from 1 on."]})
    return min(int(text), LARGEST_SIZE)


class SlugFilter(django_filters.ModelChoiceFilter):
    """Rows of a team or a service, by its slug; `null` asks for those that have none."""

    def __init__(self, model: type[Model], **options: Any) -> None:
        super().__init__(
            queryset=model._default_manager.all(),
            to_field_name="slug",
            null_label="none",
            null_value="null",
            error_messages={"invalid_choice": f"There is no such {model._meta.model_name}."},
            **options,
        )


class Filters(DjangoFilterBackend):
    """The filters of a view's `filterset_class`, or none."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        filters = getattr(view, "filterset_class", None)
        own = getattr(view, "own_parameters", ())
        known = {*PARAMETERS, *own, *(filters.base_filters if filters else ())}
        unknown = sorted(request.query_params.keys() - known)
        if unknown:
            allowed = ", ".join(sorted(known))
            raise exceptions.ValidationError(
                {
                    name[:80]: [f"There is no such parameter. These are: {allowed}."]
                    for name in unknown
                }
            )
        return super().filter_queryset(request, queryset, view)
