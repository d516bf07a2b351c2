"""The tour of the demo: five steps on the pages that tell its story."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from debtreg.actions import audit, demo, scores
from debtreg.models import JobState, LedgerImport, LedgerRow, LedgerSource, Role
from tests.factories import FailureScenarioFactory, ScenarioMemberFactory, SloFactory
from tests.web.company import Company

AsRole = Callable[[str], Client]


@pytest.fixture
def story(company: Company) -> Company:
    """What the demo fills in, in small: a ledger, a scenario of a low priority, its promotion."""
    source = LedgerSource.objects.create(name="台账")
    LedgerImport.objects.create(
        source=source,
        filename="a.csv",
        state=JobState.DONE,
        workbook={"sheets": []},
        summary={"imported": 2},
    )
    for item in (company.best, company.unpriced):
        LedgerRow.objects.create(source=source, key=item.key, item=item, row=item.pk, fingerprint=1)
        type(item).objects.filter(pk=item.pk).update(stated_priority="P3")
    scenario = FailureScenarioFactory(name="Avalanche")
    for item in (company.best, company.unpriced):
        ScenarioMemberFactory(scenario=scenario, item=item)
    SloFactory(service=company.service)
    scores.score_items([company.best.pk, company.unpriced.pk])
    audit.record(demo.FILLED, "demo", by=None, kind="demo")
    return company


def test_the_tour_leads_through_five_pages_and_back(as_role: AsRole, story: Company) -> None:
    client = as_role(Role.MEMBER)
    assert "Take the tour" in client.get("/").text
    place = client.post("/tour/start/").headers["Location"]
    seen = []
    for number in range(1, 6):
        page = client.get(place.partition("#")[0]).text
        panel = page.split('aria-labelledby="tour-title"')[1].split("</section>")[0]
        assert f"Tour, step {number} of 5" in panel
        seen.append(place.partition("?")[0])
        links = re.findall(r'<a class="btn[^"]*" href="([^"]*)"', panel)
        targets = [link.replace("&amp;", "&") for link in links]
        assert len(targets) == (1 if number in (1, 5) else 2)
        if number > 1:
            assert any(target.partition("?")[0] == seen[-2] for target in targets), "Back"
        place = targets[0]
    assert [path.split("/")[1] for path in seen] == [
        *("imports", "scenarios", "ranking", "backlog", "burn")
    ]
    assert "2 of them stand" in client.get(seen[0] + "?tour=1").text
    assert story.best.key in client.get(seen[2] + "?tour=3").text


def test_who_has_left_the_tour_is_not_asked_again_and_finds_it_under_help(
    as_role: AsRole, story: Company
) -> None:
    client = as_role(Role.MEMBER)
    assert client.post("/tour/leave/").headers["Location"] == "/"
    assert "Take the tour" not in client.get("/").text
    assert "Take the tour" in as_role(Role.SRE).get("/").text, "others are asked still"
    assert "Take the tour" in client.get("/help/").text
    assert "step 1 of 5" in client.get(client.post("/tour/start/").headers["Location"]).text


def test_without_the_demo_there_is_no_tour(as_role: AsRole, company: Company) -> None:
    client = as_role(Role.MEMBER)
    for path in ("/", "/help/", "/ranking/?tour=3"):
        page = client.get(path).text
        assert "Tour, step" not in page
        assert "Take the tour" not in page
    assert client.post("/tour/start/").headers["Location"] == "/"


def test_a_step_that_is_none_is_no_step(as_role: AsRole, story: Company) -> None:
    for asked in ("0", "6", "one", "", "%00", "1" * 40):
        page = as_role(Role.MEMBER).get(f"/ranking/?tour={asked}")
        assert page.status_code == 200
        assert "Tour, step" not in page.text


def test_a_step_costs_few_queries(
    as_role: AsRole, story: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = as_role(Role.MEMBER)
    with django_assert_max_num_queries(24):
        client.get("/ranking/?tour=3")
