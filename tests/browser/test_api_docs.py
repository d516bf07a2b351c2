"""The interactive documentation works under the policy that allows no inline script or style."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Complaints


@pytest.fixture
def page(browser: Browser, live_server, transactional_db, complaints: Complaints):
    context = browser.new_context(base_url=live_server.url)
    opened = context.new_page()
    complaints.listen(opened)
    yield opened
    context.close()


def test_an_operation_is_found_and_tried_with_a_token(page):
    page.goto("/api/docs/")

    expect(page.get_by_role("heading", name="debtreg")).to_be_visible()
    page.get_by_role("link", name="calculators", exact=True).click()
    operation = page.locator("#operations-calculators-calculators_roi_create")
    expect(operation).to_be_visible()
    operation.click()
    expect(operation).to_contain_text("Idempotency-Key")
    expect(operation.get_by_role("button", name="Try it out")).to_be_visible()
