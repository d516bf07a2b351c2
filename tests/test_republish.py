"""Runs that move most scores write a new table, which takes the old one's place."""

import pytest
from django.db import connection

from debtreg import frames, republish
from debtreg.actions import debt, scores
from debtreg.models import Price, Score, ScoreChange
from tests import portfolio
from tests.factories import DebtItemFactory, PriceFactory, ScoringRunFactory, toil
from tests.threads import Gate, threads

pytestmark = pytest.mark.postgres_only


@pytest.fixture(autouse=True)
def _whatever_the_size(monkeypatch):
    monkeypatch.setattr(republish, "LEAST_CHANGED", 1)


@pytest.fixture
def toils(transactional_db):
    """Four debts of 10 hours each at 200 an hour, scored: ROI 1.25 at one day of 1,600."""
    PriceFactory(price=200)
    items = [DebtItemFactory(effort=1, impacts=[toil(10)]) for _ in range(4)]
    scores.score_items([item.pk for item in items])
    return items


def run():
    assert scores.run(ScoringRunFactory().pk, "worker")


def double_the_price():
    Price.objects.update(low=400, likely=400, high=400)


def rois():
    return list(Score.objects.order_by("pk").values_list("roi", flat=True))


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def table():
    """Which table it is, and all that hangs on it."""
    name = frames.SCORES
    return {
        "oid": sql(f"SELECT '{name}'::regclass::oid"),
        "columns": sql(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            f" WHERE attrelid = '{name}'::regclass AND attnum > 0 ORDER BY attnum"
        ),
        "indexes": sql(
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{name}' ORDER BY 1"
        ),
        "constraints": sql(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            f" WHERE conrelid = '{name}'::regclass ORDER BY 1"
        ),
    }


def published():
    left_out = ("run_id", "scored_at")
    return [
        {name: value for name, value in row.items() if name not in left_out}
        for row in Score.objects.order_by("pk").values()
    ]


def test_the_new_table_has_all_that_the_old_one_had(toils):
    before = table()
    double_the_price()
    run()
    run()
    after = table()
    assert before.pop("oid") != after.pop("oid")
    assert before == after
    assert rois() == [2.5] * 4


def test_it_says_what_a_run_in_place_says(transactional_db, monkeypatch):
    portfolio.build()
    Price.objects.update(low=200, likely=200, high=200)
    run()
    double_the_price()
    monkeypatch.setattr(republish, "LEAST_CHANGED", 10**9)
    run()
    in_place = published()
    changes = list(ScoreChange.objects.order_by("item").values("item", "cause", "new_roi"))
    assert changes

    monkeypatch.setattr(republish, "LEAST_CHANGED", 1)
    Price.objects.update(low=200, likely=200, high=200)
    run()
    ScoreChange.objects.all().delete()
    double_the_price()
    run()
    assert published() == in_place
    assert list(ScoreChange.objects.order_by("item").values("item", "cause", "new_roi")) == changes


def test_scores_that_the_run_does_not_move_are_in_the_new_table(toils):
    debt.resolve(pk=toils[0].pk, by=None)
    before = Score.objects.get(pk=toils[0].pk)
    double_the_price()
    run()
    assert rois() == [1.25, 2.5, 2.5, 2.5]
    assert Score.objects.get(pk=toils[0].pk).scored_at == before.scored_at


def test_what_is_scored_while_the_new_table_is_made_is_kept(toils, monkeypatch):
    """A changed item, one that the run does not move, and one that it has never seen."""
    debt.resolve(pk=toils[0].pk, by=None)
    prepare = republish.prepare

    def and_then_edit(*arguments, **named):
        successor = prepare(*arguments, **named)
        assert successor
        with threads() as start:
            for fields, impacts, item in (
                ({"status": "open"}, None, toils[0]),
                ({}, [toil(40)], toils[1]),
            ):
                start(debt.update, pk=item.pk, fields=fields, impacts=impacts, by=None).result()
            fields = {"title": "new", "team": toils[1].team}
            fields |= {"effort_low": 1, "effort_likely": 1, "effort_high": 1}
            start(debt.create, fields=fields, impacts=[toil(80)], by=None).result()
        return successor

    monkeypatch.setattr(republish, "prepare", and_then_edit)
    double_the_price()
    run()
    assert rois() == [2.5, 10.0, 2.5, 2.5, 20.0]
    run_changes = ScoreChange.objects.filter(run__isnull=False)
    assert {change.item_id for change in run_changes} == {item.pk for item in toils[2:]}


def test_where_others_do_not_let_go_of_the_old_table_it_is_changed_in_place(toils, monkeypatch):
    monkeypatch.setattr(republish, "ATTEMPTS", 1)
    before, reading = table()["oid"], Gate()

    def read():
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; SELECT count(*) FROM {frames.SCORES}")
            reading.hold()
            cursor.execute("COMMIT")

    double_the_price()
    with threads() as start:
        reader = start(read)
        reading.wait_for_arrival()
        run()
        reading.open()
        reader.result()
    assert rois() == [2.5] * 4
    assert table()["oid"] == before
    assert sql(f"SELECT to_regclass('{republish.NEW}')") == [(None,)]


@pytest.mark.parametrize(
    ("hang", "drop"),
    [
        (
            "GRANT SELECT ON {} TO PUBLIC",
            "UPDATE pg_class SET relacl = NULL WHERE oid = '{}'::regclass",
        ),
        ("CREATE VIEW seen AS SELECT item_id FROM {}", "DROP VIEW seen"),
        ("CREATE PUBLICATION told FOR TABLE {}", "DROP PUBLICATION told"),
    ],
)
def test_a_table_on_which_something_hangs_is_changed_in_place(toils, hang, drop):
    sql(hang.format(frames.SCORES))
    try:
        before = table()
        double_the_price()
        run()
        assert table() == before
        assert rois() == [2.5] * 4
    finally:
        sql(drop.format(frames.SCORES))


def test_few_changes_are_made_in_place(toils, monkeypatch):
    monkeypatch.setattr(republish, "LEAST_CHANGED", 5)
    before = table()
    double_the_price()
    run()
    assert table() == before
