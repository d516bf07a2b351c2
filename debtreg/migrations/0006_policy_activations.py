"""Which version of the policy counts is said by the latest of its activations."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0005_scenarios'),
    ]

    operations = [
        migrations.CreateModel(
            name='PolicyActivation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_rollback', models.BooleanField(default=False)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='activations', to='debtreg.scoringpolicy')),
                ('previous', models.ForeignKey(blank=True, help_text='What a rollback goes back to.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='debtreg.policyactivation')),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
    ]
