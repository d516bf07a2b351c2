from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from debtreg import ops, parts
from debtreg.celery import app
from debtreg.models import JobState, ScoringRun
from tests.factories import ScoringPolicyFactory, tamper


@pytest.fixture(autouse=True)
def _fresh_clients():
    parts._client.cache_clear()


def samples(response):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_livez_answers_under_any_host_without_touching_the_database(client):
    # No db fixture: a query would fail this test.
    answer = client.get("/livez", headers={"host": "10.1.2.3:8000"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_livez_is_not_redirected_to_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("broker", ["valkey", "redis"], indirect=True)
def test_readyz_is_200_when_every_part_is(client, db, broker):
    answer = client.get("/readyz")
    assert answer.json() == {
        "status": "ok",
        "database": {"status": "ok"},
        "broker": {"status": "ok"},
        "migrations": {"status": "ok"},
        "policy": {"status": "ok"},
    }
    assert answer.status_code == 200


def test_readyz_names_a_broker_that_is_away_and_shows_no_address(client, db, settings):
    settings.REDIS_URL = "redis://:s3cret@127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["broker"] == {"status": "failing", "problem": "ConnectionError"}
    assert answer.json()["database"] == {"status": "ok"}
    assert "s3cret" not in answer.content.decode()


def test_readyz_works_on_a_queue_of_files(client, db, settings, tmp_path):
    settings.REDIS_URL = None
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    assert client.get("/readyz").json()["broker"] == {"status": "ok"}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "gone")}
    assert client.get("/readyz").status_code == 503


def test_readyz_says_that_the_database_is_away(client):
    with mock.patch.object(
        parts, "_database", side_effect=OperationalError("no route to 10.0.0.9")
    ):
        ops_checks = client.get("/readyz")
    assert ops_checks.status_code == 503
    assert ops_checks.json()["database"] == {"status": "failing", "problem": "OperationalError"}
    assert ops_checks.json()["migrations"]["status"] == "unknown"
    assert "10.0.0.9" not in ops_checks.content.decode()


def test_readyz_counts_the_migrations_that_are_missing(client, transactional_db):
    call_command("migrate", "sessions", "zero", verbosity=0)
    try:
        answer = client.get("/readyz")
    finally:
        call_command("migrate", "sessions", verbosity=0)
    assert answer.status_code == 503
    assert answer.json()["migrations"]["problem"] == (
        "1 migrations are not applied: run `manage.py migrate`"
    )


def test_readyz_tells_of_a_refused_policy_and_stays_200(client, db, broker):
    tamper(ScoringPolicyFactory().version, threshold=0)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["policy"]["status"] == "failing"
    assert "Version 2 of the scoring policy is refused" in answer.json()["policy"]["problem"]


def test_metrics_show_jobs_by_state_the_last_age_and_the_queue(client, db, broker):
    done = timezone.now() - timedelta(hours=2)
    ScoringRun.objects.create(state=JobState.DONE, finished_at=done)
    ScoringRun.objects.create(state=JobState.FAILED, finished_at=timezone.now())
    ScoringRun.objects.create(state=JobState.QUEUED)
    app.send_task("celery.accumulate")

    found = samples(client.get("/metrics"))

    assert found["debtreg_jobs", "scoring_run", "done"] == 1
    assert found["debtreg_jobs", "scoring_run", "failed"] == 1
    assert found["debtreg_jobs", "scoring_run", "queued"] == 1
    assert found["debtreg_jobs", "scoring_run", "running"] == 0
    assert 7200 <= found["debtreg_last_done_age_seconds", "scoring_run"] < 7300
    assert ("debtreg_last_done_age_seconds", "ledger_import") not in found
    assert found[("debtreg_queue_messages",)] == 1
    assert found["debtreg_up", "database"] == found["debtreg_up", "broker"] == 1


def test_a_scrape_takes_as_many_queries_after_a_hundred_runs(
    client, db, broker, django_assert_num_queries
):
    with django_assert_num_queries(6):
        client.get("/metrics")
    ScoringRun.objects.bulk_create(ScoringRun(state=JobState.DONE) for _ in range(100))
    with django_assert_num_queries(6):
        client.get("/metrics")


def test_metrics_count_requests(client, db, broker):
    client.get("/admin/login/")
    found = samples(client.get("/metrics"))
    name = "django_http_requests_total_by_view_transport_method_total"
    assert any(key[0] == name and "admin:login" in key for key in found)


def test_metrics_are_answered_when_a_part_is_away(client, db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with mock.patch.object(ops, "_job_gauges", side_effect=OperationalError):
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert samples(answer)["debtreg_up", "database"] == 0
    assert samples(answer)["debtreg_up", "broker"] == 0


def test_metrics_need_the_token_where_one_is_set(client, db, settings):
    settings.METRICS_TOKEN = "a-token-for-the-scraper"
    assert client.get("/metrics").status_code == 401
    wrong = {"authorization": "Bearer a-tökén"}
    assert client.get("/metrics", headers=wrong).status_code == 401
    right = {"authorization": "Bearer a-token-for-the-scraper"}
    assert client.get("/metrics", headers=right).status_code == 200


def test_probes_open_no_session_and_fill_no_log(client, db, broker, caplog):
    caplog.set_level("INFO", "django_structlog")
    answer = client.get("/readyz")
    assert not answer.cookies
    assert not caplog.records
