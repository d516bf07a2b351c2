"""What a job tells of itself while it runs."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from debtreg.actions.jobs import Pulse
from debtreg.models import ScoringRun

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.get_default_timezone())


def job(seconds: float, done: int, total: int) -> ScoringRun:
    return ScoringRun(
        stage_at=NOW, beat_at=NOW + timedelta(seconds=seconds), done=done, total=total
    )


def test_what_is_left_takes_as_long_as_what_is_done_has_taken() -> None:
    assert job(30, 1000, 4000).seconds_left == 90


@pytest.mark.parametrize(
    ("seconds", "done", "total"), [(30, 0, 9), (30, 9, 9), (30, 5, 0), (1.5, 1, 900)]
)
def test_nothing_is_told_before_there_is_a_pace(seconds: float, done: int, total: int) -> None:
    assert job(seconds, done, total).seconds_left is None
    assert ScoringRun(done=3, total=9).seconds_left is None


def test_each_stage_has_a_pace_of_its_own(time_machine) -> None:
    pulse = Pulse(ScoringRun, 1, "me")

    def reported(minute: int, stage: str, done: int) -> datetime:
        time_machine.move_to(NOW + timedelta(minutes=minute), tick=False)
        pulse.report(stage, done, 100)
        return pulse.progress["stage_at"]

    assert reported(0, "scoring", 0) == NOW
    assert reported(1, "scoring", 50) == NOW
    assert reported(2, "writing", 0) == NOW + timedelta(minutes=2)
    assert reported(3, "writing", 10) == NOW + timedelta(minutes=2)
    assert reported(4, "writing", 0) == NOW + timedelta(minutes=4)
