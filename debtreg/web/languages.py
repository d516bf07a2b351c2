"""In which language a page is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

API = "/api/"


def language_of(request: HttpRequest) -> str:
    """What the person has chosen, on this machine or another; else what their browser asks for.

    Machines are answered in English.
    """
    if request.path.startswith(API):
        return settings.LANGUAGE_CODE
    chosen = getattr(request.user, "language", "")
    if chosen in dict(settings.LANGUAGES):
        return chosen
    return translation.get_language_from_request(request)


class Languages:
    """Answers each request in its language, and says which it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        language = language_of(request)
        with translation.override(language):
            response = self.get_response(request)
        if isinstance(response, StreamingHttpResponse):
            # It is made while it is sent, when this has long returned.
            parts = cast("Iterable[bytes]", response.streaming_content)
            response.streaming_content = _spoken(language, parts)
        response.headers.setdefault("Content-Language", language)
        if not request.path.startswith(API):
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


def _spoken(language: str, parts: Iterable[Any]) -> Iterator[Any]:
    with translation.override(language):
        yield from parts
