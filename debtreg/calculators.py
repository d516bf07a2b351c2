"""The calculators: a question as numbers in, the answer and how it came about out.

Pages and the API ask here. Nothing is stored, and nothing is read but the policy in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import scoring
from debtreg import frames

CALCULATORS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "inversion": scoring.calculate_inversion,
    "burn-rate": scoring.calculate_burn_rate,
    "penalty": scoring.calculate_penalty,
    "breaker": scoring.calculate_breaker,
    "roi": frames.calculate_roi,
}


def calculate(name: str, body: Any) -> dict[str, Any]:
    """The answer of the calculator of that name.

    Raises DebtregError, which names the field that is refused, and the reason.
    """
    try:
        return CALCULATORS[name](body)
    except scoring.ScoringError as error:
        raise frames.refusal(error) from error
