"""`services/`: what runs, and for which promises are made."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from rest_framework import serializers

from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Number, Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import Criticality, Service, Team


@examples.example("A service", examples.SERVICE)
class ServiceSerializer(StrictModelSerializer):
    name = Text(required=True, max_length=120)
    team = Slug(queryset=Team.objects.all(), help_text="Slug of the team that owns it.")
    requests_per_year = Number(
        high=1e15,
        required=False,
        allow_null=True,
        help_text="Requests per year; null is unknown, not 0.",
    )
    language = Text(max_length=40, help_text="Programming language.")
    aliases = serializers.ListField(
        child=Text(required=True, max_length=120),
        max_length=50,
        required=False,
        help_text="Other names that ledgers use for it.",
    )

    class Meta:
        model = Service
        fields: ClassVar = [
            *("slug", "name", "team", "criticality", "requests_per_year", "language", "aliases")
        ]


class ServiceFilter(django_filters.FilterSet):
    team = SlugFilter(Team, help_text="Slug of a team.")
    criticality = django_filters.ChoiceFilter(choices=Criticality.choices)


class ServiceViewSet(CatalogViewSet):
    """Services, by slug."""

    queryset = Service.objects.select_related("team")
    serializer_class = ServiceSerializer
    filterset_class = ServiceFilter
    lookup_field = "slug"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,80}"
    orderings: ClassVar = {"slug": ["slug"], "-slug": ["-slug"]}
