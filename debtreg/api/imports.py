"""`imports/`: a ledger is uploaded, looked at in a preview, and committed."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, parsers, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import ledger, tasks
from debtreg.actions import imports
from debtreg.api.base import NounViewSet, StrictSerializer
from debtreg.api.fields import Choice, Text
from debtreg.api.parsers import JSONParser
from debtreg.api.runs import JobSerializer
from debtreg.errors import NotFound
from debtreg.models import ImportStep, JobState, LedgerFinding, LedgerImport


class ImportSerializer(JobSerializer):
    """A ledger. `state` is that of the step in `step`."""

    step = serializers.ChoiceField(choices=ImportStep.choices)
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    mapping = serializers.DictField(help_text="Sheet -> column -> field, as corrected.")
    sheets = serializers.JSONField(help_text="Chosen sheets; null: all that are visible.")
    workbook = serializers.DictField(help_text="Sheets and columns found.")
    summary = serializers.DictField(help_text="Counts, totals and skipped rows.")
    sample = serializers.ListField(help_text="The first rows, as read.")
    refusal = serializers.CharField(help_text="Code of why the file was refused, or empty.")


class UploadSerializer(StrictSerializer):
    file = serializers.FileField(
        max_length=255, allow_empty_file=True, help_text="xlsx or csv, of any languages."
    )
    source = Text(  # type: ignore[assignment]
        max_length=120,
        help_text="Where it comes from; the same source again updates. By default the file's name.",
    )


class ChoiceSerializer(StrictSerializer):
    mapping = serializers.DictField(
        child=serializers.DictField(child=Choice(ledger.FIELDS)),
        required=False,
        help_text="Sheet -> number of the column, from 0 -> field; null: leave the column out.",
    )
    sheets = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        allow_null=True,
        max_length=500,
        help_text="Sheets to be read; null: all that are visible.",
    )

    def validate_mapping(self, value: dict[str, dict[str, Any]]) -> dict[str, Any]:
        for sheet, columns in value.items():
            for column in columns:
                if not re.fullmatch(r"[0-9]{1,5}", column) or int(column) >= ledger.COLUMN_LIMIT:
                    problem = f"The number of a column, 0 to {ledger.COLUMN_LIMIT - 1}."
                    raise serializers.ValidationError({sheet: {column[:80]: [problem]}})
        return {
            sheet: {column: field or None for column, field in columns.items()}
            for sheet, columns in value.items()
        }


class FindingSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    sheet = serializers.CharField()
    row = serializers.IntegerField(help_text="The line that Excel shows.")
    field = serializers.CharField(help_text="Empty where the whole row is meant.")
    kind = serializers.CharField(help_text="For programs.")
    text = serializers.CharField(help_text="The cell as it was.")
    message = serializers.CharField()


class ImportFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=JobState.choices)
    source = django_filters.CharFilter(
        field_name="source__name", max_length=120, help_text="Its name, exactly."
    )


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, NounViewSet):
    """Ledger imports, the latest first."""

    queryset = LedgerImport.objects.select_related("source", "requested_by")
    serializer_class = ImportSerializer
    filterset_class = ImportFilter
    orderings: ClassVar = {"-id": ["-pk"], "id": ["pk"]}
    parser_classes = [parsers.MultiPartParser, JSONParser]

    def answer(self, job: LedgerImport) -> Response:
        address = self.reverse_action("detail", kwargs={"pk": job.pk})
        return Response(
            ImportSerializer(self.queryset.get(pk=job.pk)).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": address},
        )

    @extend_schema(
        request={"multipart/form-data": UploadSerializer}, responses={202: ImportSerializer}
    )
    def create(self, request: Request) -> Response:
        """Upload a ledger. It is read in the background; nothing is stored before commit/."""
        sent = UploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file = sent.validated_data["file"]
        job = imports.start(
            file=file,
            filename=file.name,
            source=sent.validated_data.get("source") or file.name[:120],
            by=self.user,
        )
        tasks.enqueue(job)
        return self.answer(job)

    @extend_schema(request=ChoiceSerializer, responses={202: ImportSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Correct which columns and sheets are taken; the preview is made again.

        Also where `refusal` is `not_a_ledger` and `workbook` has columns: take one for the title.
        """
        sent = ChoiceSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        job = self.get_object()
        job = imports.choose(
            import_id=job.pk,
            mapping=sent.validated_data.get("mapping", job.mapping),
            sheets=sent.validated_data.get("sheets", job.sheets),
            by=self.user,
        )
        tasks.enqueue(job)
        return self.answer(job)

    @extend_schema(request=None, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"])
    def commit(self, request: Request, pk: str) -> Response:
        """Store what the preview showed, all of it or nothing."""
        job = imports.commit(import_id=self.get_object().pk, by=self.user)
        tasks.enqueue(job)
        return self.answer(job)

    @extend_schema(request=None, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Drop an import that is not committed."""
        return self.answer(imports.cancel(import_id=self.get_object().pk, by=self.user))


class FindingFilter(django_filters.FilterSet):
    kind = django_filters.CharFilter(max_length=40, help_text="Exactly.")
    sheet = django_filters.CharFilter(max_length=120, help_text="Exactly.")


class FindingViewSet(mixins.ListModelMixin, NounViewSet):
    """What a person should know of single cells of an import."""

    queryset = LedgerFinding.objects.all()
    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    lookup_field = "pk"

    def get_queryset(self) -> QuerySet[Any]:
        if not LedgerImport.objects.filter(pk=self.kwargs["pk"]).exists():
            raise NotFound(f"There is no import {self.kwargs['pk']}.", hint="Look at the list.")
        return LedgerFinding.objects.filter(ledger_import_id=self.kwargs["pk"])
