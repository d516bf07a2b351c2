from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0021_terms_from_guarantees'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='guarantee',
            name='guarantee_operator_known',
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='operator',
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='penalty_clause',
        ),
        # So that it can come back to rows that are there.
        migrations.AlterField(
            model_name='guarantee',
            name='target_text',
            field=models.CharField(default='', max_length=80),
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='target_text',
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='target_unit',
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='target_value',
        ),
        migrations.RemoveField(
            model_name='guarantee',
            name='window',
        ),
    ]
