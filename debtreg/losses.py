"""What failure scenarios lose a year, and what each member is to them. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from django.db.models import OuterRef, Subquery

import scoring
from debtreg import coupling, memo, versions
from debtreg.models import (
    POINTS,
    BacklogEntry,
    DebtItem,
    DebtStatus,
    EntryState,
    ScenarioMember,
)

PLANNED = ("promoted", "started")
NONE = -1
_MEMBER = ["scenario_id", "item_id"]


@dataclass(frozen=True)
class Part:
    """What one member is to its scenario. Money is currency / year; unknown is None.

    A member that is repaired has no part any more: all its numbers are None.
    """

    item_id: int
    state: str  # open, accepted, promoted, started, repaired
    share: float | None = None  # Shapley: those of all open members add up to the loss
    removal_value: float | None = None  # if this debt alone were gone
    saving: float | None = None  # if it alone were repaired: effectiveness x removal_value
    marginal_value: float | None = None  # of its repair, once all that is planned is done
    repair_cost: float | None = None  # currency
    # Of the debt as a whole, not of its part here; of its bundle, where that is what decides.
    marginal_roi: float | None = None


@dataclass(frozen=True)
class Deciding:
    """What promotion goes by for one debt: what is left to gain once all that is planned is done.

    shares : as scoring.attribute gives them, instead of which; for a bundle of all of it, with
        what its others save beside scenarios as a share of scenario NONE
    others : debts that are decided together with it
    others_cost : what repairing these costs, currency; at_its_rate : the part of its team's days
    """

    shares: pd.DataFrame
    others: tuple[int, ...] = ()
    others_cost: float = 0.0
    at_its_rate: float = 0.0


@dataclass(frozen=True)
class Loss:
    """What a scenario loses as things are, and once all that is planned is done."""

    an_event: float | None
    a_year: float | None
    once_planned: float | None
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def open_members(self) -> int:
        return sum(part.state != "repaired" for part in self.parts.values())

    @property
    def best(self) -> Part | None:
        """The member whose repair alone saves most; None where nobody's saves anything."""
        saving = [part for part in self.parts.values() if part.saving]
        return max(saving, key=lambda part: (part.saving, -part.item_id), default=None)


def of(pks: Iterable[int]) -> dict[int, Loss]:
    """These scenarios, in a fixed number of queries, whatever their number and size."""
    asked = set(pks)
    kept = memo.kept("losses")
    if wanted := asked - kept.keys():
        kept |= _read(wanted)
    return {pk: kept[pk] for pk in asked if pk in kept}


def _read(wanted: set[int]) -> dict[int, Loss]:
    # A debt's ROI counts what its repair saves in all of its scenarios.
    scenarios = coupling.read(beside=sorted(wanted)).scenarios
    debts = _debts(scenarios.scenario_ids.tolist())
    planned = debts.index[debts["state"].isin(PLANNED)]
    found = _losses(scenarios, planned)
    parts = _parts(scenarios, debts, planned)
    names = [each.name for each in fields(Part)]
    columns = (_known(parts[name]) for name in ("scenario_id", *names))
    for scenario, *numbers in zip(*columns, strict=True):
        found[scenario].parts[numbers[0]] = Part(*numbers)
    return {pk: found[pk] for pk in wanted if pk in found}


def marginal_rois(items: Collection[int]) -> dict[int, float]:
    """What the repairs of these debts return once all that is planned is done.

    Only debts in failure scenarios are in the answer: all others return what their ROI says.
    """
    memberships = ScenarioMember.objects.filter(item__in=items)
    found = of(memberships.values_list("scenario_id", flat=True)) if items else {}
    return {
        pk: part.marginal_roi
        for loss in found.values()
        for pk, part in loss.parts.items()
        if pk in items and part.marginal_roi is not None
    }


def deciding(coupled: coupling.Coupled, score: pd.DataFrame, threshold: float) -> Deciding:
    """What decides about a member of scenarios.

    coupled : its scenarios; score : item_id, team_id, own_benefit and repair_cost as they are now
    """
    now = score.iloc[0]
    item = int(now["item_id"])
    scenarios = coupled.scenarios
    debts = _debts(scenarios.scenario_ids.tolist())
    debts["own_benefit"] = _own(coupled.shares, debts)
    planned = debts.index[debts["planned"]]
    given = scoring.attribute_given(scenarios, planned)
    if item not in debts.index:
        return Deciding(given)
    debts.loc[item, ["own_benefit", "repair_cost"]] = now[["own_benefit", "repair_cost"]].tolist()
    bundle = scoring.bundles(scenarios, debts[debts["state"] != "repaired"], threshold).get(item)
    if bundle is None:
        return Deciding(given)
    others = debts.loc[[pk for pk in bundle.item_ids if pk != item]]
    at = list(bundle.parts)
    parts = np.array([bundle.parts[position] for position in at])
    losses = scenarios.trigger_rate[at, None] * scenarios.loss_points[at] * parts[:, None]
    beside = np.full((1, len(POINTS)), others["own_benefit"].fillna(0.0).sum())
    joint = pd.DataFrame(
        np.concatenate([losses, beside]),
        columns=[f"loss_share_{point}" for point in POINTS],
    ).assign(
        item_id=item, effectiveness=1.0, scenario_id=[*scenarios.scenario_ids[at].tolist(), NONE]
    )
    mine = others["team_id"] == now["team_id"]
    return Deciding(
        joint[joint["scenario_id"].ne(NONE) | joint["loss_share_likely"].ne(0)],
        tuple(others.index.tolist()),
        float(others["repair_cost"].sum()),
        float(others.loc[mine, "repair_cost"].sum()),
    )


def mates(item: int) -> tuple[int, ...]:
    """Who is promoted and planned only together with this debt, as things stand; by item id."""
    asked = list(ScenarioMember.objects.filter(item=item).values_list("scenario_id", flat=True))
    if not asked:
        return ()
    coupled = coupling.read(beside=asked)
    debts = _debts(coupled.scenarios.scenario_ids.tolist())
    debts["own_benefit"] = _own(coupled.shares, debts)
    threshold = versions.standing().threshold
    found = scoring.bundles(
        coupled.scenarios,
        debts[debts["state"] != "repaired"],
        np.inf if threshold is None else threshold,
    ).get(item)
    return tuple(pk for pk in found.item_ids if pk != item) if found else ()


def _own(shares: pd.DataFrame, debts: pd.DataFrame) -> pd.Series[float]:
    """What the own impacts of debts add to what they save in scenarios, by item id."""
    share = scoring.pert_mean(*(shares[f"loss_share_{point}"] for point in POINTS))
    counted = (shares["effectiveness"] * share).groupby(shares["item_id"]).sum()
    own = debts["weighted_benefit"] - counted.reindex(debts.index).fillna(0.0)
    return own.round(2)  # it is published in cents


def _losses(scenarios: scoring.Scenarios, planned: Collection[int]) -> dict[int, Loss]:
    now = scenarios.start()
    is_planned = scenarios.members["item_id"].isin(planned)
    then = np.where(is_planned, 1.0 - scenarios.effectiveness, now)
    columns = (
        _known(pd.Series(numbers))
        for numbers in (
            scoring.pert_mean(*scenarios.loss_points.T),
            scenarios.values(now),
            scenarios.values(then),
        )
    )
    rows = (Loss(*numbers) for numbers in zip(*columns, strict=True))
    return dict(zip(scenarios.scenario_ids.tolist(), rows, strict=True))


def _parts(
    scenarios: scoring.Scenarios, debts: pd.DataFrame, planned: Collection[int]
) -> pd.DataFrame:
    """One row per member with the fields of Part, and scenario_id."""
    members = scenarios.members[["item_id"]].assign(
        scenario_id=scenarios.scenario_ids[scenarios.scenario]
    )
    shares = scoring.attribute(scenarios)
    shares["share"] = scoring.pert_mean(*(shares[f"loss_share_{point}"] for point in POINTS))
    alone = scoring.removal_values(scenarios).rename(columns={"removal": "removal_value"})
    given = scoring.marginal_values(scenarios, planned).rename(columns={"saving": "marginal_value"})
    table = (
        members.merge(shares[[*_MEMBER, "share", "effectiveness"]], how="left")
        .merge(alone[[*_MEMBER, "removal_value", "saving"]], how="left")
        .merge(given[[*_MEMBER, "marginal_value"]], how="left")
        .join(debts, on="item_id")
    )
    threshold = versions.standing().threshold
    roi = _rois(
        scenarios,
        debts.assign(own_benefit=_own(shares, debts)),
        given.groupby("item_id")["marginal_value"].sum(min_count=1),
        np.inf if threshold is None else threshold,
    )
    table["marginal_roi"] = table["item_id"].map(roi).where(table["state"] != "repaired")
    table["repair_cost"] = table["repair_cost"].where(table["state"] != "repaired")
    return table


def _rois(
    scenarios: scoring.Scenarios,
    debts: pd.DataFrame,
    marginal: pd.Series[float],
    threshold: float,
) -> pd.Series[float]:
    """What decides about each debt, by item id; debts : as _debts, with own_benefit."""
    parts = pd.DataFrame({"own": debts["own_benefit"], "marginal": marginal})
    benefit = parts.reindex(debts.index).sum(axis=1, min_count=1)
    roi = benefit / debts["repair_cost"].where(debts["repair_cost"] > 0)
    bundles = scoring.bundles(scenarios, debts[debts["state"] != "repaired"], threshold)
    for item, bundle in bundles.items():
        roi[item] = bundle.roi
    return roi.map("{:.12g}".format).astype("float64")  # below lies noise: 0.9999999999999998


def decide(
    frame: pd.DataFrame,
    scenarios: scoring.Scenarios,
    threshold: float,
    *,
    added: Collection[int] = (),
    withdrawn: Collection[int] = (),
) -> None:
    """Set, in place, what decides about a scored frame of all open debts: deciding_roi, promotes.

    scenarios : all of them
    added, withdrawn : what comes to the backlogs as they are, and what leaves them
    """
    debts = _debts(scenarios.scenario_ids.tolist())
    debts = debts[debts["state"] != "repaired"]
    debts["planned"] |= debts.index.isin(added)
    debts["planned"] &= ~debts.index.isin(withdrawn)
    at = pd.Index(frame["item_id"]).get_indexer(debts.index)
    debts, at = debts[at >= 0], at[at >= 0]
    for name in ("own_benefit", "repair_cost"):
        debts[name] = frame[name].to_numpy()[at].round(2)
    saving = scoring.marginal_values(scenarios, debts.index[debts["planned"]])
    left = _rois(scenarios, debts, saving.groupby("item_id")["saving"].sum(min_count=1), threshold)
    by_share = frame["roi"].to_numpy()
    decides = by_share.copy()
    decides[at] = settled(by_share[at], left.to_numpy())
    frame["deciding_roi"] = decides
    promotes = frame["promotes"].to_numpy(dtype=bool, copy=True)
    promotes[at] = decides[at] > threshold
    frame["promotes"] = promotes


def settled(by_share: np.ndarray[Any, Any], left: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What is left to gain, where that is another ROI than the one by share; NaN is unknown."""
    # What is published is rounded to cents before it is divided.
    same = np.abs(left - by_share) <= 1e-6 * np.maximum(1.0, np.abs(by_share))
    found: np.ndarray[Any, Any] = np.where(
        same | np.isnan(left) | np.isnan(by_share), by_share, left
    )
    return found


def _known(column: pd.Series[Any]) -> list[Any]:
    """The values of a column, unknown ones as None."""
    return column.astype(object).where(column.notna(), None).tolist()


# --- Rows -----------------------------------------------------------------------------------------


_DEBT = ["pk", "status", "entry", "pinned", "by_hand", "team"]


def _debts(pks: Collection[int]) -> pd.DataFrame:
    """The members of these scenarios by item id: state, and what is published of their scores."""
    kept = memo.kept("debts")
    key = frozenset(pks)
    if key not in kept:
        kept[key] = _debts_now(pks)
    table: pd.DataFrame = kept[key].copy()
    return table


def _debts_now(pks: Collection[int]) -> pd.DataFrame:
    items = ScenarioMember.objects.filter(scenario__in=pks).values("item")
    entry = BacklogEntry.objects.active().filter(item=OuterRef("pk"))
    rows = (
        DebtItem.objects.filter(pk__in=items)
        .annotate(entry=Subquery(entry.values("state")), by_hand=Subquery(entry.values("pinned")))
        .values_list(*_DEBT, "score__weighted_benefit", "score__repair_cost")
    )
    columns = ["item_id", *_DEBT[1:], "weighted_benefit", "repair_cost"]
    table = pd.DataFrame(rows, columns=columns).set_index("item_id")
    for name in ("weighted_benefit", "repair_cost"):
        table[name] = table[name].astype("float64")
    status = table["status"]
    table["state"] = np.select(
        [
            status == DebtStatus.DONE,
            (status == DebtStatus.DOING) | (table["entry"] == EntryState.STARTED),
            table["entry"].notna(),
            status == DebtStatus.ACCEPTED,
        ],
        ["repaired", "started", "promoted", "accepted"],
        "open",
    )
    table["planned"] = table["state"].isin(PLANNED)
    table["fixed"] = (
        (table["state"] == "started") | table["pinned"].eq(True) | table["by_hand"].eq(True)
    )
    table["team_id"] = table["team"].fillna(NONE).astype("int64")
    return table[["state", "planned", "fixed", "team_id", "weighted_benefit", "repair_cost"]]
