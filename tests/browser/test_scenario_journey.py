"""Writing down a scenario in a browser: rows come and go, Enter saves."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from debtreg.models import FailureScenario
from tests.web.company import Company


@pytest.mark.parametrize("javascript", [True, False])
def test_a_scenario_is_written_down_with_and_without_javascript(
    visit: Callable[..., Page], company: Company, javascript: bool
) -> None:
    page = visit("/scenarios/", "sre", java_script_enabled=javascript)
    page.get_by_role("link", name="New scenario").click()
    page.get_by_label("Name").fill("Avalanche")
    page.get_by_label("Events a year that set it off").fill("1.5")
    page.get_by_label("Most likely").fill("867,168")
    page.get_by_label("Debt, row 1").fill(company.best.key)
    page.get_by_label("Repair takes away, row 1").fill("80 %")
    page.get_by_role("button", name="Remove row 2").click()
    expect(page.get_by_label("Debt, row 2")).to_have_count(0)
    page.get_by_role("button", name="Add a debt").click()
    page.get_by_label("Debt, row 2").fill(company.unpriced.key)
    expect(page.get_by_label("Role, row 2")).to_have_value("amplifier")
    page.get_by_label("Chance, row 2").fill("5 %")
    page.get_by_label("Chance, row 2").press("Enter")

    expect(page.get_by_role("heading", name="Avalanche")).to_be_visible()
    expect(page.get_by_role("img", name="How “Avalanche” comes about")).to_be_visible()
    expect(page.get_by_role("row", name=company.best.title)).to_contain_text("≈ ¥65,000")
    assert FailureScenario.objects.get().members.count() == 2
