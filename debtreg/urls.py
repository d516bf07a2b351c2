"""The web entry. The probes /livez, /readyz and /metrics are answered before this, in ops.py."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("debtreg.api.urls")),
]
