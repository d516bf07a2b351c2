"""Pages of contracts and of compliance gaps."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile

from debtreg.actions import contracts, findings
from debtreg.models import (
    Contract,
    Dependency,
    Finding,
    Guarantee,
    PenaltyEntry,
    Role,
    Terms,
)
from tests.factories import DebtItemFactory, GuaranteeFactory, TermsFactory, toil

CLAUSE = "每低于目标10ms,扣减SLO预算5%"


@pytest.fixture
def promise(company):
    return GuaranteeFactory(
        target_text="≤300ms",
        window_text="30d",
        penalty_clause=CLAUSE,
        scope_text="auth-service → payment-service",
        consumer=company.other_service,
        provider=company.service,
        confirmed=False,
    )


def page_of(client, promise):
    return client.get(f"/contracts/{promise.contract_id}/").text


def test_what_is_written_stands_beside_what_is_read_until_a_person_confirms_it(as_role, promise):
    client = as_role(Role.COMPLIANCE)
    text = page_of(client, promise)
    assert CLAUSE in text
    assert "For each completed 10 ms worse than the target, 5 % of the initial budget" in text
    assert "Waits for confirmation" in text

    sent = {"version": 1, "revision": 1}
    answer = client.post(f"/guarantees/{promise.pk}/confirm/", sent, follow=True)
    assert "Version 1 is confirmed and counts." in answer.text
    assert promise.terms.get().confirmed_by.role == Role.COMPLIANCE


def test_who_may_not_confirm_is_told_who_may(as_role, promise):
    client = as_role(Role.MEMBER)
    assert "has to confirm it before it counts" in page_of(client, promise)
    assert client.post(f"/guarantees/{promise.pk}/confirm/", {"version": 1}).status_code == 403
    assert client.get(f"/guarantees/{promise.pk}/amend/").status_code == 403
    assert client.post(f"/guarantees/{promise.pk}/record/", {}).status_code == 403


def test_what_has_changed_since_it_was_looked_at_is_not_confirmed(as_role, promise):
    client = as_role(Role.SRE)
    contracts.amend(
        guarantee_id=promise.pk, effective_from=None, texts={"target_text": "≤1s"}, by=None
    )
    sent = {"version": 1, "revision": 1}
    answer = client.post(f"/guarantees/{promise.pk}/confirm/", sent, follow=True)
    assert "has changed since you read it" in answer.text
    assert not promise.terms.get().is_confirmed


def test_a_contract_and_its_guarantee_are_written_down(as_role, company):
    client = as_role(Role.SRE)
    Dependency.objects.create(consumer=company.other_service, provider=company.service)
    answer = client.post("/contracts/new/", {"reference": "SLA-9", "starts_on": "2026-01-01"})
    contract = Contract.objects.get()
    assert answer.headers["Location"] == f"/contracts/{contract.pk}/"
    sent = {
        "metric": "availability",
        "scope_text": "auth-service -> 支付服务",
        "target_text": "≥ ９９．９％",
        "window_text": "自然月",
        "penalty_clause": "below 99.9%: credit 10%",
        "weight": "1.5",
    }
    answer = client.post(f"/contracts/{contract.pk}/guarantees/new/", sent, follow=True)
    row = Guarantee.objects.with_terms().get()
    assert (row.consumer, row.provider) == (company.other_service, company.service)
    assert (row.latest.objective, row.latest.period) == (Decimal("0.999"), "month")
    assert "Below 99.9 %: 10 % of the fee" in answer.text
    sent = {"metric": "uptime", "scope_text": "payment-service", "weight": "1"}
    client.post(f"/guarantees/{row.pk}/edit/", sent)
    row.refresh_from_db()
    assert (row.metric, row.consumer, row.provider) == ("uptime", None, company.service)
    client.post(f"/guarantees/{row.pk}/edit/", {"remove": "yes"})
    assert not Guarantee.objects.exists()
    client.post(f"/contracts/{contract.pk}/edit/", {"remove": "yes"})
    assert not Contract.objects.exists()


@pytest.mark.parametrize(
    "sent",
    [
        {"save": "yes"},
        {"metric": "m", "target_text": "≤1s", "weight": "4"},
        {"metric": "m", "target_text": "≤1s", "weight": "1", "objective_percent": "100"},
        {"metric": "m", "target_text": "x" * 81, "weight": "1"},
        {"metric": "m", "target_text": "≤1s", "weight": "1", "effective_from": "soon"},
    ],
)
def test_what_is_typed_wrong_is_marked_and_kept(as_role, promise, sent):
    answer = as_role(Role.SRE).post(f"/contracts/{promise.contract_id}/guarantees/new/", sent)
    assert answer.status_code == 422
    assert "Nothing was saved yet" in answer.text
    assert Guarantee.objects.count() == 1


def test_a_guarantee_that_is_there_is_not_added_twice(as_role, promise):
    sent = {
        "metric": promise.metric,
        "scope_text": promise.scope_text,
        "target_text": "≤1s",
        "weight": "1",
    }
    answer = as_role(Role.SRE).post(f"/contracts/{promise.contract_id}/guarantees/new/", sent)
    assert answer.status_code == 422
    assert "has this guarantee already" in answer.text


def test_an_amendment_begins_with_what_is_in_force_and_waits(as_role, promise):
    client = as_role(Role.SRE)
    TermsFactory(guarantee=promise, effective_from=date(2026, 1, 1), target_text="≤200ms")
    contracts.withdraw(guarantee_id=promise.pk, version=1, by=None)
    text = client.get(f"/guarantees/{promise.pk}/amend/").text
    assert 'value="≤200ms"' in text
    sent = {"effective_from": "2030-01-01", "target_text": "≤100ms"}
    answer = client.post(f"/guarantees/{promise.pk}/amend/", sent, follow=True)
    assert "Drop version" in answer.text
    version = Terms.objects.get(target_text="≤100ms").version
    client.post(f"/guarantees/{promise.pk}/withdraw/", {"version": version})
    assert promise.terms.count() == 1


def test_what_is_confirmed_is_in_force_while_an_amendment_waits(as_role, promise):
    with time_machine.travel(date(2026, 7, 15), tick=False):
        client = as_role(Role.SRE)
        client.post(f"/guarantees/{promise.pk}/confirm/", {"version": 1})
        sent = {"effective_from": "2026-07-01", "target_text": "≤200ms"}
        text = client.post(f"/guarantees/{promise.pk}/amend/", sent, follow=True).text
    assert text.count('<span class="mark m-done">In force</span>') == 2  # contract and version 1
    assert ">Over<" not in text
    assert "until then version 1 goes on to hold" in text


def test_what_was_measured_goes_into_the_ledger_and_what_is_refused_stays_typed(as_role, promise):
    with time_machine.travel(date(2026, 7, 15), tick=False):
        client = as_role(Role.COMPLIANCE)
        client.post(f"/guarantees/{promise.pk}/confirm/", {"version": 1})
        sent = {
            "starts_on": "2026-06-01",
            "ends_on": "2026-06-30",
            "measured": "337 fast",
            "requests": "２,000,000",
        }
        refused = client.post(f"/guarantees/{promise.pk}/record/", sent)
        assert refused.status_code == 422
        assert 'value="337 fast"' in refused.text
        client.post(f"/guarantees/{promise.pk}/record/", {**sent, "measured": "0.337s"})
        text = page_of(client, promise)
        entry = PenaltyEntry.objects.get()
        client.post(f"/penalties/{entry.pk}/remove/")
    assert (entry.deduct_percent, entry.recorded_by.role) == (15, Role.COMPLIANCE)
    assert "15 %" in text
    assert not PenaltyEntry.objects.exists()


def test_a_contract_shows_the_debts_that_threaten_it(as_role, promise, company):
    debt = DebtItemFactory(title="Slow lookup", impacts=[toil(guarantee=promise)] * 2)
    DebtItemFactory(title="Repaired", status="done", impacts=[toil(guarantee=promise)])
    text = page_of(as_role(Role.DIRECTOR), promise)
    assert text.count(f"/debts/{debt.key}/") == 1
    assert "Repaired" not in text


def test_an_edge_that_is_missing_is_said_on_the_page(as_role, promise, company):
    client = as_role(Role.SRE)
    assert "No such edge" in page_of(client, promise)
    Dependency.objects.create(consumer=company.other_service, provider=company.service)
    assert "hard dependency" in page_of(client, promise)


def test_a_page_takes_as_many_queries_for_12_guarantees_as_for_2(
    as_role, promise, django_assert_max_num_queries
):
    client = as_role(Role.SRE)
    for count in (1, 10):
        for number in range(count):
            row = GuaranteeFactory(
                contract=promise.contract,
                metric=f"m{count}{number}",
                provider=promise.provider,
                scope_text="x",
            )
            TermsFactory(guarantee=row, effective_from=date(2026, 1, 1), confirmed=False)
        with django_assert_max_num_queries(18):
            page_of(client, promise)
        with django_assert_max_num_queries(10):
            client.get("/contracts/")


# --- Import ---------------------------------------------------------------------------------------

REGISTRY = f"""
slas:
  - id: SLA-21
    metric: p99_response_time
    target: "＜＝３００毫秒"
    scope: "auth-service ⇒ 支付服务"
    penalty_clause: "{CLAUSE}"
    window: 30d
"""


def test_a_registry_is_looked_at_first_and_stored_by_a_second_button(as_role, company):
    client = as_role(Role.SRE)
    answer = client.post("/contracts/import/", {"text": REGISTRY, "look": "yes"})
    assert "p99 &lt;= 300 ms" in answer.text
    assert "The catalog has no dependency auth-service → payment-service" in answer.text
    assert not Contract.objects.exists()
    answer = client.post("/contracts/import/", {"text": REGISTRY, "commit": "yes"}, follow=True)
    assert "1 contract is new" in answer.text
    assert Guarantee.objects.get().provider == company.service
    again = client.post("/contracts/import/", {"text": REGISTRY, "look": "yes"})
    assert "0 new, 0 changed, 1 as they are, 0 wrong" in again.text


def test_what_nothing_here_knows_is_shown_before_and_after_it_is_stored(as_role, company):
    client = as_role(Role.SRE)
    text = "reviewed: 2026-01-01\nslas: [{id: 010, metric: m, target: ≤1s, tier: {gold: yes}}]"
    answer = client.post("/contracts/import/", {"text": text, "look": "yes"}).text
    assert "Nothing here is called tier: it is kept" in answer
    assert "Nothing here is called reviewed: it is kept" in answer
    client.post("/contracts/import/", {"text": text, "commit": "yes"})
    page = client.get(f"/contracts/{Contract.objects.get(reference='010').pk}/").text
    assert "reviewed: &#x27;2026-01-01&#x27;" in page or "reviewed: 2026-01-01" in page
    assert "gold: " in page


def test_a_long_clause_is_folded_where_it_is_shown(as_role, promise):
    client = as_role(Role.SRE)
    sent = {"effective_from": "2030-01-01", "target_text": "≤1s", "penalty_clause": "hm " * 600}
    assert client.post(f"/guarantees/{promise.pk}/amend/", sent).status_code == 302
    assert f"<details><summary>{('hm ' * 33)}" in page_of(client, promise)
    findings.refresh()
    assert len(client.get("/gaps/").text.split("hm hm", 1)[1].split("</td>")[0]) < 700


def test_a_clause_is_as_long_as_the_api_and_files_allow_and_no_longer(as_role, promise):
    sent = {"effective_from": "2030-01-01", "target_text": "≤1s", "penalty_clause": "x" * 2001}
    answer = as_role(Role.SRE).post(f"/guarantees/{promise.pk}/amend/", sent)
    assert answer.status_code == 422
    assert "at most 2000 characters" in answer.text


def test_a_registry_is_uploaded_as_a_file(as_role, company):
    file = SimpleUploadedFile("registry.yaml", REGISTRY.encode())
    answer = as_role(Role.SRE).post("/contracts/import/", {"file": file, "look": "yes"})
    assert "SLA-21" in answer.text
    assert "Store it" in answer.text


@pytest.mark.parametrize(
    "sent",
    [
        {"look": "yes"},
        {"text": "a: b: c"},
        {"text": "teams: []"},
        {"file": SimpleUploadedFile("x.yaml", b"\xff\xfe\x00")},
    ],
)
def test_what_is_no_registry_is_refused_with_the_reason(as_role, company, sent):
    answer = as_role(Role.SRE).post("/contracts/import/", sent)
    assert answer.status_code == 422


def test_a_wrong_entry_keeps_all_from_being_stored(as_role, company):
    text = REGISTRY + "  - {id: SLA-22, metric: m}\n"
    client = as_role(Role.SRE)
    answer = client.post("/contracts/import/", {"text": text, "look": "yes"})
    assert "target is missing" in answer.text
    assert "Store it" not in answer.text
    assert client.post("/contracts/import/", {"text": text, "commit": "yes"}).status_code == 422
    assert not Contract.objects.exists()


# --- Gaps -----------------------------------------------------------------------------------------


def test_gaps_are_listed_with_owner_age_and_a_link_and_filtered(as_role, promise, company):
    findings.refresh()
    client = as_role(Role.COMPLIANCE)
    text = client.get("/gaps/").text
    assert f"/contracts/{promise.contract_id}/#guarantee-{promise.pk}" in text
    assert company.payments.name in text
    assert "2 gaps" in text
    assert "1 gap<" in client.get("/gaps/?kind=unconfirmed").text
    assert "No gap" in client.get("/gaps/?team=accounts").text
    assert client.get("/gaps/?kind=luck").status_code == 422


def test_gaps_are_exported_as_they_are_filtered(as_role, promise):
    promise.contract.reference = "=HYPERLINK(1)"
    promise.contract.save()
    findings.refresh()
    answer = as_role(Role.COMPLIANCE).get("/gaps/export/?kind=unconfirmed")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    header, row = csv.reader(io.StringIO(text))
    assert header[:5] == ["since", "age_days", "kind", "owner", "subject"]
    assert row[4].startswith("'=HYPERLINK(1): p99")
    assert Finding.objects.open().count() == 2
