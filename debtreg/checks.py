"""`manage.py check`: what the settings reader cannot see alone."""

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from django.utils.module_loading import import_string

from debtreg import versions

NEEDED = {
    *("debtreg.tasks.sweep", "debtreg.tasks.score_nightly", "debtreg.tasks.forget_keys"),
    "debtreg.tasks.record_periods",
}


@register("jobs")
def beat_entries(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every task by the clock is scheduled, and every scheduled task exists."""
    scheduled = {entry["task"] for entry in current_app.conf.beat_schedule.values()}
    found: list[CheckMessage] = [
        Error(
            f"The beat schedule has no entry for {task}.",
            hint="Add one in debtreg/celery.py.",
            id="debtreg.E001",
        )
        for task in sorted(NEEDED - scheduled)
    ]
    found += [
        Error(
            f"The beat schedule names {task}, which is no task.",
            hint="Define it in debtreg/tasks.py.",
            id="debtreg.E002",
        )
        for task in sorted(scheduled)
        if not _exists(task)
    ]
    return found


def _exists(task: str) -> bool:
    try:
        return bool(import_string(task))
    except ImportError:
        return False


@register("jobs")
def sweeping_within_a_lease(app_configs: Any, **_: Any) -> list[CheckMessage]:
    if settings.SWEEP_SECONDS <= settings.JOB_LEASE_SECONDS:
        return []
    return [
        Warning(
            f"Lost jobs are looked for every {settings.SWEEP_SECONDS} s, "
            f"their lease is {settings.JOB_LEASE_SECONDS} s.",
            hint="Set SWEEP_SECONDS below JOB_LEASE_SECONDS.",
            id="debtreg.W001",
        )
    ]


@register(Tags.database)
def policy_in_force(app_configs: Any, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The version of the scoring policy that was activated last may be used.

    A warning, so that an upgrade can go on: what it needs may come with it.
    """
    try:
        problem = versions.standing().problem if databases else None
    except DatabaseError:  # before the first migration
        return []
    if problem is None:
        return []
    return [Warning(problem.message, hint=problem.hint, id="debtreg.W003")]


@register(Tags.security, deploy=True)
def closed_metrics(app_configs: Any, **_: Any) -> list[CheckMessage]:
    if settings.METRICS_TOKEN:
        return []
    return [
        Warning(
            "Anyone who reaches the port can read /metrics.",
            hint="Set METRICS_TOKEN, and give it to the scraper as its bearer token.",
            id="debtreg.W002",
        )
    ]
