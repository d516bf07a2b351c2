"""The ranking for spreadsheets."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from python_calamine import CalamineWorkbook

from debtreg.actions import scores
from tests.factories import DebtItemFactory, stated
from tests.web.company import Company


def rows_of(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def formula(company: Company) -> Any:
    item = DebtItemFactory(
        title="=HYPERLINK(1)", service=company.service, impacts=[stated(-1200)], tags=["a", "b"]
    )
    scores.score_items([item.pk])
    return item


def test_the_ranking_comes_as_csv_in_its_order_and_with_its_filters(
    owner: Client, company: Company
) -> None:
    rows = rows_of(owner.get("/ranking/export/"))
    rois = [float(row["roi"]) for row in rows if row["roi"]]
    assert rois == sorted(rois, reverse=True)
    assert rows[0]["key"] == company.best.key
    assert {row["service"] for row in rows_of(owner.get("/ranking/export/?service=auth-service"))}
    unpriced = rows_of(owner.get("/ranking/export/?state=unpriced"))
    assert {row["state"] for row in unpriced} == {"unpriced"}
    assert {row["roi"] for row in unpriced} == {""}


def test_a_title_is_no_formula_and_a_negative_amount_stays_a_number(
    owner: Client, formula: Any
) -> None:
    row = next(r for r in rows_of(owner.get("/ranking/export/")) if r["key"] == formula.key)
    assert row["title"] == "'=HYPERLINK(1)"
    assert row["annual_cost"] == "-1200"


def test_the_workbook_says_the_same_with_numbers_as_numbers(owner: Client, formula: Any) -> None:
    response = owner.get("/ranking/export/?format=xlsx")
    data = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    head, *rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    found = dict(zip(head, next(row for row in rows if row[0] == formula.key), strict=True))
    assert found["title"] == "=HYPERLINK(1)"
    assert found["annual_cost"] == -1200
    assert found["tags"] == "a b"
    assert response["Content-Disposition"].endswith('.xlsx"')


def test_many_debts_take_no_more_queries(
    owner: Client, company: Company, django_assert_num_queries: Callable[..., Any]
) -> None:
    items = [DebtItemFactory(service=company.service, impacts=[stated(n)]) for n in range(1, 9)]
    scores.score_items([item.pk for item in items])
    with django_assert_num_queries(5):
        rows_of(owner.get("/ranking/export/"))
