"""scenarios/: bodies, numbers, rules, rights."""

import pytest

from debtreg.models import AuditEntry, FailureScenario
from tests.api.conftest import is_error
from tests.factories import (
    DebtItemFactory,
    FailureScenarioFactory,
    PriceFactory,
    ScenarioMemberFactory,
    toil,
)

PATH = "/api/v1/scenarios/"


@pytest.fixture
def debts(payments):
    return DebtItemFactory.create_batch(3, service=None, team=payments, effort=2)


@pytest.fixture
def body(debts):
    first, second, third = (item.key for item in debts)
    return {
        "name": "Avalanche",
        "description": "Retries take the gateway along.",
        "trigger_rate": "1.5",
        "loss": {"low": "60000", "likely": "90000", "high": "120000"},
        "grade": "inferred",
        "source": "Review of March",
        "members": [
            {"debt": first, "role": "gate", "effectiveness": "0.8"},
            {"debt": second, "role": "alternative", "group": "either"},
            {"debt": third, "role": "amplifier", "probability": "0.5"},
        ],
    }


@pytest.fixture
def made(api, body):
    answer = api.post(PATH, body)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_scenario_comes_back_as_it_was_sent_with_its_numbers(api, body, made):
    assert {name: made[name] for name in body if name != "members"} == {
        name: body[name] for name in body if name != "members"
    }
    assert made["annual_loss"] == "67500.00"
    gate, alternative, amplifier = made["members"]
    assert gate == {
        "debt": body["members"][0]["debt"],
        "role": "gate",
        "group": "",
        "probability": None,
        "effectiveness": "0.8",
        "state": "open",
        "share": "22500.00",
        "removal_value": "67500.00",
        "marginal_value": "54000.00",
        "repair_cost": "3200.00",
        "marginal_roi": gate["marginal_roi"],
    }
    assert (alternative["group"], alternative["probability"]) == ("either", None)
    assert (amplifier["group"], amplifier["probability"]) == ("", "0.5")
    assert api.get(f"{PATH}{made['id']}/").json() == made


def test_one_number_is_the_whole_loss_and_null_is_unknown(api, body):
    made = api.post(PATH, {**body, "loss": 867168, "trigger_rate": None}).json()
    assert made["loss"] == {"low": "867168", "likely": "867168", "high": "867168"}
    assert (made["trigger_rate"], made["annual_loss"]) == (None, None)
    assert [member["share"] for member in made["members"]] == [None] * 3


def test_patch_changes_what_it_says_and_put_says_all(api, body, made):
    path = f"{PATH}{made['id']}/"

    patched = api.patch(path, {"trigger_rate": 3}).json()
    assert (patched["annual_loss"], patched["revision"]) == ("135000.00", 2)
    assert [member["debt"] for member in patched["members"]] == [
        member["debt"] for member in body["members"]
    ]

    short = {"name": "Avalanche", "members": body["members"][:1]}
    put = api.put(path, short).json()
    assert (put["description"], put["trigger_rate"], put["loss"]) == ("", None, None)
    assert (len(put["members"]), put["grade"], put["revision"]) == (1, "estimated", 3)


def test_what_it_gave_can_be_sent_back(api, made):
    """Read-only fields are passed over, and nothing has changed."""
    again = api.put(f"{PATH}{made['id']}/", made)
    assert (again.status_code, again.json()) == (200, made)


def test_an_older_revision_is_refused(api, made):
    path = f"{PATH}{made['id']}/"
    etag = api.get(path)["ETag"]
    assert api.patch(path, {"trigger_rate": 2}, HTTP_IF_MATCH=etag).status_code == 200

    assert is_error(api.patch(path, {"trigger_rate": 3}, HTTP_IF_MATCH=etag), 412)
    assert is_error(api.patch(path, {"trigger_rate": 3, "revision": 1}), 409)
    assert FailureScenario.objects.get().trigger_rate == 2


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"trigger_rate": -1}, ["trigger_rate"]),
        ({"loss": {"low": 2, "likely": 1, "high": 3}}, ["loss"]),
        ({"loss": "much"}, ["loss"]),
        ({"loss": 1e12, "trigger_rate": 1e9}, ["loss.high"]),
        ({"name": None}, ["name"]),
        ({"grade": "guess"}, ["grade"]),
        ({"probability": 1}, ["probability"]),
        ({"members": []}, ["members"]),
        ({"members": [{"role": "gate"}]}, ["members[0].debt"]),
        ({"members": [{"debt": "DEBT-1"}]}, ["members[0].role"]),
        ({"members": [{"debt": "DEBT-999999", "role": "gate"}]}, ["members[0].debt"]),
        ({"members": [{"debt": 5, "role": "gate"}]}, ["members[0].debt"]),
        ({"members": [{"debt": "DEBT-999999", "role": "door"}]}, ["members[0].role"]),
    ],
)
@pytest.mark.parametrize("method", ["post", "patch"])
def test_what_is_wrong_is_named(api, body, made, change, fields, method):
    if method == "post":
        answer = api.post(PATH, {**body, "name": "Another", **change})
    else:
        answer = api.patch(f"{PATH}{made['id']}/", change)
    assert is_error(answer, 400, *fields)
    assert FailureScenario.objects.count() == 1


def test_more_than_200_members_are_refused_with_the_number(api, body):
    many = [{"debt": f"DEBT-{n}", "role": "gate"} for n in range(1, 202)]
    answer = api.post(PATH, {**body, "members": many})
    assert is_error(answer, 400, "members")
    assert "200" in answer.json()["message"]


def test_a_scenario_is_removed(api, made):
    assert api.delete(f"{PATH}{made['id']}/").status_code == 204
    assert is_error(api.get(f"{PATH}{made['id']}/"), 404)
    assert AuditEntry.objects.get(action="scenario.remove").channel == "api"


def test_only_sre_and_administrators_change_scenarios(client_of, body, made):
    path = f"{PATH}{made['id']}/"
    for role in ("member", "product_owner", "compliance", "director"):
        client = client_of(role)
        assert client.get(path).status_code == 200
        assert is_error(client.post(PATH, body), 403)
        assert is_error(client.patch(path, {"trigger_rate": 2}), 403)
        assert is_error(client.delete(path), 403)
    assert client_of("sre").patch(path, {"trigger_rate": 2}).status_code == 200


def test_a_list_takes_as_many_queries_for_many_as_for_one(api, made, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        assert len(api.get(PATH).json()["results"]) == 1
    for _ in range(4):
        scenario = FailureScenarioFactory()
        for _ in range(4):
            ScenarioMemberFactory(scenario=scenario)
    with django_assert_max_num_queries(9):
        found = api.get(PATH).json()["results"]
    assert [len(each["members"]) for each in found] == [3, 4, 4, 4, 4]


def test_a_list_is_filtered_ordered_and_paged(api, made, debts):
    other = FailureScenarioFactory(name="Brown-out")
    key = ScenarioMemberFactory(scenario=other).item.key

    def names(query):
        return [each["name"] for each in api.get(f"{PATH}?{query}").json()["results"]]

    assert names("ordering=-name") == ["Brown-out", "Avalanche"]
    assert names("q=brown") == ["Brown-out"]
    assert names(f"debt={key}") == ["Brown-out"]
    assert names(f"debt={debts[0].key}") == ["Avalanche"]
    assert names("debt=nonsense") == []
    first = api.get(f"{PATH}?page_size=1").json()
    assert [each["name"] for each in first["results"]] == ["Avalanche"]
    assert api.get(first["next"]).json()["results"][0]["name"] == "Brown-out"
    assert is_error(api.get(f"{PATH}?colour=red"), 400)


def test_a_repeat_with_the_same_key_adds_nothing(api, body):
    first, again = (api.post(PATH, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert first.json() == again.json()
    assert FailureScenario.objects.count() == 1


def test_a_loss_without_its_likely_point_is_kept_and_unknown(api, body, debts):
    PriceFactory(price=200)
    priced = DebtItemFactory(service=None, team=debts[0].team, effort=2, impacts=[toil(100)])
    body["members"].append({"debt": priced.key, "role": "gate"})
    answer = api.post(PATH, {**body, "loss": {"low": "1", "likely": None, "high": "3"}})
    assert answer.status_code == 201, answer.json()
    assert answer.json()["loss"] == {"low": "1", "likely": None, "high": "3"}
    assert answer.json()["annual_loss"] is None
    debt = f"/api/v1/debts/{priced.key}/"
    assert api.get(f"{debt}explain/").status_code == 200
    changed = api.patch(debt, {"title": "Renamed"})
    assert changed.status_code == 200
    assert changed.json()["score"]["annual_cost"] == "20000.00"
