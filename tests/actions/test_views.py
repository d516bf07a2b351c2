"""Views of the ranking that people keep under a name."""

import pytest

from debtreg.actions import views
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import AuditEntry, Role, SavedView
from tests.factories import UserFactory


@pytest.fixture
def user(db):
    return UserFactory()


def save(by, name="Mine", query="team=payments", is_shared=False):
    return views.save(name=name, query=query, is_shared=is_shared, by=by)


def test_a_view_keeps_what_the_address_says_but_for_the_page(user):
    view = save(user, name="  Mine,   late ", query="q=is%3Aoverdue&cursor=abc&columns=a&columns=b")

    assert (view.name, view.query) == ("Mine, late", "q=is%3Aoverdue&columns=a&columns=b")
    assert AuditEntry.objects.get().action == "view.save"


def test_the_same_name_replaces_ones_own_view_and_nobody_elses(user):
    others = save(UserFactory(), query="state=unpriced")
    save(user)
    save(user, query="state=priced", is_shared=True)

    assert SavedView.objects.get(user=user).query == "state=priced"
    others.refresh_from_db()
    assert others.query == "state=unpriced"


def test_people_see_their_own_views_and_what_is_shared(user):
    other = UserFactory()
    save(user, name="Own")
    save(other, name="Shared", is_shared=True)
    save(other, name="Private")

    assert [view.name for view in SavedView.objects.seen_by(user)] == ["Own", "Shared"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": " \u200b"}, "needs a name"),
        ({"name": "x" * 61}, "up to 60"),
        ({"query": "q=" + "x" * 1000}, "1002 characters; 1,000 can be kept"),
    ],
)
def test_what_can_not_be_kept_says_why(user, values, said):
    with pytest.raises(DebtregError, match=said):
        save(user, **values)
    assert not SavedView.objects.exists()


def test_there_is_an_end_to_the_views_of_a_person(user, monkeypatch):
    monkeypatch.setattr(SavedView, "MOST", 2)
    save(user, name="a")
    save(user, name="b")
    with pytest.raises(Conflict, match="You have 2 views"):
        save(user, name="c")
    save(user, name="b", query="")
    save(UserFactory(), name="c")


def test_only_ones_own_view_can_be_removed_but_an_administrator_removes_shared_ones(user):
    private, shared = save(user, name="a"), save(user, name="b", is_shared=True)
    admin = UserFactory(role=Role.ADMIN)

    for view, by in [(private, UserFactory()), (shared, UserFactory()), (private, admin)]:
        with pytest.raises(NotFound, match="no such view"):
            views.remove(pk=view.pk, by=by)
    views.remove(pk=shared.pk, by=admin)
    views.remove(pk=private.pk, by=user)
    assert not SavedView.objects.exists()
