"""Whether it can hold where a person wants to put an entry of a group. Reads only.

Room for the entry itself, and the order of repairs, are the caller's to see to.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

import numpy as np
from django.db.models import Q, Sum
from django.utils import timezone

import scoring
from debtreg import losses
from debtreg.models import (
    BacklogEntry,
    EntryState,
    Iteration,
    IterationState,
)
from debtreg.reasons import A_PERSON, listed


def obstacle(entry: BacklogEntry, iteration: Iteration | None) -> tuple[str, str] | None:
    """Why an entry can't stay in this iteration, or among those that wait, and what to do.

    A group is planned as a whole or not at all: the others have to find room, too. None where
    they do. What is started stays wherever it is.
    """
    if entry.state == EntryState.STARTED or entry.pinned:
        return None
    pks = losses.mates(entry.item_id)
    if not pks:
        return None
    others = list(
        BacklogEntry.objects.active()
        .filter(item__in=pks)
        .select_related("iteration", "team", "placed_by")
        .order_by("team", "item")
    )
    named = f"{entry.item.key} pays only together with {listed([f'DEBT-{pk}' for pk in pks])}"
    if iteration is None:
        for other in others:
            if other.placed and other.state == EntryState.PLANNED:
                who = other.placed_by.display_name if other.placed_by else A_PERSON
                key = f"DEBT-{other.item_id}"
                return (
                    f"{named}, and {who} has put {key} into {other.iteration}.",
                    f"Put {key} among those that wait first.",
                )
        return None
    # Those that a person lets wait keep it waiting.
    held = [f"DEBT-{other.item_id}" for other in others if other.placed and not other.iteration_id]
    if held:
        return (
            f"{named}: {listed(held)} {'waits' if len(held) == 1 else 'wait'} by hand.",
            f"Put {listed(held)} into an iteration, too.",
        )
    moving = [other for other in others if not other.placed and other.state != EntryState.STARTED]
    for team, mine in groupby(moving, key=lambda other: other.team):
        entries = list(mine)
        if any(other.repair_days is None for other in entries):
            continue
        days = [other.repair_days or Decimal(0) for other in entries]
        rooms = _rooms(team.pk, entry, iteration)
        if not scoring.has_room(_halves(days), _halves([left for _, left in rooms])):
            beside = ", ".join(f"{name} {float(left):g}" for name, left in rooms)
            needed = " + ".join(f"{float(each):g}" for each in days)
            keys = listed([f"DEBT-{other.item_id}" for other in entries])
            return (
                f"{named}. With {entry.item.key} in {iteration.name}, there is no room for {keys}"
                f" ({needed} person-days) beside what is started or put there by hand; left in the"
                f" iterations of {team.name}: {beside or 'none is open'}.",
                "Make an iteration longer, open another, split the work, or let the group wait.",
            )
    return None


def _rooms(team_id: int, entry: BacklogEntry, iteration: Iteration) -> list[tuple[str, Decimal]]:
    """What a run could give to others in each open iteration, with this entry where it is to be."""
    stays = Q(entries__state__in=(EntryState.DONE, EntryState.STARTED)) | Q(
        entries__state=EntryState.PLANNED, entries__placed=True
    )
    stays &= ~Q(entries__pk=entry.pk)
    open_ = Iteration.objects.filter(
        team=team_id, state=IterationState.OPEN, ends_on__gte=timezone.localdate()
    ).annotate(taken=Sum("entries__repair_days", filter=stays, default=Decimal(0)))
    found = []
    for each in open_.order_by("starts_on", "pk"):
        mine = entry.repair_days or Decimal(0) if each.pk == iteration.pk else Decimal(0)
        found.append((each.name, max(Decimal(0), each.capacity_days - each.taken - mine)))
    return found


def _halves(days: Sequence[Decimal]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([int(each * 2) for each in days], dtype=np.int64)
