"""debts: logged, read, changed, decided upon."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg.models import DebtItem
from tests.api.conftest import TOIL, is_error
from tests.factories import SloFactory, measured_days

DEBTS = "/api/v1/debts/"
SCORE = {
    *("state", "annual_cost", "benefit", "weighted_benefit", "repair_cost", "roi", "money_roi"),
    *("payback_days", "breaking_point_years", "roi_p5", "roi_p50", "roi_p95", "confidence"),
    *("budget_share", "priority", "rank", "policy_version", "scored_at"),
}


def test_a_debt_is_scored_as_it_is_logged(log):
    found = log()

    score = found["score"]
    assert score.keys() >= SCORE
    assert (score["state"], score["roi"], score["rank"]) == ("priced", "6.25", 1)
    assert (score["annual_cost"], score["repair_cost"]) == ("20000.00", "3200.00")
    assert found["team"] == "payments"


def test_a_debt_takes_the_same_few_queries_for_any_number_of_impacts(api, checkout, prices):
    body = {"title": "A debt", "service": "checkout", "effort": 2}
    counts = []
    for impacts in (1, 1, 20):  # the first notes that the token is used
        with CaptureQueriesContext(connection) as queries:
            assert api.post(DEBTS, {**body, "impacts": [TOIL] * impacts}).status_code == 201
        counts.append(len(queries))
    assert counts[1] == counts[2] <= 40


def test_a_new_debt_says_where_it_is(api, checkout):
    answer = api.post(DEBTS, {"title": "A debt"})

    key = answer.json()["key"]
    assert answer["Location"] == f"http://testserver/api/v1/debts/{key}/"
    assert answer["ETag"] == '"1"'
    assert api.get(answer["Location"]).json() == answer.json()


def test_numbers_come_in_three_forms_and_back_as_texts(log):
    found = log(
        effort={"low": "1.5", "likely": 2, "high": 4, "unit": "hour"},
        cash="1200.5",
        impacts=[
            {"kind": "latency", "frequency": 1000, "share": "0.03", "unit_price": 2e-5},
            {"kind": "toil", "frequency": {"low": 10}, "effectiveness": 0.9},
        ],
    )

    assert found["effort"] == {"low": "1.5", "likely": "2", "high": "4", "unit": "hour"}
    assert found["cash"] == "1200.50"
    first, second = found["impacts"]
    assert first["frequency"] == {"low": "1000", "likely": "1000", "high": "1000"}
    assert first["unit_price"] == dict.fromkeys(("low", "likely", "high"), "0.00002")
    assert first["magnitude"] is None
    assert second["frequency"] == {"low": "10", "likely": None, "high": None}
    assert second["effectiveness"] == "0.9"


def test_what_is_not_known_stays_null(api, db):
    found = api.post(DEBTS, {"title": "A debt", "impacts": [{"kind": "toil"}]}).json()

    assert found["effort"] == {"low": None, "likely": None, "high": None, "unit": "person_day"}
    assert found["impacts"][0]["frequency"] is None
    assert found["score"]["state"] == "unpriced"
    for name in ("annual_cost", "roi", "rank", "repair_cost", "payback_days"):
        assert found["score"][name] is None


def test_an_item_sent_back_as_it_came_stays_as_it_is(api, log):
    first = log(
        tags=["a"], confidence="low", external_ref="x-1", due_on="2026-05-01", stated_priority="P1"
    )

    again = api.put(f"{DEBTS}{first['key']}/", first)

    assert again.status_code == 200, again.json()
    same = first.keys() - {"revision", "updated_at", "score"}
    assert {name: again.json()[name] for name in same} == {name: first[name] for name in same}
    assert again.json()["revision"] == first["revision"] + 1


def test_patch_leaves_what_it_does_not_say(api, log):
    item = log(owner="Li")

    found = api.patch(f"{DEBTS}{item['key']}/", {"title": "Other", "effort": 4}).json()

    assert (found["title"], found["owner"], len(found["impacts"])) == ("Other", "Li", 1)
    assert found["score"]["roi"] == "3.125"


def test_put_takes_back_what_it_does_not_say(api, log):
    item = log(owner="Li", external_ref="x-1")

    found = api.put(f"{DEBTS}{item['key']}/", {"title": "Other"}).json()

    assert (found["owner"], found["external_ref"], found["service"]) == ("", None, None)
    assert found["impacts"] == []
    assert found["effort"]["likely"] is None


def test_keys_are_read_in_any_case(api, log):
    key = log()["key"]

    assert api.get(f"{DEBTS}{key.lower()}/").json()["key"] == key


def test_two_items_do_not_share_an_external_ref(api, log):
    log(external_ref="x-1")

    assert is_error(api.post(DEBTS, {"title": "b", "external_ref": "x-1"}), 400, "external_ref")


def test_a_change_on_top_of_another_is_refused_by_etag(api, log):
    path = f"{DEBTS}{log()['key']}/"
    etag = api.get(path)["ETag"]
    api.patch(path, {"title": "First"})

    answer = api.patch(path, {"title": "Second"}, HTTP_IF_MATCH=etag)

    assert is_error(answer, 412)
    assert "revision 2" in answer.json()["message"]
    assert api.get(path).json()["title"] == "First"
    assert api.patch(path, {"title": "Third"}, HTTP_IF_MATCH='"2"').status_code == 200
    assert api.patch(path, {"title": "Fourth"}, HTTP_IF_MATCH="*").status_code == 200


def test_a_change_on_top_of_another_is_refused_by_revision(api, log):
    path = f"{DEBTS}{log()['key']}/"
    api.patch(path, {"title": "First"})

    assert is_error(api.patch(path, {"title": "Second", "revision": 1}), 409)


def test_nothing_is_ever_deleted(api, log):
    key = log()["key"]

    assert is_error(api.delete(f"{DEBTS}{key}/"), 405)
    assert DebtItem.objects.count() == 1


def test_the_fields_that_are_read_only_cannot_be_set(api, log):
    found = log(pinned=True, score={"roi": "99"}, key="DEBT-777", created_at="2001-01-01T00:00:00Z")

    assert found["pinned"] is False
    assert found["key"] != "DEBT-777"
    assert found["score"]["roi"] == "6.25"
    assert not found["created_at"].startswith("2001")


def test_what_must_be_repaired_first_is_kept_by_key(api, log):
    first, second = log()["key"], log()["key"]

    found = api.patch(f"{DEBTS}{second}/", {"needs": [first]}).json()
    assert found["needs"] == [first]
    assert is_error(api.patch(f"{DEBTS}{second}/", {"needs": [second]}), 400, "needs")
    assert api.patch(f"{DEBTS}{second}/", {"needs": []}).json()["needs"] == []


def test_an_own_currency_is_none_and_a_foreign_one_unprices(log):
    own, foreign = (
        log(impacts=[{"kind": "stated", "unit_price": 5, "currency": code}])
        for code in ("cny", "EUR")
    )

    assert (own["impacts"][0]["currency"], own["score"]["annual_cost"]) == ("CNY", "5.00")
    assert (foreign["impacts"][0]["currency"], foreign["score"]["annual_cost"]) == ("EUR", None)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", "abc"),
        ("?ordering=-key", "cba"),
        ("?team=payments", "ab"),
        ("?team=null", "c"),
        ("?service=checkout", "ab"),
        ("?service=null", "c"),
        ("?status=doing", "b"),
        ("?category=design", "a"),
        ("?external_ref=x-1", "b"),
        ("?external_ref=x", ""),
        ("?q=PART B", "b"),
        ("?q={key_c}", "c"),
    ],
)
def test_the_list_is_filtered(api, log, query, titles):
    log(title="Part a", category="design")
    log(title="Part b", external_ref="x-1", status="doing")
    key = log(title="Part c", service=None)["key"]

    rows = api.get(DEBTS + query.format(key_c=key)).json()["results"]

    assert "".join(row["title"][-1] for row in rows) == titles


def test_only_the_fields_that_are_asked_for_come(api, log):
    log()

    assert api.get(f"{DEBTS}?fields=key,title").json()["results"][0].keys() == {"key", "title"}


def test_explain_puts_the_numbers_into_the_formula(api, log):
    found = api.get(f"{DEBTS}{log()['key']}/explain/").json()

    impact = found["impacts"][0]
    assert (found["roi"], impact["cost_per_year"]) == ("6.25", "20000.00")
    assert impact["factors"]["frequency"]["mean"] == "100"
    assert impact["factors"]["unit_price"]["source"] == "installation"
    assert "100 hours / year × 200 per hour" in impact["formula"]
    assert found["repair"]["formula"] == "2 person-days × 1,600 a day = 3,200"


def test_history_begins_with_the_first_score_and_names_causes(api, log):
    key = log()["key"]
    first = api.get(f"{DEBTS}{key}/history/").json()["results"]
    assert [(row["cause"], row["old"], row["new"]["roi"]) for row in first] == [
        ("first", None, "6.25")
    ]
    assert first[0]["at"]

    api.patch(f"{DEBTS}{key}/", {"effort": 4})
    api.patch(f"{DEBTS}{key}/", {"effort": 5})

    rows = api.get(f"{DEBTS}{key}/history/").json()["results"]
    assert [
        (row["cause"], row["old"] and row["old"]["roi"], row["new"]["roi"]) for row in rows
    ] == [
        ("input", "3.125", "2.5"),
        ("input", "6.25", "3.125"),
        ("first", None, "6.25"),
    ]
    page = api.get(f"{DEBTS}{key}/history/?page_size=1").json()
    assert [row["cause"] for row in page["results"]] == ["input"]
    # The first score comes with the last of its changes.
    last = api.get(page["next"]).json()
    assert [row["cause"] for row in last["results"]] == ["input", "first"]


def test_a_veto_stands_until_it_is_lifted(api, log):
    path = f"{DEBTS}{log()['key']}/"

    vetoed = api.post(f"{path}veto/", {"reason": "Not now", "until": "2099-01-31"}).json()
    assert vetoed["veto"] == {"reason": "Not now", "until": "2099-01-31"}
    assert is_error(api.post(f"{path}promote/", {}), 409)

    assert api.delete(f"{path}veto/").json()["veto"] is None
    assert is_error(api.post(f"{path}veto/", {}), 400, "reason")
    assert is_error(api.post(f"{path}veto/", {"reason": "x", "until": "soon"}), 400, "until")


def test_an_accepted_debt_says_why_until_it_is_reopened(api, log):
    path = f"{DEBTS}{log()['key']}/"

    accepted = api.post(f"{path}accept/", {"reason": "Cheap"}).json()
    assert (accepted["status"], accepted["acceptance"]) == (
        "accepted",
        {"reason": "Cheap", "until": None},
    )
    # What was read may be sent back.
    assert api.put(path, accepted).status_code == 200

    reopened = api.delete(f"{path}accept/").json()
    assert (reopened["status"], reopened["acceptance"]) == ("open", None)


def test_a_pinned_debt_is_in_the_backlog(api, log):
    key = log(impacts=[])["key"]

    assert api.post(f"{DEBTS}{key}/pin/").json()["pinned"] is True
    assert [row["debt"] for row in api.get("/api/v1/backlog/").json()["results"]] == [key]
    assert api.post(f"{DEBTS}{key}/pin/", {"pinned": False}).json()["pinned"] is False
    assert api.delete(f"{DEBTS}{key}/pin/").json()["pinned"] is False


def test_a_resolved_debt_has_no_rank_and_keeps_its_day(api, log):
    item = log()

    found = api.patch(f"{DEBTS}{item['key']}/", {"status": "done"}).json()

    assert found["closed_on"]
    assert found["score"]["rank"] is None
    assert api.get("/api/v1/ranking/").json()["results"] == []


def test_impacts_name_guarantees(api, log):
    contract = api.post(
        "/api/v1/contracts/",
        {"reference": "SLA-1", "guarantees": [{"metric": "p99", "target": "≤1s", "weight": 2}]},
    ).json()
    guarantee = contract["guarantees"][0]["id"]

    found = log(impacts=[{**TOIL, "guarantee": guarantee}])

    assert found["impacts"][0]["guarantee"] == guarantee
    assert (found["score"]["benefit"], found["score"]["weighted_benefit"]) == (
        "20000.00",
        "40000.00",
    )


def test_impacts_name_the_slo_that_measures_them(api, checkout, log):
    slo = SloFactory(name="checkout-errors", service=checkout)
    measured_days(slo, days=10, total=1_000, bad=10)

    found = log(impacts=[{"kind": "errors", "slo": slo.name, "slo_part": "0.5", "unit_price": "2"}])

    (impact,) = found["impacts"]
    assert (impact["slo"], impact["slo_part"], impact["frequency"]) == (slo.name, "0.5", None)
    assert found["score"]["annual_cost"] == "3650.00"
    assert found["score"]["budget_share"] == "5"
    (part,) = api.get(f"{DEBTS}{found['key']}/explain/").json()["impacts"]
    assert part["measured"]["slo"] == slo.name
    assert part["factors"]["frequency"]["source"] == "measured"


def test_an_slo_that_is_not_there_is_refused_by_name(api, db):
    answer = api.post(DEBTS, {"title": "A", "impacts": [{"kind": "errors", "slo": "none"}]})

    assert is_error(answer, 400, "impacts[0].slo")


def test_a_bulk_call_takes_slos_by_name(api, checkout):
    slo = SloFactory(name="checkout-errors", service=checkout)
    row = {"external_ref": "a", "title": "A", "service": checkout.slug}
    row["impacts"] = [{"kind": "errors", "slo": slo.name, "slo_part": 0.25}]

    assert api.post(f"{DEBTS}bulk/", [row]).json()["created"] == 1
    assert api.post(f"{DEBTS}bulk/", [row]).json()["unchanged"] == 1
    impact = DebtItem.objects.get().impacts.get()
    assert (impact.slo, impact.slo_part) == (slo, 0.25)
    row["impacts"][0]["slo"] = "none"
    assert is_error(api.post(f"{DEBTS}bulk/", [row]), 400, "items[0].impacts[0].slo")


@pytest.mark.parametrize("title", ["", " ", "\u200b", "\u3000\u2060"])
def test_a_title_that_nobody_can_see_is_none(api, db, title):
    assert is_error(api.post(DEBTS, {"title": title}), 400, "title")
    assert is_error(api.post(f"{DEBTS}bulk/", [{"title": title}]), 400, "items[0].title")
