"""What pages say when something can't be done: in our look, with the next step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render, resolve_url
from django.template import loader
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh, reswap, retarget

from debtreg import memo
from debtreg.actions import audit
from debtreg.errors import DebtregError, NotAllowed, NotFound
from debtreg.models import Channel

API = "/api/"


class Pages:
    """Marks what comes in as done by a page, and turns a DebtregError into a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        audit.channel.set(Channel.PAGE)
        with memo.one_look() if request.method in ("GET", "HEAD") else nullcontext():
            response = self.get_response(request)
        if not request.path.startswith(API) and "Cache-Control" not in response:
            # What one person sees is kept by no proxy, and asked for anew.
            patch_cache_control(response, private=True, no_cache=True)
        if request.htmx and _asks_to_log_in(response):  # type: ignore[attr-defined]
            # Not the log-in page inside of this one: the whole page again, which then asks.
            return HttpResponseClientRefresh()
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DebtregError) or request.path.startswith(API):
            return None
        return answer(request, error.http_status, error.message, error.hint)


def _asks_to_log_in(response: HttpResponse) -> bool:
    return isinstance(response, HttpResponseRedirect) and response.url.startswith(
        resolve_url(settings.LOGIN_URL)
    )


def answer(request: HttpRequest, status: int, message: str, hint: str = "") -> HttpResponse:
    """An error as a page of its own; for htmx as a notice above the page that is there."""
    context = {"status": status, "message": message, "hint": hint}
    if getattr(request, "htmx", None):
        response = render(request, "parts/_error.html", context, status=status)
        return _as_notice(response)
    return render(request, "error.html", context, status=status)


def _as_notice(response: HttpResponse) -> HttpResponse:
    return reswap(retarget(response, "#messages"), "innerHTML")


def command(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """A view behind a button: POST, logged in, then back to a page.

    The view returns where to go, as `redirect` takes it; None goes back to where the button is.
    What can't be done is said there; only who may not do it at all gets a page of its own.
    """

    @login_required
    @require_POST
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            target = view(request, *args, **kwargs)
        except NotAllowed:
            raise
        except DebtregError as error:
            messages.error(request, f"{error.message} {error.hint}".strip())
            target = None
        return target if isinstance(target, HttpResponse) else redirect(target or back(request))

    return wrapped


def back(request: HttpRequest) -> str:
    """The page that the request came from, if it is one of ours; else their home."""
    came_from = request.META.get("HTTP_REFERER", "")
    return named(request) or _ours(request, came_from) or resolve_url("home")


def named(request: HttpRequest) -> str:
    """The page of ours that a form names as the next one; empty if it names none."""
    return _ours(request, request.POST.get("next", ""))


def _ours(request: HttpRequest, url: str) -> str:
    hosts, secure = {request.get_host()}, request.is_secure()
    return url if url_has_allowed_host_and_scheme(url, hosts, require_https=secure) else ""


def chosen_key(request: HttpRequest, name: str, sent: QueryDict | None = None) -> int | None:
    """The key that a select was sent with; None where it was left empty. Raises NotFound.

    sent : where it is, by default in the POST
    """
    text = (request.POST if sent is None else sent).get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(
            _("There is no %(name)s %(text)s.") % {"name": name, "text": text[:40]},
            hint=_("Load the page again and choose from its list."),
        )
    return int(text)


# --- What Django calls ----------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(
        request,
        400,
        _("This request can't be read."),
        _("Go back and try again; if it came from a link, the link may be cut off."),
    )


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(
        request,
        403,
        _("You may not do this."),
        _("Ask a product owner of the team, or an administrator."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(
        request,
        404,
        _("There is no such page."),
        _("It may have been moved or removed. Look it up in the ranking."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Says what to do without touching the database or the session, which may be what failed."""
    context = {
        "status": 500,
        "message": _("Something went wrong on our side."),
        "hint": _("It has been noted. Try again in a minute; your data is as it was before."),
    }
    if getattr(request, "htmx", None):
        page = loader.render_to_string("parts/_error.html", context)
        response = HttpResponse(page, status=500)
        return _as_notice(response)
    return HttpResponse(loader.render_to_string("error.html", context), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(
        request,
        403,
        _("This form is too old, or cookies are switched off."),
        _("Go back, load the page again and send the form once more."),
    )
