"""A small company for tests of pages: two teams, their debts, one person for each role."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from debtreg.actions import scores
from debtreg.models import (
    BacklogEntry,
    DebtItem,
    EntryState,
    ImpactKind,
    Iteration,
    Role,
    Service,
    Team,
    User,
)
from tests.factories import (
    DebtItemFactory,
    IterationFactory,
    PriceFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
    stated,
    toil,
)

PASSWORD = "a password for tests"


@dataclass
class Company:
    payments: Team
    accounts: Team
    service: Service
    other_service: Service
    sprint: Iteration
    best: DebtItem  # ROI 4.5, promoted into the sprint
    middling: DebtItem  # ROI 1.56
    unpriced: DebtItem
    unestimated: DebtItem
    entry: BacklogEntry
    people: dict[str, User]


def found() -> Company:
    payments = TeamFactory(slug="payments", name="支付组", day_rate=Decimal(1600))
    accounts = TeamFactory(slug="accounts", name="账户组", day_rate=Decimal(1600))
    service = ServiceFactory(
        slug="payment-service", name="支付服务", team=payments, requests_per_year=120_000_000
    )
    other = ServiceFactory(slug="auth-service", team=accounts)
    PriceFactory(kind=ImpactKind.TOIL, price=Decimal(200))
    PriceFactory(kind=ImpactKind.LATENCY, service=service, price=Decimal("0.00002"))
    people = {
        role: UserFactory(username=role, role=role, teams=[payments] if role in OF_PAYMENTS else [])
        for role in Role.values
    }
    for person in people.values():
        person.set_password(PASSWORD)
        person.save()
    sprint = IterationFactory(
        team=payments,
        name="Sprint 24",
        starts_on=date(2026, 11, 23),
        ends_on=date(2026, 12, 6),
        capacity_days=Decimal(10),
    )
    best = DebtItemFactory(title="退款查询全表扫描", service=service, effort=2, impacts=[toil(72)])
    middling = DebtItemFactory(
        title="Tokens never expire", service=other, effort=2, impacts=[stated(5000)]
    )
    unpriced = DebtItemFactory(title="Nobody knows what it costs", service=service)
    unestimated = DebtItemFactory(
        title="Nobody knows how long it takes", service=service, effort=None, impacts=[toil(10)]
    )
    scores.score_items([best.pk, middling.pk, unpriced.pk, unestimated.pk])
    entry = BacklogEntry.objects.create(
        item=best,
        team=payments,
        iteration=sprint,
        state=EntryState.PLANNED,
        repair_days=Decimal(2),
        roi=4.5,
        marginal_roi=4.5,
        reason="ROI 4.5 is above 3.",
        policy_version=1,
    )
    return Company(
        payments,
        accounts,
        service,
        other,
        sprint,
        best,
        middling,
        unpriced,
        unestimated,
        entry,
        people,
    )


OF_PAYMENTS = (Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE)
