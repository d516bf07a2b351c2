"""`connections/`: the sites that readings are fetched from, and how that goes."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg import tasks
from debtreg.actions import connections, measurements
from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Text
from debtreg.api.runs import JobSerializer
from debtreg.models import STEP_CHOICES, AuthKind, Connection


class FetchSerializer(JobSerializer):
    """`done` of `total` counts pieces of up to 10,000 steps of an SLO."""

    readings = serializers.IntegerField(help_text="New or corrected ones of the last run.")


@examples.example("A server that wants a token", examples.CONNECTION)
class ConnectionSerializer(StrictModelSerializer):
    url = Text(
        required=True,
        max_length=300,
        help_text="https://, or http:// of the machine that debtreg runs on.",
    )
    auth = serializers.ChoiceField(choices=AuthKind.choices, required=False)
    username = Text(max_length=200, help_text="Of auth=basic.")
    secret = serializers.CharField(
        required=False,
        write_only=True,
        allow_blank=True,
        trim_whitespace=False,
        max_length=connections.LONGEST_SECRET,
        help_text="Password or token. It is stored encrypted and never shown again; left out, it"
        " stays as it is, unless the address names another host.",
    )
    step_seconds = serializers.ChoiceField(
        choices=STEP_CHOICES,
        required=False,
        help_text="How long one reading is; by default 300.",
    )
    delay_seconds = serializers.IntegerField(
        min_value=0,
        max_value=3600,
        required=False,
        help_text="How late samples may be: what is younger is not asked for yet. By default 60.",
    )
    last_ok_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_error = serializers.CharField(read_only=True, help_text="Empty while it answers.")
    last_error_at = serializers.DateTimeField(read_only=True, allow_null=True)
    retry_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="After failures: when it is asked again."
    )
    fetch = serializers.SerializerMethodField(help_text="The last fetch, or the one going on.")

    class Meta:
        model = Connection
        fields: ClassVar = [
            *("name", "url", "auth", "username", "secret", "step_seconds", "delay_seconds"),
            *("is_paused", "last_ok_at", "last_error", "last_error_at", "retry_at", "fetch"),
        ]

    @extend_schema_field(FetchSerializer(allow_null=True))
    def get_fetch(self, connection: Connection) -> Any:
        fetch = getattr(connection, "fetch", None)
        return fetch and FetchSerializer(fetch).data


class ConnectionViewSet(CatalogViewSet):
    """Sites that readings are fetched from, by name."""

    queryset = Connection.objects.select_related("fetch__requested_by")
    serializer_class = ConnectionSerializer
    lookup_field = "name"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,63}"
    orderings: ClassVar = {"name": ["name"], "-name": ["-name"]}

    def store(self, row: Connection, serializer: serializers.BaseSerializer) -> Connection:
        self.secret = serializer.validated_data.pop("secret", None)
        found: Connection = super().store(row, serializer)
        return found

    def save(self, row: Connection) -> Connection:
        return connections.save(connection=row, secret=self.secret, by=self.user)

    def perform_destroy(self, instance: Any) -> None:
        connections.remove(connection=instance, by=self.user)

    @extend_schema(operation_id="connections_fetch", request=None, responses={202: FetchSerializer})
    @action(detail=True, methods=["post"], url_path="fetch")
    def start(self, request: Request, name: str) -> Response:
        """Fetch what is new now. A fetch that waits or goes on already is the answer."""
        site = self.get_object()
        fetch = measurements.request(site=site, by=self.user)
        tasks.enqueue(fetch)
        return Response(FetchSerializer(fetch).data, status=status.HTTP_202_ACCEPTED)
