"""Other versions of OpenSLO, brought into the shape of v1 as far as both have the same."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from debtreg.formats.entries import Item, mapping, name_of, text_of
from debtreg.formats.openslo_rules import VERSION

_ALPHA = ("openslo/v1alpha", "openslo.com/v1alpha")
_VERSIONS = (VERSION, "openslo.com/v1", *_ALPHA, "openslo.com/v2alpha")


def bring_to_v1(item: Item) -> bool:
    """Change an object's value, and say so; False if it is of no version that is read here."""
    version = text_of(item.value.get("apiVersion"))
    if version not in _VERSIONS:
        item.say(
            "error",
            "apiVersion",
            f"'{version[:60]}' is no version of OpenSLO that is read here.",
            f"Write {VERSION}.",
        )
        return False
    if version != VERSION:
        item.say(
            "warning",
            "apiVersion",
            f"{version} is read as {VERSION}, as far as both have the same.",
            f"Write {VERSION}.",
        )
    item.value = deepcopy(item.value) | {"apiVersion": VERSION}
    if item.kind == "Datasource":
        item.say("warning", "kind", "The kind is written DataSource.")
        item.kind = item.value["kind"] = "DataSource"
    if item.kind == "SLO":
        spec = mapping(item.value.get("spec"))
        if version in _ALPHA:
            _from_alpha(spec, name_of(item.name))
        _from_second(spec)
    return True


def _from_alpha(spec: dict[str, Any], name: str) -> None:
    """v1alpha has its window in units and its ratio in the objectives; in place."""
    if isinstance(windows := spec.pop("timeWindows", None), list):
        spec["timeWindow"] = windows
        letters = {"minute": "m", "hour": "h", "day": "d", "week": "w"}
        letters |= {"month": "M", "quarter": "Q", "year": "Y"}
        for window in filter(lambda each: isinstance(each, dict), windows):
            letter = letters.get(text_of(window.get("unit")).lower())
            if letter and "count" in window:
                window["duration"] = f"{window.pop('count')}{letter}"
                window.pop("unit")
    objectives = spec.get("objectives")
    for objective in objectives if isinstance(objectives, list) else ():
        ratio = objective.pop("ratioMetrics", None) if isinstance(objective, dict) else None
        if isinstance(ratio, dict):
            if "incremental" in ratio:
                ratio["counter"] = ratio.pop("incremental")
            for name in ("good", "bad", "total"):
                if isinstance(ratio.get(name), dict):
                    ratio[name] = _metric_of_alpha(ratio[name])
            objective["indicator"] = {"metadata": {"name": name}, "spec": {"ratioMetric": ratio}}
    threshold = mapping(spec.get("indicator")).get("thresholdMetric")
    if isinstance(threshold, dict):
        metric = _metric_of_alpha(threshold)
        spec["indicator"] = {"metadata": {"name": name}, "spec": {"thresholdMetric": metric}}


def _metric_of_alpha(metric: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    if "source" in metric:
        source["type"] = metric.pop("source")
    return {"metricSource": {**source, "spec": metric}}


def _from_second(spec: dict[str, Any]) -> None:
    """v2alpha has other names for what refers to something; in place."""
    names = {"serviceRef": "service", "sli": "indicator", "sliRef": "indicatorRef"}
    objectives = spec.get("objectives")
    for each in (spec, *(objectives if isinstance(objectives, list) else ())):
        if isinstance(each, dict):
            for old, new in names.items():
                if old in each and new not in each:
                    each[new] = each.pop(old)
    indicator = mapping(mapping(spec.get("indicator")).get("spec"))
    ratio = mapping(indicator.get("ratioMetric"))
    for owner, name in (
        (indicator, "thresholdMetric"),
        *((ratio, name) for name in ("good", "bad", "total", "raw")),
    ):
        metric = owner.get(name)
        if isinstance(metric, dict) and "metricSource" not in metric and "spec" in metric:
            source = {"spec": metric["spec"]}
            for old, new in (("dataSourceRef", "metricSourceRef"), ("type", "type")):
                if old in metric:
                    source[new] = metric[old]
            owner[name] = {"metricSource": source}
