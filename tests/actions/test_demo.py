"""The demo company through the real job: nineteen low priorities, and the one repair that pays."""

import pytest
import yaml

from debtreg import losses
from debtreg.actions import catalog, demo, outcomes, scenarios
from debtreg.models import BacklogEntry, DebtItem, FailureScenario, Priority, Score


@pytest.fixture
def company(transactional_db, monkeypatch):
    """Without its traffic: ninety days of readings take as long as all else."""
    with monkeypatch.context() as patch:
        patch.setattr(demo, "read_on", lambda: None)
        demo.fill()


def test_the_avalanche_of_the_demo(company, run):
    """The ledger calls them P3 and prices none of them. With the scenario one repair of two days
    leads the ranking and is promoted; the other gate is worth no more than 2.96 after it, and
    stays in sight as P0.
    """
    document = yaml.safe_load((demo.FOLDER / "scenarios.yaml").read_text("utf-8"))
    names = [member["debt"] for member in document["scenarios"][0]["members"]]
    members = Score.objects.filter(item__ledger_id__in=names)
    assert set(DebtItem.objects.filter(ledger_id__in=names).values_list("stated_priority")) == {
        (Priority.P3,)
    }

    scenarios.remove(pk=FailureScenario.objects.get().pk, by=None)
    run()
    assert set(members.values_list("state", "annual_cost")) == {("unpriced", None)}
    assert members.count() == 19
    assert not BacklogEntry.objects.active().filter(item__ledger_id__in=names).exists()

    catalog.load(document=document, by=None)
    run()

    assert round(sum(score.annual_cost for score in members)) == 756881
    best = Score.objects.ranked().first()
    keepalive, degradation = (DebtItem.objects.get(ledger_id=n) for n in ("TD-171", "TD-081"))
    assert best.item == keepalive
    assert keepalive.effort_likely == 2
    (entry,) = BacklogEntry.objects.active().filter(item__ledger_id__in=names)
    assert (entry.item, f"{entry.marginal_roi:.1f}") == (keepalive, "164.5")
    part = losses.of([FailureScenario.objects.get().pk]).popitem()[1].parts[degradation.pk]
    assert (part.state, f"{part.marginal_roi:.2f}") == ("open", "2.96")
    assert (degradation.score.priority, degradation.score.priority_reason) == ("P0", "gate")
    assert run().changed == 0


def test_the_demo_has_measured_what_some_repairs_brought(company):
    found = outcomes.summary()
    assert (found["resolved"], found["measured"], found["estimated"], found["due"]) == (7, 6, 1, 1)
    # 1,980 in 56 days before and 410 in 63 days after are 12,905.36 and 2,375.40 a year.
    reused = DebtItem.objects.get(ledger_id="TD-181").outcomes.get()
    assert (reused.benefit, str(reused.realised_benefit)) == (12_192, "10529.96")
    now, before = found["returns"], found["returns_before"]
    assert (now["cases"], f"{now['realised_roi']:.2f}") == (6, "1.81")
    assert (before["cases"], f"{before['realised_roi']:.2f}") == (2, "1.20")
    assert {row["of"] and row["of"].username for row in found["authors"]} == {
        *("engineer", "owner", "sre"),
        None,
    }
    cycle = found["cycle"]
    assert (cycle["resolved"], cycle["open"], round(cycle["median_days"])) == (7, 0, 27)
    assert DebtItem.objects.count() == 217


def test_a_debt_of_the_demo_is_priced_by_an_slo_whose_budget_burns(company, run):
    """A slow incident of two days took ten days' worth of the budget."""
    run()
    routing = DebtItem.objects.get(ledger_id="TD-014")
    assert routing.score.state == "unpriced"
    demo.read_on()
    run()
    routing.score.refresh_from_db()
    assert routing.score.state == "priced"
    assert routing.score.priority_reason == "burn"
