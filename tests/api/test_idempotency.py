"""Idempotency-Key: nothing happens twice."""

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from debtreg.actions import scores
from debtreg.models import ApiToken, DebtItem, IdempotencyKey, LedgerImport, Role, ScoringRun, User
from tests.api.conftest import is_error

DEBTS = "/api/v1/debts/"


def test_a_repeat_gets_the_first_answer_and_does_nothing(api, db):
    first = api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")
    DebtItem.objects.update(title="changed since")

    again = api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    for header in ("Location", "ETag", "Content-Type"):
        assert again[header] == first[header]
    assert DebtItem.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(api, db):
    api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert is_error(api.post(DEBTS, {"title": "b"}, HTTP_IDEMPOTENCY_KEY="k1"), 409)
    assert is_error(api.post("/api/v1/teams/", {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1"), 409)
    assert DebtItem.objects.count() == 1


def test_a_refusal_is_the_answer_to_repeats_too(api, db):
    answers = [api.post(DEBTS, {"title": ""}, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)]

    assert is_error(answers[0], 400, "title")
    assert answers[1].content == answers[0].content
    assert answers[1]["Idempotency-Replayed"] == "true"


def test_keys_of_two_people_do_not_meet(client_of):
    for client in (client_of(Role.ADMIN), client_of(Role.ADMIN)):
        assert client.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201
    assert DebtItem.objects.count() == 2


def test_without_a_key_a_repeat_is_a_second_request(api, db):
    api.post(DEBTS, {"title": "a"}), api.post(DEBTS, {"title": "a"})

    assert DebtItem.objects.count() == 2


def test_a_key_is_kept_for_a_day(api, db):
    api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23))
    api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")
    assert DebtItem.objects.count() == 1

    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1")
    assert DebtItem.objects.count() == 2


@pytest.mark.parametrize("key", ["x" * 201, " ", "a\tb"])
def test_a_key_is_short_and_printable(api, key):
    if key.strip():
        assert is_error(
            api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY=key), 400, "Idempotency-Key"
        )
    assert not DebtItem.objects.exists()


def test_a_stranger_leaves_no_key(db):
    assert is_error(APIClient().post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1"), 401)
    assert not IdempotencyKey.objects.exists()


def test_what_fails_here_may_be_tried_again(api, monkeypatch, prices):
    api.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(scores, "score_items", lambda _: 1 / 0)
        assert is_error(api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1"), 500)
    assert not DebtItem.objects.exists()

    assert api.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1").status_code == 201


def test_a_job_is_asked_for_once(api, db):
    answers = [api.post("/api/v1/scoring-runs/", HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert ScoringRun.objects.count() == 1


def test_a_repeated_upload_is_known_by_what_is_in_it(api, db):
    def upload(content):
        file = SimpleUploadedFile("a.csv", content)
        return api.post(
            "/api/v1/imports/",
            {"file": file, "source": "s"},
            format="multipart",
            HTTP_IDEMPOTENCY_KEY="k1",
        )

    first, again = upload(b"title\nx\n"), upload(b"title\nx\n")

    assert (first.status_code, again.content) == (202, first.content)
    assert LedgerImport.objects.count() == 1
    assert is_error(upload(b"title\ny\n"), 409)


def test_repeats_at_the_same_time_do_it_once(transactional_db):
    user = User.objects.create_user("robot", role=Role.ADMIN)
    _, text = ApiToken.issue(user=user, name="test")
    answers = []
    start = threading.Barrier(4)

    def send():
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {text}")
        start.wait(timeout=30)
        try:
            answers.append(client.post(DEBTS, {"title": "a"}, HTTP_IDEMPOTENCY_KEY="k1"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 3
    assert DebtItem.objects.count() == 1
