"""Rows for tests: plain ones, valid as they come."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.db import connection
from django.utils import timezone
from factory.django import DjangoModelFactory

from debtreg import terms
from debtreg.models import (
    EVENT,
    BacklogEntry,
    Connection,
    Contract,
    DebtImpact,
    DebtItem,
    FailureScenario,
    Guarantee,
    ImpactKind,
    Iteration,
    JobState,
    Maintenance,
    MemberRole,
    Mover,
    Outcome,
    OutcomeReading,
    PolicyActivation,
    Price,
    ReadingDay,
    Role,
    ScenarioMember,
    ScoringPolicy,
    ScoringRun,
    Service,
    Side,
    Slo,
    Team,
    Terms,
    User,
    WhatIf,
)


class TeamFactory(DjangoModelFactory):
    slug = factory.Sequence(lambda n: f"team-{n}")
    name = factory.LazyAttribute(lambda team: team.slug.title())
    day_rate = Decimal(1600)

    class Meta:
        model = Team


class ServiceFactory(DjangoModelFactory):
    slug = factory.Sequence(lambda n: f"service-{n}")
    name = factory.LazyAttribute(lambda service: service.slug.title())
    team = factory.SubFactory(TeamFactory)

    class Meta:
        model = Service


class PriceFactory(DjangoModelFactory):
    """price: one number for all three points."""

    kind = ImpactKind.TOIL
    low = likely = high = factory.SelfAttribute("price")

    class Meta:
        model = Price

    class Params:
        price = Decimal(200)


class GuaranteeFactory(DjangoModelFactory):
    """With a first version that is in force since ever and confirmed, unless told not to.

    target_text, window_text, penalty_clause, budget_objective: what the version says
    """

    contract = factory.LazyFunction(
        lambda: Contract.objects.create(reference=f"SLA-{Contract.objects.count() + 1}")
    )
    metric = "p99_response_time"

    class Meta:
        model = Guarantee
        skip_postgeneration_save = True

    @classmethod
    def _create(
        cls, model: Any, *, target_text: str = "≤300ms", confirmed: bool = True, **columns: Any
    ) -> Any:
        said = {name: columns.pop(name) for name in terms.TEXTS if name in columns}
        guarantee = model.objects.create(**columns)
        TermsFactory(
            guarantee=guarantee, target_text=target_text, confirmed=confirmed, version=1, **said
        )
        return guarantee


class TermsFactory(DjangoModelFactory):
    """A version, read as scoring reads it."""

    target_text = "≤300ms"
    version = factory.LazyAttribute(lambda row: row.guarantee.terms.count() + 1)

    class Meta:
        model = Terms

    @classmethod
    def _create(cls, model: Any, *, confirmed: bool = True, **columns: Any) -> Any:
        columns |= terms.read(columns["guarantee"].metric, columns)
        if confirmed and columns["value"] is not None:
            columns.setdefault("confirmed_at", timezone.now())
        return model.objects.create(**columns)


class ConnectionFactory(DjangoModelFactory):
    """Nobody answers there."""

    name = factory.Sequence(lambda n: f"site-{n}")
    url = "http://127.0.0.1:9"

    class Meta:
        model = Connection


class SloFactory(DjangoModelFactory):
    """99.9 % of events are good in 30 rolling days; nothing is fetched for it."""

    name = factory.Sequence(lambda n: f"slo-{n}")
    service = factory.SubFactory(ServiceFactory)
    objective = Decimal("0.999")

    class Meta:
        model = Slo


class MaintenanceFactory(DjangoModelFactory):
    """An hour of all services, a day ago."""

    starts_at = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))
    ends_at = factory.LazyAttribute(lambda window: window.starts_at + timedelta(hours=1))
    reason = "move to another rack"

    class Meta:
        model = Maintenance


def measured_days(slo: Slo, *, days: int, total: int, bad: int) -> None:
    """So many whole days up to yesterday, each with `total` events of which `bad` were bad."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    ReadingDay.objects.bulk_create(
        ReadingDay(
            slo=slo,
            at=today - timedelta(days=number),
            good=(total - bad) * EVENT,
            total=total * EVENT,
            seconds=86_400,
        )
        for number in range(1, days + 1)
    )


class DebtItemFactory(DjangoModelFactory):
    """effort: one number for all three points; impacts: a list of columns of DebtImpact."""

    title = factory.Sequence(lambda n: f"debt {n}")
    service = factory.SubFactory(ServiceFactory)
    team = factory.LazyAttribute(lambda item: item.service and item.service.team)
    effort_low = effort_likely = effort_high = factory.SelfAttribute("effort")

    class Meta:
        model = DebtItem
        skip_postgeneration_save = True

    class Params:
        effort = 3.0

    @factory.post_generation
    def impacts(item: DebtItem, create: bool, extracted: Any, **_: Any) -> None:
        for values in extracted or ():
            DebtImpact.objects.create(item=item, **values)


class IterationFactory(DjangoModelFactory):
    team = factory.SubFactory(TeamFactory)
    name = factory.Sequence(lambda n: f"Sprint {n}")
    starts_on = factory.LazyFunction(timezone.localdate)
    ends_on = factory.SelfAttribute("starts_on")
    capacity_days = Decimal(10)

    class Meta:
        model = Iteration


class BacklogEntryFactory(DjangoModelFactory):
    item = factory.SubFactory(DebtItemFactory)
    team = factory.SelfAttribute("item.team")
    repair_days = Decimal(3)
    policy_version = 1

    class Meta:
        model = BacklogEntry


class FailureScenarioFactory(DjangoModelFactory):
    """Loses 100,000 at each of its events, one a year."""

    name = factory.Sequence(lambda n: f"Scenario {n}")
    trigger_rate = 1.0
    loss_low = loss_likely = loss_high = Decimal(100_000)

    class Meta:
        model = FailureScenario


class ScenarioMemberFactory(DjangoModelFactory):
    scenario = factory.SubFactory(FailureScenarioFactory)
    item = factory.SubFactory(DebtItemFactory)
    role = MemberRole.GATE

    class Meta:
        model = ScenarioMember


class ScoringPolicyFactory(DjangoModelFactory):
    """A version that says what the first one says but for `changes`, in force unless told not to.

    changes : of the payload: threshold=2, weights={"toil": 2}
    """

    version = factory.LazyFunction(lambda: ScoringPolicy.objects.count() + 1)

    class Meta:
        model = ScoringPolicy
        skip_postgeneration_save = True

    @classmethod
    def _create(cls, model: Any, *, version: int, in_force: bool = True, **changes: Any) -> Any:
        payload = ScoringPolicy.objects.get(version=1).payload
        for name, value in changes.items():
            payload[name] = payload[name] | value if isinstance(value, dict) else value
        policy = model.objects.create(version=version, payload=payload)
        if in_force:
            last = PolicyActivation.objects.first()
            PolicyActivation.objects.create(policy=policy, previous=last)
        return policy


class OutcomeFactory(DjangoModelFactory):
    """Of an item that was resolved in the past: predicted to save 12,000 a year for 4,800."""

    item = factory.SubFactory(DebtItemFactory, status="done")
    team = factory.SelfAttribute("item.team")
    service = factory.SelfAttribute("item.service")
    resolved_at = factory.LazyFunction(lambda: timezone.now() - timedelta(days=200))
    due_on = factory.LazyFunction(lambda: timezone.localdate() - timedelta(days=110))
    annual_cost = benefit = weighted_benefit = Decimal(12_000)
    repair_cost = Decimal(4_800)
    repair_days = 3.0
    roi = 2.5
    day_rate = 1600.0
    policy_version = 1

    class Meta:
        model = Outcome


class OutcomeReadingFactory(DjangoModelFactory):
    """Of the whole item, in the 73 days before the repair: 10,000 a year."""

    outcome = factory.SubFactory(OutcomeFactory)
    side = Side.BEFORE
    starts_on = factory.LazyFunction(lambda: timezone.localdate() - timedelta(days=280))
    ends_on = factory.LazyAttribute(lambda reading: reading.starts_on + timedelta(days=72))
    amount = Decimal(2_000)
    grade = "measured"

    class Meta:
        model = OutcomeReading


class ScoringRunFactory(DjangoModelFactory):
    class Meta:
        model = ScoringRun


class UserFactory(DjangoModelFactory):
    username = factory.Sequence(lambda n: f"user-{n}")
    role = Role.MEMBER

    class Meta:
        model = User
        skip_postgeneration_save = True

    @factory.post_generation
    def teams(user: User, create: bool, extracted: Any, **_: Any) -> None:
        user.teams.set(extracted or ())


def tamper(version: int, **changes: Any) -> None:
    """Change what a version of the policy says, in the database and past everything else."""
    payload = ScoringPolicy.objects.get(version=version).payload | changes
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {ScoringPolicy._meta.db_table} SET payload = %s WHERE version = %s",
            [json.dumps(payload), version],
        )


def what_was_worked_out(item: DebtItem) -> WhatIf:
    """A draft of the policy, and what it would move: this item, out of the backlog."""
    draft = ScoringPolicyFactory(in_force=False, threshold=9)
    sums = dict.fromkeys(("annual_cost", "benefit", "weighted_benefit", "repair_cost"), "20000.00")
    job = WhatIf.objects.create(
        policy=draft,
        base_id=1,
        state=JobState.DONE,
        items=4,
        moved=1,
        withdrawn=1,
        totals={"before": sums, "after": sums},
        finished_at=timezone.now(),
    )
    Mover.objects.create(
        what_if=job,
        place=1,
        item=item,
        old_roi=4.5,
        new_priority="P2",
        was_promoted=True,
        is_promoted=False,
    )
    return job


def toil(hours: float = 72, **columns: Any) -> dict[str, Any]:
    """An impact of so many hours a year."""
    return {
        "kind": ImpactKind.TOIL,
        "frequency_low": hours,
        "frequency_likely": hours,
        "frequency_high": hours,
        **columns,
    }


def stated(amount: float, **columns: Any) -> dict[str, Any]:
    """An impact that costs so much money a year."""
    price = Decimal(str(amount))
    return {
        "kind": ImpactKind.STATED,
        "unit_price_low": price,
        "unit_price_likely": price,
        "unit_price_high": price,
        **columns,
    }
