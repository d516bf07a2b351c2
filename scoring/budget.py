"""Error budgets, burn rates and alert windows. All Decimal: rounding has told wrong stories here.

Source: The Site Reliability Workbook (2018), chapter 5, "Alerting on SLOs".
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .answers import finding, gaps, if_known, shown, step
from .decimals import as_decimal, as_positive, check_keys, exact, plain
from .errors import ScoringError

SECONDS_PER_DAY = 86_400
# How long a month is, is stored with each contract and never guessed.
MONTH_HOURS = {"30d": Decimal(720), "730h": Decimal(730)}


def month_hours(basis: str, days_in_month: int | None = None) -> Decimal:
    """Give the hours of a month: `30d`, `730h`, or `calendar` with the days of that month.

    Examples
    --------
    >>> month_hours("30d"), month_hours("calendar", 31)
    (Decimal('720'), Decimal('744'))
    """
    if basis == "calendar":
        if days_in_month is None or not 28 <= days_in_month <= 31:
            raise ScoringError("days_in_month", f"is {days_in_month}", bound="28..31")
        return Decimal(24 * days_in_month)
    if basis not in MONTH_HOURS:
        raise ScoringError("basis", f"is {basis!r}", bound="30d, 730h or calendar")
    return MONTH_HOURS[basis]


def error_budget(objective: Decimal, amount: Decimal) -> Decimal:
    """Give the part of a time or of a number of requests that may fail: (1 - T) x amount.

    Examples
    --------
    >>> error_budget(Decimal("0.9995"), Decimal(43200))  # minutes of 30 days
    Decimal('21.6000')
    """
    return (1 - objective) * amount


def budget_ratio(objective: Decimal) -> Decimal:
    """Give the budget as a part of everything, 1 - T. An objective of 1 leaves none: refused."""
    if not 0 <= objective < 1:
        raise ScoringError("objective", f"is {plain(objective)}", bound="from 0, below 1")
    return 1 - objective


def burn_rate(error_ratio: Decimal | None, objective: Decimal) -> Decimal | None:
    """Give how many times faster than allowed the budget burns: e / (1 - T). No data is None.

    Examples
    --------
    >>> burn_rate(Decimal("0.0144"), Decimal("0.999"))
    Decimal('14.4')
    """
    return None if error_ratio is None else error_ratio / budget_ratio(objective)


def remaining_ratio(sli: Decimal | None, objective: Decimal) -> Decimal | None:
    """Give what is left of the budget: (SLI - T) / (1 - T). Below 0 it is overdrawn.

    Examples
    --------
    >>> remaining_ratio(Decimal("0.998"), Decimal("0.999"))
    Decimal('-1')
    """
    return None if sli is None else (sli - objective) / budget_ratio(objective)


def seconds_to_exhaustion(
    remaining: Decimal, period_seconds: Decimal, burn: Decimal | None
) -> Decimal | None:
    """Give how long what is left lasts: remaining x period / burn.

    Infinity while nothing burns, 0 once nothing is left, None without data.

    Examples
    --------
    >>> int(seconds_to_exhaustion(Decimal(1), Decimal(2_592_000), Decimal("14.4")))
    180000
    """
    if burn is None:
        return None
    if remaining <= 0:
        return Decimal(0)
    return remaining * period_seconds / burn if burn else Decimal("Infinity")


@dataclass(frozen=True)
class AlertWindow:
    """Alert while the burn rate is above `threshold` in the long and in the short window."""

    severity: str
    long_seconds: int
    short_seconds: int
    consumed: Decimal  # the part of the budget that is gone when it fires
    threshold: Decimal

    def fires(self, long_burn: Decimal | None, short_burn: Decimal | None) -> bool | None:
        """Compare strictly, unrounded; None without data."""
        if long_burn is None or short_burn is None:
            return None
        return long_burn > self.threshold and short_burn > self.threshold


_HOUR, _DAY = 3600, SECONDS_PER_DAY
_WINDOWS = (
    ("page", _HOUR, 300, "0.02"),
    ("page", 6 * _HOUR, 1800, "0.05"),
    ("ticket", _DAY, 2 * _HOUR, "0.10"),
    ("ticket", 3 * _DAY, 6 * _HOUR, "0.10"),
)


def alert_windows(days: Decimal) -> list[AlertWindow]:
    """Give the four windows for a period of so many days: threshold = consumed x period / window.

    Examples
    --------
    >>> [str(window.threshold.normalize()) for window in alert_windows(Decimal(30))]
    ['14.4', '6', '3', '1']
    """
    period = days * SECONDS_PER_DAY
    return [
        AlertWindow(severity, long, short, Decimal(part), Decimal(part) * period / long)
        for severity, long, short, part in _WINDOWS
    ]


def max_burn_rate(objective: Decimal) -> Decimal:
    """Give the burn rate of a total failure, 1 / (1 - T): nothing burns faster.

    Examples
    --------
    >>> max_burn_rate(Decimal("0.999"))
    Decimal('1E+3')
    """
    return 1 / budget_ratio(objective)


def check_threshold(threshold: Decimal, objective: Decimal) -> str | None:
    """Refuse a threshold that can never fire, and warn of one that always may.

    Raises ScoringError from 1 / (1 - T) on: not even a total failure burns faster.

    Examples
    --------
    >>> check_threshold(Decimal("0.9"), Decimal("0.999"))
    'A threshold below 1 fires while the budget still lasts for the whole period.'
    """
    most = max_burn_rate(objective)
    if threshold >= most:
        raise ScoringError(
            "threshold",
            f"is {plain(threshold)} and can never fire: a total failure burns {plain(most, 6)}",
            bound=f"below {plain(most, 6)}",
        )
    if threshold < 1:
        return "A threshold below 1 fires while the budget still lasts for the whole period."
    return None


def hard_dependencies(service: str, needs: Mapping[str, Collection[str]]) -> set[str]:
    """Give all that a service needs, at any depth and without itself.

    Examples
    --------
    >>> sorted(hard_dependencies("a", {"a": ["b", "c"], "b": ["d"], "d": ["a"]}))
    ['b', 'c', 'd']
    """
    reached, waiting = {service}, [service]
    while waiting:
        found = set(needs.get(waiting.pop(), ())) - reached
        reached |= found
        waiting += found
    return reached - {service}


def serial_availability(
    service: str, own: Mapping[str, Decimal], needs: Mapping[str, Collection[str]]
) -> Decimal:
    """Give the most a service can promise: its own availability x that of all it needs.

    Each hard dependency counts once, however many ways lead to it.

    Parameters
    ----------
    own : availability of each service by itself, a ratio
    needs : hard dependencies of each service

    Examples
    --------
    >>> own = dict.fromkeys("abcd", Decimal("0.99"))
    >>> serial_availability("a", own, {"a": ["b", "c"], "b": ["d"], "c": ["d"]})
    Decimal('0.96059601')
    """
    reached = {service} | hard_dependencies(service, needs)
    product = Decimal(1)
    for each in sorted(reached):
        if each not in own:
            raise ScoringError("availability", f"of {each} is missing")
        product *= own[each]
    return product


def redundant_availability(copies: Iterable[Decimal]) -> Decimal:
    """Give the availability of copies of which one is enough, if they fail independently.

    Examples
    --------
    >>> redundant_availability([Decimal("0.99"), Decimal("0.9")])
    Decimal('0.999')
    """
    missing = Decimal(1)
    for copy in copies:
        missing *= 1 - copy
    return 1 - missing


def as_objective(value: object, field: str) -> Decimal:
    """Read an objective in percent as a ratio; 100 is refused, as it leaves no budget."""
    percent = as_decimal(value, field, low=0, high=100, unit="%")
    if percent == 100:
        raise ScoringError(field, "is 100, which leaves no budget", bound="below 100 %")
    return percent / 100


def objective_of(given: Mapping[str, Any], field: str) -> Decimal | None:
    """Read the objective of a body as a ratio; None where it is not known."""
    value = given.get(field)
    return None if value is None else as_objective(value, field)


def period_of(given: Mapping[str, Any]) -> Decimal | None:
    """Read the period of a body in seconds; None where it is not known."""
    days = given.get("period_days")
    if days is None:
        return None
    return as_positive(days, "period_days", low="0.01", high=36600, unit="days") * SECONDS_PER_DAY


def unit_findings(objective: Decimal | None) -> list[dict[str, str]]:
    """Warn of an objective that looks like a ratio: 0.999 where 99.9 is meant."""
    if objective is None or not 0 < objective <= Decimal("0.01"):
        return []
    percent = objective * 100
    message = f"The objective is taken as {plain(percent)} %. If it is a ratio, "
    return [finding("unit", "warn", f"{message}write {plain(percent * 100)}.")]


_BURN_FIELDS = ("objective_percent", "good", "total", "window_seconds", "period_days")


@exact
def calculate_burn_rate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the burn-rate calculator.

    Parameters
    ----------
    body : {objective_percent, good and total (events), window_seconds, period_days,
        remaining_percent (of the budget when the window ends, may be negative; 100 if left out),
        threshold (of an alert, a burn rate)}; null is not known

    Returns
    -------
    error_ratio, burn_rate, budget_consumed_percent (of the period's budget, in this window) and
    seconds_to_exhaustion as texts. All are None when total is 0, as no data is not a burn rate of
    0; seconds_to_exhaustion is "Infinity" while nothing burns, and 0 once nothing is left.
    Beside them max_burn_rate (of a total failure), alert_windows (for this period), findings,
    inputs, assumptions and steps.

    Raises
    ------
    ScoringError : names the field; a threshold from max_burn_rate on can never fire.

    Examples
    --------
    >>> found = calculate_burn_rate({"objective_percent": "99.9", "good": 985600,
    ...     "total": 1000000, "window_seconds": 3600, "period_days": "30"})
    >>> found["burn_rate"], found["budget_consumed_percent"], found["seconds_to_exhaustion"]
    ('14.4', '2', '180000')
    """
    allowed = {*_BURN_FIELDS, "remaining_percent", "threshold"}
    given: dict[str, Any] = {"remaining_percent": 100}
    given |= check_keys(body, "", allowed, needed=_BURN_FIELDS)
    objective = objective_of(given, "objective_percent")
    good, total = (_events(given[name], name) for name in ("good", "total"))
    if good is not None and total is not None and good > total:
        raise ScoringError("good", f"is {plain(good)}", bound=f"at most the total, {plain(total)}")
    window = given["window_seconds"]
    if window is not None:
        window = as_positive(window, "window_seconds", low="0.001", high="1e9", unit="s")
    period = period_of(given)
    remaining = given["remaining_percent"]
    if remaining is not None:
        remaining = as_decimal(remaining, "remaining_percent", low="-1e9", high=100, unit="%") / 100

    errors = None
    if good is not None and total:
        errors = (total - good) / total
    burn = if_known(burn_rate, errors, objective)
    consumed = if_known(lambda burn, window, period: burn * window / period, burn, window, period)
    lasts = if_known(seconds_to_exhaustion, remaining, period, burn)
    return {
        "error_ratio": plain(errors),
        "burn_rate": plain(burn),
        "budget_consumed_percent": plain(if_known(lambda part: part * 100, consumed)),
        "seconds_to_exhaustion": plain(lasts),
        "max_burn_rate": plain(if_known(max_burn_rate, objective)),
        "alert_windows": _alerts(objective, period, burn),
        "findings": [
            *unit_findings(objective),
            *gaps(given, (*_BURN_FIELDS, "remaining_percent")),
            *_burn_findings(total, burn, remaining),
            *_threshold_findings(given.get("threshold"), objective, burn),
        ],
        "inputs": given,
        "assumptions": [
            f"{shown(if_known(lambda part: part * 100, remaining))} % of the period's budget is "
            "left when the window ends, and it burns on as in the window.",
            "The error ratio is bad events by all events, not a mean of time slices.",
        ],
        "steps": [
            step(
                "error_ratio",
                "(total − good) / total",
                f"({shown(total)} − {shown(good)}) / {shown(total)}",
                errors,
                "",
            ),
            step(
                "burn_rate",
                "error ratio / (1 − objective)",
                f"{shown(errors)} / (1 − {shown(objective, 40)})",
                burn,
                "",
            ),
            step(
                "budget_consumed_percent",
                "burn rate × window / period",
                f"{shown(burn)} × {shown(window)} s / {shown(period)} s",
                if_known(lambda part: part * 100, consumed),
                "%",
            ),
            step(
                "seconds_to_exhaustion",
                "remaining budget × period / burn rate",
                f"{shown(remaining)} × {shown(period)} s / {shown(burn)}",
                lasts,
                "s",
            ),
        ],
    }


def _events(value: object, field: str) -> Decimal | None:
    return None if value is None else as_decimal(value, field, low=0, high="1e15", unit="events")


def _alerts(
    objective: Decimal | None, period: Decimal | None, burn: Decimal | None
) -> list[dict[str, Any]]:
    """The four alert windows of the period, each with whether it fires while this burn lasts."""
    if period is None:
        return []
    most = if_known(max_burn_rate, objective)
    return [
        {
            "severity": window.severity,
            "long_seconds": window.long_seconds,
            "short_seconds": window.short_seconds,
            "consumed_percent": plain(window.consumed * 100),
            "threshold": plain(window.threshold),
            "reachable": None if most is None else window.threshold < most,
            "fires": window.fires(burn, burn),
        }
        for window in alert_windows(period / SECONDS_PER_DAY)
    ]


def _burn_findings(
    total: Decimal | None, burn: Decimal | None, remaining: Decimal | None
) -> list[dict[str, str]]:
    found = []
    if total == 0:
        found.append(
            finding("data", "gap", "No events are no data: nothing is known about the burn.")
        )
    elif burn is not None and burn > 1:
        message = f"The budget burns {plain(burn, 6)} times as fast as it may."
        found.append(finding("burn", "warn", message, f"{plain(burn)} > 1"))
    elif burn is not None:
        message = "At this rate the budget lasts for the whole period."
        found.append(finding("burn", "pass", message, f"{plain(burn)} ≤ 1"))
    if remaining is not None and remaining <= 0:
        message = f"Nothing is left of the budget: {plain(remaining * 100)} %."
        found.append(finding("budget", "fail", message))
    return found


def _threshold_findings(
    value: object, objective: Decimal | None, burn: Decimal | None
) -> list[dict[str, str]]:
    """Whether an alert at this threshold would fire; raises ScoringError if it never can."""
    if value is None:
        return []
    threshold = as_positive(value, "threshold", high="1e9")
    warning = if_known(check_threshold, threshold, objective)
    found = [finding("threshold", "warn", warning)] if warning else []
    if burn is not None and burn > threshold:
        message = f"An alert above {plain(threshold)} fires while this burn rate lasts."
        found.append(finding("alert", "warn", message, f"{plain(burn)} > {plain(threshold)}"))
    elif burn is not None:
        message = f"An alert above {plain(threshold)} does not fire."
        found.append(finding("alert", "pass", message, f"{plain(burn)} ≤ {plain(threshold)}"))
    return found
