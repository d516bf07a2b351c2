"""Who changed what, when and from where; and answers kept for repeated requests."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Channel(models.TextChoices):
    PAGE = "page", _("Page")
    API = "api", _("API")
    JOB = "job", _("Job")
    COMMAND = "command", _("Command")


class AuditEntry(models.Model):
    """One change. Rows are added only."""

    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    actor = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    channel = models.CharField(max_length=7, choices=Channel)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_key = models.CharField(max_length=120)
    old = models.JSONField(null=True, blank=True)
    new = models.JSONField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [models.Index("object_type", "object_key", name="audit_by_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_key}"


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    def expired(self) -> Self:
        return self.filter(created_at__lt=timezone.now() - IdempotencyKey.KEPT_FOR)


class IdempotencyKey(models.Model):
    """The first answer to a POST that carried an Idempotency-Key; kept for a day."""

    KEPT_FOR = timedelta(hours=24)

    user = models.ForeignKey("User", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True, help_text="Null while it is worked on.")
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotencykey_once")
        ]

    def __str__(self) -> str:
        return self.key
