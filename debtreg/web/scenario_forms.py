"""What people fill in of a failure scenario: the event, and the debts that bring it about."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.models import MOST_MEMBERS, DebtItem, FailureScenario, Grade, MemberRole
from debtreg.models.debt import KEY_PREFIX
from debtreg.web.fields import Amount, Number, check_order, gathered, spread
from debtreg.web.forms import AREA


def loss_point(label: Any) -> Amount:
    return Amount(label=label, max_digits=18, decimal_places=2)


class ScenarioForm(forms.Form):
    """The event: what it is, how often it is set off, what it loses."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("As “Payment avalanche”."),
    )
    description = forms.CharField(
        label=gettext_lazy("What happens, and how it is known"),
        required=False,
        widget=AREA,
        max_length=20_000,
    )
    trigger_rate = Number(
        label=gettext_lazy("Events a year that set it off"),
        max_value=1e9,
        help_text=gettext_lazy("1.5 is three in two years. Empty: not known."),
    )
    loss_likely = loss_point(gettext_lazy("Most likely"))
    loss_low = loss_point(gettext_lazy("At least"))
    loss_high = loss_point(gettext_lazy("At most"))
    grade = forms.ChoiceField(
        label=gettext_lazy("Where the numbers come from"),
        choices=Grade.choices,
        initial=Grade.ESTIMATED,
    )
    source = forms.CharField(
        label=gettext_lazy("Who says so"),
        required=False,
        max_length=300,
        help_text=gettext_lazy("As “review of the outage in March”."),
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, scenario: FailureScenario | None = None) -> None:
        super().__init__(data, initial=self._values_of(scenario) if scenario else None)

    @staticmethod
    def _values_of(scenario: FailureScenario) -> dict[str, Any]:
        values = {name: getattr(scenario, name) for name in ScenarioForm.base_fields}
        return {**values, **gathered(values, "loss")}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        check_order(self, values, "loss")
        spread(values, "loss")
        if values.get("loss_likely") is not None:
            values["loss_likely"] = round(values["loss_likely"], 2)  # the middle of a range
        return values

    @property
    def values(self) -> dict[str, Any]:
        """By the names of FailureScenario."""
        return {name: value for name, value in self.cleaned_data.items() if name != "revision"}


class MemberForm(forms.Form):
    """One debt's part. A row in which nothing is typed is none."""

    debt = forms.CharField(
        label=gettext_lazy("Debt"),
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role"), choices=MemberRole.choices, initial=MemberRole.GATE
    )
    group = forms.CharField(label=gettext_lazy("Group"), required=False, max_length=40)
    probability = Number(label=gettext_lazy("Chance"), percent=True, max_value=1)
    effectiveness = Number(label=gettext_lazy("Repair takes away"), percent=True, max_value=1)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A formset would let its last forms pass as if they were not there.
        self.empty_permitted = False
        self.item: DebtItem | None = None
        number = int((self.prefix or "members-0").rpartition("-")[2]) + 1
        for field in self.fields.values():
            # The column's head is what people see; this is what a screen reader says.
            label = {"label": field.label, "n": number}
            field.widget.attrs["aria-label"] = _("%(label)s, row %(n)s") % label

    @property
    def typed(self) -> str:
        """What is typed as the debt, whether the rest can be read or not."""
        return str(self["debt"].value() or "").strip()

    @property
    def is_blank(self) -> bool:
        rest = ("group", "probability", "effectiveness")
        return not self.typed and not any(self[name].value() for name in rest)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.typed and not self.is_blank:
            self.add_error("debt", _("Name the debt, or empty the row."))
        return values

    @property
    def values(self) -> dict[str, Any]:
        """By the names of ScenarioMember."""
        found = dict(self.cleaned_data)
        found.pop("debt")
        effect = found["effectiveness"]
        return {
            **found,
            "item_id": self.item.pk if self.item else 0,
            "effectiveness": 1.0 if effect is None else effect,
        }


class MemberForms(forms.BaseFormSet):
    """The members, their debts looked up all at once."""

    def add_items(self) -> None:
        """Give each form the item that it names; where there is none or several, the error."""
        forms_ = [form for form in self.forms if form.typed]
        called = DebtItem.objects.called({form.typed for form in forms_})
        items = DebtItem.objects.in_bulk({pks[0] for pks in called.values() if pks})
        for form in forms_:
            pks = called[form.typed]
            form.item = items.get(pks[0]) if len(pks) == 1 else None
            if form.item is None and form.is_bound:
                keys = ", ".join(f"{KEY_PREFIX}{pk}" for pk in pks)
                form.add_error(
                    "debt",
                    _("This may be %(keys)s: name one of them.") % {"keys": keys}
                    if pks
                    else _("There is no such debt. Name it by key, or as its ledger does."),
                )

    @property
    def kept(self) -> list[MemberForm]:
        return [form for form in self.forms if not form.is_blank]


MemberFormSet = forms.formset_factory(
    MemberForm, formset=MemberForms, extra=0, max_num=MOST_MEMBERS, absolute_max=MOST_MEMBERS
)


def members_of(scenario: FailureScenario) -> list[dict[str, Any]]:
    """First values of the forms; what is usual is left empty."""
    return [
        {
            "debt": f"{KEY_PREFIX}{row.item_id}",
            "role": row.role,
            "group": row.group,
            "probability": row.probability,
            "effectiveness": None if row.effectiveness == 1 else row.effectiveness,
        }
        for row in scenario.members.all()
    ]
