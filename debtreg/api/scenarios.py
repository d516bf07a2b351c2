"""`scenarios/`: what several debts cause together, with what each of them is to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import losses
from debtreg.actions import scenarios
from debtreg.api import examples
from debtreg.api.base import NounViewSet, StrictModelSerializer, StrictSerializer
from debtreg.api.etags import etag, has_if_match
from debtreg.api.fields import Estimate, Key, MoneyField, Number, RatioField, Text
from debtreg.models import (
    AMOUNT_LIMIT,
    MOST_MEMBERS,
    FailureScenario,
    Grade,
    MemberRole,
    pk_of,
    points,
)


class MemberSerializer(StrictSerializer):
    """A debt's part in a scenario. One that is repaired has no share and no value any more."""

    debt = Key(source="item_id", help_text="Key of the debt; each is a member once.")
    role = serializers.ChoiceField(
        choices=MemberRole.choices,
        help_text="All gates must be open; one open alternative of each group keeps it alive; "
        "each open amplifier adds its probability.",
    )
    group = Text(
        max_length=40,
        help_text="Of alternatives: the name that those share which replace each other.",
    )
    probability = Number(
        high=1, required=False, allow_null=True, help_text="Of an amplifier, 0 to 1."
    )
    effectiveness = Number(
        high=1, required=False, help_text="What its repair takes away of its part. By default 1."
    )
    state = serializers.ChoiceField(
        choices=["open", "accepted", "promoted", "started", "repaired"],
        read_only=True,
        source="part.state",
        help_text="What becomes of the debt.",
    )
    share = MoneyField(
        source="part.share",
        help_text="Money per year: its Shapley share. The shares add up to annual_loss.",
    )
    removal_value = MoneyField(
        source="part.removal_value",
        help_text="Money per year less if this debt alone were gone. Never to be summed.",
    )
    marginal_value = MoneyField(
        source="part.marginal_value",
        help_text="Money per year that its repair saves once all is repaired that is promoted or "
        "in progress.",
    )
    repair_cost = MoneyField(source="part.repair_cost", help_text="Money for the repair.")
    marginal_roi = RatioField(
        source="part.marginal_roi",
        help_text="Ratio: what the repair returns given all that is promoted or in progress, "
        "own impacts and other scenarios included.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # A PATCH of the scenario lets a member pass without them.
        missing = {"debt": "item_id", "role": "role"}.items()
        problems = {name: ["This field is required."] for name, key in missing if key not in attrs}
        if problems:
            raise serializers.ValidationError(problems)
        return attrs


@examples.example("One gate", examples.SCENARIO)
class ScenarioSerializer(StrictModelSerializer):
    """An event that loses money, the debts that bring it about, and their parts in it."""

    name = Text(required=True, max_length=120)
    description = Text(max_length=20_000, help_text="What happens, and how it is known.")
    trigger_rate = Number(
        high=1e9,
        required=False,
        allow_null=True,
        help_text="Events a year that set it off; null is unknown.",
    )
    loss = Estimate(
        number=Number(high=AMOUNT_LIMIT, places=2), help_text="Money lost in one event."
    )
    grade = serializers.ChoiceField(
        choices=Grade.choices, required=False, help_text="Where the numbers come from."
    )
    source = Text(max_length=300, help_text="Who says so, and when.")  # type: ignore[assignment]
    annual_loss = MoneyField(
        source="found.a_year", help_text="Money per year as things are; null: not known."
    )
    members = MemberSerializer(  # type: ignore[call-arg]
        many=True,
        max_length=MOST_MEMBERS,
        help_text="All of them: they replace what was there.",
    )
    revision = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Counts the changes. Sent with a change, an older one is refused with 409.",
    )

    class Meta:
        model = FailureScenario
        fields: ClassVar = [
            *("id", "name", "description", "trigger_rate", "loss", "grade", "source"),
            *("annual_loss", "members", "revision", "created_at", "updated_at"),
        ]
        read_only_fields: ClassVar = ["created_at", "updated_at"]
        validators: ClassVar[list[Any]] = []  # the action checks that the name is free


class ScenarioFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        field_name="name", lookup_expr="icontains", max_length=120, help_text="A part of the name."
    )
    debt = django_filters.CharFilter(
        method="of_debt", max_length=30, help_text="Key of a debt: the scenarios that it is in."
    )

    def of_debt(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(members__item=pk_of(value))


def load(pks: Iterable[int]) -> dict[int, FailureScenario]:
    """These scenarios with their numbers, in a fixed number of queries."""
    rows = FailureScenario.objects.prefetch_related("members").in_bulk(list(pks))
    for pk, loss in losses.of(rows).items():
        rows[pk].found = loss  # type: ignore[attr-defined]
        for member in rows[pk].members.all():
            member.part = loss.parts[member.item_id]  # type: ignore[attr-defined]
    return rows


class ScenarioViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, NounViewSet
):
    """Failure scenarios: what several debts cause together."""

    queryset = FailureScenario.objects.all()
    serializer_class = ScenarioSerializer
    filterset_class = ScenarioFilter
    orderings: ClassVar = {
        "name": ["name"],
        "-name": ["-name"],
        "id": ["pk"],
        "-id": ["-pk"],
    }

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        page = super().paginate_queryset(queryset) or []
        found = load(row.pk for row in page)
        return [found[row.pk] for row in page if row.pk in found]

    def retrieve(self, request: Request, pk: str) -> Response:
        """One scenario, with what each member is to it as things are."""
        return self.answer(self.get_object().pk)

    def create(self, request: Request) -> Response:
        """Add a scenario. Its members are scored at once."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        values.pop("revision", None)
        members = values.pop("members")
        made = scenarios.create(fields=values, members=members, by=self.user)
        return self.answer(made.pk, status.HTTP_201_CREATED)

    def update(self, request: Request, pk: str) -> Response:
        """Say all of a scenario: what is left out goes back to its default."""
        return self.change(request, partial=False)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is sent. Members are replaced as a whole, and scored at once."""
        return self.change(request, partial=True)

    def change(self, request: Request, *, partial: bool) -> Response:
        row = self.get_object()
        if_match = has_if_match(request, f"'{row.name}'", row.revision)
        sent = self.get_serializer(row, data=request.data, partial=partial)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        revision = values.pop("revision", row.revision if if_match else None)
        members = values.pop("members", None)
        if not partial:
            values = {**NOTHING_SAID, **values}
        scenarios.update(pk=row.pk, fields=values, members=members, by=self.user, revision=revision)
        return self.answer(row.pk)

    def perform_destroy(self, instance: FailureScenario) -> None:
        scenarios.remove(pk=instance.pk, by=self.user)

    def answer(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        row = load([pk])[pk]
        headers = {"ETag": etag(row.revision)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = self.reverse_action("detail", kwargs={"pk": pk})
        return Response(self.get_serializer(row).data, status=code, headers=headers)


# What PUT sets where it says nothing.
NOTHING_SAID: dict[str, Any] = {
    "description": "",
    "trigger_rate": None,
    **dict.fromkeys(points("loss")),
    "grade": Grade.ESTIMATED,
    "source": "",
}
