"""People, their tokens, and the keys of their requests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from debtreg.actions import audit, rights
from debtreg.actions.debt import NotValid, not_valid
from debtreg.errors import Conflict, NotAllowed, NotFound
from debtreg.models import ApiToken, IdempotencyKey, Role, Team, User


@transaction.atomic
def create_token(
    *, user: User, name: str, by: User | None, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Issue a bearer token for a user; its text is returned once and never again."""
    if by is not None and by != user and not by.is_one_of():
        raise NotAllowed(
            _("You may not create tokens for %(user)s.") % {"user": user},
            hint=_("Ask an administrator, or them."),
        )
    name = name.strip()
    if not name or len(name) > 80:
        raise NotValid(
            _("A token needs a name of up to 80 characters."),
            hint=_("Say what will use it, such as 'nightly export'."),
            fields={"name": [_("1 to 80 characters.")]},
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise NotValid(
            _("The token would have expired already."),
            hint=_("Choose a later day, or none."),
            fields={"expires_at": [_("This lies in the past.")]},
        )
    token, text = ApiToken.issue(user=user, name=name, expires_at=expires_at)
    audit.record("token.create", token, by=by, new={"user": user.username, "name": name})
    return token, text


@transaction.atomic
def revoke_token(*, token_id: int, by: User | None) -> ApiToken:
    """End a token for good. Harmless if it is revoked already."""
    token = ApiToken.objects.select_for_update().filter(pk=token_id).first()
    if token is None or (by is not None and token.user_id != by.pk and not by.is_one_of()):
        raise NotFound(_("You have no such token."))
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
        raise NotValid(_("There are no pages in %(language)s.") % {"language": repr(language)})
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


# --- People ---------------------------------------------------------------------------------------

_PLAIN = ("username", "first_name", "last_name", "email", "role", "is_active")


@transaction.atomic
def save_user(*, user: User, teams: Iterable[Team], by: User | None) -> User:
    """Store a person, new or changed. A new one can't log in until given a password.

    Raises NotValid for what breaks a rule, Conflict where nobody would be left to administer.
    """
    rights.check(by, "user.change")
    old = None
    if user.pk:
        before = User.objects.select_for_update().filter(pk=user.pk).first()
        if before is None:
            raise NotFound(_("There is no such person."), hint=_("Look them up in the list."))
        old = _said(before)
    else:
        user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise not_valid(error) from error
    user.save()
    user.teams.set(teams)
    _keep_an_administrator()
    if not user.is_active:
        _log_out(user)
    audit.record("user.save", user, by=by, old=old, new=_said(user))
    return user


@transaction.atomic
def give_password(*, user_id: int, by: User | None) -> str:
    """Give a person a new password, which is returned once; they are logged out everywhere."""
    rights.check(by, "user.change")
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no such person."), hint=_("Look them up in the list."))
    password = get_random_string(16)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record("user.password", user, by=by)
    return password


@transaction.atomic
def change_password(*, user: User, old: str, new: str) -> None:
    """Change one's own password. Raises NotValid for a wrong old one or a weak new one."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    if not locked.check_password(old):
        raise NotValid(
            _("That is not your present password."),
            hint=_("Type it again, or have an administrator give you a new one."),
            fields={"old": [_("This is not your password.")]},
        )
    try:
        password_validation.validate_password(new, locked)
    except ValidationError as error:
        raise NotValid(
            _("The new password is too weak: ") + " ".join(error.messages),
            hint=_("Choose a longer one that is nobody's name and no common word."),
            fields={"new": error.messages},
        ) from error
    user.set_password(new)
    user.save(update_fields=["password"])
    audit.record("user.password", user, by=user)


def _said(user: User) -> dict[str, Any]:
    """What the audit keeps of a person: never a password."""
    teams = sorted(user.teams.values_list("slug", flat=True))
    return {**{name: getattr(user, name) for name in _PLAIN}, "teams": teams}


def _keep_an_administrator() -> None:
    left = User.objects.filter(Q(role=Role.ADMIN) | Q(is_superuser=True), is_active=True)
    # Two who step back at once must not both see the other: whoever comes second waits here.
    if not list(left.select_for_update().values_list("pk", flat=True)):
        raise Conflict(
            _("This would leave nobody to administer debtreg."),
            hint=_("Make somebody else an administrator first."),
        )


def _log_out(user: User) -> None:
    """End the tokens of somebody who has left; a session ends with its next request."""
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
