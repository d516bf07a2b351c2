"""What people type into the search of the ranking."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from debtreg import search
from debtreg.actions import scores
from debtreg.models import EntryState, Score
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
    stated,
    toil,
)


@pytest.fixture
def portfolio(db):
    PriceFactory(kind="toil", price=200)
    payments = TeamFactory(slug="payments")
    service = ServiceFactory(slug="payment-service", team=payments)
    yesterday = timezone.localdate() - timedelta(days=1)
    rows = {
        "retry": DebtItemFactory(
            title="Retry storm: can't back off",
            service=service,
            team=payments,
            tags=["legacy", "重试"],
            impacts=[stated(160_000)],
            effort=10,
            external_ref="PAY-7",
            pinned=True,
            confidence="low",
            due_on=yesterday,
        ),
        "pool": DebtItemFactory(
            title="Connection pool too small",
            service=service,
            team=payments,
            tags=["legacy-not"],
            impacts=[toil(10)],
            effort=10,
            ledger_id="TD-041",
            author=UserFactory(username="lin"),
            owner="Chen Wei",
            veto_reason="Moves away",
            category="Capacity",
        ),
        "lost": DebtItemFactory(
            title="Something -odd with 50% of C:\\paths",
            service=None,
            team=None,
            author=None,
            veto_reason="Over",
            veto_until=yesterday,
        ),
    }
    BacklogEntryFactory(item=rows["retry"], team=payments, state=EntryState.UNSCHEDULED)
    loss = dict.fromkeys(("loss_low", "loss_likely", "loss_high"), 1_000)
    ScenarioMemberFactory(item=rows["pool"], scenario=FailureScenarioFactory(**loss))
    scores.score_items([item.pk for item in rows.values()])
    return {item.pk: name for name, item in rows.items()} | {
        name: item.key for name, item in rows.items()
    }


def names(portfolio, text):
    found = search.parse(text)
    assert not found.problems
    rows = Score.objects.filter(found.condition).order_by("pk")
    return " ".join(portfolio[pk] for pk in rows.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "retry pool lost"),
        ("  ", "retry pool lost"),
        ("RETRY", "retry"),
        ("retry storm", "retry"),
        ("storm retry", "retry"),
        ('"storm retry"', ""),
        ('"retry storm"', "retry"),
        ("can't", "retry"),
        ("50%", "lost"),
        ("5_%", ""),
        ("-retry", "pool lost"),
        ("-", "lost"),
        ('"-odd"', "lost"),
        ("c:\\paths", "lost"),
        ("td-041", "pool"),
        ("pay-7", "retry"),
        ("service:payment-service", "retry pool"),
        ("service:none", "lost"),
        ("-service:payment-service,none", ""),
        ("team:PAYMENTS pool", "pool"),
        ("TEAM:payments,none", "retry pool lost"),
        ("tag:legacy", "retry"),
        ("tag:LEGACY", "retry"),
        ("tag:重试", "retry"),
        ("tag:none", "lost"),
        ("kind:toil", "pool"),
        ("kind:toil,stated", "retry pool"),
        ("-kind:toil", "retry lost"),
        ("state:unpriced", "lost"),
        ("status:open", "retry pool lost"),
        ("is:promoted", "retry"),
        ("is:scheduled", ""),
        ("is:pinned", "retry"),
        ("is:vetoed", "pool"),
        ("is:coupled", "pool"),
        ("is:overdue", "retry"),
        ("is:pinned,vetoed", "retry pool"),
        ("owner:chen", "pool"),
        ("owner:none", "retry lost"),
        ("author:Lin", "pool"),
        ("confidence:low", "retry"),
        ("confidence:none", "pool lost"),
        ("category:cap", "pool"),
        ("ref:pay", "retry"),
        ("ref:td-04", "pool"),
        ("roi:>5", "retry"),
        ("roi:<=5", "pool"),
        ("-roi:>5", "pool lost"),
        ("roi:none", "lost"),
        ("cost:160k..0.2m", "retry"),
        ("cost:≥160000", "retry"),
        ("cost:<1", ""),
        ('category:"cap"', "pool"),
    ],
)
def test_a_search_finds_what_has_all_of_its_terms(portfolio, text, expected):
    assert names(portfolio, text) == expected


def test_a_key_finds_its_item_in_any_case(portfolio):
    assert names(portfolio, portfolio["pool"].lower()) == "pool"
    assert names(portfolio, f"-{portfolio['pool']}") == "retry lost"


@pytest.mark.parametrize(
    ("text", "said", "left"),
    [
        ("priority:P9", "“P9” is none of p0, p1, p2, p3.", "retry pool lost"),
        ("roi:3", "“3” is no range: write >3", "retry pool lost"),
        ("roi:>nan", "“>nan” is no range", "retry pool lost"),
        ("cost:>9999999999999999m", "too large", "retry pool lost"),
        ("team:nobody pool", "There is no team “nobody”", "pool"),
        ("kind:", "kind: says nothing; it takes latency, errors", "retry pool lost"),
        ('owner:""', "owner: says nothing", "retry pool lost"),
        ("servce:payment", "There is no field “servce”", "retry pool lost"),
        ("is:good", "“good” is none of promoted", "retry pool lost"),
        ("o " * 30, "takes 20 terms, this one has 30", "retry pool lost"),
    ],
)
def test_what_is_not_understood_is_said_and_the_rest_is_looked_for(portfolio, text, said, left):
    found = search.parse(text)

    assert said in found.problems[0]
    rows = Score.objects.filter(found.condition).order_by("pk")
    assert " ".join(portfolio[pk] for pk in rows.values_list("pk", flat=True)) == left.strip()


def test_an_address_is_text_and_no_field(portfolio):
    assert search.parse('https://example.com/x "servce:payment"').problems == []


def test_a_veto_of_today_still_holds(portfolio):
    item = DebtItemFactory(veto_reason="Today", veto_until=timezone.localdate())
    scores.score_items([item.pk])
    assert item.pk in Score.objects.filter(search.parse("is:vetoed").condition).values_list(
        "pk", flat=True
    )


class TestAnyText(TestCase):
    @given(
        st.lists(
            st.one_of(
                st.text(max_size=12),
                st.tuples(st.sampled_from(sorted(search.FIELDS)), st.text(max_size=8)).map(
                    ":".join
                ),
            ),
            max_size=4,
        ).map(" ".join)
    )
    def test_no_text_breaks_the_search(self, text):
        text = text.replace("\0", "")
        list(Score.objects.filter(search.parse(text).condition))
