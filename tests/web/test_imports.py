"""The import wizard, page by page. The jobs in between are done here at once, without a worker."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from debtreg.actions import imports
from debtreg.models import DebtItem, JobState, LedgerFinding, LedgerImport, Role
from debtreg.web import imports as pages
from tests.web.company import Company

LEDGER = """ID,Title,Service,Effort (person-days),Annual Cost (CNY),Due
A-1,Cart totals computed twice,payment-service,1,3200,2026-12-01
A-2,Refund lookup scans the table,auth-service,2,"1-3万",soon
,,payment-service,1,,
"""


@pytest.fixture
def engineer(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.MEMBER)


@pytest.fixture(autouse=True)
def broker_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "enqueue", lambda job: None)


def upload(
    client: Client, text: str | bytes = LEDGER, name: str = "ledger.csv", **typed: str
) -> Any:
    data = text.encode() if isinstance(text, str) else text
    fields = {"source": "Cart sheet", **typed}
    return client.post("/imports/", {"file": SimpleUploadedFile(name, data), **fields})


def work(client: Client) -> str:
    """Do the latest import's job as a worker would, then look at its page."""
    job = LedgerImport.objects.latest("pk")
    # Pulse writes through a connection of its own, which sees nothing of this transaction.
    jobs = imports.jobs
    original, jobs.pulse = jobs.pulse, _no_pulse
    try:
        imports.run(job.pk, "test")
    finally:
        jobs.pulse = original
    return client.get(f"/imports/{job.pk}/").text


class _no_pulse:
    def __init__(self, *_: object) -> None: ...
    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...
    def report(self, stage: str, done: int = 0, total: int = 0) -> None: ...


def test_a_ledger_is_read_looked_at_stored_and_ranked(engineer: Client, company: Company) -> None:
    response = upload(engineer)
    job = LedgerImport.objects.get()
    assert response.headers["Location"] == f"/imports/{job.pk}/"
    page = engineer.get(f"/imports/{job.pk}/").text
    assert "It starts as soon as a worker is free" in page
    assert "every 1s" in page

    page = work(engineer)
    assert "every 1s" not in page, "it is over: nothing to ask for again"
    assert "2 debts would be imported" in page
    assert "soon" in page
    assert "cannot be read as a date" in page
    assert not DebtItem.objects.filter(title="Cart totals computed twice").exists()

    response = engineer.post(f"/imports/{job.pk}/commit/")
    assert response.headers["Location"] == f"/imports/{job.pk}/"
    page = work(engineer)
    assert "Stored: 2 new debts, 0 updated, 0 unchanged." in page
    assert "To the ranking" in page
    assert DebtItem.objects.filter(title="Cart totals computed twice").exists()


def test_columns_are_guessed_and_can_be_corrected(engineer: Client, company: Company) -> None:
    upload(engineer, LEDGER.replace("Title", "Bezeichnung").replace("Due", "Title"))
    page = work(engineer)
    job = LedgerImport.objects.get()
    assert page.count('<option value="title" selected>') == 1
    number = {column["header"]: column["index"] for column in job.workbook["sheets"][0]["columns"]}
    engineer.post(
        f"/imports/{job.pk}/columns/",
        {
            "sheet-0": "yes",
            f"0-{number['Bezeichnung']}": "title",
            f"0-{number['Title']}": "due",
            f"0-{number['Service']}": "service",
        },
    )
    work(engineer)
    job.refresh_from_db()
    assert [row["title"] for row in job.sample][:2] == [
        "Cart totals computed twice",
        "Refund lookup scans the table",
    ]
    assert job.sample[0]["effort_likely"] is None, "that column was set to nothing"


UNTITLED = LEDGER.replace("Title", "Bezeichnung")


def test_a_ledger_without_a_known_title_asks_which_column_it_is(
    engineer: Client, company: Company
) -> None:
    upload(engineer, UNTITLED)
    page = work(engineer)
    job = LedgerImport.objects.get()
    assert job.refusal == "not_a_ledger"
    assert "Which column says what each debt is?" in page
    assert "header taken from row 1" in page
    assert "Bezeichnung" in page
    assert "Nothing was stored." in page
    assert "Waits for its columns" in engineer.get("/imports/").text

    answer = engineer.post(f"/imports/{job.pk}/commit/", follow=True).text
    assert "There is nothing to store yet. ledger.csv has no title column" in answer
    assert "Choose the column that says what each debt is" in answer

    columns = {"0-1": "title", "0-2": "service", "0-3": "effort", "0-4": "annual_cost"}
    engineer.post(f"/imports/{job.pk}/columns/", {"sheet-0": "yes", **columns})
    page = work(engineer)
    assert "2 debts would be imported" in page
    engineer.post(f"/imports/{job.pk}/commit/")
    assert "Stored: 2 new debts" in work(engineer)
    assert DebtItem.objects.get(title="Refund lookup scans the table").effort_likely == 2


def test_a_title_that_is_taken_away_again_leaves_nothing_to_store(
    engineer: Client, company: Company
) -> None:
    upload(engineer)
    work(engineer)
    job = LedgerImport.objects.get()
    engineer.post(f"/imports/{job.pk}/columns/", {"sheet-0": "yes", "0-2": "service"})
    page = work(engineer)
    assert "Which column says what each debt is?" in page
    assert not job.lines.exists()
    assert not job.findings.exists()
    assert "nothing to store yet" in engineer.post(f"/imports/{job.pk}/commit/", follow=True).text


def test_a_wrong_choice_that_leaves_no_debt_can_be_corrected(
    engineer: Client, company: Company
) -> None:
    upload(engineer, "Was,Wer\nSlow,\n")
    work(engineer)
    job = LedgerImport.objects.get()
    engineer.post(f"/imports/{job.pk}/columns/", {"sheet-0": "yes", "0-1": "title"})
    assert "no debt below it" in work(engineer)
    engineer.post(f"/imports/{job.pk}/columns/", {"sheet-0": "yes", "0-0": "title"})
    assert "1 debt would be imported" in work(engineer)


def test_a_sheet_of_very_many_columns_shows_those_that_a_form_can_take(
    engineer: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SHOWN_COLUMNS", 3)
    upload(engineer)
    page = work(engineer)
    job = LedgerImport.objects.get()
    assert page.count("<select") == 3
    assert "3 more columns are not shown" in page
    engineer.post(f"/imports/{job.pk}/columns/", {"sheet-0": "yes", "0-1": "title"})
    work(engineer)
    job.refresh_from_db()
    assert job.sample[0]["effort_likely"] == 1, "what the form did not show is as guessed"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.csv", b""),
        ("random.xlsx", b"\x8f\x01 no workbook \xff" * 40),
        ("notes.csv", b"hello\nworld\n"),
        ("nul.csv", b"\0\0\0\0\0\0"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(64)),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_with_the_next_step(
    engineer: Client, company: Company, name: str, data: bytes
) -> None:
    upload(engineer, data, name)
    page = work(engineer)
    job = LedgerImport.objects.get()
    assert job.state == JobState.FAILED
    assert job.refusal
    assert "Nothing was stored." in page
    assert "Upload another file" in page
    assert DebtItem.objects.count() == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": ""}, "This field is required"),
        ({"source": "x" * 121}, "at most 120 characters"),
        ({"file": ""}, "Choose a file."),
    ],
)
def test_an_upload_without_file_or_name_is_not_started(
    engineer: Client, wrong: dict[str, str], said: str
) -> None:
    response = engineer.post(
        "/imports/", {"file": SimpleUploadedFile("a.csv", b"x"), "source": "s", **wrong}
    )
    assert response.status_code == 422
    assert said in response.text
    assert not LedgerImport.objects.exists()


def test_a_file_over_the_limit_is_refused_with_the_limit(engineer: Client, settings: Any) -> None:
    settings.UPLOAD_LIMIT_MB = 1
    response = upload(engineer, b"x" * (1024 * 1024 + 1))
    assert response.status_code == 422
    assert "The file has more than 1 MB." in response.text


def test_an_import_can_be_dropped(engineer: Client, company: Company) -> None:
    upload(engineer)
    work(engineer)
    job = LedgerImport.objects.get()
    page = engineer.post(f"/imports/{job.pk}/cancel/", follow=True).text
    assert "nothing of it was stored" in page
    page = engineer.post(f"/imports/{job.pk}/commit/", follow=True).text
    assert "has no preview to go on from" in page


def test_a_stored_import_says_why_it_is_not_stored_again(
    engineer: Client, company: Company
) -> None:
    upload(engineer)
    work(engineer)
    job = LedgerImport.objects.get()
    engineer.post(f"/imports/{job.pk}/commit/")
    work(engineer)
    page = engineer.post(f"/imports/{job.pk}/commit/", follow=True).text
    assert "is stored already" in page


def test_a_commit_that_failed_offers_to_read_the_ledger_again(
    engineer: Client, company: Company
) -> None:
    upload(engineer)
    work(engineer)
    job = LedgerImport.objects.get()
    LedgerImport.objects.update(
        step="commit", state=JobState.FAILED, error="The catalog has changed."
    )
    page = engineer.get(f"/imports/{job.pk}/").text
    assert "The catalog has changed." in page
    assert f"/imports/{job.pk}/again/" in page

    response = engineer.post(f"/imports/{job.pk}/again/")
    assert response.headers["Location"] == f"/imports/{job.pk}/"
    assert "2 debts would be imported" in work(engineer)


def test_findings_come_page_by_page_and_by_kind(
    engineer: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FINDINGS_A_PAGE", 2)
    upload(engineer)
    work(engineer)
    job = LedgerImport.objects.get()
    LedgerFinding.objects.bulk_create(
        LedgerFinding(
            ledger_import=job, row=row, field="effort", kind="approximate", text="~1", message="…"
        )
        for row in range(50, 53)
    )
    page = engineer.get(f"/imports/{job.pk}/?kind=approximate").text
    assert page.count(">~1<") == 2
    assert 'rel="next"' in page
    assert "Rough estimate" in page
    for kind in ("nonsense", "%00"):
        assert engineer.get(f"/imports/{job.pk}/?kind={kind}").status_code == 200


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.DIRECTOR])
def test_who_only_reads_imports_nothing(as_role: Callable[[str], Client], role: str) -> None:
    client = as_role(role)
    assert upload(client).status_code == 403
    assert not LedgerImport.objects.exists()
