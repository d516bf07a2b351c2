"""Logging and editing a debt by form."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from debtreg.actions import debt
from debtreg.models import DebtItem, Role, Score
from tests.factories import SloFactory, measured_days
from tests.web.company import Company

EMPTY = {"impacts-TOTAL_FORMS": "0", "impacts-INITIAL_FORMS": "0", "effort_unit": "person_day"}
TOIL = {
    "impacts-TOTAL_FORMS": "1",
    "impacts-INITIAL_FORMS": "0",
    "impacts-0-kind": "toil",
    "impacts-0-grade": "estimated",
}


@pytest.fixture
def engineer(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.MEMBER)


def log(client: Client, **typed: str) -> Any:
    return client.post(
        "/debts/new/", {**EMPTY, "title": "A debt", "service": "payment-service", **typed}
    )


def the_new_one() -> DebtItem:
    return DebtItem.objects.latest("pk")


def test_title_service_and_effort_are_enough(engineer: Client, company: Company) -> None:
    response = log(engineer, effort_likely="3")
    item = the_new_one()
    assert response.headers["Location"] == f"/debts/{item.key}/"
    assert (item.title, item.service, item.team) == ("A debt", company.service, company.payments)
    assert (item.effort_low, item.effort_likely, item.effort_high) == (3, 3, 3)
    assert item.score.state == "unpriced"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (("", "", ""), (None, None, None)),
        (("3", "", "4"), (3, 3.5, 4)),
        (("10", "12", "24"), (10, 12, 24)),
        (("20", "", ""), (20, None, None)),
        (("", "２．５", ""), (2.5, 2.5, 2.5)),
        (("", "1,200", ""), (1200, 1200, 1200)),
    ],
)
def test_an_estimate_is_stored_as_far_as_it_was_given(
    engineer: Client, typed: tuple[str, ...], stored: tuple[float | None, ...]
) -> None:
    low, likely, high = typed
    log(engineer, effort_low=low, effort_likely=likely, effort_high=high)
    item = the_new_one()
    assert (item.effort_low, item.effort_likely, item.effort_high) == stored


def test_impacts_are_stored_and_scored_at_once(engineer: Client) -> None:
    log(engineer, effort_likely="2", **TOIL, **{"impacts-0-frequency_likely": "72"})
    score = the_new_one().score
    assert (score.annual_cost, score.repair_cost, score.roi) == (14_400, 3_200, 4.5)


def test_a_share_may_be_typed_in_percent(engineer: Client) -> None:
    factors = {"frequency": "12", "share": "25 %", "unit_price": "8,000"}
    log(
        engineer,
        **TOIL | {"impacts-0-kind": "credits"},
        **{f"impacts-0-{name}_likely": value for name, value in factors.items()},
    )
    impact = the_new_one().impacts.get()
    assert impact.share_likely == 0.25
    assert impact.unit_price_likely == Decimal(8000)
    assert the_new_one().score.annual_cost == 24_000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"title": ""}, "This field is required"),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"title": "a\0b"}, "Null characters are not allowed"),
        ({"service": "made-up"}, "Select a valid choice"),
        ({"effort_likely": "soon"}, "Enter a number such as"),
        ({"effort_likely": "-1"}, "greater than or equal to 0"),
        ({"effort_likely": "1e300"}, "less than or equal to"),
        ({"effort_likely": "nan"}, "Enter a number such as"),
        ({"effort_low": "9", "effort_likely": "3"}, "at least ≤ most likely ≤ at most"),
        ({"cash": "9" * 30}, "Ensure that there are no more than"),
        ({"needs": "DEBT-999999"}, "There is no debt DEBT-999999"),
        ({"needs": "DEBT-" + "9" * 30}, "There is no debt"),
        ({"due_on": "soon"}, "Enter a valid date"),
        ({"effort_unit": "parsec"}, "Select a valid choice"),
        ({**TOIL, "impacts-0-kind": "joy"}, "Select a valid choice"),
        ({**TOIL, "impacts-0-frequency_likely": "9e14"}, "more than"),
        ({**TOIL, "impacts-0-effectiveness": "120 %"}, "less than or equal to 1"),
        ({**TOIL, "impacts-0-currency": "dollars"}, "Enter a valid value"),
        ({"impacts-TOTAL_FORMS": "lots"}, "ManagementForm data is missing"),
        ({"impacts-TOTAL_FORMS": "100000"}, "This field is required"),
    ],
)
def test_a_wrong_value_is_said_beside_it_and_nothing_is_lost(
    engineer: Client, company: Company, wrong: dict[str, str], said: str
) -> None:
    before = DebtItem.objects.count()
    response = log(engineer, **{"description": "What I wrote", **wrong})
    assert response.status_code == 422
    assert said in response.text
    assert "What I wrote" in response.text
    assert DebtItem.objects.count() == before


def test_a_service_of_another_team_is_refused_beside_the_form(engineer: Client) -> None:
    response = log(engineer, service="auth-service")
    assert response.status_code == 422
    assert "You may not change debts" in response.text
    assert 'value="A debt"' in response.text


def test_buttons_add_and_remove_impacts_and_keep_what_was_typed(engineer: Client) -> None:
    page = log(engineer, add="toil", title="").text
    assert 'name="impacts-0-frequency_likely"' in page
    assert "This field is required" not in page, "it is not finished yet"
    typed = {"impacts-0-frequency_likely": "72", "impacts-0-note": "first"}
    page = log(engineer, add="latency", **TOIL, **typed).text
    assert 'value="72"' in page
    assert 'name="impacts-1-magnitude_likely"' in page
    both = TOIL | {"impacts-TOTAL_FORMS": "2", "impacts-1-kind": "latency"}
    page = log(engineer, remove="0", **both, **typed).text
    assert 'name="impacts-0-magnitude_likely"' in page
    assert 'value="72"' not in page
    assert not DebtItem.objects.filter(title="A debt").exists()


@pytest.mark.parametrize("number", ["7", "-1", "x", ""])
def test_removing_an_impact_that_is_not_there_changes_nothing(
    engineer: Client, number: str
) -> None:
    response = log(engineer, remove=number, **TOIL)
    assert response.status_code == 200
    assert 'name="impacts-0-frequency_likely"' in response.text


def test_the_preview_says_what_saving_then_scores(engineer: Client, company: Company) -> None:
    typed = {
        **TOIL,
        "impacts-0-kind": "latency",
        "impacts-0-share_likely": "3%",
        "impacts-0-magnitude_low": "150",
        "impacts-0-magnitude_likely": "180",
        "impacts-0-magnitude_high": "240",
        "effort_likely": "2",
        "confidence": "low",
    }
    page = engineer.post("/debts/preview/", {"service": "payment-service", **typed}).text
    assert DebtItem.objects.count() == 4
    log(engineer, **typed)
    score = Score.objects.latest("item_id")
    # A guess that names a range: two digits.
    assert f"≈ ¥{round(score.annual_cost, -3):,.0f}" in page
    assert f"≈ {score.roi:.1f}" in page


def test_the_preview_says_what_it_can_not_read_and_goes_on(engineer: Client) -> None:
    typed = {**TOIL, "impacts-0-frequency_likely": "many", "effort_likely": "2"}
    response = engineer.post("/debts/preview/", {"service": "payment-service", **typed})
    assert response.status_code == 200
    assert "Enter a number such as" in response.text
    assert "2 person-days × 1,600 a day = 3,200" in response.text


def test_a_debt_that_is_logged_already_is_named_while_the_title_is_typed(
    engineer: Client, company: Company
) -> None:
    typed = {
        "title": "退款查询的全表扫描",
        "service": "payment-service",
        "impacts-TOTAL_FORMS": "0",
    }
    page = engineer.post("/debts/preview/", typed).text
    assert f"{company.best.key} 退款查询全表扫描" in page
    page = engineer.post("/debts/preview/", typed | {"key": company.best.key}).text
    assert "Is it one of these?" not in page
    page = engineer.post("/debts/new/", typed | {"work_out": "yes"}).text
    assert "Is it one of these?" in page


@pytest.mark.parametrize(
    "typed", [{}, {"impacts-TOTAL_FORMS": "x"}, TOIL | {"impacts-0-kind": "joy"}]
)
def test_the_preview_survives_anything(engineer: Client, typed: dict[str, str]) -> None:
    assert engineer.post("/debts/preview/", typed).status_code == 200


def test_editing_starts_from_what_is_there(engineer: Client, company: Company) -> None:
    page = engineer.get(f"/debts/{company.best.key}/edit/").text
    assert 'value="退款查询全表扫描"' in page
    assert 'name="effort_likely" value="2"' in page
    assert 'name="effort_low" class' not in page.replace('value=""', "")
    assert 'name="impacts-0-frequency_likely" value="72"' in page
    assert "≈ 4.5" in page, "the score as it is"


def edit(client: Client, item: DebtItem, **typed: str) -> Any:
    basis = {"title": item.title, "service": item.service.slug, "revision": str(item.revision)}
    return client.post(f"/debts/{item.key}/edit/", {**EMPTY, **basis, **typed})


def test_an_edit_is_scored_at_once(engineer: Client, company: Company) -> None:
    response = edit(
        engineer, company.best, effort_likely="4", **TOIL, **{"impacts-0-frequency_likely": "72"}
    )
    assert response.status_code == 302
    assert Score.objects.get(pk=company.best.pk).roi == 2.25


def test_an_edit_keeps_what_the_form_does_not_show(engineer: Client, company: Company) -> None:
    DebtItem.objects.filter(pk=company.best.pk).update(ledger_id="TD-1", stated_priority="P1")
    edit(engineer, company.best, title="Renamed")
    item = DebtItem.objects.get(pk=company.best.pk)
    assert (item.title, item.ledger_id, item.stated_priority) == ("Renamed", "TD-1", "P1")


def test_an_edit_on_top_of_somebody_elses_is_refused(engineer: Client, company: Company) -> None:
    item = company.best
    debt.update(pk=item.pk, fields={"owner": "Lin"}, by=None)
    response = edit(engineer, item, title="Mine")
    assert response.status_code == 422
    assert "has changed since you read it" in response.text
    assert 'value="Mine"' in response.text
    assert DebtItem.objects.get(pk=item.pk).title == item.title


def test_needs_are_written_as_keys(engineer: Client, company: Company) -> None:
    log(engineer, needs=f"{company.best.key}, {company.unpriced.key.lower()}")
    assert set(the_new_one().prerequisites.all()) == {company.best, company.unpriced}
    page = engineer.get(f"/debts/{company.best.key}/").text
    assert "Waits for this one" in page


def test_an_impact_takes_its_numbers_from_the_slo_that_is_chosen(
    engineer: Client, company: Company
) -> None:
    slo = SloFactory(name="payment-errors", service=company.service)
    measured_days(slo, days=10, total=1_000, bad=10)
    chosen = {"impacts-0-slo": slo.name, "impacts-0-slo_part": "50 %"}
    log(
        engineer,
        **TOIL | {"impacts-0-kind": "errors", "impacts-0-unit_price_likely": "2"} | chosen,
    )
    item = the_new_one()
    assert item.score.annual_cost == 3_650
    assert "payment-errors" in engineer.get(f"/debts/{item.key}/").content.decode()
    form = engineer.get(f"/debts/{item.key}/edit/").content.decode()
    assert '<option value="payment-errors" selected>' in form


def test_a_title_that_nobody_can_see_is_none(engineer: Client, company: Company) -> None:
    response = log(engineer, title="\u200b")
    assert response.status_code == 422
    assert "A debt item needs a title that can be seen." in response.text
