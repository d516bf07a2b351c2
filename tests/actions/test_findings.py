"""Compliance gaps: opened once, kept while they hold, closed when they do not."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine

from debtreg import gaps
from debtreg.actions import catalog, contracts, findings, penalties, registry
from debtreg.models import DebtImpact, DebtItem, DebtStatus, Dependency, Finding, Role
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    ServiceFactory,
    SloFactory,
    TermsFactory,
    UserFactory,
)

TODAY = datetime(2026, 7, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(TODAY, tick=False):
        yield


def a_service(slug, *needs, availability=None):
    """A service, the services that it cannot do without, and what it promises its callers."""
    service = ServiceFactory(slug=slug)
    for other in needs:
        Dependency.objects.create(consumer=service, provider=other)
    if availability:
        GuaranteeFactory(
            metric="availability",
            target_text=f"≥{availability}%",
            provider=service,
            scope_text=slug,
        )
    return service


def found(kind=None):
    rows = gaps.found(date(2026, 7, 15))
    return [row for row in rows if kind is None or row.kind == kind]


def test_a_gap_keeps_its_age_and_is_closed_when_it_does_not_hold(db):
    row = GuaranteeFactory(confirmed=False, provider=ServiceFactory(), scope_text="x")
    assert findings.refresh() == 1
    opened = Finding.objects.get()
    assert (opened.kind, opened.opened_at, opened.closed_at) == ("unconfirmed", TODAY, None)
    assert opened.team == row.provider.team
    with time_machine.travel(datetime(2026, 8, 1, tzinfo=UTC), tick=False):
        findings.refresh()
        assert Finding.objects.get().opened_at == TODAY
        by = UserFactory(role=Role.COMPLIANCE)
        contracts.confirm(guarantee_id=row.pk, version=1, by=by)
        opened.refresh_from_db()
        assert opened.closed_at == datetime(2026, 8, 1, tzinfo=UTC)


def test_a_gap_that_comes_back_is_a_new_one(db):
    service = ServiceFactory(slug="b")
    row = GuaranteeFactory(scope_text="a → b", provider=service)
    findings.refresh()
    a = ServiceFactory.build(slug="a", team=service.team)
    catalog.save(obj=a, by=None)
    edge = Dependency(consumer=a, provider=service)
    catalog.save(obj=edge, by=None)
    assert not Finding.objects.open().exists()
    catalog.remove(obj=edge, by=None)
    assert Finding.objects.open().get().guarantee == row
    assert Finding.objects.count() == 2


def test_a_gap_says_what_it_says_now_without_losing_its_age(db):
    row = GuaranteeFactory(scope_text="a → b", provider=ServiceFactory(slug="b"))
    findings.refresh()
    with time_machine.travel(datetime(2026, 8, 1, tzinfo=UTC), tick=False):
        service = row.provider
        service.team = ServiceFactory().team
        catalog.save(obj=service, by=None)
    gap = Finding.objects.get()
    assert (gap.team, gap.opened_at) == (service.team, TODAY)


def test_what_cannot_be_read_is_a_gap_for_each_part(db):
    GuaranteeFactory(
        target_text="≥5y", penalty_clause="as agreed", window_text="30d", confirmed=False
    )
    rows = found("unparsed")
    assert [row.key.rpartition(":")[2] for row in rows] == ["target", "penalty"]
    assert "≥5y" in rows[0].text
    # There is nothing to confirm, so nobody is asked to.
    assert not found("unconfirmed")


def test_only_what_holds_or_is_to_hold_is_asked_about(db):
    row = GuaranteeFactory(confirmed=False)
    TermsFactory(guarantee=row, effective_from=date(2026, 7, 1))
    TermsFactory(guarantee=row, effective_from=date(2026, 7, 1), confirmed=False)
    TermsFactory(guarantee=row, effective_from=date(2026, 9, 1), confirmed=False)
    rows = found("unconfirmed")
    assert [gap.key.rpartition(":")[2] for gap in rows] == ["3", "4"]
    assert "version 2 goes on to hold" in rows[1].text
    row.contract.ends_on = date(2026, 7, 14)
    row.contract.save()
    assert not found()


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("payment → nowhere", "“nowhere” is no service"),
        ("nowhere → profile", "“nowhere” is no service"),
        ("", "does not say which service owes it"),
        ("payment → profile", "it gets there by payment → risk → profile"),
        ("profile → payment", "nor a way round"),
    ],
)
def test_an_edge_that_is_not_in_the_catalog_is_a_gap(db, scope, text):
    profile = a_service("profile")
    a_service("payment", a_service("risk", profile))
    registry.load(entries=[{"id": "S", "metric": "m", "target": "≤1s", "scope": scope}], by=None)
    (gap,) = found("edge_missing")
    assert text in gap.text


def test_an_edge_that_is_there_is_none(db):
    a_service("payment", a_service("profile"))
    for number, scope in enumerate(("payment → profile", "profile")):
        entry = {"id": f"S{number}", "metric": "m", "target": "≤1s", "scope": scope}
        registry.load(entries=[entry], by=None)
    assert not found("edge_missing")


def test_a_promise_above_the_product_of_what_it_rests_on_cannot_be_kept(db):
    base = a_service("base", availability="99.95")
    left = a_service("left", base, availability="99.9")
    right = a_service("right", base, availability="99.9")
    a_service("top", left, right, availability="99.8")
    (gap,) = found("infeasible")
    # base counts once, though two ways lead to it.
    ceiling = Decimal("0.999") ** 2 * Decimal("0.9995") * 100
    assert f"at most {round(ceiling, 4)} %" in gap.text
    assert gap.subject.endswith("availability")


def owe(provider, target, metric="availability", consumer=None, scope=""):
    scope = scope or (f"{consumer.slug} → {provider.slug}" if consumer else provider.slug)
    GuaranteeFactory(
        metric=metric, target_text=target, provider=provider, consumer=consumer, scope_text=scope
    )


@pytest.mark.parametrize(
    ("metric", "target", "kind"),
    [
        ("cache_hit_ratio", "≥99.9999%", "no_promise"),
        ("test_coverage", "≥99.9999%", "no_promise"),
        ("availability", "≤99.9999%", "no_promise"),
        ("error_rate", "≥0.01%", "no_promise"),
        ("availability", "≥100%", "no_promise"),
        ("monthly uptime", "≥99.95%", None),
        ("服务可用性", "≥99.95%", None),
        ("success_rate", "≥99.95%", None),
        ("error_rate", "≤0.05%", None),
        ("错误率", "≤0.05%", None),
        ("error_rate", "≤0.2%", "infeasible"),
        ("unavailability", "≤0.2%", "infeasible"),
        ("uptime", "≥99.8%", "infeasible"),
    ],
)
def test_what_is_availability_is_told_by_metric_and_direction(db, metric, target, kind):
    base = a_service("base")
    owe(base, target, metric)
    a_service("top", base, availability="99.9")
    subject = "SLA-2: availability"
    kinds = {each.kind for each in found() if each.subject == subject}
    assert kinds & {"infeasible", "no_promise"} == ({kind} if kind else set())


def test_an_error_rate_closes_no_gap_that_a_promised_availability_leaves(db):
    base = a_service("base", availability="99.5")
    a_service("top", base, availability="99.9")
    assert "99.5 % (base)" in found("infeasible")[0].text
    owe(base, "≤0.01%", "error_rate")
    assert "99.5 % (base)" in found("infeasible")[0].text
    owe(base, "≤0.01%", "unavailability")  # that is one
    assert not found("infeasible")


def test_a_promise_owed_to_another_consumer_says_nothing_of_this_one(db):
    base = a_service("base")
    top = a_service("top", base, availability="99.9")
    other = a_service("other", base)
    owe(base, "≥99.9999%", consumer=other)
    assert "rests on base" in found("no_promise")[0].text
    owe(base, "≥99.9999%", scope="somebody → base")  # who is in no catalog
    assert "rests on base" in found("no_promise")[0].text
    owe(base, "≥99.5%", consumer=top)
    assert "99.5 % (base)" in found("infeasible")[0].text
    owe(base, "≥99.95%")
    assert not found("infeasible")  # it may hold the service to what everybody is promised


def test_of_what_lies_behind_a_dependency_counts_what_is_owed_to_that(db):
    base = a_service("base")
    middle = a_service("middle", base)
    top = a_service("top", middle, availability="99.9")
    owe(middle, "≥99.99%", consumer=top)
    owe(base, "≥99.9999%", consumer=top)
    assert "rests on base" in found("no_promise")[0].text
    owe(base, "≥99.8%", consumer=middle)
    assert "99.8 % (base)" in found("infeasible")[0].text


def test_nothing_may_ever_fail_is_a_promise_that_nobody_can_keep(db):
    GuaranteeFactory(metric="availability", target_text="≥100%", provider=ServiceFactory())
    (gap,) = found("infeasible")
    assert "“≥100%” lets nothing ever fail" in gap.text


def test_of_a_long_clause_a_gap_shows_how_it_begins(db):
    GuaranteeFactory(penalty_clause="as agreed " * 200, window_text="30d", confirmed=False)
    (gap,) = found("unparsed")
    assert len(gap.text) < 500
    assert "as agreed as" in gap.text


def test_soft_dependencies_and_unconfirmed_promises_do_not_count(db):
    base = a_service("base")
    GuaranteeFactory(
        metric="availability", target_text="≥90%", provider=base, scope_text="x", confirmed=False
    )
    top = a_service("top", base, availability="99.9")
    (gap,) = found("no_promise")
    assert "rests on base" in gap.text
    Dependency.objects.filter(consumer=top).update(hard=False)
    assert not found("no_promise")


def test_a_penalty_that_is_not_known_is_a_gap_until_it_is(db):
    row = GuaranteeFactory(window_text="calendar month", provider=ServiceFactory(), scope_text="x")
    period = {"guarantee_id": row.pk, "starts_on": date(2026, 6, 1), "ends_on": date(2026, 6, 30)}
    penalties.record_period(**period, measured=None, requests=None, by=None)
    gap = Finding.objects.open().get()
    assert gap.kind == "unknown_deduction"
    assert "Nothing was measured" in gap.text
    penalties.record_period(**period, measured="0.2s", requests=5000, by=None)
    assert not Finding.objects.open().exists()


def test_looking_takes_as_many_queries_for_30_guarantees_as_for_3(
    db, django_assert_max_num_queries
):
    for count in (3, 27):
        for _ in range(count):
            GuaranteeFactory(confirmed=False, provider=ServiceFactory(), scope_text="a → b")
        Finding.objects.all().delete()
        with django_assert_max_num_queries(15):
            findings.refresh()
        with django_assert_max_num_queries(11):
            findings.refresh()


def test_debts_that_claim_more_than_all_bad_events_of_an_slo_are_a_gap(db):
    slo = SloFactory(name="checkout")
    for part in (0.7, 0.4):
        DebtItemFactory(impacts=[{"kind": "errors", "slo": slo, "slo_part": part}])
    done = DebtItemFactory(impacts=[{"kind": "errors", "slo": slo}])
    DebtItem.objects.filter(pk=done.pk).update(status=DebtStatus.DONE)
    (gap,) = found("overcounted")
    assert gap.text.startswith("2 debts are said to cause 110 % of its bad events together")
    assert gap.subject == "SLO checkout"
    DebtImpact.objects.filter(slo_part=0.4).update(slo_part=0.3)
    assert not found("overcounted")


def test_who_says_the_share_himself_counts_nothing_twice(db):
    slo = SloFactory()
    said = {f"share_{point}": 0.1 for point in ("low", "likely", "high")}
    for _ in range(2):
        DebtItemFactory(impacts=[{"kind": "errors", "slo": slo, **said}])
    assert not found("overcounted")
