"""How the OpenAPI document is made from the views: our fields, our errors, our headers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from debtreg import versions
from debtreg.api import errors
from debtreg.models import POINTS

_DECIMAL = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_TEXT = {"type": "string", "format": "decimal"}
_ERROR = {"$ref": "#/components/schemas/Error"}


def _sent(number: Any) -> dict[str, Any]:
    """A number that may be sent as its text, too."""
    return {
        "oneOf": [
            {"type": "number", "minimum": number.low, "maximum": number.high},
            {"type": "string", "pattern": _DECIMAL},
        ]
    }


class _Plain(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.fields.PlainField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": ["string", "null"], "format": "decimal"}


class _Number(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.fields.Number"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return _sent(self.target) if direction == "request" else dict(_TEXT)


class _Estimate(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.fields.Estimate"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        units = getattr(self.target, "units", ())
        unit = {"unit": {"type": "string", "enum": list(units)}} if units else {}
        if direction == "request":
            point = {"oneOf": [*_sent(self.target.number)["oneOf"], {"type": "null"}]}
            several = {
                "type": "object",
                "properties": {**dict.fromkeys(POINTS, point), **unit},
                "additionalProperties": False,
            }
            return {"oneOf": [several, *_sent(self.target.number)["oneOf"]]}
        found = {"type": ["string", "null"], "format": "decimal"}
        return {
            "type": "object",
            "properties": {**dict.fromkeys(POINTS, found), **unit},
            "required": [*POINTS, *unit],
        }


class _Key(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.fields.Key"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[Dd][Ee][Bb][Tt]-\d{1,18}$", "examples": ["DEBT-1"]}


class _Slug(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.fields.Slug"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}


class _Payload(OpenApiSerializerFieldExtension):
    target_class = "debtreg.api.policies.PayloadField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {name: part for name, part in versions.SCHEMA.items() if name != "$schema"}


_STATUSES = {
    400: "The request is not valid; `fields` names what is wrong.",
    401: "No token or session, or one that is not valid.",
    403: "This needs a role or a team that the caller does not have.",
    404: "There is no such thing.",
    409: "It does not go together with what is there now.",
    412: "If-Match names another revision than the one that is there.",
    413: "The body is too large.",
    415: "The body is of a type that this path does not take.",
}


def add_common(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What every operation has: errors in one shape, and the headers that belong to a method."""
    components = result["components"]
    components["schemas"]["Error"] = {
        "type": "object",
        "description": "Every error, of whatever status, has this shape.",
        "required": ["code", "message", "hint", "fields"],
        "additionalProperties": False,
        "properties": {
            "code": {"type": "string", "description": "For programs.", "examples": ["invalid"]},
            "message": {"type": "string", "description": "What happened, with numbers."},
            "hint": {"type": "string", "description": "What to do next."},
            "fields": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
                "description": "Path of a field in the request -> what is wrong with it.",
                "examples": [{"impacts[0].share": ["A number from 0 to 1."]}],
            },
        },
    }
    components["responses"] = {
        str(status): {
            "description": text,
            "content": {
                "application/json": {
                    "schema": _ERROR,
                    "example": errors.body(status, text.partition(";")[0]),
                }
            },
        }
        for status, text in _STATUSES.items()
    }
    components["parameters"] = {
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "A repeat with the same key and body gets the first answer, for 24 h.",
        },
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "schema": {"type": "string"},
            "description": "The ETag of what was read; refused with 412 if it has changed since.",
        },
    }
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return result


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    wrong = {401}
    if parameters:
        wrong.add(400)
    if "{" in path:
        wrong.add(404)
    if method != "get":
        wrong |= {400, 403, 409, 413, 415}
    if method == "post":
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
        wrong.add(404)
    if method in ("put", "patch") and path.endswith(("/debts/{key}/", "/scenarios/{id}/")):
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
        wrong.add(412)
    for status in sorted(wrong):
        operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
