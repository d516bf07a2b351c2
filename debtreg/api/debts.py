"""`debts/`: debt items with their impacts, by key DEBT-n."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import versions
from debtreg.actions import debt, scores
from debtreg.api.decisions import Decisions
from debtreg.api.etags import has_if_match
from debtreg.api.explain import ExplanationSerializer
from debtreg.api.items import NOTHING_SAID
from debtreg.api.pages import SlugFilter
from debtreg.models import DebtItem, DebtStatus, Service, Team, pk_of


class DebtFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug, or `null` for items without a team.")
    service = SlugFilter(Service, help_text="Slug, or `null` for items without a service.")
    status = django_filters.ChoiceFilter(choices=DebtStatus.choices)
    category = django_filters.CharFilter(max_length=80, help_text="Exactly.")
    external_ref = django_filters.CharFilter(max_length=300, help_text="Exactly.")
    q = django_filters.CharFilter(
        method="search", max_length=200, help_text="A part of the title, in any case, or a key."
    )

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(title__icontains=value) | Q(pk=pk_of(value)))


class DebtViewSet(Decisions):
    """Debt items, by key."""

    queryset = DebtItem.objects.all()
    filterset_class = DebtFilter
    orderings: ClassVar = {"key": ["pk"], "-key": ["-pk"]}

    def retrieve(self, request: Request, key: str) -> Response:
        """One item. Its ETag changes with the item, not with its score."""
        return self.answer(self.pk)

    def create(self, request: Request) -> Response:
        """Log a debt. It is scored at once."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        values.pop("revision", None)
        item = debt.create(
            impacts=values.pop("impacts", []),
            needs=values.pop("needs", None),
            fields=values,
            by=self.user,
        )
        return self.answer(item.pk, status.HTTP_201_CREATED)

    def update(self, request: Request, key: str) -> Response:
        """Say all of an item: what is left out goes back to its default. It is scored at once."""
        return self.change(request, partial=False)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change what is sent. Impacts are replaced as a whole. It is scored at once."""
        return self.change(request, partial=True)

    def change(self, request: Request, *, partial: bool) -> Response:
        item = DebtItem.objects.get(pk=self.pk)
        if_match = has_if_match(request, item.key, item.revision)
        sent = self.get_serializer(item, data=request.data, partial=partial)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        revision = values.pop("revision", item.revision if if_match else None)
        left_out: Any = None if partial else []
        impacts, needs = values.pop("impacts", left_out), values.pop("needs", left_out)
        if not partial:
            values = {**NOTHING_SAID, **values}
        debt.update(
            pk=item.pk, fields=values, impacts=impacts, needs=needs, by=self.user, revision=revision
        )
        return self.answer(item.pk)

    @extend_schema(request=None, responses=ExplanationSerializer)
    @action(detail=True, filterset_class=None)
    def explain(self, request: Request, key: str) -> Response:
        """The formula of the score with its numbers put in, from what is stored now."""
        try:
            return Response(scores.explain(pk=self.pk))
        except versions.NoPolicy as error:
            return Response(scores.published(pk=self.pk, problem=error))
