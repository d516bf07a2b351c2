"""What a target tolerates: incidents, trips of a circuit breaker, and the SLIs that follow."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from .budget import SECONDS_PER_DAY, as_objective
from .decimals import as_decimal, as_positive, check_keys, plain, step
from .errors import ScoringError

# What a breaker has to keep so that an outage costs no more than its recovery.
TRIP_MS = Decimal(200)
FIRST_REQUESTS = Decimal("0.995")
PROBE_SECONDS = Decimal(30)
# A probe that comes late prolongs an outage: up to this part of it, well; up to that, hardly.
_OVERSHOOT_WELL, _OVERSHOOT_MOST = Decimal("0.10"), Decimal("0.50")


def calculate_inversion(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the inversion calculator: how many incidents a target leaves room for.

    Source: availability = 1 - incidents x recovery x impact / period, solved for the incidents.

    Parameters
    ----------
    body : {target_percent, period_days, recovery_seconds (detection included), impact (share of
        the traffic that fails, above 0 and up to 1; 1 if left out), open_seconds (of a breaker;
        30 if left out)}

    Returns
    -------
    {budget_seconds, budget_minutes, incidents_per_period, whole_incidents, breaker:
    {open_seconds, trips_affordable}, slis, inputs, assumptions, steps}; numbers as texts.

    Examples
    --------
    >>> found = calculate_inversion({"target_percent": "99.99", "period_days": "365",
    ...                              "recovery_seconds": "480", "impact": "1"})
    >>> found["budget_minutes"], found["incidents_per_period"], found["whole_incidents"]
    ('52.56', '6.57', 6)
    >>> found["breaker"]
    {'open_seconds': '30', 'trips_affordable': '105.12'}
    """
    fields = {"target_percent", "period_days", "recovery_seconds", "impact", "open_seconds"}
    given = check_keys(body, "", fields)
    objective = as_objective(given.get("target_percent"), "target_percent")
    days = as_positive(given.get("period_days"), "period_days", high=36600, unit="days")
    recovery = as_positive(given.get("recovery_seconds"), "recovery_seconds", high="1e9", unit="s")
    impact = as_positive(given.get("impact", 1), "impact", high=1)
    open_for = as_positive(given.get("open_seconds", 30), "open_seconds", high="1e9", unit="s")
    period = days * SECONDS_PER_DAY
    budget = (1 - objective) * period
    incidents = budget / (recovery * impact)
    trips = budget / open_for
    left = plain(1 - objective)
    return {
        "budget_seconds": plain(budget),
        "budget_minutes": plain(budget / 60),
        "incidents_per_period": plain(incidents),
        "whole_incidents": int(incidents.to_integral_value(ROUND_FLOOR)),
        "breaker": {"open_seconds": plain(open_for), "trips_affordable": plain(trips)},
        "slis": _slis(incidents, days, recovery),
        "inputs": given,
        "assumptions": [
            "Every incident lasts the recovery time, detection included.",
            f"{plain(impact * 100)} % of the traffic fails during an incident.",
            "Nothing but these incidents uses the budget.",
            "A trip of the breaker counts as a full outage for its open time.",
        ],
        "steps": [
            step("budget_seconds", f"{left} × {plain(period)} s", budget),
            step(
                "incidents_per_period",
                f"{plain(budget)} s / ({plain(recovery)} s × {plain(impact)})",
                incidents,
            ),
            step("trips_affordable", f"{plain(budget)} s / {plain(open_for)} s", trips),
        ],
    }


def _slis(incidents: Decimal, days: Decimal, recovery: Decimal) -> list[dict[str, Any]]:
    """State the three SLIs, from where to where each is measured, and what would prove it."""
    admissible = (1 / (1 - FIRST_REQUESTS)).to_integral_value(ROUND_CEILING)
    trials = (Decimal("0.05").ln() / FIRST_REQUESTS.ln()).to_integral_value(ROUND_CEILING)
    years = admissible * days / (incidents * 365)
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
            "note": f"One failure is admissible from {admissible} requests on, and {trials} without"
            f" a failure prove it with 95 % confidence. At this rate of incidents {admissible} "
            f"trips take {plain(years, 2)} years: take them from drills.",
        },
        {
            "name": "half_open_probe",
            "target": f"{plain(PROBE_SECONDS)} s",
            "measured": "from the state being open to the first probe",
            "note": "It prolongs an outage by up to "
            f"{plain(PROBE_SECONDS / recovery * 100, 4)} % of the recovery time.",
        },
    ]


def calculate_breaker(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the breaker calculator: do these settings fit the target?

    Parameters
    ----------
    body : {objective_percent, period_days, recovery_seconds, failure_threshold (failures in a
        row), call_timeout_ms, open_seconds, half_open_probes}

    Returns
    -------
    {findings: [{check, level: pass|warn|fail, formula, message}], budget_seconds,
    trips_affordable, inputs, assumptions}

    Examples
    --------
    >>> found = calculate_breaker({"objective_percent": "99.99", "period_days": "365",
    ...     "recovery_seconds": "480", "failure_threshold": 6, "call_timeout_ms": 300,
    ...     "open_seconds": "30", "half_open_probes": 3})
    >>> [(finding["check"], finding["level"]) for finding in found["findings"]]
    [('one_outage', 'pass'), ('trip_delay', 'warn'), ('overshoot', 'pass'), ('probes', 'pass')]
    """
    fields = {
        "objective_percent",
        "period_days",
        "recovery_seconds",
        "failure_threshold",
        "call_timeout_ms",
        "open_seconds",
        "half_open_probes",
    }
    given = check_keys(body, "", fields)
    objective = as_objective(given.get("objective_percent"), "objective_percent")
    days = as_positive(given.get("period_days"), "period_days", high=36600, unit="days")
    recovery = as_positive(given.get("recovery_seconds"), "recovery_seconds", high="1e9", unit="s")
    failures = _whole(given.get("failure_threshold"), "failure_threshold")
    timeout = as_positive(given.get("call_timeout_ms"), "call_timeout_ms", high="1e9", unit="ms")
    open_for = as_positive(given.get("open_seconds"), "open_seconds", high="1e9", unit="s")
    probes = _whole(given.get("half_open_probes"), "half_open_probes")
    budget = (1 - objective) * days * SECONDS_PER_DAY
    return {
        "findings": [
            _one_outage(budget, recovery, failures * timeout / 1000, open_for),
            _trip_delay(failures, timeout),
            _overshoot(budget, recovery, open_for),
            _probes(probes),
        ],
        "budget_seconds": plain(budget),
        "trips_affordable": plain(budget / open_for),
        "inputs": given,
        "assumptions": [
            "Calls fail one after the other, each at its timeout.",
            "Recovery includes detection; an outage ends with the first probe after it.",
        ],
    }


def _whole(value: object, field: str) -> int:
    number = as_decimal(value, field, low=1, high=1_000_000)
    if number != number.to_integral_value():
        raise ScoringError(field, f"is {plain(number)}", bound="a whole number")
    return int(number)


def _finding(check: str, level: str, formula: str, message: str) -> dict[str, str]:
    return {"check": check, "level": level, "formula": formula, "message": message}


def _one_outage(
    budget: Decimal, recovery: Decimal, trip: Decimal, open_for: Decimal
) -> dict[str, str]:
    whole = trip + recovery + open_for
    share = whole / budget
    level = "pass" if share <= Decimal("0.5") else "warn" if share <= 1 else "fail"
    return _finding(
        "one_outage",
        level,
        f"({plain(trip)} + {plain(recovery)} + {plain(open_for)}) s / {plain(budget)} s",
        f"One outage, noticed late and probed late, uses {plain(share * 100, 4)} % of the budget.",
    )


def _trip_delay(failures: int, timeout: Decimal) -> dict[str, str]:
    delay = failures * timeout
    formula = f"{failures} × {plain(timeout)} ms = {plain(delay)} ms"
    if delay <= TRIP_MS:
        return _finding(
            "trip_delay", "pass", formula, f"It trips within {plain(TRIP_MS)} ms of the fault."
        )
    return _finding(
        "trip_delay",
        "warn",
        formula,
        f"It trips {plain(delay)} ms after the fault began. {plain(TRIP_MS)} ms hold only from the "
        "threshold being met; measure them from there.",
    )


def _overshoot(budget: Decimal, recovery: Decimal, open_for: Decimal) -> dict[str, str]:
    part = open_for / recovery
    level = "pass" if part <= _OVERSHOOT_WELL else "warn" if part <= _OVERSHOOT_MOST else "fail"
    # At the rate of incidents that the budget tolerates, the part is the same of the budget.
    return _finding(
        "overshoot",
        level,
        f"{plain(open_for)} s / {plain(recovery)} s",
        f"The last probe comes up to {plain(open_for)} s late: {plain(part * 100, 4)} % of the "
        f"recovery, and of a budget of {plain(budget)} s. An outage sees about "
        f"{plain((recovery / open_for).to_integral_value(ROUND_FLOOR))} failed probes.",
    )


def _probes(probes: int) -> dict[str, str]:
    if probes == 1:
        return _finding("probes", "warn", "1 probe", "One lucky request closes the breaker.")
    return _finding("probes", "pass", f"{probes} probes", "Several requests have to succeed.")
