"""The API against its own document: whatever is sent, the answer is one that is written down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi

from debtreg.models import (
    BacklogEntry,
    Finding,
    Iteration,
    LedgerImport,
    LedgerSource,
    PenaltyEntry,
    Price,
    ScoringRun,
)
from debtreg.wsgi import application
from tests.api.test_document import DOCUMENT
from tests.factories import (
    ConnectionFactory,
    GuaranteeFactory,
    MaintenanceFactory,
    OutcomeFactory,
    OutcomeReadingFactory,
    ScenarioMemberFactory,
    SloFactory,
)

# FUZZ_EXAMPLES=100 goes deeper, and tries every bound of every field as well.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
CONFIG = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": EXAMPLES > 20}}})
SCHEMA = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)
SCHEMA.app = application


@pytest.fixture
def known(log, api, checkout, payments) -> Iterator[dict[str, dict[str, Any]]]:
    """Something under each address, so that not every call ends with a 404."""
    item = log(external_ref="known")
    promise = GuaranteeFactory(metric="availability", target_text="≥99.9%")
    entry_of_ledger = PenaltyEntry.objects.create(
        guarantee=promise, starts_on="2026-01-01", ends_on="2026-01-31", known=False
    )
    gap = Finding.objects.create(key="x", kind="unparsed", text="x")
    iteration = Iteration.objects.create(
        team=payments, name="S1", starts_on="2026-01-01", ends_on="2026-01-14", capacity_days=10
    )
    entry = BacklogEntry.objects.create(item_id=item["key"][5:], team=payments, policy_version=1)
    source = LedgerSource.objects.create(name="ledger")
    outcome = OutcomeFactory(item__title="resolved")
    OutcomeReadingFactory(outcome=outcome)
    # Django closes connections around requests, and would take this test's away.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {
        "backlog": {"id": entry.pk},
        "contracts": {
            "reference": promise.contract.reference,
            "guarantee": promise.pk,
            "version": 1,
            "id": entry_of_ledger.pk,
        },
        "findings": {"id": gap.pk},
        "connections": {"name": ConnectionFactory().name},
        "debts": {"key": item["key"]},
        "dependencies": {},
        "imports": {"id": LedgerImport.objects.create(source=source, filename="a.csv").pk},
        "iterations": {"id": iteration.pk},
        "policies": {"version": 1},
        "outcomes": {"id": outcome.pk, "reading": outcome.readings.get().pk},
        "prices": {"id": Price.objects.get(kind="toil").pk},
        "scenarios": {"id": ScenarioMemberFactory(item_id=item["key"][5:]).scenario_id},
        "scoring-runs": {"id": ScoringRun.objects.create().pk},
        "services": {"slug": checkout.slug},
        "slos": {"name": SloFactory(service=checkout).name},
        "maintenances": {"id": MaintenanceFactory().pk},
        "teams": {"slug": payments.slug},
    }
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case, api, known):
    noun = case.operation.path.split("/")[3]
    if case.path_parameters:
        names = known.get(noun, {})
        case.path_parameters |= {
            name: names[name] for name in case.path_parameters if name in names
        }

    case.call_and_validate(
        headers={"Authorization": api.defaults["HTTP_AUTHORIZATION"]},
        checks=[
            checks.not_a_server_error,
            openapi.status_code_conformance,
            openapi.content_type_conformance,
            openapi.response_schema_conformance,
            openapi.response_headers_conformance,
        ],
    )
