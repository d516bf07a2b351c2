"""Failure scenarios: rules, rights, what is scored anew, what is kept of changes."""

from decimal import Decimal

import pytest

from debtreg.actions import scenarios, scores
from debtreg.actions.debt import AmountTooLarge, NotValid
from debtreg.actions.scenarios import ScenarioChanged
from debtreg.errors import NotFound
from debtreg.models import AuditEntry, FailureScenario, ScenarioMember, Score, ScoreChange
from tests.factories import DebtItemFactory
from tests.threads import until_blocked

LOSS = dict.fromkeys(("loss_low", "loss_likely", "loss_high"), Decimal(90_000))


def gate(item, **columns):
    return {"item_id": item.pk, "role": "gate", **columns}


def made(*members, **fields):
    return scenarios.create(
        fields={"name": "Avalanche", "trigger_rate": 1.5, **LOSS, **fields},
        members=members,
        by=None,
    )


def test_a_scenario_is_kept_with_its_members_and_audited(db):
    first, second, third = DebtItemFactory.create_batch(3)
    scenario = made(
        gate(first, effectiveness=0.8),
        {"item_id": second.pk, "role": "alternative", "group": "either"},
        {"item_id": third.pk, "role": "amplifier", "probability": 0.05},
    )
    rows = ScenarioMember.objects.values_list(
        "scenario", "item", "role", "group", "probability", "effectiveness"
    )
    assert list(rows) == [
        (scenario.pk, first.pk, "gate", "", None, 0.8),
        (scenario.pk, second.pk, "alternative", "either", None, 1.0),
        (scenario.pk, third.pk, "amplifier", "", 0.05, 1.0),
    ]
    entry = AuditEntry.objects.get(action="scenario.create")
    assert (entry.old, entry.new["name"], entry.new["trigger_rate"]) == (None, "Avalanche", "1.5")
    assert entry.new["members"][0] == {
        "item_id": first.pk,
        "role": "gate",
        "group": "",
        "probability": None,
        "effectiveness": "0.8",
    }


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "x" * 121}, {"name"}),
        ({"trigger_rate": -1}, {"__all__"}),
        ({"trigger_rate": 1e10}, {"__all__"}),
        ({"loss_low": Decimal(90_001)}, {"__all__"}),
        ({"loss_low": Decimal(-1)}, {"__all__"}),
        ({"grade": "guessed"}, {"grade"}),
        ({"trigger_rate": 1e9, "loss_high": Decimal(10**12)}, {"loss_high"}),
    ],
)
def test_what_breaks_a_rule_is_refused(db, fields, names):
    with pytest.raises(NotValid) as error:
        made(gate(DebtItemFactory()), **fields)
    assert names <= error.value.fields.keys()
    assert error.value.hint
    assert not FailureScenario.objects.exists()


MEMBERS = [
    ({"role": "door"}, "role", "one of: gate, alternative, amplifier"),
    ({"role": "alternative"}, "group", "An alternative needs a group"),
    ({"role": "alternative", "group": "g" * 41}, "group", "at most 40 characters; this has 41"),
    ({"role": "gate", "group": "g"}, "group", "Only alternatives have a group"),
    ({"role": "amplifier"}, "probability", "needs the chance that it adds, from 0 to 1"),
    ({"role": "amplifier", "probability": 1.1}, "probability", "from 0 to 1"),
    ({"role": "amplifier", "probability": float("nan")}, "probability", "from 0 to 1"),
    ({"role": "gate", "probability": 0.5}, "probability", "Only amplifiers have a chance"),
    ({"role": "gate", "effectiveness": 1.1}, "effectiveness", "between 0 and 1"),
    ({"role": "gate", "effectiveness": None}, "effectiveness", "between 0 and 1"),
]


@pytest.mark.parametrize(("member", "name", "says"), MEMBERS)
def test_a_member_that_breaks_a_rule_is_named(db, member, name, says):
    item, other = DebtItemFactory.create_batch(2)
    with pytest.raises(NotValid, match=says) as error:
        made(gate(other), {"item_id": item.pk, **member})
    assert error.value.fields.keys() == {f"members[1].{name}"}
    assert not FailureScenario.objects.exists()


def test_all_that_is_wrong_is_named_at_once(db):
    item = DebtItemFactory()
    with pytest.raises(NotValid, match=r"\(3 more\)") as error:
        made(gate(item), gate(item), {"item_id": 404, "role": "amplifier"}, name="")
    assert error.value.fields.keys() >= {"name", "members[1].debt", "members[2].probability"}
    assert "DEBT-404" in error.value.fields["members[2].debt"][0]
    assert f"{item.key} is a member already, in row 1" in error.value.fields["members[1].debt"][0]


def test_a_scenario_without_members_is_refused(db):
    with pytest.raises(NotValid, match="members: A scenario needs a member"):
        made()


def test_two_hundred_members_are_taken_and_one_more_is_not(db):
    items = DebtItemFactory.create_batch(201, service=None)
    with pytest.raises(NotValid, match="at most 200 members; these are 201"):
        made(*map(gate, items))
    assert made(*map(gate, items[:200])).members.count() == 200


def test_a_name_is_there_once(db):
    made(gate(DebtItemFactory()))
    with pytest.raises(NotValid) as error:
        made(gate(DebtItemFactory()))
    assert error.value.fields.keys() == {"name"}


def test_a_name_that_somebody_takes_at_the_same_moment_is_refused_with_a_sentence(db, monkeypatch):
    made(gate(DebtItemFactory()))
    monkeypatch.setattr(FailureScenario, "full_clean", lambda self: None)
    with pytest.raises(NotValid, match="since a moment ago"):
        made(gate(DebtItemFactory()))


# --- Changing -------------------------------------------------------------------------------------


def test_a_change_keeps_old_and_new(db):
    first, second = DebtItemFactory.create_batch(2)
    scenario = made(gate(first))

    changed = scenarios.update(
        pk=scenario.pk, fields={"trigger_rate": 2.0}, members=[gate(second)], by=None
    )

    assert changed.revision == 2
    assert changed.updated_at > scenario.updated_at
    assert [row.item for row in changed.members.all()] == [second]
    entry = AuditEntry.objects.get(action="scenario.update")
    assert (entry.old["trigger_rate"], entry.new["trigger_rate"]) == ("1.5", "2")
    assert entry.old["members"][0]["item_id"] == first.pk
    assert entry.new["members"][0]["item_id"] == second.pk


def test_a_change_that_does_not_speak_of_members_leaves_them(db):
    scenario = made(gate(DebtItemFactory(), effectiveness=0.5))
    before = list(scenario.members.values())
    scenarios.update(pk=scenario.pk, fields={"description": "More is known."}, by=None)
    assert list(scenario.members.values()) == before


def test_saying_what_is_there_already_changes_nothing(db):
    item = DebtItemFactory()
    scenario = made(gate(item))
    before = list(scenario.members.values())
    same = {"trigger_rate": 1.5, "loss_low": Decimal("90000.00")}
    again = scenarios.update(pk=scenario.pk, fields=same, members=[gate(item)], by=None)
    assert (again.revision, list(again.members.values())) == (1, before)
    assert AuditEntry.objects.count() == 1


def test_a_change_on_top_of_somebody_elses_is_refused(db):
    scenario = made(gate(DebtItemFactory()))
    scenarios.update(pk=scenario.pk, fields={"trigger_rate": 2.0}, by=None, revision=1)
    with pytest.raises(ScenarioChanged, match="is at revision 2, you have 1"):
        scenarios.update(pk=scenario.pk, fields={"trigger_rate": 3.0}, by=None, revision=1)
    assert FailureScenario.objects.get().trigger_rate == 2.0


def test_a_refused_change_leaves_everything_as_it_was(db):
    scenario = made(gate(DebtItemFactory()))
    with pytest.raises(NotValid):
        scenarios.update(pk=scenario.pk, fields={"trigger_rate": 2.0}, members=[], by=None)
    assert FailureScenario.objects.get().trigger_rate == 1.5
    assert scenario.members.count() == 1


def test_changing_what_is_gone_says_so(db):
    with pytest.raises(NotFound, match="no failure scenario 7"):
        scenarios.update(pk=7, fields={}, by=None)


def test_removing_is_audited_and_harmless_when_repeated(db):
    item = DebtItemFactory()
    scenario = made(gate(item))
    scenarios.remove(pk=scenario.pk, by=None)
    scenarios.remove(pk=scenario.pk, by=None)
    entry = AuditEntry.objects.get(action="scenario.remove")
    assert (entry.old["name"], entry.old["members"][0]["item_id"]) == ("Avalanche", item.pk)
    assert not ScenarioMember.objects.exists()


# --- Scores ---------------------------------------------------------------------------------------


def test_members_are_scored_at_once_and_a_change_is_noted_with_its_cause(db):
    """Unpriced before; a quarter of a loss of 120,000 a year for each of four gates."""
    items = DebtItemFactory.create_batch(4, effort=5)
    scores.score_items([item.pk for item in items])
    assert set(Score.objects.values_list("state", flat=True)) == {"unpriced"}
    scenario = made(*map(gate, items), trigger_rate=4 / 3)
    found = Score.objects.in_bulk()
    assert {str(score.annual_cost) for score in found.values()} == {"30000.00"}
    assert {score.roi for score in found.values()} == {3.75}
    change = ScoreChange.objects.get(item=items[0])
    assert (change.cause, change.old_state, change.new_state) == ("scenario", "unpriced", "priced")

    # One leaves, and the three that stay share all of it.
    scenarios.update(pk=scenario.pk, fields={}, members=list(map(gate, items[:3])), by=None)
    costs = {score.item_id: score.annual_cost for score in Score.objects.all()}
    assert costs == {**dict.fromkeys((item.pk for item in items[:3]), 40_000), items[3].pk: None}
    assert set(ScoreChange.objects.values_list("cause", flat=True)) == {"scenario"}

    scenarios.remove(pk=scenario.pk, by=None)
    assert set(Score.objects.values_list("state", "annual_cost")) == {("unpriced", None)}


def test_what_a_debt_costs_by_several_scenarios_together_has_a_limit_too(db):
    item = DebtItemFactory()
    most = {"trigger_rate": 1000, **dict.fromkeys(LOSS, Decimal(10**12))}
    made(gate(item), **most)
    with pytest.raises(AmountTooLarge, match=f"{item.key} would cost more than 1000000000000000"):
        made(gate(item), name="Another", **most)
    assert FailureScenario.objects.count() == 1


# --- At the same moment ---------------------------------------------------------------------------


@pytest.mark.postgres_only
def test_two_changes_at_once_come_one_after_the_other(transactional_db, start, hold):
    pk = made(gate(DebtItemFactory())).pk
    scoring = hold(scores, "score_items")
    first = start(scenarios.update, pk=pk, fields={"trigger_rate": 2.0}, by=None, revision=1)
    scoring.wait_for_arrival()
    second = start(scenarios.update, pk=pk, fields={"trigger_rate": 3.0}, by=None, revision=1)
    until_blocked(second)
    scoring.open()
    assert first.result().revision == 2
    assert isinstance(second.exception(), ScenarioChanged)
    assert FailureScenario.objects.get().trigger_rate == 2.0


@pytest.mark.postgres_only
def test_two_scenarios_of_the_same_debts_wait_for_each_other(transactional_db, start, hold):
    """Members are locked by their keys, in whatever order they are given."""
    items = DebtItemFactory.create_batch(2)
    scoring = hold(scores, "score_items")
    both = [
        start(scenarios.create, fields={"name": name}, members=list(map(gate, order)), by=None)
        for name, order in (("forward", items), ("backward", items[::-1]))
    ]
    scoring.wait_for_arrival()
    until_blocked(both[1])
    scoring.open()
    assert [each.result().members.count() for each in both] == [2, 2]
