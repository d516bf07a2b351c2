"""What is not in order with promises. A source looks at the contracts and says what it finds.

What a source finds again stays the finding that it was; see actions.findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.db.models import Count, Prefetch, Sum

from debtreg import terms as bridge
from debtreg.models import (
    DebtImpact,
    DebtStatus,
    FindingKind,
    Guarantee,
    PenaltyEntry,
    Slo,
    SloState,
    StateWindow,
    Terms,
    terms_on,
)
from debtreg.numbers import plain

_QUOTED = 160  # characters
PARTS = {"target": "target", "penalty": "penalty clause", "window": "period"}


@dataclass(frozen=True)
class Gap:
    """One finding. `key` says what is found of what; the same key is the same finding."""

    kind: FindingKind
    key: str
    subject: str
    text: str
    hint: str = ""
    contract_id: int | None = None
    guarantee_id: int | None = None
    slo_id: int | None = None
    team_id: int | None = None


class Context:
    """What sources look at, each part read once, and only if one asks for it."""

    def __init__(self, on: date) -> None:
        self.on = on

    @cached_property
    def graph(self) -> bridge.Graph:
        return bridge.Graph.read()

    @cached_property
    def guarantees(self) -> list[Guarantee]:
        """Of contracts that are not over, with_terms."""
        rows = Guarantee.objects.with_terms()
        return [row for row in rows if not row.contract.ends_on or row.contract.ends_on >= self.on]

    @cached_property
    def slos(self) -> list[Slo]:
        states = SloState.objects.filter(window__in=[StateWindow.DAYS_1, StateWindow.PERIOD])
        rows = Slo.objects.select_related("service", "guarantee").defer("document")
        return list(rows.prefetch_related(Prefetch("states", states)))

    @cached_property
    def in_force(self) -> list[Terms]:
        return list(Terms.objects.in_force(self.on).select_related("guarantee"))

    def of(self, guarantee: Guarantee, kind: FindingKind, key: str, text: str, hint: str) -> Gap:
        """A gap of a guarantee; its provider's team has to put it right."""
        provider = guarantee.provider_id
        return Gap(
            kind=kind,
            key=f"{kind}:guarantee:{guarantee.pk}{key}",
            subject=f"{guarantee.contract.reference}: {guarantee.metric}"[:300],
            text=text,
            hint=hint,
            contract_id=guarantee.contract_id,
            guarantee_id=guarantee.pk,
            team_id=self.graph.teams.get(provider) if provider else None,
        )


def found(on: date) -> list[Gap]:
    """All that is not in order on a day, in a fixed number of queries."""
    context = Context(on)
    return [gap for source in SOURCES for gap in source(context)]


def _standing(context: Context, guarantee: Guarantee) -> Iterator[Terms]:
    """What counts now, and what waits or is to come after it; the rest is in no one's way."""
    now = terms_on(guarantee.terms.all(), context.on)
    since = (now and now.effective_from) or date.min
    for each in guarantee.terms.all():
        if each.replaced_at is None and (each.effective_from or date.min) >= since:
            yield each


def unread(context: Context) -> Iterator[Gap]:
    for guarantee in context.guarantees:
        for each in _standing(context, guarantee):
            for part, problem in each.problems.items():
                words = {
                    "target": each.target_reading or each.target_text,
                    "penalty": each.penalty_reading or each.penalty_clause,
                    "window": each.window_reading or each.window_text,
                }[part]
                yield context.of(
                    guarantee,
                    FindingKind.UNPARSED,
                    f":{each.version}:{part}",
                    f"The {PARTS[part]} “{_quoted(words)}”: {problem}",
                    "Say on the contract's page how it is to be read.",
                )


def unconfirmed(context: Context) -> Iterator[Gap]:
    for guarantee in context.guarantees:
        for each in _standing(context, guarantee):
            if each.is_confirmed or "target" in each.problems:
                continue
            since = f"from {each.effective_from} on" if each.effective_from else "since ever"
            day = max(context.on, each.effective_from or date.min)
            holds = terms_on(guarantee.terms.all(), day)
            until = (
                f"until then version {holds.version} goes on to hold."
                if holds and holds.is_confirmed
                else "it counts for nothing."
            )
            yield context.of(
                guarantee,
                FindingKind.UNCONFIRMED,
                f":{each.version}",
                f"Version {each.version}, in force {since}, is read as"
                f" {bridge.target_of(each)}, and nobody has confirmed it: {until}",
                "Compare it with the contract's text and confirm it.",
            )


def edges(context: Context) -> Iterator[Gap]:
    graph = context.graph
    for guarantee in context.guarantees:
        consumer, provider = guarantee.consumer_id, guarantee.provider_id
        names = bridge.ends_of(guarantee.scope_text)
        text, hint = "", "Correct the scope, or give the service this alias."
        if provider is None:
            wanted = names[1] or guarantee.scope_text
            text = (
                f"“{wanted}” is no service of the catalog, or of several."
                if wanted
                else "It does not say which service owes it."
            )
        elif consumer is None and names[0]:
            text = f"“{names[0]}” is no service of the catalog, or of several."
        elif consumer is not None and not graph.has_edge(consumer, provider):
            text = (
                f"The catalog has no dependency {graph.slugs[consumer]} → {graph.slugs[provider]}"
            )
            way = [graph.slugs[pk] for pk in graph.path(consumer, provider)]
            text += f"; it gets there by {' → '.join(way)}." if way else ", nor a way round."
            hint = "Add the dependency to the catalog, or correct the scope."
        if text:
            yield context.of(guarantee, FindingKind.EDGE_MISSING, "", text, hint)


def impossible(context: Context) -> Iterator[Gap]:
    for guarantee in context.guarantees:
        for each in _standing(context, guarantee):
            if bridge.is_impossible(each):
                yield context.of(
                    guarantee,
                    FindingKind.INFEASIBLE,
                    f":{each.version}:whole",
                    f"“{_quoted(each.target_reading or each.target_text)}” lets nothing ever fail:"
                    " no service can keep that, and it leaves no error budget to reckon with.",
                    "Agree on less than 100 %, or take it for a rule without a budget.",
                )


def _quoted(text: str) -> str:
    """As much of what a contract says as shows which it is."""
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1].rstrip()}…"


def feasibility(context: Context) -> Iterator[Gap]:
    judged = bridge.feasibilities(context.in_force, context.graph)
    for guarantee in context.guarantees:
        if (found := judged.get(guarantee.pk)) is None:
            continue
        promise = f"{plain(found.promise * 100)} %"
        if found.is_kept is False:
            factors = " × ".join(
                f"{plain(ratio * 100)} % ({slug})" for slug, ratio in found.rests_on.items()
            )
            ceiling = plain(round((found.ceiling or 0) * 100, 4))
            more = f", and {_listed(found.without)} owe it nothing" if found.without else ""
            yield context.of(
                guarantee,
                FindingKind.INFEASIBLE,
                "",
                f"{promise} is promised, but the services that it cannot do without promise"
                f" together at most {ceiling} %: {factors}{more}.",
                "Promise less, get better promises, or make a dependency soft or redundant.",
            )
        elif found.without:
            yield context.of(
                guarantee,
                FindingKind.NO_PROMISE,
                "",
                f"{promise} rests on {_listed(found.without)}, of which no availability is"
                " promised to it or to everybody.",
                "Agree on an availability with their teams, and put it into a contract.",
            )


def unknown_deductions(context: Context) -> Iterator[Gap]:
    by_key = {guarantee.pk: guarantee for guarantee in context.guarantees}
    entries = PenaltyEntry.objects.filter(known=False, guarantee__in=by_key).order_by("starts_on")
    for entry in entries:
        why = next((each["message"] for each in entry.findings if each["level"] == "gap"), "")
        if entry.slo_id:
            why += f" {entry.source}"
        yield context.of(
            by_key[entry.guarantee_id],
            FindingKind.UNKNOWN_DEDUCTION,
            f":{entry.starts_on}",
            f"What is due for {entry.starts_on} to {entry.ends_on} is not known. {why}".strip(),
            "Record what was measured, on how many requests.",
        )


def unmeasurable(context: Context) -> Iterator[Gap]:
    """SLOs whose queries are refused, or whose histogram has no boundary at their threshold."""
    for slo in context.slos:
        if slo.fetch_error:
            yield _of_slo(slo, FindingKind.UNMEASURABLE, ":query", slo.fetch_error, "")
        elif slo.is_measurable is False:
            low, high = (plain(each) for each in (slo.bucket_low_ms, slo.bucket_high_ms))
            where = f"between {low or 0} and {high} ms" if high else f"above {low} ms, the last"
            yield _of_slo(
                slo,
                FindingKind.UNMEASURABLE,
                ":buckets",
                f"{plain(slo.threshold_ms)} ms lies {where} of the histogram's boundaries: how"
                " many requests are good is not known exactly.",
                f"Give the histogram a boundary at {plain(slo.threshold_ms)} ms, or take a"
                " threshold that is one.",
            )


def no_data(context: Context) -> Iterator[Gap]:
    """SLOs of which nothing was read in the last day, or never."""
    for slo in context.slos:
        found = {state.window: state.total for state in slo.states.all()}
        if slo.fetch_error:
            continue  # why nothing is read is a finding of its own
        if found.get(StateWindow.DAYS_1, 0) is None:
            ever = found.get(StateWindow.PERIOD) is not None
            since = "for a day" if ever else "in its whole period"
            yield _of_slo(
                slo,
                FindingKind.NO_DATA,
                "",
                f"Nothing was read {since}: nobody knows whether it is kept.",
                slo.gap_reason or "Look at its queries and its connection, or send its readings.",
            )


def overcounted(context: Context) -> Iterator[Gap]:
    """SLOs whose bad events open debts share out to more than all of them, kind by kind."""
    measured = DebtImpact.objects.exclude(item__status=DebtStatus.DONE).filter(
        slo__isnull=False, share_low=None, share_likely=None, share_high=None
    )
    sums = measured.order_by().values("slo", "kind").annotate(part=Sum("slo_part"), n=Count("pk"))
    by_key = {slo.pk: slo for slo in context.slos}
    # Parts such as 0.1 and 0.2 do not add up to the last digit.
    for row in sums.filter(part__gt=1 + 1e-9).order_by("slo", "kind"):
        yield _of_slo(
            by_key[row["slo"]],
            FindingKind.OVERCOUNTED,
            f":{row['kind']}",
            f"{row['n']} debts are said to cause {plain(round(100 * row['part'], 1))} % of its bad"
            f" events together ({row['kind']}), so their costs count some of these twice.",
            "Say in each debt which part of the bad events it causes; 100 % is all of them.",
        )


def _of_slo(slo: Slo, kind: FindingKind, key: str, text: str, hint: str) -> Gap:
    return Gap(
        kind=kind,
        key=f"{kind}:slo:{slo.pk}{key}",
        subject=f"SLO {slo.name}",
        text=text,
        hint=hint,
        guarantee_id=slo.guarantee_id,
        contract_id=slo.guarantee.contract_id if slo.guarantee else None,
        slo_id=slo.pk,
        team_id=slo.service.team_id,
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


SOURCES: list[Callable[[Context], Iterable[Gap]]] = [
    unread,
    unconfirmed,
    edges,
    impossible,
    feasibility,
    unknown_deductions,
    unmeasurable,
    no_data,
    overcounted,
]
