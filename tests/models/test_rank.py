"""The rank of an item, counted from the nearest mark."""

import pytest
from django.utils import timezone

from debtreg.models import NEEDS_ESTIMATE_SORT, RankMark, Score
from tests.factories import DebtItemFactory


def scored(*rois: float, is_open: bool = True) -> list[Score]:
    rows = [
        Score(
            item=DebtItemFactory(),
            is_open=is_open,
            sort_roi=roi,
            state="priced",
            policy_version=1,
            revision=1,
            fingerprint=1,
            price_fingerprint=1,
            scored_at=timezone.now(),
        )
        for roi in rois
    ]
    return Score.objects.bulk_create(rows)


@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_a_rank_is_the_place_in_the_ranking_wherever_the_marks_stand(db: None, every: int) -> None:
    scored(9, 3, 3, 3, 7.5, 3, 0, 0.5, 3, 1e300)
    scored(8, 3, is_open=False)
    order = list(Score.objects.ranked().values_list("item_id", "sort_roi"))
    RankMark.objects.bulk_create(
        RankMark(rank=place + 1, sort_roi=order[place][1], item_id=order[place][0])
        for place in range(0, len(order), every)
    )
    assert [score.rank for score in Score.objects.ranked().with_rank()] == list(range(1, 11))


def test_without_marks_ranks_are_counted_from_the_top(db: None) -> None:
    scored(3, 9, 3)
    assert [score.rank for score in Score.objects.ranked().with_rank()] == [1, 2, 3]


def test_what_has_no_roi_has_no_rank(db: None) -> None:
    scored(3, NEEDS_ESTIMATE_SORT)
    assert [score.rank for score in Score.objects.ranked().with_rank()] == [1, None]
