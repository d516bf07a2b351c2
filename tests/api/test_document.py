"""The OpenAPI document, and the page that shows it."""

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command
from rest_framework.test import APIClient

from debtreg.api import examples

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_in_docs_is_the_one_of_the_code_and_has_no_warnings():
    """`manage.py spectacular --file docs/openapi.yaml` brings it up to date."""
    found = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=found)

    assert found.getvalue() == DOCUMENT.read_text(encoding="utf-8")


def test_everybody_may_read_the_document_as_json(client, document):
    answer = client.get("/api/v1/openapi.json", headers={"accept": "application/json"})

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/json")
    assert answer.json()["openapi"].startswith("3.1")
    assert answer.json() == document


def test_every_path_of_the_contract_is_there(document):
    for path in (
        *("teams", "services", "dependencies", "prices", "contracts", "debts", "debts/{key}"),
        *("debts/{key}/explain", "debts/{key}/history", "debts/{key}/promote"),
        *("debts/{key}/veto", "debts/{key}/pin", "debts/{key}/accept", "debts/bulk", "ranking"),
        *("scoring-runs", "iterations", "backlog", "backlog/plan", "imports", "imports/{id}"),
        *("readings", "readings/import", "connections", "connections/{name}"),
        *("outcomes", "outcomes/{id}", "outcomes/{id}/readings", "outcomes/summary"),
        *("slos", "slos/{name}", "slos/import", "slos/export", "maintenances", "maintenances/{id}"),
        *("imports/{id}/commit", "calculators/roi", "scenarios", "scenarios/{id}"),
        *("policies", "policies/{version}", "policies/{version}/diff"),
        *("contracts/{reference}", "contracts/import", "contracts/penalties", "findings"),
        "contracts/{reference}/guarantees/{guarantee}/confirm",
        "contracts/{reference}/guarantees/{guarantee}/amend",
        *("policies/{version}/activate", "policies/rollback", "policies/{version}/what-if"),
    ):
        assert f"/api/v1/{path}/" in document["paths"], path


def test_every_operation_says_what_it_does_and_how_it_refuses(operations):
    for name, operation in operations.items():
        assert operation.get("description"), name
        assert "401" in operation["responses"], name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response == {"$ref": f"#/components/responses/{status}"}, name
        if name.startswith("POST"):
            parameters = [parameter.get("$ref", "") for parameter in operation["parameters"]]
            assert "#/components/parameters/IdempotencyKey" in parameters, name


def test_every_parameter_of_a_list_is_described(operations):
    for name, operation in operations.items():
        for parameter in operation.get("parameters", []):
            assert "$ref" in parameter or parameter["in"] == "path" or parameter["description"], (
                name
            )


def test_every_number_that_comes_back_says_what_it_counts(document):
    missing = [
        f"{schema}.{name}"
        for schema, body in document["components"]["schemas"].items()
        for name, field in body.get("properties", {}).items()
        if field.get("format") == "decimal"
        and not field.get("description")
        # The three points of an estimate are described by the estimate.
        and name not in ("low", "likely", "high")
    ]
    assert missing == []


def test_numbers_are_sent_in_two_forms_and_come_back_as_text(document):
    schemas = document["components"]["schemas"]

    sent = schemas["DebtRequest"]["properties"]["cash"]["oneOf"]
    assert [form["type"] for form in sent] == ["number", "string"]
    assert schemas["Debt"]["properties"]["cash"]["type"] == "string"
    assert schemas["Score"]["properties"]["roi"]["type"] == ["string", "null"]


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_that_shows_it_has_nothing_inline_and_all_from_here(db):
    answer = APIClient().get("/api/docs/")
    page = _Elements()
    page.feed(answer.content.decode())

    assert answer.status_code == 200
    sources = []
    for tag, attributes in page.found:
        assert tag != "style"
        assert not {"style", "onload", "onclick"} & attributes.keys()
        if tag == "script":
            assert attributes["src"]
        if tag in ("script", "link"):
            sources.append(attributes.get("src") or attributes["href"])
    assert re.findall(r"<script[^>]*>([^<]+)</script>", answer.content.decode()) == []
    assert sources
    for source in sources:
        assert finders.find(source.removeprefix("/static/")), source


def test_the_page_that_shows_it_is_under_the_policy_of_all_pages(db):
    policy = APIClient().get("/api/docs/")["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert policy == APIClient().get("/api/v1/teams/")["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("services/", examples.SERVICE),
        ("prices/", examples.PRICE),
        ("contracts/", examples.CONTRACT),
        ("contracts/import/", examples.REGISTRY),
        ("debts/", examples.DEBT),
        ("debts/bulk/", examples.BULK),
        ("iterations/", examples.ITERATION),
        ("scenarios/", examples.SCENARIO),
        ("calculators/roi/", examples.ROI),
        ("calculators/inversion/", examples.INVERSION),
        ("calculators/burn-rate/", examples.BURN_RATE),
        ("calculators/penalty/", examples.PENALTY),
        ("calculators/penalty/", examples.CREDIT),
        ("calculators/breaker/", examples.BREAKER),
        ("debts/{key}/veto/", examples.DECISION),
        ("policies/", examples.POLICY),
        ("slos/", examples.SLO),
        ("slos/import/", examples.SLO_FILE),
        ("maintenances/", examples.MAINTENANCE),
        ("connections/", examples.CONNECTION),
    ],
)
def test_the_examples_work_as_they_stand(api, path, body):
    assert api.post("/api/v1/teams/", examples.TEAM).status_code == 201
    key = api.post("/api/v1/debts/", {"title": "A debt"}).json()["key"]
    if path in ("slos/", "maintenances/"):
        assert api.post("/api/v1/services/", examples.SERVICE).status_code == 201
    if path == "scenarios/":
        body = {**body, "members": [{**body["members"][0], "debt": key}]}

    answer = api.post(f"/api/v1/{path.format(key=key)}", body)

    assert answer.status_code in (200, 201), answer.json()
