"""What pages say when something goes wrong."""

from collections.abc import Callable
from unittest import mock

import pytest
from django.test import Client

from debtreg.errors import Conflict
from debtreg.models import Role
from debtreg.web import ranking
from tests.web.company import Company


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere/",
        "/debts/DEBT-999999/",
        "/debts/DEBT-0/",
        "/debts/12/",
        "/debts/DEBT-" + "9" * 40 + "/",
        "/backlog/teams/nobody/",
        "/services/nothing/",
        "/imports/999/",
        "/prices/" + "9" * 30 + "/",
    ],
)
def test_what_is_not_there_is_said_in_our_look(owner: Client, path: str) -> None:
    response = owner.get(path)
    assert response.status_code == 404
    assert "There is no such page." in response.text
    assert "To the ranking" in response.text
    assert "base.css" in response.text


def test_a_refused_form_says_what_to_do(company: Company) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(company.people[Role.ADMIN])
    response = client.post("/runs/start/")
    assert response.status_code == 403
    assert "load the page again" in response.text


def test_an_error_of_ours_is_a_page_with_its_hint(owner: Client) -> None:
    error = Conflict("The shelf is full: 3 of 3.", hint="Take something out.")
    with mock.patch.object(ranking.Facets, "read", side_effect=error):
        response = owner.get("/ranking/")
    assert response.status_code == 409
    assert "The shelf is full: 3 of 3." in response.text
    assert "Take something out." in response.text


def test_htmx_gets_the_error_as_a_notice_in_its_place(owner: Client) -> None:
    with mock.patch.object(ranking.Facets, "read", side_effect=Conflict("No.", hint="Wait.")):
        response = owner.get("/ranking/", headers={"HX-Request": "true"})
    assert response.headers["HX-Retarget"] == "#messages"
    assert "<html" not in response.text
    assert "Wait." in response.text


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_fault_of_the_program_tells_nothing_of_its_inside(
    company: Company, headers: dict[str, str]
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(company.people[Role.ADMIN])
    with mock.patch.object(ranking.Facets, "read", side_effect=ValueError("secret detail")):
        response = client.get("/ranking/", headers=headers)
    assert response.status_code == 500
    assert "Something went wrong on our side." in response.text
    assert "secret detail" not in response.text


def test_whoever_was_logged_out_meanwhile_is_asked_to_log_in_not_shown_a_torn_page(
    client: Client, db: None
) -> None:
    response = client.get("/ranking/", headers={"HX-Request": "true"})
    assert response.headers["HX-Refresh"] == "true"


def test_pages_forbid_inline_scripts_and_foreign_hosts(owner: Client) -> None:
    policy = owner.get("/ranking/").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_host_that_is_not_ours_gets_a_400(owner: Client) -> None:
    response = owner.get("/ranking/", headers={"Host": "evil.example"})
    assert response.status_code == 400


def test_prices_and_services_are_kept_by_the_sre(
    as_role: Callable[[str], Client], company: Company
) -> None:
    sre = as_role(Role.SRE)
    price = {"kind": "errors", "likely": "0.35", "grade": "measured", "source": "finance"}
    assert sre.post("/prices/new/", price, follow=True).status_code == 200
    page = sre.get("/prices/").text
    assert "¥0.35" in page
    for wrong, said in [
        ({"likely": ""}, "This field is required"),
        ({"likely": "-1"}, "greater than or equal to 0"),
        ({"low": "9"}, "0 ≤ low ≤ likely ≤ high"),
        ({"kind": "joy"}, "Select a valid choice"),
        ({}, "has a price of that kind already"),
    ]:
        response = sre.post("/prices/new/", price | wrong)
        assert response.status_code == 422, wrong
        assert said in response.text
    service = {"name": "Cart", "slug": "cart", "team": str(company.payments.pk)}
    service |= {
        "criticality": "high",
        "requests_per_year": "1,000,000",
        "aliases": "购物车, basket",
    }
    assert "cart" in sre.post("/services/new/", service, follow=True).text
    made = company.payments.services.get(slug="cart")
    assert (made.requests_per_year, made.aliases) == (1e6, ["购物车", "basket"])
    response = sre.post("/services/payment-service/edit/", {"remove": "yes"})
    assert response.status_code == 422
    assert "is still used by" in response.text
