"""What a version of the policy would move: worked out as a run does it, and published nowhere."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from debtreg import frames, plans, tasks, versions
from debtreg.actions import policies, what_if
from debtreg.errors import Conflict, NotAllowed, NotFound
from debtreg.models import (
    AuditEntry,
    BacklogEntry,
    JobState,
    MemberRole,
    Mover,
    RankMark,
    Role,
    Score,
    ScoreChange,
    ScoringRun,
    WhatIf,
)
from tests import portfolio
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    IterationFactory,
    ScenarioMemberFactory,
    ScoringPolicyFactory,
    UserFactory,
    stated,
    tamper,
)
from tests.processes import until

DRAFT = {
    "threshold": 2.2,
    "demote_below": 2.0,
    "weights": {"latency": 0.5, "drag": 2, "stated": 1.1},
    "contingency": {"none": 0.1, "medium": 0.5},
}


@pytest.fixture
def scored(run):
    """A portfolio with a failure scenario, that was scored and planned."""
    items = portfolio.build()
    IterationFactory(team=items["latency"].team, capacity_days=4)
    DebtItemFactory(
        title="risky",
        service=None,
        team=items["latency"].team,
        effort_low=1,
        effort_likely=2,
        effort_high=9,
        impacts=[stated(12_000)],
    )
    scenario = FailureScenarioFactory()
    ScenarioMemberFactory(scenario=scenario, item=items["careful"])
    ScenarioMemberFactory(
        scenario=scenario, item=items["in points"], role=MemberRole.AMPLIFIER, probability=0.2
    )
    run()


@pytest.fixture
def company(scored):
    """The same, and a draft that moves much of it."""
    return ScoringPolicyFactory(in_force=False, **DRAFT)


def done(version=2):
    job = what_if.request(version=version, by=None)
    assert what_if.run(job.pk, "test")
    job.refresh_from_db()
    return job


def everything():
    """Every row that a run would write."""
    models = (Score, ScoreChange, BacklogEntry, RankMark, ScoringRun)
    return {model: list(model._default_manager.order_by("pk").values_list()) for model in models}


# --- The numbers ----------------------------------------------------------------------------------


def test_it_publishes_nothing(company):
    before = everything()
    job = done()
    assert job.moved > 0
    assert job.promoted > 0
    assert everything() == before
    assert versions.in_force().version == 1


@pytest.mark.parametrize(
    ("draft", "moves"),
    [
        (DRAFT, {"promoted", "roi_up", "roi_down", "newly_above", "no_longer_above"}),
        ({"threshold": 2, "demote_below": 2, "min_confidence": 0.95}, {"newly_above"}),
        ({"priority": {"p0_scenario_share": 0.9, "p1_cost_share": 0.9}}, {"priority_changed"}),
    ],
    ids=["weights", "certainty", "priority"],
)
def test_its_numbers_are_those_of_the_run_that_then_takes_the_version(scored, run, draft, moves):
    ScoringPolicyFactory(in_force=False, **draft)
    job = done()
    assert {name for name in moves if getattr(job, name) > 0} == moves
    movers = {mover.item_id: mover for mover in job.movers.all()}
    before = dict(Score.objects.filter(is_open=True).values_list("pk", "promotes"))

    policies.activate(version=2, by=None)
    row = run()

    assert row.policy_id == 2
    assert (job.items, job.promoted, job.withdrawn) == (row.items, row.promoted, row.withdrawn)
    changes = ScoreChange.objects.filter(run=row)
    assert {change.cause for change in changes} <= {"policy"}
    assert job.moved == len(changes)
    rois = [
        (change.old_deciding_roi, change.new_deciding_roi)
        for change in changes
        if change.old_roi is not None
    ]
    assert job.roi_up == sum(new > old for old, new in rois)
    assert job.roi_down == sum(new < old for old, new in rois)
    now = dict(Score.objects.filter(is_open=True).values_list("pk", "promotes"))
    assert job.newly_above == sum(now[pk] > before[pk] for pk in now)
    assert job.no_longer_above == sum(now[pk] < before[pk] for pk in now)
    priorities = [(change.old_priority, change.new_priority) for change in changes]
    assert job.priority_changed == sum(old != new for old, new in priorities)
    for change in changes:
        old, new = (change.old_roi, change.old_priority), (change.new_roi, change.new_priority)
        mover = movers.get(change.item_id)
        if mover is None:  # only its repair costs something else
            assert old == new
            continue
        assert (mover.old_roi, mover.old_priority) == old
        assert (mover.new_roi, mover.new_priority) == new
        decides = [mover.old_deciding_roi or 0, mover.new_deciding_roi or 0]
        noted = [change.old_deciding_roi or 0, change.new_deciding_roi or 0]
        assert decides == pytest.approx(noted, rel=1e-4)
    active = set(BacklogEntry.objects.active().values_list("item", flat=True))
    assert {pk for pk, mover in movers.items() if mover.is_promoted} == active & movers.keys()
    risky = Score.objects.get(item__title="risky")
    if risky.promotes:
        assert movers[risky.pk].is_promoted is ("min_confidence" not in draft)
    assert job.totals["after"]["annual_cost"] == str(row.annual_cost)
    sums = Score.objects.filter(is_open=True).values_list("weighted_benefit", "repair_cost")
    benefits, repairs = zip(*sums, strict=True)
    assert Decimal(job.totals["after"]["weighted_benefit"]) == sum(filter(None, benefits))
    assert Decimal(job.totals["after"]["repair_cost"]) == sum(filter(None, repairs))


def test_it_tells_what_the_policy_moves_and_not_what_waits_for_a_run(run):
    """The scores of the last run are older than a price: both sides are scored anew."""
    items = portfolio.build()
    run()
    service = items["latency"].service
    service.requests_per_year *= 2
    service.save()
    ScoringPolicyFactory(in_force=False, weights={"latency": 2})
    job = done()
    mover = job.movers.get()
    assert (mover.item_id, mover.old_roi, mover.new_roi) == (items["latency"].pk, 8.1, 16.2)
    assert job.totals["before"]["annual_cost"] == job.totals["after"]["annual_cost"]


def test_the_version_in_force_moves_nothing(company):
    job = done(version=1)
    assert (job.moved, job.promoted, job.withdrawn, job.movers.count()) == (0, 0, 0, 0)
    assert (job.policy_id, job.base_id) == (1, 1)
    assert job.totals["before"] == job.totals["after"]


def test_nothing_at_all_can_be_scored_as_well(transactional_db):
    ScoringPolicyFactory(in_force=False)
    job = done()
    assert (job.state, job.items, job.moved) == ("done", 0, 0)


def test_many_chunks_give_what_one_gives(company, monkeypatch):
    one = done()
    monkeypatch.setattr(frames, "CHUNK", 5)
    many = done()
    names = ["item", "old_roi", "new_roi", "was_promoted", "is_promoted"]
    assert list(many.movers.values_list(*names)) == list(one.movers.values_list(*names))
    assert (many.totals, many.moved) == (one.totals, one.moved)


# --- Which movers ---------------------------------------------------------------------------------


def frame(*rows):
    names = ["item_id", "state", "roi", "annual_cost", "repair_cost", "priority", "promotes"]
    found = pd.DataFrame(rows, columns=names)
    return found.assign(deciding_roi=found["roi"])


def planned(entered=(), added=(), withdrawn=()):
    parts = [pd.DataFrame({"item_id": list(part)}) for part in (entered, added, withdrawn)]
    return plans.Plan(
        None,
        parts[0],
        iterations=None,
        needs=None,
        added=parts[1],
        changed=None,
        withdrawn=parts[2],
        left=None,
        notes=None,
    )


def test_movers_come_in_the_order_in_which_they_matter():
    nan = np.nan
    before = frame(
        (1, "priced", 1.0, 10.0, 5.0, "P2", False),
        (2, "priced", 1.0, 10.0, 5.0, "P2", False),
        (3, "priced", 2.9, 10.0, 5.0, "P2", False),
        (4, "priced", 3.1, 10.0, 5.0, "P2", True),
        (5, "priced", 1.0, 10.0, 5.0, "P2", False),
        (6, "unpriced", nan, nan, 5.0, "P3", False),
        (7, "priced", 1.0, 10.0, 5.0, "P2", False),
        (8, "needs_estimate", nan, 10.0, nan, "P2", False),
        (9, "unpriced", nan, nan, 5.0, "P3", False),
    )
    after = frame(
        (1, "priced", 1.1, 10.0, 5.0, "P2", False),
        (2, "priced", 1.9, 10.0, 5.0, "P2", False),  # moves further than 1
        (3, "priced", 3.2, 10.0, 5.0, "P2", True),  # crosses the threshold
        (4, "priced", 2.0, 10.0, 5.0, "P2", False),  # leaves the backlog
        (5, "priced", 1.0, 10.0, 5.0, "P1", False),  # only its priority
        (6, "unpriced", nan, nan, 5.0, "P3", False),  # nothing
        (7, "unpriced", nan, nan, 5.0, "P2", False),  # an ROI goes altogether
        (8, "needs_estimate", nan, 10.0, nan, "P2", False),  # nothing but a place in the backlog
        (9, "unpriced", nan, nan, 7.0, "P3", False),  # only its repair costs more
    )
    plan = planned(entered=[4, 2], added=[3, 8], withdrawn=[4])
    counts, movers = what_if.compare(before, after, plan)
    assert [mover["item_id"] for mover in movers] == [4, 3, 8, 5, 7, 2, 1]
    assert [mover["place"] for mover in movers] == list(range(1, 8))
    assert [(mover["was_promoted"], mover["is_promoted"]) for mover in movers[:4]] == [
        (True, False),
        (False, True),
        (False, True),
        (False, False),
    ]
    assert (movers[4]["old_roi"], movers[4]["new_roi"]) == (1.0, None)
    assert counts == {
        "moved": 7,
        "roi_up": 3,
        "roi_down": 1,
        "newly_above": 1,
        "no_longer_above": 1,
        "priority_changed": 1,
    }


def test_no_more_movers_are_kept_than_a_person_looks_through(monkeypatch, company):
    monkeypatch.setattr(what_if, "MOST_MOVERS", 3)
    job = done()
    assert list(job.movers.values_list("place", flat=True)) == [1, 2, 3]
    assert job.moved > 3


# --- The job --------------------------------------------------------------------------------------


def test_it_is_asked_for_once_until_it_is_over(company):
    owner = UserFactory(role=Role.PRODUCT_OWNER)
    first = what_if.request(version=2, by=owner)
    assert what_if.request(version=2, by=None) == first
    assert what_if.request(version=1, by=None) != first
    assert (first.requested_by, first.policy_id, first.state) == (owner, 2, "queued")
    assert AuditEntry.objects.filter(action="policy.what_if").count() == 2
    what_if.run(first.pk, "test")
    assert what_if.request(version=2, by=None) != first


def test_one_is_worked_out_at_a_time_and_the_next_is_sent_then(company, monkeypatch):
    first, second = (what_if.request(version=version, by=None) for version in (2, 1))
    WhatIf.objects.filter(pk=first.pk).update(
        state=JobState.RUNNING, owner="other", beat_at=timezone.now()
    )
    assert tasks.run_what_if(second.pk) is False
    second.refresh_from_db()
    assert second.state == "queued"

    sent = []
    monkeypatch.setattr(tasks.run_what_if, "delay", sent.append)
    WhatIf.objects.filter(pk=first.pk).update(beat_at=timezone.now() - timedelta(days=1))
    assert tasks.run_what_if(first.pk) is True
    assert sent == [second.pk]


def test_progress_is_readable_while_it_works_and_a_cancel_stops_it(company, start, hold):
    gate = hold(plans, "propose")
    job = what_if.request(version=2, by=None)
    work = start(tasks.run_what_if, job.pk)
    gate.wait_for_arrival()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("running", 1)
    what_if.cancel(version=2, by=None)
    gate.open()
    assert work.result() is False
    job.refresh_from_db()
    assert (job.state, job.error, job.movers.count()) == ("cancelled", "", 0)
    with pytest.raises(Conflict, match="Nobody is working out"):
        what_if.cancel(version=2, by=None)


def test_the_next_worker_takes_over_from_one_that_died(company, settings, monkeypatch):
    job = what_if.request(version=2, by=None)
    lapsed = timezone.now() - timedelta(seconds=settings.JOB_LEASE_SECONDS + 1)
    WhatIf.objects.update(state=JobState.RUNNING, owner="dead", attempts=1, beat_at=lapsed)
    sent = []
    monkeypatch.setattr(tasks.run_what_if, "delay", sent.append)
    assert tasks.sweep() == 1
    assert sent == [job.pk]
    assert tasks.run_what_if(job.pk) is True
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 2)
    assert tasks.run_what_if(job.pk) is False, "a second delivery changes nothing"
    assert Mover.objects.filter(what_if=job).count() == job.movers.count()


def test_a_real_worker_does_what_is_sent(company, worker):
    job = what_if.request(version=2, by=None)
    tasks.enqueue(job)
    until(lambda: WhatIf.objects.get(pk=job.pk).is_over, what=worker.output)
    assert WhatIf.objects.get(pk=job.pk).state == "done"


# --- Versions that are no good --------------------------------------------------------------------


def test_a_refused_version_is_not_tried(company):
    tamper(2, threshold=0.1)
    with pytest.raises(versions.PolicyRefused):
        what_if.request(version=2, by=None)
    with pytest.raises(NotFound):
        what_if.request(version=9, by=None)
    assert not WhatIf.objects.exists()


def test_a_version_that_is_tampered_with_meanwhile_fails_with_the_reason(company):
    job = what_if.request(version=2, by=None)
    tamper(2, threshold=0.1)
    assert tasks.run_what_if(job.pk) is False
    job.refresh_from_db()
    assert job.state == "failed"
    assert "Version 2 of the scoring policy is refused" in job.error


def test_without_a_policy_in_force_there_is_nothing_to_compare_with(company):
    tamper(1, threshold=0.1)
    with pytest.raises(versions.NoPolicy):
        what_if.request(version=2, by=None)


# --- Rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role.values)
def test_product_owners_and_sres_may_ask(company, role):
    user = UserFactory(role=role)
    if role in (Role.PRODUCT_OWNER, Role.SRE, Role.ADMIN):
        what_if.request(version=2, by=user)
        what_if.cancel(version=2, by=user)
        return
    with pytest.raises(NotAllowed, match="ask what a policy would move"):
        what_if.request(version=2, by=user)
    with pytest.raises(NotAllowed):
        what_if.cancel(version=2, by=user)


def test_a_large_portfolio_takes_no_more_queries(run):
    item = DebtItemFactory(effort=1, impacts=[stated(3000)])
    run()
    ScoringPolicyFactory(in_force=False, threshold=1, demote_below=1)
    counts = []
    for more in (2, 40):
        for _ in range(more):
            DebtItemFactory(service=item.service, effort=1, impacts=[stated(3000)])
        run()
        with CaptureQueriesContext(connection) as queries:
            done()
        counts.append(len(queries))
    assert counts[0] == counts[1]
