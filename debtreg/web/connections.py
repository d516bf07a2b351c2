"""Connections: the sites that readings are fetched from, how that goes, and what is wrong."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import keyset
from debtreg.actions import connections, measurements, rights
from debtreg.errors import DebtregError, NotAllowed
from debtreg.models import STEPS, AuthKind, Connection, Fetch
from debtreg.tasks import enqueue
from debtreg.web.errors import command
from debtreg.web.fields import show_problems
from debtreg.web.forms import RowForm
from debtreg.web.requests import PageRequest

PAGE_SIZE = 50
MOST_SLOS = 200


class ConnectionForm(RowForm):
    """The secret goes in and never comes out: empty keeps the one that is there."""

    class Meta:
        model = Connection
        fields = [
            *("name", "url", "auth", "username", "step_seconds", "delay_seconds", "is_paused"),
        ]

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=63,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Letters, digits and hyphens, as production."),
    )
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=300,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy(
            "As https://prometheus.example.org; plain http only for this machine."
        ),
    )
    auth = forms.ChoiceField(label=gettext_lazy("Login"), choices=AuthKind.choices)
    username = forms.CharField(
        label=gettext_lazy("User"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Of user and password."),
    )
    secret = forms.CharField(
        label=gettext_lazy("Password or token"),
        required=False,
        strip=False,
        max_length=connections.LONGEST_SECRET,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    step_seconds = forms.TypedChoiceField(
        label=gettext_lazy("Length of a reading"),
        choices=[(step, f"{step // 60} min") for step in STEPS],
        coerce=int,
    )
    delay_seconds = forms.IntegerField(
        label=gettext_lazy("Samples come late by, seconds"),
        min_value=0,
        max_value=3600,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "num"}),
        help_text=gettext_lazy("What is younger is not asked for yet."),
    )
    is_paused = forms.BooleanField(
        label=gettext_lazy("Paused: nothing is fetched by the clock"), required=False
    )

    field_order = ["name", "url", "auth", "username", "secret"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["secret"].help_text = (
            _("One is stored, encrypted. Empty keeps it.")
            if self.instance.sealed_secret
            else _("It is stored encrypted, and never shown again.")
        )

    @property
    def sent(self) -> dict[str, Any]:
        """What the actions take."""
        return {"connection": self.instance, "secret": self.cleaned_data["secret"] or None}


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    rows = Connection.objects.select_related("fetch").annotate(n_slos=Count("slos"))
    page = keyset.page(rows.order_by("name"), size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    return render(request, "connections/list.html", {"page": page})


@login_required
@require_safe
def detail(request: PageRequest, name: str) -> HttpResponse:
    """A site. While something is fetched, the page asks for itself again."""
    rows = Connection.objects.select_related("fetch__requested_by").annotate(n_slos=Count("slos"))
    site = get_object_or_404(rows, name=name)
    job: Fetch | None = getattr(site, "fetch", None)
    return render(
        request,
        "connections/detail.html",
        {
            "site": site,
            "job": job,
            "is_busy": job is not None and not job.is_over,
            # Those with a fault first.
            "slos": site.slos.select_related("service").order_by(
                "-fetch_error", "-gap_reason", "name"
            )[:MOST_SLOS],
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, Connection())


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, name: str) -> HttpResponse:
    return _edit(request, get_object_or_404(Connection, name=name))


def _edit(request: PageRequest, site: Connection) -> HttpResponse:
    """Save what is typed, or ask the site once with it: the secret stays in the browser then."""
    rights.check(request.user, "connection.change")
    name, answer = site.name, ""
    form = ConnectionForm(request.POST or None, instance=site)
    if request.method == "POST" and form.is_valid():
        try:
            if "probe" in request.POST:
                answer = connections.probe(**form.sent, by=request.user)
            else:
                saved = connections.save(**form.sent, by=request.user)
                messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
                return redirect("connection-detail", saved.name)
        except NotAllowed:
            raise
        except DebtregError as error:
            show_problems(form, error)
    return render(
        request,
        "connections/form.html",
        {"form": form, "name": name, "answer": answer},
        # htmx shows what came back of a question, whatever it was.
        status=422 if form.errors and not request.htmx else 200,
    )


# --- Buttons --------------------------------------------------------------------------------------


def _get(name: str) -> Connection:
    site = Connection.objects.filter(name=name).first()
    if site is None:
        raise Http404(name)
    return site


@command
def fetch(request: PageRequest, name: str) -> str:
    enqueue(measurements.request(site=_get(name), by=request.user))
    return reverse("connection-detail", args=[name])


@command
def cancel_fetch(request: PageRequest, name: str) -> str:
    measurements.cancel(site=_get(name), by=request.user)
    messages.success(
        request, _("Cancelled. What was fetched so far stays; the rest follows by the clock.")
    )
    return reverse("connection-detail", args=[name])


@command
def pause(request: PageRequest, name: str) -> str:
    paused = request.POST.get("paused") == "yes"
    connections.pause(connection=_get(name), paused=paused, by=request.user)
    done = _("%(name)s is paused.") if paused else _("%(name)s is fetched from again.")
    messages.success(request, done % {"name": name})
    return reverse("connection-detail", args=[name])


@command
def remove(request: PageRequest, name: str) -> str:
    connections.remove(connection=_get(name), by=request.user)
    messages.success(request, _("%(name)s is removed, with its secret.") % {"name": name})
    return reverse("connection-list")
