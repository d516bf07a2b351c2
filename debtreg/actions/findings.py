"""Compliance gaps are opened and closed by what debtreg.gaps finds; nobody writes them by hand."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from debtreg import gaps
from debtreg.models import Finding

_TEXTS = ("subject", "text", "hint", "team_id")


@transaction.atomic
def refresh() -> int:
    """Open what is new, close what does not hold any more; returns how many are open.

    What still holds keeps the day on which it was opened. A repeat changes nothing.
    """
    now = timezone.now()
    wanted = {gap.key: gap for gap in gaps.found(timezone.localdate())}
    there = {row.key: row for row in Finding.objects.open()}
    gone = [row.pk for key, row in there.items() if key not in wanted]
    changed = []
    for key, row in there.items():
        gap = wanted.get(key)
        if gap and any(getattr(row, name) != getattr(gap, name) for name in _TEXTS):
            for name in _TEXTS:
                setattr(row, name, getattr(gap, name))
            changed.append(row)
    Finding.objects.filter(pk__in=gone).update(closed_at=now)
    Finding.objects.bulk_update(changed, list(_TEXTS), batch_size=500)
    # Another change may find the same at this moment; in one order they do not block each other.
    new = [Finding(**vars(wanted[key]), opened_at=now) for key in sorted(wanted.keys() - there)]
    Finding.objects.bulk_create(new, ignore_conflicts=True)
    return len(wanted)
