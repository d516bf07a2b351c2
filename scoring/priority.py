"""Priority P0..P3: how much a debt endangers a promise, whatever its repair returns."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .columns import GUARANTEE_COLUMNS, KINDS, ROLES, check_columns, positions_of
from .policy import Policy
from .roi import DECISION_MARGIN
from .scenarios import Scenarios

# Why a priority is what it is; a code into this tuple.
PRIORITY_REASONS = (
    "gate",  # P0: without it an expensive scenario could not happen
    "budget",  # P0 or P1: it eats much of an error budget
    "cost",  # P1: it costs much of all debts together
    "priced",  # P2
    "unpriced",  # P3
    "negligible",  # P3: it costs next to nothing
    "burn",  # one higher than it would be: an error budget that it threatens burns
)
MINUTES_PER_YEAR = 365 * 24 * 60
# Without a budget any bad event is too much. A number says so where infinity could not be stored.
MOST = 1e6

_EVENTS = [KINDS.index("latency"), KINDS.index("errors")]
_DOWNTIME = KINDS.index("downtime")
_Floats = NDArray[np.float64]


def budget_shares(
    items: pd.DataFrame, impacts: pd.DataFrame, guarantees: pd.DataFrame
) -> NDArray[np.float64]:
    """Give the share of an error budget that each item uses up in a year.

    Bad events a year are frequency x share of `latency` (requests over target) and of `errors`;
    bad minutes are frequency x share x magnitude of `downtime`. The budget is (1 - objective) of
    the requests, or of the minutes of a year of 365 days. What an item does to one guarantee
    adds up; of several guarantees the one that it endangers most counts.

    Parameters
    ----------
    items : with item_id
    impacts : with item_id, kind, guarantee_id (-1: tied to none), and frequency, share and
        magnitude as add_cost resolves them
    guarantees : one row per guarantee or SLO, GUARANTEE_COLUMNS: objective (ratio, 0.9995),
        requests_per_year (of its service, NaN if unknown)

    Returns
    -------
    A ratio per item: 0.25 is a quarter; at most 1e6, NaN where no impact says anything.

    Examples
    --------
    >>> items = pd.DataFrame({"item_id": [1, 2]})
    >>> impacts = pd.DataFrame({"item_id": [1], "kind": [2], "guarantee_id": [7],
    ...                         "frequency": [2.0], "share": [1.0], "magnitude": [13.14]})
    >>> guarantees = pd.DataFrame(
    ...     {"guarantee_id": [7], "objective": [0.9999], "requests_per_year": [float("nan")]})
    >>> budget_shares(items, impacts, guarantees).round(6).tolist()
    [0.5, nan]
    """
    check_columns(guarantees, *GUARANTEE_COLUMNS)
    kind = impacts["kind"].to_numpy()
    at = pd.Index(guarantees["guarantee_id"]).get_indexer(pd.Index(impacts["guarantee_id"]))
    # 1 - 0.9999 is not 0.0001 to the last bit; a rounding error is no budget.
    left = np.round(1.0 - guarantees["objective"].to_numpy(), 12)
    budget_events = np.append(left * guarantees["requests_per_year"].to_numpy(), np.nan)[at]
    budget_minutes = np.append(left * MINUTES_PER_YEAR, np.nan)[at]
    bad = impacts["frequency"].to_numpy() * impacts["share"].to_numpy()
    minutes = kind == _DOWNTIME
    bad = np.where(minutes, bad * impacts["magnitude"].to_numpy(), bad)
    budget = np.where(minutes, budget_minutes, budget_events)
    known = (minutes | np.isin(kind, _EVENTS)) & ~np.isnan(bad) & ~np.isnan(budget)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(bad > 0, np.minimum(bad / budget, MOST), 0.0)
    rows = pd.DataFrame({"row": positions_of(items, impacts), "guarantee": at, "share": part})[
        known
    ]
    per_guarantee = rows.groupby(["row", "guarantee"])["share"].sum()
    most = per_guarantee.groupby("row").max()
    found = np.full(len(items), np.nan)
    found[most.index.to_numpy()] = np.minimum(most.to_numpy(), MOST)
    return found


def gate_losses(scenarios: Scenarios) -> pd.Series:
    """Give for each open gate the yearly loss of its most expensive scenario, by item id.

    Examples
    --------
    >>> from scoring import MEMBER_COLUMNS, SCENARIO_COLUMNS, make_frame
    >>> scenarios = make_frame(
    ...     SCENARIO_COLUMNS, [{"scenario_id": 1, "trigger_rate": 2.0, "loss": 50.0}])
    >>> members = make_frame(MEMBER_COLUMNS, [{"scenario_id": 1, "item_id": 8, "role": 0}])
    >>> gate_losses(Scenarios.of(scenarios, members)).to_dict()
    {8: 100.0}
    """
    members = scenarios.members
    loss = scenarios.values(scenarios.start())[scenarios.scenario]
    gates = (members["role"] == ROLES.index("gate")) & ~members["repaired"] & ~np.isnan(loss)
    return pd.Series(loss, name="gate_loss")[gates].groupby(members["item_id"][gates]).max()


def add_priority(items: pd.DataFrame, portfolio_cost: float, policy: Policy) -> pd.DataFrame:
    """Add the priority and its reason. It does not look at the ROI: an expensive P0 stays visible.

    Parameters
    ----------
    items : with annual_cost (currency / year, NaN if unpriced), budget_share (ratio, NaN if
        unknown; see budget_shares), gate_loss (currency / year, NaN for no gate; see
        gate_losses) and burning (an error budget that it threatens has lost a week's worth
        within three days)
    portfolio_cost : annual cost of all open items together, currency / year
    policy : gives the thresholds

    Returns
    -------
    A new frame with
        priority (0..3) :
            P0, a gate of a scenario that loses p0_scenario_share of the portfolio's cost or
            more, or a budget_share above p0_budget_share;
            P1, a budget_share above p1_budget_share, or p1_cost_share of the portfolio's cost or
            more; P2, priced, but less; P3, unpriced, or less than negligible_share.
            One that is burning is one higher, up to P0.
        priority_reason : code into PRIORITY_REASONS

    Examples
    --------
    >>> from scoring.policy import DEFAULT_PAYLOAD
    >>> nan = float("nan")
    >>> items = pd.DataFrame({"annual_cost": [nan, 10.0, 500.0, 0.001, 10.0, nan],
    ...                       "budget_share": [nan, 0.3, nan, nan, 0.1, nan],
    ...                       "gate_loss": [50.0, nan, nan, nan, nan, nan],
    ...                       "burning": [False, False, False, False, True, False]})
    >>> add_priority(items, 1000.0, Policy.from_payload(DEFAULT_PAYLOAD))["priority"].tolist()
    [0, 0, 1, 3, 1, 3]
    """
    check_columns(items, "annual_cost", "budget_share", "gate_loss", "burning")
    limits = policy.priority
    cost = items["annual_cost"].to_numpy()
    # A quarter is not more than a quarter, nor 2 % less than 2 %, whatever rounding made of it.
    share = items["budget_share"].to_numpy() * (1.0 - DECISION_MARGIN)
    # Of a portfolio that costs nothing no part is large.
    whole = portfolio_cost * (1.0 - DECISION_MARGIN) if portfolio_cost > 0 else np.inf
    choices = [
        (items["gate_loss"].to_numpy() >= limits.p0_scenario_share * whole, 0, "gate"),
        (share > limits.p0_budget_share, 0, "budget"),
        (share > limits.p1_budget_share, 1, "budget"),
        (cost >= limits.p1_cost_share * whole, 1, "cost"),
        (np.isnan(cost), 3, "unpriced"),
        (cost < limits.negligible_share * whole, 3, "negligible"),
    ]
    masks = [mask for mask, _, _ in choices]
    codes = [PRIORITY_REASONS.index(reason) for _, _, reason in choices]
    number = np.select(masks, [number for _, number, _ in choices], 2)
    reason = np.select(masks, codes, PRIORITY_REASONS.index("priced"))
    raised = items["burning"].to_numpy() & (number > 0)
    return items.assign(
        priority=(number - raised).astype(np.int8),
        priority_reason=np.where(raised, PRIORITY_REASONS.index("burn"), reason).astype(np.int8),
    )
