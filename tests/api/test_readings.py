"""readings/: sent by the thousand, listed step by step, by the hour and by the day."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg.models import Reading, Role
from tests.api.conftest import is_error
from tests.factories import SloFactory

READINGS = "/api/v1/readings/"
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
START = datetime(2026, 3, 8, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def sre(client_of):
    return client_of(Role.SRE)


def rows(slo, count, **cells):
    return [
        {
            "slo": slo.name,
            "at": (START + timedelta(minutes=5 * step)).isoformat(),
            "good": 99,
            "total": "100.5",
            **cells,
        }
        for step in range(count)
    ]


def test_readings_are_stored_and_a_repeat_changes_nothing(sre):
    slo = SloFactory()

    first = sre.post(READINGS, {"readings": rows(slo, 12)})
    again = sre.post(READINGS, rows(slo, 12))

    assert first.status_code == 200
    assert first.json() == {
        "created": 12,
        "updated": 0,
        "unchanged": 0,
        "refused": 0,
        "errors": [],
    }
    assert (again.json()["created"], again.json()["unchanged"]) == (0, 12)


def test_one_wrong_row_has_all_refused_unless_the_others_are_wanted(sre):
    slo = SloFactory()
    sent = rows(slo, 3)
    sent[1]["good"] = "NaN"

    refused = sre.post(READINGS, {"readings": sent})
    assert is_error(refused, 400)
    assert "readings[1].good" in refused.json()["fields"]
    assert not Reading.objects.exists()

    stored = sre.post(f"{READINGS}?partial=true", sent)
    assert (stored.json()["created"], stored.json()["refused"]) == (2, 1)
    assert stored.json()["errors"][0]["index"] == 1


def test_more_than_five_thousand_rows_are_refused(sre):
    answer = sre.post(READINGS, {"readings": [{}] * 5001})

    assert is_error(answer, 400)
    assert "Up to 5000" in answer.json()["fields"]["readings"][0]


@pytest.mark.parametrize(
    "body", [{}, [], {"readings": 7}, {"readings": [], "more": 1}, 7, {"readings": [[[]]]}]
)
def test_any_body_has_an_answer(sre, body):
    assert sre.post(READINGS, body).status_code in (200, 400)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.PRODUCT_OWNER, Role.COMPLIANCE, Role.DIRECTOR])
def test_only_tokens_of_an_sre_may_store_readings_and_all_may_read_them(client_of, role):
    client = client_of(role)
    file = io.BytesIO(b"slo,at,good,total\n")

    assert is_error(client.post(READINGS, {"readings": []}), 403)
    answer = client.post(f"{READINGS}import/", {"file": file}, format="multipart")
    assert is_error(answer, 403)
    assert client.get(READINGS).status_code == 200


def test_readings_are_listed_raw_by_the_hour_and_by_the_day(sre):
    slo = SloFactory()
    sre.post(READINGS, rows(slo, 24))

    def listed(**query):
        return sre.get(READINGS, {"slo": slo.name, **query}).json()["results"]

    assert listed()[0] == {
        "slo": slo.name,
        "at": "2026-03-08T10:00:00Z",
        "seconds": 300,
        "good": "99",
        "total": "100.5",
        "good_slices": None,
        "slices": None,
        "excluded_seconds": 0,
        "source": "api",
    }
    hours = listed(resolution="hour", ordering="-at")
    assert [(hour["at"], hour["total"]) for hour in hours] == [
        ("2026-03-08T11:00:00Z", "1206"),
        ("2026-03-08T10:00:00Z", "1206"),
    ]
    assert listed(resolution="day")[0]["seconds"] == 7200
    found = listed(**{"from": "2026-03-08T18:05:00+08:00", "to": "2026-03-08T10:15:00Z"})
    assert [each["at"][11:16] for each in found] == ["10:05", "10:10"]


def test_pages_follow_each_other_over_slos_and_times(sre):
    slos = SloFactory.create_batch(3)
    for slo in slos:
        sre.post(READINGS, rows(slo, 5))

    found, address = [], f"{READINGS}?page_size=4"
    while address:
        page = sre.get(address).json()
        found += [(each["slo"], each["at"]) for each in page["results"]]
        address = page["next"]
    assert len(found) == len(set(found)) == 15
    assert found == sorted(
        found, key=lambda each: ([slo.name for slo in slos].index(each[0]), each[1])
    )


@pytest.mark.parametrize(
    "query",
    [
        {"slo": "nothing"},
        {"resolution": "minute"},
        {"from": "yesterday"},
        {"since": "2026-01-01"},
        {"cursor": "x"},
    ],
)
def test_a_list_says_what_is_wrong_with_its_parameters(sre, query):
    answer = sre.get(READINGS, query)

    assert is_error(answer, 400)
    assert set(answer.json()["fields"]) == set(query)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2026-01-01"])
def test_the_ends_of_the_calendar_are_bounds_like_any_other(sre, at):
    assert sre.get(READINGS, {"from": at}).status_code == 200
    assert sre.get(READINGS, {"to": at}).status_code == 200


def test_a_page_of_two_hundred_takes_as_many_queries_as_one_of_two(sre):
    slo = SloFactory()
    sre.post(READINGS, rows(slo, 300))

    def taken(size):
        with CaptureQueriesContext(connection) as queries:
            assert len(sre.get(READINGS, {"page_size": size}).json()["results"]) == size
        return len(queries)

    assert taken(2) == taken(200)


def test_a_file_is_imported_and_a_wrong_line_refuses_all_of_it(sre):
    slo = SloFactory()
    text = f"slo,at,good,total\n{slo.name},2026-03-08T10:00:00Z,1,2\n"

    def upload(content):
        file = io.BytesIO(content.encode())
        file.name = "readings.csv"
        return sre.post(f"{READINGS}import/", {"file": file}, format="multipart")

    assert upload(text).json() == {"created": 1, "updated": 0, "unchanged": 0}
    assert upload(text).json() == {"created": 0, "updated": 0, "unchanged": 1}
    refused = upload(text + f"{slo.name},2026-03-08T10:05:00Z,3,2\n")
    assert is_error(refused, 400)
    assert refused.json()["fields"]["line 3.good"] == ["3 good of 2 events."]
    assert is_error(upload(""), 400)


def test_a_file_that_is_too_large_is_refused(sre, settings):
    settings.UPLOAD_LIMIT_MB = 0
    file = io.BytesIO(b"slo,at,good,total\n")

    assert is_error(sre.post(f"{READINGS}import/", {"file": file}, format="multipart"), 413)
