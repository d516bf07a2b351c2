"""What happened to a debt: who did what, and what moved its score, on its page."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from debtreg.actions import backlog, debt
from debtreg.models import Role
from debtreg.web import activity
from tests.factories import toil
from tests.web.company import Company


def told(client: Client, company: Company) -> list[str]:
    page = client.get(f"/debts/{company.best.key}/").text
    part = page[page.index('id="history"') :]
    rows = part[part.index("<tbody>") : part.index("</tbody>")].split("</tr>")[:-1]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)).strip() for row in rows]


def test_what_was_done_and_what_moved_the_score_stand_in_one_list_newest_first(
    owner: Client, company: Company, time_machine: Any
) -> None:
    person = company.people[Role.PRODUCT_OWNER]
    time_machine.move_to("2026-12-01 09:00Z", tick=False)
    owner.post(f"/debts/{company.best.key}/pin/", {"pinned": "yes"})
    time_machine.move_to("2026-12-02 09:00Z", tick=False)
    debt.update(
        pk=company.best.pk,
        fields={"title": "Refunds scan the table", "service": company.service},
        impacts=[toil(36)],
        by=person,
    )
    time_machine.move_to("2026-12-03 09:00Z", tick=False)
    owner.post(f"/debts/{company.best.key}/veto/", {"reason": "Switched off in May"})
    veto, moved, edited, pinned = told(owner, company)
    assert person.display_name in veto
    assert "Vetoed Page Reason: Switched off in May" in veto
    assert "the system" in moved
    assert "The score moved : The item was changed" in moved
    assert "ROI ≈ 4.5 → ≈ 2.3" in moved
    assert f"Edited Page What is wrong: {company.best.title} → Refunds scan the table" in edited
    assert "Pinned to the backlog" in pinned


def test_a_move_on_the_board_is_told_with_both_iterations(owner: Client, company: Company) -> None:
    backlog.move(
        entry_id=company.entry.pk, iteration_id=None, by=company.people[Role.PRODUCT_OWNER]
    )
    assert "Moved Job Iteration: Sprint 24 → —" in told(owner, company)[0]


def test_only_the_latest_are_told_in_as_many_queries(
    owner: Client,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    monkeypatch.setattr(activity, "MOST", 5)
    person = company.people[Role.PRODUCT_OWNER]
    debt.pin(pk=company.best.pk, pinned=True, by=person)
    # On SQLite each frame of a score is a query more than on PostgreSQL.
    with django_assert_max_num_queries(30) as few:
        told(owner, company)
    for hours in range(10, 18):
        debt.update(pk=company.best.pk, fields={}, impacts=[toil(hours)], by=person)
    with django_assert_max_num_queries(len(few)):
        assert len(told(owner, company)) == 5
    assert "What is older is left out here" in owner.get(f"/debts/{company.best.key}/").text


def test_only_who_may_read_the_audit_is_led_to_it(
    as_role: Callable[[str], Client], company: Company
) -> None:
    path, link = f"/debts/{company.best.key}/", f"/audit/?which={company.best.key}"
    assert link in as_role(Role.COMPLIANCE).get(path).text
    assert link not in as_role(Role.MEMBER).get(path).text
