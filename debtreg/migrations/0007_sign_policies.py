"""Sign the versions that are there, and note which of them is in force."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from debtreg.models.policy import signature_of


def sign(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    # Nothing was ever signed before: there is nothing yet by which to tell what was tampered with.
    for row in apps.get_model("debtreg", "ScoringPolicy").objects.all():
        row.signature = signature_of(row.version, row.payload)
        row.save(update_fields=["signature"])
        if row.is_active:
            apps.get_model("debtreg", "PolicyActivation").objects.create(
                policy=row, at=row.created_at
            )


def flag(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    latest = apps.get_model("debtreg", "PolicyActivation").objects.order_by("pk").last()
    if latest:
        policies = apps.get_model("debtreg", "ScoringPolicy").objects
        policies.filter(pk=latest.policy_id).update(is_active=True)


class Migration(migrations.Migration):
    dependencies = [("debtreg", "0006_policy_activations")]

    operations = [migrations.RunPython(sign, flag)]
