import json
import math
from decimal import Decimal
from pathlib import Path

import pytest

from scoring import (
    DEFAULT_PAYLOAD,
    IMPACT_COLUMNS,
    ITEM_COLUMNS,
    KINDS,
    PRICE_COLUMNS,
    STATES,
    Policy,
    make_frame,
    score,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/roi.json").read_text())
POLICY = Policy.from_payload(DEFAULT_PAYLOAD, version=1)
NO_PRICES = make_frame(PRICE_COLUMNS, [])


def an_item(**cells):
    return make_frame(ITEM_COLUMNS, [{"item_id": 1, "effort": 3.0, "day_rate": 1600.0, **cells}])


def impacts_of(*rows):
    rows = [{"item_id": 1, **row, "kind": KINDS.index(row.get("kind", "toil"))} for row in rows]
    return make_frame(IMPACT_COLUMNS, rows)


def policy_of(**changes):
    return Policy.from_payload({**DEFAULT_PAYLOAD, **changes})


def number(text):
    return None if text is None else float(text)


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_every_roi_vector_holds_through_score(case):
    given_, expect = case["input"], dict(case["expect"])
    weights = {**DEFAULT_PAYLOAD["weights"], **{k: float(w) for k, w in given_["weights"].items()}}
    contingency = {**DEFAULT_PAYLOAD["contingency"], "none": float(given_["contingency"])}
    items = an_item(
        effort=number(given_["effort"]),
        day_rate=number(given_["day_rate"]),
        cash=number(given_["cash"]),
    )
    rows = [
        {name: cell if name == "kind" else number(cell) for name, cell in impact.items()}
        for impact in given_["impacts"]
    ]

    found = score(
        items,
        impacts_of(*rows),
        NO_PRICES,
        policy_of(weights=weights, contingency=contingency),
    ).iloc[0]

    assert bool(found["promotes"]) is expect.pop("promote")
    assert STATES[found["state"]] == expect.pop("state", "priced")
    for name, value in expect.items():
        if value is None:
            assert math.isnan(found[name]), name
        else:
            digits = -Decimal(value).as_tuple().exponent
            assert round(found[name], digits) == pytest.approx(float(value), abs=1e-12), name
