"""Files of other tools come in once, whole where they can, and go out as they came."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps

from debtreg.actions import slo_imports
from debtreg.actions.debt import NotValid
from debtreg.errors import NotAllowed
from debtreg.formats import documents
from debtreg.models import (
    AuditEntry,
    Connection,
    Dependency,
    KeptDocument,
    ScoringRun,
    Service,
    Slo,
    Team,
)
from tests.factories import GuaranteeFactory, ServiceFactory, SloFactory, TeamFactory, UserFactory
from tests.formats.samples import GOOD, TOTAL, an_slo, metric
from tests.formats.test_backstage import entity
from tests.formats.test_openslo import ALERTS, awkward, every_kind_of_slo
from tests.formats.test_sloth import a_spec


def yaml(*values):
    return "\n---\n".join(
        each if isinstance(each, str) else documents.dump(each) for each in values
    )


def store(*values, **options):
    return slo_imports.store(text=yaml(*values), by=None, **options)


def outcomes(report):
    return {(row.kind, row.name): row.outcome for row in report.rows}


def problems(report):
    return [finding for finding in report.findings if finding.level != "note"]


@pytest.fixture
def web(db):
    return ServiceFactory(slug="web")


def test_an_slo_is_stored_with_what_no_column_holds(web):
    slo = an_slo()
    slo["metadata"]["labels"] = {"env": "prod"}

    report = store(slo)

    assert outcomes(report) == {("SLO", "web-availability"): "created"}
    stored = Slo.objects.get()
    assert (stored.service, stored.objective) == (web, Decimal("0.999"))
    assert stored.source_format == "openslo"
    assert stored.document == {"metadata": {"labels": {"env": "prod"}}}
    assert AuditEntry.objects.get(action="slo.import").new == {
        "format": "openslo",
        "created": 1,
        "updated": 0,
    }


@pytest.mark.parametrize(
    "given",
    [
        [*every_kind_of_slo(), ALERTS],
        [awkward()],
        [a_spec()],
        [
            entity("Component", "web", consumesApis=["users"]),
            entity("Component", "profiles", providesApis=["users"]),
            entity("Group", "payments"),
        ],
    ],
    ids=["openslo", "awkward", "sloth", "backstage"],
)
def test_a_repeat_changes_nothing(web, given):
    store(*given)
    before = AuditEntry.objects.count(), ScoringRun.objects.count()

    report = store(*given)

    assert set(outcomes(report).values()) == {"unchanged"}
    assert (AuditEntry.objects.count(), ScoringRun.objects.count()) == before


def test_a_preview_says_the_same_and_stores_nothing(web):
    text = yaml(an_slo(), an_slo({"target": 1}, name="full"))

    seen = slo_imports.preview(text=text, by=None)

    assert not Slo.objects.exists()
    assert not AuditEntry.objects.exists()
    done = slo_imports.store(text=text, by=None)
    assert (seen.rows, seen.findings) == (done.rows, done.findings)
    assert done.errors == 1


def test_a_change_updates_what_is_there_and_leaves_what_is_set_by_hand(web):
    store(an_slo())
    promise = GuaranteeFactory()
    Slo.objects.update(guarantee=promise)

    report = store(an_slo({"target": 0.99}))

    assert outcomes(report) == {("SLO", "web-availability"): "updated"}
    slo = Slo.objects.get()
    assert (slo.objective, slo.guarantee, slo.revision) == (Decimal("0.99"), promise, 2)


def test_a_service_is_known_by_its_other_names_in_any_case(db):
    service = ServiceFactory(slug="web-shop", aliases=["Web"])

    store(an_slo())

    assert Slo.objects.get().service == service


def test_a_service_that_is_not_known_is_an_error_of_its_slo(db):
    report = store(an_slo())

    assert not Slo.objects.exists()
    (finding,) = problems(report)
    assert (finding.level, finding.field) == ("error", "spec.service")


def test_new_services_go_to_the_team_that_is_chosen(db):
    team = TeamFactory(slug="shop")
    service = {
        "apiVersion": "openslo/v1",
        "kind": "Service",
        "metadata": {"name": "web", "displayName": "Web"},
        "spec": {},
    }

    assert store(service, an_slo()).errors == 2
    assert store(service, an_slo(), team="shop").errors == 0
    assert Service.objects.get().team == team
    assert Slo.objects.get().service.name == "Web"


def test_a_connection_of_the_same_name_is_asked(web):
    Connection.objects.create(name="main", url="https://prometheus.example.org")
    parts = {
        name: metric(query, metricSourceRef="main")
        for name, query in (("good", GOOD), ("total", TOTAL))
    }
    indicator = {
        "metadata": {"name": "web-availability"},
        "spec": {"ratioMetric": {"counter": True, **parts}},
    }

    assert problems(store(an_slo(indicator=indicator))) == []
    assert Slo.objects.get().connection.name == "main"
    for part in parts.values():
        part["metricSource"]["metricSourceRef"] = "other"
    report = store(an_slo(name="second", indicator=indicator))
    assert "no connection 'other'" in problems(report)[0].message
    assert Slo.objects.get(name="second").connection is None


def test_a_promise_is_found_by_contract_metric_and_scope(web):
    promise = GuaranteeFactory(metric="availability", scope_text="a → web")
    GuaranteeFactory(contract=promise.contract, metric="p99_response_time")
    slo = an_slo()
    reference = promise.contract.reference

    slo["metadata"]["annotations"] = {"debtreg.io/guarantee": reference}
    assert "may be 2 guarantees" in problems(store(slo))[0].message
    slo["metadata"]["annotations"] = {
        "debtreg.io/guarantee": f"{reference} | availability | a → web"
    }
    assert problems(store(slo)) == []
    assert Slo.objects.get().guarantee == promise


def test_two_of_one_name_are_not_taken_for_one(web):
    report = store(an_slo(name="Web.A"), an_slo(name="web-a"))

    assert Slo.objects.count() == 1
    assert report.errors == 1


def test_what_the_database_would_refuse_is_a_finding(web):
    report = store(an_slo(name="import"))

    assert not Slo.objects.exists()
    assert "address" in problems(report)[-1].message


def test_a_catalog_brings_teams_services_and_dependencies(db):
    report = store(
        entity("Group", "payments", profile={"displayName": "支付组"}),
        entity("Component", "payment-service", consumesApis=["user-profile-api", "nobody-has-it"]),
        entity("Component", "profiles", providesApis=["user-profile-api"]),
        entity("Resource", "db", dependencyOf=["component:profiles"]),
    )

    assert Team.objects.get().name == "支付组"
    edges = Dependency.objects.values_list("consumer__slug", "provider__slug")
    assert set(edges) == {("payment-service", "profiles"), ("profiles", "db")}
    assert Service.objects.get(slug="profiles").aliases == ["user-profile-api"]
    (finding,) = problems(report)
    assert "payment-service → nobody-has-it" in finding.message
    assert KeptDocument.objects.filter(kind="Component").count() == 2


def test_an_edge_that_is_there_stays_as_it_is(db):
    web, ledger = ServiceFactory(slug="web"), ServiceFactory(slug="ledger")
    Dependency.objects.create(consumer=web, provider=ledger, hard=False)

    store(entity("Component", "web", dependsOn=["component:ledger"]))

    assert Dependency.objects.get().hard is False


def test_a_service_goes_to_the_team_that_owns_it(db):
    TeamFactory(slug="payments")
    service = ServiceFactory(slug="web")

    store(entity("Component", "web"))

    service.refresh_from_db()
    assert service.team.slug == "payments"


def test_everything_goes_out_as_it_came_in(web):
    store(*every_kind_of_slo(), awkward() | {"metadata": {"name": "odd"}}, ALERTS)

    text = slo_imports.export().text
    report = slo_imports.store(text=text, by=None)

    assert set(outcomes(report).values()) == {"unchanged"}
    assert slo_imports.export().text == text


def test_what_was_made_here_goes_out_and_comes_back(web):
    promise = GuaranteeFactory(metric="availability", scope_text="a → web")
    SloFactory(
        name="by-hand",
        service=web,
        guarantee=promise,
        title="Für alle",
        window="year",
        window_days=None,
        time_zone="Asia/Shanghai",
        month_basis="730h",
    )
    before = slo_imports.slos.values_of(Slo.objects.get())
    exported = slo_imports.export()
    assert exported.findings == []
    repeat = slo_imports.store(text=exported.text, by=None)
    assert set(outcomes(repeat).values()) == {"unchanged"}
    Slo.objects.all().delete()

    report = slo_imports.store(text=exported.text, by=None)

    assert problems(report) == []
    assert slo_imports.slos.values_of(Slo.objects.get()) == before | {"source_format": "openslo"}


def test_sloth_gets_what_it_can_say(web):
    store(a_spec())

    exported = slo_imports.export(source_format="sloth")

    assert exported.findings == []
    assert documents.load_one(exported.text) == a_spec()


def test_what_was_kept_of_a_catalog_goes_out_as_it_came_in(db):
    component = entity("Component", "web", future={"of": "later"})
    store(component, entity("Group", "payments"))

    text = slo_imports.export(source_format="backstage").text

    assert component in [each.value for each in documents.load(text)]
    report = slo_imports.store(text=text, by=None)
    assert set(outcomes(report).values()) == {"unchanged"}


def test_a_service_with_unknown_fields_stays_in_the_export(web):
    service = {
        "apiVersion": "openslo/v1",
        "kind": "Service",
        "metadata": {"name": "web", "displayName": "Web"},
        "spec": {"future": 1},
    }
    store(service, an_slo())

    exported = slo_imports.export()

    assert [each.value["kind"] for each in documents.load(exported.text)] == ["Service", "SLO"]
    assert [each.field for each in exported.findings] == ["spec.future"]
    report = slo_imports.store(text=exported.text, by=None)
    assert set(outcomes(report).values()) == {"unchanged"}
    assert slo_imports.export().text == exported.text


def test_only_sres_import(web):
    with pytest.raises(NotAllowed):
        slo_imports.preview(text=yaml(an_slo()), by=UserFactory(role="member"))


@pytest.mark.parametrize("options", [{"source_format": "word"}, {"team": "nobody"}])
def test_what_is_asked_for_has_to_be_there(web, options):
    with pytest.raises(NotValid):
        store(an_slo(), **options)


def test_what_was_kept_before_loses_its_secrets(db):
    secret = {"spec": {"bearer": "s3cret", "url": "https://u:s3cret@h", "team": "web"}}
    KeptDocument.objects.create(
        source_format="openslo", kind="DataSource", name="main", document=secret
    )
    slo = SloFactory(document=secret)
    AuditEntry.objects.create(
        action="slo.create", object_type="slo", object_key=slo.name, new={"document": secret}
    )

    forget = import_module("debtreg.migrations.0026_no_secrets_in_documents").forget
    forget(apps, None)

    slo.refresh_from_db()
    left = {"spec": {"url": "https://h", "team": "web"}}
    assert KeptDocument.objects.get().document == slo.document == left
    assert AuditEntry.objects.get(object_key=slo.name).new == {"document": left}
