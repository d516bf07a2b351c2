"""Paging by key, against what the whole list says."""

from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg import keyset
from debtreg.models import DebtItem, Score, Team
from debtreg.models.score import NEEDS_ESTIMATE_SORT, UNPRICED_SORT


@pytest.fixture
def scores(db):
    """Twelve scores with equal ROIs, decimals that floats do not hold, and none at all."""
    rois = [3.3, 3.3, 3.3, 0.1 + 0.2, -4.0, 7e12, *[UNPRICED_SORT] * 4, *[NEEDS_ESTIMATE_SORT] * 2]
    items = DebtItem.objects.bulk_create([DebtItem(title=f"item {n}") for n in range(len(rois))])
    return Score.objects.bulk_create(
        Score(
            item=item,
            sort_roi=roi,
            state="priced" if roi > NEEDS_ESTIMATE_SORT else "unpriced",
            annual_cost=None if roi < 0 else 100,
            policy_version=1,
            revision=1,
            fingerprint=0,
            price_fingerprint=0,
            scored_at="2026-01-01T00:00:00Z",
        )
        for item, roi in zip(items, rois, strict=True)
    )


def walk(parts, size):
    """All pages forwards, then all pages backwards from the last one."""
    pages = [keyset.page(*parts, size=size)]
    while pages[-1].next:
        pages.append(keyset.page(*parts, size=size, cursor=pages[-1].next))
    back = [pages[-1]]
    while back[-1].previous:
        back.append(keyset.page(*parts, size=size, cursor=back[-1].previous))
    return [page.rows for page in pages], [page.rows for page in reversed(back)]


def orders():
    ranked = Score.objects.ranked()
    priced = ranked.filter(sort_roi__gt=NEEDS_ESTIMATE_SORT).order_by("sort_roi", "-item_id")
    return {
        "best first": [ranked],
        "by key": [ranked.order_by("-item_id")],
        "by cost": [ranked.with_sort_cost().order_by("-sort_cost", "item_id")],
        "worst first, those without an ROI last": [
            priced,
            ranked.filter(sort_roi__lte=NEEDS_ESTIMATE_SORT),
        ],
    }


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12, 50])
@pytest.mark.parametrize("order", orders())
def test_pages_forwards_and_backwards_are_the_whole_list(scores, order, size):
    parts = orders()[order]
    whole = [row for part in parts for row in part]

    forwards, backwards = walk(parts, size)

    assert list(chain(*forwards)) == whole
    assert len(whole) == len(scores)
    assert all(len(rows) == size for rows in forwards[:-1])
    assert list(chain(*backwards)) == whole


def test_the_first_page_has_no_previous_and_the_last_no_next(scores):
    first = keyset.page(Score.objects.ranked(), size=6)
    last = keyset.page(Score.objects.ranked(), size=6, cursor=first.next)

    assert first.previous is None
    assert last.next is None
    assert keyset.page(Score.objects.ranked(), size=6, cursor=last.previous) == first


def test_a_page_after_a_cursor_reads_ranges_of_the_index_and_never_an_or(scores):
    ranked = Score.objects.ranked()
    cursor = keyset.page(ranked, size=1).next

    with CaptureQueriesContext(
        connection,
    ) as deep:
        keyset.page(ranked, size=1, cursor=cursor)

    assert len(deep) == 2
    assert " OR " not in "".join(query["sql"] for query in deep)


def test_an_order_through_a_relation_works(db):
    for name in ("b", "a", "c"):
        team = Team.objects.create(slug=name, name=name)
        DebtItem.objects.create(title=f"of {name}", team=team)
    rows = DebtItem.objects.select_related("team").order_by("team__slug", "pk")

    forwards, backwards = walk([rows], 1)

    assert [row.title for page in forwards for row in page] == ["of a", "of b", "of c"]
    assert backwards == forwards


@pytest.mark.parametrize(
    "cursor", ["nonsense", "W10:abc", "\x00", "é" * 300, ":", "WzAsdHJ1ZSxbMV1d:x" * 50]
)
def test_a_cursor_that_was_not_given_out_is_refused(db, cursor):
    with pytest.raises(keyset.BadCursor):
        keyset.page(Score.objects.ranked(), size=2, cursor=cursor)


def test_a_cursor_of_another_order_is_refused(scores):
    cursor = keyset.page(Score.objects.ranked(), size=2).next

    with pytest.raises(keyset.BadCursor):
        keyset.page(Score.objects.ranked().order_by("item_id"), size=2, cursor=cursor)
