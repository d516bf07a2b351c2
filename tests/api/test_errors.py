"""Whatever comes in: one shape of errors, the right status, and never a 5xx."""

import json

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from debtreg.actions import scores
from debtreg.models import DebtItem
from tests.api.conftest import is_error

DEBTS = "/api/v1/debts/"


def post(api, raw, path=DEBTS, content_type="application/json"):
    body = raw if isinstance(raw, bytes) else raw.encode()
    return api.generic("POST", path, body, content_type=content_type)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v2/debts/", "/api/v1/nothing/", "/api/v1/teams/no/such/"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_a_path_that_is_none_is_a_404_in_our_shape(api, method, path):
    assert is_error(getattr(api, method)(path), 404)


@pytest.mark.parametrize(
    "path",
    [
        *("debts/DEBT-999999/", "debts/DEBT-999999999999999999/", "debts/TASK-1/", "debts/1/"),
        *("debts/DEBT-9999999999999999999999/", "debts/DEBT-7/explain/", "debts/DEBT-7/history/"),
        *("teams/none/", "prices/7/", "prices/999999999999999999/", "prices/-1/", "backlog/9/"),
        *("scoring-runs/9/", "imports/9/", "imports/9/findings/", "iterations/9/", "contracts/x/"),
    ],
)
def test_something_that_is_not_there_is_a_404(api, path):
    assert is_error(api.get(f"/api/v1/{path}"), 404)


def test_a_path_without_its_last_slash_leads_there_with_method_and_body(api):
    answer = api.post("/api/v1/teams?x=1", {"slug": "a", "name": "A"})

    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/teams/?x=1")
    followed = api.post("/api/v1/teams", {"slug": "a", "name": "A"}, follow=True)
    assert followed.status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("delete", "debts/{key}/"),
        ("post", "ranking/"),
        ("put", "scoring-runs/"),
        ("options", "debts/"),
        ("get", "debts/bulk/"),
        ("get", "calculators/roi/"),
        ("trace", "teams/"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_a_405(api, log, method, path):
    answer = api.generic(method.upper(), f"/api/v1/{path}".format(key=log()["key"]))

    assert is_error(answer, 405)
    assert answer["Allow"]


def test_only_json_is_answered(api):
    assert is_error(api.get(DEBTS, HTTP_ACCEPT="application/xml"), 406)
    assert api.get(DEBTS, HTTP_ACCEPT="text/html,*/*;q=0.8").status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_a_body_that_is_not_json_is_a_415(api, kind):
    assert is_error(post(api, "title=a", content_type=kind), 415)


def test_a_body_beyond_the_limit_is_a_413(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    assert is_error(post(api, json.dumps({"title": "a" * 1000})), 413)


@pytest.mark.parametrize(
    "raw",
    [
        *("", "{", "nothing", '{"title": }', "{'title': 'a'}", "[", "]", '{"a": 1,}', "\x00"),
        *('{"cash": NaN}', '{"cash": Infinity}', '{"cash": -Infinity}', '{"cash": 0x10}'),
        b"\xff\xfe\x00",
        b'{"title": "\xc3\x28"}',
        '{"cash": ' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 900 + "]" * 900,
        '"text"',
        "[]",
        "null",
        "true",
        "17",
    ],
)
def test_a_body_that_is_no_object_is_a_400(api, raw):
    assert is_error(post(api, raw), 400)


@pytest.mark.parametrize("path", ["debts/bulk/", "calculators/roi/", "debts/DEBT-1/veto/"])
@pytest.mark.parametrize("depth", [10, 300, 700, 800, 850, 900, 930, 950, 970, 1000])
def test_json_nested_to_any_depth_is_refused(api, path, depth):
    raw = '{"title": ' + '{"a":' * depth + "1" + "}" * depth + "}"

    assert post(api, raw, f"/api/v1/{path}").status_code in (400, 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": 7}, "title"),
        ({"title": ["a"]}, "title"),
        ({"title": "a" * 201}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "a\ud800b"}, "title"),
        ({"title": "a", "color": "red"}, "color"),
        ({"title": "a", "id": 5}, "id"),
        ({"title": "a", "service": "none"}, "service"),
        ({"title": "a", "service": {"slug": "checkout"}}, "service"),
        ({"title": "a", "service": 1}, "service"),
        ({"title": "a", "team": []}, "team"),
        ({"title": "a", "status": "lost"}, "status"),
        ({"title": "a", "status": "accepted"}, "status"),
        ({"title": "a", "cash": -1}, "cash"),
        ({"title": "a", "cash": "0.001"}, "cash"),
        ({"title": "a", "cash": "1e400"}, "cash"),
        ({"title": "a", "cash": 1e300}, "cash"),
        ({"title": "a", "cash": 10**400}, "cash"),
        ({"title": "a", "cash": "NaN"}, "cash"),
        ({"title": "a", "cash": True}, "cash"),
        ({"title": "a", "cash": "1_000"}, "cash"),
        ({"title": "a", "cash": None}, "cash"),
        ({"title": "a", "effort": "many"}, "effort"),
        ({"title": "a", "effort": [1, 2, 3]}, "effort"),
        ({"title": "a", "effort": {"low": 5, "likely": 2, "high": 9}}, "effort"),
        ({"title": "a", "effort": {"low": 5, "high": 2}}, "effort"),
        ({"title": "a", "effort": {"likely": -1}}, "effort.likely"),
        ({"title": "a", "effort": {"likely": 1, "best": 2}}, "effort.best"),
        ({"title": "a", "effort": {"likely": 1, "unit": "year"}}, "effort.unit"),
        ({"title": "a", "effort": {"likely": 1, "unit": []}}, "effort.unit"),
        ({"title": "a", "confidence": "sure"}, "confidence"),
        ({"title": "a", "tags": "a"}, "tags"),
        ({"title": "a", "tags": [1]}, "tags[0]"),
        ({"title": "a", "needs": ["DEBT-999999"]}, "needs[0]"),
        ({"title": "a", "needs": ["one"]}, "needs[0]"),
        ({"title": "a", "due_on": "soon"}, "due_on"),
        ({"title": "a", "due_on": "2026-02-30"}, "due_on"),
        ({"title": "a", "external_ref": "x" * 301}, "external_ref"),
        ({"title": "a", "impacts": {}}, "impacts"),
        ({"title": "a", "impacts": [5]}, "impacts[0]"),
        ({"title": "a", "impacts": [{}]}, "impacts[0].kind"),
        ({"title": "a", "impacts": [{"kind": "pain"}]}, "impacts[0].kind"),
        ({"title": "a", "impacts": [{"kind": "toil", "share": 1.5}]}, "impacts[0].share"),
        ({"title": "a", "impacts": [{"kind": "toil", "shares": 1}]}, "impacts[0].shares"),
        (
            {"title": "a", "impacts": [{"kind": "toil", "frequency": {"low": "x"}}]},
            "impacts[0].frequency.low",
        ),
        ({"title": "a", "impacts": [{"kind": "toil", "unit_price": -1}]}, "impacts[0].unit_price"),
        ({"title": "a", "impacts": [{"kind": "toil", "guarantee": 99}]}, "impacts[0].guarantee"),
        (
            {"title": "a", "impacts": [{"kind": "toil", "guarantee": 10**30}]},
            "impacts[0].guarantee",
        ),
        ({"title": "a", "impacts": [{"kind": "toil", "currency": "yuan"}]}, "impacts[0].currency"),
        (
            {"title": "a", "impacts": [{"kind": "toil", "effectiveness": 2}]},
            "impacts[0].effectiveness",
        ),
        ({"title": "a", "impacts": [{"kind": "toil"}] * 101}, "impacts"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(api, checkout, body, field):
    assert is_error(post(api, json.dumps(body)), 400, field)
    assert not DebtItem.objects.exists()


def test_several_wrong_fields_are_named_at_once(api, db):
    body = {"cash": -1, "impacts": [{"kind": "toil"}, {"kind": "x"}], "color": "red"}

    answer = api.post(DEBTS, body)

    assert is_error(answer, 400, "title", "cash", "impacts[1].kind", "color")
    assert "3 more" in answer.json()["message"]


def test_an_amount_that_must_be_a_slip_of_units_is_refused(api, prices):
    impact = {"kind": "toil", "frequency": 1e15, "unit_price": 1e12}

    assert is_error(api.post(DEBTS, {"title": "a", "impacts": [impact]}), 400)
    assert not DebtItem.objects.exists()


@pytest.mark.parametrize("text", ["'; DROP TABLE debtreg_team; --", "{{ 7*7 }}", "%s %(a)s", "\\"])
def test_text_that_means_something_elsewhere_is_only_text_here(api, text):
    assert api.post(DEBTS, {"title": text}).json()["title"] == text
    assert len(api.get(DEBTS, {"q": text}).json()["results"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        *("color=red", "page_size=0", "page_size=x", "page_size=-1", "ordering=title", "cursor=x"),
        *("team=none", "service=no%00", "status=lost", "q=a%00b", "fields=key,colour"),
        "q=" + "a" * 201,
        "cursor=" + "%FF" * 100,
    ],
)
def test_a_wrong_parameter_is_named(api, query):
    answer = api.get(f"{DEBTS}?{query}")

    assert is_error(answer, 400, query.partition("=")[0])


@pytest.mark.parametrize("value", ["x", "NaN", "Infinity", "1e400", "1e99999999", "9" * 400])
def test_a_number_in_the_query_is_a_number_or_refused(api, log, value):
    log()
    answer = api.get("/api/v1/ranking/", {"min_roi": value})

    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["results"] == []


def test_what_goes_wrong_here_is_a_500_in_our_shape_and_in_the_log(api, monkeypatch, log, caplog):
    key = log()["key"]
    monkeypatch.setattr(scores, "explain", lambda **_: 1 / 0)
    api.raise_request_exception = False

    assert is_error(api.get(f"{DEBTS}{key}/explain/"), 500)
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_is_away_is_a_503_that_says_when_to_come_again(api, monkeypatch, log):
    key = log()["key"]

    def away(**_):
        raise OperationalError

    monkeypatch.setattr(scores, "explain", away)
    api.raise_request_exception = False
    answer = api.get(f"{DEBTS}{key}/explain/")

    assert is_error(answer, 503)
    assert answer["Retry-After"] == "5"


def test_a_wrong_host_is_not_our_business(db):
    assert APIClient().get(DEBTS, HTTP_HOST="evil.example").status_code == 400
