"""The service registry's form of contracts: what entries say, what is kept, what is refused."""

from datetime import date
from pathlib import Path

import pytest
import time_machine

from debtreg.actions import catalog, contracts, registry
from debtreg.actions.debt import NotValid
from debtreg.formats import documents
from debtreg.models import (
    AuditEntry,
    Contract,
    Dependency,
    Guarantee,
    Role,
    ScoringRun,
    Terms,
)
from tests.factories import ServiceFactory, UserFactory


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(date(2026, 7, 15)):
        yield


@pytest.fixture
def sre(db):
    return UserFactory(role=Role.SRE)


def confirm(row, by):
    return contracts.confirm(guarantee_id=row.guarantee_id, version=row.version, by=by)


SLA = {
    "id": "SLA-01",
    "metric": "p99_response_time",
    "target": "＜＝ ３００ 毫秒",
    "scope": "支付核心 ⇒ Profile",
    "penalty_clause": "每超过目标１０毫秒，扣减SLO预算５％",
    "window": "30d",
}


@pytest.fixture
def edge(db):
    consumer = ServiceFactory(slug="payment-service", name="支付服务", aliases=["支付核心"])
    provider = ServiceFactory(slug="user-profile-api", name="Profile")
    Dependency.objects.create(consumer=consumer, provider=provider)
    return consumer, provider


def load(*entries, by=None):
    return registry.load(entries=entries, by=by)


def test_an_entry_becomes_a_contract_with_a_guarantee_on_an_edge(edge):
    assert load(SLA) == (1, True)
    row = Guarantee.objects.with_terms().get()
    assert (row.consumer, row.provider) == edge
    found = row.latest
    assert (found.target_text, found.value, found.unit) == (SLA["target"], 300, "ms")
    assert found.penalty["step"] == {"value": "10", "unit": "ms"}
    assert (found.version, found.effective_from, found.is_confirmed) == (1, None, False)


def test_importing_again_changes_nothing(edge):
    load(SLA)
    ScoringRun.objects.all().delete()
    count = AuditEntry.objects.count()
    assert load(SLA) == (0, False)
    assert registry.preview(entries=[SLA])[0]["state"] == "same"
    assert (Terms.objects.count(), AuditEntry.objects.count()) == (1, count)
    assert not ScoringRun.objects.exists()


def test_what_differs_from_confirmed_terms_holds_from_today_or_the_day_that_is_named(edge, sre):
    load(SLA)
    confirm(Terms.objects.get(), sre)
    changed = {**SLA, "target": "≤ 250 ms"}
    assert registry.preview(entries=[changed])[0]["state"] == "changed"
    load(changed)
    load(changed)
    second = Terms.objects.get(version=2)
    assert (second.effective_from, second.is_confirmed) == (date(2026, 7, 15), False)
    load({**changed, "target": "≤ 200 ms", "effective_from": "2027-01-01"})
    load({**changed, "target": "≤ 200 ms", "effective_from": "2027-01-01"})
    assert Terms.objects.get(version=3).effective_from == date(2027, 1, 1)
    assert Terms.objects.count() == 3


def test_what_is_not_confirmed_yet_is_changed_by_a_newer_file(edge):
    load(SLA)
    load({**SLA, "target": "≤ 250 ms"})
    assert (Terms.objects.get().version, Terms.objects.get().value) == (1, 250)


@pytest.mark.parametrize(
    "arrow",
    [*"→⇒➔➙➜↦⟶➡", " ➡️ ", "->", "=>", "－＞", "-->", "~>", "−>", " to ", " TO ", "到", " 至 "],
)
def test_arrows_of_all_kinds_lead_from_consumer_to_provider(edge, arrow):
    load({**SLA, "scope": f"payment-service{arrow}user-profile-api"})
    row = Guarantee.objects.get()
    assert (row.consumer, row.provider) == edge


@pytest.mark.parametrize("arrow", ["←", " <- ", "⇐", "<="])
def test_arrows_the_other_way_lead_back(edge, arrow):
    load({**SLA, "scope": f"user-profile-api{arrow}payment-service"})
    row = Guarantee.objects.get()
    assert (row.consumer, row.provider) == edge


@pytest.mark.parametrize("name", ["order to cash", "Go to market", "到家服务", "order to nowhere"])
def test_words_that_stand_in_names_do_not_split_them(edge, name):
    for slug in ("order", "market", "go"):
        ServiceFactory(slug=slug)
    whole = ServiceFactory(slug="x", name=name) if "nowhere" not in name else None
    load({**SLA, "scope": name})
    row = Guarantee.objects.get()
    assert (row.consumer, row.provider) == (None, whole)


def test_a_service_that_comes_later_is_found_then(db):
    load(SLA)
    row = Guarantee.objects.get()
    assert (row.consumer, row.provider) == (None, None)
    provider = ServiceFactory.build(slug="p", name="Profile", team=ServiceFactory().team)
    catalog.save(obj=provider, by=None)
    row.refresh_from_db()
    assert (row.consumer, row.provider) == (None, provider)


def test_a_preview_shows_what_is_understood_and_stores_nothing(edge):
    odd = {"id": "SLA-2", "metric": "uptime", "target": "high", "scope": "x → Profile", "tier": 1}
    first, second, third = registry.preview(entries=[SLA, odd, {"id": "SLA-3", "target": []}])
    assert (first["state"], first["target"]) == ("new", "p99 <= 300 ms")
    assert (first["consumer"], first["provider"]) == ("payment-service", "user-profile-api")
    assert first["findings"] == []
    assert [each["kind"] for each in second["findings"]] == [
        "unknown_field",
        "unparsed",
        "edge_missing",
    ]
    assert third["state"] == "wrong"
    assert not Contract.objects.exists()


def test_a_preview_says_that_a_scope_of_three_is_no_edge(edge):
    (entry,) = registry.preview(entries=[{**SLA, "scope": "payment-service => a => b"}])
    assert [each["kind"] for each in entry["findings"]] == ["edge_missing"]
    assert "“payment-service => a => b” names more than" in entry["findings"][0]["text"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"id": None}, "slas: ?: id is missing|slas: id is missing"),
        ({"metric": " "}, "slas: SLA-01: metric is missing"),
        ({"target": ["x"]}, "target is neither a text nor a number"),
        ({"weight": "heavy"}, "'heavy' is no number"),
        ({"weight": 7}, "weight"),
        ({"effective_from": "soon"}, "is no day such as"),
        ({"objective_percent": "100"}, "is no percentage below 100"),
        ({"scope": "x" * 201}, "scope is 201 characters long; 200 are the most"),
        ({"window": "x" * 41}, "window is 41 characters"),
        ({"penalty_clause": "x" * 2001}, "penalty_clause is 2,001 characters long; 2,000 are"),
        ({"objective_percent": "NaN"}, "is no percentage below 100"),
        ({"weight": "9e999"}, "is no number"),
        (
            {"notes": "x" * 20_000},
            "SLA-01: notes: nothing here is called so, and 20,005",
        ),
    ],
)
def test_a_wrong_entry_is_named_and_nothing_is_stored(edge, change, match):
    with pytest.raises(NotValid, match=match):
        load({**SLA, "id": "SLA-00"}, {**SLA, **change})
    assert not Contract.objects.exists()


@pytest.mark.parametrize("document", [None, [], "x", {"slas": {}}, {"slas": ["x"]}, {"sla": []}])
def test_a_document_without_slas_is_refused(document):
    with pytest.raises(NotValid, match="no list of `slas`"):
        registry.entries_of(document)


def test_the_demo_registry_is_read_but_for_what_is_no_number(db):
    file = Path(__file__).parents[2] / "demo/services.yaml"
    document = documents.load_one(file.read_bytes())
    catalog.load(document=document, by=None)
    problems = {row.guarantee.contract.reference: row.problems for row in Terms.objects.all()}
    assert {name: list(found) for name, found in problems.items() if found} == {
        "SLA-15": ["penalty"],
        "SLA-16": ["penalty"],
        "SLA-17": ["target"],
    }
    assert not Guarantee.objects.filter(provider=None).exists()


# --- What nothing here knows ----------------------------------------------------------------------


def test_fields_that_nothing_here_knows_are_kept_and_reported(edge):
    entry = {**SLA, "tier": 1, "owner": {"team": "pay", "password": "hush"}}
    said = registry.preview(entries=[entry])[0]["findings"]
    assert "Nothing here is called tier, owner: it is kept" in said[0]["text"]
    assert "owner.password looks like a secret and is not stored" in said[1]["text"]
    load(entry)
    assert Guarantee.objects.get().extra == {"tier": 1, "owner": {"team": "pay"}}
    assert load(entry) == (0, False)
    assert registry.preview(entries=[entry])[0]["state"] == "same"
    assert registry.preview(entries=[SLA])[0]["state"] == "changed"
    load(SLA)
    assert Guarantee.objects.get().extra == {}


def test_what_stands_beside_the_slas_is_kept_with_each_contract(edge):
    document = {"slas": [SLA], "reviewed": "2026-01-01", "teams": [], "version": 1}
    extra, said = registry.extra_of(document)
    assert [each["kind"] for each in said] == ["unknown_field", "left_out"]
    registry.load(entries=[SLA], extra=extra, by=None)
    assert Contract.objects.get().extra == {"reviewed": "2026-01-01"}
    assert registry.load(entries=[SLA], extra=extra, by=None) == (0, False)
    assert load(SLA) == (0, False)  # a whole catalog says nothing beside its sections
    with pytest.raises(NotValid, match="Beside the slas: reviewed, notes"):
        registry.extra_of({**document, "notes": "x" * 20_000})


def test_one_text_in_very_many_places_is_counted_and_not_written_out(edge):
    long = "x" * 1_000_000
    with pytest.raises(NotValid, match="50,000,001 characters of it are too many"):
        load({**SLA, "n": [long] * 50})
