"""What people fill in: debts and their impacts, services, prices, iterations, uploads."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings
from django.forms import formset_factory
from django.forms.models import construct_instance
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg import versions
from debtreg.actions.policies import NOTE_LENGTH
from debtreg.models import (
    FACTORS,
    PRICE_KINDS,
    Confidence,
    Criticality,
    DebtImpact,
    DebtItem,
    DebtStatus,
    EffortUnit,
    Grade,
    Guarantee,
    ImpactKind,
    Iteration,
    IterationState,
    Price,
    Service,
    Slo,
    Team,
    pk_of,
    points,
)
from debtreg.numbers import plain
from debtreg.templatetags import units
from debtreg.web import words
from debtreg.web.fields import Amount, DayField, Number, check_order, gathered, spread

# A bound as high as this only keeps out what must be a slip; it helps nobody to read it.
MANY = 1000
AREA = forms.Textarea(attrs={"rows": 3})


class Catalog:
    """Teams, services, guarantees and SLOs, read once for all the lists of a page."""

    @cached_property
    def services(self) -> dict[str, Service]:
        return {each.slug: each for each in Service.objects.select_related("team")}

    @cached_property
    def teams(self) -> dict[str, Team]:
        return {each.slug: each for each in Team.objects.all()}

    @cached_property
    def guarantees(self) -> dict[str, Guarantee]:
        return {str(each.pk): each for each in Guarantee.objects.with_terms()}

    @cached_property
    def slos(self) -> dict[str, Slo]:
        return {each.name: each for each in Slo.objects.all()}

    def service_choices(self, empty: str) -> list[tuple[str, Any]]:
        by_team: dict[str, list[tuple[str, str]]] = {}
        for slug, service in self.services.items():
            label = slug if service.name == slug else f"{slug} · {service.name}"
            by_team.setdefault(service.team.name, []).append((slug, label))
        return [("", empty), *by_team.items()]

    def team_choices(self, empty: str) -> list[tuple[str, str]]:
        return [("", empty), *((slug, team.name) for slug, team in self.teams.items())]

    def guarantee_choices(self) -> list[tuple[str, str]]:
        return [
            ("", _("None")),
            *(
                (
                    pk,
                    f"{each.contract.reference}: {each.metric} "
                    + (each.latest.target_text if each.latest else ""),
                )
                for pk, each in self.guarantees.items()
            ),
        ]

    def slo_choices(self) -> list[tuple[str, str]]:
        return [
            ("", _("None")),
            *(
                (name, f"{name} · {each.get_kind_display()} {plain(each.objective * 100)} %")
                for name, each in self.slos.items()
            ),
        ]


def effort_point(label: Any) -> Number:
    return Number(label=label, max_value=1e6)


class DebtForm(forms.Form):
    """A debt item. Title, service and effort are enough to start."""

    title = forms.CharField(
        label=gettext_lazy("What is wrong"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("One line, as “Refund lookup scans the full table”."),
    )
    service = forms.ChoiceField(
        label=gettext_lazy("Service"),
        required=False,
        help_text=gettext_lazy("Gives the debt its team, its traffic and its prices."),
    )
    effort_likely = effort_point(gettext_lazy("Most likely"))
    effort_low = effort_point(gettext_lazy("At least"))
    effort_high = effort_point(gettext_lazy("At most"))
    effort_unit = forms.ChoiceField(
        label=gettext_lazy("Unit of the effort"),
        choices=EffortUnit.choices,
        initial=EffortUnit.PERSON_DAY,
    )
    confidence = forms.ChoiceField(
        label=gettext_lazy("How sure is the effort"),
        choices=Confidence.choices,
        required=False,
        help_text=gettext_lazy("The less sure, the larger the reserve on top of it."),
    )
    cash = Amount(
        label=gettext_lazy("Money to be paid beside the work"),
        max_digits=18,
        decimal_places=2,
        help_text=gettext_lazy("Licences, hardware, consultants."),
    )
    team = forms.ChoiceField(label=gettext_lazy("Who repairs it"), required=False)
    status = forms.ChoiceField(label=gettext_lazy("Status"), required=False)
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=AREA, max_length=20_000
    )
    plan = forms.CharField(
        label=gettext_lazy("How it is to be repaired"),
        required=False,
        widget=AREA,
        max_length=20_000,
    )
    needs = forms.CharField(
        label=gettext_lazy("What must be repaired first"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy("Keys, as DEBT-12, DEBT-40."),
    )
    category = forms.CharField(label=gettext_lazy("Kind of debt"), required=False, max_length=80)
    owner = forms.CharField(label=gettext_lazy("Person in charge"), required=False, max_length=120)
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Words apart by commas."),
    )
    created_on = DayField(label=gettext_lazy("Found on"), required=False)
    due_on = DayField(label=gettext_lazy("Wanted by"), required=False)
    external_ref = forms.CharField(
        label=gettext_lazy("Its key elsewhere"), required=False, max_length=300
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, catalog: Catalog, item: DebtItem | None = None) -> None:
        super().__init__(data, initial=self._values_of(item) if item else None)
        self.catalog, self.item = catalog, item
        choices: dict[str, list[tuple[str, Any]]] = {
            "service": catalog.service_choices(_("Not known")),
            "team": catalog.team_choices(_("The team of the service")),
            "status": [
                (value, label)
                for value, label in DebtStatus.choices
                # To accept a debt takes a reason: a decision on the item's page.
                if value != DebtStatus.ACCEPTED or (item and item.status == value)
            ],
        }
        for name, found in choices.items():
            self.fields[name].choices = found  # type: ignore[attr-defined]

    @staticmethod
    def _values_of(item: DebtItem) -> dict[str, Any]:
        values = {name: getattr(item, name) for name in DebtForm.base_fields if hasattr(item, name)}
        own_team = item.team and not (item.service and item.service.team_id == item.team_id)
        return {
            **values,
            **gathered(values, "effort"),
            "cash": item.cash or None,
            "service": item.service.slug if item.service else "",
            "team": item.team.slug if item.team and own_team else "",
            "tags": ", ".join(map(str, item.tags)),
            "needs": ", ".join(other.key for other in item.prerequisites.all()),
        }

    def clean_tags(self) -> list[str]:
        words_ = re.split(r"[,，、;；\n]", self.cleaned_data["tags"])
        return list(dict.fromkeys(word.strip() for word in words_ if word.strip()))

    def clean_needs(self) -> list[DebtItem]:
        keys = [key for key in re.split(r"[,，、;；\s]+", self.cleaned_data["needs"]) if key]
        pks = {key: pk_of(key) for key in keys}
        found = DebtItem.objects.in_bulk([pk for pk in pks.values() if pk])
        unknown = [key for key, pk in pks.items() if pk not in found]
        if unknown:
            raise forms.ValidationError(
                _("There is no debt %(keys)s."), params={"keys": ", ".join(unknown)}
            )
        return list(found.values())

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        check_order(self, values, "effort")
        spread(values, "effort")
        return values

    @property
    def values(self) -> dict[str, Any]:
        """What could be read so far, by the names of DebtItem."""
        found = dict(self.cleaned_data)
        found.pop("needs", None)
        found.pop("revision", None)
        if not found.get("status"):
            found.pop("status", None)
        if "service" in found:
            found["service"] = self.catalog.services.get(found["service"])
        if "team" in found:
            service = found.get("service")
            found["team"] = self.catalog.teams.get(found["team"]) or (service and service.team)
        if "cash" in found:
            found["cash"] = found["cash"] or 0
        if "external_ref" in found:
            found["external_ref"] = found["external_ref"] or None
        return found


class ImpactForm(forms.Form):
    """One impact: the factors of its kind as three-point estimates, and where they come from."""

    kind = forms.ChoiceField(choices=ImpactKind.choices, widget=forms.HiddenInput)
    effectiveness = Number(
        label=gettext_lazy("How much of it the repair takes away"),
        percent=True,
        max_value=1,
        help_text=gettext_lazy("100 % unless part of it stays."),
    )
    grade = forms.ChoiceField(
        label=gettext_lazy("Where the numbers come from"),
        choices=Grade.choices,
        initial=Grade.ESTIMATED,
    )
    guarantee = forms.ChoiceField(
        label=gettext_lazy("The promise it endangers"),
        required=False,
        help_text=gettext_lazy("Its weight counts, and its error budget."),
    )
    slo = forms.ChoiceField(
        label=gettext_lazy("The SLO that measures it"),
        required=False,
        help_text=gettext_lazy("Gives how often and which share, where you leave these empty."),
    )
    slo_part = Number(
        label=gettext_lazy("Its part in the SLO's bad events"),
        percent=True,
        max_value=1,
        help_text=gettext_lazy("100 % unless other debts cause some of them."),
    )
    currency = forms.RegexField(
        "^[A-Z]{3}$",
        label=gettext_lazy("Another currency"),
        required=False,
        help_text=gettext_lazy("As USD. Nothing is converted: the impact is left out of the sum."),
    )
    note = forms.CharField(label=gettext_lazy("Note"), required=False, max_length=300)

    def __init__(self, *args: Any, catalog: Catalog, **options: Any) -> None:
        super().__init__(*args, **options)
        # A formset would let its last forms pass as if they were not there.
        self.empty_permitted = False
        self.catalog = catalog
        self.fields["guarantee"].choices = catalog.guarantee_choices()  # type: ignore[attr-defined]
        self.fields["slo"].choices = catalog.slo_choices()  # type: ignore[attr-defined]
        kind = self["kind"].value()
        self.words = words.KINDS.get(kind)
        for name in self.words.factors if self.words else ():
            for point in points(name):
                self.fields[point] = self._factor(name, kind)

    @staticmethod
    def _factor(name: str, kind: str) -> forms.Field:
        if name == "unit_price":
            lowest = None if kind == ImpactKind.STATED else 0
            return Amount(max_digits=24, decimal_places=10, min_value=lowest)
        if name == "share":
            return Number(percent=True, max_value=1)
        return Number(max_value=1e15)

    @property
    def estimates(self) -> list[dict[str, Any]]:
        """For the template: each factor with its words and its three fields."""
        if not self.words:
            return []
        return [
            {"name": name, "words": factor, "fields": [self[point] for point in points(name)]}
            for name, factor in self.words.factors.items()
        ]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in self.words.factors if self.words else ():
            check_order(self, values, name)
            spread(values, name)
        return values

    @property
    def values(self) -> dict[str, Any]:
        """What could be read so far, by the names of DebtImpact."""
        found = {name: value for name, value in self.cleaned_data.items() if name in self.fields}
        found["guarantee"] = self.catalog.guarantees.get(found.get("guarantee") or "")
        found["slo"] = self.catalog.slos.get(found.get("slo") or "")
        for name in ("effectiveness", "slo_part"):
            if found.get(name) is None:
                found[name] = 1.0
        if found.get("currency") == settings.CURRENCY:
            found["currency"] = ""
        return found

    @staticmethod
    def values_of(impact: DebtImpact) -> dict[str, Any]:
        values = {name: getattr(impact, name) for name in ImpactForm.base_fields}
        for name in FACTORS:
            stored = {point: getattr(impact, point) for point in points(name)}
            values |= gathered(stored, name)
        values["guarantee"] = str(impact.guarantee_id or "")
        values["slo"] = impact.slo.name if impact.slo else ""
        return values


MOST_IMPACTS = 50
ImpactFormSet = formset_factory(
    ImpactForm, extra=0, max_num=MOST_IMPACTS, absolute_max=MOST_IMPACTS
)


class ServiceForm(forms.ModelForm):
    class Meta:
        model = Service
        fields = ["name", "slug", "team", "criticality", "requests_per_year", "language", "aliases"]
        labels = {
            "name": gettext_lazy("Name"),
            "slug": gettext_lazy("Short name"),
            "team": gettext_lazy("Team"),
            "criticality": gettext_lazy("Criticality"),
            "language": gettext_lazy("Programming language"),
        }
        help_texts = {"slug": gettext_lazy("Small letters, digits and dashes; stands in URLs.")}

    requests_per_year = Number(
        label=gettext_lazy("Requests a year"),
        help_text=gettext_lazy(
            "Empty: not known. Prices latency where a debt does not say itself."
        ),
    )
    aliases = forms.CharField(
        label=gettext_lazy("Other names in ledgers"),
        required=False,
        help_text=gettext_lazy("Apart by commas."),
    )
    criticality = forms.ChoiceField(
        label=gettext_lazy("Criticality"), choices=Criticality.choices, initial=Criticality.MEDIUM
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["team"].empty_label = _("Choose a team")  # type: ignore[attr-defined]
        self.initial["aliases"] = ", ".join(self.instance.aliases or [])

    def clean_aliases(self) -> list[str]:
        return [
            word.strip()
            for word in re.split(r"[,，、;；]", self.cleaned_data["aliases"])
            if word.strip()
        ]


class PriceForm(forms.ModelForm):
    class Meta:
        model = Price
        fields = ["service", "kind", "low", "likely", "high", "grade", "source"]
        labels = {
            "service": gettext_lazy("Service"),
            "grade": gettext_lazy("Where it comes from"),
            "source": gettext_lazy("Who says so"),
        }
        help_texts = {
            "service": gettext_lazy("Empty: for every service without a price of its own."),
            "source": gettext_lazy("As “finance, closing of March 2026”."),
        }

    kind = forms.ChoiceField(label=gettext_lazy("Price of"), choices=PRICE_KINDS)
    likely = Amount(
        label=gettext_lazy("Most likely"), max_digits=24, decimal_places=10, required=True
    )
    low = Amount(label=gettext_lazy("At least"), max_digits=24, decimal_places=10)
    high = Amount(label=gettext_lazy("At most"), max_digits=24, decimal_places=10)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["service"].empty_label = _("All services")  # type: ignore[attr-defined]
        stored = {name: self.initial.get(name) for name in ("low", "likely", "high")}
        if stored["low"] == stored["likely"] == stored["high"]:
            self.initial.update({"low": None, "high": None})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for end in ("low", "high"):
            if values.get(end) is None and end not in self.errors:
                values[end] = values.get("likely")
        return values


class IterationForm(forms.ModelForm):
    class Meta:
        model = Iteration
        fields = ["name", "starts_on", "ends_on", "capacity_days", "state"]
        labels = {"name": gettext_lazy("Name"), "state": gettext_lazy("State")}
        help_texts = {
            "name": gettext_lazy("As “Sprint 24”."),
            "state": gettext_lazy("Nothing is planned into a closed iteration."),
        }

    starts_on = DayField(label=gettext_lazy("First day"))
    ends_on = DayField(label=gettext_lazy("Last day"))
    capacity_days = Amount(
        label=gettext_lazy("Person-days set aside for repairs"),
        max_digits=7,
        decimal_places=1,
        required=True,
        help_text=gettext_lazy("Not all of the team's time: what it gives to paying off debt."),
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"), choices=IterationState.choices, initial=IterationState.OPEN
    )


class PolicyForm(forms.Form):
    """A version of the scoring policy: a field for each of its numbers, called by its path."""

    def __init__(self, data: Any = None, *, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        for field in versions.FIELDS:
            self.fields[field.path] = Number(
                label=words.POLICY_FIELDS[field.path],
                help_text=self._explained(field),
                required=True,
                min_value=field.low,
                max_value=field.high,
                percent=field.path in words.POLICY_SHARES,
            )
        self.fields["note"] = forms.CharField(
            label=_("What it is for"),
            required=False,
            max_length=NOTE_LENGTH,
            help_text=_("One line, for those who will look it up."),
        )

    @staticmethod
    def _explained(field: versions.Field) -> str:
        meaning = capfirst(_(field.meaning))
        bounds = _("From %(low)s to %(high)s.") % {
            "low": units.number(field.low),
            "high": units.number(field.high),
        }
        return f"{meaning}. {bounds}" if field.high < MANY else f"{meaning}."

    @property
    def payload(self) -> dict[str, Any]:
        return versions.nested(
            {field.path: self.cleaned_data[field.path] for field in versions.FIELDS}
        )

    def groups(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """Title and fields of each group, in the order of words.POLICY_GROUPS."""
        found: dict[str, list[forms.BoundField]] = {group: [] for group in words.POLICY_GROUPS}
        for field in versions.FIELDS:
            found[words.policy_group(field.path)].append(self[field.path])
        return [(words.POLICY_GROUPS[group], fields) for group, fields in found.items() if fields]


class DecisionForm(forms.Form):
    """A veto, or living with a debt: why, and until when."""

    reason = forms.CharField(max_length=2000)
    until = DayField(required=False)


class WithdrawForm(forms.Form):
    reason = forms.CharField(required=False, max_length=2000)


class RowForm(forms.ModelForm):
    """A form whose row is judged by the action: it knows more, and says it by field."""

    def _post_clean(self) -> None:
        fields = self._meta.fields
        self.instance = construct_instance(self, self.instance, fields)


class FileForm(forms.Form):
    """A file or its text; the text is what is stored, so that it can be corrected on the way."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.json,.txt"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "mono", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        """The text of a file is bytes, which the reader of its format knows to decode."""
        values = super().clean() or {}
        if file := values.get("file"):
            values["text"] = file.read()
        if not (values.get("text") or "").strip():
            self.add_error("file", _("Choose a file, or paste its text."))
        return values


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("The ledger"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".xlsx,.xlsm,.xlsb,.xls,.ods,.csv,.tsv,.txt,.md"}),
        help_text=gettext_lazy(
            "A workbook (xlsx, xls, ods), csv, or a Markdown table; Chinese or English."
        ),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )
    source = forms.CharField(
        label=gettext_lazy("Which ledger it is"),
        max_length=120,
        widget=forms.TextInput(attrs={"list": "sources", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "A name that stays the same: importing it again under this name updates its debts."
        ),
    )
