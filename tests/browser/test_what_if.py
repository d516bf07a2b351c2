"""The sliders of a debt's page: what they come to beside what is, and nothing stored until then."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from debtreg.models import DebtItem
from tests.web.company import Company


def test_a_slider_shows_another_roi_and_changes_nothing_until_saved(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit(f"/debts/{company.best.key}/", "member")
    page.get_by_role("link", name="Try other numbers").click()
    result = page.locator("#what-if-result")
    expect(result.get_by_role("row", name="ROI", exact=False).first).to_contain_text("≈ 4.5")
    effort = page.get_by_role("slider", name="Effort, most likely")
    number = page.get_by_label("Effort, most likely", exact=True)
    effort.focus()
    for _ in range(3):
        effort.press("PageUp")
    expect(number).not_to_have_value("2")
    effort.fill("4")
    expect(number).to_have_value("4")
    expect(result).to_contain_text("≈ 2.3")
    expect(result).to_contain_text("below 2.5, so the next run takes it back")
    number.fill("1")
    expect(effort).to_have_value("1")
    expect(result).to_contain_text("≈ 9.0")
    page.get_by_role("button", name="Reset").click()
    expect(number).to_have_value("2")
    expect(effort).to_have_value("2")
    expect(result).not_to_contain_text("≈ 9.0")
    number.fill("4")
    number.press("Enter")
    expect(result).to_contain_text("≈ 2.3")
    expect(page).to_have_url(f"/debts/{company.best.key}/")
    assert DebtItem.objects.get(pk=company.best.pk).effort_likely == 2

    page.get_by_role("button", name="Save these numbers").click()
    expect(page.get_by_role("status")).to_contain_text("is saved and scored")
    assert DebtItem.objects.get(pk=company.best.pk).effort_likely == 4


def test_numbers_are_worked_out_by_a_button_without_javascript(
    visit: Callable[..., Page], company: Company
) -> None:
    page = visit(f"/debts/{company.best.key}/", "member", java_script_enabled=False)
    page.get_by_role("link", name="Try other numbers").click()
    expect(page.get_by_role("slider")).to_have_count(0)
    page.get_by_label("Effort, most likely", exact=True).fill("4")
    page.get_by_role("button", name="Work it out").last.click()
    expect(page.locator("#what-if-result")).to_contain_text("≈ 2.3")
    page.get_by_role("button", name="Save these numbers").click()
    expect(page.get_by_role("status")).to_contain_text("is saved and scored")
