"""Celery's entry points, one action each. The actions make a second delivery harmless."""

from __future__ import annotations

import os
import socket
import uuid
from functools import partial
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import OperationalError as BrokerAway
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction

from debtreg import tracing
from debtreg.actions import (
    findings,
    imports,
    jobs,
    measurements,
    periods,
    scores,
    users,
    what_if,
)
from debtreg.errors import DebtregError
from debtreg.models import Fetch, Job, JobState, LedgerImport, ScoringRun, WhatIf
from debtreg.models.job import MAX_ATTEMPTS

log = structlog.get_logger(__name__)


def enqueue(job: Job) -> None:
    """Send a job to the workers once the present transaction has committed.

    A broker that is away is no error: the sweeper sends the job later.
    """
    transaction.on_commit(partial(_send, type(job), job.pk))


def enqueue_waiting() -> ScoringRun | None:
    """Send the scoring run that a change has asked for, or that has waited for another one."""
    waiting = ScoringRun.objects.filter(state=JobState.QUEUED).first()
    if waiting:
        enqueue(waiting)
    return waiting


def _send(model: type[Job], pk: int) -> None:
    tasks: dict[type[Job], Any] = {
        ScoringRun: run_scoring,
        LedgerImport: run_import,
        WhatIf: run_what_if,
        Fetch: run_fetch,
    }
    try:
        tasks[model].delay(pk)
    except (BrokerAway, OSError) as error:
        log.warning("broker_away", job=f"{model.__name__} {pk}", error=str(error))


@shared_task
def run_scoring(run_id: int) -> bool:
    """Do a scoring run. True if this worker did it."""
    done = _do(ScoringRun, run_id, scores.run)
    if done:
        enqueue_waiting()
    return done


@shared_task
def run_import(import_id: int) -> bool:
    """Do the step of an import that is due: preview or commit. True if this worker did it."""
    done = _do(LedgerImport, import_id, imports.run)
    enqueue_waiting()
    return done


@shared_task
def run_what_if(what_if_id: int) -> bool:
    """Work out what a version of the policy would move. True if this worker did it."""
    done = _do(WhatIf, what_if_id, what_if.run)
    if done and (waiting := WhatIf.objects.filter(state=JobState.QUEUED).last()):
        enqueue(waiting)
    return done


@shared_task
def run_fetch(fetch_id: int) -> bool:
    """Fetch what is new from a site. True if this worker did it."""
    return _do(Fetch, fetch_id, measurements.run)


def _do(model: type[Job], pk: int, action: Any) -> bool:
    """Run an action that takes the job's lease; a failure ends the job with a sentence."""
    # The job's own trace, also where the sweeper has sent it.
    tracing.begin(model.objects.filter(pk=pk).values_list("traceparent", flat=True).first())
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:80]
    try:
        return bool(action(pk, owner))
    except jobs.LeaseLost:
        log.warning("lease_lost", job=f"{model.__name__} {pk}")
        return False
    except DebtregError as error:
        jobs.end(model, pk, owner, JobState.FAILED, error.message, error.hint)
        return False
    except (InterfaceError, OperationalError) as error:
        # The database may be away for a moment: the lease lapses and the sweeper tries again.
        log.warning("job_interrupted", job=f"{model.__name__} {pk}", error=str(error))
        return False
    except SoftTimeLimitExceeded:
        sentence = "It took over an hour and was stopped."
        jobs.end(model, pk, owner, JobState.FAILED, sentence, "Ask for it again.")
        return False
    except Exception as error:
        jobs.end(
            model,
            pk,
            owner,
            JobState.FAILED,
            f"It stopped with an error of the program: {type(error).__name__}.",
            "The worker's log has the details; it was not tried again.",
        )
        raise


@shared_task(ignore_result=True)
def sweep() -> int:
    """Send again what no worker has: jobs whose worker died, and messages that got lost."""
    sent = 0
    for model in (ScoringRun, LedgerImport, WhatIf, Fetch):
        jobs.give_up(model, MAX_ATTEMPTS)
        for pk in jobs.orphans(model):
            _send(model, pk)
            sent += 1
    return sent


@shared_task
def measure() -> int:
    """Fetch readings from every site that is due, and work out all budgets. Returns how many."""
    fetches = measurements.measure()
    for fetch in fetches:
        enqueue(fetch)
    return len(fetches)


@shared_task
def score_nightly() -> int:
    """Work out budgets, then score the whole portfolio. Returns the run's key.

    With the day terms come into force and contracts end: compliance gaps follow.
    """
    measurements.tidy()
    measure()
    findings.refresh()
    run = scores.queue_run(by=None)
    enqueue(run)
    return run.pk


@shared_task
def record_periods() -> int:
    """Put the periods of guarantees that are over into the penalty ledger. Returns how many."""
    return periods.record()


@shared_task
def forget_keys() -> int:
    """Remove the Idempotency-Keys that are over. Returns how many."""
    return users.forget_keys()
