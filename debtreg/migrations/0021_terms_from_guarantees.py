"""What guarantees say becomes their first version, in force since ever and confirmed by nobody."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from scoring import read_terms


def take_out(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    terms = apps.get_model("debtreg", "Terms").objects
    for row in apps.get_model("debtreg", "Guarantee").objects.all():
        read = read_terms(row.metric, row.target_text, row.penalty_clause, row.window)
        terms.create(
            guarantee=row,
            version=1,
            target_text=row.target_text,
            window_text=row.window,
            penalty_clause=row.penalty_clause,
            **read,
        )


def put_back(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    guarantees = apps.get_model("debtreg", "Guarantee").objects
    for row in apps.get_model("debtreg", "Terms").objects.filter(replaced_at=None).order_by(
        "version"
    ):
        guarantees.filter(pk=row.guarantee_id).update(
            target_text=row.target_text,
            operator=row.operator,
            target_value=row.value,
            target_unit=row.unit[:16],
            window=row.window_text,
            penalty_clause=row.penalty_clause,
        )


class Migration(migrations.Migration):
    dependencies = [("debtreg", "0020_terms")]

    operations = [migrations.RunPython(take_out, put_back)]
