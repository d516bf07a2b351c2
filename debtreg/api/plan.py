"""`backlog/plan/`: what a run would change in the backlogs now, and making these changes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import backlog
from debtreg.api.base import Endpoint, StrictSerializer
from debtreg.api.fields import RatioField, Slug
from debtreg.models import EntryState, Team


class PlanRequestSerializer(StrictSerializer):
    team = Slug(
        queryset=Team.objects.all(),
        required=False,
        allow_null=True,
        help_text="Slug; null: all teams.",
    )


class PlannedSerializer(serializers.Serializer):
    change = serializers.ChoiceField(
        choices=["add", "change", "withdraw", "leave"],
        help_text="leave: it would change, but only together with another team's backlog.",
    )
    debt = serializers.CharField(help_text="Key of the debt item.")
    title = serializers.CharField()
    team = serializers.CharField(allow_null=True)
    iteration = serializers.IntegerField(allow_null=True, help_text="null: waits for room.")
    iteration_before = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(choices=EntryState.choices)
    roi = RatioField(help_text="Ratio.")
    marginal_roi = RatioField(help_text="Ratio, given what else is promoted.")
    reason = serializers.CharField()
    displaced = serializers.ListField(child=serializers.CharField())


class PlanSerializer(serializers.Serializer):
    team = serializers.CharField(allow_null=True, help_text="null: all teams.")
    changes = PlannedSerializer(many=True)


class PlanView(Endpoint):
    """The plan of the backlogs."""

    @extend_schema(
        parameters=[OpenApiParameter("team", str, description="Slug; without it, all teams.")],
        responses=PlanSerializer,
    )
    def get(self, request: Request) -> Response:
        """What a scoring run would change now. Nothing is changed."""
        team = _team(request.query_params.dict())
        return _answer(team, backlog.plan(team=team))

    @extend_schema(request=PlanRequestSerializer, responses=PlanSerializer)
    def post(self, request: Request) -> Response:
        """Make these changes, and tell what they were."""
        team = _team(request.data)
        return _answer(team, backlog.apply_plan(team=team, by=self.user))


def _team(data: Any) -> Team | None:
    sent = PlanRequestSerializer(data=data)
    sent.is_valid(raise_exception=True)
    found: Team | None = sent.validated_data.get("team")
    return found


def _answer(team: Team | None, changes: list[dict[str, Any]]) -> Response:
    data = {"team": team.slug if team else None, "changes": changes}
    return Response(PlanSerializer(data).data)
