"""`scoring-runs/`: ask for a scoring of the whole portfolio, and see how far it is."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg.actions import scores
from debtreg.api.base import NounViewSet
from debtreg.api.fields import MoneyField
from debtreg.models import JobState, ScoringRun


class JobSerializer(serializers.Serializer):
    """Work that goes on after the answer: ask again until `state` is done, failed or cancelled."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=JobState.choices)
    stage = serializers.CharField(help_text="What it is doing now.")
    done = serializers.IntegerField(help_text="Units of the stage that are done.")
    total = serializers.IntegerField(help_text="Units of the stage; 0 while not known.")
    queued_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(help_text="Why it failed.")
    hint = serializers.CharField(help_text="What to do about it.")
    requested_by = serializers.CharField(
        source="requested_by.username", default=None, allow_null=True, help_text="null: the clock."
    )


class RunSerializer(JobSerializer):
    policy_version = serializers.IntegerField(
        source="policy_id", allow_null=True, help_text="null until it is done."
    )
    items = serializers.IntegerField(help_text="Open items scored.")
    changed = serializers.IntegerField(help_text="Scores that moved.")
    promoted = serializers.IntegerField(help_text="New backlog entries.")
    withdrawn = serializers.IntegerField(help_text="Backlog entries taken back.")
    annual_cost = MoneyField(help_text="Money per year, of all open items.")
    seconds = serializers.DictField(
        child=serializers.FloatField(), help_text="Seconds of each stage."
    )


class RunFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=JobState.choices)


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, NounViewSet):
    """Scoring runs, the latest first. Readers see the scores of the last one that is done."""

    queryset = ScoringRun.objects.select_related("requested_by")
    serializer_class = RunSerializer
    filterset_class = RunFilter
    orderings: ClassVar = {"-id": ["-pk"], "id": ["pk"]}

    def answer(self, run: ScoringRun) -> Response:
        address = self.reverse_action("detail", kwargs={"pk": run.pk})
        return Response(
            RunSerializer(run).data, status=status.HTTP_202_ACCEPTED, headers={"Location": address}
        )

    @extend_schema(request=None, responses={202: RunSerializer})
    def create(self, request: Request) -> Response:
        """Ask for a run. Where one waits already, that one is the answer."""
        run = scores.request_run(by=self.user)
        tasks.enqueue(run)
        return self.answer(run)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a run that waits or works. The scores stay those of the last one that is done."""
        return self.answer(scores.cancel_run(run_id=self.get_object().pk, by=self.user))
