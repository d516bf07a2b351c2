"""The OpenAPI document, and a page to read and try it, from files of this server alone."""

from __future__ import annotations

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from debtreg.api import schema

__all__ = ["document", "page", "schema"]  # the schema's rules register as it is imported


@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """openapi.json, for everybody: it holds no data."""
    return HttpResponse(_document(), content_type="application/json")


@cache
def _document() -> bytes:
    """Made once: it takes a second, and anybody may ask for it."""
    found = SchemaGenerator().get_schema(request=None, public=True)
    rendered: bytes = OpenApiJsonRenderer().render(found, renderer_context={})
    return rendered


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Swagger UI. The page holds no script and no style of its own, as the site's policy wants."""
    return render(request, "api/docs.html")
