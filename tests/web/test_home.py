"""The page that everybody begins with."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from debtreg.actions import findings, scores
from debtreg.models import Finding, FindingKind, JobState, Role, ScoringRun, SloState, StateWindow
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    GuaranteeFactory,
    IterationFactory,
    OutcomeFactory,
    ScenarioMemberFactory,
    ScoringRunFactory,
    SloFactory,
    UserFactory,
    stated,
    toil,
)
from tests.web.company import Company

LOSS = ("loss_low", "loss_likely", "loss_high")
AsRole = Callable[[str], Client]


def section(page: str, name: str) -> str:
    """What stands in the section of that id."""
    return page.split(f'aria-labelledby="{name}"', 1)[1].split("</section>", 1)[0]


@pytest.mark.parametrize("role", Role.values)
def test_everybody_begins_with_their_own_role_and_can_look_at_the_others(
    as_role: AsRole, role: str
) -> None:
    client = as_role(role)
    page = client.get("/").text
    assert f'<a href="?as={role}" aria-current="page">' in page
    for other in Role.values:
        assert f'<a href="?as={other}" aria-current="page">' in client.get(f"/?as={other}").text
    assert f'<a href="?as={role}" aria-current="page">' in client.get("/?as=king").text


def test_who_logs_in_comes_home_or_where_they_were_going(client: Client, company: Company) -> None:
    sent = {"username": Role.SRE, "password": "a password for tests"}
    assert client.post("/login/", sent).headers["Location"] == "/"
    client.logout()
    answer = client.post("/login/", {**sent, "next": "/ranking/?team=payments"})
    assert answer.headers["Location"] == "/ranking/?team=payments"


def test_links_to_the_ranking_where_it_was_lead_to_it(owner: Client) -> None:
    answer = owner.get("/?team=payments&min_roi=3")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/ranking/?team=payments&min_roi=3"


def test_an_engineer_sees_what_pays_what_to_estimate_and_what_to_measure(
    as_role: AsRole, company: Company
) -> None:
    unsure = DebtItemFactory(
        title="Nobody has timed it",
        service=company.service,
        effort_low=1,
        effort_likely=3,
        effort_high=9,
        impacts=[toil(90)],
    )
    scores.score_items([unsure.pk])
    page = as_role(Role.MEMBER).get("/").text
    assert company.best.title in section(page, "mine")
    assert company.middling.title not in page, "it is another team's"
    assert company.unestimated.title in section(page, "unestimated")
    measure = section(page, "measure")
    assert "Nobody has timed it" in measure
    assert "Effort of the repair" in measure
    assert company.best.title not in measure, "nothing that is known better moves it"
    other = as_role(Role.MEMBER).get("/?of=accounts").text
    assert company.middling.title in section(other, "mine")


def test_what_pays_goes_by_the_roi_that_decides(as_role: AsRole, company: Company) -> None:
    """A gate has half of the loss as its share, and none is left to gain beside a started one."""
    member = DebtItemFactory(title="Shares a loss", service=company.service, effort=1)
    started = DebtItemFactory(
        title="Under way", service=company.service, effort=1, status="doing", impacts=[toil(50)]
    )
    scenario = FailureScenarioFactory(**dict.fromkeys(LOSS, 8000))
    for item in (member, started):
        ScenarioMemberFactory(scenario=scenario, item=item)
    scores.score_items([member.pk, started.pk])
    rows = section(as_role(Role.MEMBER).get("/").text, "mine")
    assert rows.index(company.best.title) < rows.index("Shares a loss")


def test_someone_without_a_team_sees_all_of_them_and_why(client: Client, company: Company) -> None:
    client.force_login(UserFactory(role=Role.MEMBER))
    page = client.get("/").text
    assert "You are in no team yet" in page
    assert company.middling.title in section(page, "mine")


def test_a_product_owner_sees_what_was_promoted_since_their_last_visit(
    as_role: AsRole, company: Company, time_machine: object
) -> None:
    client = as_role(Role.PRODUCT_OWNER)
    page = client.get("/").text
    assert "Promoted in the last seven days" in page
    assert company.best.title in section(page, "fresh")
    assert "2 / 10 days" in section(page, "room")
    assert company.best.title in section(page, "near")
    person = company.people[Role.PRODUCT_OWNER]
    person.refresh_from_db()
    assert person.visited_at is None
    # A day later, on another visit, it is old.
    type(person).objects.filter(pk=person.pk).update(seen_at=timezone.now() - timedelta(hours=1))
    company.entry.created_at = timezone.now() - timedelta(hours=3)
    company.entry.save()
    page = client.get("/").text
    assert "Promoted since your last visit" in page
    assert company.best.title not in section(page, "fresh")
    assert "Nothing new" in section(page, "fresh")
    first = type(person).objects.get(pk=person.pk).visited_at
    client.get("/")
    assert type(person).objects.get(pk=person.pk).visited_at == first, "it is the same visit"


def test_an_sre_sees_what_burns_and_what_is_wrong_with_slos(
    as_role: AsRole, company: Company
) -> None:
    client = as_role(Role.SRE)
    assert "No SLO has a reading yet" in client.get("/").text
    slo = SloFactory(service=company.service)
    now = timezone.now()
    for window in StateWindow.values:
        SloState.objects.create(
            slo=slo,
            window=window,
            starts_at=now - timedelta(days=1),
            ends_at=now,
            burn_rate=Decimal(20),
            remaining=Decimal("-0.5"),
            is_firing=True,
        )
    Finding.objects.create(
        key="x", kind=FindingKind.NO_DATA, slo=slo, subject=f"SLO {slo.name}", text="Nothing read."
    )
    page = client.get("/").text
    assert company.service.slug in section(page, "heat")
    assert "1 SLO alerts" in section(page, "heat")
    assert "Nothing read." in section(page, "findings")


def test_compliance_sees_gaps_by_age_and_contracts_to_confirm(
    as_role: AsRole, company: Company
) -> None:
    client = as_role(Role.COMPLIANCE)
    assert "No gap" in client.get("/").text
    promise = GuaranteeFactory(provider=company.service)
    promise.terms.update(confirmed_at=None)
    findings.refresh()
    Finding.objects.update(opened_at=timezone.now() - timedelta(days=40))
    page = client.get("/").text
    assert f'href="/contracts/{promise.contract_id}/"' in section(page, "unconfirmed")
    assert "30 to 90 days old</dt><dd>" in page
    assert "younger than 7 days</dt><dd>0</dd>" in page


def test_a_director_sees_money_at_risk_and_recovered_with_the_number_of_cases(
    as_role: AsRole, company: Company
) -> None:
    client = as_role(Role.DIRECTOR)
    assert "no repair has been measured" in client.get("/").text
    OutcomeFactory(benefit=12_000, realised_benefit=9_000, is_measured=True)
    OutcomeFactory(benefit=8_000, realised_benefit=10_000)
    OutcomeFactory(benefit=5_000, realised_benefit=None)
    page = client.get("/").text
    assert "¥19k <small>of ¥20k predicted, 2 cases, 1 measured</small>" in page
    assert company.best.title in section(page, "costliest")
    assert company.payments.name in section(page, "by-team")


def test_an_administrator_sees_what_has_failed_and_what_to_do(
    as_role: AsRole, company: Company
) -> None:
    client = as_role(Role.ADMIN)
    assert "Nothing has failed" in client.get("/").text
    run = ScoringRunFactory(
        state=JobState.FAILED, finished_at=timezone.now(), error="Out of memory.", hint="Add some."
    )
    ScoringRunFactory(state=JobState.FAILED, finished_at=timezone.now() - timedelta(days=8))
    page = client.get("/").text
    failures = section(page, "failures")
    assert failures.count("<tr>") == 1 + 1
    assert f'href="/runs/{run.pk}/"' in failures
    assert "Add some." in failures
    assert ScoringRun.objects.count() == 2


@pytest.mark.parametrize("role", Role.values)
def test_home_takes_fewer_than_25_queries_whatever_the_size(
    as_role: AsRole,
    company: Company,
    role: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    many = [
        DebtItemFactory(
            service=company.service,
            effort_low=1,
            effort_likely=2,
            effort_high=5,
            impacts=[stated(5000 + 40 * n)],
        )
        for n in range(40)
    ]
    scenario = FailureScenarioFactory()
    for item in many[:3]:
        ScenarioMemberFactory(scenario=scenario, item=item)
    for n in range(9):
        SloFactory(service=company.service)
        IterationFactory(team=company.payments, name=f"Sprint {30 + n}")
        ScoringRunFactory(state=JobState.FAILED, finished_at=timezone.now(), error="x")
        GuaranteeFactory(provider=company.service).terms.update(confirmed_at=None)
        OutcomeFactory(benefit=1, realised_benefit=1)
    findings.refresh()
    scores.score_items([item.pk for item in many])
    client = as_role(role)
    client.get("/")
    with django_assert_max_num_queries(24):
        assert client.get("/").status_code == 200
