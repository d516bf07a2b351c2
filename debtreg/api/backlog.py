"""`backlog/`: promoted items, why they were promoted, and in which iteration they are."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import backlog
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.fields import Key, PlainField, RatioField, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import ACTIVE_STATES, BacklogEntry, EntryState, Iteration, Team


class EntrySerializer(serializers.Serializer):
    """One promotion. What is closed stays listed."""

    id = serializers.IntegerField()
    debt = Key(source="item_id", help_text="Key of the debt item.")
    title = serializers.CharField(source="item.title")
    team = serializers.CharField(source="team.slug")
    iteration = serializers.IntegerField(
        source="iteration_id", allow_null=True, help_text="null: waits for room."
    )
    state = serializers.ChoiceField(choices=EntryState.choices)
    repair_days = PlainField(help_text="Person-days it takes of an iteration, in half days.")
    roi = RatioField(help_text="Ratio, when it was promoted.")
    marginal_roi = RatioField(help_text="Ratio, given what else is promoted.")
    reason = serializers.CharField(help_text="Why it was promoted, or taken back.")
    displaced = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of what it took the place of."
    )
    displaced_by = serializers.CharField(help_text="Key of what took its place; empty: nothing.")
    policy_version = serializers.IntegerField()
    run = serializers.IntegerField(source="run_id", allow_null=True)
    promoted_by = serializers.CharField(
        source="promoted_by.username", default=None, allow_null=True, help_text="null: a run."
    )
    pinned = serializers.BooleanField(
        help_text="A person has promoted it: it stays whatever its ROI."
    )
    placed = serializers.BooleanField(
        help_text="A person has put it where it is: runs leave it there."
    )
    placed_by = serializers.CharField(
        source="placed_by.username",
        default=None,
        allow_null=True,
        help_text="Who has put it there.",
    )
    moved_back = serializers.CharField(
        help_text="Whose move a run had to undo, and why; empty: none since somebody moved it."
    )
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class MoveSerializer(StrictSerializer):
    iteration = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of an iteration of its team; null: back among those that wait.",
    )


class WithdrawSerializer(StrictSerializer):
    reason = Text(max_length=2000, help_text="For those who will ask.")


class BacklogFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug of a team.")
    iteration = django_filters.ModelChoiceFilter(
        queryset=Iteration.objects.all(),
        null_label="none",
        null_value="null",
        help_text="`id`, or `null` for what waits for room.",
    )
    state = django_filters.ChoiceFilter(
        choices=[*EntryState.choices, ("any", "Any")],
        method="in_state",
        help_text="By default what is not closed; `any` for all.",
    )

    def in_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows if value == "any" else rows.filter(state=value)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.form.cleaned_data.get("state"):
            queryset = queryset.filter(state__in=ACTIVE_STATES)
        return super().filter_queryset(queryset)


class BacklogViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, NounViewSet):
    """Backlog entries. An item enters through debts/{key}/promote/ or by a scoring run."""

    queryset = BacklogEntry.objects.select_related("item", "team", "promoted_by", "placed_by")
    serializer_class = EntrySerializer
    filterset_class = BacklogFilter

    def answer(self, entry: BacklogEntry) -> Response:
        return Response(EntrySerializer(self.queryset.get(pk=entry.pk)).data)

    @extend_schema(request=MoveSerializer, responses=EntrySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Move the entry to another iteration, where runs leave it as long as it pays."""
        sent = MoveSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        entry = self.get_object()
        return self.answer(
            backlog.move(
                entry_id=entry.pk, iteration_id=sent.validated_data["iteration"], by=self.user
            )
        )

    @extend_schema(request=None, responses=EntrySerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Say that somebody works on it."""
        return self.answer(backlog.start(entry_id=self.get_object().pk, by=self.user))

    @extend_schema(request=WithdrawSerializer, responses=EntrySerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take it out of the backlog. A veto keeps the next run from promoting it again."""
        sent = WithdrawSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        reason = sent.validated_data.get("reason", "")
        return self.answer(
            backlog.withdraw(entry_id=self.get_object().pk, reason=reason, by=self.user)
        )
