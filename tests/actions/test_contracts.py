"""Guarantees, the terms of each by effective date, confirmation, and the penalty ledger."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine

from debtreg import frames, terms
from debtreg.actions import contracts, penalties
from debtreg.actions.contracts import (
    AlreadyConfirmed,
    NothingToConfirm,
    TermsChanged,
)
from debtreg.actions.penalties import PeriodsOverlap
from debtreg.errors import Conflict, DebtregError, NotAllowed, NotFound
from debtreg.models import (
    AuditEntry,
    Contract,
    Guarantee,
    PenaltyEntry,
    Role,
    ScoringRun,
    Terms,
    terms_on,
)
from debtreg.terms import NoSuchPeriod
from tests.factories import GuaranteeFactory, ServiceFactory, TermsFactory, UserFactory

VECTORS = Path(__file__).parents[1] / "data/vectors"
CLAUSE = "每低于目标10ms,扣减SLO预算5%"
JUNE = (date(2026, 6, 1), date(2026, 6, 30))


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(date(2026, 7, 15)):
        yield


@pytest.fixture
def sre(db):
    return UserFactory(role=Role.SRE)


@pytest.fixture
def promise(db):
    """300 ms at p99 per 30 days, 5 % of a 99.9 % budget for each 10 ms; confirmed."""
    return GuaranteeFactory(
        target_text="≤300ms",
        window_text="30d",
        penalty_clause=CLAUSE,
        budget_objective=Decimal("0.999"),
        provider=ServiceFactory(slug="profile", requests_per_year=1e9),
    )


def record(promise, by, measured="0.3301s", days=JUNE, requests=2_000_000, **more):
    return penalties.record_period(
        guarantee_id=promise.pk,
        starts_on=days[0],
        ends_on=days[1],
        measured=measured,
        requests=requests,
        by=by,
        **more,
    )


def amend(promise, day, by=None, **texts):
    return contracts.amend(guarantee_id=promise.pk, effective_from=day, texts=texts, by=by)


def confirm(row, by, **more):
    return contracts.confirm(guarantee_id=row.guarantee_id, version=row.version, by=by, **more)


# --- Versions -------------------------------------------------------------------------------------


def test_an_amendment_is_the_next_version_and_the_confirmed_one_stays(promise, sre):
    row = amend(promise, date(2026, 8, 1), sre, target_text="≤250ms")
    assert (row.version, row.value, row.penalty_clause) == (2, 250, CLAUSE)
    first = promise.terms.get(version=1)
    assert (first.target_text, first.replaced_at) == ("≤300ms", None)
    found = Guarantee.objects.with_terms().get(pk=promise.pk)
    assert (found.current, found.latest) == (first, row)
    assert terms_on(found.terms.all(), date(2026, 8, 1)) == first
    confirm(row, sre)
    found = Guarantee.objects.with_terms().get(pk=promise.pk)
    assert terms_on(found.terms.all(), date(2026, 7, 31)) == first
    assert terms_on(found.terms.all(), date(2026, 8, 1)) == row


def test_saying_the_same_again_changes_nothing(promise, sre):
    amend(promise, date(2026, 8, 1), sre, target_text="≤250ms")
    count = AuditEntry.objects.count()
    amend(promise, date(2026, 8, 1), sre, target_text="≤250ms")
    amend(promise, None, sre, target_text="≤300ms")
    assert (Terms.objects.count(), AuditEntry.objects.count()) == (2, count)


def test_what_is_not_confirmed_is_changed_in_place_and_counts_its_changes(promise, sre):
    row = amend(promise, date(2026, 8, 1), sre, target_text="≤250ms")
    again = amend(promise, date(2026, 8, 1), sre, target_text="≤240ms")
    assert (again.pk, again.revision, again.value) == (row.pk, 2, 240)
    with pytest.raises(TermsChanged, match="has changed since"):
        confirm(row, sre, revision=1)
    assert confirm(again, sre, revision=2).is_confirmed


def test_a_correction_takes_the_place_of_what_it_corrects_once_it_is_confirmed(promise, sre):
    row = amend(promise, None, sre, target_text="≤310ms")
    assert row.version == 2
    found = Guarantee.objects.with_terms().get(pk=promise.pk)
    assert found.current.version == 1
    confirm(row, sre)
    found = Guarantee.objects.with_terms().get(pk=promise.pk)
    assert found.current.version == 2
    assert promise.terms.get(version=1).replaced_at is not None
    assert promise.terms.get(version=1).target_text == "≤300ms"


def test_terms_are_withdrawn_only_while_they_wait(promise, sre):
    row = amend(promise, date(2026, 8, 1), sre, target_text="≤250ms")
    contracts.withdraw(guarantee_id=promise.pk, version=row.version, by=sre)
    contracts.withdraw(guarantee_id=promise.pk, version=row.version, by=sre)
    assert promise.terms.count() == 1
    with pytest.raises(AlreadyConfirmed, match="Version 1 is confirmed"):
        contracts.withdraw(guarantee_id=promise.pk, version=1, by=sre)
    alone = GuaranteeFactory(confirmed=False)
    with pytest.raises(Conflict, match="would promise nothing"):
        contracts.withdraw(guarantee_id=alone.pk, version=1, by=sre)


def test_the_database_finds_the_version_in_force_as_python_does(db):
    for contract in (
        {},
        {"starts_on": date(2026, 3, 1)},
        {"starts_on": date(2026, 1, 1), "ends_on": date(2026, 6, 30)},
    ):
        reference = f"C-{Contract.objects.count()}"
        row = GuaranteeFactory(contract=Contract.objects.create(reference=reference, **contract))
        TermsFactory(guarantee=row, effective_from=date(2026, 4, 1))
        TermsFactory(guarantee=row, effective_from=date(2026, 4, 1), confirmed=False)
        TermsFactory(guarantee=row, effective_from=date(2026, 6, 1), confirmed=False)
        TermsFactory(guarantee=row, effective_from=date(2026, 7, 1))
    waiting = GuaranteeFactory(confirmed=False)
    TermsFactory(guarantee=waiting, effective_from=date(2026, 5, 1), confirmed=False)
    old = row.terms.get(version=1)
    old.replaced_at = old.confirmed_at
    old.save()
    TermsFactory(guarantee=row)
    for day in (date(2026, month, 15) for month in range(1, 9)):
        wanted = set()
        for each in Guarantee.objects.with_terms():
            if each.contract.covers(day):
                wanted.add(terms_on(each.terms.all(), day))
        assert set(Terms.objects.in_force(day)) == wanted


# --- Confirmation ---------------------------------------------------------------------------------


def objectives():
    frame = frames.Catalog.read().guarantees
    return dict(zip(frame["guarantee_id"], frame["objective"], strict=True))


def test_only_confirmed_terms_in_force_count(promise, sre):
    assert objectives() == {promise.pk: 0.99}
    waiting = GuaranteeFactory(metric="availability", target_text="≥99.9%", confirmed=False)
    assert waiting.pk not in objectives()
    confirm(waiting.terms.get(), sre)
    assert objectives()[waiting.pk] == 0.999
    # From today on something else was agreed; until somebody confirms it, the old terms count.
    row = amend(promise, date(2026, 7, 15), sre, target_text="p95 ≤ 300ms")
    assert objectives()[promise.pk] == 0.99
    confirm(row, sre)
    assert objectives()[promise.pk] == 0.95
    with time_machine.travel(date(2026, 7, 14)):
        assert objectives()[promise.pk] == 0.99


def test_a_contract_that_is_over_counts_no_more(promise):
    promise.contract.ends_on = date(2026, 7, 14)
    promise.contract.save()
    assert objectives() == {}


def test_confirming_asks_for_a_run_and_names_who_did_it(db, sre):
    row = GuaranteeFactory(confirmed=False).terms.get()
    confirm(row, sre)
    confirm(row, UserFactory(role=Role.COMPLIANCE))
    row.refresh_from_db()
    assert row.confirmed_by == sre
    assert ScoringRun.objects.count() == 1
    assert AuditEntry.objects.get(action="terms.confirm").actor == sre


def test_it_takes_a_person_who_may(db, promise):
    row = GuaranteeFactory(confirmed=False).terms.get()
    with pytest.raises(NotAllowed, match="person"):
        confirm(row, None)
    for role in (Role.MEMBER, Role.PRODUCT_OWNER, Role.DIRECTOR):
        with pytest.raises(NotAllowed, match="may not confirm"):
            confirm(row, UserFactory(role=role))
        with pytest.raises(NotAllowed, match="may not confirm"):
            record(promise, UserFactory(role=role))
        with pytest.raises(NotAllowed, match="may not change the catalog"):
            amend(promise, None, UserFactory(role=role), target_text="≤1s")
    confirm(row, UserFactory(role=Role.COMPLIANCE))
    with pytest.raises(NotAllowed):
        amend(promise, None, UserFactory(role=Role.COMPLIANCE), target_text="≤1s")


def test_what_cannot_be_read_is_kept_and_read_as_a_person_says(db, sre):
    row = GuaranteeFactory(metric="audit_retention", target_text="≥5y", confirmed=False)
    terms_ = row.terms.get()
    assert (terms_.value, list(terms_.problems)) == (None, ["target"])
    with pytest.raises(NothingToConfirm, match="≥5y"):
        confirm(terms_, sre)
    read = amend(row, None, sre, target_reading="≥ 1825 d")
    assert (read.pk, read.target_text, read.value, read.unit) == (terms_.pk, "≥5y", 1825, "d")
    assert confirm(read, sre).problems == {}


def test_there_must_be_such_a_version(promise, sre):
    with pytest.raises(NotFound, match="no version 7"):
        contracts.confirm(guarantee_id=promise.pk, version=7, by=sre)
    with pytest.raises(NotFound, match="no guarantee 999"):
        contracts.confirm(guarantee_id=999, version=1, by=sre)


# --- The penalty ledger ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", json.loads((VECTORS / "penalty.json").read_text()))
def test_every_penalty_vector_holds_through_what_is_stored(db, sre, case):
    given, expected = case["input"], case["expect"]
    row = contracts.put_guarantee(
        contract_id=Contract.objects.create(reference="SLA-1").pk,
        values={
            "metric": "p99_response_time",
            "target_text": given["target"],
            "penalty_clause": given["clause"],
            "window_text": f"{given['period_days']}d",
            "budget_objective": Decimal(given["objective_percent"]) / 100,
        },
        by=sre,
    )
    confirm(row.terms.get(), sre)
    entry = record(row, sre, given["measured"], requests=given["requests"])
    entry.refresh_from_db()
    for name, value in expected.items():
        found = entry.parts[0][name] if name in ("shortfall", "steps") else getattr(entry, name)
        wanted = Decimal(value) if isinstance(value, str) else value
        assert (Decimal(found) if isinstance(value, str) else found) == wanted, name


@pytest.mark.parametrize("case", json.loads((VECTORS / "inversion.json").read_text()))
def test_every_inversion_vector_holds_through_what_is_stored(db, sre, case):
    given, expected = case["input"], case["expect"]
    row = GuaranteeFactory(
        metric="availability",
        target_text=f"≥{given['target_percent']}%",
        window_text=f"{given['period_days']}d",
    )
    asked = {name: given[name] for name in ("recovery_seconds", "impact", "open_seconds")}
    found = terms.tolerance(row.terms.get(), asked, date(2026, 7, 15))
    found["trips_affordable"] = found["breaker"]["trips_affordable"]
    for name, value in expected.items():
        assert str(found[name]) == str(value), name


def test_a_period_is_recorded_once_and_a_repeat_changes_nothing(promise, sre):
    entry = record(promise, sre, source="dashboard")
    count = AuditEntry.objects.count()
    again = record(promise, UserFactory(role=Role.COMPLIANCE), source="dashboard")
    assert (again.pk, again.recorded_by, AuditEntry.objects.count()) == (entry.pk, sre, count)
    corrected = record(promise, sre, measured="0.35s", source="dashboard")
    assert (corrected.pk, corrected.deduct_percent) == (entry.pk, 25)
    assert PenaltyEntry.objects.count() == 1
    assert record(promise, None, measured="0.36s").recorded_by is None  # a job


def test_no_day_counts_twice(promise, sre):
    record(promise, sre)
    with pytest.raises(PeriodsOverlap, match="2026-06-01 to 2026-06-30 is recorded"):
        record(promise, sre, days=(date(2026, 6, 15), date(2026, 7, 14)))
    record(promise, sre, days=(date(2026, 5, 2), date(2026, 5, 31)))
    penalties.remove_period(entry_id=PenaltyEntry.objects.last().pk, by=sre)
    penalties.remove_period(entry_id=10**9, by=sre)
    assert PenaltyEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("window", "first", "last", "match"),
    [
        ("30d", "2026-06-01", "2026-06-29", "are 29 days; a period has 30"),
        ("30d", "2026-06-30", "2026-06-01", "is no period"),
        ("30d", "2026-07-01", "2026-07-30", "yet to come"),
        ("calendar month", "2026-06-01", "2026-06-29", "this one is 2026-06-01 to 2026-06-30"),
        ("quarter", "2026-06-01", "2026-06-30", "this one is 2026-04-01 to 2026-06-30"),
        ("year", "2025-06-01", "2026-05-31", "this one is 2026-01-01 to 2026-12-31"),
        ("", "2024-01-01", "2026-05-31", "longer than a year"),
        ("", "0001-01-01", "0001-01-31", "is no period"),
    ],
)
def test_a_period_is_one_of_the_terms_and_over(sre, window, first, last, match):
    row = GuaranteeFactory(window_text=window)
    days = date.fromisoformat(first), date.fromisoformat(last)
    with pytest.raises(NoSuchPeriod, match=match):
        record(row, sre, days=days)


def test_a_period_that_was_amended_in_its_course_is_priced_by_both(promise, sre):
    row = amend(promise, date(2026, 6, 11), sre, target_text="≤290ms")
    confirm(row, sre)
    entry = record(promise, sre)
    # 10 days at 15 % and 20 days at 20 %, of 43.2 minutes.
    assert entry.deduct_percent == round(Decimal(550) / 30, 12)
    assert entry.deducted_minutes == round(Decimal("43.2") * 550 / 3000, 12)
    assert [(part["version"], part["days"]) for part in entry.parts] == [(1, 10), (2, 20)]
    assert entry.terms == row


def test_what_was_recorded_is_priced_anew_when_other_terms_held(promise, sre):
    entry = record(promise, sre)
    later = record(promise, sre, days=(date(2026, 5, 1), date(2026, 5, 30)))
    row = amend(promise, date(2026, 6, 1), sre, target_text="≤250ms")
    entry.refresh_from_db()
    assert (entry.known, entry.deduct_percent) == (True, 15)  # nobody has confirmed it yet
    assert entry.terms.version == 1
    confirm(row, sre)
    entry.refresh_from_db()
    later.refresh_from_db()
    assert (entry.deduct_percent, later.deduct_percent) == (40, 15)


def test_unknown_is_null_and_says_why(promise, sre):
    for measured, requests in ((None, None), ("NaN", 5000), ("0.35s", 57), ("0.35s", None)):
        entry = record(promise, sre, measured, requests=requests)
        assert (entry.known, entry.deduct_percent, entry.deducted_minutes) == (False, None, None)
        assert "gap" in {each["level"] for each in entry.findings}
    unread = GuaranteeFactory(window_text="30d", penalty_clause="as agreed")
    entry = record(unread, sre)
    assert (entry.known, entry.deduct_percent) == (False, None)
    entry = record(promise, sre, {"low": "0.25s", "high": "0.5s"})
    assert (entry.known, entry.parts[0]["range"]["deduct_percent"]["high"]) == (False, "100")


def test_an_unread_clause_hides_no_breach_and_no_wrong_unit(db, sre):
    row = GuaranteeFactory(
        metric="availability",
        target_text="≥100%",
        window_text="30d",
        penalty_clause="as the parties agree",
    )
    terms_ = row.terms.get()
    assert (terms_.statistic, terms_.objective) == ("", None)
    entry = record(row, sre, "99%")
    assert (entry.known, entry.breached, entry.deduct_percent) == (False, True, None)
    assert {each["level"] for each in entry.findings} == {"fail", "gap"}
    assert record(row, sre, "100%").breached is False
    with pytest.raises(DebtregError, match="measured is in s, the target in %"):
        record(row, sre, "0.3301s")


def test_the_cap_holds_and_what_is_above_it_is_kept(promise, sre):
    entry = record(promise, sre, "620ms")
    assert (entry.deduct_percent, entry.uncapped_percent) == (100, 160)


def test_credit_tiers_are_a_part_of_the_fee(db, sre):
    row = GuaranteeFactory(
        metric="availability",
        target_text="≥99.9%",
        window_text="calendar_month",
        penalty_clause="月可用性低于99.9%赔付月费10%,低于99%赔付月费25%",
    )
    entry = record(row, sre, "99.5%")
    assert (entry.credit_percent, entry.deduct_percent, entry.breached) == (10, None, True)
    assert record(row, sre, "98%").credit_percent == 25
    assert record(row, sre, "99.95%").credit_percent == 0


def test_two_guarantees_of_one_service_have_ledgers_of_their_own(promise, sre):
    tighter = GuaranteeFactory(
        target_text="≤250ms", window_text="30d", penalty_clause=CLAUSE, provider=promise.provider
    )
    assert record(promise, sre).deduct_percent == 15
    assert record(tighter, sre).deduct_percent == 40
    assert PenaltyEntry.objects.count() == 2


def test_days_outside_the_contract_count_for_nothing(promise, sre):
    promise.contract.starts_on = date(2026, 6, 16)
    promise.contract.save()
    entry = record(promise, sre)
    assert [part["days"] for part in entry.parts] == [15]
    promise.contract.starts_on = date(2026, 7, 1)
    promise.contract.save()
    with pytest.raises(NoSuchPeriod, match="No terms were in force"):
        record(promise, sre, days=(date(2026, 5, 2), date(2026, 5, 31)))


@pytest.mark.parametrize("measured", ["fast", "5%", {"low": "9ms"}, [1], True, "1e99s", -1])
def test_what_was_measured_must_be_readable(promise, sre, measured):
    with pytest.raises(DebtregError, match="measured") as refused:
        record(promise, sre, measured)
    assert refused.value.fields
    assert not PenaltyEntry.objects.exists()
