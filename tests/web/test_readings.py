"""A file of readings on its page: stored whole, or refused line by line."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from debtreg import budgets
from debtreg.models import Reading, Role, Slo, SloState
from tests.factories import SloFactory
from tests.web.company import Company

HEADER = "slo,at,good,total\n"


@pytest.fixture
def sre(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.SRE)


@pytest.fixture
def slo(company: Company) -> Slo:
    return SloFactory(name="payments-answer", service=company.service)


def file_of(text: str) -> dict[str, SimpleUploadedFile]:
    return {"file": SimpleUploadedFile("readings.csv", text.encode())}


def line(good: object = 99, total: object = 100) -> str:
    day = timezone.now().date().isoformat()
    return f"payments-answer,{day}T00:00:00Z,{good},{total}\n"


def test_a_file_is_stored_and_its_budget_follows(sre: Client, slo: Slo) -> None:
    for says in ("1 new readings, 0 corrected, 0 unchanged", "0 new readings, 0 corrected, 1"):
        response = sre.post("/readings/import/?slo=payments-answer", file_of(HEADER + line()))
        assert response.url == "/slos/payments-answer/"
        assert says in sre.get(response.url).text
    assert Reading.objects.count() == 1
    assert SloState.objects.get(slo=slo, window="period").total == 100_000


def test_wrong_lines_are_named_and_nothing_is_stored(sre: Client, slo: Slo) -> None:
    text = HEADER + line() + line(good=101) + "nobody,yesterday,1,1\n"
    response = sre.post("/readings/import/", file_of(text))

    assert response.status_code == 422
    page = response.text
    assert "2 of 3 lines are not valid, so none was stored" in page
    assert "101 good of 100 events." in page
    assert "A time with its offset" in page
    assert page.count("<tr>") == 3
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no column"),
        (HEADER, "no readings"),
        ("slo,when\n", "when"),
        (HEADER + '"', "no CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
    sre: Client, slo: Slo, text: str, says: str
) -> None:
    response = sre.post("/readings/import/", file_of(text))
    assert response.status_code == 422
    assert says in response.text


def test_too_large_a_file_and_none_at_all_are_refused(sre: Client, slo: Slo, settings) -> None:  # type: ignore[no-untyped-def]
    assert "Choose a file." in sre.post("/readings/import/").text
    settings.UPLOAD_LIMIT_MB = 0
    assert "more than 0 MB" in sre.post("/readings/import/", file_of(HEADER + line())).text


def test_an_slo_without_readings_leads_to_the_import(sre: Client, owner: Client, slo: Slo) -> None:
    budgets.refresh()
    link = "/readings/import/?slo=payments-answer"
    assert link in sre.get("/slos/payments-answer/").text
    assert link not in owner.get("/slos/payments-answer/").text
    assert "/readings/import/" in sre.get("/slos/").text
    assert "payments-answer,2026" in sre.get(link).text
