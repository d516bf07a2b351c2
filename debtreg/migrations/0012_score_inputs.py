"""Scores know the inputs that their uncertainty follows from."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0011_amplifiers_have_a_chance'),
    ]

    operations = [
        migrations.AddField(
            model_name='score',
            name='input_fingerprint',
            field=models.BigIntegerField(default=0, help_text='Of all that its uncertainty follows from.'),
        ),
    ]
