"""The ranking: order, filters, pages, counts."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from debtreg.actions import debt, scores
from debtreg.web import ranking
from tests.factories import DebtItemFactory, stated
from tests.web.company import Company


def titles(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/ranking/{query}")
    assert page.status_code == 200
    return re.findall(r'class="title wide"><a [^>]*>([^<]*)', page.text)


def test_the_best_repair_comes_first_and_what_has_no_roi_last(
    owner: Client, company: Company
) -> None:
    assert titles(owner) == [
        "退款查询全表扫描",
        "Tokens never expire",
        "Nobody knows how long it takes",
        "Nobody knows what it costs",
    ]


def test_a_row_says_what_is_known_and_where_the_debt_stands(
    owner: Client, company: Company
) -> None:
    page = owner.get("/ranking/").text
    row = page[page.index("退款查询全表扫描") :]
    row = row[: row.index("</tr>")]
    for text in ("payment-service", "支付组", "≈ ¥14,000", "¥3,200", "Promoted · Sprint 24"):
        assert text in row
    unpriced = page[page.index("Nobody knows what it costs") :]
    assert "not known" in unpriced[: unpriced.index("</tr>")]
    assert "¥0" not in unpriced[: unpriced.index("</tr>")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?team=accounts", ["Tokens never expire"]),
        ("?service=auth-service", ["Tokens never expire"]),
        ("?state=unpriced", ["Nobody knows what it costs"]),
        ("?state=needs_estimate", ["Nobody knows how long it takes"]),
        ("?min_roi=3", ["退款查询全表扫描"]),
        ("?min_roi=4.5", ["退款查询全表扫描"]),
        ("?min_roi=4.51", []),
        ("?q=全表", ["退款查询全表扫描"]),
        ("?q=tokens+NEVER", ["Tokens never expire"]),
        ("?q=%25", []),
        ("?team=payments&state=priced", ["退款查询全表扫描"]),
        ("?ordering=cost&state=priced", ["退款查询全表扫描", "Tokens never expire"]),
        ("?team=&service=&min_roi=&q=&state=priced&team=accounts", ["Tokens never expire"]),
    ],
)
def test_filters_pick_debts(owner: Client, query: str, found: list[str]) -> None:
    assert titles(owner, query) == found


def test_a_key_finds_its_debt(owner: Client, company: Company) -> None:
    assert titles(owner, f"?q={company.middling.key.lower()}") == ["Tokens never expire"]


@pytest.mark.parametrize(
    "query",
    [
        "?team=nobody",
        "?min_roi=much",
        "?min_roi=nan",
        "?state=new",
        "?priority=P9",
        "?ordering=title",
        "?q=" + "x" * 300,
        "?q=%00",
    ],
)
def test_a_filter_that_can_not_be_read_is_named_and_left_out(owner: Client, query: str) -> None:
    page = owner.get(f"/ranking/{query}")
    assert page.status_code == 200
    assert "Some filters were left out" in page.text
    assert "退款查询全表扫描" in page.text


def test_pages_follow_each_other_forth_and_back(
    owner: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAGE_SIZE", 2)
    everything = titles(owner)[:2]
    page = owner.get("/ranking/").text
    assert 'rel="prev"' not in page
    second = re.search(r'rel="next" href="([^"]*)"', page)[1]
    page = owner.get("/ranking/" + second).text
    assert "Nobody knows how long it takes" in page
    assert 'rel="next"' not in page
    back = re.search(r'rel="prev" href="([^"]*)"', page)[1]
    assert titles(owner, back) == everything


def test_a_cursor_of_another_list_is_refused_with_the_next_step(owner: Client) -> None:
    response = owner.get("/ranking/?cursor=made-up")
    assert response.status_code == 400
    assert "Start at the first page" in response.text


def test_counts_say_what_choosing_a_filter_would_show(owner: Client, company: Company) -> None:
    page = owner.get("/ranking/?team=payments").text
    assert "支付组 (3)" in page
    assert ">账户组 (1)<" in page
    assert re.search(r"Priced\s*<span class=\"count\">1</span>", page)
    assert "≥ 3 (1)" in page
    assert "auth-service" not in re.search(r"<tbody.*</tbody>", page, re.S)[0]


def test_counts_are_those_of_now(owner: Client, company: Company) -> None:
    assert "All (4)" in owner.get("/ranking/").text
    debt.resolve(pk=company.middling.pk, by=None)
    assert "All (3)" in owner.get("/ranking/").text


def test_a_text_is_in_no_count_so_none_is_shown(owner: Client) -> None:
    for query in ("?q=never", "?min_roi=1.5"):
        page = owner.get(f"/ranking/{query}").text
        assert 'class="count"' not in page
        assert "支付组 (" not in page
        assert ">支付组<" in page


def test_the_ranking_takes_as_many_queries_for_60_debts_as_for_4(
    owner: Client, company: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    owner.get("/ranking/")
    with django_assert_max_num_queries(24) as few:
        owner.get("/ranking/")
    items = [
        DebtItemFactory(service=company.service, impacts=[stated(number + 1)])
        for number in range(56)
    ]
    scores.score_items([item.pk for item in items])
    with django_assert_max_num_queries(len(few)):
        page = owner.get("/ranking/")
    assert page.text.count("<tr>") == 26


def test_htmx_leaves_an_address_without_empty_filters(owner: Client) -> None:
    page = owner.get("/ranking/?q=&team=payments&service=", headers={"HX-Request": "true"})
    assert page.headers["HX-Push-Url"] == "/ranking/?team=payments"


def test_an_empty_portfolio_says_what_to_do(client: Client, db: None) -> None:
    from tests.factories import UserFactory

    client.force_login(UserFactory())
    page = client.get("/ranking/").text
    assert "There are no open debts yet" in page
    assert "Import a ledger" in page
