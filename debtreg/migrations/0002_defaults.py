"""Version 1 of the scoring policy, and on PostgreSQL an index for searching titles."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POLICY_1 = {
    "weights": {
        "latency": 1.0,
        "errors": 1.0,
        "downtime": 1.0,
        "credits": 1.0,
        "compliance": 1.0,
        "toil": 1.0,
        "drag": 1.0,
        "stated": 1.0,
    },
    "contingency": {"high": 0.0, "medium": 0.15, "low": 0.30, "none": 0.0},
    "threshold": 3.0,
    "demote_below": 2.5,
    "min_confidence": 0.0,
    "priority": {
        "p0_budget_share": 0.25,
        "p0_scenario_share": 0.02,
        "p1_budget_share": 0.10,
        "p1_cost_share": 0.02,
        "negligible_share": 0.0001,
    },
}


def add_policy(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("debtreg", "ScoringPolicy").objects.create(
        version=1, payload=POLICY_1, note="The defaults.", is_active=True
    )


def add_title_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Trigrams find a word in a million titles; without the extension a search reads them all."""
    if editor.connection.vendor != "postgresql":
        return
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if not cursor.fetchone():
            return
    editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    editor.execute(
        "CREATE INDEX debtitem_title_trigrams ON debtreg_debtitem"
        " USING gin (upper(title) gin_trgm_ops)"
    )


def drop_title_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP INDEX IF EXISTS debtitem_title_trigrams")


class Migration(migrations.Migration):
    dependencies = [("debtreg", "0001_initial")]

    operations = [
        migrations.RunPython(add_policy, migrations.RunPython.noop),
        migrations.RunPython(add_title_index, drop_title_index),
    ]
