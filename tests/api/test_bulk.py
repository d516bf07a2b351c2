"""debts/bulk: thousands of items a call, by the same rules as one."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg.models import AuditEntry, BacklogEntry, DebtImpact, DebtItem
from tests.api.conftest import TOIL, is_error
from tests.api.test_errors import post

BULK = "/api/v1/debts/bulk/"


def rows(count, **fields):
    return [
        {"title": f"Item {n}", "external_ref": f"ref-{n}", "service": "checkout", **fields}
        for n in range(count)
    ]


@pytest.fixture
def send(api, checkout, prices):
    def post_rows(body, query=""):
        answer = api.post(BULK + query, body)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    return post_rows


def read(api, ref):
    return api.get("/api/v1/debts/", {"external_ref": ref}).json()["results"][0]


def test_new_items_are_stored_scored_and_named(send, api):
    body = rows(3, effort=2, impacts=[TOIL, {"kind": "errors", "frequency": 5}], tags=["a", "ä"])

    answer = send(body)

    assert (answer["created"], answer["updated"], answer["refused"]) == (3, 0, 0)
    assert [row["index"] for row in answer["results"]] == [0, 1, 2]
    assert {row["outcome"] for row in answer["results"]} == {"created"}
    stored = read(api, "ref-1")
    assert stored["key"] == answer["results"][1]["key"]
    assert (stored["score"]["roi"], stored["tags"], stored["team"]) == (
        "6.25",
        ["a", "ä"],
        "payments",
    )
    assert len(stored["impacts"]) == 2


def test_a_row_comes_out_as_the_same_item_logged_alone(send, api, log):
    fields = {
        "title": "  The title ",
        "description": "Long",
        "category": "design",
        "effort": {"low": "1", "likely": 2, "high": 3.5, "unit": "hour"},
        "cash": "12.5",
        "confidence": "low",
        "impacts": [
            {"kind": "latency", "frequency": {"low": 1}, "share": "0.5", "unit_price": "0.00002"},
            {
                "kind": "stated",
                "unit_price": -5,
                "currency": "EUR",
                "note": "x",
                "grade": "default",
            },
            {"kind": "toil", "frequency": 3, "effectiveness": "0.25", "currency": "CNY"},
        ],
        "tags": ["a"],
        "owner": "Li",
        "plan": None,
        "stated_priority": "P2",
        "created_on": "2026-01-02",
        "due_on": None,
        "ledger_id": "17",
    }
    alone = log(**fields)

    send([{**fields, "service": "checkout", "external_ref": "x"}])

    differing = {"key", "external_ref", "created_at", "updated_at", "score"}
    found = read(api, "x")
    assert {n: v for n, v in found.items() if n not in differing} == {
        n: v for n, v in alone.items() if n not in differing
    }
    differing = {"rank", "scored_at"}
    assert {n: v for n, v in found["score"].items() if n not in differing} == {
        n: v for n, v in alone["score"].items() if n not in differing
    }


def test_a_known_reference_changes_its_item_as_patch_does(send, api):
    send(rows(2, effort=2, impacts=[TOIL], owner="Li", plan="x"))
    body = [
        {"external_ref": "ref-0", "title": "New title", "impacts": [TOIL, TOIL]},
        {"external_ref": "ref-1", "effort": 4},
        {"external_ref": "ref-2", "title": "Third"},
    ]

    answer = send(body)

    assert (answer["created"], answer["updated"]) == (1, 2)
    first, second = read(api, "ref-0"), read(api, "ref-1")
    assert (first["title"], first["owner"], first["plan"]) == ("New title", "Li", "x")
    assert (first["effort"]["likely"], len(first["impacts"])) == ("2", 2)
    assert (second["title"], second["effort"]["likely"], len(second["impacts"])) == (
        "Item 1",
        "4",
        1,
    )
    assert (first["revision"], second["score"]["roi"]) == (2, "3.125")


def test_sending_the_same_again_changes_nothing(send, api):
    latency = {"kind": "latency", "share": "0.1", "unit_price": {"low": "0.0001", "high": 1}}
    fields = {"impacts": [TOIL, latency], "tags": ["a"], "cash": "1.50", "due_on": "2026-05-01"}
    send(rows(5, effort=2, status="done", **fields))
    before = api.get("/api/v1/debts/").json()
    impacts = set(DebtImpact.objects.values_list("pk", flat=True))

    answer = send([*rows(4, effort=2, status="done", **fields), {"external_ref": "ref-4"}])

    assert (answer["unchanged"], answer["updated"]) == (5, 0)
    assert answer["results"][0]["outcome"] == "unchanged"
    assert api.get("/api/v1/debts/").json() == before
    assert set(DebtImpact.objects.values_list("pk", flat=True)) == impacts
    assert AuditEntry.objects.filter(action="debt.bulk").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"impacts": []},
        {"impacts": [TOIL, TOIL]},
        {"impacts": [{**TOIL, "effectiveness": 0.5}]},
        {"effort": 3},
        {"owner": "Li"},
        {"status": "doing"},
        {"team": "orders"},
    ],
)
def test_a_row_that_says_something_new_is_a_change(send, orders, change):
    send(rows(1, effort=2, impacts=[TOIL]))

    assert send([{"external_ref": "ref-0", **change}])["updated"] == 1


def test_one_wrong_row_keeps_all_out(api, checkout, prices):
    body = [*rows(2), {"title": "", "external_ref": "bad", "impacts": [{"kind": "x"}]}]

    answer = api.post(BULK, body)

    assert is_error(answer, 400, "items[2].title", "items[2].impacts[0].kind")
    assert answer.json()["message"] == "1 of 3 items are not valid, so none was stored."
    assert not DebtItem.objects.exists()


def test_every_wrong_row_is_named(api, db):
    answer = api.post(BULK, [{"title": "right"}, *[{"title": ""}] * 300])

    assert is_error(answer, 400, *(f"items[{row}].title" for row in range(1, 301)))
    assert answer.json()["message"] == "300 of 301 items are not valid, so none was stored."


@pytest.mark.parametrize("way", ["in the body", "in the address"])
def test_partial_stores_the_rows_that_are_right(send, api, way):
    body = [*rows(2), {"external_ref": "bad"}, "nonsense", *rows(1)]

    if way == "in the body":
        answer = send({"items": body, "partial": True})
    else:
        answer = send(body, "?partial=true")

    assert (answer["created"], answer["refused"]) == (2, 3)
    assert [(error["index"], list(error["fields"])) for error in answer["errors"]] == [
        (2, ["title"]),
        (3, ["__all__", "title"]),
        (4, ["external_ref"]),
    ]
    assert DebtItem.objects.count() == 2


def test_an_amount_that_must_be_a_slip_is_refused_by_row(send, api):
    huge = {"kind": "toil", "frequency": 1e15, "unit_price": 1e12}
    body = [*rows(2), {"title": "huge", "impacts": [huge]}]

    assert is_error(api.post(BULK, body), 400, "items[2].__all__")
    assert not DebtItem.objects.exists()
    answer = send({"items": body, "partial": True})
    assert (answer["created"], [error["index"] for error in answer["errors"]]) == (2, [2])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": {}}, "items"),
        ({"items": [], "partial": "yes"}, "partial"),
        ({"items": [], "force": True}, "force"),
        ("text", "items"),
        ([{}] * 5001, "items"),
    ],
)
def test_the_body_is_a_list_of_up_to_5000_items(api, body, field):
    assert is_error(api.post(BULK, body), 400, field)


def test_an_empty_list_stores_nothing(send):
    assert send([])["results"] == []


def test_the_number_of_queries_does_not_grow_with_the_rows(api, checkout, prices):
    counts: list[int] = []
    api.get(BULK)  # notes the use of the token
    for count in (3, 300):
        DebtItem.objects.all().delete()
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                api.post(BULK, rows(count, effort=2, impacts=[TOIL], status="doing"))
            counts.append(len(queries))

    assert counts[:2] == counts[2:]


def test_rows_of_another_team_are_refused(client_of, send, payments, orders):
    send(rows(1))
    client = client_of("member", orders)
    body = [{"external_ref": "ref-0", "title": "Mine"}, {"title": "a", "team": "orders"}]

    answer = client.post(BULK, {"items": body, "partial": True}).json()

    assert [(error["index"], list(error["fields"])) for error in answer["errors"]] == [
        (0, ["team"])
    ]
    assert answer["created"] == 1


def test_an_item_goes_to_the_team_of_its_service_unless_it_names_one(send, api, orders, payments):
    send(
        [
            {"title": "a", "external_ref": "a", "service": "checkout"},
            {"title": "b", "external_ref": "b", "service": "checkout", "team": "orders"},
            {"title": "c", "external_ref": "c"},
        ]
    )
    assert [read(api, ref)["team"] for ref in "abc"] == ["payments", "orders", None]

    send([{"external_ref": "b", "title": "B"}, {"external_ref": "c", "service": "checkout"}])
    assert [read(api, ref)["team"] for ref in "abc"] == ["payments", "orders", "payments"]


def test_a_resolved_row_leaves_the_backlog(send, api):
    send(rows(1, effort=2, impacts=[TOIL]))
    key = read(api, "ref-0")["key"]
    api.post(f"/api/v1/debts/{key}/promote/", {})

    send([{"external_ref": "ref-0", "status": "done"}])

    found = read(api, "ref-0")
    assert (found["status"], bool(found["closed_on"])) == ("done", True)
    assert BacklogEntry.objects.get().state == "done"
    send([{"external_ref": "ref-0", "status": "open"}])
    assert read(api, "ref-0")["closed_on"] is None


def test_the_audit_names_what_a_call_stored(send):
    send(rows(2))

    entry = AuditEntry.objects.get(action="debt.bulk")
    assert len(entry.new["created"]) == 2


# Each of these is a body of one item, too: both ways must find the same fields wrong.
BAD_ROWS = [
    {},
    {"title": None},
    {"title": 5},
    {"title": "x" * 201},
    {"title": "a", "color": "red"},
    {"title": "a", "description": ["x"]},
    {"title": "a", "category": "x" * 81},
    {"title": "a", "service": "none", "team": "none"},
    {"title": "a", "service": 5, "team": {}},
    {"title": "a", "status": "lost", "confidence": "sure", "stated_priority": "P9"},
    {"title": "a", "status": None},
    {"title": "a", "status": "accepted"},
    {"title": "a", "cash": -1},
    {"title": "a", "cash": "0.001"},
    {"title": "a", "cash": None},
    {"title": "a", "cash": True},
    {"title": "a", "effort": {"low": 9, "likely": 1}},
    {"title": "a", "effort": {"low": -1, "unit": "year", "best": 1}},
    {"title": "a", "effort": [1]},
    {"title": "a", "effort": "1e7"},
    {"title": "a", "tags": ["a", 5, ""]},
    {"title": "a", "tags": "a"},
    {"title": "a", "tags": ["a"] * 51},
    {"title": "a", "created_on": "soon", "due_on": 5},
    {"title": "a", "external_ref": 7},
    {"title": "a", "impacts": None},
    {"title": "a", "impacts": "many"},
    {"title": "a", "impacts": [{"kind": "toil"}] * 101},
    {"title": "a", "impacts": [5, None, [], {}]},
    {"title": "a", "impacts": [{"kind": "pain", "share": 2, "magnitude": -1}]},
    {"title": "a", "impacts": [{"kind": "toil"}, {"kind": "toil", "shares": 1, "frequency": []}]},
    {"title": "a", "impacts": [{"kind": "toil", "frequency": {"low": "x", "best": 1}}]},
    {"title": "a", "impacts": [{"kind": "toil", "unit_price": {"low": -1, "high": 2}}]},
    {"title": "a", "impacts": [{"kind": "toil", "effectiveness": 1.1, "grade": "sure"}]},
    {"title": "a", "impacts": [{"kind": "toil", "guarantee": 99}]},
    {"title": "a", "impacts": [{"kind": "toil", "guarantee": "x"}]},
    {"title": "a", "impacts": [{"kind": "toil", "guarantee": 10**30}]},
    {"title": "a", "impacts": [{"kind": "toil", "currency": "yuan", "note": "x" * 301}]},
    {"title": "a", "impacts": [{"kind": ["toil"], "grade": {}}]},
    {"title": "a", "impacts": [{"kind": "toil", "frequency": 1e300, "share": "1_0"}]},
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=[json.dumps(row)[:60] for row in BAD_ROWS])
def test_many_rows_and_one_item_are_refused_for_the_same_fields(api, db, row):
    one = api.post("/api/v1/debts/", row)
    many = api.post(BULK, [{"title": "right"}, row])

    assert is_error(one, 400)
    assert is_error(many, 400)
    assert many.json()["fields"].keys() == {f"items[1].{path}" for path in one.json()["fields"]}


def test_characters_that_no_database_takes_are_refused_in_any_row(api, db):
    answer = post(api, json.dumps([{"title": "a"}, {"title": "b\x00"}]), BULK)

    assert is_error(answer, 400, "[1].title")
