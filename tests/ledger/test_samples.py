"""The two sample ledgers come out exactly, and the words are those of the format."""

import json
from typing import Any

import pandas as pd
import pytest

from debtreg.ledger import REFUSALS, SKIP_REASONS, WARNINGS, Ledger, inspect, read, words

from .files import CATALOG, DATA

EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
FILES = sorted(EXPECTED["files"])


@pytest.fixture(scope="module", params=FILES)
def sample(request: pytest.FixtureRequest) -> tuple[Ledger, dict[str, Any]]:
    name = request.param
    return read(DATA / name, name, CATALOG), EXPECTED["files"][name]


def _none(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _points(row: Any, name: str, *more: str) -> dict[str, Any] | None:
    found = {point: _none(row[f"{name}_{point}"]) for point in ("low", "likely", "high")}
    if all(value is None for value in found.values()):
        return None
    return {**found, **{key: row[key] for key in more}}


def _as_expected(row: Any) -> dict[str, Any]:
    days = {name: _none(row[name]) for name in ("created", "due", "closed")}
    texts = ("id", "title", "service", "team", "owner", "type", "priority", "status")
    return {
        "row": row["row"],
        **{name: row[name] for name in texts},
        "effort": _points(row, "effort"),
        "effort_text": row["effort_text"],
        "annual_cost": _points(row, "annual_cost", "currency"),
        "annual_cost_text": row["annual_cost_text"],
        **{name: day and day.date().isoformat() for name, day in days.items()},
        "depends_on": list(row["depends_on_ids"]),
        **({"other_services": list(row["services_other"])} if row["services_other"] else {}),
    }


def test_every_row_of_the_samples_is_read_exactly(sample):
    ledger, expected = sample
    assert [_as_expected(row) for _, row in ledger.rows.iterrows()] == expected["rows"]


def test_the_samples_get_these_warnings_and_no_other(sample):
    ledger, expected = sample
    found = ledger.findings[["row", "field", "kind"]].to_dict("records")
    order = ("row", "field", "kind")
    assert sorted(found, key=lambda f: [f[k] for k in order]) == sorted(
        expected["warnings"], key=lambda f: [f[k] for k in order]
    )


def test_totals_counts_and_skipped_lines_of_the_samples(sample):
    ledger, expected = sample
    assert ledger.totals() == expected["totals"]
    states = ledger.rows["state"].value_counts()
    assert states.get("imported", 0) == expected["imported"]
    assert states.get("held", 0) == expected["held"]
    assert ledger.skipped[["row", "reason"]].to_dict("records") == expected["skipped"]


def test_columns_and_headers_of_the_samples_are_understood(sample):
    ledger, expected = sample
    columns = ledger.columns
    assert dict(zip(columns["header"], columns["field"], strict=True)) == expected["columns"]
    assert ledger.column_warnings.to_dict("records") == expected["column_warnings"]
    assert [s.header_row for s in ledger.sheets if s.imported] == [expected["header_row"]]


def test_the_sheets_of_the_sample_workbook_are_listed_with_the_reason():
    expected = EXPECTED["files"]["ledger-217.xlsx"]["sheets"]
    book = inspect(DATA / "ledger-217.xlsx", "ledger-217.xlsx")
    found = [
        {"name": s.name, "imported": s.imported, **({"why": s.why} if s.why else {})}
        for s in book.sheets
    ]
    assert found == expected
    assert [s.rows for s in book.sheets] == [217, 5, 11]


def test_duplicates_of_the_samples_are_proposed(sample):
    ledger, expected = sample
    found = [
        {"rows": [pair.first_row, pair.row], "why": pair.why}
        for pair in ledger.duplicates.itertuples()
    ]
    assert found == expected["duplicates_proposed"]


def test_the_avalanche_is_low_unpriced_and_112_person_days():
    ledger = read(DATA / "ledger-217.xlsx", "ledger-217.xlsx", CATALOG)
    story = EXPECTED["files"]["ledger-217.xlsx"]["avalanche"]
    rows = ledger.rows[ledger.rows["id"].isin([*story["gates"], *story["amplifiers"]])]
    assert len(rows) == 19
    assert set(rows["priority"]) == {"P3"}
    assert rows["annual_cost_likely"].isna().all()
    assert rows["effort_likely"].sum() == 112


def test_reading_a_sample_again_gives_the_same_keys_and_fingerprints(sample):
    ledger, expected = sample
    name = "ledger-en.csv" if expected["imported"] == 60 else "ledger-217.xlsx"
    again = read(DATA / name, name, CATALOG)
    assert again.rows["key"].is_unique
    pd.testing.assert_frame_equal(
        again.rows[["key", "fingerprint"]], ledger.rows[["key", "fingerprint"]]
    )


def test_every_finding_says_what_was_done_in_a_sentence(sample):
    ledger, _ = sample
    for finding in ledger.findings.itertuples():
        assert finding.message.endswith(".")
        assert "{" not in finding.message
        assert finding.text in finding.message or finding.text == "" or len(finding.text) > 80


def test_the_names_of_warnings_skips_and_refusals_are_those_of_the_format():
    assert set(WARNINGS) == set(EXPECTED["warning_kinds"])
    assert set(SKIP_REASONS) == set(EXPECTED["skip_reasons"])
    assert set(REFUSALS) == set(EXPECTED["refusals"])


def test_the_vocabulary_holds_every_word_of_the_format():
    given = EXPECTED["vocabulary"]

    def lists(ours: Any) -> dict[str, list[str]]:
        return {name: list(listed) for name, listed in ours.items()}

    assert lists(words.HEADERS) == given["headers"]
    assert lists(words.AMBIGUOUS_HEADERS) == given["headers_that_need_a_person"]
    assert lists(words.POINTS) == given["sub_headers_of_effort_or_cost"]
    assert lists(words.PRIORITIES) == given["priority"]
    assert lists(words.STATUSES) == given["status"]
    assert given["headers_that_give_a_unit"] == words.HEADER_UNITS
    assert given["effort_units_in_person_days"] == words.EFFORT_UNITS
    assert list(words.UNSIZED_UNITS) == given["effort_units_without_a_fixed_size"]
    assert list(words.APPROXIMATE) == given["approximate"]
    assert set(given["unknown"]) == words.UNKNOWN
    assert set(given["totals"]) == words.TOTALS
    assert list(words.DUPLICATE_MARKS) == given["duplicate_marks"]
    assert given["amount_multipliers"].items() <= words.MULTIPLIERS.items()
    for ours, theirs in ((words.CURRENCIES, given["currencies"]), (words.PERIODS, given["per"])):
        for name, listed in theirs.items():
            assert set(listed) <= set(ours[name])
    for separator in given["list_separators"]:
        assert words.LIST_SEPARATORS.fullmatch("\n" if separator == "line break" else separator)


def test_no_word_stands_for_two_fields():
    listed = [word for some in words.HEADERS.values() for word in some]
    assert len(listed) == len(set(listed))
