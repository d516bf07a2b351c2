"""In which language a page is, and how numbers look in it."""

from collections.abc import Callable

import pytest
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from debtreg.models import Role
from debtreg.templatetags import units
from debtreg.web.languages import Languages
from tests.web.company import PASSWORD, Company


def choose(client: Client, language: str) -> None:
    assert client.post("/preferences/", {"language": language}).status_code == 302


def test_the_browser_is_asked_until_somebody_chooses(client: Client) -> None:
    asks = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
    page = client.get("/login/", headers=asks)
    assert page.headers["Content-Language"] == "zh-hans"
    assert '<html lang="zh-hans"' in page.text
    assert 'name="language" value="en" lang="en"' in page.text
    choose(client, "en")
    page = client.get("/login/", headers=asks)
    assert page.headers["Content-Language"] == "en"
    assert '<html lang="en"' in page.text
    assert ">简体中文</button>" in page.text


@pytest.mark.parametrize("wrong", ["de", "", '"><b>', "zh-hans\x00", "../en"])
def test_a_language_that_there_is_not_changes_nothing(client: Client, wrong: str) -> None:
    choose(client, "zh-hans")
    client.post("/preferences/", {"language": wrong})
    client.cookies["language"] = client.cookies["language"].value or "zh-hans"
    assert client.get("/login/").status_code == 200
    client.cookies["language"] = "xx"
    assert client.get("/login/").headers["Content-Language"] == "en"


def test_a_choice_goes_with_the_person_to_other_machines(company: Company) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/login/", {"username": Role.SRE, "password": PASSWORD})
    choose(here, "zh-hans")
    assert there.get("/ranking/").headers["Content-Language"] == "zh-hans"
    here.post("/logout/")
    # Who logs out stays in it on this machine, and on no other.
    assert here.get("/login/").headers["Content-Language"] == "zh-hans"
    other = Client()
    assert other.get("/login/").headers["Content-Language"] == "en"
    choose(there, "en")
    assert there.get("/ranking/").headers["Content-Language"] == "en"


def test_one_persons_language_is_not_anothers(as_role: Callable[[str], Client]) -> None:
    first, second = as_role(Role.SRE), as_role(Role.DIRECTOR)
    choose(first, "zh-hans")
    assert first.get("/").headers["Content-Language"] == "zh-hans"
    assert second.get("/").headers["Content-Language"] == "en"


def test_machines_are_answered_in_english(as_role: Callable[[str], Client]) -> None:
    client = as_role(Role.SRE)
    choose(client, "zh-hans")
    answer = client.post(
        "/api/v1/debts/", {"title": ""}, "application/json", headers={"Accept-Language": "zh-CN"}
    )
    assert answer.status_code == 400
    assert answer.headers["Content-Language"] == "en"
    assert "may not be blank" in answer.text
    assert answer.text.isascii()


def test_what_is_sent_while_it_is_made_is_in_the_language_too(rf: RequestFactory) -> None:
    def answer(request: object) -> StreamingHttpResponse:
        return StreamingHttpResponse(translation.get_language() for _ in range(2))

    request = rf.get("/burn/export/", headers={"Accept-Language": "zh-CN"})
    request.user = None
    assert Languages(answer)(request).getvalue() == b"zh-hanszh-hans"
    assert translation.get_language() == "en"


def test_numbers_are_said_as_the_language_says_them() -> None:
    amount = 1_163_400
    with translation.override("en"):
        assert units.money(amount) == "¥1,163,400"
        assert units.money_short(amount) == "¥1.16M"
        assert units.money_short(-2_500) == "−¥2.5k"
        assert units.percent("0.034") == "3.4 %"
        assert units.objective("0.9995") == "99.95 %"
    with translation.override("zh-hans"):
        assert units.money(amount) == "¥1,163,400"
        assert units.money_short(amount) == "¥116万"
        assert units.money_short(-250_000_000) == "−¥2.5亿"
        assert units.money_short(9_994) == "¥9,990"
        assert units.money_short(7_250) == "¥7,250"
