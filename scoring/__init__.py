"""Numbers only: DataFrame in, DataFrame out. No Django, no clock, no input or output."""

from .calculator import calculate_roi
from .columns import (
    CANDIDATE_COLUMNS,
    CONFIDENCES,
    ENTRY_COLUMNS,
    FACTORS,
    GRADES,
    GUARANTEE_COLUMNS,
    IMPACT_COLUMNS,
    ITEM_COLUMNS,
    ITERATION_COLUMNS,
    KINDS,
    MEMBER_COLUMNS,
    NO_SERVICE,
    POINTS,
    PREREQUISITE_COLUMNS,
    PRICE_COLUMNS,
    ROLES,
    SCENARIO_COLUMNS,
    SHARE_COLUMNS,
    SOURCES,
    STATES,
    check_columns,
    make_frame,
)
from .cost import add_benefit, add_cost, fill_defaults
from .errors import ScoringError
from .pert import pert_mean, pert_quantile, pert_sd, pert_shape
from .plan import PLACES, Plan, assign, half_days
from .policy import DEFAULT_PAYLOAD, POLICY_SCHEMA, Policy, check_payload
from .principal import EFFORT_UNITS, add_repair_cost, effort_in_days
from .priority import PRIORITY_REASONS, add_priority, budget_shares, gate_losses
from .promotion import REASONS, promote
from .reasons import iteration_reasons, place_reasons, promotion_reasons
from .roi import add_roi, promotes, rank, states
from .scenarios import Scenarios, attribute, marginal_values, removal_values
from .scores import SCORE_COLUMNS, score, score_in_detail
from .uncertainty import INPUTS, add_uncertainty, information_values

__all__ = [
    "CANDIDATE_COLUMNS",
    "CONFIDENCES",
    "DEFAULT_PAYLOAD",
    "EFFORT_UNITS",
    "ENTRY_COLUMNS",
    "FACTORS",
    "GRADES",
    "GUARANTEE_COLUMNS",
    "IMPACT_COLUMNS",
    "INPUTS",
    "ITEM_COLUMNS",
    "ITERATION_COLUMNS",
    "KINDS",
    "MEMBER_COLUMNS",
    "NO_SERVICE",
    "PLACES",
    "POINTS",
    "POLICY_SCHEMA",
    "PREREQUISITE_COLUMNS",
    "PRICE_COLUMNS",
    "PRIORITY_REASONS",
    "REASONS",
    "ROLES",
    "SCENARIO_COLUMNS",
    "SCORE_COLUMNS",
    "SHARE_COLUMNS",
    "SOURCES",
    "STATES",
    "Plan",
    "Policy",
    "Scenarios",
    "ScoringError",
    "add_benefit",
    "add_cost",
    "add_priority",
    "add_repair_cost",
    "add_roi",
    "add_uncertainty",
    "assign",
    "attribute",
    "budget_shares",
    "calculate_roi",
    "check_columns",
    "check_payload",
    "effort_in_days",
    "fill_defaults",
    "gate_losses",
    "half_days",
    "information_values",
    "iteration_reasons",
    "make_frame",
    "marginal_values",
    "pert_mean",
    "pert_quantile",
    "pert_sd",
    "pert_shape",
    "place_reasons",
    "promote",
    "promotes",
    "promotion_reasons",
    "rank",
    "removal_values",
    "score",
    "score_in_detail",
    "states",
]
