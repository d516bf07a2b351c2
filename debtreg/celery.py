"""The Celery app and what runs by the clock."""

import os
from typing import Any

import structlog
from celery import Celery, signals
from celery.schedules import crontab
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "debtreg.settings")

app = Celery("debtreg")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@app.on_after_configure.connect
def add_schedule(sender: Celery, **_: Any) -> None:
    hour, minute = settings.NIGHTLY_AT.split(":")
    nightly = crontab(hour=hour, minute=minute)
    sender.conf.beat_schedule = {
        # Takes over the jobs of workers that died. Late ones expire: the next is on its way.
        "sweep": {
            "task": "debtreg.tasks.sweep",
            "schedule": float(settings.SWEEP_SECONDS),
            "options": {"expires": float(settings.SWEEP_SECONDS)},
        },
        "measure": {
            "task": "debtreg.tasks.measure",
            "schedule": float(settings.MEASURE_SECONDS),
            "options": {"expires": float(settings.MEASURE_SECONDS)},
        },
        "score-nightly": {"task": "debtreg.tasks.score_nightly", "schedule": nightly},
        "record-periods": {"task": "debtreg.tasks.record_periods", "schedule": nightly},
        "forget-keys": {"task": "debtreg.tasks.forget_keys", "schedule": nightly},
    }


@signals.beat_init.connect
def say_what_is_scheduled(**_: Any) -> None:
    """Beat's own lines are left out, as it tells of every sweep that it sends."""
    entries = app.conf.beat_schedule.items()
    schedule = {name: str(entry["schedule"]) for name, entry in entries}
    structlog.get_logger(__name__).info("beat_started", schedule=schedule)


@signals.setup_logging.connect
def keep_our_logs(**_: Any) -> None:
    """Being connected is enough: Celery then leaves logging as Django's LOGGING has set it."""
