"""Sloth: `prometheus/v1` files and Kubernetes' PrometheusServiceLevel, read and written.

Sloth's objectives are percents. Its burn rates are means of five-minute ratios; here single events
are counted. It has no window per SLO: the period is 30 days unless an AlertWindows says otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

from debtreg.formats import documents
from debtreg.formats.documents import Document
from debtreg.formats.entries import (
    PLACES,
    Contents,
    Finding,
    Item,
    KeptEntry,
    Known,
    ServiceEntry,
    SloEntry,
    items,
    mapping,
    name_of,
    number_of,
    pruned,
    text_of,
    threshold_of,
)
from debtreg.numbers import plain

FORMAT = "sloth"
VERSION = "prometheus/v1"
GROUP = "sloth.slok.dev/"
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*[A-Za-z0-9]\Z")
_PERIOD = re.compile(r"([0-9]{1,4})([dw])\Z")
_RATE = re.compile(r"\brate\s*\(")
_WINDOW = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
# Kubernetes' names of what is read here -> those of files.
_FILES = {
    "errorQuery": "error_query",
    "totalQuery": "total_query",
    "errorRatioQuery": "error_ratio_query",
    "pageAlert": "page_alert",
    "ticketAlert": "ticket_alert",
}
_OF_FILES = {ours: theirs for theirs, ours in _FILES.items()}
_ALERT = dict.fromkeys(("disable", "labels", "annotations"))
_SLO: dict[str, Any] = {
    **dict.fromkeys(("name", "description", "objective", "labels", "plugins")),
    "sli": {
        "events": dict.fromkeys(("error_query", "total_query")),
        "raw": {"error_ratio_query": None},
        "plugin": dict.fromkeys(("id", "options")),
    },
    "alerting": {
        **dict.fromkeys(("name", "labels", "annotations")),
        **dict.fromkeys(("page_alert", "ticket_alert"), _ALERT),
    },
}
_SPEC: dict[str, Any] = {**dict.fromkeys(("service", "labels")), "slos": _SLO}
_METADATA = dict.fromkeys(
    (
        *("name", "namespace", "labels", "annotations", "generateName", "finalizers", "uid"),
        *("resourceVersion", "creationTimestamp", "generation", "ownerReferences", "selfLink"),
        *("managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"),
    )
)
_KNOWN: Known = {**dict.fromkeys(("version", "slo_plugins")), **_SPEC}
# What is written where nothing was said of alerts: Sloth demands a word.
_NO_ALERTS = {name: {"disable": True} for name in ("page_alert", "ticket_alert")}


def is_ours(value: Any) -> bool:
    """True for a spec of Sloth, as a file or as an object of Kubernetes."""
    if not isinstance(value, dict):
        return False
    return value.get("version") == VERSION or str(value.get("apiVersion")).startswith(GROUP)


def read(found: list[Document]) -> Contents:
    """All that Sloth's specs say, with what a person should know of them."""
    contents = Contents(FORMAT)
    several = list(items(found, contents.findings))
    days = _days(several)
    for item in several:
        if not is_ours(item.value):
            item.say("error", "", f"This is no spec of Sloth: it has no version {VERSION}.")
        elif item.kind == "AlertWindows":
            contents.kept.append(KeptEntry(item.kind, item.name or "default", item.value))
            item.say("note", "", "Alert windows are kept; here they follow from the SLO's window.")
        elif item.kind in ("", "PrometheusServiceLevel"):
            _read_spec(item, days, contents)
        else:
            item.say("error", "kind", f"'{item.kind[:60]}' is no kind that is read here.")
    contents.tidy()
    return contents


def _days(several: list[Item]) -> int:
    """The period that the file's alert windows are for; 30 days where it does not say."""
    for item in several:
        period = text_of(mapping(item.value.get("spec")).get("sloPeriod"))
        if item.kind == "AlertWindows" and (match := _PERIOD.match(period)):
            days = int(match[1]) * (7 if match[2] == "w" else 1)
            if 1 <= days <= 366:
                return days
            item.say("warning", "spec.sloPeriod", f"{period} is not 1 to 366 days: 30 are taken.")
    return 30


def _read_spec(item: Item, days: int, contents: Contents) -> None:
    rest = deepcopy(item.value)
    prefix = ""
    if item.kind:
        prefix, rest = "spec.", _of_kubernetes(rest)
        spec = {"sloPlugins": None, **_renamed(_SPEC, _OF_FILES)}
        head = {**dict.fromkeys(("apiVersion", "kind", "status")), "metadata": _METADATA}
        known: Known = {**head, "spec": spec}
        item.say_unknown(known, "Sloth")
    else:
        item.say_unknown(_KNOWN, "Sloth")
    rest.pop("version", None)
    service = text_of(rest.pop("service", ""))
    item.name = item.name or service
    if not service:
        item.say("error", f"{prefix}service", "There is no service.", "Name it.")
        return
    contents.services.append(ServiceEntry(item, service))
    slos = rest.pop("slos", None)
    if not isinstance(slos, list) or not slos:
        item.say("error", f"{prefix}slos", "There are no SLOs.", "Add one.")
        return
    for place, slo in enumerate(slos):
        where = f"{prefix}slos[{place}]"
        if not isinstance(slo, dict):
            item.say("error", where, "An SLO is a mapping.")
        elif entry := _read_slo(item, where, service, slo, days):
            entry.kept = pruned({"service": deepcopy(rest), "slo": slo})
            contents.slos.append(entry)


def _of_kubernetes(value: dict[str, Any]) -> dict[str, Any]:
    """The spec of an object as files have it; what else it has goes under `kubernetes`."""
    spec = mapping(value.pop("spec", None))
    value.pop("kind"), value.pop("apiVersion")
    names = ("service", "slos")
    found = {name: _renamed(spec.pop(name), _FILES) for name in names if name in spec}
    return found | {"kubernetes": value | {"spec": spec}}


def _to_kubernetes(spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """The object that a spec was read of."""
    del spec["version"]
    inner = mapping(kept.get("spec")) | _renamed(spec, _OF_FILES)
    head = {"apiVersion": f"{GROUP}v1", "kind": "PrometheusServiceLevel"}
    return head | kept | {"spec": inner}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(name, name): _renamed(each, names) for name, each in value.items()}
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value


def _read_slo(
    item: Item, where: str, service: str, slo: dict[str, Any], days: int
) -> SloEntry | None:
    """One SLO; what is read is taken out of `slo`. None if it can't be taken."""
    own = text_of(slo.pop("name", ""))
    name = name_of(f"{service}-{own}") if own else ""
    if not name:
        item.say("error", f"{where}.name", "There is no name.", "Give it one.")
        return None
    if not _NAME.match(own):
        item.say(
            "warning",
            f"{where}.name",
            f"Sloth does not take the name '{own[:60]}'.",
            "It has two letters or digits at least, with dots, hyphens, underscores between.",
        )
    objective = _objective(item, f"{where}.objective", slo.pop("objective", None))
    if objective is None:
        return None
    values: dict[str, Any] = {
        "title": own if name != f"{service}-{own}" else "",
        "description": text_of(slo.pop("description", "")),
        "objective": objective,
        "window": "rolling",
        "window_days": days,
        "month_basis": "calendar",
        "time_zone": "UTC",
        "method": "occurrences",
        "slice_seconds": None,
        "slice_target": None,
        **dict.fromkeys(("good_query", "buckets_query", "quantile_query"), ""),
        **_queries(item, f"{where}.sli", slo),
    }
    bound = threshold_of(values["bad_query"])
    values |= {"kind": "latency" if bound else "error_ratio", "threshold_ms": bound}
    if slo.get("alerting") == _NO_ALERTS:
        del slo["alerting"]
        return SloEntry(item, name, service, values, FORMAT)
    alerting = mapping(slo.get("alerting"))
    disabled = [
        mapping(alerting.get(name)).get("disable") is True
        for name in ("page_alert", "ticket_alert")
    ]
    if not text_of(alerting.get("name")) and not all(disabled):
        item.say("warning", f"{where}.alerting.name", "Sloth needs a name here.", "Name the alert.")
    return SloEntry(item, name, service, values, FORMAT)


def _objective(item: Item, where: str, given: Any) -> Decimal | None:
    number = number_of(given)
    if number is None or number <= 0 or number > 100:
        item.say(
            "error",
            where,
            f"'{text_of(given)[:40]}' is no objective: it is a percent above 0 and up to 100.",
            "Write 99.9.",
        )
        return None
    if number == 100:
        item.say(
            "error",
            where,
            "Sloth allows 100 %, but it would leave no error budget to count with.",
            "Take one below it, as 99.99.",
        )
        return None
    if number < 1:
        item.say(
            "warning",
            where,
            f"{number} is taken as {number} %, as Sloth does.",
            f"If a ratio is meant, write {plain(number * 100)}.",
        )
    ratio = number / 100
    rounded = ratio.quantize(PLACES)
    if rounded != ratio:
        item.say(
            "warning",
            where,
            f"{number} % is rounded to {plain(rounded * 100)} %: so many digits come from floats.",
        )
    return rounded if 0 < rounded < 1 else None


def _queries(item: Item, where: str, slo: dict[str, Any]) -> dict[str, str]:
    none = {"bad_query": "", "total_query": ""}
    sli = mapping(slo.get("sli"))
    events = mapping(sli.get("events"))
    bad, total = text_of(events.get("error_query")), text_of(events.get("total_query"))
    if not events:
        what = next((name for name in ("raw", "plugin") if sli.get(name)), "")
        text = {
            "raw": "A ratio that is ready-made can't be added up over windows: it is kept, and"
            " not asked for.",
            "plugin": "A plugin makes its queries itself: it is kept, and not run.",
        }.get(what, "There is no SLI.")
        item.say("warning", f"{where}.{what}".rstrip("."), text, "Write events, or send readings.")
        return none
    if not bad or not total:
        name = "total_query" if bad else "error_query"
        item.say("warning", f"{where}.events.{name}", "This is missing: nothing is asked for.")
        return none
    if bad == total:
        item.say(
            "warning",
            f"{where}.events",
            "Both queries are the same: all events would be bad. Nothing is asked for.",
            "Correct one of them.",
        )
        return none
    for name, query in (("error_query", bad), ("total_query", total)):
        if not _WINDOW.search(query):
            item.say(
                "warning",
                f"{where}.events.{name}",
                "It does not name {{.window}}, as Sloth demands: nothing is fetched by it.",
                "Write [{{.window}}] for the range.",
            )
    events.pop("error_query"), events.pop("total_query")
    counted = {
        "bad_query": _RATE.sub("increase(", bad),
        "total_query": _RATE.sub("increase(", total),
    }
    if counted != {"bad_query": bad, "total_query": total}:
        item.say(
            "note",
            f"{where}.events",
            "rate is taken as increase in both queries: events are counted here. The ratio is the"
            " same.",
        )
    return counted


# --- Out ------------------------------------------------------------------------------------------


def write(slos: Iterable[SloEntry], kept: Iterable[KeptEntry] = ()) -> tuple[str, list[Finding]]:
    """Files of `prometheus/v1`, one document a service, and what Sloth can't say.

    Sloth counts errors: where only good events are asked for, they are taken from all events.
    SLOs of which different things were kept beside their service stand in documents of their own.
    """
    findings: list[Finding] = []
    specs: dict[tuple[str, str], dict[str, Any]] = {}
    windows = [
        Item(Document(0, 0, each), "", each.value, [], each.kind, each.name) for each in kept
    ]
    days = _days(windows)
    for entry in sorted(slos, key=lambda each: (each.service, each.name)):
        kept_of = documents.storable(entry.kept) if entry.source_format == FORMAT else {}
        own = mapping(kept_of.get("slo"))
        again = name_of(f"{entry.service}-{_name(entry)}")
        if not entry.values["total_query"] and not own.get("sli"):
            _not_said(findings, entry, "Without queries it can't be written: it is left out.")
            continue
        if entry.values["window"] != "rolling" or entry.values["window_days"] != days:
            text = f"Its window is not written: Sloth has one of {days} days for all."
            _not_said(findings, entry, text)
        if again != entry.name:
            _not_said(findings, entry, f"Read back, it would be another SLO: '{again}'.")
        if entry.values["method"] != "occurrences":
            _not_said(findings, entry, "Timeslices are not written: Sloth has none.")
        above = mapping(kept_of.get("service"))
        key = entry.service, json.dumps(above, sort_keys=True)
        spec = specs.setdefault(
            key, {"version": VERSION, "service": entry.service, **above, "slos": []}
        )
        spec["slos"].append(_slo(entry, own))
    written = []
    for spec in specs.values():
        of_kubernetes = spec.pop("kubernetes", None)
        written.append(spec if of_kubernetes is None else _to_kubernetes(spec, of_kubernetes))
    for each in windows:
        text = "Sloth reads alert windows from a file of their own: give it this document as one."
        findings.append(Finding("note", 0, 0, each.kind, each.name, "", text))
    return documents.dump(*written, *(each.value for each in windows)), findings


def _not_said(findings: list[Finding], entry: SloEntry, text: str) -> None:
    findings.append(Finding("warning", 0, 0, "SLO", entry.name, "", text))


def _slo(entry: SloEntry, kept: dict[str, Any]) -> dict[str, Any]:
    values = entry.values
    found: dict[str, Any] = {
        "name": _name(entry),
        "objective": Decimal(plain(values["objective"] * 100) or 0),
    }
    if values["description"]:
        found["description"] = values["description"]
    found["sli"] = deepcopy(mapping(kept.get("sli")))
    if total := values["total_query"]:
        bad = values["bad_query"] or f"({total}) - ({values['good_query']})"
        asked = {"error_query": bad, "total_query": total}
        found["sli"]["events"] = asked | mapping(found["sli"].get("events")) | asked
    found["alerting"] = _NO_ALERTS
    return found | {name: each for name, each in sorted(kept.items()) if name != "sli"}


def _name(entry: SloEntry) -> str:
    """What the SLO was called where it came from, else a name that Sloth takes."""
    title, name = entry.values["title"], entry.name.removeprefix(f"{name_of(entry.service)}-")
    if title and name_of(f"{entry.service}-{title}") == entry.name and _NAME.match(title):
        return str(title)
    return name if _NAME.match(name) or entry.source_format == FORMAT else entry.name
