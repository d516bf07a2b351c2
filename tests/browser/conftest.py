"""Fixtures for tests in a real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.web import company as companies

expect.set_options(timeout=15_000)


@pytest.fixture
def company(transactional_db: None) -> companies.Company:
    return companies.found()


class Complaints(list[str]):
    """What the browser has complained about: scripts, styles, the Content-Security-Policy."""

    def listen(self, page: Page) -> None:
        page.on(
            "console",
            lambda m: (
                self.append(m.text)
                # A form that was refused is answered with 422, which the browser notes.
                if m.type in ("error", "warning") and "status of 422" not in m.text
                else None
            ),
        )
        page.on("pageerror", lambda error: self.append(str(error)))


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """None may come up in a test that uses this."""
    found = Complaints()
    yield found
    assert found == []


@pytest.fixture
def visit(
    browser: Browser, live_server: LiveServer, company: companies.Company, complaints: Complaints
) -> Iterator[Callable[..., Page]]:
    """Open a page as the person of a role: `visit("/", "sre", width=390, theme="dark")`."""
    contexts = []

    def open_(path: str, role: str = "product_owner", *, width: int = 1440, **options: object):
        theme = options.pop("theme", "light")
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        complaints.listen(page)
        page.goto("/login/")
        page.get_by_label("Name").fill(company.people[role].username)
        page.get_by_label("Password").fill(companies.PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
        if path != "/":
            page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
