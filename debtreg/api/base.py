"""What every address of the API has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponseBase
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from debtreg import tasks
from debtreg.actions import audit, catalog
from debtreg.api import idempotency
from debtreg.models import Channel, IdempotencyKey, User


class Endpoint(APIView):
    """Answers in our shapes, keeps the answers of POSTs with a key, and names the API in audits."""

    claimed: IdempotencyKey | None = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        channel = audit.channel.set(Channel.API)
        try:
            if request.method != "POST" or idempotency.HEADER not in request.headers:
                return super().dispatch(request, *args, **kwargs)
            with transaction.atomic():
                response = super().dispatch(request, *args, **kwargs)
                if self.claimed and isinstance(response, Response):
                    if response.status_code < 500:
                        idempotency.keep(self.claimed, response)
                    else:
                        transaction.set_rollback(True)
                return response
        finally:
            audit.channel.reset(channel)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        handler = getattr(self, "post", None)
        if request.method == "POST" and idempotency.HEADER in request.headers and handler:
            self.claimed = idempotency.claim(request, self.user)
            # What fails is undone, but the key stays, with the refusal as its answer.
            self.post = transaction.atomic(handler)

    def handle_exception(self, error: Exception) -> HttpResponseBase:  # type: ignore[override]
        if isinstance(error, idempotency.Replay):
            return error.response()
        return super().handle_exception(error)

    @property
    def user(self) -> User:
        """Who asks; nobody gets here without a token or a session."""
        return cast(User, self.request.user)


class StrictSerializer(serializers.Serializer):
    """Refuses fields that it does not know; read-only ones may come back and are ignored."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = data.keys() - self.fields.keys() if isinstance(data, Mapping) else ()
        problems: dict[str, Any] = {
            str(name)[:80]: ["There is no field of this name."] for name in sorted(unknown)
        }
        try:
            found = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            problems |= error.detail
        if problems:
            raise serializers.ValidationError(problems)
        return found


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer):
    pass


class NounViewSet(Endpoint, GenericViewSet):
    """A list and single rows. Lists are in one of `orderings`, the first one by default."""

    orderings: ClassVar[Mapping[str, Sequence[str]]] = {"id": ["pk"], "-id": ["-pk"]}
    queryset: QuerySet[Any]
    lookup_value_regex = r"\d{1,18}"

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filters are for lists; a single row is there whatever a list would leave out."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def parts(self, rows: QuerySet[Any], ordering: str) -> Sequence[QuerySet[Any]]:
        """The list in an order, as keyset.page takes it."""
        return [rows.order_by(*self.orderings[ordering])]


class CatalogViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    NounViewSet,
):
    """Everything that can be done with a row of the catalog.

    Where scores hang on the row, the scoring run that the action asked for is sent on its way.
    """

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        serializer.instance = self.store(self.queryset.model(), serializer)
        tasks.enqueue_waiting()

    def perform_update(self, serializer: serializers.BaseSerializer) -> None:
        serializer.instance = self.store(serializer.instance, serializer)
        tasks.enqueue_waiting()

    def store(self, row: Any, serializer: serializers.BaseSerializer) -> Any:
        """Put what was sent into a row, new or not, and save it."""
        values = dict(serializer.validated_data)
        if row.pk and not getattr(serializer, "partial", False):
            # PUT says all of it: what is left out goes back to its default.
            columns = {column.name: column for column in row._meta.concrete_fields}
            for field in cast(serializers.Serializer, serializer)._writable_fields:
                if field.source in columns and not field.required:
                    values.setdefault(field.source, columns[field.source].get_default())
        for name, value in values.items():
            setattr(row, name, value)
        return self.save(row)

    def save(self, row: Any) -> Any:
        return catalog.save(obj=row, by=self.user)

    def perform_destroy(self, instance: Model) -> None:
        catalog.remove(obj=instance, by=self.user)
        tasks.enqueue_waiting()
