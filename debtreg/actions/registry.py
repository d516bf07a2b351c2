"""The service registry's form of contracts: `slas` as a file says them, looked at and stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg import terms as bridge
from debtreg.actions import audit, contracts, findings, rights, rows, scores
from debtreg.actions.debt import NotValid
from debtreg.formats import documents
from debtreg.formats.entries import number_of
from debtreg.formats.scrub import scrub
from debtreg.models import (
    LONGEST_CLAUSE,
    Contract,
    Guarantee,
    Terms,
    User,
    unusable_reference,
    written_on,
)

# What an entry calls it -> our column.
ENTRY = {
    "id": "reference",
    "metric": "metric",
    "target": "target_text",
    "scope": "scope_text",
    "penalty_clause": "penalty_clause",
    "window": "window_text",
    "target_reading": "target_reading",
    "penalty_reading": "penalty_reading",
    "window_reading": "window_reading",
    "effective_from": "effective_from",
    "objective_percent": "budget_objective",
    "weight": "weight",
}
_NEEDED = ("id", "metric", "target")
# {kind, text} each; what is WRONG is not stored.
Said = list[dict[str, str]]
WRONG = "wrong"
_LONGEST = {
    "id": 80,
    "metric": 80,
    "target": 80,
    "target_reading": 80,
    "scope": 200,
    "window": 40,
    "window_reading": 40,
    **dict.fromkeys(("penalty_clause", "penalty_reading"), LONGEST_CLAUSE),
}
# What a whole catalog has besides; `import_catalog` takes it in.
CATALOG = ("version", "currency", "teams", "services", "dependencies", "scenarios")
MOST_ENTRIES = 2_000
LARGEST_TEXT = documents.MOST_BYTES
# Characters of what nothing here knows, of an entry or beside all of them.
LARGEST_EXTRA = 10_000


# --- What it says ---------------------------------------------------------------------------------


def entries_of(document: Any) -> list[Mapping[str, Any]]:
    """The `slas` of a document. Raises NotValid."""
    entries = document.get("slas") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        raise NotValid(
            _("There is no list of `slas` in it."),
            hint=_("Each has id, metric, target, and may have scope, penalty_clause and window."),
        )
    if len(entries) > MOST_ENTRIES:
        raise NotValid(
            _("These are %(n)s entries; %(most_entries)s at once are the most.")
            % {"n": len(entries), "most_entries": MOST_ENTRIES},
            hint=_("Import them in parts."),
        )
    return entries


def extra_of(document: Mapping[str, Any]) -> tuple[dict[str, Any], Said]:
    """What stands beside the `slas` and is in no catalog, as it is kept; and what to say of it.

    Raises NotValid where it is too much.
    """
    extra, said = _kept(document, ("slas", *CATALOG))
    if wrong := _wrong(said):
        raise NotValid(
            _("Beside the slas: %(wrong)s") % {"wrong": wrong},
            hint=_("Take out what nobody needs."),
        )
    if aside := [name for name in document if name in CATALOG[2:]]:
        text = _("Only the slas are taken in here; %(aside)s left out.") % {
            "aside": ", ".join(aside)
        }
        said.append(
            {
                "kind": "left_out",
                "text": _("%(text)s The command import_catalog takes all.") % {"text": text},
            }
        )
    return extra, said


def unknown_of(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Where entries have fields that nothing here knows, and what became of these."""
    for entry in entries:
        for each in _kept(entry, tuple(ENTRY))[1]:
            yield f"slas: {str(entry.get('id'))[:80]}", each["text"]


def _wrong(said: Said) -> str:
    return next((each["text"] for each in said if each["kind"] == WRONG), "")


def _kept(given: Mapping[str, Any], known: Sequence[str]) -> tuple[dict[str, Any], Said]:
    """The fields that nothing here knows, without secrets; and what to say of them."""
    extra = documents.storable({name: given[name] for name in given if name not in known})
    if not extra:
        return {}, []
    names = ", ".join(name[:40] for name in list(extra)[:10])
    if (size := _size(extra)) > LARGEST_EXTRA:
        text = _(
            "%(names)s: nothing here is called so, and %(size)s characters of it are too many."
        ) % {"names": names, "size": f"{size:,}"}
        return {}, [{"kind": WRONG, "text": text}]
    text = _(
        "Nothing here is called %(names)s: it is kept as it stands, and nothing follows from it."
    ) % {"names": names}
    said = [{"kind": "unknown_field", "text": text}]
    for path in scrub(extra):
        text = _("%(path)s looks like a secret and is not stored.") % {"path": path[:200]}
        said.append({"kind": "secret", "text": text})
    return extra, said


def _size(value: Any) -> int:
    """Characters in it. Counted without writing it out, as one text may stand in many places."""
    if isinstance(value, dict):
        return sum(len(name) + _size(each) for name, each in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else len(str(value))


def values_of(entry: Mapping[str, Any]) -> tuple[dict[str, Any], Said]:
    """What an entry says, by the names of our columns; and what to say of it."""
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, column in ENTRY.items():
        value = entry.get(name)
        longest = _LONGEST.get(name, LARGEST_TEXT)
        if name in _NEEDED and (value is None or not str(value).strip()):
            problems[name] = _("is missing.")
            continue
        if value is None and name not in ("scope", "penalty_clause", "window"):
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
            problems[name] = _("is neither a text nor a number.")
            continue
        try:
            found[column] = _READ.get(name, _as_text)(value)
        except ValueError:
            problems[name] = _("'%(value)s' is no %(kinds)s.") % {
                "value": str(value)[:40],
                "kinds": _KINDS[name],
            }
            continue
        if isinstance(text := found[column], str) and len(text) > longest:
            problems[name] = _("is %(n)s characters long; %(longest)s are the most.") % {
                "n": f"{len(text):,}",
                "longest": f"{longest:,}",
            }
    if problem := unusable_reference(found.get("reference", "")[: _LONGEST["id"]]):
        problems.setdefault("id", problem)
    found["extra"], said = _kept(entry, tuple(ENTRY))
    return found, [{"kind": WRONG, "text": f"{name} {problems[name]}"} for name in problems] + said


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value).strip()


def _as_day(value: Any) -> date:
    return date.fromisoformat(str(value).strip())


def _as_number(value: Any) -> Decimal:
    if (number := number_of(value)) is None:
        raise ValueError(value)
    return number


def _as_weight(value: Any) -> Decimal:
    if not 0 <= (number := _as_number(value)) <= 3:
        raise ValueError(value)
    return number


def _as_ratio(value: Any) -> Decimal:
    number = _as_number(str(value).strip().removesuffix("%").strip())
    if not 0 <= number < 100:
        raise ValueError(value)
    return number / 100


_READ = {"effective_from": _as_day, "objective_percent": _as_ratio, "weight": _as_weight}
_KINDS = {
    "effective_from": gettext_lazy("day such as 2026-03-01"),
    "objective_percent": gettext_lazy("percentage below 100"),
    "weight": gettext_lazy("number from 0 to 3"),
}


# --- Stored ---------------------------------------------------------------------------------------


@transaction.atomic
def load(
    *,
    entries: Sequence[Mapping[str, Any]],
    extra: Mapping[str, Any] | None = None,
    by: User | None,
    refresh: bool = True,
) -> tuple[int, bool]:
    """Take in `slas`; several may be guarantees of one contract. A repeat changes nothing.

    extra : what the file says beside them (see extra_of); kept with each of its contracts
    refresh : False where the caller sees to the findings itself

    What an entry leaves out of a guarantee that is there stays as it is; but scope, penalty_clause
    and window belong to it, and are empty if they are left out, as is what nothing here knows.
    Returns how many contracts are new, and whether anything changed. Raises NotValid, naming the
    entry.
    """
    rights.check(by, "catalog.change")
    graph = bridge.Graph.read()
    there = {row.reference: row for row in Contract.objects.all()}
    guarantees = (
        {(row.contract_id, row.metric, row.scope_text): row for row in rows.guarantees()}
        if entries
        else {}
    )
    new, changed = 0, False
    for entry in entries:
        values, said = values_of(entry)
        where = f"slas: {values.get('reference', '')[:80]}".rstrip()
        if wrong := _wrong(said):
            hint = _("Correct it. Each entry needs an id, a metric and a target.")
            raise NotValid(f"{where}: {wrong}", hint=hint)
        try:
            reference = values.pop("reference")
            contract = there.get(reference) or Contract(reference=reference)
            if contract.pk is None or (extra is not None and contract.extra != extra):
                new += contract.pk is None
                changed = True
                _store(contract, extra, by)
                there[reference] = contract
            key = (contract.pk, values["metric"], values["scope_text"])
            row = guarantees.get(key) or Guarantee(contract=contract)
            if contracts.put(row, values, graph, by):
                changed = True
                guarantees[key] = Guarantee.objects.with_terms().get(pk=row.pk)
        except NotValid as error:
            raise NotValid(
                f"{where}: {error.message}", hint=error.hint, fields=error.fields
            ) from error
    if changed:
        scores.queue_run(by=by)
    if changed and refresh:
        counted = {"slas": len(entries), "new": new}
        audit.record("contract.load", "contracts", by=by, new=counted, kind="contract")
        findings.refresh()
    return new, changed


def _store(contract: Contract, extra: Mapping[str, Any] | None, by: User | None) -> None:
    old = audit.values_of(contract) if contract.pk else None
    if extra is not None:
        contract.extra = dict(extra)
    rows.clean(contract)
    rows.save(contract)
    verb = "update" if old else "create"
    audit.record(f"contract.{verb}", contract, by=by, old=old, new=audit.values_of(contract))


# --- Looked at ------------------------------------------------------------------------------------


def preview(*, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What `load` would do, entry by entry, storing nothing.

    Returns {reference, metric, scope, state ("new", "changed", "same" or "wrong"), texts, typed
    (columns of Terms), target, consumer, provider, extra, findings: [{kind, text}]} for each.
    """
    graph = bridge.Graph.read()
    known = {
        (row.contract.reference, row.metric, row.scope_text): row
        for row in Guarantee.objects.with_terms()
    }
    return [_preview(entry, graph, known) for entry in entries]


def _preview(
    entry: Mapping[str, Any], graph: bridge.Graph, known: Mapping[tuple[str, str, str], Guarantee]
) -> dict[str, Any]:
    values, found = values_of(entry)
    reference, metric = values.get("reference", ""), values.get("metric", "")
    scope = values.get("scope_text", "")
    texts = {name: values.get(name) or "" for name in bridge.TEXTS if name != "budget_objective"}
    typed = bridge.read(metric, texts)
    if "target_text" in values:
        found += [{"kind": "unparsed", "text": text} for text in typed["problems"].values()]
    there = known.get((reference, metric, scope))
    consumer, provider = graph.ends(scope)
    if there:
        consumer, provider = there.consumer_id or consumer, there.provider_id or provider
    names = bridge.ends_of(scope)
    for name, key in zip(names, (consumer, provider), strict=True):
        if name and key is None:
            text = _("“%(name)s” is no service of the catalog, or of several.") % {"name": name}
            found.append({"kind": "edge_missing", "text": text})
    if scope and not any(names):
        text = _("“%(scope)s” names more than a consumer and its provider.") % {"scope": scope}
        found.append({"kind": "edge_missing", "text": text})
    if consumer and provider and not graph.has_edge(consumer, provider):
        text = _("The catalog has no dependency %(slugs)s → %(slugs2)s.") % {
            "slugs": graph.slugs[consumer],
            "slugs2": graph.slugs[provider],
        }
        found.append({"kind": "edge_missing", "text": text})
    state = "new"
    if _wrong(found):
        state = "wrong"
    elif there:
        state = "same" if _is_same(there, values) else "changed"
    terms = Terms(**{**texts, **typed})
    return {
        "reference": reference,
        "metric": metric,
        "scope": scope,
        "state": state,
        "texts": texts,
        "typed": terms,
        "target": bridge.target_of(terms),
        "consumer": graph.slugs.get(consumer or 0),
        "provider": graph.slugs.get(provider or 0),
        "extra": values["extra"],
        "findings": found,
    }


def _is_same(there: Guarantee, values: Mapping[str, Any]) -> bool:
    """Nothing of a guarantee would change."""
    day = values.get("effective_from")
    base = written_on(there.terms.all(), day) if day else there.latest
    return (
        base is not None
        and all(getattr(base, name) == values[name] for name in bridge.TEXTS if name in values)
        and (day is None or base.effective_from == day)
        and there.weight == values.get("weight", there.weight)
        and there.extra == values["extra"]
    )
