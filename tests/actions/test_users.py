"""Tokens: issued once, shown once, revoked for good."""

from datetime import timedelta

import pytest
from django.utils import timezone

from debtreg.actions import users
from debtreg.actions.debt import NotValid
from debtreg.errors import NotFound
from debtreg.models import ApiToken, AuditEntry
from tests.factories import UserFactory


def test_a_token_is_stored_as_its_digest(db):
    user = UserFactory()
    token, text = users.create_token(user=user, name=" nightly export ", by=user)
    assert text.startswith("dr_")
    assert len(text) > 40
    assert (token.name, token.hint) == ("nightly export", text[:8])
    assert token.digest == ApiToken.digest_of(text)
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert not [value for value in row.values() if text in str(value)]
    assert text not in str(AuditEntry.objects.values().get())
    assert users.create_token(user=user, name="x", by=user)[1] != text


def test_only_usable_tokens_count(db):
    now = timezone.now()
    user, gone = UserFactory(), UserFactory(is_active=False)
    good, _ = users.create_token(user=user, name="x", by=user)
    later, _ = users.create_token(user=user, name="x", by=user, expires_at=now + timedelta(1))
    over, _ = users.create_token(user=user, name="x", by=user, expires_at=now + timedelta(1))
    ApiToken.objects.filter(pk=over.pk).update(expires_at=now - timedelta(seconds=1))
    revoked, _ = users.create_token(user=user, name="x", by=user)
    users.revoke_token(token_id=revoked.pk, by=user)
    ApiToken.issue(user=gone, name="x")
    assert set(ApiToken.objects.usable()) == {good, later}


def test_revoking_twice_is_harmless(db):
    user = UserFactory()
    token, _ = users.create_token(user=user, name="x", by=user)
    first = users.revoke_token(token_id=token.pk, by=user).revoked_at
    assert users.revoke_token(token_id=token.pk, by=user).revoked_at == first
    assert AuditEntry.objects.filter(action="token.revoke").count() == 1
    with pytest.raises(NotFound):
        users.revoke_token(token_id=999, by=user)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_token_needs_a_name(db, name):
    user = UserFactory()
    with pytest.raises(NotValid) as error:
        users.create_token(user=user, name=name, by=user)
    assert error.value.fields == {"name": ["1 to 80 characters."]}


def test_a_token_cannot_have_expired_already(db):
    user = UserFactory()
    with pytest.raises(NotValid, match="expired already"):
        users.create_token(user=user, name="x", by=user, expires_at=timezone.now())
    assert not ApiToken.objects.exists()
