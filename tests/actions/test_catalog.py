"""Teams, services, prices, contracts, iterations: rules, what follows, whole catalogs at once."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from django.db import connection

from debtreg.actions import backlog, catalog
from debtreg.actions.catalog import StillUsed
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict
from debtreg.models import (
    AuditEntry,
    Contract,
    DebtItem,
    Dependency,
    Guarantee,
    Iteration,
    Price,
    Score,
    ScoreChange,
    ScoringRun,
    Service,
    Team,
    Terms,
)
from tests.factories import (
    DebtItemFactory,
    GuaranteeFactory,
    IterationFactory,
    PriceFactory,
    ServiceFactory,
    TeamFactory,
    toil,
)

DEMO = Path(__file__).parents[2] / "demo" / "services.yaml"


# --- One row --------------------------------------------------------------------------------------


def test_a_new_row_is_audited_and_asks_for_a_run(db):
    team = catalog.save(obj=Team(slug="t", name="T", day_rate=Decimal("1600.00")), by=None)
    entry = AuditEntry.objects.get(action="team.create")
    assert (entry.old, entry.new["day_rate"], entry.object_key) == (None, "1600", str(team.pk))
    run = ScoringRun.objects.get()
    assert run.state == "queued"
    catalog.save(obj=Service(slug="s", name="S", team=team), by=None)
    assert ScoringRun.objects.get() == run


def test_a_change_notes_what_differs(db):
    service = ServiceFactory(slug="checkout")
    service.requests_per_year = 120e6
    catalog.save(obj=service, by=None)
    entry = AuditEntry.objects.get(action="service.update")
    assert entry.old == {"requests_per_year": None}
    assert entry.new == {"requests_per_year": "120000000"}


def test_saving_what_is_there_already_changes_nothing(db):
    for row in (ServiceFactory(), PriceFactory(), GuaranteeFactory(), IterationFactory()):
        before = type(row).objects.values().get(pk=row.pk)
        catalog.save(obj=type(row).objects.get(pk=row.pk), by=None)
        assert type(row).objects.values().get(pk=row.pk) == before
    assert not AuditEntry.objects.exists()
    assert not ScoringRun.objects.exists()


@pytest.mark.parametrize(
    ("make", "runs"),
    [
        (lambda: Price(kind="toil", low=1, likely=1, high=1), 1),
        (lambda: Guarantee(contract=a_contract(), metric="m"), 1),
        (lambda: a_contract(save=False), 0),
        (lambda: Dependency(consumer=ServiceFactory(), provider=ServiceFactory()), 0),
        (lambda: IterationFactory.build(team=TeamFactory()), 0),
    ],
)
def test_a_run_is_asked_for_where_scores_depend_on_it(db, make, runs):
    catalog.save(obj=make(), by=None)
    assert ScoringRun.objects.count() == runs


def a_contract(*, save=True):
    contract = Contract(reference="SLA-1")
    if save:
        contract.save()
    return contract


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (lambda: Team(slug="not a slug", name="x"), {"slug"}),
        (lambda: Team(slug="t", name="x", day_rate=0), {"__all__"}),
        (lambda: Team(slug="t", name="x", day_rate="much"), {"day_rate"}),
        (lambda: Service(slug="s", name="x"), {"team"}),
        (lambda: Service(slug="s", name="x", team=TeamFactory(), criticality="vital"), None),
        (lambda: Price(kind="toil", low=3, likely=2, high=1), {"__all__"}),
        (lambda: Price(kind="luck", low=1, likely=1, high=1), None),
        (lambda: Price(kind="toil"), None),
        (lambda: IterationFactory.build(team=TeamFactory(), capacity_days=-1), None),
    ],
)
def test_what_breaks_a_rule_is_refused(db, make, fields):
    obj = make()
    with pytest.raises(NotValid) as error:
        catalog.save(obj=obj, by=None)
    assert error.value.fields
    assert fields is None or error.value.fields.keys() == fields
    assert not type(obj).objects.filter(pk=obj.pk).exists()


def test_what_is_there_twice_is_refused(db):
    ServiceFactory(slug="checkout")
    with pytest.raises(NotValid) as error:
        catalog.save(obj=Service(slug="checkout", name="x", team=TeamFactory()), by=None)
    assert list(error.value.fields) == ["slug"]
    PriceFactory(kind="toil")
    with pytest.raises(NotValid, match="has a price of that kind already"):
        catalog.save(obj=Price(kind="toil", low=1, likely=1, high=1), by=None)


def test_what_somebody_adds_at_the_same_moment_is_a_conflict(transactional_db, start, hold):
    """Both have looked, and seen that it is not there."""
    saving = hold(Team, "save")
    first = start(catalog.save, obj=Team(slug="t", name="first"), by=None)
    saving.wait_for_arrival()
    if connection.vendor == "postgresql":  # where two may write at once
        catalog.save(obj=Team(slug="t", name="second"), by=None)
    saving.open()
    if connection.vendor == "postgresql":
        assert isinstance(first.exception(), Conflict)
    assert first.exception() or first.result()
    assert Team.objects.count() == 1


def test_a_price_remembers_when_it_was_changed(db):
    price = PriceFactory()
    before = price.updated_at
    price.likely = price.high = 300
    assert catalog.save(obj=price, by=None).updated_at > before


# --- What follows ---------------------------------------------------------------------------------


def test_items_go_with_their_service(db):
    """To its new team, at once, unless they were given to another."""
    PriceFactory(price=200)
    old, new, other = TeamFactory(day_rate=1600), TeamFactory(day_rate=800), TeamFactory()
    service = ServiceFactory(team=old)
    item, given = (
        DebtItemFactory(service=service, impacts=[toil(72)]),
        DebtItemFactory(service=service, team=other, impacts=[toil(72)]),
    )
    elsewhere = DebtItemFactory(service=None, team=old, impacts=[toil(72)])
    catalog.scores.score_items([item.pk, given.pk, elsewhere.pk])
    service.team = new
    catalog.save(obj=service, by=None)
    teams = {row.pk: row.team for row in DebtItem.objects.all()}
    assert teams == {item.pk: new, given.pk: other, elsewhere.pk: old}
    assert DebtItem.objects.get(pk=item.pk).revision == 2
    score = Score.objects.get(pk=item.pk)
    assert (score.team_id, score.roi) == (new.pk, 6.0)
    assert list(Score.objects.ranked().filter(team=new)) == [score]
    change = ScoreChange.objects.get()
    assert (change.item, change.cause, change.old_roi) == (item, "catalog", 3.0)


# --- Removing -------------------------------------------------------------------------------------


def test_what_is_not_used_is_removed_and_audited(db):
    service = ServiceFactory(slug="checkout")
    catalog.remove(obj=service, by=None)
    entry = AuditEntry.objects.get(action="service.remove")
    assert (entry.object_key, entry.old["slug"], entry.new) == ("checkout", "checkout", None)
    assert not Service.objects.exists()
    assert ScoringRun.objects.exists()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DebtItemFactory().service, r"service-\d+ is still used by 1 debt items?"),
        (lambda: DebtItemFactory().team, "is still used by 2 debt items and services"),
        (lambda: IterationFactory().team, "is still used by 1 iterations?"),
        (
            lambda: GuaranteeFactory(provider=ServiceFactory()).provider,
            "is still used by 1 guarantees?",
        ),
    ],
)
def test_what_is_used_stays_and_says_by_what(db, make, match):
    obj = make()
    with pytest.raises(StillUsed, match=match) as error:
        catalog.remove(obj=obj, by=None)
    assert error.value.hint
    assert type(obj).objects.filter(pk=obj.pk).exists()
    assert not AuditEntry.objects.exists()


def test_an_iteration_that_holds_entries_stays(db):
    PriceFactory()
    item = DebtItemFactory()
    sprint = IterationFactory(team=item.team, name="Sprint 12")
    entry = backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    with pytest.raises(StillUsed, match="Sprint 12 still holds 1 backlog entry"):
        catalog.remove(obj=sprint, by=None)
    backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    catalog.remove(obj=sprint, by=None)
    assert not Iteration.objects.exists()


def test_removing_a_contract_takes_its_weights_away(db):
    guarantee = GuaranteeFactory(weight=2)
    item = DebtItemFactory(impacts=[toil(1, guarantee=guarantee)])
    catalog.remove(obj=guarantee.contract, by=None)
    assert item.impacts.get().guarantee is None
    assert ScoringRun.objects.exists()


def test_removing_what_is_gone_is_no_error(db):
    team = TeamFactory()
    same = Team.objects.get(pk=team.pk)
    catalog.remove(obj=team, by=None)
    catalog.remove(obj=same, by=None)
    assert AuditEntry.objects.filter(action="team.remove").count() == 1


# --- Whole catalogs -------------------------------------------------------------------------------


def rows():
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in (Team, Service, Dependency, Contract, Guarantee, Terms, Price)
    }


def test_the_demo_catalog_is_taken_in_once(db):
    document = yaml.safe_load(DEMO.read_text("utf-8"))
    counts = catalog.load(document=document, by=None)
    assert (counts["teams"], counts["services"]) == (6, 24)
    assert counts["dependencies"] == Dependency.objects.count() > 0
    assert counts["slas"] == Contract.objects.count() > 0
    before, audited = rows(), AuditEntry.objects.count()
    ScoringRun.objects.all().delete()
    again = catalog.load(document=document, by=None)
    assert set(again.values()) == {0}
    assert rows() == before
    assert not ScoringRun.objects.exists()
    assert AuditEntry.objects.count() == audited


def a_document(**more):
    return {
        "teams": [{"slug": "payments", "name": "Payments", "day_rate": 1600}],
        "services": [
            {"slug": "a", "name": "A", "team": "payments", "tier": 1, "yearly_requests": 5e6},
            {"slug": "b", "team": "payments", "aliases": ["支付", "B2"], "criticality": "low"},
        ],
        "dependencies": [{"consumer": "a", "provider": "b", "protocol": "grpc", "hard": False}],
        "slas": [
            {"id": "SLA-1", "metric": "p99", "target": "≤300ms", "scope": "a → b", "window": "30d"},
            {"id": "SLA-1", "metric": "availability", "target": "≥99.9%", "scope": "a->b"},
        ],
        **more,
    }


def test_a_document_becomes_rows(db):
    assert catalog.load(document=a_document(), by=None) == {
        "teams": 1,
        "services": 2,
        "dependencies": 1,
        "slas": 1,
        "scenarios": 0,
    }
    a, b = Service.objects.order_by("slug")
    assert (a.criticality, a.requests_per_year, a.team.day_rate) == ("critical", 5e6, 1600)
    assert (b.name, b.aliases, b.criticality) == ("b", ["支付", "B2"], "low")
    assert b.requests_per_year is None
    link = Dependency.objects.get()
    assert (link.consumer, link.provider, link.protocol, link.hard) == (a, b, "grpc", False)
    p99, availability = Guarantee.objects.order_by("pk")
    terms = p99.terms.get()
    assert (p99.consumer, p99.provider) == (a, b)
    assert (terms.target_text, terms.window_text) == ("≤300ms", "30d")
    assert (availability.consumer, availability.provider) == (a, b)


def test_another_version_of_a_document_changes_what_differs(db):
    catalog.load(document=a_document(), by=None)
    item = DebtItemFactory(service=Service.objects.get(slug="a"))
    document = a_document()
    document["teams"].append({"slug": "orders", "name": "Orders"})
    document["services"][0] |= {"team": "orders", "yearly_requests": 6e6}
    counts = catalog.load(document=document, by=None)
    assert {name: n for name, n in counts.items() if n} == {"teams": 1}
    service = Service.objects.get(slug="a")
    assert (service.team.slug, service.requests_per_year) == ("orders", 6e6)
    # What the document does not name stays: people have set it.
    assert Team.objects.get(slug="payments").day_rate == 1600
    assert DebtItem.objects.get(pk=item.pk).team.slug == "orders"
    entry = AuditEntry.objects.get(action="service.update")
    assert entry.old.keys() == {"team_id", "requests_per_year"}


def test_what_a_document_leaves_out_of_a_known_service_stays(db):
    catalog.load(document=a_document(), by=None)
    short = [{"slug": "a", "team": "payments"}, {"slug": "b", "team": "payments"}]
    catalog.load(document={"services": short}, by=None)
    a, b = Service.objects.order_by("slug")
    assert (a.name, a.requests_per_year, a.criticality) == ("A", 5e6, "critical")
    assert (b.aliases, b.criticality) == (["支付", "B2"], "low")


WRONG = [
    (None, "not a mapping"),
    ([], "not a mapping"),
    ({"teams": {"slug": "x"}}, "teams is not a list"),
    ({"teams": ["x"]}, "teams is not a list of mappings"),
    ({"teams": [{"name": "x"}]}, "teams: slug is missing"),
    ({"teams": [{"slug": "not a slug"}]}, "teams: not a slug: slug"),
    ({"teams": [{"slug": "x" * 81}]}, "teams: x+: slug"),
    ({"teams": [{"slug": "t", "day_rate": "much"}]}, "teams: t: day_rate"),
    ({"teams": [{"slug": "t", "day_rate": -1}]}, "teams: t: A day rate"),
    ({"teams": [{"slug": "t", "day_rate": [1]}]}, "teams: t: day_rate"),
    ({"services": [{"slug": "a"}]}, "services: a: team is missing"),
    ({"services": [{"slug": "a", "team": "none"}]}, "services: a: there is no team 'none'"),
    ({"services": [{"slug": "a", "team": ["t"]}]}, "services: a: team is missing"),
    ({"services": [{"slug": "a", "team": "t", "yearly_requests": "many"}]}, "services: a: "),
    ({"services": [{"slug": "a", "team": "t", "yearly_requests": -1}]}, "services: a: req"),
    ({"services": [{"slug": "a", "team": "t", "yearly_requests": {}}]}, "services: a: "),
    ({"services": [{"slug": "a", "team": "t", "tier": [1]}]}, "services: a: tier"),
    ({"services": [{"slug": "a", "team": "t", "tier": "high"}]}, "services: a: tier"),
    ({"service": []}, "no section 'service'"),
    ({"services": [{"slug": "new", "team": "t"}]}, "services: new: slug"),
    ({"services": [{"slug": "a", "team": "t", "tier": 9}]}, "services: a: tier"),
    ({"services": [{"slug": "a", "team": "t", "criticality": "vital"}]}, "services: a: crit"),
    ({"services": [{"slug": "a", "team": "t", "criticality": ["low"]}]}, "services: a: crit"),
    ({"services": [{"slug": "a", "team": "t", "aliases": "b"}]}, "services: a: aliases"),
    ({"services": [{"slug": "a", "team": "t", "aliases": 5}]}, "services: a: aliases"),
    ({"services": [{"slug": "a", "team": "t", "name": "x" * 121}]}, "services: a: name"),
    ({"dependencies": [{"consumer": "s"}]}, "dependencies: s → None: provider is missing"),
    ({"dependencies": [{"consumer": "s", "provider": "x"}]}, "there is no provider 'x'"),
    ({"dependencies": [{"consumer": "s", "provider": "s"}]}, "s → s: A service can't depend"),
    ({"slas": [{"id": "SLA-1"}]}, "slas: SLA-1: metric is missing"),
    ({"slas": [{"id": "SLA-1", "metric": "m"}]}, "slas: SLA-1: target is missing"),
    ({"slas": [{"id": "S" * 81, "metric": "m", "target": "1"}]}, "slas: S+: id is 81 characters"),
    ({"slas": [{"id": "SLA-1", "metric": "m", "target": "x" * 81}]}, "slas: SLA-1: target is 81"),
    (
        {"slas": [{"id": "SLA-1", "metric": "m", "target": "1", "scope": "x" * 201}]},
        "scope is 201 characters",
    ),
]


@pytest.mark.parametrize(("document", "match"), WRONG)
def test_a_wrong_entry_is_named_and_nothing_is_taken_in(db, document, match):
    ServiceFactory(slug="s", team=TeamFactory(slug="t"))
    before = rows()
    if isinstance(document, dict):
        document = {"teams": [{"slug": "fine"}], **document}
    with pytest.raises(NotValid, match=match) as error:
        catalog.load(document=document, by=None)
    assert error.value.hint
    assert rows() == before
    assert not AuditEntry.objects.exists()
