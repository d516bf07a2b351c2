"""The heatmap of burn rates."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from debtreg import budgets, readings
from debtreg.actions import scores
from debtreg.models import DebtItem, Slo, SloState, StateWindow
from debtreg.web.burn import worst_services
from tests.factories import DebtItemFactory, ServiceFactory, SloFactory, stated
from tests.web.company import Company

SECONDS = {"1h": 3_600, "6h": 21_600, "1d": 86_400, "3d": 259_200, "period": 30 * 86_400}


def seen(slo: Slo, window: str, burn: str | None, **columns: Any) -> SloState:
    """What a window of an SLO shows: a thousand events."""
    now = timezone.now()
    columns.setdefault("measured_seconds", SECONDS[window])
    events = None if burn is None else 1_000_000
    return SloState.objects.create(
        slo=slo,
        window=window,
        starts_at=now - timedelta(seconds=SECONDS[window]),
        ends_at=now,
        total=events,
        error_ratio=None if burn is None else Decimal(burn) / 1000,
        burn_rate=burn,
        period_seconds=SECONDS["period"] if window == StateWindow.PERIOD else None,
        **columns,
    )


def rows_of(response: Any) -> list[str]:
    """The text of each row of the table, in one line."""
    return [
        " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in re.findall(r"<tr.*?</tr>", response.text, re.DOTALL)[1:]
    ]


@pytest.fixture
def checkout(company: Company) -> Slo:
    """It has used up half of its budget, within a day."""
    slo = SloFactory(name="checkout", service=ServiceFactory(slug="checkout"))
    seen(slo, "1d", "15")
    seen(slo, "period", "0.5", remaining=Decimal("0.5"))
    return slo


def test_the_service_that_lost_most_of_a_budget_comes_first(owner: Client, checkout: Slo) -> None:
    calm = SloFactory(name="calm", service=ServiceFactory(slug="aaa"))
    # Twice as fast, but for an hour only.
    seen(calm, "1h", "30")
    seen(calm, "period", "0.1", remaining=Decimal("0.9"))
    first, second = rows_of(owner.get("/burn/"))
    assert first == "checkout 1 SLO" + " – no data" * 5 + " 15 – no data 0.5 50 %"
    assert second.startswith("aaa 1 SLO")


def test_an_alert_comes_before_a_greater_loss_and_is_marked(owner: Client, checkout: Slo) -> None:
    fast = SloFactory(name="fast", service=ServiceFactory(slug="fast"))
    seen(fast, "1h", "15", threshold=Decimal("14.4"), is_firing=True, is_reachable=True)
    response = owner.get("/burn/")
    assert rows_of(response)[0].startswith("fast 1 SLO – no data – no data 15 ▲ alert")
    assert "1 SLO alerts" in response.text


def test_of_several_slos_a_service_shows_the_worst_of_each_window(
    owner: Client, checkout: Slo
) -> None:
    other = SloFactory(name="checkout-latency", service=checkout.service)
    seen(other, "1h", "2")
    seen(other, "1d", "1")
    seen(other, "period", "3", remaining=Decimal("-2"))
    (row,) = rows_of(owner.get("/burn/"))
    # No reading of an hour ago is not a good hour.
    assert row == "checkout 2 SLOs – no data – no data 2 – no data – no data 15 – no data 3 −200 %"


def test_an_alert_of_one_slo_is_not_hidden_by_few_events_of_another(
    owner: Client, checkout: Slo
) -> None:
    few = SloFactory(name="few", service=checkout.service)
    for window in ("1d", "3d"):
        seen(few, window, "1000", is_few=True)
    firing = SloFactory(name="firing", service=checkout.service)
    for calm in (few, firing):
        seen(calm, "period", "0.1", remaining=Decimal("0.9"))
    seen(firing, "3d", "2", threshold=Decimal(1), is_firing=True, is_reachable=True)
    (row,) = rows_of(owner.get("/burn/"))
    assert row == (
        "checkout 3 SLOs" + " – no data" * 5 + " 15 2 ▲ alert 0.5 50 %"  # the 15 is of checkout
    )


def test_what_pages_comes_before_a_ticket_that_took_more(owner: Client, company: Company) -> None:
    ticket = SloFactory(service=ServiceFactory(slug="aaa"))
    seen(ticket, "3d", "9", is_firing=True, is_reachable=True)
    seen(ticket, "1d", "9", is_firing=True, is_reachable=True)
    pages = SloFactory(service=ServiceFactory(slug="bbb"))
    seen(pages, "6h", "7", is_firing=True, is_reachable=True)
    assert [row[:3] for row in rows_of(owner.get("/burn/"))] == ["bbb", "aaa"]
    assert worst_services(1) == [pages.service_id]


@pytest.mark.parametrize("query", ["?open=checkout", "?open=all&team=&kind=latency"])
def test_a_service_unfolds_to_its_slos_by_its_address(
    owner: Client, checkout: Slo, query: str
) -> None:
    Slo.objects.filter(pk=checkout.pk).update(kind="latency", threshold_ms=300)
    group, slo = rows_of(owner.get(f"/burn/{query}"))
    assert group.startswith("checkout 1 SLO")
    assert slo.startswith("checkout Latency · Occurrences")


def test_no_readings_are_never_shown_as_no_burn(owner: Client, company: Company) -> None:
    SloFactory(service=ServiceFactory(slug="dark"))
    response = owner.get("/burn/")
    assert rows_of(response) == ["dark 1 SLO" + " – no data" * 8 + " no data"]
    assert response.text.count('class="num heat-cell hx"') == 8


@pytest.mark.parametrize(
    ("burn", "heat"),
    [("0", "h0"), ("0.2", "h1"), ("1", "h1"), ("1.01", "h2"), ("14.4", "h4"), ("14.41", "h5")],
)
def test_a_colour_begins_where_an_alert_does(
    owner: Client, company: Company, burn: str, heat: str
) -> None:
    seen(SloFactory(), "1h", burn)
    assert f'class="num heat-cell {heat}"' in owner.get("/burn/").text


def test_a_cell_says_what_it_is_made_of(owner: Client, checkout: Slo) -> None:
    title = "checkout, by Occurrences: 1.5 % of 1,000 events bad; 50 % of the budget"
    assert title in owner.get("/burn/").text


def test_many_slos_take_no_more_queries(
    owner: Client, checkout: Slo, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(8):
        seen(SloFactory(), "1d", "1")
    with django_assert_num_queries(5):
        owner.get("/burn/?open=all")


@pytest.mark.parametrize("query", ["?team=none&kind=x", "?open=" + "x" * 99, "?open=%00"])
def test_a_filter_that_is_not_known_filters_nothing(
    owner: Client, checkout: Slo, query: str
) -> None:
    assert rows_of(owner.get(f"/burn/{query}"))[0].startswith("checkout")


def test_the_heatmap_comes_as_csv_with_nothing_where_nothing_is_known(
    owner: Client, checkout: Slo
) -> None:
    response = owner.get("/burn/export/")
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    by_window = {row["window"]: row for row in rows}
    assert by_window["1d"]["burn_rate"] == "15"
    assert by_window["1d"]["part_of_budget"] == "0.5"
    assert by_window["period"]["budget_left"] == "0.5"
    assert not by_window["5m"]["burn_rate"]
    assert response["Content-Disposition"].startswith('attachment; filename="burn-rates-')


# --- The page of an SLO ---------------------------------------------------------------------------


def test_the_page_of_an_slo_shows_what_is_left_and_the_debts_that_threaten_it(
    owner: Client, company: Company
) -> None:
    slo = SloFactory(name="pay", service=company.service, objective=Decimal("0.99"))
    batch = readings.Batch()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for ago in range(1, 30):
        batch.add(slo.pk, hour - timedelta(hours=ago), 3600, 995_000, 1_000_000)
    readings.store(batch, source="api")
    budgets.refresh()
    DebtItemFactory(title="No retry", service=company.service, impacts=[stated(9, slo=slo)])
    scores.score_items([DebtItem.objects.get(title="No retry").pk])

    text = owner.get("/slos/pay/").text

    assert "99 %" in text
    assert re.search(r"Budget left</dt><dd>50 %", text)
    assert re.search(r"Good so far</dt><dd>99.5 %", text)
    assert '<polyline class="budget-left"' in text
    assert "No retry" in text
    # An alert that a total failure could not set off says so.
    assert "quiet" in text


def test_an_slo_without_readings_says_that_nobody_knows(owner: Client, company: Company) -> None:
    SloFactory(name="dark", service=company.service)
    text = owner.get("/slos/dark/").text
    assert "No readings in this period" in text
    assert "polyline" not in text


def test_an_slo_that_is_not_there_is_a_page_that_is_not_there(
    owner: Client, company: Company
) -> None:
    assert owner.get("/slos/none/").status_code == 404


def test_the_history_of_a_debt_shows_how_a_burn_moved_its_priority(
    owner: Client, checkout: Slo
) -> None:
    item = DebtItemFactory(service=checkout.service, impacts=[stated(5_000, slo=checkout)])
    scores.score_items([item.pk])
    SloState.objects.filter(slo=checkout).update(burn_rate=0)
    scores.score_items([item.pk])
    page = owner.get(f"/debts/{item.key}/").text
    said = page[page.index("An error budget began or ceased to burn") :]
    row = " ".join(re.sub(r"<[^>]+>", " ", said[: said.index("</td>")]).split())
    assert re.search(r"Priority P\d → P\d$", row)


def test_the_page_of_a_calendar_slo_says_how_much_is_measured_and_names_days_of_its_own_zone(
    owner: Client, company: Company
) -> None:
    slo = SloFactory(
        name="yearly",
        service=company.service,
        window="year",
        window_days=None,
        time_zone="Asia/Shanghai",
        objective=Decimal("0.9"),
    )
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    batch = readings.Batch()
    for ago in range(1, 25):
        batch.add(slo.pk, hour - timedelta(hours=ago), 3600, 970_000, 1_000_000)
    readings.store(batch, source="api")
    budgets.refresh()
    text = " ".join(owner.get("/slos/yearly/").text.split())
    year = slo.states.get(window="period").ends_at.astimezone(ZoneInfo("Asia/Shanghai")).year
    assert f"<span>{year}-01-01</span><span>{year + 1}-01-01</span>" in text
    assert re.search(r"of the time so far is measured; what the rest has used up is unknown", text)
