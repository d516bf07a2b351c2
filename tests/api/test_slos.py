"""slos and maintenances: shapes, refusals, changes and how an SLO stands."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from debtreg import budgets, readings
from debtreg.formats import documents
from debtreg.models import AuditEntry, Connection, Maintenance, Slo
from tests.api.conftest import is_error
from tests.factories import GuaranteeFactory, MaintenanceFactory, ServiceFactory, SloFactory
from tests.formats.samples import an_slo

GOOD = 'sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))'
TOTAL = "sum(increase(http_requests_total[{{.window}}]))"
SLO = {"name": "checkout-answers", "service": "checkout", "objective": "0.9995"}


@pytest.fixture
def slo(checkout):
    return SloFactory(name="checkout-answers", service=checkout)


def read(slo, good, total):
    """A reading of a moment ago, and the states."""
    at = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    batch = readings.Batch()
    batch.add(slo.pk, at, 3600, good * 1000, total * 1000)
    readings.store(batch, source="api")
    budgets.refresh([slo.pk])


def test_an_slo_comes_back_as_it_was_sent_with_defaults_and_without_a_state(api, checkout):
    made = api.post("/api/v1/slos/", SLO)

    assert made.status_code == 201
    assert made["Location"].endswith("/slos/checkout-answers/")
    assert made["ETag"] == '"1"'
    body = made.json()
    assert {name: body[name] for name in SLO} == SLO
    assert body["objective_percent"] == "99.95"
    assert body["window"] == {
        "kind": "rolling",
        "days": 30,
        "month_basis": "calendar",
        "time_zone": "UTC",
    }
    assert (body["kind"], body["method"], body["state"]) == ("availability", "occurrences", None)
    assert (body["guarantee"], body["connection"], body["threshold_ms"]) == (None, None, None)
    assert api.get("/api/v1/slos/checkout-answers/").json() == body


def test_all_of_an_slo_can_be_said(api, checkout):
    guarantee = GuaranteeFactory()
    Connection.objects.create(name="main", url="https://prometheus.example.org")
    body = {
        "name": "checkout-fast",
        "title": "Fast enough",
        "description": "As the shop promises",
        "service": "checkout",
        "guarantee": guarantee.pk,
        "kind": "latency",
        "objective_percent": "99",
        "window": {
            "kind": "quarter",
            "days": None,
            "month_basis": "730h",
            "time_zone": "Asia/Shanghai",
        },
        "method": "timeslices",
        "slice_seconds": 300,
        "slice_target": "0.95",
        "threshold_ms": "300",
        "connection": "main",
        "good_query": GOOD,
        "bad_query": "",
        "total_query": TOTAL,
        "buckets_query": "b",
        "quantile_query": "q",
    }

    made = api.post("/api/v1/slos/", body).json()

    assert {name: made[name] for name in body} == body
    assert made["objective"] == "0.99"


def test_a_calendar_window_loses_its_days_and_a_rolling_one_gets_some(api, slo):
    path = f"/api/v1/slos/{slo.name}/"

    assert api.patch(path, {"window": {"kind": "month"}}).json()["window"]["days"] is None
    assert api.patch(path, {"window": {"kind": "rolling"}}).json()["window"]["days"] == 30
    assert api.patch(path, {"window": {"days": 7}}).json()["window"]["days"] == 7


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"objective": 1}, "objective", "no error budget"),
        ({"objective_percent": "100"}, "objective", "no error budget"),
        ({"objective": "1.5"}, "objective", "from 0 to 1"),
        ({"objective": "0.99", "objective_percent": 98}, "objective_percent", "says 99 %"),
        ({"objective": None}, "objective", "null"),
        ({"name": "Not_A_Name"}, "name", "a to z"),
        ({"name": "import"}, "name", "address"),
        ({"service": "nobody"}, "service", "no such service"),
        ({"guarantee": 2**62}, "guarantee", "no such guarantee"),
        ({"connection": "nowhere"}, "connection", "no such connection"),
        ({"kind": "latency"}, "threshold_ms", "milliseconds"),
        ({"method": "timeslices"}, "slice_seconds", "divide an hour"),
        ({"window": {"days": 400}}, "window.days", "366"),
        ({"window": {"kind": "month", "days": 3}}, "window_days", "Only a rolling window"),
        ({"window": {"time_zone": "Asia/Atlantis"}}, "time_zone", "Asia/Shanghai"),
        ({"colour": "red"}, "colour", "no field"),
    ],
)
def test_what_is_wrong_is_said_by_field(api, slo, change, field, text):
    answer = api.patch(f"/api/v1/slos/{slo.name}/", change)

    assert answer.status_code == 400
    assert text in str(answer.json()["fields"][field]), answer.json()


def test_an_objective_is_needed_and_a_name_is_there_once(api, slo):
    body = {"name": "other", "service": "checkout"}

    assert is_error(api.post("/api/v1/slos/", body), 400, "objective")
    assert is_error(api.post("/api/v1/slos/", {**SLO, "name": slo.name}), 400, "name")


def test_put_says_all_and_patch_what_it_says(api, slo):
    path = f"/api/v1/slos/{slo.name}/"
    api.patch(path, {"title": "Checkout", "window": {"kind": "year"}})

    changed = api.put(path, SLO).json()

    assert (changed["title"], changed["window"]["kind"]) == ("", "rolling")
    assert changed["objective"] == "0.9995"


def test_a_change_on_top_of_another_is_refused(api, slo):
    path = f"/api/v1/slos/{slo.name}/"
    tag = api.get(path)["ETag"]
    assert api.patch(path, {"title": "A"}, headers={"if-match": tag}).status_code == 200

    assert is_error(api.patch(path, {"title": "B"}, headers={"if-match": tag}), 412)
    assert is_error(api.patch(path, {"title": "B", "revision": 1}), 409)
    assert Slo.objects.get().title == "A"


def test_an_slo_shows_how_it_stands_by_window(api, slo):
    read(slo, 999, 1000)

    state = api.get(f"/api/v1/slos/{slo.name}/").json()["state"]

    assert state["remaining"] == "0"
    assert state["as_of"]
    assert state["windows"][0]["window"] == "5m"
    whole = state["windows"][-1]
    assert (whole["window"], whole["good"], whole["total"]) == ("period", "999", "1000")
    assert whole["burn_rate"] == "1"
    assert whole["measured_seconds"] == 3600


def test_no_data_is_null_and_not_nothing(api, slo):
    budgets.refresh([slo.pk])

    state = api.get(f"/api/v1/slos/{slo.name}/").json()["state"]

    assert state["remaining"] is None
    for window in state["windows"]:
        assert (window["good"], window["error_ratio"], window["burn_rate"]) == (None, None, None)


def test_lists_are_filtered_ordered_and_paged(api, slo):
    other = SloFactory(
        name="a", title="Ledger", kind="error_ratio", window="month", window_days=None
    )
    read(slo, 0, 1000)

    def names(query):
        return [row["name"] for row in api.get(f"/api/v1/slos/?{query}").json()["results"]]

    assert names("") == ["a", "checkout-answers"]
    assert names("ordering=-name") == ["checkout-answers", "a"]
    assert names("ordering=service") == ["checkout-answers", "a"]
    assert names("service=checkout") == ["checkout-answers"]
    assert names("kind=error_ratio") == names("window=month") == names("q=LEDG") == ["a"]
    assert names("firing=true") == ["checkout-answers"]
    assert names("firing=false") == [other.name]
    page = api.get("/api/v1/slos/?page_size=1").json()
    assert [row["name"] for row in api.get(page["next"]).json()["results"]] == ["checkout-answers"]


def test_a_list_takes_the_same_queries_however_long_it_is(
    api, checkout, django_assert_max_num_queries
):
    for _ in range(30):
        SloFactory(service=ServiceFactory())
    budgets.refresh()

    with django_assert_max_num_queries(7):
        assert len(api.get("/api/v1/slos/").json()["results"]) == 30


def test_an_slo_is_removed(api, slo):
    assert api.delete(f"/api/v1/slos/{slo.name}/").status_code == 204
    assert is_error(api.get(f"/api/v1/slos/{slo.name}/"), 404)
    assert AuditEntry.objects.get(action="slo.remove").channel == "api"


def test_only_sres_change_slos_and_everybody_reads_them(client_of, slo):
    member = client_of("member")

    assert member.get("/api/v1/slos/").status_code == 200
    assert is_error(member.post("/api/v1/slos/", {**SLO, "name": "x"}), 403)
    assert is_error(member.patch(f"/api/v1/slos/{slo.name}/", {"title": "x"}), 403)
    assert is_error(member.delete(f"/api/v1/slos/{slo.name}/"), 403)
    assert client_of("sre").patch(f"/api/v1/slos/{slo.name}/", {"title": "x"}).status_code == 200


def test_maintenance_takes_readings_out_of_the_budget(api, slo):
    read(slo, 0, 1000)
    at = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    body = {
        "service": "checkout",
        "starts_at": at.isoformat(),
        "ends_at": (at + timedelta(hours=1)).isoformat(),
        "reason": "New database",
    }

    made = api.post("/api/v1/maintenances/", body)

    assert made.status_code == 201
    assert made.json()["service"] == "checkout"
    assert api.get(f"/api/v1/slos/{slo.name}/").json()["state"]["remaining"] is None
    path = f"/api/v1/maintenances/{made.json()['id']}/"
    assert api.delete(path).status_code == 204
    assert Decimal(api.get(f"/api/v1/slos/{slo.name}/").json()["state"]["remaining"]) < 0


def test_maintenance_ends_after_it_starts_and_is_listed_latest_first(api, checkout):
    first = MaintenanceFactory(service=checkout)
    last = MaintenanceFactory(starts_at=timezone.now())
    answer = api.patch(
        f"/api/v1/maintenances/{first.pk}/", {"ends_at": first.starts_at.isoformat()}
    )

    assert is_error(answer, 400)
    assert "ends after it starts" in answer.json()["message"]
    found = api.get("/api/v1/maintenances/").json()["results"]
    assert [row["id"] for row in found] == [last.pk, first.pk]
    found = api.get("/api/v1/maintenances/?service=checkout").json()["results"]
    assert [row["id"] for row in found] == [first.pk]


def test_maintenance_is_for_sres(client_of, checkout):
    body = {"starts_at": "2026-01-01T00:00Z", "ends_at": "2026-01-02T00:00Z", "reason": "x"}

    assert is_error(client_of("product_owner").post("/api/v1/maintenances/", body), 403)
    assert not Maintenance.objects.exists()


def test_a_file_is_looked_at_and_then_stored(api, checkout):
    text = documents.dump(an_slo(), an_slo({"target": 1}, name="full")).replace("web", "checkout")

    seen = api.post("/api/v1/slos/import/", {"text": text})

    assert seen.status_code == 200
    body = seen.json()
    assert (body["format"], body["stored"], body["created"], body["errors"]) == (
        "openslo",
        False,
        1,
        1,
    )
    assert body["rows"][0] == {
        "kind": "SLO",
        "name": "checkout-availability",
        "outcome": "created",
        "text": "checkout, 99.9 %",
    }
    (finding,) = body["findings"]
    assert (finding["level"], finding["document"], finding["field"]) == (
        "error",
        2,
        "spec.objectives[0].target",
    )
    assert not Slo.objects.exists()
    assert api.post("/api/v1/slos/import/", {"text": text, "dry_run": False}).json()["stored"]
    assert api.post("/api/v1/slos/import/", {"text": text}).json()["unchanged"] == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"text": "a: ["}, "not YAML, line 2"),
        ({"text": "a: 1"}, "can't be told"),
        ({}, "either text or file"),
        ({"text": "a: 1", "format": "word"}, "format"),
        ({"text": "a: 1", "format": "sloth", "team": "nobody"}, "no team 'nobody'"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused(api, body, text):
    answer = api.post("/api/v1/slos/import/", body)

    assert answer.status_code == 400
    assert text in str(answer.json())


def test_slos_go_out_as_files(api, client_of, slo):
    answer = client_of("director").get("/api/v1/slos/export/?format=openslo")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "kind: SLO" in answer.content.decode()
    assert is_error(api.get("/api/v1/slos/export/?format=word"), 400, "format")
    assert api.get("/api/v1/slos/export/?format=sloth").status_code == 200
    text = answer.content.decode()
    assert api.post("/api/v1/slos/import/", {"text": text}).json()["errors"] == 0


def test_an_export_says_what_its_format_can_not(api, slo):
    Slo.objects.update(window_days=7, good_query="", bad_query="b", total_query="t")

    as_text = api.get("/api/v1/slos/export/?format=sloth")
    as_json = api.get("/api/v1/slos/export/?format=sloth&findings=true").json()

    assert as_text["X-Left-Out"] == "1"
    assert as_json["text"] == as_text.content.decode()
    assert (as_json["format"], as_json["left_out"]) == ("sloth", 1)
    assert "one of 30 days for all" in as_json["findings"][0]["message"]


def test_files_come_in_by_sres(client_of, checkout):
    assert is_error(client_of("member").post("/api/v1/slos/import/", {"text": "a: 1"}), 403)


@pytest.mark.parametrize(
    ("name", "moment"),
    [("starts_at", "0001-01-01T00:00:00Z"), ("ends_at", "9999-12-31T23:59:59Z")],
)
def test_maintenance_at_an_end_of_the_calendar_is_refused(api, name, moment):
    body = {
        "starts_at": "2026-05-01T10:00:00Z",
        "ends_at": "2026-05-01T12:00:00Z",
        "reason": "racks",
    }

    refused = api.post("/api/v1/maintenances/", body | {name: moment})

    assert refused.status_code in (400, 422)
    assert name in str(refused.json())
