"""The demo company: fills an empty database with what lies in demo/."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg.actions import (
    audit,
    backlog,
    catalog,
    contracts,
    debt,
    demo_traffic,
    imports,
    outcomes,
    penalties,
    periods,
    scores,
    slo_imports,
)
from debtreg.errors import Conflict
from debtreg.formats import documents
from debtreg.models import (
    FACTORS,
    AuditEntry,
    DebtItem,
    Guarantee,
    Iteration,
    Outcome,
    Price,
    Service,
    Slo,
    Team,
    User,
    points,
)
from debtreg.terms import TEXTS

FOLDER = settings.BASE_DIR / "demo"
LEDGER = "ledger-217.xlsx"
# Known to everybody who reads this: the demo listens to this machine only.
PASSWORD = "debtreg-demo"  # noqa: S105
MINUTES_A_YEAR = 365 * 24 * 60
FILLED = "demo.filled"


def is_filled() -> bool:
    return AuditEntry.objects.filter(object_type="demo", action=FILLED).exists()


def people() -> list[dict[str, Any]]:
    """Who may log in, with PASSWORD: username, first_name, last_name, role, teams."""
    found: list[dict[str, Any]] = _company()["people"]
    return found


def fill(say: Callable[[str], None] = lambda text: None) -> None:
    """Teams, services, contracts, prices, iterations, people, the ledger, some impacts, a scenario.

    Ends with a scoring run that waits for a worker. Begun anew after an interruption it goes on;
    a filled database is left alone.
    """
    if is_filled():
        return
    company = _company()
    document = _read("services.yaml")
    say("Services, dependencies and contracts ...")
    catalog.load(document=document, by=None)
    _prices(company, document)
    _iterations(company)
    _people(company)
    _contracts(company)
    say("What its services are to keep ...")
    slo_imports.store(text=(FOLDER / "slos.yaml").read_bytes(), by=None)
    read_on()
    periods.record()
    say("The ledger of 217 debts ...")
    _ledger(company["source"])
    say("What the important ones do ...")
    _impacts(company)
    say("What repairs have brought ...")
    _outcomes(company)
    say("What nineteen low priorities do together ...")
    catalog.load(document=_read("scenarios.yaml"), by=None)
    scores.queue_run(by=None)
    audit.record(FILLED, "demo", by=None, kind="demo")


def read_on() -> None:
    """Let the SLOs read what has happened since they last did; some months at first."""
    demo_traffic.read_on(_company().get("traffic", {}))


def _company() -> dict[str, Any]:
    return _read("company.yaml")


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = documents.load_one((FOLDER / name).read_bytes())
    return found


def _prices(company: dict[str, Any], document: dict[str, Any]) -> None:
    for entry in company["prices"]:
        likely = Decimal(str(entry["likely"]))
        Price.objects.update_or_create(
            service=None,
            kind=entry["kind"],
            defaults={
                "low": Decimal(str(entry.get("low", likely))),
                "likely": likely,
                "high": Decimal(str(entry.get("high", likely))),
                "grade": entry["grade"],
                "source": entry["source"],
            },
        )
    per_ms = Decimal(company["value_lost_per_ms"])
    services = {service.slug: service for service in Service.objects.all()}
    for entry in document["services"]:
        if entry["value_per_request"] is None:
            continue
        value = Decimal(str(entry["value_per_request"]))
        a_minute = value * int(entry["yearly_requests"]) / MINUTES_A_YEAR
        for kind, price, grade, source in (
            ("errors", value, "inferred", "Finance: value of a request"),
            ("latency", value * per_ms, "default", "1 % of the value per 100 ms: a guess"),
            ("downtime", a_minute, "inferred", "Value of the requests of a minute"),
        ):
            price = price.quantize(Decimal("1e-10"))
            Price.objects.update_or_create(
                service=services[entry["slug"]],
                kind=kind,
                defaults={
                    **dict.fromkeys(("low", "likely", "high"), price),
                    "grade": grade,
                    "source": source,
                },
            )


def _iterations(company: dict[str, Any]) -> None:
    """Three spans of two weeks for each team, the first one beginning this week."""
    today = timezone.localdate()
    monday = today - timedelta(days=today.weekday())
    for slug, days in company["capacity"].items():
        team = Team.objects.get(slug=slug)
        for number in range(3):
            starts_on = monday + timedelta(weeks=2 * number)
            year, week, _ = starts_on.isocalendar()
            Iteration.objects.get_or_create(
                team=team,
                name=f"{year}-W{week:02}",
                defaults={
                    "starts_on": starts_on,
                    "ends_on": starts_on + timedelta(days=13),
                    "capacity_days": days,
                },
            )


def _people(company: dict[str, Any]) -> None:
    for person in company["people"]:
        user, is_new = User.objects.get_or_create(
            username=person["username"],
            defaults={
                "first_name": person["first_name"],
                "last_name": person["last_name"],
                "role": person["role"],
                "is_staff": person["role"] == "admin",
                "is_superuser": person["role"] == "admin",
            },
        )
        if is_new:
            user.set_password(PASSWORD)
            user.save()
        user.teams.set(Team.objects.filter(slug__in=person["teams"]))


def _contracts(company: dict[str, Any]) -> None:
    """Confirmed terms, an amendment, and a few months of the penalty ledger."""
    by = User.objects.get(username=company["confirmed_by"])
    rows = {row.contract.reference: row for row in Guarantee.objects.with_terms()}
    for reference, row in rows.items():
        for terms in row.terms.all():
            if reference not in company["unconfirmed"] and terms.value is not None:
                contracts.confirm(guarantee_id=row.pk, version=terms.version, by=by)
    today = timezone.localdate()
    for entry in company["amendments"]:
        guarantee = rows[entry["contract"]]
        texts = {name: value for name, value in entry.items() if name in TEXTS}
        day = _month(today, entry["months"])
        terms = contracts.amend(guarantee_id=guarantee.pk, effective_from=day, texts=texts, by=by)
        contracts.confirm(guarantee_id=guarantee.pk, version=terms.version, by=by)
    for entry in company["measured"]:
        if "month" in entry:
            first = _month(today, entry["month"])
            last = _month(today, entry["month"] - 1) - timedelta(days=1)
        else:
            last = today - timedelta(days=entry["ended"])
            first = last - timedelta(days=29)
        penalties.record_period(
            guarantee_id=rows[entry["contract"]].pk,
            starts_on=first,
            ends_on=last,
            **{name: entry[name] for name in ("measured", "requests", "source")},
            by=by,
        )


def _month(today: date, ago: int) -> date:
    """The first day of the month so many months ago."""
    months = today.year * 12 + today.month - 1 - ago
    return date(months // 12, months % 12 + 1, 1)


def _ledger(source: str) -> None:
    """The way that every ledger goes: upload, preview, commit."""
    if DebtItem.objects.exists():
        return
    with (FOLDER / LEDGER).open("rb") as file:
        job = imports.start(file=file, filename=LEDGER, source=source, by=None)
    imports.run(job.pk, "demo")
    imports.commit(import_id=job.pk, by=None)
    imports.run(job.pk, "demo")
    job.refresh_from_db()
    if job.error:
        raise Conflict(
            _("The demo's ledger was not imported: %(error)s") % {"error": job.error}, hint=job.hint
        )


def _impacts(company: dict[str, Any]) -> None:
    guarantees = {g.contract.reference: g for g in Guarantee.objects.select_related("contract")}
    ids = [*company["impacts"], *company["medium_confidence"]]
    items = {item.ledger_id: item for item in DebtItem.objects.filter(ledger_id__in=ids)}
    medium = set(company["medium_confidence"])
    DebtItem.objects.filter(ledger_id__in=medium).update(
        confidence="medium", revision=F("revision") + 1
    )
    scores.score_items([items[ledger_id].pk for ledger_id in medium])
    for ledger_id, impacts in company["impacts"].items():
        _add_impacts(items[ledger_id], impacts, guarantees)


def _add_impacts(
    item: DebtItem, impacts: list[dict[str, Any]], guarantees: dict[str, Guarantee]
) -> None:
    """Beside what the ledger states, which stays the first."""
    stated = [_kept(impact) for impact in item.impacts.filter(kind="stated")]
    debt.update(
        pk=item.pk,
        fields={},
        impacts=[*stated, *(_impact(impact, guarantees) for impact in impacts)],
        by=None,
    )


def _kept(impact: Any) -> dict[str, Any]:
    names = ["kind", *points("unit_price"), "currency", "grade", "note"]
    return {name: getattr(impact, name) for name in names}


def _impact(entry: dict[str, Any], guarantees: dict[str, Guarantee]) -> dict[str, Any]:
    values: dict[str, Any] = {k: entry[k] for k in ("kind", "grade", "note") if k in entry}
    values["guarantee"] = guarantees.get(entry.get("guarantee", ""))
    if "slo" in entry:
        values |= {"slo": Slo.objects.get(name=entry["slo"]), "slo_part": entry["slo_part"]}
    for factor in FACTORS:
        if factor not in entry:
            continue
        three = entry[factor] if isinstance(entry[factor], list) else [entry[factor]] * 3
        number = (lambda x: Decimal(str(x))) if factor == "unit_price" else float
        values |= dict(zip(points(factor), map(number, three), strict=True))
    return values


def _outcomes(company: dict[str, Any]) -> None:
    """Let some of the ledger's repaired debts have been promoted, repaired and measured here."""
    users = {user.username: user for user in User.objects.all()}
    for ledger_id, entry in company["outcomes"].items():
        item = DebtItem.objects.get(ledger_id=ledger_id)
        if Outcome.objects.filter(item=item).exists():
            continue
        with transaction.atomic():
            author = users.get(entry.get("author", ""))
            DebtItem.objects.filter(pk=item.pk).update(author=author)
            debt.reopen(pk=item.pk, by=None)
            _add_impacts(item, entry.get("impacts", []), {})
            backlog.promote(pk=item.pk, by=None)
            debt.resolve(pk=item.pk, by=None)
            outcome = _long_ago(item, entry["promoted"], entry["resolved"])
            if took := entry.get("took"):
                outcomes.set_effort(
                    outcome_id=outcome.pk,
                    days=Decimal(str(took["days"])),
                    cash=Decimal(took.get("cash", 0)),
                    by=None,
                )
            for reading in entry["readings"]:
                outcomes.add_reading(outcome_id=outcome.pk, values=_reading(reading), by=author)


def _long_ago(item: DebtItem, promoted: int, resolved: int) -> Outcome:
    """Move the promotion and the repair to so many days ago."""
    now = timezone.now()
    promoted_at, resolved_at = now - timedelta(days=promoted), now - timedelta(days=resolved)
    resolved_on = timezone.localdate() - timedelta(days=resolved)
    item.entries.update(created_at=promoted_at, closed_at=resolved_at)
    DebtItem.objects.filter(pk=item.pk).update(closed_on=resolved_on)
    outcome = item.outcomes.get()
    outcome.promoted_at, outcome.resolved_at = promoted_at, resolved_at
    outcome.due_on = resolved_on + timedelta(days=settings.OUTCOME_DUE_DAYS)
    outcome.save()
    return outcome


def _reading(entry: dict[str, Any]) -> dict[str, Any]:
    today = timezone.localdate()
    values = {name: value for name, value in entry.items() if name not in ("from", "to", "amount")}
    for name in values.keys() & {"frequency", "share", "magnitude"}:
        values[name] = float(values[name])
    return {
        **values,
        "starts_on": today - timedelta(days=entry["from"]),
        "ends_on": today - timedelta(days=entry["to"]),
        "amount": Decimal(str(entry["amount"])) if "amount" in entry else None,
    }
