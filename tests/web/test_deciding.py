"""Lists of scores lead with the ROI that decides, and name the published one beside it."""

import re
from typing import Any

import pytest
from django.test import Client

from debtreg.actions import backlog, debt, scores
from debtreg.models import DebtItem, Score
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    ScenarioMemberFactory,
)
from tests.web.company import Company


@pytest.fixture
def gates(company: Company) -> list[DebtItem]:
    """Two gates of 2,000 a day in a scenario of 100,000 a year: one repaired prevents it."""
    items = [
        DebtItemFactory(title=title, service=company.service, effort=4)
        for title in ("First gate", "Second gate")
    ]
    scenario = FailureScenarioFactory(name="Avalanche")
    for item in items:
        ScenarioMemberFactory(scenario=scenario, item=item)
    scores.score_items([item.pk for item in items])
    return items


def row_of(page: str, title: str) -> str:
    row = page[page.index(f">{title}</a>") :]
    before = page[: page.index(f">{title}</a>")]
    return before[before.rindex("<tr") :] + row[: row.index("</tr>")]


def test_what_is_promoted_beside_it_takes_a_gate_below_the_threshold(
    owner: Client, gates: list[DebtItem]
) -> None:
    backlog.promote(pk=gates[0].pk, by=None)
    first, second = Score.objects.filter(item__in=gates).order_by("item_id")
    assert (first.promotes, second.promotes) == (True, False)
    assert second.roi == first.roi
    assert (second.deciding_roi, second.sort_roi, second.deciding_benefit) == (0, 0, 0)

    for path in ("/ranking/", "/chart/"):
        row = row_of(owner.get(path).text, "Second gate")
        assert re.search(r'data-label="ROI">0\.00 <a', row)
        assert "by share" in row
        assert "plot-over" not in row
    assert "Second gate" not in owner.get("/?min_roi=1").text


def test_what_decides_comes_back_with_what_was_taken_out(gates: list[DebtItem]) -> None:
    entry = backlog.promote(pk=gates[0].pk, by=None)
    backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    scores_now = Score.objects.filter(item__in=gates)
    assert all(score.promotes and score.deciding_roi == 100_000 / 6_400 for score in scores_now)
    backlog.promote(pk=gates[0].pk, by=None)
    debt.veto(pk=gates[0].pk, reason="Not this year", by=None)
    assert all(score.promotes for score in scores_now.all())


@pytest.mark.django_db(transaction=True)
def test_a_repeated_run_leaves_what_decides_alone(gates: list[DebtItem]) -> None:
    backlog.promote(pk=gates[0].pk, by=None)

    def run() -> list[tuple[Any, ...]]:
        scores.run(scores.request_run(by=None).pk, "me")
        kept = ("item_id", "deciding_roi", "sort_roi", "promotes", "scored_at")
        return list(Score.objects.order_by("item_id").values_list(*kept))

    before = run()
    assert run() == before
    second = Score.objects.with_rank().get(item=gates[1])
    assert (second.deciding_roi, second.promotes) == (0, False)
    ranked = Score.objects.ranked().filter(state="priced").order_by("-sort_roi", "item_id")
    assert second.rank == 1 + list(ranked.values_list("item_id", flat=True)).index(gates[1].pk)


def test_the_tile_counts_by_the_roi_that_decides(owner: Client, gates: list[DebtItem]) -> None:
    def tile() -> str:
        return re.search(r"Return more than 3<.*?</dt><dd>(\d+)", owner.get("/ranking/").text)[1]  # type: ignore[index]

    assert tile() == "3"  # the best of the company, and either gate as long as none is planned
    backlog.promote(pk=gates[0].pk, by=None)
    assert tile() == "2"
