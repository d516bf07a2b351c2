"""The bridge to contracts: words -> numbers, edges -> the graph, periods -> what penalties take."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

import scoring
from debtreg.errors import DebtregError
from debtreg.models import (
    Contract,
    Dependency,
    Guarantee,
    Operator,
    PenaltyEntry,
    Service,
    Terms,
    WindowKind,
    terms_on,
)
from debtreg.numbers import plain

# What a person writes of terms; all else in the row follows from it.
TEXTS = (
    *("target_text", "target_reading", "window_text", "window_reading"),
    *("penalty_clause", "penalty_reading", "budget_objective"),
)
_ARROW = re.compile(r"\s*(?:[→⇒➔➙➜➝➞➠➡⟶⟹⮕↦]\ufe0f?|[-=–—−~]+>)\s*")
_BACKWARDS = re.compile(r"\s*(?:[←⇐⟵⟸]|<[-=–—−~]+)\s*")
# Words that lead from one service to another; as they stand in names, too, only between two known.
_WORD = re.compile(r"\s+to\s+|\s*[到至]\s*", re.IGNORECASE)
# What a promise has to be of to say how much of the time, or of all, a service answers.
_GOOD = re.compile(
    r"(?<![^_])(?:availability|uptime|success_(?:rate|ratio))|可用[性率]|成功率|在线率"
)
_BAD = re.compile(
    r"(?<![^_])(?:unavailability|downtime|(?:error|failure)s?_(?:rate|ratio))|不可用|(?:错误|失败|故障)率"
)
_ERRORS = re.compile(r"(?:error|failure)s?_(?:rate|ratio)|(?:错误|失败|故障)率")


# --- Words ----------------------------------------------------------------------------------------


def read(metric: str, texts: Mapping[str, Any]) -> dict[str, Any]:
    """The typed columns of Terms, from what is written or, where it is said, how to read it."""
    return scoring.read_terms(
        metric,
        texts.get("target_reading") or texts.get("target_text") or "",
        texts.get("penalty_reading") or texts.get("penalty_clause") or "",
        texts.get("window_reading") or texts.get("window_text") or "",
    )


def target_of(terms: Terms) -> str:
    """The typed target in one line, as scoring reads it: p99 <= 300 ms. Empty where unread."""
    if terms.value is None:
        return ""
    return f"{terms.statistic} {terms.operator} {plain(terms.value)} {terms.unit}".strip()


# --- Edges ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Graph:
    """Services by whatever name they have, and who calls whom."""

    slugs: dict[int, str]
    teams: dict[int, int]
    names: dict[str, int | None]  # None: of several services
    calls: dict[int, dict[int, bool]]  # consumer -> provider -> whether it is hard

    @classmethod
    def read(cls) -> Graph:
        rows = list(Service.objects.values_list("pk", "slug", "name", "aliases", "team_id"))
        names: dict[str, int | None] = {}
        for pk, _slug, name, aliases, _team in rows:
            for each in {_name(name), *(_name(str(alias)) for alias in aliases or ())}:
                names[each] = pk if names.get(each, pk) == pk else None
        # A slug belongs to one service, whatever others are called.
        names |= {_name(slug): pk for pk, slug, *_ in rows}
        calls: dict[int, dict[int, bool]] = {}
        for consumer, provider, hard in Dependency.objects.values_list(
            "consumer_id", "provider_id", "hard"
        ):
            calls.setdefault(consumer, {})[provider] = hard
        return cls(
            {pk: slug for pk, slug, *_ in rows},
            {pk: team for pk, *_, team in rows},
            names,
            calls,
        )

    def ends(self, scope: str) -> tuple[int | None, int | None]:
        """The keys of consumer and provider of "a → b"; a scope without an arrow is a provider.

        None where there is no such service, or several. "a to b" is read so where both are known.
        """
        consumer, provider = ends_of(scope)
        ends = self.names.get(_name(consumer)), self.names.get(_name(provider))
        if consumer or not provider or ends[1]:
            return ends
        known = {
            pair
            for word in _WORD.finditer(provider)
            if all(
                pair := (
                    self.names.get(_name(provider[: word.start()])),
                    self.names.get(_name(provider[word.end() :])),
                )
            )
        }
        return known.pop() if len(known) == 1 else ends

    def path(self, consumer: int, provider: int) -> list[int]:
        """The shortest way of calls from one to the other, both included; empty: there is none."""
        came_from: dict[int, int] = {consumer: consumer}
        waiting = deque([consumer])
        while waiting:
            here = waiting.popleft()
            if here == provider:
                way = [here]
                while way[-1] != consumer:
                    way.append(came_from[way[-1]])
                return way[::-1]
            for there in self.calls.get(here, ()):
                if there not in came_from:
                    came_from[there] = here
                    waiting.append(there)
        return []

    def has_edge(self, consumer: int, provider: int) -> bool:
        return provider in self.calls.get(consumer, ())

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """Hard dependencies of each service, by slug."""
        return {
            self.slugs[consumer]: [self.slugs[pk] for pk, hard in providers.items() if hard]
            for consumer, providers in self.calls.items()
        }


def ends_of(scope: str) -> tuple[str, str]:
    """Consumer and provider as they are written; both empty where there are not one or two."""
    text = unicodedata.normalize("NFKC", scope).strip()
    parts = [part.strip() for part in _ARROW.split(text)]
    if len(parts) == 1:
        parts = [part.strip() for part in reversed(_BACKWARDS.split(text))]
    if len(parts) == 1:
        return "", parts[0]
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def _name(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


# --- What can be kept -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Feasibility:
    """An availability that is promised, beside those of all that its provider cannot do without.

    ceiling : product of the promises of the hard dependencies, each of them once at any depth;
        None where none of them promises anything
    """

    promise: Decimal
    ceiling: Decimal | None
    rests_on: dict[str, Decimal]
    without: list[str]

    @property
    def is_kept(self) -> bool | None:
        """False: cannot be kept. None: not known, as some dependencies promise nothing."""
        if self.ceiling is not None and self.promise > self.ceiling:
            return False
        return None if self.without else True


def feasibilities(terms: Iterable[Terms], graph: Graph) -> dict[int, Feasibility]:
    """Of each guarantee of an availability whose provider has hard dependencies, by its key.

    terms : those in force, with guarantee; what is not confirmed promises nothing

    Of a dependency counts what it owes to whom it serves here, or to everybody: what it owes to
    others only says nothing of here. An error rate counts only where no availability is promised,
    however small it is: it says nothing of what fails without an answer.
    """
    promised = [
        (each.guarantee, each.objective)
        for each in terms
        if each.is_confirmed and is_availability(each) and each.guarantee.provider_id
    ]
    # Consumer (empty: everybody), provider -> whether it is an availability, and the best such.
    most: dict[tuple[str, str], tuple[bool, Decimal]] = {}
    for guarantee, objective in promised:
        owed = _owed_to(guarantee, graph), graph.slugs[guarantee.provider_id or 0]
        offer = not _ERRORS.search(_words(guarantee.metric)), objective or Decimal(0)
        most[owed] = max(most.get(owed, offer), offer)
    found = {}
    for guarantee, objective in promised:
        slug = graph.slugs[guarantee.provider_id or 0]
        needed = scoring.hard_dependencies(slug, graph.needs)
        if not needed:
            continue
        rests_on = _rests_on(slug, needed, graph, most)
        one = {**dict.fromkeys([slug, *needed], Decimal(1)), **rests_on}
        found[guarantee.pk] = Feasibility(
            promise=objective or Decimal(0),
            ceiling=scoring.serial_availability(slug, one, graph.needs) if rests_on else None,
            rests_on=rests_on,
            without=sorted(needed - rests_on.keys()),
        )
    return found


def _owed_to(guarantee: Guarantee, graph: Graph) -> str:
    """The slug of the consumer, or what the scope calls one that is not known; empty: everybody."""
    if guarantee.consumer_id:
        return graph.slugs[guarantee.consumer_id]
    consumer, _provider = ends_of(guarantee.scope_text)
    return consumer and f"“{consumer}”"


_NOTHING = (False, Decimal(0))


def _rests_on(
    slug: str,
    needed: set[str],
    graph: Graph,
    most: Mapping[tuple[str, str], tuple[bool, Decimal]],
) -> dict[str, Decimal]:
    """What each hard dependency promises to the service itself, or to those between them.

    Of several promises for one dependency, the lowest counts: the way by it is no better.
    """
    found = {}
    for provider in sorted(needed):
        consumers = [slug] if provider in graph.needs.get(slug, ()) else sorted(needed)
        owed = [
            max(most.get((consumer, provider), _NOTHING), most.get(("", provider), _NOTHING))
            for consumer in consumers
            if provider in graph.needs.get(consumer, ())
        ]
        if known := [objective for _, objective in owed if objective]:
            found[provider] = min(known)
    return found


def is_availability(terms: Terms) -> bool:
    """A percentage of the time, or of all requests, in which a service answers, or fails to.

    terms : with guarantee, whose metric says what it is of
    """
    if not is_percentage(terms) or terms.objective is None:
        return False
    metric = _words(terms.guarantee.metric)
    if _BAD.search(metric):
        return terms.operator in (Operator.LE, Operator.LT)
    return bool(_GOOD.search(metric)) and terms.operator in (Operator.GE, Operator.GT)


def _words(metric: str) -> str:
    return re.sub(r"[^\w]+", "_", _name(metric))


def is_impossible(terms: Terms) -> bool:
    """Nothing at all may ever fail: no service can promise that, and it leaves no error budget."""
    least = terms.operator in (Operator.GE, Operator.GT)
    return is_percentage(terms) and terms.value == (100 if least else 0)


def is_percentage(terms: Terms) -> bool:
    return terms.unit in ("%", "percent")


# --- Periods --------------------------------------------------------------------------------------


class NoSuchPeriod(DebtregError):
    """A period that the contract does not have."""


def check_period(guarantee: Guarantee, first: date, last: date, today: date) -> None:
    """Raises NoSuchPeriod unless the guarantee has a period of these days and it is over."""
    problem = ""
    terms = terms_on(guarantee.terms.all(), last)
    if not 1900 <= first.year <= last.year < 9999 or last < first:
        problem = f"{first} to {last} is no period."
    elif last > today:
        problem = f"The period ends on {last}, which is yet to come."
    elif terms and terms.period == WindowKind.ROLLING and terms.period_hours:
        wanted = max(1, -int(-terms.period_hours // 24))
        if (last - first).days + 1 != wanted:
            problem = (
                f"{first} to {last} are {(last - first).days + 1} days; a period has {wanted}."
            )
    elif terms and terms.period and (first, last) != calendar_period(terms.period, last):
        start, end = calendar_period(terms.period, last)
        kind = WindowKind(terms.period).label.lower()
        problem = f"{first} to {last} is no {kind}; this one is {start} to {end}."
    elif (last - first).days > 366:
        problem = f"{first} to {last} is longer than a year."
    if problem:
        raise NoSuchPeriod(
            problem,
            hint=_("Give the first and the last day of a period as the terms have it."),
            fields={"starts_on": [problem]},
        )


def calendar_period(kind: str, day: date) -> tuple[date, date]:
    """First and last day of the month, quarter or year that a day is in."""
    months = {WindowKind.MONTH: 1, WindowKind.QUARTER: 3, WindowKind.YEAR: 12}[WindowKind(kind)]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    month = first.month + months - 1
    return first, date(day.year, month, monthrange(day.year, month)[1])


def periods(
    guarantee: Guarantee, since: date, today: date, taken: Sequence[PenaltyEntry]
) -> Iterator[tuple[date, date]]:
    """First and last days of the periods that are over, from the one that `since` is in.

    guarantee : with_terms
    taken : entries of its ledger; rolling periods go on after one that lies across them

    Rolling periods follow each other from the day the contract starts; a guarantee that names no
    period has calendar months.
    """
    versions = list(guarantee.terms.all())
    start, end = guarantee.contract.starts_on, guarantee.contract.ends_on or date.max
    day, anchor = max(since, start or since), start or date(1970, 1, 1)
    while day < today and day <= end:
        terms = terms_on(versions, day)
        first, last = _period_at(terms, day, anchor)
        later = terms_on(versions, last)
        if later and (terms is None or _length(later) != _length(terms)):
            first, last = _period_at(later, day, anchor)
            terms = later
        across = [
            each.ends_on
            for each in taken
            if each.starts_on <= last
            and each.ends_on >= first
            and (each.starts_on, each.ends_on) != (first, last)
        ]
        if across and terms and terms.period == WindowKind.ROLLING:
            anchor = max(across) + timedelta(days=1)
            day = max(day, anchor)
            continue
        if last < today and not across:
            yield first, last
        day = last + timedelta(days=1)


def _length(terms: Terms) -> tuple[str, Decimal | None]:
    return terms.period, terms.period_hours if terms.period == WindowKind.ROLLING else None


def _period_at(terms: Terms | None, day: date, anchor: date) -> tuple[date, date]:
    if terms and terms.period == WindowKind.ROLLING and terms.period_hours:
        days = max(1, -int(-terms.period_hours // 24))
        first = day - timedelta(days=(day - anchor).days % days)
        return first, first + timedelta(days=days - 1)
    return calendar_period(terms.period if terms and terms.period else WindowKind.MONTH, day)


def last_period(terms: Terms | None, today: date) -> tuple[date, date]:
    """The last period that was over before today; a calendar month where it is not known."""
    if terms and terms.period == WindowKind.ROLLING and terms.period_hours:
        days = max(1, -int(-terms.period_hours // 24))
        return today - timedelta(days=days), today - timedelta(days=1)
    kind = terms.period if terms and terms.period else WindowKind.MONTH
    start, _end = calendar_period(kind, today)
    return calendar_period(kind, start - timedelta(days=1))


@dataclass
class Part:
    """The days of a period in which one version was in force."""

    terms: Terms
    first: date
    last: date
    body: dict[str, Any] | None = None
    unknown: str = ""

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def parts_of(contract: Contract, versions: Sequence[Terms], first: date, last: date) -> list[Part]:
    """The period cut where another version comes into force, without days outside the contract."""
    first = max(first, contract.starts_on or date.min)
    last = min(last, contract.ends_on or date.max)
    starts = sorted(
        {first}
        | {
            each.effective_from
            for each in versions
            if each.effective_from and first < each.effective_from <= last
        }
    )
    found: list[Part] = []
    for place, start in enumerate(starts):
        end = starts[place + 1] - timedelta(days=1) if place + 1 < len(starts) else last
        terms = terms_on(versions, start)
        if terms is None or end < start:
            continue
        if found and found[-1].terms == terms:
            found[-1].last = end
        else:
            found.append(Part(terms, start, end))
    return found


def price(
    guarantee: Guarantee, first: date, last: date, measured: Any, requests: Decimal | None
) -> dict[str, Any]:
    """The columns of a PenaltyEntry for a period, each part of it by what was in force in it.

    guarantee : with_terms
    Raises DebtregError where what was measured cannot be read, NoSuchPeriod where no terms were
    in force.
    """
    parts = parts_of(guarantee.contract, list(guarantee.terms.all()), first, last)
    if not parts:
        problem = f"No terms were in force between {first} and {last}."
        raise NoSuchPeriod(problem, hint=_("Look at the days of the contract and of its versions."))
    total = (last - first).days + 1
    covered = sum(part.days for part in parts)
    for part in parts:
        _prepare(part, total, Decimal(covered) / total, measured, requests)
    try:
        found = scoring.price_period(
            [{"days": part.days, "body": part.body, "unknown": part.unknown} for part in parts]
        )
    except scoring.ScoringError as error:
        raise DebtregError(
            str(error),
            hint=_("Write what was measured as 0.3301s or 99.93%, or leave it out."),
            code="out_of_range",
            fields={"measured": [str(error)]},
        ) from error
    sums = {
        name: None if found[name] is None else round(found[name], 12)
        for name in (
            *("deduct_percent", "uncapped_percent", "deducted_minutes", "deducted_requests"),
            "credit_percent",
        )
    }
    answers = [
        {
            "version": part.terms.version,
            "from": part.first.isoformat(),
            "to": part.last.isoformat(),
            "days": part.days,
            **{name: value for name, value in answer.items() if name in _KEPT},
        }
        for part, answer in zip(parts, found["parts"], strict=True)
    ]
    return {
        "terms": parts[-1].terms if parts[-1].last == last else None,
        "known": found["known"],
        "breached": found["breached"],
        **sums,
        "findings": found["findings"] + _partial(guarantee.contract, first, last, covered),
        "parts": answers,
    }


def unpriced(reason: str) -> dict[str, Any]:
    """The columns of a PenaltyEntry whose measured value does not go with its terms."""
    gap = {"check": "data", "level": "gap", "message": reason, "formula": ""}
    names = ("deduct_percent", "uncapped_percent", "deducted_minutes", "deducted_requests")
    return {
        "known": False,
        "breached": None,
        "credit_percent": None,
        **dict.fromkeys(names),
        "findings": [gap],
        "parts": [],
    }


# Of the answer for a part; what its inputs and assumptions were is in the terms.
_KEPT = (
    *("known", "breached", "shortfall", "steps", "deduct_percent", "uncapped_percent"),
    *("deducted_minutes", "deducted_requests", "credit_percent", "range", "clause"),
)


def _partial(contract: Contract, first: date, last: date, covered: int) -> list[dict[str, str]]:
    """That a period lies in the contract, or its terms, only in part."""
    total = (last - first).days + 1
    if covered == total:
        return []
    why = "the rest lies before the first terms"
    if contract.starts_on and contract.starts_on > first:
        why = f"the contract starts on {contract.starts_on}"
    elif contract.ends_on and contract.ends_on < last:
        why = f"the contract ends on {contract.ends_on}"
    message = (
        f"{covered} of {total} days, as {why}: the budget of the period is that of these days."
    )
    return [{"check": "period", "level": "warn", "message": message, "formula": ""}]


def _prepare(
    part: Part, total: int, share: Decimal, measured: Any, requests: Decimal | None
) -> None:
    """Say how a part is priced, or why it cannot be. share : of the period, that has terms."""
    terms = part.terms
    name = f"Version {terms.version} of the terms"
    if not terms.is_confirmed:
        part.unknown = f"{name} is not confirmed: what is due by it is unknown, which is not 0."
        return
    part.body = {"target": target_of(terms), "measured": measured, "requests": requests}
    if "penalty" in terms.problems:
        part.unknown = f"The penalty of version {terms.version} is unknown, which is not 0: "
        part.unknown += terms.problems["penalty"]
    if terms.penalty is None:
        return
    days = None
    if terms.period:
        window = scoring.Window(terms.period, terms.period_hours, terms.month_basis)
        days = window.days(total) * share
    part.body |= {"clause": terms.penalty, "period_days": days}
    if terms.budget_objective is not None:
        part.body["objective_percent"] = terms.budget_objective * 100


# --- What a target tolerates ----------------------------------------------------------------------


def tolerance(terms: Terms, given: Mapping[str, Any], today: date) -> dict[str, Any]:
    """What the promise tolerates; scoring.calculate_inversion with what is stored of it.

    given : recovery_seconds, impact, open_seconds
    today : the month, quarter or year of this day counts
    """
    objective = terms.objective if terms.budget_objective is None else terms.budget_objective
    days = None
    if terms.period:
        window = scoring.Window(terms.period, terms.period_hours, terms.month_basis)
        kind = WindowKind.MONTH if terms.period == WindowKind.ROLLING else terms.period
        start, end = calendar_period(kind, today)
        days = window.days((end - start).days + 1)
    try:
        return scoring.calculate_inversion(
            {
                "target_percent": None if objective is None else objective * 100,
                "period_days": days,
                **given,
            }
        )
    except scoring.ScoringError as error:
        raise DebtregError(
            str(error), hint=_("Correct this value."), fields={error.column: [str(error)]}
        ) from error
