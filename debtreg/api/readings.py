"""`readings/`: what SLIs have shown, step by step, by the hour and by the day."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import django_filters
from django.conf import settings
from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.actions import readings, rights
from debtreg.api import examples
from debtreg.api.base import Endpoint, NounViewSet, StrictSerializer
from debtreg.api.bulk import rows_of
from debtreg.api.errors import TooLarge
from debtreg.api.fields import Number, PlainField
from debtreg.models import (
    EVENT,
    MOST_EVENTS,
    STEP_CHOICES,
    Reading,
    ReadingDay,
    ReadingHour,
    ReadingSource,
    Slo,
)

MOST_READINGS = 5_000
RESOLUTIONS: dict[str, Any] = {"raw": Reading, "hour": ReadingHour, "day": ReadingDay}
# The first and the last days of the calendar have no moment in every time zone.
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class EventsField(PlainField):
    """Thousandths of events as events."""

    def to_representation(self, value: int) -> str | None:
        return super().to_representation(Decimal(value) / EVENT)


class SliReadingSerializer(serializers.Serializer):
    """A reading, or what an hour or a day of UTC adds up to."""

    slo = serializers.CharField(source="slo_name", help_text="Name of the SLO.")
    at = serializers.DateTimeField(help_text="When it begins.")
    seconds = serializers.IntegerField(
        help_text="Length of a reading; of an hour or a day how much of it counts."
    )
    good = EventsField(help_text="Events.")
    total = EventsField(help_text="Events; 0 is measured quiet, a gap has no row.")
    good_slices = serializers.IntegerField(
        default=None, allow_null=True, help_text="Of Timeslices, by the hour and by the day."
    )
    slices = serializers.IntegerField(
        default=None, allow_null=True, help_text="Of Timeslices: all that had events."
    )
    excluded_seconds = serializers.SerializerMethodField(
        help_text="Measured within a maintenance window, and left out."
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=ReadingSource.choices, default=None, allow_null=True
    )

    def get_excluded_seconds(self, row: Any) -> int:
        if isinstance(row, Reading):
            return row.seconds if row.is_excluded else 0
        return int(row.excluded_seconds)


class SentSliReadingSerializer(StrictSerializer):
    slo = serializers.CharField(help_text="Name of the SLO.")
    at = serializers.DateTimeField(
        help_text="When it begins: ISO 8601 with an offset, a multiple of its length."
    )
    seconds = serializers.ChoiceField(
        choices=STEP_CHOICES,
        required=False,
        help_text=f"Length; by default {readings.DEFAULT_SECONDS}.",
    )
    good = Number(high=MOST_EVENTS, help_text="Good events; kept to thousandths.")
    total = Number(high=MOST_EVENTS, help_text="All valid events. 0: measured, and none came.")


@examples.example("Two steps, the second one without an event", examples.SLI_READINGS)
class SliReadingsSerializer(serializers.Serializer):
    readings = SentSliReadingSerializer(many=True, max_length=MOST_READINGS)  # type: ignore[call-arg]
    partial = serializers.BooleanField(  # type: ignore[assignment]
        required=False, help_text="Store the rows that are valid."
    )


class StoredCountsSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField(help_text="Said something else before.")
    unchanged = serializers.IntegerField(help_text="Stored already, just as they were sent.")


class RefusedReadingSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Field -> what is wrong with it.",
    )


class StoredSliReadingsSerializer(StoredCountsSerializer):
    refused = serializers.IntegerField(help_text="More than 0 only with partial=true.")
    errors = RefusedReadingSerializer(many=True)  # type: ignore[assignment]


class Moment(django_filters.IsoDateTimeFilter):
    def filter(self, rows: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return super().filter(rows, value and min(max(value, FIRST), LAST))


ReadingFilter = type(
    "ReadingFilter",
    (django_filters.FilterSet,),
    {
        "slo": django_filters.ModelChoiceFilter(
            queryset=Slo.objects.all(),
            to_field_name="name",
            help_text="Name of the SLO.",
            error_messages={"invalid_choice": "There is no such SLO."},
        ),
        "from": Moment(field_name="at", lookup_expr="gte", help_text="Begins then or later."),
        "to": Moment(field_name="at", lookup_expr="lt", help_text="Begins before."),
    },
)


class ReadingViewSet(mixins.ListModelMixin, NounViewSet):
    """Readings of SLIs."""

    queryset = Reading.objects.all()
    serializer_class = SliReadingSerializer
    filterset_class = ReadingFilter
    own_parameters = ("resolution", "partial")
    orderings: ClassVar = {"at": ["slo_id", "at"], "-at": ["slo_id", "-at"]}

    def get_queryset(self) -> QuerySet[Any]:
        word = self.request.query_params.get("resolution", "raw")
        if word not in RESOLUTIONS:
            raise serializers.ValidationError(
                {"resolution": [f"This is one of: {', '.join(RESOLUTIONS)}."]}
            )
        rows: QuerySet[Any] = RESOLUTIONS[word].objects.annotate(slo_name=F("slo__name"))
        return rows

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "resolution",
                enum=list(RESOLUTIONS),
                description="Readings as they are, or by the hour or the day of UTC; by default"
                " `raw`.",
            )
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Readings by SLO and time. Single ones are kept for a limited number of days."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request=SliReadingsSerializer,
        responses={200: StoredSliReadingsSerializer},
        parameters=[
            OpenApiParameter("partial", bool, description="As `partial` in the body."),
        ],
    )
    def create(self, request: Request) -> Response:
        """Store up to 5,000 readings, all or none unless `partial`; again, they change nothing.

        A reading of the same SLO and time takes the place of the one before. One that lies across
        another of a different length is refused: the same events would count twice. The budgets of
        the SLOs are worked out at once. The body may also be the list of readings alone.
        """
        rows, partial = rows_of(request, "readings", "readings", MOST_READINGS)
        return Response(readings.store(rows=rows, partial=partial, by=self.user))


class ReadingUploadSerializer(StrictSerializer):
    file = serializers.FileField(
        max_length=255,
        allow_empty_file=True,
        help_text="CSV in UTF-8 with the columns slo, at, seconds (may be left out), good, total.",
    )


class ReadingImportView(Endpoint):
    """Readings from a file."""

    parser_classes = (parsers.MultiPartParser,)

    @extend_schema(
        operation_id="readings_import",
        request={"multipart/form-data": ReadingUploadSerializer},
        responses=StoredCountsSerializer,
    )
    def post(self, request: Request) -> Response:
        """Store the readings of a CSV file, all or none; again, they change nothing.

        Where lines are not valid, `fields` names the first of them, as `line 7.good`.
        """
        rights.check(self.user, "readings.store")
        sent = ReadingUploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file = sent.validated_data["file"]
        if file.size > settings.UPLOAD_LIMIT_MB << 20:
            raise TooLarge(
                f"The file has more than {settings.UPLOAD_LIMIT_MB} MB.",
                hint="Split it, or have it imported by `manage.py import_readings`.",
            )
        stored = readings.import_csv(file=file, filename=file.name, by=self.user)
        return Response(vars(stored))
