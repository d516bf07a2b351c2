"""Tables for people."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable


class Table:
    def __init__(self, *heads: str) -> None:
        self.table = RichTable(box=box.SIMPLE, pad_edge=False)
        for number, head in enumerate(heads):
            self.table.add_column(head, justify="left" if number < 2 else "right", no_wrap=True)

    def row(self, *cells: str) -> None:
        self.table.add_row(*cells)

    def print(self) -> None:
        Console(width=120, highlight=False, color_system=None).print(self.table)


def best(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The quickest of several: what else the machine does only ever adds."""
    return min(found, key=lambda one: float(one["s"]))


def ratio(ours: float, floor: float, target: float | None = None) -> str:
    """How many times the floor, and whether that is more than the target."""
    value = ours / floor
    return f"{value:.2f}{' !' if target is not None and value > target else ''}"
