"""Readings: checked row by row, stored once however often they are sent, and rolled up."""

import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from debtreg import readings as bridge
from debtreg.actions import readings
from debtreg.errors import NotAllowed
from debtreg.models import (
    AuditEntry,
    Maintenance,
    Method,
    Reading,
    ReadingDay,
    ReadingHour,
    Role,
    SloState,
)
from tests.factories import SloFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
START = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


def row(of, minute=0, good=99, total=100, **cells):
    at = START + timedelta(minutes=minute)
    return {"slo": of.name, "at": at.isoformat(), "good": good, "total": total} | cells


def store(*rows, **options):
    return readings.store(rows=rows, by=None, **options)


def hours(slo):
    rows = ReadingHour.objects.filter(slo=slo).order_by("at")
    return list(rows.values_list("at", "good", "total", "seconds", "excluded_seconds"))


def slices(slo):
    return ReadingHour.objects.filter(slo=slo).values_list("good_slices", "slices").get()


# --- Storing --------------------------------------------------------------------------------------


def test_readings_are_stored_in_thousandths_and_rolled_up_to_hours_and_days():
    slo = SloFactory()

    answer = store(row(slo, 0), row(slo, 5, good="49.5", total="50.25"), row(slo, 65, total=100.5))

    assert (answer["created"], answer["updated"], answer["unchanged"]) == (3, 0, 0)
    assert hours(slo) == [
        (START, 148_500, 150_250, 600, 0),
        (START + timedelta(hours=1), 99_000, 100_500, 300, 0),
    ]
    day = ReadingDay.objects.get(slo=slo)
    assert (day.at, day.good, day.total) == (START.replace(hour=0), 247_500, 250_750)


def test_sending_the_same_again_counts_nothing_twice_and_writes_nothing():
    slo = SloFactory()
    rows = [row(slo, minute) for minute in range(0, 120, 5)]
    store(*rows)
    before = hours(slo)

    with CaptureQueriesContext(connection) as queries:
        answer = store(*rows)

    assert (answer["created"], answer["unchanged"]) == (0, 24)
    assert hours(slo) == before
    assert not [each for each in queries if each["sql"].startswith(("INSERT", "UPDATE"))]
    assert AuditEntry.objects.filter(action="readings.store").count() == 1


def test_a_corrected_reading_takes_the_place_of_the_one_before():
    slo = SloFactory()
    store(row(slo, 0), row(slo, 5))

    answer = store(row(slo, 0, good=0), row(slo, 5))

    assert (answer["updated"], answer["unchanged"]) == (1, 1)
    assert hours(slo) == [(START, 99_000, 200_000, 600, 0)]


def test_a_measured_quiet_step_is_no_gap():
    slo = SloFactory()
    store(row(slo, 0, good=0, total=0))

    assert hours(slo) == [(START, 0, 0, 300, 0)]


def test_times_of_any_offset_mean_the_same_moment():
    slo = SloFactory()
    store(row(slo, at="2026-03-09T18:00:00+08:00"))
    answer = store(row(slo, at="2026-03-09T10:00:00Z"))

    assert answer["unchanged"] == 1
    assert Reading.objects.get().at == START


@pytest.mark.parametrize(
    ("cells", "field", "problem"),
    [
        ({"slo": "nothing-like-it"}, "slo", "There is no SLO 'nothing-like-it'"),
        ({"slo": None}, "slo", "The name of an SLO"),
        ({"slo": 7}, "slo", "The name of an SLO"),
        ({"at": "yesterday"}, "at", "with its offset"),
        ({"at": "2026-03-09T10:00:00"}, "at", "with its offset"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", "with its offset"),
        ({"at": 1_700_000_000}, "at", "with its offset"),
        ({"at": "2026-03-09T10:01:00Z"}, "at", "begins at a multiple"),
        ({"at": "2026-03-09T10:00:00.5Z"}, "at", "begins at a multiple"),
        ({"at": "2026-03-10T12:05:00Z"}, "at", "ends in the future"),
        ({"at": "2025-01-01T00:00:00Z"}, "at", "Readings before 2025-02-03 are not kept"),
        ({"seconds": 7}, "seconds", "divide an hour"),
        ({"seconds": True}, "seconds", "divide an hour"),
        ({"seconds": "9" * 5000}, "seconds", "divide an hour"),
        ({"seconds": [300]}, "seconds", "divide an hour"),
        ({"good": "NaN"}, "good", "A number of events"),
        ({"good": "sNaN"}, "good", "A number of events"),
        ({"total": "Infinity"}, "total", "A number of events"),
        ({"total": float("inf")}, "total", "A number of events"),
        ({"total": None}, "total", "A number of events"),
        ({"total": True}, "total", "A number of events"),
        ({"total": "1_000"}, "total", "A number of events"),
        ({"total": -1}, "total", "from 0 to"),
        ({"total": "1e999"}, "total", "from 0 to"),
        ({"total": 10**11}, "total", "from 0 to 10,000,000,000"),
        ({"good": 101}, "good", "101 good of 100 events"),
        ({"bad": 1}, "bad", "no field of this name"),
    ],
)
def test_a_row_that_is_not_valid_is_refused_by_its_place_and_nothing_is_stored(
    cells, field, problem
):
    slo = SloFactory()

    with pytest.raises(readings.ReadingsRefused, match="1 of 2 readings are not valid") as refused:
        store(row(slo, 0), row(slo, 5, **cells))

    assert problem in refused.value.fields[f"readings[1].{field}"][0]
    assert not Reading.objects.exists()


@pytest.mark.parametrize("rows", [[None], ["a"], [[]], [7]])
def test_what_is_no_reading_at_all_is_refused(rows):
    with pytest.raises(readings.ReadingsRefused) as refused:
        store(*rows)
    assert "readings[0].row" in refused.value.fields


def test_the_valid_rows_are_stored_where_that_is_asked_for():
    slo = SloFactory()

    answer = store(row(slo, 0), row(slo, 5, good="NaN"), row(slo, 10), partial=True)

    assert (answer["created"], answer["refused"]) == (2, 1)
    assert answer["errors"][0]["index"] == 1
    assert hours(slo) == [(START, 198_000, 200_000, 600, 0)]


def test_the_largest_counts_of_a_year_of_minutes_still_add_up_in_64_bits():
    assert 366 * 24 * 60 * 10**10 * 1000 < 2**63


def test_only_an_sre_stores_readings():
    with pytest.raises(NotAllowed, match="store readings of SLIs"):
        readings.store(rows=[], by=UserFactory(role=Role.MEMBER))


def test_five_thousand_rows_take_as_many_queries_as_five():
    slos = SloFactory.create_batch(5)

    def taken(steps):
        rows = [row(slo, 5 * step - 600) for slo in slos for step in range(steps)]
        with CaptureQueriesContext(connection) as queries:
            store(*rows)
        return len(queries)

    few = taken(2)
    Reading.objects.all().delete()
    assert taken(200) <= few + 2


# --- Overlaps -------------------------------------------------------------------------------------


def test_the_same_time_twice_in_one_call_is_refused():
    slo = SloFactory()

    with pytest.raises(readings.ReadingsRefused) as refused:
        store(row(slo, 0), row(slo, 0, good=1), row(slo, 0, seconds=60))

    assert set(refused.value.fields) == {"readings[1].at", "readings[2].at"}


@pytest.mark.parametrize(
    ("minute", "seconds"), [(10, 60), (14, 60), (10, 600), (0, 900), (0, 3600)]
)
def test_a_reading_across_a_stored_one_of_another_length_is_refused(minute, seconds):
    slo = SloFactory()
    store(row(slo, 10))

    with pytest.raises(readings.ReadingsRefused) as refused:
        store(row(slo, minute, seconds=seconds))

    problem = refused.value.fields["readings[0].seconds"][0]
    assert "across the reading of 300 s that begins at 2026-03-09T10:10:00Z" in problem


def test_readings_of_other_lengths_may_lie_side_by_side():
    slo = SloFactory()
    store(row(slo, 0))

    answer = store(row(slo, 5, seconds=60), row(slo, 10, seconds=600), row(slo, -60, seconds=3600))

    assert answer["created"] == 3
    assert Reading.objects.count() == 4


# --- Timeslices -----------------------------------------------------------------------------------


def timeslices(**columns):
    columns = {"slice_seconds": 300, "slice_target": Decimal("0.95"), **columns}
    return SloFactory(method=Method.TIMESLICES, **columns)


def test_a_slice_is_good_if_at_least_its_target_is():
    slo = timeslices()
    store(row(slo, 0, good=95), row(slo, 5, good=94), row(slo, 10, good=100), row(slo, 15, good=0))

    assert slices(slo) == (2, 4)


def test_a_slice_is_judged_by_all_its_readings_together():
    slo = timeslices()
    store(*(row(slo, minute, good=90 if minute < 2 else 100, seconds=60) for minute in range(5)))

    assert slices(slo) == (1, 1)


def test_a_slice_without_events_is_neither_good_nor_bad():
    slo = timeslices()
    store(row(slo, 0), row(slo, 5, good=0, total=0))

    assert slices(slo) == (1, 1)
    assert hours(slo)[0][3] == 600


@pytest.mark.parametrize(
    ("target", "good", "total"),
    [
        # In floats, 0.95 x 21 and its like come out above what they are.
        ("0.07", 7, 100),
        ("0.55", 11, 20),
        ("0.14", 7, 50),
        ("0.28", 7, 25),
        ("0.57", 57, 100),
    ],
)
def test_a_slice_that_just_meets_its_target_is_good_whatever_floats_make_of_it(target, good, total):
    slo = timeslices(slice_target=Decimal(target))
    store(
        row(slo, 0, good=good, total=total), row(slo, 5, good=good - Decimal("0.001"), total=total)
    )

    assert slices(slo) == (1, 2)


def test_a_reading_that_does_not_divide_its_slices_is_refused():
    slo = timeslices(slice_seconds=60)

    with pytest.raises(readings.ReadingsRefused, match="1 of 1") as refused:
        store(row(slo, 0))
    assert "slices of 60 s" in refused.value.fields["readings[0].seconds"][0]


# --- Maintenance and other changes ----------------------------------------------------------------


def maintenance(slo=None, start=0, end=60):
    return Maintenance.objects.create(
        service=slo and slo.service,
        starts_at=START + timedelta(minutes=start),
        ends_at=START + timedelta(minutes=end),
        reason="New disks",
    )


def test_what_is_read_in_a_maintenance_window_is_left_out():
    slo, other = SloFactory(), SloFactory()
    maintenance(slo, 5, 12)
    store(*(row(each, minute, good=0) for each in (slo, other) for minute in (0, 5, 10, 15)))

    assert hours(slo) == [(START, 0, 200_000, 600, 600)]
    assert hours(other) == [(START, 0, 400_000, 1200, 0)]


def test_a_maintenance_of_all_services_is_left_out_of_all():
    slo = SloFactory()
    maintenance(None, 0, 60)
    store(row(slo, 0), row(slo, 60))

    assert [row[3:] for row in hours(slo)] == [(0, 300), (300, 0)]


def test_a_later_maintenance_counts_what_it_touches_anew_and_its_removal_counts_it_back():
    slo = SloFactory()
    store(*(row(slo, minute) for minute in range(0, 180, 5)))
    before, days = hours(slo), list(ReadingDay.objects.values())

    quiet = maintenance(slo, 57, 62)
    with transaction.atomic():
        bridge.recompute([slo.pk], quiet.starts_at, quiet.ends_at)

    assert [row[3:] for row in hours(slo)] == [(3300, 300), (3300, 300), (3600, 0)]
    assert ReadingDay.objects.get().excluded_seconds == 600

    quiet.delete()
    with transaction.atomic():
        bridge.recompute([slo.pk], quiet.starts_at, quiet.ends_at)
    assert hours(slo) == before
    assert list(ReadingDay.objects.values()) == days


def test_another_method_counts_everything_anew():
    slo = SloFactory()
    store(row(slo, 0, good=90), row(slo, 5, good=99))
    slo.method, slo.slice_seconds, slo.slice_target = Method.TIMESLICES, 300, Decimal("0.95")
    slo.save()

    with transaction.atomic():
        bridge.recompute([slo.pk])

    assert slices(slo) == (1, 2)
    assert ReadingDay.objects.values_list("good_slices", "slices").get() == (1, 2)


def test_readings_wider_than_the_new_slices_judge_none_of_them():
    slo = SloFactory()
    store(row(slo, 0))
    slo.method, slo.slice_seconds, slo.slice_target = Method.TIMESLICES, 60, Decimal("0.95")
    slo.save()

    with transaction.atomic():
        bridge.recompute([slo.pk])

    assert slices(slo) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_roll_ups_are_the_sums_of_the_readings_in_whatever_order_these_come(seed):
    draw = random.Random(seed)
    slo = timeslices(slice_seconds=600, slice_target=Decimal("0.9"))
    maintenance(slo, 100, 130)
    there = {}
    for _ in range(6):
        rows = []
        for step in draw.sample(range(60), 20):
            total = draw.randrange(0, 50)
            there[step] = (draw.randint(0, total), total)
            rows.append(row(slo, 5 * step, *there[step]))
        store(*rows)

    expected = {}
    for step, (good, total) in there.items():
        one = expected.setdefault(step // 12, [0, 0, 0, 0, {}])
        if 5 * step < 130 and 5 * step + 5 > 100:
            one[3] += 300
            continue
        one[0] += good * 1000
        one[1] += total * 1000
        one[2] += 300
        both = one[4].setdefault(step // 2, [0, 0])
        both[0] += good
        both[1] += total
    names = ("good", "total", "seconds", "excluded_seconds", "good_slices", "slices")
    assert list(ReadingHour.objects.order_by("at").values_list(*names)) == [
        (
            *sums,
            sum(good >= Decimal("0.9") * total for good, total in judged.values() if total),
            sum(1 for _, total in judged.values() if total),
        )
        for _, (*sums, judged) in sorted(expected.items())
    ]
    sums = [sum(column) for column in zip(*ReadingHour.objects.values_list(*names), strict=True)]
    assert list(ReadingDay.objects.values_list(*names).get()) == sums


def test_old_readings_are_dropped_and_their_days_stay():
    slo = SloFactory()
    store(row(slo, 0))
    with time_machine.travel(NOW + timedelta(days=380), tick=False):
        later = NOW + timedelta(days=379)
        store({"slo": slo.name, "at": later.isoformat(), "good": 1, "total": 1})
        assert bridge.prune() == 0
    with time_machine.travel(NOW + timedelta(days=401), tick=False):
        assert bridge.prune() == 1
        with transaction.atomic():
            bridge.recompute([slo.pk])

    assert Reading.objects.get().at == later
    assert ReadingDay.objects.count() == ReadingHour.objects.count() == 2


def test_storing_works_out_the_budget_at_once():
    slo = SloFactory(objective=Decimal("0.99"))
    store(row(slo, 0, good=98))

    assert SloState.objects.get(slo=slo, window="period").burn_rate == 2


# --- Files ----------------------------------------------------------------------------------------


def import_csv(text, **options):
    data = text if isinstance(text, bytes) else text.encode()
    return readings.import_csv(file=io.BytesIO(data), by=None, **options)


def lines(slo, *rows):
    return "\n".join(f"{slo.name},{each}" for each in rows)


@pytest.mark.parametrize(
    "text",
    [
        "slo,at,seconds,good,total\nNAME,2026-03-09T10:00:00Z,300,99,100\n",
        "\ufeffslo,at,seconds,good,total\r\n\r\nNAME,2026-03-09T10:00:00Z,,99.0,100\r\n",
        "SLO; At; Good; Total\nNAME;2026-03-09T10:00:00Z;99;100",
        'total\tgood\tslo\tat\n"100"\t99\tNAME\t2026-03-09 10:00+00:00',
    ],
)
def test_a_file_is_imported_and_a_second_time_changes_nothing(text):
    slo = SloFactory()
    text = text.replace("NAME", slo.name)

    assert import_csv(text).created == 1
    assert import_csv(text).unchanged == 1
    assert hours(slo) == [(START, 99_000, 100_000, 300, 0)]
    assert Reading.objects.get().source == "csv"


def test_a_file_with_a_wrong_line_stores_nothing_and_names_the_line(monkeypatch):
    monkeypatch.setattr(readings, "PIECE", 2)
    slo = SloFactory()
    rows = [f"2026-03-09T10:{minute:02}:00Z,99,100" for minute in range(0, 30, 5)]
    rows[3] = "2026-03-09T10:15:00Z,NaN,100"
    rows[5] = "2026-03-09T10:00:00Z,1,100"

    with pytest.raises(readings.ReadingsRefused, match="2 of 6 lines are not valid") as refused:
        import_csv("slo,at,good,total\n" + lines(slo, *rows))

    assert set(refused.value.fields) == {"line 5.good", "line 7.at"}
    assert not Reading.objects.exists()


def test_of_many_wrong_lines_the_first_are_listed_and_all_are_counted():
    text = "slo,at,good,total\n" + "nothing,2026-03-09T10:00:00Z,1,1\n" * 1000

    with pytest.raises(readings.ReadingsRefused, match="1,000 of 1,000 lines") as refused:
        import_csv(text)
    assert len(refused.value.findings) == readings.MOST_FINDINGS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no column 'slo'"),
        ("slo,at,good\n", "no column 'total'"),
        ("slo,at,good,total,bad\n", "a column 'bad'"),
        ("slo,slo,at,good,total\n", "a column twice"),
        ("slo,at,good,total\n", "no readings"),
        ('slo,at,good,total\n"a', "is no CSV"),
        ("slo,at,good,total\n" + "x" * 3000, "longer than 2,000 characters"),
        ("slo,at,good,total\na,b,c\n".encode("utf-16"), "no text in UTF-8"),
        (b"slo,at,good,total\n\xff,2026,1,1\n", "no text in UTF-8"),
        (b"slo,at,good,total\n\x00,2026,1,1\n", "1 of 1 lines|is no CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(text, problem):
    with pytest.raises(readings.ReadingsRefused, match=problem):
        import_csv(text)


def test_a_line_with_too_few_cells_is_named():
    with pytest.raises(readings.ReadingsRefused) as refused:
        import_csv("slo,at,good,total\na,b,c\n")
    assert "line 2.row" in refused.value.fields
