"""scoring-runs and imports: asked for, then read until they are done."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from debtreg import tasks
from debtreg.models import DebtItem, LedgerImport, ScoringRun
from tests.api.conftest import is_error

LEDGERS = Path(__file__).resolve().parent.parent / "data" / "ledger"
RUNS = "/api/v1/scoring-runs/"
IMPORTS = "/api/v1/imports/"


@pytest.fixture(autouse=True)
def sent(transactional_db, monkeypatch):
    """The jobs that were sent to a worker. They are done here, and beat on another connection."""
    jobs = []
    monkeypatch.setattr(tasks, "enqueue", jobs.append)
    return jobs


def test_a_run_is_asked_for_and_read_until_it_is_done(api, log, sent):
    log(effort=2)

    asked = api.post(RUNS)

    assert asked.status_code == 202
    run = asked.json()
    assert {name: run[name] for name in ("state", "stage", "done", "total")} == {
        "state": "queued",
        "stage": "",
        "done": 0,
        "total": 0,
    }
    assert asked["Location"] == f"http://testserver{RUNS}{run['id']}/"
    assert [job.pk for job in sent] == [run["id"]]

    assert tasks.run_scoring(run["id"])

    done = api.get(asked["Location"]).json()
    assert (done["state"], done["items"], done["promoted"]) == ("done", 1, 1)
    assert (done["annual_cost"], done["policy_version"]) == ("20000.00", 1)
    assert [row["id"] for row in api.get(f"{RUNS}?state=done").json()["results"]] == [run["id"]]


def test_a_run_that_waits_is_the_answer_to_the_next_one(api, db):
    assert api.post(RUNS).json()["id"] == api.post(RUNS).json()["id"]


def test_a_run_is_cancelled_once(api, db):
    run = api.post(RUNS).json()["id"]

    assert api.post(f"{RUNS}{run}/cancel/").json()["state"] == "cancelled"
    assert is_error(api.post(f"{RUNS}{run}/cancel/"), 409)
    assert ScoringRun.objects.get().state == "cancelled"


def upload(api, name, content=None, **fields):
    content = (LEDGERS / name).read_bytes() if content is None else content
    body = {"file": SimpleUploadedFile(name, content), **fields}
    return api.post(IMPORTS, body, format="multipart")


def test_a_ledger_is_uploaded_previewed_and_committed(api, checkout, sent):
    answer = upload(api, "ledger-en.csv", source="Sheet")

    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["step"], job["source"]) == ("queued", "preview", "Sheet")
    assert (job["filename"], answer["Location"]) == (
        "ledger-en.csv",
        f"http://testserver{IMPORTS}{job['id']}/",
    )
    assert is_error(api.post(f"{answer['Location']}commit/"), 409)

    tasks.run_import(job["id"])

    preview = api.get(answer["Location"]).json()
    assert (preview["state"], preview["step"]) == ("done", "preview")
    assert preview["workbook"]
    assert not DebtItem.objects.exists()
    findings = api.get(f"{answer['Location']}findings/?page_size=200").json()
    assert findings["results"][0].keys() >= {"sheet", "row", "field", "kind", "message"}

    commit = api.post(f"{answer['Location']}commit/")

    assert (commit.status_code, commit.json()["step"]) == (202, "commit")
    tasks.run_import(job["id"])
    done = api.get(answer["Location"]).json()
    expected = json.loads((LEDGERS / "expected.json").read_text())["files"]["ledger-en.csv"]
    assert done["state"] == "done", done
    assert done["summary"]["imported"] == expected["imported"] == DebtItem.objects.count()
    imports = [each.pk for each in sent if isinstance(each, LedgerImport)]
    assert imports == [job["id"], job["id"]]


def test_the_columns_of_a_preview_are_corrected(api, db):
    job = upload(api, "a.csv", b"title,why\nSlow,because\n").json()["id"]
    tasks.run_import(job)
    sheet = next(iter(api.get(f"{IMPORTS}{job}/").json()["workbook"]["sheets"]))["name"]

    answer = api.patch(f"{IMPORTS}{job}/", {"mapping": {sheet: {"0": "title", "1": "description"}}})

    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["mapping"] == {sheet: {"0": "title", "1": "description"}}
    for wrong in ({"x": "title"}, {"-1": "title"}, {"9" * 30: "title"}, {"0": "colour"}):
        assert is_error(api.patch(f"{IMPORTS}{job}/", {"mapping": {sheet: wrong}}), 400)


def test_a_file_that_is_no_ledger_fails_with_a_reason(api, db):
    job = upload(api, "a.xlsx", b"\x00\x01").json()["id"]
    tasks.run_import(job)

    found = api.get(f"{IMPORTS}{job}/").json()
    assert found["state"] == "failed"
    assert found["refusal"]
    assert found["error"]
    assert found["hint"]
    assert is_error(api.post(f"{IMPORTS}{job}/commit/"), 409)


def test_a_ledger_without_a_known_title_says_which_columns_it_has_and_takes_one(api, db):
    job = upload(api, "a.csv", b"was,why\nSlow,because\n").json()["id"]
    tasks.run_import(job)

    found = api.get(f"{IMPORTS}{job}/").json()
    assert (found["state"], found["refusal"]) == ("failed", "not_a_ledger")
    (sheet,) = found["workbook"]["sheets"]
    assert (sheet["header_row"], [c["header"] for c in sheet["columns"]]) == (1, ["was", "why"])
    refused = api.post(f"{IMPORTS}{job}/commit/")
    assert is_error(refused, 409)
    assert "Choose the column" in refused.json()["hint"]

    chosen = {"mapping": {sheet["name"]: {"0": "title"}}}
    assert api.patch(f"{IMPORTS}{job}/", chosen).json()["refusal"] == ""
    tasks.run_import(job)
    api.post(f"{IMPORTS}{job}/commit/")
    tasks.run_import(job)
    assert DebtItem.objects.get().title == "Slow"


def test_an_import_is_cancelled(api, db):
    job = upload(api, "a.csv", b"title\nx\n").json()["id"]

    assert api.post(f"{IMPORTS}{job}/cancel/").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "file"),
        ({"file": "text"}, "file"),
        ({"file": SimpleUploadedFile("a.csv", b"x"), "source": "x" * 121}, "source"),
        ({"file": SimpleUploadedFile("a.csv", b"x"), "color": "red"}, "color"),
    ],
)
def test_an_upload_needs_a_file(api, db, body, field):
    assert is_error(api.post(IMPORTS, body, format="multipart"), 400, field)
    assert not LedgerImport.objects.exists()


def test_a_broken_multipart_body_is_a_400(api, db):
    kinds = ("multipart/form-data", "multipart/form-data; boundary=x")
    for kind in kinds:
        assert is_error(api.generic("POST", IMPORTS, b"--x\r\nnonsense", content_type=kind), 400)


def test_a_file_beyond_the_limit_is_a_413(api, db, settings):
    settings.UPLOAD_LIMIT_MB = 1

    assert is_error(upload(api, "a.csv", b"x" * (2**20 + 1)), 413)
    assert not LedgerImport.objects.exists()
