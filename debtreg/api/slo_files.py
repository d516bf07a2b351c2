"""`slos/import/` and `slos/export/`: SLOs from files of other tools, and as such files."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg.actions import slo_imports
from debtreg.api import examples
from debtreg.api.base import Endpoint, StrictSerializer
from debtreg.api.fields import Choice, Text
from debtreg.api.parsers import JSONParser
from debtreg.models import SourceFormat


@examples.example("An SLO of OpenSLO", examples.SLO_FILE)
class SloFileSerializer(StrictSerializer):
    text = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=2 * 1024 * 1024,
        help_text="YAML or JSON; or send it as `file`.",
    )
    file = serializers.FileField(
        required=False, max_length=255, allow_empty_file=True, help_text="In multipart/form-data."
    )
    format = Choice(SourceFormat.choices, required=False, help_text="By default guessed.")
    team = Text(max_length=80, help_text="Slug: gets the services that nobody is said to own.")
    dry_run = serializers.BooleanField(
        required=False, default=True, help_text="Only look. By default true: false stores it."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("file" in attrs):
            raise serializers.ValidationError({"text": ["Send either text or file."]})
        return attrs


class ImportedRowSerializer(serializers.Serializer):
    kind = serializers.CharField(help_text="As SLO, Service, Dependency.")
    name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["created", "updated", "unchanged"])
    text = serializers.CharField(help_text="For people.")


class LintFindingSerializer(serializers.Serializer):
    level = serializers.ChoiceField(
        choices=["error", "warning", "note"],
        help_text="error: not taken; warning: taken, but not as it stands, or against the format's"
        " rules; note: kept without being used.",
    )
    document = serializers.IntegerField(help_text="Number in the file, from 1.")
    line = serializers.IntegerField(help_text="From 1.")
    kind = serializers.CharField()
    name = serializers.CharField()
    field = serializers.CharField(help_text="As spec.objectives[0].target; empty: all of it.")
    message = serializers.CharField()
    hint = serializers.CharField(help_text="How to mend it.")


class SloImportSerializer(serializers.Serializer):
    """What becomes of a file."""

    format = serializers.ChoiceField(source="source_format", choices=SourceFormat.choices)
    stored = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    errors = serializers.IntegerField(help_text="Findings that keep an entry out.")  # type: ignore[assignment]
    rows = ImportedRowSerializer(many=True)
    findings = LintFindingSerializer(many=True)


class SloImportView(Endpoint):
    """SLOs from a file."""

    parser_classes = (JSONParser, parsers.MultiPartParser)

    @extend_schema(
        operation_id="slos_import",
        request={"application/json": SloFileSerializer, "multipart/form-data": SloFileSerializer},
        responses=SloImportSerializer,
    )
    def post(self, request: Request) -> Response:
        """Look at a file of OpenSLO, Sloth or Backstage, or store it with dry_run=false.

        What can be taken is taken, the rest is in the findings; again, it changes nothing.
        """
        sent = SloFileSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = sent.validated_data
        work = slo_imports.preview if values["dry_run"] else slo_imports.store
        report = work(
            text=values["file"].read() if "file" in values else values["text"],
            source_format=values.get("format", ""),
            team=values.get("team", ""),
            by=self.user,
        )
        if not values["dry_run"]:
            tasks.enqueue_waiting()
        counts = {name: report.count(name) for name in ("created", "updated", "unchanged")}
        body = {**vars(report), **counts, "errors": report.errors, "stored": not values["dry_run"]}
        return Response(SloImportSerializer(body).data)


class WrittenFindingSerializer(serializers.Serializer):
    level = serializers.ChoiceField(
        choices=["warning", "note"],
        help_text="warning: left out, or not as it is; note: written elsewhere, as in an"
        " annotation.",
    )
    kind = serializers.CharField()
    name = serializers.CharField()
    field = serializers.CharField(help_text="As spec.owner; empty: all of it.")
    message = serializers.CharField()


class SloExportSerializer(serializers.Serializer):
    """A file, and what its format can't say."""

    format = serializers.ChoiceField(source="source_format", choices=SourceFormat.choices)
    left_out = serializers.IntegerField(help_text="Findings of what is not written as it is.")
    findings = WrittenFindingSerializer(many=True)
    text = serializers.CharField()


class SloExportView(Endpoint):
    """SLOs as a file."""

    @extend_schema(
        operation_id="slos_export",
        parameters=[
            OpenApiParameter(
                "format",
                enum=SourceFormat.values,
                description="By default openslo, which is v1, strictly; backstage: the entities"
                " that were imported.",
            ),
            OpenApiParameter(
                "findings",
                bool,
                description="True: as JSON, with what the format can't say beside the text.",
            ),
        ],
        responses={
            (200, "text/plain"): str,
            (200, "application/json"): SloExportSerializer,
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """All SLOs with what was kept beside them. The same SLOs are the same bytes each time.

        The header X-Left-Out says how much is not written as it is; findings=true says what.
        """
        name = request.query_params.get("format", SourceFormat.OPENSLO)
        if name not in SourceFormat.values:
            problem = f"One of: {', '.join(SourceFormat.values)}."
            raise serializers.ValidationError({"format": [problem]})
        exported = slo_imports.export(source_format=name)
        headers = {"X-Left-Out": str(exported.left_out)}
        if request.query_params.get("findings", "").lower() in ("true", "1", "yes"):
            return Response(SloExportSerializer(exported).data, headers=headers)
        return HttpResponse(
            exported.text,
            # Not application/yaml: clients would take the first of several documents for all.
            content_type="text/plain; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="slos-{name}.yaml"',
                **headers,
            },
        )
