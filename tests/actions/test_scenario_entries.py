"""Failure scenarios in a catalog file: debts by any of their names, every wrong place named."""

from pathlib import Path

import pytest
import yaml

from debtreg.actions import catalog, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import NotAllowed
from debtreg.models import AuditEntry, FailureScenario, ScenarioMember, Score, ScoringRun
from tests.factories import DebtItemFactory, UserFactory, stated

DEMO = Path(__file__).parents[2] / "demo"


def load(*entries, by=None):
    return catalog.load(document={"scenarios": list(entries)}, by=by)


@pytest.fixture
def debts(db):
    return [
        DebtItemFactory(ledger_id="TD-1", external_ref="scanner:1"),
        DebtItemFactory(ledger_id="TD-2"),
        DebtItemFactory(ledger_id="7"),
    ]


def entry(**more):
    return {
        "name": "Avalanche",
        "description": "Pools run dry.",
        "trigger_rate": 1.5,
        "loss": {"low": 60000, "likely": 0.1e6, "high": "120000.50"},
        "grade": "inferred",
        "source": "Review",
        "members": [
            {"debt": "scanner:1", "role": "gate", "effectiveness": 0.8},
            {"debt": "TD-2", "role": "alternative", "group": "either"},
            {"debt": 7, "role": "amplifier", "probability": "0.05"},
        ],
        **more,
    }


def rows():
    return list(FailureScenario.objects.values()), list(ScenarioMember.objects.values())


def test_an_entry_becomes_a_scenario_whose_debts_go_by_any_of_their_names(debts):
    counts = load(entry())
    assert counts["scenarios"] == 1
    scenario = FailureScenario.objects.get()
    assert (scenario.name, scenario.trigger_rate, scenario.grade) == ("Avalanche", 1.5, "inferred")
    points = [str(getattr(scenario, f"loss_{point}")) for point in ("low", "likely", "high")]
    assert points == ["60000.00", "100000.00", "120000.50"]
    members = ScenarioMember.objects.values_list("item", "role", "group", "probability")
    first, second, third = (item.pk for item in debts)
    assert list(members) == [
        (first, "gate", "", None),
        (second, "alternative", "either", None),
        (third, "amplifier", "", 0.05),
    ]


def test_debts_go_by_their_keys_too(debts):
    load(entry(members=[{"debt": item.key.lower(), "role": "gate"} for item in debts]))
    assert ScenarioMember.objects.count() == 3


def test_a_repeat_changes_nothing(debts):
    load(entry())
    before = rows()
    AuditEntry.objects.all().delete()
    assert load(entry())["scenarios"] == 0
    assert rows() == before
    assert not AuditEntry.objects.exists()
    assert not ScoringRun.objects.exists()


def test_what_an_entry_leaves_out_of_a_known_scenario_stays(debts):
    load(entry())
    before = rows()
    load({"name": "Avalanche", "loss": 5})
    scenario = FailureScenario.objects.get()
    assert (scenario.loss_low, scenario.loss_high, scenario.trigger_rate) == (5, 5, 1.5)
    assert rows()[1] == before[1]
    assert AuditEntry.objects.filter(action="catalog.load").count() == 2


def test_unknown_stays_unknown(debts):
    load(entry(trigger_rate=None, loss=None))
    scenario = FailureScenario.objects.get()
    assert (scenario.trigger_rate, scenario.loss_likely) == (None, None)


WRONG = [
    ({"name": None}, "scenarios: entry 2: name: This is missing"),
    ({"name": "x" * 121}, "scenarios: x+: name: "),
    ({"colour": "red"}, "scenarios: Avalanche: colour: There is no field of this name"),
    ({"trigger_rate": "often"}, "trigger_rate: 'often' is not a number"),
    ({"trigger_rate": float("nan")}, "trigger_rate: 'nan' is not a number"),
    ({"trigger_rate": True}, "trigger_rate: 'True' is not a number"),
    ({"trigger_rate": -1}, "scenarios: Avalanche: A trigger rate lies between"),
    ({"loss": {"low": 1, "most": 2}}, "loss.most: There is no field"),
    ({"loss": {"low": [1]}}, r"loss.low: '\[1\]' is not a number"),
    ({"loss": {"low": 3, "likely": 2, "high": 1}}, "scenarios: Avalanche: Loss: low ≤ likely"),
    ({"loss": 1e12, "trigger_rate": 1e9}, "loss.high: This loses 1e\\+21 a year"),
    ({"grade": "guess"}, "scenarios: Avalanche: grade: "),
    ({"description": ["x"]}, "description: This is not a text"),
    ({"members": {"debt": "TD-1"}}, "members: This is not a list of mappings"),
    ({"members": ["TD-1"]}, "members: This is not a list of mappings"),
    ({"members": []}, "members: A scenario needs a member"),
    ({"members": [{"role": "gate"}]}, r"members\[0\].debt: This is missing"),
    ({"members": [{"debt": ["TD-1"], "role": "gate"}]}, r"members\[0\].debt: This is missing"),
    ({"members": [{"debt": "TD-9", "role": "gate"}]}, r"members\[0\].debt: There is no debt 'TD-9"),
    ({"members": [{"debt": "DEBT-99999999999999999999", "role": "gate"}]}, "There is no debt 'DE"),
    ({"members": [{"debt": "TD-1", "role": "door"}]}, r"members\[0\].role: This is one of"),
    ({"members": [{"debt": "TD-1"}]}, r"members\[0\].role: This is one of"),
    ({"members": [{"debt": "TD-1", "role": "amplifier"}]}, r"members\[0\].probability: An ampl"),
    ({"members": [{"debt": "TD-1", "role": "gate", "p": 1}]}, r"members\[0\].p: There is no fiel"),
    ({"members": [{"debt": "TD-1", "role": "gate"}] * 2}, r"members\[1\].debt: DEBT-\d+ is a mem"),
]


@pytest.mark.parametrize(("change", "match"), WRONG)
def test_a_wrong_entry_is_named_with_its_place_and_nothing_is_taken_in(debts, change, match):
    before = rows()
    with pytest.raises(NotValid, match=match) as error:
        load(entry(name="Fine"), entry(**change))
    assert error.value.hint
    assert rows() == before
    assert not AuditEntry.objects.exists()


def test_every_wrong_place_of_every_entry_is_named_at_once(debts):
    members = [
        {"debt": "TD-8", "role": "gate"},
        {"debt": "TD-1", "role": "gate"},
        {"debt": "TD-9", "role": "amplifier", "probability": "little"},
    ]
    with pytest.raises(NotValid) as error:
        load(entry(members=members), entry(name="Brown-out", trigger_rate=-1), entry())
    assert list(error.value.fields) == [
        "scenarios: Avalanche: members[0].debt",
        "scenarios: Avalanche: members[2].probability",
        "scenarios: Avalanche: members[2].debt",
        "scenarios: Brown-out",
        "scenarios: Avalanche: name",
    ]
    for place in error.value.fields:
        assert place in error.value.message


def test_a_file_full_of_mistakes_tells_the_first_of_them_and_how_many_more(debts):
    members = [{"debt": f"X-{n}", "role": "gate"} for n in range(100)]
    with pytest.raises(NotValid, match="And 60 more") as error:
        load(entry(members=members))
    assert len(error.value.fields) == 100


def test_a_name_that_two_debts_have_is_refused_and_says_which(debts):
    other = DebtItemFactory(ledger_id="TD-1")
    with pytest.raises(NotValid, match=f"'TD-1' may be {debts[0].key} and {other.key}"):
        load(entry(members=[{"debt": "TD-1", "role": "gate"}]))


def test_only_those_who_may_change_scenarios_take_them_in(debts):
    with pytest.raises(NotAllowed):
        load(entry(), by=UserFactory(role="product_owner"))


def test_debts_are_looked_up_in_one_query(debts, django_assert_max_num_queries):
    with django_assert_max_num_queries(70):
        load(entry())
    items = DebtItemFactory.create_batch(100, service=None)
    members = [{"debt": item.key, "role": "gate"} for item in items]
    with django_assert_max_num_queries(70):
        load(entry(name="Larger", members=members))


def test_the_demo_names_the_debts_of_the_avalanche():
    document = yaml.safe_load((DEMO / "scenarios.yaml").read_text("utf-8"))
    company = yaml.safe_load((DEMO / "company.yaml").read_text("utf-8"))
    (scenario,) = document["scenarios"]
    names = [member["debt"] for member in scenario["members"]]
    assert sorted(names) == sorted(company["medium_confidence"])
    assert len(names) == 19


def test_a_loss_without_a_likely_point_is_taken_in_as_unknown(debts):
    priced = DebtItemFactory(ledger_id="TD-9", impacts=[stated(9600)])
    members = [{"debt": "TD-9", "role": "gate"}, {"debt": "TD-2", "role": "gate"}]
    load(entry(loss={"low": 1, "high": 3}, members=members))
    assert FailureScenario.objects.get().loss_likely is None
    scores.score_items([priced.pk])
    assert Score.objects.get(pk=priced.pk).roi == 2.0
