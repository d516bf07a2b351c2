"""Error budgets, burn rates and alert windows. All Decimal: rounding has told wrong stories here.

Source: The Site Reliability Workbook (2018), chapter 5, "Alerting on SLOs".
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .decimals import as_decimal, as_positive, check_keys, plain, step
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


def burn_rate(error_ratio: Decimal | None, objective: Decimal) -> Decimal | None:
    """Give how many times faster than allowed the budget burns: e / (1 - T). No data is None.

    Examples
    --------
    >>> burn_rate(Decimal("0.0144"), Decimal("0.999"))
    Decimal('14.4')
    """
    return None if error_ratio is None else error_ratio / (1 - objective)


def remaining_ratio(sli: Decimal | None, objective: Decimal) -> Decimal | None:
    """Give what is left of the budget: (SLI - T) / (1 - T). Below 0 it is overdrawn.

    Examples
    --------
    >>> remaining_ratio(Decimal("0.998"), Decimal("0.999"))
    Decimal('-1')
    """
    return None if sli is None else (sli - objective) / (1 - objective)


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


def check_threshold(threshold: Decimal, objective: Decimal) -> str | None:
    """Refuse a threshold that can never fire, and warn of one that always may.

    Raises ScoringError from 1 / (1 - T) on: not even a total failure burns faster.

    Examples
    --------
    >>> check_threshold(Decimal("0.9"), Decimal("0.999"))
    'A threshold below 1 fires while the budget still lasts for the whole period.'
    """
    most = 1 / (1 - objective)
    if threshold >= most:
        raise ScoringError(
            "threshold",
            f"is {plain(threshold)} and can never fire: a total failure burns {plain(most, 6)}",
            bound=f"below {plain(most, 6)}",
        )
    if threshold < 1:
        return "A threshold below 1 fires while the budget still lasts for the whole period."
    return None


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
    reached, waiting = {service}, [service]
    while waiting:
        found = set(needs.get(waiting.pop(), ())) - reached
        reached |= found
        waiting += found
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


def calculate_burn_rate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the burn-rate calculator.

    Parameters
    ----------
    body : {objective_percent, good, total, window_seconds, period_days, remaining_percent}; of
        the last 100 is assumed: a full budget

    Returns
    -------
    error_ratio, burn_rate, budget_consumed_percent (of the period's budget, in this window) and
    seconds_to_exhaustion (None if it never is) as texts; all None when total is 0, as no data is
    not a burn rate of 0. Beside them the inputs, the assumptions and the steps.

    Examples
    --------
    >>> found = calculate_burn_rate({"objective_percent": "99.9", "good": 985600,
    ...     "total": 1000000, "window_seconds": 3600, "period_days": "30"})
    >>> found["burn_rate"], found["budget_consumed_percent"], found["seconds_to_exhaustion"]
    ('14.4', '2', '180000')
    """
    fields = {"objective_percent", "good", "total", "window_seconds", "period_days"}
    given = check_keys(body, "", fields | {"remaining_percent"})
    objective = as_objective(given.get("objective_percent"), "objective_percent")
    total = as_decimal(given.get("total"), "total", low=0, high="1e18", unit="events")
    good = as_decimal(given.get("good"), "good", low=0, high="1e18", unit="events")
    window = as_positive(given.get("window_seconds"), "window_seconds", high="1e9", unit="s")
    period = as_positive(given.get("period_days"), "period_days", high=36600, unit="days")
    period *= SECONDS_PER_DAY
    remaining = as_decimal(given.get("remaining_percent", 100), "remaining_percent", high=100) / 100
    if good > total:
        raise ScoringError("good", f"is {plain(good)}", bound=f"at most the total, {plain(total)}")
    assumptions = [
        f"{plain(remaining * 100)} % of the period's budget is left when the window ends.",
        "The burn goes on as in the window.",
    ]
    answer: dict[str, Any] = {
        "error_ratio": None,
        "burn_rate": None,
        "budget_consumed_percent": None,
        "seconds_to_exhaustion": None,
        "inputs": given,
        "assumptions": assumptions,
        "steps": [],
    }
    if not total:
        assumptions.append("No events are no data: nothing is known about the burn.")
        return answer
    errors = (total - good) / total
    burn = errors / (1 - objective)
    consumed = burn * window / period
    lasts = seconds_to_exhaustion(remaining, period, burn)
    answer["error_ratio"] = plain(errors)
    answer["burn_rate"] = plain(burn)
    answer["budget_consumed_percent"] = plain(consumed * 100)
    if lasts is not None and lasts.is_finite():
        answer["seconds_to_exhaustion"] = plain(lasts)
    else:
        assumptions.append("Nothing burns, so the budget is never exhausted.")
    budget = plain(1 - objective)
    answer["steps"] = [
        step("error_ratio", f"({plain(total)} - {plain(good)}) / {plain(total)}", errors),
        step("burn_rate", f"{plain(errors)} / {budget}", burn),
        step(
            "budget_consumed_percent",
            f"{plain(burn)} × {plain(window)} s / {plain(period)} s × 100",
            consumed * 100,
        ),
        step(
            "seconds_to_exhaustion",
            f"{plain(remaining)} × {plain(period)} s / {plain(burn)}",
            lasts if lasts is not None and lasts.is_finite() else None,
        ),
    ]
    return answer
