"""Runs beside readers, edits, other runs and failures, each held in the middle by a gate."""

from concurrent.futures import wait
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from debtreg import frames, plans, tasks
from debtreg.actions import catalog, debt, jobs, scores
from debtreg.errors import Conflict
from debtreg.models import (
    DebtItem,
    JobState,
    Price,
    RankMark,
    Score,
    ScoreChange,
    ScoringRun,
)
from debtreg.models.job import MAX_ATTEMPTS
from tests import portfolio
from tests.factories import DebtItemFactory, PriceFactory, ScoringRunFactory, toil
from tests.processes import until
from tests.threads import Gate, until_blocked


@pytest.fixture
def toils(transactional_db):
    """Four debts of 10 hours each at 200 an hour, scored: ROI 1.25 at one day of 1,600."""
    price = PriceFactory(price=200)
    items = [DebtItemFactory(effort=1, impacts=[toil(10)]) for _ in range(4)]
    scores.score_items([item.pk for item in items])
    return price, items


def double(price):
    """As finance does it: the next run moves every score."""
    Price.objects.filter(pk=price.pk).update(low=400, likely=400, high=400)


def rois():
    return list(Score.objects.order_by("pk").values_list("roi", flat=True))


def test_readers_see_the_last_run_or_this_one_and_nothing_between(toils, start, hold):
    price, _ = toils
    double(price)
    written = hold(frames, "publish_marks")
    closing = hold(jobs, "close")
    row = ScoringRunFactory()
    work = start(scores.run, row.pk, "worker")
    for gate in (written, closing):
        gate.wait_for_arrival()
        assert rois() == [1.25] * 4
        assert not ScoreChange.objects.exists()
        assert not RankMark.objects.exists()
        gate.open()
    assert work.result() is True
    assert rois() == [2.5] * 4
    assert ScoreChange.objects.count() == 4
    assert RankMark.objects.count() == 1


def test_progress_is_readable_while_a_run_works(toils, start, hold):
    gate = hold(plans, "propose")
    row = ScoringRunFactory()
    work = start(scores.run, row.pk, "worker")
    gate.wait_for_arrival()
    row.refresh_from_db()
    assert (row.state, row.owner, row.attempts) == ("running", "worker", 1)
    until(lambda: ScoringRun.objects.get(pk=row.pk).stage == "promoting", what="its stage")
    assert ScoringRun.objects.get(pk=row.pk).total == 4
    gate.open()
    assert work.result()


def test_a_job_that_is_done_has_done_all_of_its_last_stage(transactional_db):
    for state, done in (("done", 10), ("failed", 3)):
        row = ScoringRunFactory(state="running", owner="one", done=3, total=10)
        jobs.close(ScoringRun, row.pk, "one", state)
        row.refresh_from_db()
        assert (row.state, row.done, row.total) == (state, done, 10)


def test_of_two_runs_one_works_and_the_other_waits(toils, start, hold):
    gate = hold(plans, "propose")
    first = ScoringRunFactory()
    work = start(scores.run, first.pk, "one")
    gate.wait_for_arrival()
    second = scores.queue_run(by=None)
    assert second != first
    assert scores.run(second.pk, "two") is False
    assert scores.run(first.pk, "two") is False
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("queued", 0)
    gate.open()
    assert work.result() is True
    assert scores.run(second.pk, "two") is True


def test_a_run_that_is_done_is_not_done_again(run):
    row = run()
    assert scores.run(row.pk, "two") is False
    assert ScoringRun.objects.get(pk=row.pk).attempts == 1


def test_an_edit_during_a_run_is_not_overwritten(toils, start, hold):
    price, items = toils
    double(price)
    gate = hold(plans, "propose")
    work = start(scores.run, ScoringRunFactory().pk, "worker")
    gate.wait_for_arrival()
    debt.update(pk=items[1].pk, fields={}, impacts=[toil(40)], by=None)
    debt.resolve(pk=items[2].pk, by=None)
    new = debt.create(fields={"title": "new", "team": items[0].team}, impacts=[toil(1)], by=None)
    gate.open()
    assert work.result() is True
    assert rois() == [2.5, 10.0, 2.5, 2.5, None]
    assert Score.objects.get(pk=new.pk).annual_cost == 400
    assert Score.objects.get(pk=items[2].pk).is_open is False
    assert scores.run(ScoringRunFactory().pk, "worker")
    assert rois() == [2.5, 10.0, 2.5, 2.5, None]


@pytest.mark.postgres_only
def test_an_edit_that_commits_after_the_snapshot_is_not_overwritten(toils, start, hold):
    """It was scored before the run looked at the clock, and yet the run has not seen it."""
    price, items = toils
    double(price)
    gate, edited = hold(plans, "propose"), hold(debt.audit, "record")
    fresh = DebtItemFactory(effort=1, impacts=[toil(10)])
    edit = start(debt.update, pk=items[1].pk, fields={}, impacts=[toil(40)], by=None)
    edited.wait_for_arrival()
    first = hold(debt.audit, "record")
    other = start(debt.update, pk=fresh.pk, fields={}, impacts=[toil(80)], by=None)
    first.wait_for_arrival()
    work = start(scores.run, ScoringRunFactory().pk, "worker")
    gate.wait_for_arrival()
    edited.open()
    first.open()
    wait([edit, other])
    gate.open()
    assert work.result() is True
    assert rois() == [2.5, 10.0, 2.5, 2.5, 20.0]


@pytest.mark.postgres_only
def test_an_edit_waits_for_a_run_that_publishes_and_comes_after_it(toils, start, hold):
    price, items = toils
    double(price)
    gate = hold(frames, "publish_marks")
    work = start(scores.run, ScoringRunFactory().pk, "worker")
    gate.wait_for_arrival()
    edit = start(debt.update, pk=items[1].pk, fields={}, impacts=[toil(40)], by=None)
    until_blocked(edit)
    assert rois() == [1.25] * 4
    gate.open()
    edit.result()
    assert work.result() is True
    assert rois() == [2.5, 10.0, 2.5, 2.5]


def test_a_cancelled_run_publishes_nothing(toils, start, hold):
    price, _ = toils
    double(price)
    gate = hold(plans, "propose")
    row = ScoringRunFactory()
    work = start(tasks.run_scoring, row.pk)
    gate.wait_for_arrival()
    scores.cancel_run(run_id=row.pk, by=None)
    gate.open()
    assert work.result() is False
    assert rois() == [1.25] * 4
    row.refresh_from_db()
    assert (row.state, row.error) == ("cancelled", "")
    with pytest.raises(Conflict, match="cancelled"):
        scores.cancel_run(run_id=row.pk, by=None)


def test_a_run_that_is_cancelled_while_it_writes_publishes_nothing_or_all(toils, start, hold):
    """At the last moment before it would be closed."""
    price, _ = toils
    double(price)
    gate = hold(jobs, "close")
    row = ScoringRunFactory()
    work = start(tasks.run_scoring, row.pk)
    gate.wait_for_arrival()
    cancel = start(scores.cancel_run, run_id=row.pk, by=None)
    if frames.bulk.is_postgres():
        cancel.result()
    gate.open()
    state = "cancelled" if frames.bulk.is_postgres() else "done"
    assert work.result() is (state == "done")
    wait([cancel])
    assert rois() == ([1.25] if state == "cancelled" else [2.5]) * 4
    assert ScoringRun.objects.get(pk=row.pk).state == state


def test_a_run_whose_lease_was_taken_over_publishes_nothing(toils, start, hold):
    price, _ = toils
    double(price)
    gate = hold(plans, "propose")
    row = ScoringRunFactory()
    work = start(tasks.run_scoring, row.pk)
    gate.wait_for_arrival()
    ScoringRun.objects.filter(pk=row.pk).update(owner="somebody else", beat_at=timezone.now())
    gate.open()
    assert work.result() is False
    assert rois() == [1.25] * 4
    row.refresh_from_db()
    assert (row.state, row.owner, row.error) == ("running", "somebody else", "")


def test_a_run_is_taken_over_only_when_its_lease_has_lapsed(toils, settings):
    row = ScoringRunFactory(state="running", owner="one", attempts=1, beat_at=timezone.now())
    assert scores.run(row.pk, "two") is False
    lapsed = timezone.now() - timedelta(seconds=settings.JOB_LEASE_SECONDS + 1)
    ScoringRun.objects.filter(pk=row.pk).update(beat_at=lapsed)
    assert scores.run(row.pk, "two") is True
    row.refresh_from_db()
    assert (row.state, row.owner, row.attempts) == ("done", "two", 2)


def test_a_run_renews_its_lease_while_it_works(toils, start, hold, settings):
    settings.JOB_LEASE_SECONDS = 0.2
    gate = hold(plans, "propose")
    row = ScoringRunFactory()
    work = start(scores.run, row.pk, "worker")
    gate.wait_for_arrival()
    first = ScoringRun.objects.get(pk=row.pk).beat_at
    until(lambda: ScoringRun.objects.get(pk=row.pk).beat_at > first + timedelta(seconds=0.4))
    assert not ScoringRun.objects.lapsed().exists()
    gate.open()
    assert work.result() is True


# --- Failures -------------------------------------------------------------------------------------


def test_a_run_that_fails_ends_with_a_sentence(toils, monkeypatch):
    row = ScoringRunFactory()
    monkeypatch.setattr(plans, "propose", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.run_scoring(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.error == "It stopped with an error of the program: ZeroDivisionError."
    assert row.hint == "The worker's log has the details; it was not tried again."
    assert row.finished_at
    assert rois() == [1.25] * 4


def test_a_run_that_is_refused_says_why(toils, monkeypatch):
    def refuse(*_):
        raise Conflict("This is why.", hint="Do that.")

    row = ScoringRunFactory()
    monkeypatch.setattr(plans, "propose", refuse)
    assert tasks.run_scoring(row.pk) is False
    row.refresh_from_db()
    assert (row.state, row.error, row.hint) == ("failed", "This is why.", "Do that.")


def test_a_run_whose_database_went_away_is_tried_again(toils, monkeypatch, settings):
    def away(*_, **__):
        raise OperationalError("the connection is lost")

    row = ScoringRunFactory()
    with monkeypatch.context() as broken:
        broken.setattr(frames, "publish_marks", away)
        assert tasks.run_scoring(row.pk) is False
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("running", 1)
    settings.JOB_LEASE_SECONDS = 0
    assert jobs.orphans(ScoringRun) == [row.pk]
    assert tasks.run_scoring(row.pk) is True
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 2)


def test_a_failed_run_does_not_stand_in_the_way_of_the_next(toils, monkeypatch, run):
    with monkeypatch.context() as broken:
        broken.setattr(plans, "propose", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tasks.run_scoring(ScoringRunFactory().pk)
    assert run().state == "done"


def test_a_job_that_kills_its_workers_is_given_up(transactional_db, settings):
    lapsed = timezone.now() - timedelta(seconds=settings.JOB_LEASE_SECONDS + 1)
    row = ScoringRunFactory(state="running", attempts=MAX_ATTEMPTS, beat_at=lapsed)
    assert jobs.give_up(ScoringRun, MAX_ATTEMPTS) == 1
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.error == "The worker stopped without a word 5 times; it was not tried again."
    assert jobs.orphans(ScoringRun) == []


# --- Asking for a run while one is taken ----------------------------------------------------------


@pytest.mark.postgres_only
def test_a_price_that_relies_on_a_waiting_run_is_seen_by_that_run(toils, start, hold):
    """Its worker must not look before the price is committed."""
    price, _ = toils
    waiting = ScoringRunFactory()
    commit = Gate()

    def change():
        with transaction.atomic():
            price.low = price.likely = price.high = 400
            catalog.save(obj=price, by=None)
            commit.hold()

    changing = start(change)
    commit.wait_for_arrival()
    work = start(scores.run, waiting.pk, "worker")
    until_blocked(work)
    commit.open()
    changing.result()
    assert work.result() is True
    assert rois() == [2.5] * 4
    assert not ScoringRun.objects.filter(state=JobState.QUEUED).exists()


@pytest.mark.postgres_only
def test_many_who_ask_at_once_get_the_same_run(transactional_db, start):
    found = [future.result() for future in [start(scores.queue_run, by=None) for _ in range(8)]]
    assert {row.pk for row in found} == {ScoringRun.objects.get().pk}


def test_a_run_that_is_taken_while_it_is_asked_for_is_no_error(transactional_db, monkeypatch):
    """Between the refusal of a second row and the look at the first, a worker takes that one."""

    def too_late(*_, **__):
        monkeypatch.undo()
        ScoringRun(state="running").save()
        raise IntegrityError("scoringrun_one_queued")

    monkeypatch.setattr(type(ScoringRun.objects), "create", too_late)
    assert scores.queue_run(by=None).state == "queued"


def test_nothing_is_lost_of_a_portfolio_while_runs_and_edits_go_on(run, start):
    """A stress test: whatever the order, a last run finds nothing to correct."""
    items = portfolio.build()
    run()
    pks = [item.pk for item in items.values()]

    def edit(number):
        for round_ in range(3):
            pk = pks[(number * 7 + round_ * 3) % len(pks)]
            debt.update(pk=pk, fields={"cash": 10 * number + round_}, by=None)

    def score():
        for _ in range(3):
            row = scores.queue_run(by=None)
            scores.run(row.pk, "worker")

    for future in [start(edit, number) for number in range(3)] + [start(score)]:
        future.result()
    run()
    assert run().changed == 0
    assert Score.objects.count() == DebtItem.objects.count()
