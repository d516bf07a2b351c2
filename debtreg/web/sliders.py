"""What-if sliders of a debt: the numbers of its form that one pulls at, all others as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from debtreg.models import points
from debtreg.numbers import plain, rounded
from debtreg.web.fields import typed
from debtreg.web.forms import DebtForm, ImpactForm

# How far a slider goes beyond the number that is there, and how many steps it has about.
REACH = 4
STEPS = 200
# Where the number stood that a slider began with: its range is carried along with it.
FROM = "_from"


@dataclass(frozen=True)
class Slider:
    """A number field with a slider over it.

    start : where the slider stands, None where nothing is known to begin with; shown where the
        field is empty because the number comes from elsewhere: the price book, an SLO, the service
    """

    field: forms.BoundField
    label: Any
    start: str | None
    before: str
    most: str | None
    step: str | None

    @property
    def name_from(self) -> str:
        return f"{self.field.html_name.removesuffix('_likely')}{FROM}"

    @property
    def widget(self) -> Any:
        hint: dict[str, str | bool] = (
            {} if self.before or self.start is None else {"placeholder": self.start}
        )
        return self.field.as_widget(attrs=hint)


@dataclass(frozen=True)
class Group:
    label: Any
    sliders: list[Slider]


def of(form: DebtForm, impacts: Sequence[ImpactForm], story: Mapping[str, Any]) -> list[Group]:
    """The sliders of a form: the effort, and the factors of each impact.

    story : the explanation of the same item as it is, for what is not stated by the debt itself
    """
    found = [Group(_("Repair"), [_slider(form, "effort", _("Effort, most likely"), None)])]
    parts = story["impacts"] if len(story["impacts"]) == len(impacts) else [None] * len(impacts)
    for part, impact in zip(parts, impacts, strict=True):
        means = {each["name"]: each["mean"] for each in part["factors"]} if part else {}
        found.append(
            Group(
                impact.words.label if impact.words else "",
                [
                    _slider(impact, each["name"], each["words"].label, means.get(each["name"]))
                    for each in impact.estimates
                ],
            )
        )
    return found


def _slider(form: forms.Form, stem: str, label: Any, mean: str | None) -> Slider:
    field = form[points(stem)[1]]
    before = _number(field.value())
    start = before if before is not None else _number(mean)
    most = step = None
    if start is not None and start > 0:
        bound = getattr(field.field, "max_value", None) or math.inf
        step = 10.0 ** math.floor(math.log10(start * REACH / STEPS))
        most = min(bound, math.ceil(start * REACH / step) * step)
    return Slider(field, label, _plain(start), _plain(before) or "", _plain(most), _plain(step))


def _number(value: Any) -> float | None:
    """What a field holds, as its form would read it; None for what is no number."""
    text = str(typed(value) or "")
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(value: float | None) -> str | None:
    return None if value is None else plain(rounded(value, 12))


def rest(form: DebtForm, impacts: Iterable[ImpactForm], groups: Sequence[Group]) -> list[Any]:
    """All other fields of the form: sent along unseen, so that it is whole."""
    shown = {slider.field.html_name for group in groups for slider in group.sliders}
    return [field for each in (form, *impacts) for field in each if field.html_name not in shown]


def carried(data: QueryDict) -> QueryDict:
    """What was sent, with the ends of each range as far from their number as they were from the
    one that the slider began with: 2 to 8 about 4 becomes 3 to 12 about 6.
    """
    moved = [name for name in data if name.endswith(FROM)]
    if not moved:
        return data
    data = data.copy()
    for name in moved:
        stem = name.removesuffix(FROM)
        low, likely, high = points(stem)
        before, now = _number(data.pop(name)[-1]), _number(data.get(likely))
        if not before or now is None or now == before:
            continue
        for end in (low, high):
            if (there := _number(data.get(end))) is not None:
                moved_on = there * now / before
                # A share is no more than all of it.
                data[end] = _plain(min(moved_on, 1.0) if stem.endswith("share") else moved_on) or ""
    return data
