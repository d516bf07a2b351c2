"""What people come for, from log-in to result."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from debtreg.models import BacklogEntry, EntryState, Role, ScoringRun
from tests.factories import IterationFactory
from tests.processes import Process
from tests.web.company import PASSWORD, Company

LEDGER = Path(__file__).parent.parent / "data" / "ledger" / "ledger-en.csv"


def test_a_ledger_becomes_a_ranking(visit: Callable[..., Page], worker: Process) -> None:
    page = visit("/imports/", Role.MEMBER)
    page.get_by_label("The ledger").set_input_files(LEDGER)
    page.get_by_label("Which ledger it is").fill("Cart sheet")
    page.get_by_role("button", name="Upload and look").click()
    expect(page.locator(".sentence")).to_contain_text("60 debts would be imported.")
    expect(page.get_by_label("What Title is", exact=True)).to_have_value("title")
    page.get_by_role("button", name="Store 60 debts").click()
    expect(page.locator(".sentence")).to_contain_text("Stored: 60 new debts")
    page.get_by_role("link", name="To the ranking").click()
    expect(page.locator("dl.tiles")).to_contain_text("Open debts")
    page.get_by_label("Search").fill("Cart totals")
    expect(page.get_by_role("row")).to_have_count(1 + 1)


def test_a_run_shows_where_it_is_until_it_is_over(
    visit: Callable[..., Page], company: Company, start_worker: Callable[..., Process]
) -> None:
    page = visit("/runs/")
    page.get_by_role("button", name="Start a run").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#job")).to_contain_text("It starts as soon as a worker is free")
    page.reload()
    expect(page.get_by_role("progressbar")).to_be_visible()
    start_worker()
    expect(page.locator(".sentence")).to_contain_text("4 open debts were scored")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    assert ScoringRun.objects.get().state == "done"


def test_filters_change_the_list_and_the_address_without_loading_the_page(
    visit: Callable[..., Page],
) -> None:
    page = visit("/ranking/")
    rows = page.get_by_role("row")
    expect(rows).to_have_count(1 + 4)
    page.evaluate("window.sameDocument = true")
    page.locator("#id_team").select_option("accounts")
    expect(rows).to_have_count(1 + 1)
    expect(page).to_have_url("/ranking/?team=accounts")
    page.locator("#id_team").select_option("")
    page.get_by_label("Search").press_sequentially("nobody knows")
    expect(rows).to_have_count(1 + 2)
    expect(page.get_by_label("Search")).to_be_focused()
    expect(page).to_have_url("/ranking/?q=nobody+knows")
    assert page.evaluate("window.sameDocument")
    page.reload()
    expect(rows).to_have_count(1 + 2)
    expect(page.get_by_label("Search")).to_have_value("nobody knows")
    page.go_back()
    expect(rows).to_have_count(1 + 4)


def test_the_ranking_is_worked_through_by_keys_alone(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit("/ranking/", "product_owner")
    for key in ["j", "e", "x", "j", "k"]:
        page.keyboard.press(key)
    row = page.get_by_role("row").filter(has_text=company.best.title)
    expect(row.get_by_role("link", name=company.best.title)).to_be_focused()
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(row).to_contain_text("times that in the first year")
    many = page.get_by_role("form", name="Decide on the ticked debts")
    many.get_by_label("Decision").select_option("veto")
    many.get_by_label("Reason").fill("jxk")
    many.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("1 debt is kept out of the backlog.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("1 debt is as it was.")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_a_product_owner_moves_a_debt_on_the_board(
    visit: Callable[..., Page], company: Company
) -> None:
    later = IterationFactory(team=company.payments, name="Sprint 25", capacity_days=1)
    page = visit("/backlog/")
    card = page.get_by_role("article").filter(has_text=company.best.title)
    card.get_by_text("Change").click()
    card.get_by_label("Iteration").select_option(label="Sprint 25")
    card.get_by_role("button", name="Move").click()
    expect(page.get_by_role("status")).to_contain_text(
        "needs 2.0 person-days; Sprint 25 has 1.0 left. Choose a later iteration"
    )
    later.capacity_days = 5
    later.save()
    card.get_by_text("Change").click()
    card.get_by_label("Iteration").select_option(label="Sprint 25")
    card.get_by_role("button", name="Move").click()
    column = page.get_by_role("region", name="Sprint 25")
    expect(column).to_contain_text(company.best.title)
    expect(column).to_contain_text("2 of 5 days planned")
    assert BacklogEntry.objects.get().iteration == later


def test_a_product_owner_vetoes_a_debt_with_a_reason(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit(f"/debts/{company.best.key}/")
    page.get_by_text("Veto: keep it out").click()
    page.get_by_label("Reason").first.fill("The service is switched off in May")
    page.get_by_role("button", name="Veto", exact=True).click()
    expect(page.get_by_text("The service is switched off in May", exact=True)).to_be_visible()
    assert BacklogEntry.objects.get().state == EntryState.WITHDRAWN


def test_everything_is_reached_by_keyboard(visit: Callable[..., Page], company: Company) -> None:
    page = visit("/ranking/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="How it is reckoned")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == company.best.title:
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where one is can be seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=company.best.title)).to_be_visible()


def test_a_phone_has_a_menu_that_opens_and_closes(visit: Callable[..., Page]) -> None:
    page = visit("/ranking/", width=390)
    link = page.get_by_role("link", name="Backlog", exact=True)
    expect(link).not_to_be_visible()
    menu = page.get_by_role("button", name="Menu")
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).not_to_be_visible()
    menu.click()
    link.click()
    expect(page.get_by_role("heading", name="Backlog of 支付组")).to_be_visible()


def test_the_theme_is_chosen_by_a_button(visit: Callable[..., Page]) -> None:
    page = visit("/ranking/", theme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(ground) != light


def test_a_server_that_is_away_is_said_and_nothing_is_lost(
    visit: Callable[..., Page], complaints: list[str]
) -> None:
    page = visit("/debts/new/", Role.MEMBER)
    page.context.set_offline(True)
    page.get_by_label("What is wrong").fill("Typed while offline")
    expect(page.locator("#messages")).to_contain_text("The server can't be reached.")
    page.context.set_offline(False)
    page.get_by_label("What is wrong").fill("Typed while online")
    expect(page.locator("#messages")).not_to_contain_text("can't be reached")
    expect(page.get_by_label("What is wrong")).to_have_value("Typed while online")
    assert len(complaints) > 0, "the browser notes it, too"
    complaints.clear()


def test_a_session_that_has_ended_asks_to_log_in_again(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit("/ranking/")
    page.context.clear_cookies()
    page.get_by_label("Search").fill("cart")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Name").fill(Role.SRE)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Ranking")).to_be_visible()


def test_a_new_token_can_be_copied(visit: Callable[..., Page]) -> None:
    page = visit("/tokens/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("What will use it").fill("nightly export")
    page.get_by_role("button", name="Create the token").click()
    text = page.locator("#token").text_content()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text
