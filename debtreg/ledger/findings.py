"""What a person should know about single cells, gathered by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .sheets import Codes, take
from .words import FIELD_NAMES, WARNINGS

COLUMNS = ("sheet", "row", "field", "kind", "text", "message")
_SHOWN = 80  # characters of a cell in a sentence

Rows = NDArray[np.int64]


def sentence(kind: str, text: str, field: str = "") -> str:
    """The warning as a sentence for a person."""
    shown = " ".join(text.split())
    if len(shown) > _SHOWN:
        shown = shown[: _SHOWN - 1] + "…"
    return WARNINGS[kind].format(text=shown, field=FIELD_NAMES.get(field, field))


class Findings:
    """The findings of one sheet; `at` are positions among its rows."""

    def __init__(self) -> None:
        self._parts: list[tuple[Rows, str, str, Any, Any]] = []

    def of_rows(
        self, field: str, kind: str, at: Rows | Sequence[int], texts: Sequence[str]
    ) -> None:
        """One finding for each of some rows."""
        if len(at):
            messages = {text: sentence(kind, text, field) for text in set(texts)}
            self._parts.append(
                (np.asarray(at, np.int64), field, kind, list(texts), [messages[t] for t in texts])
            )

    def of_values(
        self, field: str, codes: Codes, texts: Sequence[str], kinds: Sequence[Sequence[str]]
    ) -> None:
        """A finding for each row whose value has one; `kinds` is what each distinct value has."""
        for kind in {kind for some in kinds for kind in some}:
            chosen = np.array([*(kind in some for some in kinds), False])
            at = np.flatnonzero(chosen[codes])
            messages = [
                sentence(kind, text, field) if has else None
                for text, has in zip(texts, chosen, strict=False)
            ]
            some = codes[at]
            self._parts.append((at, field, kind, take(texts, some), take(messages, some)))

    def frame(self, sheet: str, rows: Rows, keep: Callable[[Rows, str], Any]) -> pd.DataFrame:
        """One line for each finding, each kind at most once for a field of a row, by row.

        `keep` says which of some rows keep their findings of a kind.
        """
        parts = []
        for at, field, kind, texts, messages in self._parts:
            part = pd.DataFrame(
                {
                    "sheet": sheet,
                    "row": rows[at],
                    "field": field,
                    "kind": kind,
                    "text": pd.Series(texts, dtype=object),
                    "message": pd.Series(messages, dtype=object),
                }
            )
            parts.append(part[keep(at, kind)])
        if not parts:
            return pd.DataFrame(columns=list(COLUMNS))
        return (
            pd.concat(parts, ignore_index=True)
            .drop_duplicates(["row", "field", "kind"])
            .sort_values("row", kind="stable", ignore_index=True)
        )
