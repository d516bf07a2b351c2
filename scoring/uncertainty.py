"""How sure a score is: the ROI's percentiles, its chance to beat the threshold, what to measure.

Every three-point input is a PERT of its own, independent of the others. Nothing is drawn at
random, so the same input always gives the same answer.

The ROI is below q where benefit - q x repair cost is below 0, a sum of independent parts whose
moments are known in closed form. Where its shape is mild, Pearson's curve with these moments
gives the percentiles, and says where the chance to beat the threshold is as good as 0 or 1.

Where the shape is not mild, and for a chance that is open, on which decisions hang, the inputs of
each item run through the same few points, a Sobol net that covers every input evenly. Of each
item the input that matters most is left to its own distribution at each point, as the ROI is
(A + B v) / (C + R v) in it. A chance that some quarter of the points puts elsewhere takes four
times as many, and so does a percentile that half of them put elsewhere; with one uncertain input
both are exact.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from .columns import FACTORS, positions_of
from .pearson import cumulants, quantile
from .pert import pert_mean, pert_sd, three_points
from .policy import Policy
from .segments import products, products_of_others, starts_of

LEVELS = (0.05, 0.50, 0.95)
# What can be uncertain: a factor of an impact, the effort, the day rate, the loss of a scenario.
INPUTS = (*FACTORS, "effort", "day_rate", "loss")
_OF_COST = ("effort", "day_rate")  # the factors of the repair cost
_LOSS = INPUTS.index("loss")
_LEANS = 128  # steps of the tables between the most left- and the most right-leaning PERT
_STEPS = 1024  # steps of the distribution's table between low and high
_BLOCK = 300_000  # numbers worked on at once: what a processor's cache holds
_SEED = 20_260_101
_NET = 32  # inputs that share a net
# The points: of all that no closed form tells, and of what these leave unsure.
_POINTS = (256, 1024)
MOST_POINTS = _POINTS[-1]
_STEADY = 0.003  # a chance needs no more points where each quarter of them puts it this near
_DOUBT = 0.002  # nor does a percentile whose level half of the points put this near
_STRATA = 4  # values of the leading input at each point
_WINDOW = 0.1  # how far around a percentile ROIs tell how dense they are, in standard errors
_LOPSIDED = 0.8  # up to here a shape is mild; see _Parts.difference
_STEPS_OF_NEWTON = 4
_MOMENTS = 5
_NARROW = 0.005  # standard deviations that are a smaller part of the mean

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def add_uncertainty(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Add the percentiles of the ROI and its chance to be above the threshold.

    Parameters
    ----------
    items, shares : as they went into `score`
    scores, impacts : as they came out of `score_in_detail`, in the same order

    Returns
    -------
    The scores with
        roi_p5, roi_p50, roi_p95 (ratio) : 5, 50 and 95 of 100 ROIs are below
        certainty (ratio) : the probability that the ROI is above the policy's threshold
    All NaN where there is no ROI; without uncertain inputs the ROI itself and 0 or 1.

    The certainty is within 0.01 of a million random draws, on average within 0.001. Of a million
    draws 5, 50 and 95 % are below the percentiles to within 0.01, on average within 0.002. Tests
    show both.

    Examples
    --------
    >>> from scoring import *
    >>> policy = Policy.from_payload(DEFAULT_PAYLOAD)
    >>> item = {"item_id": 1, "effort_low": 2, "effort_likely": 5, "effort_high": 14}
    >>> items = make_frame(ITEM_COLUMNS, [{**item, "day_rate": 100.0}])
    >>> impacts = make_frame(IMPACT_COLUMNS, [{"item_id": 1, "kind": 7, "unit_price": 1800.0}])
    >>> scores, detail = score_in_detail(items, impacts, make_frame(PRICE_COLUMNS, []), policy)
    >>> found = add_uncertainty(items, scores, detail, policy).round(4)
    >>> found[["roi", "roi_p50", "certainty"]].values.tolist()
    [[3.0, 3.1222, 0.5391]]
    """
    roi = scores["roi"].to_numpy()
    percentiles = np.repeat(roi[:, None], len(LEVELS), axis=1)
    certainty = np.where(np.isnan(roi), np.nan, scores["promotes"].to_numpy(dtype=np.float64))
    made = Inputs.of(items, scores, impacts, policy, shares)
    parts = made.cumulants()
    percentiles[made.items] = parts.percentiles(roi[made.items])
    wild = np.isnan(percentiles).any(axis=1)
    certainty[made.items] = parts.clear_chance(policy.threshold)
    certainty[wild] = np.nan
    made = made.only(np.isnan(certainty[made.items]))
    for points in _POINTS:
        unsure = np.zeros(len(made.items), dtype=bool)
        for block in made.blocks(points):
            ratio, rows = made.led(block, points), made.items[block]
            # A quarter of a net is a net, too.
            quarters = ratio.chances(policy.threshold).reshape(len(rows), 4, -1).mean(axis=2)
            chance = quarters.mean(axis=1)
            certainty[rows] = chance
            of_wild = wild[rows]
            found, doubt = ratio.only(of_wild).percentiles()
            percentiles[rows[of_wild]] = found
            wild[rows[of_wild]] = doubt > _DOUBT
            unsure[block] = np.abs(quarters - chance[:, None]).max(axis=1) >= _STEADY
            unsure[block] |= wild[rows]
        made = made.only(unsure)
    return scores.assign(
        roi_p5=percentiles[:, 0],
        roi_p50=percentiles[:, 1],
        roi_p95=percentiles[:, 2],
        certainty=certainty,
    )


def information_values(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    impacts: pd.DataFrame,
    policy: Policy,
    shares: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say what it would be worth to know each uncertain input exactly: what to measure next.

    The decision is to repair where the weighted benefit exceeds threshold x repair cost. Knowing
    an input is worth what better decisions gain on average: E[max(0, a + b V)] - max(0, a + b
    E[V]), where the difference is a + b V for a value V of the input and the means of all
    others. A PERT gives this in closed form; nothing is drawn.

    Source: H. Raiffa, R. Schlaifer, "Applied statistical decision theory" (1961), ch. 4.

    Parameters
    ----------
    As add_uncertainty.

    Returns
    -------
    One row per uncertain input that could turn the decision, the most valuable of each item
    first: item_id, input (code into INPUTS), row (position in `impacts`, for a `loss` in
    `shares`, -1 for effort and day rate), value (currency, of the first year).

    Examples
    --------
    >>> from scoring import *
    >>> policy = Policy.from_payload(DEFAULT_PAYLOAD)
    >>> item = {"item_id": 1, "effort_low": 2, "effort_likely": 5, "effort_high": 14}
    >>> items = make_frame(ITEM_COLUMNS, [{**item, "day_rate": 100.0}])
    >>> impacts = make_frame(IMPACT_COLUMNS, [{"item_id": 1, "kind": 7, "unit_price": 1800.0}])
    >>> scores, detail = score_in_detail(items, impacts, make_frame(PRICE_COLUMNS, []), policy)
    >>> found = information_values(items, scores, detail, policy)
    >>> [INPUTS[code] for code in found["input"]], found["value"].round(2).tolist()
    (['effort'], [263.37])
    """
    made = Inputs.of(items, scores, impacts, policy, shares)
    count = len(made.items)
    hurdle = policy.threshold * scores["repair_cost"].to_numpy()[made.items]
    difference = scores["weighted_benefit"].to_numpy()[made.items] - hurdle
    item = np.concatenate([made.item, np.arange(count), np.arange(count)])
    value = _worth(
        np.concatenate([made.slope, -policy.threshold * made.cost_slope.ravel()]),
        difference[item],
        np.concatenate([made.span, made.cost_span.ravel()]),
        np.concatenate([made.lean, made.cost_lean.ravel()]),
    )
    of_cost = np.repeat([INPUTS.index(name) for name in _OF_COST], count)
    found = pd.DataFrame(
        {
            "item_id": items["item_id"].to_numpy()[made.items[item]],
            "input": np.concatenate([made.name, of_cost]).astype(np.int8),
            "row": np.concatenate([made.term_row[made.term], np.full(len(of_cost), -1)]),
            "value": value,
        }
    )
    order = np.lexsort((-value, item))
    return found.iloc[order[value[order] > 0]].reset_index(drop=True)


def _worth(slope: _Floats, difference: _Floats, span: _Floats, lean: _Floats) -> _Floats:
    """Give E[max(0, a + b V)] - max(0, a + b E[V]) where a + b E[V] is the difference."""
    alpha = 1.0 + 4.0 * lean
    at_low = difference - slope * span * alpha / 6.0  # a + b V at V = low
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = -at_low / (slope * span)  # where it becomes 0, between 0 and 1
    turns = (turn > 0) & (turn < 1)
    z, alpha = turn[turns], alpha[turns]
    beta = 6.0 - alpha
    below = special.betainc(alpha, beta, z)
    below_mean = alpha / 6.0 * special.betainc(alpha + 1.0, beta, z)
    rise = slope[turns] * span[turns]
    # What lies on the gaining side: below the turn for a falling difference, else above it.
    share = np.where(rise > 0, 1.0 - below, below)
    share_mean = np.where(rise > 0, alpha / 6.0 - below_mean, below_mean)
    value = np.zeros(len(slope))
    informed = at_low[turns] * share + rise * share_mean
    value[turns] = np.maximum(0.0, informed - np.maximum(0.0, difference[turns]))
    return value


@dataclass(frozen=True)
class Inputs:
    """Uncertain inputs of the items that have any, flat and sorted by item and term.

    The benefit of an item is `fixed` plus the sum of its terms (impacts, shares of scenarios); a
    term is `factor` times its inputs; the repair costs `markup` x effort x day rate + `extra`.
    """

    items: _Ints  # position of each item in the frame; the arrays of items follow it
    fixed: _Floats
    markup: _Floats
    extra: _Floats
    # Of the repair cost, a row for each of _OF_COST:
    cost_low: _Floats
    cost_span: _Floats  # 0 where it is certain
    cost_lean: _Floats
    cost_slope: _Floats  # what one unit more adds to the repair cost
    cost_place: _Ints

    term_item: _Ints  # number of the item in `items`, rising
    term_row: _Ints  # where the term comes from
    factor: _Floats

    term: _Ints  # by input: its term, rising
    name: NDArray[np.int8]  # code into INPUTS
    low: _Floats
    span: _Floats
    lean: _Floats  # (likely - low) / (high - low)
    slope: _Floats  # what one unit more adds to the benefit, all others at their means
    place: _Ints  # 0 for the input that matters most in its item, those of the cost among them

    @property
    def item(self) -> _Ints:
        """Number of the item of each input."""
        return self.term_item[self.term]

    @classmethod
    def of(
        cls,
        items: pd.DataFrame,
        scores: pd.DataFrame,
        impacts: pd.DataFrame,
        policy: Policy,
        shares: pd.DataFrame | None,
    ) -> "Inputs":
        tables = [_terms(impacts, impacts["weight"].to_numpy(), FACTORS)]
        if shares is not None:
            shares = shares.assign(item_row=positions_of(items, shares, strict=False))
            tables.append(_terms(shares, np.ones(len(shares)), ("loss_share",)))
        terms, inputs = _joined(tables)
        has_roi = scores["roi"].notna().to_numpy()
        low, likely, high = np.stack([three_points(items, name) for name in _OF_COST], axis=1)
        span = np.where(high > low, high - low, 0.0)
        uncertain: NDArray[np.bool_] = np.asarray((span > 0).any(axis=0))
        uncertain[terms["item_row"].to_numpy()[inputs["term"].to_numpy()]] = True
        chosen = np.flatnonzero(uncertain & has_roi)
        number = np.full(len(items) + 1, -1)
        number[chosen] = np.arange(len(chosen))

        item = number[terms["item_row"].to_numpy()]
        moving = np.zeros(len(terms), dtype=bool)
        moving[inputs["term"].to_numpy()] = True
        still = (item >= 0) & ~moving
        factor = terms["factor"].to_numpy()
        order = np.flatnonzero((item >= 0) & moving)
        order = order[np.argsort(item[order], kind="stable")]
        new = np.full(len(terms), -1)
        new[order] = np.arange(len(order))
        inputs = inputs.assign(term=new[inputs["term"].to_numpy()])
        inputs = inputs[inputs["term"] >= 0].sort_values("term", kind="stable")
        term = inputs["term"].to_numpy()
        points = [inputs[point].to_numpy() for point in ("low", "likely", "high")]
        slope = factor[order][term] * products_of_others(pert_mean(*points), term)

        low, likely, high, span = (each[:, chosen] for each in (low, likely, high, span))
        markup = 1.0 + policy.contingency_by_class()[items["confidence"].to_numpy()[chosen]]
        mean = pert_mean(low, likely, high)
        cost_slope = markup * mean[::-1]  # of the one, the other
        swing = np.abs(slope) * pert_sd(*points)
        cost_swing = np.abs(scores["roi"].to_numpy()[chosen]) * cost_slope
        cost_swing *= np.where(span > 0, pert_sd(low, likely, high), 0.0)
        count = len(chosen)
        place = _places(
            np.concatenate([item[order][term], np.arange(count), np.arange(count)]),
            np.concatenate([swing, cost_swing.ravel()]),
        )
        return cls(
            items=chosen,
            fixed=np.bincount(item[still], factor[still], count).astype(np.float64),
            markup=markup,
            extra=items["cash"].to_numpy()[chosen] * markup,
            cost_low=np.where(span > 0, low, mean),
            cost_span=span,
            cost_lean=np.where(span > 0, (likely - low) / np.where(span > 0, span, 1.0), 0.0),
            cost_slope=cost_slope,
            cost_place=place[len(term) :].reshape(len(_OF_COST), count),
            term_item=item[order],
            term_row=terms["row"].to_numpy()[order],
            factor=factor[order],
            term=term,
            name=inputs["name"].to_numpy(),
            low=points[0],
            span=points[2] - points[0],
            lean=(points[1] - points[0]) / (points[2] - points[0]),
            slope=slope,
            place=place[: len(term)],
        )

    def cumulants(self) -> "_Parts":
        """Give the cumulants of the benefit and of the repair cost of each item."""
        starts = starts_of(self.term)
        raw = np.multiply.reduceat(_raw_moments(self.low, self.span, self.lean), starts, axis=1)
        raw *= _powers(self.factor)
        benefit = np.zeros((_MOMENTS, len(self.items)))
        for total, part in zip(benefit, cumulants(raw), strict=True):
            total[:] = np.bincount(self.term_item, part, len(self.items))
        benefit[0] += self.fixed
        raw = _powers(self.markup)
        for low, span, lean in zip(self.cost_low, self.cost_span, self.cost_lean, strict=True):
            raw *= _raw_moments(low, span, lean)
        cost = cumulants(raw)
        cost[1:, (self.cost_span == 0).all(axis=0)] = 0.0
        cost[0] += self.extra
        return _Parts(benefit, cost)

    def only(self, items: NDArray[np.bool_]) -> "Inputs":
        """Keep some of the items."""
        number = np.cumsum(items) - 1
        terms = items[self.term_item]
        term_number = np.cumsum(terms) - 1
        inputs = terms[self.term]
        return Inputs(
            **{name: getattr(self, name)[..., items] for name in _BY_ITEM},
            term_item=number[self.term_item[terms]],
            term_row=self.term_row[terms],
            factor=self.factor[terms],
            term=term_number[self.term[inputs]],
            **{name: getattr(self, name)[inputs] for name in _BY_INPUT},
        )

    def blocks(self, points: int) -> Iterator[slice]:
        """Cut the items into blocks that are worked on at once."""
        inputs = np.bincount(self.item, minlength=len(self.items)) + 2
        size = np.cumsum(inputs * points)
        full = np.arange(_BLOCK, size[-1] if len(size) else 0, _BLOCK)
        cuts = [0, *np.searchsorted(size, full).tolist(), len(self.items)]
        for first, last in pairwise(cuts):
            if last > first:
                yield slice(first, last)

    def led(self, block: slice, points: int) -> "_Led":
        """Put the points in for all inputs of a block but the leading one of each item."""
        first, last = np.searchsorted(self.term_item, [block.start, block.stop])
        mine = slice(*np.searchsorted(self.term, [first, last]))
        item = self.term_item[first:last] - block.start
        term, place = self.term[mine] - first, self.place[mine]
        values = spread(self.low[mine], self.span[mine], self.lean[mine], place, points)
        leads = place == 0
        values[leads] = 1.0
        terms = products(values, starts_of(term)) * self.factor[first:last, None]
        led = np.zeros(len(item), dtype=bool)
        led[term[leads]] = True
        owner = item[led]

        benefit = np.repeat(self.fixed[block, None], points, axis=1)
        slope = np.zeros_like(benefit)
        slope[owner] = terms[led]
        terms[led] = 0.0
        starts = starts_of(item)
        if len(starts):
            benefit[item[starts]] += np.add.reduceat(terms, starts, axis=0)

        by_cost = np.ones(len(benefit), dtype=bool)
        by_cost[owner] = False
        spent = np.repeat(self.markup[block, None], points, axis=1)
        low, span, lean = (np.empty(len(benefit)) for _ in range(3))
        for number in range(len(_OF_COST)):
            its_low, its_span = self.cost_low[number, block], self.cost_span[number, block]
            its_lean, place = self.cost_lean[number, block], self.cost_place[number, block]
            leads_this = place == 0
            still = (its_span == 0) & ~leads_this
            at = ~still & ~leads_this
            spent[still] *= its_low[still, None]
            spent[at] *= spread(its_low[at], its_span[at], its_lean[at], place[at], points)
            low[leads_this], span[leads_this] = its_low[leads_this], its_span[leads_this]
            lean[leads_this] = its_lean[leads_this]
        rate = np.where(by_cost[:, None], spent, 0.0)
        cost = np.where(by_cost[:, None], 0.0, spent) + self.extra[block, None]
        for lead, of in ((low, self.low), (span, self.span), (lean, self.lean)):
            lead[owner] = of[mine][leads]
        return _Led(benefit, slope, cost, rate, low, span, lean)


_BY_ITEM = (
    "items",
    "fixed",
    "markup",
    "extra",
    "cost_low",
    "cost_span",
    "cost_lean",
    "cost_slope",
    "cost_place",
)
_BY_INPUT = ("name", "low", "span", "lean", "slope", "place")


def _powers(value: _Floats) -> _Floats:
    """Give the powers 1 to 5, one row each."""
    square = value * value
    fourth = square * square
    return np.array([value, square, value * square, fourth, value * fourth])


def _raw_moments(low: _Floats, span: _Floats, lean: _Floats) -> _Floats:
    """Give E[V] to E[V^5] of each PERT, one row each."""
    alpha = 1.0 + 4.0 * lean
    first = span * alpha / 6.0
    second = first * span * (alpha + 1.0) / 7.0
    third = second * span * (alpha + 2.0) / 8.0
    fourth = third * span * (alpha + 3.0) / 9.0
    fifth = fourth * span * (alpha + 4.0) / 10.0
    raw = _powers(low)
    # From the last on, each by the binomials of (low + part)^n.
    raw[4] += 5.0 * raw[3] * first + 10.0 * raw[2] * second + 10.0 * raw[1] * third
    raw[4] += 5.0 * low * fourth + fifth
    raw[3] += 4.0 * raw[2] * first + 6.0 * raw[1] * second + 4.0 * low * third + fourth
    raw[2] += 3.0 * raw[1] * first + 3.0 * low * second + third
    raw[1] += 2.0 * low * first + second
    raw[0] += first
    return raw


@dataclass(frozen=True)
class _Parts:
    """Cumulants 1 to 5, one row each, of the benefit and of the repair cost of each item."""

    benefit: _Floats
    cost: _Floats

    def difference(self, ratio: _Floats | float) -> tuple[_Floats, ...]:
        """Give mean, standard deviation, skew, excess and fifth cumulant of benefit - ratio x cost.

        The skew is NaN where the shape is not mild. Two parts that lean to opposite sides may
        add up to no skew at all, and still to no shape that Pearson's curves know.
        """
        square = ratio * ratio
        variance = self.benefit[1] + square * self.cost[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            sd = np.sqrt(variance)  # of next to nothing it may be nothing, or no number
            cube = variance * sd
            leaning = self.benefit[2] / cube, -ratio * square * self.cost[2] / cube
            excess = (self.benefit[3] + square * square * self.cost[3]) / (variance * variance)
            fifth = self.benefit[4] - ratio * square * square * self.cost[4]
            fifth /= variance * variance * sd
        # Of what hardly moves, the fifth power leaves nothing but rounding.
        fifth = np.where(sd > _NARROW * self.benefit[0], fifth, np.nan)
        skew = leaning[0] + leaning[1]
        lopsided = 2.0 * (np.abs(leaning[0]) + np.abs(leaning[1])) - np.abs(skew)
        skew[~(lopsided <= _LOPSIDED)] = np.nan
        return self.benefit[0] - ratio * self.cost[0], sd, skew, excess, fifth

    def percentiles(self, roi: _Floats) -> _Floats:
        """Give the ROI at LEVELS; NaN where the shape is not mild."""
        found = np.empty((len(roi), len(LEVELS)))
        for column, level in zip(found.T, LEVELS, strict=True):
            column[:] = roi
            for _ in range(_STEPS_OF_NEWTON):
                mean, sd, *shape = self.difference(column)
                z = quantile(level, *shape)
                with np.errstate(divide="ignore", invalid="ignore"):
                    step = (mean + z * sd) / (self.cost[0] - z * column * self.cost[1] / sd)
                    column += step
            column[~(np.abs(step) * self.cost[0] < 1e-3 * sd)] = np.nan
        return found

    def clear_chance(self, threshold: float) -> _Floats:
        """Say where the ROI is above the threshold as good as never or always; else NaN."""
        mean, sd, *shape = self.difference(threshold)
        never = mean + quantile(0.999, *shape) * sd < 0
        always = mean + quantile(0.001, *shape) * sd > 0
        return np.where(never, 0.0, np.where(always, 1.0, np.nan))


@dataclass(frozen=True)
class _Led:
    """The ROI of each item as (benefit + slope v) / (cost + rate v), v the leading input's value.

    One row per item, one column per point of all the other inputs.
    """

    benefit: _Floats
    slope: _Floats
    cost: _Floats
    rate: _Floats
    low: _Floats
    span: _Floats
    lean: _Floats

    def only(self, rows: NDArray[np.bool_]) -> "_Led":
        return _Led(*(getattr(self, each.name)[rows] for each in fields(self)))

    def percentiles(self) -> tuple[_Floats, _Floats]:
        """Give the ROI at LEVELS, and how far the levels are from those of half of the points."""
        points = self.benefit.shape[1]
        table = _lead_table(points)
        row, part = _leaning(self.lean)
        rois = np.empty((len(self.lean), _STRATA * points))
        for stratum in range(_STRATA):
            columns = slice(stratum * points, (stratum + 1) * points)
            lead = (1.0 - part) * table[row, columns] + part * table[row + 1, columns]
            lead *= self.span[:, None]
            lead += self.low[:, None]
            rois[:, columns] = (self.benefit + self.slope * lead) / (self.cost + self.rate * lead)
        rois.sort(axis=1)
        found = np.empty((len(rois), len(LEVELS)))
        doubt = np.zeros(len(rois))
        for column, level in zip(found.T, LEVELS, strict=True):
            # How many of so few are below is off by chance; what is below on average is less so.
            reach = round(_WINDOW * math.sqrt(level * (1.0 - level)) * rois.shape[1])
            at = round(level * rois.shape[1])
            first, last = rois[:, at - reach], rois[:, at + reach]
            guess = rois[:, at]
            above = self.chances(guess[:, None])
            surplus = 1.0 - above.mean(axis=1) - level
            half = 1.0 - above[:, : points // 2].mean(axis=1) - level
            doubt = np.maximum(doubt, np.abs(half - surplus))
            step = surplus * (last - first) * (rois.shape[1] / (2.0 * reach))
            column[:] = np.clip(guess - step, rois[:, 0], rois[:, -1])
        found.sort(axis=1)
        return found, doubt

    def chances(self, threshold: _Floats | float) -> _Floats:
        """Give P(ROI > threshold), one for all or one a row, at each point, by the leading input's
        own distribution."""
        rise = self.slope - threshold * self.rate
        short = threshold * self.cost - self.benefit
        # Where it hardly moves, the turn is far out, and what is left is taken care of below.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            turn = (short / rise - self.low[:, None]) / self.span[:, None]
        below = _cdf(self.lean, np.nan_to_num(turn, nan=0.0))
        over = np.where(rise > 0, 1.0 - below, below)
        chances: _Floats = np.where(rise == 0, short < 0, over)
        return chances


def _terms(
    rows: pd.DataFrame, weight: _Floats, stems: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows into what is certain of each (`factor`) and its uncertain inputs."""
    factor = weight * rows["effectiveness"].fillna(1.0).to_numpy()
    inputs = []
    for stem in stems:
        low, likely, high = three_points(rows, stem)
        # Of points that are not all known the mean is not, and neither is the term.
        moves = (high > low) & ~np.isnan(likely)
        factor = factor * np.where(moves, 1.0, pert_mean(low, likely, high))
        where = np.flatnonzero(moves)
        name = INPUTS.index(stem) if stem in INPUTS else _LOSS
        points = {"low": low[where], "likely": likely[where], "high": high[where]}
        inputs.append(pd.DataFrame({"term": where, "name": np.int8(name), **points}))
    item_row = rows["item_row"].to_numpy()
    priced = rows["cost"].notna().to_numpy() if "cost" in rows else ~np.isnan(factor)
    row = np.arange(len(rows))
    terms = pd.DataFrame({"item_row": np.where(priced, item_row, -1), "row": row, "factor": factor})
    every = pd.concat(inputs, ignore_index=True)
    return terms, every[(terms["item_row"].to_numpy() >= 0)[every["term"].to_numpy()]]


def _joined(tables: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the terms of impacts and of scenarios below each other."""
    count, inputs = 0, []
    for terms, every in tables:
        inputs.append(every.assign(term=every["term"] + count))
        count += len(terms)
    return pd.concat([terms for terms, _ in tables], ignore_index=True), pd.concat(inputs)


def _places(owner: _Ints, swing: _Floats) -> _Ints:
    """Number what belongs to each owner by its swing, the largest first."""
    most = np.zeros(owner.max(initial=-1) + 1)
    np.maximum.at(most, owner, swing)
    part = swing / np.where(most > 0, most, 1.0)[owner]
    # One key is sorted several times faster than two.
    order = np.argsort(owner + 0.5 * (1.0 - part), kind="stable")
    starts = starts_of(owner[order])
    lengths = np.diff(np.r_[starts, len(owner)])
    place = np.empty(len(owner), dtype=np.int64)
    place[order] = np.arange(len(owner)) - np.repeat(starts, lengths)
    return place


def _leaning(lean: _Floats) -> tuple[_Ints, _Floats]:
    """Find each input's row in the tables by lean, and how far it is to the next row."""
    at = lean * _LEANS
    row = np.minimum(at.astype(np.int64), _LEANS - 1)
    return row, (at - row)[:, None]


def spread(low: _Floats, span: _Floats, lean: _Floats, place: _Ints, points: int) -> _Floats:
    """Give the values of each input at the points, in the order of its place in the net."""
    row, part = _leaning(lean)
    nets = int(place.max(initial=0)) // _NET + 1
    if points == _POINTS[0]:
        table = _point_table(points, nets)
        values: _Floats = (1.0 - part) * table[place, row]
        values += part * table[place, row + 1]
    else:  # a table in the order of the points would be large, and these are few
        table = _quantiles(points)
        values = (1.0 - part) * table[row]
        values += part * table[row + 1]
        values = np.take_along_axis(values, _order(points, nets)[place], axis=1)
    values *= span[:, None]
    values += low[:, None]
    return values


def _cdf(lean: _Floats, z: _Floats) -> _Floats:
    """Give P(Z <= z) of a PERT between 0 and 1, by rows of `lean`; from a table."""
    table = _distribution_table()
    row, part = _leaning(lean)
    row = row[:, None]
    step = np.clip(z, 0.0, 1.0) * _STEPS
    column = np.minimum(step.astype(np.int64), _STEPS - 1)
    rest = step - column
    lower = (1.0 - rest) * table[row, column] + rest * table[row, column + 1]
    upper = (1.0 - rest) * table[row + 1, column] + rest * table[row + 1, column + 1]
    result: _Floats = (1.0 - part) * lower + part * upper
    return result


# The tables: the shape of a PERT has one parameter only, its lean between 0 and 1.


def _shapes() -> tuple[_Floats, _Floats]:
    alpha = 1.0 + 4.0 * np.arange(_LEANS + 1)[:, None] / _LEANS
    return alpha, 6.0 - alpha


@cache
def _quantiles(count: int) -> _Floats:
    """Give the middle of each of `count` equal parts of the probability, by lean."""
    middle = (np.arange(count) + 0.5) / count
    alpha, beta = _shapes()
    table: _Floats = special.betaincinv(alpha, beta, middle).astype(np.float64)
    return table


@cache
def _net(points: int, number: int) -> _Ints:
    """Order the parts of the probability along the points, for _NET inputs: a scrambled Sobol net.

    Inputs further down have a net of their own, so that what an item gets never depends on how
    many inputs its neighbours have.
    """
    # Only here: scipy.stats doubles the time that a process takes to start.
    from scipy.stats import qmc

    net = qmc.Sobol(_NET, scramble=True, rng=_SEED + number).random(points)
    return (net * points).astype(np.int64).T


@cache
def _point_table(points: int, nets: int) -> _Floats:
    """Give the values at the points, by place and lean."""
    return np.ascontiguousarray(_quantiles(points)[:, _order(points, nets)].swapaxes(0, 1))


@cache
def _order(points: int, nets: int) -> _Ints:
    return np.concatenate([_net(points, number) for number in range(nets)])


@cache
def _lead_table(points: int) -> _Floats:
    """Give _STRATA values of the leading input for each point, spread over all its range."""
    strata = [_net(points, 0)[0] + points * stratum for stratum in range(_STRATA)]
    return _quantiles(points * _STRATA)[:, np.concatenate(strata)]


@cache
def _distribution_table() -> _Floats:
    alpha, beta = _shapes()
    table: _Floats = special.betainc(alpha, beta, np.arange(_STEPS + 1) / _STEPS).astype(np.float64)
    return table
