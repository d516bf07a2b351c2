"""The design system on one page, drawn by the real classes and parts, so that it can't go stale.

It is there in development and in the demo only.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from debtreg import keyset
from debtreg.actions import demo
from debtreg.models import JobState, ScoringRun
from debtreg.web.requests import PageRequest

STYLES = Path(settings.BASE_DIR, "debtreg/static/debtreg")
# Parts that this page does not show, and why.
NOT_SHOWN = {
    "edit.html": "a whole page: that of a price, a service, an iteration",
    "_reload.html": "it draws nothing, but loads a page of a job again",
    "_error.html": "it takes the place of the messages, of which one is shown",
    "_error_page.html": "a whole page: whatever is not there",
}


class SampleForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), help_text=gettext_lazy("What people will call it.")
    )
    effort = forms.DecimalField(label=gettext_lazy("Effort"), required=False, min_value=0)
    team = forms.ChoiceField(
        label=gettext_lazy("Team"),
        required=False,
        choices=[("", gettext_lazy("All")), ("payments", "payments")],
    )
    pinned = forms.BooleanField(label=gettext_lazy("Pinned"), required=False)


@cache
def tokens() -> dict[str, list[tuple[str, str]]]:
    """Every token with its value as tokens.css says it: type, space, sizes, colours."""
    css = (STYLES / "tokens.css").read_text()
    # The first one of a name is the usual one; what comes later is for compact rows and phones.
    found = dict(reversed(re.findall(r"(--[\w-]+):\s*([^;{}]+);", css)))
    kinds: dict[str, list[tuple[str, str]]] = {"type": [], "space": [], "sizes": [], "colours": []}
    for name, value in reversed(found.items()):
        if "font" in name or name == "--mono":
            continue
        kind = (
            "type"
            if name.startswith("--t-")
            else "space"
            if re.match(r"--s\d", name)
            else "colours"
            if value.startswith(("light-dark", "#"))
            else "sizes"
        )
        kinds[kind].append((name, " ".join(value.split())))
    return kinds


@cache
def classes(prefix: str) -> list[str]:
    """The classes of components.css that begin with a prefix, without it."""
    css = (STYLES / "components.css").read_text()
    return list(dict.fromkeys(re.findall(rf"(?m)^\.{prefix}([\w-]+)", css)))


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    if not (settings.DEBUG or demo.is_filled()):
        raise Http404
    messages.success(request, _("This is what has just been done."))
    messages.warning(request, _("This is done, but look at something."))
    messages.error(request, _("This could not be done: the reason, with the numbers. What to do."))
    now = timezone.now()
    form = SampleForm({"name": "", "effort": "-3", "team": "payments"})
    return render(
        request,
        "styleguide.html",
        {
            "tokens": tokens(),
            "icons": classes("i-"),
            "marks": classes("m-"),
            "form": form,
            "job": ScoringRun(
                state=JobState.RUNNING,
                stage="scoring",
                done=3,
                total=9,
                started_at=now - timedelta(minutes=2),
            ),
            "waiting": ScoringRun(state=JobState.QUEUED, queued_at=now),
            "states": [ScoringRun(state=state) for state in JobState.values],
            "page": keyset.Page(rows=[], next="b", previous="a"),
            "step": _tour(),
        },
    )


def _tour() -> dict[str, Any]:
    return {
        "number": 2,
        "count": 5,
        "title": _("A step of the tour"),
        "text": _("It says what the page below shows."),
        "before": "?",
        "after": "?",
    }
