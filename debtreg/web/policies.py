"""The scoring policy: its versions, what they say, what one would move, which one is in force."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from debtreg import keyset, versions
from debtreg.actions import policies, rights, what_if
from debtreg.errors import DebtregError, NotAllowed
from debtreg.models import PolicyActivation, ScoringPolicy, WhatIf
from debtreg.tasks import enqueue, enqueue_waiting
from debtreg.templatetags import units
from debtreg.web import words
from debtreg.web.errors import chosen_key, command
from debtreg.web.facets import Facets
from debtreg.web.fields import show_problems
from debtreg.web.forms import PolicyForm
from debtreg.web.requests import PageRequest

PAGE_SIZE = 30
MOST_ACTIVATIONS = 30
# Of the list of versions to compare with.
MOST_OTHERS = 200


@login_required
@require_safe
def index(request: PageRequest) -> HttpResponse:
    standing = versions.standing()
    rows = ScoringPolicy.objects.select_related("created_by").order_by("-version")
    page = keyset.page(rows, size=PAGE_SIZE, cursor=request.GET.get("cursor"))
    activations = PolicyActivation.objects.filter(policy__in=page.rows)
    activated = set(activations.values_list("policy_id", flat=True))
    for row in page.rows:
        row.state = _state(row, standing, row.pk in activated)  # type: ignore[attr-defined]
    last, target = policies.way_back()
    return render(
        request,
        "policies/list.html",
        {
            "standing": standing,
            "page": page,
            "activations": PolicyActivation.objects.select_related("by")[:MOST_ACTIVATIONS],
            "last": last,
            "target": target,
        },
    )


def _state(row: ScoringPolicy, standing: versions.Standing, activated: bool) -> str:
    if row.version == standing.version:
        return "in_force"
    if versions.problem_of(row):
        return "refused"
    return "past" if activated else "draft"


@login_required
@require_safe
def detail(request: PageRequest, version: int) -> HttpResponse:
    """What a version says, beside another one: `?against=2`, by default the one in force."""
    row, standing = policies.get(version), versions.standing()
    against = chosen_key(request, "against", request.GET)
    other = policies.get(against) if against else versions.counterpart(row, standing)
    activations = PolicyActivation.objects.filter(policy=row).select_related("by")
    return render(
        request,
        "policies/detail.html",
        {
            "row": row,
            "other": other,
            "others": ScoringPolicy.objects.exclude(pk=row.pk).values_list("pk", flat=True)[
                :MOST_OTHERS
            ],
            "standing": standing,
            "problem": versions.problem_of(row),
            "state": _state(row, standing, activations.exists()),
            "groups": _groups(row.payload, other.payload),
            "differences": versions.differences(other.payload, row.payload),
            "activations": activations[:MOST_ACTIVATIONS],
            "what_if": WhatIf.objects.filter(policy=row).first(),
        },
    )


def _groups(payload: Any, other: Any) -> list[dict[str, Any]]:
    """Every field of two payloads in words, in groups; what is no field of a policy comes last."""
    new, old = versions.flat(payload), versions.flat(other)
    rows = [
        (
            words.policy_group(field.path),
            words.POLICY_FIELDS[field.path],
            field.path,
            _(field.meaning),
        )
        for field in versions.FIELDS
    ]
    known = {field.path for field in versions.FIELDS}
    rows += [
        ("unknown", path, path, _("This is no field of a policy."))
        for path in sorted((new.keys() | old.keys()) - known)
    ]
    groups: dict[str, list[dict[str, Any]]] = {group: [] for group in words.POLICY_GROUPS}
    for group, label, path, meaning in rows:
        groups[group].append(
            {
                "label": label,
                "meaning": _(meaning),
                "old": _shown(path, old.get(path)),
                "new": _shown(path, new.get(path)),
                "differs": old.get(path) != new.get(path),
            }
        )
    return [
        {"title": words.POLICY_GROUPS[group], "rows": fields}
        for group, fields in groups.items()
        if fields
    ]


def _shown(path: str, value: Any) -> str:
    if value is None:
        return "–"
    if type(value) not in (int, float):
        return json.dumps(value, ensure_ascii=False)[:80]
    return units.percent(value) if path in words.POLICY_SHARES else units.number(value)


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    """A form with the numbers of the version in force, or of `?from=2`. Raises PolicyRefused."""
    rights.check(request.user, "policy.change")
    chosen = chosen_key(request, "from", request.GET)
    start = policies.get(chosen) if chosen else versions.standing().row
    if start:
        versions.read(start)
    payload = start.payload if start else versions.DEFAULTS
    form = PolicyForm(request.POST or None, initial=versions.flat(payload))
    if request.method == "POST" and form.is_valid():
        try:
            row = policies.create(
                payload=form.payload, note=form.cleaned_data["note"], by=request.user
            )
        except NotAllowed:
            raise
        except DebtregError as error:
            names = {f"payload.{field.path}": field.path for field in versions.FIELDS}
            show_problems(form, error, names)
        else:
            messages.success(
                request,
                _("%(version)s is stored. It counts once it is activated.")
                % {"version": str(row).capitalize()},
            )
            return redirect("policy-detail", row.version)
    return render(
        request,
        "policies/form.html",
        {"form": form, "start": start},
        status=422 if form.errors else 200,
    )


@command
def activate(request: PageRequest, version: int) -> str:
    policies.activate(version=version, by=request.user)
    _say_in_force(request, version)
    return reverse("policy-detail", args=[version])


@command
def rollback(request: PageRequest) -> str:
    activation = policies.rollback(by=request.user, leaving=chosen_key(request, "leaving"))
    _say_in_force(request, activation.policy_id)
    return reverse("policy-list")


def _say_in_force(request: PageRequest, version: int) -> None:
    run = enqueue_waiting()
    said = _("Version %(v)s is in force.") % {"v": version}
    if run:
        said += " " + _("Run %(n)s scores the portfolio with it.") % {"n": run.pk}
    messages.success(request, said)


# --- What if --------------------------------------------------------------------------------------


@login_required
@require_safe
def what_if_page(request: PageRequest, version: int) -> HttpResponse:
    """What the version would move. While that is worked out, the page asks for itself again."""
    row, standing = policies.get(version), versions.standing()
    job = WhatIf.objects.filter(policy=row).select_related("requested_by").first()
    movers = job.movers.select_related("item__score") if job else []
    return render(
        request,
        "policies/what_if.html",
        {
            "row": row,
            "job": job,
            "movers": movers,
            "rough": bool(job) and Facets.read().totals({}).rough,
            "standing": standing,
            "problem": versions.problem_of(row),
        },
    )


@command
def start_what_if(request: PageRequest, version: int) -> str:
    enqueue(what_if.request(version=version, by=request.user))
    return reverse("policy-what-if", args=[version])


@command
def cancel_what_if(request: PageRequest, version: int) -> str:
    what_if.cancel(version=version, by=request.user)
    messages.success(request, _("Cancelled. Nothing was changed by it."))
    return reverse("policy-what-if", args=[version])
