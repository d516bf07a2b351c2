"""The glossary: every term of the pages in a sentence, with its formula."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from debtreg import versions
from debtreg.web import words
from debtreg.web.requests import PageRequest


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    return render(request, "help.html", {"kinds": words.KINDS, "standing": versions.standing()})
