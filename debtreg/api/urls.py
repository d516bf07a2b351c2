"""`/api/`: everything that machines ask for."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from rest_framework.routers import SimpleRouter

from debtreg.api import calculators, docs, errors
from debtreg.api.backlog import BacklogViewSet
from debtreg.api.bulk import BulkView
from debtreg.api.connections import ConnectionViewSet
from debtreg.api.contracts import ContractImportView, ContractViewSet
from debtreg.api.debts import DebtViewSet
from debtreg.api.dependencies import DependencyViewSet
from debtreg.api.findings import GapViewSet
from debtreg.api.imports import FindingViewSet, ImportViewSet
from debtreg.api.iterations import IterationViewSet
from debtreg.api.outcomes import OutcomeViewSet, ReadingsView, SummaryView
from debtreg.api.penalties import PenaltyViewSet
from debtreg.api.plan import PlanView
from debtreg.api.policies import ActivationViewSet, PolicyViewSet
from debtreg.api.prices import PriceViewSet
from debtreg.api.ranking import RankingViewSet
from debtreg.api.readings import ReadingImportView, ReadingViewSet
from debtreg.api.runs import RunViewSet
from debtreg.api.scenarios import ScenarioViewSet
from debtreg.api.scores import HistoryViewSet
from debtreg.api.services import ServiceViewSet
from debtreg.api.slo_files import SloExportView, SloImportView
from debtreg.api.slos import MaintenanceViewSet, SloViewSet
from debtreg.api.teams import TeamViewSet

router = SimpleRouter()
for prefix, viewset in (
    ("teams", TeamViewSet),
    ("services", ServiceViewSet),
    ("dependencies", DependencyViewSet),
    ("prices", PriceViewSet),
    ("contracts/penalties", PenaltyViewSet),
    ("contracts", ContractViewSet),
    ("findings", GapViewSet),
    ("debts", DebtViewSet),
    ("scenarios", ScenarioViewSet),
    ("ranking", RankingViewSet),
    ("scoring-runs", RunViewSet),
    ("iterations", IterationViewSet),
    ("backlog", BacklogViewSet),
    ("imports", ImportViewSet),
    ("outcomes", OutcomeViewSet),
    ("slos", SloViewSet),
    ("maintenances", MaintenanceViewSet),
    ("readings", ReadingViewSet),
    ("connections", ConnectionViewSet),
    ("policies", PolicyViewSet),
    ("policies/activations", ActivationViewSet),
):
    router.register(prefix, viewset, basename=f"api-{prefix}")

v1: list[URLPattern | URLResolver] = [
    path("openapi.json", docs.document, name="api-document"),
    path("backlog/plan/", PlanView.as_view(), name="api-backlog-plan"),
    path("contracts/import/", ContractImportView.as_view(), name="api-contracts-import"),
    path("debts/bulk/", BulkView.as_view(), name="api-debts-bulk"),
    re_path(
        r"^debts/(?P<key>[A-Za-z]+-\d{1,18})/history/$",
        HistoryViewSet.as_view({"get": "list"}),
        name="api-debts-history",
    ),
    re_path(
        r"^imports/(?P<pk>\d{1,18})/findings/$",
        FindingViewSet.as_view({"get": "list"}),
        name="api-imports-findings",
    ),
    *(
        path(f"calculators/{name}/", view.as_view(), name=f"api-calculators-{name}")
        for name, view in calculators.VIEWS.items()
    ),
    path("outcomes/readings/", ReadingsView.as_view(), name="api-outcomes-readings-bulk"),
    path("outcomes/summary/", SummaryView.as_view(), name="api-outcomes-summary"),
    path("slos/import/", SloImportView.as_view(), name="api-slos-import"),
    path("slos/export/", SloExportView.as_view(), name="api-slos-export"),
    path("readings/import/", ReadingImportView.as_view(), name="api-readings-import"),
    *router.urls,
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("docs/", docs.page, name="api-docs"),
    re_path("", errors.not_found),
]
