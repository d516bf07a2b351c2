"""Compliance gaps: what is not in order with promises, whose it is and since when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import keyset
from debtreg.models import Finding, FindingKind, Team
from debtreg.web import exports
from debtreg.web.requests import PageRequest

PAGE_SIZE = 50
NOBODY = "none"


class GapFilterForm(forms.Form):
    """What the URL asks for."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    team = forms.ChoiceField(label=gettext_lazy("Owner"), required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        counts = dict(Finding.objects.open().order_by().values_list("kind").annotate(n=Count("pk")))
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", _("All")),
            *(
                (kind.value, f"{kind.label} ({counts[kind.value]})")
                for kind in FindingKind
                if kind.value in counts
            ),
        ]
        self.fields["team"].choices = [  # type: ignore[attr-defined]
            ("", _("All")),
            *Team.objects.values_list("slug", "name"),
            (NOBODY, _("Nobody")),
        ]
        self.is_valid()

    def rows(self) -> QuerySet[Finding]:
        rows = Finding.objects.open().select_related("team", "contract", "slo")
        if kind := self.cleaned_data.get("kind"):
            rows = rows.filter(kind=kind)
        team = self.cleaned_data.get("team")
        if team == NOBODY:
            rows = rows.filter(team=None)
        elif team:
            rows = rows.filter(team__slug=team)
        return rows.order_by("opened_at", "pk")


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    form = GapFilterForm(request.GET)
    page = keyset.page(form.rows(), size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    now = timezone.now()
    for row in page.rows:
        row.place = place(row)  # type: ignore[attr-defined]
        row.age_days = (now - row.opened_at).days  # type: ignore[attr-defined]
    query = request.GET.copy()
    query.pop("cursor", None)
    return render(
        request,
        "gaps/list.html",
        {"form": form, "page": page, "count": form.rows().count(), "query": query.urlencode()},
        status=422 if form.errors else 200,
    )


def place(row: Finding) -> str | None:
    """Where what a gap is about can be put right."""
    if row.slo:
        return reverse("slo-detail", args=[row.slo.name])
    if row.contract_id is None:
        return None
    address = reverse("contract-detail", args=[row.contract_id])
    return f"{address}#guarantee-{row.guarantee_id}" if row.guarantee_id else address


# --- For spreadsheets -----------------------------------------------------------------------------

HEADERS = ("since", "age_days", "kind", "owner", "subject", "gap", "what_to_do")


@login_required
@require_safe
def export(request: PageRequest) -> StreamingHttpResponse:
    """The list as CSV, as it is filtered."""
    return exports.as_csv("compliance-gaps", HEADERS, _cells(GapFilterForm(request.GET).rows()))


def _cells(rows: QuerySet[Finding]) -> Iterator[list[Any]]:
    now = timezone.now()
    for row in rows.iterator(chunk_size=2000):
        owner = row.team.name if row.team else ""
        since = timezone.localtime(row.opened_at).date().isoformat()
        what = (row.get_kind_display(), owner, row.subject, row.text, row.hint)
        yield [since, (now - row.opened_at).days, *what]
