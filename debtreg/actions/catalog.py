"""Teams, services, dependencies, prices, contracts, iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, ProtectedError
from django.utils import timezone

from debtreg.actions import audit, rights, scores
from debtreg.actions.debt import NotValid, not_valid
from debtreg.errors import Conflict
from debtreg.models import (
    Contract,
    Criticality,
    DebtItem,
    Dependency,
    Guarantee,
    Iteration,
    Price,
    Score,
    Service,
    Team,
    User,
)

M = TypeVar("M", bound=models.Model)

# What scores depend on: a change asks for a scoring run.
_SCORED = (Team, Service, Price, Guarantee)


class StillUsed(Conflict):
    """Something cannot be removed because other things hang on it."""


@transaction.atomic
def save(*, obj: M, by: User | None) -> M:
    """Create or update one row of the catalog. Where scores depend on it, a run is asked for."""
    model = type(obj)
    before = (
        model._default_manager.select_for_update().order_by("pk").filter(pk=obj.pk).first()
        if obj.pk
        else None
    )
    for side in (before, obj):
        if side is not None:
            _check(side, by)
    try:
        obj.full_clean()
    except ValidationError as error:
        raise not_valid(error) from error
    if isinstance(obj, Price):
        obj.updated_at = timezone.now()
    obj.save()
    old = audit.values_of(before) if before else None
    new = audit.values_of(obj)
    if old == new:
        return obj
    if isinstance(obj, Service) and isinstance(before, Service) and before.team_id != obj.team_id:
        _move_items(obj, before.team_id)
    verb = "update" if before else "create"
    audit.record(f"{model._meta.model_name}.{verb}", obj, by=by, old=old, new=new)
    if isinstance(obj, _SCORED):
        scores.queue_run(by=by)
    return obj


def _check(obj: models.Model, by: User | None) -> None:
    if isinstance(obj, Iteration):
        rights.check(by, "iteration.change", obj if obj.team_id else None)
    else:
        rights.check(by, "catalog.change")


def _move_items(service: Service, old_team_id: int) -> None:
    """A service's debts go with it to its new team, unless they were given to another."""
    moved = DebtItem.objects.filter(service=service, team_id=old_team_id)
    # The catalog is to blame for what the next run finds, not an edit or a price.
    Score.objects.filter(item__in=moved).update(
        team_id=service.team_id, revision=F("revision") + 1, price_fingerprint=0
    )
    moved.update(team_id=service.team_id, revision=F("revision") + 1, updated_at=timezone.now())


@transaction.atomic
def remove(*, obj: models.Model, by: User | None) -> None:
    """Remove one row of the catalog. Raises StillUsed where others hang on it."""
    _check(obj, by)
    old, key = audit.values_of(obj), str(obj)
    kind = obj._meta.model_name or ""
    if isinstance(obj, Iteration) and (held := obj.entries.active().count()):
        raise StillUsed(
            f"{key} still holds {held} backlog {'entry' if held == 1 else 'entries'}.",
            hint="Move what is in it to another iteration first.",
        )
    try:
        obj.delete()
    except ProtectedError as error:
        users = sorted({str(each._meta.verbose_name_plural) for each in error.protected_objects})
        raise StillUsed(
            f"{key} is still used by {len(error.protected_objects)} {' and '.join(users)}.",
            hint="Move these elsewhere first.",
        ) from error
    audit.record(f"{kind}.remove", key, by=by, old=old, kind=kind)
    # With a contract go its guarantees, and with these the weights of impacts.
    if isinstance(obj, (*_SCORED, Contract)):
        scores.queue_run(by=by)


# --- A whole catalog at once ----------------------------------------------------------------------

_TIERS = {1: Criticality.CRITICAL, 2: Criticality.HIGH, 3: Criticality.MEDIUM, 4: Criticality.LOW}


@transaction.atomic
def load(*, document: Mapping[str, Any], by: User | None) -> dict[str, int]:
    """Take in a catalog: teams, services, dependencies, slas. Repeating it changes nothing.

    document : {"teams": [{slug, name}], "services": [{slug, name, team, aliases, tier or
        criticality, yearly_requests, language}], "dependencies": [{consumer, provider, protocol,
        hard}], "slas": [{id, metric, target, scope, penalty_clause, window}]}
    Returns how many of each are new. Raises NotValid, naming the entry.
    """
    rights.check(by, "catalog.change")
    if not isinstance(document, Mapping):
        raise NotValid(
            "The catalog is not a mapping with teams, services, dependencies and slas.",
            hint="Look at demo/services.yaml for the form.",
        )
    loader = _Loader()
    counts = {
        name: sum(bool(take(entry)) for entry in _entries(document, name))
        for name, take in (
            ("teams", loader.team),
            ("services", loader.service),
            ("dependencies", loader.dependency),
            ("slas", loader.sla),
        )
    }
    audit.record("catalog.load", "catalog", by=by, new=counts, kind="catalog")
    scores.queue_run(by=by)
    return counts


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = document.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        raise NotValid(f"{name} is not a list of mappings.", hint="Look at demo/services.yaml.")
    return entries


class _Loader:
    """Takes entries one by one; each method says whether the row is new."""

    def __init__(self) -> None:
        self.teams = {team.slug: team for team in Team.objects.all()}
        self.services = {service.slug: service for service in Service.objects.all()}

    def team(self, entry: Mapping[str, Any]) -> bool:
        slug = _text(entry, "slug", "teams")
        team = self.teams.get(slug) or Team(slug=slug)
        team.name = str(entry.get("name") or slug)
        for name in ("day_rate", "days_per_point"):
            if entry.get(name) is not None:
                setattr(team, name, entry[name])
        self.teams[slug] = team
        return _store(team, f"teams: {slug}")

    def service(self, entry: Mapping[str, Any]) -> bool:
        slug = _text(entry, "slug", "services")
        service = self.services.get(slug) or Service(slug=slug)
        service.name = str(entry.get("name") or slug)
        service.aliases = [str(alias) for alias in entry.get("aliases") or []]
        service.team = self._one(self.teams, entry, "team", f"services: {slug}", "teams")
        tier = entry.get("criticality") or _TIERS.get(entry.get("tier") or 3, Criticality.LOW)
        service.criticality = tier
        requests = entry.get("yearly_requests", entry.get("requests_per_year"))
        service.requests_per_year = requests
        service.language = str(entry.get("language") or "")
        self.services[slug] = service
        return _store(service, f"services: {slug}")

    def dependency(self, entry: Mapping[str, Any]) -> bool:
        where = f"dependencies: {entry.get('consumer')} → {entry.get('provider')}"
        ends = {
            name: self._one(self.services, entry, name, where, "services")
            for name in ("consumer", "provider")
        }
        there = Dependency.objects.filter(**ends).first() or Dependency(**ends)
        there.protocol = str(entry.get("protocol") or "")
        there.hard = entry.get("hard", True) is not False
        return _store(there, where)

    def sla(self, entry: Mapping[str, Any]) -> bool:
        reference = _text(entry, "id", "slas")
        contract, is_new = Contract.objects.get_or_create(reference=reference)
        scope = str(entry.get("scope") or "")
        consumer, _, provider = (part.strip() for part in scope.replace("->", "→").partition("→"))
        metric = _text(entry, "metric", f"slas: {reference}")
        guarantee = Guarantee.objects.filter(
            contract=contract, metric=metric, scope_text=scope
        ).first() or Guarantee(contract=contract, metric=metric, scope_text=scope)
        guarantee.target_text = _text(entry, "target", f"slas: {reference}")
        guarantee.consumer = self.services.get(consumer)
        guarantee.provider = self.services.get(provider)
        guarantee.penalty_clause = str(entry.get("penalty_clause") or "")
        guarantee.window = str(entry.get("window") or "")
        _store(guarantee, f"slas: {reference}")
        return is_new

    @staticmethod
    def _one(known: dict[str, M], entry: Mapping[str, Any], name: str, where: str, of: str) -> M:
        slug = _text(entry, name, where)
        if slug not in known:
            raise NotValid(
                f"{where}: there is no {name} '{slug}' among the {of}.",
                hint=f"Add it under {of}, or correct the name.",
            )
        return known[slug]


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str | int) or not str(value).strip():
        raise NotValid(f"{where}: {name} is missing.", hint=f"Give each entry its {name}.")
    return str(value).strip()


def _store(obj: models.Model, where: str) -> bool:
    is_new = obj.pk is None
    try:
        obj.full_clean()
    except ValidationError as error:
        raise not_valid(error, f"{where}: ") from error
    obj.save()
    return is_new
