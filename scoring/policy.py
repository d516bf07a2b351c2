"""The scoring policy: weights, contingencies and thresholds. One version never changes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import jsonschema
import numpy as np
from numpy.typing import NDArray

from .columns import CONFIDENCES, KINDS
from .errors import ScoringError

DEFAULT_PAYLOAD: dict[str, Any] = {
    "weights": dict.fromkeys(KINDS, 1.0),
    "contingency": {"high": 0.0, "medium": 0.15, "low": 0.30, "none": 0.0},
    "threshold": 3.0,
    "demote_below": 2.5,
    "min_confidence": 0.0,
    "priority": {
        "p0_budget_share": 0.25,
        "p0_scenario_share": 0.02,
        "p1_budget_share": 0.10,
        "p1_cost_share": 0.02,
        "negligible_share": 0.0001,
    },
}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(low: float, high: float, description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "description": description}


POLICY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Scoring policy",
    **_object(
        {
            "weights": _object(
                {kind: _number(0, 3, "multiplier of the benefit, neutral 1") for kind in KINDS}
            ),
            "contingency": _object(
                {
                    name or "none": _number(0, 5, "part added to the repair cost; 0.15 is 15 %")
                    for name in CONFIDENCES
                }
            ),
            "threshold": _number(0, 1e6, "a marginal ROI above it is promoted; strictly above"),
            "demote_below": _number(
                0, 1e6, "an entry that nobody started goes back below this marginal ROI"
            ),
            "min_confidence": _number(
                0, 1, "promotion also needs this probability of beating the threshold; 0 is off"
            ),
            "priority": _object(
                {
                    "p0_budget_share": _number(0, 1e6, "P0 above this share of an error budget"),
                    "p0_scenario_share": _number(
                        0, 1, "P0 for a gate of a scenario with this share of the annual cost"
                    ),
                    "p1_budget_share": _number(0, 1e6, "P1 above this share of an error budget"),
                    "p1_cost_share": _number(0, 1, "P1 from this share of the annual cost"),
                    "negligible_share": _number(0, 1, "P3 below this share of the annual cost"),
                }
            ),
        }
    ),
}


@dataclass(frozen=True, slots=True)
class PriorityThresholds:
    """Shares of an error budget or of the portfolio's annual cost, as ratios."""

    p0_budget_share: float
    p0_scenario_share: float
    p1_budget_share: float
    p1_cost_share: float
    negligible_share: float


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the scoring policy.

    Examples
    --------
    >>> Policy.from_payload(DEFAULT_PAYLOAD, version=1).contingency["medium"]
    0.15
    """

    version: int
    weights: Mapping[str, float]
    contingency: Mapping[str, float]
    threshold: float
    demote_below: float
    min_confidence: float
    priority: PriorityThresholds

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], *, version: int = 0) -> Self:
        """Read a policy from its JSON. Raises ScoringError naming the first field that is wrong."""
        check_payload(payload)
        return cls(
            version=version,
            weights={kind: float(payload["weights"][kind]) for kind in KINDS},
            contingency={name: float(part) for name, part in payload["contingency"].items()},
            threshold=float(payload["threshold"]),
            demote_below=float(payload["demote_below"]),
            min_confidence=float(payload["min_confidence"]),
            priority=PriorityThresholds(
                **{name: float(part) for name, part in payload["priority"].items()}
            ),
        )

    def weight_by_kind(self) -> NDArray[np.float64]:
        """The weights in the order of KINDS."""
        return np.array([self.weights[kind] for kind in KINDS])

    def contingency_by_class(self) -> NDArray[np.float64]:
        """The contingencies in the order of CONFIDENCES; items without a class come first."""
        return np.array([self.contingency[name or "none"] for name in CONFIDENCES])


def check_payload(payload: Mapping[str, Any]) -> None:
    """Raise the first of payload_problems, unless this is a policy.

    Examples
    --------
    >>> check_payload({**DEFAULT_PAYLOAD, "demote_below": 4})
    Traceback (most recent call last):
    ...
    scoring.errors.ScoringError: demote_below is 4; allowed is at most the threshold, 3.0.
    """
    for problem in payload_problems(payload):
        raise problem


def payload_problems(payload: Any) -> list[ScoringError]:
    """All that keeps a piece of JSON from being a policy, each with its field and bound."""
    found = [
        ScoringError(
            ".".join(str(part) for part in problem.path) or "policy",
            f"is refused: {_shortened(problem.message)}",
        )
        for problem in jsonschema.Draft202012Validator(POLICY_SCHEMA).iter_errors(payload)
    ]
    if found:
        return sorted(found, key=lambda problem: problem.column)
    # JSON's NaN passes every minimum and maximum.
    found = [
        ScoringError(path, f"is {value}", bound="a finite number")
        for path, value in _numbers(payload)
        if not math.isfinite(value)
    ]
    if payload["demote_below"] > payload["threshold"]:
        found.append(
            ScoringError(
                "demote_below",
                f"is {payload['demote_below']}",
                bound=f"at most the threshold, {payload['threshold']}",
            )
        )
    return found


def _shortened(message: str) -> str:
    """A message begins with what it is about, which may be of any length."""
    return message if len(message) <= 200 else f"{message[:60]} … {message[-120:]}"


def _numbers(payload: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in payload.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, float(value)))
    return found
