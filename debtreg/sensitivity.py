"""What a score rests on: how sure it is, which inputs matter, what to measure, what turns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import scoring
from debtreg import bulk, frames
from debtreg.numbers import money, plain

# As many as a person can act on.
MOST = 3
NO_SCENARIO = -1
_LOSS = scoring.INPUTS.index("loss")


def uncertainty(
    items: pd.DataFrame, scores: pd.DataFrame, detail: pd.DataFrame, catalog: frames.Catalog
) -> dict[str, Any]:
    """How sure one item's ROI is. Numbers are plain texts; unknown is None."""
    shares = catalog.coupled.shares
    sure = scoring.add_uncertainty(items, scores, detail, catalog.policy, shares).iloc[0]
    return described(sure[["roi_p5", "roi_p50", "roi_p95", "certainty"]].tolist())


def described(sure: Sequence[float]) -> dict[str, Any]:
    """Three percentiles of an ROI and its chance to be above the threshold, as plain texts."""
    names = ("roi_p5", "roi_p50", "roi_p95", "confidence")
    return {name: plain(_digits(value, 4)) for name, value in zip(names, sure, strict=True)}


def describe(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    detail: pd.DataFrame,
    catalog: frames.Catalog,
    rate_weight: float = 1.0,
) -> dict[str, Any]:
    """What the decision about one item rests on. Numbers are plain texts; unknown is None.

    items, scores, detail : one item as frames.score_frames takes and gives it
    catalog : what it was scored with; with the shares of losses.deciding the ROI is the one that
        decides
    rate_weight : how many times its own days go at its day rate, in a bundle

    Each input is {input, impact, scenario, ...}: `impact` is its position among the item's
    impacts, `scenario` the id of the scenario whose loss it is; both None for effort and day
    rate.
    """
    shares = catalog.coupled.shares
    shares = shares[shares["item_id"].isin(items["item_id"])].reset_index(drop=True)
    no_input = np.flatnonzero(shares["scenario_id"] == NO_SCENARIO)
    given = (items, scores, detail, catalog.policy, shares)
    matter = scoring.sensitivities(*given)
    worth = scoring.information_values(*given)
    if rate_weight != 1:
        rate = matter["input"] == scoring.INPUTS.index("day_rate")
        matter.loc[rate, ["elasticity", "swing"]] *= rate_weight
        off = matter.loc[rate, "turning_value"] - matter.loc[rate, "value"]
        matter.loc[rate, "turning_value"] = matter.loc[rate, "value"] + off / rate_weight
    # What the others of a bundle save beside scenarios is none of its inputs.
    matter, worth = (
        table[~((table["input"] == _LOSS) & table["row"].isin(no_input))]
        for table in (matter, worth)
    )
    above = bool(scores["promotes"].iloc[0])
    turning = matter[matter["turning_value"].notna()]
    nearest = (turning["turning_value"] / turning["value"] - 1).abs()
    return {
        "inputs": [
            {
                **_which(row, shares),
                "value": plain(_digits(row["value"], 6)),
                "elasticity": plain(_digits(row["elasticity"], 4)),
                "swing": plain(_digits(row["swing"], 4)),
            }
            for row in matter.head(MOST).to_dict("records")
        ],
        "measure_next": [
            {**_which(row, shares), "worth": money(row["value"])}
            for row in worth.head(MOST).to_dict("records")
        ],
        "turns": [
            {
                **_which(row, shares),
                "value": plain(_digits(row["value"], 6)),
                "turning_value": plain(_digits(row["turning_value"], 6)),
                # More of effort or day rate lowers the ROI, more of anything else raises it.
                "when": "below" if (row["elasticity"] > 0) == above else "above",
            }
            for row in turning.loc[nearest.sort_values(kind="stable").index]
            .head(MOST)
            .to_dict("records")
        ],
    }


def worth_measuring(pks: Sequence[int]) -> list[dict[str, Any]]:
    """The input of each of these items that pays most to be known, the most valuable first.

    Each is {item_id, input, of, worth}: `of` is the kind of the impact, "" for effort and day
    rate; worth : currency, a float. Items in no failure scenario only: what decides about the
    others hangs on what is planned beside them. A fixed number of queries. Raises NoPolicy.
    """
    condition, params = bulk.among("d.id", pks)
    scored, scored_params = bulk.among("s.item_id", pks)
    items = frames.read_items(condition, params, scored=scored, scored_params=scored_params)
    condition, params = bulk.among("i.item_id", pks)
    impacts = frames.read_impacts(condition, params)
    catalog = frames.Catalog.read(pks)
    frames.complete(items, impacts, catalog)
    scores, detail = frames.score_frames(items, impacts, catalog)
    shares = catalog.coupled.shares
    worth = scoring.information_values(items, scores, detail, catalog.policy, shares)
    worth = worth[~worth["item_id"].isin(shares["item_id"])]
    best = worth.drop_duplicates("item_id").sort_values("value", ascending=False, kind="stable")
    kinds = detail["kind"].to_numpy()
    return [
        {
            "item_id": int(row["item_id"]),
            "input": (name := scoring.INPUTS[int(row["input"])]),
            "of": scoring.KINDS[kinds[int(row["row"])]] if name in scoring.FACTORS else "",
            "worth": float(row["value"]),
        }
        for row in best.to_dict("records")
    ]


def _which(row: dict[Any, Any], shares: pd.DataFrame) -> dict[str, Any]:
    name, at = scoring.INPUTS[int(row["input"])], int(row["row"])
    return {
        "input": name,
        "impact": at if name in scoring.FACTORS else None,
        "scenario": int(shares["scenario_id"].iloc[at]) if name == "loss" else None,
    }


def _digits(value: Any, digits: int) -> float | None:
    if value is None or np.isnan(value):
        return None
    return float(f"{float(value):.{digits}g}")
