"""The scoring policy: weights, contingencies, thresholds. Versions never change."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


class ScoringPolicy(models.Model):
    """One immutable version. Exactly one is active; every score names the one it used."""

    version = models.PositiveIntegerField(primary_key=True)
    payload = models.JSONField(help_text="As scoring.POLICY_SCHEMA describes it.")
    signature = models.CharField(max_length=64, blank=True, editable=False)
    note = models.CharField(max_length=300, blank=True)
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-version"]
        verbose_name_plural = "scoring policies"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_active"],
                condition=Q(is_active=True),
                name="policy_one_active",
            )
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
