"""Where each page is. Names start with the family of pages: the menu goes by that."""

from django.contrib.auth.views import LogoutView
from django.urls import path, register_converter

from debtreg.models import pk_of
from debtreg.web import (
    account,
    backlog,
    burn,
    calculators,
    chart,
    contracts,
    debt,
    decisions,
    gaps,
    help,
    imports,
    iterations,
    outcomes,
    policies,
    prices,
    ranking,
    runs,
    scenarios,
    services,
    slos,
)


class KeyConverter:
    """DEBT-12 in a URL is 12 in a view."""

    regex = r"DEBT-[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return pk_of(value) or 0

    def to_url(self, value: int) -> str:
        return f"DEBT-{value}"


register_converter(KeyConverter, "debt")

urlpatterns = [
    path("", ranking.ranking, name="ranking"),
    path("chart/", chart.chart, name="ranking-chart"),
    path("login/", account.LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("preferences/", account.preferences, name="preferences"),
    path("tokens/", account.tokens, name="token-list"),
    path("tokens/<int:pk>/revoke/", account.revoke_token, name="token-revoke"),
    path("debts/new/", debt.new, name="debt-new"),
    path("debts/preview/", debt.preview, name="debt-preview"),
    path("debts/<debt:pk>/", debt.detail, name="debt-detail"),
    path("debts/<debt:pk>/edit/", debt.edit, name="debt-edit"),
    path("debts/<debt:pk>/promote/", decisions.promote, name="debt-promote"),
    path("debts/<debt:pk>/veto/", decisions.veto, name="debt-veto"),
    path("debts/<debt:pk>/lift-veto/", decisions.lift_veto, name="debt-lift-veto"),
    path("debts/<debt:pk>/accept/", decisions.accept, name="debt-accept"),
    path("debts/<debt:pk>/pin/", decisions.pin, name="debt-pin"),
    path("debts/<debt:pk>/resolve/", decisions.resolve, name="debt-resolve"),
    path("debts/<debt:pk>/reopen/", decisions.reopen, name="debt-reopen"),
    path("backlog/", backlog.mine, name="backlog"),
    path("backlog/entries/<int:pk>/move/", backlog.move, name="backlog-move"),
    path("backlog/entries/<int:pk>/start/", backlog.start, name="backlog-start"),
    path("backlog/entries/<int:pk>/finish/", backlog.finish, name="backlog-finish"),
    path("backlog/entries/<int:pk>/withdraw/", backlog.withdraw, name="backlog-withdraw"),
    path("backlog/teams/<slug:slug>/", backlog.board, name="backlog-team"),
    path("backlog/teams/<slug:slug>/plan/", backlog.plan, name="backlog-plan"),
    path("backlog/teams/<slug:slug>/plan/apply/", backlog.apply_plan, name="backlog-plan-apply"),
    path("backlog/teams/<slug:slug>/iterations/new/", iterations.new, name="iteration-new"),
    path("backlog/iterations/<int:pk>/", iterations.edit, name="iteration-edit"),
    path("outcomes/", outcomes.index, name="outcome-list"),
    path("outcomes/<int:pk>/", outcomes.detail, name="outcome-detail"),
    path(
        "outcomes/<int:pk>/readings/<int:reading>/remove/",
        outcomes.remove,
        name="outcome-reading-remove",
    ),
    path("imports/", imports.start, name="import-list"),
    path("imports/<int:pk>/", imports.detail, name="import-detail"),
    path("imports/<int:pk>/columns/", imports.columns, name="import-columns"),
    path("imports/<int:pk>/again/", imports.again, name="import-again"),
    path("imports/<int:pk>/commit/", imports.commit, name="import-commit"),
    path("imports/<int:pk>/cancel/", imports.cancel, name="import-cancel"),
    path("runs/", runs.index, name="run-list"),
    path("runs/start/", runs.start, name="run-start"),
    path("runs/<int:pk>/", runs.detail, name="run-detail"),
    path("runs/<int:pk>/cancel/", runs.cancel, name="run-cancel"),
    path("services/", services.index, name="service-list"),
    path("services/new/", services.new, name="service-new"),
    path("services/<slug:slug>/", services.detail, name="service-detail"),
    path("services/<slug:slug>/edit/", services.edit, name="service-edit"),
    path("burn/", burn.index, name="burn"),
    path("burn/export/", burn.export, name="burn-export"),
    path("slos/", slos.index, name="slo-list"),
    path("slos/new/", slos.new, name="slo-new"),
    path("slos/import/", slos.import_file, name="slo-import"),
    path("slos/<slug:name>/", slos.detail, name="slo-detail"),
    path("contracts/", contracts.index, name="contract-list"),
    path("contracts/new/", contracts.new, name="contract-new"),
    path("contracts/import/", contracts.take_in, name="contract-import"),
    path("contracts/<int:pk>/", contracts.detail, name="contract-detail"),
    path("contracts/<int:pk>/edit/", contracts.edit, name="contract-edit"),
    path("contracts/<int:pk>/guarantees/new/", contracts.new_guarantee, name="contract-promise"),
    path("guarantees/<int:pk>/edit/", contracts.edit_guarantee, name="guarantee-edit"),
    path("guarantees/<int:pk>/amend/", contracts.amend, name="guarantee-amend"),
    path("guarantees/<int:pk>/confirm/", contracts.confirm, name="guarantee-confirm"),
    path("guarantees/<int:pk>/withdraw/", contracts.withdraw, name="guarantee-withdraw"),
    path("guarantees/<int:pk>/record/", contracts.record, name="guarantee-record"),
    path("penalties/<int:pk>/remove/", contracts.remove_period, name="guarantee-period-remove"),
    path("gaps/", gaps.index, name="gap-list"),
    path("gaps/export/", gaps.export, name="gap-export"),
    path("slos/<slug:name>/edit/", slos.edit, name="slo-edit"),
    path("slos/<slug:name>/remove/", slos.remove, name="slo-remove"),
    path("maintenances/", slos.maintenances, name="maintenance-list"),
    path("maintenances/new/", slos.new_maintenance, name="maintenance-new"),
    path("maintenances/<int:pk>/", slos.edit_maintenance, name="maintenance-edit"),
    path("scenarios/", scenarios.index, name="scenario-list"),
    path("scenarios/new/", scenarios.new, name="scenario-new"),
    path("scenarios/<int:pk>/", scenarios.detail, name="scenario-detail"),
    path("scenarios/<int:pk>/edit/", scenarios.edit, name="scenario-edit"),
    path("scenarios/<int:pk>/remove/", scenarios.remove, name="scenario-remove"),
    path("prices/", prices.index, name="price-list"),
    path("prices/new/", prices.new, name="price-new"),
    path("prices/<int:pk>/", prices.edit, name="price-edit"),
    path("policies/", policies.index, name="policy-list"),
    path("policies/new/", policies.new, name="policy-new"),
    path("policies/rollback/", policies.rollback, name="policy-rollback"),
    path("policies/<int:version>/", policies.detail, name="policy-detail"),
    path("policies/<int:version>/activate/", policies.activate, name="policy-activate"),
    path("policies/<int:version>/what-if/", policies.what_if_page, name="policy-what-if"),
    path(
        "policies/<int:version>/what-if/start/",
        policies.start_what_if,
        name="policy-what-if-start",
    ),
    path(
        "policies/<int:version>/what-if/cancel/",
        policies.cancel_what_if,
        name="policy-what-if-cancel",
    ),
    path("calculators/", calculators.index, name="calculator-list"),
    path("calculators/<slug:name>/", calculators.detail, name="calculator-detail"),
    path("help/", help.index, name="help"),
]
