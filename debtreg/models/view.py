"""Views of the ranking that people have kept under a name."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .user import User


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, user: User) -> Self:
        """One's own, and those that others share."""
        return self.filter(Q(user=user) | Q(is_shared=True)).select_related("user")


class SavedView(models.Model):
    """Filters, order and columns of the ranking, as its address says them."""

    MOST = 50

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="views")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True, help_text="Of the address, without `?`.")
    is_shared = models.BooleanField(default=False, help_text="Whether others see it too.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "name"], name="savedview_once_by_name")
        ]

    def __str__(self) -> str:
        return self.name
