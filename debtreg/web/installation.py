"""How this installation is set up, and whether its parts answer. Set by its environment alone."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from debtreg import parts, versions
from debtreg.actions import rights
from debtreg.web.requests import PageRequest


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    """What is set, by the name of its variable; secrets and addresses with passwords are not."""
    rights.check(request.user, "user.change")
    shown = [
        ("CURRENCY", settings.CURRENCY, _("Of all amounts; what is in another one is unpriced.")),
        ("TIME_ZONE", settings.TIME_ZONE, _("By which days and nights begin.")),
        ("NIGHTLY_AT", settings.NIGHTLY_AT, _("When the nightly run begins.")),
        ("READINGS_KEPT_DAYS", settings.READINGS_KEPT_DAYS, _("Days that raw readings are kept.")),
        (
            "OUTCOME_DUE_DAYS",
            settings.OUTCOME_DUE_DAYS,
            _("Days after a repair until what it brought is due to be measured."),
        ),
        ("UPLOAD_LIMIT_MB", settings.UPLOAD_LIMIT_MB, _("MiB that a file may have.")),
        (
            "LOOPBACK_CONNECTIONS",
            settings.LOOPBACK_CONNECTIONS,
            _("Whether readings may be fetched from this machine itself."),
        ),
        ("HTTPS", settings.HTTPS, _("Whether cookies and addresses are for https only.")),
        ("LOG_LEVEL", settings.LOG_LEVEL, _("From which level on lines are logged.")),
        ("DATABASE_URL", connection.vendor, _("The kind of database.")),
        ("WEB_PROCESSES", settings.WEB_PROCESSES, _("Processes of the web server.")),
        ("WORKER_PROCESSES", settings.WORKER_PROCESSES, _("Processes of the worker.")),
    ]
    context = {"shown": shown, "parts": parts.read(), "standing": versions.standing()}
    return render(request, "installation.html", context)
