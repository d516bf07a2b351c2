"""A calculation while typing, and as an address."""

from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_the_answer_follows_what_is_typed_and_the_address_is_the_calculation(
    visit: Callable[..., Page],
) -> None:
    page = visit("/", "sre")
    page.get_by_role("link", name="Calculators").click()
    page.get_by_role("link", name="Penalty clause").click()
    result = page.locator("#result")
    expect(result).to_contain_text("25 %")

    page.get_by_label("Measured", exact=True).fill("0.3301s")
    expect(result).to_contain_text("6.48 min")
    page.get_by_label("Clause").fill("每低于目标0ms,扣减SLO预算5%")
    beside = page.locator("#id_clause_problems")
    expect(beside).to_contain_text("above 0")
    expect(result).to_contain_text("There is no answer yet.")
    page.get_by_label("Clause").fill("for each 10 ms or part thereof, deduct 5 % of the budget")
    expect(result).to_contain_text("For each 10 ms worse than the target, or part of it")
    expect(beside).to_be_empty()
    expect(result).to_contain_text("20 %")

    page.reload()
    expect(page.get_by_label("Measured", exact=True)).to_have_value("0.3301s")
    expect(page.locator("#result")).to_contain_text("20 %")


def test_it_works_without_scripts_and_leads_to_the_answer(visit: Callable[..., Page]) -> None:
    page = visit("/calculators/inversion/", "compliance", width=390, java_script_enabled=False)
    page.get_by_label("Recovery from an incident").fill("240")
    page.get_by_role("button", name="Calculate").click()

    expect(page.locator("#result")).to_contain_text("13.14")
    assert page.url.endswith("#result")
    expect(page.locator("#result").get_by_text("Whole incidents", exact=True)).to_be_in_viewport()
