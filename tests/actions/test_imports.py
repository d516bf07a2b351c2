"""A ledger from preview to debts: what is stored is what was shown, all of it or nothing."""

import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg import ledger
from debtreg.actions import imports, lines, scores
from debtreg.errors import Conflict
from debtreg.models import (
    BacklogEntry,
    DebtItem,
    JobState,
    LedgerImport,
    LedgerLine,
    LedgerRow,
    Outcome,
    Prerequisite,
    RowState,
    ScoringRun,
)
from tests.factories import BacklogEntryFactory, ServiceFactory, TeamFactory

HEADER = "ID,Title,Service,Status,Effort (person-days),Annual Cost (CNY),Depends on\n"
TWO = f"{HEADER}A-1,First,api,Open,3,9000,\nA-2,Second,api,Open,2,,A-1\n"


class NoPulse:
    """Pulse writes through a connection of its own, which sees nothing of a test's transaction."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def report(self, stage, done=0, total=0):
        pass


@pytest.fixture(autouse=True)
def service(db, monkeypatch):
    monkeypatch.setattr(imports.jobs, "pulse", NoPulse)
    return ServiceFactory(slug="api", team=TeamFactory(slug="owners", name="Owners"))


def work(job):
    imports.run(job.pk, "test")
    job.refresh_from_db()
    return job


def preview(text, source="sheet", name="sheet.csv"):
    file = io.BytesIO(text.encode())
    job = imports.start(file=file, filename=name, source=source, by=None)
    return work(job)


def store(text, **where):
    job = preview(text, **where)
    assert (job.state, job.error) == (JobState.DONE, "")
    return commit(job)


def commit(job):
    return work(imports.commit(import_id=job.pk, by=None))


def counts(job):
    return tuple(job.summary[name] for name in ("created", "updated", "unchanged"))


def test_the_commit_stores_what_the_preview_read_without_reading_it_again(monkeypatch):
    job = preview(TWO)
    assert not DebtItem.objects.exists()
    monkeypatch.setattr(ledger, "read", None)

    job = commit(job)

    assert counts(job) == (2, 0, 0)
    first, second = DebtItem.objects.order_by("pk")
    assert (first.title, first.ledger_id, first.external_ref) == ("First", "A-1", "sheet/ | a-1")
    assert (first.service.slug, first.team.slug) == ("api", "owners")
    assert (first.effort_likely, first.effort_unit, first.tags) == (3, "person_day", [])
    assert first.impacts.get().unit_price_likely == 9000
    assert not second.impacts.exists()
    assert Prerequisite.objects.get().needs == first
    assert first.ledger_rows.get().cells["Annual Cost (CNY)"] == "9000"
    assert (first.score.state, second.score.state) == ("priced", "unpriced")
    assert not job.chunks.exists()


def test_a_repeat_changes_no_row_and_keeps_no_second_copy():
    store(TWO)
    before = list(LedgerRow.objects.order_by("pk").values())

    job = store(TWO)

    assert counts(job) == (0, 0, 2)
    assert list(LedgerRow.objects.order_by("pk").values()) == before
    assert LedgerLine.objects.count() == 2
    assert set(DebtItem.objects.values_list("revision", flat=True)) == {1}
    assert ScoringRun.objects.count() == 1


def test_a_changed_cell_updates_its_field_and_leaves_what_people_have_edited():
    store(TWO)
    DebtItem.objects.filter(title="First").update(title="Better", external_ref="own")

    job = store(TWO.replace("First,api,Open,3,9000", "First,api,Done,3,12000"))

    assert counts(job) == (0, 1, 1)
    item = DebtItem.objects.get(external_ref="own")
    assert (item.title, item.status, item.revision) == ("Better", "done", 2)
    assert item.impacts.get().unit_price_likely == 12000
    assert item.ledger_rows.get().cells["Status"] == "Done"
    assert LedgerLine.objects.count() == 2


def test_a_cost_that_did_not_change_in_the_ledger_stays_as_it_was_edited():
    store(TWO)
    item = DebtItem.objects.get(title="First")
    item.impacts.update(unit_price_likely=10_000, unit_price_high=10_000)

    store(TWO.replace("First,api,Open,3", "First,api,Open,4"))

    item.refresh_from_db()
    assert item.effort_likely == 4
    assert item.impacts.get().unit_price_likely == 10_000


def test_prerequisites_follow_the_ledger():
    store(TWO)

    store(TWO.replace("Second,api,Open,2,,A-1", "Second,api,Open,2,,"))

    assert not Prerequisite.objects.exists()


def test_a_row_that_waits_for_a_title_becomes_a_debt_when_it_has_one():
    job = store(f"{HEADER}A-1,,api,Open,3,9000,\nA-2,Second,api,Open,2,,\n")
    assert (counts(job), job.summary["held"]) == ((1, 0, 0), 1)
    assert LedgerRow.objects.get(state=RowState.HELD).item is None

    job = store(TWO)

    assert counts(job) == (1, 1, 0)
    row = LedgerRow.objects.get(key=" | a-1")
    assert (row.state, row.item.title, row.item.score.state) == ("imported", "First", "priced")
    assert row.item.impacts.get().unit_price_likely == 9000


def test_a_row_that_is_gone_is_reported_and_comes_back_as_the_same_debt():
    store(TWO)
    pk = DebtItem.objects.get(title="First").pk

    job = store(f"{HEADER}A-2,Second,api,Open,2,,\n")
    assert job.summary["gone"] == [{"key": " | a-1", "row": 2}]
    assert LedgerRow.objects.get(item=pk).state == RowState.GONE

    job = store(TWO)
    assert counts(job) == (0, 2, 0)
    assert LedgerRow.objects.get(item=pk).state == RowState.IMPORTED
    assert DebtItem.objects.count() == 2


def test_a_row_whose_debt_was_deleted_makes_a_new_one():
    store(TWO)
    DebtItem.objects.filter(title="First").delete()

    job = store(TWO)

    assert counts(job) == (1, 0, 1)
    assert DebtItem.objects.filter(title="First").exists()


def test_moved_rows_say_where_they_stand_now():
    store(TWO)

    job = store(f"{HEADER}A-2,Second,api,Open,2,,A-1\nA-1,First,api,Open,3,9000,\n")

    assert counts(job) == (0, 0, 2)
    assert dict(LedgerRow.objects.values_list("key", "row")) == {" | a-1": 3, " | a-2": 2}


def test_the_backlog_follows_a_status_that_the_ledger_changes():
    store(TWO)
    entry = BacklogEntryFactory(item=DebtItem.objects.get(title="First"))

    store(TWO.replace("First,api,Open", "First,api,Done"))

    assert not BacklogEntry.objects.active().filter(pk=entry.pk).exists()


def test_what_was_predicted_is_kept_of_a_debt_that_the_ledger_resolves_until_it_reopens_it():
    store(TWO)

    store(TWO.replace("First,api,Open", "First,api,Done"))
    outcome = Outcome.objects.get()
    assert (outcome.item.title, outcome.annual_cost) == ("First", 9000)

    store(TWO)
    outcome.refresh_from_db()
    assert outcome.reopened_at is not None


def move(service):
    catalog_row = service.__class__.objects.filter(pk=service.pk)
    catalog_row.update(team=TeamFactory(slug="others"))


def delete(service):
    service.delete()


@pytest.mark.parametrize(
    ("change", "said"),
    [(move, "service api belongs to another team"), (delete, "there is no service api any more")],
)
def test_a_commit_stores_nothing_once_the_catalog_has_changed_and_says_so(service, change, said):
    job = preview(TWO)
    change(service)
    imports.commit(import_id=job.pk, by=None)

    with pytest.raises(lines.PreviewOutdated, match=said):
        imports.run(job.pk, "test")

    assert not DebtItem.objects.exists()
    LedgerImport.objects.filter(pk=job.pk).update(state=JobState.FAILED)
    job = work(imports.read_again(import_id=job.pk, by=None))
    assert counts(commit(job)) == (2, 0, 0)


def test_a_commit_stores_nothing_once_lines_of_the_preview_are_lost():
    job = preview(TWO)
    LedgerLine.objects.first().delete()
    imports.commit(import_id=job.pk, by=None)

    with pytest.raises(lines.PreviewOutdated, match="2 debts, and 1 lines"):
        imports.run(job.pk, "test")

    assert not DebtItem.objects.exists()


def test_a_preview_that_failed_leaves_nothing_to_commit():
    job = preview(TWO)
    imports.read_again(import_id=job.pk, by=None)
    LedgerImport.objects.update(state=JobState.FAILED)

    with pytest.raises(Conflict, match="no preview to go on from"):
        imports.commit(import_id=job.pk, by=None)


def test_what_is_dropped_leaves_no_line_behind():
    job = preview(TWO)
    assert LedgerLine.objects.count() == 2

    imports.cancel(import_id=job.pk, by=None)

    assert not LedgerLine.objects.exists()


def test_another_preview_takes_the_place_of_the_one_before():
    job = preview(TWO)

    job = work(imports.choose(import_id=job.pk, mapping={"": {"4": None}}, by=None))

    assert set(LedgerLine.objects.values_list("ledger_import", "effort_likely")) == {(job.pk, None)}
    assert LedgerLine.objects.count() == 2


def test_many_debts_are_left_to_the_scoring_run_that_the_import_asks_for(monkeypatch):
    monkeypatch.setattr(lines, "SCORED_AT_ONCE", 1)
    store(TWO)
    assert not DebtItem.objects.filter(score__isnull=False).exists()

    monkeypatch.setattr(scores.jobs, "pulse", NoPulse)
    scores.run(ScoringRun.objects.get().pk, "test")

    assert DebtItem.objects.filter(score__isnull=False).count() == 2


def test_a_reference_that_belongs_to_another_debt_stores_nothing():
    DebtItem.objects.create(title="Mine", external_ref="sheet/ | a-2")
    job = preview(TWO)
    imports.commit(import_id=job.pk, by=None)

    with pytest.raises(lines.NotValid, match=r"has the external reference 'sheet/ \| a-2'"):
        imports.run(job.pk, "test")

    assert DebtItem.objects.count() == 1
    assert not LedgerRow.objects.exists()


def ledger_of(rows, version):
    return HEADER + "".join(
        f"A-{n},Title {n} {version},api,Open,3,{1000 + version},{f'A-{n - 1}' if n else ''}\n"
        for n in range(rows)
    )


@pytest.mark.parametrize("version", [0, 1])
def test_a_commit_takes_the_same_queries_for_any_number_of_rows(version):
    scores.queue_run(by=None)
    taken = []
    for rows in (3, 60):
        if version:
            store(ledger_of(rows, 0), source=f"{rows} rows")
        job = preview(ledger_of(rows, version), source=f"{rows} rows")
        imports.commit(import_id=job.pk, by=None)
        with CaptureQueriesContext(connection) as queries:
            imports.run(job.pk, "test")
        taken.append(len(queries))
        job.refresh_from_db()
        assert sum(counts(job)) == rows
    assert taken[0] == taken[1]
