"""Logging in and out, how pages look, tokens."""

import re

import pytest
from django.test import Client

from debtreg.models import ApiToken, Role
from tests.web.company import PASSWORD, Company


def log_in(client: Client, password: str, **more: str) -> object:
    return client.post("/login/", {"username": Role.SRE, "password": password, **more})


def test_logging_in_leads_to_where_one_wanted_to_go(client: Client, company: Company) -> None:
    response = log_in(client, PASSWORD, next="/prices/")
    assert response.headers["Location"] == "/prices/"
    assert "SRE" in client.get("/prices/").text
    client.post("/logout/")
    assert client.get("/prices/").headers["Location"] == "/login/?next=/prices/"


def test_a_wrong_password_says_nothing_about_who_exists(client: Client, company: Company) -> None:
    wrong = log_in(client, "wrong").text
    nobody = client.post("/login/", {"username": "nobody", "password": "wrong"}).text
    said = re.search(r'role="alert">.*?</div>', wrong, re.S)[0]
    assert "Please enter a correct username and password" in said
    assert said in nobody


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_logging_in_leads_to_no_other_host(client: Client, company: Company, target: str) -> None:
    assert log_in(client, PASSWORD, next=target).headers["Location"] == "/"
    response = client.post("/preferences/", {"theme": "dark", "next": target})
    assert response.headers["Location"] == "/"


def test_a_theme_is_kept_and_one_that_does_not_exist_is_not(client: Client) -> None:
    client.post("/preferences/", {"theme": "dark", "density": "compact"})
    page = client.get("/login/").text
    assert 'data-theme="dark"' in page
    assert 'data-density="compact"' in page
    client.post("/preferences/", {"theme": '"><script>'})
    assert 'data-theme="dark"' in client.get("/login/").text
    client.cookies["theme"] = '"><b>'
    assert "data-theme" not in client.get("/login/").text


def test_a_token_is_shown_once_and_works(owner: Client, company: Company) -> None:
    response = owner.post("/tokens/", {"name": "nightly export"})
    text = re.search(r'<code id="token">(dr_[^<]+)', response.text)[1]
    assert response.headers["Cache-Control"] == "no-store"
    assert text not in owner.get("/tokens/").text
    answer = Client().get("/api/v1/teams/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"expires_on": "2020-01-01"}, "This lies in the past"),
        ({"expires_on": "9999-99-99"}, "Enter a valid date"),
    ],
)
def test_a_wrong_token_is_not_made(owner: Client, wrong: dict[str, str], said: str) -> None:
    response = owner.post("/tokens/", {"name": "export", **wrong})
    assert response.status_code == 422
    assert said in response.text
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_owner_only(owner: Client, company: Company) -> None:
    mine, _ = ApiToken.issue(user=company.people[Role.PRODUCT_OWNER], name="mine")
    other, _ = ApiToken.issue(user=company.people[Role.SRE], name="hers")
    assert "is revoked" in owner.post(f"/tokens/{mine.pk}/revoke/", follow=True).text
    page = owner.post(f"/tokens/{other.pk}/revoke/", follow=True).text
    assert "You have no such token." in page
    other.refresh_from_db()
    assert other.revoked_at is None
