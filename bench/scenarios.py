"""Table `scenarios`: Shapley shares of failure scenarios beside the plain ways to get them."""

from __future__ import annotations

import time
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd

import scoring
from bench.database import Server
from bench.report import Table, best

TITLE = "Shapley shares of failure scenarios"
NOTE = (
    "plain: the value of every coalition of a scenario, weighted as Shapley defines it; for 20"
    " members, where a scenario has a million coalitions, 2,000 random orders of repair instead,"
    " of a few scenarios, and for the rest reckoned in proportion. Best of the repeats."
)
REPEATS = 3
ORDERS = 2_000
SAMPLE = 5


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    return {f"{count} x {members}": _measure(count, members) for count, members in CASES}


CASES = ((1_000, 8), (1_000, 20), (10, 200))


def _measure(count: int, members: int) -> dict[str, Any]:
    scenarios = portfolio(count, members)
    ours = [_timed(lambda: scoring.attribute(scenarios)) for _ in range(REPEATS)]
    shares = ours[0].pop("value").set_index(["scenario_id", "item_id"])["loss_share_likely"]
    [one.pop("value", None) for one in ours]
    plain = _by_coalitions if members <= 10 else _by_orders
    start = time.perf_counter()
    worst = 0.0
    for position in range(SAMPLE):
        one = scenarios.one(position)
        found = plain(one)
        exact = shares.loc[scenarios.scenario_ids[position]].loc[one.members["item_id"]]
        whole = float(one.values(one.start())[0])
        worst = max(worst, float(np.abs(found - exact.to_numpy()).max()) / whole)
    seconds = (time.perf_counter() - start) * count / SAMPLE
    return {"ours": ours, "plain_s": seconds, "off": worst, "way": plain.__name__.split("_by_")[1]}


def _timed(work: Any) -> dict[str, Any]:
    start = time.perf_counter()
    value = work()
    return {"s": time.perf_counter() - start, "value": value}


def portfolio(count: int, members: int) -> scoring.Scenarios:
    """Scenarios of gates, alternatives in groups and amplifiers, mixed alike, none repaired."""
    rng = np.random.default_rng(7)
    scenario = np.repeat(np.arange(1, count + 1), members)
    role = np.tile(np.arange(members) % 3, count).astype("int8")
    table = pd.DataFrame(
        {
            "scenario_id": scenario,
            "item_id": np.arange(1, len(scenario) + 1),
            "role": role,
            "group": np.where(role == 1, np.tile(np.arange(members) % 4, count), 0),
            "probability": np.where(role == 2, rng.uniform(0.02, 0.4, len(scenario)), np.nan),
            "effectiveness": rng.uniform(0.5, 1.0, len(scenario)),
            "repaired": False,
        }
    )
    loss = rng.lognormal(12, 1, count)
    scenarios = pd.DataFrame(
        {
            "scenario_id": np.arange(1, count + 1),
            "trigger_rate": rng.uniform(0.1, 4, count),
            **{f"loss_{point}": loss for point in scoring.POINTS},
        }
    )
    return scoring.Scenarios.of(scenarios, table)


def _by_coalitions(scenario: scoring.Scenarios) -> np.ndarray[Any, Any]:
    """Shapley's definition: what a member adds to each coalition of the others."""
    count = len(scenario.members)
    values = {}
    for size in range(count + 1):
        for chosen in combinations(range(count), size):
            x = np.zeros(count)
            x[list(chosen)] = 1.0
            values[frozenset(chosen)] = float(scenario.values(x)[0])
    found = np.zeros(count)
    for coalition, value in values.items():
        size = len(coalition)
        for member in range(count):
            if member in coalition:
                weight = 1.0 / (count * comb(count - 1, size - 1))
                found[member] += weight * (value - values[coalition - {member}])
    return found


def _by_orders(scenario: scoring.Scenarios) -> np.ndarray[Any, Any]:
    """The mean of what a member adds in random orders."""
    rng = np.random.default_rng(11)
    count = len(scenario.members)
    found = np.zeros(count)
    for _ in range(ORDERS):
        order = rng.permutation(count)
        x = np.zeros((count, count + 1))
        for place, member in enumerate(order):
            x[member, place + 1 :] = 1.0
        found[order] += np.diff(scenario.values(x)[0])
    return found / ORDERS


def show(result: dict[str, Any]) -> Table:
    table = Table(
        "scenarios x members", "plain way", "s", "plain s", "times as fast", "plain is off"
    )
    for name, found in result.items():
        ours = best(found["ours"])["s"]
        table.row(
            *(name, found["way"], f"{ours:.4f}", f"{found['plain_s']:.1f}"),
            *(f"{found['plain_s'] / ours:,.0f}", f"{100 * found['off']:.2g} %"),
        )
    return table
