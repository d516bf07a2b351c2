"""The ranking as published by runs and edits: order, states, ranks."""

import pytest

from debtreg import frames
from debtreg.actions import debt
from debtreg.models import DebtItem, RankMark, Score, ScoreState
from tests import portfolio
from tests.factories import DebtItemFactory, PriceFactory, TeamFactory, toil


def titles(scores):
    return [score.item.title for score in scores.select_related("item")]


def test_the_ranking_goes_by_roi_and_then_by_key_with_the_unscored_last(run):
    portfolio.build()
    run()
    ranked = titles(Score.objects.ranked())
    order = {pk: place for place, pk in enumerate(DebtItem.objects.values_list("pk", flat=True))}
    pk_of = dict(DebtItem.objects.values_list("title", "pk"))
    wanted = sorted(
        portfolio.PRICED,
        key=lambda title: (-portfolio.PRICED[title]["roi"], order[pk_of[title]]),
    )
    assert ranked[: len(wanted)] == wanted
    rest = ranked[len(wanted) :]
    count = len(portfolio.NEEDS_ESTIMATE)
    assert set(rest[:count]) == set(portfolio.NEEDS_ESTIMATE)
    assert set(rest[count:]) == set(portfolio.UNPRICED)


@pytest.mark.parametrize("state", ScoreState.values)
def test_each_state_is_one_range_of_the_ranking(run, state):
    portfolio.build()
    run()
    found = Score.objects.ranked().in_state(state)
    wanted = {title for title, row in portfolio.EXPECTED.items() if row["state"] == state}
    assert set(titles(found)) == wanted
    assert {score.state for score in found} == {state}


@pytest.fixture
def ranked(run, monkeypatch):
    """Twenty debts with ROIs of 0.5, 1, 1.5, ..., every second one twice, and a mark each third."""
    monkeypatch.setattr(frames, "MARK_EVERY", 3)
    PriceFactory(price=200)
    team = TeamFactory(day_rate=1600)
    items = [
        DebtItemFactory(service=None, team=team, effort=1, impacts=[toil(4 * (1 + number // 2))])
        for number in range(20)
    ]
    DebtItemFactory(service=None, team=team, effort=None, impacts=[toil(4)])
    DebtItemFactory(service=None, team=team, effort=1)
    run()
    return items


def ranks():
    """The ranks as they are, and as counted by hand."""
    rows = list(Score.objects.ranked().with_rank())
    priced = [row for row in rows if row.state == "priced"]
    assert {row.rank for row in rows if row.state != "priced"} <= {None}
    return [row.rank for row in priced], list(range(1, len(priced) + 1))


def test_ranks_are_exact_after_a_run(ranked):
    assert RankMark.objects.count() == 7
    found, exact = ranks()
    assert found == exact


def test_a_rank_can_be_asked_for_one_item(ranked):
    assert Score.objects.with_rank().get(pk=ranked[-2].pk).rank == 1
    assert Score.objects.with_rank().get(pk=ranked[0].pk).rank == 19


@pytest.mark.parametrize(
    "edit",
    [
        lambda items: debt.update(pk=items[0].pk, fields={}, impacts=[toil(999)], by=None),
        lambda items: debt.update(pk=items[-1].pk, fields={}, impacts=[toil(1)], by=None),
        lambda items: debt.update(pk=items[10].pk, fields={}, impacts=[toil(22)], by=None),
        lambda items: debt.resolve(pk=items[9].pk, by=None),
        lambda items: debt.create(
            fields={"title": "new", "team": items[0].team, "effort_likely": 1},
            impacts=[toil(19)],
            by=None,
        ),
    ],
)
def test_an_edit_puts_ranks_out_by_one_at_most_until_the_next_run(ranked, run, edit):
    edit(ranked)
    found, exact = ranks()
    assert max(abs(one - other) for one, other in zip(found, exact, strict=True)) <= 1
    run()
    found, exact = ranks()
    assert found == exact


def test_marks_move_only_when_the_ranking_has(ranked, run):
    before = list(RankMark.objects.order_by("rank").values_list())
    debt.update(pk=ranked[0].pk, fields={"title": "renamed"}, by=None)
    run()
    assert list(RankMark.objects.order_by("rank").values_list()) == before
    debt.resolve(pk=ranked[-1].pk, by=None)
    run()
    assert list(RankMark.objects.order_by("rank").values_list()) != before
