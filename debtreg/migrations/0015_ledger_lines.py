"""What a ledger's rows say moves into lines of their own."""

import json
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SAME = ("title", "description", "service_id", "team_id", "status", "owner", "plan")
RENAMED = {
    "type": "category",
    "priority": "stated_priority",
    "created": "created_on",
    "due": "due_on",
    "closed": "closed_on",
    "id": "ledger_id",
}
POINTS = [
    f"{name}_{point}" for name in ("effort", "annual_cost") for point in ("low", "likely", "high")
]
AT_A_TIME = 2_000


def move(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("debtreg", "LedgerRow").objects.exclude(ledger_import=None)
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), AT_A_TIME):
        some = list(rows.filter(pk__in=keys[start : start + AT_A_TIME]).select_related("item"))
        lines = apps.get_model("debtreg", "LedgerLine").objects.bulk_create(
            apps.get_model("debtreg", "LedgerLine")(**line_of(row)) for row in some
        )
        for row, line in zip(some, lines, strict=True):
            row.line_id = line.pk
        rows.bulk_update(some, ["line"])


def line_of(row: Any) -> dict[str, Any]:
    names = {**{name: name for name in (*SAME, *POINTS, "currency")}, **RENAMED}
    given = {
        new: row.values[old] for old, new in names.items() if row.values.get(old) is not None
    }
    if given.get("currency") == settings.CURRENCY:
        given["currency"] = ""
    return {
        "status": "open",
        **given,
        "ledger_import_id": row.ledger_import_id,
        **{name: getattr(row, name) for name in ("key", "sheet", "row", "fingerprint")},
        "state": "held" if row.state == "held" else "imported",
        "external_ref": row.item.external_ref or "" if row.item else "",
        "cells_json": json.dumps(row.cells, ensure_ascii=False),
    }


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0014_outcome_shares'),
    ]

    operations = [
        migrations.AddField(
            model_name='ledgerimport',
            name='relies_on',
            field=models.JSONField(default=dict, editable=False, help_text='Services, their teams, and teams of the lines.'),
        ),
        migrations.AlterField(
            model_name='ledgerrow',
            name='item',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ledger_rows', to='debtreg.debtitem'),
        ),
        migrations.AlterField(
            model_name='ledgerrow',
            name='source',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='debtreg.ledgersource'),
        ),
        migrations.CreateModel(
            name='LedgerLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(help_text='Sheet and id: what tells rows apart.', max_length=400)),
                ('sheet', models.CharField(blank=True, max_length=120)),
                ('row', models.PositiveIntegerField(help_text='The line that Excel shows.')),
                ('state', models.CharField(choices=[('imported', 'Imported'), ('held', 'Waits for a person'), ('gone', 'No longer in the ledger')], default='imported', max_length=8)),
                ('fingerprint', models.BigIntegerField(help_text='Of the cells; equal: nothing changed.')),
                ('cells_json', models.TextField(default='{}', help_text='Header -> the text that stood there.')),
                ('title', models.CharField(blank=True, max_length=200)),
                ('description', models.TextField(blank=True)),
                ('category', models.CharField(blank=True, max_length=80)),
                ('status', models.CharField(max_length=8)),
                ('effort_low', models.FloatField(help_text='Person-days.', null=True)),
                ('effort_likely', models.FloatField(null=True)),
                ('effort_high', models.FloatField(null=True)),
                ('owner', models.CharField(blank=True, max_length=120)),
                ('plan', models.TextField(blank=True)),
                ('stated_priority', models.CharField(blank=True, max_length=2)),
                ('created_on', models.DateField(null=True)),
                ('due_on', models.DateField(null=True)),
                ('closed_on', models.DateField(null=True)),
                ('ledger_id', models.CharField(blank=True, max_length=120)),
                ('external_ref', models.CharField(max_length=300)),
                ('annual_cost_low', models.DecimalField(blank=True, decimal_places=10, help_text='Money a year, at least.', max_digits=24, null=True)),
                ('annual_cost_likely', models.DecimalField(blank=True, decimal_places=10, help_text='Money a year, most likely.', max_digits=24, null=True)),
                ('annual_cost_high', models.DecimalField(blank=True, decimal_places=10, help_text='Money a year, at most.', max_digits=24, null=True)),
                ('currency', models.CharField(blank=True, help_text="Where it is not the installation's.", max_length=3)),
                ('depends_on', models.TextField(help_text='Keys of other lines, as a JSON list.', null=True)),
                ('ledger_import', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='debtreg.ledgerimport')),
                ('service', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='debtreg.service')),
                ('team', models.ForeignKey(db_constraint=False, db_index=False, help_text="As the ledger names it, else the service's.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='debtreg.team')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddField(
            model_name='ledgerrow',
            name='line',
            field=models.ForeignKey(db_constraint=False, db_index=False, help_text='What it says.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='debtreg.ledgerline'),
        ),
        migrations.AddConstraint(
            model_name='ledgerline',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['imported', 'held'])), name='ledgerline_state_known'),
        ),
        migrations.RunPython(move),
        migrations.RemoveField(
            model_name='ledgerrow',
            name='cells',
        ),
        migrations.RemoveField(
            model_name='ledgerrow',
            name='ledger_import',
        ),
        migrations.RemoveField(
            model_name='ledgerrow',
            name='values',
        ),
    ]
