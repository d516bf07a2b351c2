"""SLOs as OpenSLO v1, strictly: the same text for the same SLOs, whatever they were read from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from decimal import Decimal
from typing import Any

from debtreg.formats import documents
from debtreg.formats.entries import (
    NAME,
    Finding,
    KeptEntry,
    ServiceEntry,
    SloEntry,
    mapping,
    name_of,
)
from debtreg.formats.openslo_kept import FORMAT, KEPT, OURS, take_forbidden, taken
from debtreg.formats.openslo_rules import VERSION, Breach, breaches
from debtreg.formats.openslo_slo import METHODS, NEW_YEAR, SOURCE_TYPE
from debtreg.numbers import plain

_METHODS = {ours: theirs for theirs, ours in METHODS.items()}
_DURATIONS = {"month": "1M", "quarter": "1Q", "year": "1Y"}
# The order of OpenSLO's own examples; other keys follow by the alphabet.
_ORDER = [
    *("apiVersion", "kind", "metadata", "name", "displayName", "labels", "annotations"),
    *("metricSourceRef", "type", "spec", "query"),
    *("description", "service", "indicator", "indicatorRef", "thresholdMetric", "ratioMetric"),
    *("counter", "good", "bad", "total", "raw", "rawType", "metricSource"),
    *("timeWindow", "duration", "isRolling", "calendar", "startTime"),
    *("timeZone", "budgetingMethod", "objectives", "op", "value", "target", "targetPercent"),
    *("timeSliceTarget", "timeSliceWindow", "alertPolicies"),
]
_PLACE = {name: place for place, name in enumerate(_ORDER)}
_KINDS = [
    "Service",
    "DataSource",
    "SLI",
    "AlertNotificationTarget",
    "AlertCondition",
    "AlertPolicy",
]


def write(
    slos: Iterable[SloEntry], services: Iterable[ServiceEntry], kept: Iterable[KeptEntry]
) -> tuple[str, list[Finding]]:
    """A text of several documents, and what v1 does not allow and was left out of it.

    That travels in the object's annotation debtreg.io/kept. An object that can't be written even
    so stands at the end, as a comment.
    """
    findings: list[Finding] = []
    found = {(each.kind, each.name): deepcopy(each.value) for each in kept}
    for service in services:
        if NAME.match(service.slug):
            base = {"name": service.slug, "displayName": service.name[:63]}
            made = _object("Service", base if service.name else {"name": service.slug}, {})
            key = ("Service", service.slug)
            found[key] = _merged(found.get(key, {}), made)
    objects, refused = [], []
    for (kind, name), value in sorted(found.items(), key=_kind_and_name):
        if written := _kept_object(kind, name, _plain(value), findings):
            objects.append(written)
        else:
            refused.append(_plain(value))
    objects += [_slo(entry, findings) for entry in sorted(slos, key=lambda each: each.name)]
    text = documents.dump(*map(_ordered, objects))
    return text + "".join(map(_comment, refused)), findings


def _kept_object(
    kind: str, name: str, value: dict[str, Any], findings: list[Finding]
) -> dict[str, Any] | None:
    """An object other than an SLO as v1 allows it; None if there is no way."""
    base = _object(kind, {"name": name_of(name)}, {})
    kept = deepcopy(value)
    parts: list[Any] = []
    if mapping(kept.get("metadata")).get("name") != name_of(name):
        _, old = taken(kept, ("metadata", "name"))
        parts.append([["metadata", "name"], old])
    more = take_forbidden(kept, lambda kept: _merged(kept, base))
    if more is None:
        first = breaches(value)[0]
        text = f"It is written as a comment only: v1 does not allow it. {first.message}"
        findings.append(Finding("warning", 0, 0, kind, name, first.where, text))
        return None
    parts += more
    if parts:
        _say_packed(parts, kind, name, findings)
        packed = json.dumps({"parts": parts}, ensure_ascii=False, sort_keys=True)
        base["metadata"]["annotations"] = {KEPT: packed}
    return dict(_merged(kept, base))


def _comment(value: dict[str, Any]) -> str:
    """An object as lines that no reader takes in."""
    lines = ["OpenSLO v1 does not allow this:", *documents.dump(_ordered(value)).splitlines()]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _say_packed(parts: list[Any], kind: str, name: str, findings: list[Finding]) -> None:
    for path, _ in parts:
        where = Breach(tuple(path), "").where
        text = "v1 does not allow this here: it is written into an annotation."
        findings.append(Finding("note", 0, 0, kind, name, where, text))


def _kind_and_name(pair: tuple[tuple[str, str], Any]) -> tuple[int, str]:
    (kind, name), _ = pair
    return _KINDS.index(kind), name


def _object(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _slo(entry: SloEntry, findings: list[Finding]) -> dict[str, Any]:
    base, annotations = _base(entry)
    packed: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    if entry.source_format == FORMAT:
        kept = _plain(deepcopy(entry.kept))
    else:
        packed = {"format": entry.source_format, "document": _plain(entry.kept)}
    parts = _outdated(kept, base)
    parts += take_forbidden(kept, lambda kept: _filled(kept, base)) or []
    if parts:
        packed["parts"] = parts
        _say_packed(parts, "SLO", entry.name, findings)
    if packed:
        annotations["kept"] = json.dumps(packed, ensure_ascii=False, sort_keys=True)
    if annotations:
        base["metadata"]["annotations"] = {
            f"{OURS}/{name}": text for name, text in annotations.items()
        }
    return _filled(kept, base)


def _base(entry: SloEntry) -> tuple[dict[str, Any], dict[str, str]]:
    """What the columns say: as v1 has it, and what only our annotations can say."""
    values = entry.values
    ours = {"kind": values["kind"], "threshold-ms": plain(values["threshold_ms"])}
    ours["month-basis"] = "" if values["month_basis"] == "calendar" else values["month_basis"]
    ours |= {"buckets-query": values["buckets_query"], "quantile-query": values["quantile_query"]}
    ours["guarantee"] = entry.guarantee
    metadata: dict[str, Any] = {"name": entry.name}
    spec: dict[str, Any] = {}
    for owner, key, name, longest in (
        (metadata, "displayName", "title", 63),
        (spec, "description", "description", 1050),
    ):
        text = values[name]
        if text and len(text) <= longest and text == text.strip():
            owner[key] = text
        elif text:
            owner[key] = text[:longest].strip()
            ours[name] = text
    spec["service"] = entry.service
    spec["timeWindow"] = [_window(values)]
    spec["budgetingMethod"] = _METHODS[values["method"]]
    objective: dict[str, Any] = {"target": Decimal(str(plain(values["objective"])))}
    if values["method"] == "timeslices":
        objective["timeSliceTarget"] = Decimal(str(plain(values["slice_target"])))
        objective["timeSliceWindow"] = f"{values['slice_seconds'] // 60}m"
    spec["objectives"] = [objective]
    if values["total_query"]:
        spec["indicator"] = _queries(entry, ours)
    elif entry.connection:
        ours["connection"] = entry.connection
    return _object("SLO", metadata, spec), {name: text for name, text in ours.items() if text}


def _window(values: dict[str, Any]) -> dict[str, Any]:
    if values["window"] == "rolling":
        found: dict[str, Any] = {"duration": f"{values['window_days']}d", "isRolling": True}
        return found
    calendar = {"timeZone": values["time_zone"]}
    return {
        "duration": _DURATIONS[values["window"]],
        "isRolling": False,
        "calendar": calendar,
    }


def _queries(entry: SloEntry, ours: dict[str, str | None]) -> dict[str, Any]:
    where: dict[str, Any] = {"type": "Prometheus"}
    if NAME.match(entry.connection):
        where["metricSourceRef"] = entry.connection
    elif entry.connection:
        ours["connection"] = entry.connection
    ratio: dict[str, Any] = {"counter": True}
    for name in ("good", "bad", "total"):
        if query := entry.values[f"{name}_query"]:
            ratio[name] = {"metricSource": {**where, "spec": {"query": query}}}
    return {"spec": {"ratioMetric": ratio}}


# --- What was kept --------------------------------------------------------------------------------


def _outdated(kept: dict[str, Any], base: dict[str, Any]) -> list[Any]:
    """Take out of `kept` what the columns say otherwise by now; pairs of path and value."""
    spec = mapping(kept.get("spec"))
    ways: list[tuple[str | int, ...]] = []
    if "indicator" in base["spec"]:
        inside = ("spec", "indicator", "spec")
        ways += [(*inside, "thresholdMetric"), ("spec", "indicatorRef")]
        ways += [(*inside, "ratioMetric", name) for name in ("raw", "rawType")]
        unused = {"good", "bad", "total"} - base["spec"]["indicator"]["spec"]["ratioMetric"].keys()
        ways += [(*inside, "ratioMetric", name) for name in sorted(unused)]
    if base["spec"]["budgetingMethod"] != "Occurrences" or spec.get("budgetingMethod") != (
        "RatioTimeslices"
    ):
        ways.append(("spec", "budgetingMethod"))
    if base["spec"]["timeWindow"][0]["isRolling"]:
        ways.append(("spec", "timeWindow", 0, "calendar"))
    parts = []
    for way in ways:
        found, value = taken(kept, way)
        if found:
            parts.append([list(way), value])
    return parts


def _filled(kept: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Both together, with an indicator in any case: v1 has no SLO without one."""
    found = _merged(kept, base)
    spec = found["spec"]
    if calendar := spec["timeWindow"][0].get("calendar"):
        calendar.setdefault("startTime", NEW_YEAR)
    if spec.get("budgetingMethod") == "Occurrences":
        method = mapping(kept.get("spec")).get("budgetingMethod")
        spec["budgetingMethod"] = method or "Occurrences"
    if "indicatorRef" in spec or any("indicator" in each for each in spec["objectives"]):
        return found
    indicator = spec.setdefault("indicator", {})
    indicator.setdefault("metadata", {}).setdefault("name", base["metadata"]["name"])
    inner = indicator.setdefault("spec", {})
    ratio = inner.get("ratioMetric", {})
    if "thresholdMetric" not in inner and "raw" not in ratio:
        ours = {"metricSource": {"type": SOURCE_TYPE, "spec": {"readings": "sent"}}}
        ratio = inner.setdefault("ratioMetric", {})
        ratio.setdefault("counter", True)
        ratio.setdefault("total", ours)
        if "good" not in ratio and "bad" not in ratio:
            ratio["good"] = deepcopy(ours)
    return found


def _merged(under: Any, over: Any) -> Any:
    """Mappings into each other, lists place by place; where both say something, `over` counts."""
    if isinstance(under, dict) and isinstance(over, dict):
        both = {key: _merged(under[key], over[key]) for key in under.keys() & over.keys()}
        return deepcopy(under) | deepcopy(over) | both
    if isinstance(under, list) and isinstance(over, list):
        both_ = [_merged(one, other) for one, other in zip(under, over, strict=False)]
        return both_ + deepcopy(under[len(over) :]) + deepcopy(over[len(under) :])
    return deepcopy(over)


def _plain(value: Any) -> Any:
    return documents.storable(value)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (_PLACE.get(name, len(_ORDER)), name))
        return {name: _ordered(value[name]) for name in names}
    return [_ordered(each) for each in value] if isinstance(value, list) else value
