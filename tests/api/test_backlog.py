"""iterations, backlog, and its plan."""

import pytest

from debtreg.models import AuditEntry, BacklogEntry
from tests.api.conftest import is_error

ENTRY = {"debt", "team", "iteration", "state", "roi", "marginal_roi", "reason", "policy_version"}


@pytest.fixture
def sprint(api, payments):
    def make(name="Sprint 1", **fields):
        body = {
            "team": "payments",
            "name": name,
            "starts_on": "2099-01-05",
            "ends_on": "2099-01-16",
            "capacity_days": "5",
            **fields,
        }
        answer = api.post("/api/v1/iterations/", body)
        assert answer.status_code == 201, answer.json()
        return answer.json()

    return make


@pytest.fixture
def promoted(api, log, sprint):
    iteration = sprint()
    key = log(effort=2)["key"]
    answer = api.post(f"/api/v1/debts/{key}/promote/", {"iteration": iteration["id"]})
    assert answer.status_code == 201
    return answer.json()


def test_an_iteration_says_how_much_of_it_is_taken(api, sprint, promoted):
    found = api.get(f"/api/v1/iterations/{promoted['iteration']}/").json()

    assert found == {
        "id": promoted["iteration"],
        "team": "payments",
        "name": "Sprint 1",
        "starts_on": "2099-01-05",
        "ends_on": "2099-01-16",
        "capacity_days": "5",
        "taken_days": "2",
        "state": "open",
        "plan_note": "",
    }


def test_an_iteration_is_not_made_smaller_than_what_is_in_it(api, promoted):
    path = f"/api/v1/iterations/{promoted['iteration']}/"

    answer = api.patch(path, {"capacity_days": "1.5"})

    assert is_error(answer, 409, "capacity_days")
    assert (
        "Sprint 1 has 2 person-days planned, started or done: 1.5 are 0.5 too few."
        in (answer.json()["message"])
    )
    assert api.get(path).json()["capacity_days"] == "5"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"team": "none"}, "team"),
        ({"capacity_days": -1}, "capacity_days"),
        ({"capacity_days": "0.25"}, "capacity_days"),
        ({"starts_on": None}, "starts_on"),
        ({"starts_on": "2099-02-01"}, "__all__"),
        ({"name": "Taken"}, "__all__"),
        ({"state": "lost"}, "state"),
    ],
)
def test_a_wrong_iteration_is_refused(api, sprint, fields, field):
    taken = sprint("Taken")
    body = {name: taken[name] for name in ("team", "starts_on", "ends_on", "capacity_days")}

    answer = api.post("/api/v1/iterations/", {"name": "New", **body, **fields})

    assert is_error(answer, 400, field)


def test_an_entry_says_why_it_is_there(api, promoted):
    (row,) = api.get("/api/v1/backlog/").json()["results"]

    assert row == promoted
    assert row.keys() >= {*ENTRY, "promoted_by", "pinned"}
    assert (row["state"], row["roi"], row["repair_days"]) == ("planned", "6.25", "2")
    assert row["promoted_by"] == api.user.username
    assert api.get(f"/api/v1/backlog/{row['id']}/").json() == row


def test_promoting_again_returns_the_entry_that_is_there(api, promoted):
    again = api.post(f"/api/v1/debts/{promoted['debt']}/promote/", {})

    assert again.json() == promoted
    assert BacklogEntry.objects.count() == 1


def test_what_does_not_fit_is_refused_with_the_numbers(api, log, promoted):
    key = log(effort=4)["key"]

    answer = api.post(f"/api/v1/debts/{key}/promote/", {"iteration": promoted["iteration"]})

    assert is_error(answer, 409)
    assert "needs 4.0 person-days; Sprint 1 has 3.0 left" in answer.json()["message"]
    assert answer.json()["code"] == "iteration_full"


def test_an_entry_moves_between_iterations_and_back_to_the_waiting(api, sprint, promoted):
    path = f"/api/v1/backlog/{promoted['id']}/"
    second = sprint("Sprint 2")["id"]

    moved = api.patch(path, {"iteration": second}).json()
    assert (moved["iteration"], moved["state"], moved["pinned"]) == (second, "planned", True)
    waiting = api.patch(path, {"iteration": None}).json()
    assert (waiting["iteration"], waiting["state"]) == (None, "unscheduled")

    assert is_error(api.patch(path, {"iteration": 999}), 404)
    assert is_error(api.patch(path, {"iteration": "x"}), 400, "iteration")
    assert is_error(api.patch(path, {}), 400, "iteration")
    assert is_error(api.patch(path, {"iteration": None, "roi": 9}), 400, "roi")


def test_an_entry_that_is_started_makes_its_item_doing(api, promoted):
    started = api.post(f"/api/v1/backlog/{promoted['id']}/start/").json()

    assert started["state"] == "started"
    assert api.get(f"/api/v1/debts/{promoted['debt']}/").json()["status"] == "doing"


def test_a_withdrawn_entry_is_listed_when_it_is_asked_for(api, promoted):
    path = f"/api/v1/backlog/{promoted['id']}/withdraw/"

    withdrawn = api.post(path, {"reason": "Later"}).json()

    assert (withdrawn["state"], withdrawn["reason"]) == ("withdrawn", "Later")
    assert withdrawn["closed_at"]
    for query, count in (("", 0), ("?state=withdrawn", 1), ("?state=any", 1), ("?state=done", 0)):
        assert len(api.get(f"/api/v1/backlog/{query}").json()["results"]) == count
    assert is_error(api.post(path, {"reason": "Again"}), 409)


@pytest.mark.parametrize(
    ("query", "count"),
    [("?team=payments", 1), ("?team=orders", 0), ("?iteration=null", 0), ("?iteration={id}", 1)],
)
def test_the_backlog_is_filtered(api, promoted, orders, query, count):
    query = query.format(id=promoted["iteration"])

    assert len(api.get(f"/api/v1/backlog/{query}").json()["results"]) == count


def test_the_plan_is_shown_and_then_made(api, log, sprint):
    iteration = sprint()["id"]
    good, poor = log(effort=2)["key"], log(effort=10)["key"]

    shown = api.get("/api/v1/backlog/plan/?team=payments").json()

    assert [(row["change"], row["debt"]) for row in shown["changes"]] == [("add", good)]
    assert (shown["changes"][0]["iteration"], shown["changes"][0]["roi"]) == (iteration, "6.25")
    assert not BacklogEntry.objects.exists()

    made = api.post("/api/v1/backlog/plan/", {"team": "payments"}).json()

    assert made["changes"] == shown["changes"]
    (entry,) = api.get("/api/v1/backlog/").json()["results"]
    assert (entry["debt"], entry["iteration"], entry["promoted_by"]) == (good, iteration, None)
    assert poor not in entry["reason"]
    assert api.get("/api/v1/backlog/plan/").json() == {"team": None, "changes": []}
    assert AuditEntry.objects.filter(action="backlog.apply_plan").exists()


def test_a_plan_of_no_team_is_refused(api, db):
    assert is_error(api.get("/api/v1/backlog/plan/?team=none"), 400, "team")
    assert is_error(api.post("/api/v1/backlog/plan/", {"teams": "x"}), 400, "teams")


def test_a_plan_of_a_body_that_says_nothing_is_not_one_of_all_teams(api, log, sprint):
    log(effort=2)
    sprint()
    answer = api.generic("POST", "/api/v1/backlog/plan/", "null", "application/json")
    assert is_error(answer, 400)
    assert not BacklogEntry.objects.exists()
