"""One SLO of OpenSLO v1: its window, objectives and indicator as columns, and the rest as kept."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from debtreg.formats import openslo_kept
from debtreg.formats.entries import (
    PLACES,
    Item,
    SloEntry,
    mapping,
    name_of,
    number_of,
    pruned,
    text_of,
    threshold_of,
)
from debtreg.formats.openslo_kept import FORMAT, OURS
from debtreg.numbers import plain

SOURCE_TYPE = "debtreg"  # of a metric whose readings are sent, not fetched
METHODS = {"Occurrences": "occurrences", "Timeslices": "timeslices"}
STEPS = (60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800, 3600)
NEW_YEAR = "2026-01-01 00:00:00"
_DURATION = re.compile(r"([0-9]{1,5})([mhdwMQY])\Z")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DAYS = {"d": 1, "w": 7, "M": 30, "Q": 90, "Y": 365}
_CALENDAR = {
    ("M", 1): "month",
    ("M", 3): "quarter",
    ("Q", 1): "quarter",
    ("M", 12): "year",
    ("Q", 4): "year",
    ("Y", 1): "year",
}
_PROMETHEUS = {"", "Prometheus", "prometheus"}
_OPERATORS_OF_LATENCY = ("lt", "lte")


class Indicators:
    """The SLIs of a file by name, and which of them SLOs refer to."""

    def __init__(self, several: Iterable[Item]) -> None:
        self.by_name = {item.name: item.value for item in several}
        self.used: set[str] = set()

    def get(self, name: str) -> dict[str, Any] | None:
        found = self.by_name.get(name)
        if found is None:
            return None
        self.used.add(name)
        return {key: deepcopy(found[key]) for key in found if key not in ("apiVersion", "kind")}


class _NotTaken(Exception):
    """The entry can't be taken; why is among the findings."""


@dataclass
class Reader:
    """Reads one SLO. What is read is taken out of `rest`; what is left there is kept."""

    item: Item
    indicators: Indicators
    rest: dict[str, Any] = field(default_factory=dict)

    def entries(self) -> list[SloEntry]:
        """One for each objective that can be taken."""
        spec = mapping(self.item.value.get("spec"))
        objectives = spec.get("objectives")
        if not isinstance(objectives, list) or not objectives:
            self.item.say("error", "spec.objectives", "There is no objective.", "Add one.")
            return []
        if len(objectives) > 1:
            self.item.say(
                "warning",
                "spec.objectives",
                f"It has {len(objectives)} objectives: each becomes an SLO of its own.",
            )
        found, names = [], set()
        for place, objective in enumerate(objectives):
            name = self._name(objective, place)
            while name in names:
                name = f"{name[:60]}-{place + 1}"
            names.add(name)
            try:
                found.append(self._entry(name, objective, place))
            except _NotTaken:
                continue
        return found

    def _name(self, objective: Any, place: int) -> str:
        own = name_of(self.item.name)
        if place == 0:
            if own != self.item.name:
                self.item.say(
                    "warning",
                    "metadata.name",
                    f"'{self.item.name[:80]}' is called '{own}' here.",
                    "A name has a to z, 0 to 9 and hyphens, and is at most 63 long.",
                )
            return own
        second = name_of(text_of(mapping(objective).get("displayName"))) or str(place + 1)
        return f"{own[: 62 - min(len(second), 30)].strip('-')}-{second[:30].strip('-')}"

    def _entry(self, name: str, objective: Any, place: int) -> SloEntry:
        where = f"spec.objectives[{place}]"
        if not isinstance(objective, dict):
            self._refuse(where, "An objective is a mapping.")
        self.rest = deepcopy(self.item.value)
        self.rest.pop("apiVersion"), self.rest.pop("kind")
        metadata = self._part(self.rest, "metadata")
        spec = self._part(self.rest, "spec")
        objective = deepcopy(objective)
        spec["objectives"] = [objective]
        annotations = self._part(metadata, "annotations")
        ours = openslo_kept.take_ours(annotations)
        metadata.pop("name", None)
        title = text_of(metadata.pop("displayName", ""))
        if not title and name_of(self.item.name) != self.item.name:
            title = self.item.name
        values: dict[str, Any] = {
            "title": ours.pop("title", title)[:200],
            "description": ours.pop("description", text_of(spec.pop("description", ""))),
            "month_basis": ours.pop("month-basis", "calendar"),
            "buckets_query": ours.pop("buckets-query", ""),
            "quantile_query": ours.pop("quantile-query", ""),
        }
        service = text_of(spec.pop("service", ""))
        values |= self._window(spec)
        values |= self._objective(objective, spec, where)
        entry = SloEntry(self.item, name, service, values, FORMAT)
        self._indicator(entry, spec, objective, ours, where)
        entry.connection = ours.pop("connection", entry.connection)
        entry.guarantee = ours.pop("guarantee", "")
        self._keep(entry, ours, annotations)
        return entry

    def _keep(self, entry: SloEntry, ours: dict[str, str], annotations: dict[str, Any]) -> None:
        kept = ours.pop("kept", "")
        annotations |= {f"{OURS}/{name}": text for name, text in ours.items()}
        entry.kept = pruned(self.rest)
        if not kept:
            return
        try:
            entry.source_format, entry.kept = openslo_kept.unpacked(kept, deepcopy(entry.kept))
            self.item.scrub(entry.kept, f"metadata.annotations.{openslo_kept.KEPT}")
        except openslo_kept.NOT_OURS:
            openslo_kept.say_unreadable(self.item)
            annotations[openslo_kept.KEPT] = kept
            entry.kept = pruned(self.rest)

    def _refuse(self, where: str, message: str, hint: str = "") -> NoReturn:
        self.item.say("error", where, message, hint)
        raise _NotTaken

    @staticmethod
    def _part(owner: dict[str, Any], name: str) -> dict[str, Any]:
        if not isinstance(owner.get(name), dict):
            owner[name] = {}
        return owner[name]

    # --- Windows ----------------------------------------------------------------------------------

    def _window(self, spec: dict[str, Any]) -> dict[str, Any]:
        where = "spec.timeWindow[0]"
        windows = spec.pop("timeWindow", None)
        windows = [windows] if isinstance(windows, dict) else windows
        if not isinstance(windows, list) or not windows or not isinstance(windows[0], dict):
            self.item.say(
                "warning", "spec.timeWindow", "There is no window: 30 rolling days are taken."
            )
            return {"window": "rolling", "window_days": 30, "time_zone": "UTC"}
        if len(windows) > 1:
            self._refuse("spec.timeWindow", "There are several windows.", "Leave one.")
        window = windows[0]
        duration = text_of(window.pop("duration", ""))
        match = _DURATION.match(duration)
        if not match or not int(match[1]):
            self._refuse(
                f"{where}.duration", f"'{duration[:40]}' is no duration.", "Write one as 30d or 1M."
            )
        count, unit = int(match[1]), match[2]
        calendar = window.pop("calendar", None)
        rolling = _truth(window.pop("isRolling", None))
        if rolling is None:
            rolling = not calendar
        self._check_length(spec, duration, count, unit, where)
        zone = "UTC"
        left: dict[str, Any] = dict(window)
        if isinstance(calendar, dict):
            zone = self._zone(calendar, where)
            start = text_of(calendar.pop("startTime", ""))
            if start and start != NEW_YEAR:
                calendar["startTime"] = start
            if not rolling and start and not re.match(r"\d{4}-\d\d-01[T ]00:00(:00)?\Z", start):
                self.item.say(
                    "warning",
                    f"{where}.calendar.startTime",
                    f"{start[:40]} is kept, but windows begin on the first of a month at midnight.",
                )
            left["calendar"] = calendar
        kind = None if rolling else _CALENDAR.get((unit, count))
        if kind is None and isinstance(calendar, dict):
            calendar["timeZone"] = zone
        if left:
            spec["timeWindow"] = [left]
        if kind:
            return {"window": kind, "window_days": None, "time_zone": zone}
        days = self._days(duration, count, unit, where)
        if not rolling:
            self.item.say(
                "warning",
                f"{where}.duration",
                f"A calendar window of {duration} is taken as {days} rolling days: here such a"
                " window is a month, a quarter or a year.",
                "Write 1M, 1Q or 1Y, or isRolling: true.",
            )
        return {"window": "rolling", "window_days": days, "time_zone": "UTC"}

    def _check_length(
        self, spec: dict[str, Any], duration: str, count: int, unit: str, where: str
    ) -> None:
        """1m is a minute, not a month: as long as a slice, or shorter, it can't be meant."""
        if unit not in "mh":
            return
        slices = [
            _slice_seconds(mapping(each).get("timeSliceWindow"))
            for each in self.item.value["spec"]["objectives"]
        ]
        a_slice = max((each for each in slices if each), default=0)
        seconds = count * _SECONDS[unit]
        if seconds <= a_slice:
            self._refuse(
                f"{where}.duration",
                f"The window of {duration} is no longer than a slice of {a_slice // 60} min.",
                f"If {count} month{'s' if count > 1 else ''} is meant, write {count}M: m is"
                " minutes, M is months.",
            )

    def _days(self, duration: str, count: int, unit: str, where: str) -> int:
        seconds = count * (_SECONDS.get(unit) or _DAYS[unit] * 86400)
        if seconds % 86400 or not 1 <= seconds // 86400 <= 366:
            month = f" If months are meant, write {count}M." if unit == "m" else ""
            self._refuse(
                f"{where}.duration",
                f"A window of {duration} is not 1 to 366 whole days.",
                f"Take one such as 28d.{month}",
            )
        days = seconds // 86400
        if unit in "MQY":
            self.item.say(
                "warning", f"{where}.duration", f"Rolling, {duration} is taken as {days} days."
            )
        return days

    def _zone(self, calendar: dict[str, Any], where: str) -> str:
        zone = text_of(calendar.pop("timeZone", ""))
        if not zone:
            self.item.say(
                "warning", f"{where}.calendar.timeZone", "There is no time zone: UTC is taken."
            )
        elif zone not in zoneinfo.available_timezones():
            self._refuse(
                f"{where}.calendar.timeZone",
                f"There is no time zone '{zone[:60]}'.",
                "Write one as Asia/Shanghai.",
            )
        return zone or "UTC"

    # --- Objectives -------------------------------------------------------------------------------

    def _objective(
        self, objective: dict[str, Any], spec: dict[str, Any], where: str
    ) -> dict[str, Any]:
        values: dict[str, Any] = {
            "objective": self._target(objective, where),
            "method": "occurrences",
            "slice_seconds": None,
            "slice_target": None,
        }
        method = text_of(spec.pop("budgetingMethod", ""))
        known = {name.lower(): name for name in (*METHODS, "RatioTimeslices")}
        name = known.get(method.lower())
        if name is None:
            self.item.say(
                "warning",
                "spec.budgetingMethod",
                f"'{method[:40]}' is no budgeting method: Occurrences are taken."
                if method
                else "There is no budgeting method: Occurrences are taken.",
            )
        elif name == "RatioTimeslices":
            spec["budgetingMethod"] = name
            self.item.say(
                "warning",
                "spec.budgetingMethod",
                "RatioTimeslices average the slices' ratios; here single events are counted, as"
                " Occurrences. Busy times weigh more than quiet ones then.",
            )
        elif name == "Timeslices":
            values |= self._slices(objective, where)
        return values

    def _target(self, objective: dict[str, Any], where: str) -> Decimal:
        given = {name: objective.pop(name, None) for name in ("target", "targetPercent")}
        said = {name: value for name, value in given.items() if value is not None}
        if not said:
            self._refuse(where, "There is no target.", "Write target: 0.999.")
        numbers: dict[str, Decimal] = {}
        for name, value in said.items():
            if (found := number_of(value)) is None:
                self._refuse(f"{where}.{name}", f"'{str(value)[:40]}' is no number.")
            numbers[name] = found
        name, number = next(iter(numbers.items()))
        if name == "target" and 1 < number < 100:
            self.item.say(
                "warning",
                f"{where}.target",
                f"A target is a ratio below 1: {number} is taken as {number} %.",
                f"Write targetPercent: {number}.",
            )
            number = number / 100
        elif name == "targetPercent":
            if 0 < number < 1:
                self.item.say(
                    "warning",
                    f"{where}.targetPercent",
                    f"{number} % is taken as it stands. If a ratio is meant, write target.",
                )
            number = number / 100
        if len(numbers) > 1 and numbers["targetPercent"] != 100 * number:
            self._refuse(where, "target and targetPercent say different things.", "Leave one.")
        if number >= 1:
            self._refuse(
                f"{where}.{name}",
                "100 % would leave no error budget to count with.",
                "Take one below it, as 0.9999.",
            )
        rounded = number.quantize(PLACES)
        if rounded != number:
            self.item.say(
                "warning",
                f"{where}.{name}",
                f"{number} is rounded to {plain(rounded)}: so many digits come from floats.",
            )
        if rounded <= 0:
            self._refuse(f"{where}.{name}", "A target is more than 0.")
        return rounded

    def _slices(self, objective: dict[str, Any], where: str) -> dict[str, Any]:
        target = number_of(objective.pop("timeSliceTarget", None))
        if target is None or not 0 < target <= 1:
            self._refuse(
                f"{where}.timeSliceTarget",
                "Timeslices need a target of the slice, above 0 and up to 1.",
                "Write timeSliceTarget: 0.95.",
            )
        given = objective.pop("timeSliceWindow", None)
        seconds = _slice_seconds(given)
        if seconds not in STEPS:
            self._refuse(
                f"{where}.timeSliceWindow",
                f"'{str(given)[:40]}' is no slice that is counted here.",
                "Write whole minutes that divide an hour, as 5m.",
            )
        return {
            "method": "timeslices",
            "slice_seconds": seconds,
            "slice_target": target.quantize(PLACES),
        }

    # --- Indicators -------------------------------------------------------------------------------

    def _indicator(
        self,
        entry: SloEntry,
        spec: dict[str, Any],
        objective: dict[str, Any],
        ours: dict[str, str],
        where: str,
    ) -> None:
        values = entry.values
        values |= dict.fromkeys(("good_query", "bad_query", "total_query"), "")
        owner, path = (objective, where) if _names_indicator(objective) else (spec, "spec")
        indicator = owner.pop("indicator", None)
        ref = text_of(owner.pop("indicatorRef", ""))
        if owner is objective and "compositeWeight" in objective:
            self.item.say(
                "note",
                f"{where}.compositeWeight",
                "Weights of composite SLOs are kept; each objective counts by itself.",
            )
        if ref:
            indicator = self.indicators.get(ref)
            if indicator is None:
                self.item.say(
                    "warning",
                    f"{path}.indicatorRef",
                    f"There is no SLI '{ref[:60]}' in this file: the SLO has no queries.",
                    "Import both together, or write the queries by hand.",
                )
                owner["indicatorRef"] = ref
        indicator = mapping(indicator)
        inner = mapping(indicator.get("spec"))
        ratio, threshold = inner.get("ratioMetric"), inner.get("thresholdMetric")
        kind = ours.pop("kind", "")
        bound = number_of(ours.pop("threshold-ms", ""))
        if isinstance(ratio, dict):
            self._ratio(entry, ratio, f"{path}.indicator.spec.ratioMetric")
        elif isinstance(threshold, dict):
            at = f"{path}.indicator.spec.thresholdMetric"
            bound = self._threshold(entry, threshold, objective, at) or bound
        name = text_of(mapping(indicator.get("metadata")).get("name"))
        if name == entry.name:
            indicator["metadata"].pop("name")
        if left := pruned(indicator):
            spec["indicator"] = left
        self._kind(values, kind, bound)

    def _kind(self, values: dict[str, Any], kind: str, bound: Decimal | None) -> None:
        guessed = bound or threshold_of(values["good_query"])
        if kind not in ("availability", "latency", "error_ratio"):
            kind = "latency" if guessed else "availability"
            if values["bad_query"]:
                kind = "error_ratio"
        if kind == "latency" and not guessed:
            self._refuse(
                f"metadata.annotations.{OURS}/threshold-ms",
                "Latency needs a threshold in milliseconds.",
                f"Add the annotation {OURS}/threshold-ms.",
            )
        values["kind"] = kind
        values["threshold_ms"] = guessed if kind == "latency" else None

    def _ratio(self, entry: SloEntry, ratio: dict[str, Any], where: str) -> None:
        if "raw" in ratio:
            self.item.say(
                "warning",
                f"{where}.raw",
                "A ratio that is ready-made can't be added up over windows, so it is kept and not"
                " asked for.",
                "Write queries for good and total, or send readings.",
            )
            return
        sources = {}
        for name in ("good", "bad", "total"):
            source = mapping(mapping(ratio.get(name)).get("metricSource"))
            if text_of(source.get("type")) == SOURCE_TYPE:
                ratio.pop(name)
            elif source:
                sources[name] = source
        if ratio.get("counter") is True:
            ratio.pop("counter")
        queries = {name: text_of(_query(source)) for name, source in sources.items()}
        if not any(queries.values()):
            return
        foreign = {text_of(each.get("type")) for each in sources.values()} - _PROMETHEUS
        if foreign:
            self.item.say(
                "warning",
                where,
                f"Queries for {', '.join(sorted(foreign))[:80]} are kept and not asked: readings"
                " are fetched from Prometheus only.",
                "Send readings, or write the queries in PromQL.",
            )
            return
        if not queries.get("total") or not (queries.get("good") or queries.get("bad")):
            self.item.say(
                "warning",
                where,
                "It has no query for all events, or none for good or bad ones: none is asked.",
            )
            return
        taken = ("good", "total") if queries.get("good") else ("bad", "total")
        if queries.get("good") and queries.get("bad"):
            self.item.say("warning", f"{where}.bad", "Good and bad are both there: good is taken.")
        for name in taken:
            entry.values[f"{name}_query"] = queries[name]
            mapping(sources[name]["spec"]).pop("query")
            sources[name].pop("type", None)
        if any(re.search(r"\brate\s*\(", queries[name]) for name in taken):
            self.item.say(
                "warning",
                where,
                "rate gives events a second, and here events are counted: the ratio is right, their"
                " number is not.",
                "Write increase instead of rate.",
            )
        if _has_windows(entry.values):
            self._sources(entry, [sources[name] for name in taken])
        else:
            self.item.say(
                "warning",
                where,
                "The queries do not name {{.window}}, the time that one reading covers: nothing is"
                " fetched by them.",
                "Write sum(increase(metric[{{.window}}])).",
            )

    @staticmethod
    def _sources(entry: SloEntry, sources: list[dict[str, Any]]) -> None:
        """Where the queries are to be asked, if all of them name the same place."""
        refs = {text_of(source.get("metricSourceRef")) for source in sources if source}
        if len(refs) == 1 and (ref := refs.pop()):
            entry.connection = ref
            for source in sources:
                source.pop("metricSourceRef", None)

    def _threshold(
        self, entry: SloEntry, metric: dict[str, Any], objective: dict[str, Any], where: str
    ) -> Decimal | None:
        """Milliseconds of a latency; the metric itself is no count of events."""
        inner = mapping(mapping(metric.get("metricSource")).get("spec"))
        query = text_of(inner.get("query"))
        self.item.say(
            "warning",
            where,
            "A thresholdMetric gives a value, not good of all events: it is kept, and readings are"
            " not fetched by it.",
            "Write a ratioMetric of the events that were good enough, or send readings.",
        )
        value = number_of(objective.get("value"))
        if value is None or text_of(objective.get("op")) not in _OPERATORS_OF_LATENCY:
            return None
        if re.search(r"_seconds(_|\b)", query):
            return value * 1000
        if not re.search(r"latenc|duration|_ms\b|milli|respon", f"{query} {self.item.name}", re.I):
            return None
        self.item.say(
            "warning",
            "spec.objectives[0].value",
            f"OpenSLO has no units: {value} is taken for milliseconds.",
            f"Say it by the annotation {OURS}/threshold-ms.",
        )
        return value


def _names_indicator(objective: dict[str, Any]) -> bool:
    return bool(objective.get("indicator") or objective.get("indicatorRef"))


def _query(source: dict[str, Any]) -> Any:
    return mapping(source.get("spec")).get("query")


def _has_windows(values: Mapping[str, Any]) -> bool:
    queries = [values[f"{name}_query"] for name in ("good", "bad", "total")]
    return all(re.search(r"\{\{-?\s*\.window\s*-?\}\}", query) for query in queries if query)


def _truth(value: Any) -> bool | None:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return value if isinstance(value, bool) else words.get(text_of(value).lower())


def _slice_seconds(value: Any) -> int:
    """Of a timeSliceWindow: a duration, or a number of minutes; 0 if it is neither."""
    if match := _DURATION.match(text_of(value)):
        return int(match[1]) * _SECONDS.get(match[2], 0)
    minutes = number_of(value)
    if minutes is None or not 0 < minutes <= 60 or minutes != minutes.to_integral_value():
        return 0
    return int(minutes) * 60
