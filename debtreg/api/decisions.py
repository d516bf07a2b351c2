"""`debts/{key}/promote/ veto/ pin/ accept/`: what people decide about an item."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import backlog, debt
from debtreg.api.backlog import EntrySerializer
from debtreg.api.base import StrictSerializer
from debtreg.api.items import DebtSerializer, DecisionSerializer, ItemViewSet


class PromoteSerializer(StrictSerializer):
    iteration = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="`id` of an iteration of its team; null: it waits until a run finds room.",
    )


class PinSerializer(StrictSerializer):
    pinned = serializers.BooleanField(required=False, help_text="By default true.")


class Decisions(ItemViewSet):
    """Each decision answers with the item as it is then."""

    @extend_schema(request=PromoteSerializer, responses={201: EntrySerializer})
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, key: str) -> Response:
        """Put the item into its team's backlog. A repeat returns the entry that is there."""
        sent = PromoteSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        entry = backlog.promote(
            pk=self.pk, iteration_id=sent.validated_data.get("iteration"), by=self.user
        )
        return Response(EntrySerializer(entry).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=DecisionSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def veto(self, request: Request, key: str) -> Response:
        """Keep the item out of the backlog, until a day or until the veto is lifted."""
        debt.veto(pk=self.pk, **_decision(request), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @veto.mapping.delete
    def lift_veto(self, request: Request, key: str) -> Response:
        """Let the item be promoted again."""
        debt.lift_veto(pk=self.pk, by=self.user)
        return self.answer(self.pk)

    @extend_schema(request=PinSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def pin(self, request: Request, key: str) -> Response:
        """Have the item promoted whatever its ROI; `{"pinned": false}` ends that."""
        sent = PinSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        debt.pin(pk=self.pk, pinned=sent.validated_data.get("pinned", True), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @pin.mapping.delete
    def unpin(self, request: Request, key: str) -> Response:
        """Let the item's ROI decide again."""
        debt.pin(pk=self.pk, pinned=False, by=self.user)
        return self.answer(self.pk)

    @extend_schema(request=DecisionSerializer, responses=DebtSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, key: str) -> Response:
        """Live with the debt: it stays listed and is never promoted."""
        debt.accept(pk=self.pk, **_decision(request), by=self.user)
        return self.answer(self.pk)

    @extend_schema(responses={200: DebtSerializer})
    @accept.mapping.delete
    def reopen(self, request: Request, key: str) -> Response:
        """Put the item back among the open ones."""
        debt.reopen(pk=self.pk, by=self.user)
        return self.answer(self.pk)


def _decision(request: Request) -> dict[str, Any]:
    sent = DecisionSerializer(data=request.data)
    sent.is_valid(raise_exception=True)
    return {"until": None, **sent.validated_data}
