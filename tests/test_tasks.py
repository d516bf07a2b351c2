"""What goes to the workers and what comes of it, with real workers that die on the way."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from debtreg import tasks
from debtreg.actions import scores
from debtreg.celery import app
from debtreg.models import (
    BacklogEntry,
    IdempotencyKey,
    JobState,
    LedgerImport,
    LedgerSource,
    Price,
    Score,
    ScoreChange,
    ScoringRun,
)
from debtreg.models.job import MAX_ATTEMPTS
from tests import portfolio
from tests.factories import ScoringRunFactory, UserFactory
from tests.processes import until

LONG_AGO = timezone.now() - timedelta(days=1)


@pytest.fixture
def sent(monkeypatch):
    """The jobs that would have gone to the broker."""
    found = []
    monkeypatch.setattr(tasks.run_scoring, "delay", lambda pk: found.append(("score", pk)))
    monkeypatch.setattr(tasks.run_import, "delay", lambda pk: found.append(("import", pk)))
    return found


# --- Sending --------------------------------------------------------------------------------------


def test_a_job_is_sent_when_its_transaction_has_committed(transactional_db, sent):
    with transaction.atomic():
        row = ScoringRunFactory()
        tasks.enqueue(row)
        assert sent == []
    assert sent == [("score", row.pk)]


def test_a_job_that_was_rolled_back_is_not_sent(transactional_db, sent):
    with transaction.atomic():
        tasks.enqueue(ScoringRunFactory())
        transaction.set_rollback(True)
    assert sent == []


def test_a_broker_that_is_away_is_no_error(transactional_db, settings, tmp_path):
    settings.CELERY_BROKER_URL = f"redis+socket://{tmp_path}/nobody"
    app._after_fork()
    try:
        row = ScoringRunFactory()
        tasks.enqueue(row)
        assert tasks.sweep() == 0
        row.refresh_from_db()
        assert row.state == "queued"
        ScoringRun.objects.update(queued_at=LONG_AGO)
        assert tasks.sweep() == 1
    finally:
        settings.CELERY_BROKER_URL = settings.BROKER_URL
        app._after_fork()


def test_the_sweeper_sends_again_what_no_worker_has(transactional_db, sent):
    source = LedgerSource.objects.create(name="source")
    lost = ScoringRunFactory(queued_at=LONG_AGO)
    died = LedgerImport.objects.create(
        source=source, filename="a", state="running", attempts=1, beat_at=LONG_AGO
    )
    LedgerImport.objects.create(
        source=source, filename="b", state="running", beat_at=timezone.now()
    )
    LedgerImport.objects.create(source=source, filename="c")  # sent a moment ago
    for state in ("done", "failed", "cancelled"):
        ScoringRunFactory(state=state, queued_at=LONG_AGO, beat_at=LONG_AGO)
    assert tasks.sweep() == 2
    assert sorted(sent) == [("import", died.pk), ("score", lost.pk)]


def test_the_sweeper_gives_up_what_has_killed_its_workers_too_often(transactional_db, sent):
    rows = [
        LedgerImport.objects.create(
            source=LedgerSource.objects.get_or_create(name="source")[0],
            filename="a",
            state="running",
            attempts=attempts,
            beat_at=LONG_AGO,
        )
        for attempts in (MAX_ATTEMPTS - 1, MAX_ATTEMPTS)
    ]
    assert tasks.sweep() == 1
    assert sent == [("import", rows[0].pk)]
    rows[1].refresh_from_db()
    assert rows[1].state == "failed"
    assert "5 times" in rows[1].error


def test_keys_that_are_over_are_removed_every_night(transactional_db):
    for hours in (23, 25, 1000):
        IdempotencyKey.objects.create(
            user=UserFactory(),
            key=f"{hours} h old",
            created_at=timezone.now() - timedelta(hours=hours),
        )
    entry = app.conf.beat_schedule["forget-keys"]
    assert entry["schedule"] == app.conf.beat_schedule["score-nightly"]["schedule"]
    assert import_string(entry["task"])() == 2
    assert IdempotencyKey.objects.get().key == "23 h old"


def test_the_nightly_run_is_the_one_that_waits_already(transactional_db, sent):
    row = ScoringRunFactory()
    assert tasks.score_nightly() == row.pk
    assert sent == [("score", row.pk)]
    ScoringRun.objects.update(state="done")
    assert tasks.score_nightly() != row.pk


def test_a_run_that_has_waited_for_another_is_sent_when_that_is_done(transactional_db, sent):
    first = ScoringRunFactory()
    run = scores.run

    def meanwhile(*arguments):
        done = run(*arguments)
        ScoringRunFactory()
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scores, "run", meanwhile)
        assert tasks.run_scoring(first.pk) is True
    second = ScoringRun.objects.get(state=JobState.QUEUED)
    assert sent == [("score", second.pk)]


def test_a_job_that_is_not_there_is_no_error(transactional_db):
    assert tasks.run_scoring(999) is False
    assert tasks.run_import(999) is False


# --- Real workers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broker",
    # Once on each broker and once on each database is enough.
    ["valkey", pytest.param("redis", marks=pytest.mark.postgres_only)],
    indirect=True,
)
def test_a_run_whose_worker_is_killed_is_finished_once_by_the_next(
    start_worker, settings, tmp_path
):
    """The first is killed with all its scores written and nothing committed."""
    items = portfolio.build()
    scores.score_items([item.pk for item in items.values()])
    Price.objects.filter(kind="drag").update(low=150, likely=150, high=150)
    before = portfolio.rows()
    settings.JOB_LEASE_SECONDS = 2
    first = start_worker("--include", "tests.held", HELD_FOLDER=tmp_path, JOB_LEASE_SECONDS=2)
    row = scores.request_run(by=None)
    tasks.enqueue(row)
    until((tmp_path / "began").exists, what="a run that publishes")
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("running", 1)
    if connection.vendor == "postgresql":  # the run holds the only write lock of SQLite
        assert tasks.sweep() == 0
    first.kill()
    assert portfolio.rows() == before

    second = start_worker(JOB_LEASE_SECONDS=2)
    until(tasks.sweep, what="a lease that has lapsed")
    until(lambda: ScoringRun.objects.get(pk=row.pk).is_over, what=second.output)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error) == ("done", 2, "")
    wanted = portfolio.expected()
    for title in ("in hours", "in points"):
        wanted[title] |= {"annual_cost": 6000, "roi": 1.5}
    wanted["points unknown"] |= {"annual_cost": 6000}
    assert portfolio.published() == wanted
    moved = sorted(ScoreChange.objects.values_list("item__title", flat=True))
    assert moved == ["in hours", "in points", "points unknown"]
    promoted = BacklogEntry.objects.values_list("item__title", flat=True)
    assert sorted(promoted) == ["in progress", "just above", "latency", "weighted"]
    # The message that the first worker never confirmed changes nothing any more.
    after = portfolio.rows()
    assert tasks.run_scoring(row.pk) is False
    assert portfolio.rows() == after
    assert ScoringRun.objects.get().attempts == 2


def test_a_worker_does_what_is_sent(worker):
    portfolio.build()
    tasks.enqueue(scores.request_run(by=None))
    until(lambda: ScoringRun.objects.get().is_over, what=worker.output)
    assert ScoringRun.objects.get().state == "done"
    assert Score.objects.count() == 22
