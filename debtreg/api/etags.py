"""ETag and If-Match: a change is made to what the caller has read, or refused with 412."""

from __future__ import annotations

from django.utils.http import parse_etags
from rest_framework.request import Request

from debtreg.api.errors import PreconditionFailed


def etag(revision: int) -> str:
    return f'"{revision}"'


def has_if_match(request: Request, name: str, revision: int) -> bool:
    """True if the caller names in If-Match the revision that is there, False without one."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return False
    if etag(revision) not in parse_etags(header):
        raise PreconditionFailed(
            f"{name} has changed since you read it: it is at revision {revision},"
            f" you have {header[:80]}.",
            hint="Read it again and repeat your change.",
        )
    return True
