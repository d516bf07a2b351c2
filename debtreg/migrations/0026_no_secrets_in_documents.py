"""Documents that were kept of imported files lose what people log in with."""

from django.db import migrations

from debtreg.formats.scrub import scrub


def forget(apps, schema_editor):
    for name in ("KeptDocument", "Slo"):
        for row in apps.get_model("debtreg", name).objects.exclude(document=None).iterator():
            if list(scrub(row.document)):
                row.save(update_fields=["document"])
    # What audits say of an SLO's document is kept there a second time.
    entries = apps.get_model("debtreg", "AuditEntry").objects.filter(object_type="slo")
    for row in entries.iterator():
        sides = [side["document"] for side in (row.old, row.new) if (side or {}).get("document")]
        if [path for document in sides for path in scrub(document)]:
            row.save(update_fields=["old", "new"])


class Migration(migrations.Migration):
    dependencies = [("debtreg", "0025_periods_from_readings")]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
