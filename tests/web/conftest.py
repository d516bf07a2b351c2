"""Fixtures for tests of pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from debtreg.web.facets import Facets
from tests.web import company as companies


@pytest.fixture(autouse=True)
def fresh_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine must not keep the counts of the test before."""
    monkeypatch.setattr(Facets, "_kept", None)
    monkeypatch.setattr(Facets, "FRESH_SECONDS", 3600.0)


@pytest.fixture
def company(db: None) -> companies.Company:
    return companies.found()


@pytest.fixture
def as_role(company: companies.Company) -> Callable[[str], Client]:
    """A client that is logged in as the person of a role: `as_role("sre").get("/")`."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(company.people[role])
        return client

    return log_in


@pytest.fixture
def owner(as_role: Any) -> Client:
    """The product owner of payments."""
    return as_role("product_owner")
