"""What was changed, by whom and from where."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db import models
from django.utils import timezone

from debtreg.models import AuditEntry, Channel, User
from debtreg.numbers import plain

# Where the present work comes from. Pages, API and commands set it as they come in.
channel: ContextVar[str] = ContextVar("channel", default=Channel.JOB)


def record(
    action: str,
    obj: models.Model | str,
    *,
    by: User | None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    kind: str = "",
) -> None:
    """Note one change. Of `old` and `new` only what differs is kept."""
    _entry(action, obj, by, old, new, kind).save(force_insert=True)


def record_many(
    action: str,
    changes: Iterable[tuple[models.Model, dict[str, Any], dict[str, Any]]],
    *,
    by: User | None,
    at: datetime,
) -> list[int]:
    """Note the same of several objects, in one write: an entry each, with its old and new values
    as columns hold them, and the moment it was decided. Returns the keys of the entries."""
    entries = []
    for obj, *values in changes:
        old, new = ({name: jsonable(value) for name, value in each.items()} for each in values)
        entries.append(_entry(action, obj, by, old, new, at=at))
    return [entry.pk for entry in AuditEntry.objects.bulk_create(entries)]


def _entry(
    action: str,
    obj: models.Model | str,
    by: User | None,
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    kind: str = "",
    at: datetime | None = None,
) -> AuditEntry:
    if old is not None and new is not None:
        differing = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        old = {name: old.get(name) for name in sorted(differing)}
        new = {name: new.get(name) for name in sorted(differing)}
    key = obj if isinstance(obj, str) else getattr(obj, "key", None) or str(obj.pk)
    return AuditEntry(
        at=at or timezone.now(),
        actor=by,
        actor_name=by.get_username() if by else "",
        channel=channel.get(),
        action=action,
        object_type=kind or (obj._meta.model_name or "" if isinstance(obj, models.Model) else ""),
        object_key=str(key)[:120],
        old=old,
        new=new,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64],
    )


def values_of(obj: models.Model) -> dict[str, Any]:
    """The columns of a row, as JSON takes them."""
    return {
        field.attname: jsonable(getattr(obj, field.attname)) for field in obj._meta.concrete_fields
    }


def jsonable(value: Any) -> Any:
    if isinstance(value, Decimal | float):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
