"""Words of closed lists are checked by the database, too."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0002_defaults'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='backlogentry',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['unscheduled', 'planned', 'started', 'done', 'withdrawn'])), name='backlogentry_state_known'),
        ),
        migrations.AddConstraint(
            model_name='debtimpact',
            constraint=models.CheckConstraint(condition=models.Q(('grade__in', ['measured', 'inferred', 'estimated', 'default'])), name='debtimpact_grade_known'),
        ),
        migrations.AddConstraint(
            model_name='debtitem',
            constraint=models.CheckConstraint(condition=models.Q(('effort_unit__in', ['person_day', 'hour', 'story_point'])), name='debtitem_effort_unit_known'),
        ),
        migrations.AddConstraint(
            model_name='debtitem',
            constraint=models.CheckConstraint(condition=models.Q(('confidence__in', ['', 'high', 'medium', 'low'])), name='debtitem_confidence_known'),
        ),
        migrations.AddConstraint(
            model_name='guarantee',
            constraint=models.CheckConstraint(condition=models.Q(('operator__in', ['', '<=', '<', '>=', '>'])), name='guarantee_operator_known'),
        ),
        migrations.AddConstraint(
            model_name='iteration',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'closed'])), name='iteration_state_known'),
        ),
        migrations.AddConstraint(
            model_name='ledgerimport',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'done', 'failed', 'cancelled'])), name='ledgerimport_state_known'),
        ),
        migrations.AddConstraint(
            model_name='ledgerimport',
            constraint=models.CheckConstraint(condition=models.Q(('step__in', ['preview', 'commit'])), name='ledgerimport_step_known'),
        ),
        migrations.AddConstraint(
            model_name='ledgerrow',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['imported', 'held', 'gone'])), name='ledgerrow_state_known'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['latency', 'errors', 'downtime', 'credits', 'compliance', 'toil', 'drag', 'day_rate'])), name='price_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('grade__in', ['measured', 'inferred', 'estimated', 'default'])), name='price_grade_known'),
        ),
        migrations.AddConstraint(
            model_name='scoringrun',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'done', 'failed', 'cancelled'])), name='scoringrun_state_known'),
        ),
    ]
