"""People, their teams and roles; tokens for machines."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .words import known_words


class Role(models.TextChoices):
    MEMBER = "member", _("Engineer")
    PRODUCT_OWNER = "product_owner", _("Product owner")
    SRE = "sre", _("SRE")
    COMPLIANCE = "compliance", _("Compliance")
    DIRECTOR = "director", _("Director")
    ADMIN = "admin", _("Administrator")


class User(AbstractUser):
    """A person or a machine account. Members change the debts of their own teams."""

    role = models.CharField(max_length=14, choices=Role, default=Role.MEMBER)
    teams: models.ManyToManyField[Any, Any] = models.ManyToManyField(
        "Team", related_name="members", blank=True
    )
    language = models.CharField(
        max_length=10, blank=True, editable=False, help_text="Of pages. Empty: as the browser asks."
    )
    seen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When their home was shown last."
    )
    visited_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the visit before this one ended. Null: this is the first.",
    )
    tour_left_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When they left the tour of the demo."
    )

    class Meta:
        constraints: ClassVar = [known_words("user", "role", Role.values)]

    @property
    def display_name(self) -> str:
        if self.last_name and not self.last_name.isascii():
            # Chinese names: the family's first, and no space.
            return f"{self.last_name}{self.first_name}"
        return self.get_full_name() or self.username

    def is_one_of(self, *roles: str) -> bool:
        """True for these roles, and always for administrators."""
        return self.is_superuser or self.role == Role.ADMIN or self.role in roles


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> ApiTokenQuerySet:
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=Now()),
            revoked_at__isnull=True,
            user__is_active=True,
        )


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is stored: 256 random bits need no slow hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, help_text="What uses it, for the person who revokes it.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="The first characters.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

    @classmethod
    def issue(
        cls, *, user: User, name: str, expires_at: datetime | None = None
    ) -> tuple[ApiToken, str]:
        """Store a new token and return it with its text, which nobody can read again."""
        text = f"dr_{secrets.token_urlsafe(32)}"
        token = cls.objects.create(
            user=user,
            name=name,
            digest=cls.digest_of(text),
            hint=text[:8],
            expires_at=expires_at,
        )
        return token, text
