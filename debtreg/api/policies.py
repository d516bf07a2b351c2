"""`policies/`: versions of the scoring policy, which of them is in force, and how they differ."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks, versions
from debtreg.actions import policies
from debtreg.api import examples
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.fields import Text
from debtreg.api.what_if import WhatIfs
from debtreg.models import PolicyActivation, ScoringPolicy


class PayloadField(serializers.JSONField):
    """What a policy says. The action checks it against its JSON Schema."""


@examples.example("Latency counts half as much again", examples.POLICY)
class NewPolicySerializer(StrictSerializer):
    """All of what the version says: it takes nothing over from another one."""

    payload = PayloadField()
    note = Text(max_length=policies.NOTE_LENGTH, help_text="What it is for.")


class PolicySerializer(serializers.Serializer):
    version = serializers.IntegerField()
    payload = PayloadField()
    note = serializers.CharField()
    in_force = serializers.SerializerMethodField(help_text="It scores now.")
    problem = serializers.SerializerMethodField(
        help_text="Why it is refused: it was changed in the database, or breaks the schema. It is "
        "used for nothing then; the last good version before it stays in force."
    )
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(
        source="created_by.username", default=None, allow_null=True, help_text="null: a command."
    )
    activated_at = serializers.DateTimeField(
        allow_null=True, help_text="The last time; null: never."
    )
    activated_by = serializers.CharField(allow_null=True, help_text="null: nobody, or a command.")

    def get_in_force(self, row: ScoringPolicy) -> bool:
        return row.version == self.context["in_force"]

    def get_problem(self, row: ScoringPolicy) -> str | None:
        problem = versions.problem_of(row)
        return problem.message if problem else None


class DifferenceSerializer(serializers.Serializer):
    field = serializers.CharField(help_text="Its path in the payload, as `weights.latency`.")
    meaning = serializers.CharField()
    old = serializers.JSONField(help_text="null: it is missing there.")
    new = serializers.JSONField(help_text="null: it is missing there.")


class DiffSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    against = serializers.IntegerField()
    changes = DifferenceSerializer(many=True, help_text="`old` is what `against` says.")


class AgainstSerializer(StrictSerializer):
    against = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version to compare with. By default the one in force; for that one, the "
        "version before it.",
    )


class ActivationSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField(source="policy_id")
    is_rollback = serializers.BooleanField()
    at = serializers.DateTimeField()
    by = serializers.CharField(
        source="by.username", default=None, allow_null=True, help_text="null: a command."
    )


_LAST = PolicyActivation.objects.filter(policy=OuterRef("pk")).order_by("-pk")


class PolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, WhatIfs):
    """Versions of the scoring policy, the latest first. They never change."""

    queryset = ScoringPolicy.objects.select_related("created_by").annotate(
        activated_at=Subquery(_LAST.values("at")[:1]),
        activated_by=Subquery(_LAST.values("by__username")[:1]),
    )
    serializer_class = PolicySerializer
    lookup_field = "version"
    orderings: ClassVar = {"-version": ["-version"], "version": ["version"]}

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "in_force": versions.standing().version}

    def answer(self, version: int, status: int = status.HTTP_200_OK) -> Response:
        row = self.get_queryset().get(pk=version)
        address = self.reverse_action("detail", kwargs={"version": version})
        return Response(self.get_serializer(row).data, status=status, headers={"Location": address})

    @extend_schema(request=NewPolicySerializer, responses={201: PolicySerializer})
    def create(self, request: Request) -> Response:
        """Store a new version, signed. It is in force once it is activated."""
        sent = NewPolicySerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        row = policies.create(
            payload=sent.validated_data["payload"],
            note=sent.validated_data.get("note", ""),
            by=self.user,
        )
        return self.answer(row.version, status.HTTP_201_CREATED)

    @extend_schema(parameters=[AgainstSerializer], responses=DiffSerializer)
    @action(detail=True, methods=["get"])
    def diff(self, request: Request, version: str) -> Response:
        """What this version says otherwise than another one, field by field."""
        sent = AgainstSerializer(data=request.query_params.dict())
        sent.is_valid(raise_exception=True)
        row = self.get_object()
        if "against" in sent.validated_data:
            other = policies.get(sent.validated_data["against"])
        else:
            other = versions.counterpart(row, versions.standing())
        changes = versions.differences(other.payload, row.payload)
        return Response(
            DiffSerializer(
                {"version": row.version, "against": other.version, "changes": changes}
            ).data
        )

    @extend_schema(request=None, responses=PolicySerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, version: str) -> Response:
        """Put the version into force, and have the portfolio scored with it.

        Runs that are under way finish with the version they have begun with.
        """
        activation = policies.activate(version=self.get_object().version, by=self.user)
        tasks.enqueue_waiting()
        return self.answer(activation.policy_id)

    @extend_schema(request=None, responses=PolicySerializer)
    @action(detail=False, methods=["post"])
    def rollback(self, request: Request) -> Response:
        """Go back to the version that was in force before; once more goes back further."""
        activation = policies.rollback(by=self.user)
        tasks.enqueue_waiting()
        return self.answer(activation.policy_id)


class ActivationViewSet(mixins.ListModelMixin, NounViewSet):
    """Which version was put into force when and by whom, the latest first."""

    queryset: QuerySet[Any] = PolicyActivation.objects.select_related("by")
    serializer_class = ActivationSerializer
    orderings: ClassVar = {"-id": ["-pk"], "id": ["pk"]}
