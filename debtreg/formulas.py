"""How a score came about, for people: each formula with its numbers put in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import scoring
from debtreg import bulk, frames, losses, measured, memo, sensitivity, versions
from debtreg.models import (
    FACTORS,
    PRICE_UNITS,
    FailureScenario,
    Grade,
    ImpactKind,
    MemberRole,
    OutcomeReading,
    Price,
)
from debtreg.numbers import money, plain, rounded, seen_ratio

GUESSED = (Grade.ESTIMATED, Grade.DEFAULT)

# What the factors of each kind count. A factor that is not named is 1, and shown only if it is not.
UNITS: dict[str, dict[str, str | Promise]] = {
    ImpactKind.LATENCY: {
        "frequency": gettext_lazy("requests / year"),
        "share": gettext_lazy("of requests over target"),
        "magnitude": gettext_lazy("ms overrun"),
    },
    ImpactKind.ERRORS: {
        "frequency": gettext_lazy("failures / year"),
        "share": gettext_lazy("not recovered by retry"),
    },
    ImpactKind.DOWNTIME: {
        "frequency": gettext_lazy("incidents / year"),
        "share": gettext_lazy("of traffic failing"),
        "magnitude": gettext_lazy("minutes / incident"),
    },
    ImpactKind.CREDITS: {
        "frequency": gettext_lazy("billing periods / year"),
        "share": gettext_lazy("chance of a breach"),
    },
    ImpactKind.COMPLIANCE: {
        "frequency": gettext_lazy("exposures / year"),
        "share": gettext_lazy("chance of a finding"),
    },
    ImpactKind.TOIL: {"frequency": gettext_lazy("hours / year")},
    ImpactKind.DRAG: {"frequency": gettext_lazy("extra hours / year")},
    ImpactKind.STATED: {},
}
PRICE_OF = {**PRICE_UNITS, ImpactKind.STATED: gettext_lazy("per year, as stated")}
_FACTORS = {
    "frequency": gettext_lazy("frequency"),
    "share": gettext_lazy("share"),
    "magnitude": gettext_lazy("magnitude"),
    "unit_price": gettext_lazy("unit price"),
}
_SCORE_MONEY = ("annual_cost", "benefit", "weighted_benefit", "repair_cost")
_SCORE_RATIOS = ("roi", "money_roi", "net_roi", "payback_days", "breaking_point_years")


def units_of(kind: str) -> dict[str, str]:
    """Factor -> what it counts, for the factors that this kind of impact has."""
    units = {**UNITS[kind], "unit_price": PRICE_OF[kind]}
    return {name: str(unit) for name, unit in units.items()}


def describe(items: pd.DataFrame, impacts: pd.DataFrame, catalog: frames.Catalog) -> dict[str, Any]:
    """One item's score and all that it was made of. Numbers are plain texts; unknown is None.

    items, impacts : as frames.read_items and frames.read_impacts give them, for one item
    """
    frames.complete(items, impacts, catalog)
    scores, detail = frames.score_frames(items, impacts, catalog)
    score, item = scores.iloc[0], items.iloc[0]
    decision = _decision(items, scores, impacts, catalog)
    prices = _prices(detail, int(item["service_id"]), catalog)
    parts = [_impact(row, prices) for row in detail.to_dict("records")]
    _name_readings(parts, detail)
    rests_on = sensitivity.describe(
        decision.items, decision.scores, detail, decision.catalog, decision.rate_weight
    )
    scenarios = _scenarios(int(item["item_id"]), catalog)
    _name_inputs(rests_on, parts, scenarios)
    rough = bool(frames.rough(items, detail, catalog)[0])
    return {
        "state": scoring.STATES[int(score["state"])],
        **{name: _cents(score[name]) for name in _SCORE_MONEY},
        **{name: plain(_significant(score[name])) for name in _SCORE_RATIOS},
        "above": bool(decision.scores["promotes"].iloc[0]),
        "marginal_roi": plain(_significant(decision.scores["roi"].iloc[0])),
        "bundle": [f"DEBT-{pk}" for pk in decision.others],
        "rough": rough,
        "threshold": plain(catalog.policy.threshold),
        "demote_below": plain(catalog.policy.demote_below),
        "min_confidence": plain(catalog.policy.min_confidence),
        "policy_version": catalog.policy.version,
        "too_large": bool(frames.too_large(items, scores)[0]),
        "double_counted": bool(score["double_counted"]),
        "impacts": parts,
        "scenarios": scenarios,
        "uncertainty": sensitivity.uncertainty(items, scores, detail, catalog),
        "decision": decision.sure
        or sensitivity.uncertainty(decision.items, decision.scores, detail, decision.catalog),
        "guessed_share": _guessed_share(items, detail, parts, scenarios, catalog),
        **rests_on,
        "repair": _repair(item, score, catalog),
        "roi_formula": _roi_formula(score, rough),
    }


@dataclass(frozen=True)
class _Decision:
    """What one item was scored with, and what came out, by what is left to gain.

    Of a bundle its benefit and its cost are those of all; rate_weight : how many times its own
    days go at its day rate; sure : how certain it is what all return together
    """

    items: pd.DataFrame
    scores: pd.DataFrame
    catalog: frames.Catalog
    others: tuple[int, ...] = ()
    rate_weight: float = 1.0
    sure: dict[str, Any] | None = None


def _decision(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    catalog: frames.Catalog,
) -> _Decision:
    if not catalog.coupled.shares["item_id"].isin(items["item_id"]).any():
        return _Decision(items, scores, catalog)
    now = scores.assign(item_id=items["item_id"], team_id=items["team_id"])
    found = losses.deciding(catalog.coupled, now, catalog.policy.threshold)
    decides = replace(catalog, coupled=replace(catalog.coupled, shares=found.shares))
    if not found.others:
        return _Decision(items, frames.score_frames(items, impacts, decides)[0], decides)
    # What the others of its bundle cost is paid in cash, as it were.
    markup = 1.0 + catalog.policy.contingency_by_class()[items["confidence"].to_numpy()]
    together = items.assign(cash=items["cash"] + found.others_cost / markup)
    score = scores.iloc[0]
    of_days = score["repair_days"] * score["day_rate"] * float(markup[0])
    return _Decision(
        together,
        frames.score_frames(together, impacts, decides)[0],
        decides,
        found.others,
        1.0 + found.at_its_rate / of_days if of_days > 0 else 1.0,
        _sure_together(items, impacts, found, catalog),
    )


def _sure_together(
    items: pd.DataFrame, impacts: pd.DataFrame, found: losses.Deciding, catalog: frames.Catalog
) -> dict[str, Any]:
    """How sure it is what a bundle returns: the others are as uncertain as the item itself."""
    others = frames.read_items(*bulk.among("d.id", found.others))
    theirs = frames.read_impacts(*bulk.among("i.item_id", found.others))
    frames.complete(others, theirs, catalog)
    every = pd.concat([items, others], ignore_index=True)
    scores, detail = frames.score_frames(
        every, pd.concat([impacts, theirs], ignore_index=True), catalog
    )
    saved = found.shares[found.shares["item_id"].isin(items["item_id"])]
    saved = saved[saved["scenario_id"] != losses.NONE]
    points = saved[[f"loss_share_{point}" for point in scoring.POINTS]].to_numpy()
    return sensitivity.described(
        scoring.joint_certainty(every, scores, detail, catalog.policy, points)
    )


def _prices(
    detail: pd.DataFrame, service: int, catalog: frames.Catalog
) -> dict[tuple[str, str], Price]:
    """The prices of the book that went in, by kind and by whose they are."""
    sources = {scoring.SOURCES.index(name) for name in ("service", "installation")}
    rows = detail[detail["unit_price_source"].isin(sources)]
    kinds = {scoring.KINDS[int(kind)] for kind in rows["kind"]}
    return {
        (price.kind, "installation" if price.service_id is None else "service"): price
        for price in catalog.book
        if price.kind in kinds and price.service_id in (None, service)
    }


def _worse(*grades: str) -> str:
    """The worst of them: a product is no better known than the least known of its factors."""
    return max(grades, key=Grade.values.index)


def _guessed_share(
    items: pd.DataFrame,
    detail: pd.DataFrame,
    parts: list[dict[str, Any]],
    scenarios: list[dict[str, Any]],
    catalog: frames.Catalog,
) -> str | None:
    grades = {each["scenario"]: Grade.values.index(each["grade"]) for each in scenarios}
    shares = catalog.coupled.shares
    shares = shares[shares["item_id"].isin(items["item_id"])]
    shares = shares.assign(grade=[grades[pk] for pk in shares["scenario_id"].tolist()])
    worst = [Grade.values.index(part["worst_grade"]) for part in parts]
    found = scoring.guessed_shares(items, detail.assign(grade=worst), shares)
    return plain(_significant(found[0], 4))


def of_reading(reading: OutcomeReading) -> str:
    """How a year is made of what was read in a period."""
    amount, days = float(reading.amount), reading.period_days
    made = ""
    if reading.impact is not None and reading.frequency is not None:
        units = units_of(reading.impact.kind)
        factors = [
            f"{_shown(getattr(reading, name))} {units[name].removesuffix(' / year')}"
            for name in FACTORS
            if getattr(reading, name) is not None
        ]
        made = f"{' × '.join(factors)} = "
    year = amount * scoring.DAYS_A_YEAR / days
    return _("%(made)s%(amount)s in %(days)s days; × 365 / %(days)s = %(year)s a year") % {
        "made": made,
        "amount": _shown(amount),
        "days": days,
        "year": _shown(year),
    }


def _number(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _cents(value: Any) -> str | None:
    """An amount as it is published: rounded as frames.score does it."""
    number = _number(value)
    return None if number is None else money(float(np.round(number, 2)))


def _significant(value: Any, digits: int = 12) -> float | None:
    number = _number(value)
    return None if number is None else float(f"{number:.{digits}g}")


def _shown(value: Any, digits: int = 6) -> str:
    """A number inside a formula: six significant digits, thousands apart."""
    number = _number(value)
    if number is None:
        return "?"
    text = plain(rounded(number, digits)) or "?"
    whole, point, rest = text.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole not in ("-0", "") else text


def _impact(row: dict[Any, Any], prices: dict[tuple[str, str], Price]) -> dict[str, Any]:
    kind = scoring.KINDS[int(row["kind"])]
    units = units_of(kind)
    factors = {}
    for name in FACTORS:
        if name not in units:
            if row[name] == 1:
                continue
            units[name] = name
        source = row.get(f"{name}_source")
        factors[name] = {
            **{point: plain(_number(row[f"{name}_{point}"])) for point in scoring.POINTS},
            "mean": plain(_significant(row[name])),
            "unit": units[name],
            "source": _source(source, row[name]),
        }
    grade = worst = scoring.GRADES[int(row["grade"])]
    price = prices.get((kind, str(factors.get("unit_price", {}).get("source"))))
    if price is not None:
        worst = _worse(grade, price.grade)
        factors["unit_price"] |= {"grade": price.grade, "said": price.source}
    rough = worst in GUESSED  # two digits and no more, as frames.rough has it of all together
    missing = [name for name, factor in factors.items() if factor["mean"] is None]
    priced = _number(row["cost"]) is not None
    product = " × ".join(f"{_shown(row[name])} {units[name]}" for name in factors)
    if priced:
        about = f"≈ {_shown(row['cost'], 2)}" if rough else f"= {_shown(row['cost'])}"
        formula = _("%(product)s %(about)s a year") % {"product": product, "about": about}
    elif row["foreign"]:
        formula = _("%(product)s: in another currency, which is not converted") % {
            "product": product
        }
    else:
        formula = _("%(product)s: not priced, %(missing)s not known") % {
            "product": product,
            "missing": _(" and ").join(str(_FACTORS[name]) for name in missing),
        }
    return {
        "kind": kind,
        "state": "priced" if priced else "unpriced",
        "missing": missing,
        "foreign": bool(row["foreign"]),
        "factors": factors,
        "cost_per_year": _cents(row["cost"]),
        **{end: _bound(row, list(factors), end) for end in ("low", "high")},
        "effectiveness": plain(_number(row["effectiveness"])),
        "weight": plain(_number(row["weight"])),
        "benefit": _cents(row["benefit"]),
        "weighted_benefit": _cents(row["weighted_benefit"]),
        "grade": grade,
        "worst_grade": worst,
        "rough": rough,
        "formula": formula,
    }


def _bound(row: dict[Any, Any], factors: list[str], end: str) -> str | None:
    """What an impact costs a year with every factor at its least, or at its most."""
    return _cents(np.prod([row[f"{name}_{end}"] for name in factors]))


def _name_readings(parts: list[dict[str, Any]], detail: pd.DataFrame) -> None:
    """Say of each impact which readings its measured factors come from, in place."""
    slos = detail["slo_id"].tolist()
    takes = [
        any(factor["source"] == "measured" for factor in part["factors"].values()) for part in parts
    ]
    named = {slo for slo, takes_some in zip(slos, takes, strict=True) if takes_some}
    sources = measured.sources(named) if named else {}
    for part, slo, takes_some in zip(parts, slos, takes, strict=True):
        source = sources.get(slo) if takes_some else None
        part["measured"] = source and {
            "slo": source.name,
            "first_day": source.first,
            "last_day": source.last,
            "age_days": source.age_days,
        }


def _scenarios(item_id: int, catalog: frames.Catalog) -> list[dict[str, Any]]:
    """The item's shares of what failure scenarios lose a year."""
    coupled = catalog.coupled
    mine = coupled.shares[coupled.shares["item_id"] == item_id]
    if mine.empty:
        return []
    named = memo.kept("scenarios")
    if missing := set(mine["scenario_id"].tolist()) - named.keys():
        named |= FailureScenario.objects.in_bulk(missing)
    losses = dict(
        zip(
            coupled.scenarios.scenario_ids.tolist(),
            coupled.scenarios.values(coupled.scenarios.start()).tolist(),
            strict=True,
        )
    )
    members = pd.Series(coupled.shares["scenario_id"]).value_counts()
    return [
        {
            "scenario": row["scenario_id"],
            "name": scenario.name,
            "grade": scenario.grade,
            "source": scenario.source,
            "stated_on": timezone.localdate(scenario.updated_at),
            "rough": rough,
            "role": MemberRole.values[int(row["role"])],
            "open_members": int(members[row["scenario_id"]]),
            "loss_per_year": _cents(losses[row["scenario_id"]]),
            "cost_per_year": _cents(share),
            **{end: _cents(row[f"loss_share_{end}"]) for end in ("low", "high")},
            "effectiveness": plain(_number(row["effectiveness"])),
            "benefit": _cents(share * row["effectiveness"]),
            "formula": _share_formula(share, losses[row["scenario_id"]], rough),
        }
        for row in mine.to_dict("records")
        for scenario in [named[row["scenario_id"]]]
        for rough in [scenario.grade in GUESSED]
        for share in [
            float(scoring.pert_mean(*(row[f"loss_share_{point}"] for point in scoring.POINTS)))
        ]
    ]


def _share_formula(share: float, loss: float, rough: bool) -> str:
    if np.isnan(loss):
        return _("not priced: how often it happens or what it loses is not known")
    part = share / loss if loss else 0.0
    about = f"≈ {_shown(share, 2)}" if rough else f"= {_shown(share)}"
    whole = _shown(loss, 2 if rough else 6)
    return _("%(part)s %% of %(whole)s a year (Shapley) %(about)s a year") % {
        "part": _shown(100 * part, 3),
        "whole": whole,
        "about": about,
    }


def _name_inputs(
    rests_on: dict[str, Any], parts: list[dict[str, Any]], scenarios: list[dict[str, Any]]
) -> None:
    """Say of each input what it is and what it is counted in, in place."""
    names = {scenario["scenario"]: scenario["name"] for scenario in scenarios}
    for name in ("inputs", "measure_next", "turns"):
        for each in rests_on[name]:
            each["unit"] = _("person-days") if each["input"] == "effort" else _("per person-day")
            each["of"] = ""
            if each["impact"] is not None:
                part = parts[each["impact"]]
                each["of"] = part["kind"]
                each["unit"] = units_of(part["kind"]).get(each["input"], "")
            elif each["scenario"] is not None:
                each["of"] = names.get(each["scenario"], "")
                each["unit"] = _("money / year, left to save")


def _source(code: Any, mean: Any) -> str:
    if code is not None and not np.isnan(code):
        return scoring.SOURCES[int(code)]
    return "given" if _number(mean) is not None else "unknown"


def _repair(item: Any, score: Any, catalog: frames.Catalog) -> dict[str, Any]:
    name = scoring.CONFIDENCES[int(item["confidence"])]
    contingency = catalog.policy.contingency[name or "none"]
    days, rate, cash = score["repair_days"], score["day_rate"], item["cash"]
    formula = _("%(days)s person-days × %(rate)s a day") % {
        "days": _shown(days),
        "rate": _shown(rate),
    }
    if cash:
        formula = _("(%(formula)s + %(cash)s cash)") % {"formula": formula, "cash": _shown(cash)}
    if contingency:
        formula += _(" × %(factor)s (%(name)s confidence)") % {
            "factor": _shown(1 + contingency),
            "name": name,
        }
    known = _number(score["repair_cost"])
    if known:
        formula += f" = {_shown(known)}"
    elif _number(days) is None:
        formula = _("The effort is not estimated.")
    elif _number(rate) is None:
        formula = _("No day rate is known for the team, nor one for the whole installation.")
    return {
        "days": plain(_significant(days)),
        "day_rate": plain(_number(rate)),
        "cash": _cents(cash),
        "contingency": plain(contingency),
        "cost": _cents(known),
        "formula": formula,
    }


def _roi_formula(score: Any, rough: bool) -> str:
    if _number(score["roi"]) is None:
        return ""
    benefit = _shown(score["weighted_benefit"], 2 if rough else 6)
    roi = seen_ratio(float(score["roi"]), rough, versions.thresholds())
    return _("%(benefit)s a year / %(repair)s %(about)s") % {
        "benefit": benefit,
        "repair": _shown(score["repair_cost"]),
        "about": f"{'≈' if rough else '='} {roi:,f}",
    }
