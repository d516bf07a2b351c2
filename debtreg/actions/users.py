"""Tokens of users, and the keys of their requests."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from debtreg.actions import audit
from debtreg.actions.debt import NotValid
from debtreg.errors import NotAllowed, NotFound
from debtreg.models import ApiToken, IdempotencyKey, User


@transaction.atomic
def create_token(
    *, user: User, name: str, by: User | None, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Issue a bearer token for a user; its text is returned once and never again."""
    if by is not None and by != user and not by.is_one_of():
        raise NotAllowed(
            f"You may not create tokens for {user}.", hint="Ask an administrator, or them."
        )
    name = name.strip()
    if not name or len(name) > 80:
        raise NotValid(
            "A token needs a name of up to 80 characters.",
            hint="Say what will use it, such as 'nightly export'.",
            fields={"name": ["1 to 80 characters."]},
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise NotValid(
            "The token would have expired already.",
            hint="Choose a later day, or none.",
            fields={"expires_at": ["This lies in the past."]},
        )
    token, text = ApiToken.issue(user=user, name=name, expires_at=expires_at)
    audit.record("token.create", token, by=by, new={"user": user.username, "name": name})
    return token, text


@transaction.atomic
def revoke_token(*, token_id: int, by: User | None) -> ApiToken:
    """End a token for good. Harmless if it is revoked already."""
    token = ApiToken.objects.select_for_update().filter(pk=token_id).first()
    if token is None or (by is not None and token.user_id != by.pk and not by.is_one_of()):
        raise NotFound("You have no such token.")
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        audit.record("token.revoke", token, by=by)
    return token


# Who comes back after a longer pause is on another visit.
VISIT_PAUSE = timedelta(minutes=30)
# Looking is written down no more often than this.
VISIT_STEP = timedelta(minutes=1)


def visit(*, user: User) -> datetime | None:
    """Note that a person is here; returns when their visit before this one ended, if ever.

    That somebody looks changes nothing that others see, and is no news to audit.
    """
    now = timezone.now()
    if user.seen_at is None or now - user.seen_at > VISIT_PAUSE:
        user.visited_at, user.seen_at = user.seen_at, now
    elif now - user.seen_at > VISIT_STEP:
        user.seen_at = now
    else:
        return user.visited_at
    User.objects.filter(pk=user.pk).update(visited_at=user.visited_at, seen_at=user.seen_at)
    return user.visited_at


def choose_language(*, user: User, language: str) -> None:
    """Show pages to this person in a language from now on; "" asks their browser."""
    if language not in ("", *dict(settings.LANGUAGES)):
        raise NotValid(f"There are no pages in {language!r}.")
    user.language = language
    User.objects.filter(pk=user.pk).update(language=language)


def leave_tour(*, user: User) -> None:
    """Offer the tour of the demo no more. Harmless if it was left already."""
    user.tour_left_at = user.tour_left_at or timezone.now()
    User.objects.filter(pk=user.pk).update(tour_left_at=user.tour_left_at)


def forget_keys() -> int:
    """Remove the answers to POSTs with an Idempotency-Key that is over; returns how many.

    Also of those who never send a key again. What is kept to be repeated is no news to audit.
    """
    return IdempotencyKey.objects.expired().delete()[0]
