"""Closed lists of words. The database keeps them: scoring reads words by their place in a list."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models


def known_words(model: str, field: str, words: Iterable[str]) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"{model}_{field}_known", condition=models.Q(**{f"{field}__in": list(words)})
    )
