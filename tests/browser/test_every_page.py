"""Every page in both themes: accessible, without complaints of the browser, and fit for phones."""

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from debtreg import budgets
from debtreg.actions import audit, demo
from debtreg.models import (
    ImportStep,
    JobState,
    LedgerFinding,
    LedgerImport,
    LedgerSource,
    Role,
    WhatIf,
)
from tests.factories import (
    MaintenanceFactory,
    OutcomeFactory,
    ScoringPolicyFactory,
    ScoringRunFactory,
    SloFactory,
    tamper,
    what_was_worked_out,
)
from tests.web.company import Company
from tests.web.test_pages import a_promise, a_scenario, a_site, an_outcome

SAMPLE = {"row": 2, "title": "退款查询全表扫描", "state": "imported", "currency": "CNY"}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def paths(company: Company) -> dict[str, str]:
    """Every page of the product, by name."""
    audit.record(demo.FILLED, "demo", by=None, kind="demo")
    waiting = ScoringRunFactory(state=JobState.RUNNING, stage="scoring", done=3, total=9)
    over = ScoringRunFactory(state=JobState.DONE, items=4, annual_cost=20000)
    over_what_if = what_was_worked_out(company.best)
    WhatIf.objects.create(policy_id=1, state=JobState.RUNNING, stage="scoring", done=3, total=9)
    tamper(ScoringPolicyFactory().version, luck=7)
    preview = _import(ImportStep.PREVIEW, JobState.DONE)
    reading = _import(ImportStep.PREVIEW, JobState.RUNNING)
    refused = _import(ImportStep.PREVIEW, JobState.FAILED, refusal="empty_file", error="Empty.")
    stored = _import(ImportStep.COMMIT, JobState.DONE)
    scenario = a_scenario(company)
    site = a_site()
    SloFactory(connection=site, total_query="x[{{.window}}]", fetch_error="It yields 2 series.")
    slo = SloFactory(
        name="payments-answer",
        title="支付请求有应答",
        service=company.service,
        total_query="sum(increase(http_requests_total{job='payments',code!~'5..'}[{{.window}}]))",
    )
    budgets.refresh([slo.pk])
    outcome = an_outcome(company)
    promise = a_promise(company)
    OutcomeFactory(item__service=company.service, realised_benefit=9_000, actual_cost=3_000)
    return {
        **{f"home of {role}": f"/?as={role}" for role in Role.values},
        "ranking": "/ranking/",
        "ranking with filters": "/ranking/?team=payments&state=priced&min_roi=3&ordering=cost",
        "wrong filters": "/ranking/?team=nobody&min_roi=much",
        "nothing found": "/ranking/?q=zzzz",
        "debt": f"/debts/{company.best.key}/",
        "other numbers": f"/debts/{company.best.key}/what-if/",
        "debt without price": f"/debts/{company.unpriced.key}/",
        "edit a debt": f"/debts/{company.best.key}/edit/",
        "log a debt": "/debts/new/",
        "backlog": "/backlog/teams/payments/",
        "plan": "/backlog/teams/payments/plan/",
        "empty backlog": "/backlog/teams/accounts/",
        "iteration": f"/backlog/iterations/{company.sprint.pk}/",
        "outcomes": "/outcomes/",
        "no period": "/outcomes/?from=2026-02-01&to=2026-01-01",
        "outcome": f"/outcomes/{outcome.pk}/",
        "resolved debt": f"/debts/{outcome.item.key}/",
        "imports": "/imports/",
        "preview": f"/imports/{preview.pk}/",
        "reading": f"/imports/{reading.pk}/",
        "refused": f"/imports/{refused.pk}/",
        "stored": f"/imports/{stored.pk}/",
        "runs": "/runs/",
        "run under way": f"/runs/{waiting.pk}/",
        "run": f"/runs/{over.pk}/",
        "services": "/services/",
        "service": "/services/payment-service/",
        "edit a service": "/services/payment-service/edit/",
        "contracts": "/contracts/",
        "contract": f"/contracts/{promise.contract_id}/",
        "new contract": "/contracts/new/",
        "edit a contract": f"/contracts/{promise.contract_id}/edit/",
        "new guarantee": f"/contracts/{promise.contract_id}/guarantees/new/",
        "edit a guarantee": f"/guarantees/{promise.pk}/edit/",
        "amend a guarantee": f"/guarantees/{promise.pk}/amend/",
        "import of a registry": "/contracts/import/",
        "gaps": "/gaps/",
        "scenarios": "/scenarios/",
        "scenario": f"/scenarios/{scenario.pk}/",
        "edit a scenario": f"/scenarios/{scenario.pk}/edit/",
        "new scenario": "/scenarios/new/",
        "SLOs": "/slos/",
        "SLO": f"/slos/{slo.name}/",
        "edit an SLO": f"/slos/{slo.name}/edit/",
        "new SLO": "/slos/new/",
        "import SLOs": "/slos/import/",
        "export SLOs": "/slos/export/",
        "connections": "/connections/",
        "connection": f"/connections/{site.name}/",
        "new connection": "/connections/new/",
        "edit a connection": f"/connections/{site.name}/edit/",
        "import readings": f"/readings/import/?slo={slo.name}",
        "maintenance windows": "/maintenances/",
        "maintenance window": f"/maintenances/{MaintenanceFactory().pk}/",
        "prices": "/prices/",
        "new price": "/prices/new/",
        "policies": "/policies/",
        "policy": "/policies/1/",
        "draft of a policy": f"/policies/{over_what_if.policy_id}/",
        "new policy": "/policies/new/",
        "what a policy would move": f"/policies/{over_what_if.policy_id}/what-if/",
        "what is being worked out": "/policies/1/what-if/",
        "a refused policy": "/policies/3/",
        "tokens": "/tokens/",
        "users": "/users/",
        "new user": "/users/new/",
        "edit a user": f"/users/{company.people[Role.MEMBER].pk}/",
        "one's own password": "/password/",
        "audit": "/audit/",
        "settings": "/settings/",
        "calculators": "/calculators/",
        "inversion": "/calculators/inversion/",
        "burn rate": "/calculators/burn-rate/",
        "penalty": "/calculators/penalty/",
        "refused penalty": "/calculators/penalty/?target=300&clause=as+agreed",
        "breaker": "/calculators/breaker/",
        "roi": "/calculators/roi/",
        "help": "/help/",
        "style guide": "/styleguide/",
    }


def _import(step: str, state: str, **columns: object) -> LedgerImport:
    columns_ = [
        {
            "index": 0,
            "letter": "A",
            "header": "债务名称",
            "field": "title",
            "unit": "",
            "warnings": [],
            "messages": ["Two columns have this header."],
            "samples": ["退款查询全表扫描"],
        }
    ]
    sheet = {
        "name": "债务台账",
        "hidden": False,
        "imported": True,
        "why": "",
        "message": "",
        "rows": 2,
        "header_row": 1,
        "columns": columns_,
    }
    done = state == JobState.DONE
    job = LedgerImport.objects.create(
        source=LedgerSource.objects.get_or_create(name="台账")[0],
        filename="ledger.xlsx",
        step=step,
        state=state,
        workbook={"sheets": [sheet]} if done else {},
        sample=[SAMPLE] if done else [],
        summary={
            "imported": 1,
            "held": 0,
            "skipped": [{"sheet": "债务台账", "row": 9, "reason": "total", "text": "合计"}],
            "duplicates": [{"first_row": 2, "row": 3, "why": "same title and service"}],
            "findings": 1,
            "created": 1,
            "updated": 0,
            "unchanged": 0,
            "gone": [{"key": "债务台账 | td-1", "row": 4}],
        }
        if done
        else {},
        **columns,
    )
    LedgerFinding.objects.create(
        ledger_import=job,
        sheet="债务台账",
        row=2,
        field="due",
        kind="unreadable",
        text="很快",
        message="…",
    )
    return job


def unfold(page: Page) -> None:
    """Open what is folded away: it is part of the page."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def test_axe_finds_nothing_on_any_page(visit: Callable[..., Page], company: Company) -> None:
    page = visit("/ranking/", "admin", theme="light")
    found = {}
    for name, path in paths(company).items():
        page.goto(path)
        unfold(page)
        results = Axe().run(page, options=RULES)
        if results.violations_count:
            found[name] = results.generate_report()
    assert not found, "\n".join(f"{name}\n{report}" for name, report in found.items())


def test_axe_finds_nothing_where_one_logs_in(visit: Callable[..., Page]) -> None:
    page = visit("/ranking/")
    page.get_by_role("button", name="Log out").click()
    page.goto("/login/")
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    results = Axe().run(page, options=RULES)
    assert results.violations_count == 0, results.generate_report()


def test_on_a_phone_in_the_dark_no_page_is_too_wide_and_each_can_be_read(
    visit: Callable[..., Page], company: Company
) -> None:
    """Of axe's rules only that of contrast: all others see the same page as in the light."""
    page = visit("/ranking/", "admin", theme="dark", width=390)
    found, too_wide = {}, {}
    for name, path in paths(company).items():
        page.goto(path)
        unfold(page)
        results = Axe().run(page, options=COLOURS)
        if results.violations_count:
            found[name] = results.generate_report()
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            too_wide[name] = width
    assert not found, "\n".join(f"{name}\n{report}" for name, report in found.items())
    assert not too_wide
