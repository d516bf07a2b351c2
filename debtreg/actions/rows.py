"""Rows of contracts and of the catalog: locked in one order, checked, stored."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from debtreg.actions.debt import not_valid
from debtreg.errors import Conflict, NotFound
from debtreg.models import Guarantee


def guarantees(**which: Any) -> list[Guarantee]:
    """Guarantees with their terms, locked in one order for everybody."""
    keys = list(
        Guarantee.objects.select_for_update(of=("self",))
        .filter(**which)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return list(Guarantee.objects.with_terms().filter(pk__in=keys).order_by("pk"))


def guarantee(guarantee_id: int) -> Guarantee:
    found = guarantees(pk=guarantee_id)
    if not found:
        raise NotFound(
            _("There is no guarantee %(guarantee_id)s.") % {"guarantee_id": guarantee_id},
            hint=_("Look at its contract."),
        )
    return found[0]


def clean(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise not_valid(error) from error


def save(row: models.Model) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(
            _("Somebody has added the same %(verbose_name)s a moment ago.")
            % {"verbose_name": row._meta.verbose_name},
            hint=_("Look at that one and change it, if it is not as you want it."),
        ) from error
