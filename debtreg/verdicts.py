"""What decides whether a debt is promoted, as it stands now: one word, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils import timezone

from debtreg import memo, versions
from debtreg.models import BacklogEntry, DebtItem, DebtStatus, EntryState
from debtreg.numbers import seen_ratio
from debtreg.reasons import listed

# In the order in which they are asked; "" for a debt that is resolved.
VERDICTS = (
    "no_team",
    "vetoed",
    "accepted",
    "started",
    "blocked",
    "pinned",
    "unknown",
    "promoted",
    "kept",
    "falling",
    "partner",
    "uncertain",
    "due",
    "below",
)


# With these a run puts a debt into the backlog, or keeps it there.
PROMOTES = ("pinned", "promoted", "kept", "due")


def describe(story: dict[str, Any], item: DebtItem) -> dict[str, Any]:
    """What decides about an item, by its explanation: `verdict`, `verdict_reason`, `promotes`.

    story : as formulas.describe gives it; item : with team and service
    """
    if item.status == DebtStatus.DONE:
        return {"verdict": "", "verdict_reason": "", "promotes": False}
    known = memo.kept("entries")
    if item.pk not in known:
        known[item.pk] = BacklogEntry.objects.active().filter(item=item).first()
    entry = known[item.pk]
    what = _returns(story)
    missing = _missing([item])
    code, why = _decided(story, item, entry, missing)
    if missing and code != "blocked":
        # It holds it back beside all else.
        why += f" It also needs {listed(missing)} first, which is not promoted."
    return {
        "verdict": code,
        "verdict_reason": f"{what}{why}".strip(),
        "promotes": code in PROMOTES,
    }


NO_TEAM = (
    "It has no team, so there is no backlog to put it in: give it a service, whose team it goes"
    " to, or a team."
)


def _returns(story: dict[str, Any]) -> str:
    if story["marginal_roi"] is None:
        return ""
    roi = _ratio(story["marginal_roi"], story["rough"])
    if story["bundle"]:
        return (
            f"Pays only together with {listed(story['bundle'])}: together their repairs return"
            f" {roi} times their cost"
        )
    if story["scenarios"] and story["marginal_roi"] != story["roi"]:
        return (
            f"Once all that is promoted beside it is done, its repair returns {roi} times its cost"
        )
    return f"Its repair returns {roi} times its cost"


def _decided(
    story: dict[str, Any], item: DebtItem, entry: BacklogEntry | None, missing: list[str]
) -> tuple[str, str]:
    today, threshold, floor = timezone.localdate(), story["threshold"], story["demote_below"]
    known = story["marginal_roi"] is not None
    end = ". " if known else ""
    started = item.status == DebtStatus.DOING or (entry and entry.state == EntryState.STARTED)
    roi = float(story["marginal_roi"]) if known else 0.0
    if item.team_id is None:
        return "no_team", end + NO_TEAM
    if item.is_accepted(today):
        return "accepted", f"{end}The debt is accepted, so it is not promoted."
    if item.is_vetoed(today):
        return "vetoed", f"{end}It is vetoed, so it is not promoted."
    if started:
        return "started", f"{end}Work on it has started."
    if not known:
        return "unknown", ""
    above = roi > float(threshold)
    if missing and (above or entry or item.pinned):
        but = f": above {threshold}, but it" if above else ". It"
        return "blocked", (
            f"{but} needs {listed(missing)} first, which is not promoted,"
            f" {'and the next run takes it back' if entry else 'so it is not promoted either'}."
        )
    if item.pinned or (entry and entry.pinned):
        who = "pinned" if item.pinned else "promoted by hand"
        return "pinned", f". It is {who}: it stays whatever its ROI."
    if entry and above:
        return "promoted", f": above {threshold}, by which it is promoted."
    if entry and roi >= float(floor):
        return "kept", f": no longer above {threshold}, but not below {floor}: it stays promoted."
    if entry:
        return "falling", (
            f": below {floor}, so the next run takes it back, unless what is promoted needs it."
        )
    if not above:
        return "below", f": that is not above {threshold}, so it is not promoted."
    if unable := _unable(story["bundle"]):
        return "partner", f": above {threshold}, but {unable}, so none of them is promoted."
    chance, asked = story["decision"]["confidence"], story["min_confidence"]
    if chance is not None and float(chance) < float(asked):
        return "uncertain", (
            f": above {threshold}, but uncertain: P(ROI > {threshold}) is"
            f" {float(chance):.2f}, the policy asks for {asked}, so it is not promoted."
        )
    return "due", f": above {threshold}, so the next run promotes it."


def _unable(keys: Sequence[str]) -> str:
    """Why one of these cannot be promoted; empty if all can."""
    today = timezone.localdate()
    others = DebtItem.objects.filter(pk__in=[int(key.removeprefix("DEBT-")) for key in keys])
    for other in others.order_by("pk"):
        if other.team_id is None:
            return f"{other.key} has no team: give it one"
        if other.is_vetoed(today):
            return f"{other.key} is vetoed"
        if other.is_accepted(today):
            return f"{other.key} is accepted"
        if missing := _missing([other]):
            return f"{other.key} needs {listed(missing)} first, which is not promoted"
    return ""


def _missing(items: Sequence[DebtItem]) -> list[str]:
    """What these need first that is neither done, nor started, nor promoted."""
    active = BacklogEntry.objects.active().values("item")
    needs = DebtItem.objects.filter(dependents__in=items).exclude(
        Q(status__in=(DebtStatus.DONE, DebtStatus.DOING)) | Q(pk__in=active)
    )
    return [f"DEBT-{pk}" for pk in needs.order_by("pk").values_list("pk", flat=True).distinct()]


def _ratio(value: Any, rough: bool) -> str:
    """As the pages show it beside."""
    seen = seen_ratio(value, rough, beside=versions.thresholds())
    return f"{'≈ ' if rough else ''}{seen:,f}"
