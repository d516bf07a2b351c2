"""calculators/roi: the vectors over HTTP, and what it refuses."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from debtreg.models import DebtItem
from tests.api.conftest import is_error
from tests.api.test_errors import post

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors/roi.json").read_text())
ROI = "/api/v1/calculators/roi/"
BODY = {
    "effort": "3",
    "day_rate": "1600",
    "impacts": [{"kind": "toil", "frequency": "72", "unit_price": "200"}],
}


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_every_roi_vector_holds_over_http(api, case):
    answer = api.post(ROI, case["input"])

    assert answer.status_code == 200
    found = answer.json()
    for name, value in case["expect"].items():
        if isinstance(value, str) and name != "state":
            expected = Decimal(value)
            assert Decimal(found[name]).quantize(expected) == expected, name
        else:
            assert found[name] == value, name


def test_the_answer_carries_inputs_assumptions_and_steps(api):
    found = api.post(ROI, BODY).json()

    assert found["inputs"] == BODY
    assert found["assumptions"]
    assert found["steps"][-1]["formula"] == "14400 / 4800"
    assert not DebtItem.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"effort": -1}, "effort"),
        ({"effort": {"low": 3, "likely": 1}}, "effort"),
        ({"effort": {"likely": 1, "unit": []}}, "effort.unit"),
        ({"effort": {"likely": 1, "unit": "year"}}, "effort.unit"),
        ({"effort": {"likely": 1, "best": 1}}, "effort.best"),
        ({"day_rate": "much"}, "day_rate"),
        ({"cash": "1e999999999"}, "cash"),
        ({"contingency": 6}, "contingency"),
        ({"contingency": True}, "contingency"),
        ({"weights": {"toil": 4}}, "weights.toil"),
        ({"weights": {"pain": 1}}, "weights.pain"),
        ({"weights": []}, "weights"),
        ({"impacts": {}}, "impacts"),
        ({"impacts": [None]}, "impacts[0]"),
        ({"impacts": [{}]}, "impacts[0].kind"),
        ({"impacts": [{"kind": ["toil"]}]}, "impacts[0].kind"),
        ({"impacts": [{"kind": "toil", "share": 2}]}, "impacts[0].share"),
        ({"impacts": [{"kind": "toil", "share": {"low": "x"}}]}, "impacts[0].share.low"),
        ({"impacts": [{"kind": "toil"}] * 101}, "impacts"),
        ({"color": "red"}, "color"),
    ],
)
def test_what_is_no_number_within_its_bounds_is_named(api, change, field):
    assert is_error(api.post(ROI, {**BODY, **change}), 400, field)


@pytest.mark.parametrize("raw", ["[]", "null", "5", '"x"'])
def test_a_body_that_is_no_object_is_refused(api, raw):
    assert is_error(post(api, raw, ROI), 400)


def test_the_largest_numbers_have_an_answer(api):
    impact = {"kind": "latency", "frequency": 1e15, "share": 1, "magnitude": 1e12}
    body = {"effort": "1e-9", "day_rate": 1, "impacts": [{**impact, "unit_price": 1e12}] * 100}

    assert api.post(ROI, body).status_code in (200, 400)
