"""People: who is here, in which role and teams. For administrators; one's own password for all."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db.models import Max, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from debtreg.actions import rights, users
from debtreg.errors import DebtregError
from debtreg.models import Role, Team, User
from debtreg.web.fields import show_problems
from debtreg.web.forms import RowForm
from debtreg.web.requests import PageRequest
from debtreg.web.saving import edit_page


class UserForm(RowForm):
    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "role", "teams", "is_active"]
        labels = {
            "username": gettext_lazy("Name to log in with"),
            "first_name": gettext_lazy("Given name"),
            "last_name": gettext_lazy("Family name"),
            "email": gettext_lazy("E-mail"),
            "is_active": gettext_lazy("May log in"),
        }
        help_texts = {
            "username": gettext_lazy("Letters, digits and @ . + - _ only."),
            "is_active": gettext_lazy("Take this away from who has left: what they did stays."),
        }

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    teams = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Teams"),
        queryset=Team.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Whose debts and iterations they may change."),
    )


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "user.change")
    used = Max("api_tokens__last_used_at", filter=Q(api_tokens__revoked_at=None))
    people = User.objects.annotate(token_used_at=used).prefetch_related("teams")
    people = people.order_by("-is_active", "username")
    return render(request, "users/list.html", {"people": people})


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    rights.check(request.user, "user.change")
    form = UserForm(request.POST or None, initial={"is_active": True})
    return _edit_page(request, form, _("New user"))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, pk: int) -> HttpResponse:
    rights.check(request.user, "user.change")
    user = get_object_or_404(User, pk=pk)
    title = _("Edit %(name)s") % {"name": user.username}
    return _edit_page(request, UserForm(request.POST or None, instance=user), title)


def _edit_page(request: PageRequest, form: UserForm, title: str) -> HttpResponse:
    def save(user: User) -> Any:
        teams = form.cleaned_data["teams"]
        return users.save_user(user=user, teams=teams, by=request.user)

    return edit_page(request, form, title=title, back=reverse("user-list"), save=save)


@login_required
@require_POST
def give_password(request: PageRequest, pk: int) -> HttpResponse:
    """A new password, shown in this answer and never again."""
    password = users.give_password(user_id=pk, by=request.user)
    user = User.objects.get(pk=pk)
    response = render(request, "users/password.html", {"person": user, "password": password})
    response["Cache-Control"] = "no-store"
    return response


class PasswordForm(forms.Form):
    old = forms.CharField(
        label=gettext_lazy("Present password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        max_length=200,
        help_text=gettext_lazy("Ten characters or more; nobody's name, and no common word."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@login_required
@require_http_methods(["GET", "POST"])
def own_password(request: PageRequest) -> HttpResponse:
    form = PasswordForm(request.POST or None)
    if form.is_valid():
        try:
            users.change_password(user=request.user, **form.cleaned_data)
        except DebtregError as error:
            show_problems(form, error)
        else:
            # This session goes on; all others end, as they were begun with the old one.
            update_session_auth_hash(request, request.user)
            messages.success(request, _("Your password is changed."))
            return redirect("home")
    return render(
        request,
        "parts/edit.html",
        {"form": form, "title": _("Change your password"), "back": reverse("home")},
        status=422 if form.errors else 200,
    )
