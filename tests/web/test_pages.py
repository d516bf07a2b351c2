"""Every page, for everybody: who sees it, who may not, and what it costs."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone

from debtreg.actions import penalties, scores
from debtreg.models import (
    BacklogEntry,
    Connection,
    EntryState,
    FailureScenario,
    Fetch,
    Guarantee,
    JobState,
    LedgerImport,
    LedgerSource,
    Outcome,
    OutcomeImpact,
    Prerequisite,
    Role,
)
from debtreg.web import urls
from tests.factories import (
    ConnectionFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    GuaranteeFactory,
    IterationFactory,
    MaintenanceFactory,
    OutcomeFactory,
    OutcomeReadingFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ScoringRunFactory,
    ServiceFactory,
    SloFactory,
    TermsFactory,
    toil,
    what_was_worked_out,
)
from tests.web.company import Company

READ_BY_ALL = [
    *(f"/?as={role}" for role in Role.values),
    "/",
    "/ranking/",
    "/chart/",
    "/debts/{best}/",
    "/debts/{unpriced}/",
    "/debts/{unestimated}/",
    "/debts/{best}/what-if/",
    "/debts/{unestimated}/what-if/",
    "/backlog/teams/payments/",
    "/backlog/teams/accounts/",
    "/backlog/teams/payments/plan/",
    "/outcomes/",
    "/outcomes/{outcome}/",
    "/debts/{resolved}/",
    "/imports/",
    "/imports/{ledger}/",
    "/runs/",
    "/runs/{run}/",
    "/services/",
    "/services/payment-service/",
    "/burn/",
    "/contracts/",
    "/contracts/{contract}/",
    "/gaps/",
    "/slos/",
    "/slos/{slo}/",
    "/slos/export/",
    "/connections/",
    "/connections/{site}/",
    "/maintenances/",
    "/scenarios/",
    "/scenarios/{scenario}/",
    "/prices/",
    "/policies/",
    "/policies/1/",
    "/policies/{draft}/?against=1",
    "/policies/1/what-if/",
    "/policies/{draft}/what-if/",
    "/tokens/",
    "/password/",
    "/calculators/",
    "/calculators/inversion/",
    "/calculators/burn-rate/",
    "/calculators/penalty/",
    "/calculators/breaker/",
    "/calculators/roi/",
    "/help/",
]
# Who may open a form or a page that is not for all, apart from administrators.
FORMS = {
    "/debts/new/": {Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE},
    "/debts/{best}/edit/": {Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE},
    "/backlog/teams/payments/iterations/new/": {Role.PRODUCT_OWNER},
    "/backlog/teams/accounts/iterations/new/": set(),
    "/backlog/iterations/{sprint}/": {Role.PRODUCT_OWNER},
    "/services/new/": {Role.SRE},
    "/services/payment-service/edit/": {Role.SRE},
    "/prices/new/": {Role.SRE},
    "/prices/{price}/": {Role.SRE},
    "/contracts/new/": {Role.SRE},
    "/contracts/import/": {Role.SRE},
    "/contracts/{contract}/edit/": {Role.SRE},
    "/contracts/{contract}/guarantees/new/": {Role.SRE},
    "/guarantees/{guarantee}/edit/": {Role.SRE},
    "/guarantees/{guarantee}/amend/": {Role.SRE},
    "/slos/new/": {Role.SRE},
    "/slos/import/": {Role.SRE},
    "/slos/{slo}/edit/": {Role.SRE},
    "/connections/new/": {Role.SRE},
    "/connections/{site}/edit/": {Role.SRE},
    "/readings/import/": {Role.SRE},
    "/readings/import/?slo={slo}": {Role.SRE},
    "/maintenances/new/": {Role.SRE},
    "/maintenances/{maintenance}/": {Role.SRE},
    "/scenarios/new/": {Role.SRE},
    "/scenarios/{scenario}/edit/": {Role.SRE},
    "/policies/new/": set(),
    "/policies/new/?from=1": set(),
    "/users/": set(),
    "/users/new/": set(),
    "/users/{user}/": set(),
    "/audit/": {Role.COMPLIANCE},
    "/settings/": set(),
}


def a_scenario(company: Company) -> FailureScenario:
    """One with a member of each role, one of which has a page above."""
    scenario = FailureScenarioFactory(name="Avalanche")
    ScenarioMemberFactory(scenario=scenario, item=company.unpriced)
    ScenarioMemberFactory(scenario=scenario, role="alternative", group="either")
    ScenarioMemberFactory(scenario=scenario, role="amplifier", probability=0.05)
    return scenario


def a_site() -> Connection:
    """One that does not answer; a fetch from it goes on."""
    site = ConnectionFactory(
        last_error="127.0.0.1:9 does not answer: Connection refused.",
        last_error_at=timezone.now(),
        retry_at=timezone.now() + timedelta(minutes=4),
    )
    Fetch.objects.create(connection=site, state=JobState.RUNNING, stage="fetching", done=3, total=9)
    return site


def a_promise(company: Company) -> Guarantee:
    """Missed once, amended, threatened by a debt; no edge, and partly unread."""
    promise = GuaranteeFactory(
        target_text="≥99.9%",
        metric="availability",
        window_text="calendar month",
        penalty_clause="below 99.9%: credit 10%",
        scope_text="auth-service → payment-service",
        consumer=company.other_service,
        provider=company.service,
    )
    TermsFactory(
        guarantee=promise,
        effective_from=date(2026, 1, 1),
        target_text="≥99.95%",
        penalty_clause="as agreed",
        confirmed=False,
    )
    for measured, days in (("99.5%", (date(2025, 6, 1), date(2025, 6, 30))), (None, None)):
        first, last = days or (date(2026, 6, 1), date(2026, 6, 30))
        penalties.record_period(
            guarantee_id=promise.pk,
            starts_on=first,
            ends_on=last,
            measured=measured,
            requests=5000,
            by=None,
        )
    company.middling.impacts.update(guarantee=promise)
    return promise


def an_outcome(company: Company) -> Outcome:
    """Of a resolved debt of payments: a measurement is due, and one side of it is read."""
    outcome = OutcomeFactory(
        item__service=company.service,
        author=company.people[Role.MEMBER],
        promoted_at=timezone.now() - timedelta(days=230),
    )
    impact = OutcomeImpact.objects.create(
        outcome=outcome, number=1, kind="toil", note="by hand", unit_price=200, benefit=12_000
    )
    OutcomeReadingFactory(outcome=outcome)
    OutcomeReadingFactory(outcome=outcome, impact=impact, frequency=10.0, unit_price=200.0)
    OutcomeFactory(item=outcome.item, reopened_at=timezone.now() - timedelta(days=210))
    return outcome


@pytest.fixture
def places(company: Company) -> dict[str, object]:
    """What stands in the paths above."""
    outcome = an_outcome(company)
    promise = a_promise(company)
    # A debt that has all that a debt can have.
    Prerequisite.objects.create(item=company.unpriced, needs=company.middling)
    Prerequisite.objects.create(item=company.unestimated, needs=company.unpriced)
    OutcomeReadingFactory(outcome=OutcomeFactory(item=company.unpriced, reopened_at=timezone.now()))
    BacklogEntry.objects.create(
        item=company.unpriced,
        team=company.payments,
        policy_version=1,
        state=EntryState.WITHDRAWN,
        closed_at=timezone.now(),
    )
    return {
        "contract": promise.contract_id,
        "guarantee": promise.pk,
        "user": company.people[Role.MEMBER].pk,
        "best": company.best.key,
        "unpriced": company.unpriced.key,
        "unestimated": company.unestimated.key,
        "sprint": company.sprint.pk,
        "scenario": a_scenario(company).pk,
        "slo": SloFactory(service=company.service, connection=(site := a_site())).name,
        "site": site.name,
        "price": PriceFactory(service=company.service, kind="errors").pk,
        "maintenance": MaintenanceFactory().pk,
        "draft": what_was_worked_out(company.best).policy_id,
        "outcome": outcome.pk,
        "resolved": outcome.item.key,
        "run": ScoringRunFactory(state=JobState.DONE, annual_cost=1).pk,
        "ledger": LedgerImport.objects.create(
            source=LedgerSource.objects.create(name="台账"),
            filename="a.csv",
            state=JobState.DONE,
            workbook={"sheets": []},
            sample=[{"row": 2, "title": "x", "currency": "CNY"}],
            summary={"imported": 1},
        ).pk,
    }


# On PostgreSQL the frames that a score is worked out from come by COPY; on SQLite each of them is
# a query more.
MOST_QUERIES = {"postgresql": 24, "sqlite": 30}


@pytest.mark.parametrize("role", Role.values)
def test_everybody_reads_every_page_and_form_in_fewer_than_25_queries(
    as_role: Callable[[str], Client],
    role: str,
    places: dict[str, object],
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    client = as_role(role)
    most = MOST_QUERIES[connection.vendor]
    for path in READ_BY_ALL:
        with django_assert_max_num_queries(most, info=path):
            assert client.get(path.format(**places)).status_code == 200, path
    for path in FORMS:
        with django_assert_max_num_queries(most, info=path):
            assert client.get(path.format(**places)).status_code in (200, 403), path


def test_every_page_is_among_those_that_are_looked_at(
    as_role: Callable[[str], Client], places: dict[str, object]
) -> None:
    """So that a new page is counted, looked at by axe and its links followed."""
    client = as_role(Role.ADMIN)
    looked_at = {
        resolve(path.format(**places).split("?")[0]).url_name for path in [*READ_BY_ALL, *FORMS]
    }
    missing = {}
    for each in urls.urlpatterns:
        named = dict.fromkeys(each.pattern.converters, 1)
        answer = client.get(reverse(each.name, kwargs=named))
        is_page = answer.status_code in (200, 404) and not answer.has_header("Content-Disposition")
        # The style guide is there in development and the demo only, and has tests of its own.
        if is_page and each.name not in looked_at | {"styleguide"}:
            missing[each.name] = answer.status_code
    assert not missing


def test_pages_take_as_many_queries_for_many_debts_as_for_few(
    as_role: Callable[[str], Client], places: dict[str, object], company: Company
) -> None:
    """Also of what a debt or scenario has: members, impacts, prerequisites, entries."""
    client = as_role(Role.ADMIN)

    def count() -> dict[str, int]:
        counts = {}
        for path in READ_BY_ALL:
            with CaptureQueriesContext(connection) as queries:
                client.get(path.format(**places))
            counts[path] = len(queries)
        return counts

    count()  # what is read once per process
    few = count()
    more = [
        DebtItemFactory(service=company.service, impacts=[toil(80 + n), toil(1)]) for n in range(60)
    ]
    scores.score_items([item.pk for item in more])
    for number, item in enumerate(more[:9]):
        ScenarioMemberFactory(scenario_id=places["scenario"], item=item, role="gate")
        Prerequisite.objects.create(item=company.best, needs=item)
        IterationFactory(team=company.payments, name=f"Sprint {30 + number}")
        BacklogEntry.objects.create(item=item, team=company.payments, policy_version=1)
        GuaranteeFactory(provider=company.service)
        SloFactory(service=company.service)
        ScoringRunFactory(state=JobState.DONE)
        OutcomeFactory(item__service=company.service)
    many = count()
    grown = {path: (few[path], many[path]) for path in few if many[path] > few[path] + 2}
    assert not grown


@pytest.mark.parametrize("role", Role.values)
def test_forms_open_for_those_who_may_and_say_to_others_who_may(
    as_role: Callable[[str], Client], role: str, places: dict[str, object]
) -> None:
    client = as_role(role)
    for path, roles in FORMS.items():
        response = client.get(path.format(**places))
        if role in roles | {Role.ADMIN}:
            assert response.status_code == 200, path
        else:
            assert response.status_code == 403, path
            assert "This is for:" in response.text


def test_whoever_is_not_logged_in_is_asked_to(client: Client, places: dict[str, object]) -> None:
    for path in [*READ_BY_ALL, *FORMS]:
        path = path.format(**places)
        assert client.get(path).headers["Location"] == f"/login/?next={quote(path)}"


def test_links_of_pages_lead_somewhere(
    as_role: Callable[[str], Client], places: dict[str, object]
) -> None:
    client = as_role(Role.ADMIN)
    links = set()
    for path in [*READ_BY_ALL, *FORMS]:
        text = client.get(path.format(**places)).text
        links |= set(re.findall(r'(?:href|action)="(/[^"#?]*)', text))
    assert len(links) > 20
    for link in links:
        # What changes something answers a GET with 405, which is somewhere.
        assert client.get(link).status_code in (200, 302, 405), link


def test_no_page_has_inline_script_or_style(
    as_role: Callable[[str], Client], places: dict[str, object]
) -> None:
    client = as_role(Role.ADMIN)
    for path in [*READ_BY_ALL, *FORMS]:
        text = client.get(path.format(**places)).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son\w+=", text), path
        assert not re.search(r'(src|href)="(https?:)?//', text), path


def test_every_text_of_the_templates_can_be_translated() -> None:
    tags = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}")
    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        if template.parent.name != "api":  # for machines' people: English, as the document is
            source = template.read_text("utf-8")
            source = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", "", source, flags=re.S)
            found = re.findall(r">\s*([A-Za-z][a-z]+ [a-z][^<]*)<", tags.sub("", source))
            assert not found, f"{template.name}: {found}"


def test_the_price_book_folds_by_service_and_finds_what_is_sought(
    owner: Client, company: Company
) -> None:
    other = ServiceFactory(slug="ledger-core")
    PriceFactory(service=company.service, kind="errors", price=3)
    PriceFactory(service=other, kind="downtime", price=90, source="Finance, May")
    page = owner.get("/prices/").text
    assert page.count("<details") == 2 + page.count("<details", 0, page.index("<main"))
    assert '<details class="sheet" open' not in page
    for query in ("q=LEDGER", "q=finance", "kind=downtime"):
        page = owner.get(f"/prices/?{query}").text
        assert "ledger-core" in page, query
        assert '<details class="sheet" open' in page
        assert f">{company.service.slug}</strong>" not in page
    assert "No service has such a price" in owner.get("/prices/?q=nothing").text
    assert owner.get("/prices/?kind=luck&q=%00").status_code == 200
