"""Who is let in, and what for."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from debtreg.models import ApiToken, AuditEntry, DebtItem, User
from tests.api.conftest import is_error

TEAMS = "/api/v1/teams/"


@pytest.fixture
def token(api):
    return ApiToken.objects.get(user=api.user)


def test_a_token_opens_the_api(api, payments):
    answer = api.get(TEAMS)

    assert answer.status_code == 200
    assert [team["slug"] for team in answer.json()["results"]] == ["payments"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer dr_wrong", "Bearer dr_\xff\xfe", "Basic YTpi", "dr_x"],
)
def test_without_a_token_the_answer_says_how_to_come_in(db, header):
    answer = APIClient(HTTP_AUTHORIZATION=header).get(TEAMS)

    assert is_error(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="debtreg"'


def test_the_scheme_may_be_written_in_any_case(api):
    text = api.defaults["HTTP_AUTHORIZATION"].replace("Bearer", "bearer")

    assert APIClient(HTTP_AUTHORIZATION=text).get(TEAMS).status_code == 200


@pytest.mark.parametrize("ending", ["expired", "revoked", "its user left"])
def test_a_token_that_has_ended_opens_nothing(api, token, ending):
    past = timezone.now() - timedelta(seconds=1)
    if ending == "expired":
        ApiToken.objects.update(expires_at=past)
    elif ending == "revoked":
        ApiToken.objects.update(revoked_at=past)
    else:
        User.objects.update(is_active=False)

    assert is_error(api.get(TEAMS), 401)


def test_the_last_use_is_noted_once_a_minute(api, token, time_machine):
    start = timezone.now()
    for seconds, expected in ((0, 0), (30, 0), (61, 61), (100, 61)):
        time_machine.move_to(start + timedelta(seconds=seconds), tick=False)
        api.get(TEAMS)
        token.refresh_from_db()
        assert token.last_used_at == start + timedelta(seconds=expected)


def test_a_session_reads_and_wants_the_csrf_token_for_writing(api, payments):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(api.user)

    assert client.get(TEAMS).status_code == 200
    assert is_error(client.post(TEAMS, {"slug": "a", "name": "A"}), 403)


def test_a_session_with_the_csrf_token_writes(api):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(api.user)
    secret = "a" * 32
    client.cookies["csrftoken"] = secret

    answer = client.post(TEAMS, {"slug": "a", "name": "A"}, HTTP_X_CSRFTOKEN=secret)

    assert answer.status_code == 201, answer.json()


def test_a_member_changes_debts_of_the_own_team_only(client_of, log, payments, orders):
    key = log()["key"]
    own, other = client_of("member", payments), client_of("member", orders)

    assert own.patch(f"/api/v1/debts/{key}/", {"title": "Mine"}).status_code == 200
    assert is_error(other.patch(f"/api/v1/debts/{key}/", {"title": "Mine"}), 403)
    assert other.get(f"/api/v1/debts/{key}/").json()["title"] == "Mine"


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        ("member", "post", "/api/v1/teams/", {"slug": "x", "name": "X"}),
        ("product_owner", "post", "/api/v1/prices/", {"kind": "errors", "likely": 1}),
        ("compliance", "post", "/api/v1/debts/", {"title": "A debt"}),
        ("director", "post", "/api/v1/scoring-runs/", {}),
        ("member", "post", "/api/v1/debts/{key}/veto/", {"reason": "no"}),
        ("sre", "post", "/api/v1/debts/{key}/promote/", {}),
        ("compliance", "post", "/api/v1/debts/bulk/", []),
    ],
)
def test_a_role_that_may_not_is_told_who_may(client_of, log, payments, role, method, path, body):
    key = log()["key"]
    client = client_of(role, payments)

    answer = getattr(client, method)(path.format(key=key), body)

    assert is_error(answer, 403)
    assert "Ask one of them" in answer.json()["hint"]


def test_audit_says_that_a_change_came_over_the_api(log):
    log()

    entry = AuditEntry.objects.get(action="debt.create")
    assert (entry.channel, entry.object_key) == ("api", f"DEBT-{DebtItem.objects.get().pk}")
