"""`dependencies/`: the consumer calls the provider."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters

from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Slug, Text
from debtreg.api.pages import SlugFilter
from debtreg.models import Dependency, Service


class DependencySerializer(StrictModelSerializer):
    consumer = Slug(queryset=Service.objects.all(), help_text="Slug of the service that calls.")
    provider = Slug(queryset=Service.objects.all(), help_text="Slug of the service that is called.")
    protocol = Text(max_length=40, help_text="As http or grpc.")

    class Meta:
        model = Dependency
        fields: ClassVar = ["id", "consumer", "provider", "protocol", "hard"]
        extra_kwargs: ClassVar = {
            "hard": {"help_text": "The consumer fails when the provider does."}
        }
        validators: ClassVar[list[Any]] = []  # the action checks that it is there once


class DependencyFilter(django_filters.FilterSet):
    consumer = SlugFilter(Service, help_text="Slug of the service that calls.")
    provider = SlugFilter(Service, help_text="Slug of the service that is called.")


class DependencyViewSet(CatalogViewSet):
    """Dependencies between services."""

    queryset = Dependency.objects.select_related("consumer", "provider")
    serializer_class = DependencySerializer
    filterset_class = DependencyFilter
