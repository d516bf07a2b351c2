"""What a target tolerates: incidents, trips of a circuit breaker, and the SLIs that follow."""

import math
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from .answers import finding, gaps, if_known, shown, step
from .budget import SECONDS_PER_DAY, error_budget, objective_of, period_of, unit_findings
from .decimals import Estimate, as_decimal, as_estimate, as_positive, check_keys, exact, plain
from .errors import ScoringError

# What a breaker has to keep so that an outage costs no more than its recovery.
TRIP_MS = Decimal(200)
FIRST_REQUESTS = Decimal("0.995")
PROBE_SECONDS = Decimal(30)
# One failure is within 99.5 % from 200 requests on, and 598 without one prove it at 95 %.
ADMISSIBLE = math.ceil(1 / (1 - FIRST_REQUESTS))
TRIALS = math.ceil(Decimal("0.05").ln() / FIRST_REQUESTS.ln())
# A probe that comes late prolongs an outage: up to this part of it, well; up to that, hardly.
_OVERSHOOT_WELL, _OVERSHOOT_MOST = Decimal("0.10"), Decimal("0.50")

_INVERSION_FIELDS = ("target_percent", "period_days", "recovery_seconds")


@exact
def calculate_inversion(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the inversion calculator: how many incidents a target leaves room for.

    Source: availability = 1 - incidents x recovery x impact / period, solved for the incidents.

    Parameters
    ----------
    body : {target_percent, period_days, recovery_seconds (detection included; may be {low,
        likely, high}), impact (share of the traffic that fails, above 0 and up to 1; may be
        {low, likely, high}; 1 if left out), open_seconds (of a breaker; 30 if left out)};
        null is not known

    Returns
    -------
    {budget_seconds, budget_minutes, incidents_per_period, whole_incidents, breaker:
    {open_seconds, trips_affordable}, slis, range, findings, inputs, assumptions, steps}; numbers
    as texts. Of three points the mean counts, and range has {incidents_per_period: {low, high}};
    it is None where every number is a single one.

    Examples
    --------
    >>> found = calculate_inversion({"target_percent": "99.99", "period_days": "365",
    ...                              "recovery_seconds": "480", "impact": "1"})
    >>> found["budget_minutes"], found["incidents_per_period"], found["whole_incidents"]
    ('52.56', '6.57', 6)
    >>> found["breaker"]
    {'open_seconds': '30', 'trips_affordable': '105.12'}
    """
    allowed = (*_INVERSION_FIELDS, "impact", "open_seconds")
    given: dict[str, Any] = {"impact": 1, "open_seconds": 30}
    given |= check_keys(body, "", allowed, needed=_INVERSION_FIELDS)
    objective = objective_of(given, "target_percent")
    period = period_of(given)
    recovery = _recovery(given)
    impact = given["impact"]
    if impact is not None:
        impact = as_estimate(impact, "impact", _share)
    open_for = _open_for(given["open_seconds"])
    budget = if_known(error_budget, objective, period)

    failing = None  # seconds of budget that an incident takes
    if recovery and impact:
        pairs = zip(recovery, impact, strict=True)
        failing = Estimate(*(seconds * share for seconds, share in pairs))
    incidents = if_known(lambda budget: budget / failing.mean, budget) if failing else None
    whole = if_known(lambda budget: int(budget // failing.mean), budget) if failing else None
    trips = if_known(lambda budget, seconds: budget / seconds, budget, open_for)
    ends = None
    if budget is not None and failing and failing.low < failing.high:
        low, high = plain(budget / failing.high), plain(budget / failing.low)
        ends = {"incidents_per_period": {"low": low, "high": high}}
    mean_recovery, mean_impact = (each.mean if each else None for each in (recovery, impact))
    return {
        "budget_seconds": plain(budget),
        "budget_minutes": plain(if_known(lambda seconds: seconds / 60, budget)),
        "incidents_per_period": plain(incidents),
        "whole_incidents": whole,
        "breaker": {"open_seconds": plain(open_for), "trips_affordable": plain(trips)},
        "slis": _slis(incidents, period, mean_recovery),
        "range": ends,
        "findings": [
            *unit_findings(objective),
            *gaps(given, allowed),
            *_incident_findings(whole, budget, failing),
        ],
        "inputs": given,
        "assumptions": [
            "Every incident lasts the recovery time, detection included.",
            f"{shown(if_known(lambda part: part * 100, mean_impact))} % of the traffic fails "
            "during an incident.",
            "Nothing but these incidents uses the budget.",
            "A trip of the breaker counts as a full outage for its open time.",
        ],
        "steps": [
            step(
                "budget_seconds",
                "(1 − target) × period",
                f"(1 − {shown(objective, 40)}) × {shown(period)} s",
                budget,
                "s",
            ),
            step(
                "incidents_per_period",
                "budget / (recovery × impact)",
                f"{shown(budget)} s / ({shown(mean_recovery)} s × {shown(mean_impact)})",
                incidents,
                "incidents",
            ),
            step(
                "trips_affordable",
                "budget / open time",
                f"{shown(budget)} s / {shown(open_for)} s",
                trips,
                "trips",
            ),
        ],
    }


def _incident_findings(
    whole: int | None, budget: Decimal | None, failing: Estimate | None
) -> list[dict[str, str]]:
    if whole is None or budget is None or failing is None:
        return []
    formula = f"{plain(budget)} s / {plain(failing.mean)} s"
    if whole:
        message = f"The budget has room for {whole} whole incidents."
        return [finding("incidents", "pass", message, formula)]
    message = "The budget has no room for a single incident: recover faster, or promise less."
    return [finding("incidents", "fail", message, formula)]


def _share(value: object, field: str) -> Decimal:
    return as_positive(value, field, low="0.000001", high=1)


def _seconds(value: object, field: str) -> Decimal:
    return as_positive(value, field, low="0.001", high="1e9", unit="s")


def _recovery(given: Mapping[str, Any]) -> Estimate | None:
    value = given["recovery_seconds"]
    return None if value is None else as_estimate(value, "recovery_seconds", _seconds)


def _open_for(value: object) -> Decimal | None:
    return None if value is None else _seconds(value, "open_seconds")


def _slis(
    incidents: Decimal | None, period: Decimal | None, recovery: Decimal | None
) -> list[dict[str, str]]:
    """State the three SLIs, from where to where each is measured, and what would prove it."""
    return [
        {
            "name": "trip_delay",
            "target": f"≤ {plain(TRIP_MS)} ms",
            "measured": "from the threshold being met to the state being open",
            "note": "From the start of the fault it cannot hold where calls time out later.",
        },
        {
            "name": "first_requests_after_trip",
            "target": f"≥ {plain(FIRST_REQUESTS * 100)} %",
            "measured": "of the first requests after a trip, answered by the fallback",
            "note": f"One failure is admissible from {ADMISSIBLE} requests on, and {TRIALS} "
            "without a failure prove it with 95 % confidence."
            + (if_known(_evidence, incidents, period) or ""),
        },
        {
            "name": "half_open_probe",
            "target": f"{plain(PROBE_SECONDS)} s",
            "measured": "from the state being open to the first probe",
            "note": if_known(_probe_note, incidents, recovery)
            or "It prolongs an outage by as long as it comes late.",
        },
    ]


def _probe_note(incidents: Decimal, recovery: Decimal) -> str:
    return (
        f"It prolongs an outage by up to {plain(PROBE_SECONDS / recovery * 100, 4)} % of the "
        f"recovery time: {plain(incidents * PROBE_SECONDS, 6)} s in a period with as many incidents"
        " as the target tolerates. An outage sees about "
        f"{plain((recovery / PROBE_SECONDS).to_integral_value(ROUND_FLOOR))} failed probes."
    )


def _evidence(incidents: Decimal, period: Decimal) -> str:
    """How long it takes until trips alone have shown anything, at the rate that is tolerated."""
    years = ADMISSIBLE * period / SECONDS_PER_DAY / 365 / incidents
    return (
        f" At the tolerated rate of incidents {ADMISSIBLE} trips take {plain(years, 2)} years: "
        "take the evidence from drills."
    )


_BREAKER_FIELDS = (
    "objective_percent",
    "period_days",
    "recovery_seconds",
    "failure_threshold",
    "call_timeout_ms",
    "open_seconds",
    "half_open_probes",
)


@exact
def calculate_breaker(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the breaker calculator: do these settings fit the target?

    Parameters
    ----------
    body : {objective_percent, period_days, recovery_seconds (may be {low, likely, high}),
        failure_threshold (failures in a row that trip it), call_timeout_ms, open_seconds,
        half_open_probes (requests that have to succeed)}; null is not known

    Returns
    -------
    {findings: [{check, level: pass|warn|fail|gap, message, formula}], budget_seconds,
    incidents_per_period, trips_affordable, inputs, assumptions, steps}. What cannot be checked,
    because something is not known, is a gap.

    Examples
    --------
    >>> found = calculate_breaker({"objective_percent": "99.99", "period_days": "365",
    ...     "recovery_seconds": "480", "failure_threshold": 6, "call_timeout_ms": 300,
    ...     "open_seconds": "30", "half_open_probes": 3})
    >>> [(finding["check"], finding["level"]) for finding in found["findings"]]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('one_outage', 'pass'), ('trips', 'pass'), ('trip_delay', 'warn'), ('probe_delay', 'pass'),
     ('overshoot', 'pass'), ('probes', 'pass'), ('first_requests', 'warn')]
    """
    given = check_keys(body, "", _BREAKER_FIELDS, needed=_BREAKER_FIELDS)
    objective = objective_of(given, "objective_percent")
    period = period_of(given)
    estimate = _recovery(given)
    recovery = estimate.mean if estimate else None
    failures = _whole(given["failure_threshold"], "failure_threshold")
    timeout = given["call_timeout_ms"]
    if timeout is not None:
        timeout = as_positive(timeout, "call_timeout_ms", low="0.001", high="1e9", unit="ms")
    open_for = _open_for(given["open_seconds"])
    probes = _whole(given["half_open_probes"], "half_open_probes")

    budget = if_known(error_budget, objective, period)
    incidents = if_known(lambda budget, seconds: budget / seconds, budget, recovery)
    trips = if_known(lambda budget, seconds: budget / seconds, budget, open_for)
    delay = if_known(lambda failures, timeout: failures * timeout, failures, timeout)
    unknown = "".join(each["message"] for each in gaps(given, _BREAKER_FIELDS))
    checks = (
        ("one_outage", _one_outage, (budget, recovery, delay, open_for)),
        ("trips", _trips, (budget, open_for, trips)),
        ("trip_delay", _trip_delay, (failures, timeout, delay)),
        ("probe_delay", _probe_delay, (open_for,)),
        ("overshoot", _overshoot, (recovery, open_for)),
        ("probes", _probes, (probes,)),
        ("first_requests", _first_requests, (incidents, period)),
    )
    return {
        "findings": [
            *unit_findings(objective),
            *(
                if_known(check, *values) or finding(name, "gap", unknown)
                for name, check, values in checks
            ),
        ],
        "budget_seconds": plain(budget),
        "incidents_per_period": plain(incidents),
        "trips_affordable": plain(trips),
        "inputs": given,
        "assumptions": [
            "Calls fail one after the other, each at its timeout.",
            "Recovery includes detection; an outage ends with the first probe after it.",
            "An outage fails all of the traffic, and a trip does so for its open time.",
        ],
        "steps": [
            step(
                "budget_seconds",
                "(1 − objective) × period",
                f"(1 − {shown(objective, 40)}) × {shown(period)} s",
                budget,
                "s",
            ),
            step(
                "incidents_per_period",
                "budget / recovery",
                f"{shown(budget)} s / {shown(recovery)} s",
                incidents,
                "incidents",
            ),
            step(
                "trips_affordable",
                "budget / open time",
                f"{shown(budget)} s / {shown(open_for)} s",
                trips,
                "trips",
            ),
            step(
                "trip_delay",
                "failures in a row × timeout of a call",
                f"{shown(failures)} × {shown(timeout)} ms",
                delay,
                "ms",
            ),
        ],
    }


def _whole(value: object, field: str) -> Decimal | None:
    if value is None:
        return None
    number = as_decimal(value, field, low=1, high=1_000_000)
    if number != number.to_integral_value():
        raise ScoringError(field, f"is {plain(number)}", bound="a whole number")
    return number


def _one_outage(
    budget: Decimal, recovery: Decimal, delay: Decimal, open_for: Decimal
) -> dict[str, str]:
    trip = delay / 1000
    share = (trip + recovery + open_for) / budget
    level = "pass" if share <= Decimal("0.5") else "warn" if share <= 1 else "fail"
    return finding(
        "one_outage",
        level,
        f"One outage, noticed late and probed late, uses {plain(share * 100, 4)} % of the budget.",
        f"({plain(trip)} + {plain(recovery)} + {plain(open_for)}) s / {plain(budget)} s",
    )


def _trips(budget: Decimal, open_for: Decimal, trips: Decimal) -> dict[str, str]:
    formula = f"{plain(budget)} s / {plain(open_for)} s"
    if trips < 1:
        message = "A single trip that fails all requests for its open time uses up the budget."
        return finding("trips", "fail", message, formula)
    message = f"The budget lasts for {plain(trips, 6)} trips, if each fails all requests."
    return finding("trips", "pass", message, formula)


def _trip_delay(failures: Decimal, timeout: Decimal, delay: Decimal) -> dict[str, str]:
    most = plain(TRIP_MS)
    formula = f"{plain(failures)} × {plain(timeout)} ms = {plain(delay)} ms"
    if delay <= TRIP_MS:
        return finding("trip_delay", "pass", f"It trips within {most} ms of the fault.", formula)
    message = (
        f"It trips {plain(delay)} ms after the fault began. {most} ms hold only from the "
        "threshold being met to the state being open: measure them from there."
    )
    return finding("trip_delay", "warn", message, formula)


def _probe_delay(open_for: Decimal) -> dict[str, str]:
    most = plain(PROBE_SECONDS)
    if open_for <= PROBE_SECONDS:
        message = f"The first probe comes within the {most} s that its SLI allows."
        return finding("probe_delay", "pass", message, f"{plain(open_for)} s ≤ {most} s")
    message = f"The first probe comes later than the {most} s that its SLI allows."
    return finding("probe_delay", "fail", message, f"{plain(open_for)} s > {most} s")


def _overshoot(recovery: Decimal, open_for: Decimal) -> dict[str, str]:
    part = open_for / recovery
    level = "pass" if part <= _OVERSHOOT_WELL else "warn" if part <= _OVERSHOOT_MOST else "fail"
    # At the rate of incidents that the budget tolerates, it is the same part of the budget.
    return finding(
        "overshoot",
        level,
        f"The last probe comes up to {plain(open_for)} s late: {plain(part * 100, 4)} % of the "
        f"recovery, and of a budget that is used up. An outage sees about "
        f"{plain((recovery / open_for).to_integral_value(ROUND_FLOOR))} failed probes.",
        f"{plain(open_for)} s / {plain(recovery)} s",
    )


def _probes(probes: Decimal) -> dict[str, str]:
    if probes == 1:
        return finding("probes", "warn", "One lucky request closes the breaker.", "1 probe")
    return finding("probes", "pass", "Several requests have to succeed.", f"{plain(probes)} probes")


def _first_requests(incidents: Decimal, period: Decimal) -> dict[str, str]:
    """Whether trips themselves can show that first requests succeed; drills have to, mostly."""
    yearly = incidents * 365 * SECONDS_PER_DAY / period
    target = f"≥ {plain(FIRST_REQUESTS * 100)} % of first requests after a trip"
    formula = f"{plain(yearly, 6)} trips a year; {ADMISSIBLE} allow one failure, {TRIALS} prove it"
    if yearly >= TRIALS:
        message = f"A year of trips can prove {target} with 95 % confidence."
        return finding("first_requests", "pass", message, formula)
    message = f"{target} cannot be proved by trips within a year.{_evidence(incidents, period)}"
    return finding("first_requests", "warn", message, formula)
