"""Logging in, how pages look, and the API tokens of the person who is here."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from debtreg.actions import users
from debtreg.errors import DebtregError
from debtreg.models import ApiToken
from debtreg.templatetags.pages import PREFERENCES
from debtreg.web.errors import back, command
from debtreg.web.fields import DayField, show_problems
from debtreg.web.requests import PageRequest


class LoginView(views.LoginView):
    template_name = "account/login.html"
    redirect_authenticated_user = True


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep a choice of PREFERENCES in a cookie. Works before logging in, too.

    A language goes with the person to other machines.
    """
    response = redirect(back(request))
    language = request.POST.get(settings.LANGUAGE_COOKIE_NAME)
    if language in PREFERENCES[settings.LANGUAGE_COOKIE_NAME] and request.user.is_authenticated:
        users.choose_language(user=request.user, language=language)
    for name, choices in PREFERENCES.items():
        value = request.POST.get(name)
        if value in choices:
            response.set_cookie(
                name,
                value,
                max_age=365 * 24 * 3600,
                httponly=True,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
    return response


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("What will use it"),
        max_length=80,
        help_text=gettext_lazy(
            "As “nightly export”: so that you know what stops when you revoke it."
        ),
    )
    expires_on = DayField(
        label=gettext_lazy("Last day"),
        required=False,
        help_text=gettext_lazy("Empty: until it is revoked."),
    )


@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: PageRequest) -> HttpResponse:
    """The person's own tokens. A new one is shown in this answer and never again."""
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            context["token"], context["text"] = users.create_token(
                user=request.user,
                name=form.cleaned_data["name"],
                expires_at=_end_of(form.cleaned_data["expires_on"]),
                by=request.user,
            )
            context["form"] = TokenForm()
        except DebtregError as error:
            show_problems(form, error, {"expires_at": "expires_on"})
    context["tokens"] = ApiToken.objects.filter(user=request.user).order_by("-pk")[:200]
    status = 422 if form.errors else 200
    response = render(request, "account/tokens.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _end_of(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.max)) if day else None


@command
def revoke_token(request: PageRequest, pk: int) -> str:
    token = users.revoke_token(token_id=pk, by=request.user)
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return "token-list"
