"""Decisions on a debt's page, and the backlog's board."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from debtreg.actions import debt
from debtreg.models import AuditEntry, BacklogEntry, DebtItem, DebtStatus, EntryState, Role
from tests.factories import BacklogEntryFactory, DebtItemFactory, IterationFactory, toil
from tests.web.company import Company


def press(client: Client, path: str, **typed: str) -> str:
    """Press a button; the page that one comes to."""
    response = client.post(path, typed, follow=True)
    assert response.status_code == 200, response.text
    return response.text


def test_a_veto_takes_its_reason_and_leaves_the_backlog(owner: Client, company: Company) -> None:
    page = press(owner, f"/debts/{company.best.key}/veto/", reason="Moves away", until="2030-01-31")
    assert "Vetoed until 2030-01-31" in page
    assert "Moves away" in page
    company.entry.refresh_from_db()
    assert company.entry.state == EntryState.WITHDRAWN
    page = press(owner, f"/debts/{company.best.key}/lift-veto/")
    assert "may be promoted again" in page
    assert "Moves away" not in page[page.index('class="split"') :].split("<h2", 2)[1]


@pytest.mark.parametrize("decision", ["veto", "accept"])
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"reason": ""}, "Reason: This field is required."),
        ({"reason": "x", "until": "soon"}, "Until: Enter a valid date."),
    ],
)
def test_a_decision_without_a_reason_says_what_is_missing(
    owner: Client, company: Company, decision: str, typed: dict[str, str], said: str
) -> None:
    assert said in press(owner, f"/debts/{company.middling.key}/{decision}/", **typed) or (
        # The middling debt is another team's: then nothing is decided at all.
        company.middling.team not in company.people[Role.PRODUCT_OWNER].teams.all()
    )
    assert said in press(owner, f"/debts/{company.best.key}/{decision}/", **typed)
    assert not DebtItem.objects.get(pk=company.best.pk).veto_reason


def test_accepting_reopening_and_resolving(owner: Client, company: Company) -> None:
    path = f"/debts/{company.best.key}"
    assert "we live with it" in press(owner, f"{path}/accept/", reason="Too late")
    assert "is open again" in press(owner, f"{path}/reopen/")
    assert "is resolved" in press(owner, f"{path}/resolve/")
    assert DebtItem.objects.get(pk=company.best.pk).status == DebtStatus.DONE


def test_a_pin_promotes_whatever_the_roi(owner: Client, company: Company) -> None:
    item = company.unestimated
    assert "is pinned" in press(owner, f"/debts/{item.key}/pin/", pinned="yes")
    assert BacklogEntry.objects.active().filter(item=item).exists()
    assert "no longer pinned" in press(owner, f"/debts/{item.key}/pin/", pinned="no")


def test_promoting_by_hand_into_an_iteration(owner: Client, company: Company) -> None:
    item = DebtItemFactory(service=company.service, effort=1, impacts=[toil(1)])
    debt.update(pk=item.pk, fields={}, by=None)
    page = press(owner, f"/debts/{item.key}/promote/", iteration=str(company.sprint.pk))
    assert "promoted to Sprint 24" in page


@pytest.mark.parametrize("role", [Role.MEMBER, Role.SRE, Role.COMPLIANCE, Role.DIRECTOR])
@pytest.mark.parametrize("decision", ["promote", "veto", "lift-veto", "accept", "pin"])
def test_only_the_product_owner_decides(
    as_role: Callable[[str], Client], company: Company, role: str, decision: str
) -> None:
    client = as_role(role)
    response = client.post(f"/debts/{company.best.key}/{decision}/", {"reason": "because"})
    assert response.status_code == 403
    assert "This is for: Product owner or Administrator" in response.text
    page = client.get(f"/debts/{company.best.key}/").text
    assert f"/{decision}/" not in page


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.DIRECTOR])
def test_who_only_reads_is_offered_no_buttons(
    as_role: Callable[[str], Client], company: Company, role: str
) -> None:
    client = as_role(role)
    for path in (f"/debts/{company.best.key}/", "/backlog/teams/payments/", "/runs/", "/imports/"):
        page = client.get(path).text
        assert 'method="post"' not in page[page.index("<main") :], path


def test_a_decision_is_audited_as_done_by_a_page(owner: Client, company: Company) -> None:
    press(owner, f"/debts/{company.best.key}/veto/", reason="Because")
    entry = AuditEntry.objects.filter(action="debt.veto").get()
    assert (entry.channel, entry.actor) == ("page", company.people[Role.PRODUCT_OWNER])


def test_buttons_need_a_post(owner: Client, company: Company) -> None:
    assert owner.get(f"/debts/{company.best.key}/resolve/").status_code == 405
    assert owner.get("/runs/start/").status_code == 405


# --- The board ------------------------------------------------------------------------------------


def test_the_board_shows_capacity_and_reasons(owner: Client, company: Company) -> None:
    page = owner.get("/backlog/").headers["Location"]
    page = owner.get(page).text
    assert "2 of 10 days planned" in page
    assert "8 left" in page
    assert "ROI 4.5 is above 3." in page


def test_the_board_counts_what_is_done_as_planner_and_api_do(
    owner: Client, company: Company
) -> None:
    done = DebtItemFactory(service=company.service)
    BacklogEntryFactory(item=done, iteration=company.sprint, state="done", repair_days=Decimal(5))
    page = owner.get("/backlog/teams/payments/").text
    assert "7 of 10 days planned" in page
    assert "5 done" in page
    assert "3 left" in page


def move(client: Client, entry: BacklogEntry, iteration: Any) -> str:
    return press(client, f"/backlog/entries/{entry.pk}/move/", iteration=str(iteration))


def test_an_entry_moves_to_another_iteration_and_back_to_those_that_wait(
    owner: Client, company: Company
) -> None:
    later = IterationFactory(team=company.payments, name="Sprint 25")
    page = move(owner, company.entry, later.pk)
    assert "is in Sprint 25" in page
    assert f"Placed by {company.people[Role.PRODUCT_OWNER].display_name}" in page
    assert "waits for an iteration" in move(owner, company.entry, "")
    company.entry.refresh_from_db()
    assert (company.entry.state, company.entry.iteration) == (EntryState.UNSCHEDULED, None)


def test_a_full_iteration_says_by_how_much(owner: Client, company: Company) -> None:
    small = IterationFactory(team=company.payments, name="Short", capacity_days=Decimal(1))
    page = move(owner, company.entry, small.pk)
    assert "needs 2.0 person-days; Short has 1.0 left." in page
    company.entry.refresh_from_db()
    assert company.entry.iteration == company.sprint


@pytest.mark.parametrize("iteration", ["999999", "9" * 40, "-1", "x", "1.5"])
def test_an_iteration_that_is_not_there_moves_nothing(
    owner: Client, company: Company, iteration: str
) -> None:
    assert "There is no iteration" in move(owner, company.entry, iteration)
    company.entry.refresh_from_db()
    assert company.entry.iteration == company.sprint


def test_starting_finishing_and_taking_back(owner: Client, company: Company) -> None:
    path = f"/backlog/entries/{company.entry.pk}"
    assert "has started" in press(owner, f"{path}/start/")
    assert "is resolved" in press(owner, f"{path}/finish/")
    other = BacklogEntryFactory(item=company.unestimated)
    wrong = press(owner, f"/backlog/entries/{other.pk}/withdraw/", reason="a\0b")
    assert "Null characters are not allowed" in wrong
    page = press(owner, f"/backlog/entries/{other.pk}/withdraw/", reason="Not now")
    assert "out of the backlog" in page
    other.refresh_from_db()
    assert other.reason == "Not now"


def test_a_pin_and_a_veto_of_a_card_lead_back_to_the_board(owner: Client, company: Company) -> None:
    board, path = "/backlog/teams/payments/", f"/debts/{company.best.key}"
    page = press(owner, f"{path}/pin/", pinned="yes", next=f"{board}#entry-{company.entry.pk}")
    assert "is pinned" in page
    assert 'id="board"' in page
    assert "This field is required" in (refused := press(owner, f"{path}/veto/", next=board))
    assert 'id="board"' in refused
    page = press(owner, f"{path}/veto/", reason="Switched off in May", next=board)
    assert "is kept out of the backlog" in page
    assert f"entry-{company.entry.pk}" not in page
    page = press(owner, f"{path}/lift-veto/", next="https://elsewhere.example/")
    assert "may be promoted again" in page


def test_the_board_takes_as_many_queries_for_40_entries_as_for_1(
    owner: Client, company: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    with django_assert_max_num_queries(24) as few:
        owner.get("/backlog/teams/payments/")
    for _ in range(39):
        BacklogEntryFactory(item=DebtItemFactory(service=company.service))
    with django_assert_max_num_queries(len(few)):
        page = owner.get("/backlog/teams/payments/")
    assert page.text.count("<article") == 40


def test_a_long_queue_says_how_many_more_wait(
    owner: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from debtreg.web import backlog

    monkeypatch.setattr(backlog, "MOST_CARDS", 3)
    for _ in range(5):
        BacklogEntryFactory(item=DebtItemFactory(service=company.service))
    assert "2 more, in the ranking" in owner.get("/backlog/teams/payments/").text


def test_a_new_plan_is_shown_before_it_is_made(owner: Client, company: Company) -> None:
    item = DebtItemFactory(
        title="Pays at once", service=company.service, effort=1, impacts=[toil(500)]
    )
    debt.update(pk=item.pk, fields={}, by=None)
    page = owner.get("/backlog/teams/payments/plan/").text
    assert "Pays at once" in page
    assert not BacklogEntry.objects.filter(item=item).exists()
    page = press(owner, "/backlog/teams/payments/plan/apply/")
    assert BacklogEntry.objects.get(item=item).iteration == company.sprint
    assert "as a new plan would have it" in owner.get("/backlog/teams/payments/plan/").text


def test_a_plan_says_what_takes_the_place_of_what(owner: Client, company: Company) -> None:
    company.sprint.capacity_days = Decimal(2)
    company.sprint.save()
    item = DebtItemFactory(
        title="Pays at once", service=company.service, effort=2, impacts=[toil(500)]
    )
    debt.update(pk=item.pk, fields={}, by=None)
    page = owner.get("/backlog/teams/payments/plan/").text
    assert "Takes the place of" in page
    row = page[page.index("Takes the place of") :]
    assert f'href="/debts/{company.best.key}/">{company.best.key}</a>' in row[:200]


# --- Iterations -----------------------------------------------------------------------------------

SPRINT = {
    "name": "Sprint 25",
    "starts_on": "2026-12-07",
    "ends_on": "2026-12-20",
    "capacity_days": "12.5",
    "state": "open",
}


def test_an_iteration_is_created_changed_and_removed(owner: Client, company: Company) -> None:
    new = "/backlog/teams/payments/iterations/new/"
    assert "Sprint 25" in press(owner, new, **SPRINT)
    made = company.payments.iterations.get(name="Sprint 25")
    assert made.capacity_days == Decimal("12.5")
    path = f"/backlog/iterations/{made.pk}/"
    assert "Sprint 26" in press(owner, path, **SPRINT | {"name": "Sprint 26"})
    press(owner, path, remove="yes")
    assert not company.payments.iterations.filter(pk=made.pk).exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "Sprint 24"}, "has an iteration of that name already"),
        ({"ends_on": "2026-12-01"}, "ends on or after the day it starts"),
        ({"capacity_days": "-1"}, "greater than or equal to 0"),
        ({"capacity_days": "lots"}, "Enter an amount"),
        ({"starts_on": "2026-13-01"}, "Enter a valid date"),
    ],
)
def test_a_wrong_iteration_is_not_saved_and_says_why(
    owner: Client, company: Company, wrong: dict[str, str], said: str
) -> None:
    response = owner.post("/backlog/teams/payments/iterations/new/", SPRINT | wrong)
    assert response.status_code == 422
    assert said in response.text
    assert company.payments.iterations.count() == 1


def test_an_iteration_with_entries_is_not_removed(owner: Client, company: Company) -> None:
    response = owner.post(f"/backlog/iterations/{company.sprint.pk}/", {"remove": "yes"})
    assert response.status_code == 422
    assert "Sprint 24 still holds 1 backlog entry." in response.text
    assert "Move what is in it to another iteration first." in response.text


def test_an_iteration_is_not_saved_smaller_than_what_is_in_it(
    owner: Client, company: Company
) -> None:
    response = owner.post(
        f"/backlog/iterations/{company.sprint.pk}/", SPRINT | {"capacity_days": "0.5"}
    )
    assert response.status_code == 422
    assert "person-days planned, started or done: 0.5 are" in response.text
    company.sprint.refresh_from_db()
    assert company.sprint.capacity_days > 1
