import ctypes
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import milp

from scoring import (
    ENTRY_COLUMNS,
    ITERATION_COLUMNS,
    MEMBER_COLUMNS,
    PLACES,
    PREREQUISITE_COLUMNS,
    ROLES,
    SCENARIO_COLUMNS,
    Scenarios,
    ScoringError,
    assign,
    half_days,
    make_frame,
    packing,
)
from scoring import plan as plan_module


def entries_of(*rows):
    return make_frame(ENTRY_COLUMNS, [{"item_id": n, **row} for n, row in enumerate(rows)])


def iterations_of(*rows):
    return make_frame(
        ITERATION_COLUMNS,
        [{"iteration_id": 100 + n, "order": n, **row} for n, row in enumerate(rows)],
    )


def needs_of(*pairs):
    rows = [{"item_id": item, "needs_id": needs} for item, needs in pairs]
    return make_frame(PREREQUISITE_COLUMNS, rows)


def scenarios_of(*scenarios):
    members = [
        {"scenario_id": number, **member, "role": ROLES.index(member["role"])}
        for number, (_, each) in enumerate(scenarios)
        for member in each
    ]
    rows = [
        {"scenario_id": number, "trigger_rate": 1.0, "loss": loss}
        for number, (loss, _) in enumerate(scenarios)
    ]
    return Scenarios.of(make_frame(SCENARIO_COLUMNS, rows), make_frame(MEMBER_COLUMNS, members))


def entry(benefit, days, **cells):
    return {"benefit": float(benefit), "days": float(days), **cells}


def placed_in(plan):
    return plan.entries["iteration_id"].tolist()


def places(plan):
    return [PLACES[code] for code in plan.entries["place"]]


def test_what_is_worth_most_together_is_placed_not_what_is_worth_most_alone():
    entries = entries_of(entry(900, 4), entry(800, 3), entry(700, 2))
    plan = assign(entries, iterations_of({"half_days_left": 10}))
    assert placed_in(plan) == [-1, 100, 100]
    assert (plan.benefit, plan.gap) == (1500.0, 0.0)
    assert places(plan) == ["full", "placed", "placed"]


def test_what_is_left_out_says_what_the_cheapest_room_for_it_saves_more():
    entries = entries_of(entry(900, 4), entry(800, 3), entry(700, 2), entry(650, 2), entry(9, 3))
    plan = assign(entries, iterations_of({"half_days_left": 10}, {"half_days_left": 4}))
    assert places(plan) == ["full", "placed", "placed", "placed", "full"]
    short = plan.entries["short_by"].tolist()
    # Four days: both of the first iteration go. Three days: the one of three does.
    beside = 700.0 if plan.entries["iteration_id"][2] == 100 else 650.0
    assert short[0] == 800 + beside - 900
    assert short[4] == 800 - 9
    assert all(np.isnan(value) for value in short[1:4])
    # What a person has put there makes no room.
    entries["pinned"] = entries["benefit"].eq(800)
    entries["iteration_id"] = np.where(entries["pinned"], 100, -1)
    pinned = assign(entries, iterations_of({"half_days_left": 10}, {"half_days_left": 4}))
    assert np.isnan(pinned.entries["short_by"]).all()


def test_half_a_day_too_much_is_too_much():
    one = iterations_of({"half_days_left": 5})
    assert placed_in(assign(entries_of(entry(1, 2.5)), one)) == [100]
    plan = assign(entries_of(entry(1, 2.51)), one)
    assert (placed_in(plan), places(plan)) == ([-1], ["too_large"])
    assert half_days(np.array([0.1 * 3 * 5])).tolist() == [3]


def test_a_prerequisite_comes_in_the_same_or_an_earlier_iteration_also_of_another_team():
    entries = entries_of(entry(10, 2), entry(900, 2, team_id=1))
    iterations = iterations_of({"half_days_left": 4, "team_id": 1}, {"half_days_left": 4})
    # The other team comes first, what it needs only afterwards: nothing is left but to wait.
    plan = assign(entries, iterations, needs_of((1, 0)))
    assert (placed_in(plan), places(plan)) == ([101, -1], ["placed", "full"])
    plan = assign(entries, iterations.assign(order=[5, 5]), needs_of((1, 0)))
    assert placed_in(plan) == [101, 100]


def test_an_entry_whose_prerequisite_found_no_room_waits_and_names_it():
    entries = entries_of(entry(1, 9), entry(900, 1))
    plan = assign(entries, iterations_of({"half_days_left": 4}), needs_of((1, 0)))
    assert places(plan) == ["too_large", "waits"]
    assert plan.entries["needs_id"].tolist() == [-1, 0]


def test_entries_that_need_each_other_come_in_one_iteration():
    entries = entries_of(entry(100, 2), entry(100, 2), entry(50, 2))
    iterations = iterations_of({"half_days_left": 6}, {"half_days_left": 12})
    plan = assign(entries, iterations, needs_of((0, 1), (1, 0), (2, 0)))
    assert placed_in(plan) == [101, 101, 101]


def test_pinned_entries_stay_where_they_are_and_come_before_all_others():
    entries = entries_of(
        entry(1, 2, pinned=True, iteration_id=101), entry(900, 2), entry(1, 2, pinned=True)
    )
    iterations = iterations_of({"half_days_left": 4}, {"half_days_left": 5})
    plan = assign(entries, iterations)
    assert placed_in(plan)[0] == 101
    assert placed_in(plan)[2] == 100
    assert places(plan) == ["pinned", "full", "pinned"]


def test_more_pins_than_room_place_as_many_as_can_be():
    entries = entries_of(*(entry(n, 2, pinned=True, iteration_id=100) for n in (5, 7, 6)))
    plan = assign(entries, iterations_of({"half_days_left": 8}, {"half_days_left": 3}))
    assert placed_in(plan) == [-1, 100, 100]


def test_a_second_run_on_the_same_input_moves_nothing():
    rng = np.random.default_rng(11)
    entries = entries_of(*(entry(rng.integers(1, 99), rng.integers(1, 9)) for _ in range(30)))
    iterations = iterations_of(*({"half_days_left": 20} for _ in range(3)))
    first = assign(entries, iterations)
    again = entries.assign(iteration_id=first.entries["iteration_id"])
    assert placed_in(assign(again, iterations)) == placed_in(first)


def test_a_new_entry_moves_only_what_it_has_to():
    entries = entries_of(entry(50, 2), entry(60, 2), entry(70, 2), entry(10, 1, iteration_id=102))
    iterations = iterations_of(*({"half_days_left": 4} for _ in range(3)))
    entries["iteration_id"] = [102, 100, 101, 102]
    more = entries_of(*entries.to_dict("records"), entry(40, 2))
    plan = assign(more.assign(item_id=range(5)), iterations)
    # The small one would make room, nothing else.
    assert placed_in(plan)[:3] == [102, 100, 101]


def test_of_equal_entries_the_one_that_is_placed_stays_and_else_the_lower_id_wins():
    entries = entries_of(*(entry(100, 2) for _ in range(3)))
    one = iterations_of({"half_days_left": 4})
    assert placed_in(assign(entries, one)) == [100, -1, -1]
    assert placed_in(assign(entries.assign(iteration_id=[-1, -1, 100]), one)) == [-1, -1, 100]


def test_what_returns_more_per_day_comes_earlier():
    entries = entries_of(entry(10, 2), entry(100, 2), entry(50, 2))
    iterations = iterations_of(*({"half_days_left": 4} for _ in range(3)))
    assert placed_in(assign(entries, iterations)) == [102, 100, 101]


def test_an_entry_says_what_it_displaced_and_by_what_it_was_displaced():
    entries = entries_of(entry(50, 2, iteration_id=100), entry(900, 2))
    plan = assign(entries, iterations_of({"half_days_left": 4}))
    assert plan.entries["displaced_by_id"].tolist() == [1, -1]
    assert plan.entries["displaced_id"].tolist() == [-1, 0]


def test_an_iteration_says_what_was_left_out_first_and_what_one_more_day_would_buy():
    entries = entries_of(entry(900, 4), entry(500, 3), entry(450, 2), entry(80, 9))
    plan = assign(entries, iterations_of({"half_days_left": 10}))
    assert placed_in(plan) == [-1, 100, 100, -1]
    found = plan.iterations.iloc[0]
    assert (found["used_half_days"], found["left_half_days"]) == (10, 0)
    assert found["first_left_out_id"] == 0
    # Six days hold the 4 and the 2, instead of the 3.
    assert found[["one_more_day_id", "one_more_day_instead_of_id"]].tolist() == [0, 1]
    assert found["one_more_day_benefit"] == 400.0


def test_one_more_day_never_takes_out_what_it_needs_for_what_it_lets_in():
    entries = entries_of(entry(900, 4), entry(10, 3), entry(20, 1))
    plan = assign(entries, iterations_of({"half_days_left": 8}), needs_of((0, 1)))
    assert placed_in(plan) == [-1, 100, 100]
    # Without the 20 there is room for the 900, but not without the 10 that it needs.
    assert plan.iterations.iloc[0]["one_more_day_id"] == -1
    plan = assign(entries, iterations_of({"half_days_left": 12}), needs_of((0, 1)))
    found = plan.iterations.iloc[0]
    assert found[["one_more_day_id", "one_more_day_instead_of_id"]].tolist() == [0, 2]


def test_one_more_day_may_let_in_what_is_larger_than_any_iteration():
    plan = assign(entries_of(entry(900, 3)), iterations_of({"half_days_left": 4}))
    assert places(plan) == ["too_large"]
    found = plan.iterations.iloc[0]
    assert found[["one_more_day_id", "one_more_day_benefit"]].tolist() == [0, 900.0]


def test_an_exchange_within_a_scenario_counts_by_what_is_lost_and_saved_together():
    gates = [
        {"role": "gate", "item_id": 0, "effectiveness": 0.5},
        {"role": "gate", "item_id": 1, "effectiveness": 1.0},
    ]
    entries = entries_of(entry(0, 1), entry(0, 2))
    plan = assign(
        entries, iterations_of({"half_days_left": 2}), scenarios=scenarios_of((1000.0, gates))
    )
    assert placed_in(plan) == [100, -1]
    # With the first repaired the second would save 500 more; instead of it, 1,000 for its 500.
    assert plan.iterations.iloc[0]["one_more_day_benefit"] == 500.0


def test_what_takes_no_time_displaces_nothing():
    entries = entries_of(entry(50, 3, iteration_id=100), entry(900, 0), entry(60, 3))
    plan = assign(entries, iterations_of({"half_days_left": 6}))
    assert placed_in(plan) == [-1, 100, 100]
    assert plan.entries["displaced_by_id"].tolist() == [2, -1, -1]
    assert plan.entries["displaced_id"].tolist() == [-1, -1, 0]


def test_what_an_entry_would_save_counts_its_scenarios_even_if_it_fits_nowhere():
    gates = [{"role": "gate", "item_id": n, "effectiveness": 1.0} for n in (0, 1, 2)]
    entries = entries_of(entry(1, 9), entry(2, 1, team_id=7), entry(3, 1))
    plan = assign(
        entries, iterations_of({"half_days_left": 1}), scenarios=scenarios_of((1000.0, gates))
    )
    assert places(plan) == ["too_large", "no_iteration", "too_large"]
    assert plan.entries["benefit"].tolist() == [1001.0, 1002.0, 1003.0]
    plan = assign(
        entries, iterations_of({"half_days_left": 2}), scenarios=scenarios_of((1000.0, gates))
    )
    assert plan.entries["benefit"].tolist() == [1.0, 2.0, 1003.0]


def test_entries_of_a_scenario_count_by_what_they_save_together():
    gates = [{"role": "gate", "item_id": n, "effectiveness": 1.0} for n in (0, 1)]
    entries = entries_of(entry(0, 2), entry(0, 2), entry(100, 2))
    two = iterations_of({"half_days_left": 8})
    # The second gate saves nothing any more.
    plan = assign(entries, two, scenarios=scenarios_of((1000.0, gates)))
    assert plan.benefit == 1100.0
    assert sorted(placed_in(plan)[:2]) == [-1, 100]
    group = [{"role": "alternative", "group": 1, "item_id": n} for n in (0, 1)]
    plan = assign(entries, two, scenarios=scenarios_of((1000.0, group)))
    assert placed_in(plan) == [100, 100, -1]
    # One of them is repaired already: the other is enough.
    plan = assign(entries[1:], two, scenarios=scenarios_of((1000.0, group)), repaired=[0])
    assert plan.benefit == 1100.0


def test_a_scenario_of_very_many_entries_is_counted_truly_and_bounded_safely():
    roles = ["gate", "alternative", "amplifier"] * 5
    members = [
        {"role": role, "item_id": n, "group": 1, "probability": 0.2, "effectiveness": 0.9}
        for n, role in enumerate(roles)
    ]
    scenarios = scenarios_of((5000.0, members))
    entries = entries_of(*(entry(5, 1) for _ in roles))
    plan = assign(entries, iterations_of({"half_days_left": 8}), scenarios=scenarios)
    placed = np.array([[0 if n == 100 else -1 for n in placed_in(plan)]])
    rows = [{"benefit": 5.0}] * len(roles)
    assert plan.benefit == pytest.approx(plain_benefit(rows, [(5000.0, members)], placed)[0])
    every = np.full((1365, len(roles)), -1)
    for row, four in zip(every, combinations(range(len(roles)), 4), strict=True):
        row[list(four)] = 0
    best = plain_benefit(rows, [(5000.0, members)], every).max()
    assert best <= plan.bound
    assert plan.benefit >= 0.95 * best


def test_of_very_many_alternatives_all_are_placed_or_none():
    members = [{"role": "alternative", "item_id": n, "group": 1} for n in range(14)]
    scenarios = scenarios_of((5000.0, members))
    entries = entries_of(*(entry(0, 1) for _ in members), *(entry(9, 2) for _ in range(6)))
    # One of them that stays open is as bad as all: the others are the better plan.
    plan = assign(entries, iterations_of({"half_days_left": 27}), scenarios=scenarios)
    assert plan.benefit == 54.0
    assert placed_in(plan)[14:] == [100] * 6
    plan = assign(entries, iterations_of({"half_days_left": 28}), scenarios=scenarios)
    assert plan.benefit == 5000.0
    again = entries.assign(iteration_id=plan.entries["iteration_id"])
    iterations = iterations_of({"half_days_left": 28})
    assert placed_in(assign(again, iterations, scenarios=scenarios)) == placed_in(plan)


def test_whatever_the_solver_says_a_plan_is_checked_in_whole_half_days():
    entries = entries_of(entry(9, 2), entry(9, 2), entry(9, 1, team_id=1))
    iterations = iterations_of(
        {"half_days_left": 4}, {"half_days_left": 7}, {"half_days_left": 9, "team_id": 1}
    )
    book = plan_module._Book.of(entries, iterations, needs_of((0, 1)), None, ())
    valid = {
        slots: book.packing.is_valid(np.array(slots))
        for slots in ((1, 0, 2), (-1, 0, -1), (0, 1, 2), (1, -1, 2), (1, 1, 2), (1, 0, 1))
    }
    assert [slots for slots, kept in valid.items() if kept] == [(1, 0, 2), (-1, 0, -1)]


def test_planning_prints_nothing_whatever_the_solver_says(monkeypatch, capfd):
    c = ctypes.CDLL(None)

    def talkative(*args, **options):
        c.puts(b"debugging")
        return milp(*args, **options)

    monkeypatch.setattr(packing, "milp", talkative)
    plan = assign(entries_of(entry(1, 1), entry(2, 1)), iterations_of({"half_days_left": 2}))
    assert plan.benefit == 2.0
    c.puts(b"afterwards")
    c.fflush(None)
    assert capfd.readouterr().out == "afterwards\n"


def test_a_team_without_open_iterations_and_no_iterations_at_all_are_no_error():
    entries = entries_of(entry(1, 1, team_id=5), entry(1, 1))
    plan = assign(entries, iterations_of({"half_days_left": 4}))
    assert places(plan) == ["no_iteration", "placed"]
    plan = assign(entries, iterations_of())
    assert places(plan) == ["no_iteration", "no_iteration"]
    assert assign(entries_of(), iterations_of()).benefit == 0.0


def test_an_entry_without_an_estimate_is_refused():
    entries = entries_of({"benefit": 3.0})
    with pytest.raises(ScoringError, match="days is unknown in row 0"):
        assign(entries, iterations_of({"half_days_left": 4}))


def group_of(*items, loss=9000.0):
    return loss, [{"role": "alternative", "group": 1, "item_id": n} for n in items]


def test_a_bundle_is_planned_whole_or_not_at_all():
    entries = entries_of(*(entry(0, 4, bundle=0) for _ in range(3)), entry(50, 1))
    bundle = scenarios_of(group_of(0, 1, 2))
    plan = assign(entries, iterations_of({"half_days_left": 24}), scenarios=bundle)
    assert placed_in(plan) == [100, 100, 100, -1]
    assert places(plan)[3] == "full"
    # It may be spread over several iterations.
    two = iterations_of({"half_days_left": 16}, {"half_days_left": 10})
    plan = assign(entries, two, scenarios=bundle)
    assert (placed_in(plan), plan.benefit) == ([100, 100, 101, 101], 9050.0)


def test_a_bundle_that_has_room_only_in_part_is_left_out_and_says_why():
    entries = entries_of(*(entry(0, 4, bundle=0) for _ in range(3)), entry(50, 1))
    bundle = scenarios_of(group_of(0, 1, 2))
    plan = assign(entries, iterations_of({"half_days_left": 16}), scenarios=bundle)
    assert placed_in(plan) == [-1, -1, -1, 100]
    assert places(plan)[:3] == ["bundle_too_large"] * 3
    # As long as it is worth less than what else there is, it is just left out.
    worse = scenarios_of(group_of(0, 1, 2, loss=40.0))
    plan = assign(entries, iterations_of({"half_days_left": 26}), scenarios=worse)
    assert placed_in(plan) == [100, 100, 100, 100]
    plan = assign(entries, iterations_of({"half_days_left": 24}), scenarios=worse)
    assert (placed_in(plan), places(plan)[0]) == ([-1, -1, -1, 100], "bundle_full")
    assert plan.entries["benefit"].tolist()[:3] == [40.0] * 3
    # Its room is not what it needs if no iteration takes a half of one of them.
    plan = assign(entries, iterations_of(*[{"half_days_left": 12}] * 2), scenarios=bundle)
    assert places(plan)[:3] == ["bundle_too_large"] * 3


def test_a_bundle_waits_for_a_part_of_it_that_fits_nowhere():
    entries = entries_of(entry(0, 4, bundle=0), entry(0, 9, bundle=0), entry(50, 1))
    plan = assign(
        entries, iterations_of({"half_days_left": 16}), scenarios=scenarios_of(group_of(0, 1))
    )
    assert places(plan) == ["waits", "too_large", "placed"]
    assert plan.entries["needs_id"].tolist() == [1, -1, -1]


def test_a_bundle_of_two_teams_is_whole_in_both_or_in_neither():
    entries = entries_of(entry(0, 4, bundle=0), entry(0, 4, bundle=0, team_id=1), entry(50, 4))
    bundle = scenarios_of(group_of(0, 1))
    slots = iterations_of({"half_days_left": 8}, {"half_days_left": 8, "team_id": 1})
    assert placed_in(assign(entries, slots, scenarios=bundle)) == [100, 101, -1]
    worse = scenarios_of(group_of(0, 1, loss=40.0))
    assert placed_in(assign(entries, slots, scenarios=worse)) == [-1, -1, 100]


def test_what_saves_nothing_is_planned_only_if_it_is_pinned_or_needed():
    entries = entries_of(entry(0, 1), entry(0, 1), entry(0, 1, pinned=True), entry(50, 1))
    plan = assign(entries, iterations_of({"half_days_left": 20}), needs_of((3, 0)))
    assert placed_in(plan) == [100, -1, 100, 100]
    assert places(plan)[1] == "idle"
    gates = [{"role": "gate", "item_id": n, "effectiveness": 1.0} for n in (0, 1)]
    entries = entries_of(entry(0, 1), entry(0, 1, iteration_id=100))
    plan = assign(
        entries, iterations_of({"half_days_left": 20}), scenarios=scenarios_of((900.0, gates))
    )
    assert (placed_in(plan), places(plan)[0]) == ([-1, 100], "idle")


def test_what_is_held_waits_and_so_does_what_needs_it():
    entries = entries_of(entry(50, 1, held=True), entry(50, 1), entry(50, 1))
    plan = assign(entries, iterations_of({"half_days_left": 20}), needs_of((1, 0)))
    assert places(plan) == ["held", "waits", "placed"]
    assert plan.iterations["one_more_day_id"].tolist() == [-1]


# The brute-force optimum: every way to put entries into iterations.


@st.composite
def instances(draw, most=8):
    teams = draw(st.integers(1, 2))
    slots = [
        {"half_days_left": draw(st.integers(0, 12)), "team_id": n % teams, "order": n // teams}
        for n in range(draw(st.integers(1, 2)) * teams)
    ]
    count = draw(st.integers(1, most))
    ids = [-1, *(100 + n for n in range(len(slots)))]
    rows = [
        entry(
            draw(st.integers(0, 60)),
            draw(st.integers(0, 7)) / 2,
            team_id=draw(st.integers(0, teams - 1)),
            iteration_id=draw(st.sampled_from(ids)),
            pinned=draw(st.sampled_from([False] * 9 + [True])),
        )
        for _ in range(count)
    ]
    pairs = draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=4)
    )
    scenarios = []
    for number in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.integers(0, count), unique=True, max_size=5))
        members = [
            {
                "item_id": n,
                "role": draw(st.sampled_from(["gate", "alternative", "alternative", "amplifier"])),
                "group": 1,
                "probability": 0.5,
                "effectiveness": draw(st.sampled_from([0.5, 1.0])),
            }
            for n in chosen
        ]
        scenarios.append((draw(st.sampled_from([30.0, 200.0])), members))
        group = [m["item_id"] for m in members if m["role"] == "alternative"]
        if draw(st.booleans()) and max(group, default=count) < count:
            for n in group:
                rows[n].setdefault("bundle", number)
    return rows, slots, [(a, b) for a, b in pairs if a != b], scenarios


def every_plan(rows, slots, pairs):
    """All valid plans as rows of slot numbers, -1 for none."""
    options = [
        [-1, *(n for n, slot in enumerate(slots) if slot["team_id"] == row["team_id"])]
        for row in rows
    ]
    plans = np.array(list(product(*options)), dtype=np.int8)
    sizes = np.array([round(row["days"] * 2) for row in rows])
    for number, slot in enumerate(slots):
        plans = plans[(plans == number) @ sizes <= slot["half_days_left"]]
    orders = np.array([slot["order"] for slot in slots] + [99])
    for item, needs in pairs:
        late = (plans[:, item] != -1) & (orders[plans[:, needs]] > orders[plans[:, item]])
        plans = plans[~late]
    for bundle in {row["bundle"] for row in rows if "bundle" in row}:
        inside = plans[:, [row.get("bundle") == bundle for row in rows]] != -1
        plans = plans[inside.all(axis=1) | ~inside.any(axis=1)]
    return plans


def plain_benefit(rows, scenarios, plans):
    placed = plans != -1
    total = placed @ np.array([row["benefit"] for row in rows])
    for loss, members in scenarios:
        values = []
        for done in (placed & False, placed):
            factors = {}
            for m in members:
                repaired = done[:, m["item_id"]] if m["item_id"] < len(rows) else False
                x = np.where(repaired, 1 - m["effectiveness"], 1.0)
                p = m["probability"] if m["role"] == "amplifier" else 1.0
                key = (m["role"], m["item_id"] if m["role"] == "gate" else 0)
                factors[key] = factors.get(key, 1.0) * (1 - p * x)
            value = np.full(len(plans), loss)
            for factor in factors.values():
                value = value * (1 - factor)
            values.append(value)
        total = total + values[0] - values[1]
    return total


def check_against_every_plan(rows, slots, pairs, scenarios):
    plan = assign(
        entries_of(*rows), iterations_of(*slots), needs_of(*pairs), scenarios_of(*scenarios)
    )
    plans = every_plan(rows, slots, pairs)
    benefit = plain_benefit(rows, scenarios, plans)
    # As many pins as can be, those in their iteration counting twice, then the benefit.
    homes = np.array([row.get("iteration_id", -1) - 100 for row in rows])
    pinned = np.array([row.get("pinned", False) for row in rows])
    pins = ((plans != -1) * pinned * (1 + (plans == homes))).sum(axis=1)
    best = benefit[pins == pins.max()].max()
    mine = np.array([n - 100 if n != -1 else -1 for n in placed_in(plan)], dtype=np.int8)
    same = (plans == mine).all(axis=1)
    assert same.any(), "the plan breaks a rule"
    assert pins[same][0] == pins.max()
    assert benefit[same][0] == pytest.approx(best, abs=1e-6)
    assert plan.benefit == pytest.approx(best, abs=1e-6)
    assert plan.bound == pytest.approx(best, abs=1e-4)
    check_that_nothing_is_idle(rows, pairs, scenarios, mine)


def check_that_nothing_is_idle(rows, pairs, scenarios, mine):
    """What is placed, with all that needs it and its bundle, saves something; or it is pinned."""
    for n in np.flatnonzero(mine != -1):
        leaving = {n}
        while True:
            more = {item for item, needs in pairs if needs in leaving and mine[item] != -1}
            bundles = {rows[m]["bundle"] for m in leaving if "bundle" in rows[m]}
            more |= {m for m, row in enumerate(rows) if row.get("bundle") in bundles}
            if more <= leaving:
                break
            leaving |= more
        rest = mine.copy()
        rest[list(leaving)] = -1
        saves = np.diff(plain_benefit(rows, scenarios, np.array([rest, mine])))[0]
        assert saves > 1e-7 or any(rows[m].get("pinned") for m in leaving)


@given(instances())
@settings(max_examples=300)
def test_a_small_plan_equals_the_best_of_all_plans(instance):
    check_against_every_plan(*instance)


@given(instances())
@settings(max_examples=200)
def test_a_plan_never_exceeds_the_capacity_of_an_iteration(instance):
    rows, slots, pairs, scenarios = instance
    rows = [{**row, "pinned": False} for row in rows]  # a person may overfill one, a plan may not
    plan = assign(
        entries_of(*rows), iterations_of(*slots), needs_of(*pairs), scenarios_of(*scenarios)
    )
    taken = Counter()
    for row, place in zip(rows, placed_in(plan), strict=True):
        taken[place] += 2 * row["days"]
    assert all(taken[100 + n] <= slot["half_days_left"] for n, slot in enumerate(slots))


@pytest.mark.parametrize("seed", range(25))
def test_twelve_entries_equal_the_best_of_all_plans(seed):
    rng = np.random.default_rng(seed)
    rows = [entry(rng.integers(1, 60), rng.integers(1, 9) / 2, team_id=n % 2) for n in range(12)]
    slots = [
        {"half_days_left": int(rng.integers(4, 16)), "team_id": n % 2, "order": n // 2}
        for n in range(4)
    ]
    pairs = [tuple(sorted(rng.choice(12, 2, replace=False), reverse=True)) for _ in range(4)]
    members = [
        {
            "item_id": int(n),
            "role": ["gate", "alternative", "amplifier"][rng.integers(3)],
            "group": 1,
            "probability": 0.4,
            "effectiveness": 1.0,
        }
        for n in rng.choice(12, 5, replace=False)
    ]
    check_against_every_plan(rows, slots, pairs, [(150.0, members)])


@given(instances())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_thinning_out_loses_no_best_plan(monkeypatch, instance):
    monkeypatch.setattr(packing, "LARGE", 0)
    check_against_every_plan(*instance)


@given(instances())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_way_for_large_plans_keeps_every_rule_and_never_bounds_too_low(monkeypatch, instance):
    rows, slots, pairs, scenarios = instance
    rows = [{**row, "pinned": False} for row in rows]
    pairs = [(item, needs) for item, needs in pairs if item > needs]  # no circles across teams
    monkeypatch.setattr(plan_module, "SMALL", 0)
    plan = assign(
        entries_of(*rows), iterations_of(*slots), needs_of(*pairs), scenarios_of(*scenarios)
    )
    plans = every_plan(rows, slots, pairs)
    mine = np.array([n - 100 if n != -1 else -1 for n in placed_in(plan)], dtype=np.int8)
    assert (plans == mine).all(axis=1).any(), "the plan breaks a rule"
    best = plain_benefit(rows, scenarios, plans).max()
    assert plan.bound >= best - 1e-4
    assert plan.benefit >= best * 0.5


@given(instances())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_when_the_solver_finds_nothing_in_time_there_is_still_a_valid_plan(monkeypatch, instance):
    rows, slots, pairs, scenarios = instance
    monkeypatch.setattr(plan_module, "pack", lambda *_, **__: None)
    plan = assign(
        entries_of(*rows), iterations_of(*slots), needs_of(*pairs), scenarios_of(*scenarios)
    )
    plans = every_plan(rows, slots, pairs)
    mine = np.array([n - 100 if n != -1 else -1 for n in placed_in(plan)], dtype=np.int8)
    assert (plans == mine).all(axis=1).any(), "the plan breaks a rule"
    assert plan.bound >= plain_benefit(rows, scenarios, plans).max() - 1e-6


@pytest.mark.parametrize(
    ("count", "teams", "edges", "room", "seconds", "most_gap"),
    [
        (240, 4, 90, (40, 80), 12.0, 0.01),
        # How near it comes in its 30 seconds is what `make bench` shows; a test waits for no clock.
        (2000, 12, 800, (120, 300), 2.0, 1.0),
    ],
)
def test_a_large_plan_is_close_to_its_bound_and_keeps_every_rule(
    count, teams, edges, room, seconds, most_gap
):
    rng = np.random.default_rng(2)
    rows = [
        entry(rng.integers(10, 999) * days, days / 2, team_id=int(rng.integers(teams)))
        for days in rng.integers(1, 20, count).tolist()
    ]
    slots = [
        {"half_days_left": int(rng.integers(*room)), "team_id": n % teams, "order": n // teams}
        for n in range(teams * 3)
    ]
    pairs = [tuple(sorted(rng.choice(count, 2, replace=False), reverse=True)) for _ in range(edges)]
    plan = assign(entries_of(*rows), iterations_of(*slots), needs_of(*pairs), seconds=seconds)

    assert plan.gap < most_gap
    where = plan.entries["iteration_id"].to_numpy()
    order = {100 + n: slot["order"] for n, slot in enumerate(slots)} | {-1: 99}
    for item, needs in pairs:
        assert where[item] == -1 or order[where[needs]] <= order[where[item]]
    for n, slot in enumerate(slots):
        inside = np.flatnonzero(where == 100 + n)
        assert all(rows[i]["team_id"] == slot["team_id"] for i in inside)
        assert sum(round(rows[i]["days"] * 2) for i in inside) <= slot["half_days_left"]
    assert plan.benefit == pytest.approx(sum(rows[i]["benefit"] for i in np.flatnonzero(where > 0)))


def test_very_many_candidates_for_little_room_are_thinned_out_exactly():
    rng = np.random.default_rng(3)
    count = 20_000
    entries = make_frame(ENTRY_COLUMNS, []).reindex(range(count))
    entries = entries.assign(
        item_id=np.arange(count),
        team_id=0,
        benefit=rng.lognormal(8, 1, count).round(2),
        days=rng.integers(1, 30, count) / 2,
        pinned=False,
        held=False,
        iteration_id=-1,
        bundle=-1,
    )
    plan = assign(entries, iterations_of({"half_days_left": 40}))
    # The same by dynamic programming over the half days.
    best = np.zeros(41)
    for size, benefit in zip(half_days(entries["days"]), entries["benefit"], strict=True):
        best[size:] = np.maximum(best[size:], best[: 41 - size] + benefit)
    assert plan.benefit == pytest.approx(best[40])
    assert plan.gap == pytest.approx(0, abs=1e-6)
