"""Idempotency-Key: a POST that is repeated gets the first answer, and nothing happens twice.

The key, what was done and the answer are committed together. A repeat that comes meanwhile waits
for that at the key's unique index; a process that dies leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils.datastructures import MultiValueDict
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from debtreg.errors import Conflict
from debtreg.models import IdempotencyKey, User

HEADER = "Idempotency-Key"
LONGEST = 200
_KEPT_HEADERS = ("Location", "ETag")


class KeyUsedOtherwise(Conflict):
    """The key came before with another request."""


class Replay(Exception):
    """The request was answered before; carries that answer."""

    def __init__(self, stored: IdempotencyKey) -> None:
        super().__init__(stored.key)
        self.stored = stored

    def response(self) -> HttpResponse:
        return HttpResponse(
            bytes(self.stored.body),
            status=self.stored.status,
            content_type=self.stored.content_type or None,
            headers={**self.stored.headers, "Idempotency-Replayed": "true"},
        )


def claim(request: Request, user: User) -> IdempotencyKey:
    """Take the key of a request, within the caller's transaction. Raises Replay or an error."""
    key = request.headers[HEADER]
    if not (1 <= len(key) <= LONGEST and key.isprintable()):
        raise exceptions.ValidationError({HEADER: f"1 to {LONGEST} printable characters."})
    mine = IdempotencyKey.objects.filter(user=user)
    mine.expired().delete()
    digest = _digest(request)
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, request=digest)
    except IntegrityError:
        stored = mine.get(key=key)
    if stored.request != digest:
        raise KeyUsedOtherwise(
            f"The {HEADER} '{key}' was used before with another request.",
            hint="Take a new key for each request; repeat one only with the same body.",
        )
    raise Replay(stored)


def keep(claimed: IdempotencyKey, response: Response) -> None:
    """Store the answer beside its key."""
    response.render()
    claimed.status = response.status_code
    claimed.content_type = response.headers.get("Content-Type", "")
    claimed.headers = {
        name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
    }
    claimed.body = response.content
    claimed.save()


def _digest(request: Request) -> str:
    total = hashlib.sha256()
    for part in (request.method or "", request.get_full_path(), *_parts(request)):
        piece = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        total.update(f"{len(piece)}:".encode() + piece)
    return total.hexdigest()


def _parts(request: Request) -> Iterable[str | bytes]:
    if not isinstance(request.data, MultiValueDict):
        yield request.body
        return
    # A client that repeats an upload draws another boundary, so the body's bytes differ.
    for name, values in sorted(request.data.lists()):
        for value in values:
            yield name
            if isinstance(value, UploadedFile):
                yield value.name or ""
                content = hashlib.sha256()
                for chunk in value.chunks():
                    content.update(chunk)
                value.seek(0)
                yield content.digest()
            else:
                yield str(value)
