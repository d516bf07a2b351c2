"""A scenario as a circuit: gates in series, alternatives side by side, amplifiers as chances.

Places in a drawing of WIDTH units; templates/scenarios/_circuit.html draws them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from debtreg.models import MemberRole, ScenarioMember

WIDTH = 340
_MIDDLE = WIDTH / 2
_GAP = 16  # between two parts, where the wire is seen
_GATE = 46
_HEAD = 26
_ROW = 24
_RAIL = 14  # from the edge to the rails of a block
_INSET = 28  # from the edge to its rows
# More rows than this say no more than the table beside does.
MOST_ROWS = 24
# Widths in units of the type in pages.css.
_LETTER, _WIDE = 6.4, 12.2


@dataclass(frozen=True)
class Box:
    """One debt. `row` is set within a block; a gate stands by itself."""

    x: float
    y: float
    width: float
    height: float
    state: str
    key: str
    title: str
    chance: float | None = None

    @property
    def text_x(self) -> float:
        return self.x + 10

    @property
    def end_x(self) -> float:
        return self.x + self.width - 10

    @property
    def first_y(self) -> float:
        return self.y + 18

    @property
    def second_y(self) -> float:
        return self.y + 36

    @property
    def row_y(self) -> float:
        return self.y + self.height / 2 + 4

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True)
class Block:
    """Members side by side: the alternatives of a group, or all amplifiers (`group` is empty)."""

    y: float
    group: str
    count: int
    boxes: list[Box]
    more: int
    more_y: float
    bottom: float
    left: float = _RAIL
    right: float = WIDTH - _RAIL
    middle: float = _MIDDLE

    @property
    def head_y(self) -> float:
        return self.y + 17

    @property
    def rails_y(self) -> float:
        return self.y + _HEAD


@dataclass
class Circuit:
    """Everything from the trigger at the top to the loss at the bottom."""

    width: int = WIDTH
    height: float = 0
    middle: float = _MIDDLE
    gates: list[Box] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    wires: list[tuple[float, float]] = field(default_factory=list)  # from y to y, in the middle
    loss_y: float = 0

    @property
    def loss_text_y(self) -> float:
        return self.loss_y + 19


def draw(members: Sequence[ScenarioMember], states: dict[int, str]) -> Circuit:
    """members : with their items; states : item id -> as losses.Part has it"""
    circuit = Circuit()
    y: float = 30  # below the trigger
    of_role = {role: [each for each in members if each.role == role] for role in MemberRole.values}
    for member in of_role[MemberRole.GATE]:
        circuit.wires.append((y, y + _GAP))
        y += _GAP
        circuit.gates.append(_box(member, states, _RAIL, y, _GATE))
        y += _GATE
    groups: dict[str, list[ScenarioMember]] = {}
    for member in (*of_role[MemberRole.ALTERNATIVE], *of_role[MemberRole.AMPLIFIER]):
        groups.setdefault(member.group, []).append(member)
    for group, several in groups.items():
        circuit.wires.append((y, y + _GAP))
        block = _block(group, several, states, y + _GAP)
        circuit.blocks.append(block)
        y = block.bottom
    circuit.wires.append((y, y + _GAP))
    circuit.loss_y = y + _GAP
    circuit.height = circuit.loss_y + 31
    return circuit


def _block(
    group: str, members: Sequence[ScenarioMember], states: dict[int, str], y: float
) -> Block:
    first = y + _HEAD + 8
    shown = members if len(members) <= MOST_ROWS else members[: MOST_ROWS - 1]
    boxes = [
        _box(member, states, _INSET, first + number * (_ROW + 4), _ROW)
        for number, member in enumerate(shown)
    ]
    end = first + len(boxes) * (_ROW + 4)
    more = len(members) - len(shown)
    return Block(y, group, len(members), boxes, more, end + 16, end + (28 if more else 0) + 4)


def _box(member: ScenarioMember, states: dict[int, str], x: float, y: float, height: float) -> Box:
    width = WIDTH - 2 * x
    # In a row the key stands before the title, and the chance behind it.
    key = 0 if height == _GATE else (len(member.item.key) + 1) * _LETTER * 1.1
    chance = 0 if member.probability is None else 6 * _LETTER
    taken = 20 + key + chance
    return Box(
        x=x,
        y=y,
        width=width,
        height=height,
        state=states[member.item_id],
        key=member.item.key,
        title=fitted(member.item.title, width - taken),
        chance=member.probability,
    )


def fitted(text: str, width: float) -> str:
    """As much of a text as fits, in units of the drawing; SVG cuts nothing off by itself."""
    used = 0.0
    for place, letter in enumerate(text):
        used += _WIDE if unicodedata.east_asian_width(letter) in "WF" else _LETTER
        if used > width:
            return text[: max(place - 1, 0)].rstrip() + "…"
    return text
