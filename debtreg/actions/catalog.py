"""Teams, services, dependencies, prices, contracts, iterations."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from debtreg import plans
from debtreg.actions import (
    audit,
    backlog,
    contracts,
    deciding,
    findings,
    registry,
    rights,
    rows,
    scenario_entries,
    scores,
)
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict
from debtreg.models import (
    Cause,
    Contract,
    Criticality,
    DebtItem,
    Dependency,
    Guarantee,
    Iteration,
    Price,
    Service,
    Team,
    User,
)

M = TypeVar("M", bound=models.Model)

# What scores depend on: a change asks for a scoring run.
_SCORED = (Team, Service, Price, Guarantee)
# What compliance gaps depend on.
_PROMISING = (Team, Service, Dependency, Contract, Guarantee)


class StillUsed(Conflict):
    """Something cannot be removed because other things hang on it."""


class TooSmall(Conflict):
    """An iteration would have less room than what is in it takes."""


@transaction.atomic
def save(*, obj: M, by: User | None) -> M:
    """Create or update one row of the catalog. Where scores depend on it, a run is asked for.

    Saving what is there already changes nothing.
    """
    if _save(obj, by) and isinstance(obj, _PROMISING):
        contracts.resolve_edges(by=by)
        findings.refresh()
    return obj


@transaction.atomic
def _save(obj: models.Model, by: User | None) -> bool:
    """True if anything was changed."""
    before = _stored(obj)
    for side in (before, obj):
        if side is not None:
            _check(side, by)
    rows.clean(obj)
    if isinstance(obj, Iteration) and isinstance(before, Iteration):
        _check_capacity(obj, before)
    old = audit.values_of(before) if before else None
    if old == audit.values_of(obj):
        return False
    if isinstance(obj, Price):
        obj.updated_at = timezone.now()
    rows.save(obj)
    if isinstance(obj, Service) and isinstance(before, Service) and before.team_id != obj.team_id:
        _move_items(obj, before.team_id)
    verb = "update" if before else "create"
    audit.record(f"{obj._meta.model_name}.{verb}", obj, by=by, old=old, new=audit.values_of(obj))
    if isinstance(obj, _SCORED):
        scores.queue_run(by=by)
    return True


def _check_capacity(iteration: Iteration, before: Iteration) -> None:
    """Nobody makes an iteration smaller than what is in it. The row is locked, so nothing comes."""
    left = backlog.days_left(iteration)
    if iteration.capacity_days < before.capacity_days and left < 0:
        taken, over = float(iteration.capacity_days - left), float(-left)
        message = (
            f"{before.name} has {taken:g} person-days planned, started or done:"
            f" {float(iteration.capacity_days):g} are {over:g} too few."
        )
        raise TooSmall(
            message,
            hint=_("Move %(over)s person-days to another iteration first, or let them wait.")
            % {"over": f"{over:g}"},
            fields={"capacity_days": [message]},
        )


def _stored(obj: M) -> M | None:
    """The row as it is in the database, locked."""
    if obj.pk is None:
        return None
    every = type(obj)._default_manager.select_for_update().order_by("pk")
    return every.filter(pk=obj.pk).first()


def _check(obj: models.Model, by: User | None) -> None:
    if isinstance(obj, Iteration):
        rights.check(by, "iteration.change", obj if obj.team_id else None)
    else:
        rights.check(by, "catalog.change")


def _move_items(service: Service, old_team_id: int) -> None:
    """A service's debts go with it to its new team, unless they were given to another."""
    moved = DebtItem.objects.filter(service=service, team_id=old_team_id)
    pks = list(moved.select_for_update().order_by("pk").values_list("pk", flat=True))
    moved.update(team_id=service.team_id, revision=F("revision") + 1, updated_at=timezone.now())
    scores.score_items(pks, cause=Cause.CATALOG)
    entered = plans.entries_of(pks)["item_id"].tolist()
    backlog.follow(*DebtItem.objects.in_bulk(entered).values())


@transaction.atomic
def remove(*, obj: models.Model, by: User | None) -> None:
    """Remove one row of the catalog; harmless if it is gone. Raises StillUsed."""
    found = _stored(obj)
    if found is None:
        return
    _check(found, by)
    old, key = audit.values_of(found), str(found)
    kind = obj._meta.model_name or ""
    if isinstance(obj, Iteration) and (held := obj.entries.active().count()):
        raise StillUsed(
            ngettext(
                "%(key)s still holds %(n)s backlog entry.",
                "%(key)s still holds %(n)s backlog entries.",
                held,
            )
            % {"key": key, "n": held},
            hint=_("Move what is in it to another iteration first."),
        )
    try:
        found.delete()
    except ProtectedError as error:
        users_of = list(error.protected_objects)
        name = "verbose_name" if len(users_of) == 1 else "verbose_name_plural"
        users = sorted({str(getattr(each._meta, name)) for each in users_of})
        raise StillUsed(
            _("%(key)s is still used by %(n)s %(users)s.")
            % {"key": key, "n": len(users_of), "users": " and ".join(users)},
            hint=_("Move these elsewhere first."),
        ) from error
    audit.record(f"{kind}.remove", key, by=by, old=old, kind=kind)
    # With a contract go its guarantees, and with these the weights of impacts.
    if isinstance(obj, (*_SCORED, Contract)):
        scores.queue_run(by=by)
    if isinstance(obj, _PROMISING):
        findings.refresh()


# --- A whole catalog at once ----------------------------------------------------------------------

# The first two describe the file itself.
_SECTIONS = ("version", "currency", "teams", "services", "dependencies", "slas", "scenarios")
_TIERS = {1: Criticality.CRITICAL, 2: Criticality.HIGH, 3: Criticality.MEDIUM, 4: Criticality.LOW}


@transaction.atomic
def load(*, document: Mapping[str, Any], by: User | None) -> dict[str, int]:
    """Take in a catalog: teams, services, dependencies, slas, scenarios. A repeat changes nothing.

    document : {"teams": [{slug, name}], "services": [{slug, name, team, aliases, tier or
        criticality, yearly_requests, language}], "dependencies": [{consumer, provider, protocol,
        hard}], "slas": see registry.ENTRY,
        "scenarios": see scenario_entries.store; the debts that they name must be there}; what
        else it has is kept with its contracts, see registry.extra_of
    Returns how many of each are new. Raises NotValid, naming the entry.
    """
    rights.check(by, "catalog.change")
    if not isinstance(document, Mapping):
        raise NotValid(
            _(
                "The catalog is not a mapping with teams, services, dependencies, slas and "
                "scenarios."
            ),
            hint=_("Look at demo/services.yaml and demo/scenarios.yaml for the form."),
        )
    unknown = [str(name) for name in document if name not in _SECTIONS]
    if unknown and not document.get("slas"):
        raise NotValid(
            _("The catalog has no section '%(unknown)s'.") % {"unknown": unknown[0]},
            hint=_("Its sections are %(sections)s; others are kept with its slas only.")
            % {"sections": ", ".join(_SECTIONS)},
        )
    deciding.lock_members()
    loader = _Loader(by)
    counts = {
        name: sum(take(entry) for entry in _entries(document, name))
        for name, take in (
            ("teams", loader.team),
            ("services", loader.service),
            ("dependencies", loader.dependency),
        )
    }
    counts["slas"], slas_changed = registry.load(
        entries=_entries(document, "slas"),
        extra=registry.extra_of(document)[0] or None,
        by=by,
        refresh=False,
    )
    counts["scenarios"], scenarios_changed = scenario_entries.store(
        entries=_entries(document, "scenarios"), by=by
    )
    if loader.changed or slas_changed:
        contracts.resolve_edges(by=by)
        findings.refresh()
    if loader.changed or slas_changed or scenarios_changed:
        audit.record("catalog.load", "catalog", by=by, new=counts, kind="catalog")
    return counts


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = document.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        raise NotValid(
            _("%(name)s is not a list of mappings.") % {"name": name},
            hint=_("Look at demo/*.yaml."),
        )
    return entries


class _Loader:
    """Takes entries one by one; each method says whether the row is new.

    What an entry leaves out of a row that is there stays as it is.
    """

    def __init__(self, by: User | None) -> None:
        self.by, self.changed = by, False
        self.teams = {team.slug: team for team in Team.objects.all()}
        self.services = {service.slug: service for service in Service.objects.all()}

    def team(self, entry: Mapping[str, Any]) -> bool:
        slug = _text(entry, "slug", "teams")
        where = f"teams: {slug}"
        team = self.teams.setdefault(slug, Team(slug=slug, name=slug))
        for name in ("name", "day_rate", "days_per_point"):
            if entry.get(name) is not None:
                setattr(team, name, _value(entry, name, where))
        return self._store(team, where)

    def service(self, entry: Mapping[str, Any]) -> bool:
        slug = _text(entry, "slug", "services")
        where = f"services: {slug}"
        service = self.services.setdefault(slug, Service(slug=slug, name=slug))
        service.team = self._one(self.teams, entry, "team", where, "teams")
        if "aliases" in entry:
            service.aliases = _texts(entry, "aliases", where)
        if entry.get("tier") is not None:
            service.criticality = _tier(entry, where)
        for name, field in (
            ("name", "name"),
            ("criticality", "criticality"),
            ("language", "language"),
            ("requests_per_year", "requests_per_year"),
            ("yearly_requests", "requests_per_year"),
        ):
            # Requests may be said to be unknown.
            if name in entry and (entry[name] is not None or field == "requests_per_year"):
                setattr(service, field, _value(entry, name, where))
        return self._store(service, where)

    def dependency(self, entry: Mapping[str, Any]) -> bool:
        where = f"dependencies: {entry.get('consumer')} → {entry.get('provider')}"
        ends = {
            name: self._one(self.services, entry, name, where, "services")
            for name in ("consumer", "provider")
        }
        there = Dependency.objects.filter(**ends).first() or Dependency(**ends)
        there.protocol = str(_value(entry, "protocol", where) or "")
        there.hard = entry.get("hard", True) not in (False, "no", "off")
        return self._store(there, where)

    def _store(self, obj: models.Model, where: str) -> bool:
        is_new = obj.pk is None
        try:
            self.changed |= _save(obj, self.by)
        except NotValid as error:
            raise NotValid(
                f"{where}: {error.message}", hint=error.hint, fields=error.fields
            ) from error
        return is_new

    @staticmethod
    def _one(known: dict[str, M], entry: Mapping[str, Any], name: str, where: str, of: str) -> M:
        slug = _text(entry, name, where)
        if slug not in known:
            raise NotValid(
                _("%(where)s: there is no %(name)s '%(slug)s' among the %(of)s.")
                % {"where": where, "name": name, "slug": slug, "of": of},
                hint=_("Add it under %(of)s, or correct the name.") % {"of": of},
            )
        return known[slug]


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str | int) or not str(value).strip():
        raise NotValid(
            _("%(where)s: %(name)s is missing.") % {"where": where, "name": name},
            hint=_("Give each entry its %(name)s.") % {"name": name},
        )
    return str(value).strip()


def _value(entry: Mapping[str, Any], name: str, where: str) -> str | float | Decimal | None:
    value = entry.get(name)
    if not isinstance(value, str | int | float | Decimal | None):
        raise NotValid(
            _("%(where)s: %(name)s is neither a text nor a number.")
            % {"where": where, "name": name},
            hint=_("Write one of these."),
        )
    return value


def _texts(entry: Mapping[str, Any], name: str, where: str) -> list[str]:
    values = entry[name] or []
    if not isinstance(values, list) or not all(isinstance(value, str | int) for value in values):
        raise NotValid(
            _("%(where)s: %(name)s is not a list of names.") % {"where": where, "name": name},
            hint=_("Write [name, name]."),
        )
    return [str(value) for value in values]


def _tier(entry: Mapping[str, Any], where: str) -> str:
    tier = _value(entry, "tier", where)
    if tier not in _TIERS:
        raise NotValid(
            _("%(where)s: tier is %(tier)s.") % {"where": where, "tier": tier},
            hint=_("1 is critical, 2 high, 3 medium and 4 low."),
        )
    return _TIERS[int(tier)]
