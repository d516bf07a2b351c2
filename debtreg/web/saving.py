"""The page behind every form that edits one row of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from debtreg.actions import catalog
from debtreg.errors import DebtregError, NotAllowed
from debtreg.tasks import enqueue_waiting
from debtreg.web.fields import show_problems
from debtreg.web.requests import PageRequest


def edit_page(
    request: PageRequest,
    form: forms.ModelForm[Any],
    *,
    title: str,
    back: str,
    removable: bool = False,
    save: Callable[..., Any] | None = None,
    remove: Callable[..., Any] | None = None,
) -> HttpResponse:
    """Show the form; save or remove its row and go `back`. The caller has checked the right.

    save, remove : what does it, by default the catalog's actions

    What was typed stays where the action refuses it. Where scores hang on the row, the scoring
    run that the action asked for is sent on its way.
    """
    obj = form.instance
    if request.method == "POST":
        try:
            if removable and "remove" in request.POST:
                name = str(obj)
                remove(obj) if remove else catalog.remove(obj=obj, by=request.user)
                messages.success(request, _("%(name)s is removed.") % {"name": name})
                return _leave(back)
            if form.is_valid():
                save(obj) if save else catalog.save(obj=obj, by=request.user)
                messages.success(request, _("%(name)s is saved.") % {"name": obj})
                return _leave(back)
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error)
    return render(
        request,
        "parts/edit.html",
        {"form": form, "title": title, "back": back, "removable": removable and obj.pk},
        status=422 if form.errors else 200,
    )


def _leave(back: str) -> HttpResponse:
    enqueue_waiting()
    return redirect(back)
