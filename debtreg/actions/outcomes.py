"""Outcomes: predictions frozen when items are resolved, and what was read of them since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Prefetch, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import bulk, formulas, frames, realised
from debtreg.actions import audit, rights
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import (
    ACTIVE_STATES,
    AMOUNT_LIMIT,
    SCENARIO,
    BacklogEntry,
    DebtImpact,
    ImpactKind,
    Outcome,
    OutcomeImpact,
    OutcomeReading,
    Price,
    Side,
    Team,
    User,
)

OUTCOMES = realised.OUTCOMES
ENTRIES = BacklogEntry._meta.db_table
IMPACTS = DebtImpact._meta.db_table
# What a reading may be made of instead of an amount.
FACTORS = ("frequency", "share", "magnitude")
LONGEST_PERIOD_DAYS = 3660
DEFAULT_PERIOD_DAYS = 365
# What `realised.parts` and the pages and answers of one outcome read.
DETAILS = (
    "impacts",
    Prefetch("readings", OutcomeReading.objects.select_related("impact", "entered_by")),
)
# The registry knows of nothing before.
FIRST_DAY = date(1970, 1, 1)


class ReadingsRefused(DebtregError):
    """Readings that say nothing about a year; `fields` says which and why."""


class NoSuchPeriod(DebtregError):
    """A period that cannot be summed up."""


# --- With the item, in the caller's transaction ---------------------------------------------------


def freeze(pks: Sequence[int], *, closed_on: Mapping[int, date] | None = None) -> None:
    """Keep what was predicted of items that are being resolved, before anything of them changes.

    The caller has locked them. What is published is what was predicted; it is copied as it is.

    closed_on : the days on which they were repaired, where that is stated
    """
    if not pks:
        return
    now = timezone.now()
    condition, params = bulk.among("d.id", pks)
    states = ", ".join(f"'{state}'" for state in ACTIVE_STATES)
    copied = (
        *("policy_version", "annual_cost", "benefit", "weighted_benefit", "repair_cost"),
        *("roi", "roi_p5", "roi_p95"),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {OUTCOMES} (item_id, team_id, service_id, author_id, promoted_at,"
            f" resolved_at, due_on, is_measured, {', '.join(copied)})"
            " SELECT d.id, d.team_id, d.service_id, d.author_id, e.created_at, %s, %s, FALSE,"
            f" {', '.join(f's.{name}' for name in copied)}"
            f" FROM {frames.ITEMS} d LEFT JOIN {frames.SCORES} s ON s.item_id = d.id"
            f" LEFT JOIN {ENTRIES} e ON e.item_id = d.id AND e.state IN ({states})"
            f" WHERE {condition}",
            [bulk.stamp(now), bulk.stamp(_due_on(now)), *params],
        )
        condition, params = bulk.among("item_id", pks)
        cursor.execute(
            f"SELECT item_id, id FROM {OUTCOMES} WHERE reopened_at IS NULL AND {condition}", params
        )
        outcome_of: dict[int, int] = dict(cursor.fetchall())
        condition, params = bulk.among("i.item_id", pks)
        cursor.execute(
            f"INSERT INTO {realised.IMPACTS} (outcome_id, number, kind, note)"
            " SELECT o.id, ROW_NUMBER() OVER (PARTITION BY i.item_id ORDER BY i.id), i.kind, i.note"
            f" FROM {IMPACTS} i JOIN {OUTCOMES} o ON o.item_id = i.item_id"
            f" AND o.reopened_at IS NULL WHERE {condition}",
            params,
        )
    _keep_detail(pks, outcome_of)
    _keep_shares(sorted(outcome_of.values()))
    _keep_stated_days(outcome_of, closed_on or {}, now)


def _keep_detail(pks: Sequence[int], outcome_of: Mapping[int, int]) -> None:
    """What the published score does not say: the effort in days, and each impact."""
    items, impacts = realised.predict(pks)
    bulk.update_rows(
        OUTCOMES,
        "id",
        [outcome_of[pk] for pk in items["item_id"].tolist()],
        ["repair_days", "day_rate"],
        [_values(items[name]) for name in ("repair_days", "day_rate")],
    )
    if impacts.empty:
        return
    condition, params = bulk.among("outcome_id", sorted(outcome_of.values()))
    rows = bulk.read(
        f"SELECT id, outcome_id, CAST(number AS bigint) FROM {realised.IMPACTS} WHERE {condition}",
        {"id": "int", "outcome_id": "int", "number": "int"},
        params,
    )
    impacts["outcome_id"] = impacts["item_id"].map(outcome_of)
    rows = rows.merge(impacts, on=["outcome_id", "number"])
    bulk.update_rows(
        realised.IMPACTS,
        "id",
        rows["id"].tolist(),
        ["unit_price", "annual_cost", "benefit"],
        [
            _values(rows["unit_price"]),
            *(_values(rows[name].round(2)) for name in ("cost", "benefit")),
        ],
    )


def _keep_shares(ids: Sequence[int]) -> None:
    """The share of failure scenarios, as one more impact: what is published beyond the own ones."""
    mine, mine_params = bulk.among("outcome_id", ids)
    condition, params = bulk.among("o.id", ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {realised.IMPACTS} (outcome_id, number, kind, note, annual_cost, benefit)"
            f" SELECT o.id, COALESCE(own.n, 0) + 1, '{SCENARIO}', '', s.scenario_cost,"
            " ROUND(o.benefit - COALESCE(own.benefit, 0), 2)"
            f" FROM {OUTCOMES} o JOIN {frames.SCORES} s ON s.item_id = o.item_id"
            " LEFT JOIN (SELECT outcome_id, COUNT(*) AS n, SUM(benefit) AS benefit"
            f" FROM {realised.IMPACTS} WHERE {mine} GROUP BY outcome_id) own"
            f" ON own.outcome_id = o.id WHERE s.scenario_cost IS NOT NULL AND {condition}",
            [*mine_params, *params],
        )


def _keep_stated_days(
    outcome_of: Mapping[int, int], closed_on: Mapping[int, date], now: datetime
) -> None:
    """A ledger may say today that something was repaired last week."""
    today = timezone.localdate()
    ends = {
        outcome_of[pk]: timezone.make_aware(datetime.combine(day, time.max))
        for pk, day in closed_on.items()
        if day < today
    }
    if ends:
        bulk.update_rows(
            OUTCOMES,
            "id",
            list(ends),
            ["resolved_at", "due_on"],
            [
                [bulk.stamp(end) for end in ends.values()],
                [bulk.stamp(_due_on(end)) for end in ends.values()],
            ],
        )


def _due_on(resolved_at: datetime) -> date:
    return timezone.localtime(resolved_at).date() + timedelta(days=settings.OUTCOME_DUE_DAYS)


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return values


def reopen(pks: Sequence[int]) -> None:
    """Mark the outcomes of items that are resolved no longer; what they say is kept."""
    if not pks:
        return
    condition, params = bulk.among("item_id", pks)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {OUTCOMES} SET reopened_at = %s WHERE reopened_at IS NULL AND {condition}",
            [bulk.stamp(timezone.now()), *params],
        )


# --- Readings -------------------------------------------------------------------------------------


@transaction.atomic
def add_reading(*, outcome_id: int, values: Mapping[str, Any], by: User | None) -> Outcome:
    """Enter what an impact, or the whole item, has cost before or after its repair.

    values : impact (its number; None for the whole item), side, starts_on, ends_on, grade, note,
        and either amount (money in the period) or frequency (counted in the period), share and
        magnitude, as the kind has them, with unit_price or at the price of the prediction
    """
    row = {**values, "outcome_id": outcome_id}
    outcomes = _locked([outcome_id], by)
    readings, problems = _read([row], outcomes, by)
    if problems:
        raise _refusal(problems[0])
    _store(readings, outcomes)
    outcome = outcomes[outcome_id]
    audit.record("outcome.read", outcome.item, by=by, new=audit.values_of(readings[0]))
    return outcome


@transaction.atomic
def add_readings(*, rows: Sequence[Mapping[str, Any]], by: User | None) -> int:
    """Enter readings of many outcomes, all or none. `rows` are as `values` above with outcome_id.

    Raises ReadingsRefused, its fields being `readings[n].name`.
    """
    outcomes = _locked({row["outcome_id"] for row in rows}, by)
    readings, problems = _read(rows, outcomes, by)
    if problems:
        raise ReadingsRefused(
            _("%(n)s of %(all)s readings can't be used, so none was stored.")
            % {"n": len(problems), "all": len(rows)},
            hint=_("Correct these and send all of them again."),
            fields={
                f"readings[{number}].{name}": texts
                for number, found in list(problems.items())[:100]
                for name, texts in found.items()
            },
        )
    _store(readings, outcomes)
    keys = [outcome.item.key for outcome in outcomes.values()]
    audit.record(
        "outcome.read_many",
        "outcomes",
        by=by,
        kind="outcome",
        new={"readings": len(readings), "debts": keys},
    )
    return len(readings)


@transaction.atomic
def remove_reading(*, outcome_id: int, reading_id: int, by: User | None) -> Outcome:
    """Take back a reading that was wrong."""
    outcome = _locked([outcome_id], by)[outcome_id]
    reading = OutcomeReading.objects.filter(pk=reading_id, outcome=outcome).first()
    if reading is None:
        raise NotFound(
            _("There is no reading %(reading_id)s of %(key)s.")
            % {"reading_id": reading_id, "key": outcome.item.key},
            hint=_("Load it again."),
        )
    old = audit.values_of(reading)
    reading.delete()
    _measure([outcome_id])
    audit.record("outcome.unread", outcome.item, by=by, old=old)
    return outcome


@transaction.atomic
def set_effort(
    *, outcome_id: int, days: Decimal | None, cash: Decimal | None, by: User | None
) -> Outcome:
    """Enter what the repair took: person-days, and money beside the work. None is not known.

    The cost is days × the day rate at that time + cash; without days it is not known.
    """
    outcome = _locked([outcome_id], by)[outcome_id]
    old = audit.values_of(outcome)
    outcome.actual_days, outcome.actual_cash = days, cash
    outcome.actual_cost = None
    if days is not None and (outcome.day_rate is not None or not days):
        work = days * Decimal(str(outcome.day_rate or 0))
        outcome.actual_cost = round(work + (cash or 0), 2)
    try:
        outcome.clean_fields(exclude=["item", "team", "service", "author"])
        outcome.validate_constraints()
    except ValidationError as error:
        raise _refusal(error.message_dict) from error
    outcome.save(update_fields=["actual_days", "actual_cash", "actual_cost"])
    new = audit.values_of(outcome)
    if old != new:
        audit.record("outcome.effort", outcome.item, by=by, old=old, new=new)
    return outcome


def _locked(ids: Any, by: User | None) -> dict[int, Outcome]:
    """Valid outcomes whose readings the user may enter, locked. Raises NotFound, Conflict."""
    found = {
        outcome.pk: outcome
        for outcome in Outcome.objects.select_for_update(of=("self",))
        .select_related("item__team", "service")
        .prefetch_related("impacts")
        .filter(pk__in=ids)
        .order_by("pk")
    }
    for pk in ids:
        if pk not in found:
            raise NotFound(
                _("There is no outcome %(pk)s.") % {"pk": pk},
                hint=_("Look at the list of outcomes."),
            )
    for outcome in found.values():
        rights.check(by, "outcome.measure", outcome.item)
        if outcome.reopened_at is not None:
            raise Conflict(
                _("%(key)s was reopened on %(timezone)s: what this repair brought is over.")
                % {
                    "key": outcome.item.key,
                    "timezone": f"{timezone.localtime(outcome.reopened_at):%Y-%m-%d}",
                },
                hint=_("When it is resolved again, it gets an outcome of its own."),
            )
    return found


def _refusal(problems: Mapping[str, Sequence[str]]) -> ReadingsRefused:
    name, texts = next(iter(problems.items()))
    where = "" if name == "__all__" else f"{name}: "
    return ReadingsRefused(
        f"{where}{texts[0]}", hint=_("Correct this and send it again."), fields=problems
    )


Problems = dict[str, list[str]]


def _read(
    rows: Sequence[Mapping[str, Any]], outcomes: Mapping[int, Outcome], by: User | None
) -> tuple[list[OutcomeReading], dict[int, Problems]]:
    """Readings that are not stored yet, and by number of the row what is wrong with it."""
    taken: dict[Any, list[tuple[date, date]]] = defaultdict(list)
    known = OutcomeReading.objects.filter(outcome__in=outcomes)
    for *key, first, last in known.values_list(
        "outcome_id", "impact_id", "side", "starts_on", "ends_on"
    ):
        taken[tuple(key)].append((first, last))
    prices = _Prices(outcomes)
    readings, problems = [], {}
    for number, row in enumerate(rows):
        reading, found = _read_one(row, outcomes[row["outcome_id"]], prices, by)
        if not found:
            periods = taken[(reading.outcome_id, reading.impact_id, reading.side)]
            found = _period_problems(reading, periods)
            periods.append((reading.starts_on, reading.ends_on))
        if found:
            problems[number] = found
        readings.append(reading)
    return readings, problems


def _read_one(
    row: Mapping[str, Any], outcome: Outcome, prices: _Prices, by: User | None
) -> tuple[OutcomeReading, Problems]:
    values = dict(row)
    number = values.pop("impact", None)
    impact = next((each for each in outcome.impacts.all() if each.number == number), None)
    reading = OutcomeReading(**values, impact=impact, entered_by=by)
    reading.outcome = outcome
    if number is not None and impact is None:
        count = len(outcome.impacts.all())
        text = (
            _("%(key)s had impacts 1 to %(count)s.") % {"key": outcome.item.key, "count": count}
            if count
            else _("It had no impacts.")
        )
        return reading, {
            "impact": [_("%(text)s Leave it empty for the whole item.") % {"text": text}]
        }
    given = [name for name in (*FACTORS, "unit_price") if getattr(reading, name) is not None]
    if values.get("amount") is not None:
        if given:
            return reading, {"amount": [_("Either the amount or what it is made of, not both.")]}
    elif problems := _multiply(reading, prices):
        return reading, problems
    if not 0 <= reading.amount <= AMOUNT_LIMIT:
        return reading, {"amount": [_("An amount lies between 0 and 10^12: check the units.")]}
    try:
        reading.clean_fields(exclude=["outcome", "impact", "entered_by"])
    except ValidationError as error:
        return reading, error.message_dict
    return reading, {}


def _multiply(reading: OutcomeReading, prices: _Prices) -> Problems:
    """Fill the amount: frequency × share × magnitude × unit price, in the reading's period."""
    impact = reading.impact
    if impact is None or impact.kind in (ImpactKind.STATED, SCENARIO):
        of = impact.get_kind_display().lower() if impact else _("the whole item")
        return {"amount": [_("Of %(of)s, enter the amount in the period.") % {"of": of}]}
    units = formulas.units_of(impact.kind)
    problems = {}
    product = 1.0
    for name in FACTORS:
        value = getattr(reading, name)
        if name not in units:
            if value is not None:
                problems[name] = [_("%(impact)s has none.") % {"impact": impact.get_kind_display()}]
            continue
        if value is None:
            problems[name] = [
                _("Enter it (%(units)s, in the period), or the amount.") % {"units": units[name]}
            ]
        else:
            product *= value
    if reading.unit_price is None:
        reading.unit_price = prices.of(reading.outcome, impact)
        if reading.unit_price is None:
            problems["unit_price"] = [
                _(
                    "No price is known for this. Enter it here, or the amount, or have it put "
                    "into the price book."
                )
            ]
    if not problems:
        product *= reading.unit_price or 0.0
        # What is beyond any amount is refused as one; a Decimal of it may not exist.
        reading.amount = round(Decimal(min(product, 10.0 * AMOUNT_LIMIT)), 2)
    return problems


class _Prices:
    """The price of an impact as it was predicted with; else what the price book says today."""

    def __init__(self, outcomes: Mapping[int, Outcome]) -> None:
        self.outcomes = outcomes
        self._book: dict[tuple[int | None, str], float] | None = None

    def of(self, outcome: Outcome, impact: OutcomeImpact) -> float | None:
        if impact.unit_price is not None:
            return impact.unit_price
        if self._book is None:
            services = {outcome.service_id for outcome in self.outcomes.values()}
            rows = Price.objects.filter(Q(service__in=services - {None}) | Q(service=None))
            self._book = {
                (price.service_id, price.kind): float(
                    (price.low + 4 * price.likely + price.high) / 6
                )
                for price in rows
            }
        special = self._book.get((outcome.service_id, impact.kind))
        return self._book.get((None, impact.kind)) if special is None else special


def _period_problems(reading: OutcomeReading, others: Sequence[tuple[date, date]]) -> Problems:
    first, last, resolved_on = reading.starts_on, reading.ends_on, reading.outcome.resolved_on
    days = (last - first).days + 1
    today = timezone.localdate()
    if days < realised.LEAST_DAYS:
        wrong = _("ends before it begins") if days < 1 else _("has %(days)s days") % {"days": days}
        return {
            "ends_on": [
                _("The period %(wrong)s: a year can't be told from fewer than %(least_days)s days.")
                % {"wrong": wrong, "least_days": realised.LEAST_DAYS}
            ]
        }
    if days > LONGEST_PERIOD_DAYS:
        return {
            "starts_on": [
                _("The period has %(days)s days: choose up to ten years.") % {"days": f"{days:,}"}
            ]
        }
    if last > today:
        return {"ends_on": [_("The period is not over: today is %(today)s.") % {"today": today}]}
    if reading.side == Side.BEFORE and last > resolved_on:
        return {
            "ends_on": [
                _("It was repaired on %(resolved_on)s: the time before ends by then.")
                % {"resolved_on": resolved_on}
            ]
        }
    if reading.side == Side.AFTER and first < resolved_on:
        return {
            "starts_on": [
                _("It was repaired on %(resolved_on)s: the time after begins then.")
                % {"resolved_on": resolved_on}
            ]
        }
    for start, end in others:
        if start <= last and first <= end:
            return {
                "starts_on": [
                    _(
                        "There is a reading of this from %(start)s to %(end)s already: remove it "
                        "first, or choose days beside it."
                    )
                    % {"start": start, "end": end}
                ]
            }
    return {}


def _store(readings: Sequence[OutcomeReading], outcomes: Mapping[int, Outcome]) -> None:
    OutcomeReading.objects.bulk_create(readings, batch_size=1_000)
    _measure(sorted(outcomes))


def _measure(ids: Sequence[int]) -> None:
    """Let what is realised follow the readings."""
    found = realised.measure(ids)
    columns = [_values(found[name].round(2)) for name in ("cost_before", "cost_after", "realised")]
    columns.append([bool(value) for value in found["measured"].eq(True)])
    bulk.update_rows(
        OUTCOMES,
        "id",
        ids,
        ["cost_before", "cost_after", "realised_benefit", "is_measured"],
        columns,
    )
    these = Outcome.objects.filter(pk__in=ids)
    these.filter(realised_benefit__isnull=True).update(measured_at=None)
    these.filter(realised_benefit__isnull=False, measured_at__isnull=True).update(
        measured_at=timezone.now()
    )


# --- The portfolio --------------------------------------------------------------------------------


def summary(
    *, first: date | None = None, last: date | None = None, team: Team | None = None
) -> dict[str, Any]:
    """What the repairs of a period have brought: see realised.summary. By default of a year.

    Adds `due`: how many measurements are due today, of whatever period.
    """
    today = timezone.localdate()
    last = last or today
    first = first or last - timedelta(days=DEFAULT_PERIOD_DAYS - 1)
    if first > last:
        raise NoSuchPeriod(
            _("The period from %(first)s to %(last)s ends before it begins.")
            % {"first": first, "last": last},
            hint=_("Swap the two days."),
            fields={"from": [_("This is after the last day.")]},
        )
    if last > today:
        raise NoSuchPeriod(
            _("The period ends on %(last)s, and today is %(today)s.")
            % {"last": last, "today": today},
            hint=_("Choose a last day that is not to come."),
            fields={"to": [_("Today is %(today)s.") % {"today": today}]},
        )
    if first < FIRST_DAY:
        raise NoSuchPeriod(
            _("The period begins on %(first)s, before %(first_day)s.")
            % {"first": first, "first_day": FIRST_DAY},
            hint=_("Choose a first day from then on."),
            fields={"from": [_("From %(first_day)s on.") % {"first_day": FIRST_DAY}]},
        )
    due = Outcome.objects.in_state("due", today)
    if team is not None:
        due = due.filter(team=team)
    return {**realised.summary(first, last, team), "due": due.count()}
