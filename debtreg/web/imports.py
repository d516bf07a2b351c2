"""Importing a ledger: upload, columns, preview, store. One page follows the import all the way."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import keyset
from debtreg.actions import imports, rights
from debtreg.errors import DebtregError, NotAllowed
from debtreg.models import ImportStep, LedgerFinding, LedgerImport, LedgerSource
from debtreg.tasks import enqueue
from debtreg.web import words
from debtreg.web.errors import command
from debtreg.web.fields import show_problems
from debtreg.web.forms import UploadForm
from debtreg.web.requests import PageRequest

PAGE_SIZE = 30
FINDINGS_A_PAGE = 100
# Of all sheets; a form with more is more than a browser and the server take.
SHOWN_COLUMNS = 500


@login_required
@require_http_methods(["GET", "POST"])
def start(request: PageRequest) -> HttpResponse:
    """The imports so far, and the form that starts one."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        rights.check(request.user, "ledger.import")
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                job = imports.start(
                    file=file,
                    filename=file.name,
                    source=form.cleaned_data["source"],
                    by=request.user,
                )
                enqueue(job)
                return redirect("import-detail", job.pk)
            except NotAllowed:
                raise
            except DebtregError as error:
                show_problems(form, error)
    page = keyset.page(
        LedgerImport.objects.select_related("source", "requested_by").order_by("-pk"),
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor"),
    )
    return render(
        request,
        "imports/list.html",
        {
            "form": form,
            "page": page,
            "sources": LedgerSource.objects.all()[:200],
            "limit_mb": settings.UPLOAD_LIMIT_MB,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_safe
def detail(request: PageRequest, pk: int) -> HttpResponse:
    """Wherever the import is: progress, what was found, or what came of it."""
    job = _get(pk)
    context: dict[str, Any] = {"job": job, "is_preview": job.step == ImportStep.PREVIEW}
    if job.is_over:
        findings = LedgerFinding.objects.filter(ledger_import=job)
        kinds = findings.order_by().values_list("kind").annotate(n=Count("*")).order_by("-n")
        kind = request.GET.get("kind", "")
        if kind in words.FINDINGS:
            findings = findings.filter(kind=kind)
        context |= {
            "kinds": [
                {"kind": name, "label": words.FINDINGS.get(name, name), "n": n} for name, n in kinds
            ],
            "chosen_kind": kind,
            "page": keyset.page(
                findings.order_by("pk"), size=FINDINGS_A_PAGE, cursor=request.GET.get("cursor")
            ),
            "sheets": _shown(job),
            "fields": words.LEDGER_FIELDS.items(),
            "field_names": words.LEDGER_FIELDS,
            "skipped_because": words.SKIPPED,
            "several_sheets": sum(sheet["imported"] for sheet in _sheets(job)) > 1,
        }
    return render(request, "imports/detail.html", context)


def _get(pk: int) -> LedgerImport:
    return get_object_or_404(LedgerImport.objects.select_related("source", "requested_by"), pk=pk)


def _sheets(job: LedgerImport) -> list[dict[str, Any]]:
    return job.workbook.get("sheets", [])


def _shown(job: LedgerImport) -> list[dict[str, Any]]:
    """The sheets, each with the columns that its form has, and how many more it has."""
    sheets, left = [], SHOWN_COLUMNS
    for sheet in _sheets(job):
        columns = sheet["columns"][:left]
        left -= len(columns)
        more = len(sheet["columns"]) - len(columns)
        sheets.append({**sheet, "columns": columns, "more": more})
    return sheets


def _field(name: str | None) -> str | None:
    return name if name in words.LEDGER_FIELDS else None


@command
def columns(request: PageRequest, pk: int) -> str:
    """Read the file again with other columns or sheets, as the selects `SHEET-COLUMN` say."""
    job = _get(pk)
    mapping: dict[str, dict[str, str | None]] = {}
    for number, sheet in enumerate(_shown(job)):
        mapping[sheet["name"]] = job.mapping.get(sheet["name"], {}) | {
            str(column["index"]): _field(request.POST.get(f"{number}-{column['index']}"))
            for column in sheet["columns"]
        }
    chosen = [
        sheet["name"]
        for number, sheet in enumerate(_sheets(job))
        if f"sheet-{number}" in request.POST
    ]
    job = imports.choose(import_id=pk, mapping=mapping, sheets=chosen, by=request.user)
    enqueue(job)
    return reverse("import-detail", args=[pk])


@command
def again(request: PageRequest, pk: int) -> str:
    enqueue(imports.read_again(import_id=pk, by=request.user))
    return reverse("import-detail", args=[pk])


@command
def commit(request: PageRequest, pk: int) -> str:
    enqueue(imports.commit(import_id=pk, by=request.user))
    return reverse("import-detail", args=[pk])


@command
def cancel(request: PageRequest, pk: int) -> str:
    imports.cancel(import_id=pk, by=request.user)
    messages.success(request, _("The import is cancelled; nothing of it was stored."))
    return reverse("import-detail", args=[pk])
