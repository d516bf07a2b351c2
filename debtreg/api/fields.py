"""Numbers, estimates and references: what a caller may send, and what comes back.

A number may be sent as a number or as its text, and comes back as text, so that no reader rounds
it. `Number.read` is the one place that decides what a number is; bulk calls use it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from django.db.models import QuerySet
from rest_framework import serializers

from debtreg.blank import is_blank
from debtreg.models import POINTS, pk_of, points
from debtreg.models.debt import KEY_PREFIX
from debtreg.numbers import money, plain, rate


class NotANumber(ValueError):
    """Says in a sentence what is wrong with a number."""


class PlainField(serializers.Field):
    """A number that only comes back, as text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> str | None:
        return plain(value)


class RatioField(PlainField):
    """A ratio that only comes back, to six digits: what lies below is noise."""

    def to_representation(self, value: Any) -> str | None:
        return rate(value)


class MoneyField(PlainField):
    """An amount that only comes back, with two places."""

    def to_representation(self, value: Any) -> str | None:
        return money(value)


class Number(serializers.Field):
    """A number within bounds, both included.

    places : decimal places of the column; the value becomes a Decimal. None: it becomes a float.
    """

    def __init__(
        self, *, low: float = 0, high: float = 1e12, places: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.low, self.high, self.places = low, high, places

    def read(self, value: Any) -> float | Decimal:
        """Raises NotANumber."""
        kind = type(value)
        if kind is str:
            value = _decimal(value)
        elif kind is not float and kind is not int:
            raise NotANumber("A number, or its text.")
        if not self.low <= value <= self.high:
            raise NotANumber(f"A number from {self.low:g} to {self.high:g}.")
        if self.places is None:
            return float(value)
        # A JSON number such as 0.30000000000000004 means what its first 15 digits say.
        exact = value if kind is str else Decimal(f"{value:.15g}")
        rounded = round(exact, self.places)
        if rounded != exact:
            raise NotANumber(f"A number of up to {self.places} decimal places.")
        return rounded

    def to_internal_value(self, data: Any) -> float | Decimal:
        try:
            return self.read(data)
        except NotANumber as error:
            raise serializers.ValidationError(str(error)) from None

    def to_representation(self, value: Any) -> str | None:
        return money(value) if self.places == 2 else plain(value)


def _decimal(text: str) -> Decimal:
    """The number that a text is; no blanks within, no underscores, no words such as NaN."""
    text = text.strip()
    if len(text) > 60 or "_" in text:
        raise NotANumber("A number, or its text.")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise NotANumber("A number, or its text.") from None
    if not number.is_finite() or (number and abs(number.adjusted()) > 40):
        raise NotANumber("A number of reasonable size.")
    return number


class Text(serializers.CharField):
    """A text, trimmed. null is the empty text, as the database has it."""

    default_error_messages = {"type": "A text."}

    def __init__(self, *, required: bool = False, **options: Any) -> None:
        super().__init__(
            required=required, allow_blank=not required, allow_null=not required, **options
        )

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if data is None and self.allow_null:
            return True, ""
        return super().validate_empty_values(data)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # What nobody can see is no text.
        return super().run_validation("" if isinstance(data, str) and is_blank(data) else data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("type")
        return data.strip()


class Choice(serializers.ChoiceField):
    """A word of a closed list; null where none is stated, which is the empty text in a row."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(
            choices=[choice for choice in choices if choice[0]], allow_null=True, **options
        )

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, "") if data is None or data == "" else super().validate_empty_values(data)

    def to_representation(self, value: Any) -> Any:
        return value or None


class Key(serializers.Field):
    """The key of a debt item, DEBT-n; becomes its number."""

    default_error_messages = {"key": "A key such as DEBT-12."}

    def to_internal_value(self, data: Any) -> int:
        pk = pk_of(data) if isinstance(data, str) else None
        if pk is None:
            self.fail("key")
        return pk

    def to_representation(self, value: int) -> str:
        return f"{KEY_PREFIX}{value}"


class Slug(serializers.SlugRelatedField):
    """A team or a service by its slug, or what else has a name for machines (slug_field)."""

    default_error_messages = {
        "does_not_exist": "There is no such {slug_name}.",
        "invalid": "A slug, as text.",
    }

    def __init__(self, *, slug_field: str = "slug", **options: Any) -> None:
        super().__init__(slug_field=slug_field, **options)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        found = self.rows.filter(**{self.slug_field: data}).first()
        if found is None:
            self.fail("does_not_exist", slug_name=self.rows.model._meta.model_name)
        return found

    @property
    def rows(self) -> QuerySet[Any]:
        return cast("QuerySet[Any]", self.get_queryset())


class Estimate(serializers.Field):
    """{low, likely, high}, or one number for all three; null is unknown.

    It stands in a row as three columns, so `source` is the row itself.
    """

    default_error_messages = {
        "order": "It needs low ≤ likely ≤ high.",
        "shape": "A number, its text, or {low, likely, high}.",
    }

    def __init__(self, *, number: Number | None = None, **options: Any) -> None:
        super().__init__(**{"source": "*", "required": False, "allow_null": True, **options})
        self.number = number or Number()

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        self.columns = points(field_name)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if data is None:
            return True, dict.fromkeys(self.columns)
        return super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> dict[str, float | Decimal | None]:
        found, problems = read_points(self.number, data)
        if problems:
            raise serializers.ValidationError(problems)
        return dict(zip(self.columns, found, strict=True))

    def to_representation(self, row: Any) -> dict[str, str | None] | None:
        values = [plain(getattr(row, column)) for column in self.columns]
        return None if values == [None] * 3 else dict(zip(POINTS, values, strict=True))


def read_points(
    number: Number, data: Any, others: Sequence[str] = ()
) -> tuple[list[float | Decimal | None], Any]:
    """The three points that `data` says, and the problems with them (none: an empty value).

    others : names beside low, likely and high that somebody else reads
    """
    if not isinstance(data, Mapping):
        if data is None:
            return [None] * 3, None
        if isinstance(data, list):
            return [], [Estimate.default_error_messages["shape"]]
        try:
            return [number.read(data)] * 3, None
        except NotANumber as error:
            return [], [str(error)]
    problems: dict[str, list[str]] = {
        str(name)[:80]: ["There is no field of this name."]
        for name in data
        if name not in POINTS and name not in others
    }
    found: list[float | Decimal | None] = []
    for point in POINTS:
        value = data.get(point)
        try:
            found.append(None if value is None else number.read(value))
        except NotANumber as error:
            problems[point] = [str(error)]
    if problems:
        return [], problems
    known = [value for value in found if value is not None]
    if known != sorted(known):
        return [], [Estimate.default_error_messages["order"]]
    return found, None
