"""policies/{version}/what-if/: asked for, then read until it is done."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg import tasks
from debtreg.models import BacklogEntry, DebtItem, Mover, Role, Score, WhatIf
from tests.api.conftest import is_error
from tests.factories import ScoringPolicyFactory, tamper

WHAT_IF = "/api/v1/policies/2/what-if/"


@pytest.fixture(autouse=True)
def sent(transactional_db, monkeypatch):
    """The jobs that were sent to a worker. They are done here, and beat on another connection."""
    jobs = []
    monkeypatch.setattr(tasks, "enqueue", jobs.append)
    return jobs


@pytest.fixture
def draft(log):
    """A debt of ROI 6.25, and a version under which that is not enough."""
    log(effort=2)
    ScoringPolicyFactory(in_force=False, threshold=7, weights={"toil": 0.5})


def test_it_is_asked_for_and_read_until_it_is_done(api, draft, sent):
    assert is_error(api.get(WHAT_IF), 404)

    asked = api.post(WHAT_IF)
    assert asked.status_code == 202
    body = asked.json()
    assert (body["state"], body["version"], body["base_version"]) == ("queued", 2, None)
    assert (body["totals"], body["movers"]) == (None, [])
    assert asked["Location"] == f"http://testserver{WHAT_IF}"
    assert [job.pk for job in sent] == [body["id"]]
    assert api.post(WHAT_IF).json()["id"] == body["id"]

    assert tasks.run_what_if(body["id"])

    found = api.get(WHAT_IF).json()
    assert (found["state"], found["base_version"], found["items"]) == ("done", 1, 1)
    assert {name: found[name] for name in ("moved", "roi_up", "roi_down", "no_longer_above")} == {
        "moved": 1,
        "roi_up": 0,
        "roi_down": 1,
        "no_longer_above": 1,
    }
    assert found["totals"]["before"] == {
        "annual_cost": "20000.00",
        "benefit": "20000.00",
        "weighted_benefit": "20000.00",
        "repair_cost": "3200.00",
    }
    assert found["totals"]["after"]["weighted_benefit"] == "10000.00"
    item = DebtItem.objects.get()
    assert found["movers"] == [
        {
            "debt": item.key,
            "title": item.title,
            "old_roi": "6.25",
            "new_roi": "3.125",
            "old_deciding_roi": "6.25",
            "new_deciding_roi": "3.125",
            "old_priority": Score.objects.get().priority or None,
            "new_priority": Score.objects.get().priority or None,
            "was_promoted": False,
            "is_promoted": False,
        }
    ]
    assert Score.objects.get().policy_version == 1
    assert not BacklogEntry.objects.exists()


def test_it_is_cancelled_once(api, draft):
    assert is_error(api.post(f"{WHAT_IF}cancel/"), 409)
    api.post(WHAT_IF)
    assert api.post(f"{WHAT_IF}cancel/").json()["state"] == "cancelled"
    assert is_error(api.post(f"{WHAT_IF}cancel/"), 409)
    assert api.get(WHAT_IF).json()["state"] == "cancelled"


@pytest.mark.parametrize("role", Role.values)
def test_everybody_reads_it_and_product_owners_and_sres_ask_for_it(client_of, draft, role):
    client = client_of(role)
    if role in (Role.PRODUCT_OWNER, Role.SRE, Role.ADMIN):
        assert client.post(WHAT_IF).status_code == 202
    else:
        assert is_error(client.post(WHAT_IF), 403)
        WhatIf.objects.create(policy_id=2)
    assert client.get(WHAT_IF).status_code == 200


def test_a_refused_version_and_one_that_is_not_there_are_not_tried(api, draft):
    tamper(2, threshold=0.1)
    assert is_error(api.post(WHAT_IF), 409)
    assert is_error(api.post("/api/v1/policies/9/what-if/"), 404)
    assert not WhatIf.objects.exists()


def test_many_movers_take_as_many_queries_as_few(api, log, draft):
    job = WhatIf.objects.create(policy_id=2, state="done")
    counts = []
    for place in range(1, 30):
        key = log()["key"]
        Mover.objects.create(
            what_if=job, place=place, item_id=key[5:], was_promoted=True, is_promoted=False
        )
        if place in (2, 29):
            with CaptureQueriesContext(connection) as queries:
                assert len(api.get(WHAT_IF).json()["movers"]) == place
            counts.append(len(queries))
    assert counts[0] == counts[1]
