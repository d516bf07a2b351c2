"""What every list promises: pages, a largest page, and as many queries for 50 rows as for 5."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg.models import (
    BacklogEntry,
    Contract,
    DebtItem,
    Dependency,
    Finding,
    Iteration,
    LedgerFinding,
    LedgerImport,
    LedgerSource,
    PenaltyEntry,
    Prerequisite,
    Price,
    ScoreChange,
    ScoringRun,
    Service,
    Team,
)
from tests.api.conftest import TOIL
from tests.factories import GuaranteeFactory, OutcomeFactory, ScoringPolicyFactory, TermsFactory

LISTS = [
    *("teams", "services", "dependencies", "prices", "contracts", "debts", "ranking"),
    *("scoring-runs", "iterations", "backlog", "imports", "policies", "policies/activations"),
    *("outcomes", "contracts/penalties", "findings"),
    *("debts/{key}/history", "imports/{import_id}/findings"),
]
KINDS = ["latency", "errors", "downtime", "credits", "compliance", "toil", "drag"]


@pytest.fixture
def grow(log, api, checkout):
    """grow(n): n rows in every list."""
    sizes = {"now": 0}
    items = []
    item = log()

    def to(count):
        more = [
            {"title": f"Item {n}", "service": "checkout", "impacts": [TOIL]}
            for n in range(sizes["now"], count)
        ]
        stored = api.post("/api/v1/debts/bulk/", more).json()["results"]
        items.extend(DebtItem(pk=row["key"][5:]) for row in stored)
        for n in range(sizes["now"], count):
            team = Team.objects.create(slug=f"team-{n:02}", name="T")
            service = Service.objects.create(slug=f"service-{n:02}", name="S", team=team)
            Dependency.objects.create(consumer=checkout, provider=service)
            Price.objects.create(
                service=service, kind=KINDS[n % len(KINDS)], low=1, likely=1, high=1
            )
            guarantee = GuaranteeFactory(
                contract=Contract.objects.create(reference=f"SLA-{n}"),
                consumer=service,
                provider=service,
            )
            TermsFactory(guarantee=guarantee, effective_from=date(2026, 1, 1))
            PenaltyEntry.objects.create(
                guarantee=guarantee,
                starts_on="2026-01-01",
                ends_on="2026-01-31",
                known=False,
                terms=guarantee.terms.last(),
                recorded_by=api.user,
            )
            Finding.objects.create(
                key=f"{n}", kind="unparsed", contract=guarantee.contract, team=team, text="x"
            )
            debt = items[n]
            Prerequisite.objects.create(item=debt, needs_id=item["key"][5:])
            iteration = Iteration.objects.create(
                team=team,
                name="S",
                starts_on="2026-01-01",
                ends_on="2026-01-02",
                capacity_days=5,
            )
            BacklogEntry.objects.create(
                item=debt,
                team=team,
                iteration=iteration,
                state="planned",
                policy_version=1,
                promoted_by=api.user,
            )
            ScoringRun.objects.create(state="done", requested_by=api.user)
            OutcomeFactory(item=debt, team=team, service=service, author=api.user)
            ScoringPolicyFactory()
            source = LedgerSource.objects.create(name=f"ledger {n}")
            LedgerImport.objects.create(source=source, filename="a.csv", requested_by=api.user)
            ScoreChange.objects.create(
                item_id=item["key"][5:],
                at="2026-01-01T00:00:00Z",
                cause="input",
                policy_version=1,
                old_state="priced",
                new_state="priced",
            )
            LedgerFinding.objects.create(
                ledger_import=LedgerImport.objects.order_by("pk")[0], row=n, kind="x", message="y"
            )
        sizes["now"] = count

    to.names = lambda: {
        "key": item["key"],
        "import_id": LedgerImport.objects.order_by("pk")[0].pk,
    }
    return to


def test_every_list_takes_as_many_queries_for_50_rows_as_for_5(api, grow):
    counts = {}
    for rows in (5, 50):
        grow(rows)
        for path in LISTS:
            address = f"/api/v1/{path.format(**grow.names())}/?page_size={rows}"
            api.get(address)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = api.get(address)
            assert len(answer.json()["results"]) >= rows, path
            counts.setdefault(path, []).append(len(queries))

    assert {path: few for path, (few, many) in counts.items() if few != many} == {}
    assert max(many for _, many in counts.values()) <= 8, counts


def test_pages_of_a_list_follow_each_other(api, payments):
    for n in range(7):
        Team.objects.create(slug=f"team-{n}", name="T")

    seen, address = [], "/api/v1/teams/?page_size=3&ordering=-slug"
    while address:
        page = api.get(address).json()
        assert page.keys() == {"results", "next", "previous"}
        seen += [team["slug"] for team in page["results"]]
        address = page["next"]

    assert seen == [*(f"team-{n}" for n in reversed(range(7))), "payments"]


def test_a_page_has_50_rows_and_never_more_than_200(api, db):
    DebtItem.objects.bulk_create(DebtItem(title=f"{n}") for n in range(230))

    sizes = {
        size: len(api.get("/api/v1/debts/?fields=key" + size).json()["results"])
        for size in ("", "&page_size=10", "&page_size=200", "&page_size=1000")
    }
    assert list(sizes.values()) == [50, 10, 200, 200]


def test_the_address_of_the_next_page_keeps_the_filters(api, log):
    log(), log()

    following = api.get("/api/v1/debts/?team=payments&page_size=1&fields=key").json()["next"]

    assert following.startswith("http://testserver/api/v1/debts/?")
    for part in ("team=payments", "page_size=1", "fields=key", "cursor="):
        assert part in following
