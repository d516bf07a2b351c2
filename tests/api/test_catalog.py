"""teams, services, dependencies, prices, contracts."""

import pytest

from debtreg import tasks
from debtreg.models import AuditEntry, Contract, Guarantee, Price, ScoringRun, Service
from tests.api.conftest import is_error


def test_a_team_comes_back_as_it_was_sent_with_numbers_as_texts(api):
    answer = api.post(
        "/api/v1/teams/",
        {"slug": "risk", "name": "风控组", "day_rate": 1600, "days_per_point": "0.5"},
    )

    assert answer.status_code == 201
    expected = {"slug": "risk", "name": "风控组", "day_rate": "1600.00", "days_per_point": "0.5"}
    assert answer.json() == expected
    assert api.get("/api/v1/teams/risk/").json() == expected


def test_a_service_has_the_shape_of_the_contract(api, payments):
    body = {
        "slug": "payment-gateway",
        "name": "Gateway",
        "team": "payments",
        "criticality": "critical",
        "requests_per_year": "1400000000",
    }

    answer = api.post("/api/v1/services/", body)

    assert answer.status_code == 201
    assert answer.json() == {**body, "language": "", "aliases": []}


def test_unknown_traffic_stays_null(api, payments):
    body = {"slug": "a", "name": "A", "team": "payments"}

    assert api.post("/api/v1/services/", body).json()["requests_per_year"] is None


def test_patch_changes_what_it_says_and_put_says_all(api, checkout):
    path = "/api/v1/services/checkout/"

    patched = api.patch(path, {"language": "go"}).json()
    assert (patched["language"], patched["requests_per_year"]) == ("go", "120000000")

    put = api.put(path, {"slug": "checkout", "name": "Till", "team": "payments"}).json()
    assert (put["name"], put["language"], put["requests_per_year"]) == ("Till", "", None)


def test_a_slug_is_there_once(api, payments):
    assert is_error(api.post("/api/v1/teams/", {"slug": "payments", "name": "B"}), 400, "slug")


def test_what_is_still_used_is_not_removed(api, checkout):
    answer = api.delete("/api/v1/teams/payments/")

    assert is_error(answer, 409)
    assert "1 service." in answer.json()["message"]


def test_what_nothing_uses_is_removed_and_audited(api, orders):
    assert api.delete("/api/v1/teams/orders/").status_code == 204
    assert AuditEntry.objects.get(action="team.remove").old["slug"] == "orders"


def test_dependencies_are_between_two_services(api, checkout, payments):
    Service.objects.create(slug="ledger", name="Ledger", team=payments)
    body = {"consumer": "checkout", "provider": "ledger", "protocol": "grpc", "hard": True}

    made = api.post("/api/v1/dependencies/", body)

    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], **body}
    assert is_error(api.post("/api/v1/dependencies/", body), 400)
    itself = {"consumer": "checkout", "provider": "checkout"}
    assert is_error(api.post("/api/v1/dependencies/", itself), 400)
    found = api.get("/api/v1/dependencies/?provider=ledger").json()["results"]
    assert [row["consumer"] for row in found] == ["checkout"]


def test_a_price_of_the_installation_has_no_service(api, checkout):
    body = {"kind": "day_rate", "low": 1500, "likely": "1600", "high": 1800.5, "source": "HR"}

    made = api.post("/api/v1/prices/", body)

    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "service": None,
        "kind": "day_rate",
        "low": "1500",
        "likely": "1600",
        "high": "1800.5",
        "grade": "estimated",
        "source": "HR",
        "updated_at": made.json()["updated_at"],
    }


def test_one_number_is_all_three_points_of_a_price(api, checkout):
    body = {"service": "checkout", "kind": "latency", "likely": "0.0000200001", "grade": "measured"}

    made = api.post("/api/v1/prices/", body).json()

    assert [made[point] for point in ("low", "likely", "high")] == ["0.0000200001"] * 3
    assert made["grade"] == "measured"


@pytest.mark.parametrize(
    "points", [{"low": 3, "likely": 2, "high": 4}, {"low": 1, "high": 2}, {"likely": -1}, {}]
)
def test_a_price_needs_its_points_in_order(api, points):
    assert is_error(api.post("/api/v1/prices/", {"kind": "toil", **points}), 400)
    assert not Price.objects.exists()


def test_a_service_has_one_price_of_a_kind(api, prices):
    assert is_error(api.post("/api/v1/prices/", {"kind": "toil", "likely": 1}), 400)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "", {"kind": "errors", "likely": 1}),
        ("patch", "{pk}/", {"likely": 300}),
        ("delete", "{pk}/", None),
    ],
)
def test_a_changed_price_sends_the_scoring_run_that_it_asks_for(
    api, prices, monkeypatch, method, path, body
):
    sent = []
    monkeypatch.setattr(tasks, "enqueue", sent.append)
    path = path.format(pk=Price.objects.get(kind="toil").pk)

    answer = getattr(api, method)(f"/api/v1/prices/{path}", body)

    assert answer.status_code < 300
    assert sent == [ScoringRun.objects.get(state="queued")]


GUARANTEE = {
    "metric": "p99_response_time",
    "target": "≤300ms",
    "scope": "order-api → checkout",
    "consumer": None,
    "provider": "checkout",
    "penalty_clause": "每低于目标10ms,扣减SLO预算5%",
    "window": "30d",
    "weight": "1.5",
}


@pytest.fixture
def contract(api, checkout):
    body = {
        "reference": "SLA-01",
        "name": "Gold",
        "starts_on": "2026-01-01",
        "ends_on": None,
        "guarantees": [GUARANTEE, {"metric": "availability", "target": "≥99.95%"}],
    }
    answer = api.post("/api/v1/contracts/", body)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_contract_holds_its_guarantees(api, contract):
    first, second = contract["guarantees"]

    assert {name: first[name] for name in GUARANTEE} == GUARANTEE
    assert (second["target"], second["weight"]) == ("≥99.95%", "1")
    assert api.get(f"/api/v1/contracts/{contract['reference']}/").json() == contract


def test_guarantees_are_changed_by_id_added_without_and_removed_when_left_out(api, contract):
    first, second = contract["guarantees"]
    path = f"/api/v1/contracts/{contract['reference']}/"

    changed = api.patch(
        path, {"guarantees": [{**first, "weight": 2}, {"metric": "error_rate", "target": "≤0.1%"}]}
    ).json()

    assert [row["metric"] for row in changed["guarantees"]] == ["p99_response_time", "error_rate"]
    assert changed["guarantees"][0]["id"] == first["id"]
    assert changed["guarantees"][0]["weight"] == "2"
    assert not Guarantee.objects.filter(pk=second["id"]).exists()


def test_a_patch_that_does_not_speak_of_guarantees_leaves_them(api, contract):
    changed = api.patch(f"/api/v1/contracts/{contract['reference']}/", {"name": "Silver"}).json()

    assert changed == {**contract, "name": "Silver"}


def test_a_guarantee_of_another_contract_is_refused(api, contract):
    body = {"reference": "SLA-02", "guarantees": [contract["guarantees"][0]]}

    assert is_error(api.post("/api/v1/contracts/", body), 400, "guarantees[0].id")
    assert Contract.objects.count() == 1


def test_a_contract_with_a_wrong_guarantee_is_not_stored_at_all(api, checkout):
    twice = [GUARANTEE, GUARANTEE]

    answer = api.post("/api/v1/contracts/", {"reference": "SLA-9", "guarantees": twice})
    assert is_error(answer, 400)
    assert not Contract.objects.exists()
