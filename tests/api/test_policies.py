"""policies/: versions are created, compared, activated and rolled back over the API."""

import pytest

from debtreg.api import examples
from debtreg.models import PolicyActivation, Role, ScoringPolicy, ScoringRun
from tests.api.conftest import is_error
from tests.factories import ScoringPolicyFactory, tamper

POLICIES = "/api/v1/policies/"
NEW = examples.POLICY


def rows(api):
    return {
        row["version"]: (row["in_force"], row["problem"])
        for row in api.get(POLICIES).json()["results"]
    }


def test_the_first_version_is_there_and_in_force(api):
    (row,) = api.get(POLICIES).json()["results"]
    assert row.keys() == {
        *("version", "payload", "note", "in_force", "problem", "created_at", "created_by"),
        *("activated_at", "activated_by"),
    }
    assert (row["version"], row["in_force"], row["problem"]) == (1, True, None)
    assert row["payload"]["threshold"] == 3.0
    assert (row["created_by"], row["activated_by"]) == (None, None)
    assert row["activated_at"]


def test_a_version_is_created_read_and_activated(api):
    made = api.post(POLICIES, NEW)
    assert made.status_code == 201
    assert made["Location"] == f"http://testserver{POLICIES}2/"
    body = made.json()
    assert (body["version"], body["in_force"], body["activated_at"]) == (2, False, None)
    assert (body["note"], body["created_by"]) == (NEW["note"], api.user.username)
    assert body["payload"] == NEW["payload"]

    active = api.post(f"{POLICIES}2/activate/")
    assert (active.status_code, active.json()["in_force"]) == (200, True)
    assert active.json()["activated_by"] == api.user.username
    assert rows(api) == {2: (True, None), 1: (False, None)}
    assert ScoringRun.objects.count() == 1
    assert api.post(f"{POLICIES}2/activate/").status_code == 200
    assert PolicyActivation.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["payload"]),
        ({"payload": None}, ["payload"]),
        ({"payload": []}, ["payload"]),
        ({"payload": {**NEW["payload"], "threshold": "3"}}, ["payload.threshold"]),
        ({"payload": {**NEW["payload"], "demote_below": 4}}, ["payload.demote_below"]),
        (
            {"payload": {**NEW["payload"], "threshold": -1, "min_confidence": 7}},
            ["payload.threshold", "payload.min_confidence"],
        ),
        ({"payload": {**NEW["payload"], "luck": 1}}, ["payload"]),
        ({**NEW, "note": "x" * 301}, ["note"]),
        ({**NEW, "in_force": True}, ["in_force"]),
    ],
)
def test_what_is_wrong_with_a_version_is_named_by_its_field(api, body, fields):
    assert is_error(api.post(POLICIES, body), 400, *fields)
    assert ScoringPolicy.objects.count() == 1


def test_a_version_is_neither_changed_nor_removed(api):
    for method in (api.put, api.patch, api.delete):
        assert is_error(method(f"{POLICIES}1/", NEW), 405)


def test_two_versions_are_compared_field_by_field(api):
    api.post(POLICIES, NEW)
    api.post(POLICIES, {"payload": {**NEW["payload"], "threshold": 4}})

    found = api.get(f"{POLICIES}3/diff/").json()
    assert (found["version"], found["against"]) == (3, 1)
    assert found["changes"] == [
        {
            "field": "weights.latency",
            "meaning": "multiplier of the benefit, neutral 1",
            "old": 1.0,
            "new": 1.5,
        },
        {
            "field": "threshold",
            "meaning": "a marginal ROI above it is promoted; strictly above",
            "old": 3.0,
            "new": 4.0,
        },
    ]
    changes = api.get(f"{POLICIES}3/diff/?against=2").json()["changes"]
    assert [change["field"] for change in changes] == ["threshold"]
    api.post(f"{POLICIES}3/activate/")
    assert api.get(f"{POLICIES}3/diff/").json()["against"] == 2
    assert api.get(f"{POLICIES}1/diff/?against=1").json()["changes"] == []


def test_what_cannot_be_compared_is_refused(api):
    assert is_error(api.get(f"{POLICIES}9/diff/"), 404)
    assert is_error(api.get(f"{POLICIES}1/diff/?against=9"), 404)
    for query in ("against=x", "against=0", f"against={10**20}"):
        assert is_error(api.get(f"{POLICIES}1/diff/?{query}"), 400, "against")
    assert is_error(api.get(f"{POLICIES}1/diff/?with=2"), 400, "with")


def test_a_rollback_is_one_call_and_the_history_tells_of_it(api):
    api.post(POLICIES, NEW)
    api.post(f"{POLICIES}2/activate/")

    back = api.post(f"{POLICIES}rollback/")
    assert (back.status_code, back.json()["version"], back.json()["in_force"]) == (200, 1, True)
    found = api.get(f"{POLICIES}activations/").json()["results"]
    assert [(row["version"], row["is_rollback"], row["by"]) for row in found] == [
        (1, True, api.user.username),
        (2, False, api.user.username),
        (1, False, None),
    ]
    assert is_error(api.post(f"{POLICIES}rollback/"), 409)


def test_a_tampered_version_is_shown_refused_and_the_last_good_one_is_in_force(api, log):
    ScoringPolicyFactory()
    tamper(2, threshold=0.1)

    assert rows(api)[1] == (True, None)
    in_force, problem = rows(api)[2]
    assert not in_force
    assert problem.startswith("Version 2 of the scoring policy is refused: its signature")
    assert is_error(api.post(f"{POLICIES}2/activate/"), 409)
    key = log()["key"]
    assert api.get(f"/api/v1/debts/{key}/").json()["score"]["policy_version"] == 1


def test_without_a_good_version_the_api_says_what_to_do_and_can_be_mended(api, log):
    key = log()["key"]
    tamper(1, threshold=0.1)

    answer = api.get(f"/api/v1/debts/{key}/explain/")
    assert answer.status_code == 200
    assert "published last" in answer.json()["note"]
    answer = api.get("/api/v1/backlog/plan/")
    assert is_error(answer, 409)
    assert answer.json()["code"] == "no_policy"
    assert "sign_policies" in answer.json()["hint"]
    # Of the figures in its body alone, under the policy that everybody begins with.
    answer = api.post("/api/v1/calculators/roi/", examples.ROI)
    assert (answer.status_code, answer.json()["policy_version"]) == (200, None)
    # What people say needs no policy: the next run scores it.
    assert api.post("/api/v1/debts/", {"title": "x"}).status_code == 201
    assert api.patch(f"/api/v1/debts/{key}/", {"title": "y"}).json()["title"] == "y"
    assert is_error(api.post(f"/api/v1/debts/{key}/promote/"), 409)
    assert api.get("/api/v1/ranking/").status_code == 200
    assert api.get(f"{POLICIES}1/diff/").json()["changes"] == []

    api.post(POLICIES, NEW)
    assert api.post(f"{POLICIES}2/activate/").json()["in_force"] is True
    assert api.get(f"/api/v1/debts/{key}/explain/").status_code == 200


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_everybody_reads_and_only_administrators_change(client_of, role):
    ScoringPolicyFactory()
    client = client_of(role)
    for path in ("", "1/", "1/diff/", "activations/"):
        assert client.get(POLICIES + path).status_code == 200, path
    assert is_error(client.post(POLICIES, NEW), 403)
    for path in ("1/activate/", "rollback/"):
        answer = client.post(POLICIES + path)
        assert is_error(answer, 403)
        assert "Administrator" in answer.json()["hint"]
    assert PolicyActivation.objects.count() == 2


@pytest.mark.parametrize("version", ["0", "99", "9" * 18, "x", "-1"])
def test_a_version_that_is_not_there_is_a_404(api, version):
    assert is_error(api.get(f"{POLICIES}{version}/"), 404)
    assert is_error(api.post(f"{POLICIES}{version}/activate/"), 404)
