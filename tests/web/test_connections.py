"""Pages of connections: what a site does, a secret that stays inside, a test that asks once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from debtreg import secrets, tasks
from debtreg.actions import connections
from debtreg.models import Connection, Fetch, JobState, Role
from debtreg.prometheus import Series, SiteDown
from tests.factories import ConnectionFactory, SloFactory

TOKEN = "a-token-that-nobody-may-see"
FIELDS = {
    "name": "production",
    "url": "https://prometheus.example.org",
    "auth": "bearer",
    "secret": TOKEN,
    "step_seconds": "300",
    "delay_seconds": "60",
}


@pytest.fixture
def sre(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.SRE)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(tasks.run_fetch, "delay", found.append)
    return found


class FakeServer:
    """Knows so many targets; None: no series at all; an error is raised."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.logins = answer, list[Any]()
        self.host = "prometheus.example.org"

    def __call__(self, url: str, auth: Any = None) -> "FakeServer":
        self.logins.append(auth)
        return self

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def instant(self, query: str, at: int) -> list[Series]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [] if self.answer is None else [Series({}, {at: self.answer})]


def test_a_saved_secret_is_on_no_page_and_stays_if_left_empty(sre: Client) -> None:
    response = sre.post("/connections/new/", FIELDS)
    assert response.url == "/connections/production/"
    for path in ("/connections/", response.url, "/connections/production/edit/"):
        assert TOKEN not in sre.get(path).text

    sre.post("/connections/production/edit/", {**FIELDS, "secret": "", "step_seconds": "60"})
    site = Connection.objects.get()
    assert site.step_seconds == 60
    assert secrets.unseal(site.sealed_secret) == TOKEN


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "http://prometheus.example.org"}, "It begins with https://"),
        ({"url": "\u0000"}, "Null characters"),
        ({"secret": ""}, "Enter the password or the token"),
        ({"auth": "basic"}, "Enter the user"),
        ({"name": "new"}, "a page of its own"),
        ({"step_seconds": "7"}, "Select a valid choice"),
        ({"delay_seconds": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_the_secret_is_not_shown(
    sre: Client, change: dict[str, str], says: str
) -> None:
    response = sre.post("/connections/new/", {**FIELDS, **change})
    assert response.status_code == 422
    assert says in response.text
    assert TOKEN not in response.text
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (12, "prometheus.example.org answers: it knows 12 targets."),
        (1, "it knows 1 target."),
        (None, "answers, and knows no targets"),
        (SiteDown("It does not let us in (401).", hint="Enter the token anew."), "let us in (401)"),
    ],
)
def test_a_test_asks_with_what_is_typed_and_stores_nothing(
    sre: Client, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    server = FakeServer(answer)
    monkeypatch.setattr(connections, "Prometheus", server)
    page = sre.post("/connections/new/", {**FIELDS, "probe": "yes"}).text
    assert says in page
    assert TOKEN not in page
    assert server.logins == [TOKEN]
    assert not Connection.objects.exists()


def test_a_test_of_another_host_does_not_send_it_the_stored_secret(
    sre: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sre.post("/connections/new/", FIELDS)
    server = FakeServer(3)
    monkeypatch.setattr(connections, "Prometheus", server)
    path, fields = "/connections/production/edit/", {**FIELDS, "secret": "", "probe": "yes"}

    assert "it knows 3 targets" in sre.post(path, fields).text
    elsewhere = sre.post(path, {**fields, "url": "https://elsewhere.example.org"}).text
    assert "names another host: enter the secret for it again" in elsewhere
    assert server.logins == [TOKEN]
    assert Connection.objects.get().url == FIELDS["url"]


def test_a_site_that_is_down_says_so_once_and_when_it_is_asked_again(owner: Client) -> None:
    now = timezone.now()
    site = ConnectionFactory(
        name="main",
        last_error="127.0.0.1:9 does not answer.",
        last_error_at=now,
        retry_at=now + timedelta(minutes=8),
    )
    for _ in range(3):
        SloFactory(connection=site)
    for path in ("/connections/", "/connections/main/"):
        page = owner.get(path).text
        assert page.count("does not answer") == 1
        assert "does not work" in page
        assert timezone.localtime(site.retry_at).strftime("%Y-%m-%d %H:%M") in page
    assert "3 SLOs" in page
    assert "Fetch now" not in page


def test_a_fetch_says_how_long_it_still_takes_and_is_cancelled(sre: Client, owner: Client) -> None:
    site = ConnectionFactory(name="main")
    began = timezone.now() - timedelta(seconds=60)
    fetch = Fetch.objects.create(
        connection=site,
        state=JobState.RUNNING,
        stage="fetching",
        stage_at=began,
        beat_at=began + timedelta(seconds=40),
        done=2,
        total=6,
    )
    assert "about 80 s left of this step" in sre.get("/connections/main/").text
    assert 'action="/connections/main/cancel/"' not in owner.get("/connections/main/").text
    assert owner.post("/connections/main/cancel/").status_code == 403
    assert (
        "What was fetched so far stays" in sre.post("/connections/main/cancel/", follow=True).text
    )
    fetch.refresh_from_db()
    assert fetch.state == JobState.CANCELLED
    again = sre.post("/connections/main/cancel/", follow=True).text
    assert "Nothing is being fetched from &#x27;main&#x27;. There is nothing to cancel." in again


def test_fetching_is_asked_for_and_shows_how_far_it_is(sre: Client, sent: list[int]) -> None:
    site = ConnectionFactory(name="main")
    SloFactory(connection=site, total_query="x", fetch_error="It yields 2 series.")
    assert sre.post("/connections/main/fetch/").url == "/connections/main/"
    fetch = Fetch.objects.get()
    assert "every 1s" in sre.get("/connections/main/").text

    Fetch.objects.update(state=JobState.RUNNING, stage="fetching", done=3, total=9)
    page = sre.get("/connections/main/").text
    assert "<strong>Fetching</strong> · 3 / 9" in page
    assert "It yields 2 series." in page
    assert "3 / 9" in sre.get("/connections/").text

    Fetch.objects.update(state=JobState.DONE, readings=1200, finished_at=timezone.now())
    page = sre.get("/connections/main/").text
    assert "1,200 readings were new or corrected; 3 of 9 pieces" in page
    assert "The rest follows by the clock" in page
    assert "every 1s" not in page
    assert fetch.connection_id == site.pk


def test_a_site_is_paused_goes_on_and_is_removed(sre: Client) -> None:
    site = ConnectionFactory(name="main")
    slo = SloFactory(connection=site)
    assert (
        "main is paused."
        in sre.post("/connections/main/pause/", {"paused": "yes"}, follow=True).text
    )
    assert "none: it is paused" in sre.get("/connections/main/").text
    assert Connection.objects.get().is_paused
    assert "fetched from again" in sre.post("/connections/main/pause/", follow=True).text
    assert not Connection.objects.get().is_paused

    assert sre.post("/connections/main/remove/").url == "/connections/"
    slo.refresh_from_db()
    assert slo.connection is None
    assert sre.get("/connections/main/").status_code == 404


@pytest.mark.parametrize("button", ["fetch", "pause", "remove"])
def test_only_an_sre_has_the_buttons(owner: Client, button: str) -> None:
    ConnectionFactory(name="main")
    assert owner.post(f"/connections/main/{button}/").status_code == 403
    assert Connection.objects.filter(is_paused=False).count() == 1
    assert not Fetch.objects.exists()


def test_the_list_takes_the_same_queries_however_long_it_is(
    owner: Client, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for site in ConnectionFactory.create_batch(20):
        SloFactory(connection=site)
        Fetch.objects.create(connection=site)
    with django_assert_max_num_queries(6):
        assert owner.get("/connections/").text.count("site-") >= 20
