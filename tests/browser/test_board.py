"""The backlog board: cards are dragged, or moved by keyboard, and what is refused says why."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from debtreg.models import BacklogEntry, Iteration
from tests.factories import IterationFactory
from tests.web.company import Company

BOARD = "/backlog/teams/payments/"


@pytest.fixture
def later(company: Company) -> Iteration:
    return IterationFactory(
        team=company.payments, name="Sprint 25", capacity_days=5, starts_on="2026-12-07"
    )


def card(page: Page, company: Company) -> Locator:
    return page.get_by_role("article").filter(has_text=company.best.title)


def test_a_card_is_dragged_to_another_iteration_and_stays_where_there_is_room(
    visit: Callable[..., Page], company: Company, later: Iteration
) -> None:
    IterationFactory(team=company.payments, name="Short", capacity_days=1, starts_on="2026-12-21")
    page = visit(BOARD)
    column = page.get_by_role("region", name="Sprint 25")
    card(page, company).drag_to(column)
    expect(column).to_contain_text(company.best.title)
    expect(column).to_contain_text("2 of 5 days planned")
    expect(page.get_by_role("status")).to_contain_text("is in Sprint 25")
    assert BacklogEntry.objects.get().iteration == later

    card(page, company).drag_to(page.get_by_role("region", name="Short"))
    expect(page.get_by_role("status")).to_contain_text("needs 2.0 person-days; Short has 1.0 left")
    expect(column).to_contain_text(company.best.title)
    expect(card(page, company)).not_to_have_class("entry is-moving")
    assert BacklogEntry.objects.get().iteration == later


def test_a_card_moves_by_shift_and_an_arrow_key_and_keeps_the_focus(
    visit: Callable[..., Page], company: Company, later: Iteration
) -> None:
    page = visit(BOARD)
    title = page.get_by_role("link", name=company.best.title)
    title.press("Shift+ArrowRight")
    expect(page.get_by_role("region", name="Sprint 25")).to_contain_text(company.best.title)
    expect(page.get_by_role("status")).to_contain_text("is in Sprint 25")
    expect(title).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("region", name="Waiting for room")).to_contain_text(company.best.title)
    expect(title).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.get_by_role("status")).to_contain_text("is in Sprint 25")
    assert BacklogEntry.objects.get().iteration == later


def test_a_card_stays_where_it_is_while_the_server_is_away(
    visit: Callable[..., Page], company: Company, later: Iteration, complaints: list[str]
) -> None:
    page = visit(BOARD)
    page.route("**/move/", lambda route: route.abort())
    card(page, company).drag_to(page.get_by_role("region", name="Sprint 25"))
    expect(page.get_by_role("alert")).to_contain_text("The server can't be reached")
    expect(page.get_by_role("region", name="Sprint 24")).to_contain_text(company.best.title)
    expect(card(page, company)).to_have_class("entry")
    page.unroute("**/move/")
    card(page, company).drag_to(page.get_by_role("region", name="Sprint 25"))
    expect(page.get_by_role("status")).to_contain_text("is in Sprint 25")
    complaints.clear()


def test_who_may_not_decide_moves_no_card(
    visit: Callable[..., Page], company: Company, later: Iteration
) -> None:
    page = visit(BOARD, "sre")
    expect(card(page, company)).not_to_have_attribute("draggable", "true")
    page.get_by_role("link", name=company.best.title).press("Shift+ArrowRight")
    expect(page.get_by_role("region", name="Sprint 24")).to_contain_text(company.best.title)


def test_a_card_is_vetoed_with_a_reason_without_javascript(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit(BOARD, java_script_enabled=False)
    card(page, company).get_by_text("Change").click()
    card(page, company).get_by_text("Veto: keep it out").click()
    card(page, company).get_by_label("Reason").fill("Switched off in May")
    card(page, company).get_by_role("button", name="Veto", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("is kept out of the backlog")
    expect(page.get_by_role("heading", name="Backlog of")).to_be_visible()
    expect(card(page, company)).to_have_count(0)
