"""`policies/{version}/what-if/`: what a version would move, worked out and published nowhere."""

from __future__ import annotations

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg.actions import what_if
from debtreg.api.base import NounViewSet
from debtreg.api.fields import Choice, Key, MoneyField, RatioField
from debtreg.api.runs import JobSerializer
from debtreg.errors import NotFound
from debtreg.models import Mover, Priority, WhatIf


class TotalsSerializer(serializers.Serializer):
    """Sums over all open items, as far as they are known."""

    annual_cost = MoneyField(help_text="Money per year.")
    benefit = MoneyField(help_text="Money per year that repairs save.")
    weighted_benefit = MoneyField(help_text="As benefit, with the weights of the version.")
    repair_cost = MoneyField(help_text="Money, with the contingencies of the version.")


class BeforeAndAfterSerializer(serializers.Serializer):
    before = TotalsSerializer()
    after = TotalsSerializer()


class MoverSerializer(serializers.Serializer):
    debt = Key(source="item_id")
    title = serializers.CharField(source="item.title")
    old_roi = RatioField(help_text="Ratio by its share, under the version in force.")
    new_roi = RatioField(help_text="Ratio by its share, under this version.")
    old_deciding_roi = RatioField(
        help_text="Ratio by which it is promoted or not, with the backlog as it is; null where"
        " there is none, or where it was not kept."
    )
    new_deciding_roi = RatioField(
        help_text="The same under this version, with the backlog as a run would leave it."
    )
    old_priority = Choice(Priority.choices)
    new_priority = Choice(Priority.choices)
    was_promoted = serializers.BooleanField(help_text="It is in the backlog.")
    is_promoted = serializers.BooleanField(help_text="It would be in the backlog.")


class WhatIfSerializer(JobSerializer):
    """The numbers are there once `state` is done."""

    version = serializers.IntegerField(source="policy_id")
    base_version = serializers.IntegerField(
        source="base_id",
        allow_null=True,
        help_text="What it is compared with: the version in force at the time. null until done.",
    )
    items = serializers.IntegerField(help_text="Open items scored.")
    moved = serializers.IntegerField(help_text="Scores that would move.")
    roi_up = serializers.IntegerField(help_text="Items whose deciding_roi would rise.")
    roi_down = serializers.IntegerField(help_text="Items whose deciding_roi would fall.")
    newly_above = serializers.IntegerField(
        help_text="Items whose deciding_roi would rise over the threshold."
    )
    no_longer_above = serializers.IntegerField(help_text="Items that would fall to it or below.")
    priority_changed = serializers.IntegerField(help_text="Items of another priority.")
    promoted = serializers.IntegerField(help_text="Backlog entries that a run would add.")
    withdrawn = serializers.IntegerField(help_text="Backlog entries that a run would take back.")
    totals = serializers.SerializerMethodField(help_text="null until it is done.")
    movers = MoverSerializer(
        many=True,
        help_text=f"At most {what_if.MOST_MOVERS}: whose place in the backlog changes, who crosses "
        "the threshold or changes priority, then by how far the ROI moves.",
    )

    @extend_schema_field(BeforeAndAfterSerializer(allow_null=True))
    def get_totals(self, job: WhatIf) -> dict[str, dict[str, str]] | None:
        return job.totals or None


class WhatIfs(NounViewSet):
    """Of the versions of the policy."""

    def what_if_answer(self, version: str, status: int) -> Response:
        movers = Prefetch("movers", Mover.objects.select_related("item"))
        found = WhatIf.objects.select_related("requested_by").prefetch_related(movers)
        job = found.filter(policy=int(version)).first()
        if job is None:
            raise NotFound(
                f"Nobody has asked yet what version {version} would move.", hint="POST here to ask."
            )
        address = self.reverse_action("what-if", kwargs={"version": version})
        return Response(
            WhatIfSerializer(job).data,
            status=status,
            headers={"Location": address},
        )

    @extend_schema(responses=WhatIfSerializer)
    @action(detail=True, methods=["get"], url_path="what-if", url_name="what-if")
    def last_what_if(self, request: Request, version: str) -> Response:
        """What was worked out last of this version, or how far it is."""
        self.get_object()
        return self.what_if_answer(version, status.HTTP_200_OK)

    @extend_schema(request=None, responses={202: WhatIfSerializer})
    @last_what_if.mapping.post
    def ask_what_if(self, request: Request, version: str) -> Response:
        """Score the portfolio under this version beside the one in force; publishes nothing.

        One that is not over yet is the answer to the next request.
        """
        tasks.enqueue(what_if.request(version=self.get_object().version, by=self.user))
        return self.what_if_answer(version, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: WhatIfSerializer})
    @action(detail=True, methods=["post"], url_path="what-if/cancel")
    def cancel_what_if(self, request: Request, version: str) -> Response:
        """Stop the one that waits or works."""
        what_if.cancel(version=self.get_object().version, by=self.user)
        return self.what_if_answer(version, status.HTTP_202_ACCEPTED)
