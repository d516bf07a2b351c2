"""contracts/: confirmation, amendments, import, the penalty ledger; findings/."""

import pytest
import time_machine

from debtreg.actions import findings
from debtreg.api import examples
from debtreg.models import Contract, Finding, Guarantee, PenaltyEntry, Role, Terms
from tests.api.test_catalog import is_error
from tests.factories import GuaranteeFactory, ServiceFactory

BASE = "/api/v1/contracts/"


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel("2026-07-15"):
        yield


@pytest.fixture
def promise(db):
    return GuaranteeFactory(
        contract=Contract.objects.create(reference="SLA-01"),
        window_text="30d",
        penalty_clause="每低于目标10ms,扣减SLO预算5%",
        provider=ServiceFactory(slug="profile"),
        confirmed=False,
    )


def address(promise, verb):
    return f"{BASE}SLA-01/guarantees/{promise.pk}/{verb}/"


def test_a_contract_is_found_by_its_reference(api, promise):
    found = api.get(f"{BASE}SLA-01/").json()
    terms = found["guarantees"][0]["terms"]
    assert (terms["operator"], terms["value"], terms["unit"]) == ("<=", "300", "ms")
    assert (terms["statistic"], terms["objective"], terms["period"]) == ("p99", "0.99", "rolling")
    assert terms["penalty"]["kind"] == "budget_deduction"
    assert (terms["confirmed_at"], terms["confirmed_by"]) == (None, None)
    assert is_error(api.get(f"{BASE}SLA-99/"), 404)


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_a_number_names_the_contract_of_that_number_and_never_one_by_its_id(api, promise, verb):
    victim = promise.contract
    body = {"reference": str(victim.pk), "name": "Gold"}
    path = f"{BASE}{victim.pk}/"
    call = getattr(api, verb)
    assert is_error(call(path, body), 404)
    assert is_error(call(f"{BASE}0{victim.pk}/", body), 404)

    named = Contract.objects.create(reference=str(victim.pk))
    assert call(path, body).status_code in (200, 204)
    assert Contract.objects.filter(pk=victim.pk, reference="SLA-01", name="").exists()
    assert Contract.objects.filter(pk=named.pk).exists() is (verb != "delete")


@pytest.mark.parametrize("reference", ["import", "penalties", "a/b", ".."])
def test_a_reference_that_no_address_could_carry_is_refused(api, db, reference):
    sent = {"reference": reference, "name": "Gold"}
    assert is_error(api.post(BASE, sent), 400, "reference")
    entry = {"id": reference, "metric": "availability", "target": "≥99.9%"}
    (looked_at,) = api.post(f"{BASE}import/", {"slas": [entry]}).json()["entries"]
    assert looked_at["state"] == "wrong"
    assert reference in looked_at["findings"][0]["text"]
    assert is_error(api.post(f"{BASE}import/", {"slas": [entry], "commit": True}), 400)
    assert not Contract.objects.exists()


def test_terms_are_confirmed_by_those_who_may(api, client_of, promise):
    path, body = address(promise, "confirm"), examples.CONFIRMATION
    assert is_error(client_of(Role.MEMBER).post(path, body), 403)
    compliance = client_of(Role.COMPLIANCE)
    answer = compliance.post(path, body).json()
    assert answer["terms"]["confirmed_by"] == compliance.user.username
    assert compliance.post(path, body).json() == answer
    assert is_error(api.post(path, {"version": 9}), 404)
    assert is_error(api.post(f"{BASE}SLA-01/guarantees/999/confirm/", body), 404)


def test_what_has_changed_is_not_confirmed(api, promise):
    api.patch(f"{BASE}SLA-01/", {"guarantees": [{"id": promise.pk, **said("≤250ms")}]})
    body = {"version": 1, "revision": 1}
    assert is_error(api.post(address(promise, "confirm"), body), 409)


def said(target):
    return {"metric": "p99_response_time", "target": target}


def test_an_amendment_waits_beside_what_is_in_force_and_can_be_dropped(api, promise):
    api.post(address(promise, "confirm"), {"version": 1})
    answer = api.post(address(promise, "amend"), {"effective_from": "2026-08-01", "target": "≤1s"})
    found = answer.json()
    assert [each["target"] for each in found["versions"]] == ["≤300ms", "≤1s"]
    assert (found["target"], found["terms"]["target"]) == ("≤1s", "≤300ms")
    gone = api.delete(f"{BASE}SLA-01/guarantees/{promise.pk}/versions/2/")
    assert len(gone.json()["versions"]) == 1
    assert is_error(api.delete(f"{BASE}SLA-01/guarantees/{promise.pk}/versions/1/"), 409)
    empty = {"effective_from": None, "target": ""}
    assert is_error(api.post(address(promise, "amend"), empty), 400, "target")


def test_what_is_confirmed_counts_while_an_amendment_waits(api, promise):
    api.post(address(promise, "confirm"), {"version": 1})
    body = {"effective_from": "2026-07-01", "target": "≤1s"}
    found = api.post(address(promise, "amend"), body).json()
    assert (found["target"], found["terms"]["target"]) == ("≤1s", "≤300ms")
    (gap,) = api.get("/api/v1/findings/?kind=unconfirmed&open=true").json()["results"]
    assert "Version 2, in force from 2026-07-01 on" in gap["text"]


def test_what_was_read_is_sent_back_without_a_change(api, promise):
    api.post(address(promise, "confirm"), {"version": 1})
    found = api.get(f"{BASE}SLA-01/").json()
    assert api.put(f"{BASE}SLA-01/", found).json() == found
    found["guarantees"][0]["target"] = "≤250ms"
    changed = api.put(f"{BASE}SLA-01/", found).json()["guarantees"][0]
    assert [each["effective_from"] for each in changed["versions"]] == [None, "2026-07-15"]


def test_what_a_promise_tolerates_is_asked_of_what_is_stored(api, db):
    row = GuaranteeFactory(
        contract=Contract.objects.create(reference="SLA-01"),
        metric="availability",
        target_text="≥99.99%",
        window_text="365d",
    )
    path = address(row, "tolerance")
    found = api.get(f"{path}?recovery_seconds=480&impact=1&open_seconds=30").json()
    assert (found["incidents_per_period"], found["budget_minutes"]) == ("6.57", "52.56")
    assert api.get(path).json()["incidents_per_period"] is None
    assert is_error(api.get(f"{path}?impact=7"), 400, "impact")


def test_a_registry_is_looked_at_and_stored(api, db):
    body = {**examples.REGISTRY, "commit": False}
    looked = api.post(f"{BASE}import/", body).json()
    assert (looked["stored"], looked["entries"][0]["state"]) == (False, "new")
    assert not Contract.objects.exists()
    stored = api.post(f"{BASE}import/", examples.REGISTRY).json()
    assert (stored["stored"], stored["contracts"]) == (True, 1)
    text = "slas: [{id: SLA-02, metric: availability, target: '≥ 99.9 %'}]"
    again = api.post(f"{BASE}import/", {"text": text}).json()
    assert again["entries"][0]["target"] == ">= 99.9 %"
    assert Terms.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "["},
        {"text": "a: 1"},
        {"text": "slas: []", "slas": []},
        {"slas": [{"id": "x"}], "commit": True},
        {"slas": "x"},
        {"slas": [{"id": "S", "metric": "m", "target": "x" * 99}], "commit": True},
    ],
)
def test_what_is_no_registry_is_refused(api, db, body):
    assert is_error(api.post(f"{BASE}import/", body), 400)
    assert not Contract.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "slas: [{id: 0x" + "f" * 6000 + ", metric: m, target: '≤1s', weight: 9e999}]",
        "slas: [{id: S, metric: m, target: 0x" + "f" * 6000 + "}]",
        "slas: [{id: " + "9" * 6000 + ", metric: m, target: '≤1s'}]",
        "slas: [{id: S, metric: m, target: '≤1s', weight: " + "9" * 6000 + "}]",
        'slas: [{id: "\\ud800", metric: m, target: "≤1s"}]',
        'slas: [{id: "a\\0b", metric: m, target: "≤1s"}]',
        "slas:\n- id: S\n  id: T\n  metric: m\n  target: ≤1s",
        "slas: [" + "[],\n" * 150_000 + "]",
        "slas: [" + "- " * 60 + "]",
        "slas: [{id: S, metric: m, target: '≤1s', note: {a: {b: \"\\0\"}}}]",
    ],
)
def test_a_registry_that_nothing_can_store_is_refused_in_a_sentence(api, db, text):
    found = api.post(f"{BASE}import/", {"text": text, "commit": True})
    assert is_error(found, 400)
    assert not Contract.objects.exists()


@pytest.mark.parametrize(
    "value", ["9" * 4000, float("1e300"), "x" * 300, [], {}, True], ids=lambda value: str(value)[:9]
)
@pytest.mark.parametrize("name", ["id", "metric", "target", "scope", "weight"])
def test_an_entry_that_nothing_can_store_is_refused(api, db, name, value):
    entry = {"id": "S", "metric": "m", "target": "≤1s", name: value}
    looked = api.post(f"{BASE}import/", {"slas": [entry]}).json()
    assert looked["entries"][0]["state"] == "wrong"
    assert is_error(api.post(f"{BASE}import/", {"slas": [entry], "commit": True}), 400)
    assert not Contract.objects.exists()


def test_words_and_numbers_stay_as_they_are_written(api, db):
    text = "slas: [{id: 010, metric: yes, target: '≤1s', window: 12:30},"
    text += "{id: 12:30, metric: 1.10, target: 1}]"
    one, two = api.post(f"{BASE}import/", {"text": text}).json()["entries"]
    assert (one["reference"], one["metric"]) == ("010", "yes")
    assert "12:30" in str(one["findings"])
    assert (two["reference"], two["metric"]) == ("12:30", "1.10")


def test_a_key_that_stands_twice_is_refused_with_its_line(api, db):
    twice = "slas:\n- id: S\n  metric: m\n  id: T\n  target: ≤1s"
    answer = api.post(f"{BASE}import/", {"text": twice}).json()
    assert answer["message"] == "Line 4: slas[0].id stands here twice."


def test_json_is_read_as_yaml_is(api, db):
    entry = {"id": 10, "metric": "可用性 😀", "target": "≥99.9%", "note": ["\u2028", 0.1, None]}
    (found,) = api.post(f"{BASE}import/", {"slas": [entry], "commit": True}).json()["entries"]
    assert (found["reference"], found["metric"]) == ("10", "可用性 😀")
    assert found["extra"] == {"note": ["\u2028", 0.1, None]}
    assert api.get(f"{BASE}10/").json()["guarantees"][0]["extra"] == found["extra"]


def test_what_stands_beside_the_slas_is_kept_and_said(api, db):
    text = "slas: [{id: S, metric: m, target: ≤1s}]\nreviewed: 2026-01-01\nteams: []"
    found = api.post(f"{BASE}import/", {"text": text, "commit": True}).json()
    assert [each["kind"] for each in found["findings"]] == ["unknown_field", "left_out"]
    assert api.get(f"{BASE}S/").json()["extra"] == found["extra"] == {"reviewed": "2026-01-01"}


def test_periods_are_recorded_listed_and_taken_back(api, client_of, promise):
    api.post(address(promise, "confirm"), {"version": 1})
    body = {**examples.PERIOD, "guarantee": promise.pk}
    answer = api.post(f"{BASE}penalties/", body)
    assert answer.status_code == 201, answer.json()
    found = answer.json()
    assert (found["deduct_percent"], found["deducted_requests"]) == ("15", "3000")
    assert (found["known"], found["deducted_minutes"], found["version"]) == (True, None, 1)
    assert api.post(f"{BASE}penalties/", body).json() == found
    assert api.get(f"{BASE}penalties/?contract=SLA-01").json()["results"] == [found]
    assert api.get(f"{BASE}penalties/?known=false").json()["results"] == []
    assert is_error(client_of(Role.MEMBER).post(f"{BASE}penalties/", body), 403)
    unknown = {**body, "measured": None, "requests": None}
    changed = api.post(f"{BASE}penalties/", unknown).json()
    assert (changed["id"], changed["known"], changed["deduct_percent"]) == (
        found["id"],
        False,
        None,
    )
    assert is_error(client_of(Role.MEMBER).delete(f"{BASE}penalties/{found['id']}/"), 403)
    assert api.delete(f"{BASE}penalties/{found['id']}/").status_code == 204
    assert not PenaltyEntry.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"measured": "fast"}, "measured"),
        ({"measured": {"low": 1}}, "measured.high"),
        ({"measured": [1]}, "measured"),
        ({"ends_on": "2026-06-29"}, "starts_on"),
        ({"requests": -1}, "requests"),
        ({"guarantee": 999_999}, None),
    ],
)
def test_a_period_that_is_none_is_refused_by_name(api, promise, change, field):
    api.post(address(promise, "confirm"), {"version": 1})
    body = {**examples.PERIOD, "guarantee": promise.pk, **change}
    answer = api.post(f"{BASE}penalties/", body)
    assert answer.status_code == (404 if field is None else 400)
    if field == "measured.high":
        assert "high" in str(answer.json()["fields"]) or "measured" in str(answer.json()["fields"])
    elif field:
        assert field in answer.json()["fields"]


def test_findings_are_filtered_and_have_owner_and_age(api, promise):
    findings.refresh()
    (gap,) = api.get("/api/v1/findings/?kind=unconfirmed&open=true").json()["results"]
    team = promise.provider.team.slug
    assert (gap["contract"], gap["guarantee"], gap["team"]) == ("SLA-01", promise.pk, team)
    assert (gap["age_days"], gap["closed_at"]) == (0, None)
    assert api.get(f"/api/v1/findings/?team={team}&open=false").json()["results"] == []
    api.post(address(promise, "confirm"), {"version": 1})
    assert Finding.objects.open().filter(kind="unconfirmed").count() == 0
    assert len(api.get("/api/v1/findings/?open=false").json()["results"]) == 1
    assert is_error(api.get("/api/v1/findings/?kind=luck"), 400, "kind")


def test_removing_a_guarantee_by_leaving_it_out_closes_its_gaps(api, promise):
    findings.refresh()
    api.put(f"{BASE}SLA-01/", {"reference": "SLA-01", "guarantees": []})
    assert not Guarantee.objects.exists()
    assert not Finding.objects.exists()
