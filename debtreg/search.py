"""The search of the ranking: words, and `field:value` as people know it from their trackers.

`retry "connection pool" service:payment-service roi:>3 -tag:legacy` finds what has all of these.
Values in a row are alternatives (`priority:P0,P1`), `none` is what nobody has said, and a minus
in front turns a term round.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import Exists, Model, OuterRef, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import smart_split
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.models import (
    BacklogEntry,
    Confidence,
    DebtImpact,
    DebtStatus,
    ImpactKind,
    Priority,
    ScenarioMember,
    ScoreState,
    Service,
    Team,
    pk_of,
)

NONE = "none"
MOST_TERMS = 20


class NotUnderstood(ValueError):
    """What a term says, and what it may say; a sentence for whoever typed it."""


@dataclass(frozen=True)
class Search:
    """A search as a condition on scores; `problems` are the terms that were left out, and why."""

    condition: Q = field(default_factory=Q)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Field:
    """A field that can be searched: what its values are, and the condition that they make."""

    values: str | Promise
    condition: Callable[[str], Q]


def parse(text: str) -> Search:
    """Read what was typed. At most 20 terms count; never raises."""
    condition, problems = Q(), []
    terms = list(smart_split(text))
    if len(terms) > MOST_TERMS:
        problems.append(
            _("A search takes %(most)d terms, this one has %(count)d: the rest was left out.")
            % {"most": MOST_TERMS, "count": len(terms)}
        )
    for term in terms[:MOST_TERMS]:
        try:
            condition &= _term(term)
        except NotUnderstood as problem:
            problems.append(str(problem))
    return Search(condition, problems)


def _term(term: str) -> Q:
    is_turned = len(term) > 1 and term.startswith("-")
    name, colon, value = term.removeprefix("-").partition(":")
    name = name.lower()
    if colon and name in FIELDS:
        value = _unquoted(value)
        if not value:
            raise NotUnderstood(
                _("%(name)s: says nothing; it takes %(values)s.")
                % {"name": name, "values": FIELDS[name].values}
            )
        condition = FIELDS[name].condition(value)
    elif colon and re.fullmatch(r"[a-z_]{2,}", name) and not value.startswith("/"):
        raise NotUnderstood(
            _("There is no field “%(name)s”; in quotes it is looked for as text. Fields: %(all)s.")
            % {"name": name, "all": ", ".join(FIELDS)}
        )
    else:
        condition = _text(_unquoted(term.removeprefix("-") if is_turned else term))
    return ~condition if is_turned else condition


def _unquoted(text: str) -> str:
    return re.sub(r"^([\"'])(.*)\1$", r"\2", text)


def _text(text: str) -> Q:
    """In the title, in any case; or a key or another name of the item, as a whole."""
    found = Q(item__title__icontains=text)
    found |= Q(item__ledger_id__iexact=text) | Q(item__external_ref__iexact=text)
    pk = pk_of(text) if text.upper().startswith("DEBT-") else None
    return found | Q(item_id=pk) if pk else found


# --- What a value of a field means ----------------------------------------------------------------


def _several(value: str) -> list[str]:
    return [part for part in (part.strip() for part in value.split(",")) if part]


def _word(column: str, words: list[str], *, empty: str | None = None) -> Callable[[str], Q]:
    """One of a few words, in any case. `empty` is how the column says none."""

    def condition(value: str) -> Q:
        known = {word.lower(): word for word in words if word}
        if empty is not None:
            known[NONE] = empty
        asked = _several(value)
        if wrong := [part for part in asked if part.lower() not in known]:
            raise NotUnderstood(
                _("“%(value)s” is none of %(known)s.")
                % {"value": wrong[0], "known": ", ".join(known)}
            )
        return Q(**{f"{column}__in": [known[part.lower()] for part in asked]})

    return condition


def _slug(model: type[Model], column: str) -> Callable[[str], Q]:
    def condition(value: str) -> Q:
        asked = {part.lower() for part in _several(value)}
        slugs = asked - {NONE}
        known = dict(model._default_manager.filter(slug__in=slugs).values_list("slug", "pk"))
        if missing := slugs - known.keys():
            raise NotUnderstood(
                _("There is no %(what)s “%(value)s”: write its short name, as in the address.")
                % {"what": model._meta.verbose_name, "value": min(missing)}
            )
        found = Q(**{f"{column}__in": list(known.values())})
        return found | Q(**{f"{column}__isnull": True}) if NONE in asked else found

    return condition


def _contains(*columns: str) -> Callable[[str], Q]:
    """A part of a text, in any case."""

    def condition(value: str) -> Q:
        found = Q()
        for part in _several(value):
            for column in columns:
                found |= Q(**({column: ""} if part == NONE else {f"{column}__icontains": part}))
        return found

    return condition


def _tag(value: str) -> Q:
    """A whole tag, in any case: as it stands in the list's JSON, on every database."""
    found = Q()
    for part in _several(value):
        text = json.dumps(part, ensure_ascii=True)
        plain = json.dumps(part, ensure_ascii=False)
        found |= Q(item__tags=[]) if part == NONE else Q(item__tags__icontains=plain)
        if text != plain:
            found |= Q(item__tags__icontains=text)
    return found


def _author(value: str) -> Q:
    found = Q()
    for part in _several(value):
        is_none = part == NONE
        found |= Q(item__author=None) if is_none else Q(item__author__username__iexact=part)
    return found


def _kind(value: str) -> Q:
    kinds = _word("kind", ImpactKind.values)(value)
    return Q(Exists(DebtImpact.objects.filter(kinds, item=OuterRef("item_id"))))


_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[kKmM])?"
_COMPARED = re.compile(rf"(>=|<=|>|<|≥|≤)({_NUMBER})")
_BETWEEN = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_LOOKUPS = {">": "gt", ">=": "gte", "≥": "gte", "<": "lt", "<=": "lte", "≤": "lte"}


def _number(column: str) -> Callable[[str], Q]:
    """`>3`, `<=20k`, `2..4`; both ends of a range belong to it. Unknown is in no range."""

    def condition(value: str) -> Q:
        if value == NONE:
            return Q(**{f"{column}__isnull": True})
        known = Q(**{f"{column}__isnull": False})
        if compared := _COMPARED.fullmatch(value):
            sign, number = compared.groups()
            return known & Q(**{f"{column}__{_LOOKUPS[sign]}": _value(number)})
        if between := _BETWEEN.fullmatch(value):
            low, high = map(_value, between.groups())
            return known & Q(**{f"{column}__gte": low, f"{column}__lte": high})
        raise NotUnderstood(
            _("“%(value)s” is no range: write >3, <=20k, 2..4 or none.") % {"value": value[:40]}
        )

    return condition


def _value(text: str) -> float:
    factor = {"k": 1e3, "m": 1e6}.get(text[-1].lower(), 1.0)
    number = float(text.rstrip("kKmM")) * factor
    if not math.isfinite(number) or number >= 1e15:
        raise NotUnderstood(_("“%(value)s” is too large a number.") % {"value": text[:40]})
    return number


def _is(value: str) -> Q:
    active = BacklogEntry.objects.active().filter(item=OuterRef("item_id"))
    members = ScenarioMember.objects.filter(item=OuterRef("item_id"))
    today = timezone.localdate()
    in_time = Q(item__veto_until__isnull=True) | Q(item__veto_until__gte=today)
    late = Q(item__due_on__lt=today)
    conditions = {
        "promoted": Q(Exists(active)),
        "scheduled": Q(Exists(active.filter(iteration__isnull=False))),
        "pinned": Q(item__pinned=True),
        "vetoed": ~Q(item__veto_reason="") & in_time,
        "coupled": Q(Exists(members)),
        "overdue": Q(item__due_on__isnull=False) & late,
    }
    found = Q()
    for part in _several(value):
        if part.lower() not in conditions:
            raise NotUnderstood(
                _("“%(value)s” is none of %(known)s.")
                % {"value": part[:40], "known": ", ".join(conditions)}
            )
        found |= conditions[part.lower()]
    return found


_RANGE = gettext_lazy("a range: >3, <=20k, 2..4 or none")
_OPEN_STATES = [DebtStatus.OPEN, DebtStatus.DOING, DebtStatus.ACCEPTED]
FIELDS: dict[str, Field] = {
    "service": Field(gettext_lazy("short names of services, or none"), _slug(Service, "service")),
    "team": Field(gettext_lazy("short names of teams, or none"), _slug(Team, "team")),
    "priority": Field("P0, P1, P2, P3", _word("priority", Priority.values)),
    "state": Field(", ".join(ScoreState.values), _word("state", ScoreState.values)),
    "status": Field(", ".join(_OPEN_STATES), _word("item__status", list(map(str, _OPEN_STATES)))),
    "is": Field("promoted, scheduled, pinned, vetoed, coupled, overdue", _is),
    "kind": Field(", ".join(ImpactKind.values), _kind),
    "category": Field(gettext_lazy("a part of the category"), _contains("item__category")),
    "tag": Field(gettext_lazy("a whole tag, or none"), _tag),
    "owner": Field(gettext_lazy("a part of the owner's name"), _contains("item__owner")),
    "author": Field(gettext_lazy("who logged it: a user's name, or none"), _author),
    "confidence": Field(
        ", ".join(filter(None, Confidence.values)) + f", {NONE}",
        _word("item__confidence", Confidence.values, empty=Confidence.NONE),
    ),
    "ref": Field(
        gettext_lazy("a part of its key elsewhere"),
        _contains("item__external_ref", "item__ledger_id"),
    ),
    "roi": Field(_RANGE, _number("roi")),
    "cost": Field(_RANGE, _number("annual_cost")),
    "repair": Field(_RANGE, _number("repair_cost")),
    "chance": Field(_RANGE, _number("confidence")),
}
