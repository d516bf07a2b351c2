"""The ROI that promotion goes by, beside the one that is published, for lists of scores.

A debt in failure scenarios is ranked by its share of what they lose. What decides is what its
repair returns once all that is promoted is done; for all others both are the same number.
"""

from __future__ import annotations

from collections.abc import Sequence

from debtreg import losses
from debtreg.models import Score


def mark(scores: Sequence[Score], threshold: float | None) -> None:
    """Give each score what the templates ask for, in a fixed number of queries.

    deciding_roi : by which it is promoted or not, a ratio; None if it has no ROI
    deciding_benefit : currency / year, weighted: deciding_roi times the repair
    is_apart : the published ROI is another number, that of its share
    is_above : deciding_roi is above the threshold
    """
    marginal = losses.marginal_rois([score.item_id for score in scores])
    for score in scores:
        roi, benefit = score.roi, score.weighted_benefit
        is_apart = score.item_id in marginal and _differs(marginal[score.item_id], roi)
        is_above = bool(score.promotes)
        if is_apart:
            roi = marginal[score.item_id]
            is_above = roi > threshold if threshold is not None else is_above
            if score.repair_cost is not None:
                benefit = score.repair_cost * type(score.repair_cost)(roi)
        score.deciding_roi = roi  # type: ignore[attr-defined]
        score.deciding_benefit = benefit  # type: ignore[attr-defined]
        score.is_apart = is_apart  # type: ignore[attr-defined]
        score.is_above = is_above  # type: ignore[attr-defined]


def _differs(marginal: float, roi: float | None) -> bool:
    # What is published is rounded to cents before it is divided.
    return roi is None or abs(marginal - roi) > 1e-6 * max(1.0, abs(roi))
