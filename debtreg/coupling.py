"""The bridge to failure scenarios: rows -> what each debt owes to those it is a member of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

import scoring
from debtreg import bulk
from debtreg.models import (
    DebtItem,
    DebtStatus,
    FailureScenario,
    Grade,
    MemberRole,
    ScenarioMember,
    points,
)

_SCENARIOS = FailureScenario._meta.db_table
_MEMBERS = ScenarioMember._meta.db_table
_ITEMS = DebtItem._meta.db_table
_LOSS = points("loss")
# Grades from this place on are guesses.
GUESSED_FROM = Grade.values.index(Grade.ESTIMATED)


@dataclass(frozen=True)
class Coupled:
    """Some scenarios with all their members, and what follows from them for open debts.

    shares : one row per open member, as scoring.attribute gives them
    grades : of each scenario by its key, a place in Grade
    """

    scenarios: scoring.Scenarios
    shares: pd.DataFrame
    grades: pd.Series[int]

    @cached_property
    def by_item(self) -> pd.DataFrame:
        """What each open member owes to all its scenarios together, currency / year.

        By item id: low, mean and high of its shares (NaN where none is known), guessed, the part
        of mean that rests on a guess, and gate_loss, of the most expensive scenario that it is a
        gate of (NaN for none).
        """
        loss = [self.shares[f"loss_share_{point}"] for point in scoring.POINTS]
        grade = self.shares["scenario_id"].map(self.grades)
        table = pd.DataFrame(
            {
                "item_id": self.shares["item_id"],
                "low": loss[0],
                "mean": scoring.pert_mean(*loss),
                "high": loss[2],
            }
        )
        table["guessed"] = table["mean"].where(grade >= GUESSED_FROM, 0.0)
        sums = table.groupby("item_id").sum(min_count=1)
        return sums.join(scoring.gate_losses(self.scenarios))

    def of_items(self, item_ids: np.ndarray[Any, Any]) -> pd.DataFrame:
        """`by_item` for these items in this order, NaN where they are in no scenario."""
        return self.by_item.reindex(item_ids)


def read(*, items: Sequence[int] | None = None, beside: Sequence[int] | None = None) -> Coupled:
    """All scenarios, or those that any of these items is a member of.

    beside : these scenarios, and all that a member of theirs is in as well
    """
    where, params = "TRUE", list[Any]()
    if beside is not None:
        own, own_params = bulk.among("s.id", beside)
        condition, params = bulk.among("a.scenario_id", beside)
        where = (
            f"({own} OR s.id IN (SELECT b.scenario_id FROM {_MEMBERS} a"
            f" JOIN {_MEMBERS} b ON b.item_id = a.item_id WHERE {condition}))"
        )
        params = [*own_params, *params]
    elif items is not None:
        condition, params = bulk.among("item_id", items)
        where = f"s.id IN (SELECT scenario_id FROM {_MEMBERS} WHERE {condition})"
    money = [f"CAST(s.{name} AS double precision)" for name in _LOSS]
    rows = bulk.read(
        f"SELECT s.id, s.grade, s.trigger_rate, {', '.join(money)} FROM {_SCENARIOS} s"
        f" WHERE {where}",
        {
            "scenario_id": "int",
            "grade": Grade.values,
            "trigger_rate": "float",
            **dict.fromkeys(_LOSS, "float"),
        },
        params,
    )
    grades = rows.set_index("scenario_id")["grade"]
    members = bulk.read(
        "SELECT m.scenario_id, m.item_id, m.role, g.number, m.probability, m.effectiveness,"
        f" d.status = '{DebtStatus.DONE}'"
        f" FROM {_MEMBERS} m JOIN {_SCENARIOS} s ON s.id = m.scenario_id"
        f" JOIN {_ITEMS} d ON d.id = m.item_id"
        # A group is told by its first member: names are for people.
        f' JOIN (SELECT scenario_id, "group", MIN(id) AS number FROM {_MEMBERS}'
        f' GROUP BY scenario_id, "group") g'
        f' ON g.scenario_id = m.scenario_id AND g."group" = m."group" WHERE {where}',
        {
            "scenario_id": "int",
            "item_id": "int",
            "role": MemberRole.values,
            "group": "int",
            "probability": "float",
            "effectiveness": "float",
            "repaired": "flag",
        },
        params,
    ).astype({"role": "int8"})
    made = scoring.Scenarios.of(rows.drop(columns="grade"), members)
    return Coupled(made, scoring.attribute(made), grades)


def beside(items: Sequence[int]) -> list[int]:
    """The other open members of the scenarios of these items, in the order of their keys.

    Their shares change when one of these is repaired or comes back.
    """
    condition, params = bulk.among("a.item_id", items)
    found = bulk.read(
        f"SELECT DISTINCT b.item_id FROM {_MEMBERS} a"
        f" JOIN {_MEMBERS} b ON b.scenario_id = a.scenario_id JOIN {_ITEMS} d ON d.id = b.item_id"
        f" WHERE {condition} AND d.status <> '{DebtStatus.DONE}' ORDER BY b.item_id",
        {"item_id": "int"},
        params,
    )
    others: list[int] = found.loc[~found["item_id"].isin(list(items)), "item_id"].tolist()
    return others
