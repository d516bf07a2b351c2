"""The bridge to what repairs have brought: rows -> frames -> scoring. Reads only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.utils import timezone

import scoring
from debtreg import bulk, frames
from debtreg.models import (
    BacklogEntry,
    EntryState,
    Grade,
    Outcome,
    OutcomeImpact,
    OutcomeReading,
    Price,
    Side,
    Team,
    User,
)

OUTCOMES = Outcome._meta.db_table
IMPACTS = OutcomeImpact._meta.db_table
READINGS = OutcomeReading._meta.db_table
LEAST_DAYS = scoring.LEAST_DAYS


# --- One outcome, or thousands --------------------------------------------------------------------


def predict(pks: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What scoring says of these items beyond what their published scores keep.

    Returns items (item_id, repair_days, day_rate) and their impacts (item_id, number from 1 in the
    item's order, unit_price, cost and benefit a year).
    """
    items = frames.read_items(*bulk.among("d.id", pks))
    condition, params = bulk.among("i.item_id", pks)
    impacts = frames.read_impacts(f"{condition} ORDER BY i.item_id, i.id", params)
    catalog = frames.Catalog.read()
    frames.complete(items, impacts, catalog)
    scores, detail = frames.score_frames(items, impacts, catalog)
    detail["number"] = detail.groupby("item_id").cumcount() + 1
    return (
        scores[["item_id", "repair_days", "day_rate"]],
        detail[["item_id", "number", "unit_price", "cost", "benefit"]],
    )


def measure(outcome_ids: Sequence[int]) -> pd.DataFrame:
    """What the readings of these outcomes say: scoring.realised_benefits, one row for each."""
    condition, params = bulk.among("r.outcome_id", outcome_ids)
    readings = bulk.read(
        f"SELECT r.outcome_id, CAST(COALESCE(i.number, 0) AS bigint), r.side = '{Side.AFTER}',"
        f" {_day('r.ends_on')} - {_day('r.starts_on')} + 1, {_float('r.amount')},"
        f" r.grade = '{Grade.MEASURED}'"
        f" FROM {READINGS} r LEFT JOIN {IMPACTS} i ON i.id = r.impact_id WHERE {condition}",
        dict(zip(scoring.READING_COLUMNS, _READING_KINDS, strict=True)),
        params,
    )
    condition, params = bulk.among("outcome_id", outcome_ids)
    impacts = bulk.read(
        f"SELECT outcome_id, CAST(number AS bigint), {_float('benefit')} FROM {IMPACTS}"
        f" WHERE {condition}",
        {"outcome_id": "int", "impact": "int", "benefit": "float"},
        params,
    )
    return _realised(readings, impacts).reindex(pd.Index(outcome_ids, name="outcome_id"))


_READING_KINDS = ("int", "int", "flag", "float", "float", "flag")


def _realised(readings: pd.DataFrame, impacts: pd.DataFrame) -> pd.DataFrame:
    try:
        return scoring.realised_benefits(readings, impacts)
    except scoring.ScoringError as error:
        raise frames.refusal(error) from error


def usual_price(price: Price) -> float:
    """The one number that stands for a price of three points."""
    return float(scoring.pert_mean(float(price.low), float(price.likely), float(price.high)))


@dataclass(frozen=True)
class Part:
    """An impact of an outcome, or the item as a whole (impact None), as predicted and as read.

    before, after : cost a year, None where it was not read
    """

    impact: OutcomeImpact | None
    readings: list[OutcomeReading]
    before: float | None
    after: float | None

    @property
    def saved(self) -> float | None:
        return None if self.before is None or self.after is None else self.before - self.after


def parts(outcome: Outcome) -> list[Part]:
    """The whole item, if it was read, and each impact; from what is prefetched of the outcome."""
    impacts = {impact.pk: impact for impact in outcome.impacts.all()}
    readings: dict[int, list[OutcomeReading]] = {}
    rows = []
    for reading in outcome.readings.all():
        number = impacts[reading.impact_id].number if reading.impact_id else scoring.WHOLE
        readings.setdefault(number, []).append(reading)
        rows.append(
            {
                "impact": number,
                "after": reading.side == Side.AFTER,
                "period_days": reading.period_days,
                "amount": float(reading.amount),
            }
        )
    costs = scoring.yearly_costs(scoring.make_frame(scoring.READING_COLUMNS, rows))
    cost_of = costs["cost_per_year"].droplevel("outcome_id").to_dict()
    shown: dict[int, OutcomeImpact | None] = {each.number: each for each in impacts.values()}
    if scoring.WHOLE in readings:
        shown = {scoring.WHOLE: None, **shown}
    return [
        Part(
            impact,
            readings.get(number, []),
            cost_of.get((number, False)),
            cost_of.get((number, True)),
        )
        for number, impact in shown.items()
    ]


# --- The portfolio --------------------------------------------------------------------------------


def summary(first: date, last: date, team: Team | None) -> dict[str, Any]:
    """What the repairs of a period have brought, each figure with its number of cases.

    The period before has as many days and ends on the day before `first`. Numbers are floats,
    unknown ones None; see the docstrings of scoring.outcomes for what each is.
    """
    before = first - (last - first) - timedelta(days=1)
    rows = _outcomes(before, last, team)
    is_now = rows["resolved_day"] >= _day_of(first)
    now = rows[is_now]
    periods = rows.assign(by_id=is_now.astype("int64"))
    returns = _records(scoring.realised_returns(_return_cases(periods)), [0, 1])
    return {
        "starts_on": first,
        "ends_on": last,
        "before_starts_on": before,
        "before_ends_on": first - timedelta(days=1),
        "resolved": len(now),
        "measured": int(now["realised"].notna().sum()),
        "estimated": int((now["realised"].notna() & ~now["is_measured"]).sum()),
        "benefit": _records(scoring.bias(_cases(now.assign(by_id=0))), [0])[0],
        "effort": _records(scoring.bias(_effort_cases(now.assign(by_id=0))), [0])[0],
        "returns": returns[1],
        "returns_before": returns[0],
        "range": _within_range(now),
        "cycle": _cycle(now, first, last, team),
        "teams": _by(now, "team_id", Team.objects.in_bulk),
        "authors": _by(now, "author_id", User.objects.in_bulk),
    }


def _outcomes(first: date, last: date, team: Team | None) -> pd.DataFrame:
    """The valid outcomes of items that were resolved from one day to another, both included."""
    columns: dict[str, tuple[str, Any]] = {
        "team_id": ("team_id", "int"),
        "author_id": ("author_id", "int"),
        "predicted": (_float("benefit"), "float"),
        "weighted": (_float("weighted_benefit"), "float"),
        "realised": (_float("realised_benefit"), "float"),
        "is_measured": ("is_measured", "flag"),
        "predicted_cost": (_float("repair_cost"), "float"),
        "actual_cost": (_float("actual_cost"), "float"),
        "roi_p5": ("roi_p5", "float"),
        "roi_p95": ("roi_p95", "float"),
        "resolved_day": (_day("resolved_at"), "float"),
        "promoted_day": (_day("promoted_at"), "float"),
    }
    select = ", ".join(expression for expression, _ in columns.values())
    condition, params = _of_team(team)
    return bulk.read(
        f"SELECT {select} FROM {OUTCOMES} WHERE reopened_at IS NULL"
        f" AND resolved_at >= %s AND resolved_at < %s AND {condition}",
        {name: kind for name, (_, kind) in columns.items()},
        [bulk.stamp(midnight(first)), bulk.stamp(midnight(last, 1)), *params],
    )


def _cases(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["by_id", "predicted", "realised"]]


def _effort_cases(rows: pd.DataFrame) -> pd.DataFrame:
    """Cost of the repair: predicted against actual."""
    return pd.DataFrame(
        {
            "by_id": rows["by_id"],
            "predicted": rows["predicted_cost"],
            "realised": rows["actual_cost"],
        }
    )


def _return_cases(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[list(scoring.RETURN_COLUMNS)]


def _within_range(rows: pd.DataFrame) -> dict[str, Any]:
    """How many realised ROIs lie within the P5 to P95 that were predicted of them.

    The predicted range carries the policy's weights, money does not: it is compared without them.
    """
    weight = rows["weighted"] / rows["predicted"].where(rows["predicted"] > 0)
    roi = rows["realised"] / rows["actual_cost"].fillna(rows["predicted_cost"]) * weight
    known = roi.notna() & rows["roi_p5"].notna() & rows["roi_p95"].notna()
    inside = known & roi.between(rows["roi_p5"], rows["roi_p95"])
    return {"cases": int(known.sum()), "within": int(inside.sum())}


def _cycle(rows: pd.DataFrame, first: date, last: date, team: Team | None) -> dict[str, Any]:
    """Promotions that were under way in the period: ended in it by a repair, or open at its end."""
    start = _day_of(first)
    end = min(_day_of(last + timedelta(days=1)), timezone.now().timestamp() / SECONDS_A_DAY)
    promoted = rows[rows["promoted_day"].notna()]
    spells = pd.concat(
        [
            _spells(promoted["promoted_day"], promoted["resolved_day"], start).assign(
                resolved=True
            ),
            _spells(_open_since(last, team), end, start).assign(resolved=False),
        ],
        ignore_index=True,
    )
    times = _known(asdict(scoring.cycle_times(spells)))
    return {**times, "cases": len(spells), "unpromoted": len(rows) - len(promoted)}


def _spells(
    promoted_day: pd.Series[float], end: pd.Series[float] | float, start: float
) -> pd.DataFrame:
    days = (end - promoted_day).clip(lower=0)
    return pd.DataFrame(
        {"open_days": days, "since_days": np.minimum((start - promoted_day).clip(lower=0), days)}
    )


def _open_since(last: date, team: Team | None) -> pd.Series[float]:
    """When those promotions began that nobody had ended by the end of a day.

    A stated day of the repair may lie before the day on which the entry was closed.
    """
    condition, params = _of_team(team, "e.team_id")
    end = bulk.stamp(midnight(last, 1))
    entries = bulk.read(
        f"SELECT {_day('e.created_at')} FROM {BacklogEntry._meta.db_table} e"
        f" WHERE e.created_at < %s AND (e.closed_at IS NULL OR e.closed_at >= %s) AND {condition}"
        f" AND NOT (e.state = '{EntryState.DONE}' AND EXISTS (SELECT 1 FROM {OUTCOMES} o"
        " WHERE o.item_id = e.item_id AND o.promoted_at = e.created_at AND o.resolved_at < %s))",
        {"promoted_day": "float"},
        [end, end, *params, end],
    )
    return entries["promoted_day"]


def _by(rows: pd.DataFrame, column: str, read: Any) -> list[dict[str, Any]]:
    """The bias of each team or author that has a case, who has resolved most first."""
    rows = rows.assign(by_id=rows[column])
    benefit, effort = scoring.bias(_cases(rows)), scoring.bias(_effort_cases(rows))
    resolved = rows["by_id"].value_counts()
    cases = resolved.reindex(benefit.index.union(effort.index))
    keys: list[int] = cases.sort_values(ascending=False, kind="stable").index.tolist()
    known = read([key for key in keys if key != frames.NO_KEY])
    tables = {
        "benefit": _records(benefit, keys),
        "effort": _records(effort, keys),
        "returns": _records(scoring.realised_returns(_return_cases(rows)), keys),
    }
    return [
        {
            "of": known.get(key),
            "resolved": int(resolved[key]),
            **{name: table[key] for name, table in tables.items()},
        }
        for key in keys
    ]


def _records(frame: pd.DataFrame, keys: list[int]) -> dict[int, dict[str, Any]]:
    """The rows of these keys, what is not known as None; a key without a row has no cases."""
    counts = [str(name) for name in frame if str(name).endswith("cases")]
    frame = frame.reindex(keys)
    frame[counts] = frame[counts].fillna(0).astype("int64")
    frame["weak"] = frame["cases"] < scoring.FEW_CASES
    records: dict[Any, Any] = frame.astype(object).to_dict("index")
    return {key: _known(record) for key, record in records.items()}


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in record.items()
    }


# --- Days -----------------------------------------------------------------------------------------

SECONDS_A_DAY = 86_400


def _float(column: str) -> str:
    return f"CAST({column} AS double precision)" if bulk.is_postgres() else column


def _day(column: str) -> str:
    """SQL: a day or a moment as days since 1970 in Greenwich, so that spans can be reckoned."""
    if bulk.is_postgres():
        return f"CAST(EXTRACT(EPOCH FROM {column}) / {SECONDS_A_DAY} AS double precision)"
    return f"(julianday({column}) - 2440587.5)"


def midnight(day: date, days_later: int = 0) -> datetime:
    """When a day begins where this installation is."""
    naive = datetime.combine(day, time.min) + timedelta(days=days_later)
    return timezone.make_aware(naive)


def _day_of(day: date) -> float:
    return midnight(day).timestamp() / SECONDS_A_DAY


def _of_team(team: Team | None, column: str = "team_id") -> tuple[str, list[int]]:
    return ("TRUE", []) if team is None else (f"{column} = %s", [team.pk])
