import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from scoring import (
    DEFAULT_PAYLOAD,
    GUARANTEE_COLUMNS,
    KINDS,
    MEMBER_COLUMNS,
    PRIORITY_REASONS,
    SCENARIO_COLUMNS,
    Policy,
    Scenarios,
    add_priority,
    budget_shares,
    gate_losses,
    make_frame,
)

POLICY = Policy.from_payload(DEFAULT_PAYLOAD)
NAN = math.nan
GUARANTEES = pd.DataFrame(
    {
        "guarantee_id": [1, 2, 3],
        "objective": [0.999, 0.9999, 1.0],
        "requests_per_year": [1e6, NAN, 1e6],
    }
)


def impacts_of(*rows):
    """Impacts as (item, kind, guarantee, frequency, share, magnitude)."""
    columns = ["item_id", "kind", "guarantee_id", "frequency", "share", "magnitude"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(kind=[KINDS.index(kind) for kind in frame["kind"]])


def shares_of(*rows):
    items = pd.DataFrame({"item_id": [10, 20]})
    return budget_shares(items, impacts_of(*rows), GUARANTEES).tolist()


def test_bad_requests_and_bad_minutes_are_set_against_their_own_budget():
    # 0.1 % of a million requests are 1,000; 0.01 % of a year are 52.56 minutes.
    found = shares_of((10, "latency", 1, 5000.0, 0.1, 180.0), (20, "downtime", 2, 3.0, 0.5, 17.52))
    assert found == pytest.approx([0.5, 0.5])


def test_impacts_on_one_guarantee_add_up_and_of_several_guarantees_the_worst_counts():
    found = shares_of(
        (10, "latency", 1, 5000.0, 0.02, 1.0),
        (10, "errors", 1, 100.0, 1.0, 1.0),
        (10, "downtime", 2, 1.0, 1.0, 5.256),
    )
    assert found[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "row",
    [
        (10, "latency", -1, 5000.0, 0.02, 1.0),  # tied to no guarantee
        (10, "latency", 2, 5000.0, 0.02, 1.0),  # nobody knows the requests
        (10, "latency", 1, NAN, 0.02, 1.0),
        (10, "toil", 1, 5000.0, 1.0, 1.0),  # an hour of work breaks no promise
    ],
)
def test_what_says_nothing_about_a_budget_leaves_the_share_unknown(row):
    assert np.isnan(shares_of(row)).all()


def test_without_a_budget_one_bad_request_is_too_much_and_none_is_fine():
    assert shares_of((10, "errors", 3, 1.0, 1.0, 1.0))[0] == 1e6
    assert shares_of((10, "errors", 3, 0.0, 1.0, 1.0))[0] == 0.0
    assert shares_of(*[(10, "errors", 3, 1.0, 1.0, 1.0)] * 2)[0] == 1e6


@pytest.mark.parametrize(
    ("cells", "priority", "reason"),
    [
        ({"gate_loss": 20.0}, 0, "gate"),
        ({"gate_loss": 19.9}, 3, "unpriced"),
        ({"budget_share": 0.2501}, 0, "budget"),
        ({"budget_share": 0.25, "annual_cost": 1.0}, 1, "budget"),
        ({"budget_share": 0.1, "annual_cost": 1.0}, 2, "priced"),
        ({"annual_cost": 20.0}, 1, "cost"),
        ({"annual_cost": 19.9}, 2, "priced"),
        ({"annual_cost": 0.1}, 2, "priced"),
        ({"annual_cost": 0.099}, 3, "negligible"),
        ({}, 3, "unpriced"),
        ({"burning": True}, 2, "burn"),
        ({"burning": True, "annual_cost": 1.0}, 1, "burn"),
        ({"burning": True, "annual_cost": 20.0}, 0, "burn"),
        ({"burning": True, "gate_loss": 20.0}, 0, "gate"),
    ],
)
def test_the_bounds_between_priorities(cells, priority, reason):
    row = {"annual_cost": NAN, "budget_share": NAN, "gate_loss": NAN, "burning": False, **cells}
    found = add_priority(pd.DataFrame([row]), 1000.0, POLICY)
    assert found["priority"].tolist() == [priority]
    assert PRIORITY_REASONS[found["priority_reason"][0]] == reason


@pytest.mark.parametrize("objective", [0.9, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999])
@pytest.mark.parametrize(("part", "priority"), [("0.25", 1), ("0.1", 2)])
def test_a_part_of_a_budget_that_is_just_the_bound_is_not_above_it(objective, part, priority):
    minutes = Fraction(part) * (1 - Fraction(str(objective))) * 365 * 24 * 60
    impacts = impacts_of((10, "downtime", 7, float(minutes), 1.0, 1.0))
    items = pd.DataFrame(
        {"item_id": [10], "annual_cost": [1.0], "gate_loss": [NAN], "burning": [False]}
    )
    guarantee = {"guarantee_id": 7, "objective": objective}
    share = budget_shares(items, impacts, make_frame(GUARANTEE_COLUMNS, [guarantee]))
    found = add_priority(items.assign(budget_share=share), 1000.0, POLICY)
    assert found["priority"].tolist() == [priority]


def test_in_a_portfolio_that_costs_nothing_nothing_is_urgent():
    row = {"annual_cost": 0.0, "budget_share": NAN, "gate_loss": 0.0, "burning": False}
    assert add_priority(pd.DataFrame([row]), 0.0, POLICY)["priority"].tolist() == [3]


def test_an_open_gate_stands_for_the_most_expensive_of_its_scenarios():
    scenarios = [
        {"scenario_id": n, "trigger_rate": 1.0, "loss": loss} for n, loss in enumerate((100, 300))
    ]
    members = [
        {"scenario_id": 0, "item_id": 1, "role": 0},
        {"scenario_id": 1, "item_id": 1, "role": 0},
        {"scenario_id": 1, "item_id": 2, "role": 0, "repaired": True, "effectiveness": 0.5},
        {"scenario_id": 1, "item_id": 3, "role": 2, "probability": 0.5},
    ]
    made = Scenarios.of(
        make_frame(SCENARIO_COLUMNS, scenarios), make_frame(MEMBER_COLUMNS, members)
    )
    assert gate_losses(made).to_dict() == {1: 100.0}


def test_a_gate_of_a_scenario_whose_loss_nobody_knows_stands_for_nothing():
    made = Scenarios.of(
        make_frame(SCENARIO_COLUMNS, [{"scenario_id": 0, "trigger_rate": 1.0}]),
        make_frame(MEMBER_COLUMNS, [{"scenario_id": 0, "item_id": 1, "role": 0}]),
    )
    assert gate_losses(made).to_dict() == {}
