"""The web entry. The probes /livez, /readyz and /metrics are answered before this, in ops.py."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("debtreg.api.urls")),
    path("", include("debtreg.web.urls")),
]
handler400 = "debtreg.web.errors.bad_request"
handler403 = "debtreg.web.errors.not_allowed"
handler404 = "debtreg.web.errors.not_found"
handler500 = "debtreg.web.errors.server_error"
