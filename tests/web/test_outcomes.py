"""The page of outcomes, and the block on a debt's page where readings are entered."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from debtreg.actions import debt, scores
from debtreg.models import Outcome, OutcomeImpact, OutcomeReading, Role
from tests.factories import (
    DebtItemFactory,
    OutcomeFactory,
    OutcomeReadingFactory,
    ScenarioMemberFactory,
    TeamFactory,
)
from tests.web.company import Company
from tests.web.test_pages import an_outcome


def day(days_ago: int) -> str:
    return str(timezone.localdate() - timedelta(days=days_ago))


def text_of(page: str) -> str:
    """What one reads of a page: one line, without tags."""
    page = re.sub(r"<[^>]+>", " ", page[page.index("<main") :])
    return re.sub(r"\s+", " ", page)


@pytest.fixture
def outcome(company: Company) -> Outcome:
    made = OutcomeFactory(item__service=company.service, item__title="退款重复")
    OutcomeImpact.objects.create(
        outcome=made, number=1, kind="toil", note="by hand", unit_price=200, benefit=12_000
    )
    return made


def enter(client: Client, outcome: Outcome, **typed: str) -> str:
    values = {"side": "after", "starts_on": day(172), "ends_on": day(100), "grade": "measured"}
    sent = {f"reading-{name}": value for name, value in {**values, **typed}.items()}
    return client.post(f"/outcomes/{outcome.pk}/", {**sent, "reading": "yes"}, follow=True).text


# --- On the debt's page ---------------------------------------------------------------------------


def test_a_debt_that_is_resolved_says_what_was_predicted_and_when_to_measure(
    owner: Client, company: Company
) -> None:
    path = f"/debts/{company.best.key}/"
    assert "What the repair brought" not in owner.get(path).text
    owner.post(f"{path}resolve/")
    page = text_of(owner.get(path).text)
    assert "What the repair brought Not due yet" in page
    assert "Saved a year ≈ ¥14,000 not known –" in page
    assert "Cost of the repair ¥3,200 not known –" in page
    assert "1. Toil" in page
    assert f"Its benefit is to be measured by {day(-90)}" in page


def test_the_page_of_a_resolved_debt_speaks_of_it_as_over(owner: Client, company: Company) -> None:
    since = f"Resolved since {timezone.localdate()}."
    ScenarioMemberFactory(item=company.best)
    scores.score_items([company.best.pk])
    owner.post(f"/debts/{company.best.key}/resolve/")
    page = owner.get(f"/debts/{company.best.key}/").text
    # As it was frozen: its share of the scenario, 100,000 a year, has left the score.
    assert (
        f"{since} While it was open it cost ¥114,400 a year; its repair was estimated at ¥3,200,"
        " and to return 35.8 times that"
    ) in page
    assert "What it cost a year while it was open" in page
    for open_words in ("Costs ¥", "promoted to", "What this rests on", "What repairing it"):
        assert open_words not in page

    owner.post(f"/debts/{company.unestimated.key}/resolve/")
    page = owner.get(f"/debts/{company.unestimated.key}/").text
    assert since in page
    assert "its repair was not estimated" in page
    assert "Needs an effort estimate" not in page
    owner.post(f"/debts/{company.unestimated.key}/reopen/")
    assert "Needs an effort estimate" in owner.get(f"/debts/{company.unestimated.key}/").text


def test_a_debt_that_came_in_resolved_says_that_nothing_was_predicted(
    owner: Client, company: Company
) -> None:
    item = DebtItemFactory(service=company.service, status="done")
    page = owner.get(f"/debts/{item.key}/").text
    assert "Nothing was predicted of this repair here" in page


def test_a_reading_is_entered_and_the_arithmetic_is_shown(owner: Client, outcome: Outcome) -> None:
    enter(owner, outcome, side="before", starts_on=day(280), ends_on=day(208), amount="2,000")
    page = text_of(enter(owner, outcome, impact="", amount="400"))
    assert "The reading is kept." in page
    assert "2,000 in 73 days; × 365 / 73 = 10,000 a year" in page
    assert "Saved a year ≈ ¥12,000 ¥8,000 ≈ 0.67" in page
    assert "Return in twelve months ≈ 2.5 ≈ 1.7 at the predicted cost" in page
    outcome.refresh_from_db()
    assert outcome.realised_benefit == 8_000


def test_a_reading_is_made_of_factors(owner: Client, outcome: Outcome) -> None:
    page = text_of(enter(owner, outcome, impact="1", frequency="12.5"))
    assert "12.5 hours × 200 per hour = 2,500 in 73 days; × 365 / 73 = 12,500 a year" in page
    assert OutcomeReading.objects.get().impact.number == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"amount": "much"}, "Enter an amount such as 12,000."),
        ({"amount": "5", "starts_on": ""}, "This field is required."),
        ({"amount": "5", "starts_on": day(105)}, "has 6 days: a year can&#x27;t be told from"),
        ({"amount": "5", "ends_on": day(-9)}, "The period is not over"),
        ({"impact": "1"}, "Enter it (hours / year, in the period), or the amount."),
        ({"impact": "9", "amount": "5"}, "Select a valid choice"),
        ({"amount": ""}, "Of the whole item, enter the amount in the period."),
    ],
)
def test_a_wrong_reading_keeps_what_was_typed_and_says_why(
    owner: Client, outcome: Outcome, typed: dict[str, str], says: str
) -> None:
    page = enter(owner, outcome, note="from the dashboard", **typed)
    assert says in page
    assert 'value="from the dashboard"' in page
    assert "Nothing was saved yet." in page
    assert not OutcomeReading.objects.exists()


def test_the_form_asks_for_the_side_that_is_missing(owner: Client, outcome: Outcome) -> None:
    OutcomeReadingFactory(outcome=outcome, impact=outcome.impacts.get())
    page = owner.get(f"/debts/{outcome.item.key}/").text
    assert '<option value="after" selected>' in page
    assert '<option value="1" selected>' in page


def test_what_the_repair_took_is_noted(owner: Client, outcome: Outcome) -> None:
    path = f"/outcomes/{outcome.pk}/"
    typed = {"effort-days": "4.5", "effort-cash": "300", "effort": "yes"}
    page = text_of(owner.post(path, typed, follow=True).text)
    assert "Cost of the repair ¥4,800 ¥7,500 ≈ 1.6" in page
    page = owner.post(path, {"effort-days": "-1", "effort": "yes"})
    assert page.status_code == 422
    assert "greater than or equal to 0" in page.text


def test_a_reading_is_taken_back(owner: Client, outcome: Outcome) -> None:
    reading = OutcomeReadingFactory(outcome=outcome)
    path = f"/outcomes/{outcome.pk}/readings/{reading.pk}/remove/"
    assert path in owner.get(f"/debts/{outcome.item.key}/").text
    assert "The reading is taken back." in owner.post(path, follow=True).text
    assert not OutcomeReading.objects.exists()


@pytest.mark.parametrize("role", [Role.DIRECTOR, Role.COMPLIANCE])
def test_who_only_reads_is_offered_no_form(
    as_role: Callable[[str], Client], outcome: Outcome, role: str
) -> None:
    reading = OutcomeReadingFactory(outcome=outcome)
    client = as_role(role)
    page = client.get(f"/debts/{outcome.item.key}/").text
    assert "What the repair brought" in page
    assert 'method="post"' not in page[page.index("<main") :]
    assert client.post(f"/outcomes/{outcome.pk}/", {"reading": "yes"}).status_code == 403
    path = f"/outcomes/{outcome.pk}/readings/{reading.pk}/remove/"
    assert client.post(path).status_code == 403


def test_a_reopened_debt_keeps_its_outcome_and_takes_no_more(
    owner: Client, outcome: Outcome
) -> None:
    debt.reopen(pk=outcome.item_id, by=None)
    page = owner.get(f"/debts/{outcome.item.key}/").text
    assert "What the repair brought" not in page
    assert "Repaired before" in page
    assert f"/outcomes/{outcome.pk}/" in page
    page = owner.get(f"/outcomes/{outcome.pk}/").text
    assert "from then on this counts for nothing" in page
    assert 'method="post"' not in page[page.index("<main") :]
    answer = owner.post(
        f"/outcomes/{outcome.pk}/",
        {
            "reading": "yes",
            "reading-side": "after",
            "reading-starts_on": day(172),
            "reading-ends_on": day(100),
            "reading-amount": "5",
            "reading-grade": "measured",
        },
    )
    assert answer.status_code == 409
    assert "was reopened on" in answer.text


# --- The portfolio --------------------------------------------------------------------------------


def test_each_figure_stands_with_its_number_of_cases(owner: Client, company: Company) -> None:
    author = company.people[Role.MEMBER]
    OutcomeFactory(
        item__service=company.service,
        author=author,
        realised_benefit=Decimal(9_000),
        actual_cost=Decimal(3_000),
        is_measured=True,
        promoted_at=timezone.now() - timedelta(days=242),
    )
    OutcomeFactory(item__service=company.service, realised_benefit=Decimal(3_000))
    OutcomeFactory(item__service=company.service, item__title="还没测量")
    page = text_of(owner.get("/outcomes/").text)
    assert "Resolved in the period 3 2 of them measured, 1 in part by estimate" in page
    assert "Measurements due today 1" in page
    assert "Saved a year ¥12k of ¥24k predicted of 2 cases" in page
    assert "Realised / predicted benefit ≈ 0.50 of 2 cases, few" in page
    # 12,000 / (3,000 + 4,800)
    assert "Realised return on repair ≈ 1.5 of 2 cases, few" in page
    assert "The same in the period before not known of 0 cases" in page
    assert "¥7,800 1 actual ≈ 1.5 ≈ 2.5 of 2 cases" in page
    assert "Resolved in the period 1 42 days 42 days" in page
    assert "2 debts were resolved without a promotion" in page
    assert f"{author.display_name} 1 ≈ 0.75 of 1 case, few" in page
    assert "还没测量" in page


def test_what_is_due_comes_first_and_the_period_bounds_the_rest(
    owner: Client, company: Company
) -> None:
    def made(title: str, ago: int, **columns: object) -> None:
        OutcomeFactory(
            item=DebtItemFactory(title=title, service=company.service, status="done"),
            resolved_at=timezone.now() - timedelta(days=ago),
            due_on=timezone.localdate() - timedelta(days=ago - 90),
            **columns,
        )

    made("measured", 20, realised_benefit=1)
    made("long ago", 500, realised_benefit=1)
    made("overdue", 600)
    made("due", 100)
    made("waiting", 10)
    page = owner.get("/outcomes/").text
    titles = re.findall(r'#outcome">([^<]+)</a>', page)
    assert titles == ["overdue", "due", "waiting", "measured"]


def test_figures_are_of_a_team(owner: Client, company: Company) -> None:
    OutcomeFactory(item__service=company.service)
    TeamFactory(slug="other", name="Other")
    assert "Outcomes of 支付组" in owner.get("/outcomes/?team=payments").text
    page = text_of(owner.get("/outcomes/?team=other").text)
    assert "Resolved in the period 0" in page
    assert "Nothing was resolved in this period" in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=2026-02-01&to=2026-01-01", "ends before it begins"),
        ("to=9999-12-31", "today is"),
        ("from=soon", "Enter a valid date."),
        ("team=nobody", "Select a valid choice."),
    ],
)
def test_a_wrong_period_is_said_and_the_last_year_shown(
    owner: Client, company: Company, query: str, says: str
) -> None:
    answer = owner.get(f"/outcomes/?{query}")
    assert answer.status_code == 422
    assert says in answer.text
    assert f'value="{day(364)}"' in answer.text


def test_the_pages_take_as_many_queries_for_many_as_for_few(
    owner: Client, company: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    outcome = an_outcome(company)
    for number in range(20):
        OutcomeFactory(item__service=company.service, realised_benefit=number)
        OutcomeReadingFactory(
            outcome=outcome, starts_on=timezone.localdate() - timedelta(days=400 + 80 * number)
        )
    for path in ("/outcomes/", f"/outcomes/{outcome.pk}/"):
        with django_assert_max_num_queries(15, info=path):
            assert owner.get(path).status_code == 200
