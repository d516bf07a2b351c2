"""Pages of failure scenarios: what they say, and the form with and without JavaScript."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from debtreg.actions import scores
from debtreg.models import FailureScenario, Role, ScenarioMember
from debtreg.web import circuit
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    ScenarioMemberFactory,
)
from tests.web.company import Company

LOSS = ("loss_low", "loss_likely", "loss_high")


@pytest.fixture
def sre(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.SRE)


@pytest.fixture
def avalanche(company: Company) -> FailureScenario:
    """Two gates (effectiveness 0.8 and 1) and an amplifier of one half: 50,000 a year."""
    scenario = FailureScenarioFactory(name="Avalanche")
    ScenarioMemberFactory(scenario=scenario, item=company.unpriced, effectiveness=0.8)
    ScenarioMemberFactory(scenario=scenario)
    ScenarioMemberFactory(scenario=scenario, role="amplifier", probability=0.5)
    return scenario


def text_of(response: Any) -> str:
    """What can be read on a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


# --- Reading --------------------------------------------------------------------------------------


def test_the_list_shows_the_most_expensive_first_and_what_one_repair_saves(
    owner: Client, avalanche: FailureScenario
) -> None:
    ScenarioMemberFactory(scenario=FailureScenarioFactory(name="Brown-out", trigger_rate=3))
    unknown = FailureScenarioFactory(name="Black-out", trigger_rate=None)
    ScenarioMemberFactory(scenario=unknown)

    text = text_of(owner.get("/scenarios/"))

    order = [text.index(name) for name in ("Brown-out", "Avalanche", "Black-out")]
    assert order == sorted(order)
    assert "Brown-out ≈ ¥300,000 3 ≈ ¥100,000 1" in text
    assert "Avalanche ≈ ¥50,000 1 ≈ ¥100,000 3" in text
    assert "saves ≈ ¥50,000 a year" in text
    assert "Black-out not known not known ≈ ¥100,000 1 none by itself" in text


def test_a_list_takes_as_many_queries_for_many_as_for_one(
    owner: Client, avalanche: FailureScenario, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        ScenarioMemberFactory()
    with django_assert_max_num_queries(9):
        owner.get("/scenarios/")


def test_an_empty_list_says_what_to_write_down(owner: Client) -> None:
    assert "After an outage, write down which debts" in owner.get("/scenarios/").text


def test_a_scenario_says_what_it_takes_and_what_each_debt_is_to_it(
    owner: Client, avalanche: FailureScenario, company: Company
) -> None:
    text = text_of(owner.get(f"/scenarios/{avalanche.pk}/"))

    assert "Costs ≈ ¥50,000 a year as things are." in text
    assert "It takes 2 open gates and the chance of 1 amplifier." in text
    title = company.unpriced.title
    row = f"{title} {company.unpriced.key} Gate open ≈ ¥17,000 ≈ ¥50,000 ≈ ¥40,000 ¥4,800"
    assert row in text
    assert "Never to be summed" in text
    assert "All shares together are ≈ ¥50,000" in text
    page = owner.get(f"/scenarios/{avalanche.pk}/")
    assert "Set off once a year" in text_of(page)


def test_what_is_promoted_and_repaired_is_marked_and_counts(
    owner: Client, avalanche: FailureScenario, company: Company
) -> None:
    first, second, third = (member.item for member in avalanche.members.all())
    BacklogEntryFactory(item=first, team=first.team)
    third.status = "done"
    third.save()
    text = text_of(owner.get(f"/scenarios/{avalanche.pk}/"))
    # The amplifier is gone for good, so the event cannot happen.
    assert "Costs ¥0 a year" in text
    assert f"{first.key} Gate promoted" in text
    assert f"{third.key} Amplifier 50 % repaired It takes no part any more" in text
    ScenarioMember.objects.filter(item=third).update(effectiveness=0.5)
    text = text_of(owner.get(f"/scenarios/{avalanche.pk}/"))
    assert "Its repair has left 50 % of it." in text
    # 100,000 × 0.25 now; a fifth of that once the first gate is repaired.
    assert "Costs ≈ ¥25,000 a year" in text
    assert (
        "≈ ¥5,000 Left a year" in text
        or "Left a year once all promoted is repaired ≈ ¥5,000" in text
    )
    assert second.title in text


@pytest.mark.parametrize(
    ("unknown", "says"),
    [
        ({"trigger_rate": None}, "nobody has said how often it is set off."),
        ({"loss_likely": None}, "nobody has said what an event loses."),
    ],
)
def test_what_is_not_known_is_said(
    owner: Client, avalanche: FailureScenario, unknown: dict[str, None], says: str
) -> None:
    FailureScenario.objects.update(**unknown)
    assert says in text_of(owner.get(f"/scenarios/{avalanche.pk}/"))
    assert owner.get("/scenarios/").status_code == 200


def test_a_debt_and_its_service_name_the_scenarios_that_they_are_in(
    owner: Client, avalanche: FailureScenario, company: Company
) -> None:
    link = f'href="/scenarios/{avalanche.pk}/"'
    text = text_of(page := owner.get(f"/debts/{company.unpriced.key}/"))
    assert link in page.text
    assert "Its share is ≈ ¥17,000 of ≈ ¥50,000 a year." in text
    assert "its own repair saves ≈ ¥40,000" in text
    assert link in owner.get("/services/payment-service/").text
    assert link not in owner.get(f"/debts/{company.best.key}/").text


def test_a_debt_says_when_only_what_is_promoted_beside_it_keeps_it_back(
    owner: Client, company: Company
) -> None:
    """Each of two gates would pay; once the first is repaired, the second returns 1."""
    scenario = FailureScenarioFactory(name="Avalanche", **dict.fromkeys(LOSS, 48_000))
    first = ScenarioMemberFactory(scenario=scenario, effectiveness=0.9).item
    ScenarioMemberFactory(scenario=scenario, item=company.unpriced)
    scores.score_items([company.unpriced.pk])
    says = "its repair returns ≈ 1.0 times its cost: that is not above 3, so it is not promoted"
    path = f"/debts/{company.unpriced.key}/"
    assert says not in text_of(owner.get(path))
    entry = BacklogEntryFactory(item=first, team=first.team)
    assert says in text_of(owner.get(path))
    entry.delete()
    assert says not in text_of(owner.get(path))


def test_a_scenario_that_is_not_there_is_a_404(owner: Client) -> None:
    assert owner.get("/scenarios/404/").status_code == 404


# --- The drawing ----------------------------------------------------------------------------------


def test_the_drawing_has_a_name_a_description_and_a_shape_for_every_debt(
    owner: Client, avalanche: FailureScenario
) -> None:
    text = owner.get(f"/scenarios/{avalanche.pk}/").text
    drawing = text[text.index("<svg") : text.index("</svg>")]
    assert 'role="img"' in drawing
    assert "<title" in drawing
    assert "<desc" in drawing
    for member in avalanche.members.all():
        assert member.item.key in drawing


def members_of(count: int, **columns: Any) -> list[ScenarioMember]:
    return [
        ScenarioMember(item=DebtItemFactory.build(pk=n, title="词" * 60), **columns)
        for n in range(1, count + 1)
    ]


def test_gates_stand_in_a_row_and_groups_side_by_side() -> None:
    gates = members_of(2, role="gate")
    groups = [
        *members_of(2, role="alternative", group="a"),
        *members_of(1, role="alternative", group="b"),
    ]
    amplifiers = members_of(3, role="amplifier", probability=0.1)
    found = circuit.draw([*amplifiers, *gates, *groups], dict.fromkeys(range(1, 9), "open"))
    assert len(found.gates) == 2
    assert [(block.group, block.count) for block in found.blocks] == [("a", 2), ("b", 1), ("", 3)]
    # One below the other, joined by wires, nothing outside of the drawing.
    places = [
        *((box.y, box.y + box.height) for box in found.gates),
        *((block.y, block.bottom) for block in found.blocks),
    ]
    assert places == sorted(places)
    assert [top for top, _ in places] == [end for _, end in found.wires[:-1]]
    assert found.wires[-1][1] == found.loss_y < found.height
    for box in (*found.gates, *(box for block in found.blocks for box in block.boxes)):
        assert 0 <= box.x < box.x + box.width <= found.width


def test_what_does_not_fit_is_counted() -> None:
    found = circuit.draw(
        members_of(200, role="amplifier", probability=0.1), dict.fromkeys(range(1, 201), "open")
    )
    (block,) = found.blocks
    assert len(block.boxes) + block.more == 200
    assert len(block.boxes) == circuit.MOST_ROWS - 1
    assert found.height < 1000


@pytest.mark.parametrize("text", ["short", "词" * 100, "x" * 100, "", "字 and word " * 9])
def test_a_title_is_cut_to_its_box(text: str) -> None:
    found = circuit.fitted(text, 200)
    assert found == text or (found.endswith("…") and len(found) < len(text))
    assert circuit.fitted(found, 213) == found


# --- The form -------------------------------------------------------------------------------------

EVENT = {"name": "Avalanche", "trigger_rate": "1.5", "loss_likely": "867,168", "grade": "inferred"}


def rows(*members: dict[str, str]) -> dict[str, str]:
    return {
        "members-TOTAL_FORMS": str(len(members)),
        "members-INITIAL_FORMS": "0",
        **{
            f"members-{number}-{name}": value
            for number, member in enumerate(members)
            for name, value in {"role": "gate", **member}.items()
        },
    }


def test_a_scenario_is_written_down(sre: Client, company: Company) -> None:
    response = sre.post(
        "/scenarios/new/",
        {
            **EVENT,
            **rows(
                {"debt": company.best.key, "effectiveness": "80 %"},
                {"debt": company.middling.key, "role": "alternative", "group": "either"},
                {},
                {"debt": company.unpriced.key, "role": "amplifier", "probability": "5%"},
            ),
        },
    )
    scenario = FailureScenario.objects.get()
    assert response.headers["Location"] == f"/scenarios/{scenario.pk}/"
    assert (scenario.trigger_rate, scenario.loss_low, scenario.loss_high) == (1.5, 867168, 867168)
    found = scenario.members.values_list("item", "role", "group", "probability", "effectiveness")
    assert list(found) == [
        (company.best.pk, "gate", "", None, 0.8),
        (company.middling.pk, "alternative", "either", None, 1.0),
        (company.unpriced.pk, "amplifier", "", 0.05, 1.0),
    ]
    assert "its debts are scored" in sre.get(response.headers["Location"]).text


def test_a_debt_may_be_named_as_its_ledger_does(sre: Client, company: Company) -> None:
    item = DebtItemFactory(ledger_id="TD-171")
    sre.post("/scenarios/new/", {**EVENT, **rows({"debt": "TD-171"})})
    assert ScenarioMember.objects.get().item == item


@pytest.mark.parametrize(
    ("event", "members", "says"),
    [
        ({"name": ""}, [{"debt": "DEBT-{best}"}], "This field is required"),
        ({"loss_low": "9,000,000"}, [{"debt": "DEBT-{best}"}], "at least ≤ most likely ≤ at most"),
        ({}, [], "A scenario needs a member"),
        ({}, [{"debt": "TD-99"}], "There is no such debt"),
        ({}, [{"probability": "5 %"}], "Name the debt, or empty the row"),
        ({}, [{"debt": "DEBT-{best}", "role": "door"}], "Select a valid choice"),
        ({}, [{}, {"debt": "DEBT-{best}", "role": "amplifier"}], "needs the chance that it adds"),
        ({}, [{"debt": "DEBT-{best}", "effectiveness": "120 %"}], "less than or equal to 1"),
        ({}, [{"debt": "DEBT-{best}"}] * 2, "is a member already, in row 1"),
        ({"trigger_rate": "1e9", "loss_likely": "1e12"}, [{"debt": "DEBT-{best}"}], "This loses"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    sre: Client, company: Company, event: dict[str, str], members: Any, says: str
) -> None:
    typed = [
        {name: value.format(best=company.best.pk) for name, value in each.items()}
        for each in members
    ]
    response = sre.post("/scenarios/new/", {**EVENT, "source": "a review", **event, **rows(*typed)})
    assert response.status_code == 422
    assert says in response.text
    assert 'value="a review"' in response.text
    assert not FailureScenario.objects.exists()


def test_an_error_of_a_row_stands_in_that_row_though_another_is_blank(
    sre: Client, company: Company
) -> None:
    typed = rows({}, {"debt": company.best.key, "role": "amplifier"})
    text = sre.post("/scenarios/new/", {**EVENT, **typed}).text
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    first, second = re.findall(r"<tr>.*?</tr>", body, re.S)
    assert "errorlist" not in first
    assert "needs the chance" in second


def test_a_debt_that_may_be_two_is_refused_with_both(sre: Client, company: Company) -> None:
    items = DebtItemFactory.create_batch(2, ledger_id="TD-1")
    text = sre.post("/scenarios/new/", {**EVENT, **rows({"debt": "TD-1"})}).text
    assert f"This may be {items[0].key}, {items[1].key}" in text


def test_buttons_add_and_remove_rows_and_nothing_that_was_typed_is_lost(
    sre: Client, company: Company
) -> None:
    typed = {**EVENT, **rows({"debt": "DEBT-1"}, {"debt": "DEBT-2", "group": "g"})}
    added = sre.post("/scenarios/new/", {**typed, "add": "yes"}).text
    assert 'name="members-TOTAL_FORMS" value="3"' in added
    assert 'value="DEBT-2"' in added
    assert "errorlist" not in added
    removed = sre.post("/scenarios/new/", {**typed, "remove": "0"}).text
    assert 'name="members-TOTAL_FORMS" value="1"' in removed
    assert 'value="DEBT-1"' not in removed
    assert 'name="members-0-group" value="g"' in removed
    assert not FailureScenario.objects.exists()


def test_the_form_of_a_scenario_saves_what_it_shows_without_a_change(
    sre: Client, avalanche: FailureScenario
) -> None:
    page = sre.get(f"/scenarios/{avalanche.pk}/edit/").text
    form = page[page.index('id="scenario"') :].partition("</form>")[0]
    typed = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
    for select, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.S):
        typed[select] = re.findall(r'value="(\w+)" selected', options)[0]
    before = list(avalanche.members.values())

    response = sre.post(f"/scenarios/{avalanche.pk}/edit/", typed)

    assert response.status_code == 302, text_of(response)
    assert list(avalanche.members.values()) == before
    assert FailureScenario.objects.get().revision == 1


def test_a_change_on_top_of_somebody_elses_is_refused_with_a_way_to_see_it(
    sre: Client, avalanche: FailureScenario, company: Company
) -> None:
    FailureScenario.objects.update(revision=5)
    typed = {**EVENT, **rows({"debt": company.best.key}), "revision": "4"}
    response = sre.post(f"/scenarios/{avalanche.pk}/edit/", typed)
    assert response.status_code == 422
    assert "is at revision 5, you have 4" in response.text
    assert "See what has changed" in response.text


def test_two_hundred_debts_fit_into_the_form(sre: Client, company: Company) -> None:
    items = DebtItemFactory.create_batch(200, service=None)
    members = [
        {"debt": item.key, "group": "", "probability": "", "effectiveness": ""} for item in items
    ]
    response = sre.post("/scenarios/new/", {**EVENT, **rows(*members)})
    assert response.status_code == 302
    page = sre.get(f"{response.headers['Location']}edit/").text
    assert "200 of at most 200" in page
    assert 'name="add"' not in page
    assert sre.post("/scenarios/new/", {**EVENT, **rows(*members), "add": "yes"}).status_code == 200


def test_a_scenario_is_removed_by_those_who_may(
    sre: Client, owner: Client, avalanche: FailureScenario
) -> None:
    path = f"/scenarios/{avalanche.pk}/remove/"
    assert owner.post(path).status_code == 403
    assert sre.get(path).status_code == 405
    assert sre.post(path).headers["Location"] == "/scenarios/"
    assert not FailureScenario.objects.exists()
