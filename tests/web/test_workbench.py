"""Working through the ranking: decisions about what is ticked, views, reasons below rows."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from debtreg.models import DebtItem, Role, SavedView
from debtreg.web.ranking import USUAL_COLUMNS
from tests.web.company import Company


def press(client: Client, button: str, args: list[int] | None = None, **typed: object) -> str:
    response = client.post(reverse(button, args=args), typed, follow=True)
    assert response.status_code == 200, response.text
    return response.text


@pytest.fixture
def engineer(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.MEMBER)


def tick(*items: DebtItem) -> list[str]:
    return [str(item.pk) for item in items]


def test_what_is_ticked_is_decided_at_once_and_taken_back_by_one_button(
    owner: Client, company: Company
) -> None:
    chosen = tick(company.best, company.unpriced)

    page = press(owner, "ranking-decide", pk=chosen, decision="veto", reason="Moves away")

    assert "2 debts are kept out of the backlog." in page
    assert f'action="{reverse("ranking-undo")}"' in page
    assert DebtItem.objects.filter(veto_reason="Moves away").count() == 2
    page = press(owner, "ranking-undo")
    assert "2 debts are as they were." in page
    assert f'action="{reverse("ranking-undo")}"' not in page
    assert not DebtItem.objects.exclude(veto_reason="").exists()
    assert "There is nothing to take back." in press(owner, "ranking-undo")


def test_the_undo_of_another_page_is_not_offered_again(owner: Client, company: Company) -> None:
    press(owner, "ranking-decide", pk=tick(company.best), decision="pin")
    assert reverse("ranking-undo") not in owner.get(reverse("ranking")).text


def test_what_may_not_be_decided_is_named_and_left(owner: Client, company: Company) -> None:
    chosen = tick(company.best, company.middling)

    page = press(owner, "ranking-decide", pk=chosen, decision="pin")

    assert "1 debt is pinned." in page
    assert f"Left as they are: {company.middling.key}: It is another team" in page
    assert "All of them were so already" in press(
        owner, "ranking-decide", pk=tick(company.best), decision="pin"
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"pk": [], "decision": "pin"}, "0 debts are chosen"),
        ({"pk": ["x", "-1", "9" * 30, "²"], "decision": "pin"}, "0 debts are chosen"),
        ({"pk": ["1"], "decision": "burn"}, "Decision: "),
        ({"pk": ["1"]}, "Decision: This field is required."),
        ({"pk": ["1"], "decision": "accept"}, "Accepting needs a reason."),
        ({"pk": ["1"], "decision": "veto", "reason": "x", "until": "soon"}, "Until: Enter a valid"),
        ({"pk": ["1"], "decision": "veto", "reason": "x" * 2001}, "Reason: Ensure this value has"),
    ],
)
def test_a_decision_that_can_not_be_read_says_why(
    owner: Client, company: Company, typed: dict[str, object], said: str
) -> None:
    assert said in press(owner, "ranking-decide", **typed)
    assert not DebtItem.objects.filter(pinned=True).exists()


def test_an_engineer_has_no_boxes_to_tick_and_changes_nothing(
    engineer: Client, company: Company
) -> None:
    assert 'name="pk"' not in engineer.get(reverse("ranking")).text
    page = press(engineer, "ranking-decide", pk=tick(company.best), decision="pin")
    assert "Left as they are" in page
    assert not DebtItem.objects.filter(pinned=True).exists()


def test_a_view_is_kept_found_again_and_removed(owner: Client, company: Company) -> None:
    query = "team=payments&q=is%3Apromoted&columns=team&columns=chance"
    page = press(owner, "ranking-view-save", name="Promoted of ours", query=query, shared="yes")

    assert "The view “Promoted of ours” is kept." in page
    view = SavedView.objects.get()
    assert view.is_shared
    page = owner.get(f"{reverse('ranking')}?{query}").text
    assert "Remove “Promoted of ours”" in page
    assert "Keep this view" not in page
    assert "is removed" in press(owner, "ranking-view-remove", [view.pk])
    assert "Promoted of ours" not in owner.get(reverse("ranking")).text


def test_a_shared_view_names_whose_it_is(owner: Client, engineer: Client, company: Company) -> None:
    press(owner, "ranking-view-save", name="Ours", query="team=payments", shared="yes")
    press(owner, "ranking-view-save", name="Mine", query="team=accounts")
    page = engineer.get(f"{reverse('ranking')}?team=payments").text
    assert company.people[Role.PRODUCT_OWNER].display_name in page
    assert ">Ours" in page
    assert ">Mine" not in page
    assert "Remove “Ours”" not in page


def test_a_reason_opens_below_its_row(engineer: Client, company: Company) -> None:
    address = reverse("debt-why", args=[company.best.pk])
    answer = engineer.get(address, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert "times that in the first year" in answer.text
    assert engineer.get(address).url == reverse("debt-detail", args=[company.best.pk])
    assert engineer.get(reverse("debt-why", args=[10**9])).status_code in (302, 404)


def test_columns_are_chosen_and_stay_in_the_address(engineer: Client, company: Company) -> None:
    page = engineer.get(f"{reverse('ranking')}?columns=owner&columns=chance").text
    assert 'scope="col">Owner' in page
    assert 'scope="col">Team' not in page
    assert "columns=owner&amp;columns=chance" in page.replace("&amp;amp;", "&amp;")
    page = engineer.get(f"{reverse('ranking')}?columns=nothing").text
    assert "nothing" in page
    assert 'scope="col">Team' in page


def test_the_usual_columns_are_not_said_in_the_address(engineer: Client, company: Company) -> None:
    usual = "&".join(f"columns={name}" for name in USUAL_COLUMNS)
    answer = engineer.get(f"{reverse('ranking')}?q=&{usual}", headers={"HX-Request": "true"})
    assert answer["HX-Push-Url"] == reverse("ranking")
    assert "Keep this view" not in answer.text
