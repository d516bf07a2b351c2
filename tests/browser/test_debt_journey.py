"""From log-in to a ranked debt, with the ROI while typing."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from debtreg.models import DebtItem


def test_an_engineer_logs_a_debt_and_sees_it_ranked(visit: Callable[..., Page]) -> None:
    page = visit("/ranking/", "member")
    page.get_by_role("link", name="Log a debt").click()
    page.get_by_label("What is wrong").fill("Refund lookup scans the full table")
    page.get_by_label("Service", exact=False).first.select_option("payment-service")
    page.get_by_role("group", name="Effort of the repair").get_by_label("Most likely").fill("2")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("2 person-days × 1,600 a day = 3,200")

    page.get_by_role("button", name="Latency").click()
    impact = page.get_by_role("group", name="Impact 1: Latency")
    impact.get_by_role("group", name="Share of them").get_by_label("Most likely").fill("3 %")
    impact.get_by_role("group", name="How far over").get_by_label("Most likely").fill("180")
    # 120,000,000 requests of the service x 0.03 x 180 ms x 0.00002 = 12,960; / 3,200 = 4.05
    expect(preview.locator(".big")).to_have_text("≈ 4.1")
    expect(preview).to_contain_text("would be promoted")
    assert not DebtItem.objects.filter(title__startswith="Refund lookup").exists()

    page.get_by_role("button", name="Log the debt").click()
    expect(page.get_by_role("status")).to_contain_text("is logged and scored")
    expect(page.locator(".sentence")).to_contain_text(
        "Costs ≈ ¥13,000 a year; repairing it costs ¥3,200 and returns ≈ 4.1 times"
    )
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Ranking").click()
    rows = page.get_by_role("row")
    expect(rows.nth(2)).to_contain_text("Refund lookup scans the full table")
    expect(rows.nth(2)).to_contain_text("≈ 4.1")


def test_enter_logs_the_debt(visit: Callable[..., Page]) -> None:
    page = visit("/debts/new/", "member")
    page.get_by_label("What is wrong").fill("Refund lookup scans the full table")
    page.get_by_label("What is wrong").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is logged and scored")


def test_what_was_typed_is_kept_beside_the_error(visit: Callable[..., Page]) -> None:
    page = visit("/debts/new/", "member")
    page.get_by_label("What is wrong").fill("A debt")
    effort = page.get_by_role("group", name="Effort of the repair")
    effort.get_by_label("At least").fill("9")
    effort.get_by_label("Most likely").fill("3")
    page.get_by_role("button", name="Toil").click()
    page.get_by_role("group", name="Hours a year").get_by_label("Most likely").fill("many")
    page.get_by_role("button", name="Log the debt").click()

    expect(effort).to_contain_text("at least ≤ most likely ≤ at most")
    expect(page.get_by_role("group", name="Hours a year")).to_contain_text("Enter a number such as")
    expect(page.get_by_label("What is wrong")).to_have_value("A debt")
    expect(effort.get_by_label("At least")).to_have_value("9")
    hours = page.get_by_role("group", name="Hours a year").get_by_label("Most likely")
    expect(hours).to_have_value("many")


def test_an_impact_that_is_taken_away_counts_no_longer(visit: Callable[..., Page]) -> None:
    page = visit("/debts/new/", "member")
    page.get_by_role("group", name="Effort of the repair").get_by_label("Most likely").fill("1")
    page.get_by_role("button", name="Toil").click()
    page.get_by_role("group", name="Hours a year").get_by_label("Most likely").fill("80")
    page.get_by_role("button", name="Stated yearly cost").click()
    page.get_by_role("group", name="Money a year").get_by_label("Most likely").fill("4000")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("¥20,000")  # 80 h x 200 + 4,000
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Remove Toil 1").click()
    expect(preview).to_contain_text("¥4,000")
    expect(preview).not_to_contain_text("¥20,000")
    page.wait_for_load_state("networkidle")
    assert len(asked) == 2, "one request takes it away, one works out what is left"


def test_the_form_works_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("/debts/new/", "member", java_script_enabled=False)
    page.get_by_label("What is wrong").fill("Typed without scripts")
    page.get_by_label("Service", exact=False).first.select_option("payment-service")
    page.get_by_role("group", name="Effort of the repair").get_by_label("Most likely").fill("1")
    page.get_by_role("button", name="Toil").click()
    expect(page.get_by_label("What is wrong")).to_have_value("Typed without scripts")
    page.get_by_role("group", name="Hours a year").get_by_label("Most likely").fill("40")
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator(".big")).to_have_text("≈ 5.0")
    page.get_by_role("button", name="Log the debt").click()
    expect(page.locator(".sentence")).to_contain_text("returns ≈ 5.0 times")
