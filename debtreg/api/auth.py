"""Who calls: a machine with a bearer token, or a person with a session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from debtreg.models import ApiToken, User

# The time of last use is for people who tidy up; a write per request would be too dear.
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer dr_...`"""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, text = authentication.get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        digest = ApiToken.digest_of(text.strip().decode("latin-1"))
        token = ApiToken.objects.usable().select_related("user").filter(digest=digest).first()
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This token is not valid: it is unknown, expired or revoked."
            )
        _note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="debtreg"'


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_IS_NOTED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


class _TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from `manage.py create_token USER`, which begins with `dr_`.",
        }
