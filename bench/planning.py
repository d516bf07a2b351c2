"""Table `planning`: iterations filled by the solver beside the greedy way."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

import scoring
from bench.database import Server
from bench.report import Table

TITLE = "Planning 2,000 items of 12 teams with 800 prerequisites into iterations"
NOTE = (
    "gap: what the plan may be below the best one, by the solver's bound. greedy: what returns"
    " most per day first, into the first iteration with room after what it needs, round by round"
    " until nothing more fits."
)
ITEMS, TEAMS, PREREQUISITES = 2_000, 12, 800
SECONDS = 30.0
MOST_GAP = 0.005


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    return {str(seed): _measure(seed) for seed in (1, 2, 3)}


def _measure(seed: int) -> dict[str, Any]:
    entries, iterations, needs = portfolio(seed)
    start = time.perf_counter()
    plan = scoring.assign(entries, iterations, needs, seconds=SECONDS)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    benefit = greedy(entries, iterations, needs)
    return {
        "s": seconds,
        "benefit": plan.benefit,
        "gap": plan.gap,
        "greedy_s": time.perf_counter() - start,
        "greedy": benefit,
        "bound": plan.bound,
    }


def portfolio(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Room for about half of the work; prerequisites point to lower ids, also across teams."""
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 41, ITEMS) / 2
    entries = scoring.make_frame(
        scoring.ENTRY_COLUMNS,
        [
            {"item_id": n + 1, "team_id": int(n % TEAMS), "benefit": float(b), "days": float(d)}
            for n, (b, d) in enumerate(zip(days * rng.lognormal(8, 0.7, ITEMS), days, strict=True))
        ],
    )
    room = int(days.sum() / TEAMS / 6 / 2 * 2)
    iterations = scoring.make_frame(
        scoring.ITERATION_COLUMNS,
        [
            {"iteration_id": 10 * team + n, "team_id": team, "order": n, "half_days_left": room}
            for team in range(TEAMS)
            for n in range(6)
        ],
    )
    item = rng.integers(2, ITEMS + 1, PREREQUISITES)
    needs = pd.DataFrame({"item_id": item, "needs_id": rng.integers(1, item)})
    return entries, iterations, needs.drop_duplicates().astype("int64")


def greedy(entries: pd.DataFrame, iterations: pd.DataFrame, needs: pd.DataFrame) -> float:
    size = (np.ceil(entries["days"] * 2)).astype(int).tolist()
    team, benefit = entries["team_id"].tolist(), entries["benefit"].tolist()
    room = {
        (row.team_id, row.order): row.half_days_left for row in iterations.itertuples(index=False)
    }
    wants: dict[int, list[int]] = {}
    for row in needs.itertuples(index=False):
        wants.setdefault(row.item_id - 1, []).append(row.needs_id - 1)
    placed: dict[int, int] = {}
    waiting = sorted(range(len(size)), key=lambda n: -benefit[n] / size[n])
    known = -1
    while known < len(placed):  # what waited for something comes in the next round
        known = len(placed)
        for item in waiting:
            if item in placed or any(other not in placed for other in wants.get(item, ())):
                continue
            first = max((placed[other] for other in wants.get(item, ())), default=0)
            for order in range(first, 6):
                if room[team[item], order] >= size[item]:
                    room[team[item], order] -= size[item]
                    placed[item] = order
                    break
    return sum(benefit[item] for item in placed)


def show(result: dict[str, Any]) -> Table:
    table = Table("portfolio", "s", "gap", "at most", "greedy s", "greedy is below by")
    for name, found in result.items():
        missed = " !" if found["gap"] > MOST_GAP else ""
        table.row(
            *(name, f"{found['s']:.1f}", f"{100 * found['gap']:.3f} %{missed}"),
            *(f"{100 * MOST_GAP} %", f"{found['greedy_s']:.2f}"),
            f"{100 * (1 - found['greedy'] / found['benefit']):.1f} %",
        )
    return table
