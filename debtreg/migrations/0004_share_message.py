"""The message no longer holds a percent sign, which Django takes for a placeholder."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('debtreg', '0003_closed_lists'),
    ]

    operations = [
        migrations.AlterConstraint(
            model_name='debtimpact',
            name='debtimpact_share_in_range',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('share_low__isnull', True), models.Q(('share_low__gte', 0), ('share_low__lte', 1)), _connector='OR'), models.Q(('share_likely__isnull', True), models.Q(('share_likely__gte', 0), ('share_likely__lte', 1)), _connector='OR'), models.Q(('share_high__isnull', True), models.Q(('share_high__gte', 0), ('share_high__lte', 1)), _connector='OR')), name='debtimpact_share_in_range', violation_error_message='A share lies between 0 and 1: 0.03 is three in a hundred.'),
        ),
    ]
