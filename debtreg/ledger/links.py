"""What rows say about each other: ids, keys, dependencies, duplicates."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .catalog import name_key
from .findings import Findings
from .sheets import Codes, used
from .words import DUPLICATE_MARKS, LIST_SEPARATORS, LONGEST_LIST, NOTHING, UNKNOWN

LONGEST_KEY = 300
_MARK = re.compile("|".join(re.escape(mark) for mark in DUPLICATE_MARKS))


def id_of(text: str | None) -> str | None:
    """An id as it is stored: NFKC and trimmed; None for a word that means unknown."""
    if text is None:
        return None
    found = unicodedata.normalize("NFKC", text).strip()
    return None if not found or found.lower() in UNKNOWN else found


def _folded(title: str | None) -> str:
    """A title as titles are compared: NFKC, lower case, no white space; with duplicate marks."""
    return "".join(unicodedata.normalize("NFKC", title or "").lower().split())


def keys(
    sheet: str, ids: Sequence[str | None], titles: Sequence[str | None], services: Sequence[Any]
) -> tuple[list[str], NDArray[np.bool_]]:
    """The key of each row, and which have an id that an earlier row has.

    A row with an id of its own is known by sheet and id, whatever else changes; any other also by
    title and service, as the ledger writes them; rows that are the same in all that by a running
    number. The order of rows plays no part except among those last ones.
    """
    folded = [(text or "").casefold() for text in ids]
    times = Counter(folded)

    def long_key(key: str, at: int) -> str:
        return " | ".join(
            (sheet, key, _MARK.sub("", _folded(titles[at])), name_key(services[at] or ""))
        )

    found = [
        _short(f"{sheet} | {key}" if key and times[key] == 1 else long_key(key, at))
        for at, key in enumerate(folded)
    ]
    if len(set(found)) < len(found):
        again: Counter[str] = Counter()
        for at, key in enumerate(found):
            again[key] += 1
            if again[key] > 1:
                found[at] = f"{key} #{again[key]}"
    seen = pd.Series(folded, dtype=object)
    return found, (seen.duplicated() & (seen != "")).to_numpy()


def _short(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 33]}~{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


def dependencies(
    ids: Sequence[str | None], codes: Codes, texts: Sequence[str], findings: Findings
) -> list[tuple[int, ...]]:
    """The rows on which each row depends; links to nobody, to itself or to two rows are left out.

    Circles stay. Each of these is a finding on the row that says so.
    """
    rows = len(ids)
    place: dict[str, int] = {}  # -2: the id of several rows
    for at, key in enumerate(ids):
        if key is not None:
            place[key.casefold()] = -2 if key.casefold() in place else at
    kinds = [("unreadable",) * (len(LIST_SEPARATORS.findall(t)) >= LONGEST_LIST) for t in texts]
    if any(kinds):
        findings.of_values("depends_on", codes, texts, kinds)
        codes = np.where(np.array([*map(bool, kinds), False])[codes], np.int32(-1), codes)
    saying = np.flatnonzero(codes >= 0)
    listed = {code: _listed(texts[code], place) for code in used(codes[saying], len(texts))}
    lists = [listed[code] for code in codes[saying].tolist()]
    source = np.repeat(saying, [len(names) for names in lists])
    named = list(chain.from_iterable(lists))
    target = np.fromiter((place.get(name.casefold(), -1) for name in named), np.int64)
    for kind, wrong in (
        ("dependency_unknown", target == -1),
        ("dependency_ambiguous", target == -2),
        ("dependency_self", (target >= 0) & (target == source)),
    ):
        by_row: dict[int, list[str]] = {}
        for link in np.flatnonzero(wrong):
            by_row.setdefault(int(source[link]), []).append(named[link])
        findings.of_rows(
            "depends_on", kind, list(by_row), [", ".join(names) for names in by_row.values()]
        )
    linked = (target >= 0) & (target != source)
    source, target = source[linked], target[linked]
    _flag_circles(rows, source, target, ids, findings)
    depends: list[tuple[int, ...]] = [()] * rows
    links_by_row: dict[int, list[int]] = {}
    for at, on in zip(source.tolist(), target.tolist(), strict=True):
        links_by_row.setdefault(at, []).append(on)
    for at, some in links_by_row.items():
        depends[at] = tuple(some)
    return depends


def _listed(text: str, place: dict[str, int]) -> list[str]:
    """The ids in a cell, each once. An id may itself hold a separator."""
    whole = unicodedata.normalize("NFKC", text).strip()
    if whole.casefold() in place:
        return [whole]
    parts = (part.strip() for part in LIST_SEPARATORS.split(whole))
    once = {part.casefold(): part for part in parts if part.lower() not in NOTHING and part}
    return [] if whole.lower() in NOTHING else list(once.values())


def _flag_circles(
    rows: int,
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    ids: Sequence[str | None],
    findings: Findings,
) -> None:
    if not len(source):
        return
    graph = coo_array((np.ones(len(source), dtype=np.int8), (source, target)), shape=(rows, rows))
    _, circle = connected_components(graph, directed=True, connection="strong")
    within = circle[source] == circle[target]
    at = np.unique(source[within])
    first = {
        int(s): int(t) for s, t in zip(source[within][::-1], target[within][::-1], strict=True)
    }
    findings.of_rows("depends_on", "dependency_cycle", at, [str(ids[first[int(a)]]) for a in at])


def duplicates(rows: pd.DataFrame) -> pd.DataFrame:
    """Pairs that may be the same debt, never merged: the first row of a title and service, and each
    later one; and a row with a duplicate mark, alone if there is nothing that it repeats.

    rows : sheet, row, key, title_full, service, service_text of the whole ledger
    Returns first_sheet, first_row, sheet, row, why and `at`, the later row's position in `rows`.
    """
    at = np.flatnonzero(rows["title_full"].notna())
    folded = [_folded(title) for title in rows["title_full"].to_numpy()[at]]
    marked = np.fromiter((_MARK.search(title) is not None for title in folded), bool)
    title = pd.factorize(np.array([_MARK.sub("", text) for text in folded], dtype=object))[0]
    named = zip(rows["service"].to_numpy()[at], rows["service_text"].to_numpy()[at], strict=True)
    service = pd.factorize(
        np.array([slug or name_key(text or "") for slug, text in named], dtype=object)
    )[0]
    both = title * (service.max(initial=0) + 1) + service
    first, times = _first_of_each(both)
    position = np.arange(len(at))
    # A mark says so itself: the title on another service is good enough, or no other row at all.
    alone = marked & (times == 1)
    first = np.where(alone, np.minimum(_first_of_each(title)[0], position), first)
    later = np.flatnonzero((first != position) | alone)
    by_mark = marked[later] | marked[first[later]]
    sheet, row = rows["sheet"].to_numpy()[at], rows["row"].to_numpy()[at]
    return pd.DataFrame(
        {
            "first_sheet": sheet[first[later]],
            "first_row": row[first[later]],
            "sheet": sheet[later],
            "row": row[later],
            "why": np.where(by_mark, "duplicate mark in the title", "same title and service"),
            "at": at[later],
        }
    )


def _first_of_each(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each value the position of the first one like it, and how many there are."""
    _, first, which, times = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True
    )
    return first[which], times[which]
