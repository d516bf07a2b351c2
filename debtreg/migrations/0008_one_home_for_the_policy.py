"""The latest activation says which version counts; no version is without a signature."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0007_sign_policies'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='scoringpolicy',
            name='policy_one_active',
        ),
        migrations.RemoveField(
            model_name='scoringpolicy',
            name='is_active',
        ),
        migrations.AlterField(
            model_name='scoringpolicy',
            name='signature',
            field=models.CharField(editable=False, max_length=64),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('signature', ''), _negated=True), name='policy_signed'),
        ),
    ]
