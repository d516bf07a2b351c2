import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import STATES, add_roi, effort_in_days, pert_mean, rank, states


def test_a_free_or_missing_repair_never_gives_an_infinite_roi():
    items = pd.DataFrame(
        {
            "annual_cost": [10.0, 10.0],
            "benefit": [10.0, 10.0],
            "weighted_benefit": [10.0, 10.0],
            "repair_cost": [0.0, math.nan],
        }
    )
    found = add_roi(items)
    assert found[["roi", "money_roi", "payback_days", "breaking_point_years"]].isna().all(axis=None)
    assert [STATES[code] for code in states(found)] == ["needs_estimate", "needs_estimate"]


@given(*[st.one_of(st.just(5e-324), st.floats(0, 1e300))] * 2)
def test_no_amount_is_so_small_that_a_ratio_is_infinite_or_lost(benefit, cost):
    amounts = {"annual_cost": [benefit], "benefit": [benefit], "weighted_benefit": [benefit]}
    found = add_roi(pd.DataFrame(amounts | {"repair_cost": [cost]}))
    assert not np.isinf(found.to_numpy()).any()
    assert (found["roi"].notna() == (cost > 0)).all()
    assert (found["payback_days"].notna() == (cost > 0 and benefit > 0)).all()


def test_equal_rois_rank_by_item_and_the_unscored_have_no_rank():
    items = pd.DataFrame({"item_id": [5, 2, 9, 1], "roi": [1.0, 1.0, math.nan, -2.0]})
    assert rank(items).tolist() == [2, 1, 0, 3]


def test_story_points_of_a_team_without_days_per_point_stay_unknown():
    days = effort_in_days([8.0, 8.0, 8.0, math.nan], [0, 1, 2, 0], [0.5, 0.5, math.nan, 0.5])
    assert days[:2].tolist() == [8.0, 1.0]
    assert math.isnan(days[2])
    assert math.isnan(days[3])


@given(st.floats(-1e9, 1e9))
def test_a_single_number_comes_back_from_pert_to_the_last_bit(value):
    assert pert_mean(value, value, value) == value
    assert pert_mean(math.nan, value, math.nan) == value


@pytest.mark.parametrize(
    "points", [(1, math.nan, math.nan), (1, 2, math.nan), (math.nan, 2, 3), (1, math.nan, 3)]
)
def test_a_three_point_estimate_with_a_hole_is_unknown(points):
    assert math.isnan(pert_mean(*points))
