"""outcomes/: lists, readings one by one and by the thousand, the figures of a period."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from debtreg.api import examples
from debtreg.models import Outcome, OutcomeImpact, OutcomeReading, Price, Role
from tests.api.conftest import is_error
from tests.factories import OutcomeFactory, UserFactory

PATH = "/api/v1/outcomes/"


def day(days_ago):
    return str(timezone.localdate() - timedelta(days=days_ago))


def reading(side, amount, ago, **values):
    """Of 73 days, a fifth of a year, that ended so many days ago."""
    return {
        "side": side,
        "starts_on": day(ago + 72),
        "ends_on": day(ago),
        "amount": amount,
        "grade": "measured",
        **values,
    }


@pytest.fixture
def outcome(checkout, prices):
    """Resolved 200 days ago; one impact of toil."""
    made = OutcomeFactory(item__service=checkout, author=UserFactory(username="olga"))
    OutcomeImpact.objects.create(
        outcome=made, number=1, kind="toil", unit_price=200, annual_cost=12_000, benefit=12_000
    )
    return made


@pytest.fixture
def path(outcome):
    return f"{PATH}{outcome.pk}/"


def test_a_debt_that_is_resolved_over_the_api_gets_an_outcome(api, log):
    key = log(effort=2)["key"]
    assert api.get(f"/api/v1/debts/{key}/").json()["author"] == api.user.username
    api.patch(f"/api/v1/debts/{key}/", {"status": "done"})

    (row,) = api.get(f"{PATH}?debt={key}").json()["results"]

    assert (row["debt"], row["state"], row["author"]) == (key, "waiting", api.user.username)
    assert (row["team"], row["service"], row["promoted_at"]) == ("payments", "checkout", None)
    assert row["predicted"] == {
        "annual_cost": "20000.00",
        "benefit": "20000.00",
        "weighted_benefit": "20000.00",
        "repair_cost": "3200.00",
        "repair_days": "2",
        "roi": "6.25",
        "money_roi": "6.25",
        "roi_p5": row["predicted"]["roi_p5"],
        "roi_p95": row["predicted"]["roi_p95"],
        "policy_version": 1,
    }
    assert set(row["realised"].values()) == {None, False}
    assert (row["actual_days"], row["actual_cash"], row["actual_cost"]) == (None, None, None)


def test_readings_make_the_realised_benefit_and_say_how(api, path):
    api.post(f"{path}readings/", reading("before", None, 200, impact=1, frequency="12.5"))
    answer = api.post(f"{path}readings/", reading("after", "100.00", 100, impact=1, note="Jira"))

    found = answer.json()
    assert answer.status_code == 201
    assert found == api.get(path).json()
    # 12.5 h x 200 in a fifth of a year: 12,500 a year; then 500.
    assert found["realised"]["cost_before"] == "12500.00"
    assert found["realised"]["benefit"] == "12000.00"
    assert (found["realised"]["ratio"], found["realised"]["roi"]) == ("1", "2.5")
    assert (found["state"], found["realised"]["is_measured"]) == ("measured", True)
    (impact,) = found["impacts"]
    assert (impact["number"], impact["kind"], impact["benefit"]) == (1, "toil", "12000.00")
    assert (impact["cost_before"], impact["cost_after"]) == ("12500.00", "500.00")
    before, after = found["readings"]
    assert before["formula"] == (
        "12.5 hours × 200 per hour = 2,500 in 73 days; × 365 / 73 = 12,500 a year"
    )
    assert (before["amount"], before["unit_price"]) == ("2500.00", "200")
    assert after["formula"] == "100 in 73 days; × 365 / 73 = 500 a year"
    assert (after["impact"], after["note"], after["entered_by"]) == (1, "Jira", api.user.username)


def test_the_whole_item_is_read_where_no_impact_is_named(api, path):
    api.post(f"{path}readings/", reading("before", 2_000, 200))
    found = api.post(f"{path}readings/", reading("after", 400, 100, impact=None)).json()
    assert found["realised"]["benefit"] == "8000.00"
    assert [part["number"] for part in found["impacts"]] == [None, 1]
    assert [each["impact"] for each in found["readings"]] == [None, None]


def test_a_reading_is_taken_back(api, path):
    found = api.post(f"{path}readings/", reading("before", 2_000, 200)).json()
    address = f"{path}readings/{found['readings'][0]['id']}/"
    answer = api.delete(address)
    assert (answer.status_code, answer.json()["readings"]) == (200, [])
    assert is_error(api.delete(address), 404)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"side": "during"}, "side"),
        ({"starts_on": "soon"}, "starts_on"),
        ({"starts_on": "0001-01-01"}, "starts_on"),
        ({"ends_on": "9999-12-31"}, "starts_on"),
        ({"ends_on": None}, "ends_on"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1e30"}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": None, "impact": 1}, "frequency"),
        ({"impact": 0}, "impact"),
        ({"impact": 9}, "impact"),
        ({"grade": "default"}, "grade"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_reading_is_refused_by_name(api, path, values, field):
    answer = api.post(f"{path}readings/", {**reading("after", 5, 100), **values})
    assert is_error(answer, 400, field)
    assert not OutcomeReading.objects.exists()


def test_too_short_a_period_is_refused_with_the_reason(api, path):
    answer = api.post(f"{path}readings/", {**reading("after", 5, 100), "starts_on": day(105)})
    assert is_error(answer, 400, "ends_on")
    assert "has 6 days: a year can't be told from fewer than 7 days" in answer.json()["message"]


def test_what_the_repair_took_is_entered(api, path):
    found = api.patch(path, {"actual_days": "4.5", "actual_cash": 300}).json()
    assert (found["actual_days"], found["actual_cash"]) == ("4.5", "300.00")
    assert found["actual_cost"] == "7500.00"
    assert api.patch(path, {"actual_days": 2}).json()["actual_cost"] == "3500.00"
    assert api.patch(path, {"actual_days": None}).json()["actual_cost"] is None
    assert is_error(api.patch(path, {"actual_days": -1}), 400, "actual_days")
    assert is_error(api.patch(path, {"benefit": 1}), 400, "benefit")


def test_who_may_not_enter_is_told_who_may(client_of, orders, path):
    for client in (client_of(Role.MEMBER, orders), client_of(Role.DIRECTOR)):
        assert client.get(path).status_code == 200
        assert is_error(client.post(f"{path}readings/", reading("before", 1, 200)), 403)
        assert is_error(client.patch(path, {"actual_days": 1}), 403)
    assert client_of(Role.SRE).patch(path, {"actual_days": 1}).status_code == 200


def test_many_readings_are_sent_at_once_by_the_keys_of_their_debts(api, outcome):
    key = outcome.item.key
    rows = [
        {**reading("before", 2_000, 200), "debt": key},
        {**reading("after", 400, 100), "debt": key},
    ]
    answer = api.post(f"{PATH}readings/", {"readings": rows})
    assert (answer.status_code, answer.json()) == (201, {"stored": 2})
    outcome.refresh_from_db()
    assert outcome.realised_benefit == 8_000
    again = api.post(f"{PATH}readings/", {"readings": rows})
    assert is_error(again, 400, "readings[0].starts_on", "readings[1].starts_on")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"debt": "DEBT-999999"}, "readings[1].debt"),
        ({"debt": "x"}, "readings[1].debt"),
        ({"side": "x"}, "readings[1].side"),
        ({"impact": 7}, "readings[1].impact"),
    ],
)
def test_one_wrong_reading_of_many_stores_none_and_is_named(api, outcome, values, path):
    good = {**reading("before", 2_000, 200), "debt": outcome.item.key}
    bad = {**reading("after", 1, 100), "debt": outcome.item.key, **values}
    assert is_error(api.post(f"{PATH}readings/", {"readings": [good, bad]}), 400, path)
    assert not OutcomeReading.objects.exists()
    assert is_error(api.post(f"{PATH}readings/", {"readings": []}), 400)


def test_the_examples_work_as_they_stand(api, outcome):
    outcome.resolved_at = datetime(2025, 4, 1, tzinfo=UTC)
    outcome.save()
    answer = api.post(f"{PATH}{outcome.pk}/readings/", examples.READING)
    assert answer.status_code == 201, answer.json()
    OutcomeReading.objects.all().delete()
    rows = [{**row, "debt": outcome.item.key} for row in examples.READINGS["readings"]]
    answer = api.post(f"{PATH}readings/", {"readings": rows})
    assert answer.status_code == 201, answer.json()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("?state=due", 1),
        ("?state=waiting", 1),
        ("?state=measured", 1),
        ("?state=reopened", 1),
        ("?team=payments", 1),
        ("?team=orders", 0),
        ("?service=checkout", 1),
        ("?author=olga", 1),
        ("?debt=DEBT-0", 0),
        ("?debt=nonsense", 0),
        (f"?resolved_from={day(50)}", 1),
        (f"?resolved_to={day(50)}", 3),
        ("?resolved_from=0001-01-01&resolved_to=9999-12-31", 4),
        ("?ordering=due_on", 4),
    ],
)
def test_outcomes_are_filtered(api, outcome, orders, query, count):
    OutcomeFactory(realised_benefit=Decimal(5))
    OutcomeFactory(reopened_at=timezone.now())
    OutcomeFactory(resolved_at=timezone.now(), due_on=timezone.localdate() + timedelta(days=1))
    assert len(api.get(f"{PATH}{query}").json()["results"]) == count


def test_wrong_filters_are_refused(api, db):
    assert is_error(api.get(f"{PATH}?state=lost"), 400, "state")
    assert is_error(api.get(f"{PATH}?team=none"), 400, "team")
    assert is_error(api.get(f"{PATH}?resolved_from=soon"), 400, "resolved_from")
    assert is_error(api.get(f"{PATH}?colour=red"), 400, "colour")
    assert is_error(api.get(f"{PATH}999999/"), 404)


def test_the_summary_gives_each_figure_with_its_cases(api, outcome, payments):
    outcome.promoted_at = outcome.resolved_at - timedelta(days=12)
    outcome.realised_benefit, outcome.actual_cost = Decimal(6_000), Decimal(3_000)
    outcome.save()
    OutcomeFactory(item__team=payments, item__service=None)

    found = api.get(f"{PATH}summary/").json()

    assert (found["from"], found["to"]) == (day(364), day(0))
    assert (found["before_from"], found["before_to"]) == (day(729), day(365))
    assert (found["team"], found["resolved"], found["measured"], found["due"]) == (None, 2, 1, 1)
    assert found["benefit"] == {
        "cases": 1,
        "predicted": "12000.00",
        "realised": "6000.00",
        "ratio": "0.5",
        "median_ratio": "0.5",
        "median_cases": 1,
        "weak": True,
    }
    assert found["effort"]["ratio"] == "0.625"
    assert found["returns"]["realised_roi"] == "2"
    assert found["returns"]["predicted_roi"] == "2.5"
    assert (found["returns_before"]["cases"], found["returns_before"]["realised_roi"]) == (0, None)
    cycle = found["cycle"]
    assert (cycle["resolved"], cycle["mean_days"], cycle["open"]) == (1, "12", 0)
    assert cycle["unpromoted"] == 1
    assert [(row["author"], row["benefit"]["cases"]) for row in found["authors"]] == [("olga", 1)]
    assert [(row["team"], row["resolved"]) for row in found["teams"]] == [("payments", 2)]


def test_the_summary_is_of_a_period_and_a_team(api, outcome, orders):
    query = f"?from={day(210)}&to={day(190)}"
    assert api.get(f"{PATH}summary/{query}").json()["resolved"] == 1
    assert api.get(f"{PATH}summary/?from={day(190)}").json()["resolved"] == 0
    found = api.get(f"{PATH}summary/?team=orders").json()
    assert (found["team"], found["resolved"]) == ("orders", 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=soon", "from"),
        ("to=9999-12-31", "to"),
        ("from=0001-01-01", "from"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("team=none", "team"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_period_is_refused_by_name(api, db, query, field):
    assert is_error(api.get(f"{PATH}summary/?{query}"), 400, field)


def test_the_answer_takes_as_many_queries_for_many_readings(
    api, outcome, django_assert_max_num_queries
):
    for number in range(2, 12):
        OutcomeImpact.objects.create(outcome=outcome, number=number, kind="stated", benefit=1)
        api.post(f"{PATH}{outcome.pk}/readings/", reading("before", 5, 200, impact=number))
    assert Outcome.objects.get().readings.count() == 10
    assert Price.objects.exists()
    with django_assert_max_num_queries(9):
        found = api.get(f"{PATH}{outcome.pk}/").json()
    assert len(found["readings"]) == 10
