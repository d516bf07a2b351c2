"""Failure scenarios with their members; what a score owes to them, and the reason of a priority."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0004_share_message'),
    ]

    operations = [
        migrations.AddField(
            model_name='iteration',
            name='plan_note',
            field=models.TextField(blank=True, default='', editable=False, help_text='What the last plan left out first, and what one more person-day would buy.'),
        ),
        migrations.AddField(
            model_name='score',
            name='priority_reason',
            field=models.CharField(blank=True, choices=[('gate', 'An expensive failure scenario needs it'), ('budget', 'It uses up much of an error budget'), ('cost', 'It costs much of what all debts cost'), ('priced', 'It is priced, and smaller'), ('unpriced', 'Nobody has said what it costs'), ('negligible', 'It costs next to nothing')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='score',
            name='scenario_cost',
            field=models.DecimalField(decimal_places=2, help_text='Its shares of failure scenarios, within annual_cost. Null: it is in none.', max_digits=20, null=True),
        ),
        migrations.AlterField(
            model_name='scorechange',
            name='cause',
            field=models.CharField(choices=[('input', 'The item was changed'), ('price', 'A price or day rate was changed'), ('catalog', 'The service or team was changed'), ('weight', "A guarantee's weight was changed"), ('scenario', 'A failure scenario was changed'), ('policy', 'Another policy version'), ('portfolio', 'The debts beside it were changed')], max_length=9),
        ),
        migrations.CreateModel(
            name='FailureScenario',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('description', models.TextField(blank=True, help_text='What happens, and how it is known.')),
                ('trigger_rate', models.FloatField(blank=True, help_text='Events a year that set it off. Empty is unknown.', null=True)),
                ('loss_low', models.DecimalField(blank=True, decimal_places=2, help_text='Money lost in one event, at least.', max_digits=18, null=True)),
                ('loss_likely', models.DecimalField(blank=True, decimal_places=2, help_text='Money lost in one event, most likely.', max_digits=18, null=True)),
                ('loss_high', models.DecimalField(blank=True, decimal_places=2, help_text='Money lost in one event, at most.', max_digits=18, null=True)),
                ('grade', models.CharField(choices=[('measured', 'Measured'), ('inferred', 'Inferred'), ('estimated', 'Estimated'), ('default', 'Default')], default='estimated', max_length=9)),
                ('source', models.CharField(blank=True, help_text='Who says so, and when.', max_length=300)),
                ('revision', models.PositiveIntegerField(default=1, help_text='Counts its changes.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('grade__in', ['measured', 'inferred', 'estimated', 'default'])), name='failurescenario_grade_known'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='failurescenario_name_not_blank', violation_error_message='A scenario needs a name.'), models.CheckConstraint(condition=models.Q(('trigger_rate__isnull', True), models.Q(('trigger_rate__gte', 0), ('trigger_rate__lte', 1000000000.0)), _connector='OR'), name='failurescenario_rate_in_range', violation_error_message='A trigger rate lies between 0 and 10^9 events a year.'), models.CheckConstraint(condition=models.Q(models.Q(('loss_low__isnull', True), models.Q(('loss_low__gte', 0), ('loss_low__lte', 1000000000000)), _connector='OR'), models.Q(('loss_likely__isnull', True), models.Q(('loss_likely__gte', 0), ('loss_likely__lte', 1000000000000)), _connector='OR'), models.Q(('loss_high__isnull', True), models.Q(('loss_high__gte', 0), ('loss_high__lte', 1000000000000)), _connector='OR')), name='failurescenario_loss_in_range', violation_error_message='A loss lies between 0 and 10^12.'), models.CheckConstraint(condition=models.Q(models.Q(('loss_low__isnull', True), ('loss_likely__isnull', True), ('loss_low__lte', models.F('loss_likely')), _connector='OR'), models.Q(('loss_likely__isnull', True), ('loss_high__isnull', True), ('loss_likely__lte', models.F('loss_high')), _connector='OR'), models.Q(('loss_low__isnull', True), ('loss_high__isnull', True), ('loss_low__lte', models.F('loss_high')), _connector='OR')), name='failurescenario_loss_in_order', violation_error_message='Loss: low ≤ likely ≤ high.')],
            },
        ),
        migrations.CreateModel(
            name='ScenarioMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('gate', 'Gate'), ('alternative', 'Alternative'), ('amplifier', 'Amplifier')], max_length=11)),
                ('group', models.CharField(blank=True, help_text='Of an alternative: which members replace each other.', max_length=40)),
                ('probability', models.FloatField(blank=True, help_text='Of an amplifier: 0 to 1, what it adds to the chance.', null=True)),
                ('effectiveness', models.FloatField(default=1, help_text='What the repair takes away of this part, 0 to 1.')),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scenario_members', to='debtreg.debtitem')),
                ('scenario', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='debtreg.failurescenario')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', ['gate', 'alternative', 'amplifier'])), name='scenariomember_role_known'), models.UniqueConstraint(fields=('scenario', 'item'), name='scenariomember_once', violation_error_message='The debt is in this scenario already.'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'alternative'), models.Q(('group', ''), _negated=True)), models.Q(models.Q(('role', 'alternative'), _negated=True), ('group', '')), _connector='OR'), name='scenariomember_group_of_alternatives', violation_error_message='An alternative needs a group; other roles have none.'), models.CheckConstraint(condition=models.Q(models.Q(('probability__gte', 0), ('probability__lte', 1), ('role', 'amplifier')), models.Q(models.Q(('role', 'amplifier'), _negated=True), ('probability__isnull', True)), _connector='OR'), name='scenariomember_probability_of_amplifiers', violation_error_message='An amplifier needs a probability from 0 to 1; other roles have none.'), models.CheckConstraint(condition=models.Q(('effectiveness__gte', 0), ('effectiveness__lte', 1)), name='scenariomember_effectiveness_in_range', violation_error_message='Effectiveness lies between 0 and 1.')],
            },
        ),
    ]
