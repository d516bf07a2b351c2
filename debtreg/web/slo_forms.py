"""What people fill in of an SLO, of a maintenance window, and of a file to import."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.models import (
    STEPS,
    Guarantee,
    Maintenance,
    Method,
    MonthBasis,
    SliKind,
    Slo,
    SourceFormat,
    Team,
    WindowKind,
)
from debtreg.numbers import plain
from debtreg.web.fields import Amount, typed
from debtreg.web.forms import AREA, FileForm, RowForm

QUERY = forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"})
MOMENT = "%Y-%m-%dT%H:%M"


class Percent(Amount):
    """A ratio, exactly, typed in percent: 99.95 or 99.95 % is 0.9995."""

    default_error_messages = {"invalid": gettext_lazy("Enter a percentage such as 99.95.")}

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        value = typed(value)
        number = super().to_python(value.removesuffix("%") if isinstance(value, str) else value)
        return None if number is None else number / 100

    def validate(self, value: Any) -> None:
        forms.Field.validate(self, value)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else plain(value * 100)


class GuaranteeField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        scope = f" ({obj.scope_text})" if obj.scope_text else ""
        return f"{obj.contract.reference}: {obj.metric}{scope}"


class SloForm(RowForm):
    """Fields that do not go with the kind, the window or the method are folded away, and empty."""

    class Meta:
        model = Slo
        fields = [
            *("name", "title", "service", "guarantee", "description", "kind", "threshold_ms"),
            *("objective", "window", "window_days", "month_basis", "time_zone", "method"),
            *("slice_seconds", "slice_target", "connection", "good_query", "bad_query"),
            *("total_query", "buckets_query", "quantile_query"),
        ]
        labels = {
            "title": gettext_lazy("Title"),
            "service": gettext_lazy("Service"),
            "connection": gettext_lazy("Read from"),
        }
        help_texts = {
            "title": gettext_lazy("What is promised, as “Payments get an answer”."),
            "connection": gettext_lazy("Empty: readings are sent to the API or imported."),
        }

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=63,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("a to z, 0 to 9 and hyphens, as checkout-availability."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=AREA, max_length=20_000
    )
    guarantee = GuaranteeField(
        label=gettext_lazy("The promise that it watches"),
        queryset=Guarantee.objects.select_related("contract"),
        required=False,
        empty_label=gettext_lazy("None"),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What is good"), choices=SliKind.choices, initial=SliKind.AVAILABILITY
    )
    objective = Percent(
        label=gettext_lazy("Objective, %"),
        required=True,
        max_digits=14,
        decimal_places=11,
        help_text=gettext_lazy("Good of all, below 100: what is left is the error budget."),
    )
    threshold_ms = Amount(
        label=gettext_lazy("Still good, milliseconds"),
        max_digits=14,
        decimal_places=4,
        help_text=gettext_lazy("An event that takes no longer is good."),
    )
    window = forms.ChoiceField(
        label=gettext_lazy("Window"), choices=WindowKind.choices, initial=WindowKind.ROLLING
    )
    window_days = forms.IntegerField(
        label=gettext_lazy("Days"),
        required=False,
        initial=30,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "num"}),
    )
    month_basis = forms.ChoiceField(
        label=gettext_lazy("How long a month counts"),
        choices=MonthBasis.choices,
        initial=MonthBasis.CALENDAR,
        required=False,
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        initial="UTC",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
        help_text=gettext_lazy("Where it begins at midnight, as Asia/Shanghai."),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Counted by"), choices=Method.choices, initial=Method.OCCURRENCES
    )
    slice_seconds = forms.TypedChoiceField(
        label=gettext_lazy("Length of a slice"),
        choices=[("", "–"), *((step, f"{step // 60} min") for step in STEPS)],
        coerce=int,
        empty_value=None,
        required=False,
        initial=300,
    )
    slice_target = Percent(
        label=gettext_lazy("A slice is good from, %"),
        max_digits=14,
        decimal_places=11,
        help_text=gettext_lazy("Good of all events in it, up to 100."),
    )
    good_query = forms.CharField(
        label=gettext_lazy("Good events"), required=False, widget=QUERY, max_length=10_000
    )
    bad_query = forms.CharField(
        label=gettext_lazy("Bad events, instead of good ones"),
        required=False,
        widget=QUERY,
        max_length=10_000,
    )
    total_query = forms.CharField(
        label=gettext_lazy("All valid events"),
        required=False,
        widget=QUERY,
        max_length=10_000,
        help_text=gettext_lazy(
            "Other queries begin a new measurement: what the old ones fetched is removed, and the"
            " whole period is asked for again."
        ),
    )
    buckets_query = forms.CharField(
        label=gettext_lazy("Buckets of the histogram"),
        required=False,
        widget=QUERY,
        max_length=10_000,
        help_text=gettext_lazy("By le: shows whether the threshold can be measured."),
    )
    quantile_query = forms.CharField(
        label=gettext_lazy("Quantile of the contract"),
        required=False,
        widget=QUERY,
        max_length=10_000,
        help_text=gettext_lazy("What a penalty clause is reckoned by, over {{.window}}."),
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["service"].empty_label = _("Choose a service")  # type: ignore[attr-defined]
        self.fields["connection"].empty_label = _("Nothing is fetched")  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["revision"] = self.instance.revision

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("kind") != SliKind.LATENCY:
            values |= {"threshold_ms": None, "buckets_query": ""}
        if values.get("window") == WindowKind.ROLLING:
            values |= {"month_basis": MonthBasis.CALENDAR, "time_zone": "UTC"}
        else:
            values["window_days"] = None
        if values.get("method") != Method.TIMESLICES:
            values |= {"slice_seconds": None, "slice_target": None}
        return values


class MaintenanceForm(RowForm):
    class Meta:
        model = Maintenance
        fields = ["service", "starts_at", "ends_at", "reason"]
        labels = {"service": gettext_lazy("Service"), "reason": gettext_lazy("Reason")}
        help_texts = {
            "service": gettext_lazy("Empty: all services."),
            "reason": gettext_lazy("As “move to the new database, agreed with the shop”."),
        }

    starts_at = forms.DateTimeField(label=gettext_lazy("From"), input_formats=[MOMENT])
    ends_at = forms.DateTimeField(label=gettext_lazy("To"), input_formats=[MOMENT])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["service"].empty_label = _("All services")  # type: ignore[attr-defined]
        for name in ("starts_at", "ends_at"):
            self.fields[name].widget = forms.DateTimeInput(
                format=MOMENT, attrs={"type": "datetime-local"}
            )
            zone = timezone.get_current_timezone_name()
            self.fields[name].help_text = _("In %(zone)s.") % {"zone": zone}


class ImportForm(FileForm):
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        required=False,
        choices=[("", gettext_lazy("As it calls itself")), *SourceFormat.choices],
    )
    team = forms.ModelChoiceField(
        label=gettext_lazy("Team of new services"),
        queryset=Team.objects.all(),
        to_field_name="slug",
        required=False,
        empty_label=gettext_lazy("None: they are not added"),
        help_text=gettext_lazy("For those that nobody in the file is said to own."),
    )
