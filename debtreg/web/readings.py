"""Readings from a file: all of it is stored, or what is wrong is said line by line."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from debtreg.actions import readings, rights
from debtreg.models import Slo
from debtreg.templatetags.units import number
from debtreg.web.requests import PageRequest


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("The file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt"}),
        help_text=gettext_lazy("CSV in UTF-8, between commas, semicolons or tabs."),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_LIMIT_MB << 20:
            limit = {"limit": settings.UPLOAD_LIMIT_MB}
            raise forms.ValidationError(
                _("It has more than %(limit)s MB: split it, or use the command.") % limit
            )
        return file


@login_required
@require_http_methods(["GET", "POST"])
def import_file(request: PageRequest) -> HttpResponse:
    """`?slo=` names the SLO that one comes from, and goes back to."""
    rights.check(request.user, "readings.store")
    slo = Slo.objects.filter(name=request.GET.get("slo", "")[:63]).first()
    sent = request.method == "POST"
    form = FileForm(request.POST if sent else None, request.FILES if sent else None)
    found: list[dict[str, Any]] = []
    if sent and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            stored = readings.import_csv(file=file.file, filename=file.name, by=request.user)
        except readings.ReadingsRefused as error:
            form.add_error(None, f"{error.message} {error.hint}")
            found = [
                {"line": each["line"], "column": column, "problems": problems}
                for each in error.findings
                for column, problems in each["fields"].items()
            ]
        else:
            counts = {name: number(count) for name, count in vars(stored).items()}
            done = _("%(created)s new readings, %(updated)s corrected, %(unchanged)s unchanged.")
            messages.success(request, done % counts)
            return redirect("slo-detail", slo.name) if slo else redirect("slo-list")
    return render(
        request,
        "slos/readings.html",
        {"form": form, "slo": slo, "findings": found, "limit_mb": settings.UPLOAD_LIMIT_MB},
        status=422 if form.errors else 200,
    )
