"""The database keeps the promises, also where rows come in past the ORM's validation."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from debtreg.models import (
    AuditEntry,
    BacklogEntry,
    Contract,
    Dependency,
    LedgerImport,
    LedgerRow,
    LedgerSource,
    Prerequisite,
    ScoringPolicy,
)
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    GuaranteeFactory,
    IterationFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ScoringRunFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
    toil,
)


def insert_copy(row: models.Model, **columns: Any) -> None:
    """Insert the row once more with other values in some columns, by plain SQL."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    values = [columns.pop(field.attname, getattr(row, field.attname)) for field in fields]
    assert not columns, f"no such column: {columns}"
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {row._meta.db_table} ({names}) VALUES ({marks})",
            [
                field.get_db_prep_save(value, connection)
                for field, value in zip(fields, values, strict=True)
            ],
        )
        connection.check_constraints()


def a_item(**fields: Any) -> models.Model:
    return DebtItemFactory(**fields)


def an_impact() -> models.Model:
    return DebtItemFactory(impacts=[toil()]).impacts.get()


def an_entry(**fields: Any) -> models.Model:
    return BacklogEntryFactory(state="done", **fields)


def an_import() -> models.Model:
    return LedgerImport.objects.create(source=LedgerSource.objects.create(name="s"), filename="f")


def a_ledger_row() -> models.Model:
    source = LedgerSource.objects.create(name="s")
    return LedgerRow.objects.create(source=source, key="k", row=1, fingerprint=1)


def a_member() -> models.Model:
    """Another one of it is of another scenario."""
    member = ScenarioMemberFactory()
    member.scenario = FailureScenarioFactory()
    return member


NAN, INF = float("nan"), float("inf")

# What makes the row -> columns that the database must refuse, and the constraint that says so.
WRONG = [
    (a_item, {"title": ""}, "debtitem_title_not_blank"),
    (a_item, {"status": "lost"}, "debtitem_status_known"),
    (a_item, {"effort_low": -1}, "debtitem_effort_in_range"),
    (a_item, {"effort_high": 1e6 + 1}, "debtitem_effort_in_range"),
    (a_item, {"effort_high": INF}, "debtitem_effort_in_range"),
    (a_item, {"effort_low": 4}, "debtitem_effort_in_order"),
    (a_item, {"effort_likely": None, "effort_low": 5, "effort_high": 4}, "effort_in_order"),
    (a_item, {"effort_unit": "weeks"}, "debtitem_effort_unit_known"),
    (a_item, {"confidence": "sure"}, "debtitem_confidence_known"),
    (a_item, {"cash": Decimal("-0.01")}, "debtitem_cash_in_range"),
    (a_item, {"cash": Decimal(10**12) + 1}, "debtitem_cash_in_range"),
    (a_item, {"external_ref": ""}, "debtitem_external_ref_not_blank"),
    (an_impact, {"kind": "luck"}, "debtimpact_kind_known"),
    (an_impact, {"grade": "guessed"}, "debtimpact_grade_known"),
    (an_impact, {"frequency_low": -1}, "debtimpact_frequency_in_range"),
    (an_impact, {"frequency_high": 1e16}, "debtimpact_frequency_in_range"),
    (an_impact, {"frequency_low": 73}, "debtimpact_frequency_in_order"),
    (an_impact, {"share_low": 0.5, "share_likely": 0.5, "share_high": 1.01}, "share_in_range"),
    (an_impact, {"share_low": 0.5, "share_likely": 0.4}, "debtimpact_share_in_order"),
    (an_impact, {"magnitude_likely": -1}, "debtimpact_magnitude_in_range"),
    (an_impact, {"magnitude_likely": 1e13}, "debtimpact_magnitude_in_range"),
    (an_impact, {"unit_price_likely": -1}, "debtimpact_unit_price_not_negative"),
    (an_impact, {"unit_price_low": 2, "unit_price_likely": 1}, "unit_price_in_order"),
    (
        an_impact,
        {"kind": "stated", "unit_price_likely": -(10**12) - 1},
        "debtimpact_unit_price_in_range",
    ),
    (an_impact, {"effectiveness": 1.01}, "debtimpact_effectiveness_in_range"),
    (an_impact, {"effectiveness": -0.01}, "debtimpact_effectiveness_in_range"),
    (TeamFactory, {"slug": "t", "day_rate": 0}, "team_day_rate_in_range"),
    (TeamFactory, {"slug": "t", "day_rate": 10**9 + 1}, "team_day_rate_in_range"),
    (TeamFactory, {"slug": "t", "days_per_point": 0}, "team_days_per_point_positive"),
    (ServiceFactory, {"slug": "s", "requests_per_year": -1}, "service_requests_in_range"),
    (ServiceFactory, {"slug": "s", "requests_per_year": INF}, "service_requests_in_range"),
    (ServiceFactory, {"slug": "s", "criticality": "vital"}, "service_criticality_known"),
    (PriceFactory, {"kind": "errors", "low": 201}, "price_in_order"),
    (PriceFactory, {"kind": "errors", "low": -1}, "price_in_order"),
    (PriceFactory, {"kind": "errors", "high": 10**12 + 1}, "price_in_order"),
    (PriceFactory, {"kind": "errors", "likely": None}, "price_all_points"),
    (PriceFactory, {"kind": "day_rate", "high": 10**9 + 1}, "price_day_rate_in_range"),
    (PriceFactory, {"kind": "stated"}, "price_kind_known"),
    (PriceFactory, {"kind": "errors", "grade": "guessed"}, "price_grade_known"),
    (GuaranteeFactory, {"metric": "m", "weight": Decimal("3.001")}, "guarantee_weight_in_range"),
    (GuaranteeFactory, {"metric": "m", "weight": -1}, "guarantee_weight_in_range"),
    (IterationFactory, {"name": "n", "capacity_days": -1}, "iteration_capacity_not_negative"),
    (IterationFactory, {"name": "n", "ends_on": date(2000, 1, 1)}, "iteration_ends_after_start"),
    (IterationFactory, {"name": "n", "state": "lost"}, "iteration_state_known"),
    (an_entry, {"state": "lost"}, "backlogentry_state_known"),
    (an_entry, {"state": "planned"}, "backlogentry_planned_has_iteration"),
    (UserFactory, {"username": "u", "role": "king"}, "user_role_known"),
    (ScoringRunFactory, {"state": "lost"}, "scoringrun_state_known"),
    (an_import, {"state": "lost"}, "ledgerimport_state_known"),
    (an_import, {"step": "lost"}, "ledgerimport_step_known"),
    (a_ledger_row, {"key": "other", "state": "lost"}, "ledgerrow_state_known"),
    (FailureScenarioFactory, {"name": ""}, "failurescenario_name_not_blank"),
    (FailureScenarioFactory, {"name": "n", "trigger_rate": -1}, "failurescenario_rate_in_range"),
    (FailureScenarioFactory, {"name": "n", "trigger_rate": 1e10}, "failurescenario_rate_in_range"),
    (FailureScenarioFactory, {"name": "n", "loss_low": -1}, "failurescenario_loss_in_range"),
    (FailureScenarioFactory, {"name": "n", "loss_low": 100_001}, "failurescenario_loss_in_order"),
    (FailureScenarioFactory, {"name": "n", "grade": "guessed"}, "failurescenario_grade_known"),
    (a_member, {"role": "door"}, "scenariomember_role_known"),
    (a_member, {"role": "alternative"}, "scenariomember_group_of_alternatives"),
    (a_member, {"group": "g"}, "scenariomember_group_of_alternatives"),
    (a_member, {"role": "amplifier"}, "scenariomember_probability_of_amplifiers"),
    (a_member, {"role": "amplifier", "probability": 1.1}, "probability_of_amplifiers"),
    (a_member, {"probability": 0.5}, "scenariomember_probability_of_amplifiers"),
    (a_member, {"effectiveness": 1.1}, "scenariomember_effectiveness_in_range"),
]


@pytest.mark.parametrize(("make", "columns", "constraint"), WRONG)
def test_the_database_refuses(db, make, columns, constraint):
    row = make()
    with pytest.raises(IntegrityError, match=constraint):
        insert_copy(row, **columns)


def a_dependency():
    return Dependency.objects.create(consumer=ServiceFactory(), provider=ServiceFactory())


def a_prerequisite():
    return Prerequisite.objects.create(item=DebtItemFactory(), needs=DebtItemFactory())


@pytest.mark.parametrize(
    "make",
    [
        TeamFactory,
        FailureScenarioFactory,
        ScenarioMemberFactory,
        ServiceFactory,
        PriceFactory,
        lambda: PriceFactory(service=ServiceFactory()),
        GuaranteeFactory,
        IterationFactory,
        a_dependency,
        a_prerequisite,
        a_ledger_row,
        lambda: DebtItemFactory(external_ref="JIRA-1"),
        lambda: BacklogEntryFactory(),
        lambda: ScoringRunFactory(state="running"),
        lambda: ScoringRunFactory(state="queued"),
        lambda: Contract.objects.create(reference="SLA-1"),
        lambda: UserFactory(),
    ],
)
def test_the_database_refuses_a_second_one(db, make):
    row = make()
    with pytest.raises(IntegrityError):
        insert_copy(row)


def test_no_version_of_the_policy_is_without_a_signature(db):
    with pytest.raises(IntegrityError, match="policy_signed"), transaction.atomic():
        ScoringPolicy.objects.update(signature="")


def test_nothing_depends_on_itself(db):
    item, service = DebtItemFactory(), ServiceFactory()
    with pytest.raises(IntegrityError, match="prerequisite_not_itself"), transaction.atomic():
        Prerequisite.objects.create(item=item, needs=item)
    with pytest.raises(IntegrityError, match="dependency_not_itself"), transaction.atomic():
        Dependency.objects.create(consumer=service, provider=service)


def test_a_waiting_entry_is_in_no_iteration(db):
    entry = an_entry()
    iteration = IterationFactory(team=entry.team)
    with pytest.raises(IntegrityError, match="backlogentry_unscheduled_has_none"):
        insert_copy(entry, state="unscheduled", iteration_id=iteration.pk)


def test_closed_entries_of_an_item_may_be_many(db):
    insert_copy(an_entry())
    assert BacklogEntry.objects.count() == 2


@pytest.mark.parametrize("column", ["service_id", "team_id"])
def test_an_item_refers_to_rows_that_are_there(db, column):
    item = DebtItemFactory()
    with pytest.raises(IntegrityError):
        insert_copy(item, **{column: 999_999})
    DebtItemFactory._meta.model.objects.exclude(pk=item.pk).delete()


def test_an_unknown_number_is_null_and_not_nan(db):
    """SQLite has no NaN; PostgreSQL has, and takes it for larger than every number."""
    item = DebtItemFactory()
    if connection.vendor == "postgresql":
        for column in ("effort_low", "effort_likely", "effort_high"):
            with pytest.raises(IntegrityError):
                insert_copy(item, **{column: NAN})
    else:
        insert_copy(item, effort_low=NAN)
        assert DebtItemFactory._meta.model.objects.latest("pk").effort_low is None


def test_every_field_with_choices_has_its_list_in_the_database(db):
    """What scoring writes itself, and what only people read, may do without."""
    free = {
        "score.state",
        "score.priority",
        "score.priority_reason",
        "scorechange.cause",
        "scorechange.old_state",
        "scorechange.new_state",
        "auditentry.channel",
    }
    without = set()
    for model in AuditEntry._meta.apps.get_app_config("debtreg").get_models():
        checked = {
            name
            for constraint in model._meta.constraints
            if isinstance(constraint, models.CheckConstraint) and constraint.name.endswith("_known")
            for name, _ in constraint.condition.deconstruct()[1]
        }
        without |= {
            f"{model._meta.model_name}.{field.name}"
            for field in model._meta.concrete_fields
            if field.choices and f"{field.name}__in" not in checked
        }
    assert without == free
