"""The chart of repair costs against benefits."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from debtreg.actions import scores
from debtreg.models import Score
from debtreg.web import chart
from tests.factories import DebtItemFactory, ServiceFactory, stated
from tests.web.company import Company


def a_score(cost: float, benefit: float, sure: float = 1.0) -> Score:
    return Score(
        repair_cost=cost, weighted_benefit=benefit, confidence=sure, promotes=benefit > 3 * cost
    )


def test_an_roi_is_the_same_all_along_its_line() -> None:
    found = chart.plot([a_score(1_000, 3_000), a_score(10_000, 30_000), a_score(2_000, 90)], 3.0)
    assert found
    line = next(line for line in found.lines if line["is_threshold"])
    slope = (line["y2"] - line["y1"]) / (line["x2"] - line["x1"])
    for dot in found.dots[:2]:
        at = line["y1"] + slope * (dot.x - line["x1"])
        assert dot.y == pytest.approx(at, abs=0.3)
    assert all(line["x1"] < line["x2"] and line["y2"] < line["y1"] for line in found.lines)


def test_what_costs_more_stands_farther_right_and_what_saves_more_higher() -> None:
    found = chart.plot([a_score(1_000, 5_000), a_score(4_000, 500)], 3.0)
    assert found
    cheap, dear = sorted(found.dots, key=lambda dot: dot.score.repair_cost)
    assert cheap.x < dear.x
    assert cheap.y < dear.y
    assert (cheap.is_above, dear.is_above) == (True, False)


def test_a_dot_is_as_large_as_it_is_sure() -> None:
    found = chart.plot([a_score(1, 4, sure) for sure in (0.0, 0.5, 1.0)], 3.0)
    assert found
    assert [dot.r for dot in found.dots] == [chart.LARGEST, 6.5, chart.SMALLEST]


@pytest.mark.parametrize("rows", [[], [a_score(0, 5)], [a_score(5, 0)], [a_score(5, -3)]])
def test_what_has_no_place_on_the_axes_is_left_out(rows: list[Score]) -> None:
    assert chart.plot(rows, 3.0) is None


def test_one_single_debt_has_axes_around_it() -> None:
    found = chart.plot([a_score(1_000, 1_000)], 3.0)
    assert found
    assert chart.LEFT <= found.dots[0].x <= chart.WIDE
    assert found.x.ticks
    assert found.y.ticks


def test_each_dot_links_to_its_debt_which_the_table_has_too(
    owner: Client, company: Company
) -> None:
    response = owner.get("/chart/")
    plot, table = response.text.split("<details", 1)
    links = re.findall(r'<a href="(/debts/DEBT-\d+/)"', plot)
    assert links
    for link in links:
        assert f'href="{link}"' in table


def test_the_filters_are_those_of_the_ranking(owner: Client, company: Company) -> None:
    item = DebtItemFactory(
        title="Elsewhere", service=ServiceFactory(slug="far"), impacts=[stated(10)]
    )
    scores.score_items([item.pk])
    assert "Elsewhere" in owner.get("/chart/").text
    assert "Elsewhere" not in owner.get("/chart/?service=payment-service").text
    assert "Nothing to draw" in owner.get("/chart/?q=nowhere").text


def test_many_debts_take_no_more_queries_than_few(
    owner: Client, company: Company, django_assert_num_queries: Callable[..., Any]
) -> None:
    with CaptureQueriesContext(connection) as few:
        owner.get("/chart/")
    items = [DebtItemFactory(service=company.service, impacts=[stated(n)]) for n in range(1, 9)]
    scores.score_items([item.pk for item in items])
    with django_assert_num_queries(len(few)):
        owner.get("/chart/")


def test_a_filter_of_the_ranking_stays_and_is_cleared_only_where_there_is_one(
    owner: Client, company: Company
) -> None:
    plain = owner.get("/chart/?columns=service&ordering=cost&state=priced").text
    assert ">Clear</a>" not in plain
    page = owner.get("/chart/?priority=P0").text
    assert ">Clear</a>" in page
    assert '<input type="hidden" name="priority" value="P0"' in page
