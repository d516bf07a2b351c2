"""ranking: the open items by what their repair returns."""

import itertools

import pytest
from django.db import connection

from tests.api.conftest import TOIL, is_error

RANKING = "/api/v1/ranking/"


@pytest.fixture
def items(log, orders):
    """ROIs of 12.5, 6.25 and 1.25, one not estimated, one not priced, one resolved."""
    return {
        "best": log(title="best of all", effort=1),
        "good": log(title="good one", effort=2),
        "poor": log(title="poor one", effort=10, impacts=[TOIL, TOIL][:1], team="orders"),
        "unknown": log(title="unknown effort", effort=None),
        "unpriced": log(title="unpriced", impacts=[{"kind": "errors"}], effort=1),
        "done": log(title="done", status="done"),
    }


def names(answer):
    assert answer.status_code == 200, answer.json()
    return [row["title"].split()[0] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "best good poor unknown unpriced"),
        ("?ordering=-deciding_roi", "best good poor unknown unpriced"),
        ("?ordering=deciding_roi", "poor good best unknown unpriced"),
        ("?ordering=-roi", "best good poor unknown unpriced"),
        ("?ordering=roi", "poor good best unknown unpriced"),
        ("?ordering=-annual_cost", "best good poor unknown unpriced"),
        ("?ordering=annual_cost", "unknown poor good best unpriced"),
        ("?ordering=key", "best good poor unknown unpriced"),
        ("?ordering=-key", "unpriced unknown poor good best"),
        ("?team=payments", "best good unknown unpriced"),
        ("?team=orders", "poor"),
        ("?service=checkout&team=orders", "poor"),
        ("?state=priced", "best good poor"),
        ("?state=needs_estimate", "unknown"),
        ("?state=unpriced", "unpriced"),
        ("?min_roi=1.25", "best good poor"),
        ("?min_roi=1.26&ordering=roi", "good best"),
        ("?min_roi=100", ""),
        ("?q=ONE", "good poor"),
        ("?q={key}", "poor"),
        ("?priority=P0", ""),
    ],
)
def test_the_ranking_is_filtered_and_ordered(api, items, query, expected):
    query = query.format(key=items["poor"]["key"].lower())

    assert names(api.get(RANKING + query)) == expected.split()


def test_rows_are_those_of_debts_with_their_rank(api, items):
    rows = api.get(RANKING).json()["results"]

    assert [row["score"]["rank"] for row in rows] == [1, 2, 3, None, None]
    assert rows[0] == api.get(f"/api/v1/debts/{items['best']['key']}/").json()


def test_the_rank_is_that_of_the_whole_portfolio(api, items):
    rows = api.get(f"{RANKING}?team=orders").json()["results"]

    assert [row["score"]["rank"] for row in rows] == [3]


@pytest.mark.parametrize(
    "ordering",
    ["-deciding_roi", "deciding_roi", "-roi", "roi", "-annual_cost", "annual_cost", "key", "-key"],
)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages_in_both_directions_are_the_whole_list(api, items, ordering, size):
    whole = names(api.get(f"{RANKING}?ordering={ordering}"))

    forwards, address = [], f"{RANKING}?ordering={ordering}&page_size={size}"
    while address:
        last, address = address, None
        forwards += names(api.get(last))
        address = api.get(last).json()["next"]
    backwards, address = [], last
    while address:
        answer = api.get(address)
        backwards = names(answer) + backwards
        address = answer.json()["previous"]

    assert forwards == backwards == whole


def test_a_cursor_of_another_order_is_refused(api, items):
    cursor = api.get(f"{RANKING}?page_size=1").json()["next"].partition("cursor=")[2]
    cursor = cursor.partition("&")[0]

    assert is_error(api.get(f"{RANKING}?ordering=key&cursor={cursor}"), 400, "cursor")
    assert is_error(api.get(f"/api/v1/debts/?cursor={cursor}"), 400, "cursor")


# The indexes by cost and by share are those of the whole portfolio.
ON_AN_INDEX = [
    *itertools.product(
        ["-deciding_roi", "deciding_roi", "key", "-key"],
        ["", "&team=payments", "&service=checkout", "&state=priced"],
    ),
    *itertools.product(["-roi", "roi", "-annual_cost", "annual_cost"], [""]),
]


@pytest.mark.postgres_only
@pytest.mark.parametrize(("ordering", "query"), ON_AN_INDEX)
def test_every_page_is_read_from_an_index_and_nothing_is_sorted(api, items, ordering, query):
    plans = []

    def explain(execute, sql, params, many, context):
        if sql.startswith("SELECT") and '"debtreg_score"' in sql and " LIMIT " in sql:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", params)
                plans.append("\n".join(row[0] for row in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        # What other tests have left in the statistics must not choose the index.
        cursor.execute("ANALYZE debtreg_score")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    first = api.get(f"{RANKING}?ordering={ordering}&page_size=1{query}").json()
    with connection.execute_wrapper(explain):
        api.get(first["next"])
        api.get(f"{RANKING}?ordering={ordering}&page_size=1{query}")

    pages = [plan for plan in plans if "debtreg_rankmark" not in plan]
    assert len(pages) >= 2
    for plan in pages:
        assert "Sort" not in plan
        assert "Index" in plan
        # What is skipped to get to a cost must not be all that has none.
        assert ordering != "annual_cost" or "Filter" not in plan
