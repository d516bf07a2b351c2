from django.db import migrations


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
