"""Debts whose titles say nearly the same: so that nothing is logged twice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q
from rapidfuzz import fuzz, process, utils

from debtreg.models import DebtItem, Service

# Titles are compared that share a piece with what is typed; the newest of them, at most so many.
MOST_COMPARED = 500
MOST_PIECES = 12
MOST_SHOWN = 3
# Below this, words are shared by chance. Of 0 to 100.
LEAST_LIKE = 60.0
_WORD = re.compile(r"[^\W\d_]{4,}|\w*\d\w*")
_CHINESE = re.compile(r"[\u3400-\u9fff]{2,}")


@dataclass(frozen=True)
class Similar:
    item: DebtItem
    likeness: float
    """0 to 100, as rapidfuzz reckons: over the letters of the words, in any order."""


def to(title: str, service: Service | None, but: int | None = None) -> list[Similar]:
    """The debts of a service, resolved ones too, that a title may mean again; the likest first.

    but : the item whose title it is

    One query, whatever the size of the portfolio. Without a service there is nothing
    to compare with: the same title elsewhere is another debt.
    """
    if service is None or not (pieces := _pieces(title)):
        return []
    shared = Q()
    for piece in pieces:
        shared |= Q(title__icontains=piece)
    rows = DebtItem.objects.filter(shared, service=service).exclude(pk=but or 0)
    items = {item.pk: item for item in rows.only("title", "status").order_by("-pk")[:MOST_COMPARED]}
    found = process.extract(
        title,
        {pk: item.title for pk, item in items.items()},
        scorer=fuzz.token_ratio,
        processor=utils.default_process,
        score_cutoff=LEAST_LIKE,
        limit=MOST_SHOWN,
    )
    return [Similar(items[pk], likeness) for _, likeness, pk in found]


def _pieces(title: str) -> list[str]:
    """What titles have to share to be compared: longer words, and pairs of Chinese characters."""
    words = sorted(set(_WORD.findall(title)), key=lambda word: (-len(word), word))
    pairs = [run[at : at + 2] for run in _CHINESE.findall(title) for at in range(len(run) - 1)]
    latin = [word for word in words if not _CHINESE.search(word)]
    return [*latin[:MOST_PIECES], *dict.fromkeys(pairs)][:MOST_PIECES]
