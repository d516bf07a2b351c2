"""connections/: what readings are fetched from; a secret goes in and never comes out."""

import json

import pytest

from debtreg import secrets
from debtreg.api.examples import CONNECTION
from debtreg.models import Connection, Fetch, Role
from tests.api.conftest import is_error
from tests.factories import SloFactory

CONNECTIONS = "/api/v1/connections/"


@pytest.fixture
def sre(client_of):
    return client_of(Role.SRE)


def test_a_connection_is_made_and_its_secret_is_in_no_answer(sre):
    made = sre.post(CONNECTIONS, CONNECTION)
    read = sre.get(f"{CONNECTIONS}production/")
    listed = sre.get(CONNECTIONS)

    assert made.status_code == 201
    assert read.json()["url"] == "https://prometheus.example.org"
    assert read.json()["fetch"] is None
    for answer in (made, read, listed):
        assert CONNECTION["secret"] not in json.dumps(answer.json())
        assert "secret" not in answer.content.decode()
    assert secrets.unseal(Connection.objects.get().sealed_secret) == CONNECTION["secret"]


def test_a_change_without_the_secret_keeps_it(sre):
    sre.post(CONNECTIONS, CONNECTION)

    changed = sre.patch(f"{CONNECTIONS}production/", {"step_seconds": 60})

    assert changed.json()["step_seconds"] == 60
    assert secrets.unseal(Connection.objects.get().sealed_secret) == CONNECTION["secret"]
    everything = {name: value for name, value in CONNECTION.items() if name != "secret"}
    assert sre.put(f"{CONNECTIONS}production/", everything).status_code == 200
    assert Connection.objects.get().step_seconds == 300


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://prometheus.example.org"}, "url"),
        ({"url": "https://elsewhere.example.org"}, "secret"),
        ({"url": "\u0000"}, "url"),
        ({"auth": "basic"}, "username"),
        ({"secret": ""}, "secret"),
        ({"step_seconds": 7}, "step_seconds"),
        ({"delay_seconds": -1}, "delay_seconds"),
        ({"sealed_secret": "x"}, "sealed_secret"),
    ],
)
def test_what_is_wrong_is_named(sre, change, field):
    sre.post(CONNECTIONS, CONNECTION)

    assert is_error(sre.patch(f"{CONNECTIONS}production/", change), 400, field)


def test_the_same_name_twice_is_refused(sre):
    sre.post(CONNECTIONS, CONNECTION)
    assert is_error(sre.post(CONNECTIONS, CONNECTION), 400, "name")


def test_only_an_sre_changes_connections_and_all_read_them(client_of, sre):
    sre.post(CONNECTIONS, CONNECTION)
    member = client_of(Role.MEMBER)

    assert member.get(CONNECTIONS).status_code == 200
    assert is_error(member.post(CONNECTIONS, {**CONNECTION, "name": "other"}), 403)
    assert is_error(member.patch(f"{CONNECTIONS}production/", {"is_paused": True}), 403)
    assert is_error(member.delete(f"{CONNECTIONS}production/"), 403)
    assert is_error(member.post(f"{CONNECTIONS}production/fetch/"), 403)


def test_a_fetch_may_be_asked_for_and_is_one_however_often(sre):
    sre.post(CONNECTIONS, CONNECTION)

    first = sre.post(f"{CONNECTIONS}production/fetch/")
    again = sre.post(f"{CONNECTIONS}production/fetch/")

    assert first.status_code == again.status_code == 202
    assert first.json()["state"] == "queued"
    assert Fetch.objects.count() == 1
    assert sre.get(f"{CONNECTIONS}production/").json()["fetch"]["state"] == "queued"
    assert is_error(sre.post(f"{CONNECTIONS}nothing/fetch/"), 404)


def test_a_paused_connection_answers_409_to_a_fetch(sre):
    sre.post(CONNECTIONS, {**CONNECTION, "is_paused": True})

    refused = sre.post(f"{CONNECTIONS}production/fetch/")

    assert is_error(refused, 409)
    assert "is paused" in refused.json()["message"]
    assert not Fetch.objects.exists()


def test_a_connection_is_removed_and_its_slos_stay(sre):
    sre.post(CONNECTIONS, CONNECTION)
    slo = SloFactory(connection=Connection.objects.get(), total_query="x", good_query="y")

    assert sre.delete(f"{CONNECTIONS}production/").status_code == 204
    slo.refresh_from_db()
    assert (slo.connection, slo.total_query) == (None, "x")
