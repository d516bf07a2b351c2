"""What a scoring run does to the backlogs: promote, plan into iterations, take back."""

from __future__ import annotations

from typing import Any

import pandas as pd

import scoring


def propose(frame: pd.DataFrame, policy: scoring.Policy) -> Any:
    return None


def apply(plan: Any, *, run_id: int | None) -> tuple[int, int]:
    return 0, 0
