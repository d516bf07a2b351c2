"""Lists of scores lead with the ROI that decides, and name the published one beside it."""

import re

import pytest
from django.test import Client

from debtreg.actions import scores
from debtreg.models import DebtItem, Score
from debtreg.web import deciding
from tests.factories import (
    BacklogEntryFactory,
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
    BacklogEntryFactory(item=gates[0])
    first, second = Score.objects.filter(item__in=gates).order_by("item_id")
    deciding.mark([first, second], 3.0)
    assert first.promotes
    assert second.promotes
    assert (first.is_above, second.is_above) == (True, False)  # type: ignore[attr-defined]
    assert second.deciding_roi == 0  # type: ignore[attr-defined]

    for path in ("/ranking/", "/chart/"):
        row = row_of(owner.get(path).text, "Second gate")
        assert re.search(r'data-label="ROI">0\.00 <a', row)
        assert "by share" in row
        assert "plot-over" not in row


def test_the_tile_counts_by_the_roi_that_decides(owner: Client, gates: list[DebtItem]) -> None:
    def tile() -> str:
        return re.search(r"Return more than 3</dt><dd>(\d+)", owner.get("/ranking/").text)[1]  # type: ignore[index]

    assert tile() == "3"  # the best of the company, and either gate as long as none is planned
    BacklogEntryFactory(item=gates[0])
    assert tile() == "2"
