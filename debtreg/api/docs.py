"""The OpenAPI document, and pages to read and try it, from files of this server alone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView

from debtreg.api import schema

__all__ = ["DocumentView", "page", "schema"]  # the schema's rules register as it is imported


class DocumentView(SpectacularAPIView):
    """openapi.json, for everybody: it holds no data."""

    renderer_classes = [OpenApiJsonRenderer]
    authentication_classes: list[type] = []
    permission_classes: list[type] = []
    api_version = "v1"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Swagger UI. The page holds no script and no style of its own, as the site's policy wants."""
    return render(request, "api/docs.html")
