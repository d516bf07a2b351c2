"""`teams/`: who owns services and works in iterations."""

from __future__ import annotations

from typing import ClassVar

from debtreg.api import examples
from debtreg.api.base import CatalogViewSet, StrictModelSerializer
from debtreg.api.fields import Number, Text
from debtreg.models import Team


@examples.example("A team", examples.TEAM)
class TeamSerializer(StrictModelSerializer):
    name = Text(required=True, max_length=120)
    day_rate = Number(
        high=1e9,
        places=2,
        required=False,
        allow_null=True,
        help_text="Money per person-day. null: the installation's price of kind `day_rate`.",
    )
    days_per_point = Number(
        high=1e3,
        places=3,
        required=False,
        allow_null=True,
        help_text="Person-days per story point. null: efforts in points stay unknown.",
    )

    class Meta:
        model = Team
        fields: ClassVar = ["slug", "name", "day_rate", "days_per_point"]


class TeamViewSet(CatalogViewSet):
    """Teams, by slug."""

    queryset = Team.objects.all()
    serializer_class = TeamSerializer
    lookup_field = "slug"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,80}"
    orderings: ClassVar = {"slug": ["slug"], "-slug": ["-slug"]}
