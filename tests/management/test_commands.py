"""What the commands print, and how they end: 0 done, 1 something to look at, 2 could not run."""

import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from debtreg.formats import documents
from debtreg.models import (
    ApiToken,
    Contract,
    DebtItem,
    Guarantee,
    LedgerImport,
    ScoringRun,
    Service,
    Slo,
)
from tests.factories import DebtItemFactory, ServiceFactory, SloFactory, UserFactory
from tests.formats.samples import an_slo

DATA = Path(__file__).resolve().parent.parent / "data" / "ledger"
CATALOG = Path(__file__).resolve().parents[2] / "demo" / "services.yaml"
HEADER = "ID,Title,Service,Status,Effort (person-days),Annual Cost (CNY)\n"


def refused(*arguments):
    """The sentence with which a command refuses to run."""
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


def test_create_token_prints_a_working_token_as_its_last_word(db, capsys):
    user = UserFactory(username="sre")

    call_command("create_token", "sre", "--name", "export", "--days", "90")

    token = capsys.readouterr().out.split()[-1]
    found = ApiToken.objects.usable().get(digest=ApiToken.digest_of(token))
    assert (found.user, found.name) == (user, "export")


def test_create_token_for_nobody_names_who_there_is(db):
    UserFactory(username="owner")
    assert "no user 'nobody'. There are: owner" in refused("create_token", "nobody")


def test_create_token_refuses_days_that_are_none(db):
    UserFactory(username="owner")
    assert "--days is 0" in refused("create_token", "owner", "--days", "0")


def test_import_catalog_takes_a_file_and_repeats_without_a_change(db, capsys):
    call_command("import_catalog", CATALOG)
    assert "24 services" in capsys.readouterr().out

    call_command("import_catalog", CATALOG)
    assert "0 services" in capsys.readouterr().out
    assert Service.objects.count() == 24


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- just\n- a list\n", "not a mapping"),
        ("teams: [", "is not YAML"),
        ("services: [{slug: a, team: nobody}]", "no team 'nobody'"),
        ("teams: [{name: nameless}]", "slug is missing"),
        ("servces: []\nteams: []", "no section 'servces'"),
        ("slas: [{id: a/b, metric: m, target: ≤1s}]", "“a/b” has a slash"),
        ("teams: []\nslas:\n- id: S\n  id: T", "Line 4: slas[0].id stands here twice."),
    ],
)
def test_import_catalog_says_what_is_wrong_and_stores_nothing(db, tmp_path, content, says):
    file = tmp_path / "catalog.yaml"
    file.write_text(content)

    assert says in refused("import_catalog", file)
    assert not Service.objects.exists()


def test_import_catalog_reads_contracts_as_pages_and_the_api_do(db, tmp_path, capsys):
    file = tmp_path / "slas.yaml"
    file.write_text("slas: [{id: 010, metric: yes, target: ≤1s, tier: 1}]")
    call_command("import_catalog", file)
    row = Guarantee.objects.get()
    assert (row.contract.reference, row.metric, row.extra) == ("010", "yes", {"tier": 1})
    assert "slas: 010: Nothing here is called tier: it is kept" in capsys.readouterr().out


def test_import_catalog_keeps_what_stands_beside_the_slas_as_pages_and_the_api_do(
    db, tmp_path, capsys
):
    file = tmp_path / "slas.yaml"
    file.write_text("reviewed: 2026-01-01\nteams: []\nslas: [{id: S, metric: m, target: ≤1s}]")
    call_command("import_catalog", file)
    assert Contract.objects.get().extra == {"reviewed": "2026-01-01"}
    said = capsys.readouterr().out
    assert "Beside the slas: Nothing here is called reviewed: it is kept" in said
    assert "left out" not in said


def test_import_catalog_takes_scenarios_and_names_every_debt_that_is_not_there(
    db, tmp_path, capsys
):
    file = tmp_path / "scenarios.yaml"
    member = "{{debt: {}, role: gate}}"
    form = "scenarios: [{{name: A, trigger_rate: 1, loss: 5, members: [{}, {}]}}]"
    file.write_text(form.format(member.format("TD-1"), member.format("TD-2")))
    said = refused("import_catalog", file)
    assert "scenarios: A: members[0].debt: There is no debt 'TD-1'" in said
    assert "scenarios: A: members[1].debt: There is no debt 'TD-2'" in said

    for name in ("TD-1", "TD-2"):
        DebtItemFactory(ledger_id=name)
    ScoringRun.objects.all().delete()
    call_command("import_catalog", file)
    said = capsys.readouterr().out
    assert "1 scenarios" in said
    assert "scoring run" not in said  # its members are scored already


def test_import_catalog_names_a_file_that_is_not_there(db, tmp_path):
    assert "No such file" in refused("import_catalog", tmp_path / "none.yaml")


@pytest.fixture
def company(transactional_db):
    """The catalog that the ledgers name. Jobs keep their lease on a connection of their own."""
    call_command("import_catalog", CATALOG, verbosity=0)


def test_import_ledger_stores_a_clean_ledger_and_ends_with_0(company, capsys):
    call_command("import_ledger", DATA / "ledger-en.csv")

    assert "60 new, 0 updated, 0 unchanged" in capsys.readouterr().out
    assert DebtItem.objects.count() == 60


def test_import_ledger_again_changes_nothing(company, capsys):
    call_command("import_ledger", DATA / "ledger-en.csv")
    before = list(DebtItem.objects.order_by("pk").values())

    call_command("import_ledger", DATA / "ledger-en.csv")

    assert "0 new, 0 updated, 60 unchanged" in capsys.readouterr().out
    assert list(DebtItem.objects.order_by("pk").values()) == before


def test_import_ledger_with_findings_ends_with_1_and_shows_them(company, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("import_ledger", DATA / "ledger-217.xlsx")

    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "217 new" in out
    assert "row 220 was left out: total" in out


def test_a_dry_run_of_import_ledger_stores_nothing(company, capsys):
    call_command("import_ledger", DATA / "ledger-en.csv", "--dry-run")

    assert "60 rows to import, 0 held. Stored: none." in capsys.readouterr().out
    assert not DebtItem.objects.exists()
    assert LedgerImport.objects.get().state == "cancelled"


def test_import_ledger_refuses_what_is_no_ledger(company, tmp_path):
    file = tmp_path / "page.xlsx"
    file.write_text("<html><body>log in first</body></html>")

    assert "wrong_format" in refused("import_ledger", file)
    assert not DebtItem.objects.exists()


def test_import_ledger_is_told_what_a_column_is(company, tmp_path, capsys):
    file = tmp_path / "sheet.csv"
    file.write_text(
        HEADER.replace("Title", "Was").replace("Effort (person-days)", "Dauer")
        + "A-1,Slow,order-api,Open,1,9000\n"
    )

    said = refused("import_ledger", file)
    assert "not_a_ledger; say it with --column title=...: A ID, B Was, C Service" in said
    for wrong, answer in (
        ("title=Wer", "no column 'Wer'. There are: A ID, B Was"),
        ("titel=Was", "no field 'titel'. There are: id, title"),
    ):
        assert answer in refused("import_ledger", file, "--column", wrong)

    for title, effort in (("Was", "Dauer"), ("B", "E")):
        columns = ("--column", f"title={title}", "--column", f"effort={effort}")
        with suppress(SystemExit):  # with findings: a bare number has no unit
            call_command("import_ledger", file, *columns)
    assert "0 new, 0 updated, 1 unchanged" in capsys.readouterr().out
    assert DebtItem.objects.get().title == "Slow"
    assert DebtItem.objects.get().effort_likely == 1


def test_import_ledger_names_a_file_that_is_not_there(db, tmp_path):
    assert "No such file" in refused("import_ledger", tmp_path / "none.xlsx")


def test_an_edit_survives_the_next_import_of_its_ledger(company, tmp_path):
    """The ledger changes one cell, a person another: both hold afterwards."""
    file = tmp_path / "sheet.csv"
    file.write_text(f"{HEADER}A-1,Old title,order-api,Open,3,9000\n")
    call_command("import_ledger", file, "--source", "sheet")
    DebtItem.objects.update(title="Better title")

    file.write_text(f"{HEADER}A-1,Old title,order-api,Open,5,9000\n")
    call_command("import_ledger", file, "--source", "sheet")

    item = DebtItem.objects.get()
    assert (item.title, item.effort_likely) == ("Better title", 5)
    assert item.impacts.get().unit_price_likely == 9000


def test_rows_that_move_stay_the_same_debts_and_missing_ones_are_reported(
    company, tmp_path, capsys
):
    file = tmp_path / "sheet.csv"
    file.write_text(f"{HEADER}A-1,First,order-api,Open,1,\nA-2,Second,order-api,Open,1,\n")
    call_command("import_ledger", file)
    keys = dict(DebtItem.objects.values_list("title", "pk"))

    file.write_text(f"{HEADER}A-3,Third,order-api,Open,1,\nA-2,Second,order-api,Open,1,\n")
    call_command("import_ledger", file)

    assert "1 new, 0 updated, 1 unchanged, 0 held, 1 no longer" in capsys.readouterr().out
    assert DebtItem.objects.get(title="Second").pk == keys["Second"]
    assert DebtItem.objects.filter(title="First").exists()


def test_score_does_a_run_here_and_says_what_came_of_it(company, capsys):
    call_command("import_ledger", DATA / "ledger-en.csv")
    ScoringRun.objects.all().delete()

    call_command("score")

    assert "items scored" in capsys.readouterr().out
    assert ScoringRun.objects.get().state == "done"


def test_score_in_the_background_leaves_it_to_a_worker(db, capsys):
    call_command("score", "--background")

    assert "waits for a worker" in capsys.readouterr().out
    assert ScoringRun.objects.get().state == "queued"


def test_texts_and_amounts_beyond_all_measure_come_in_as_far_as_they_fit(company, tmp_path, capsys):
    """Cut in the item, whole in its row; an amount that must be a slip is unknown and flagged."""
    long, title = "x" * 500, "t" * 900
    file = tmp_path / "sheet.csv"
    file.write_text(
        f"{HEADER}{long},{title},order-api,Open,1,50000000000000\n,{title},order-api,Open,1,\n"
    )

    for _ in range(2):
        with pytest.raises(SystemExit):
            call_command("import_ledger", file)

    assert "0 new, 0 updated, 2 unchanged" in capsys.readouterr().out
    first = DebtItem.objects.order_by("pk").first()
    assert (len(first.ledger_id), len(first.title), first.score.state) == (120, 200, "unpriced")
    assert first.ledger_rows.get().cells["ID"] == long
    finding = LedgerImport.objects.first().findings.get(field="annual_cost")
    assert "slip of units" in finding.message


def test_import_readings_stores_a_file_and_again_changes_nothing(db, tmp_path, capsys):
    slo, file = SloFactory(), tmp_path / "readings.csv"
    at = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    file.write_text(f"slo,at,good,total\n{slo.name},{at.isoformat()},1,2\n")

    call_command("import_readings", str(file))
    assert "1 new readings, 0 corrected, 0 there already" in capsys.readouterr().out
    call_command("import_readings", str(file))
    assert "0 new readings, 0 corrected, 1 there already" in capsys.readouterr().out


def test_import_readings_names_the_wrong_lines_and_ends_with_1(db, tmp_path, capsys):
    file = tmp_path / "readings.csv"
    file.write_text("slo,at,good,total\nnothing,2026-03-01T10:00:00Z,1,2\n")

    with pytest.raises(CommandError, match="1 of 1 lines") as caught:
        call_command("import_readings", str(file))
    assert caught.value.returncode == 1
    assert "line 2, " in capsys.readouterr().err


def test_import_readings_names_a_file_that_is_not_there_or_is_none(db, tmp_path):
    assert "No such file" in refused("import_readings", str(tmp_path / "none.csv"))
    file = tmp_path / "readings.csv"
    file.write_text("a,b\n")
    assert "a column 'a'" in refused("import_readings", str(file))


def test_import_slos_takes_what_it_can_and_names_the_rest_by_file_and_line(db, tmp_path, capsys):
    ServiceFactory(slug="web")
    file = tmp_path / "slos.yaml"
    file.write_text(documents.dump(an_slo(), an_slo({"target": 1}, name="full")))

    with pytest.raises(SystemExit) as seen:
        call_command("import_slos", file, "--dry-run")
    assert seen.value.code == 1
    assert "Stored: nothing." in capsys.readouterr().out
    assert not Slo.objects.exists()

    with pytest.raises(SystemExit):
        call_command("import_slos", file)
    said = capsys.readouterr().out
    assert re.search(r"slos\.yaml:\d+: error: SLO full: spec\.objectives\[0\]\.target: 100 %", said)
    assert "1 new, 0 changed, 0 unchanged, 1 not taken." in said

    file.write_text(documents.dump(an_slo()))
    call_command("import_slos", file, "--format", "openslo")
    assert "0 new, 0 changed, 1 unchanged, 0 not taken." in capsys.readouterr().out


def test_import_slos_refuses_what_it_can_not_read(db, tmp_path):
    file = tmp_path / "slos.yaml"
    file.write_text("a: [")

    assert "not YAML" in refused("import_slos", file)
    assert "No such file" in refused("import_slos", tmp_path / "none.yaml")
    file.write_text("a: 1")
    assert "can't be told" in refused("import_slos", file)
