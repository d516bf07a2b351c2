"""Small drawings as SVG, coloured by classes of the style sheets: the CSP allows no styles."""

from __future__ import annotations

import math
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from .units import parse

register = template.Library()

# The axis of an ROI: logarithmic, from 0.3 to 30; what lies beyond stands at its end.
LEFT, RIGHT = -0.5, 1.5


def _place(value: Any) -> float | None:
    number = parse(value)
    if number is None:
        return None
    exponent = math.log10(float(number)) if number > 0 else LEFT
    return round(100 * (min(max(exponent, LEFT), RIGHT) - LEFT) / (RIGHT - LEFT), 1)


@register.simple_tag
def roi_plot(roi: Any, low: Any, high: Any, threshold: Any) -> SafeString:
    """An ROI as a dot, its P5 to P95 as a line, and the threshold. The number stands beside it."""
    dot, first, last, limit = _place(roi), _place(low), _place(high), _place(threshold)
    if dot is None:
        return SafeString("")
    line = ""
    if first is not None and last is not None and last > first:
        line = format_html(
            '<line class="plot-range" x1="{}%" x2="{}%" y1="50%" y2="50%"/>', first, last
        )
    over = (parse(roi) or 0) > (parse(threshold) or 0)
    return format_html(
        '<svg class="{}" aria-hidden="true">'
        '<line class="plot-axis" x1="0" x2="100%" y1="50%" y2="50%"/>'
        '<line class="plot-threshold" x1="{limit}%" x2="{limit}%" y1="0" y2="100%"/>'
        '{}<circle class="plot-dot" cx="{}%" cy="50%" r="3.5"/></svg>',
        "plot plot-over" if over else "plot",
        line,
        dot,
        limit=limit or 0,
    )


@register.simple_tag
def bar(value: Any, of: Any, second: Any = None) -> SafeString:
    """How much of something is full; `second` goes before it in another colour. Text beside it."""
    whole, first, before = parse(of), parse(value), parse(second)
    if whole is None or first is None:
        return SafeString("")
    total = first + (before or 0)
    scale = 100 / float(max(whole, total)) if max(whole, total) > 0 else 0
    return format_html(
        '<svg class="bar" aria-hidden="true"><rect class="bar-track" width="100%" height="100%"/>'
        '<rect class="{}" width="{}%" height="100%"/>'
        '<rect class="bar-done" width="{}%" height="100%"/></svg>',
        "bar-over" if total > whole else "bar-fill",
        round(float(total) * scale, 1),
        round(float(before or 0) * scale, 1),
    )


WIDE, HIGH = 1000, 240


@register.simple_tag
def budget_chart(found: Any) -> SafeString:
    """What was left of an error budget over its period (burn_down.BurnDown), beside the line of
    a budget that is used up evenly. The numbers stand in a table beside it.
    """
    whole = (found.ends_at - found.starts_at).total_seconds()
    lowest = min(float(found.lowest), 0.0)
    floor = max(lowest, -1.0)

    def place(moment: Any, left: Any) -> str:
        across = (moment - found.starts_at).total_seconds() / whole * WIDE
        down = (1 - max(float(left), floor)) / (1 - floor) * HIGH
        return f"{across:.1f},{down:.1f}"

    zero = HIGH / (1 - floor)
    lines = format_html_join(
        "",
        '<polyline class="budget-left" points="{}"/>',
        ((" ".join(place(*point) for point in part),) for part in found.segments),
    )
    return format_html(
        '<svg class="budget-chart" viewBox="0 0 {w} {h}" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="budget-over" y="{zero}" width="{w}" height="{under}"/>'
        '<line class="budget-zero" x1="0" x2="{w}" y1="{zero}" y2="{zero}"/>'
        '<line class="budget-ideal" x1="0" y1="0" x2="{w}" y2="{zero}"/>{lines}</svg>',
        w=WIDE,
        h=HIGH,
        zero=round(zero, 1),
        under=round(HIGH - zero, 1),
        lines=lines,
    )
