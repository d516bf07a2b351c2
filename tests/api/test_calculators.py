"""calculators/: the vectors over HTTP, and what they refuse."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from debtreg.api import examples
from debtreg.models import DebtItem
from tests.api.conftest import is_error
from tests.api.test_document import DOCUMENT
from tests.api.test_errors import post
from tests.factories import tamper

FOLDER = Path(__file__).parents[1] / "data/vectors"
CALCULATORS = "/api/v1/calculators/"
ROI = f"{CALCULATORS}roi/"
BODY = {
    "effort": "3",
    "day_rate": "1600",
    "impacts": [{"kind": "toil", "frequency": "72", "unit_price": "200"}],
}
BODIES = {
    "inversion": examples.INVERSION,
    "burn-rate": {**examples.BURN_RATE, "remaining_percent": 100, "threshold": 10},
    "penalty": {**examples.PENALTY, "fee": 1},
    "breaker": examples.BREAKER,
}


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


VECTORS = read("roi")
OTHERS = [
    (name, case)
    for name in ("inversion", "burn-rate", "penalty")
    for case in read(name.replace("-", "_"))
]


def holds(found, expect):
    for name, value in expect.items():
        if isinstance(value, str):
            wanted = Decimal(value)
            assert Decimal(found[name]).quantize(wanted) == wanted, name
        else:
            assert found[name] == value, name
    return True


@pytest.mark.parametrize(("name", "case"), OTHERS)
def test_every_vector_holds_over_http(api, name, case):
    answer = api.post(f"{CALCULATORS}{name}/", case["input"])

    assert answer.status_code == 200
    found = answer.json()
    assert holds({**found, **found.get("breaker", {})}, case["expect"])
    assert case["input"].items() <= found["inputs"].items()
    assert found["assumptions"]
    assert found["findings"]


@pytest.mark.parametrize("case", read("alert_windows"))
def test_every_alert_window_vector_holds_over_http(api, case):
    body = {**examples.BURN_RATE, "period_days": case["period_days"]}
    windows = api.post(f"{CALCULATORS}burn-rate/", body).json()["alert_windows"]

    seconds = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}
    found = {window["long_seconds"]: window for window in windows}
    for name, threshold in case["thresholds"].items():
        assert Decimal(found[seconds[name]]["threshold"]).quantize(Decimal("0.00001")) == Decimal(
            str(threshold)
        )
    for name, consumed in case.get("consumed", {}).items():
        assert found[seconds[name]]["consumed_percent"] == str(consumed)


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


def test_without_a_good_policy_the_default_one_counts_and_the_answer_says_so(api):
    tamper(1, threshold=0.5)
    answer = api.post(ROI, BODY).json()
    assert answer["policy_version"] is None
    assert "the threshold is that of the default one, 3" in answer["assumptions"][-1]


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


# --- Whatever comes in ----------------------------------------------------------------------------

HOSTILE = [
    *("NaN", "Infinity", "-Infinity", "sNaN", "1e999", "1e999999999", "-1", "1e-999999999", ""),
    *("1_000", "0x10", "9" * 5000, "1." + "0" * 100, " " * 100, "twelve", "١e٩٩٩٩٩"),
    *(-1, 1e308, 10**60, True, [], [1], {}, {"a": 1}, {"low": 1, "likely": [], "high": 2}),
]
NUMBERS = [
    (name, field)
    for name, body in BODIES.items()
    for field in body
    if field not in ("target", "clause", "measured")
]


@pytest.mark.parametrize(("name", "field"), NUMBERS)
def test_what_is_no_number_of_reasonable_size_is_refused_by_its_field(api, name, field):
    for value in HOSTILE:
        if (field, value) == ("remaining_percent", "-1") or (field, value) == (
            "remaining_percent",
            -1,
        ):
            continue  # a budget may be overdrawn
        answer = api.post(f"{CALCULATORS}{name}/", {**BODIES[name], field: value})

        assert is_error(answer, 400), value
        (named,) = answer.json()["fields"]
        assert named.partition(".")[0] == field, value
        assert answer.json()["message"].startswith(named)
        assert len(answer.content) < 2000


@pytest.mark.parametrize("field", ["target", "clause", "measured"])
@pytest.mark.parametrize("value", [*HOSTILE, "≤" * 500, "每" * 500, "a" * 10_000_000, 1.5, False])
def test_what_is_no_text_of_a_contract_is_refused_by_its_field(api, field, value):
    if field == "measured" and value in ("NaN", "1." + "0" * 100, 1.5):
        return  # no samples, and numbers in the target's unit
    answer = api.post(f"{CALCULATORS}penalty/", {**examples.PENALTY, field: value})

    assert is_error(answer, 400)
    (named,) = answer.json()["fields"]
    assert named.partition(".")[0] == field
    assert len(answer.content) < 2000


@pytest.mark.parametrize("name", BODIES)
def test_what_is_missing_or_unknown_to_the_calculator_is_named(api, name):
    path = f"{CALCULATORS}{name}/"

    assert is_error(api.post(path, {}), 400)
    assert "is missing" in api.post(path, {}).json()["message"]
    assert is_error(api.post(path, {**BODIES[name], "color": "red"}), 400, "color")
    long = "x" * 1_000_000
    assert len(api.post(path, {**BODIES[name], long: 1}).content) < 2000
    for raw in ("[]", "null", "5", '"x"', "", "{", '{"a": NaN}'):
        assert is_error(post(api, raw, path), 400)


@pytest.mark.parametrize("name", BODIES)
def test_nul_and_halves_of_characters_are_refused(api, name):
    for text in ("\x00", "\ud800", "1\x00"):
        for field in BODIES[name]:
            raw = json.dumps({**BODIES[name], field: text})
            assert is_error(post(api, raw, f"{CALCULATORS}{name}/"), 400, field)


@pytest.mark.parametrize("name", BODIES)
def test_null_is_unknown_and_never_0(api, name):
    known = ("target", "clause")
    nothing = {field: value if field in known else None for field, value in BODIES[name].items()}
    answer = api.post(f"{CALCULATORS}{name}/", nothing)

    assert answer.status_code == 200
    found = answer.json()
    assert "gap" in {finding["level"] for finding in found["findings"]}
    numbers = {key: value for key, value in found.items() if isinstance(value, str)}
    assert numbers == {}


@pytest.fixture(scope="module")
def schemas():
    return yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]


@pytest.mark.parametrize(("name", "field"), NUMBERS)
def test_the_bounds_in_the_document_are_those_of_the_calculator(api, schemas, name, field):
    schema = schemas["".join(word.title() for word in name.split("-")) + "Request"]
    forms = schema["properties"][field]["oneOf"]
    (bound,) = (form for form in forms if form["type"] == "number")
    # What is unknown bounds nothing: neither good by total, nor a threshold by the objective.
    alone = {key: None for key in ("good", "total", "threshold") if key in BODIES[name]}

    def status(value):
        body = {**BODIES[name], **alone, field: value}
        return api.post(f"{CALCULATORS}{name}/", body).status_code

    assert status(bound["minimum"] - 0.0001) == 400
    assert status(bound["maximum"] * 1.0001) == 400
    assert status(bound["minimum"]) == (400 if field == "threshold" else 200)
    # 100 % leaves no budget, and a threshold beyond a total failure never fires.
    full = field in ("objective_percent", "target_percent", "threshold")
    assert status(bound["maximum"]) == (400 if full else 200)


def test_a_penalty_that_makes_no_sense_says_why(api):
    def refused(**change):
        return api.post(f"{CALCULATORS}penalty/", {**examples.PENALTY, **change}).json()["message"]

    assert refused(clause="每低于目标0.1个百分点,扣减SLO预算5%") == (
        "clause.step is in pp, the target in ms; allowed is the same kind of unit for both."
    )
    assert "clause.step is 0 ms; allowed is above 0" in refused(
        clause={"step": "0ms", "deduct_percent": 5}
    )
    assert "measured is in %, the target in ms" in refused(measured="99%")
    assert "names no known unit" in refused(clause="每低于目标10码,扣减SLO预算5%")


def test_nothing_of_a_calculator_is_stored(api):
    for name, body in BODIES.items():
        assert api.post(f"{CALCULATORS}{name}/", body).status_code == 200
    assert not DebtItem.objects.exists()
