"""The audit: who changed what, when and from where, with the old and the new values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import keyset
from debtreg.actions import rights
from debtreg.models import AuditEntry, Channel
from debtreg.web import exports
from debtreg.web.fields import DayField, problems_of
from debtreg.web.requests import PageRequest

PAGE_SIZE = 50
HEADERS = ("at", "who", "from", "what", "kind", "which", "old", "new", "request")
PIECE = 2_000


class AuditFilter(forms.Form):
    """What the address asks for; what can't be read is left out, and said."""

    who = forms.CharField(label=gettext_lazy("Who"), required=False, max_length=150)
    what = forms.CharField(
        label=gettext_lazy("What"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": "policy.activate"}),
    )
    which = forms.CharField(
        label=gettext_lazy("Which"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "DEBT-12"}),
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("From"),
        required=False,
        choices=[("", gettext_lazy("Anywhere")), *Channel.choices],
    )
    since = DayField(label=gettext_lazy("Since"), required=False)
    until = DayField(label=gettext_lazy("Until"), required=False)

    @property
    def problems(self) -> list[str]:
        return problems_of(self)


def found(form: AuditFilter) -> QuerySet[AuditEntry]:
    form.is_valid()
    asked, rows = form.cleaned_data, AuditEntry.objects.order_by("-pk")
    if asked.get("who"):
        rows = rows.filter(actor_name__iexact=asked["who"])
    if asked.get("what"):
        rows = rows.filter(action__istartswith=asked["what"])
    if asked.get("which"):
        rows = rows.filter(object_key__iexact=asked["which"])
    if asked.get("channel"):
        rows = rows.filter(channel=asked["channel"])
    if asked.get("since"):
        rows = rows.filter(at__gte=timezone.make_aware(datetime.combine(asked["since"], time.min)))
    if asked.get("until"):
        rows = rows.filter(at__lte=timezone.make_aware(datetime.combine(asked["until"], time.max)))
    return rows


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "audit.read")
    form = AuditFilter(request.GET)
    page = keyset.page(found(form), size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    for entry in page.rows:
        entry.changes = _changes(entry)  # type: ignore[attr-defined]
    context = {"form": form, "page": page, "count": None}
    return render(request, "audit/list.html", context)


def _changes(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    """Name, old and new of what changed; of a thing that is new or gone, what it was."""
    old, new = entry.old or {}, entry.new or {}
    return [(name, old.get(name), new.get(name)) for name in {**old, **new}]


@login_required
@require_safe
def export(request: PageRequest) -> HttpResponseBase:
    """All that the filters pick as CSV, sent while it is read."""
    rights.check(request.user, "audit.read")
    return exports.as_csv("audit", HEADERS, _rows(found(AuditFilter(request.GET))))


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[list[Any]]:
    for entry in entries.iterator(chunk_size=PIECE):
        values = (exports.as_json(each) for each in (entry.old, entry.new))
        yield [
            *(entry.at.isoformat(timespec="seconds"), entry.actor_name, entry.channel),
            *(entry.action, entry.object_type, entry.object_key, *values, entry.request_id),
        ]
