"""Scoring runs: asked for, watched, cancelled."""

from collections.abc import Callable

import pytest
from django.test import Client

from debtreg.models import JobState, Role, ScoringRun
from debtreg.web import runs
from tests.factories import ScoringRunFactory


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[ScoringRun]:
    """What was sent to the workers."""
    jobs: list[ScoringRun] = []
    monkeypatch.setattr(runs, "enqueue", jobs.append)
    return jobs


def test_starting_a_run_sends_it_and_leads_to_its_page(
    owner: Client, sent: list[ScoringRun]
) -> None:
    response = owner.post("/runs/start/")
    run = ScoringRun.objects.get()
    assert response.headers["Location"] == f"/runs/{run.pk}/"
    assert sent == [run]
    owner.post("/runs/start/")
    assert ScoringRun.objects.count() == 1, "one that waits is enough"


def test_a_run_under_way_is_asked_for_again_until_it_is_over(owner: Client) -> None:
    run = ScoringRunFactory(state=JobState.RUNNING, stage="scoring", done=3, total=9)
    page = owner.get(f"/runs/{run.pk}/").text
    assert 'hx-trigger="every 1s"' in page
    assert '<progress max="100" value="33"' in page
    assert "Scoring" in page
    assert 'http-equiv="refresh"' in page, "and without JavaScript"
    ScoringRun.objects.update(state=JobState.DONE, items=4, changed=2, promoted=1)
    page = owner.get(f"/runs/{run.pk}/").text
    assert 'hx-trigger="every' not in page
    assert 'http-equiv="refresh"' not in page
    assert "4 open debts were scored" in page


def test_a_run_can_be_cancelled_and_only_once(owner: Client) -> None:
    run = ScoringRunFactory()
    assert "is cancelled" in owner.post(f"/runs/{run.pk}/cancel/", follow=True).text
    assert "There is nothing to cancel." in owner.post(f"/runs/{run.pk}/cancel/", follow=True).text


def test_a_run_that_failed_says_why_and_what_stays(owner: Client) -> None:
    run = ScoringRunFactory(state=JobState.FAILED, error="It broke.", hint="Ask for it again.")
    page = owner.get(f"/runs/{run.pk}/").text
    for text in ("It broke.", "Ask for it again.", "stay as they are"):
        assert text in page


@pytest.mark.parametrize("role", [Role.MEMBER, Role.COMPLIANCE, Role.DIRECTOR])
def test_others_start_no_run(as_role: Callable[[str], Client], role: str) -> None:
    assert as_role(role).post("/runs/start/").status_code == 403
    assert not ScoringRun.objects.exists()


def test_a_run_that_is_not_there_is_no_page(owner: Client) -> None:
    assert owner.get("/runs/999999/").status_code == 404
    assert owner.get("/runs/" + "9" * 40 + "/").status_code == 404
