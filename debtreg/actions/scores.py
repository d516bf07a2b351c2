"""Scoring: the whole portfolio as a job, single items at once, and what-if for forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import structlog
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import bulk, formulas, frames, losses, plans, republish, tracing, verdicts, versions
from debtreg.actions import audit, deciding, jobs, promotion, rights
from debtreg.errors import Conflict, NotFound
from debtreg.models import (
    DebtItem,
    JobState,
    Score,
    ScoreState,
    ScoringPolicy,
    ScoringRun,
    User,
)
from debtreg.numbers import money, plain

log = structlog.get_logger(__name__)


# --- The whole portfolio --------------------------------------------------------------------------


def request_run(*, by: User | None) -> ScoringRun:
    """Ask for a scoring of the whole portfolio. One that waits already is returned."""
    rights.check(by, "run.start")
    return queue_run(by=by)


@transaction.atomic
def queue_run(*, by: User | None) -> ScoringRun:
    """As request_run, for changes that move scores: whoever may make them may have them scored.

    The caller's transaction locks the run: its worker waits for the change that relies on it.
    """
    while True:
        waiting = ScoringRun.objects.select_for_update().filter(state=JobState.QUEUED).first()
        if waiting is not None:
            return waiting
        try:
            with transaction.atomic():
                run = ScoringRun.objects.create(requested_by=by, traceparent=tracing.current())
        except IntegrityError:  # somebody else was a moment faster
            continue
        audit.record("run.request", run, by=by)
        return run


@transaction.atomic
def cancel_run(*, run_id: int, by: User | None) -> ScoringRun:
    """Stop a waiting or running run; what is published stays as it is."""
    rights.check(by, "run.start")
    run = ScoringRun.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(_("There is no scoring run %(run_id)s.") % {"run_id": run_id})
    if not jobs.cancel(ScoringRun, run_id):
        raise Conflict(
            _("Run %(run_id)s is over (%(run)s).")
            % {"run_id": run_id, "run": run.get_state_display().lower()},
            hint=_("There is nothing to cancel."),
        )
    audit.record("run.cancel", run, by=by)
    run.refresh_from_db()
    return run


def run(run_id: int, owner: str) -> bool:
    """Do a run: snapshot, score, promote, write, publish. False if it is not ours to do.

    Scores and backlog change in one transaction at the end, so readers see the last run or
    this one. A worker that dies leaves nothing behind; whoever takes the lease starts again.
    Raises LeaseLost when somebody else has taken the run over, or cancelled it.
    """
    if not jobs.claim(ScoringRun, run_id, owner):
        return False
    with jobs.pulse(ScoringRun, run_id, owner) as pulse:
        _Run(run_id, owner, pulse).work()
    return True


class _Run:
    def __init__(self, run_id: int, owner: str, pulse: jobs.Pulse) -> None:
        self.run_id, self.owner, self.pulse = run_id, owner, pulse
        self.seconds: dict[str, float] = {}

    def work(self) -> None:
        snapshot_at = timezone.now()
        frame = self.timed("score", self.score)
        self.pulse.report("promoting", 0, len(frame))
        plan = self.timed("promote", lambda: plans.propose(frame, self.catalog))
        self.pulse.report("writing", 0, int(frame["changed"].sum()))
        start = time.perf_counter()
        with transaction.atomic():
            successor = republish.prepare(frame, run_id=self.run_id, at=snapshot_at)
            # In this order: see deciding.
            done = promotion.apply(plan, frame, run_id=self.run_id)
            held = deciding.hold()
            changed = None
            if successor:
                frames.publish_marks(frame)
                changed = successor.publish()
            if changed is None:
                frame = _without_newer(frame)
                changed = frames.publish(frame, run_id=self.run_id, at=snapshot_at)
            decides = deciding.refresh(
                held=held,
                at=snapshot_at,
                run_id=self.run_id,
                promoted=[*done.added["item_id"], *done.withdrawn["item_id"]],
            )
            decides = frame["item_id"].map(decides)
            frame["sort_roi"] = decides.fillna(frame["sort_roi"])
            frames.publish_marks(frame)
            self.seconds["write"] = round(time.perf_counter() - start, 3)
            jobs.close(
                ScoringRun,
                self.run_id,
                self.owner,
                JobState.DONE,
                policy_id=self.catalog.policy.version,
                items=len(frame),
                changed=changed,
                promoted=len(done.added),
                withdrawn=len(done.withdrawn),
                annual_cost=round(float(np.nansum(frame["annual_cost"])), 2),
                seconds=self.seconds,
                done=len(frame),
                total=len(frame),
            )
        log.info("run_published", run=self.run_id, items=len(frame), changed=changed)
        if changed > 10_000 and bulk.is_postgres() and not successor:
            bulk.analyze(frames.SCORES)

    def score(self) -> pd.DataFrame:
        ((self.catalog, frame),) = portfolio(self.pulse.report)
        frames.add_fingerprint(frame)
        return frame

    def timed(self, name: str, work: Any) -> Any:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 3)


def portfolio(
    report: Callable[[str, int, int], None], *others: ScoringPolicy
) -> list[tuple[frames.Catalog, pd.DataFrame]]:
    """Score all open items chunk by chunk, from one state of the database; publishes nothing.

    report : takes stage, done and total
    others : versions of the policy to score under as well

    Returns the catalog and the scored frame under the policy in force, then under each other one.
    Raises PolicyRefused.
    """
    policies = [versions.read(version) for version in others]
    catalogs: list[frames.Catalog] = []
    parts: list[list[pd.DataFrame]] = [[] for _ in (None, *others)]
    with closing(frames.chunks()) as chunks:
        for chunk in chunks:
            report("scoring", chunk.number, chunk.total)
            catalogs = _under(chunk.catalog, policies)
            for catalog, scored in zip(catalogs, parts, strict=True):
                scored.append(replace(chunk, catalog=catalog).score())
    found = []
    for catalog, scored in zip(
        catalogs or _under(frames.Catalog.read(), policies), parts, strict=True
    ):
        frame = pd.concat(scored, ignore_index=True) if scored else frames.empty(catalog)
        scored.clear()
        frames.add_priority(frame, catalog)
        found.append((catalog, frame))
    return found


def _under(catalog: frames.Catalog, policies: Sequence[Any]) -> list[frames.Catalog]:
    return [catalog, *(replace(catalog, policy=policy) for policy in policies)]


def _without_newer(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep other writers of scores out, and leave alone what was scored since the snapshot."""
    if not frame["changed"].any():
        return frame
    if bulk.is_postgres():
        with connection.cursor() as cursor:
            # Readers pass; an edit waits until the run is published, then overwrites its score.
            cursor.execute(f"LOCK TABLE {frames.SCORES} IN SHARE ROW EXCLUSIVE MODE")
    # No clock tells what the snapshot saw: an edit may be scored before it and commit after it.
    return frame.assign(changed=frame["changed"] & ~frames.scored_since(frame))


# --- Single items ---------------------------------------------------------------------------------


@transaction.atomic
def score_items(
    pks: Sequence[int], *, beside: Sequence[int] = (), cause: str | None = None
) -> pd.DataFrame:
    """Score these items now; the caller has locked or made them in the same transaction.

    beside : others whose shares of failure scenarios have moved with these (coupling.beside)
    cause : of the changes, where the caller knows better than the numbers tell
    Returns the scored frame, so that the caller can refuse an amount that is a slip of units.
    """
    edited, pks = set(pks), [*pks, *beside]
    held = deciding.hold(pks)
    catalog = frames.Catalog.read(pks)
    if not pks:
        return frames.empty(catalog)
    condition, params = bulk.among("d.id", pks)
    scored, scored_params = bulk.among("s.item_id", pks)
    items = frames.read_items(condition, params, scored=scored, scored_params=scored_params)
    condition, params = bulk.among("i.item_id", pks)
    impacts = frames.read_impacts(condition, params)
    frame = frames.score(items, impacts, catalog)
    frames.add_priority(frame, catalog, portfolio_cost=_portfolio_cost())
    frames.add_fingerprint(frame)
    at = timezone.now()
    frames.publish(frame, run_id=None, at=at, cause=cause)
    deciding.refresh(pks, held, at=at, cause=cause or "", edited=edited)
    return frame[~frame["item_id"].isin(list(beside))]


def _portfolio_cost() -> float | None:
    """The portfolio's annual cost as the last run saw it; None before the first."""
    last = (
        ScoringRun.objects.filter(state=JobState.DONE)
        .order_by("-pk")
        .values_list("annual_cost", flat=True)
        .first()
    )
    return None if last is None else float(last)


def preview(*, fields: Mapping[str, Any], impacts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Score what is typed so far, saving nothing: the `score` fields, and `impacts` in detail."""
    items, rows = frames.of_input(fields, impacts)
    slos = [impact["slo"].pk for impact in impacts if impact.get("slo")]
    return formulas.describe(items, rows, frames.Catalog.read([fields.get("pk") or 0], slos))


def published(*, pk: int, problem: versions.NoPolicy) -> dict[str, Any]:
    """What is published of an item's score, as `explain` says it, where no policy is in force."""
    score = Score.objects.filter(pk=pk).first()
    ratios = ("roi", "money_roi", "payback_days", "breaking_point_years")
    amounts = ("annual_cost", "benefit", "weighted_benefit", "repair_cost")
    sure = {
        name: plain(getattr(score, name, None))
        for name in ("roi_p5", "roi_p50", "roi_p95", "confidence")
    }
    repair = dict.fromkeys(("days", "day_rate", "cash", "contingency"))
    cost = money(getattr(score, "repair_cost", None))
    return {
        "key": f"DEBT-{pk}",
        "note": f"These are the numbers as they were published last. {problem.message}"
        f" {problem.hint}",
        "state": score.state if score else ScoreState.UNPRICED,
        **{name: money(getattr(score, name, None)) for name in amounts},
        **{name: plain(getattr(score, name, None)) for name in ratios},
        **dict.fromkeys(("net_roi", "marginal_roi", "threshold", "demote_below")),
        **dict.fromkeys(("min_confidence", "guessed_share")),
        **dict.fromkeys(("too_large", "double_counted", "rough"), False),
        **{name: [] for name in ("bundle", "impacts", "scenarios", "inputs")},
        **{name: [] for name in ("measure_next", "turns")},
        **dict.fromkeys(("verdict", "verdict_reason", "roi_formula"), ""),
        "promotes": bool(score and score.promotes),
        "policy_version": score.policy_version if score else None,
        "uncertainty": sure,
        "decision": dict.fromkeys(sure),
        "repair": {**repair, "cost": cost, "formula": ""},
        "priority": score.priority if score else "",
        "priority_reason": score.get_priority_reason_display() if score else "",
        "budget_share": plain(score.budget_share) if score else None,
    }


def explain(*, pk: int, item: DebtItem | None = None) -> dict[str, Any]:
    """The formula of an item's score with its numbers put in, from what is stored now.

    item : with_details, where the caller has it
    """
    item = item or DebtItem.objects.with_details().filter(pk=pk).first()
    if item is None:
        raise NotFound(_("There is no debt item DEBT-%(pk)s.") % {"pk": pk})
    items = frames.read_items("d.id = %s", [pk])
    catalog = frames.Catalog.read([pk])
    impacts = frames.read_impacts("i.item_id = %s ORDER BY i.id", [pk])
    story = formulas.describe(items, impacts, catalog)
    stated = sorted(item.impacts.all(), key=lambda impact: impact.pk)
    for part, impact in zip(story["impacts"], stated, strict=False):
        part |= {"stated_on": impact.stated_on, "note": impact.note}
    found = losses.of(part["scenario"] for part in story["scenarios"])
    for part in story["scenarios"]:
        mine = found[part["scenario"]].parts[pk]
        part |= {
            "removal_value": money(mine.removal_value),
            "saving": money(mine.saving),
            "marginal_value": money(mine.marginal_value),
        }
    score = getattr(item, "score", None)
    return {
        "key": f"DEBT-{pk}",
        **story,
        **verdicts.describe(story, item),
        "note": "",
        "priority": score.priority if score else "",
        "priority_reason": score.get_priority_reason_display() if score else "",
        "budget_share": plain(score.budget_share) if score else None,
    }
