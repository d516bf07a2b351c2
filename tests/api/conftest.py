"""A small company, and clients of the API that carry a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from debtreg.models import ApiToken, Price, Role, Service, Team, User


@pytest.fixture
def payments(db: None) -> Team:
    return Team.objects.create(slug="payments", name="Payments", day_rate=1600)


@pytest.fixture
def orders(db: None) -> Team:
    return Team.objects.create(slug="orders", name="Orders")


@pytest.fixture
def checkout(payments: Team) -> Service:
    return Service.objects.create(
        slug="checkout", name="Checkout", team=payments, requests_per_year=120_000_000
    )


@pytest.fixture
def prices(db: None) -> None:
    Price.objects.create(kind="toil", low=200, likely=200, high=200)
    Price.objects.create(kind="day_rate", low=1600, likely=1600, high=1600)


@pytest.fixture
def client_of(db: None) -> Callable[..., APIClient]:
    """client_of("sre"), client_of("member", payments)"""

    def make(role: str, *teams: Team) -> APIClient:
        number = User.objects.count()
        user = User.objects.create_user(f"{role}-{number}", role=role)
        user.teams.set(teams)
        _, text = ApiToken.issue(user=user, name="test")
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {text}")
        client.user = user
        return client

    return make


@pytest.fixture
def api(client_of: Callable[..., APIClient]) -> APIClient:
    """A client that may everything."""
    return client_of(Role.ADMIN)


TOIL = {"kind": "toil", "frequency": "100"}


@pytest.fixture
def log(api: APIClient, checkout: Service, prices: None) -> Callable[..., dict[str, Any]]:
    """Log a debt over the API, and return what comes back."""

    def post(**fields: Any) -> dict[str, Any]:
        body = {"title": "A debt", "service": "checkout", "effort": 2, "impacts": [TOIL], **fields}
        answer = api.post("/api/v1/debts/", body)
        assert answer.status_code == 201, answer.json()
        found: dict[str, Any] = answer.json()
        return found

    return post


def is_error(answer: Any, status: int, *fields: str) -> bool:
    """The one shape of errors, with this status, naming exactly these fields if any are given."""
    body = answer.json()
    assert answer.status_code == status, body
    assert body.keys() == {"code", "message", "hint", "fields"}, body
    assert all(isinstance(body[name], str) and body[name] for name in ("code", "message", "hint"))
    assert not fields or body["fields"].keys() == set(fields), body["fields"]
    return True
