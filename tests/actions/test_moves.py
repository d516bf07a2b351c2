"""Moves by hand: what cannot hold is refused, and what a run undoes says whose move it was."""

from datetime import timedelta

import pytest

from debtreg.actions import backlog, catalog, debt
from debtreg.actions.backlog import CannotHold, OutOfOrder
from debtreg.models import BacklogEntry, DebtItem, Iteration, MemberRole, Prerequisite, Role
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    IterationFactory,
    PriceFactory,
    ScenarioMemberFactory,
    TeamFactory,
    UserFactory,
    toil,
)


@pytest.fixture
def team(db):
    PriceFactory(price=200)
    return TeamFactory(name="Payments", day_rate=1600)


@pytest.fixture
def olga(team):
    return UserFactory(username="olga", role=Role.ADMIN)


@pytest.fixture
def new(team):
    """new(effort=2, hours=144): a debt of the team; ROI = hours x 200 / (effort x 1600)."""

    def make(effort=2, hours=144):
        impacts = [toil(hours)] if hours else []
        return DebtItemFactory(service=None, team=team, effort=effort, impacts=impacts)

    return make


@pytest.fixture
def sprints(team):
    """Two of six days, one after the other."""
    first = IterationFactory(team=team, name="First", capacity_days=6)
    second = IterationFactory(
        team=team,
        name="Second",
        capacity_days=6,
        starts_on=first.starts_on + timedelta(days=14),
        ends_on=first.ends_on + timedelta(days=14),
    )
    return first, second


@pytest.fixture
def group(new):
    """Three debts of four days that save a loss only together."""
    scenario = FailureScenarioFactory(trigger_rate=1)
    items = [new(effort=4, hours=0) for _ in range(3)]
    for item in items:
        ScenarioMemberFactory(
            scenario=scenario, item=item, role=MemberRole.ALTERNATIVE, group="copies"
        )
    return items


def entry_of(item):
    return BacklogEntry.objects.filter(item=item).latest("pk")


def move(item, iteration, by=None):
    return backlog.move(entry_id=entry_of(item).pk, iteration_id=iteration and iteration.pk, by=by)


# --- Refused --------------------------------------------------------------------------------------


def test_a_member_of_a_group_goes_nowhere_where_the_others_find_no_room(run, group, sprints):
    first, second = sprints
    run()
    one = group[0]
    assert [entry_of(item).state for item in group] == ["unscheduled"] * 3
    with pytest.raises(CannotHold) as refused:
        move(one, first)
    keys = [item.key for item in group]
    assert refused.value.message == (
        f"{keys[0]} pays only together with {keys[1]} and {keys[2]}. With {keys[0]} in First,"
        f" there is no room for {keys[1]} and {keys[2]} (4 + 4 person-days) beside what is started"
        " or put there by hand; left in the iterations of Payments: First 2, Second 6."
    )
    assert "open another" in refused.value.hint
    Iteration.objects.filter(pk=second.pk).update(capacity_days=8)
    assert move(one, first).state == "planned"
    run()
    assert [entry_of(item).iteration for item in group] == [first, second, second]
    # Now that a person has put one there, the others are not to wait.
    with pytest.raises(CannotHold, match=f"and a person has put {keys[0]} into First"):
        move(group[1], None)


def test_a_member_does_not_go_where_another_one_waits_by_hand(run, group, sprints, olga):
    Iteration.objects.update(capacity_days=9)
    run()
    move(group[1], None, by=olga)
    with pytest.raises(CannotHold, match=rf"{group[1].key} waits by hand\.") as refused:
        move(group[0], sprints[0])
    assert refused.value.hint == f"Put {group[1].key} into an iteration, too."


def test_an_iteration_is_not_made_smaller_than_what_is_in_it(run, new, sprints):
    first = sprints[0]
    new(effort=4)
    run()
    first.capacity_days = 3
    with pytest.raises(catalog.TooSmall) as refused:
        catalog.save(obj=first, by=None)
    assert refused.value.message == (
        "First has 4 person-days planned, started or done: 3 are 1 too few."
    )
    assert refused.value.hint == "Move 1 person-days to another iteration first, or let them wait."
    assert list(refused.value.fields) == ["capacity_days"]
    first.capacity_days = 4
    assert catalog.save(obj=first, by=None).capacity_days == 4
    # What is too full already may be called otherwise, and grow.
    Iteration.objects.filter(pk=first.pk).update(capacity_days=1)
    first.capacity_days, first.name = 2, "Called otherwise"
    assert catalog.save(obj=first, by=None).name == "Called otherwise"


def test_nothing_goes_into_an_iteration_before_what_is_in_no_backlog(run, new, sprints):
    need, item = new(), new()
    Prerequisite.objects.create(item=item, needs=need)
    with pytest.raises(OutOfOrder, match=f"needs {need.key} .* would be in no iteration yet"):
        backlog.promote(pk=item.pk, iteration_id=sprints[0].pk, by=None)
    entry = backlog.promote(pk=need.pk, by=None)
    backlog.start(entry_id=entry.pk, by=None)
    assert backlog.promote(pk=item.pk, iteration_id=sprints[0].pk, by=None).state == "planned"


# --- Undone by a run ------------------------------------------------------------------------------


def undone(run, item, times=2):
    """What the entry says of its move, which the following runs go on saying."""
    said = set()
    for _ in range(times):
        run()
        entry = entry_of(item)
        assert entry.placed is False
        assert entry.reason.endswith(entry.moved_back)
        said.add(entry.moved_back)
    return said.pop().strip() if len(said) == 1 else said


def test_effort_that_grew_undoes_a_move_and_the_reason_says_whose(run, new, sprints, olga):
    item = new(effort=4, hours=720)
    run()
    move(item, sprints[1], by=olga)
    debt.update(pk=item.pk, fields={"effort_low": 7, "effort_likely": 7, "effort_high": 7}, by=None)
    assert undone(run, item) == (
        "olga had put it into Second; it went out, as it needs 7 person-days, and Second has 6"
        " beside what is done or started."
    )
    # Until a person acts.
    Iteration.objects.filter(pk=sprints[0].pk).update(capacity_days=9)
    move(item, sprints[0], by=olga)
    run()
    assert entry_of(item).moved_back == ""
    assert entry_of(item).reason.endswith("Planned for First, where olga has put it.")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "closed"}, "Second is closed."),
        ({"ends_on": "2020-01-02", "starts_on": "2020-01-01"}, "Second ended on 2020-01-02."),
        (
            {"capacity_days": 2},
            "it needs 4 person-days, and Second has 2 beside what is done or started.",
        ),
    ],
)
def test_what_happened_to_the_iteration_undoes_a_move(run, new, sprints, olga, change, why):
    item = new(effort=4)
    run()
    move(item, sprints[1], by=olga)
    Iteration.objects.filter(pk=sprints[1].pk).update(**change)
    assert undone(run, item) == f"olga had put it into Second; it went out, as {why}"
    assert entry_of(item).iteration == sprints[0]


def test_a_prerequisite_that_comes_later_undoes_a_move(run, new, sprints, olga):
    item, need = new(effort=2), new(effort=2)
    run()
    move(item, sprints[0], by=olga)
    move(need, None, by=olga)
    Prerequisite.objects.create(item=item, needs=need)
    assert undone(run, item) == (
        f"olga had put it into First; it went out, as {need.key}, which it needs first,"
        " is in no iteration."
    )


def test_two_moves_that_find_no_room_together_name_what_is_missing(run, new, sprints, olga):
    items = [new(effort=3), new(effort=3)]
    run()
    for item in items:
        move(item, sprints[1], by=olga)
    Iteration.objects.filter(pk=sprints[1].pk).update(capacity_days=5)
    run()
    out = [entry for entry in map(entry_of, items) if not entry.placed]
    assert [entry.moved_back for entry in out] == [
        " olga had put it into Second; it went out, as what people have put into Second needs more"
        " than the 5 person-days that it has beside what is done or started."
    ]


def test_a_group_that_finds_no_room_any_more_undoes_a_move(run, group, sprints, olga):
    Iteration.objects.filter(pk=sprints[1].pk).update(capacity_days=8)
    run()
    move(group[0], sprints[0], by=olga)
    Iteration.objects.filter(pk=sprints[1].pk).update(capacity_days=6)
    assert undone(run, group[0]) == (
        f"olga had put it into First; it went out, as {group[1].key} and {group[2].key},"
        " without which it saves nothing, find no room beside it."
    )


def test_a_debt_that_goes_to_another_team_is_put_where_nobody_has_put_it(run, new, sprints, olga):
    item = new()
    run()
    move(item, sprints[0], by=olga)
    DebtItem.objects.filter(pk=item.pk).update(team=TeamFactory(name="Risk", day_rate=1600))
    assert undone(run, item) == (
        "olga had put it into First; it went out, as First belongs to another team than the debt"
        " does now."
    )
