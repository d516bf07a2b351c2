"""What OpenSLO v1 allows, as a JSON Schema. `description` is the sentence for who breaks a rule.

Taken from the specification's text, and where that says nothing from what its Go library checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from debtreg.formats.entries import MISSING

VERSION = "openslo/v1"


def _text(longest: int = 0, **more: Any) -> dict[str, Any]:
    bound = {"maxLength": longest, "description": f"It has at most {longest} characters."}
    return {"type": "string", **(bound if longest else {}), **more}


def _object(required: str = "", **fields: Any) -> dict[str, Any]:
    """Fields whose names are Python's words end in an underscore here."""
    properties = {name.rstrip("_"): schema for name, schema in fields.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required.split(),
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _list(items: dict[str, Any], least: int = 0, most: int | None = None) -> dict[str, Any]:
    bound = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, "minItems": least, **bound}


def _never(text: str) -> dict[str, Any]:
    return {"not": {}, "description": text}


def _one_of(text: str, *names: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names], "description": text}


_NAME = {
    "type": "string",
    "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    "description": "A name has a to z, 0 to 9 and hyphens, begins and ends without one, and is at"
    " most 63 long.",
}
_DURATION = {
    "type": "string",
    "pattern": r"^[1-9][0-9]*[mhdwMQY]$",
    "description": "A duration is a number and m (minutes), h, d, w, M (months), Q or Y, as 30d.",
}
_LABEL_KEY = r"^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$"
_ANNOTATION_KEY = (
    r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$"
)
_OPERATOR = {"enum": ["gt", "gte", "lt", "lte"], "description": "It is gt, gte, lt or lte."}
_DESCRIPTION = _text(1050)

_METADATA = _object(
    "name",
    name=_NAME,
    displayName=_text(63, minLength=1),
    labels={
        "type": "object",
        "propertyNames": {
            "pattern": _LABEL_KEY,
            "description": "A label's key has letters, digits, dots, hyphens, underscores.",
        },
        "additionalProperties": {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "description": "A label is a text or a list of texts. Put quotes around it.",
        },
    },
    annotations={
        "type": "object",
        "propertyNames": {
            "pattern": _ANNOTATION_KEY,
            "description": "An annotation's key is a word, or a domain, a slash and a word.",
        },
        "additionalProperties": {
            "type": "string",
            "description": "An annotation is a text. Put quotes around it.",
        },
    },
)
_METRIC = _object(
    "metricSource",
    metricSource=_object(
        "spec",
        metricSourceRef=_NAME,
        type_=_text(),
        spec={"type": "object", "minProperties": 1},
    ),
)
_RATIO = {
    **_object(
        counter={"type": "boolean"},
        good=_METRIC,
        bad=_METRIC,
        total=_METRIC,
        raw=_METRIC,
        rawType={"enum": ["success", "failure"], "description": "It is success or failure."},
    ),
    "oneOf": [
        {"required": ["total"], "oneOf": [{"required": ["good"]}, {"required": ["bad"]}]},
        {
            "required": ["raw", "rawType"],
            "not": {"anyOf": [{"required": ["good"]}, {"required": ["bad"]}]},
        },
    ],
    "description": "A ratio has total with either good or bad, or raw with rawType.",
}
_SLI = {
    **_object(description=_DESCRIPTION, thresholdMetric=_METRIC, ratioMetric=_RATIO),
    **_one_of(
        "An indicator has either thresholdMetric or ratioMetric.",
        *("thresholdMetric",),
        "ratioMetric",
    ),
}
_INDICATOR = _object("metadata spec", metadata=_ref("metadata"), spec=_ref("sli"))
_BELOW_ONE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_OBJECTIVE = {
    **_object(
        displayName=_text(),
        op=_OPERATOR,
        value={"type": "number", "description": "It is a number without quotes."},
        target={
            **_BELOW_ONE,
            "description": "A target is a number without quotes, from 0 to below 1.",
        },
        targetPercent={
            "type": "number",
            "minimum": 0,
            "exclusiveMaximum": 100,
            "description": "A targetPercent is a number without quotes, from 0 to below 100.",
        },
        timeSliceTarget={
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "description": "It is a number without quotes, above 0 and up to 1.",
        },
        timeSliceWindow={
            "anyOf": [_DURATION, {"type": "number", "exclusiveMinimum": 0}],
            "description": "It is a duration as 5m, or a number of minutes.",
        },
        indicator=_INDICATOR,
        indicatorRef=_NAME,
        compositeWeight={"type": "number", "exclusiveMinimum": 0},
    ),
    **_one_of("An objective has either target or targetPercent.", "target", "targetPercent"),
}
_TIME_WINDOW = {
    **_object(
        "duration isRolling",
        duration=_DURATION,
        isRolling={"type": "boolean", "description": "It is true or false."},
        calendar=_object(
            "startTime timeZone",
            startTime=_text(
                pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$",
                description="It is written as 2026-01-01 00:00:00.",
            ),
            timeZone=_text(),
        ),
    ),
    "if": {"properties": {"isRolling": {"const": True}}, "required": ["isRolling"]},
    "then": {"properties": {"calendar": _never("A rolling window has no calendar.")}},
    "else": {
        "if": {"required": ["isRolling"]},
        "then": {"required": ["calendar"]},
    },
    "description": "A rolling window has no calendar, and one that is not rolling has one.",
}
_CONDITION_SPEC = _object(
    "severity condition",
    description=_DESCRIPTION,
    severity=_text(minLength=1),
    condition=_object(
        "kind op threshold lookbackWindow",
        kind={"enum": ["burnrate"], "description": "The only kind is burnrate."},
        op=_OPERATOR,
        threshold={"type": "number", "description": "It is a number without quotes."},
        lookbackWindow=_DURATION,
        alertAfter=_DURATION,
    ),
)
_TARGET_SPEC = _object("target", description=_DESCRIPTION, target=_text(minLength=1))


def _inline(kind: str, spec: dict[str, Any], ref: str) -> dict[str, Any]:
    """An object that stands within another, or the name of one that stands elsewhere."""
    fields = {"kind": {"const": kind}, "metadata": _ref("metadata"), "spec": spec, ref: _NAME}
    return {
        **_object("", **fields),
        "oneOf": [{"required": [ref]}, {"required": ["kind", "metadata", "spec"]}],
        "description": f"It is either {ref}, or a whole {kind} with kind, metadata and spec.",
    }


_POLICY_SPEC = _object(
    "conditions notificationTargets",
    description=_DESCRIPTION,
    alertWhenNoData={"type": "boolean"},
    alertWhenBreaching={"type": "boolean"},
    alertWhenResolved={"type": "boolean"},
    conditions={
        **_list(_inline("AlertCondition", _CONDITION_SPEC, "conditionRef"), 1, 1),
        "description": "A policy has exactly one condition.",
    },
    notificationTargets=_list(_inline("AlertNotificationTarget", _TARGET_SPEC, "targetRef"), 1),
)
_ONLY_THRESHOLD = _never(
    "It belongs to a thresholdMetric: beside a ratioMetric it says nothing. Leave it out."
)
_INDICATORS = "An SLO has either indicator or indicatorRef, or its objectives have."
_HAS_INDICATOR = {"anyOf": [{"required": ["indicator"]}, {"required": ["indicatorRef"]}]}
_SLO_SPEC: dict[str, Any] = {
    **_object(
        "service budgetingMethod objectives",
        description=_DESCRIPTION,
        service=_text(minLength=1),
        indicator=_INDICATOR,
        indicatorRef=_NAME,
        timeWindow={**_list(_TIME_WINDOW, 1, 1), "description": "There is exactly one window."},
        budgetingMethod={
            "enum": ["Occurrences", "Timeslices", "RatioTimeslices"],
            "description": "It is Occurrences, Timeslices or RatioTimeslices.",
        },
        objectives=_list(_OBJECTIVE, 1),
        alertPolicies=_list(_inline("AlertPolicy", _POLICY_SPEC, "alertPolicyRef")),
    ),
    "allOf": [
        {
            "if": {
                "properties": {"objectives": {"contains": _HAS_INDICATOR}},
                "required": ["objectives"],
            },
            "then": {"not": _HAS_INDICATOR, "description": _INDICATORS},
            "else": {
                "oneOf": [{"required": ["indicator"]}, {"required": ["indicatorRef"]}],
                "description": _INDICATORS,
            },
            "description": _INDICATORS,
        },
        {
            "if": {
                "properties": {"budgetingMethod": {"const": "Timeslices"}},
                "required": ["budgetingMethod"],
            },
            "then": {
                "properties": {
                    "objectives": {
                        "items": {"required": ["timeSliceTarget", "timeSliceWindow"]},
                    }
                }
            },
        },
        {
            "if": {
                "properties": {"budgetingMethod": {"const": "RatioTimeslices"}},
                "required": ["budgetingMethod"],
            },
            "then": {"properties": {"objectives": {"items": {"required": ["timeSliceWindow"]}}}},
        },
        {
            "if": {
                "properties": {
                    "indicator": {
                        "properties": {"spec": {"required": ["ratioMetric"]}},
                        "required": ["spec"],
                    }
                },
                "required": ["indicator"],
            },
            "then": {
                "properties": {
                    "objectives": {
                        "items": {"properties": dict.fromkeys(("op", "value"), _ONLY_THRESHOLD)}
                    }
                }
            },
        },
    ],
}
_SPECS: dict[str, dict[str, Any]] = {
    "SLO": _SLO_SPEC,
    "SLI": _ref("sli"),
    "Service": _object(description=_DESCRIPTION),
    "DataSource": _object(
        "type connectionDetails",
        description=_DESCRIPTION,
        type_=_text(minLength=1),
        connectionDetails={},
    ),
    "AlertPolicy": _POLICY_SPEC,
    "AlertCondition": _CONDITION_SPEC,
    "AlertNotificationTarget": _TARGET_SPEC,
}
KINDS = tuple(_SPECS)
_VALIDATORS = {
    kind: jsonschema.Draft202012Validator(
        {
            **_object(
                "apiVersion kind metadata spec",
                apiVersion={
                    "const": VERSION,
                    "description": f"The version is {VERSION}.",
                },
                kind={"const": kind},
                metadata=_ref("metadata"),
                spec=spec,
            ),
            "$defs": {"metadata": _METADATA, "sli": _SLI},
        }
    )
    for kind, spec in _SPECS.items()
}

_TYPES = {"object": "a mapping", "array": "a list", "string": "a text", "boolean": "true or false"}

# What is wrong where no description says it; {} is the bound.
_BOUNDS = {
    "minItems": "It has {} or more.",
    "maxItems": "It has {} at most.",
    "minLength": "It is not empty.",
    "minProperties": "It is not empty.",
    "const": "It is {}.",
    "exclusiveMinimum": "It is above {}.",
    "minimum": "It is {} or more.",
}
_ODD = "This is not as OpenSLO v1 has it."


@dataclass(frozen=True)
class Breach:
    """A rule that an object breaks. path : keys and places down to what breaks it."""

    path: tuple[str | int, ...]
    message: str

    @property
    def where(self) -> str:
        found = ""
        for part in self.path:
            found += f"[{part}]" if isinstance(part, int) else f".{part}"
        return found.lstrip(".")


def breaches(value: dict[str, Any]) -> list[Breach]:
    """The rules of v1 that an object of one of KINDS breaks, in the order of its fields."""
    errors = _VALIDATORS[value["kind"]].iter_errors(value)
    found = {each: None for error in errors for each in _breaches(error)}
    return sorted(found, key=lambda each: [str(part) for part in each.path])


def _breaches(error: ValidationError) -> Iterator[Breach]:
    instance: Any = error.instance
    wanted: Any = error.validator_value
    path = tuple(error.absolute_path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    said = schema.get("description")
    if error.validator == "additionalProperties":
        for name in instance.keys() - schema["properties"].keys():
            yield Breach((*path, name), "OpenSLO v1 knows no such field.")
    elif error.validator == "required":
        missing = [name for name in wanted if name not in instance]
        for name in missing:
            yield Breach((*path, name), MISSING)
    elif "propertyNames" in error.absolute_schema_path:
        yield Breach((*path, str(instance)), said or _ODD)
    elif error.validator == "type" and not said:
        kind = _TYPES.get(str(wanted), "a number")
        yield Breach(path, f"This should be {kind}.")
    else:
        yield Breach(path, said or _BOUNDS.get(str(error.validator), _ODD).format(wanted))
