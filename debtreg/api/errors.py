"""One shape for every error: {"code", "message", "hint", "fields"}."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import structlog
from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponsePermanentRedirect, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from debtreg.errors import Conflict, DebtregError

log = structlog.get_logger(__name__)

# What the callers of this API are told: code, and what to do next.
_CODES = {
    400: ("invalid", "Correct what `fields` names and send the request again."),
    401: ("not_authenticated", "Send `Authorization: Bearer dr_...`; `create_token` makes one."),
    403: ("not_allowed", "Ask an administrator for the role or the team that this needs."),
    404: ("not_found", "Look at the list for what there is."),
    405: ("method_not_allowed", "The header Allow names the methods of this path."),
    406: ("not_acceptable", "Answers are JSON: accept application/json."),
    409: ("conflict", "Read what there is now, then decide again."),
    412: ("precondition_failed", "Read it again and repeat your change on what it is now."),
    413: ("too_large", "Send it in smaller parts."),
    414: ("uri_too_long", "Ask for less at a time, or send what is long in the body."),
    415: ("unsupported_media_type", "Send application/json; uploads are multipart/form-data."),
    431: ("headers_too_large", "Send fewer headers and cookies, or shorter ones."),
    500: ("server_error", "This is our mistake. The log has it under the request's traceparent."),
    503: ("unavailable", "Send the request again in a few seconds."),
}


# A row's column effort_low is the caller's effort.low.
POINT = re.compile(r"_(low|likely|high)$")


class PreconditionFailed(DebtregError):
    """What the caller has read is no longer what is there."""

    http_status = 412


class TooLarge(DebtregError):
    http_status = 413


def body(
    status: int,
    message: str,
    *,
    hint: str = "",
    code: str = "",
    fields: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    usual_code, usual_hint = _CODES.get(status, _CODES[400])
    return {
        "code": code or usual_code,
        "message": message,
        "hint": hint or usual_hint,
        "fields": fields or {},
    }


def handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler."""
    error = _translated(error)
    if isinstance(error, DebtregError):
        data = body(
            error.http_status,
            error.message,
            hint=error.hint,
            code=error.code,
            fields={POINT.sub(r".\1", name): found for name, found in error.fields.items()},
        )
        return _response(error.http_status, data)
    if isinstance(error, exceptions.ValidationError):
        fields = dict(flat(error.detail))
        return _response(400, body(400, _summary(fields), fields=fields))
    if isinstance(error, exceptions.APIException):
        text = _sentence(str(error.detail))
        response = _response(error.status_code, body(error.status_code, text))
        if header := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = header
        return response
    return _unexpected(error, context["request"]._request)


def _translated(error: Exception) -> Exception:
    """Django's own exceptions as ours."""
    match error:
        case Http404() | django_errors.ObjectDoesNotExist():
            return exceptions.NotFound("There is nothing at this address.")
        case django_errors.PermissionDenied():
            return exceptions.PermissionDenied()
        case django_errors.RequestDataTooBig():
            return TooLarge("The request is too large.", code="too_large")
        case django_errors.SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
            return exceptions.ParseError("The request's body cannot be read.")
        case RecursionError():
            return exceptions.ParseError("The JSON is nested too deeply.")
        case IntegrityError():  # somebody else was faster than our check
            return Conflict("Something like this is there already, or what it names is gone.")
        case DataError():
            return exceptions.ParseError("A value is outside of what can be stored.")
    return error


def _response(status: int, data: dict[str, Any]) -> Response:
    response = Response(data, status=status)
    if status == 503:
        response["Retry-After"] = "5"
    return response


def _unexpected(error: Exception, request: Any) -> Response:
    """A fault of ours or of the database: logged in full, told in the usual shape."""
    # What Django does for an exception that no view handles; tests see it that way, too.
    got_request_exception.send(sender=None, request=request)
    log.error("api_failed", path=request.path, method=request.method, exc_info=error)
    if isinstance(error, OperationalError):
        return _response(503, body(503, "The database did not answer in time."))
    return _response(500, body(500, "Something went wrong here, and nothing was stored."))


def flat(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """DRF's nested errors by path: `impacts[0].share`, and `__all__` for what concerns no field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from flat(inner, path)
            elif isinstance(name, int):
                yield from flat(inner, f"{path}[{name}]")
            else:
                yield from flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for number, inner in enumerate(detail):
            yield from flat(inner, f"{path}[{number}]")
    elif isinstance(detail, list):
        if detail:
            yield path or "__all__", [_sentence(str(problem)) for problem in detail]
    elif detail:
        yield path or "__all__", [_sentence(str(detail))]


def _summary(fields: dict[str, list[str]]) -> str:
    """The first problem in words, and how many more there are."""
    if not fields:
        return "The request is not valid."
    name, problems = next(iter(fields.items()))
    text = problems[0] if name == "__all__" else f"{name}: {problems[0]}"
    return f"{text} ({len(fields) - 1} more fields)" if len(fields) > 1 else text


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


@csrf_exempt
def not_found(request: HttpRequest) -> JsonResponse | HttpResponsePermanentRedirect:
    """Answer for every path under /api/ that is none; one without its last slash is sent there."""
    if not request.path.endswith("/"):
        try:
            found = resolve(f"{request.path_info}/")
        except Resolver404:
            found = None
        if found and found.func is not not_found:
            response = HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
            response.status_code = 308  # the method and the body stay
            return response
    return JsonResponse(
        body(404, "There is no such path.", hint="All paths are in /api/v1/openapi.json."),
        status=404,
    )
