"""The waterfall of a debt's page: what each impact and scenario adds, its range and its grade."""

import re

from django.test import Client

from debtreg.actions import debt, scores
from debtreg.models import ImpactKind
from debtreg.web import waterfall
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    ScenarioMemberFactory,
    stated,
    toil,
)
from tests.web.company import Company


def part(cost: str | None, low: str | None = None, high: str | None = None) -> dict[str, object]:
    return {"label": "Toil", "cost_per_year": cost, "low": low or cost, "high": high or cost}


def test_each_step_begins_where_the_one_before_has_ended() -> None:
    found = waterfall.of({"impacts": [part("300"), part(None), part("100")], "scenarios": []})
    assert found
    assert [(bar.x, bar.width) for bar in found.bars] == [(0, 75), (None, None), (75, 25)]
    assert (found.zero, found.sum_x, found.sum_width) == (0, 0, 100)


def test_a_range_is_drawn_from_where_its_step_begins_and_cut_where_bars_would_be_slivers() -> None:
    found = waterfall.of({"impacts": [part("100"), part("100", "50", "9000")], "scenarios": []})
    assert found
    first, second = found.bars  # the axis ends at 300
    assert (first.range_x, second.range_x, second.range_width) == (None, 50, 50)


def test_what_a_debt_earns_goes_back_from_where_it_was() -> None:
    found = waterfall.of({"impacts": [part("300"), part("-100")], "scenarios": []})
    assert found
    assert [(bar.x, bar.width) for bar in found.bars] == [(0, 100), (66.67, 33.33)]
    assert found.sum_width == 66.67


def test_nothing_priced_draws_nothing() -> None:
    assert waterfall.of({"impacts": [part(None)], "scenarios": []}) is None
    assert waterfall.of({"impacts": [part("0")], "scenarios": []}) is None


def test_a_debts_page_shows_each_cost_with_its_range_and_how_it_is_known(
    owner: Client, company: Company
) -> None:
    item = DebtItemFactory(service=company.service, effort=2, impacts=[toil(72), stated(5000)])
    scenario = FailureScenarioFactory(name="Avalanche")
    ScenarioMemberFactory(scenario=scenario, item=item)
    hours = {"kind": ImpactKind.TOIL, "frequency_low": 40, "frequency_likely": 72}
    debt.update(
        pk=item.pk,
        fields={},
        impacts=[{**hours, "frequency_high": 128, "grade": "estimated"}, stated(5000)],
        by=None,
    )
    scores.score_items([item.pk])
    page = owner.get(f"/debts/{item.key}/").text
    table = page[page.index('<table class="list waterfall"') :]
    table = re.sub(r"<[^>]*>|\s+", " ", table[: table.index("</table>")])
    table = re.sub(r" +", " ", table)
    # 76 hours x 200; 40 and 128 of them at the ends
    assert "Toil ≈ ¥15,000 ≈ ¥8,000 and ≈ ¥26,000 estimated" in table
    assert "Stated yearly cost" in table
    assert "no range given" in table
    assert "Avalanche" in table
    assert "Together" in table
