"""The scoring policy: weights, contingencies, thresholds. Versions never change."""

from __future__ import annotations

import json
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

_SALT = "debtreg.policy"


def canonical(payload: Any) -> Any:
    """A payload with its numbers as both databases give them back: 3 is 3.0, and no zero is -0."""
    if isinstance(payload, dict):
        return {name: canonical(part) for name, part in payload.items()}
    if isinstance(payload, list):
        return [canonical(part) for part in payload]
    if isinstance(payload, float) or (type(payload) is int and abs(payload) < 2**53):
        return payload + 0.0
    return payload


def signature_of(version: int, payload: Any, key: str | None = None) -> str:
    """HMAC-SHA256 of a version's number and what it says, as 64 hexadecimal digits.

    key : what the key is derived from; None: SECRET_KEY
    """
    signed = {"version": version, "payload": canonical(payload)}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    return salted_hmac(_SALT, text, secret=key, algorithm="sha256").hexdigest()


class ScoringPolicyQuerySet(models.QuerySet["ScoringPolicy"]):
    def update(self, **columns: Any) -> int:
        """Of a version, only the signature may be renewed."""
        if columns.keys() - {"signature"}:
            _refuse_change()
        return super().update(**columns)

    def delete(self) -> NoReturn:
        _refuse_change()


class ScoringPolicy(models.Model):
    """One immutable version. Every score names the one it used; `versions` says which counts."""

    version = models.PositiveIntegerField(primary_key=True)
    payload = models.JSONField(help_text="As scoring.POLICY_SCHEMA describes it.")
    signature = models.CharField(max_length=64, editable=False)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = ScoringPolicyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-version"]
        verbose_name_plural = "scoring policies"
        constraints: ClassVar = [
            models.CheckConstraint(name="policy_signed", condition=~models.Q(signature=""))
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    def save(self, *args: Any, **options: Any) -> None:
        """Sign and store a new version."""
        if not self._state.adding:
            _refuse_change()
        self.signature = signature_of(self.version, self.payload)
        options["force_insert"] = True
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        _refuse_change()

    def is_genuine(self) -> bool:
        """True if this was signed with SECRET_KEY or one of SECRET_KEY_FALLBACKS."""
        return any(
            constant_time_compare(self.signature, signature_of(self.version, self.payload, key))
            for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        )


def _refuse_change() -> NoReturn:
    raise TypeError("A version of the scoring policy never changes: create another one.")


class PolicyActivation(models.Model):
    """A version put into force. Rows are added only; the latest one says which counts."""

    policy = models.ForeignKey(ScoringPolicy, on_delete=models.PROTECT, related_name="activations")
    previous = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What a rollback goes back to.",
    )
    is_rollback = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    by = models.ForeignKey(
        "User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.policy} since {self.at:%Y-%m-%d %H:%M}"
