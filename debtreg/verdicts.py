"""What decides whether a debt is promoted, as it stands now: one word, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
    missing = _missing(item)
    code, why = _decided(story, item, entry, missing)
    if missing and code != "blocked":
        # It holds it back beside all else.
        why += _(" It also needs %(missing)s first, which is not promoted.") % {
            "missing": listed(missing)
        }
    return {
        "verdict": code,
        "verdict_reason": f"{what}{why}".strip(),
        "promotes": code in PROMOTES,
    }


NO_TEAM = gettext_lazy(
    "It has no team, so there is no backlog to put it in: give it a service, whose team "
    "it goes to, or a team."
)


def _returns(story: dict[str, Any]) -> str:
    if story["marginal_roi"] is None:
        return ""
    roi = _ratio(story["marginal_roi"], story["rough"])
    if story["bundle"]:
        return _(
            "Pays only together with %(story)s: together their repairs return %(roi)s times "
            "their cost"
        ) % {"story": listed(story["bundle"]), "roi": roi}
    if story["scenarios"] and story["marginal_roi"] != story["roi"]:
        return _(
            "Once all that is promoted beside it is done, its repair returns %(roi)s times its cost"
        ) % {"roi": roi}
    return _("Its repair returns %(roi)s times its cost") % {"roi": roi}


def _decided(
    story: dict[str, Any], item: DebtItem, entry: BacklogEntry | None, missing: list[str]
) -> tuple[str, str]:
    today, threshold, floor = timezone.localdate(), story["threshold"], story["demote_below"]
    known = story["marginal_roi"] is not None
    end = _(". ") if known else ""
    started = item.status == DebtStatus.DOING or (entry and entry.state == EntryState.STARTED)
    roi = float(story["marginal_roi"]) if known else 0.0
    if item.team_id is None:
        return "no_team", f"{end}{NO_TEAM}"
    if item.is_accepted(today):
        return "accepted", _("%(end)sThe debt is accepted, so it is not promoted.") % {"end": end}
    if item.is_vetoed(today):
        return "vetoed", _("%(end)sIt is vetoed, so it is not promoted.") % {"end": end}
    if started:
        return "started", _("%(end)sWork on it has started.") % {"end": end}
    if not known:
        return "unknown", ""
    above = roi > float(threshold)
    if missing and (above or entry or item.pinned):
        but = _(": above %(threshold)s, but it") % {"threshold": threshold} if above else ". It"
        return "blocked", (
            _("%(but)s needs %(missing)s first, which is not promoted, %(so)s.")
            % {
                "but": but,
                "missing": listed(missing),
                "so": _("and the next run takes it back")
                if entry
                else _("so it is not promoted either"),
            }
        )
    if item.pinned or (entry and entry.pinned):
        who = _("pinned") if item.pinned else _("promoted by hand")
        return "pinned", _(". It is %(who)s: it stays whatever its ROI.") % {"who": who}
    if entry and above:
        return "promoted", _(": above %(threshold)s, by which it is promoted.") % {
            "threshold": threshold
        }
    if entry and roi >= float(floor):
        return "kept", _(
            ": no longer above %(threshold)s, but not below %(floor)s: it stays promoted."
        ) % {"threshold": threshold, "floor": floor}
    if entry:
        return "falling", (
            _(": below %(floor)s, so the next run takes it back, unless what is promoted needs it.")
            % {"floor": floor}
        )
    if not above:
        return "below", _(": that is not above %(threshold)s, so it is not promoted.") % {
            "threshold": threshold
        }
    if unable := _unable(story["bundle"]):
        return "partner", _(
            ": above %(threshold)s, but %(unable)s, so none of them is promoted."
        ) % {"threshold": threshold, "unable": unable}
    chance, asked = story["decision"]["confidence"], story["min_confidence"]
    if chance is not None and float(chance) < float(asked):
        return "uncertain", (
            _(
                ": above %(threshold)s, but uncertain: P(ROI > %(threshold)s) is %(chance)s, the "
                "policy asks for %(asked)s, so it is not promoted."
            )
            % {"threshold": threshold, "chance": f"{float(chance):.2f}", "asked": asked}
        )
    return "due", _(": above %(threshold)s, so the next run promotes it.") % {
        "threshold": threshold
    }


def _unable(keys: Sequence[str]) -> str:
    """Why one of these cannot be promoted; empty if all can."""
    today = timezone.localdate()
    others = DebtItem.objects.filter(pk__in=[int(key.removeprefix("DEBT-")) for key in keys])
    for other in others.order_by("pk"):
        if other.team_id is None:
            return _("%(key)s has no team: give it one") % {"key": other.key}
        if other.is_vetoed(today):
            return _("%(key)s is vetoed") % {"key": other.key}
        if other.is_accepted(today):
            return _("%(key)s is accepted") % {"key": other.key}
        if missing := _missing(other):
            return _("%(key)s needs %(missing)s first, which is not promoted") % {
                "key": other.key,
                "missing": listed(missing),
            }
    return ""


def _missing(item: DebtItem) -> list[str]:
    """What it needs first that is neither done, nor started, nor promoted."""
    known = memo.kept("needs")
    if item.pk not in known:
        active = BacklogEntry.objects.active().filter(item=OuterRef("needs"))
        links = item.needs_links.select_related("needs").annotate(is_promoted=Exists(active))
        known[item.pk] = list(links)
    moving = (DebtStatus.DONE, DebtStatus.DOING)
    return [
        f"DEBT-{link.needs_id}"
        for link in sorted(known[item.pk], key=lambda link: link.needs_id)
        if link.needs.status not in moving and not link.is_promoted
    ]


def _ratio(value: Any, rough: bool) -> str:
    """As the pages show it beside."""
    seen = seen_ratio(value, rough, beside=versions.thresholds())
    return f"{'≈ ' if rough else ''}{seen:,f}"
