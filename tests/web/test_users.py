"""Users, passwords, the audit and the settings, on their pages."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from debtreg.actions import debt, users
from debtreg.models import AuditEntry, Role, User
from tests.factories import TeamFactory, UserFactory
from tests.web.company import PASSWORD, Company

PEOPLE = {"username": "lin", "first_name": "Lin", "last_name": "", "email": "", "is_active": "on"}


@pytest.fixture
def admin(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.ADMIN)


def test_an_administrator_adds_a_person_who_logs_in_with_the_password_shown_once(
    admin: Client, company: Company
) -> None:
    typed = {**PEOPLE, "role": Role.MEMBER, "teams": [company.payments.pk]}
    page = admin.post(reverse("user-new"), typed, follow=True).text
    assert "lin is saved." in page
    user = User.objects.get(username="lin")
    assert not user.has_usable_password()
    assert [team.slug for team in user.teams.all()] == ["payments"]

    answer = admin.post(reverse("user-password", args=[user.pk]))
    password = answer.text.split('id="password">')[1].split("<")[0]
    assert answer["Cache-Control"] == "no-store"
    assert Client().login(username="lin", password=password)
    assert password not in str(list(AuditEntry.objects.values()))
    entry = AuditEntry.objects.filter(action="user.save").get()
    assert entry.new is not None
    assert entry.new["teams"] == ["payments"]


def test_who_has_left_is_out_at_once_and_what_they_did_stays(
    admin: Client, as_role: Callable[[str], Client], company: Company
) -> None:
    owner = company.people[Role.PRODUCT_OWNER]
    client = as_role(Role.PRODUCT_OWNER)
    token, _text = users.create_token(user=owner, name="x", by=owner)
    typed = {**PEOPLE, "username": owner.username, "role": owner.role, "is_active": ""}
    admin.post(reverse("user-edit", args=[owner.pk]), typed)

    assert client.get("/").url.startswith(reverse("login"))
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert AuditEntry.objects.filter(actor=owner).exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"username": "product_owner"}, "already exists"),
        ({"username": "two words"}, "Enter a valid username"),
        ({"username": ""}, "required"),
        ({"role": "king"}, "Select a valid choice"),
        ({"teams": ["999"]}, "not one of the available choices"),
        ({"email": "nobody"}, "Enter a valid email"),
    ],
)
def test_a_person_that_can_not_be_stored_says_why(
    admin: Client, company: Company, changed: dict[str, object], said: str
) -> None:
    before = User.objects.count()
    answer = admin.post(reverse("user-new"), {**PEOPLE, "role": Role.MEMBER, **changed})
    assert answer.status_code == 422
    assert said in answer.text
    assert User.objects.count() == before


@pytest.mark.parametrize("changed", [{"role": Role.MEMBER}, {"is_active": ""}])
def test_the_last_administrator_stays_one(
    admin: Client, company: Company, changed: dict[str, str]
) -> None:
    me = company.people[Role.ADMIN]
    typed = {**PEOPLE, "username": me.username, "role": Role.ADMIN, **changed}
    page = admin.post(reverse("user-edit", args=[me.pk]), typed).text
    assert "nobody to administer debtreg" in page
    me.refresh_from_db()
    assert me.is_active
    assert me.role == Role.ADMIN


def test_ones_own_password_takes_the_old_one_and_ends_other_sessions(
    as_role: Callable[[str], Client], company: Company
) -> None:
    here, elsewhere = as_role(Role.DIRECTOR), as_role(Role.DIRECTOR)
    new = "quite another sentence"
    for typed, said in [
        ({"old": "wrong", "new": new}, "This is not your password."),
        ({"old": PASSWORD, "new": "director"}, "too short"),
    ]:
        assert said in here.post(reverse("password"), typed).text
    here.post(reverse("password"), {"old": PASSWORD, "new": new})
    assert here.get(reverse("help")).status_code == 200
    assert elsewhere.get(reverse("help")).status_code == 302
    assert Client().login(username=Role.DIRECTOR, password=new)


@pytest.mark.parametrize(
    "page", ["user-list", "user-new", "audit-list", "audit-export", "settings"]
)
def test_users_audit_and_settings_are_not_for_everybody(
    as_role: Callable[[str], Client], company: Company, page: str
) -> None:
    may = {Role.ADMIN, Role.COMPLIANCE} if page.startswith("audit") else {Role.ADMIN}
    for role in Role.values:
        status = as_role(role).get(reverse(page)).status_code
        assert status == (200 if role in may else 403), role


def test_the_audit_is_searched_by_who_what_which_and_when(admin: Client, company: Company) -> None:
    owner = company.people[Role.PRODUCT_OWNER]
    debt.veto(pk=company.best.pk, reason="Moves away", by=owner)
    debt.resolve(pk=company.middling.pk, by=None)
    address = reverse("audit-list")
    for query, kept, left in [
        ("who=Product_Owner", "debt.veto", "debt.resolve"),
        ("what=debt.re", "debt.resolve", "debt.veto"),
        (f"which={company.best.key.lower()}", "debt.veto", "debt.resolve"),
        ("channel=page", "No change is like that", "debt.veto"),
        ("until=2020-01-01", "No change is like that", "debt.veto"),
        ("since=2020-01-01", "debt.veto", "No change is like that"),
        ("since=soon", "Since: Enter a valid date", "No change is like that"),
    ]:
        page = admin.get(f"{address}?{query}").text
        assert kept in page, query
        assert left not in page, query
    assert "Moves away" in admin.get(address).text
    rows = b"".join(admin.get(reverse("audit-export"))).decode()
    assert "Moves away" in rows


def test_the_audit_takes_as_many_queries_for_many_entries(admin: Client, company: Company) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            admin.get(reverse("audit-list"))
        counts.append(len(captured))
        AuditEntry.objects.bulk_create(
            AuditEntry(channel="job", action="x", object_type="y", object_key="z")
            for _ in range(60)
        )
    assert counts[0] == counts[1]


def test_settings_show_no_secret(admin: Client, company: Company, settings: object) -> None:
    page = admin.get(reverse("settings")).text
    assert "CURRENCY" in page
    assert settings.SECRET_KEY not in page  # type: ignore[attr-defined]
    assert "Answers" in page


def test_the_list_of_users_takes_as_many_queries_for_many(admin: Client, company: Company) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            admin.get(reverse("user-list"))
        counts.append(len(captured))
        for _number in range(5):
            UserFactory(teams=[TeamFactory()])
    assert counts[0] == counts[1]
