"""What failure scenarios do to scores and backlogs, by edits and by runs."""

import json
from concurrent.futures import wait
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db import transaction

from debtreg import coupling, losses
from debtreg.actions import backlog, catalog, debt, scenarios, scores
from debtreg.errors import DebtregError
from debtreg.models import (
    BacklogEntry,
    DebtItem,
    FailureScenario,
    MemberRole,
    ScenarioMember,
    Score,
    ScoreChange,
    ScoringRun,
    Service,
)
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    IterationFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ScoringPolicyFactory,
    TeamFactory,
    stated,
    toil,
)
from tests.threads import PATIENCE_S, until_blocked

VECTORS = json.loads((Path(__file__).parent.parent / "data/vectors/scenarios.json").read_text())


@pytest.fixture
def avalanche(transactional_db):
    """The vector's scenario with its 19 debts, none of which costs anything alone."""
    given = VECTORS["avalanche"]
    team = TeamFactory(day_rate=Decimal(given["day_rate"]))
    loss = Decimal(given["loss"])
    scenario = FailureScenarioFactory(
        trigger_rate=float(given["trigger_rate"]),
        loss_low=loss,
        loss_likely=loss,
        loss_high=loss,
    )

    def member(effort, **columns):
        item = DebtItemFactory(
            effort=float(effort), confidence="medium", team=team, service=None, impacts=[]
        )
        return ScenarioMemberFactory(scenario=scenario, item=item, **columns).item

    gates = [
        member(gate["effort"], effectiveness=float(gate["effectiveness"]))
        for gate in given["gates"]
    ]
    others = [
        member(
            each["effort"],
            role=MemberRole.AMPLIFIER,
            probability=float(each["probability"]),
        )
        for each in given["amplifiers"]
    ]
    return team, gates, others


def test_the_avalanche_is_scored_to_the_cent_and_one_repair_is_promoted(avalanche, run):
    team, (k, d), others = avalanche
    IterationFactory(team=team, capacity_days=20)
    run()
    expect = VECTORS["avalanche"]["expect"]
    score = Score.objects.in_bulk()
    assert str(score[k.pk].annual_cost) == expect["shapley"]["K"]
    assert str(score[d.pk].annual_cost) == expect["shapley"]["D"]
    assert {str(score[o.pk].annual_cost) for o in others} == {expect["shapley"]["each_amplifier"]}
    assert score[k.pk].scenario_cost == score[k.pk].annual_cost
    assert score[k.pk].roi == max(row.roi for row in score.values())
    (entry,) = BacklogEntry.objects.all()
    assert entry.item_id == k.pk
    assert round(entry.marginal_roi, 1) == float(expect["marginal"]["K"]["roi"])
    # The second gate would pay but for the first: it waits, and stays in sight.
    assert score[d.pk].roi > 3
    assert (round(score[d.pk].deciding_roi, 2), score[d.pk].promotes) == (2.96, False)
    assert (score[d.pk].priority, score[d.pk].priority_reason) == ("P0", "gate")


def test_a_resolved_member_moves_the_shares_of_the_others_at_once(avalanche, run):
    _, (k, d), _ = avalanche
    run()
    before = Score.objects.get(pk=d.pk).annual_cost
    debt.resolve(pk=k.pk, by=None)
    after = Score.objects.get(pk=d.pk).annual_cost
    assert after < before / 2
    change = ScoreChange.objects.get(item=d)
    assert (change.cause, change.old_annual_cost, change.new_annual_cost) == (
        "scenario",
        before,
        after,
    )
    debt.reopen(pk=k.pk, by=None)
    assert Score.objects.get(pk=d.pk).annual_cost == before
    assert run().changed == 0


@pytest.mark.parametrize("by", ["update", "many"])
def test_every_way_to_resolve_a_member_moves_the_others(avalanche, run, by):
    import pandas as pd

    _, (k, d), _ = avalanche
    run()
    if by == "update":
        debt.update(pk=k.pk, fields={"status": "done"}, by=None)
    else:
        debt.store_many(
            items=pd.DataFrame({"pk": [k.pk], "status": ["done"]}),
            impacts=pd.DataFrame({"position": []}),
            by=None,
        )
    assert ScoreChange.objects.get(item=d).cause == "scenario"
    assert not ScoreChange.objects.filter(run=run()).exclude(cause="portfolio").exists()


def test_an_edit_of_a_member_leaves_the_others_alone(avalanche, run):
    _, (k, _), _ = avalanche
    run()
    debt.update(pk=k.pk, fields={"effort_likely": 2.5, "effort_high": 3}, by=None)
    assert set(ScoreChange.objects.values_list("item_id", "cause")) == {(k.pk, "input")}
    assert run().changed == 0


def test_edits_of_a_scenario_and_runs_agree(avalanche, run):
    run()
    scenario = FailureScenario.objects.get()
    scenarios.update(pk=scenario.pk, fields={"trigger_rate": 3.0}, by=None)
    assert set(ScoreChange.objects.values_list("cause", flat=True)) == {"scenario"}
    row = run()
    # Their part in what all debts cost is compared again, but no number of theirs moves.
    # What is promoted by now moves what is left to gain.
    moved = ScoreChange.objects.filter(run=row).exclude(cause="portfolio")
    assert set(moved.values_list("cause", flat=True)) <= {"backlog"}
    assert all(change.old_roi == change.new_roi for change in moved)


def test_alternatives_are_promoted_as_one_bundle(transactional_db, run):
    given = VECTORS["alternatives"]
    team = TeamFactory(day_rate=Decimal(6000))
    loss = Decimal(given["loss"])
    scenario = FailureScenarioFactory(loss_low=loss, loss_likely=loss, loss_high=loss)
    items = [
        ScenarioMemberFactory(
            scenario=scenario,
            role=MemberRole.ALTERNATIVE,
            group="g",
            item__effort=1.0,
            item__team=team,
            item__service=None,
            item__impacts=[],
        ).item
        for _ in range(3)
    ]
    run()
    costs = Score.objects.values_list("annual_cost", flat=True)
    assert {str(cost) for cost in costs} == {given["expect"]["shapley"]}
    assert BacklogEntry.objects.count() == len(items)
    assert "together" in BacklogEntry.objects.first().reason


def test_a_bundle_without_room_for_all_of_it_leaves_its_days_to_others(transactional_db, run):
    team = TeamFactory(day_rate=Decimal(1000))
    sprint = IterationFactory(team=team, capacity_days=8)
    PriceFactory(price=200)
    scenario = FailureScenarioFactory(loss_low=900_000, loss_likely=900_000, loss_high=900_000)
    columns = {"effort": 4.0, "team": team, "service": None, "impacts": []}
    items = [DebtItemFactory(**columns) for _ in range(3)]
    for item in items:
        ScenarioMemberFactory(scenario=scenario, role="alternative", group="g", item=item)
    plain = DebtItemFactory(**columns | {"effort": 1.0, "impacts": [toil(50)]})
    run()
    entries = {entry.item_id: entry for entry in BacklogEntry.objects.all()}
    assert entries[plain.pk].iteration == sprint
    first, second, third = (entries[item.pk] for item in items)
    assert {entry.state for entry in (first, second, third)} == {"unscheduled"}
    assert first.reason == (
        f"Pays only together with {items[1].key} and {items[2].key}: together they return"
        f" ≈ 75 times their repair, more than 3. Together with {items[1].key} and"
        f" {items[2].key} it needs 12"
        " person-days, more than the open iterations have; the largest has 8: split the work,"
        " make an iteration longer or open another."
    )
    assert run().changed == 0
    sprint.capacity_days = 13
    sprint.save()
    run()
    assert set(BacklogEntry.objects.values_list("iteration", flat=True)) == {sprint.pk}


def test_a_scenario_whose_loss_nobody_knows_leaves_its_members_unpriced(db):
    scenario = FailureScenarioFactory(loss_low=None, loss_likely=None, loss_high=None)
    item = ScenarioMemberFactory(scenario=scenario, item__impacts=[]).item
    scores.score_items([item.pk])
    score = Score.objects.get()
    assert (score.state, score.annual_cost, score.scenario_cost) == ("unpriced", None, None)


def test_those_beside_an_item_are_the_open_members_of_its_scenarios(db):
    first, second = FailureScenarioFactory.create_batch(2)
    a, b, c = (DebtItemFactory() for _ in range(3))
    ScenarioMemberFactory(scenario=first, item=a)
    ScenarioMemberFactory(scenario=first, item=b)
    ScenarioMemberFactory(scenario=second, item=b)
    ScenarioMemberFactory(scenario=second, item=c)
    assert coupling.beside([a.pk]) == [b.pk]
    assert coupling.beside([b.pk]) == [a.pk, c.pk]
    DebtItem.objects.filter(pk=c.pk).update(status="done")
    assert coupling.beside([b.pk]) == [a.pk]
    assert coupling.beside([]) == []


def test_groups_of_one_name_in_two_scenarios_are_two(db):
    scenarios_ = FailureScenarioFactory.create_batch(2)
    for scenario in scenarios_:
        for _ in range(2):
            ScenarioMemberFactory(scenario=scenario, role=MemberRole.ALTERNATIVE, group="g")
    members = coupling.read().scenarios.members
    assert members.groupby("scenario")["within"].nunique().tolist() == [1, 1]


def test_the_guard_of_certainty_goes_by_what_a_repair_saves_beside_the_others(
    transactional_db, run
):
    ScoringPolicyFactory(min_confidence=0.95)
    team = TeamFactory(day_rate=Decimal(1600))
    scenario = FailureScenarioFactory(loss_low=20_000, loss_likely=36_000, loss_high=60_000)
    first, second = (
        ScenarioMemberFactory(
            scenario=scenario,
            item=DebtItemFactory(effort=effort, team=team, service=None, impacts=[]),
        ).item
        for effort in (4.0, 200.0)
    )
    run()
    # By its share of the loss it would not be certain at all.
    assert Score.objects.get(pk=first.pk).confidence < 0.6
    assert [entry.item_id for entry in BacklogEntry.objects.all()] == [first.pk]
    assert run().changed == 0
    assert second.pk not in BacklogEntry.objects.values_list("item_id", flat=True)


# --- Uncertainty ----------------------------------------------------------------------------------


def test_percentiles_and_confidence_are_published(db):
    PriceFactory(price=200)
    item = DebtItemFactory(effort=3.0, impacts=[toil(72, frequency_low=50, frequency_high=120)])
    scores.score_items([item.pk])
    score = Score.objects.get()
    assert score.roi_p5 < score.roi_p50 < score.roi_p95
    assert 0 < score.confidence < 1


def test_what_is_certain_has_the_roi_as_its_percentiles(db):
    item = DebtItemFactory(effort=1.0, impacts=[stated(16_000)])
    scores.score_items([item.pk])
    score = Score.objects.get()
    assert (score.roi_p5, score.roi_p50, score.roi_p95) == (score.roi,) * 3
    assert score.confidence == 1


def test_uncertainty_is_worked_out_again_only_where_something_has_changed(
    db, monkeypatch, run, transactional_db
):
    from debtreg import frames

    PriceFactory(price=200)
    items = [DebtItemFactory(effort=3.0, impacts=[toil(72, frequency_low=50)]) for _ in range(4)]
    seen = []
    real = frames.scoring.add_uncertainty
    monkeypatch.setattr(
        frames.scoring,
        "add_uncertainty",
        lambda rows, *rest: (seen.append(len(rows)), real(rows, *rest))[1],
    )
    run()
    assert seen == [4]
    run()
    assert seen == [4]
    Service.objects.filter(pk=items[0].service_id).update(requests_per_year=5)
    run()
    assert seen == [4, 1]


def test_a_priority_that_moves_alone_keeps_the_percentiles(transactional_db, run):
    PriceFactory(price=200)
    small = DebtItemFactory(effort=3.0, impacts=[toil(10, frequency_low=5)])
    run()
    before = Score.objects.get(pk=small.pk)
    DebtItemFactory(effort=3.0, impacts=[stated(10**9)])
    run()
    after = Score.objects.get(pk=small.pk)
    assert before.priority != after.priority
    assert (after.roi_p5, after.confidence) == (before.roi_p5, before.confidence)
    assert ScoreChange.objects.get(item=small).cause == "portfolio"


@pytest.mark.parametrize(
    "points", [("1", None, "3"), (None, None, "3"), ("1", None, None), ("1", "2", None)]
)
def test_a_loss_that_is_partly_known_is_unknown_and_stops_nothing(transactional_db, run, points):
    low, likely, high = (point and Decimal(point) for point in points)
    scenario = FailureScenarioFactory(loss_low=low, loss_likely=likely, loss_high=high)
    priced, bare = (
        ScenarioMemberFactory(scenario=scenario, item__impacts=impacts).item
        for impacts in ([stated(9600)], [])
    )
    scores.score_items([priced.pk, bare.pk])
    run()
    found = Score.objects.in_bulk()
    assert (found[priced.pk].roi, found[priced.pk].scenario_cost) == (2.0, None)
    assert found[priced.pk].unpriced_impacts == 1
    assert found[bare.pk].state == "unpriced"
    share = scores.explain(pk=priced.pk)["scenarios"][0]
    assert (share["cost_per_year"], share["loss_per_year"]) == (None, None)
    assert "not priced" in share["formula"]


# --- What decides, and its history ----------------------------------------------------------------


@pytest.fixture
def gates(transactional_db):
    """Two debts that must come together to lose 36,000 a year, of 6,400 each, scored: the repair
    of either is enough."""
    team = TeamFactory(day_rate=Decimal(1600))
    scenario = FailureScenarioFactory(loss_low=36_000, loss_likely=36_000, loss_high=36_000)
    columns = {"effort": 4.0, "team": team, "service": None, "impacts": []}
    items = [
        ScenarioMemberFactory(scenario=scenario, item=DebtItemFactory(**columns)).item
        for _ in range(2)
    ]
    scores.score_items([item.pk for item in items])
    return items


def history():
    return [
        (change.item, change.cause, change.old_deciding_roi, change.new_deciding_roi)
        for change in ScoreChange.objects.select_related("item").order_by("pk")
    ]


def test_who_is_promoted_or_taken_back_moves_what_decides_beside_it_and_history_says_so(gates):
    first, second = gates
    entry = backlog.promote(pk=first.pk, by=None)
    assert history() == [(second, "backlog", 5.625, 0.0)]
    change = ScoreChange.objects.get()
    assert (change.old_roi, change.new_roi) == (2.8125, 2.8125)
    assert (change.run, change.old_state, change.new_state) == (None, "priced", "priced")
    backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    assert history()[1:] == [(second, "backlog", 0.0, 5.625)]


def test_a_run_that_promotes_notes_what_that_moves_once(gates, run):
    first, second = gates
    row = run()
    assert row.promoted == 1
    assert history() == [(second, "backlog", 5.625, 0.0)]
    assert ScoreChange.objects.get().run == row
    run()
    debt.update(pk=first.pk, fields={"title": "The same by another name"}, by=None)
    run()
    assert len(history()) == 1


def test_an_edit_that_moves_both_rois_is_one_row_that_names_both(gates):
    first, second = gates
    backlog.promote(pk=first.pk, by=None)
    ScoreChange.objects.all().delete()
    debt.update(pk=second.pk, fields={}, impacts=[stated(6400)], by=None)
    change = ScoreChange.objects.get()
    assert (change.cause, change.old_roi, change.new_roi) == ("input", 2.8125, 3.8125)
    assert (change.old_deciding_roi, change.new_deciding_roi) == (0.0, 1.0)


def test_who_leaves_a_scenario_is_decided_by_its_own_roi_again(gates):
    first, second = gates
    backlog.promote(pk=first.pk, by=None)
    ScoreChange.objects.all().delete()
    debt.update(pk=second.pk, fields={}, impacts=[stated(6400)], by=None)
    scenarios.remove(pk=FailureScenario.objects.get().pk, by=None)
    assert (second, "scenario", 1.0, 1.0) in history()
    score = Score.objects.get(pk=second.pk)
    assert (score.roi, score.deciding_roi) == (1.0, 1.0)


def test_another_policy_is_what_moves_a_bundle_by_its_threshold(gates, run):
    ScenarioMember.objects.update(role=MemberRole.ALTERNATIVE, group="g")
    run()
    before = set(Score.objects.values_list("deciding_roi", flat=True))
    assert before == {2.8125}
    ScoringPolicyFactory(threshold=2.0, demote_below=1.5)
    run()
    assert {cause for _, cause, *_ in history()} <= {"scenario", "portfolio", "policy"}
    assert BacklogEntry.objects.count() == 2
    assert set(Score.objects.values_list("deciding_roi", "promotes")) == {(2.8125, True)}


def test_alternatives_are_above_the_threshold_only_by_what_they_return_together(gates, run):
    """Each by itself would save nothing; together 36,000 for 12,800."""
    ScenarioMember.objects.update(role=MemberRole.ALTERNATIVE, group="g")
    DebtItem.objects.filter(pk=gates[1].pk).update(effort_low=2, effort_likely=2, effort_high=2)
    run()
    share = dict(Score.objects.values_list("pk", "roi"))
    assert share[gates[1].pk] > 3 > share[gates[0].pk]
    # 36,000 a year for 9,600: the joint ROI decides about both.
    assert set(Score.objects.values_list("deciding_roi", "promotes")) == {(3.75, True)}
    assert set(BacklogEntry.objects.values_list("marginal_roi", flat=True)) == {3.75}
    DebtItem.objects.filter(pk=gates[0].pk).update(effort_low=9, effort_likely=9, effort_high=9)
    run()
    both = dict(Score.objects.values_list("pk", "deciding_roi"))
    assert {round(roi, 4) for roi in both.values()} == {round(36_000 / 17_600, 4)}
    assert Score.objects.get(pk=gates[1].pk).roi > 3
    assert not Score.objects.filter(promotes=True).exists()
    assert not BacklogEntry.objects.active().exists()


# --- Many hands -----------------------------------------------------------------------------------


@pytest.mark.postgres_only
def test_two_who_move_what_decides_about_one_scenario_come_one_after_the_other(gates, start, hold):
    first, second = gates
    gate = hold(backlog.audit, "record")
    promoting = start(backlog.promote, pk=first.pk, by=None)
    gate.wait_for_arrival()
    editing = start(debt.update, pk=second.pk, fields={}, impacts=[stated(6400)], by=None)
    until_blocked(editing)
    gate.open()
    promoting.result()
    editing.result()
    # It has seen what the other one has promoted.
    assert Score.objects.get(pk=second.pk).deciding_roi == 1.0


@pytest.mark.postgres_only
def test_whoever_writes_scores_of_members_at_once_waits_for_nobody_in_vain(gates, run, start):
    """Edits, decisions, scenarios, plans, catalogs and runs: a deadlock would be an error."""
    third = DebtItemFactory(effort=1.0, team=gates[0].team, service=None, impacts=[stated(9600)])
    scenario = FailureScenario.objects.get()
    members = [{"item_id": item.pk, "role": MemberRole.GATE} for item in (*gates, third)]
    doing = []
    for turn in range(4):
        for item in gates:
            doing.append(start(debt.update, pk=item.pk, fields={"effort_likely": 4.0}, by=None))
            doing.append(start(backlog.promote, pk=item.pk, by=None))
            doing.append(start(debt.veto, pk=item.pk, reason="Later.", by=None))
            doing.append(start(debt.lift_veto, pk=item.pk, by=None))
        wanted = members[: 2 + turn % 2]
        doing.append(start(scenarios.update, pk=scenario.pk, fields={}, members=wanted, by=None))
        doing.append(start(backlog.apply_plan, by=None))
        document = {"scenarios": [{"name": scenario.name, "trigger_rate": 1 + turn}]}
        doing.append(start(catalog.load, document=document, by=None))
    # One run after the other, as there is one at a time.
    doing.append(start(lambda: [run() for _ in range(4)]))
    wait(doing)
    errors = [error for future in doing if (error := future.exception())]
    assert [error for error in errors if not isinstance(error, DebtregError)] == []
    run()
    decides = losses.marginal_rois([item.pk for item in gates])
    for pk, roi in decides.items():
        assert Score.objects.get(pk=pk).deciding_roi == pytest.approx(roi)


@pytest.mark.postgres_only
def test_an_entry_that_somebody_else_writes_holds_up_no_decision_about_another(gates, start):
    first, second = gates
    entry = backlog.promote(pk=first.pk, by=None)
    out = backlog.promote(pk=second.pk, by=None)
    BacklogEntry.objects.filter(pk=out.pk).update(displaced_by=first.key)
    with transaction.atomic():
        BacklogEntry.objects.select_for_update().get(pk=out.pk)
        start(backlog.withdraw, entry_id=entry.pk, reason="", by=None).result(PATIENCE_S)
    assert BacklogEntry.objects.get(pk=entry.pk).state == "withdrawn"


def test_a_database_with_scores_of_before_asks_for_a_run(gates):
    migration = import_module("debtreg.migrations.0034_history_of_what_decides")
    for _ in range(2):
        migration.request_run(apps, None)
    assert [row.state for row in ScoringRun.objects.all()] == ["queued"]


def test_a_database_without_scores_asks_for_none(db):
    import_module("debtreg.migrations.0034_history_of_what_decides").request_run(apps, None)
    assert not ScoringRun.objects.exists()
