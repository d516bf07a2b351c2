"""Form fields that read what people type, and errors put beside them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.errors import DebtregError
from debtreg.models import points
from debtreg.numbers import plain

_OF_ROW = re.compile(r"\w+\[(\d+)\]\.(\w+)")


def typed(value: Any) -> Any:
    """１，２５０ 000 -> 1250000: full-width digits, thousands and spaces are no mistakes."""
    if not isinstance(value, str):
        return value
    return re.sub(r"[\s,_]", "", unicodedata.normalize("NFKC", value))


class Number(forms.FloatField):
    """A number as people write it; with `percent`, 3 % is 0.03."""

    default_error_messages = {
        "invalid": gettext_lazy("Enter a number such as 12.5 or 120,000,000.")
    }

    def __init__(self, *, percent: bool = False, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("min_value", 0)
        super().__init__(
            widget=forms.TextInput(
                attrs={"inputmode": "decimal", "class": "num", "autocomplete": "off"}
            ),
            **options,
        )
        self.percent = percent

    def to_python(self, value: Any) -> float | None:  # type: ignore[override]
        value = typed(value)
        if self.percent and isinstance(value, str) and value.endswith("%"):
            number = super().to_python(value[:-1])
            return None if number is None else float(Decimal(repr(number)) / 100)
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else plain(value)


class Amount(forms.DecimalField):
    """Money, exactly; as people write it."""

    default_error_messages = {"invalid": gettext_lazy("Enter an amount such as 12,000.")}

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("min_value", 0)
        super().__init__(
            widget=forms.TextInput(
                attrs={"inputmode": "decimal", "class": "num", "autocomplete": "off"}
            ),
            **options,
        )

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Raises ValidationError also for NaN, sNaN and Infinity, before anybody counts by them."""
        number = super().to_python(typed(value))
        if number is not None and not number.is_finite():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return number

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else plain(value)


class DayField(forms.DateField):
    """A day, picked or typed as 2026-03-31."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
            input_formats=["%Y-%m-%d"],
            **options,
        )


def spread(values: dict[str, Any], name: str) -> None:
    """Complete a three-point estimate in place: a single number is all three, a range has its
    middle as the likely one. An end that is missing beside the likely one stays open.
    """
    low, likely, high = points(name)
    if values.get(likely) is not None and values.get(low) is None and values.get(high) is None:
        values[low] = values[high] = values[likely]
    elif values.get(likely) is None and None not in (values.get(low), values.get(high)):
        values[likely] = (values[low] + values[high]) / 2


def gathered(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The opposite of `spread`, for a form's first values: equal points are one number."""
    low, likely, high = (values.get(point) for point in points(name))
    if low == likely == high:
        low = high = None
    return dict(zip(points(name), (low, likely, high), strict=True))


def check_order(form: forms.Form, values: Mapping[str, Any], name: str) -> None:
    known = [values[point] for point in points(name) if values.get(point) is not None]
    if known != sorted(known):
        form.add_error(f"{name}_likely", _("It should be: at least ≤ most likely ≤ at most."))


def quiet(*forms_: forms.BaseForm) -> None:
    """Show what is typed so far without its errors: it is not finished yet."""
    for form in forms_:
        form._errors = ErrorDict()  # type: ignore[attr-defined]


def problems_of(form: forms.BaseForm) -> list[str]:
    """What of a form could not be read, a sentence for each field: for filters, which are left
    out and not shown beside their fields."""
    return [
        _("%(filter)s: %(problem)s")
        % {"filter": form[name].label, "problem": " ".join(map(str, problems))}
        for name, problems in form.errors.items()
    ]


def show_problems(
    form: forms.BaseForm,
    error: DebtregError,
    names: Mapping[str, str] | None = None,
    rows: Sequence[forms.BaseForm] = (),
) -> None:
    """Put an action's refusal beside the fields it concerns.

    names : the action's name of a field -> the form's
    rows : the forms of impacts or members, in the action's order
    """
    placed = False
    for name, problems in error.fields.items():
        target, field = form, (names or {}).get(name, name)
        if (match := _OF_ROW.match(name)) and int(match[1]) < len(rows):
            target, field = rows[int(match[1])], match[2]
        for problem in problems:
            if field in target.fields:
                target.add_error(field, problem)
            else:
                target.add_error(None, problem)
            placed = True
    if not placed:
        form.add_error(None, f"{error.message} {error.hint}".strip())
