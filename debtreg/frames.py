"""The bridge between rows and `scoring`: rows -> frames -> scores -> rows."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection, transaction
from django.utils import timezone

import scoring
from debtreg import bulk, coupling, measured, versions
from debtreg.errors import DebtregError
from debtreg.models import (
    DAY_RATE,
    IMPACT_POINTS,
    NEEDS_ESTIMATE_SORT,
    UNPRICED_SORT,
    Confidence,
    DebtImpact,
    DebtItem,
    DebtStatus,
    EffortUnit,
    Grade,
    Guarantee,
    Price,
    Priority,
    RankMark,
    Score,
    Service,
    Team,
    Terms,
    points,
)
from debtreg.wire import Kind

ITEMS = DebtItem._meta.db_table
IMPACTS = DebtImpact._meta.db_table
SCORES = Score._meta.db_table

# Items of one chunk: what a chunk holds stays well under 300 MB.
CHUNK = 100_000
# A rank mark stands at every so many places; see ScoreQuerySet.with_rank.
MARK_EVERY = 256
# What a year or a repair may cost, and how many times a repair may return, before it must be a slip
# of units; money columns hold a hundred times that.
COST_LIMIT = 1e15
# Person-days of one repair, as scoring takes them.
EFFORT_LIMIT = 1e6
NO_KEY = -1


# --- What every score depends on ------------------------------------------------------------------


@dataclass(frozen=True)
class Catalog:
    """The small tables, read once per run: services, teams, prices, promises, the policy."""

    service_ids: np.ndarray[Any, Any]
    requests: np.ndarray[Any, Any]
    team_ids: np.ndarray[Any, Any]
    team_day_rates: np.ndarray[Any, Any]  # three points; the last row, of no team, is unknown
    service_day_rates: np.ndarray[Any, Any]  # its own or that for all; the last row, of none, too
    days_per_point: np.ndarray[Any, Any]
    guarantee_ids: np.ndarray[Any, Any]
    guarantee_weights: np.ndarray[Any, Any]
    guarantees: pd.DataFrame
    prices: pd.DataFrame
    price_grades: np.ndarray[Any, Any]  # by service and kind; the last row is of those for all
    policy: scoring.Policy
    coupled: coupling.Coupled
    measured: measured.Measured
    book: list[Price] = field(default_factory=list)  # where `prices` come from

    @classmethod
    def read(cls, items: Sequence[int] | None = None, slos: Collection[int] = ()) -> Catalog:
        """With the policy in force, and the failure scenarios of these items (None: all).

        slos : to which an impact points that is not stored yet

        Raises versions.NoPolicy.
        """
        services = _table(Service.objects.values_list("pk", "requests_per_year"), 2)
        teams = _table(Team.objects.values_list("pk", "day_rate", "days_per_point"), 3)
        guarantees = _table(Guarantee.objects.values_list("pk", "weight"), 2)
        promises = Terms.objects.in_force(timezone.localdate()).confirmed()
        book = list(Price.objects.order_by())
        points_of = [(p.service_id, p.kind, p.low, p.likely, p.high) for p in book]
        rates: dict[int | None, list[Any]] = {
            service: three for service, kind, *three in points_of if kind == DAY_RATE
        }
        usual = rates.get(None, [np.nan] * 3)
        service_day_rates = [rates.get(int(pk), usual) for pk in (*services[:, 0], NO_KEY)]
        prices = [
            (NO_KEY if service is None else service, scoring.KINDS.index(kind), low, likely, high)
            for service, kind, low, likely, high in points_of
            if kind != DAY_RATE
        ]
        service_ids = services[:, 0].astype("int64")
        price_grades = np.zeros((len(service_ids) + 1, len(scoring.KINDS)), dtype="int8")
        for price in book:
            if price.kind != DAY_RATE:
                service = price.service_id
                place = -1 if service is None else np.searchsorted(service_ids, service)
                column = scoring.KINDS.index(price.kind)
                price_grades[place, column] = Grade.values.index(price.grade)
        return cls(
            service_ids=service_ids,
            requests=services[:, 1],
            team_ids=teams[:, 0].astype("int64"),
            team_day_rates=np.repeat(np.append(teams[:, 1], np.nan)[:, None], 3, axis=1),
            service_day_rates=np.array(service_day_rates, dtype="float64"),
            days_per_point=teams[:, 2],
            guarantee_ids=guarantees[:, 0].astype("int64"),
            guarantee_weights=guarantees[:, 1],
            guarantees=_guarantee_frame(
                promises.filter(objective__isnull=False).values_list(
                    "guarantee_id", "objective", "guarantee__provider__requests_per_year"
                )
            ),
            prices=_price_frame(prices),
            price_grades=price_grades,
            policy=versions.in_force(),
            coupled=coupling.read(items=items),
            measured=measured.read(slos),
            book=book,
        )

    def service_hashes(self) -> np.ndarray[Any, Any]:
        """A hash for each service of its traffic and the unit prices that hold for it.

        The last one is that of no service.
        """
        book = self.prices
        own = _mix(book["kind"].to_numpy(), *(book[point].to_numpy() for point in scoring.POINTS))
        place = np.searchsorted(self.service_ids, book["service_id"])
        for_all = book["service_id"].to_numpy() == NO_KEY
        with np.errstate(over="ignore"):
            hashes = np.full(len(self.service_ids) + 1, own[for_all].sum(), dtype="int64")
            np.add.at(hashes, place[~for_all], own[~for_all])
        return _mix(hashes, np.append(self.requests, np.nan))


def _table(rows: Any, width: int) -> np.ndarray[Any, Any]:
    """A small table of numbers, sorted by its key; None becomes NaN."""
    table = np.array([list(row) for row in rows], dtype="float64").reshape(-1, width)
    return table[np.argsort(table[:, 0])]


def _guarantee_frame(rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """What counts of promises: those that a person has confirmed, as scoring.budget_shares
    takes them."""
    frame = pd.DataFrame(list(rows), columns=list(scoring.GUARANTEE_COLUMNS))
    return frame.astype(
        {"guarantee_id": "int64", "objective": "float64", "requests_per_year": "float64"}
    )


def _price_frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    names = scoring.PRICE_COLUMNS
    columns: Iterable[Any] = zip(*rows, strict=True) if rows else ([] for _ in names)
    types = ("int64", "int8", "float64", "float64", "float64")
    return pd.DataFrame(
        {
            name: np.array(values, dtype=kind)
            for name, values, kind in zip(names, columns, types, strict=True)
        }
    )


def _look_up(
    keys: np.ndarray[Any, Any], values: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """values[keys == wanted]; NaN where a key is not there (so for NO_KEY)."""
    return np.append(values, np.nan)[_places(keys, wanted)]


def _places(keys: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where each wanted key is among the keys, which rise; -1 where it is not there."""
    place = np.searchsorted(keys, wanted)
    return np.where(np.append(keys, NO_KEY)[place] == wanted, place, -1)


# --- Rows -> frames -------------------------------------------------------------------------------


def _int(column: str) -> str:
    return f"CAST({column} AS bigint)"


def _money(column: str) -> str:
    return f"CAST({column} AS double precision)" if bulk.is_postgres() else column


def _lasts(column: str) -> str:
    """SQL: a day is not over yet where this installation is. CURRENT_DATE is that of Greenwich."""
    return f"({column} IS NULL OR {column} >= '{timezone.localdate()}')"


def _item_columns() -> dict[str, tuple[str, Kind]]:
    """Column of a frame -> what SQL says for it, and how bulk.read takes it."""
    return {
        "item_id": ("d.id", "int"),
        "service_id": ("d.service_id", "int"),
        "team_id": ("d.team_id", "int"),
        **{name: (f"d.{name}", "float") for name in points("effort")},
        "effort_unit": ("d.effort_unit", EffortUnit.values),
        "cash": (_money("d.cash"), "float"),
        "confidence": ("d.confidence", Confidence.values),
        "revision": (_int("d.revision"), "int"),
        "status": ("d.status", DebtStatus.values),
        "pinned": ("d.pinned", "flag"),
        "vetoed": (f"d.veto_reason <> '' AND {_lasts('d.veto_until')}", "flag"),
        "accepted": (
            f"d.status = '{DebtStatus.ACCEPTED}' AND {_lasts('d.accept_until')}",
            "flag",
        ),
        # What is published now, to see what changes. 0 stands for no score.
        "old_fingerprint": ("COALESCE(s.fingerprint, 0)", "int"),
        "old_price_fingerprint": ("COALESCE(s.price_fingerprint, 0)", "int"),
        "old_revision": (_int("COALESCE(s.revision, 0)"), "int"),
        "old_policy_version": (_int("COALESCE(s.policy_version, 0)"), "int"),
        "old_input_fingerprint": ("COALESCE(s.input_fingerprint, 0)", "int"),
    }


def _impact_columns() -> dict[str, tuple[str, Kind]]:
    prices = points("unit_price")
    return {
        "item_id": ("i.item_id", "int"),
        "kind": ("i.kind", scoring.KINDS),
        **{
            name: (_money(f"i.{name}") if name in prices else f"i.{name}", "float")
            for name in IMPACT_POINTS
        },
        "effectiveness": ("i.effectiveness", "float"),
        "guarantee_id": ("i.guarantee_id", "int"),
        "slo_id": ("i.slo_id", "int"),
        "slo_part": ("i.slo_part", "float"),
        "foreign": ("i.currency <> ''", "flag"),
        "grade": ("i.grade", Grade.values),
    }


def _select(columns: Mapping[str, tuple[str, Kind]], rest: str) -> tuple[str, dict[str, Kind]]:
    sql = ", ".join(expression for expression, _ in columns.values())
    return f"SELECT {sql} {rest}", {name: kind for name, (_, kind) in columns.items()}


def read_items(
    where: str,
    params: Sequence[Any] = (),
    *,
    scored: str = "TRUE",
    scored_params: Sequence[Any] = (),
) -> pd.DataFrame:
    """The items that a condition on `d` picks, with what is published of their scores.

    scored : a condition on `s` that is true for the scores of these items; it spares the
        database to walk over the others
    """
    sql, kinds = _select_items(where, scored)
    return bulk.read(sql, kinds, [*scored_params, *params])


def _select_items(where: str, scored: str) -> tuple[str, dict[str, Kind]]:
    return _select(
        _item_columns(),
        f"FROM {ITEMS} d LEFT JOIN {SCORES} s ON s.item_id = d.id AND {scored}"
        f" WHERE {where} ORDER BY d.id",
    )


def read_impacts(where: str, params: Sequence[Any] = ()) -> pd.DataFrame:
    """The impacts that a condition on `i` picks."""
    return bulk.read(*_select_impacts(where), params)


def _select_impacts(where: str) -> tuple[str, dict[str, Kind]]:
    return _select(_impact_columns(), f"FROM {IMPACTS} i WHERE {where}")


@contextmanager
def snapshot() -> Iterator[None]:
    """One state of the database for all reads within; others go on writing meanwhile."""
    if connection.in_atomic_block:
        yield
    elif bulk.is_postgres():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        # Not atomic(): its BEGIN IMMEDIATE would keep everybody else from writing.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("COMMIT")


def chunk_bounds() -> list[tuple[int, int]]:
    """Ranges of keys, first included and last excluded, of about CHUNK open items each."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM {ITEMS}) q"
            f" WHERE n %% {CHUNK} = 1 ORDER BY id",
            [],
        )
        starts = [row[0] for row in cursor.fetchall()]
    return list(pairwise([*starts, 2**62]))


@dataclass(frozen=True)
class Chunk:
    """Some of the open items, all their impacts, and the catalog of the same moment."""

    number: int
    total: int
    catalog: Catalog
    fetched: tuple[bulk.Fetched, bulk.Fetched]

    def score(self) -> pd.DataFrame:
        items, impacts = (part.frame() for part in self.fetched)
        of_these = impacts["item_id"].isin(items["item_id"])
        return score(items, impacts if of_these.all() else impacts[of_these], self.catalog)


def chunks() -> Generator[Chunk]:
    """All open items, from one state of the database. Close it when you stop early.

    While the caller works on a chunk, a thread with a connection of its own reads the next. In a
    transaction there is none, as another connection does not see what this one has changed.
    """
    if connection.in_atomic_block or not bulk.is_postgres():
        yield from _chunks()
    else:
        yield from bulk.ahead(_chunks_of_a_thread())


def _chunks_of_a_thread() -> Generator[Chunk]:
    try:
        yield from _chunks()
    finally:
        connection.close()


def _chunks() -> Generator[Chunk]:
    items_sql = _select_items(
        "d.id >= %s AND d.id < %s AND d.status <> 'done'", "s.item_id >= %s AND s.item_id < %s"
    )
    impacts_sql = _select_impacts("i.item_id >= %s AND i.item_id < %s")
    impacts_of_few_sql = _select_impacts(
        "i.item_id >= %s AND i.item_id < %s AND EXISTS"
        f" (SELECT 1 FROM {ITEMS} d WHERE d.id = i.item_id"
        " AND d.id >= %s AND d.id < %s AND d.status <> 'done')"
    )
    with snapshot():
        catalog = Catalog.read()
        bounds = chunk_bounds()
        for number, (first, end) in enumerate(bounds):
            within = [first, end]
            items = bulk.fetch(*items_sql, [*within, *within])
            # Where most items are open, it takes less to read all impacts than to ask for each.
            if len(items) > CHUNK / 2:
                impacts = bulk.fetch(*impacts_sql, within)
            else:
                impacts = bulk.fetch(*impacts_of_few_sql, [*within, *within])
            yield Chunk(number, len(bounds), catalog, (items, impacts))


# --- Scoring --------------------------------------------------------------------------------------


def complete(items: pd.DataFrame, impacts: pd.DataFrame, catalog: Catalog) -> None:
    """Add to both frames, in place, what scoring wants from the catalog."""
    items["requests_per_year"] = _look_up(
        catalog.service_ids, catalog.requests, items["service_id"].to_numpy()
    )
    team = items["team_id"].to_numpy()
    # A person-day costs what the team says, else the service's price book, else that for all.
    rates = catalog.team_day_rates[_places(catalog.team_ids, team)]
    others = np.isnan(rates[:, 0])
    service = items["service_id"].to_numpy()[others]
    rates[others] = catalog.service_day_rates[_places(catalog.service_ids, service)]
    items[points("day_rate")] = rates
    per_point = _look_up(catalog.team_ids, catalog.days_per_point, team)
    efforts = points("effort")
    for name in efforts:
        items[name] = scoring.effort_in_days(items[name], items["effort_unit"], per_point)
    # Story points that a team has meanwhile said to be months: a slip, which must not stop a run.
    items["too_long"] = (items[efforts] > EFFORT_LIMIT).any(axis=1)
    items.loc[items["too_long"], efforts] = np.nan
    weight = _look_up(
        catalog.guarantee_ids, catalog.guarantee_weights, impacts["guarantee_id"].to_numpy()
    )
    impacts["guarantee_weight"] = weight
    impacts["foreign"] = impacts["foreign"].astype(bool)
    _measure(impacts, catalog)
    for frame, names in ((items, ("confidence",)), (impacts, ("kind", "grade"))):
        for name in names:
            frame[name] = frame[name].astype("int8")


def _measure(impacts: pd.DataFrame, catalog: Catalog) -> None:
    """Add, in place, what SLOs have measured; what rests on it is as good as measured."""
    names = ("measured_frequency", "measured_share", "measured_magnitude")
    pointing = impacts["slo_id"].to_numpy() != NO_KEY
    if not pointing.any():
        return
    slos = catalog.measured.slos
    found = scoring.add_measured(impacts[pointing].astype({"kind": "int8"}), slos)
    for name in names:
        column = np.full(len(impacts), np.nan)
        column[pointing] = found[name]
        impacts[name] = column
    takes = pointing & impacts[names[1]].notna().to_numpy()
    takes &= impacts[points("share")].isna().all(axis=1).to_numpy()
    impacts.loc[takes, "grade"] = Grade.values.index(Grade.MEASURED)


def score(items: pd.DataFrame, impacts: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """Score rows as read; the frame that `publish` takes.

    What is too_large is no cost but a slip of units: the item counts as unpriced.
    """
    complete(items, impacts, catalog)
    found, detail = score_frames(items, impacts, catalog)
    state = found["state"].to_numpy().copy()
    slips = too_large(items, found)
    coupled = catalog.coupled.of_items(items["item_id"].to_numpy())
    if slips.any():
        numbers = [name for name in _NUMBERS if name in found]
        found.loc[slips, numbers] = np.nan
        found.loc[slips, "promotes"] = False
        state[slips] = scoring.STATES.index("unpriced")
    priced = state == scoring.STATES.index("priced")
    sort = np.where(
        state == scoring.STATES.index("needs_estimate"), NEEDS_ESTIMATE_SORT, UNPRICED_SORT
    )
    words = np.array(scoring.STATES, dtype=object)
    status = items["status"].to_numpy()
    frame = pd.DataFrame(
        {
            "item_id": items["item_id"],
            "team_id": items["team_id"],
            "service_id": items["service_id"],
            "is_open": status != DebtStatus.values.index(DebtStatus.DONE),
            "state": words[state],
            **{name: found[name].round(2) for name in _MONEY},
            "scenario_cost": coupled["mean"].to_numpy().round(2),
            "own_benefit": found["own_benefit"],
            **{name: _rounded(found[name]) for name in _RATIOS},
            "budget_share": _rounded(_budget_shares(items, detail, catalog)),
            "gate_loss": coupled["gate_loss"].to_numpy(),
            "burning": _burning(items, detail, catalog),
            "promotes": found["promotes"],
            "is_rough": rough(items, detail, catalog),
            "unpriced_impacts": np.minimum(found["unpriced_impacts"], 32_767),
            "policy_version": catalog.policy.version,
            "revision": items["revision"],
            "repair_days": found["repair_days"],
            "pinned": items["pinned"].astype(bool),
            "accepted": items["accepted"].astype(bool),
            "doing": status == DebtStatus.values.index(DebtStatus.DOING),
            "vetoed": items["vetoed"].astype(bool),
        }
    )
    # Of members of scenarios both are set once the backlog is known (actions.deciding).
    frame["deciding_roi"] = frame["roi"]
    frame["sort_roi"] = np.where(priced, frame["roi"], sort)
    frame["price_fingerprint"] = _prices_of(items, detail)
    frame["input_fingerprint"] = _inputs_of(frame, items, coupled, catalog)
    for name in ("revision", "policy_version", *_HASHES):
        frame[f"old_{name}"] = items[f"old_{name}"]
    frame["too_large"] = slips
    fresh = (frame["input_fingerprint"] != frame["old_input_fingerprint"]).to_numpy()
    frame[list(_UNCERTAIN)] = np.nan
    if fresh.any():
        frame.loc[fresh, list(_UNCERTAIN)] = _uncertainty(items, found, detail, catalog, fresh)
        frame.loc[slips, list(_UNCERTAIN)] = np.nan
    frame["fresh"] = fresh
    return frame


# Raised whenever scoring gives other percentiles for the same inputs.
UNCERTAINTY = 3
_UNCERTAIN = ("roi_p5", "roi_p50", "roi_p95", "confidence")
_HASHES = ("fingerprint", "price_fingerprint", "input_fingerprint")


def _inputs_of(
    frame: pd.DataFrame, items: pd.DataFrame, coupled: pd.DataFrame, catalog: Catalog
) -> np.ndarray[Any, Any]:
    """A hash of all that the uncertainty of each item follows from; 1 where there is no ROI.

    It costs several times what the score does, so it is worked out only where this has changed.
    What a price or an estimate moves without moving a mean is in the hashes of the service and in
    the revision.
    """
    at = np.searchsorted(catalog.service_ids, items["service_id"])
    at = np.where(items["service_id"] == NO_KEY, len(catalog.service_ids), at)
    numbers = [items[name].to_numpy() for name in (*points("effort"), *points("day_rate"))]
    numbers += [frame[name].to_numpy() for name in ("weighted_benefit", "repair_cost", "roi")]
    numbers += [coupled[name].to_numpy() for name in ("low", "high")]
    version = np.full(len(frame), UNCERTAINTY * 2**32 + catalog.policy.version)
    hashes = _mix(version, frame["revision"].to_numpy(), catalog.service_hashes()[at], *numbers)
    return np.where(frame["roi"].isna(), 1, hashes)


def _uncertainty(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    catalog: Catalog,
    picked: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """The columns of _UNCERTAIN for some of the items."""
    if not picked.all():
        row = impacts["item_row"].to_numpy()
        impacts = impacts[picked[row]]
        impacts = impacts.assign(item_row=(np.cumsum(picked) - 1)[impacts["item_row"].to_numpy()])
        items, scores = items[picked], scores[picked]
    found = scoring.add_uncertainty(items, scores, impacts, catalog.policy, catalog.coupled.shares)
    found = found.rename(columns={"certainty": "confidence"})
    return np.column_stack([_rounded(found[name]) for name in _UNCERTAIN])


def add_confidence(frame: pd.DataFrame) -> None:
    """Fill in, in place, the uncertainty that was left out because it is published already."""
    left_out = frame["fresh"].to_numpy()
    left_out = ~left_out & frame["roi"].notna().to_numpy()
    if not left_out.any():
        return
    wanted = frame.loc[left_out, "item_id"]
    condition, params = bulk.among("item_id", wanted.tolist())
    known = bulk.read(
        f"SELECT item_id, {', '.join(_UNCERTAIN)} FROM {SCORES} WHERE {condition}",
        {"item_id": "int", **dict.fromkeys(_UNCERTAIN, "float")},
        params,
    ).set_index("item_id")
    frame.loc[left_out, list(_UNCERTAIN)] = known.reindex(wanted).to_numpy()


# In a column of promises the keys of SLOs begin above all those of guarantees.
_SLO_KEYS = 2**40


def _budget_shares(
    items: pd.DataFrame, detail: pd.DataFrame, catalog: Catalog
) -> np.ndarray[Any, Any]:
    """Of the SLO that an impact points to, else of its guarantee."""
    of_slo = detail["slo_id"].to_numpy() != NO_KEY
    tied = detail[of_slo | (detail["guarantee_id"].to_numpy() != NO_KEY)]
    slo = tied["slo_id"]
    promised = tied.assign(guarantee_id=tied["guarantee_id"].mask(slo != NO_KEY, slo + _SLO_KEYS))
    slos = catalog.measured.slos
    as_guarantees = slos.assign(guarantee_id=slos["slo_id"] + _SLO_KEYS)
    names = list(scoring.GUARANTEE_COLUMNS)
    guarantees = pd.concat([catalog.guarantees, as_guarantees[names]], ignore_index=True)
    shares: np.ndarray[Any, Any] = scoring.budget_shares(items, promised, guarantees)
    return shares


def _burning(items: pd.DataFrame, detail: pd.DataFrame, catalog: Catalog) -> np.ndarray[Any, Any]:
    """Which items threaten a promise whose error budget burns."""
    found = catalog.measured
    burning = np.zeros(len(items), dtype=bool)
    if len(found.burning):
        rows = detail["slo_id"].isin(found.burning)
        rows |= detail["guarantee_id"].isin(found.burning_guarantees)
        burning[detail.loc[rows, "item_row"].to_numpy()] = True
    return burning


# A sum of which so much is known to two digits is not known to three.
ROUGH_PART = 0.1


def worst_grades(
    items: pd.DataFrame, detail: pd.DataFrame, catalog: Catalog
) -> np.ndarray[Any, Any]:
    """How well each impact is known: no better than its own numbers or its price, places in Grade.

    items, detail : as score_frames gives the impacts of these items
    """
    service = items["service_id"].to_numpy()[detail["item_row"].to_numpy()]
    source = detail["unit_price_source"].to_numpy()
    at = np.where(source == _OF_SERVICE, np.searchsorted(catalog.service_ids, service), -1)
    price = catalog.price_grades[at, detail["kind"].to_numpy()]
    price = np.where((source == _OF_SERVICE) | (source == _OF_ALL), price, 0)
    return np.maximum(detail["grade"].to_numpy(), price)


_OF_SERVICE, _OF_ALL = (scoring.SOURCES.index(name) for name in ("service", "installation"))


def rough(items: pd.DataFrame, detail: pd.DataFrame, catalog: Catalog) -> np.ndarray[Any, Any]:
    """Which items deserve two digits and no more: more than a tenth of their cost is a guess."""
    row = detail["item_row"].to_numpy()
    cost = np.abs(np.nan_to_num(detail["cost"].to_numpy()))
    is_guess = worst_grades(items, detail, catalog) >= coupling.GUESSED_FROM
    coupled = catalog.coupled.of_items(items["item_id"].to_numpy()).fillna(0.0)
    whole = np.bincount(row, cost, len(items)) + coupled["mean"].to_numpy()
    guessed = np.bincount(row, cost * is_guess, len(items)) + coupled["guessed"].to_numpy()
    found: np.ndarray[Any, Any] = guessed > ROUGH_PART * whole
    return found


def too_large(items: pd.DataFrame, scores: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Which items cost so much, or return so many times their repair, that a unit must be wrong."""
    limited = scores[["annual_cost", "repair_cost", "roi", "money_roi"]]
    return ((limited.abs() > COST_LIMIT).any(axis=1) | items["too_long"]).to_numpy()


def score_frames(
    items: pd.DataFrame, impacts: pd.DataFrame, catalog: Catalog
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """scoring.score_in_detail, its refusal turned into an error for people."""
    try:
        return scoring.score_in_detail(
            items, impacts, catalog.prices, catalog.policy, catalog.coupled.shares
        )
    except scoring.ScoringError as error:
        raise refusal(error) from error


_MONEY = ("annual_cost", "benefit", "weighted_benefit", "repair_cost")
_RATIOS = ("roi", "money_roi", "payback_days", "breaking_point_years")
_NUMBERS = (*_MONEY, *_RATIOS, "net_roi")


def _rounded(column: pd.Series[float] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Twelve significant digits: what lies below is noise that would look like a change."""
    values = np.asarray(column)
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 11 - np.floor(np.log10(np.abs(values)))
    digits = np.clip(np.where(np.isfinite(digits), digits, 0), -300, 300)
    scale = np.power(10.0, digits)
    return np.where(np.isfinite(values), np.rint(values * scale) / scale, np.nan)


def _mix(*columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A 64-bit hash of each row; equal rows have equal hashes in every process and on any day."""
    state = np.full(len(columns[0]), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in columns:
        if column.dtype.kind == "f":
            # + 0.0: minus zero is zero; every NaN is one NaN.
            bits = np.where(np.isnan(column), np.nan, column + 0.0).view(np.uint64)
        else:
            bits = column.astype("int64").view(np.uint64)
        state = (state ^ bits) * np.uint64(0x9FB21C651E98DF25)
        state ^= state >> np.uint64(32)
    # Never 0, which stands for "no score".
    return np.where(state == 0, np.uint64(1), state).view(np.int64)


def _prices_of(items: pd.DataFrame, detail: pd.DataFrame) -> np.ndarray[Any, Any]:
    """A hash of the unit prices and the day rate that went into each item."""
    row = detail["item_row"].to_numpy()
    price = detail["unit_price"].to_numpy()
    price = np.where(np.isnan(price), -1.0, price)
    # A sum of 42 bits is exact for thousands of impacts, in whatever order they were read.
    each = _mix(detail["kind"].to_numpy(), np.array(_rounded(pd.Series(price)))) >> 22
    total = np.bincount(row, weights=each.astype("float64"), minlength=len(items))
    return _mix(total, *(items[name].to_numpy() for name in points("day_rate")))


_FINGERPRINTED = (
    "team_id",
    "service_id",
    "is_open",
    "sort_roi",
    *_MONEY,
    "scenario_cost",
    *_RATIOS,
    "budget_share",
    "promotes",
    "is_rough",
    "unpriced_impacts",
    "policy_version",
    "input_fingerprint",
)


def add_fingerprint(frame: pd.DataFrame) -> None:
    """Add, in place, `fingerprint` of all that is published and `changed` against what was."""
    words = [
        pd.Categorical(frame[name], categories=list(known)).codes
        for name, known in (("priority", PRIORITIES), ("priority_reason", scoring.PRIORITY_REASONS))
    ]
    columns = [frame[name].to_numpy() for name in _FINGERPRINTED]
    frame["fingerprint"] = _mix(*columns, *words)
    # An edit that moves no number is noted, too: it is not to blame for what moves one later.
    frame["changed"] = (
        (frame["fingerprint"] != frame["old_fingerprint"])
        | (frame["price_fingerprint"] != frame["old_price_fingerprint"])
        | (frame["revision"] != frame["old_revision"])
    )


def add_priority(
    frame: pd.DataFrame, catalog: Catalog, *, portfolio_cost: float | None = None
) -> None:
    """Add P0 to P3 and why, in place. The portfolio's cost is the frame's own unless given."""
    if portfolio_cost is None:
        portfolio_cost = float(np.nansum(frame["annual_cost"]))
    found = scoring.add_priority(
        frame[["annual_cost", "budget_share", "gate_loss", "burning"]],
        portfolio_cost,
        catalog.policy,
    )
    for name, words in (("priority", PRIORITIES), ("priority_reason", scoring.PRIORITY_REASONS)):
        frame[name] = np.array(words, dtype=object)[found[name].to_numpy()]


PRIORITIES = tuple(Priority.values)


def empty(catalog: Catalog) -> pd.DataFrame:
    """What `score` gives for no items."""
    nothing = score(*of_input({}, []), catalog).iloc[:0].copy()
    add_priority(nothing, catalog)
    add_fingerprint(nothing)
    return nothing


# --- Scores -> rows -------------------------------------------------------------------------------

SCORE_KINDS = {
    "item_id": "int",
    "team_id": "int",
    "service_id": "int",
    "is_open": "bool",
    "sort_roi": "float",
    "state": "word",
    **dict.fromkeys(_MONEY, "money"),
    "scenario_cost": "money",
    **dict.fromkeys(_RATIOS, "float"),
    "deciding_roi": "float",
    **dict.fromkeys(_UNCERTAIN, "float"),
    "budget_share": "float",
    "priority": "word",
    "priority_reason": "word",
    "promotes": "bool",
    "is_rough": "bool",
    "unpriced_impacts": "smallint",
    "policy_version": "integer",
    "revision": "integer",
    "fingerprint": "int",
    "price_fingerprint": "int",
    "input_fingerprint": "int",
    "run_id": "int",
    "scored_at": "time",
}
_STAGED = "staged_score"


def publish(
    frame: pd.DataFrame, *, run_id: int | None, at: datetime, cause: str | None = None
) -> int:
    """Write the changed rows of a scored frame and their history; returns how many there are.

    cause : of the changes; None: as the numbers tell, see write_history

    Runs in the caller's transaction. The caller sees to it that nobody else writes the scores
    of these items meanwhile.
    """
    rows = rows_of(frame, run_id=run_id, at=at)
    if rows.empty:
        return 0
    known = rows["old_fingerprint"] != 0
    if known.any():
        _replace(rows[known], cause)
    bulk.write(SCORES, rows[~known], SCORE_KINDS)
    return len(rows)


def rows_of(frame: pd.DataFrame, *, run_id: int | None, at: datetime) -> pd.DataFrame:
    """The changed rows of a scored frame with all of SCORE_KINDS."""
    rows = frame[frame["changed"]].copy()
    add_confidence(rows)
    for name in ("team_id", "service_id"):
        rows[name] = rows[name].astype("Int64").mask(rows[name] == NO_KEY)
    rows["run_id"] = pd.array([run_id] * len(rows), dtype="Int64")
    rows["scored_at"] = pd.Series(at, index=rows.index)
    return rows


def _replace(rows: pd.DataFrame, cause: str | None) -> None:
    bulk.temporary_like(_STAGED, SCORES, list(SCORE_KINDS))
    bulk.write(_STAGED, rows, SCORE_KINDS)
    write_history(_STAGED, cause)
    names = ", ".join(SCORE_KINDS)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {SCORES} WHERE item_id IN (SELECT item_id FROM {_STAGED})")
        cursor.execute(f"INSERT INTO {SCORES} ({names}) SELECT {names} FROM {_STAGED}")
        cursor.execute(f"DROP TABLE {_STAGED}")


def write_history(staged: str, cause: str | None = None) -> None:
    """Note which published scores the rows of a table move, and why."""
    moved = " OR ".join(
        f"n.{name} IS DISTINCT FROM o.{name}"
        for name in ("state", "roi", "annual_cost", "repair_cost", "priority")
    )
    # Of members of scenarios actions.deciding knows what decides, and notes it.
    moved += " OR n.scenario_cost IS NULL AND n.deciding_roi IS DISTINCT FROM o.deciding_roi"
    # The priority alone has moved: what it is compared with has.
    same = " AND ".join(
        f"n.{name} IS NOT DISTINCT FROM o.{name}"
        for name in ("state", "roi", "annual_cost", "repair_cost", "budget_share")
    )
    # A burn raises, its end lowers, whatever else has moved with it: the day that burns is
    # measured, too. P0 comes before P3.
    burn = (
        "n.priority_reason = 'burn' AND o.priority_reason <> 'burn' AND n.priority < o.priority"
        " OR o.priority_reason = 'burn' AND n.priority_reason <> 'burn' AND n.priority > o.priority"
    )
    with connection.cursor() as cursor:
        # Why: the first of these that is true. What is left is traffic: as an SLO has measured
        # it, or as the catalog says.
        cursor.execute(
            f"""
            INSERT INTO debtreg_scorechange (item_id, run_id, at, cause, policy_version,
                old_state, new_state, old_roi, new_roi, old_deciding_roi, new_deciding_roi,
                old_annual_cost, new_annual_cost, old_repair_cost, new_repair_cost,
                old_priority, new_priority)
            SELECT n.item_id, n.run_id, n.scored_at,
                CASE WHEN %s <> '' THEN %s
                     WHEN {burn} THEN 'burn'
                     WHEN n.revision <> o.revision THEN 'input'
                     WHEN n.policy_version <> o.policy_version THEN 'policy'
                     WHEN n.price_fingerprint <> o.price_fingerprint THEN 'price'
                     WHEN n.scenario_cost IS DISTINCT FROM o.scenario_cost THEN 'scenario'
                     WHEN n.weighted_benefit <> o.weighted_benefit AND n.benefit = o.benefit
                         THEN 'weight'
                     WHEN {same} THEN 'portfolio'
                     WHEN EXISTS (SELECT 1 FROM {IMPACTS} i
                         WHERE i.item_id = n.item_id AND i.slo_id IS NOT NULL) THEN 'measured'
                     ELSE 'catalog' END,
                n.policy_version, o.state, n.state, o.roi, n.roi, o.deciding_roi, n.deciding_roi,
                o.annual_cost, n.annual_cost, o.repair_cost, n.repair_cost,
                o.priority, n.priority
            FROM {staged} n JOIN {SCORES} o ON o.item_id = n.item_id
            WHERE {moved}
            """,
            [cause or "", cause or ""],
        )


def scored_since(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Which of the changed rows have another score by now than the one that the frame has seen."""
    changed = frame["changed"].to_numpy()
    wanted = frame.loc[changed, "item_id"]
    condition, params = "TRUE", list[Any]()
    if len(wanted) < len(frame) / 4:
        condition, params = bulk.among("item_id", wanted.tolist())
    now = bulk.read(
        f"SELECT item_id, fingerprint, {_int('revision')} FROM {SCORES} WHERE {condition}",
        {"item_id": "int", "fingerprint": "int", "revision": "int"},
        params,
    ).set_index("item_id")
    now = now.reindex(wanted, fill_value=0)
    since = np.zeros(len(frame), dtype=bool)
    for name in ("fingerprint", "revision"):
        since[changed] |= now[name].to_numpy() != frame.loc[changed, f"old_{name}"].to_numpy()
    return since


def publish_marks(frame: pd.DataFrame) -> None:
    """Put the rank marks where the whole portfolio's ranking wants them; writes only changes."""
    priced = frame[frame["is_open"] & (frame["sort_roi"] > NEEDS_ESTIMATE_SORT)]
    roi, item = priced["sort_roi"].to_numpy(), priced["item_id"].to_numpy()
    order = np.lexsort((item, -roi))[::MARK_EVERY]
    marks = pd.DataFrame(
        {
            "rank": np.arange(len(order), dtype="int64") * MARK_EVERY + 1,
            "sort_roi": roi[order],
            "item_id": item[order],
        }
    )
    kinds = {"rank": "int", "sort_roi": "float", "item_id": "int"}
    table = RankMark._meta.db_table
    now = bulk.read(f"SELECT rank, sort_roi, item_id FROM {table} ORDER BY rank", kinds)
    if not now.equals(marks):
        RankMark.objects.all().delete()
        bulk.write(table, marks, kinds)


# --- One item, while somebody types ---------------------------------------------------------------


def of_input(
    fields: Mapping[str, Any], impacts: Sequence[Mapping[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a form or an API body says of one item, as `read_items` and `read_impacts` give it."""
    service, team = fields.get("service"), fields.get("team")
    if team is None and service is not None:
        team = service.team
    unit = fields.get("effort_unit") or EffortUnit.PERSON_DAY
    item = {
        "item_id": fields.get("pk") or 0,
        "service_id": service.pk if service else NO_KEY,
        "team_id": team.pk if team else NO_KEY,
        **{name: _number(fields.get(name)) for name in points("effort")},
        "effort_unit": EffortUnit.values.index(unit),
        "cash": _number(fields.get("cash") or 0),
        "confidence": Confidence.values.index(fields.get("confidence") or ""),
    }
    zeros = dict.fromkeys(_item_columns().keys() - item.keys(), 0)
    rows = [
        {
            "item_id": item["item_id"],
            "kind": scoring.KINDS.index(impact["kind"]),
            **{name: _number(impact.get(name)) for name in IMPACT_POINTS},
            "effectiveness": _number(
                1 if impact.get("effectiveness") is None else impact["effectiveness"]
            ),
            "guarantee_id": impact["guarantee"].pk if impact.get("guarantee") else NO_KEY,
            "slo_id": impact["slo"].pk if impact.get("slo") else NO_KEY,
            "slo_part": _number(1 if impact.get("slo_part") is None else impact["slo_part"]),
            "foreign": bool(impact.get("currency")),
            "grade": Grade.values.index(impact.get("grade") or Grade.ESTIMATED),
        }
        for impact in impacts
    ]
    types = {
        name: {"float": "float64", "flag": "bool"}.get(str(kind), "int64")
        for name, (_, kind) in _impact_columns().items()
    }
    frame = pd.DataFrame(rows, columns=list(types)).astype(types)
    return pd.DataFrame([item | zeros]), frame


def calculate_roi(body: Mapping[str, Any]) -> dict[str, Any]:
    """scoring.calculate_roi under the policy in force, or the default one. Raises ScoringError."""
    policy = versions.standing().policy
    answer = scoring.calculate_roi(body, policy or scoring.Policy.from_payload(versions.DEFAULTS))
    if policy is None:
        answer["assumptions"] = [
            *answer["assumptions"],
            "No version of the scoring policy is in force: the threshold is that of the default"
            f" one, {versions.DEFAULTS['threshold']:g}.",
        ]
    return {**answer, "policy_version": policy.version if policy else None}


def refusal(error: scoring.ScoringError) -> DebtregError:
    """What scoring refuses, as an error for people."""
    return DebtregError(
        str(error),
        hint="Correct this value; nothing was stored.",
        code="out_of_range",
        fields={error.column: [str(error)]},
    )


def _number(value: float | Decimal | None) -> float:
    return np.nan if value is None else float(value)
