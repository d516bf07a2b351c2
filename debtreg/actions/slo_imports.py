"""SLOs, services and dependencies from files of other tools, and SLOs as such files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _

from debtreg import formats
from debtreg.actions import audit, catalog, deciding, rights, slos
from debtreg.actions.debt import NotValid
from debtreg.errors import DebtregError
from debtreg.formats import backstage, documents, openslo_export, sloth
from debtreg.formats.entries import (
    Contents,
    DependencyEntry,
    Finding,
    Item,
    KeptEntry,
    ServiceEntry,
    SloEntry,
)
from debtreg.models import (
    Connection,
    Dependency,
    Guarantee,
    KeptDocument,
    Service,
    Slo,
    SourceFormat,
    Team,
    User,
)
from debtreg.numbers import plain

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Row:
    """What becomes of one entry. outcome : created, updated, unchanged."""

    kind: str
    name: str
    outcome: str
    text: str


@dataclass
class Report:
    """What was read of a file, what becomes of it, and what a person should know."""

    source_format: str
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def changes(self) -> int:
        return sum(row.outcome != "unchanged" for row in self.rows)

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)


class _OnlyLooking(Exception):
    """Undoes what a preview has stored."""


def preview(
    *, text: str | bytes, source_format: str = "", team: str = "", by: User | None
) -> Report:
    """What `store` would do, undone. Raises what `store` does."""
    found: list[Report] = []
    try:
        with transaction.atomic():
            found.append(_store(text, source_format, team, by))
            raise _OnlyLooking
    except _OnlyLooking:
        return found[0]


@transaction.atomic
def store(*, text: str | bytes, source_format: str = "", team: str = "", by: User | None) -> Report:
    """Take in a file: what can be taken, with findings for the rest. A repeat changes nothing.

    source_format : openslo, sloth or backstage; guessed if it is empty
    team : slug of the team that services get which nobody is said to own; without it such services
        are not added
    Raises NotReadable, NotValid.
    """
    report = _store(text, source_format, team, by)
    if report.changes:
        counts = {name: report.count(name) for name in ("created", "updated")}
        new = {"format": report.source_format, **counts}
        audit.record("slo.import", report.source_format, by=by, new=new, kind="slo")
    return report


def _store(text: str | bytes, source_format: str, team: str, by: User | None) -> Report:
    rights.check(by, "slo.change")
    if source_format and source_format not in SourceFormat.values:
        raise NotValid(
            _("There is no format '%(source_format)s'.") % {"source_format": source_format[:40]},
            hint=_("The formats are %(values)s.") % {"values": ", ".join(SourceFormat.values)},
            fields={
                "format": [_("One of: %(values)s.") % {"values": ", ".join(SourceFormat.values)}]
            },
        )
    contents = formats.read(text, source_format)
    deciding.lock_members()
    return _Taker(contents, _team(team), by).take()


def _team(slug: str) -> Team | None:
    team = Team.objects.filter(slug=slug).first() if slug else None
    if slug and team is None:
        raise NotValid(
            _("There is no team '%(slug)s'.") % {"slug": slug[:80]},
            hint=_("Choose one of the teams, or none."),
            fields={"team": [_("There is no such team.")]},
        )
    return team


class _Taker:
    """Takes entries one by one. What is known is read once, and kept up to date on the way."""

    def __init__(self, contents: Contents, team: Team | None, by: User | None) -> None:
        self.contents, self.team, self.by = contents, team, by
        self.report = Report(contents.source_format, findings=contents.findings)
        self.teams = {each.slug: each for each in Team.objects.all()}
        self.services: dict[str, Service] = {}
        for service in Service.objects.order_by("pk"):
            self._learn(service)
        self.slos = {each.name: each for each in Slo.objects.select_related("connection")}
        self.connections = {each.name: each for each in Connection.objects.all()}
        self.guarantees = list(Guarantee.objects.select_related("contract"))

    def take(self) -> Report:
        for team in self.contents.teams:
            known = self.teams.get(team.slug)
            found = known or Team(slug=team.slug, name=team.slug)
            found.name = team.name[:120] or found.name
            if self._save(found, team.item, "Team", team.slug, found.name):
                self.teams[team.slug] = found
        for service in self.contents.services:
            self._service(service)
        for dependency in self.contents.dependencies:
            self._dependency(dependency)
        seen: set[str] = set()
        for entry in self.contents.slos:
            self._slo(entry, seen)
        for kept in self.contents.kept:
            self._keep(kept)
        self.contents.tidy()
        return self.report

    # --- The catalog ------------------------------------------------------------------------------

    def _learn(self, service: Service) -> None:
        """Know a service by its slug, then by its other names, whatever their case."""
        for name in (service.name, *map(str, service.aliases or ())):
            self.services.setdefault(name.casefold(), service)
        self.services[service.slug.casefold()] = service

    def _service(self, entry: ServiceEntry) -> None:
        known = self.services.get(entry.slug.casefold())
        owner = self.teams.get(entry.team) if entry.team else None
        if entry.team and owner is None:
            entry.item.say(
                "warning",
                "spec.owner",
                f"There is no team '{entry.team}', here or in this file.",
                "Import its Group with it, or add the team.",
            )
        if known is None and (owner or self.team) is None:
            entry.item.say(
                "error",
                "",
                f"There is no service '{entry.slug}', and no team is known to own it.",
                "Add the service, or choose the team that new services go to.",
            )
            return
        service = known or Service(slug=entry.slug, name=entry.name or entry.slug, team=self.team)
        if owner is not None:
            service.team = owner
        if known and entry.name and known.name == known.slug:
            service.name = entry.name[:120]
        taken = {name for name, other in self.services.items() if other is not service}
        more = [name for name in entry.aliases if name.casefold() not in taken]
        own = list(service.aliases or ())
        service.aliases = own + [name for name in more if name not in own]
        if self._save(service, entry.item, "Service", service.slug, service.team.name):
            self._learn(service)

    def _dependency(self, entry: DependencyEntry) -> None:
        consumer = self.services.get(entry.consumer.casefold())
        provider = self.services.get(entry.provider.casefold())
        if consumer is None or provider is None:
            missing = entry.provider if provider is None else entry.consumer
            via = ", which no component here provides" if entry.via == missing else ""
            entry.item.say(
                "warning",
                entry.where,
                f"The edge {entry.consumer} → {entry.provider} is left out: there is no service"
                f" '{missing}'{via}.",
                "Import its component, too, or add it to the catalog.",
            )
            return
        if consumer == provider:
            return
        ends = {"consumer": consumer, "provider": provider}
        found = Dependency.objects.filter(**ends).first() or Dependency(**ends)
        name = f"{consumer.slug} → {provider.slug}"
        self._save(found, entry.item, "Dependency", name, f"via {entry.via}" if entry.via else "")

    def _save(self, obj: M, item: Item, kind: str, name: str, text: str) -> bool:
        """Save a row of the catalog; False where it is refused, which is an error of the entry."""
        is_new = obj.pk is None
        before = None if is_new else audit.values_of(type(obj)._default_manager.get(pk=obj.pk))
        if before == audit.values_of(obj):
            self.report.rows.append(Row(kind, name, "unchanged", text))
            return True
        try:
            with transaction.atomic():
                catalog.save(obj=obj, by=self.by)
        except DebtregError as error:
            item.say("error", "", error.message, error.hint)
            return False
        self.report.rows.append(Row(kind, name, "created" if is_new else "updated", text))
        return True

    # --- SLOs -------------------------------------------------------------------------------------

    def _slo(self, entry: SloEntry, seen: set[str]) -> None:
        item = entry.item
        assert item is not None  # noqa: S101  # what is read has one
        if entry.name in seen:
            item.say(
                "error",
                "metadata.name",
                f"Another SLO of this file is called '{entry.name}' here already.",
                "Give it another name.",
            )
            return
        seen.add(entry.name)
        service = self.services.get(entry.service.casefold())
        if service is None:
            item.say(
                "error",
                "service" if entry.source_format == "sloth" else "spec.service",
                f"There is no service '{entry.service}'.",
                "Add it to the catalog, or correct the name.",
            )
            return
        known = self.slos.get(entry.name)
        slo = known or Slo(name=entry.name)
        for name, value in entry.values.items():
            setattr(slo, name, value)
        slo.service = service
        if known is None or known.source_format or entry.kept:
            slo.source_format = entry.source_format  # what was made here comes back as it went
        slo.connection = self._connection(entry)
        # Who watches which promise is set by hand as well: no word of it changes nothing.
        slo.guarantee = self._guarantee(entry) if entry.guarantee else slo.guarantee
        slo.document = documents.storable(entry.kept) or None
        old = None if known is None else slos.values_of(Slo.objects.get(pk=known.pk))
        text = f"{service.slug}, {plain(slo.objective * 100)} %"
        if old is not None and old == slos.values_of(slo):
            self.report.rows.append(Row("SLO", slo.name, "unchanged", text))
            return
        try:
            with transaction.atomic():
                slos.save(slo=slo, by=self.by)
        except DebtregError as error:
            more = "; ".join(f"{name}: {' '.join(each)}" for name, each in error.fields.items())
            item.say("error", "", f"'{entry.name}' is not taken. {more or error.message}")
            return
        self.slos[slo.name] = slo
        self.report.rows.append(Row("SLO", slo.name, "updated" if known else "created", text))

    def _connection(self, entry: SloEntry) -> Connection | None:
        found = self.connections.get(entry.connection)
        if entry.connection and found is None and entry.item:
            entry.item.say(
                "warning",
                "spec.indicator",
                f"There is no connection '{entry.connection[:60]}': nothing is fetched.",
                "Add a connection of this name and import again, or choose one at the SLO.",
            )
        known = self.slos.get(entry.name)
        # Sloth names none: the one that was chosen stays.
        return known.connection if known and not entry.connection else found

    def _guarantee(self, entry: SloEntry) -> Guarantee | None:
        """The promise that the file names: contract, and metric and scope where it has several."""
        parts = [part.strip() for part in entry.guarantee.split("|")]
        found = [
            each
            for each in self.guarantees
            if each.contract.reference == parts[0]
            and each.metric in (*parts[1:2], each.metric)[:1]
            and each.scope_text in (*parts[2:3], each.scope_text)[:1]
        ]
        if len(found) == 1:
            return found[0]
        if entry.item:
            what = "is not known" if not found else f"may be {len(found)} guarantees"
            entry.item.say(
                "warning",
                "metadata.annotations.debtreg.io/guarantee",
                f"'{entry.guarantee[:120]}' {what}: the SLO watches no promise.",
                "Write contract | metric | scope.",
            )
        return None

    def _keep(self, entry: KeptEntry) -> None:
        name = {"kind": entry.kind[:63], "name": entry.name[:253]}
        source = self.contents.source_format
        document = documents.storable(entry.value)
        known = KeptDocument.objects.filter(source_format=source, **name).first()
        outcome = "created" if known is None else "updated"
        if known and known.document == document:
            outcome = "unchanged"
        else:
            found = known or KeptDocument(source_format=source, **name)
            found.document = document
            found.save()
        self.report.rows.append(Row(f"{entry.kind} (kept)", entry.name, outcome, ""))


# --- Out ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """SLOs as a text, and what its format can't say or has to say elsewhere."""

    source_format: str
    text: str
    findings: list[Finding]

    @property
    def left_out(self) -> int:
        return sum(finding.level != "note" for finding in self.findings)


def export(*, source_format: str = SourceFormat.OPENSLO) -> Exported:
    """All SLOs with what was kept beside them; of Backstage the entities that were imported.

    The same SLOs are the same text each time.
    """
    rows = Slo.objects.select_related("service", "connection", "guarantee__contract")
    documents_ = KeptDocument.objects.filter(source_format=source_format)
    kept = [KeptEntry(each.kind, each.name, each.document) for each in documents_]
    if source_format == SourceFormat.BACKSTAGE:
        return Exported(source_format, backstage.write(kept), [])
    entries = [_entry(slo) for slo in rows]
    if source_format == SourceFormat.SLOTH:
        return Exported(source_format, *sloth.write(entries, kept))
    named = {entry.service for entry in entries}
    named |= {each.name for each in kept if each.kind == "Service"}
    item: Any = None
    services = [
        ServiceEntry(item, service.slug, "" if service.name == service.slug else service.name)
        for service in Service.objects.filter(slug__in=named)
    ]
    return Exported(source_format, *openslo_export.write(entries, services, kept))


_VALUES = (
    *("title", "description", "kind", "objective", "window", "window_days", "month_basis"),
    *("time_zone", "method", "slice_seconds", "slice_target", "threshold_ms", "good_query"),
    *("bad_query", "total_query", "buckets_query", "quantile_query"),
)


def _entry(slo: Slo) -> SloEntry:
    promise = slo.guarantee
    return SloEntry(
        None,
        slo.name,
        slo.service.slug,
        {name: getattr(slo, name) for name in _VALUES},
        slo.source_format or SourceFormat.OPENSLO,
        slo.connection.name if slo.connection else "",
        f"{promise.contract.reference} | {promise.metric} | {promise.scope_text}"
        if promise
        else "",
        slo.document or {},
    )
