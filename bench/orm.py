"""Table `orm`: the same scoring as a loop over Django objects, a row at a time."""

from __future__ import annotations

import time
from typing import Any

from bench import child
from bench.database import Server
from bench.report import Table, best

TITLE = "Scoring 10,000 items: the run beside a loop of Django objects"
NOTE = (
    "loop: services, teams and impacts prefetched, prices in a dictionary, one save() per score,"
    " one transaction. It makes no plan and writes no history. Best of the repeats."
)
REPEATS = 3
TARGET = 50


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    environment = server.portfolio(sizes[0])
    return {
        "loop": [child.call("bench.orm:loop", environment) for _ in range(REPEATS)],
        **child.call("bench.orm:ours", environment),
    }


def show(result: dict[str, Any]) -> Table:
    table = Table("10,000 items x 3", "s", "items/s", "times as fast", "at least")
    loop = best(result["loop"])
    table.row("loop", f"{loop['s']:.2f}", f"{loop['items'] / loop['s']:,.0f}", "", "")
    ours = best(result["ours"])
    scored = ours["s"] - ours["stages"]["promote"]
    for name, seconds in (("run", ours["s"]), ("run without its plan", scored)):
        times = loop["s"] / seconds
        missed = " !" if times < TARGET and name != "run" else ""
        table.row(
            *(name, f"{seconds:.2f}", f"{ours['items'] / seconds:,.0f}"),
            *(f"{times:.0f}{missed}", str(TARGET) if name != "run" else ""),
        )
    return table


# --- In child processes ---------------------------------------------------------------------------


def ours() -> dict[str, Any]:
    from bench.scoring import run

    return {"ours": [run(reset=True) for _ in range(5)]}


def loop() -> dict[str, Any]:
    """What one would write first, without carelessness."""
    from django.db import transaction

    from bench.scoring import forget, run
    from debtreg import versions
    from debtreg.models import DebtItem, Guarantee, Price, Score

    run(reset=True)
    expected = dict(Score.objects.filter(state="priced").values_list("item_id", "roi"))
    forget()
    start = time.perf_counter()
    policy = versions.standing().row
    prices = {(price.service_id, price.kind): price for price in Price.objects.all()}
    weights = {guarantee.pk: float(guarantee.weight) for guarantee in Guarantee.objects.all()}
    items = DebtItem.objects.open().select_related("service", "team").prefetch_related("impacts")
    rois: dict[int, float] = {}
    with transaction.atomic():
        for item in items:
            score = _score(item, prices, weights, policy)
            score.save()
            if score.roi is not None:
                rois[item.pk] = score.roi
    seconds = time.perf_counter() - start
    if rois.keys() != expected.keys() or any(
        abs(roi - expected[pk]) > 1e-9 * max(1, abs(roi)) for pk, roi in rois.items()
    ):
        raise SystemExit("The loop and the run differ.")
    return {"s": seconds, "items": len(items)}


def _score(item: Any, prices: dict[Any, Any], weights: dict[int, float], policy: Any) -> Any:
    from django.utils import timezone

    from debtreg.models import DAY_RATE, Score

    cost = benefit = weighted = 0.0
    priced = unpriced = 0
    for impact in item.impacts.all():
        annual = _cost(impact, item, prices)
        if annual is None:
            unpriced += 1
            continue
        priced += 1
        cost += annual
        benefit += annual * impact.effectiveness
        weighted += (
            annual
            * impact.effectiveness
            * policy.payload["weights"][impact.kind]
            * weights.get(impact.guarantee_id, 1.0)
        )
    days = _mean(item, "effort")
    if days is not None and item.effort_unit == "hour":
        days /= 8
    elif days is not None and item.effort_unit == "story_point":
        per_point = item.team.days_per_point if item.team else None
        days = None if per_point is None else days * float(per_point)
    rate = item.team.day_rate if item.team else None
    if rate is None:
        rate = _mean(prices[None, DAY_RATE])
    repair = None
    if days is not None:
        contingency = policy.payload["contingency"][item.confidence or "none"]
        repair = (days * float(rate) + float(item.cash)) * (1 + contingency)
    state = "unpriced" if not priced else "priced" if repair else "needs_estimate"
    roi = weighted / repair if state == "priced" and repair else None
    order = {"priced": roi, "needs_estimate": -1e307, "unpriced": -1e308}
    return Score(
        item=item,
        team=item.team,
        service=item.service,
        state=state,
        sort_roi=order[state],
        annual_cost=round(cost, 2) if priced else None,
        benefit=round(benefit, 2) if priced else None,
        weighted_benefit=round(weighted, 2) if priced else None,
        repair_cost=round(repair, 2) if repair is not None else None,
        roi=roi,
        money_roi=benefit / repair if roi is not None and repair else None,
        payback_days=365 * repair / benefit if roi and repair and benefit > 0 else None,
        breaking_point_years=repair / cost if roi and repair and cost > 0 else None,
        promotes=roi is not None and roi > policy.payload["threshold"],
        unpriced_impacts=unpriced,
        policy_version=policy.version,
        revision=item.revision,
        fingerprint=1,
        price_fingerprint=1,
        scored_at=timezone.now(),
    )


FIXED = {
    "errors": ("magnitude",),
    "credits": ("magnitude",),
    "compliance": ("magnitude",),
    "toil": ("share", "magnitude"),
    "drag": ("share", "magnitude"),
    "stated": ("frequency", "share", "magnitude"),
}


def _cost(impact: Any, item: Any, prices: dict[Any, Any]) -> float | None:
    if impact.currency:
        return None
    product = 1.0
    for factor in ("frequency", "share", "magnitude", "unit_price"):
        value = _mean(impact, factor)
        if value is None and factor in FIXED.get(impact.kind, ()):
            value = 1.0
        elif value is None and factor == "frequency" and impact.kind == "latency":
            value = item.service.requests_per_year if item.service else None
        elif value is None and factor == "unit_price" and impact.kind != "stated":
            price = prices.get((item.service_id, impact.kind)) or prices.get((None, impact.kind))
            value = _mean(price) if price else None
        if value is None:
            return None
        product *= value
    return product


def _mean(row: Any, name: str = "") -> float | None:
    low, likely, high = (
        getattr(row, f"{name}_{point}" if name else point) for point in ("low", "likely", "high")
    )
    if low is None or likely is None or high is None:
        return None
    return float(likely) if low == high else (float(low) + 4 * float(likely) + float(high)) / 6
