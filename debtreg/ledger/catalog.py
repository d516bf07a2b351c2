"""The services and teams that a ledger may name, as the caller knows them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from .words import LIST_SEPARATORS, LONGEST_LIST, UNKNOWN, plain


def name_key(text: str) -> str:
    """A name as names are compared: NFKC, lower case, space and _ as -."""
    folded = unicodedata.normalize("NFKC", text).lower().strip()
    return re.sub(r"[\s_]+", "-", folded)


@dataclass(frozen=True, slots=True)
class ServiceCell:
    """What a service cell says. `others` are slugs, or texts where no service has that name."""

    slug: str | None = None
    others: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class Catalog:
    """services : slug, name or alias -> slug; teams : slug or name -> slug.

    Where two names are the same once compared, the one given first counts; so give slugs first.
    """

    def __init__(self, services: Mapping[str, str], teams: Mapping[str, str]) -> None:
        self._services = _by_key(services)
        self._slugs = frozenset(services.values())
        self._teams = _by_key(teams)

    def team(self, text: str) -> str | None:
        return self._teams.get(name_key(text))

    def service(self, text: str) -> ServiceCell:
        """Of several services the first is linked. No match: none is invented."""
        if not text.strip() or plain(text) in UNKNOWN:
            return ServiceCell(kinds=("service_missing",))
        if slug := self._services.get(name_key(text)):
            return ServiceCell(slug)
        named: dict[str, str] = {}  # the same service by two of its names is one
        parts = LIST_SEPARATORS.split(unicodedata.normalize("NFKC", text))
        for part in parts if len(parts) <= LONGEST_LIST else [text]:
            if key := name_key(part):
                named.setdefault(self._services.get(key, key), part.strip())
        if not named:
            return ServiceCell(kinds=("service_missing",))
        first, *others = named
        known = first in self._slugs
        kinds = (
            *(() if known else ("service_unknown",)),
            *(("service_multiple",) if others else ()),
        )
        return ServiceCell(
            first if known else None,
            tuple(other if other in self._slugs else named[other] for other in others),
            kinds,
        )


def _by_key(names: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, slug in names.items():
        found.setdefault(name_key(name), slug)
    return found
